"""Jobs that name a person, who may want to be forgotten."""

import os
import time
from contextlib import suppress
from pathlib import Path

from countenance.errors import UsageError
from countenance.jobs.job import read_record
from countenance.jobs.queue import ROOM, editing, paused, stop
from countenance.pages import names
from countenance.project import erase, refuse_link

LOOK_EVERY_S = 0.05


def jobs_naming(folder: Path, person: str) -> list[Path]:
    """Folders of the jobs in whose arguments, log, progress or result a person is named."""
    room = refuse_link(folder / ROOM)
    if not room.is_dir():
        return []
    with editing(room):
        return [job for job in sorted(room.glob("*/")) if _is_named(job, person)]


def stop_jobs(folder: Path, person: str) -> None:
    """Stop the jobs that name a person and run, and wait for their end; but not one that asks for that itself.

    `paused` keeps others from beginning meanwhile.
    """
    for job in jobs_naming(folder, person):
        with editing(job.parent):
            record = read_record(job)
        if record is None or record.process == os.getpid():
            continue
        # Asked again and again, it is killed in the end.
        with suppress(UsageError):
            while stop(folder, record.number).state == "running":
                time.sleep(LOOK_EVERY_S)


def forget_jobs(folder: Path, person: str) -> None:
    """Remove the jobs that name a person, those that run after they were stopped."""
    with paused(folder):
        stop_jobs(folder, person)
        for job in jobs_naming(folder, person):
            with editing(job.parent):
                erase(job)


def _is_named(job: Path, person: str) -> bool:
    return any(names(path.read_text(errors="replace"), person) for path in job.iterdir() if path.is_file())
