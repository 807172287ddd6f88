import stat
import subprocess
import sys
from pathlib import Path

import pytest

from countenance.errors import UsageError
from countenance.project import Project, create, find, opened, write_whole


def test_create_refuses_a_folder_that_holds_something(tmp_path: Path) -> None:
    (tmp_path / "film").mkdir()
    (tmp_path / "film" / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="new or empty folder"):
        create(tmp_path / "film", use="film", title=None)
    assert (tmp_path / "film" / "notes.txt").read_text() == "mine"


def test_project_is_found_from_a_folder_inside(project: Project) -> None:
    inner = project.folder / "footage" / "day1"
    inner.mkdir(parents=True)
    assert find(inner) == project.folder


def test_no_project_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="countenance new"), opened(tmp_path):
        pass


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("use = ", "not valid TOML"),
        (f"use = {'[' * 5000}", "not valid TOML"),
        ('use = "film"', "lacks id, schema"),
        ('schema = 9\nid = "x"\nuse = "film"', "newer"),
    ],
)
def test_broken_settings_are_told(project: Project, content: str, words: str) -> None:
    (project.folder / "countenance.toml").write_text(content)
    with pytest.raises(UsageError, match=words), opened(project.folder):
        pass


def test_database_is_private_strict_and_in_wal(project: Project) -> None:
    assert project.database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert project.database.execute("PRAGMA user_version").fetchone() == (3,)
    assert stat.S_IMODE((project.folder / "countenance.db").stat().st_mode) == 0o600
    strict = dict(project.database.execute("SELECT name, strict FROM pragma_table_list WHERE schema = 'main'"))
    assert all(strict[name] for name in ("people", "releases", "clips", "faces", "runs", "published", "log"))


def test_a_failed_transaction_leaves_nothing(project: Project) -> None:
    def write_and_fail() -> None:
        with project.transaction() as database:
            database.execute("INSERT INTO runs VALUES ('1', 'train', '{}', 'p', 't', NULL, NULL)")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_and_fail()
    assert project.database.execute("SELECT count(*) FROM runs").fetchone() == (0,)


def test_a_database_of_a_newer_version_is_refused(project: Project) -> None:
    project.database.execute("PRAGMA user_version = 99")
    with pytest.raises(UsageError, match="newer countenance"), opened(project.folder):
        pass


def test_a_second_writer_is_turned_away_and_a_killed_one_leaves_no_lock(project: Project) -> None:
    program = (
        "import sys, time; from pathlib import Path; from countenance.project import opened\n"
        f"with opened(Path({str(project.folder)!r})) as p, p.writing():\n"
        "    print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(UsageError, match="another command"), project.writing():
            pass
        other.kill()
    with project.writing():
        pass


def test_write_whole_keeps_the_old_file_when_it_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "facts.json"
    write_whole(path, b"old")

    def fail(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="No space"):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_damaged_database_is_told(project: Project) -> None:
    project.database.close()
    for suffix in ("", "-wal", "-shm"):
        (project.folder / f"countenance.db{suffix}").unlink(missing_ok=True)
    (project.folder / "countenance.db").write_bytes(b"this is no database, it is a text of some length" * 40)
    with pytest.raises(UsageError, match="restore it from a copy"), opened(project.folder):
        pass
