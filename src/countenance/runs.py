"""What each run used, so that it can be reproduced: config, seed, versions, digests of what went in."""

import json
import logging
import platform
import re
import sqlite3
import time
import uuid
from collections.abc import Collection, Iterator, Mapping
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


def erase_runs(project: Project, person: str, permit_digests: Collection[str]) -> None:
    """Delete, within the caller's transaction, the records of runs that name a person, or had one of these permits."""
    numbers = [(number,) for number, _ in _runs_of(project, person, permit_digests)]
    project.database.executemany("DELETE FROM runs WHERE id = ?", numbers)


def plates_of(project: Project, person: str, permit_digests: Collection[str]) -> set[str]:
    """SHA-256 of the plates in whose recorded runs a person had a part."""
    plates = (facts.get("plate") for _, facts in _runs_of(project, person, permit_digests))
    return {plate for plate in plates if isinstance(plate, str)}


def _runs_of(project: Project, person: str, permit_digests: Collection[str]) -> list[tuple[str, dict[str, Any]]]:
    """Number and facts of the runs that name a person, or had one of these permits."""
    rows = project.database.execute("SELECT id, facts, outcome, permit_digest FROM runs").fetchall()
    # Names stand in facts as values and as keys, and within what an outcome says.
    names = re.compile(rf"(?<![a-z0-9_-]){re.escape(person)}(?![a-z0-9_-])")
    return [
        (number, json.loads(facts))
        for number, facts, outcome, digest in rows
        if digest in permit_digests or names.search(facts) or names.search(outcome or "")
    ]


def last_facts(project: Project, verb: str, person: str) -> dict[str, Any] | None:
    """What the last run of a verb for a person was made with; None where there was none."""
    row = project.database.execute(
        "SELECT facts FROM runs WHERE verb = ? AND json_extract(facts, '$.person') = ? ORDER BY rowid DESC LIMIT 1",
        (verb, person),
    ).fetchone()
    return None if row is None else json.loads(row[0])
