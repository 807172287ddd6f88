"""Who works through a project's queue: one process at a time, one job after another."""

import fcntl
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from countenance.errors import CountenanceError
from countenance.jobs.job import (
    KILLED,
    LOCK,
    LOCKED,
    MOST_INTERRUPTIONS,
    PROGRESS,
    RESULT,
    Job,
    Record,
    read_record,
    with_options,
    write_record,
)
from countenance.jobs.queue import ROOM, WORKER_LOCK, editing, in_order, is_free, is_paused, job_folder, standing
from countenance.project import PRIVATE, is_written_to, now, private_file, refuse_link, write_whole

PYTHON = (sys.executable, "-P", "-m")
"""This Python, which looks for no modules where it is started: that is the user's folder."""
COMMAND = (*PYTHON, "countenance")
PAUSE_S = 0.25
"""Between two looks at whether a project is free."""

TakeUp = Callable[[Path, Job], Sequence[str] | Mapping[str, Any]]
"""For an interrupted job: with which arguments it goes on, or, where it was done already, its result."""


def start_worker(folder: Path, *, command: Sequence[str] = COMMAND) -> bool:
    """Start a worker in the background, unless one is at work or nothing waits; it outlives this process.

    Two that are started at once are no harm: one of them ends at once. Returns whether one was started.

    >>> job = add(folder, ["prepare", "dana"])
    >>> start_worker(folder)
    """
    room = refuse_link(folder / ROOM)
    if not room.is_dir():
        return False
    with editing(room):
        if not is_free(room / WORKER_LOCK) or not any(_is_to_do(standing(room, record)) for record in in_order(room)):
            return False
        process = subprocess.Popen(  # noqa: S603 - this Python and our own command
            [*command, "jobs", "run"],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    _reap(process)
    return True


def work(
    folder: Path,
    *,
    command: Sequence[str] = COMMAND,
    take_up: TakeUp = lambda _folder, job: job.arguments,
    told: Callable[[Job], None] = lambda _job: None,
) -> bool:
    """Work through the queue until nothing waits; returns False where somebody else is at it.

    `told` hears of each job as it begins and as it ended. A job whose command finds the project in use waits until it
    is free. One that was interrupted is taken up again, three times at most.
    """
    room = refuse_link(folder / ROOM)
    if not room.is_dir():
        return True
    with open(room / WORKER_LOCK, "ab", opener=private_file) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        while True:
            with editing(room):
                jobs = [standing(room, record) for record in in_order(room)]
                job = next((each for each in jobs if each.state == "running"), None)
                job = job or next((each for each in jobs if _is_to_do(each)), None)
                if job is None:
                    # Before anybody else can add a job and find a worker who won't look again.
                    lock.close()
                    return True
            if job.state == "running":
                _await(room, job.number)
            elif is_paused(room) or (job.code == LOCKED and is_written_to(folder)):
                time.sleep(PAUSE_S)
            else:
                _do(folder, room, job, command, take_up, told)


def _do(
    folder: Path, room: Path, job: Job, command: Sequence[str], take_up: TakeUp, told: Callable[[Job], None]
) -> None:
    """Begin a job, unless that is no longer wanted, and wait for its end."""
    how: Sequence[str] | Mapping[str, Any] = job.arguments
    if job.state == "interrupted" or job.interruptions:
        # Where it can't be told how to go on, the command itself says why.
        with suppress(CountenanceError, OSError):
            how = take_up(folder, job)
    begun = _begin(room, job.number, command, how)
    if begun is None:
        # Its last process is about to end, or somebody changed it meanwhile.
        time.sleep(PAUSE_S / 10)
        return
    told(begun)
    if begun.state == "running":
        _await(room, job.number)
        with editing(room):
            record = read_record(job_folder(room, job.number))
            if record is not None:
                told(standing(room, record))


def _begin(room: Path, number: int, command: Sequence[str], how: Sequence[str] | Mapping[str, Any]) -> Job | None:
    """Start the process that attends to a job; None where the job isn't to be begun now."""
    job = job_folder(room, number)
    with editing(room):
        record = read_record(job)
        if record is None or not _is_to_do(standing(room, record)) or is_paused(room):
            return None
        is_interrupted = standing(room, record).state == "interrupted"
        record = replace(
            record,
            begun_at=record.begun_at or now(),
            interruptions=record.interruptions + is_interrupted,
            process=None,
            ended_at=None,
            exit_code=None,
            error=None,
        )
        if isinstance(how, Mapping):
            write_whole(job / RESULT, json.dumps(how, default=str).encode(), mode=PRIVATE)
            record = replace(record, exit_code=0, ended_at=now())
        elif record.interruptions > MOST_INTERRUPTIONS:
            record = replace(record, error=_killed(record), ended_at=now())
        else:
            return _started(room, record, command, how)
        write_record(job, record)
        return standing(room, record)


def _started(room: Path, record: Record, command: Sequence[str], arguments: Sequence[str]) -> Job | None:
    job = job_folder(room, record.number)
    with open(job / LOCK, "ab", opener=private_file) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return None
        (job / PROGRESS).unlink(missing_ok=True)
        write_record(job, record)
        process = subprocess.Popen(  # noqa: S603 - this Python and modules of ours
            [
                *(*PYTHON, "countenance.jobs.attend", str(room.resolve()), str(record.number), str(lock.fileno())),
                *(*command, *with_options(arguments, "--json", *(["--overwrite"] if record.overwrites else []))),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            # From here on the lock is theirs: it is free once the last of them is gone.
            pass_fds=[lock.fileno()],
        )
    _reap(process)
    return standing(room, record)


def _reap(process: "subprocess.Popen[bytes]") -> None:
    """Whoever started a process and outlives it takes note of its end, or it stays in the system's list."""
    threading.Thread(target=process.wait, daemon=True).start()


def _await(room: Path, number: int) -> None:
    """Wait until no process of a job lives."""
    with suppress(FileNotFoundError), open(job_folder(room, number) / LOCK, "ab", opener=private_file) as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)


def _killed(record: Record) -> dict[str, Any]:
    return {
        "code": KILLED,
        "message": f"killed {record.interruptions} times before its end; is there enough memory? "
        f"`countenance jobs retry {record.number}` begins it again",
    }


def _is_to_do(job: Job) -> bool:
    return job.state in ("waiting", "interrupted")
