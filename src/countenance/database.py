"""The SQLite file that holds what a project knows: opened to write, with today's schema, or only to read.

It holds biometric data: only its owner may read it, and what is deleted is overwritten.
"""

import logging
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from importlib.resources import files
from pathlib import Path

from countenance.errors import UsageError

_log = logging.getLogger(__name__)

DATABASE_NAME = "countenance.db"
BUSY_TIMEOUT_S = 10.0
"""How long a statement waits for what another process writes."""
MIGRATIONS = Path(str(files("countenance"))) / "migrations"
"""A folder for each schema, in order, with a file for each package whose tables it makes or changes.

`user_version` is the number of the last one applied. What was released is never edited, only added to.
"""
_MAGIC = b"SQLite format 3\0"
OLDEST_READABLE_SCHEMA = 1
"""Since then log and releases are stored as they are today."""


def migrations() -> Iterator[tuple[int, str]]:
    """Number and SQL of each schema, in order."""
    for folder in sorted(MIGRATIONS.iterdir()):
        yield int(folder.name), "\n".join(path.read_text() for path in sorted(folder.glob("*.sql")))


@cache
def todays_schema() -> int:
    """The number of the last migration."""
    return max(int(folder.name) for folder in MIGRATIONS.iterdir())


def connect(path: Path) -> sqlite3.Connection:
    """Open a database to write, or make an empty one; its schema may be an older one, see `migrate`.

    Raises:
        UsageError: it is not a database, or was written by a newer version.
    """
    # Made here, because SQLite would give it the user's usual mode first.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    path.chmod(0o600)
    with _explained(path):
        database = _in_journal_mode(path)
        try:
            for pragma in ("synchronous = FULL", "foreign_keys = ON", "secure_delete = ON"):
                database.execute(f"PRAGMA {pragma}")
            _check_not_newer(database, path)
        except BaseException:
            database.close()
            raise
    return database


def connect_again(path: Path) -> sqlite3.Connection:
    """A further connection to a database that is open already, for what must be read as it is now."""
    return sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, isolation_level=None, timeout=BUSY_TIMEOUT_S)


def schema_of(database: sqlite3.Connection) -> int:
    """The number of the last migration applied; 0 for an empty database."""
    return int(database.execute("PRAGMA user_version").fetchone()[0])


def migrate(database: sqlite3.Connection, path: Path) -> None:
    """Bring a database to today's schema, or leave it as it was; what an older version wrote is copied before.

    The caller holds the project's lock. The copy stays, because a newer schema may drop what the older version needs.
    """
    before, today = schema_of(database), todays_schema()
    if 0 < before < today:
        copy = path.with_name(f"{path.name}.schema-{before}.bak")
        _back_up(database, copy)
        _log.warning(
            "the project was made by an earlier version (schema %d) and is brought to schema %d; %s keeps it as it "
            "was, readable only by you: it holds faces and releases, so delete it when you no longer need the earlier "
            "version",
            before,
            today,
            copy,
        )
    with _explained(path):
        for number, script in migrations():
            if number > before:
                _apply(database, script, number)


def version_of(path: Path) -> tuple[object, ...]:
    """What changes with each commit of any process: time and size of the database's file and of its write-ahead log."""
    return tuple(_fingerprint(each) for each in (path, path.with_name(f"{path.name}-wal")))


@contextmanager
def connected_to_read(path: Path, *, any_schema: bool) -> Iterator[sqlite3.Connection]:
    """Open a database without writing anything, not even beside it; one that isn't there is read as an empty one.

    `any_schema` also takes one of an earlier version, of which only log and releases can be read.

    Raises:
        UsageError: it can't be read so, or another command changed it meanwhile.
    """
    before, is_in_use = _fingerprint(path), _is_in_use(path)
    with closing(_read_only(path, is_there=before is not None, is_in_use=is_in_use)) as database:
        with _explained(path):
            _check_readable(database, path, any_schema=any_schema, is_in_use=is_in_use)
        try:
            yield database
        finally:
            # Without locks, what was read of a database that changed may be of two states.
            if before is not None and not is_in_use and _fingerprint(path) != before:
                raise UsageError(f"another command wrote to {path.parent} while it was read; run this again")


def overwrite_deleted(database: sqlite3.Connection, path: Path) -> None:
    """Make the database's files hold nothing any more that was deleted; what goes on was committed.

    Deleted rows are zeros already (`secure_delete`); this brings the zeros from the write-ahead log into the file,
    writes all that is left anew, in order, and empties the write-ahead log.

    Raises:
        UsageError: another command reads the database meanwhile.
    """
    try:
        for statement in ("PRAGMA wal_checkpoint(TRUNCATE)", "VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"):
            row = database.execute(statement).fetchone()
            # A checkpoint says whether something was in its way.
            is_blocked = row is not None and bool(row[0])
            if is_blocked:
                break
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise
        is_blocked = True
    if is_blocked:
        raise UsageError(
            f"another command reads {path}, so that what was deleted can't be overwritten yet; wait until it ends, "
            "then run this again",
            code="usage.project_locked",
        )


def is_copy(path: Path, database: sqlite3.Connection) -> bool:
    """Whether a file is a copy of a project's database, of whatever version, by its name or by the tables in it."""
    if path.name.lstrip(".").startswith(f"{DATABASE_NAME}."):
        return True
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            return False
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as other:
            own, its = (_tables(each) for each in (database, other))
    except sqlite3.DatabaseError:
        return False
    # An older one lacks those that came later; these have been there from the first.
    return {"log", "releases"} <= its <= own


