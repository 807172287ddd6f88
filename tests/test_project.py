import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from countenance import ledger
from countenance.database import DATABASE_NAME, migrations, todays_schema
from countenance.errors import UsageError
from countenance.project import SETTINGS_NAME, Project, create, erase, find, opened, opened_to_read, write_whole


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


def test_a_mistyped_section_is_reported(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    path = project.folder / "countenance.toml"
    path.write_text(path.read_text() + "\n[trian]\nwidth = 8\n")
    with opened(project.folder):
        assert "holds 'trian', which no command reads" in caplog.text


def test_database_is_private_strict_and_in_wal(project: Project) -> None:
    assert project.database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert project.database.execute("PRAGMA user_version").fetchone() == (6,)
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


def test_a_damaged_database_is_reported(project: Project) -> None:
    project.database.close()
    for suffix in ("", "-wal", "-shm"):
        (project.folder / f"countenance.db{suffix}").unlink(missing_ok=True)
    (project.folder / "countenance.db").write_bytes(b"this is no database, it is a text of some length" * 40)
    with pytest.raises(UsageError, match="restore it from a copy"), opened(project.folder):
        pass


# Modes of files.


@pytest.fixture(params=[0, 0o077], ids=["umask 000", "umask 077"])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def modes(folder: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.rglob("*"))}


@pytest.mark.usefixtures("umask")
def test_a_project_is_private_whatever_the_umask(tmp_path: Path) -> None:
    create(tmp_path / "film", use="film", title=None)
    with opened(tmp_path / "film") as project, project.writing(), project.transaction():
        project.room("renders")
        ledger.append(project, "event", {})
        found = modes(project.folder)
    assert found == {
        "film": 0o700,
        "renders": 0o700,
        SETTINGS_NAME: 0o600,
        ".countenance.lock": 0o600,
        **dict.fromkeys((DATABASE_NAME, f"{DATABASE_NAME}-wal", f"{DATABASE_NAME}-shm"), 0o600),
    }


@pytest.mark.usefixtures("umask")
def test_a_folder_that_was_there_becomes_private(tmp_path: Path) -> None:
    (tmp_path / "film").mkdir()
    create(tmp_path / "film", use="film", title=None)
    assert modes(tmp_path / "film")["film"] == 0o700


def test_what_is_handed_out_gets_no_more_than_the_umask_gives(tmp_path: Path, umask: int) -> None:
    write_whole(tmp_path / "table.md", b"for all")
    assert modes(tmp_path)["table.md"] == (0o644 if umask == 0 else 0o600)


# Reading.


def everything(folder: Path) -> dict[str, tuple[int, bytes]]:
    """All files of a folder with their times and contents, and the folder's own time."""
    files = {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.iterdir()}
    return {**files, ".": (folder.stat().st_mtime_ns, b"")}


def make(folder: Path, *, entries: int = 1) -> Path:
    create(folder, use="film", title=None)
    with opened(folder) as project:
        for number in range(entries):
            with project.transaction():
                ledger.append(project, "event", {"number": number})
    return folder


