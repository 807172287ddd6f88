"""Jobs go with the person whom they name."""

import threading
import time
from pathlib import Path

from countenance import jobs
from countenance.jobs.naming import forget_jobs, jobs_naming
from countenance.jobs.queue import editing
from countenance.project import erase
from tests.jobs.conftest import Queue, wait_until


def test_jobs_are_found_by_arguments_log_and_result(queue: Queue) -> None:
    for words in (("say", "footage/dana.mp4"), ("say", "dana-2"), ("say", "bandana"), ("fail",)):
        queue.add(*words)
    queue.work()
    (queue.room / "000003" / "log.txt").write_text("2 clips of dana.\n")
    (queue.room / "000004" / "result.json").write_text('{"person": "dana"}')
    assert [job.name for job in jobs_naming(queue.folder, "dana")] == ["000001", "000003", "000004"]
    forget_jobs(queue.folder, "dana")
    assert queue.states() == {2: "done"}


def test_where_there_is_no_queue_none_is_made(queue: Queue) -> None:
    forget_jobs(queue.folder, "dana")
    assert not queue.room.exists()


def test_one_that_runs_is_stopped_first_and_the_queue_goes_on(queue: Queue) -> None:
    queue.add("wait", "dana")
    queue.add("say", "kim")
    worker = queue.begin()
    command = queue.begun("dana")
    forget_jobs(queue.folder, "dana")
    assert queue.states().keys() == {2}
    assert worker.wait(timeout=60) == 0
    assert queue.states() == {2: "done"}
    assert queue.ran() == ["wait dana", "say kim"]
    assert not _lives(command)


def test_the_next_one_isnt_begun_before_they_are_gone(queue: Queue) -> None:
    queue.add("ignore", "dana")
    queue.add("say", "dana")
    queue.begin()
    queue.begun("dana")
    forgetting = threading.Thread(target=forget_jobs, args=(queue.folder, "dana"))
    forgetting.start()
    wait_until(lambda: queue.job(1).is_stopping)
    time.sleep(0.3)
    queue.let("dana")
    forgetting.join()
    assert queue.states() == {}
    assert queue.ran() == ["ignore dana"]


def test_a_job_that_forgets_somebody_isnt_stopped_by_itself(queue: Queue) -> None:
    """As any command does that writes, once the day is over until which data may be kept."""
    queue.add("forget", "dana")
    queue.add("say")
    queue.work()
    assert queue.states() == {2: "done"}
    assert (queue.folder / "forgot dana").exists()


def _lives(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_where_one_was_removed_a_second_try_finds_nothing(queue: Queue) -> None:
    queue.add("say", "dana")
    forget_jobs(queue.folder, "dana")
    forget_jobs(queue.folder, "dana")
    assert jobs.list_jobs(queue.folder) == []


def test_jobs_are_looked_through_while_none_is_removed(queue: Queue) -> None:
    for _ in range(2):
        queue.add("say", "dana")
    found = list[list[Path]]()
    looking = threading.Thread(target=lambda: found.append(jobs_naming(queue.folder, "dana")))
    with editing(queue.room):
        looking.start()
        looking.join(0.3)
        assert looking.is_alive()
        erase(queue.room / "000001")
    looking.join()
    assert [job.name for job in found[0]] == ["000002"]
