"""Where a head is: by its mesh, and, in the frames where none is found, by following it from those beside.

A head that turns to profile or away has no mesh, but it still looks from frame to frame as a moment before. It is
followed by points that move together, forwards from where it was lost and backwards from where it is found again; a
detection, which sees a profile that no mesh fits, corrects it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from countenance.media.timeline import Timeline, frames_at
from countenance.types import Frame, MediaInfo
from countenance.vision.align import head_pose
from countenance.vision.detect import Detection, FaceDetector

HEAD = 4.4
"""Side of a square that holds head and hair with a margin, in units of the head (`vision.align`); a face is 2 wide."""
SAME_HEAD = 0.3
"""Two heads whose centres are nearer than this, in sides of one, are the same."""
DETECTED = 1.5
"""Side of a head's square in that of the detection on it, as on synthetic actors from the front and in profile."""
MIN_DETECTED = 0.5
"""Score of a detection that counts here, where no mesh judges it again; of a profile it is 0.8."""
MAX_UNSEEN_S = 5.0
"""A head is followed for so long without a mesh or a detection on it."""
MAX_HELD_S = 1.0
"""Where no points can be followed, the head is taken to stay where it was for so long."""
GROWTH, GROWTH_HELD = 0.1, 0.6
"""By how much a square grows in a second, while it is followed and while it is held: it is less and less sure."""
LONG_SIDE_PX = 640
"""Frames are followed at this size."""
MIN_POINTS, MAX_POINTS, MAX_ASTRAY_PX = 8, 80, 1.0
"""Points that move together, and by how much one may miss where it began when it is followed there and back."""
INNER = 0.28
"""Radius around a head's centre, in its side, in which points lie on the head and not on what is behind it."""

