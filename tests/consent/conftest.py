"""A project for film, and a folder in which people sign."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from countenance.project import create, opened
from tests.support.signing import Production


@pytest.fixture
def make_production(tmp_path: Path) -> Iterator[Callable[..., Production]]:
    """Makes the production of this test."""
    folder = tmp_path / "documents"
    folder.mkdir()
    open_projects = []

    def make(*, use: str = "film", title: str | None = None) -> Production:
        create(tmp_path / "film", use=use, title=title)
        open_projects.append(opened(tmp_path / "film"))
        return Production(project=open_projects[-1].__enter__(), folder=folder)

    yield make
    for project in open_projects:
        project.__exit__(None, None, None)


@pytest.fixture
def production(make_production: Callable[..., Production]) -> Production:
    return make_production()
