"""The thin process that starts a job's command, waits for it and writes down how it ended: `python -m …jobs.attend`.

It outlives the worker. Where it is killed itself, the command goes on, and as long as it does, the job's lock is held.
"""

import os
import shlex
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from countenance.jobs.job import LOG, PROGRESS, RESULT, read_record, write_record
from countenance.jobs.queue import editing, job_folder, read_result, signal_to
from countenance.progress import PROGRESS_VARIABLE
from countenance.project import now, private_file


def attend(room: Path, number: int, lock: int, command: list[str]) -> None:
    """Run a job's command to its end; `lock` is the open file by which the job counts as running."""
    folder = job_folder(room, number)
    # The command gets them as they are here, and must be stopped by them.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    with editing(room):
        record = read_record(folder)
        if record is None:
            return
        with (
            open(folder / RESULT, "wb", opener=private_file) as result,
            open(folder / LOG, "ab", opener=private_file) as log,
        ):
            log.write(f"$ countenance {shlex.join(record.arguments)}\n".encode(errors="replace"))
            log.flush()
            process = subprocess.Popen(
                command,
                cwd=record.working_folder,
                env={**os.environ, PROGRESS_VARIABLE: str(folder.resolve() / PROGRESS)},
                stdin=subprocess.DEVNULL,
                stdout=result,
                stderr=log,
                start_new_session=True,
                pass_fds=[lock],
            )
        record = replace(record, process=process.pid)
        write_record(folder, record)
        if record.stop_asked_at is not None:
            signal_to(record, True, signal.SIGINT)
    # Not reaped yet, so that nobody signals to another process that got its number.
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    with editing(room):
        exit_code = process.wait()
        record = read_record(folder)
        if record is None:
            return
        document = read_result(folder) or {}
        error = document.get("error")
        if error is None and exit_code > 0 and not document:
            error = {
                "code": "bug",
                "message": f"the command ended with {exit_code} and said nothing else; its log may say why",
            }
        write_record(folder, replace(record, process=None, exit_code=exit_code, error=error, ended_at=now()))


if __name__ == "__main__":
    room, number, lock, *command = sys.argv[1:]
    attend(Path(room), int(number), int(lock), command)
