"""Whatever is killed, nothing is lost and nothing is done twice."""

import os
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from countenance import jobs
from countenance.errors import UsageError
from countenance.jobs import Job
from countenance.jobs import queue as queue_module
from countenance.jobs.queue import WORKER_LOCK, is_free, paused
from countenance.progress import Task
from countenance.project import Project
from tests.jobs.conftest import COMMAND, Queue, kill, wait_until


def test_jobs_are_done_one_after_another_and_say_how_they_ended(queue: Queue) -> None:
    for words in (("say", "a b"), ("fail",), ("silent",)):
        queue.add(*words)
    told = queue.work()
    assert [(job.number, job.state) for job in told] == [
        (1, "running"),
        (1, "done"),
        (2, "running"),
        (2, "failed"),
        (3, "running"),
        (3, "failed"),
    ]
    done, failed, silent = jobs.list_jobs(queue.folder)
    assert (done.exit_code, done.message, done.code, done.is_stopping) == (0, None, None, False)
    assert (failed.exit_code, failed.message) == (4, "no face is there; look elsewhere")
    assert (failed.code, silent.code) == ("face.not_found", "bug")
    assert "ended with 1 and said no more" in str(silent.message)
    assert jobs.result_of(queue.folder, 1) == {"did": "say"}
    assert jobs.log_of(queue.folder, 1) == "$ countenance verify say 'a b'\non say\n"
    assert done.command == "countenance verify say 'a b'"
    assert done.added_at <= str(done.begun_at) <= str(done.ended_at)
    assert queue.ran() == ["say a b", "fail", "silent"]


def test_a_running_job_shows_how_far_it_is(queue: Queue) -> None:
    number = queue.add("show", "go")
    queue.begin()
    queue.begun("go")
    job = queue.job(number)
    assert job.state == "running"
    assert job.progress is not None
    (task,) = job.progress.tasks
    assert (task.what, task.unit, task.done, task.total) == ("looking", "faces", 6, 10)
    assert task.seconds_left is not None
    assert job.progress.notes == ("dark footage",)
    assert jobs.result_of(queue.folder, number) is None
    queue.let("go")
    wait_until(lambda: queue.job(number).state == "done")
    assert queue.job(number).progress is None
    assert isinstance(task, Task)


def test_a_running_job_that_is_stopped_saves_and_can_go_on(queue: Queue) -> None:
    number, after = queue.add("wait", "go"), queue.add("say")
    queue.begin()
    queue.begun("go")
    assert (jobs.stop(queue.folder, number).state, queue.job(number).is_stopping) == ("running", True)
    wait_until(lambda: queue.job(after).state == "done")
    job = queue.job(number)
    assert (job.state, job.exit_code, job.message, job.is_stopping) == ("stopped", 130, None, False)
    queue.let("go")
    assert jobs.retry(queue.folder, number).state == "waiting"
    queue.work()
    assert queue.job(number).state == "done"
    assert queue.ran() == ["wait go", "say", "wait go"]


def test_one_that_is_stopped_before_its_command_began_hears_of_it(queue: Queue) -> None:
    number = queue.add("wait", "go")
    queue.begin()
    wait_until(lambda: queue.job(number).state == "running")
    jobs.stop(queue.folder, number)
    wait_until(lambda: queue.job(number).state == "stopped")


def test_one_that_is_stopped_before_it_can_say_so_is_stopped(queue: Queue) -> None:
    number = queue.add("startle", "go")
    queue.begin()
    queue.begun("go")
    jobs.stop(queue.folder, number)
    wait_until(lambda: queue.job(number).state == "stopped")


