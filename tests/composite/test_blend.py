from dataclasses import replace

import cv2
import numpy as np
import pytest

from countenance.composite.blend import Patch, fading, feathered, grown, paste
from countenance.geometry import resample
from countenance.vision.align import CROP_SIDE, HeadPose, head_pose
from tests.support.made_up import mesh_at


def disc(size: int = 128, radius: float = 45) -> np.ndarray:
    rows, columns = np.mgrid[:size, :size] - (size - 1) / 2
    return np.asarray(np.hypot(rows, columns) < radius, np.float32)


def test_feather_stays_inside_and_is_soft() -> None:
    mask = disc()
    soft = feathered(mask)
    assert soft[64, 64] > 0.99
    assert soft[mask == 0].max() < 0.35
    assert np.abs(np.diff(soft, axis=1)).max() < 0.25


def test_feather_reaches_zero_at_the_border_of_the_crop() -> None:
    soft = feathered(np.ones((128, 128), np.float32))
    border = np.concatenate([soft[0], soft[-1], soft[:, 0], soft[:, -1]])
    assert border.max() < 0.05


def test_a_mask_shrinks_by_the_same_fraction_of_the_crop_at_any_size() -> None:
    fractions = [float(feathered(disc(size, 0.35 * size)).mean()) for size in (64, 128, 192, 256, 512)]
    assert max(fractions) - min(fractions) < 0.004


def test_a_mask_that_the_crop_cuts_off_rises_from_its_edge_without_a_step() -> None:
    rising = fading(128, 2, 5)
    assert rising[:3].max() == rising[:, -3:].max() == 0
    assert (rising[7:-7, 7:-7] == 1).all()
    assert np.abs(np.diff(rising, axis=0)).max() < 0.35
    assert np.array_equal(rising, rising.T)


def pose_at(x: float, y: float, side: float) -> HeadPose:
    """Of a crop of that side, in pixels of the frame."""
    return HeadPose(
        centre_xy=np.array([x, y], np.float32), unit_px=side / CROP_SIDE, yaw_deg=0.0, pitch_deg=0.0, roll_deg=0.0
    )


def test_paste_touches_only_the_face_and_puts_it_in_place() -> None:
    frame = np.full((200, 300, 3), 50, np.uint8)
    for size in (32, 128, 512):
        patch = Patch(rgb=np.ones((size, size, 3), np.float32), alpha=disc(), pose=pose_at(132, 92, 64))
        result = paste(frame, patch)
        assert (frame == 50).all()
        assert (result[92, 132] == 255).all()
        touched = np.argwhere((result != 50).any(axis=2))
        assert touched.min(axis=0).tolist() == pytest.approx([92 - 22.5, 132 - 22.5], abs=1.5)
        assert touched.max(axis=0).tolist() == pytest.approx([92 + 22.5, 132 + 22.5], abs=1.5)


def test_paste_of_a_face_partly_or_wholly_outside_of_the_frame() -> None:
    frame = np.full((100, 100, 3), 50, np.uint8)
    for centre in (-8, 112, 432):
        patch = Patch(
            rgb=np.ones((64, 64, 3), np.float32), alpha=np.ones((64, 64), np.float32), pose=pose_at(centre, centre, 64)
        )
        result = paste(frame, patch)
        assert result.shape == frame.shape
        assert bool((result != 50).any()) == (centre < 132)


@pytest.mark.parametrize(("kind", "white"), [(np.uint16, 65535), (np.float32, 1)])
def test_paste_keeps_the_frames_depth_and_every_bit_outside_of_the_face(kind: type, white: float) -> None:
    noise = np.random.default_rng(1).random((100, 100, 3), np.float32)
    frame: np.ndarray = (noise * white).astype(kind)
    patch = Patch(rgb=np.full((64, 64, 3), 0.25, np.float32), alpha=disc(64, 20), pose=pose_at(51.5, 51.5, 64))
    result = paste(frame, patch)
    assert result.dtype == kind
    outside = np.hypot(*(np.indices((100, 100)) - 51.5)) > 22
    assert np.array_equal(result[outside], frame[outside])
    assert result[52, 52] == pytest.approx(0.25 * white, abs=0.5 if kind is np.uint16 else 1e-6)