def killed_while_writing(folder: Path) -> None:
    """Append an entry in a process that dies before its database is closed."""
    program = (
        "import os; from pathlib import Path; from countenance import ledger\n"
        "from countenance.project import opened\n"
        f"with opened(Path({str(folder)!r})) as project:\n"
        "    with project.transaction(): ledger.append(project, 'late', {})\n"
        "    os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
    assert (folder / f"{DATABASE_NAME}-wal").stat().st_size > 0


def without_database(folder: Path) -> None:
    (folder / DATABASE_NAME).unlink()


def untouched(_folder: Path) -> None:
    pass


@pytest.mark.parametrize(
    ("change", "entries", "count"),
    [(untouched, 3, 3), (without_database, 0, 0), (killed_while_writing, 3, 4)],
    ids=["closed", "no database", "killed"],
)
def test_reading_leaves_all_as_it_is(change: Callable[[Path], None], entries: int, count: int, tmp_path: Path) -> None:
    folder = make(tmp_path / "film", entries=entries)
    change(folder)
    before = everything(folder)
    with opened_to_read(folder) as project:
        assert ledger.check(project) == count
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            project.database.execute("DELETE FROM log")
    after = everything(folder)
    # Locks need this file where a killed command has left its log; it holds no content.
    for files in (before, after):
        files.pop(f"{DATABASE_NAME}-shm", None)
    assert after == before


def test_reading_beside_a_writer_shows_what_is_committed(project: Project) -> None:
    with project.transaction():
        ledger.append(project, "first", {})
    with opened_to_read(project.folder) as reader:
        assert ledger.check(reader) == 1
        with project.transaction():
            ledger.append(project, "second", {})
        assert ledger.check(reader) == 2


def test_a_database_that_changes_while_it_is_read_without_locks_is_reported(tmp_path: Path) -> None:
    folder = make(tmp_path / "film")
    with (
        pytest.raises(UsageError, match="while it was read; run this again"),
        opened_to_read(folder),
        opened(folder) as writer,
        writer.transaction(),
    ):
        ledger.append(writer, "meanwhile", {})


def test_reading_a_damaged_or_newer_database_is_told(project: Project, tmp_path: Path) -> None:
    project.database.execute("PRAGMA user_version = 99")
    with pytest.raises(UsageError, match="newer countenance"), opened_to_read(project.folder):
        pass
    folder = make(tmp_path / "damaged")
    (folder / DATABASE_NAME).write_bytes(b"this is no database, it is a text of some length" * 40)
    with pytest.raises(UsageError, match="restore it from a copy"), opened_to_read(folder):
        pass


# Earlier versions.


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A project of schema 1 with a log entry, and a face that the next schema drops."""
    folder = make(tmp_path / "old", entries=0)
    (folder / DATABASE_NAME).unlink()
    with closing(sqlite3.connect(folder / DATABASE_NAME, isolation_level=None)) as database:
        database.executescript(dict(migrations())[1])
        database.execute("PRAGMA user_version = 1")
        database.execute("INSERT INTO scans VALUES (1, 'dana', 'ab', 'prepare', '{}', x'00', 'decided')")
        database.execute("INSERT INTO faces VALUES (1, 1, 0, 0, x'00', 0.9, '{}', ?, 1, 0.2, '[]')", (b"a picture",))
    return folder


def schema(path: Path) -> int:
    with closing(sqlite3.connect(path)) as database:
        return int(database.execute("PRAGMA user_version").fetchone()[0])


def test_reading_never_migrates(old: Path) -> None:
    before = everything(old)
    with opened_to_read(old, any_schema=True) as project:
        assert ledger.check(project) == 0
    with (
        pytest.raises(UsageError, match=r"earlier countenance \(schema 1, .* any command that writes"),
        opened_to_read(old),
    ):
        pass
    assert everything(old) == before


def test_writing_migrates_after_a_private_copy_that_stays(old: Path, caplog: pytest.LogCaptureFixture) -> None:
    with opened(old):
        pass
    copy = old / f"{DATABASE_NAME}.schema-1.bak"
    assert (schema(old / DATABASE_NAME), schema(copy)) == (todays_schema(), 1)
    assert b"a picture" in copy.read_bytes()
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    (note,) = caplog.messages
    assert str(copy) in note
    assert "delete it when" in note
    with opened(old):
        pass
    assert len(caplog.messages) == 1, "the second time there is nothing to bring up to date"


def test_a_migration_that_fails_leaves_the_old_schema(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scripts = dict(migrations())
    broken = [(1, scripts[1]), (2, f"{scripts[2]} INSERT INTO nowhere VALUES (1);")]
    monkeypatch.setattr("countenance.database.migrations", lambda: iter(broken))
    with pytest.raises(sqlite3.OperationalError, match="nowhere"), opened(old):
        pass
    assert schema(old / DATABASE_NAME) == 1
    with closing(sqlite3.connect(old / DATABASE_NAME)) as database:
        assert database.execute("SELECT count(*) FROM faces").fetchone() == (1,)


def test_a_project_in_use_is_not_migrated(old: Path, tmp_path: Path) -> None:
    with opened(make(tmp_path / "other")) as other, other.writing():
        (old / ".countenance.lock").unlink()
        os.link(other.folder / ".countenance.lock", old / ".countenance.lock")
        with pytest.raises(UsageError, match="another command is writing"), opened(old):
            pass
    assert schema(old / DATABASE_NAME) == 1


# File systems that can't share memory between programs.


def no_shared_memory() -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorname = "SQLITE_IOERR_SHMMAP"
    return error


class WithoutSharedMemory(sqlite3.Connection):
    """As on a network folder: a write-ahead log works only for one who has the database alone."""

    is_alone = False

    def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
        if "locking_mode" in sql:
            self.is_alone = "EXCLUSIVE" in sql
        cursor = super().execute(sql, *parameters)
        mode = super().execute("PRAGMA journal_mode").fetchone()
        if mode == ("wal",) and not self.is_alone:
            raise no_shared_memory()
        return cursor


@pytest.fixture
def without_shared_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    connect = sqlite3.connect

    def connect_without(*args: Any, **options: Any) -> sqlite3.Connection:
        return connect(*args, **options, factory=WithoutSharedMemory)

    monkeypatch.setattr("countenance.database.sqlite3.connect", connect_without)


@pytest.mark.usefixtures("without_shared_memory")
def test_a_new_project_without_shared_memory_keeps_a_rollback_journal(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    create(tmp_path / "film", use="film", title=None)
    with opened(tmp_path / "film") as project:
        assert project.database.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        with project.transaction():
            ledger.append(project, "event", {})
    (note,) = caplog.messages
    assert "network folders" in note
    with opened_to_read(tmp_path / "film") as project:
        assert ledger.check(project) == 1


def test_a_project_that_moves_to_where_memory_is_not_shared_keeps_its_log(
    tmp_path: Path, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> None:
    folder = make(tmp_path / "film")
    killed_while_writing(folder)
    request.getfixturevalue("without_shared_memory")
    with opened(folder) as project:
        assert ledger.check(project) == 2
        with project.transaction():
            ledger.append(project, "event", {})
    assert len(caplog.messages) == 1
    with opened(folder) as project:
        assert ledger.check(project) == 3
    assert len(caplog.messages) == 1, "said once, when it is changed"


def test_what_a_killed_command_left_can_not_be_read_without_shared_memory(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    folder = make(tmp_path / "film")
    killed_while_writing(folder)
    request.getfixturevalue("without_shared_memory")
    with pytest.raises(UsageError, match="stopped while it wrote; run one that writes"), opened_to_read(folder):
        pass


def test_what_is_erased_is_overwritten_and_links_are_not_followed(tmp_path: Path) -> None:
    folder, kept = tmp_path / "folder", tmp_path / "kept"
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "face").write_bytes(b"a face" * 1_000_000)
    (folder / "linked").symlink_to(kept)
    kept.write_bytes(b"not ours")
    os.link(kept, folder / "same")
    with (folder / "inner" / "face").open("rb") as still_open:
        assert erase(folder) == 3
        assert set(still_open.read()) == {0}
    assert not folder.exists()
    assert kept.read_bytes() == b"not ours"
    assert erase(folder) == 0