Grey = UInt8[np.ndarray, "H W"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Head:
    """A square of the frame that holds a head with its hair."""

    centre_xy: Float32[np.ndarray, "2"]
    side_px: float

    def is_same_as(self, other: "Head") -> bool:
        """Whether two squares of a frame lie on one head."""
        apart = np.linalg.norm(self.centre_xy - other.centre_xy)
        return bool(apart < SAME_HEAD * max(self.side_px, other.side_px))


Heads = Mapping[int, Sequence[Head]]
"""By frame index."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Seen:
    """What is kept of a frame to follow heads in it."""

    index: int
    grey: Grey
    scale: float
    """Of `grey`, beside the frame."""
    detected: tuple[Head, ...]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Followed:
    head: Head
    num_unseen: int = 0
    num_held: int = 0


def head_of(landmarks_xyz: Float32[np.ndarray, "468 3"]) -> Head:
    """The head to which a mesh belongs."""
    pose = head_pose(landmarks_xyz)
    return Head(centre_xy=pose.centre_xy, side_px=HEAD * pose.unit_px)


def follow_heads(plate: MediaInfo, timeline: Timeline, known: Heads, shots: Iterable[range]) -> dict[int, list[Head]]:
    """One person's heads in those frames of some shots where they aren't known, as far as they can be followed.

    Nothing of a shot in which no head is known is read. Memory holds the last few seconds, at a small size.
    """
    detector = FaceDetector()
    num_back = round(MAX_UNSEEN_S * float(plate.frame_rate)) + 1
    found: dict[int, list[Head]] = {}

    def seen(frames: range) -> Iterator[_Seen]:
        return (_seen(frame, detector) for frame in frames_at(plate, timeline, frames))

    for shot in shots:
        for run in _runs(known, shot):
            # Of a long run only the end is remembered, to be gone through backwards.
            last = list(seen(run[-num_back:])) if known.get(run[-1]) or len(run) <= num_back else []
            forwards = _follow(last if len(run) <= num_back else seen(run), run, known, float(plate.frame_rate))
            backwards = _follow(reversed(last), run[::-1], known, float(plate.frame_rate))
            for index, head in chain(forwards, backwards):
                found.setdefault(index, []).append(head)
    return found


def _runs(known: Heads, shot: range) -> list[range]:
    """The frames of a shot in a row that show fewer heads than others of it, each with one known frame beside."""
    most = max((len(known.get(index, ())) for index in shot), default=0)
    fewer = [index for index in shot if len(known.get(index, ())) < most]
    runs: list[range] = []
    for index in fewer:
        begin, end = max(index - 1, shot.start), min(index + 2, shot.stop)
        runs.append(range(runs.pop().start, end) if runs and begin < runs[-1].stop else range(begin, end))
    return runs


def _seen(frame: Frame, detector: FaceDetector) -> _Seen:
    height, width = frame.rgb.shape[:2]
    scale = min(1.0, LONG_SIDE_PX / max(height, width))
    size_wh = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(frame.rgb, size_wh, interpolation=cv2.INTER_AREA)
    return _Seen(
        index=frame.index,
        grey=np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8),
        scale=scale,
        detected=tuple(_detected(each) for each in detector(frame.rgb) if each.score >= MIN_DETECTED),
    )


def _detected(found: Detection) -> Head:
    low, high = found.points_xy[:2]
    return Head(centre_xy=(low + high) / 2, side_px=DETECTED * float((high - low).max()))


def _follow(frames: Iterable[_Seen], run: range, known: Heads, frame_rate: float) -> Iterator[tuple[int, Head]]:
    """Heads that go on from a frame of a run to the next one, in its order, without being known there.

    No more frames are asked for once none is left to be followed.
    """
    starts = [index for index in run[:-1] if known.get(index)]
    if not starts:
        return
    before: _Seen | None = None
    heads: list[_Followed] = []
    for seen in frames:
        here = known.get(seen.index, ())
        moved = [] if before is None else [_moved(each, before, seen, frame_rate) for each in heads]
        heads = [each for each in moved if each is not None and not any(each.head.is_same_as(one) for one in here)]
        yield from ((seen.index, each.head) for each in heads)
        heads += [_Followed(head=head) for head in here]
        if not heads and run.index(seen.index) > run.index(starts[-1]):
            return
        before = seen


def _moved(followed: _Followed, before: _Seen, after: _Seen, frame_rate: float) -> _Followed | None:
    """A head in the next frame; None where nothing says any longer where it is."""
    shift_xy = _shift(followed.head, before, after)
    grown = 1 + (GROWTH_HELD if shift_xy is None else GROWTH) / frame_rate
    result = _Followed(
        head=Head(
            centre_xy=followed.head.centre_xy + (0 if shift_xy is None else shift_xy),
            side_px=followed.head.side_px * grown,
        ),
        num_unseen=followed.num_unseen + 1,
        num_held=followed.num_held + 1 if shift_xy is None else 0,
    )
    near = [each for each in after.detected if each.is_same_as(result.head)]
    if near:
        nearest = min(near, key=lambda each: float(np.linalg.norm(each.centre_xy - result.head.centre_xy)))
        side_px = max(nearest.side_px, followed.head.side_px)
        result = _Followed(head=Head(centre_xy=nearest.centre_xy, side_px=side_px))
    is_lost = result.num_unseen > MAX_UNSEEN_S * frame_rate or result.num_held > MAX_HELD_S * frame_rate
    return None if is_lost or not _touches(result.head, after) else result


def _touches(head: Head, seen: _Seen) -> bool:
    """Whether some of a head's square lies in the picture."""
    size_wh = np.array(seen.grey.shape[::-1]) / seen.scale
    return bool(np.all(np.abs(head.centre_xy - size_wh / 2) < (size_wh + head.side_px) / 2))


def _shift(head: Head, before: _Seen, after: _Seen) -> Float32[np.ndarray, "2"] | None:
    """By how much the points on a head move, their median; None where too few can be followed.

    Source: Kalal, Mikolajczyk and Matas, Forward-Backward Error: Automatic Detection of Tracking Failures, 2010.
    """
    disc = np.zeros(before.grey.shape, np.uint8)
    centre = np.round(head.centre_xy * before.scale).astype(int)
    cv2.circle(disc, (int(centre[0]), int(centre[1])), max(1, round(INNER * head.side_px * before.scale)), 255, -1)
    # None where there are none, which its types don't say.
    points: Any = cv2.goodFeaturesToTrack(before.grey, MAX_POINTS, 0.01, 2, mask=disc)
    if points is None or len(points) < MIN_POINTS:
        return None
    there, is_there, _ = cv2.calcOpticalFlowPyrLK(before.grey, after.grey, points, points.copy())
    back, is_back, _ = cv2.calcOpticalFlowPyrLK(after.grey, before.grey, there, there.copy())
    astray = np.linalg.norm((back - points)[:, 0], axis=1)
    good = np.asarray(is_there)[:, 0].astype(bool) & np.asarray(is_back)[:, 0].astype(bool) & (astray < MAX_ASTRAY_PX)
    if good.sum() < max(MIN_POINTS, len(points) / 3):
        return None
    return np.asarray(np.median((there - points)[good, 0], axis=0) / before.scale, np.float32)
