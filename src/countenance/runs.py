"""What each run used, so that it can be reproduced: config, seed, versions, digests of what went in."""

import json
import logging
import platform
import sqlite3
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.metadata import version
from typing import Any

from countenance.project import Project, now

_log = logging.getLogger(__name__)

VERSIONED = ("countenance", "torch", "numpy", "av", "opencv-python-headless", "ai-edge-litert")
"""Packages whose version can change a result."""


@contextmanager
def recorded_run(project: Project, verb: str, permit_digest: str, facts: Mapping[str, object]) -> Iterator[None]:
    """Record a run and how it ended; a killed run has no recorded end."""
    run = str(uuid.uuid4())
    versions = {"python": platform.python_version(), **{name: version(name) for name in VERSIONED}}
    project.database.execute(
        "INSERT INTO runs (id, verb, facts, permit_digest, started_at) VALUES (?, ?, ?, ?, ?)",
        (run, verb, json.dumps({**facts, "versions": versions}), permit_digest, now()),
    )
    begun = time.monotonic()
    end = "UPDATE runs SET ended_at = ?, outcome = ? WHERE id = ?"
    try:
        yield
    except BaseException as error:
        # On a full disk this fails too, and must not hide what failed first.
        with suppress(sqlite3.OperationalError):
            project.database.execute(end, (now(), f"{type(error).__name__}: {error}", run))
        raise
    project.database.execute(end, (now(), "done", run))
    _log.info("%s done in %.1f s", verb, time.monotonic() - begun)


def last_facts(project: Project, verb: str, person: str) -> dict[str, Any] | None:
    """What the last run of a verb for a person was made with; None where there was none."""
    row = project.database.execute(
        "SELECT facts FROM runs WHERE verb = ? AND json_extract(facts, '$.person') = ? ORDER BY rowid DESC LIMIT 1",
        (verb, person),
    ).fetchone()
    return None if row is None else json.loads(row[0])
