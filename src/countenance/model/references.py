"""A person's faces that a generator is given beside its weights."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float32, UInt8

from countenance.drawing import ReferenceFace, References, references_of
from countenance.faces.config import PrepareConfig
from countenance.faces.selection import judge, most_varied
from countenance.faces.store import StoredFace, read_crop, read_visible, stored_faces
from countenance.media.timeline import Timeline, frames_at
from countenance.project import Project
from countenance.types import FaceSet, MediaInfo
from countenance.vision.align import cut, frame_to_crop, head_pose, mesh_in_crop
from countenance.vision.crops import fitting_size
from countenance.vision.mask import hull_in_crop
from countenance.vision.segment import Segmenter, choose_mask

NUM_REFERENCES = 24
"""Beyond this number, one more face of a set hardly adds a pose or expression that the others lack."""


def choose_references(project: Project, face_set: FaceSet, num_wanted: int = NUM_REFERENCES) -> References:
    """The most varied faces of a closed face set, in the order of clips and frames."""
    return references_of(read_reference(project, face) for face in varied_faces(project, face_set, num_wanted))


def varied_faces(project: Project, face_set: FaceSet, num_wanted: int) -> list[StoredFace]:
    """Which these are, without their pixels."""
    kept = stored_faces(project, face_set.person, kept_only=True)
    return [kept[position] for position in most_varied([face.quality for face in kept], num_wanted)]


def references_in(
    plate: MediaInfo, timeline: Timeline, faces: Sequence[StoredFace], num_wanted: int = NUM_REFERENCES
) -> References:
    """The most varied of a person's faces in a plate, cut from its frames; nothing of them is stored."""
    limits = PrepareConfig()
    clear = [face for face in faces if not judge(face.quality, face.score, limits)] or list(faces)
    in_frame: dict[int, list[StoredFace]] = defaultdict(list)
    for position in most_varied([face.quality for face in clear], num_wanted):
        in_frame[clear[position].frame].append(clear[position])
    segmenter = Segmenter()

    def cut_out() -> Iterator[ReferenceFace]:
        for frame in frames_at(plate, timeline, sorted(in_frame)):
            for face in in_frame[frame.index]:
                pose = head_pose(face.landmarks_xyz)
                rgb = cut(frame.rgb, pose, fitting_size(pose.crop_side_px))
                hull = hull_in_crop(face.landmarks_xyz, frame_to_crop(pose, len(rgb)), len(rgb))
                (segments,) = segmenter([rgb], [hull])
                yield _as_reference(rgb, choose_mask(segments, hull).mask, face.landmarks_xyz)

    return references_of(cut_out())


def read_reference(project: Project, face: StoredFace) -> ReferenceFace:
    """A stored face as a generator looks at it."""
    return _as_reference(read_crop(project, face.id), read_visible(project, face.id), face.landmarks_xyz)


def _as_reference(
    rgb: UInt8[np.ndarray, "S S 3"], visible: Float32[np.ndarray, "S S"], landmarks_xyz: Float32[np.ndarray, "468 3"]
) -> ReferenceFace:
    """A face cut from its frame, whose mesh is still the frame's."""
    size, pose = len(rgb), head_pose(landmarks_xyz)
    return ReferenceFace(
        rgb=rgb,
        mask=hull_in_crop(landmarks_xyz, frame_to_crop(pose, size), size),
        visible=np.asarray(visible, np.float32),
        landmarks_xyz=mesh_in_crop(landmarks_xyz, pose, size),
        yaw_pitch_deg=(pose.yaw_deg, pose.pitch_deg),
    )
