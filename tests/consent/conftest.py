"""A project for film, and a folder in which people sign."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from countenance.project import create, opened
from tests.support.policy import ask_for_no_statements
from tests.support.signing import Production


@pytest.fixture
def make_production(tmp_path: Path) -> Iterator[Callable[..., Production]]:
    """Makes the production of this test."""
    folder = tmp_path / "documents"
    folder.mkdir()
    open_projects = []

    def make(*, use: str = "film", title: str | None = None, statements: bool = False) -> Production:
        create(tmp_path / "film", use=use, title=title)
        if not statements:
            ask_for_no_statements(tmp_path / "film")
        open_projects.append(opened(tmp_path / "film"))
        return Production(project=open_projects[-1].__enter__(), folder=folder)

    yield make
    for project in open_projects:
        project.__exit__(None, None, None)


@pytest.fixture
def production(make_production: Callable[..., Production]) -> Production:
    return make_production()
