"""Track faces through a shot: detect them now and then, and fit the mesh from frame to frame in between.

Frames are taken in groups. Known faces are followed forward through a group; then its last frame is searched, and a
face that is new there is followed backward, so that somebody who comes into the picture is found from their first frame
on. A track never crosses a cut and never holds two faces of one frame.
"""

from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from countenance.geometry import box_around, overlap
from countenance.types import DetectedFace, Frame
from countenance.vision.align import misfit
from countenance.vision.detect import FaceDetector
from countenance.vision.landmarks import MAX_MISFIT, FaceMesh, is_among, new_faces

GROUP_FRAMES = 12
MIN_FOLLOWED_SCORE = 0.2
"""Lower than for a new face: where a face was a moment ago there probably still is one, and the net is unsure of faces
that are turned far."""
MIN_CONTINUITY = 0.3
"""Overlap of a face's boxes from one frame to the next."""
NO_SHIFT = np.zeros(2, np.float32)
SUDDEN = 0.06
"""Fraction of its box's longer side by which a mesh moves other than expected, and may have stayed behind its face. In
ordinary clips it moves by up to 0.04."""
MAX_FITS, SETTLED = 6, 0.02
"""It is then fitted again until it moves by less than this, in the same unit."""
MIN_SUDDEN_CONTINUITY = 0.1
"""Overlap with the expected box after that: a face that moves suddenly may move by most of its width at once."""
MAX_GAP_FRAMES = 6
"""Frames for which a face may be hidden and still be continued."""


@dataclass(kw_only=True, slots=True)
class _Track:
    number: int
    face: DetectedFace
    """As seen last."""
    frame: int
    shift_xy: Float32[np.ndarray, "2"]
    """By which it moved last, pixels a frame."""


class FaceFollower:
    """Detects and tracks the faces of successive frames; not thread-safe."""

    def __init__(self) -> None:
        self._detector, self._mesh = FaceDetector(), FaceMesh()

    def __call__(
        self, frames: Iterable[Frame], shots: Container[int]
    ) -> Iterator[tuple[Frame, dict[int, DetectedFace]]]:
        """Each frame with its faces by number of track; `shots` are the frames at which shots begin."""
        tracks: list[_Track] = []
        count = 0
        for group in _groups(frames, shots):
            if group[0].index in shots:
                tracks = []
            found = self._follow(group, tracks, count)
            count = max([count, *(number + 1 for faces in found for number in faces)])
            tracks = _still_open(tracks, group, found)
            yield from zip(group, found, strict=True)

    def _follow(self, group: Sequence[Frame], tracks: Sequence[_Track], count: int) -> list[dict[int, DetectedFace]]:
        found: list[dict[int, DetectedFace]] = []
        open_now = [track for track in tracks if track.frame == group[0].index - 1]
        followed = {track.number: track.face for track in open_now}
        shifts = {track.number: track.shift_xy for track in open_now}
        lost = {track.number: track.face for track in tracks if track.number not in followed}
        last = len(group) - 1
        is_searched = not tracks
        for position, frame in enumerate(group):
            seen = self._follow_into(frame, followed, shifts)
            gone = {number: face for number, face in followed.items() if number not in seen}
            # A lost face is searched for again in the whole frame at the group's end.
            if gone or is_searched or position == last:
                for face in new_faces(frame.rgb, self._detector, self._mesh, list(seen.values())):
                    number = _same_face(face, {**lost, **gone}, seen)
                    if number is None:
                        number, count = count, count + 1
                    seen[number] = face
            is_searched = False
            lost = {number: face for number, face in {**lost, **gone}.items() if number not in seen}
            found.append(seen)
            shifts = _shifts(followed, seen)
            followed = seen
        self._follow_back(group, found)
        return found

    def _follow_into(
        self, frame: Frame, faces: dict[int, DetectedFace], shifts: dict[int, Float32[np.ndarray, "2"]]
    ) -> dict[int, DetectedFace]:
        """The faces of the frame before or after; each is looked for where its last motion would bring it."""
        seen: dict[int, DetectedFace] = {}
        candidates = [
            (continuity, number, face)
            for number, before in faces.items()
            for continuity, face in [self._laid(frame, _moved(before.landmarks_xyz, shifts.get(number)))]
            if face.score >= MIN_FOLLOWED_SCORE and misfit(face.landmarks_xyz) <= MAX_MISFIT
        ]
        # Where two meshes end on one face, it belongs to the one that had to move less.
        for continuity, number, face in sorted(candidates, key=lambda each: -each[0]):
            if continuity and not is_among(face, seen.values()):
                seen[number] = face
        return seen

    def _laid(self, frame: Frame, expected_xyz: Float32[np.ndarray, "468 3"]) -> tuple[float, DetectedFace]:
        """The face at about the expected place, and its overlap with it, 0 where it is too small to go on.

        A mesh that has to move far at once stops halfway, and its net is as confident as ever. Fitted again from there
        it slides onto the face.
        """
        face = self._mesh.follow(frame.rgb, expected_xyz)
        moved, least = _moved_by(expected_xyz, face), MIN_CONTINUITY
        if moved >= SUDDEN:
            least = MIN_SUDDEN_CONTINUITY
            for _ in range(MAX_FITS):
                before, face = face, self._mesh.follow(frame.rgb, face.landmarks_xyz)
                if _moved_by(before.landmarks_xyz, face) < SETTLED:
                    break
        continuity = overlap(box_around(expected_xyz[:, :2]), face.box_xyxy)
        return (continuity if continuity >= least else 0.0), face

    def _follow_back(self, group: Sequence[Frame], found: list[dict[int, DetectedFace]]) -> None:
        """Give faces that are new in a group the frames before the one in which they were found."""
        shifts: dict[int, Float32[np.ndarray, 2]] = {}
        for position in range(len(group) - 1, 0, -1):
            earlier = found[position - 1]
            new = {number: face for number, face in found[position].items() if number not in earlier}
            seen = self._follow_into(group[position - 1], new, shifts)
            shifts = _shifts(new, seen)
            for number, face in seen.items():
                if not is_among(face, earlier.values()):
                    earlier[number] = face


