"""The project folder: `countenance.toml` for what a user sets, one SQLite database for its records."""

import logging
import os
import secrets
import sqlite3
import stat
import tomllib
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import platformdirs
import tomli_w
from filelock import FileLock, Timeout

from countenance.database import DATABASE_NAME, connect, connected_to_read, migrate, schema_of, todays_schema
from countenance.errors import UsageError

_log = logging.getLogger(__name__)

SETTINGS_NAME = "countenance.toml"
SETTINGS = ("schema", "id", "use", "title", "channels", "revocations")
SECTIONS = ("consent", "prepare", "coverage", "train", "generate", "shot")
"""What `countenance.toml` may hold: facts of the project, and the settings of the steps."""
PRIVATE, SHARED = 0o600, 0o644
"""Modes of files: of private ones, whatever the user's umask, and of those to hand out, less what the umask takes."""
ERASED_BYTES = 2**20
"""So many are overwritten at once."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Project:
    """An open project; `database` autocommits unless inside `transaction`."""

    folder: Path
    settings: dict[str, Any]
    database: sqlite3.Connection
    after_commit: list[Callable[[], None]] = field(default_factory=list, repr=False)
    """What to call once the open transaction is committed."""

    @property
    def id(self) -> str:
        return str(self.settings["id"])

    @property
    def use(self) -> str:
        """What the project's films are for, one of the uses a release can name."""
        return str(self.settings["use"])

    @property
    def channels(self) -> tuple[str, ...]:
        """Where the project's films are shown, such as cinema or web; empty where the settings don't say.

        Raises:
            UsageError: the settings hold something else.
        """
        channels = self.settings.get("channels", [])
        if not isinstance(channels, list) or not all(isinstance(each, str) for each in channels):
            raise UsageError(
                f'channels in {self.folder / SETTINGS_NAME}: expected a list such as ["cinema", "web"], '
                f"got {channels!r:.80}; correct it"
            )
        return tuple(channels)

    def room(self, name: str) -> Path:
        """A private folder of the project, made if need be.

        Raises:
            UsageError: the path is a link.
        """
        path = refuse_link(self.folder / name)
        path.mkdir(mode=0o700, exist_ok=True)
        return path

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Commit all statements inside, or none; after the commit, what `after_commit` holds is called once."""
        self.database.execute("BEGIN IMMEDIATE")
        try:
            yield self.database
            self.database.execute("COMMIT")
        except BaseException:
            self.after_commit.clear()
            # SQLite may have rolled back by itself, as on a full disk.
            if self.database.in_transaction:
                self.database.execute("ROLLBACK")
            raise
        while self.after_commit:
            self.after_commit.pop(0)()

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Reads inside see one snapshot, whatever another process commits meanwhile.

        The moment is that of the first read, or of the transaction that is open already.
        """
        if self.database.in_transaction:
            yield
            return
        self.database.execute("BEGIN")
        try:
            yield
        finally:
            self.database.execute("COMMIT")

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the project's lock, so that there is one writer at a time; the system releases it if this process dies.

        Raises:
            UsageError: another command holds it.
        """
        lock = _lock_of(self.folder)
        try:
            lock.acquire()
        except Timeout:
            raise UsageError(
                f"another command is writing to {self.folder}; wait until it ends, or stop it, then run this again",
                code="usage.project_locked",
                project=self.folder,
            ) from None
        try:
            yield
        finally:
            lock.release()


def create(folder: Path, *, use: str, title: str | None, channels: Sequence[str] = ()) -> Path:
    """Make a new project folder, private to the user, and return the path of its settings.

    Raises:
        UsageError: the folder exists and is not empty.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"expected a new or empty folder, but {folder} holds something; choose another name")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    settings: dict[str, Any] = {"schema": 1, "id": str(uuid.uuid4()), "use": use}
    if title is not None:
        settings["title"] = title
    if channels:
        settings["channels"] = list(channels)
    path = folder / SETTINGS_NAME
    write_whole(path, tomli_w.dumps(settings).encode(), mode=PRIVATE)
    with opened(folder):
        pass
    return path


@contextmanager
def opened(start: Path) -> Iterator[Project]:
    """Open the project that holds `start` to write; one of an earlier version is brought up to date.

    Raises:
        UsageError: there is none, its settings or database can't be read, or another command writes to one that has to
            be brought up to date.
    """
    folder = folder_of(start)
    settings = _read_settings(folder / SETTINGS_NAME)
    path = folder / DATABASE_NAME
    with closing(connect(path)) as database:
        project = Project(folder=folder, settings=settings, database=database)
        if schema_of(database) < todays_schema():
            with project.writing():
                migrate(database, path)
        yield project


