"""The project's log: an append-only chain in which each entry holds the digest of the one before.

A chain alone can't show that its end was cut off. So after each append this computer remembers the log's head
outside of the project, and `check` compares. Anyone who can write to both the project and the user's config folder can
still rewrite all of it, and a computer that never wrote to this log can't tell whether its end is missing.
"""

import hashlib
import json
import logging
import sqlite3
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from filelock import FileLock, Timeout
from pydantic import TypeAdapter

from countenance.errors import ProvenanceError, UsageError
from countenance.project import PRIVATE, Project, config_folder, make_config_folder, now, write_whole

_log = logging.getLogger(__name__)

Fact = TypeVar("Fact")

START = "0" * 64
"""What the first entry names as the digest before it."""
LOCK_TIMEOUT_S = 10.0
"""How long to wait for another process that is recording the head, which takes milliseconds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LogEntry:
    """One line of the log."""

    number: int
    """From 1 on."""
    time: str
    event: str
    facts: dict[str, Any]
    previous: str
    digest: str

    def fact(self, name: str, kind: type[Fact]) -> Fact:
        """One of the facts, as `append` was given it.

        Raises:
            ProvenanceError: it is missing or of another type, for example because another program wrote the entry.
        """
        value = self.facts.get(name)
        if not isinstance(value, kind):
            raise ProvenanceError(
                f"log entry {self.number} ({self.event}) should hold {name} as {kind.__name__}, got {value!r:.80}; "
                "don't rely on this log, restore the project from a copy"
            )
        return value


@dataclass(frozen=True, kw_only=True, slots=True)
class Head:
    """Where the log ends."""

    number: int
    digest: str


def append(project: Project, event: str, facts: dict[str, Any]) -> LogEntry:
    """Add an entry within the caller's transaction, together with the change that it records, or not at all.

    >>> with project.transaction():
    ...     append(project, "prepared", {"face_set": digest})

    Raises:
        ProvenanceError: the log's end is not the one that this computer remembers.
    """
    database = project.database
    assert database.in_transaction, "append belongs inside `with project.transaction()`"
    # Going on from a cut log would write over the only sign of the cut.
    _compare_with_head(project, remembered_head(project))
    last = stored_head(project)
    number, previous = (last.number + 1, last.digest) if last else (1, START)
    fields = {"number": number, "time": now(), "event": event, "facts": facts, "previous": previous}
    content = canonical_json(fields)
    digest = hashlib.sha256(content).hexdigest()
    database.execute("INSERT INTO log (number, entry, digest) VALUES (?, ?, ?)", (number, content.decode(), digest))
    project.after_commit.append(lambda: _remember(project, Head(number=number, digest=digest)))
    _log.info("log entry %d: %s", number, event)
    return LogEntry(**json.loads(content), digest=digest)


def entries(project: Project) -> Iterator[LogEntry]:
    """All entries in order, as they are stored; `check` verifies them.

    Raises:
        ProvenanceError: an entry can't be read.
    """
    for number, content, digest in _rows(project):
        try:
            entry = TypeAdapter(LogEntry).validate_python({**json.loads(content), "digest": digest})
        except (ValueError, TypeError, RecursionError):
            raise ProvenanceError(f"log entry {number} was altered; restore {project.folder} from a copy") from None
        yield entry


def check(project: Project) -> int:
    """Follow the chain from its start and compare its end with what this computer remembers.

    Returns:
        The number of entries.

    Raises:
        ProvenanceError: names the first entry that is altered, missing or out of order, or says that the end is cut.
    """
    # Before the first entry is read: another process that adds one remembers the head after its commit, so that what is
    # remembered now is always among what is read then.
    head = remembered_head(project)
    count, previous = 0, START
    for number, content, digest in _rows(project):
        restore = f"don't rely on this log; restore {project.folder} from a copy"
        if number != count + 1:
            raise ProvenanceError(f"log entry {count + 1} is missing, entry {number} came instead; {restore}")
        if hashlib.sha256(content).hexdigest() != digest:
            raise ProvenanceError(f"log entry {number} was altered: its digest is another one; {restore}")
        try:
            fields = json.loads(content)
            found = (fields["number"], fields["previous"])
        except (ValueError, TypeError, KeyError, RecursionError):
            raise ProvenanceError(f"log entry {number} was altered: it can't be read; {restore}") from None
        if found != (number, previous):
            raise ProvenanceError(
                f"log entry {number} doesn't follow the one before: one of them was altered or moved; {restore}"
            )
        count, previous = number, digest
    _compare_with_head(project, head)
    return count


def backward_steps(project: Project) -> tuple[int, ...]:
    """Numbers of the entries whose time is before that of an earlier one: the clock was set back meanwhile."""
    numbers, latest = [], ""
    for entry in entries(project):
        if entry.time < latest:
            numbers.append(entry.number)
        latest = max(latest, entry.time)
    return tuple(numbers)


def stored_head(project: Project) -> Head | None:
    """Where the log ends now, as stored; None for an empty log."""
    row = project.database.execute("SELECT number, digest FROM log ORDER BY number DESC LIMIT 1").fetchone()
    return None if row is None else Head(number=row[0], digest=row[1])


def remembered_head(project: Project) -> Head | None:
    """Where this computer last saw the log end; None where it never wrote to it.

    Raises:
        ProvenanceError: the note can't be read.
    """
    path = _head_path(project)
    try:
        fields = json.loads(path.read_bytes())
        return Head(number=int(fields["number"]), digest=str(fields["digest"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise ProvenanceError(
            f"{path} should say where the log ends, but can't be read ({error}); check its permissions, "
            "or restore it from a copy"
        ) from error


def canonical_json(value: Any) -> bytes:
    """The one serialisation of values to be hashed or signed: sorted keys, no spaces, UTF-8."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def _rows(project: Project) -> Iterator[tuple[int, bytes, str]]:
    # As bytes, because a flipped one may leave no valid text.
    query = "SELECT number, CAST(entry AS BLOB), CAST(digest AS BLOB) FROM log ORDER BY number"
    try:
        for number, content, digest in project.database.execute(query):
            yield number, content, digest.decode(errors="replace")
    except sqlite3.DatabaseError as error:
        raise ProvenanceError(f"the log can't be read ({error}); restore {project.folder} from a copy") from error


