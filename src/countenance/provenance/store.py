"""The manifest store: where a watermark's number leads to the credentials of the file that carries it.

It belongs to the user, not to a project, and lies beside their keys. Files that were published here are in it from the
start; what others published comes in by `add_entries`. Credentials hold no name and no template, and neither does
anything here.

Its shared form is JSON lines. The first is `{"format": "countenance.manifests", "version": 1}`; each further one is an
`Entry` with `mark_id` (12 hexadecimal digits), `manifest` and `fingerprint` (base64).
"""

import base64
import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import Base64Bytes, BaseModel, ConfigDict, Field, ValidationError

from countenance.errors import ProvenanceError, UsageError
from countenance.media.files import open_regular
from countenance.project import config_folder, make_config_folder, now, writing_whole
from countenance.provenance.credentials import Claim, Credentials, read_manifest
from countenance.provenance.fingerprint import MAX_BYTES, unpacked
from countenance.provenance.keys import Trust

STORE_NAME = "manifests.db"
FORMAT = {"format": "countenance.manifests", "version": 1}
SCHEMA_VERSION = 1
BUSY_TIMEOUT_S = 10.0
MAX_MANIFEST_BYTES = 4 * 2**20
MAX_LINE_BYTES = 2 * (MAX_MANIFEST_BYTES + MAX_BYTES)


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """The credentials of one published file, and what the file looks like."""

    mark_id: str
    """12 hexadecimal digits."""
    manifest: bytes
    """C2PA's manifest store, as it stands in the file."""
    fingerprint: bytes
    """See `provenance/fingerprint.py`."""

    @property
    def digest(self) -> str:
        """SHA-256 of the credentials: by it each is kept once."""
        return hashlib.sha256(self.manifest).hexdigest()


