"""Folders go in as far as they can; what can't is told, and nothing is looked at twice."""

import os
import tempfile
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

import countenance.steps.collect
from countenance.errors import MediaError
from countenance.footage import collected_clips, timeline_of
from countenance.media.probe import Fingerprint, probe, take_fingerprint
from countenance.media.reader import read_frames
from countenance.progress import Silent
from countenance.project import Project
from countenance.steps.collect import Collected, collect
from countenance.types import MediaInfo
from tests.support.videos import noise, write_video

NOBODY = 65534


def shade(path: Path, value: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((8, 8, 3), value, np.uint8)).save(path)
    return path


def collected(project: Project, *paths: Path) -> Collected:
    return collect(project, "dana", paths, progress=Silent())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three pictures, one of them deep, and a letter."""
    for number, name in enumerate(("c.png", "a.png", "deep/er/b.png")):
        shade(tmp_path / "footage" / name, number)
    (tmp_path / "footage" / "letter.mp4").write_text("Dear Dana, …")
    return tmp_path / "footage"


def names(paths: list[Path]) -> list[str]:
    return [path.name for path in paths]


def test_a_folder_goes_in_to_its_bottom_in_order(project: Project, folder: Path) -> None:
    result = collected(project, folder)
    assert names([info.path for info in result.clips]) == ["a.png", "c.png", "b.png"]
    assert names([path for path, _ in result.left_out]) == ["letter.mp4"]
    assert collected_clips(project, "dana") == list(result.clips)


def test_a_bad_file_that_was_named_does_not_keep_out_the_others(project: Project, folder: Path) -> None:
    result = collected(project, folder / "letter.mp4", folder / "a.png")
    assert names([info.path for info in result.clips]) == ["a.png"]
    ((path, reason),) = result.left_out
    assert path == folder / "letter.mp4"
    assert "is not a video or picture" in reason


def test_a_name_with_nothing_behind_it_stops_all(project: Project, folder: Path) -> None:
    with pytest.raises(MediaError, match=r"there is no file .*lost\.png; check its name"):
        collected(project, folder / "a.png", folder / "lost.png")
    with pytest.raises(MediaError, match=r"there is no file .*a\.png/b"):
        collected(project, folder / "a.png" / "b")
    with pytest.raises(MediaError, match="no footage of dana"):
        collected_clips(project, "dana")


def test_one_bad_file_tells_its_reason_and_many_their_number(project: Project, folder: Path) -> None:
    with pytest.raises(MediaError) as caught:
        collected(project, folder / "letter.mp4")
    assert str(caught.value).startswith(f"{folder / 'letter.mp4'} is not a video or picture")
    (folder / "second.mp4").touch()
    with pytest.raises(MediaError, match=r"^no video or picture that can be used in .*; .* \(and 1 more\)$"):
        collected(project, folder / "letter.mp4", folder / "second.mp4")


def test_what_is_there_already_is_not_looked_at_again(
    project: Project, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    collected(project, folder)
    new = shade(folder / "new.png", 99)
    looked_at = []

    def watched(path: Path, fingerprint: Fingerprint) -> MediaInfo:
        looked_at.append(path.name)
        return probe(path, fingerprint)

    monkeypatch.setattr(countenance.steps.collect, "probe", watched)
    result = collected(project, folder)
    assert [info.path for info in result.clips] == [new]
    assert names(list(result.known)) == ["a.png", "c.png", "b.png"]
    assert sorted(looked_at) == ["letter.mp4", "new.png"]
    # Another person's footage is another matter.
    assert len(collect(project, "kim", [folder], progress=Silent()).clips) == 4


def test_a_copy_within_a_folder_counts_once(project: Project, tmp_path: Path) -> None:
    first, second = shade(tmp_path / "f" / "a.png", 1), shade(tmp_path / "f" / "b.png", 1)
    result = collected(project, tmp_path / "f")
    assert [info.path for info in result.clips] == [first]
    assert result.known == (second,)


def test_a_clip_that_moved_gets_its_new_place(project: Project, folder: Path) -> None:
    collected(project, folder / "a.png")
    moved = (folder / "a.png").rename(folder / "moved.png")
    assert collected(project, folder / "moved.png").known == (moved,)
    assert [info.path for info in collected_clips(project, "dana")] == [moved]


def test_hidden_files_and_folders_are_passed_over(project: Project, folder: Path) -> None:
    for name in (".a.png", ".trash/b.png", "deep/.cache/c.png"):
        shade(folder / name, 77)
    (folder / "Thumbs.db").write_text("x")
    result = collected(project, folder)
    assert len(result.clips) == 3
    assert names([path for path, _ in result.left_out]) == ["letter.mp4"]
    # Named, it is meant.
    assert len(collected(project, folder / ".trash").clips) == 1


def test_links_are_told_and_never_followed(project: Project, folder: Path, tmp_path: Path) -> None:
    outside = shade(tmp_path / "elsewhere" / "secret.png", 55)
    (folder / "file.png").symlink_to(outside)
    (folder / "folder").symlink_to(outside.parent)
    (folder / "up").symlink_to(folder.parent)
    result = collected(project, folder)
    assert len(result.clips) == 3
    reasons = {path.name: reason for path, reason in result.left_out}
    assert set(reasons) == {"letter.mp4", "file.png", "folder", "up"}
    assert all("is a symbolic link" in reasons[name] for name in ("file.png", "folder", "up"))


def test_a_folder_that_may_not_be_read_is_told() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder, closed = Path(name), Path(name) / "closed"
        folder.chmod(0o755)
        shade(folder / "a.png", 1)
        shade(closed / "b.png", 2)
        shade(folder / "c.png", 3).chmod(0)
        closed.chmod(0)
        was_root = os.geteuid() == 0
        if was_root:
            os.seteuid(NOBODY)
        try:
            found: list[tuple[Path, str]] = []
            files = countenance.steps.collect._files_of(folder, found)
            with pytest.raises(MediaError, match="permission denied; check its permissions"):
                take_fingerprint(folder / "c.png")
        finally:
            if was_root:
                os.seteuid(0)
            closed.chmod(0o755)
    assert names(files) == ["a.png", "c.png"]
    assert found == [(closed, f"the folder {closed} can't be read: permission denied; check its permissions")]


def test_names_do_not_steer_the_terminal(project: Project, folder: Path) -> None:
    (folder / "a\x1b[31mb\nerror: c.mp4").write_text("x")
    result = collected(project, folder)
    assert len(result.left_out) == 2
    assert all(reason.isprintable() for _, reason in result.left_out)


def test_an_empty_folder_and_one_of_hidden_files_hold_nothing(project: Project, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(MediaError, match=r"no video or picture that can be used in .*empty$"):
        collected(project, tmp_path / "empty")
    shade(tmp_path / "empty" / ".a.png", 1)
    with pytest.raises(MediaError, match=r"no video or picture that can be used in .*empty$"):
        collected(project, tmp_path / "empty")


def write_clip(path: Path, num_frames: int, **options: str) -> Path:
    """Noise, so that every frame takes room."""
    path.parent.mkdir(parents=True, exist_ok=True)
    encoder = {"g": "10", "bf": "2"}
    return write_video(path, noise(num_frames, (64, 48)), frame_rate=25, encoder=encoder, container_options=options)


def cut_off(path: Path, kept: float) -> Path:
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept)])
    return path


@pytest.mark.parametrize(
    ("name", "options"), [("a.mp4", {"movflags": "+faststart"}), ("a.mkv", {}), ("a.avi", {}), ("a.ts", {})]
)
def test_before_a_damaged_end_the_good_frames_go_in(
    project: Project, tmp_path: Path, name: str, options: dict[str, str]
) -> None:
    path = cut_off(write_clip(tmp_path / "f" / name, 100, **options), 0.8)
    (info,) = collected(project, path).clips
    assert 60 <= info.num_frames < 85
    assert info.notes[-1].startswith(f"{path} is damaged after {info.num_frames} frames, which are good and go in")
    (again,) = collected_clips(project, "dana")
    assert (again.num_frames, again.is_whole) == (info.num_frames, False)
    frames = list(read_frames(again))
    line = timeline_of(project, again, Silent())
    assert [frame.pts for frame in frames] == line.frame_pts.tolist()
    assert len(frames) == info.num_frames
    with pytest.raises(MediaError):
        list(read_frames(probe(path)))


def test_too_little_before_a_damaged_end_is_refused(project: Project, tmp_path: Path) -> None:
    path = cut_off(write_clip(tmp_path / "f" / "a.mkv", 100), 0.4)
    with pytest.raises(MediaError, match=r"is truncated: \d+ of about \d+ frames are there; copy it anew"):
        collected(project, path)


def test_damage_within_keeps_what_is_before(project: Project, tmp_path: Path) -> None:
    path = write_clip(tmp_path / "f" / "a.mp4", 100)
    whole = bytearray(path.read_bytes())
    with av.open(path) as container:
        entries = container.streams.video[0].index_entries
        at, size = next((entry.pos, entry.size) for entry in list(entries)[70:] if entry.is_keyframe)
    whole[at + 5 : at + size] = bytes(size - 5)
    path.write_bytes(whole)
    (info,) = collected(project, path).clips
    assert info.num_frames == 70
    assert len(list(read_frames(collected_clips(project, "dana")[0]))) == 70
    # As a plate it isn't whole, though its good frames are known.
    with pytest.raises(MediaError, match="is damaged after"):
        timeline_of(project, probe(path), Silent())


def test_each_clip_has_its_timeline_and_it_is_read_once(
    project: Project, demo_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (info,) = collected(project, demo_data / "kofi_training.mp4").clips
    monkeypatch.setattr(countenance.steps.collect, "read_timeline", None)
    line = timeline_of(project, info, Silent())
    assert line.shots == (0, 60, 120, 180)
    assert line.frame_pts.tolist() == [frame.pts for frame in read_frames(info)]


def numbered(folder: Path, numbers: range) -> list[Path]:
    """A shade that moves."""
    picture = np.random.default_rng(0).integers(0, 255, (24, 100, 3), np.uint8)
    picture = np.asarray(Image.fromarray(picture).resize((400, 24)))
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"f{number:03}.png" for number in numbers]
    for number, path in zip(numbers, paths, strict=True):
        Image.fromarray(picture[:, number : number + 32]).save(path)
    return paths


def test_numbered_pictures_are_one_clip_each_up_to_a_gap(project: Project, tmp_path: Path) -> None:
    folder = tmp_path / "f"
    first = numbered(folder, range(1, 21))
    second = numbered(folder, range(22, 40))
    alone = shade(folder / "portrait.png", 9)
    result = collected(project, folder)
    assert [(info.path, info.kind, info.num_frames) for info in result.clips] == [
        (first[0], "sequence", 20),
        (second[0], "sequence", 18),
        (alone, "picture", 1),
    ]
    assert result.clips[0].notes == (f"{first[0]} to f020.png are read as one clip, 25 frames a second",)
    assert [replace(info, notes=()) for info in collected_clips(project, "dana")] == [
        replace(info, notes=()) for info in result.clips
    ]
    assert collected(project, folder).known == (first[0], second[0], alone)
    shade(first[4], 3)
    with pytest.raises(MediaError, match=r"f001\.png was changed since it was collected"):
        collected_clips(project, "dana")
    first[4].unlink()
    with pytest.raises(MediaError, match=r"there is no file .*f005\.png"):
        collected_clips(project, "dana")


def test_a_sequence_that_moved_gets_its_new_place(project: Project, tmp_path: Path) -> None:
    numbered(tmp_path / "f", range(1, 21))
    collected(project, tmp_path / "f")
    moved = (tmp_path / "f").rename(tmp_path / "g")
    assert collected(project, moved).known == (moved / "f001.png",)
    (info,) = collected_clips(project, "dana")
    assert info.members[-1] == moved / "f020.png"