def _compare_with_head(project: Project, head: Head | None) -> None:
    if head is None:
        return
    row = project.database.execute("SELECT CAST(digest AS BLOB) FROM log WHERE number = ?", (head.number,)).fetchone()
    if row is None or row[0] != head.digest.encode():
        what = (
            "is no longer there: the log's end was cut off" if row is None else "is another one: the log was replaced"
        )
        raise ProvenanceError(
            f"log entry {head.number}, which this computer wrote, {what}, or this is an older or another copy of the "
            f"project; restore the newest {project.folder}, or, if you put this copy here yourself, "
            f"remove {_head_path(project)}"
        )


def _remember(project: Project, head: Head) -> None:
    path = _head_path(project)
    try:
        make_config_folder()
        path.parent.mkdir(mode=0o700, exist_ok=True)
        with FileLock(path.with_suffix(".lock"), timeout=LOCK_TIMEOUT_S, mode=0o600):
            # Another process may have committed the next entry and noted it first: the note never goes back.
            noted = remembered_head(project)
            if noted is None or noted.number < head.number:
                write_whole(path, canonical_json({"number": head.number, "digest": head.digest}), mode=PRIVATE)
    except (OSError, Timeout) as error:
        raise ProvenanceError(
            f"the log has a new entry, but {path} can't be written ({error.strerror or error}); "
            "check free disk space and permissions, then run this again"
        ) from error


def _head_path(project: Project) -> Path:
    try:
        # The id comes from a file that anybody can write, and must not lead to another folder.
        name = uuid.UUID(project.id)
    except ValueError:
        raise UsageError(
            f"the project's id should be a UUID, got {project.id!r}; restore countenance.toml from a copy"
        ) from None
    return config_folder() / "heads" / f"{name}.json"
