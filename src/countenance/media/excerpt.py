"""Which frames of a plate become a file of their own: a shot, or any others in a row.

Frames are counted from 0, shots from 1; the last frame of a range belongs to it.
"""

import re
from bisect import bisect_right
from dataclasses import dataclass
from fractions import Fraction

from countenance.errors import UsageError
from countenance.media.timeline import Timeline
from countenance.types import Excerpt, MediaInfo

_FRAMES = re.compile(r"(?P<only>\d{1,9})|(?P<first>\d{0,9}):(?P<last>\d{0,9})", re.ASCII)


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """What a user asks to be rendered; without any of it, all of the plate."""

    shot: int | None = None
    """Counted from 1."""
    frames: str | None = None
    """`a:b`, both included, `a:`, `:b` or `a`."""

    def __post_init__(self) -> None:
        if self.shot is not None and self.frames is not None:
            raise UsageError("--shot and --frames both say what to render; give one of them")
        if self.frames is not None and (self.frames == ":" or not _FRAMES.fullmatch(self.frames)):
            raise UsageError(
                f"expected --frames FIRST:LAST, FIRST:, :LAST or FRAME, counted from 0, got {self.frames!r}; "
                "30:59 are thirty frames"
            )

    @property
    def is_one_frame(self) -> bool:
        """Whether a single frame is named."""
        return self.frames is not None and ":" not in self.frames


def shot_ranges(timeline: Timeline) -> list[range]:
    """The frames of each shot."""
    ends = (*timeline.shots[1:], len(timeline.frame_pts))
    return [range(first, end) for first, end in zip(timeline.shots, ends, strict=True)]


def shot_at(timeline: Timeline, frame: int) -> int:
    """The number, from 1, of the shot to which a frame belongs."""
    return bisect_right(timeline.shots, frame)


def excerpt_of(plate: MediaInfo, timeline: Timeline, frames: range) -> Excerpt:
    """Some frames with their times; the last is shown until the next one of the plate."""
    return Excerpt(
        first=frames.start,
        num_frames=len(frames),
        begins_s=begins_s(plate, timeline, frames.start),
        ends_s=begins_s(plate, timeline, frames.stop),
    )


def begins_s(plate: MediaInfo, timeline: Timeline, frame: int) -> Fraction:
    """When a frame is shown, in seconds of the plate; of the number of frames, when the last one ends."""
    if frame < len(timeline.frame_pts):
        return int(timeline.frame_pts[frame]) * plate.time_base
    return int(timeline.frame_pts[0]) * plate.time_base + plate.duration


def wanted_frames(plate: MediaInfo, timeline: Timeline, wanted: Wanted) -> range | None:
    """The frames that are asked for; None for all of the plate.

    Raises:
        UsageError: the plate has no such shot or frames, or is a picture.
    """
    if wanted.shot is None and wanted.frames is None:
        return None
    name, num_frames = plate.path.name, len(timeline.frame_pts)
    if plate.kind != "video":
        raise UsageError(f"{name} is a picture: there is nothing to choose from; leave out --shot and --frames")
    if wanted.shot is not None:
        shots = shot_ranges(timeline)
        if not 1 <= wanted.shot <= len(shots):
            raise UsageError(
                f"expected --shot from 1 to {len(shots)}, got {wanted.shot}; `countenance shots {name}` lists them"
            )
        return shots[wanted.shot - 1]
    found = _FRAMES.fullmatch(wanted.frames or "")
    assert found is not None
    first = int(found["only"] or found["first"] or 0)
    last = int(found["only"] or found["last"] or num_frames - 1)
    if max(first, last) >= num_frames:
        raise UsageError(f"expected --frames from 0 to {num_frames - 1}, got {wanted.frames}: {name} ends there")
    if first > last:
        raise UsageError(f"--frames {wanted.frames} ends before it begins; the first frame comes first")
    return range(first, last + 1)
