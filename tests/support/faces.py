"""Faces of the demo's people, and what is made of them, as drawers and trainings take them."""

from functools import cache

import numpy as np

from countenance.drawing import ReferenceFace, References, references_of
from countenance.model.guided.pairs import Material, material_of
from countenance.model.guided.sources import sources_of
from countenance.types import DetectedFace
from countenance.vision.align import cut, frame_to_crop, head_pose, mesh_in_crop
from countenance.vision.landmarks import FaceFinder
from countenance.vision.mask import hull_in_crop
from tests.support.videos import Rgb, clip_of


def reference_of(rgb: Rgb, face: DetectedFace, size: int = 256) -> ReferenceFace:
    pose = head_pose(face.landmarks_xyz)
    mask = hull_in_crop(face.landmarks_xyz, frame_to_crop(pose, size), size)
    return ReferenceFace(
        rgb=cut(rgb, pose, size),
        mask=mask,
        visible=np.ones_like(mask),
        landmarks_xyz=mesh_in_crop(face.landmarks_xyz, pose, size),
        yaw_pitch_deg=(pose.yaw_deg, pose.pitch_deg),
    )


@cache
def faces_of(name: str, step: int = 3) -> References:
    """Each third frame of the first twelve."""
    find_faces = FaceFinder()
    return references_of(reference_of(rgb, find_faces(rgb)[0]) for rgb in clip_of(name, 12)[::step])


@cache
def learned_from(likeness: str, performer: str) -> Material:
    """What is learned from, of four faces each."""
    sources = sources_of(faces_of(likeness), faces_of(performer))
    return material_of(sources, *(iter(faces_of(name).faces) for name in (likeness, performer)))
