"""Faces that the scans of two performers both claim: neither is replaced, so that nobody gets another's face."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Bool, Float32, Int64, Integer

from countenance.faces.store import StoredFace
from countenance.geometry import box_around, overlaps

SAME_FACE = 0.4
"""Overlap of the boxes of two meshes from which on they may lie on one face; of two heads cheek to cheek it is 0.2."""
MAX_CONTESTED = 0.5
"""Fraction of a track: whose face it is was decided for the track as a whole, so beyond this all of it is in doubt."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Uncontested:
    """The faces that one performer alone claims."""

    faces: Mapping[str, tuple[StoredFace, ...]]
    """By performer, in the order of frames."""
    frames_left_out: Mapping[tuple[str, str], tuple[int, ...]]
    """By the two performers who claim a face, the frames in which it was left out."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Claims:
    """A performer's faces in a plate, in the order of frames."""

    frames: Integer[np.ndarray, " N"]
    tracks: Integer[np.ndarray, " N"]
    boxes_xyxy: Float32[np.ndarray, "N 4"]


def uncontested(faces: Mapping[str, Sequence[StoredFace]]) -> Uncontested:
    """Leave out the faces that two performers claim in a frame; where most of a track is claimed, all of both tracks.

    `faces` are each performer's in a plate.
    """
    claims = {performer: _claims(several) for performer, several in faces.items()}
    left_out, frames = set[int](), dict[tuple[str, str], tuple[int, ...]]()
    for one, other in combinations(faces, 2):
        masks = doubtful(claims[one], claims[other])
        found = [
            face
            for performer, mask in zip((one, other), masks, strict=True)
            for face, is_doubtful in zip(faces[performer], mask.tolist(), strict=True)
            if is_doubtful
        ]
        if found:
            left_out |= {face.id for face in found}
            frames[one, other] = tuple(sorted({face.frame for face in found}))
    kept = {person: tuple(face for face in several if face.id not in left_out) for person, several in faces.items()}
    return Uncontested(faces=kept, frames_left_out=frames)


def doubtful(one: Claims, other: Claims) -> tuple[Bool[np.ndarray, " N"], Bool[np.ndarray, " M"]]:
    """Which faces of two performers both claim; where most of a track is claimed, all of both tracks."""
    firsts, seconds = _claimed_by_both(one, other)
    pairs, together = np.unique(
        np.stack([one.tracks[firsts], other.tracks[seconds]], axis=1), axis=0, return_counts=True
    )
    lengths = [dict(zip(*np.unique(each.tracks, return_counts=True), strict=True)) for each in (one, other)]
    contested = [
        pair
        for pair, count in zip(pairs, together, strict=True)
        if count > MAX_CONTESTED * min(lengths[0][pair[0]], lengths[1][pair[1]])
    ]
    masks = [np.isin(each.tracks, [pair[place] for pair in contested]) for place, each in enumerate((one, other))]
    masks[0][firsts] = True
    masks[1][seconds] = True
    return masks[0], masks[1]


def _claims(faces: Sequence[StoredFace]) -> Claims:
    boxes = [box_around(face.landmarks_xyz[:, :2]) for face in faces]
    return Claims(
        frames=np.array([face.frame for face in faces], np.int64),
        tracks=np.array([face.track for face in faces], np.int64),
        boxes_xyxy=np.array(boxes, np.float32).reshape(-1, 4),
    )


def _claimed_by_both(one: Claims, other: Claims) -> tuple[Int64[np.ndarray, " K"], Int64[np.ndarray, " K"]]:
    """Places among both, of faces that lie on each other in a frame."""
    begin, end = (np.searchsorted(other.frames, one.frames, side) for side in ("left", "right"))
    counts = end - begin
    firsts = np.repeat(np.arange(len(one.frames)), counts)
    # For each of the first the places of all that share its frame.
    seconds = np.arange(len(firsts)) - np.repeat(np.cumsum(counts) - counts, counts) + np.repeat(begin, counts)
    is_one_face = overlaps(one.boxes_xyxy[firsts], other.boxes_xyxy[seconds]) > SAME_FACE
    return firsts[is_one_face], seconds[is_one_face]
