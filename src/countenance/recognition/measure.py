"""How near the faces of a published file are to the performer, by the recogniser, frame by frame and track by track.

What an observer has is the file: the mesh is laid anew onto each of its faces. Of the clip only figures are kept, a row
for each face, and the pictures of a few.
"""

import heapq
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np
from jaxtyping import UInt8

from countenance.faces.look import FACES_PER_EMBEDDING, with_mirrored
from countenance.faces.recognise import Reference
from countenance.faces.store import StoredFace
from countenance.types import Frame
from countenance.vision.align import cut, head_pose
from countenance.vision.identity import Embedding, Recogniser, cut_chip, embed
from countenance.vision.landmarks import FaceMesh
from countenance.vision.quality import worth
from countenance.vision.track import MIN_FOLLOWED_SCORE

NUM_NEAREST = 12
"""Moments that are shown."""
MOMENT_S = 0.5
"""Of which the nearest frame stands for the others."""
PICTURE_SIZE = 256
SAME_PICTURE = 1.5
"""Mean difference of a face's pixels, 0–255, below which it wasn't replaced: encoding alone makes less."""

Picture = UInt8[np.ndarray, "S S 3"]


@dataclass(frozen=True, kw_only=True, slots=True)
class FaceLook:
    """One face in one frame; distances are the recogniser's, to what is known of the person."""

    frame: int
    time_s: float
    track: int
    before: float
    """In the plate."""
    after: float
    """In the published file."""
    is_found: bool
    """Whether a mesh still lies on the published face; where it doesn't, it is looked at where the plate's lies."""
    is_replaced: bool
    """Whether its pixels differ from the plate's at all."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrackLook:
    """One face through a shot, by the mean embedding of its best faces, which is how the recogniser decides."""

    track: int
    from_s: float
    to_s: float
    num_faces: int
    before: float
    after: float


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class NearFace:
    """A face that came near, with its pictures."""

    look: FaceLook
    plate: Picture
    published: Picture


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Looks:
    """All that was measured in a clip."""

    faces: tuple[FaceLook, ...]
    """In the order of frames."""
    tracks: tuple[TrackLook, ...]
    nearest: tuple[NearFace, ...]
    """The nearest frame of each moment, the nearest moments first."""


def measure_looks(
    frames: Iterable[tuple[Frame, Frame]], faces: Sequence[StoredFace], reference: Reference, recogniser: Recogniser
) -> Looks:
    """Compare a person's faces before and after; `frames` are pairs of plate and published file, in order.

    `faces` are the person's in the plate.
    """
    by_frame: dict[int, list[StoredFace]] = defaultdict(list)
    for face in faces:
        by_frame[face.frame].append(face)
    best = _best_faces(faces)
    tracks: dict[int, list[tuple[Embedding, Embedding]]] = defaultdict(list)
    looks: list[FaceLook] = []
    shown = _Nearest()
    mesh = FaceMesh()
    for plate, published in frames:
        for face in by_frame[plate.index]:
            after = mesh.follow(published.rgb, face.landmarks_xyz)
            is_found = after.score >= MIN_FOLLOWED_SCORE
            meshes = (face.landmarks_xyz, after.landmarks_xyz if is_found else face.landmarks_xyz)
            chips = [
                cut_chip(frame.rgb, landmarks[:, :2])
                for frame, landmarks in zip((plate, published), meshes, strict=True)
            ]
            own = [embed(recogniser, [chip])[0] for chip in chips]
            if face.id in best[face.track]:
                mirrored = len(best[face.track]) < FACES_PER_EMBEDDING
                means = [embed(recogniser, with_mirrored([chip])).mean(axis=0) for chip in chips] if mirrored else own
                tracks[face.track].append((means[0], means[1]))
            pose = head_pose(face.landmarks_xyz)
            pictures = [cut(frame.rgb, pose, PICTURE_SIZE) for frame in (plate, published)]
            look = FaceLook(
                frame=plate.index,
                time_s=float(plate.time),
                track=face.track,
                before=reference.distance(own[0]),
                after=reference.distance(own[1]),
                is_found=is_found,
                is_replaced=_differ(pictures[0], pictures[1]) > SAME_PICTURE,
            )
            looks.append(look)
            shown.add(NearFace(look=look, plate=pictures[0], published=pictures[1]))
    return Looks(faces=tuple(looks), tracks=tuple(_track_looks(looks, tracks, reference)), nearest=shown.sorted())


class _Nearest:
    """Keeps the pictures of the nearest moments."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, NearFace]] = []
        self._moment: dict[int, NearFace] = {}
        self._number = count()

    def add(self, face: NearFace) -> None:
        """Take in the next face; of a moment and track only the nearest stays."""
        track, moment = face.look.track, int(face.look.time_s / MOMENT_S)
        before = self._moment.get(track)
        if before is not None and int(before.look.time_s / MOMENT_S) == moment:
            if face.look.after < before.look.after:
                self._moment[track] = face
            return
        self._close(track)
        self._moment[track] = face

    def sorted(self) -> tuple[NearFace, ...]:
        """The nearest first."""
        for track in list(self._moment):
            self._close(track)
        return tuple(face for _, _, face in sorted(self._heap, key=lambda each: (-each[0], each[1])))

    def _close(self, track: int) -> None:
        face = self._moment.pop(track, None)
        if face is not None:
            heapq.heappush(self._heap, (-face.look.after, next(self._number), face))
            if len(self._heap) > NUM_NEAREST:
                heapq.heappop(self._heap)


def _best_faces(faces: Sequence[StoredFace]) -> Mapping[int, frozenset[int]]:
    """By track, the faces that stand for it, as when the plate was scanned."""
    by_track: dict[int, list[StoredFace]] = defaultdict(list)
    for face in faces:
        by_track[face.track].append(face)
    return {
        track: frozenset(
            face.id for face in sorted(several, key=lambda face: -worth(face.quality))[:FACES_PER_EMBEDDING]
        )
        for track, several in by_track.items()
    }


def _track_looks(
    looks: Sequence[FaceLook], tracks: Mapping[int, Sequence[tuple[Embedding, Embedding]]], reference: Reference
) -> Iterator[TrackLook]:
    by_track: dict[int, list[FaceLook]] = defaultdict(list)
    for look in looks:
        by_track[look.track].append(look)
    for track, several in by_track.items():
        before, after = (np.mean([both[place] for both in tracks[track]], axis=0) for place in (0, 1))
        yield TrackLook(
            track=track,
            from_s=several[0].time_s,
            to_s=several[-1].time_s,
            num_faces=len(several),
            before=reference.distance(before),
            after=reference.distance(after),
        )


def _differ(one: Picture, other: Picture) -> float:
    """Mean difference in the middle of the crops, where the face is."""
    margin = len(one) // 4
    inner = np.s_[margin:-margin, margin:-margin]
    return float(np.abs(one[inner].astype(np.float32) - other[inner].astype(np.float32)).mean())
