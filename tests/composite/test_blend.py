import numpy as np
import pytest

from countenance.composite.blend import feathered, paste
from countenance.types import GeneratedFace


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


def test_paste_touches_only_the_face_and_puts_it_in_place() -> None:
    frame = np.full((200, 300, 3), 50, np.uint8)
    face = GeneratedFace(
        rgb=np.ones((128, 128, 3), np.float32),
        mask=disc(),
        crop_to_frame=np.array([[0.5, 0, 100], [0, 0.5, 60]], np.float32),
    )
    result = paste(frame, face)
    assert (frame == 50).all()
    assert (result[92, 132] == 255).all()
    touched = np.argwhere((result != 50).any(axis=2))
    assert (touched >= [60, 100]).all()
    assert (touched < [124, 164]).all()


def test_paste_of_a_face_partly_or_wholly_outside_of_the_frame() -> None:
    frame = np.full((100, 100, 3), 50, np.uint8)
    for shift in (-40, 80, 400):
        face = GeneratedFace(
            rgb=np.ones((64, 64, 3), np.float32),
            mask=np.ones((64, 64), np.float32),
            crop_to_frame=np.array([[1, 0, shift], [0, 1, shift]], np.float32),
        )
        result = paste(frame, face)
        assert result.shape == frame.shape
        assert bool((result != 50).any()) == (shift < 100)


@pytest.mark.parametrize(("kind", "white"), [(np.uint16, 65535), (np.float32, 1)])
def test_paste_keeps_the_frames_depth_and_every_bit_outside_of_the_face(kind: type, white: float) -> None:
    noise = np.random.default_rng(1).random((100, 100, 3), np.float32)
    frame: np.ndarray = (noise * white).astype(kind)
    face = GeneratedFace(
        rgb=np.full((64, 64, 3), 0.25, np.float32),
        mask=disc(64, 20),
        crop_to_frame=np.array([[1, 0, 20], [0, 1, 20]], np.float32),
    )
    result = paste(frame, face)
    assert result.dtype == kind
    outside = np.pad(face.mask, 20)[:100, :100] == 0
    outside = np.pad(outside, ((0, 100 - outside.shape[0]), (0, 100 - outside.shape[1])), constant_values=True)
    assert np.array_equal(result[outside], frame[outside])
    assert result[52, 52] == pytest.approx(0.25 * white, abs=0.5 if kind is np.uint16 else 1e-6)
