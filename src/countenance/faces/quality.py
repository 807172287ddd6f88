"""Which faces are worth learning from, and why others are left out."""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from countenance.faces.align import HeadPose
from countenance.types import FaceQuality, Rejection

SHARPNESS_SIZE = 128


@dataclass(frozen=True, kw_only=True, slots=True)
class QualityLimits:
    """What a face must reach to be kept."""

    min_size_px: float = 64.0
    """Side of the crop's square in the frame."""
    min_sharpness: float = 15.0
    """See `measure_quality`."""
    max_yaw_deg: float = 75.0
    max_pitch_deg: float = 45.0
    min_visible_fraction: float = 0.9
    min_score: float = 0.9
    max_distance: float = 0.5
    """Between a track's mean embedding and the person's template."""


PLATE_LIMITS = QualityLimits(
    min_size_px=0.0,
    min_sharpness=0.0,
    max_yaw_deg=180.0,
    max_pitch_deg=180.0,
    min_visible_fraction=0.0,
    min_score=0.0,
)
"""In a plate every face of the performer counts, however poor."""


def measure_quality(
    crop_rgb: UInt8[np.ndarray, "S S 3"],
    mask: Float32[np.ndarray, "S S"],
    pose: HeadPose,
    landmarks_xy: Float32[np.ndarray, "468 2"],
    resolution_wh: tuple[int, int],
) -> FaceQuality:
    """Measure what can be measured without knowing who it is.

    Sharpness is the variance of the Laplacian inside the face at 128 px, for a face of mean brightness 128, so that a
    dark face isn't taken for a blurred one.
    """
    grey = cv2.cvtColor(
        cv2.resize(crop_rgb, (SHARPNESS_SIZE, SHARPNESS_SIZE), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY
    )
    inside = cv2.erode(cv2.resize(mask, (SHARPNESS_SIZE, SHARPNESS_SIZE)), np.ones((9, 9))) > 0.5
    edges = cv2.Laplacian(grey, cv2.CV_32F)
    sharpness = 0.0
    if inside.any():
        sharpness = float(edges[inside].var() * (128 / max(float(grey[inside].mean()), 8.0)) ** 2)
    within = np.all((landmarks_xy >= 0) & (landmarks_xy <= np.array(resolution_wh) - 1), axis=1)
    return FaceQuality(
        size_px=pose.crop_side_px,
        sharpness=sharpness,
        yaw_pitch_roll_deg=(pose.yaw_deg, pose.pitch_deg, pose.roll_deg),
        visible_fraction=float(within.mean()),
    )


def judge(quality: FaceQuality, score: float, limits: QualityLimits, *, is_person: bool) -> tuple[Rejection, ...]:
    """All reasons against a face; none for one to keep."""
    yaw, pitch, _ = quality.yaw_pitch_roll_deg
    found: tuple[tuple[bool, Rejection], ...] = (
        (not is_person, "another person"),
        (score < limits.min_score, "uncertain"),
        (quality.size_px < limits.min_size_px, "small"),
        (quality.visible_fraction < limits.min_visible_fraction, "cut off"),
        (abs(yaw) > limits.max_yaw_deg or abs(pitch) > limits.max_pitch_deg, "turned"),
        (quality.sharpness < limits.min_sharpness, "blurred"),
    )
    return tuple(reason for holds, reason in found if holds)
