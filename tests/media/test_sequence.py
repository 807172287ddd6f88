"""Numbered pictures are one clip if they have one size and look like each other."""

import itertools
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from countenance.errors import MediaError
from countenance.media.reader import read_frames
from countenance.media.sequence import is_clip, next_name, numbered_runs, probe_sequence
from countenance.media.timeline import read_timeline
from countenance.progress import Silent

from .test_timeline import moving


def write_pictures(folder: Path, num: int, name: str = "shot2_{:04}.png", *, first: int = 1) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / name.format(number) for number in range(first, first + num)]
    for path, rgb in zip(paths, moving(num), strict=True):
        Image.fromarray(rgb).save(path)
    return paths


def write_photos(folder: Path, num: int) -> list[Path]:
    """Of different things, numbered by a camera."""
    paths = [folder / f"IMG_{number}.png" for number in range(1234, 1234 + num)]
    for seed, path in enumerate(paths):
        Image.fromarray(moving(1, seed)[0]).save(path)
    return paths


@pytest.mark.parametrize(
    ("names", "lengths"),
    [
        ([f"a{n:03}.png" for n in range(1, 13)], [12]),
        ([f"a{n:03}.png" for n in range(1, 12)], []),
        ([f"a{n}.png" for n in range(5, 25)], [20]),
        ([f"a{n:02}b.png" for n in range(90, 110)], [20]),
        ([f"a{n:03}.png" for n in range(40) if n != 20], [20, 19]),
        ([f"a{n:03}.{suffix}" for n in range(12) for suffix in ("png", "jpg")], [12, 12]),
        ([f"a{n}.png" for n in range(0, 40, 2)], []),
        (["a.png", "b.png"], []),
    ],
)
def test_runs_go_up_by_one(names: list[str], lengths: list[int]) -> None:
    runs = numbered_runs(Path("f", name) for name in reversed(names))
    assert sorted(map(len, runs)) == sorted(lengths)
    for run in runs:
        assert all(next_name(before) == after for before, after in itertools.pairwise(run))


def test_only_pictures_that_follow_each_other_are_a_clip(tmp_path: Path) -> None:
    assert is_clip(write_pictures(tmp_path / "a", 14))
    assert not is_clip(write_photos(tmp_path, 14))
    larger = write_pictures(tmp_path / "b", 14)
    Image.fromarray(moving(1, size_wh=(130, 96))[0]).save(larger[9])
    assert not is_clip(larger)
    broken = write_pictures(tmp_path / "c", 14)
    broken[0].write_text("none")
    assert not is_clip(broken)
    linked = write_pictures(tmp_path / "d", 14)
    linked[3].rename(tmp_path / "elsewhere.png")
    linked[3].symlink_to(tmp_path / "elsewhere.png")
    assert not is_clip(linked)


def test_a_sequence_is_read_like_a_clip(tmp_path: Path) -> None:
    paths = write_pictures(tmp_path, 60)
    info = probe_sequence(paths[0], 60)
    assert (info.kind, info.num_frames, info.resolution_wh) == ("sequence", 60, (128, 96))
    assert (info.path, info.members) == (paths[0], tuple(paths))
    assert info.duration == Fraction(60, 25)
    line = read_timeline(info, Silent())
    assert (line.frame_pts.tolist(), line.keyframes, line.shots) == (list(range(60)), (0, 48), (0,))
    frames = list(read_frames(info, first_index=48, first_pts=48))
    assert [(frame.index, frame.pts) for frame in frames] == [(index, index) for index in range(48, 60)]
    assert frames[3].time == Fraction(51, 25)
    assert all(np.array_equal(frame.rgb, moving(60)[frame.index]) for frame in frames)


def test_a_changed_or_missing_member_is_told(tmp_path: Path) -> None:
    paths = write_pictures(tmp_path, 14)
    info = probe_sequence(paths[0], 14)
    Image.fromarray(moving(1)[0]).save(paths[5])
    assert probe_sequence(paths[0], 14).sha256 != info.sha256
    Image.fromarray(moving(1, size_wh=(20, 20))[0]).save(paths[5])
    with pytest.raises(MediaError, match=r"expected 128×96 pixels, but .*shot2_0006\.png has 20×20"):
        list(read_frames(info))
    paths[5].unlink()
    with pytest.raises(MediaError, match=r"there is no file .*shot2_0006\.png"):
        probe_sequence(paths[0], 14)