def test_a_face_drawn_far_finer_than_the_frame_does_not_alias() -> None:
    """A fine chequerboard is grey from afar, wherever the pixels fall."""
    frame = np.zeros((80, 80, 3), np.uint8)
    board = (np.indices((512, 512)) // 2).sum(axis=0) % 2
    rgb = np.repeat(board[..., None].astype(np.float32), 3, axis=2)
    for side in (50.0, 90.0, 160.0):
        result = paste(frame, Patch(rgb=rgb, alpha=np.ones((128, 128), np.float32), pose=pose_at(39.7, 40.2, side)))
        assert np.abs(result[25:55, 25:55].astype(float) - 127.5).max() < 30


def test_plain_resampling_is_sharper_and_keeps_the_mean() -> None:
    noise = np.random.default_rng(1).normal(0.5, 0.1, (256, 256, 3)).astype(np.float32)
    transform = np.array([[0.55, 0, 3], [0, 0.55, 2]], np.float32)
    averaged, plain = (resample(noise, transform, (140, 140), plain_scale=scale) for scale in (0.6, 0.5))
    within = np.s_[10:130, 10:130]
    assert plain[within].std() > 1.2 * averaged[within].std()
    assert plain[within].mean() == pytest.approx(0.5, abs=0.005)
    assert averaged[within].mean() == pytest.approx(0.5, abs=0.005)


def test_resampling_keeps_places_whatever_the_scale() -> None:
    x, y = np.meshgrid(np.arange(300), np.arange(200))
    ramp = np.stack([x, y], axis=2).astype(np.float32)
    for scale in (0.11, 0.3, 0.6, 0.9, 2.5):
        transform = np.array([[scale, 0, 3], [0, scale, 2]], np.float32)
        drawn = resample(ramp, transform, (80, 60))
        u, v = np.meshgrid(np.arange(80), np.arange(60))
        # Away from the image's edges, where a mean is one-sided.
        within = ((u - 3) / scale > 12) & ((u - 3) / scale < 280) & ((v - 2) / scale > 12) & ((v - 2) / scale < 180)
        assert within.any()
        assert drawn[..., 0][within] == pytest.approx(((u - 3) / scale)[within], abs=0.06 / min(scale, 1))
        assert drawn[..., 1][within] == pytest.approx(((v - 2) / scale)[within], abs=0.06 / min(scale, 1))


def test_a_mask_grows_and_shrinks_by_fractions_of_a_pixel_without_a_jump() -> None:
    mask = np.zeros((64, 64), np.float32)
    mask[20:44, 20:44] = 1
    reaches = np.linspace(-3, 3, 61)
    areas = [float(grown(mask, float(reach)).sum()) for reach in reaches]
    assert np.all(np.diff(areas) > 0)
    assert np.diff(areas).max() < 40
    assert np.array_equal(grown(mask, 0), mask)
    assert areas[0] == pytest.approx(18**2, rel=0.02)


def test_sharpness_adds_fine_detail_and_takes_it_away() -> None:
    rng = np.random.default_rng(0)
    fine = np.float32(0.5) + np.float32(0.1) * rng.standard_normal((64, 64, 3)).astype(np.float32)
    pose = head_pose(mesh_at(64, 64, 128 / 3.7))
    frame = np.full((128, 128, 3), 128, np.uint8)
    patch = Patch(rgb=np.clip(fine, 0, 1), alpha=np.ones((64, 64), np.float32), pose=pose)

    def detail(sharpness: float) -> float:
        pasted = paste(frame, replace(patch, sharpness=sharpness)).astype(np.float32)[40:88, 40:88]
        return float((pasted - cv2.GaussianBlur(pasted, (0, 0), 2)).std())

    soft, as_drawn, sharp = (detail(each) for each in (-1, 0, 1))
    assert soft < 0.8 * as_drawn
    assert sharp > 1.2 * as_drawn
    assert np.array_equal(paste(frame, patch), paste(frame, replace(patch, sharpness=0.0)))
