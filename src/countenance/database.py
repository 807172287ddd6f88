"""The SQLite file that holds what a project knows: how it is opened, and brought to today's schema."""

import sqlite3
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from countenance.errors import CountenanceError, UsageError

DATABASE_NAME = "countenance.db"
MIGRATIONS = Path(str(files("countenance"))) / "migrations"
"""A folder for each schema, in order, with a file for each package whose tables it makes or changes.

`user_version` is the number of the last one applied. What was released is never edited, only added to.
"""


def connect(path: Path) -> sqlite3.Connection:
    """Open a database, or make it, with today's schema.

    Raises:
        UsageError: it is no database, or one of a newer version.
    """
    database = sqlite3.connect(path, isolation_level=None, timeout=10)
    try:
        # Faces are biometric data: nobody else on the machine may read them, and what is deleted is overwritten.
        path.chmod(0o600)
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "secure_delete = ON"):
            database.execute(f"PRAGMA {pragma}")
        _migrate(database, path)
    except (CountenanceError, OSError, sqlite3.OperationalError):
        # A full disk or a missing permission is no fault of the database.
        database.close()
        raise
    except sqlite3.DatabaseError as error:
        database.close()
        raise UsageError(f"{path} can't be used as a project database ({error}); restore it from a copy") from None
    return database


def connect_to_read(path: Path) -> sqlite3.Connection:
    """A further connection to a database that is open already, for what must be read as it is now."""
    return sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, isolation_level=None, timeout=10)


def migrations() -> Iterator[tuple[int, str]]:
    """Number and SQL of each schema, in order."""
    for folder in sorted(MIGRATIONS.iterdir()):
        yield int(folder.name), "\n".join(path.read_text() for path in sorted(folder.glob("*.sql")))


def _migrate(database: sqlite3.Connection, path: Path) -> None:
    version: int = database.execute("PRAGMA user_version").fetchone()[0]
    known = list(migrations())
    if version > len(known):
        raise UsageError(f"{path} was written by a newer countenance (schema {version}); use that one")
    for number, script in known[version:]:
        database.executescript(f"BEGIN IMMEDIATE; {script} PRAGMA user_version = {number}; COMMIT;")
