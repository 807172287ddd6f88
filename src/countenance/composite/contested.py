"""Faces that the scans of two performers both claim: neither is replaced, so that nobody gets another's face."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from countenance.faces.store import StoredFace
from countenance.geometry import box_around, overlap

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


def uncontested(faces: Mapping[str, Sequence[StoredFace]]) -> Uncontested:
    """Leave out the faces that two performers claim in a frame; where most of a track is claimed, all of both tracks.

    `faces` are each performer's in a plate.
    """
    lengths = Counter(face.track for several in faces.values() for face in several)
    left_out, frames = set[int](), dict[tuple[str, str], tuple[int, ...]]()
    for one, other in combinations(faces, 2):
        claimed = _claimed_by_both(faces[one], faces[other])
        tracks = set[int]()
        for pair, together in Counter((a.track, b.track) for a, b in claimed).items():
            if together > MAX_CONTESTED * min(lengths[track] for track in pair):
                tracks.update(pair)
        doubtful = [face for face in (*faces[one], *faces[other]) if face.track in tracks]
        doubtful += [face for both in claimed for face in both]
        if doubtful:
            left_out |= {face.id for face in doubtful}
            frames[one, other] = tuple(sorted({face.frame for face in doubtful}))
    kept = {person: tuple(face for face in several if face.id not in left_out) for person, several in faces.items()}
    return Uncontested(faces=kept, frames_left_out=frames)


def _claimed_by_both(one: Sequence[StoredFace], other: Sequence[StoredFace]) -> list[tuple[StoredFace, StoredFace]]:
    in_frame: dict[int, list[StoredFace]] = defaultdict(list)
    for face in other:
        in_frame[face.frame].append(face)
    boxes = {face.id: np.asarray(box_around(face.landmarks_xyz[:, :2])) for face in (*one, *other)}
    return [
        (face, near)
        for face in one
        for near in in_frame[face.frame]
        if overlap(boxes[face.id], boxes[near.id]) > SAME_FACE
    ]
