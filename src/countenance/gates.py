"""The gate for intimate content: none in the likeness's footage, none in a plate, none in a result.

Some frames are looked at, one a second and the first of each shot; where one of them looks intimate, the work ends.
There is no setting, option or list of exceptions. Where the net is missing or fails, nothing passes either.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Protocol

import numpy as np
from jaxtyping import Float64, UInt8

from countenance.errors import IntimateError, one_line
from countenance.media.timeline import Timeline, frames_at
from countenance.progress import Progress, if_many
from countenance.project import Project
from countenance.types import Frame, MediaInfo
from countenance.vision import nudity
from countenance.vision.nudity import NudityNet

MAX_SCORE = 0.8
"""What scores more counts as intimate: from here on the net's makers call it sure. Figures: docs/gates.md."""
EVERY_S = 1.0
RULE = f"{nudity.SHA256[:16]} {MAX_SCORE} {EVERY_S}"
"""By which footage was let pass; what passed another rule is looked at again."""
ROUNDING = 1e-6
"""Of times in seconds: a frame that comes so little before a full one opens it."""


class Score(Protocol):
    """How intimate a picture looks, 0–1."""

    def __call__(self, rgb: UInt8[np.ndarray, "H W 3"]) -> float: ...


@cache
def opened_net() -> NudityNet:
    """The net, opened once in a process.

    Raises:
        ModelError: it is missing or damaged.
    """
    return NudityNet()


def check_footage(project: Project, info: MediaInfo, timeline: Timeline, progress: Progress) -> None:
    """Check a clip before anything is learned from it; what passed once is known by its content.

    Raises:
        IntimateError: a frame looks intimate.
        ModelError: the net is missing or fails.
    """
    again = "if that is a false alarm, cut the stretch around it out of the file, or take another"
    _check(project, info, timeline, range(len(timeline.frame_pts)), again, progress)


def check_plate(project: Project, info: MediaInfo, timeline: Timeline, shown: range | None, progress: Progress) -> None:
    """Check those frames of a plate that are asked for, before one is rendered; None for all.

    Raises:
        IntimateError: a frame looks intimate.
        ModelError: the net is missing or fails.
    """
    again = "if that is a false alarm, choose other --frames, which leave it out, or another take"
    _check(project, info, timeline, shown or range(len(timeline.frame_pts)), again, progress)


def check_shown(project: Project, info: MediaInfo, frame: Frame) -> None:
    """Check one frame of a plate before it is shown, unless all of the plate has passed.

    Raises:
        IntimateError: it looks intimate.
        ModelError: the net is missing or fails.
    """
    if not has_passed(project, info.sha256):
        check_frame(
            frame, info.path.name, opened_net(), "if that is a false alarm, take another frame, or another take"
        )


def checked(frames: Iterable[Frame], name: str, looked_at: Iterable[int]) -> Iterator[Frame]:
    """Pass a result's frames on, as long as those that are looked at pass.

    Raises:
        IntimateError: a frame looks intimate.
        ModelError: the net is missing or fails.
    """
    score, due = opened_net(), frozenset(looked_at)
    again = "if that is a false alarm, choose other --frames, which leave it out, or another take"
    for frame in frames:
        if frame.index in due:
            check_frame(frame, f"what was made of {name}", score, again)
        yield frame


def check_frame(frame: Frame, what: str, score: Score, again: str) -> float:
    """Check one frame, and return its score.

    Raises:
        IntimateError: it looks intimate.
    """
    found = score(frame.rgb)
    # A number that can't be compared doesn't pass.
    if not found <= MAX_SCORE:
        raise IntimateError(
            one_line(
                f"frame {frame.index} ({float(frame.time):.2f} s) of {what} looks intimate: it scores {found:.2f}, and "
                f"more than {MAX_SCORE:g} doesn't pass, whoever asks; {again}"
            ),
            frame=frame.index,
            score=round(found, 4),
        )
    return found


def sampled(info: MediaInfo, timeline: Timeline, frames: range) -> list[int]:
    """The frames that are looked at, of some in a row: the first, one a second, and the first of each shot."""
    times_s = timeline.frame_pts[frames.start : frames.stop] * float(info.time_base)
    shots = (shot for shot in timeline.shots if shot in frames)
    return sorted({*(frames.start + place for place in one_a_second(times_s)), *shots})


def one_a_second(times_s: Sequence[float] | Float64[np.ndarray, " N"]) -> list[int]:
    """Places of the first frame of each second, of frames that are shown at these times."""
    passed_s = np.asarray(times_s) - times_s[0]
    _, first_of_each = np.unique(np.floor(passed_s / EVERY_S + ROUNDING), return_index=True)
    return [int(place) for place in first_of_each]


def _check(
    project: Project, info: MediaInfo, timeline: Timeline, frames: range, again: str, progress: Progress
) -> None:
    if has_passed(project, info.sha256):
        return
    score, samples = opened_net(), sampled(info, timeline, frames)
    seen = if_many(progress, len(samples)).track(
        frames_at(info, timeline, samples), what=f"looking through {info.path.name}", unit="frames", total=len(samples)
    )
    highest = max(check_frame(frame, info.path.name, score, again) for frame in seen)
    if len(frames) == len(timeline.frame_pts):
        with project.transaction() as database:
            database.execute(
                "INSERT OR REPLACE INTO passed_footage (sha256, gate, num_frames, highest_score) VALUES (?, ?, ?, ?)",
                (info.sha256, RULE, len(samples), highest),
            )


def has_passed(project: Project, sha256: str) -> bool:
    """Whether all of some footage was looked through by today's rule, and passed."""
    row = project.database.execute(
        "SELECT 1 FROM passed_footage WHERE sha256 = ? AND gate = ?", (sha256, RULE)
    ).fetchone()
    return row is not None
