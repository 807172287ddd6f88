"""The page Jobs: what waits, in which order, and what each job is called."""

import pytest

from countenance import jobs
from countenance.jobs.job import VERBS
from countenance.project import Project
from countenance.studio.queue import TITLES, title_of
from tests.support.studio import Browser, studio_on


@pytest.fixture
def browser(project: Project) -> Browser:
    return Browser(studio_on(project.folder))


def test_each_verb_has_a_title() -> None:
    assert set(TITLES) == set(VERBS)


@pytest.mark.parametrize(
    ("arguments", "title"),
    [
        (["prepare", "dana"], "Find the faces of dana"),
        (["train", "dana", "--onto", "kim", "--set", "train.images=8"], "Learn the face of dana onto kim"),
        (
            [*("generate", "/films/plate.mp4", "--likeness", "dana", "--performer", "kim"), "--output", "a.mp4"],
            "Draw plate.mp4: dana onto kim",
        ),
        (["faces", "review", "kim", "--plate", "/films/plate.mp4"], "Look for kim in plate.mp4"),
    ],
)
def test_a_job_is_called_by_what_it_does(project: Project, arguments: list[str], title: str) -> None:
    assert title_of(jobs.add(project.folder, arguments)) == title


def test_waiting_jobs_change_places(project: Project, browser: Browser) -> None:
    first, second, third = (jobs.add(project.folder, ["prepare", name]).number for name in ("dana", "kim", "lee"))
    page = browser.get("/jobs").text
    assert page.index("Find the faces of dana") < page.index("Find the faces of lee")
    browser.submit("/jobs/move", number=str(third), to="first")
    browser.submit("/jobs/move", number=str(second), to=str(first))
    assert [job.number for job in jobs.list_jobs(project.folder)] == [third, second, first]


def test_a_job_that_is_stopped_can_be_tried_again(project: Project, browser: Browser) -> None:
    number = jobs.add(project.folder, ["prepare", "dana"]).number
    browser.submit("/jobs/stop", number=str(number))
    assert "Try again" in browser.get("/jobs").text
    assert browser.get(f"/jobs/{number}").json()["result"] is None
