"""The page Jobs, and what the script of every page does when a job ends."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from playwright.sync_api import Page, Route

from countenance import jobs
from countenance.project import Project
from countenance.studio.app import STATIC, templates
from tests.support.studio import Browser, studio_on
from tools.studio_tour import chromium

HOME = "http://studio.test/"
SOURCE = """{% extends "base.html" %}{% from "parts.html" import job_line %}{% block main %}{{ job_line(job) }}
<form><input id="words"></form><dialog id="ask"><form><input id="inside"></form></dialog>{% endblock %}"""
LISTENS = """window.EventSource = class { addEventListener(_, hear) { window.say = (jobs) => hear({ data: jobs }); }
close() {} };"""


def test_one_that_is_stopping_is_killed_only_by_its_own_button(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser, asked = Browser(studio_on(project.folder)), list[str]()
    job = replace(jobs.add(project.folder, ["verify", "clip.mp4"]), state="running")
    stopping = replace(job, is_stopping=True)
    monkeypatch.setattr(jobs, "list_jobs", lambda _: [job])
    assert "Kill" not in browser.get("/jobs").text
    monkeypatch.setattr(jobs, "list_jobs", lambda _: [stopping])
    monkeypatch.setattr(jobs, "find_job", lambda *_: stopping)
    monkeypatch.setattr(jobs, "stop", lambda *_: asked.append("stop"))
    monkeypatch.setattr(jobs, "kill", lambda *_: asked.append("kill"))
    shown = browser.get("/jobs").text
    assert "Stopping" in shown
    assert 'action="/jobs/stop"' not in shown
    assert "data-sure" in shown.partition('action="/jobs/kill"')[2].partition("</form>")[0]
    assert browser.submit("/jobs/stop", number="1").status_code == 303
    assert asked == []
    assert browser.submit("/jobs/kill", number="1").status_code == 303
    assert asked == ["kill"]


@pytest.fixture(scope="module")
def window() -> Iterator[Any]:
    if shutil.which("chromium") is None:
        pytest.skip("needs Debian's browser: apt-get install chromium")
    with chromium() as browser:
        yield browser


@pytest.fixture
def shown(window: Any, project: Project) -> Iterator[tuple[Page, list[str]]]:
    """A page beside which a job runs, and each time that it was loaded."""
    job, loaded = replace(jobs.add(project.folder, ["verify", "clip.mp4"]), state="running"), list[str]()
    html = templates().from_string(SOURCE).render(job=job, tab="", title="", said="", project_name="", csrf="")

    def answer(route: Route) -> None:
        name = route.request.url.removeprefix(HOME)
        if name:
            route.fulfill(path=STATIC / name.removeprefix("static/"))
        else:
            loaded.append(name)
            route.fulfill(body=html, content_type="text/html")

    page = window.new_page()
    page.set_default_timeout(20_000)
    page.add_init_script(LISTENS)
    page.route("**/*", answer)
    page.goto(HOME)
    yield page, loaded
    page.close()


def end_job(page: Page) -> None:
    for state in ("running", "done"):
        said = json.dumps([{"number": 1, "state": state, "title": "verify", "progress": None, "message": None}])
        page.evaluate("(jobs) => window.say(jobs)", said)
    page.wait_for_timeout(300)


def test_a_page_is_loaded_again_when_its_job_ended(shown: tuple[Page, list[str]]) -> None:
    page, loaded = shown
    end_job(page)
    assert len(loaded) == 2


def test_what_was_typed_stays(shown: tuple[Page, list[str]]) -> None:
    page, loaded = shown
    page.fill("#words", "half a sentence")
    end_job(page)
    assert (page.input_value("#words"), len(loaded)) == ("half a sentence", 1)


def test_an_open_dialog_is_closed_first(shown: tuple[Page, list[str]]) -> None:
    page, loaded = shown
    page.evaluate("document.getElementById('ask').showModal()")
    page.fill("#inside", "half")
    end_job(page)
    assert (page.input_value("#inside"), len(loaded)) == ("half", 1)
    page.evaluate("document.getElementById('ask').close()")
    page.wait_for_timeout(300)
    assert len(loaded) == 2