@contextmanager
def opened_to_read(start: Path, *, any_schema: bool = False) -> Iterator[Project]:
    """Open the project that holds `start`, and write nothing; a project without a database is an empty one.

    `any_schema` also takes one of an earlier version, of which only log and releases can be read.

    Raises:
        UsageError: there is none, its settings or database can't be read, or another command wrote to it meanwhile.
    """
    folder = folder_of(start)
    settings = _read_settings(folder / SETTINGS_NAME)
    with connected_to_read(folder / DATABASE_NAME, any_schema=any_schema) as database:
        yield Project(folder=folder, settings=settings, database=database)


def find(start: Path) -> Path | None:
    """The nearest folder, from `start` upwards, that is a project."""
    start = start.resolve()
    return next((folder for folder in (start, *start.parents) if (folder / SETTINGS_NAME).is_file()), None)


def folder_of(start: Path) -> Path:
    """The folder of the project that holds `start`.

    Raises:
        UsageError: there is none.
    """
    folder = find(start)
    if folder is None:
        raise UsageError(
            f"no {SETTINGS_NAME} in {start.resolve()} or above; "
            "make a project with `countenance new NAME` and go there",
            code="usage.no_project",
            folder=start.resolve(),
        )
    _log.info("project %s", folder)
    return folder


def is_written_to(folder: Path) -> bool:
    """Whether a command is writing to the project in a folder."""
    lock = _lock_of(folder)
    try:
        lock.acquire()
    except Timeout:
        return True
    lock.release()
    return False


def refuse_link(path: Path) -> Path:
    """The path of one of a project's own folders, which holds faces: elsewhere another project may use it, too.

    Raises:
        UsageError: it is a link.
    """
    if path.is_symlink():
        raise UsageError(
            f"expected a folder of the project at {path}, but it is a link to {path.readlink()}; "
            "remove the link, and move what belongs to this project here"
        )
    return path


def config_folder() -> Path:
    """Where this user's keys, remembered log heads and revocations are, outside of any project; COUNTENANCE_CONFIG
    overrides it.
    """
    return Path(os.environ.get("COUNTENANCE_CONFIG") or platformdirs.user_config_path("countenance"))


def make_config_folder() -> Path:
    """The same, made if need be, private to the user."""
    path = config_folder()
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def write_whole(path: Path, content: bytes, *, mode: int = SHARED) -> None:
    """Write a file so that its name holds either the old bytes or all of the new ones, even after a power cut.

    From `mode` the user's umask is taken.
    """
    with writing_whole(path, mode=mode) as file:
        file.write(content)


@contextmanager
def writing_whole(path: Path, *, mode: int = SHARED) -> Iterator[BinaryIO]:
    """The same for what is written bit by bit; the file gets its name at the end, unless something fails."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with open(part, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        move_whole(part, path)
    except BaseException as error:
        part.unlink(missing_ok=True)
        if isinstance(error, OSError):
            # A failed write doesn't say of which file, and a failed sync names the temporary one.
            error.filename = str(path)
        raise


def private_file(path: str, flags: int) -> int:
    """Opener for `open`: a file that it makes is for the user alone, whatever their umask."""
    return os.open(path, flags, PRIVATE)


def erase(path: Path) -> int:
    """Overwrite a file, or all files of a folder, and remove them; returns how many there were.

    Links are removed and never followed. A file that has a second name elsewhere isn't overwritten.
    """
    if path.is_symlink() or not path.is_dir():
        return _erase_file(path)
    num_files = sum(erase(each) for each in path.iterdir())
    path.rmdir()
    return num_files


def _erase_file(path: Path) -> int:
    try:
        facts = path.lstat()
    except FileNotFoundError:
        return 0
    if stat.S_ISREG(facts.st_mode) and facts.st_nlink == 1:
        with path.open("r+b", buffering=0) as file:
            for begin in range(0, facts.st_size, ERASED_BYTES):
                file.write(bytes(min(ERASED_BYTES, facts.st_size - begin)))
            os.fsync(file.fileno())
    path.unlink()
    return 1


def move_whole(written: Path, path: Path) -> None:
    """Give a finished, synced file its name, and make the name itself last."""
    written.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def now() -> str:
    """The time as the database and the log write it: UTC, ISO 8601, seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _lock_of(folder: Path) -> FileLock:
    return FileLock(folder / ".countenance.lock", timeout=0, mode=0o600)


def _read_settings(path: Path) -> dict[str, Any]:
    try:
        settings = tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"{path} is not valid TOML ({error}); correct it or restore it from a copy") from None
    missing = {"schema", "id", "use"} - settings.keys()
    if missing:
        raise UsageError(f"{path} lacks {', '.join(sorted(missing))}; restore it from a copy")
    if settings["schema"] != 1:
        raise UsageError(f"{path} has schema {settings['schema']}, this version reads 1; use a newer countenance")
    for key in sorted(settings.keys() - {*SETTINGS, *SECTIONS}):
        _log.warning(
            "%s holds %r, which no command reads; expected one of %s", path, key, ", ".join((*SETTINGS, *SECTIONS))
        )
    return settings
