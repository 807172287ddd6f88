"""The order of jobs, their numbers, and what can be a job."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import get_args

import pytest

from countenance import jobs
from countenance.errors import UsageError
from countenance.jobs import queue as queue_module
from countenance.jobs.job import ENDED, with_options
from tests.jobs.conftest import Queue


def order(queue: Queue) -> list[int]:
    return [job.number for job in jobs.list_jobs(queue.folder) if job.state == "waiting"]


def test_each_state_is_open_or_ended() -> None:
    assert sorted(get_args(jobs.State)) == sorted([*jobs.OPEN, *ENDED])


def test_jobs_are_taken_in_the_order_in_which_they_were_added(queue: Queue) -> None:
    assert jobs.list_jobs(queue.folder) == []
    assert not queue.room.exists()
    assert [queue.add("say"), queue.add("say"), queue.add("say")] == order(queue) == [1, 2, 3]


def test_waiting_jobs_are_moved(queue: Queue) -> None:
    for _ in range(4):
        queue.add("say")
    jobs.move(queue.folder, 3, to="first")
    assert order(queue) == [3, 1, 2, 4]
    jobs.move(queue.folder, 4, to=1)
    assert order(queue) == [3, 4, 1, 2]
    jobs.move(queue.folder, 4, to="last")
    assert order(queue) == [3, 1, 2, 4]
    jobs.move(queue.folder, 4, to=4)
    jobs.move(queue.folder, 3, to="first")
    assert order(queue) == [3, 1, 2, 4]
    jobs.stop(queue.folder, 2)
    for number, to in ((2, 3), (3, 2)):
        with pytest.raises(UsageError, match="job 2 doesn't wait"):
            jobs.move(queue.folder, number, to=to)


def test_one_that_is_stopped_before_it_began_is_put_back_at_the_end(queue: Queue) -> None:
    for _ in range(3):
        queue.add("say")
    assert jobs.stop(queue.folder, 1).state == "stopped"
    assert order(queue) == [2, 3]
    queue.work()
    assert len(queue.ran()) == 2
    queue.add("say")
    assert jobs.retry(queue.folder, 1).state == "waiting"
    assert order(queue) == [4, 1]
    assert jobs.retry(queue.folder, 1).state == "waiting"
    assert order(queue) == [4, 1]


def test_a_number_is_never_given_twice(queue: Queue) -> None:
    queue.add("say")
    jobs.stop(queue.folder, queue.add("say"))
    assert jobs.clear(queue.folder) == 1
    assert (queue.add("say"), order(queue)) == (3, [1, 3])
    with pytest.raises(UsageError, match="there is no job 2 here") as raised:
        jobs.stop(queue.folder, 2)
    assert raised.value.code == "usage.no_job"


def test_what_is_sent_twice_is_one_job(queue: Queue) -> None:
    def add(once: str) -> int:
        return jobs.add(queue.folder, ["verify", once], once=once).number

    with ThreadPoolExecutor() as pool:
        numbers = list(pool.map(add, ["a", "b"] * 6))
    assert len(set(numbers)) == 2
    queue.work()
    assert sorted(queue.ran()) == ["a", "b"]
    assert add("a") in numbers


@pytest.mark.parametrize("words", [(), ("demo",), ("forget", "dana", "--yes"), ("faces", "list", "dana"), ("Verify",)])
def test_only_what_may_take_long_is_a_job(queue: Queue, words: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match="expected a command that may take long") as raised:
        jobs.add(queue.folder, words)
    assert raised.value.code == "usage.job"
    assert not queue.room.exists()


def test_options_stand_where_they_count() -> None:
    assert with_options(["verify", "--", "--a.mp4"], "--json") == ["verify", "--json", "--", "--a.mp4"]
    assert with_options(["faces", "show", "dana"], "--json") == ["faces", "show", "--json", "dana"]
    assert with_options(["train", "report"], "--json") == ["train", "report", "--json"]
    assert with_options(["train", "dana"], "--json", "--x") == ["train", "--json", "--x", "dana"]


def test_only_the_last_ended_jobs_are_kept(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_module, "MOST_ENDED", 3)
    queue.add("say")
    for _ in range(5):
        jobs.stop(queue.folder, queue.add("say"))
    queue.add("say")
    assert queue.states() == {1: "waiting", 5: "stopped", 6: "stopped", 7: "waiting"}


def test_a_link_in_place_of_the_queue_is_refused(queue: Queue, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    queue.room.symlink_to(tmp_path / "other")
    for call in (lambda: queue.add("say"), lambda: jobs.list_jobs(queue.folder), lambda: jobs.clear(queue.folder)):
        with pytest.raises(UsageError, match="it is a link"):
            call()


def test_a_record_that_somebody_changed_is_named(queue: Queue) -> None:
    path = queue.room / f"{queue.add('say'):06}" / "job.json"
    path.write_text(json.dumps({"number": 1}))
    with pytest.raises(UsageError, match=r"job\.json should describe a job"):
        jobs.list_jobs(queue.folder)


def test_a_job_that_was_killed_while_it_was_added_isnt_there(queue: Queue) -> None:
    (queue.room / f"{queue.add('say') + 1:06}").mkdir()
    assert queue.states() == {1: "waiting"}
