"""Quality of a face: measures of its crop."""

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from countenance.types import FaceQuality
from countenance.vision.align import HeadPose

MEASURED_SIZE = 128
"""Side of the crop at which everything is measured, so that large and small faces compare."""
BURNT_OUT = 250
COARSE_SIGMA = 1.5
"""Pixels of the crop: what is left is detail that motion blur hardly touches."""
ROUNDING_BEND = 0.5
"""Energy of a second difference that rounding to whole levels alone makes: six times 1/12."""
BENDS = tuple(
    np.array(kernel, np.float32)
    for kernel in (
        [[0, 0, 0], [1, -2, 1], [0, 0, 0]],
        [[0, 1, 0], [0, -2, 0], [0, 1, 0]],
        [[1, 0, 0], [0, -2, 0], [0, 0, 1]],
        [[0, 0, 1], [0, -2, 0], [1, 0, 0]],
    )
)
"""Second differences: level, upright, and along both diagonals."""

# Points of the mesh.
LIPS = (13, 14)
EYE_OUTER_CORNERS = (33, 263)
LIDS = ((159, 145, 33, 133), (386, 374, 263, 362))
"""Of each eye: upper and lower lid, outer and inner corner."""


def measure_quality(
    crop_rgb: UInt8[np.ndarray, "S S 3"],
    inside: Float32[np.ndarray, "S S"],
    pose: HeadPose,
    landmarks_xyz: Float32[np.ndarray, "468 3"],
    resolution_wh: tuple[int, int],
    occluded_fraction: float,
) -> FaceQuality:
    """Measure what can be measured without knowing who it is; `inside` is where the face is seen in the crop, 0–1.

    Sharpness is the variance of the Laplacian at 128 px for a face of mean brightness 128, so that a dark face isn't
    taken for a blurred one. Motion blur is 1 − √(least / most) over four directions of how fine detail is in each.
    """
    size = (MEASURED_SIZE, MEASURED_SIZE)
    grey = cv2.cvtColor(cv2.resize(crop_rgb, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    core = cv2.erode(cv2.resize(inside, size, interpolation=cv2.INTER_AREA), np.ones((9, 9))) > 0.5
    if not core.any():
        core = np.ones(size, bool)
    brightness = float(grey[core].mean())
    within = np.all((landmarks_xyz[:, :2] >= 0) & (landmarks_xyz[:, :2] <= np.array(resolution_wh) - 1), axis=1)
    return FaceQuality(
        size_px=pose.crop_side_px,
        sharpness=float(cv2.Laplacian(grey, cv2.CV_32F)[core].var() * (128 / max(brightness, 8.0)) ** 2),
        motion_blur=_one_sidedness(crop_rgb, core),
        brightness=brightness,
        clipped_fraction=float((grey[core] >= BURNT_OUT).mean()),
        light_xy=_light(grey, core),
        yaw_pitch_roll_deg=(pose.yaw_deg, pose.pitch_deg, pose.roll_deg),
        visible_fraction=float(within.mean()),
        occluded_fraction=occluded_fraction,
        mouth_open=_distance(landmarks_xyz, *LIPS) / max(_distance(landmarks_xyz, *EYE_OUTER_CORNERS), 1e-6),
        eyes_open=float(np.mean([_openness(landmarks_xyz, *lids) for lids in LIDS])),
    )


def worth(quality: FaceQuality) -> float:
    """How informative a face is: sharp, large, unoccluded, and looking at the camera."""
    yaw, pitch, _ = quality.yaw_pitch_roll_deg
    facing = np.cos(np.deg2rad(min(max(abs(yaw), abs(pitch)), 85.0)))
    return float(np.sqrt(quality.sharpness) * quality.size_px * facing * (1 - quality.occluded_fraction))


def _one_sidedness(crop_rgb: UInt8[np.ndarray, "S S 3"], core: np.ndarray) -> float:
    """How much finer detail is across the direction in which it is coarsest.

    Eyes and lips are horizontal structures anyway, so fine detail is first compared with coarse detail in the same
    direction.
    """
    inside = cv2.resize(core.astype(np.uint8), crop_rgb.shape[1::-1], interpolation=cv2.INTER_NEAREST) > 0
    grey = cv2.cvtColor(crop_rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)
    coarse = cv2.GaussianBlur(grey, (0, 0), COARSE_SIGMA)
    fineness = np.array(
        [_bend(grey, inside, kernel) / (_bend(coarse, inside, kernel) + ROUNDING_BEND) for kernel in BENDS]
    )
    return float(1 - np.sqrt(fineness.min() / max(fineness.max(), 1e-6)))


def _bend(grey: Float32[np.ndarray, "H W"], inside: np.ndarray, kernel: Float32[np.ndarray, "3 3"]) -> float:
    return float((cv2.filter2D(grey, -1, kernel)[inside] ** 2).mean())


def _light(grey: UInt8[np.ndarray, "S S"], core: np.ndarray) -> tuple[float, float]:
    """Difference of the halves' means, as a fraction of their sum."""
    rows, columns = np.nonzero(core)
    bright = grey[core].astype(np.float32) + 1
    halves = ((columns, float(np.median(columns))), (rows, float(np.median(rows))))
    sides = [(float(bright[at > middle].mean()), float(bright[at <= middle].mean())) for at, middle in halves]
    (right, left), (below, above) = sides
    return (right - left) / (right + left), (below - above) / (below + above)


def _openness(landmarks_xyz: Float32[np.ndarray, "468 3"], upper: int, lower: int, outer: int, inner: int) -> float:
    return _distance(landmarks_xyz, upper, lower) / max(_distance(landmarks_xyz, outer, inner), 1e-6)


def _distance(points: Float32[np.ndarray, "N 3"], one: int, other: int) -> float:
    return float(np.linalg.norm(points[one] - points[other]))
