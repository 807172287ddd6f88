"""The gate, with scores that are made up: no picture here is one that it should stop."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from countenance import gates
from countenance.errors import IntimateError, ModelError
from countenance.gates import MAX_SCORE, check_footage, check_frame, check_plate, checked, sampled
from countenance.media.probe import probe
from countenance.media.timeline import Timeline, read_timeline
from countenance.progress import Silent
from countenance.project import Project, create, opened
from countenance.types import Frame, MediaInfo
from countenance.vision import nudity
from tests.support.videos import write_video

NUM_FRAMES, FRAME_RATE = 60, 20


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    create(tmp_path / "film", use="film", title=None)
    with opened(tmp_path / "film") as project:
        yield project


@pytest.fixture
def clip(tmp_path: Path) -> tuple[MediaInfo, Timeline]:
    """Three seconds; a frame's level tells which it is."""
    pictures = [np.full((48, 64, 3), 2 * index, np.uint8) for index in range(NUM_FRAMES)]
    info = probe(write_video(tmp_path / "clip.mp4", pictures, frame_rate=FRAME_RATE))
    return info, replace(read_timeline(info, Silent()), shots=(0, 30))


class Scores:
    """A net that finds given frames intimate, and remembers what it saw."""

    def __init__(self, intimate: int | None = None) -> None:
        self.intimate = intimate
        self.seen: list[int] = []

    def __call__(self, rgb: np.ndarray) -> float:
        index = round(float(rgb.mean()) / 2)
        self.seen.append(index)
        return 0.93 if index == self.intimate else 0.02


@pytest.fixture
def net(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Scores]:
    def make(intimate: int | None = None) -> Scores:
        scores = Scores(intimate)
        monkeypatch.setattr(gates, "opened_net", lambda: scores)
        return scores

    return make


def frame(index: int = 3) -> Frame:
    return Frame(pixels=np.zeros((8, 8, 3), np.uint8), index=index, pts=index, time_base=Fraction(1, 25))


def test_one_frame_a_second_is_looked_at_and_the_first_of_each_shot(clip: tuple[MediaInfo, Timeline]) -> None:
    info, timeline = clip
    assert sampled(info, timeline, range(NUM_FRAMES)) == [0, 20, 30, 40]
    assert sampled(info, timeline, range(25, 28)) == [25]
    assert sampled(info, timeline, range(25, 47)) == [25, 30, 45]


def test_each_second_counts_where_frames_come_at_any_time(clip: tuple[MediaInfo, Timeline]) -> None:
    info, timeline = clip
    second = round(1 / info.time_base)
    uneven = np.array([0, second // 2, 5 * second, 5 * second + 1, 6 * second], np.int64)
    assert sampled(info, replace(timeline, frame_pts=uneven, shots=(0,)), range(5)) == [0, 2, 4]


@pytest.mark.parametrize("score", [MAX_SCORE + 0.001, 1.0, float("nan")])
def test_a_frame_that_looks_intimate_is_refused_with_what_to_do(score: float) -> None:
    with pytest.raises(
        IntimateError, match=r"frame 3 \(0\.12 s\) of clip\.mp4 looks intimate: .*; take another"
    ) as caught:
        check_frame(frame(), "clip.mp4", lambda _: score, "take another")
    assert (caught.value.code, caught.value.facts["frame"]) == ("media.intimate", 3)
    assert check_frame(frame(), "clip.mp4", lambda _: MAX_SCORE, "take another") == MAX_SCORE


def test_footage_that_passed_is_known_by_its_content(
    project: Project, clip: tuple[MediaInfo, Timeline], net: Callable[..., Scores], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = net()
    check_footage(project, *clip, Silent())
    assert first.seen == [0, 20, 30, 40]
    check_footage(project, *clip, Silent())
    check_plate(project, *clip, None, Silent())
    assert len(first.seen) == 4
    monkeypatch.setattr(gates, "RULE", "another")
    check_footage(project, *clip, Silent())
    assert len(first.seen) == 8


def test_footage_that_does_not_pass_is_asked_again_and_again(
    project: Project, clip: tuple[MediaInfo, Timeline], net: Callable[..., Scores]
) -> None:
    net(intimate=30)
    for _ in range(2):
        with pytest.raises(IntimateError, match=r"frame 30 \(1\.50 s\) of clip\.mp4 .* cut the stretch around it out"):
            check_footage(project, *clip, Silent())


def test_a_part_of_a_plate_passes_without_the_rest(
    project: Project, clip: tuple[MediaInfo, Timeline], net: Callable[..., Scores]
) -> None:
    net(intimate=40)
    check_plate(project, *clip, range(10, 35), Silent())
    with pytest.raises(IntimateError, match=r"choose other --frames, which leave it out"):
        check_plate(project, *clip, range(40, 45), Silent())
    # What passed was a part, and says nothing of the whole.
    with pytest.raises(IntimateError):
        check_plate(project, *clip, None, Silent())


def test_a_result_s_frames_pass_up_to_the_one_that_does_not(net: Callable[..., Scores]) -> None:
    net(intimate=0)
    passing = checked((frame(index) for index in range(5)), "clip.mp4", {3})
    taken: list[int] = []
    with pytest.raises(IntimateError, match=r"frame 3 .* of what was made of clip\.mp4"):
        taken.extend(each.index for each in passing)
    assert taken == [0, 1, 2]


def test_without_the_net_nothing_passes(
    project: Project, clip: tuple[MediaInfo, Timeline], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nudity, "_installed", lambda: tmp_path / "none.onnx")
    # Not the one that is kept for all tests.
    monkeypatch.setattr(gates, "opened_net", gates.opened_net.__wrapped__)
    with pytest.raises(ModelError):
        check_footage(project, *clip, Silent())
    with pytest.raises(ModelError):
        check_plate(project, *clip, range(3), Silent())
    with pytest.raises(ModelError):
        next(checked([frame()], "clip.mp4", ()))
