"""The queue of a project, as files in its private folder `jobs`: one folder a job, and their order.

Who changes or reads anything holds the queue's lock for that moment. A job's own lock is passed on from the worker to
the process that attends to it and to the command, so that it is free as soon as neither lives.
"""

import fcntl
import json
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from countenance.errors import UsageError
from countenance.jobs.job import (
    ENDED,
    LOCK,
    LOG,
    RECORD,
    RESULT,
    Job,
    Record,
    check_arguments,
    job_of,
    put_back,
    read_record,
    write_record,
)
from countenance.project import PRIVATE, erase, now, private_file, refuse_link, write_whole

ROOM = "jobs"
ORDER_NAME, QUEUE_LOCK, WORKER_LOCK, PAUSE_LOCK = "order.json", "queue.lock", "worker.lock", "pause.lock"
MOST_ENDED = 100
"""So many ended jobs are kept; older ones are removed when one is added."""
PATIENCE_S = 10.0
"""A job that was asked to stop so long ago and is asked again is killed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """In which jobs are taken, and the last number that was given."""

    last: int
    numbers: tuple[int, ...]


def add(folder: Path, arguments: Sequence[str], *, once: str | None = None, working_folder: Path | None = None) -> Job:
    """Put a command at the end of a project's queue; `start_worker` sees to it that somebody works through it.

    The same `once` again gives the job that was added with it, so that a form that is sent twice makes one job.
    Relative paths are read from `working_folder`, by default the project's.

    Raises:
        UsageError: it is no command that can be a job.
    """
    checked = check_arguments(arguments)
    with editing(_made_room(folder)) as room:
        for record in _records(room):
            if once is not None and record.once == once:
                return standing(room, record)
        _remove_oldest(room)
        order = _read_order(room)
        number = max([order.last, *(record.number for record in _records(room))]) + 1
        # First, so that no number is given twice.
        _write_order(room, Order(last=number, numbers=(*order.numbers, number)))
        record = Record(
            number=number,
            arguments=checked,
            working_folder=str((working_folder or folder).resolve()),
            added_at=now(),
            once=once,
        )
        job_folder(room, number).mkdir(mode=0o700)
        write_record(job_folder(room, number), record)
        return standing(room, record)


def list_jobs(folder: Path) -> list[Job]:
    """All jobs of a project: those that ended in the order of their numbers, then the others as they are taken."""
    room = refuse_link(folder / ROOM)
    if not room.is_dir():
        return []
    with editing(room):
        jobs = [standing(room, record) for record in in_order(room)]
    return sorted(jobs, key=lambda job: (job.state not in ENDED, job.number if job.state in ENDED else 0))


def find_job(folder: Path, number: int) -> Job:
    """One job.

    Raises:
        UsageError: there is none of this number.
    """
    with _found(folder, number) as (room, record):
        return standing(room, record)


def stop(folder: Path, number: int) -> Job:
    """Stop a job: a waiting one isn't begun, a running one saves and ends by itself, as at Ctrl-C.

    Asked again after ten seconds, it is killed; what it had saved by then stays. One that has ended stays as it is.

    Raises:
        UsageError: there is none of this number.
    """
    with _found(folder, number) as (room, record):
        is_alive = is_running(room, number)
        if standing(room, record).state in ENDED:
            return standing(room, record)
        if record.stop_asked_at is None:
            asked = replace(record, stop_asked_at=now(), ended_at=None if is_alive else now())
            write_record(job_folder(room, number), asked)
            signal_to(asked, is_alive, signal.SIGINT)
            return standing(room, asked)
        if _seconds_since(record.stop_asked_at) >= PATIENCE_S:
            signal_to(record, is_alive, signal.SIGKILL)
        return standing(room, record)


def kill(folder: Path, number: int) -> Job:
    """Kill a job that was asked to stop and still runs; what it had saved stays, the rest is lost.

    Raises:
        UsageError: there is none of this number, or it runs and wasn't asked to stop.
    """
    with _found(folder, number) as (room, record):
        job = standing(room, record)
        if job.state == "running" and not job.is_stopping:
            raise UsageError(f"job {number} wasn't asked to stop; stop it first, so that it can save")
        if job.is_stopping:
            signal_to(record, True, signal.SIGKILL)
        return job


def retry(folder: Path, number: int) -> Job:
    """Put a job that ended back, at the end of the queue; one that waits or runs stays as it is.

    Raises:
        UsageError: there is none of this number.
    """
    with _found(folder, number) as (room, record):
        if standing(room, record).state not in ENDED:
            return standing(room, record)
        anew = put_back(record)
        write_record(job_folder(room, number), anew)
        _put(room, number, before=None)
        return standing(room, anew)


def move(folder: Path, number: int, *, to: int | Literal["first", "last"]) -> Job:
    """Change when a waiting job is taken: first, last, or before the waiting job of another number.

    Raises:
        UsageError: there is none of one of these numbers, or it doesn't wait.
    """
    with _found(folder, number) as (room, record):
        waiting = [each.number for each in in_order(room) if standing(room, each).state in ("waiting", "interrupted")]
        for each in (number, to) if isinstance(to, int) else (number,):
            if each not in waiting:
                raise UsageError(
                    f"job {each} doesn't wait, so its place can't change; `countenance jobs list` shows them"
                )
        others = [each for each in waiting if each != number]
        if to != number and others:
            _put(room, number, before=others[0] if to == "first" else None if to == "last" else int(to))
        return standing(room, record)


def clear(folder: Path) -> int:
    """Remove the jobs that ended, with their logs; returns how many there were."""
    room = refuse_link(folder / ROOM)
    if not room.is_dir():
        return 0
    with editing(room):
        ended = [record.number for record in _records(room) if standing(room, record).state in ENDED]
        for number in ended:
            erase(job_folder(room, number))
    return len(ended)


def remove(folder: Path, number: int) -> None:
    """Remove a job that ended, with its log and its result.

    Raises:
        UsageError: there is none of this number, or it waits or runs.
    """
    with _found(folder, number) as (room, record):
        if standing(room, record).state not in ENDED:
            raise UsageError(f"job {number} waits or runs; stop it first")
        erase(job_folder(room, number))


def log_of(folder: Path, number: int) -> str:
    """What the command printed for people, of all times that it was begun.

    Raises:
        UsageError: there is none of this number.
    """
    with _found(folder, number) as (room, _):
        path = job_folder(room, number) / LOG
        return path.read_text(errors="replace") if path.exists() else ""


def result_of(folder: Path, number: int) -> dict[str, Any] | None:
    """The document that the command printed with `--json`; None as long as there is none.

    Raises:
        UsageError: there is none of this number.
    """
    with _found(folder, number) as (room, record):
        return read_result(job_folder(room, number)) if standing(room, record).state in ENDED else None


def read_result(job: Path) -> dict[str, Any] | None:
    """What a command printed; None where that is no whole JSON object."""
    try:
        document = json.loads((job / RESULT).read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    return document if isinstance(document, dict) else None


# What the worker and the attending process need as well.


@contextmanager
def editing(room: Path) -> Iterator[Path]:
    """Hold the queue's lock; the system releases it if this process dies."""
    with open(room / QUEUE_LOCK, "ab", opener=private_file) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield room


