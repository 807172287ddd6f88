"""The likeness's faces that a generator is given beside its weights."""

import numpy as np

from countenance.drawing import ReferenceFace, References, references_of
from countenance.faces.selection import most_varied
from countenance.faces.store import StoredFace, read_crop, read_visible, stored_faces
from countenance.project import Project
from countenance.types import FaceSet
from countenance.vision.align import frame_to_crop, head_pose, mesh_in_crop
from countenance.vision.mask import hull_in_crop

NUM_REFERENCES = 24
"""Beyond this number, one more face of a set hardly adds a pose or expression that the others lack."""


def choose_references(project: Project, face_set: FaceSet, num_wanted: int = NUM_REFERENCES) -> References:
    """The most varied faces of a closed face set, in the order of clips and frames."""
    kept = stored_faces(project, face_set.person, kept_only=True)
    chosen = most_varied([face.quality for face in kept], num_wanted)
    return references_of(_reference(project, kept[position]) for position in chosen)


def _reference(project: Project, face: StoredFace) -> ReferenceFace:
    rgb, visible = read_crop(project, face.id), read_visible(project, face.id)
    size, pose = len(rgb), head_pose(face.landmarks_xyz)
    return ReferenceFace(
        rgb=rgb,
        mask=hull_in_crop(face.landmarks_xyz, frame_to_crop(pose, size), size),
        visible=np.asarray(visible, np.float32),
        landmarks_xyz=mesh_in_crop(face.landmarks_xyz, pose, size),
        yaw_pitch_deg=(pose.yaw_deg, pose.pitch_deg),
    )