class _Line(BaseModel):
    """An entry as it is shared."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mark_id: str = Field(pattern="^[0-9a-f]{12}$")
    manifest: Base64Bytes = Field(max_length=MAX_MANIFEST_BYTES)
    fingerprint: Base64Bytes = Field(max_length=MAX_BYTES + 12)


def remember(entry: Entry) -> None:
    """Keep an entry; one that is there stays as it is.

    Raises:
        ProvenanceError: the store can't be written.
    """
    add([entry])


def add(entries: Iterable[Entry]) -> int:
    """Keep several, all or none, and give how many are new.

    Raises:
        ProvenanceError: the store can't be written.
    """
    with _opened_to_write() as database:
        before = database.total_changes
        for entry in entries:
            database.execute(
                "INSERT OR IGNORE INTO manifests VALUES (?, ?, ?, ?, ?)",
                (entry.digest, entry.mark_id, entry.manifest, entry.fingerprint, now()),
            )
        return database.total_changes - before


def take_back(digest: str) -> None:
    """Remove the entry of a file that never got its name, by the digest of its credentials; there may be none.

    Raises:
        ProvenanceError: the store can't be written.
    """
    with _opened_to_write() as database:
        database.execute("DELETE FROM manifests WHERE digest = ?", (digest,))


def find(mark_id: str) -> Iterator[Entry]:
    """The entries of a number, newest first, one at a time; several where one render was published more than once.

    Raises:
        ProvenanceError: the store can't be read.
    """
    with _opened_to_read() as database:
        if database is None:
            return
        rows = database.execute("SELECT rowid FROM manifests WHERE mark_id = ? ORDER BY rowid DESC", (mark_id,))
        query = "SELECT manifest, fingerprint FROM manifests WHERE rowid = ? AND mark_id = ?"
        for (row,) in rows.fetchall():
            # Each is read to its end, so that nobody who writes waits while the caller checks its signature.
            for manifest, seen in database.execute(query, (row, mark_id)).fetchall():
                yield Entry(mark_id=mark_id, manifest=manifest, fingerprint=seen)


def export_entries(path: Path, *, overwrite: bool) -> int:
    """Write all entries into a file that others can add, and give how many they are.

    Raises:
        UsageError: something is there already.
        ProvenanceError: the store can't be read.
    """
    if (path.exists() or path.is_symlink()) and not overwrite:
        raise UsageError(f"{path} is there already; choose another name or add --overwrite", code="usage.exists")
    num_entries = 0
    with writing_whole(path) as file:
        file.write(f"{json.dumps(FORMAT)}\n".encode())
        for entry in _all_entries():
            file.write(f"{_line(entry)}\n".encode())
            num_entries += 1
    return num_entries


def add_entries(path: Path, trust: Trust | None) -> tuple[int, int]:
    """Add the entries of a file that somebody shared, all or none: how many it has, and how many are new.

    Each is checked: its signature must hold, and what it signs must name the number under which it is to be found.

    Raises:
        ProvenanceError: it is no such file, an entry doesn't hold, or the file changed meanwhile.
    """
    # The file is read twice: entries aren't all held, and the store isn't locked while signatures are checked.
    read, num_entries = hashlib.sha256(), 0
    for number, entry in _numbered(path, read.update):
        try:
            held(entry, trust)
        except ProvenanceError as error:
            raise ProvenanceError(f"{path}, line {number}: {error}; nothing was added") from None
        num_entries += 1
    return num_entries, add(_again(path, read.digest()))


def _all_entries() -> Iterator[Entry]:
    with _opened_to_read() as database:
        if database is None:
            return
        query = "SELECT mark_id, manifest, fingerprint FROM manifests ORDER BY rowid"
        for mark_id, manifest, seen in database.execute(query):
            yield Entry(mark_id=mark_id, manifest=manifest, fingerprint=seen)


def _numbered(path: Path, read: Callable[[bytes], object]) -> Iterator[tuple[int, Entry]]:
    """The entries of a file with the numbers of their lines; `read` is given all of it."""
    for number, line in enumerate(_lines(path), 1):
        read(line)
        try:
            entry = _parsed(line, number)
        except (ValueError, ValidationError, RecursionError) as error:
            raise ProvenanceError(
                f"{path}, line {number}, is not what `countenance marks export` writes "
                f"({str(error).splitlines()[0]:.200}); nothing was added"
            ) from None
        if entry is not None:
            yield number, entry


def _again(path: Path, digest: bytes) -> Iterator[Entry]:
    """The entries of a file that was checked when it had this digest."""
    read = hashlib.sha256()
    for _, entry in _numbered(path, read.update):
        yield entry
    if read.digest() != digest:
        raise ProvenanceError(f"{path} changed while it was read; nothing was added; try again")


def _line(entry: Entry) -> str:
    encoded = {name: base64.b64encode(getattr(entry, name)).decode() for name in ("manifest", "fingerprint")}
    return json.dumps({"mark_id": entry.mark_id, **encoded})


def _parsed(line: bytes, number: int) -> Entry | None:
    """An entry; None for the first line, which names the format."""
    if number == 1:
        if json.loads(line) != FORMAT:
            raise ValueError(f"expected {json.dumps(FORMAT)} first")
        return None
    fields = _Line.model_validate_json(line)
    entry = Entry(mark_id=fields.mark_id, manifest=fields.manifest, fingerprint=fields.fingerprint)
    unpacked(entry.fingerprint)
    return entry


def held(entry: Entry, trust: Trust | None) -> Credentials:
    """The credentials of an entry, which hold, and name its number and its fingerprint.

    Raises:
        ProvenanceError: they don't.
    """
    credentials = read_manifest(entry.manifest, trust)
    if credentials.state not in {"trusted", "valid"}:
        raise ProvenanceError(f"its credentials don't hold ({'; '.join(credentials.reasons) or credentials.state})")
    if mark_in(credentials.claim) != entry.mark_id:
        raise ProvenanceError(f"its credentials don't name the watermark {entry.mark_id}")
    named = None if credentials.claim is None else credentials.claim.fingerprint_sha256
    if named != hashlib.sha256(entry.fingerprint).hexdigest():
        raise ProvenanceError("its fingerprint isn't the one that its credentials name")
    return credentials


def mark_in(claim: Claim | None) -> str | None:
    """The number that credentials name."""
    return None if claim is None or claim.watermark is None else claim.watermark.id


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with open_regular(path) as file:
            while line := file.readline(MAX_LINE_BYTES):
                yield line
    except OSError as error:
        raise UsageError(f"can't read {path}: {error.strerror}; check the name and its permissions") from error


@contextmanager
def _opened_to_read() -> Iterator[sqlite3.Connection | None]:
    path = config_folder() / STORE_NAME
    if not path.exists():
        yield None
        return
    try:
        with closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_TIMEOUT_S)
        ) as database:
            # Empty where the first writing failed.
            yield database if _checked_schema(database, path) else None
    except sqlite3.Error as error:
        raise ProvenanceError(f"the manifest store {path} can't be read ({error}); restore it from a copy") from error


@contextmanager
def _opened_to_write() -> Iterator[sqlite3.Connection]:
    """The store in a transaction, which is committed unless something fails."""
    make_config_folder()
    path = config_folder() / STORE_NAME
    try:
        with closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)) as database:
            path.chmod(0o600)
            database.execute("BEGIN IMMEDIATE")
            _make_schema(database, path)
            yield database
            database.execute("COMMIT")
    except (sqlite3.Error, OSError) as error:
        raise ProvenanceError(
            f"the manifest store {path} can't be written ({error}); check free disk space and permissions, then run "
            "this again"
        ) from error


def _make_schema(database: sqlite3.Connection, path: Path) -> None:
    if _checked_schema(database, path) == 0:
        database.execute(
            "CREATE TABLE manifests (digest TEXT PRIMARY KEY, mark_id TEXT NOT NULL, manifest BLOB NOT NULL, "
            "fingerprint BLOB NOT NULL, added_at TEXT NOT NULL) STRICT"
        )
        database.execute("CREATE INDEX manifests_by_mark ON manifests (mark_id)")
        database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _checked_schema(database: sqlite3.Connection, path: Path) -> int:
    """The version by which the store was written; 0 where nothing was."""
    found = int(database.execute("PRAGMA user_version").fetchone()[0])
    if found > SCHEMA_VERSION:
        raise ProvenanceError(f"{path} was written by a newer version of Countenance; use that one")
    return found
