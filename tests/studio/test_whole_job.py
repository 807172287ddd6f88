"""The whole job in a real browser, on two synthetic actors."""

import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Page

from countenance.demo import data_folder
from countenance.project import opened_to_read
from countenance.steps.verify import verify
from tools.studio_tour import chromium, running_studio, whole_job

PICTURES = frozenset({"new", "people", "footage", "faces", "unsure", "train", "shots", "publish", "verify", "jobs"})
BUG = 500


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs Debian's browser: apt-get install chromium")
def test_the_whole_job_by_mouse(tmp_path: Path) -> None:
    wrong: list[str] = []

    def shoot(page: Page, name: str) -> None:
        page.screenshot(path=tmp_path / f"{name}.png")

    project = tmp_path / "film"
    with running_studio(project, data_folder()) as address, chromium() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 800}, color_scheme="dark")
        page.on("pageerror", lambda error: wrong.append(str(error)))
        # While a job begins to write, what only reads may be told to try again; a fault of ours never passes.
        page.on("response", lambda answer: wrong.append(answer.url) if answer.status == BUG else None)
        published = whole_job(page, address, project, shoot)
    with opened_to_read(project) as known:
        report = verify(published, known).report
    assert next(each for each in report.findings if each.about == "credentials").state == "trusted"
    assert {path.stem for path in tmp_path.glob("*.png")} == PICTURES
    assert wrong == []
