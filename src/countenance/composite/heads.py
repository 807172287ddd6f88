"""Where a head is: by its mesh, and, in the frames where none is found, by following it from those beside.

A head that turns to profile or away has no mesh, but it still looks from frame to frame as a moment before. It is
followed by points that move together, forwards from where it was lost and backwards from where it is found again; a
detection, which sees a profile that no mesh fits, corrects it.
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from countenance.media.timeline import Timeline, frames_at
from countenance.progress import Progress, if_many
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


@dataclass(frozen=True, kw_only=True, slots=True)
class _Ends:
    """Where a shot's known heads come and go."""

    shot: range
    lost: Mapping[int, Sequence[Head]]
    """By index, those that aren't known in the next frame."""
    regained: Mapping[int, Sequence[Head]]
    """The same for the frame before."""


def head_of(landmarks_xyz: Float32[np.ndarray, "468 3"]) -> Head:
    """The head to which a mesh belongs."""
    pose = head_pose(landmarks_xyz)
    return Head(centre_xy=pose.centre_xy, side_px=HEAD * pose.unit_px)


def follow_heads(
    plate: MediaInfo,
    timeline: Timeline,
    known: Heads,
    shots: Iterable[range],
    *,
    check_leave: Callable[[], None],
    progress: Progress,
) -> dict[int, list[Head]]:
    """One person's heads in those frames of some shots where they aren't known, as far as they can be followed.

    Only frames around those in which a head is lost or found are read, once each. Memory holds the last few seconds, at
    a small size. `check_leave` is called for each frame that is read.

    Raises:
        ConsentError: the consent ended meanwhile.
    """
    ends = [_ends_in(shot, known) for shot in shots]
    followed_in = [each for each in ends if each.lost or each.regained]
    total, found = sum(len(each.shot) for each in followed_in), dict[int, list[Head]]()
    if total:
        detector = FaceDetector()
        frames = chain.from_iterable(
            _followed(each, plate, timeline, known, detector, check_leave) for each in followed_in
        )
        what = f"following heads in {plate.path.name}"
        for heads in if_many(progress, total).track(frames, what=what, unit="frames", total=total):
            for index, head in heads:
                found.setdefault(index, []).append(head)
    return found


def _ends_in(shot: range, known: Heads) -> _Ends:
    return _Ends(shot=shot, lost=_leaving(shot, known), regained=_leaving(shot[::-1], known))


def _leaving(frames: range, known: Heads) -> dict[int, list[Head]]:
    """The known heads that aren't known any longer in the next one of some frames."""
    leaving = {}
    for index, after in pairwise(frames):
        heads = [head for head in known.get(index, ()) if not _is_among(head, known.get(after, ()))]
        if heads:
            leaving[index] = heads
    return leaving


def _is_among(head: Head, others: Sequence[Head]) -> bool:
    return any(head.is_same_as(other) for other in others)


def _followed(
    ends: _Ends,
    plate: MediaInfo,
    timeline: Timeline,
    known: Heads,
    detector: FaceDetector,
    check_leave: Callable[[], None],
) -> Iterator[list[tuple[int, Head]]]:
    """The heads of a shot that are found by following, with their frames, in one item for each of its frames."""
    frame_rate = float(plate.frame_rate)
    num_back = round(MAX_UNSEEN_S * frame_rate) + 1
    regained = sorted(ends.regained)

    def is_needed(index: int) -> bool:
        """Whether a head is lost here, or will be gone back from to here."""
        following = bisect_left(regained, index)
        return index in ends.lost or (following < len(regained) and regained[following] - index < num_back)

    index = ends.shot.start
    while index < ends.shot.stop:
        if is_needed(index):
            heads: list[_Followed] = []
            last: deque[_Seen] = deque(maxlen=num_back)
            for frame in frames_at(plate, timeline, range(index, ends.shot.stop)):
                check_leave()
                index, before = frame.index, last[-1] if last else None
                last.append(_seen(frame, detector))
                heads = [] if before is None else _one_on(heads, before, last[-1], known, frame_rate)
                backwards = _backwards(last, ends.regained.get(index, ()), known, frame_rate)
                yield [*((index, each.head) for each in heads), *backwards]
                heads += [_Followed(head=head) for head in ends.lost.get(index, ())]
                if not heads and not is_needed(index + 1):
                    break
        else:
            yield []
        index += 1


def _backwards(
    last: Sequence[_Seen], regained: Sequence[Head], known: Heads, frame_rate: float
) -> Iterator[tuple[int, Head]]:
    """Heads of the last frame, in the frames before it in which they aren't known."""
    heads = [_Followed(head=head) for head in regained]
    if heads:
        for after, seen in pairwise(reversed(last)):
            heads = _one_on(heads, after, seen, known, frame_rate)
            if not heads:
                return
            yield from ((seen.index, each.head) for each in heads)


def _one_on(
    heads: Sequence[_Followed], before: _Seen, after: _Seen, known: Heads, frame_rate: float
) -> list[_Followed]:
    """Heads in the next frame, without those that are lost or known there."""
    moved = [_moved(each, before, after, frame_rate) for each in heads]
    return [each for each in moved if each is not None and not _is_among(each.head, known.get(after.index, ()))]


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
