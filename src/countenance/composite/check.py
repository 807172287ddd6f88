"""Check that meshes lie on faces, before a face is put there.

A mesh that is carried from frame to frame can stay behind when a face starts, stops or leaves quickly, and the
net's confidence doesn't drop then. Fitted again from where it is, the mesh slides onto the face, if there is one. This
is done where a track moves suddenly, begins or ends; elsewhere no frame is read.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32

from countenance.composite.swap import COARSE_SIZE
from countenance.faces.store import StoredFace
from countenance.geometry import box_around, overlap, resample
from countenance.media.timeline import Timeline, frames_at
from countenance.pixels import Pixels, to_8_bit
from countenance.types import DetectedFace, Frame, MediaInfo
from countenance.vision.align import frame_to_crop, head_pose
from countenance.vision.landmarks import FaceMesh
from countenance.vision.mask import hull_in_crop
from countenance.vision.parts import Part
from countenance.vision.segment import Segmenter
from countenance.vision.track import MIN_FOLLOWED_SCORE

SUDDEN = 0.1
"""In units of the head: ten times the mesh's own jitter. A face is this far off the mean of its neighbours where
its motion changes."""
MAX_LOOKS, SETTLED = 6, 0.02
"""The mesh is fitted again until it moves by less than this, in units of the head."""
MAX_BESIDE = 0.5
"""Fraction of a mesh that may show neither a face nor anything in front of one; a profile's has 0.1."""
SAME_FACE = 0.5
"""Overlap of the boxes of two meshes that settled on one face."""
BESIDE = (Part.BACKGROUND, Part.EAR, Part.NECK, Part.CLOTH)


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckedFaces:
    """Faces whose meshes lie on them."""

    faces: tuple[StoredFace, ...]
    frames_beside: tuple[int, ...]
    """In which a mesh was left out because it covers no face."""
    steady: tuple[StoredFace, ...]
    """Those whose frames needed no look, the same whatever part of a plate is looked at."""


def check_faces(
    plate: MediaInfo, timeline: Timeline, faces: Sequence[StoredFace], segmenter: Segmenter, within: range | None = None
) -> CheckedFaces:
    """Correct the meshes that lie beside their faces; leave out those that lie on none, and second ones on one face.

    With `within` only frames of this range are looked at; faces of others come back as they are.
    """
    doubtful = doubtful_frames(faces, timeline)
    steady = tuple(face for face in faces if face.frame not in doubtful)
    if within is not None:
        doubtful = {frame for frame in doubtful if frame in within}
    lengths = Counter(face.track for face in faces)
    in_frame: dict[int, list[StoredFace]] = defaultdict(list)
    for face in faces:
        in_frame[face.frame].append(face)
    mesh, beside = FaceMesh(), []
    for frame in frames_at(plate, timeline, sorted(doubtful)):
        settled: list[StoredFace] = []
        # Of two on one face, the longer track's stays.
        for face in sorted(in_frame[frame.index], key=lambda each: (-lengths[each.track], each.track)):
            laid = _settled(mesh, frame, face.landmarks_xyz)
            box = laid.box_xyxy
            if any(overlap(box, box_around(other.landmarks_xyz[:, :2])) > SAME_FACE for other in settled):
                continue
            if laid.score < MIN_FOLLOWED_SCORE or _beside(segmenter, frame.pixels, laid.landmarks_xyz) > MAX_BESIDE:
                beside.append(frame.index)
                continue
            settled.append(replace(face, landmarks_xyz=laid.landmarks_xyz))
        in_frame[frame.index] = settled
    return CheckedFaces(
        faces=tuple(face for index in sorted(in_frame) for face in in_frame[index]),
        frames_beside=tuple(sorted(set(beside))),
        steady=steady,
    )


def doubtful_frames(faces: Sequence[StoredFace], timeline: Timeline) -> set[int]:
    """Frames where a track moves suddenly, or begins or ends other than with its shot."""
    tracks: dict[int, dict[int, StoredFace]] = defaultdict(dict)
    for face in faces:
        tracks[face.track][face.frame] = face
    begins, ends = {0, *timeline.shots}, {len(timeline.frame_pts) - 1, *(shot - 1 for shot in timeline.shots)}
    doubtful = set[int]()
    for at_frame in tracks.values():
        for frame, face in at_frame.items():
            before, after = at_frame.get(frame - 1), at_frame.get(frame + 1)
            if before is not None and after is not None:
                middle = (before.landmarks_xyz + after.landmarks_xyz) / 2
                if _apart(middle, face.landmarks_xyz) > SUDDEN:
                    doubtful |= {frame - 1, frame, frame + 1}
            elif (before is None and frame not in begins) or (after is None and frame not in ends):
                doubtful.add(frame)
    return doubtful


def _apart(one: Float32[np.ndarray, "468 3"], other: Float32[np.ndarray, "468 3"]) -> float:
    """Between the middles of two meshes, in units of the second's head."""
    shift = (one - other)[:, :2].mean(axis=0)
    return float(np.linalg.norm(shift) / max(head_pose(other).unit_px, 1e-6))


def _settled(mesh: FaceMesh, frame: Frame, landmarks_xyz: Float32[np.ndarray, "468 3"]) -> DetectedFace:
    face = mesh.follow(frame.rgb, landmarks_xyz)
    for _ in range(MAX_LOOKS):
        if _apart(landmarks_xyz, face.landmarks_xyz) < SETTLED:
            break
        landmarks_xyz = face.landmarks_xyz
        face = mesh.follow(frame.rgb, landmarks_xyz)
    return face


def _beside(segmenter: Segmenter, pixels: Pixels, landmarks_xyz: Float32[np.ndarray, "468 3"]) -> float:
    to_crop = frame_to_crop(head_pose(landmarks_xyz), COARSE_SIZE)
    outline = hull_in_crop(landmarks_xyz, to_crop, COARSE_SIZE)
    crop = to_8_bit(resample(pixels, to_crop, (COARSE_SIZE, COARSE_SIZE)))
    (segments,) = segmenter([crop], [outline])
    # Labels are as fine as the crop.
    return float(outline[np.isin(segments.labels, BESIDE)].sum() / max(float(outline.sum()), 1e-6))
