"""The project's log: an append-only chain in which each entry holds the digest of the one before, each signed.

An entry names the public key of the computer that wrote it, and that computer signs the log's head: project, number and
digest. As the digest covers all before, so does the signature. A chain alone can't show that its end was cut off. So
after each append this computer remembers the head outside of the project, and `check` compares. Anyone who can write to
both the project and the user's config folder can still rewrite all of it, and a computer that never wrote to this log
can't tell whether its end is missing: that shows only against a head that was kept elsewhere (`provenance/anchor.py`).
"""

import hashlib
import json
import logging
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from filelock import FileLock, Timeout
from pydantic import TypeAdapter

from countenance.database import schema_of
from countenance.ed25519 import fingerprint_of, is_signed_by, public_key_of
from countenance.errors import ProvenanceError
from countenance.logkey import LOCK_TIMEOUT_S, load_log_key, load_or_make_log_key, outside_path
from countenance.project import PRIVATE, Project, make_config_folder, now, write_whole

_log = logging.getLogger(__name__)

Fact = TypeVar("Fact")

START = "0" * 64
"""What the first entry names as the digest before it."""
LONG_PAST = datetime.min.replace(tzinfo=UTC)
CLOCK_TOLERANCE = timedelta(minutes=1)
"""By so much clocks may differ, as those of two computers do, before a note says so."""
SIGNED_SINCE_SCHEMA = 5
"""Of the database; before, the log has no signatures."""


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
    key: str = ""
    """Public key of the computer that wrote and signed it, hex; empty in entries of earlier versions."""

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


ENTRIES = TypeAdapter(LogEntry)
"""Reads entries; made once, as that takes longer than reading many."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Head:
    """Where the log ends."""

    number: int
    digest: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Signer:
    """A computer that wrote to the log, by its key."""

    key: str
    """Its public key, hex; empty for what earlier versions wrote without signing."""
    num_entries: int
    first: int
    last: int
    """Numbers of its entries."""
    is_known: bool
    """Whether it is this computer's own key."""

    @property
    def name(self) -> str:
        """The key's fingerprint, for people to compare."""
        return fingerprint_of(self.key) if self.key else "no key"


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
    key = load_or_make_log_key(project)
    last = stored_head(project)
    if last is not None:
        _warn_of_clock(datetime.fromisoformat(now()), _last_time(project))
        if not _knows_key(project, public_key_of(key)):
            # Of an earlier version's log, or of another computer's: who goes on from here says so first.
            added = _write(project, "key.added", {"fingerprint": fingerprint_of(public_key_of(key))}, key, last)
            last = Head(number=added.number, digest=added.digest)
    entry = _write(project, event, facts, key, last)
    head = Head(number=entry.number, digest=entry.digest)
    project.after_commit.append(lambda: _remember(project, head))
    _log.info("log entry %d: %s", entry.number, event)
    return entry


def entries(project: Project, *events: str) -> Iterator[LogEntry]:
    """All entries in order, or only those of some events, as they are stored; `check` verifies them.

    Raises:
        ProvenanceError: an entry can't be read.
    """
    # Reading JSON takes ten times longer than looking for a name in it.
    names = [canonical_json(event) for event in events]
    for number, content, digest, _ in stored_rows(project):
        if events and not any(name in content for name in names):
            continue
        try:
            entry = ENTRIES.validate_python({**json.loads(content), "digest": digest})
        except (ValueError, TypeError, RecursionError):
            raise ProvenanceError(f"log entry {number} was altered; restore {project.folder} from a copy") from None
        if not events or entry.event in events:
            yield entry


def check(project: Project, *, every_signature: bool = False) -> int:
    """Follow the chain from its start, and compare its end with its signatures and with what this computer remembers.

    The last signature of each key covers all that came before it, so the others are only looked at where
    `every_signature` is asked for; that takes a tenth of a millisecond each.

    Returns:
        The number of entries.

    Raises:
        ProvenanceError: names the first entry that is altered, missing or out of order, or says that the end is cut.
    """
    # Before the first entry is read: another process that adds one remembers the head after its commit, so that what is
    # remembered now is always among what is read then.
    head = remembered_head(project)
    count, previous = 0, START
    last_signed: dict[str, tuple[Head, str]] = {}
    for number, content, digest, signature in stored_rows(project):
        restore = f"don't rely on this log; restore {project.folder} from a copy"
        if number != count + 1:
            raise ProvenanceError(f"log entry {count + 1} is missing, entry {number} came instead; {restore}")
        if hashlib.sha256(content).hexdigest() != digest:
            raise ProvenanceError(f"log entry {number} was altered: its digest is another one; {restore}")
        try:
            fields = json.loads(content)
            found, key = (fields["number"], fields["previous"]), str(fields.get("key", ""))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise ProvenanceError(f"log entry {number} was altered: it can't be read; {restore}") from None
        if found != (number, previous):
            raise ProvenanceError(
                f"log entry {number} doesn't follow the one before: one of them was altered or moved; {restore}"
            )
        if not key and last_signed:
            raise ProvenanceError(f"log entry {number} isn't signed, but earlier ones are; {restore}")
        count, previous = number, digest
        if key:
            last_signed[key] = Head(number=number, digest=digest), signature
            if every_signature:
                _check_signature(project, key, *last_signed[key])
    for key, (signed, signature) in last_signed.items():
        _check_signature(project, key, signed, signature)
    _compare_with_head(project, head)
    return count


