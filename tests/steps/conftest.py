"""A project of two people who consented, made once; each test works on a copy of it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from countenance.consent.permit import grant
from countenance.progress import Silent
from countenance.project import create
from countenance.provenance import publish
from countenance.provenance.fingerprint import packed
from countenance.steps.collect import collect
from countenance.steps.train import train
from tests.support.production import LIKENESS, PERFORMER, TITLE, TRAINING, USE, Production, copied, open_production
from tests.support.videos import clip_of, write_video


@pytest.fixture
def unmarked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Publishes without a watermark, for tests that compare the composite's own pixels."""

    def plain(pixels: np.ndarray, _: int) -> np.ndarray:
        return pixels

    monkeypatch.setattr(publish, "mark", plain)
    monkeypatch.setattr(publish, "_read_back", lambda *_: packed([]))


@pytest.fixture(scope="session")
def released_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that has both releases, and nothing else."""
    folder = tmp_path_factory.mktemp("released")
    create(folder / "project", use=USE, title=TITLE)
    with open_production(folder) as production:
        for person in (LIKENESS, PERFORMER):
            production.add(production.sign(person))
    return folder


@pytest.fixture(scope="session")
def trained_folder(released_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with footage, face sets and a model; bad, but a model."""
    folder = tmp_path_factory.mktemp("trained") / "production"
    shutil.copytree(released_folder, folder)
    with open_production(folder) as production:
        project = production.project
        for person in (LIKENESS, PERFORMER):
            clip = write_video(folder / f"{person}.mp4", clip_of(person, 24))
            collect(project, person, [clip], progress=Silent())
            production.prepare(person)
        permit = grant(project, "train", likeness=LIKENESS, performer=PERFORMER)
        train(project, LIKENESS, PERFORMER, permit, TRAINING, progress=Silent(), should_stop=lambda: False)
    return folder


@pytest.fixture
def released(released_folder: Path, tmp_path: Path) -> Iterator[Production]:
    """A copy of the project with both releases."""
    with copied(released_folder, tmp_path / "production") as production:
        yield production


@pytest.fixture
def trained(trained_folder: Path, tmp_path: Path) -> Iterator[Production]:
    """A copy of the project with a trained model."""
    with copied(trained_folder, tmp_path / "production") as production:
        yield production
