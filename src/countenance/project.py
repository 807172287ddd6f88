"""The project folder: `countenance.toml` for what a user sets, one SQLite database for what is known."""

import os
import sqlite3
import tempfile
import tomllib
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import platformdirs
import tomli_w
from filelock import FileLock, Timeout

from countenance.errors import CountenanceError, UsageError

SETTINGS_NAME = "countenance.toml"
DATABASE_NAME = "countenance.db"

MIGRATIONS = (
    """
    CREATE TABLE people (
        name TEXT PRIMARY KEY,
        template BLOB NOT NULL,          -- mean embedding of the reference pictures, Float32[128]
        created_at TEXT NOT NULL
    ) STRICT;
    CREATE TABLE releases (
        digest TEXT PRIMARY KEY,
        person TEXT NOT NULL REFERENCES people(name),
        role TEXT NOT NULL CHECK (role IN ('likeness', 'performer')),
        document TEXT NOT NULL,          -- the signed TOML, whole
        revocation TEXT,                 -- the signed TOML that ended it, if any
        added_at TEXT NOT NULL
    ) STRICT;
    CREATE TABLE clips (
        id INTEGER PRIMARY KEY,
        person TEXT NOT NULL,
        sha256 TEXT NOT NULL,
        path TEXT NOT NULL,
        num_frames INTEGER NOT NULL,
        description TEXT NOT NULL,       -- JSON
        collected_at TEXT NOT NULL,
        UNIQUE (person, sha256)
    ) STRICT;
    CREATE TABLE scans (                 -- how far a person's faces have been looked for in a video or picture
        id INTEGER PRIMARY KEY,
        person TEXT NOT NULL,
        sha256 TEXT NOT NULL,
        purpose TEXT NOT NULL CHECK (purpose IN ('prepare', 'generate')),
        settings TEXT NOT NULL,          -- JSON; with other settings the scan begins anew
        frame_pts BLOB NOT NULL,         -- Int64 of every frame seen so far
        state TEXT NOT NULL DEFAULT 'looking' CHECK (state IN ('looking', 'found', 'decided')),
        UNIQUE (person, sha256, purpose)
    ) STRICT;
    CREATE TABLE faces (
        id INTEGER PRIMARY KEY,
        scan INTEGER NOT NULL REFERENCES scans(id) ON DELETE CASCADE,
        frame INTEGER NOT NULL,
        shot INTEGER NOT NULL,           -- frame at which its shot begins
        landmarks BLOB NOT NULL,         -- Float32[468 3]
        score REAL NOT NULL,
        quality TEXT NOT NULL,           -- JSON of FaceQuality
        crop BLOB,                       -- PNG; gone once it isn't needed to learn from
        track INTEGER,
        distance REAL,                   -- of its track's embedding to the person's template
        rejections TEXT                  -- JSON list, empty for a kept face, NULL until decided
    ) STRICT;
    CREATE INDEX faces_by_scan ON faces (scan, frame);
    CREATE TABLE face_sets (
        person TEXT PRIMARY KEY,
        digest TEXT NOT NULL,
        permit_digest TEXT NOT NULL,
        release_digests TEXT NOT NULL,   -- JSON list: those under which the faces were prepared
        num_faces INTEGER NOT NULL,
        made_at TEXT NOT NULL
    ) STRICT;
    CREATE TABLE runs (
        id TEXT PRIMARY KEY,
        verb TEXT NOT NULL,
        facts TEXT NOT NULL,             -- JSON: resolved config, seed, versions, input digests
        permit_digest TEXT NOT NULL,
        started_at TEXT NOT NULL,
        ended_at TEXT,
        outcome TEXT
    ) STRICT;
    CREATE TABLE published (
        sha256 TEXT PRIMARY KEY,
        path TEXT NOT NULL,
        manifest_digest TEXT NOT NULL,
        plate_sha256 TEXT NOT NULL,
        permit_digest TEXT NOT NULL,
        salt TEXT NOT NULL,              -- hex; opens the salted release digests in the credentials
        facts TEXT NOT NULL,             -- JSON
        log_index INTEGER NOT NULL,
        published_at TEXT NOT NULL
    ) STRICT;
    CREATE TABLE log (
        number INTEGER PRIMARY KEY,
        entry TEXT NOT NULL,             -- canonical JSON, the previous entry's digest inside
        digest TEXT NOT NULL
    ) STRICT;
    """,
    """
    -- Faces were found and judged otherwise before: they are looked for anew.
    DROP TABLE faces;
    DROP TABLE scans;
    DELETE FROM face_sets;
    CREATE TABLE timelines (             -- of clips and plates, by content
        sha256 TEXT PRIMARY KEY,
        frame_pts BLOB NOT NULL,         -- Int64 of every frame
        keyframes TEXT NOT NULL,         -- JSON list of frames at which decoding can begin
        shots TEXT NOT NULL              -- JSON list of the first frames of shots
    ) STRICT;
    CREATE TABLE scans (                 -- one person's faces in a clip or plate
        id INTEGER PRIMARY KEY,
        person TEXT NOT NULL,
        sha256 TEXT NOT NULL,
        purpose TEXT NOT NULL CHECK (purpose IN ('prepare', 'generate')),
        settings TEXT NOT NULL,          -- JSON; with other settings the scan begins anew
        state TEXT NOT NULL DEFAULT 'looking' CHECK (state IN ('looking', 'found')),
        UNIQUE (person, sha256, purpose)
    ) STRICT;
    CREATE TABLE stretches (             -- parts of a clip that were looked at whole
        scan INTEGER NOT NULL REFERENCES scans(id) ON DELETE CASCADE,
        first INTEGER NOT NULL,          -- frame
        num_others INTEGER NOT NULL,     -- faces of other people, of which nothing is kept
        PRIMARY KEY (scan, first)
    ) STRICT;
    CREATE TABLE tracks (                -- one face followed through a shot
        id INTEGER PRIMARY KEY,
        scan INTEGER NOT NULL REFERENCES scans(id) ON DELETE CASCADE,
        shot INTEGER NOT NULL,           -- frame at which its shot begins
        distance REAL NOT NULL,          -- of its mean embedding to what is known of the person
        margin REAL NOT NULL,            -- how much further away the nearest other is
        num_embedded INTEGER NOT NULL,   -- faces behind that mean
        embedding BLOB NOT NULL          -- Float32[128]
    ) STRICT;
    CREATE INDEX tracks_by_scan ON tracks (scan);
    CREATE TABLE faces (
        id INTEGER PRIMARY KEY,
        scan INTEGER NOT NULL REFERENCES scans(id) ON DELETE CASCADE,
        track INTEGER NOT NULL REFERENCES tracks(id) ON DELETE CASCADE,
        frame INTEGER NOT NULL,
        landmarks BLOB NOT NULL,         -- Float32[468 3]
        score REAL NOT NULL,
        quality TEXT NOT NULL,           -- JSON of FaceQuality
        crop BLOB,                       -- PNG; NULL where nothing will be learned from it
        mask BLOB,                       -- PNG of what is seen of the face, beside the crop
        mask_origin TEXT CHECK (mask_origin IN ('segmenter', 'hull', 'hand')),
        rejections TEXT                  -- JSON list, empty for a kept face, NULL until decided
    ) STRICT;
    CREATE INDEX faces_by_scan ON faces (scan, frame);
    CREATE INDEX faces_by_track ON faces (track);
    CREATE TABLE answers (               -- what the user said of faces; holds when they are looked for anew
        id INTEGER PRIMARY KEY,          -- a later one goes before an earlier one
        person TEXT NOT NULL,
        sha256 TEXT NOT NULL,
        frame INTEGER NOT NULL,
        x REAL NOT NULL,                 -- middle of the face's box, pixels of the frame
        y REAL NOT NULL,
        word TEXT NOT NULL CHECK (word IN ('yes', 'no', 'keep', 'drop')),
        said_at TEXT NOT NULL
    ) STRICT;
    """,
)
"""Applied in order; `user_version` is the number applied. Never edited once released, only added to."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Project:
    """An open project; `database` autocommits unless inside `transaction`."""

    folder: Path
    settings: dict[str, Any]
    database: sqlite3.Connection
    after_commit: list[Callable[[], None]] = field(default_factory=list, repr=False)
    """What the open transaction asks to be done once it lasts."""

    @property
    def id(self) -> str:
        return str(self.settings["id"])

    @property
    def use(self) -> str:
        """What the project's films are for, one of the uses a release can name."""
        return str(self.settings["use"])

    def room(self, name: str) -> Path:
        """A private folder of the project, made if need be."""
        path = self.folder / name
        path.mkdir(mode=0o700, exist_ok=True)
        return path

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All of the statements inside, or none; what `after_commit` holds is then called once."""
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
    def writing(self) -> Iterator[None]:
        """Hold the project's lock, so that two writers don't mix; the system lets go of it if we die.

        Raises:
            UsageError: another command holds it.
        """
        lock = FileLock(self.folder / ".countenance.lock", timeout=0)
        try:
            lock.acquire()
        except Timeout:
            raise UsageError(
                f"another command is writing to {self.folder}; wait until it ends, or stop it, then run this again"
            ) from None
        try:
            yield
        finally:
            lock.release()


def create(folder: Path, *, use: str, title: str | None) -> Path:
    """Make a new project folder and return the path of its settings.

    Raises:
        UsageError: something is there already.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"expected a new or empty folder, but {folder} holds something; choose another name")
    folder.mkdir(parents=True, exist_ok=True)
    settings: dict[str, Any] = {"schema": 1, "id": str(uuid.uuid4()), "use": use}
    if title is not None:
        settings["title"] = title
    path = folder / SETTINGS_NAME
    write_whole(path, tomli_w.dumps(settings).encode())
    with opened(folder):
        pass
    return path


