"""Where eyes look, from the iris net and the head's pose.

The net finds the lids' outline and the iris in a cut of one eye. The eye is taken for a ball fixed to the head: its
centre lies at `BALL_CENTRE` from the middle between the eye's corners, and the iris moves on it at `IRIS_RADIUS`. The
direction is that from the ball's centre to the iris, turned back by the head's pose.

The four constants were fitted to 240 frames of the three actors' training clips and of the plate by predicting the
iris's place from the rendered gaze, because in those clips eyes turn against the head (correlation −0.96): fitting
the gaze itself would infer it from the pose.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, Float32, UInt8

from countenance.geometry import invert, square_to_crop, transform_points, warp
from countenance.vision.align import head_pose
from countenance.vision.networks import TfliteNet

INPUT_SIZE = 64
MARGIN = 2.3
"""Side of the net's input square, in distances between the eye's corners."""
EYE_CORNERS = ((33, 133), (263, 362))
"""Mesh points, outer and inner: the eye to the left in the picture, then the other, which the net sees mirrored."""
NUM_LID_POINTS, NUM_IRIS_POINTS = 71, 5
LID_CORNERS = (0, 8)
LID_MIDDLES = (4, 12)
MIN_OPENNESS = 0.22
"""Height of the gap between the lids as a fraction of its width; open eyes have 0.31–0.47, closed ones 0.05–0.24."""

MAX_YAW_DEG = 45.0
"""Beyond it, one eye is hardly visible."""

BALL_CENTRE = np.array([-0.019, -0.022, 0.151])
"""In the head's units (`vision.align`): away from the nose, up, back, seen from the middle between the corners."""
IRIS_RADIUS = 0.166
"""In the head's units; about 9 mm."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Eye:
    """One eye in a frame."""

    iris_xy: Float32[np.ndarray, "2"]
    """Centre of the iris."""
    middle_xy: Float32[np.ndarray, "2"]
    """Between the corners of the lids."""
    width_px: float
    """Between the corners of the lids."""
    openness: float
    """Height of the gap between the lids as a fraction of its width."""


class EyeFinder:
    """Finds lids and iris of a detected face; not thread-safe."""

    def __init__(self) -> None:
        self._net = TfliteNet("iris_landmark")

    def __call__(
        self, rgb: UInt8[np.ndarray, "H W 3"], landmarks_xyz: Float32[np.ndarray, "468 3"], roll_deg: float
    ) -> tuple[Eye, Eye]:
        """The eye to the left in the picture, then the other."""
        left, right = (
            self._look(rgb, landmarks_xyz[list(corners), :2], roll_deg, mirrored=mirrored)
            for corners, mirrored in zip(EYE_CORNERS, (False, True), strict=True)
        )
        return left, right

    def _look(
        self,
        rgb: UInt8[np.ndarray, "H W 3"],
        corners_xy: Float32[np.ndarray, "2 2"],
        roll_deg: float,
        *,
        mirrored: bool,
    ) -> Eye:
        side = MARGIN * max(float(np.linalg.norm(corners_xy[1] - corners_xy[0])), 1.0)
        frame_to_crop = square_to_crop(corners_xy.mean(axis=0), side, roll_deg, INPUT_SIZE)
        crop = warp(rgb, frame_to_crop, (INPUT_SIZE, INPUT_SIZE))
        seen = np.asarray(cv2.flip(crop, 1), np.uint8) if mirrored else crop
        lids, iris = self._net(seen[None].astype(np.float32) / 255)
        points_xy = np.concatenate([lids.reshape(NUM_LID_POINTS, 3), iris.reshape(NUM_IRIS_POINTS, 3)])[:, :2].copy()
        if mirrored:
            points_xy[:, 0] = INPUT_SIZE - 1 - points_xy[:, 0]
        points_xy = transform_points(invert(frame_to_crop), points_xy)
        width, height = (
            float(np.linalg.norm(points_xy[one] - points_xy[other])) for one, other in (LID_CORNERS, LID_MIDDLES)
        )
        return Eye(
            iris_xy=points_xy[NUM_LID_POINTS],
            middle_xy=points_xy[list(LID_CORNERS)].mean(axis=0),
            width_px=width,
            openness=height / max(width, 1e-6),
        )


def head_rotation(yaw_deg: float, pitch_deg: float, roll_deg: float) -> Float[np.ndarray, "3 3"]:
    """The rotation whose angles `vision.align.angles_of` gives: from the head's axes to the picture's."""
    yaw, pitch, roll = np.deg2rad([yaw_deg, pitch_deg, roll_deg])
    ahead = np.array([np.sin(yaw) * np.cos(pitch), np.sin(pitch), -np.cos(yaw) * np.cos(pitch)])
    level = np.array([np.cos(yaw), 0, np.sin(yaw)])
    across = np.cos(roll) * level - np.sin(roll) * np.cross(level, ahead)
    return np.column_stack([across, np.cross(-ahead, across), -ahead])


def gaze_direction(eyes: tuple[Eye, Eye], landmarks_xyz: Float32[np.ndarray, "468 3"]) -> Float[np.ndarray, "3"] | None:
    """Gaze direction of both eyes, a unit vector in the head's axes: right in the image, down, away.

    None where an eye is closed. The two eyes' directions are averaged.
    """
    if min(eye.openness for eye in eyes) < MIN_OPENNESS:
        return None
    pose = head_pose(landmarks_xyz)
    rotation = head_rotation(pose.yaw_deg, pose.pitch_deg, pose.roll_deg)
    offsets = []
    for eye, side in zip(eyes, (1, -1), strict=True):
        ball_centre = rotation @ (BALL_CENTRE * np.array([side, 1, 1]))
        offsets.append((eye.iris_xy - eye.middle_xy) / pose.unit_px - ball_centre[:2])
    across, down = np.clip(np.mean(offsets, axis=0) / IRIS_RADIUS, -0.95, 0.95)
    ahead = -np.sqrt(max(1 - across**2 - down**2, 0.05))
    direction = rotation.T @ np.array([across, down, ahead])
    return np.asarray(direction / np.linalg.norm(direction))


def measure_gaze(
    find_eyes: EyeFinder, rgb: UInt8[np.ndarray, "H W 3"], landmarks_xyz: Float32[np.ndarray, "468 3"]
) -> tuple[float, float] | None:
    """Degrees by which the eyes look to the right of the picture and down, from straight out of the head.

    None where an eye is closed, or hardly seen because the head is turned far.
    """
    pose = head_pose(landmarks_xyz)
    if abs(pose.yaw_deg) > MAX_YAW_DEG:
        return None
    direction = gaze_direction(find_eyes(rgb, landmarks_xyz, pose.roll_deg), landmarks_xyz)
    if direction is None:
        return None
    across, down, away = direction
    return float(np.rad2deg(np.arctan2(across, -away))), float(np.rad2deg(np.arcsin(np.clip(down, -1, 1))))


def angle_between_deg(one: Float[np.ndarray, "3"], other: Float[np.ndarray, "3"]) -> float:
    """Of two unit vectors."""
    return float(np.rad2deg(np.arccos(np.clip(one @ other, -1, 1))))
