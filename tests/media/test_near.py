"""Any frames in any order are those that one reading gives, and little is read for them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from countenance.media import near as near_module
from countenance.media.near import NearFrames
from countenance.media.probe import probe
from countenance.media.reader import read_frames
from countenance.media.timeline import Timeline, read_timeline
from countenance.progress import Silent
from countenance.types import MediaInfo
from tests.support.videos import noise, write_video

NUM_FRAMES = 120


@pytest.fixture
def clip(tmp_path: Path) -> tuple[MediaInfo, Timeline]:
    """Ten bits, with keyframes at 0, 48 and 96."""
    path = write_video(
        tmp_path / "clip.mp4",
        noise(NUM_FRAMES, (64, 48)),
        codec="libx265",
        pixel_format="yuv420p10le",
        encoder={"x265-params": "keyint=48:min-keyint=48:scenecut=0:log-level=none", "preset": "ultrafast"},
    )
    info = probe(path)
    return info, read_timeline(info, Silent())


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """At which frame each reading began."""
    begun: list[int] = []

    def noted(*arguments: Any, **more: Any) -> Any:
        begun.append(more["first_index"])
        return read_frames(*arguments, **more)

    monkeypatch.setattr(near_module, "read_frames", noted)
    return begun


@pytest.mark.parametrize(
    "asked", [[(0, 3), (1, 2)], [(50, 54), (48, 52), (100, 101)], [(119, 120), (0, 1), (118, 120)], [(7, 60)]]
)
def test_frames_are_those_of_one_reading(clip: tuple[MediaInfo, Timeline], asked: Sequence[tuple[int, int]]) -> None:
    info, _ = clip
    whole = list(read_frames(info, native_depth=True))
    near = NearFrames(*clip)
    for first, stop in asked:
        found = list(near(first, stop))
        assert [frame.index for frame in found] == list(range(first, stop))
        for frame in found:
            assert frame.pts == whole[frame.index].pts
            assert frame.pixels.dtype == np.uint16
            assert np.array_equal(frame.pixels, whole[frame.index].pixels)
    near.close()


def test_the_next_frames_go_on_and_known_ones_are_not_read_again(
    clip: tuple[MediaInfo, Timeline], readings: list[int]
) -> None:
    near = NearFrames(*clip)
    list(near(10, 14))
    list(near(12, 16))
    list(near(11, 13))
    assert readings == [10]
    # A little further decoding goes on; far away, or back, the clip is sought.
    list(near(20, 21))
    assert readings == [10]
    list(near(100, 101))
    list(near(90, 91))
    assert readings == [10, 100, 90]
    near.close()


def test_no_more_is_remembered_than_may_be(clip: tuple[MediaInfo, Timeline], readings: list[int]) -> None:
    frame_bytes = 64 * 48 * 3 * 2
    near = NearFrames(*clip, max_bytes=3 * frame_bytes)
    list(near(0, 5))
    list(near(2, 5))
    assert readings == [0]
    list(near(1, 2))
    assert readings == [0, 1]
    near.close()
    list(near(4, 5))
    assert readings == [0, 1, 4]
