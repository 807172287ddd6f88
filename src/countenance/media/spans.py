"""Frames of a plate as time: in seconds, and in words."""

from collections.abc import Sequence

from countenance.media.excerpt import begins_s
from countenance.media.timeline import Timeline
from countenance.types import MediaInfo


def spans_s(plate: MediaInfo, timeline: Timeline, frames: Sequence[int]) -> tuple[tuple[float, float], ...]:
    """Runs of frames, ascending, in seconds of the plate."""
    spans: list[tuple[float, float]] = []
    before = None
    for index in frames:
        begin, until = (float(begins_s(plate, timeline, each)) for each in (index, index + 1))
        spans.append((spans.pop()[0] if before == index - 1 else begin, until))
        before = index
    return tuple(spans)


def in_words(plate: MediaInfo, timeline: Timeline, frames: Sequence[int]) -> str:
    """The number of some frames, ascending, and their time range."""
    first_s, last_s = (float(timeline.frame_pts[index] * plate.time_base) for index in (frames[0], frames[-1]))
    if len(frames) == 1:
        return f"the frame at {first_s:.2f} s"
    return f"{len(frames)} frames between {first_s:.2f} s and {last_s:.2f} s"
