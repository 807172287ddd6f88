"""What a command shows, for programs as well."""

import time
from pathlib import Path

import pytest

from countenance import progress as progress_module
from countenance.cli import display
from countenance.cli.display import Bars
from countenance.progress import PROGRESS_VARIABLE, Shown, Task, read_shown


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "progress.json"
    monkeypatch.setenv(PROGRESS_VARIABLE, str(path))
    return path


def test_what_is_shown_is_in_the_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(display, "WRITE_EVERY_S", 0.0)
    with Bars() as progress:
        progress.note("a dark clip")
        for clip in progress.track("ab", what="collecting", unit="clips", total=2):
            for _ in progress.track(range(2), what=f"looking at {clip}", unit="frames", total=40, done=20, each=5):
                shown = read_shown(path)
        assert shown is not None
        outer, inner = shown.tasks
        assert (outer.what, outer.done, outer.total) == ("collecting", 1, 2)
        assert (inner.what, inner.unit, inner.done, inner.total) == ("looking at b", "frames", 25, 40)
        assert isinstance(inner.seconds_left, float | None)
        assert read_shown(path) == Shown(tasks=(), notes=("a dark clip",))
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_a_count_that_goes_on_is_written_a_few_times_a_second(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[Shown] = []

    def write(to: Path, shown: Shown) -> None:
        assert to == path
        written.append(shown)

    monkeypatch.setattr(progress_module, "write_shown", write)
    with Bars() as progress:
        for _ in progress.track(range(60), what="looking", unit="frames", total=60):
            time.sleep(0.01)
    assert 3 <= len(written) <= 6
    assert written[0].tasks == (Task(what="looking", unit="frames", done=0, total=60, seconds_left=None),)


def test_work_goes_on_where_nothing_can_be_written(path: Path) -> None:
    path.parent.rmdir()
    with Bars() as progress:
        progress.note("dark")
        assert list(progress.track(range(3), what="looking", unit="frames", total=3)) == [0, 1, 2]


def test_nothing_is_written_where_nobody_asks(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PROGRESS_VARIABLE)
    with Bars() as progress:
        progress.note("dark")
    assert not path.exists()


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"tasks": [{}], "notes": []}'])
def test_a_file_of_something_else_is_nothing(path: Path, content: str) -> None:
    path.write_text(content)
    assert read_shown(path) is None
