"""Figures that tests share: building one takes a second."""

import pytest

from countenance.actors.actor import draw_actor
from countenance.actors.figure import Figure, build_figure, build_truth

LIKENESS, PERFORMER = 45, 7
"""Light, with hair to her shoulders; dark, with a beard."""


@pytest.fixture(scope="session")
def performer() -> Figure:
    return build_figure(draw_actor(PERFORMER))


@pytest.fixture(scope="session")
def likeness() -> Figure:
    return build_figure(draw_actor(LIKENESS))


@pytest.fixture(scope="session")
def exact() -> Figure:
    """The likeness's face on the performer's head."""
    return build_truth(draw_actor(LIKENESS), draw_actor(PERFORMER), "likeness")


@pytest.fixture(scope="session")
def toned() -> Figure:
    return build_truth(draw_actor(LIKENESS), draw_actor(PERFORMER), "performer")
