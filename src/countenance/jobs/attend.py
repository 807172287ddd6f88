"""The thin process that starts a job's command, waits for it and writes down how it ended: `python -m …jobs.attend`.

It outlives the worker. Where it is killed itself, the command goes on, and as long as it does, the job's lock is held.
"""

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from countenance.jobs.job import (
    LOG,
    OVERWRITING,
    PROGRESS,
    RESULT,
    STOPPED,
    Record,
    read_record,
    verb_of,
    write_record,
)
from countenance.jobs.queue import editing, job_folder, read_result, signal_to
from countenance.progress import PROGRESS_VARIABLE
from countenance.project import now, private_file


def attend(room: Path, number: int, lock: int, command: Sequence[str]) -> None:
    """Run a job's command to its end; `lock` is the open file by which the job counts as running."""
    job = job_folder(room, number)
    # However this was started, the command is to hear Ctrl-C.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    with editing(room):
        record = read_record(job)
        if record is None:
            return
        try:
            process = _started(job, record, lock, command)
        except OSError as error:
            # For example, the folder from which paths are read was removed.
            message = f"the command can't be started: {error.filename}: {error.strerror}"
            failed = {"code": "system.file", "message": message}
            write_record(job, replace(record, exit_code=4, error=failed, ended_at=now()))
            return
        record = replace(record, process=process.pid)
        write_record(job, record)
        if record.stop_asked_at is not None:
            signal_to(record, True, signal.SIGINT)
    # It stays in the system's list until the queue is locked, so that nobody signals to another that got its number.
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    with editing(room):
        exit_code, record = process.wait(), read_record(job)
        # It may have been removed with all that names a person.
        if record is not None:
            write_record(job, _ended(record, exit_code, read_result(job)))


def _started(job: Path, record: Record, lock: int, command: Sequence[str]) -> "subprocess.Popen[bytes]":
    with (
        open(job / RESULT, "wb", opener=private_file) as result,
        open(job / LOG, "ab", opener=private_file) as log,
    ):
        log.write(f"$ countenance {shlex.join(record.arguments)}\n".encode(errors="replace"))
        log.flush()
        return subprocess.Popen(  # noqa: S603 - what the worker gave, a command of ours
            command,
            cwd=record.working_folder,
            env={**os.environ, PROGRESS_VARIABLE: str(job / PROGRESS)},
            stdin=subprocess.DEVNULL,
            stdout=result,
            stderr=log,
            start_new_session=True,
            pass_fds=[lock],
        )


def _ended(record: Record, exit_code: int, document: dict[str, Any] | None) -> Record:
    error = None if document is None else document.get("error")
    if document is None and exit_code > 0:
        # Whoever is stopped while Python starts can't say so.
        code = "bug" if record.stop_asked_at is None else STOPPED
        error = {"code": code, "message": f"the command ended with {exit_code} and said no more; its log may say why"}
    if error is not None and _is_own(record, error):
        # Not an end: it is taken up again.
        return replace(record, process=None, overwrites=True)
    return replace(record, process=None, exit_code=exit_code, error=error, ended_at=now())


def _is_own(record: Record, error: dict[str, Any]) -> bool:
    """Whether a command that was killed and begun again stumbles over what it wrote itself before."""
    is_second_try = record.interruptions and not record.overwrites and verb_of(record.arguments) in OVERWRITING
    if not is_second_try or error.get("code") != "usage.exists":
        return False
    path = Path(record.working_folder, str(error.get("facts", {}).get("path", "")))
    begun = datetime.fromisoformat(record.begun_at or record.added_at).timestamp()
    return path.exists() and path.stat().st_mtime >= begun


if __name__ == "__main__":
    room_path, job_number, lock_number, *words = sys.argv[1:]
    attend(Path(room_path), int(job_number), int(lock_number), words)