def _tables(database: sqlite3.Connection) -> set[str]:
    rows = database.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    return {name for (name,) in rows}


# How it is opened.


def _in_journal_mode(path: Path) -> sqlite3.Connection:
    """A connection with a write-ahead log, or with a rollback journal where the file system can't share memory."""
    database = sqlite3.connect(path, isolation_level=None, timeout=BUSY_TIMEOUT_S)
    try:
        if schema_of(database) == 0:
            database.execute("PRAGMA journal_mode = WAL")
        # With a write-ahead log, this is what needs the shared memory.
        database.execute("SELECT count(*) FROM sqlite_master")
    except sqlite3.OperationalError as error:
        database.close()
        if not _is_for_lack_of_shared_memory(error):
            raise
    except BaseException:
        database.close()
        raise
    else:
        return database
    database = sqlite3.connect(path, isolation_level=None, timeout=BUSY_TIMEOUT_S)
    try:
        # With exclusive access SQLite needs no shared memory, even to leave the write-ahead log.
        database.execute("PRAGMA locking_mode = EXCLUSIVE")
        database.execute("PRAGMA journal_mode = DELETE")
        database.execute("PRAGMA locking_mode = NORMAL")
        # The lock is released with the next access.
        database.execute("SELECT count(*) FROM sqlite_master")
    except BaseException:
        database.close()
        raise
    _log.warning(
        "the file system of %s can't share memory between programs, as network folders often can't; the project's "
        "database keeps a rollback journal from now on: use it from one computer at a time",
        path.parent,
    )
    return database


def _is_for_lack_of_shared_memory(error: sqlite3.OperationalError) -> bool:
    # Not SQLITE_IOERR_SHMSIZE, which comes from a full disk.
    return error.sqlite_errorname in ("SQLITE_IOERR_SHMMAP", "SQLITE_IOERR_SHMLOCK", "SQLITE_PROTOCOL")


def _read_only(path: Path, *, is_there: bool, is_in_use: bool) -> sqlite3.Connection:
    if is_there:
        # SQLite doesn't say why it can't open a file.
        path.open("rb").close()
        # Locks leave files beside the database, so they are taken only where another command has left some.
        mode = "mode=ro" if is_in_use else "mode=ro&immutable=1"
        return sqlite3.connect(
            f"{path.absolute().as_uri()}?{mode}", uri=True, isolation_level=None, timeout=BUSY_TIMEOUT_S
        )
    database = sqlite3.connect(":memory:", isolation_level=None)
    for number, script in migrations():
        _apply(database, script, number)
    database.execute("PRAGMA query_only = ON")
    return database


def _is_in_use(path: Path) -> bool:
    """Whether a command is writing, or was killed while it did."""
    # Looked at once each: who writes may remove them at any moment.
    beside = (_fingerprint(path.with_name(f"{path.name}{suffix}")) for suffix in ("-wal", "-journal"))
    return any(facts is not None and facts[1] for facts in beside)


def _fingerprint(path: Path) -> tuple[int, int] | None:
    try:
        state = path.stat()
    except FileNotFoundError:
        return None
    return state.st_mtime_ns, state.st_size


# What it holds.


def _check_not_newer(database: sqlite3.Connection, path: Path) -> None:
    if (schema := schema_of(database)) > todays_schema():
        raise UsageError(f"{path} was written by a newer countenance (schema {schema}); use that one")


def _check_readable(database: sqlite3.Connection, path: Path, *, any_schema: bool, is_in_use: bool) -> None:
    try:
        _check_not_newer(database, path)
    except sqlite3.OperationalError as error:
        if not is_in_use:
            raise
        raise UsageError(
            f"{path} can't be read without writing to it ({error}): another command is writing, or was stopped "
            "while it wrote; run one that writes, such as `countenance collect`, or copy the project to a local folder"
        ) from None
    schema = schema_of(database)
    if schema < (OLDEST_READABLE_SCHEMA if any_schema else todays_schema()):
        raise UsageError(
            f"{path} was written by an earlier countenance (schema {schema}, this one reads {todays_schema()}); any "
            "command that writes, such as `countenance prepare`, brings it up to date after a backup copy"
        )


def _apply(database: sqlite3.Connection, script: str, number: int) -> None:
    """One migration whole, or nothing of it."""
    try:
        database.executescript(f"BEGIN IMMEDIATE; {script} PRAGMA user_version = {number}; COMMIT;")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise


def _back_up(database: sqlite3.Connection, copy: Path) -> None:
    """Copy a database whole, with what is still in its write-ahead log."""
    part = copy.with_name(f".{copy.name}.part")
    try:
        part.unlink(missing_ok=True)
        os.close(os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        with closing(sqlite3.connect(part, isolation_level=None)) as target:
            database.backup(target)
            (state,) = target.execute("PRAGMA integrity_check(1)").fetchone()
        if state != "ok":
            raise UsageError(f"{copy} can't be made: the database is damaged ({state}); restore it from a copy")
        handle = os.open(part, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        part.replace(copy)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Report a file that is not a database as a user error."""
    try:
        yield
    except sqlite3.OperationalError:
        # A full disk or a missing permission is no fault of the database.
        raise
    except sqlite3.DatabaseError as error:
        raise UsageError(f"{path} can't be used as a project database ({error}); restore it from a copy") from None
