from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from countenance.errors import UsageError
from countenance.media.excerpt import Wanted, excerpt_of, shot_at, shot_ranges, wanted_frames
from countenance.media.timeline import Timeline
from countenance.types import MediaInfo

PLATE = MediaInfo(
    path=Path("plate.mp4"),
    kind="video",
    sha256="ab" * 32,
    resolution_wh=(64, 64),
    rotation_deg=0,
    num_frames=6,
    frame_rate=Fraction(25),
    time_base=Fraction(1, 100),
    duration=Fraction(35, 100),
    bit_depth=8,
    colour_space="bt709",
    colour_range="limited",
    has_audio=False,
)
TIMELINE = Timeline(frame_pts=np.array([7, 10, 18, 20, 30, 34]), keyframes=(0,), shots=(0, 2, 5))


@pytest.mark.parametrize(
    ("frames", "expected"),
    [("1:3", range(1, 4)), ("4:", range(4, 6)), (":1", range(2)), ("3", range(3, 4)), ("0:5", range(6))],
)
def test_a_range_includes_both_of_its_ends(frames: str, expected: range) -> None:
    assert wanted_frames(PLATE, TIMELINE, Wanted(frames=frames)) == expected


def test_shots_are_counted_from_one_and_frames_from_zero() -> None:
    assert shot_ranges(TIMELINE) == [range(2), range(2, 5), range(5, 6)]
    assert wanted_frames(PLATE, TIMELINE, Wanted(shot=2)) == range(2, 5)
    assert [shot_at(TIMELINE, frame) for frame in range(6)] == [1, 1, 2, 2, 2, 3]
    assert wanted_frames(PLATE, TIMELINE, Wanted()) is None


@pytest.mark.parametrize("frames", ["", ":", "a:b", "1-3", "-1:3", "1:2:3", "1.5:3", "٣:٤"])
def test_what_is_no_range_is_told_with_what_one_is(frames: str) -> None:
    with pytest.raises(UsageError, match=r"expected --frames FIRST:LAST, .*30:59 are thirty frames"):
        Wanted(frames=frames)


def test_what_the_plate_does_not_have_is_refused() -> None:
    for frames, message in (("2:6", r"from 0 to 5, got 2:6: plate\.mp4 ends there"), ("4:3", "ends before it begins")):
        with pytest.raises(UsageError, match=message):
            wanted_frames(PLATE, TIMELINE, Wanted(frames=frames))
    for shot in (0, 4):
        with pytest.raises(UsageError, match=rf"--shot from 1 to 3, got {shot}; `countenance shots plate\.mp4` lists"):
            wanted_frames(PLATE, TIMELINE, Wanted(shot=shot))
    with pytest.raises(UsageError, match="both say what to render"):
        Wanted(shot=1, frames="1:2")
    with pytest.raises(UsageError, match="is a picture"):
        wanted_frames(replace(PLATE, kind="picture"), TIMELINE, Wanted(frames="0"))


def test_its_last_frame_is_shown_until_the_plate_s_next() -> None:
    middle = excerpt_of(PLATE, TIMELINE, range(1, 3))
    assert (middle.first, middle.num_frames, middle.begins_s, middle.ends_s) == (1, 2, Fraction(1, 10), Fraction(1, 5))
    assert excerpt_of(PLATE, TIMELINE, range(5, 6)).ends_s == Fraction(7 + 35, 100)
