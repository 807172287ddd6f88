"""The log as versions before its signatures wrote it."""

import hashlib
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from countenance import ledger
from countenance.project import Project, now


def write_as_before(patch: pytest.MonkeyPatch) -> None:
    """Let `append` write as those versions did, until the patch is undone."""
    patch.setattr(ledger, "_write", _write)
    patch.setattr(ledger, "_knows_key", lambda *_: True)


def _write(
    project: Project, event: str, facts: dict[str, Any], _key: Ed25519PrivateKey, last: ledger.Head | None
) -> ledger.LogEntry:
    number, previous = (last.number + 1, last.digest) if last else (1, ledger.START)
    fields = {"number": number, "time": now(), "event": event, "facts": facts, "previous": previous}
    content = ledger.canonical_json(fields)
    digest = hashlib.sha256(content).hexdigest()
    project.database.execute(
        "INSERT INTO log (number, entry, digest) VALUES (?, ?, ?)", (number, content.decode(), digest)
    )
    return ledger.LogEntry(number=number, time=now(), event=event, facts=facts, previous=previous, digest=digest)