def signers(project: Project) -> tuple[Signer, ...]:
    """Who wrote the log, in the order in which they came; `check` says whether that is true."""
    own = load_log_key(project)
    numbers: dict[str, list[int]] = {}
    for entry in entries(project):
        numbers.setdefault(entry.key, []).append(entry.number)
    return tuple(
        Signer(
            key=key,
            num_entries=len(those),
            first=those[0],
            last=those[-1],
            is_known=own is not None and key == public_key_of(own),
        )
        for key, those in numbers.items()
    )


def vouched_until(project: Project) -> int:
    """Number of the last entry that this computer signed or remembers, 0 where there is none.

    Where `check` finds no fault, this computer knew the log up to there; others wrote the rest, or all of it.
    """
    head = remembered_head(project)
    own = [signer.last for signer in signers(project) if signer.is_known]
    return max([0 if head is None else head.number, *own])


def latest_time(project: Project) -> datetime:
    """The latest time that any entry names, whatever the order; that of an empty log is long past.

    Raises:
        ProvenanceError: one names none.
    """
    latest = LONG_PAST
    for entry in entries(project):
        try:
            latest = max(latest, datetime.fromisoformat(entry.time))
        except (ValueError, TypeError):
            raise ProvenanceError(
                f"log entry {entry.number} should name a time, got {entry.time!r:.80}; "
                f"restore {project.folder} from a copy"
            ) from None
    return latest


def time_now(project: Project) -> datetime:
    """The later of this computer's clock and the log's latest time, so that no clock that is set back wins anything.

    Raises:
        ProvenanceError: the log can't be read.
    """
    clock, latest = datetime.fromisoformat(now()), latest_time(project)
    _warn_of_clock(clock, latest)
    return max(clock, latest)


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


def signed_bytes(project_id: str, head: Head) -> bytes:
    """What a signature in the log is made over."""
    return canonical_json(
        {"kind": "countenance log head", "project": project_id, "number": head.number, "digest": head.digest}
    )


def stored_rows(project: Project) -> Iterator[tuple[int, bytes, str, str]]:
    """Number, content, digest and signature of each entry in order, as stored: nothing is checked.

    Raises:
        ProvenanceError: the database is damaged.
    """
    # As bytes, because a flipped one may leave no valid text.
    signature = "signature" if schema_of(project.database) >= SIGNED_SINCE_SCHEMA else "NULL"
    query = f"""
        SELECT number, CAST(entry AS BLOB), CAST(digest AS BLOB), CAST({signature} AS BLOB) FROM log ORDER BY number
    """  # noqa: S608
    try:
        for number, content, digest, signed in project.database.execute(query):
            yield number, content, digest.decode(errors="replace"), (signed or b"").decode(errors="replace")
    except sqlite3.DatabaseError as error:
        raise ProvenanceError(f"the log can't be read ({error}); restore {project.folder} from a copy") from error


def _write(project: Project, event: str, facts: dict[str, Any], key: Ed25519PrivateKey, last: Head | None) -> LogEntry:
    number, previous = (last.number + 1, last.digest) if last else (1, START)
    fields = {
        "number": number,
        "time": now(),
        "event": event,
        "facts": facts,
        "previous": previous,
        "key": public_key_of(key),
    }
    content = canonical_json(fields)
    digest = hashlib.sha256(content).hexdigest()
    signature = key.sign(signed_bytes(project.id, Head(number=number, digest=digest))).hex()
    project.database.execute(
        "INSERT INTO log (number, entry, digest, signature) VALUES (?, ?, ?, ?)",
        (number, content.decode(), digest, signature),
    )
    return LogEntry(**json.loads(content), digest=digest)


def _last_time(project: Project) -> datetime:
    """Of the last entry; long past where it names none, which `check` reports."""
    (content,) = project.database.execute("SELECT entry FROM log ORDER BY number DESC LIMIT 1").fetchone()
    try:
        return datetime.fromisoformat(json.loads(content)["time"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return LONG_PAST


def _warn_of_clock(clock: datetime, logged: datetime) -> None:
    if logged - clock > CLOCK_TOLERANCE:
        _log.warning(
            "by the log it was %s already, but this computer's clock says less: consent is judged by the log's time; "
            "correct the clock, or, if it was wrong then, begin another project",
            logged.isoformat(),
        )


def _knows_key(project: Project, public_key: str) -> bool:
    """Whether an entry names this key; the newest are asked first."""
    query = "SELECT 1 FROM log WHERE instr(entry, ?) ORDER BY number DESC LIMIT 1"
    return project.database.execute(query, (f'"key":"{public_key}"',)).fetchone() is not None


def _check_signature(project: Project, key: str, head: Head, signature: str) -> None:
    if not is_signed_by(key, signature, signed_bytes(project.id, head)):
        raise ProvenanceError(
            f"log entry {head.number} isn't signed by the key that it names, or was signed for a project with another "
            f"id: the log or countenance.toml was altered; don't rely on this log; restore {project.folder} from a copy"
        )


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
    return outside_path(project, "heads", ".json")