def _groups(frames: Iterable[Frame], shots: Container[int]) -> Iterator[list[Frame]]:
    """Successive frames of one shot, in groups."""
    group: list[Frame] = []
    for frame in frames:
        if group and (len(group) == GROUP_FRAMES or frame.index in shots):
            yield group
            group = []
        group.append(frame)
    if group:
        yield group


def _still_open(
    tracks: Sequence[_Track], group: Sequence[Frame], found: Sequence[dict[int, DetectedFace]]
) -> list[_Track]:
    """The tracks that may go on after a group."""
    open_tracks = {track.number: track for track in tracks}
    for frame, faces in zip(group, found, strict=True):
        for number, face in faces.items():
            before = open_tracks.get(number)
            is_next = before is not None and before.frame == frame.index - 1
            shift = _shifts({number: before.face}, {number: face})[number] if before and is_next else NO_SHIFT
            open_tracks[number] = _Track(number=number, face=face, frame=frame.index, shift_xy=shift)
    return [track for track in open_tracks.values() if group[-1].index - track.frame < MAX_GAP_FRAMES]


def _same_face(face: DetectedFace, lost: dict[int, DetectedFace], seen: dict[int, DetectedFace]) -> int | None:
    """The lost track that a new face goes on with."""
    near = {
        number: shared
        for number, before in lost.items()
        if number not in seen and (shared := overlap(before.box_xyxy, face.box_xyxy)) >= MIN_CONTINUITY
    }
    return max(near, key=lambda number: near[number], default=None)


def _shifts(before: dict[int, DetectedFace], after: dict[int, DetectedFace]) -> dict[int, Float32[np.ndarray, "2"]]:
    """By which faces moved that are in both."""
    return {
        number: (face.landmarks_xyz - before[number].landmarks_xyz)[:, :2].mean(axis=0)
        for number, face in after.items()
        if number in before
    }


def _moved(
    landmarks_xyz: Float32[np.ndarray, "468 3"], shift_xy: Float32[np.ndarray, "2"] | None
) -> Float32[np.ndarray, "468 3"]:
    """The mesh, shifted in the picture."""
    return landmarks_xyz if shift_xy is None else landmarks_xyz + np.append(shift_xy, np.float32(0))


def _moved_by(before_xyz: Float32[np.ndarray, "468 3"], face: DetectedFace) -> float:
    """How far a mesh lies from the one before, as a fraction of its box's longer side."""
    shift_xy = (face.landmarks_xyz - before_xyz)[:, :2].mean(axis=0)
    return float(np.linalg.norm(shift_xy) / max(float((face.box_xyxy[2:] - face.box_xyxy[:2]).max()), 1e-6))
