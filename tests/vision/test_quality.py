from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from countenance.faces.config import PrepareConfig
from countenance.media.probe import probe
from countenance.media.reader import read_frames
from countenance.types import FaceQuality
from countenance.vision.align import canonical_mesh, head_pose
from countenance.vision.landmarks import FaceFinder
from countenance.vision.mask import face_mask
from countenance.vision.quality import measure_quality, worth
from tests.support.made_up import GOOD

MESH = np.column_stack([40 * canonical_mesh()[:, :2] + 128, 40 * canonical_mesh()[:, 2]]).astype(np.float32)


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    noise = np.random.default_rng(2).integers(0, 256, (256, 256, 3), np.uint8)
    return np.asarray(cv2.GaussianBlur(noise, (0, 0), 2), np.uint8)


def measured(rgb: np.ndarray, mesh: np.ndarray = MESH) -> FaceQuality:
    inside = face_mask(mesh[:, :2], (256, 256))
    return measure_quality(rgb, inside, head_pose(mesh), mesh, (256, 256), occluded_fraction=0.0)


def test_blur_lowers_sharpness_and_darkness_doesnt(picture: np.ndarray) -> None:
    plain = measured(picture).sharpness
    assert measured(np.asarray(cv2.GaussianBlur(picture, (0, 0), 4), np.uint8)).sharpness < plain / 4
    assert measured((picture * 0.5).astype(np.uint8)).sharpness == pytest.approx(plain, rel=0.15)


@pytest.mark.parametrize("angle_deg", [0, 45, 90])
def test_motion_blur_is_told_from_defocus_whatever_its_direction(demo_data: Path, angle_deg: int) -> None:
    rgb = next(read_frames(probe(demo_data / "mira_training.mp4"))).rgb
    mesh = FaceFinder()(rgb)[0].landmarks_xyz
    line = np.zeros((15, 15), np.float32)
    line[7] = 1 / 15
    kernel = cv2.warpAffine(line, cv2.getRotationMatrix2D((7, 7), angle_deg, 1), (15, 15))
    limit = PrepareConfig().max_motion_blur
    assert measured(np.asarray(cv2.filter2D(rgb, -1, kernel / kernel.sum()), np.uint8), mesh).motion_blur > limit
    assert measured(rgb, mesh).motion_blur < limit
    assert measured(np.asarray(cv2.GaussianBlur(rgb, (0, 0), 3), np.uint8), mesh).motion_blur < limit


def test_light_comes_from_where_it_is_bright(picture: np.ndarray) -> None:
    ramp = np.linspace(0.2, 1.0, 256, dtype=np.float32)
    from_right = measured((picture * ramp[None, :, None]).astype(np.uint8)).light_xy
    from_above = measured((picture * ramp[::-1, None, None]).astype(np.uint8)).light_xy
    assert from_right[0] > 0.08 > 2 * abs(from_right[1])
    assert from_above[1] < -0.08 < -2 * abs(from_above[0])


def test_brightness_and_burnt_out_parts(picture: np.ndarray) -> None:
    assert measured(np.full((256, 256, 3), 60, np.uint8)).brightness == pytest.approx(60, abs=1)
    half = picture.copy()
    half[128:] = 255
    assert measured(picture).clipped_fraction < 0.02
    assert 0.3 < measured(half).clipped_fraction < 0.7


def test_openness_of_mouth_and_eyes_follows_the_mesh(picture: np.ndarray) -> None:
    mesh = MESH.copy()
    before = measured(picture, mesh)
    mesh[14, 1] += 20  # lower lip
    mesh[[159, 386], 1] = mesh[[145, 374], 1]  # upper lids
    mesh[[159, 386], 2] = mesh[[145, 374], 2]
    after = measured(picture, mesh)
    assert after.mouth_open > before.mouth_open + 0.1
    assert after.eyes_open < before.eyes_open / 2


def test_a_face_of_greater_worth_is_sharper_larger_or_faces_the_camera() -> None:
    for change in ({"sharpness": 50.0}, {"size_px": 90.0}, {"yaw_pitch_roll_deg": (60.0, 0.0, 0.0)}):
        assert worth(replace(GOOD, **change)) < worth(GOOD)
