"""Choose so many faces that pose, expression, light and gaze keep their spread."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from countenance.faces.config import PrepareConfig
from countenance.types import FaceQuality, Rejection
from countenance.vision.quality import worth

YAW_STEP_DEG, PITCH_STEP_DEG = 12.0, 10.0
MOUTH_STEP, EYES_STEP, LIGHT_STEP, GAZE_STEP_DEG = 0.08, 0.08, 0.12, 10.0
"""Steps by which a difference shows at a glance: two faces one step apart in one thing are as different as two that are
one step apart in another."""
STRAIGHT = (0.0, 0.0)


def most_varied(qualities: Sequence[FaceQuality], num_wanted: int, given: Sequence[int] = ()) -> list[int]:
    """Positions of the faces to keep, ascending: after the `given` ones, each in turn is the one that is furthest from
    all chosen before.

    Of faces that bring the same, the one of greater worth comes first. Source of the rule: Gonzalez, Clustering to
    minimize the maximum intercluster distance, 1985.
    """
    if len(qualities) <= num_wanted:
        return list(range(len(qualities)))
    points = _points(qualities)
    worths = np.array([worth(quality) for quality in qualities])
    rank = worths.argsort().argsort() / max(len(worths) - 1, 1)
    chosen = list[int]()
    nearest = np.full(len(points), np.inf)
    for new in given or (int(worths.argmax()),):
        chosen.append(new)
        nearest = _nearer(nearest, points, new)
    while len(chosen) < num_wanted:
        # A good picture is worth half a step.
        new = int(np.where(nearest < 0, -1, nearest + 0.5 * rank).argmax())
        chosen.append(new)
        nearest = _nearer(nearest, points, new)
    return sorted(chosen)


def _nearer(nearest: Float[np.ndarray, " N"], points: Float[np.ndarray, "N 8"], new: int) -> Float[np.ndarray, " N"]:
    """The distance of each point to the nearest chosen one, after one more was chosen; −1 for the chosen themselves."""
    distances = np.linalg.norm(points - points[new], axis=1)
    distances[new] = -1
    return np.where(nearest < 0, nearest, np.minimum(nearest, distances))


def _points(qualities: Sequence[FaceQuality]) -> Float[np.ndarray, "N 8"]:
    return np.array(
        [
            (
                each.yaw_pitch_roll_deg[0] / YAW_STEP_DEG,
                each.yaw_pitch_roll_deg[1] / PITCH_STEP_DEG,
                each.mouth_open / MOUTH_STEP,
                each.eyes_open / EYES_STEP,
                each.light_xy[0] / LIGHT_STEP,
                each.light_xy[1] / LIGHT_STEP,
                # Where it isn't known it makes no difference.
                *(angle / GAZE_STEP_DEG for angle in each.gaze_deg or STRAIGHT),
            )
            for each in qualities
        ]
    )


def judge(quality: FaceQuality, score: float, config: PrepareConfig) -> tuple[Rejection, ...]:
    """All reasons against a face that lie in its picture; none for a good one."""
    yaw, pitch, _ = quality.yaw_pitch_roll_deg
    found: tuple[tuple[bool, Rejection], ...] = (
        (score < config.min_score, "misfit"),
        (quality.size_px < config.min_size_px, "small"),
        (quality.visible_fraction < config.min_visible_fraction, "cut off"),
        (abs(yaw) > config.max_yaw_deg or abs(pitch) > config.max_pitch_deg, "turned"),
        (quality.occluded_fraction > config.max_occluded_fraction, "covered"),
        (quality.sharpness < config.min_sharpness, "blurred"),
        (quality.motion_blur > config.max_motion_blur, "moving"),
        (quality.brightness < config.min_brightness, "dark"),
        (quality.clipped_fraction > config.max_clipped_fraction, "overexposed"),
    )
    return tuple(reason for holds, reason in found if holds)
