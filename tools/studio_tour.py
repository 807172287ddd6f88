"""The whole job in the studio, by mouse, in a real browser: a test drives it, and docs/studio.md has its pictures.

    python -m tools.studio_tour OUTPUT

makes a project on two synthetic actors, with the clips of the demo, in a folder of its own, and leaves a picture of
each page in OUTPUT: dark at 1,280 px, light at 1,920 px. It needs Debian's chromium.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Literal

from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

from countenance.demo import data_folder

LIKENESS, PERFORMER, PLATE = "mira", "kofi", "performance.mp4"
PAGE_MS, JOB_MS = 20_000, 240_000
"""How long a page and a job may take on a busy machine."""
SETTLED_MS = 2_500
"""Until all pictures of a page have come."""
CAREFUL = "\n[prepare]\nmax_distance = 0.3\nmax_sure_distance = 0.1\n"
"""A production that wants to be asked about each track whose face isn't known beyond all doubt."""
SIZES: tuple[tuple[Literal["dark", "light"], int, int], ...] = (("dark", 1280, 800), ("light", 1920, 1080))

Shoot = Callable[[Page, str], None]
"""Take a picture of a page, by its name."""


@contextmanager
def running_studio(project: Path, *folders: Path) -> Iterator[str]:
    """A studio as a user starts it; gives the address that it prints."""
    command = [sys.executable, "-m", "countenance", "studio", str(project), "--no-open"]
    for folder in folders:
        command += ["--folder", str(folder)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            for line in process.stderr:
                if found := re.search(r"http://\S+", line):
                    yield found[0]
                    break
            else:
                raise RuntimeError("the studio ended before it said where it is")
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=20)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's browser, without a window."""
    path = shutil.which("chromium")
    assert path is not None
    with sync_playwright() as playwright:
        # Without its sandbox, which root can't have.
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


def whole_job(page: Page, address: str, project: Path, shoot: Shoot) -> Path:
    """From an empty folder to a verified file; gives the file that was published."""
    page.set_default_timeout(PAGE_MS)
    home = address.partition("?")[0].rstrip("/")
    page.goto(address)
    _make_project(page, shoot)
    _add_releases(page, home, shoot)
    with (project / "countenance.toml").open("a") as settings:
        settings.write(CAREFUL)
    for person in (LIKENESS, PERFORMER):
        _bring_footage(page, home, person, shoot)
    _review(page, home, shoot)
    _train(page, home, shoot)
    _tune(page, home, shoot)
    published = _publish(page, project, shoot)
    _verify(page, home, published, shoot)
    page.goto(f"{home}/jobs")
    shoot(page, "jobs")
    return published


def main() -> None:
    """Leave a picture of each page, in both looks."""
    output = Path(sys.argv[1])
    output.mkdir(parents=True, exist_ok=True)
    for theme, width, height in SIZES:
        with tempfile.TemporaryDirectory() as room:
            os.environ["COUNTENANCE_CONFIG"] = f"{room}/config"
            project = Path(room) / "film"

            def shoot(page: Page, name: str, theme: str = theme) -> None:
                page.wait_for_timeout(SETTLED_MS)
                picture = Image.open(BytesIO(page.screenshot()))
                picture.save(output / f"studio_{name}_{theme}.webp", quality=84, method=6)

            with running_studio(project, data_folder()) as address, chromium() as browser:
                page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=theme)
                whole_job(page, address, project, shoot)


def _make_project(page: Page, shoot: Shoot) -> None:
    page.get_by_label("Title of the production").fill("Countenance demo")
    page.get_by_label("research").check()
    shoot(page, "new")
    page.get_by_role("button", name="Make the project").click()
    expect(page.get_by_role("heading", name="Nobody has consented yet")).to_be_visible()


def _add_releases(page: Page, home: str, shoot: Shoot) -> None:
    for person in (LIKENESS, PERFORMER):
        page.goto(f"{home}/people")
        files = [data_folder() / f"{person}.png", data_folder() / f"{person}.release.toml"]
        page.locator("[data-drop] input[type=file]").set_input_files(files)
        expect(page.get_by_role("region", name=person)).to_contain_text("may be used")
    shoot(page, "people")


def _bring_footage(page: Page, home: str, person: str, shoot: Shoot) -> None:
    page.goto(f"{home}/footage/{person}")
    page.locator("[data-drop] input[type=file]").set_input_files(data_folder() / f"{person}_training.mp4")
    page.get_by_role("button", name="Prepare 1 clip").click(timeout=JOB_MS)
    expect(page.get_by_text("faces kept")).to_be_visible(timeout=JOB_MS)
    shoot(page, "footage")


def _review(page: Page, home: str, shoot: Shoot) -> None:
    page.goto(f"{home}/faces/{LIKENESS}")
    page.get_by_role("listbox", name="Faces").get_by_role("option").first.click()
    shoot(page, "faces")
    page.get_by_role("tab", name="Unsure").click()
    asked = page.get_by_role("heading", name=f"Is this {LIKENESS}?")
    expect(asked).to_be_visible()
    shoot(page, "unsure")
    while asked.is_visible():
        page.keyboard.press("y")
    page.keyboard.press("s")
    expect(page.get_by_text(f"Every track of {LIKENESS} is decided")).to_be_visible(timeout=JOB_MS)


def _train(page: Page, home: str, shoot: Shoot) -> None:
    page.goto(f"{home}/train/{LIKENESS}/{PERFORMER}")
    page.locator("input[name$=images]").first.fill("24")
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.get_by_role("button", name="Go on")).to_be_visible(timeout=JOB_MS)
    shoot(page, "train")


def _tune(page: Page, home: str, shoot: Shoot) -> None:
    page.goto(f"{home}/shots")
    page.get_by_role("button", name="Choose on this computer").click()
    page.get_by_label("Place").select_option(label=data_folder().name)
    page.get_by_role("option", name=PLATE).click()
    page.get_by_role("button", name="Choose", exact=True).click()
    page.get_by_role("button", name="Open", exact=True).click()
    page.get_by_role("button", name="Look through the plate").click()
    _set_sharpness(page, shoot)


def _set_sharpness(page: Page, shoot: Shoot) -> None:
    after = page.get_by_alt_text("After: with the likeness")
    expect(after).not_to_have_js_property("naturalWidth", 0, timeout=JOB_MS)
    page.locator("#set-sharpness").fill("0.4")
    page.locator("#set-sharpness").press("Enter")
    expect(page.get_by_text("Saved")).to_be_visible()
    page.wait_for_timeout(3_000)
    shoot(page, "shots")


def _publish(page: Page, project: Path, shoot: Shoot) -> Path:
    page.get_by_role("link", name="Publish").last.click()
    page.locator("#folder").fill(str(project))
    page.get_by_label("Name, ending in").fill("published.mp4")
    page.get_by_role("button", name="Publish", exact=True).click()
    expect(page.get_by_text("published.mp4").first).to_be_visible(timeout=JOB_MS)
    expect(page.locator("[data-credentials]").first).not_to_contain_text("Reading", timeout=JOB_MS)
    shoot(page, "publish")
    return project / "published.mp4"


def _verify(page: Page, home: str, published: Path, shoot: Shoot) -> None:
    page.goto(f"{home}/verify")
    page.locator("[data-drop] input[type=file]").set_input_files(published)
    expect(page.locator("iframe.report")).to_be_visible(timeout=JOB_MS)
    page.wait_for_timeout(500)
    shoot(page, "verify")


if __name__ == "__main__":
    main()
