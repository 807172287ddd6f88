"""A project of two people who consented, with face sets and a plate that was looked through; made once, then copied."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from countenance.consent.permit import grant_prepare
from countenance.progress import Silent
from countenance.project import create
from countenance.steps.collect import collect
from countenance.steps.review_plate import review_plate
from tests.support.production import LIKENESS, PERFORMER, STRANGER, TITLE, USE, Production, copied, open_production
from tests.support.studio import Browser, studio_on
from tests.support.videos import clip_of, write_video

SHOT_FRAMES = 14
"""Of the plate's first shot; the performer isn't in the second one."""


@dataclass(frozen=True, kw_only=True)
class PlateDesk:
    """A studio on a project whose plate was looked through."""

    production: Production
    browser: Browser

    @property
    def plate(self) -> Path:
        return self.production.folder / "plate.mp4"

    @property
    def chosen(self) -> dict[str, str]:
        """The fields by which a page knows plate and pair."""
        return {"plate": str(self.plate), "pair": f"{LIKENESS}:{PERFORMER}"}


@pytest.fixture(scope="session")
def scanned_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project, the plate beside it."""
    folder = tmp_path_factory.mktemp("scanned") / "production"
    create(folder / "project", use=USE, title=TITLE)
    with open_production(folder) as production:
        for person in (LIKENESS, PERFORMER):
            production.add(production.sign(person))
            clip = write_video(folder / f"{person}.mp4", clip_of(person, 12))
            collect(production.project, person, [clip], progress=Silent())
            production.prepare(person)
        plate = write_video(folder / "plate.mp4", [*clip_of(PERFORMER, SHOT_FRAMES), *clip_of(STRANGER, 10)])
        permit = grant_prepare(production.project, PERFORMER)
        review_plate(production.project, PERFORMER, permit, plate, [], forget=False, progress=Silent())
    return folder


@pytest.fixture
def desk(scanned_folder: Path, tmp_path: Path) -> Iterator[PlateDesk]:
    """A copy of it, and the browser of its studio."""
    with copied(scanned_folder, tmp_path / "production") as production:
        browser = Browser(studio_on(production.project.folder, production.folder))
        with browser:
            yield PlateDesk(production=production, browser=browser)