@contextmanager
def opened(start: Path) -> Iterator[Project]:
    """Open the project that holds `start`.

    Raises:
        UsageError: there is none, or its settings can't be read.
    """
    folder = find(start)
    if folder is None:
        raise UsageError(
            f"no {SETTINGS_NAME} in {start.resolve()} or above; make a project with `countenance new NAME` and go there"
        )
    settings = _read_settings(folder / SETTINGS_NAME)
    database = _connect(folder / DATABASE_NAME)
    try:
        yield Project(folder=folder, settings=settings, database=database)
    finally:
        database.close()


def find(start: Path) -> Path | None:
    """The nearest folder, from `start` upwards, that is a project."""
    start = start.resolve()
    return next((folder for folder in (start, *start.parents) if (folder / SETTINGS_NAME).is_file()), None)


def config_folder() -> Path:
    """Where this user's keys and remembered log heads are, outside of any project; COUNTENANCE_CONFIG overrides it."""
    path = Path(os.environ.get("COUNTENANCE_CONFIG") or platformdirs.user_config_path("countenance"))
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def write_whole(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Write a file so that its name holds either the old bytes or all of the new ones, even after a power cut."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(mode)
        move_whole(Path(name), path)
    except BaseException as error:
        Path(name).unlink(missing_ok=True)
        if isinstance(error, OSError):
            # A failed write doesn't say of which file, and a failed sync names the temporary one.
            error.filename = str(path)
        raise


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


def _read_settings(path: Path) -> dict[str, Any]:
    try:
        settings = tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not valid TOML ({error}); mend it or restore it from a copy") from None
    missing = {"schema", "id", "use"} - settings.keys()
    if missing:
        raise UsageError(f"{path} lacks {', '.join(sorted(missing))}; restore it from a copy")
    if settings["schema"] != 1:
        raise UsageError(f"{path} has schema {settings['schema']}, this version reads 1; use a newer countenance")
    return settings


def _connect(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None, timeout=10)
    try:
        # Faces are biometric data: nobody else on the machine may read them, and what is deleted is overwritten.
        path.chmod(0o600)
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "secure_delete = ON"):
            database.execute(f"PRAGMA {pragma}")
        version: int = database.execute("PRAGMA user_version").fetchone()[0]
        if version > len(MIGRATIONS):
            raise UsageError(f"{path} was written by a newer countenance (schema {version}); use that one")
        for number, script in enumerate(MIGRATIONS[version:], start=version + 1):
            database.executescript(f"BEGIN IMMEDIATE; {script}; PRAGMA user_version = {number}; COMMIT;")
    except (CountenanceError, OSError, sqlite3.OperationalError):
        # A full disk or a missing permission is no fault of the database.
        database.close()
        raise
    except sqlite3.DatabaseError as error:
        database.close()
        raise UsageError(f"{path} can't be used as a project database ({error}); restore it from a copy") from None
    return database
