"""A project's queue whose jobs are a small command of the tests."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from countenance import jobs
from countenance.jobs import Job
from countenance.jobs.job import read_record
from countenance.jobs.queue import ROOM, is_free, job_folder
from countenance.jobs.worker import TakeUp

COMMAND = (sys.executable, str(Path(__file__).with_name("command.py")))


@dataclass(frozen=True)
class Queue:
    """A project's queue, with workers as processes of their own."""

    folder: Path
    workers: "list[subprocess.Popen[bytes]]" = field(default_factory=list)

    @property
    def room(self) -> Path:
        return self.folder / ROOM

    def add(self, *words: str) -> int:
        return jobs.add(self.folder, ["verify", *words]).number

    def begin(self) -> "subprocess.Popen[bytes]":
        """A worker that can be killed."""
        worker = subprocess.Popen([*COMMAND, "jobs", "run"], cwd=self.folder)
        self.workers.append(worker)
        return worker

    def work(self, take_up: TakeUp = lambda _, job: job.arguments) -> list[Job]:
        """Work through the queue here; gives the jobs, each as it began and as it ended."""
        told: list[Job] = []
        for worker in self.workers:
            # Nothing waits for them any more.
            worker.wait()
        assert jobs.work(self.folder, command=COMMAND, take_up=take_up, told=told.append)
        return told

    def job(self, number: int) -> Job:
        return jobs.find_job(self.folder, number)

    def states(self) -> dict[int, str]:
        return {job.number: job.state for job in jobs.list_jobs(self.folder)}

    def ran(self) -> list[str]:
        path = self.folder / "ran.txt"
        return path.read_text().splitlines() if path.exists() else []

    def begun(self, name: str) -> int:
        """Wait until the command that waits for a file has begun; gives its process."""
        path = self.folder / f"{name}.begun"
        wait_until(lambda: path.exists() and path.read_text() != "")
        return int(path.read_text())

    def let(self, name: str) -> None:
        """Let the command that waits for a file go on."""
        (self.folder / name).touch()

    def attendant(self, number: int) -> int:
        """The process that waits for a job's command."""
        record = read_record(job_folder(self.room, number))
        assert record is not None
        return int(Path(f"/proc/{record.process}/stat").read_text().rsplit(")", 1)[1].split()[1])


def wait_until(is_so: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.01)


def kill(*processes: int) -> None:
    for process in processes:
        os.kill(process, signal.SIGKILL)


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Queue]:
    folder = tmp_path / "film"
    folder.mkdir()
    (folder / "countenance.toml").write_text('schema = 1\nid = "x"\nuse = "film"\n')
    queue = Queue(folder)
    yield queue
    for worker in queue.workers:
        worker.kill()
        worker.wait()
    for lock in queue.room.glob("*/lock"):
        while not is_free(lock):
            record = read_record(lock.parent)
            assert record is not None
            if record.process is not None:
                kill(record.process)
            time.sleep(0.02)
