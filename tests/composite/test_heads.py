"""Heads are followed where no mesh is found."""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from countenance.composite import heads as heads_module
from countenance.composite.heads import Head, follow_heads, head_of
from countenance.errors import ConsentError
from countenance.media.probe import probe
from countenance.media.timeline import Timeline, frames_at, read_timeline
from countenance.progress import Progress, Silent
from countenance.types import Frame, MediaInfo
from countenance.vision.detect import Detection, FaceDetector
from countenance.vision.landmarks import FaceFinder
from tests.support.made_up import mesh_at
from tests.support.recorder import Recorder
from tests.support.videos import Rgb, frames_of, write_video

NUM_FRAMES, STEP_PX, SIDE = 24, 4, 72


def moving(num_frames: int = NUM_FRAMES) -> list[Rgb]:
    """A patched ball that moves to the right over a plain ground."""
    rng = np.random.default_rng(1)
    patches = cv2.resize(rng.integers(0, 255, (12, 12, 3), np.uint8), (SIDE, SIDE), interpolation=cv2.INTER_NEAREST)
    frames = []
    for index in range(num_frames):
        rgb = np.full((160, 256, 3), 120, np.uint8)
        left = 20 + STEP_PX * index
        rgb[40 : 40 + SIDE, left : left + SIDE] = patches
        frames.append(rgb)
    return frames


def at(index: int) -> Head:
    centre = np.array([20 + STEP_PX * index + (SIDE - 1) / 2, 40 + (SIDE - 1) / 2], np.float32)
    return Head(centre_xy=centre, side_px=float(SIDE))


def followed(
    path: Path,
    known: dict[int, list[Head]],
    shots: list[range] | None = None,
    *,
    check_leave: Callable[[], None] = lambda: None,
    progress: Progress | None = None,
) -> dict[int, list[Head]]:
    info = probe(path)
    timeline = read_timeline(info, Silent())
    shots = shots or [range(info.num_frames)]
    return follow_heads(info, timeline, known, shots, check_leave=check_leave, progress=progress or Silent())


def still(path: Path, num_frames: int = 40) -> Path:
    """Nothing in it can be followed."""
    return write_video(path, [np.full((160, 256, 3), 120, np.uint8)] * num_frames)


def looks_for_nobody(monkeypatch: pytest.MonkeyPatch) -> list[Rgb]:
    """The frames at which a detector looked that sees no face."""
    frames: list[Rgb] = []

    class Nobody(FaceDetector):
        def __call__(self, rgb: Rgb) -> list[Detection]:
            frames.append(rgb)
            return []

    monkeypatch.setattr("countenance.composite.heads.FaceDetector", Nobody)
    return frames


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_video(tmp_path / "clip.mp4", moving())


@pytest.mark.parametrize("known", [[0], [NUM_FRAMES - 1], [0, NUM_FRAMES - 1], [10]])
def test_a_head_is_followed_in_both_directions(clip: Path, known: list[int]) -> None:
    found = followed(clip, {index: [at(index)] for index in known})
    assert sorted(found) == [index for index in range(NUM_FRAMES) if index not in known]
    for index, heads in found.items():
        for head in heads:
            assert np.linalg.norm(head.centre_xy - at(index).centre_xy) < 0.1 * SIDE
            assert head.side_px >= SIDE


def test_it_is_not_followed_into_another_shot_nor_in_one_without_a_known_head(
    clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []

    def watched(info: MediaInfo, timeline: Timeline, indices: Sequence[int]) -> Iterator[Frame]:
        read.extend(indices)
        return frames_at(info, timeline, indices)

    monkeypatch.setattr("countenance.composite.heads.frames_at", watched)
    found = followed(clip, {3: [at(3)]}, [range(12), range(12, NUM_FRAMES)])
    assert sorted(found) == [0, 1, 2, *range(4, 12)]
    assert max(read) == 11


def test_where_nothing_says_where_it_is_it_is_held_for_a_second_and_grows_and_then_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heads_module, "MAX_HELD_S", 0.25)
    clip = write_video(tmp_path / "gone.mp4", [*moving(2), *[np.full((160, 256, 3), 120, np.uint8)] * 20])
    found = followed(clip, {0: [at(0)], 1: [at(1)]})
    assert sorted(found) == list(range(2, 8))
    sides = [found[index][0].side_px for index in range(2, 8)]
    assert all(later > earlier for earlier, later in pairwise(sides))


@pytest.mark.parametrize(("known", "looked"), [([0, 1], 9), ([39], 13), ([0, 39], 22)])
def test_of_a_long_stretch_only_what_is_followed_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: list[int], looked: int
) -> None:
    monkeypatch.setattr(heads_module, "MAX_HELD_S", 0.25)
    monkeypatch.setattr(heads_module, "MAX_UNSEEN_S", 0.5)
    looks = looks_for_nobody(monkeypatch)
    found = followed(still(tmp_path / "still.mp4"), {index: [at(0)] for index in known})
    assert len(looks) <= looked
    assert len(found) == 6 * len({index // 20 for index in known})


def test_a_frame_that_shows_two_heads_makes_no_difference_far_from_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One head is known all the time but for a stretch in the middle; another one, for the first frame only."""
    monkeypatch.setattr(heads_module, "MAX_HELD_S", 0.25)
    monkeypatch.setattr(heads_module, "MAX_UNSEEN_S", 0.5)
    looks = looks_for_nobody(monkeypatch)
    known = {index: [at(0)] for index in range(40) if not 14 <= index < 32}
    known[0].append(at(30))
    found = followed(still(tmp_path / "still.mp4"), known)
    assert sorted(found) == [*range(1, 7), *range(14, 20), *range(26, 32)]
    assert len(looks) <= 8 + 8 + 13


def test_consent_is_asked_for_again_and_progress_is_shown(clip: Path) -> None:
    recorder, asked = Recorder(), list[None]()

    def ended() -> None:
        if asked:
            raise ConsentError("it was revoked")
        asked.append(None)

    followed(clip, {0: [at(0)]}, progress=recorder)
    assert recorder.done_now == {"following heads in clip.mp4": NUM_FRAMES}
    with pytest.raises(ConsentError, match="it was revoked"):
        followed(clip, {0: [at(0)]}, check_leave=ended)


def test_a_detection_brings_a_head_back_that_was_followed_wrongly(tmp_path: Path) -> None:
    frames = frames_of("performance.mp4", 6)
    (face,) = FaceFinder()(frames[0])
    right = head_of(face.landmarks_xyz)
    off = Head(centre_xy=right.centre_xy + np.array([40, 30], np.float32), side_px=right.side_px)
    found = followed(write_video(tmp_path / "face.mp4", frames), {0: [off]})
    assert sorted(found) == list(range(1, 6))
    for (head,) in found.values():
        assert np.linalg.norm(head.centre_xy - right.centre_xy) < 0.1 * right.side_px


def test_a_mesh_s_head_holds_the_mesh_with_a_wide_margin() -> None:
    mesh = mesh_at(100, 80)
    head = head_of(mesh)
    far = np.linalg.norm(mesh[:, :2] - head.centre_xy, axis=1).max()
    assert 1.15 * far < head.side_px / 2 < 2 * far