@contextmanager
def paused(folder: Path) -> Iterator[None]:
    """No job is begun as long as anybody holds this; one that runs goes on."""
    room = refuse_link(folder / ROOM)
    if not room.is_dir():
        yield
        return
    with open(room / PAUSE_LOCK, "ab", opener=private_file) as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        yield


def job_folder(room: Path, number: int) -> Path:
    return room / f"{number:06}"


def in_order(room: Path) -> list[Record]:
    """All records, as they are to be taken. The caller holds the queue's lock, as for all that follows."""
    place = {number: index for index, number in enumerate(_read_order(room).numbers)}
    return sorted(_records(room), key=lambda record: (place.get(record.number, len(place)), record.number))


def standing(room: Path, record: Record) -> Job:
    """A job as it stands now."""
    return job_of(record, job_folder(room, record.number), is_alive=is_running(room, record.number))


def is_running(room: Path, number: int) -> bool:
    """Whether a process of a job lives."""
    return not is_free(job_folder(room, number) / LOCK)


def is_paused(room: Path) -> bool:
    return not is_free(room / PAUSE_LOCK, shared=False)


def is_free(lock: Path, *, shared: bool = True) -> bool:
    """Whether nobody holds a lock; a `shared` question isn't in the way of others who ask."""
    if not lock.exists():
        return True
    with open(lock, "ab", opener=private_file) as file:
        try:
            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def signal_to(record: Record, is_alive: bool, number: signal.Signals) -> None:
    """Signal to a job's command, where it was started; where it wasn't yet, who starts it sees that it is to stop."""
    if is_alive and record.process is not None:
        with suppress(ProcessLookupError):
            os.kill(record.process, number)


def _seconds_since(time: str) -> float:
    return (datetime.fromisoformat(now()) - datetime.fromisoformat(time)).total_seconds()


def _made_room(folder: Path) -> Path:
    room = refuse_link(folder / ROOM)
    room.mkdir(mode=0o700, exist_ok=True)
    return room


@contextmanager
def _found(folder: Path, number: int) -> Iterator[tuple[Path, Record]]:
    """The queue, locked, and the record of a job."""
    missing = UsageError(
        f"there is no job {number} here; `countenance jobs list` shows those that there are",
        code="usage.no_job",
        job=number,
    )
    room = refuse_link(folder / ROOM)
    if not room.is_dir():
        raise missing
    with editing(room):
        record = read_record(job_folder(room, number))
        if record is None:
            raise missing
        yield room, record


def _records(room: Path) -> list[Record]:
    found = (read_record(path.parent) for path in sorted(room.glob(f"*/{RECORD}")))
    return [record for record in found if record is not None]


def _remove_oldest(room: Path) -> None:
    ended = [record for record in _records(room) if standing(room, record).state in ENDED]
    for record in sorted(ended, key=lambda each: (each.ended_at or each.added_at, each.number))[: 1 - MOST_ENDED]:
        erase(job_folder(room, record.number))


def _read_order(room: Path) -> Order:
    path = room / ORDER_NAME
    try:
        fields = json.loads(path.read_bytes())
        return Order(last=int(fields["last"]), numbers=tuple(map(int, fields["order"])))
    except FileNotFoundError:
        return Order(last=0, numbers=())
    except (ValueError, TypeError, KeyError) as error:
        raise UsageError(f"{path} should hold the order of jobs, but can't be read ({error}); remove it") from error


def _write_order(room: Path, order: Order) -> None:
    there = {record.number for record in _records(room)} | {order.last}
    document = {"last": order.last, "order": [number for number in order.numbers if number in there]}
    write_whole(room / ORDER_NAME, json.dumps(document).encode(), mode=PRIVATE)


def _put(room: Path, number: int, *, before: int | None) -> None:
    """Put a job before another, or last."""
    numbers = [record.number for record in in_order(room) if record.number != number]
    numbers.insert(len(numbers) if before is None else numbers.index(before), number)
    _write_order(room, Order(last=_read_order(room).last, numbers=tuple(numbers)))
