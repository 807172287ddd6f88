from dataclasses import replace

import cv2
import numpy as np
import pytest

from countenance.faces.align import canonical_mesh, head_pose
from countenance.faces.mask import face_mask
from countenance.faces.quality import PLATE_LIMITS, QualityLimits, judge, measure_quality
from countenance.types import FaceQuality

GOOD = FaceQuality(size_px=200.0, sharpness=200.0, yaw_pitch_roll_deg=(10.0, 5.0, 0.0), visible_fraction=1.0)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"size_px": 20.0}, "small"),
        ({"sharpness": 1.0}, "blurred"),
        ({"yaw_pitch_roll_deg": (-80.0, 0.0, 0.0)}, "turned"),
        ({"yaw_pitch_roll_deg": (0.0, 50.0, 0.0)}, "turned"),
        ({"visible_fraction": 0.5}, "cut off"),
    ],
)
def test_each_fault_has_its_reason(change: dict[str, object], reason: str) -> None:
    limits = QualityLimits()
    assert judge(GOOD, 1.0, limits, is_person=True) == ()
    assert judge(replace(GOOD, **change), 1.0, limits, is_person=True) == (reason,)  # type: ignore[arg-type]
    assert judge(replace(GOOD, **change), 1.0, PLATE_LIMITS, is_person=True) == ()  # type: ignore[arg-type]


def test_another_person_is_left_out_even_of_a_plate() -> None:
    assert judge(GOOD, 1.0, PLATE_LIMITS, is_person=False) == ("another person",)
    assert judge(GOOD, 0.5, QualityLimits(), is_person=True) == ("uncertain",)


def test_blur_lowers_sharpness_and_darkness_doesnt() -> None:
    landmarks = (40 * canonical_mesh()[:, :2] + 128).astype(np.float32)
    mesh = np.column_stack([landmarks, 40 * canonical_mesh()[:, 2]]).astype(np.float32)
    picture = cv2.GaussianBlur(np.random.default_rng(2).integers(0, 256, (256, 256, 3), np.uint8), (0, 0), 2)
    mask = face_mask(landmarks, (256, 256))

    def sharpness(rgb: np.ndarray) -> float:
        return measure_quality(rgb, mask, head_pose(mesh), landmarks, (256, 256)).sharpness

    plain = sharpness(np.asarray(picture, np.uint8))
    assert sharpness(np.asarray(cv2.GaussianBlur(picture, (0, 0), 4), np.uint8)) < plain / 4
    assert sharpness((picture * 0.5).astype(np.uint8)) == pytest.approx(plain, rel=0.15)
