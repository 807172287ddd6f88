"""Commands that only read write nothing, and a broken project doesn't hide what is known of a file."""

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from countenance.database import DATABASE_NAME
from countenance.project import SETTINGS_NAME
from tests.support.desk import Desk, Ended
from tests.support.videos import grey

NOBODY = 65534
READING = (("log", "check"), ("log", "show"), ("release", "list"), ("verify", "../grey.mp4"), ("--help",))


@dataclass(frozen=True, kw_only=True)
class Reader:
    """A desk at which somebody works who isn't root, to whom modes of files would mean nothing."""

    desk: Desk
    user: int | None

    def run(self, *words: str) -> Ended:
        return self.desk.run(*words, user=self.user)

    def contents(self) -> dict[str, tuple[int, bytes]]:
        """All files of the project and the config folder with times and contents."""
        folders = (self.desk.project, self.desk.folder / "config")
        return {
            str(path): (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
            for folder in folders
            for path in (folder, *folder.rglob("*"))
        }


@pytest.fixture
def reader(released: Desk) -> Iterator[Reader]:
    grey(released.folder / "grey.mp4")
    if os.getuid() != 0:
        yield Reader(desk=released, user=None)
        return
    with tempfile.TemporaryDirectory() as open_folder:
        desk = released.copy(Path(open_folder) / "desk")
        for path in (Path(open_folder), *Path(open_folder).rglob("*")):
            os.chown(path, NOBODY, NOBODY)
        yield Reader(desk=desk, user=NOBODY)


@pytest.mark.parametrize("words", READING, ids=" ".join)
def test_a_command_that_reads_writes_nothing(words: tuple[str, ...], reader: Reader) -> None:
    before = reader.contents()
    ended = reader.run(*words)
    assert ended.code == 0, ended.err
    assert reader.contents() == before


@pytest.mark.parametrize("words", READING, ids=" ".join)
def test_a_project_that_may_not_be_written_to_can_be_read(words: tuple[str, ...], reader: Reader) -> None:
    (reader.desk.project / DATABASE_NAME).chmod(0o400)
    reader.desk.project.chmod(0o500)
    ended = reader.run(*words)
    reader.desk.project.chmod(0o700)
    assert ended.code == 0, ended.err


def test_a_folder_with_settings_alone_is_an_empty_project_that_reading_leaves_so(reader: Reader) -> None:
    folder = reader.desk.folder / "bare"
    folder.mkdir()
    # Another id: of the project itself this computer remembers a log.
    (folder / SETTINGS_NAME).write_text('schema = 1\nid = "7cf1b0a6-4a9b-4f7c-8a55-2f1a51c9c2f0"\nuse = "film"\n')
    for words, shown in (
        (("verify", "../grey.mp4"), "doesn't know this file"),
        (("log", "check"), "Entries: 0"),
        (("release", "list"), "No releases yet"),
    ):
        ended = reader.desk.run(*words, cwd=folder)
        assert ended.code == 0, ended.err
        assert shown in " ".join((ended.out + ended.err).split())
    assert [path.name for path in folder.iterdir()] == [SETTINGS_NAME]


def test_a_database_that_was_lost_is_not_taken_for_an_empty_one(reader: Reader) -> None:
    (reader.desk.project / DATABASE_NAME).unlink()
    ended = reader.run("log", "check")
    assert ended.code == 6
    assert "cut off" in ended.error


@pytest.mark.parametrize("broken", ["database", "settings"])
def test_a_file_is_verified_while_the_project_can_not_be_read(broken: str, reader: Reader) -> None:
    path = reader.desk.project / (DATABASE_NAME if broken == "database" else SETTINGS_NAME)
    path.chmod(0)
    ended = reader.run("verify", "../grey.mp4")
    assert ended.code == 0, ended.err
    text = " ".join(ended.out.split())
    assert "The file carries no credentials" in text
    assert "The log of the project here can't be read, so it wasn't checked." in text
    assert f"{path}: Permission denied".replace(" ", "") in text.replace(" ", "")


def test_a_damaged_database_is_no_reason_not_to_verify(reader: Reader) -> None:
    (reader.desk.project / DATABASE_NAME).write_bytes(b"this is no database, it is a text of some length" * 40)
    ended = reader.run("verify", "../grey.mp4")
    assert ended.code == 0, ended.err
    assert "can't be used as a project database" in " ".join(ended.out.split())
    assert reader.run("log", "check").code == 2