def test_one_that_hears_nothing_is_killed_when_it_is_asked_again_later(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = queue.add("ignore", "go")
    queue.begin()
    queue.begun("go")
    jobs.stop(queue.folder, number)
    jobs.stop(queue.folder, number)
    time.sleep(0.3)
    assert queue.job(number).state == "running"
    monkeypatch.setattr(queue_module, "PATIENCE_S", 0.0)
    jobs.stop(queue.folder, number)
    wait_until(lambda: queue.job(number).state == "stopped")
    queue.work()
    assert queue.ran() == ["ignore go"]


def test_only_one_that_is_stopping_is_killed(queue: Queue) -> None:
    number = queue.add("ignore", "go")
    queue.begin()
    queue.begun("go")
    with pytest.raises(UsageError, match="stop it first"):
        jobs.kill(queue.folder, number)
    jobs.stop(queue.folder, number)
    assert jobs.kill(queue.folder, number).is_stopping
    wait_until(lambda: queue.job(number).state == "stopped")
    assert jobs.kill(queue.folder, number).state == "stopped"


def test_two_workers_at_once_do_nothing_twice(queue: Queue) -> None:
    names = [f"say {number}" for number in range(6)]
    for name in names:
        queue.add(*name.split())
    first = [queue.begin(), queue.begin(), queue.begin()]
    assert [worker.wait() for worker in first] == [0, 0, 0]
    wait_until(lambda: set(queue.states().values()) == {"done"})
    assert queue.ran() == names


def test_whoever_adds_a_job_finds_it_done_whatever_the_worker_is_about_to_do(queue: Queue) -> None:
    """Several add and start workers at the same time, as those before them end."""

    def add_some(name: str) -> None:
        for number in range(4):
            queue.add("say", f"{name}{number}")
            jobs.start_worker(queue.folder, command=COMMAND)
            time.sleep(0.2 * number)

    with ThreadPoolExecutor() as pool:
        list(pool.map(add_some, "abc"))
    wait_until(lambda: set(queue.states().values()) == {"done"})
    assert len(queue.ran()) == len(set(queue.ran())) == 12
    wait_until(lambda: jobs.work(queue.folder, command=COMMAND))
    assert not jobs.start_worker(queue.folder, command=COMMAND)


def test_a_worker_that_is_started_outlives_who_started_it(queue: Queue) -> None:
    queue.add("wait", "go")
    script = (
        f"from pathlib import Path; from countenance.jobs import start_worker as s; s(Path('.'), command={COMMAND})"
    )
    subprocess.run([COMMAND[0], "-c", script], cwd=queue.folder, check=True, timeout=60)
    queue.begun("go")
    queue.let("go")
    wait_until(lambda: queue.job(1).state == "done")


def test_a_killed_worker_loses_no_outcome(queue: Queue) -> None:
    number, after = queue.add("wait", "go"), queue.add("say")
    worker = queue.begin()
    queue.begun("go")
    worker.kill()
    worker.wait()
    assert queue.job(number).state == "running"
    queue.let("go")
    wait_until(lambda: queue.job(number).state == "done")
    assert queue.job(after).state == "waiting"
    queue.work()
    assert queue.ran() == ["wait go", "say"]


def test_a_new_worker_waits_for_what_the_killed_one_began(queue: Queue) -> None:
    queue.add("wait", "go")
    queue.add("say")
    worker = queue.begin()
    queue.begun("go")
    worker.kill()
    worker.wait()
    queue.begin()
    wait_until(lambda: not is_free(queue.room / WORKER_LOCK))
    time.sleep(0.3)
    assert queue.states() == {1: "running", 2: "waiting"}
    queue.let("go")
    wait_until(lambda: queue.states() == {1: "done", 2: "done"})
    assert queue.ran() == ["wait go", "say"]


def test_a_killed_command_is_taken_up_again(queue: Queue) -> None:
    number = queue.add("wait", "go")
    queue.begin()
    kill(queue.begun("go"))
    wait_until(lambda: len(queue.ran()) == 2)
    queue.let("go")
    wait_until(lambda: queue.job(number).state == "done")
    assert queue.job(number).interruptions == 1


def test_one_that_is_killed_again_and_again_fails_in_the_end(queue: Queue) -> None:
    number, after = queue.add("crash"), queue.add("say")
    queue.work()
    job = queue.job(number)
    assert (job.state, job.code) == ("failed", "job.killed")
    assert f"countenance jobs retry {number}" in str(job.message)
    assert queue.ran() == ["crash"] * 4 + ["say"]
    assert queue.job(after).state == "done"
    jobs.retry(queue.folder, number)
    queue.work()
    assert len(queue.ran()) == 9


def test_a_command_outlives_the_process_that_attends_to_it(queue: Queue) -> None:
    number = queue.add("wait", "go")
    worker = queue.begin()
    queue.begun("go")
    worker.kill()
    worker.wait()
    attendant = queue.attendant(number)
    kill(attendant)
    wait_until(lambda: queue.attendant(number) != attendant)
    assert queue.job(number).state == "running"
    queue.begin()
    wait_until(lambda: not is_free(queue.room / WORKER_LOCK))
    time.sleep(0.3)
    assert (queue.job(number).state, queue.ran()) == ("running", ["wait go"])
    # Nobody wrote down how it ended, so it is run again, which finds everything done.
    queue.let("go")
    wait_until(lambda: queue.job(number).state == "done")
    assert queue.ran() == ["wait go"] * 2


def test_one_without_an_attendant_can_be_stopped(queue: Queue) -> None:
    number = queue.add("wait", "go")
    queue.begin()
    queue.begun("go")
    kill(queue.attendant(number))
    jobs.stop(queue.folder, number)
    wait_until(lambda: queue.job(number).state == "stopped")
    assert queue.ran() == ["wait go"]


def test_where_all_are_killed_the_next_worker_takes_it_up(queue: Queue) -> None:
    number = queue.add("wait", "go")
    worker = queue.begin()
    command = queue.begun("go")
    worker.kill()
    kill(queue.attendant(number), command)
    worker.wait()
    wait_until(lambda: queue.job(number).state == "interrupted")
    queue.let("go")
    assert jobs.start_worker(queue.folder, command=COMMAND)
    wait_until(lambda: queue.job(number).state == "done")
    assert queue.ran() == ["wait go"] * 2


def test_what_was_done_but_for_saying_so_isnt_done_again(queue: Queue) -> None:
    number = queue.add("crash")
    asked: list[Job] = []

    def take_up(folder: Path, job: Job) -> Sequence[str] | Mapping[str, Any]:
        assert folder == queue.folder
        asked.append(job)
        return {"did": "everything"}

    queue.work(take_up)
    assert (queue.job(number).state, queue.ran()) == ("done", ["crash"])
    assert jobs.result_of(queue.folder, number) == {"did": "everything"}
    assert [job.state for job in asked] == ["interrupted"]


def test_a_page_that_a_killed_command_left_is_written_anew(queue: Queue) -> None:
    queue.add("page", "report.html")
    queue.work()
    assert queue.job(1).state == "done"
    assert (queue.folder / "report.html").read_text() == "whole"


def test_a_page_of_somebody_else_is_never_replaced(queue: Queue) -> None:
    page = queue.folder / "report.html"
    page.write_text("theirs")
    os.utime(page, (0, 0))
    number = queue.add("page", "report.html", "early")
    queue.work()
    assert (queue.job(number).state, queue.job(number).code) == ("failed", "usage.exists")
    assert queue.job(number).interruptions == 1
    assert page.read_text() == "theirs"


def test_a_job_waits_for_a_command_by_hand(project: Project) -> None:
    queue = Queue(project.folder)
    number, after = queue.add("write"), queue.add("say")
    with project.writing():
        worker = queue.begin()
        wait_until(lambda: queue.job(number).code == "usage.project_locked")
        assert queue.job(number).state == "waiting"
        assert queue.job(number).message == "another command is writing; wait"
        time.sleep(1)
        assert queue.ran() == ["write"]
    assert worker.wait(timeout=60) == 0
    assert queue.states() == {number: "done", after: "done"}
    assert queue.ran() == ["write", "write", "say"]
    assert queue.job(number).interruptions == 0


def test_one_that_waits_for_a_command_by_hand_can_be_stopped(project: Project) -> None:
    queue = Queue(project.folder)
    number = queue.add("write")
    with project.writing():
        worker = queue.begin()
        wait_until(lambda: queue.job(number).code == "usage.project_locked")
        assert jobs.stop(queue.folder, number).state == "stopped"
        assert worker.wait(timeout=60) == 0


def test_nothing_is_begun_as_long_as_it_is_paused(queue: Queue) -> None:
    queue.add("say")
    with paused(queue.folder), paused(queue.folder):
        worker = queue.begin()
        time.sleep(1)
        assert queue.states() == {1: "waiting"}
    assert worker.wait(timeout=60) == 0
    assert queue.states() == {1: "done"}


def test_one_that_is_about_to_be_begun_isnt_either(queue: Queue) -> None:
    number = queue.add("crash")
    pause, asked = ExitStack(), 0

    def take_up(folder: Path, _: Job) -> Mapping[str, Any]:
        nonlocal asked
        asked += 1
        if asked == 1:
            pause.enter_context(paused(folder))
            threading.Timer(0.5, pause.close).start()
        return {"did": "everything"}

    queue.work(take_up)
    assert (queue.job(number).state, asked) == ("done", 2)


def test_a_folder_that_is_gone_is_said(queue: Queue, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    number = jobs.add(queue.folder, ["verify", "say"], working_folder=gone).number
    gone.rmdir()
    queue.work()
    job = queue.job(number)
    assert (job.state, job.code) == ("failed", "system.file")
    assert f"can't be started: {gone}: No such file or directory" in str(job.message)


def test_a_user_s_folder_is_no_place_for_modules(queue: Queue) -> None:
    (queue.folder / "filelock.py").write_text("raise SystemExit(3)")
    number = queue.add("say")
    jobs.start_worker(queue.folder, command=COMMAND)
    wait_until(lambda: queue.job(number).state == "done")


def test_no_file_of_a_job_is_anybody_else_s(queue: Queue) -> None:
    old = os.umask(0)
    try:
        queue.add("fail")
        queue.work()
    finally:
        os.umask(old)
    modes = {path.name: path.stat().st_mode & 0o777 for path in queue.room.rglob("*")}
    assert modes.pop("000001") == 0o700
    assert set(modes) == {"job.json", "lock", "log.txt", "result.json", "order.json", "queue.lock", "worker.lock"}
    assert set(modes.values()) == {0o600}
    assert queue.room.stat().st_mode & 0o777 == 0o700
