"""Aligned crops: faces upright and at one scale.

The dense mesh is fitted to a canonical head in three dimensions, using only points that neither jaw nor mouth move.
The crop is a square of the frame, centred on the projected centre of that head, tilted with it, and `CROP_SIDE`
times as wide as the head's unit. A fit in three dimensions keeps centre and size while the head turns to the side,
where a fit of eyes and mouth in the plane shrinks and drifts.

Canonical axes: x to the right of the picture, y down, z away from the camera; the unit is the root mean square
distance of the mesh's points from their centre, about 1.15 times the distance between pupil centres.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Float, Float32, UInt8

from countenance.geometry import similarity_between, square_to_crop, transform_points, warp
from countenance.vision.networks import weights_folder

CROP_SIDE = 3.7
CROP_CENTRE = np.array([0.0, 0.0, 0.5])
"""Behind the face: there the visible part of a turning head stays about centred."""
NOSE_BASE = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class HeadPose:
    """Where a head is and where it looks."""

    centre_xy: Float32[np.ndarray, "2"]
    """Pixels of the frame."""
    unit_px: float
    """The canonical unit in pixels of the frame."""
    yaw_deg: float
    """Positive: turned to the right of the picture."""
    pitch_deg: float
    """Positive: looking down."""
    roll_deg: float
    """Positive: tilted counter-clockwise."""

    @property
    def crop_side_px(self) -> float:
        return CROP_SIDE * self.unit_px


@cache
def canonical_mesh() -> Float32[np.ndarray, "468 3"]:
    """The mean mesh of the synthetic actors, facing the camera; see the card beside the weights."""
    return np.asarray(np.load(weights_folder() / "canonical_mesh.npy"), np.float32)


@cache
def _rigid_points() -> tuple[int, ...]:
    mesh = canonical_mesh()
    return tuple(np.flatnonzero(mesh[:, 1] < mesh[NOSE_BASE, 1]).tolist())


def head_pose(landmarks_xyz: Float32[np.ndarray, "468 3"]) -> HeadPose:
    """Fit the canonical head to a face's mesh."""
    rigid = list(_rigid_points())
    unit_px, rotation, shift = similarity_between(
        canonical_mesh()[rigid].astype(np.float64), landmarks_xyz[rigid].astype(np.float64)
    )
    centre = unit_px * rotation @ CROP_CENTRE + shift
    yaw_deg, pitch_deg, roll_deg = angles_of(rotation)
    return HeadPose(
        centre_xy=centre[:2].astype(np.float32),
        unit_px=unit_px,
        yaw_deg=yaw_deg,
        pitch_deg=pitch_deg,
        roll_deg=roll_deg,
    )


def misfit(landmarks_xyz: Float32[np.ndarray, "468 3"]) -> float:
    """How much a mesh's shape differs from the canonical head's: root mean square distance, in the head's units."""
    canonical, mesh = canonical_mesh().astype(np.float64), landmarks_xyz.astype(np.float64)
    unit_px, rotation, shift = similarity_between(canonical, mesh)
    apart = unit_px * canonical @ rotation.T + shift - mesh
    return float(np.sqrt((apart**2).sum(axis=1).mean()) / unit_px)


def angles_of(rotation: Float[np.ndarray, "3 3"]) -> tuple[float, float, float]:
    """Yaw, pitch and roll in degrees of a head that was first rolled, then pitched, then turned."""
    ahead = -rotation[:, 2]
    yaw = np.arctan2(ahead[0], -ahead[2])
    pitch = np.arcsin(np.clip(ahead[1], -1, 1))
    level = np.array([np.cos(yaw), 0, np.sin(yaw)])
    down = np.cross(level, ahead)
    across = rotation[:, 0]
    roll = -np.arctan2(across @ down, across @ level)
    return float(np.rad2deg(yaw)), float(np.rad2deg(pitch)), float(np.rad2deg(roll))


def frame_to_crop(pose: HeadPose, size: int) -> Float32[np.ndarray, "2 3"]:
    """The transform into the crop of `size` × `size` pixels."""
    return square_to_crop(pose.centre_xy, pose.crop_side_px, pose.roll_deg, size)


def mesh_in_crop(
    landmarks_xyz: Float32[np.ndarray, "468 3"], pose: HeadPose, size: int
) -> Float32[np.ndarray, "468 3"]:
    """A mesh of the frame in pixels of its crop; z in the same scale."""
    xy = transform_points(frame_to_crop(pose, size), landmarks_xyz[:, :2])
    return np.column_stack([xy, landmarks_xyz[:, 2] * np.float32(size / pose.crop_side_px)])


def cut(rgb: UInt8[np.ndarray, "H W 3"], pose: HeadPose, size: int) -> UInt8[np.ndarray, "S S 3"]:
    """The aligned crop out of a frame; outside of the frame the edge is repeated."""
    return warp(rgb, frame_to_crop(pose, size), (size, size))
