"""Two people's projects, made with the command line."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from countenance.demo import data_folder
from tests.support.desk import TRAIN, Desk, started_forker
from tests.support.policy import ask_for_no_statements
from tests.support.videos import cut


@pytest.fixture(scope="session")
def forker() -> Iterator["subprocess.Popen[str]"]:
    with started_forker() as process:
        yield process


@pytest.fixture(scope="session")
def released_desk(forker: "subprocess.Popen[str]", tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """Dana and kim have released their faces; their footage is at hand."""
    desk = Desk(folder=tmp_path_factory.mktemp("released"), forker=forker)
    for person, actor, num_frames in (("dana", "zuri", 40), ("kim", "kofi", 12)):
        shutil.copyfile(data_folder() / f"{actor}.png", desk.folder / f"{person}.png")
        cut(actor, desk.folder / f"{person}.mp4", num_frames=num_frames)
    cut("performance", desk.folder / "plate.mp4", num_frames=16)
    assert desk.run("new", "film", cwd=desk.folder).code == 0
    ask_for_no_statements(desk.project)
    for person, role in (("dana", "likeness"), ("kim", "performer")):
        desk.do("release", "add", desk.release(person, role))
    return desk


@pytest.fixture(scope="session")
def collected_desk(released_desk: Desk, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """Their footage is in the project."""
    desk = released_desk.copy(tmp_path_factory.mktemp("collected") / "desk")
    for person in ("dana", "kim"):
        desk.do("collect", person, desk.folder / f"{person}.mp4")
    return desk


@pytest.fixture(scope="session")
def trained_desk(collected_desk: Desk, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """Faces are prepared, and a model is trained as far as that goes in a second."""
    desk = collected_desk.copy(tmp_path_factory.mktemp("trained") / "desk")
    for words in (("prepare", "dana"), ("prepare", "kim"), TRAIN):
        desk.do(*words)
    return desk


@pytest.fixture
def released(released_desk: Desk, tmp_path: Path) -> Desk:
    return released_desk.copy(tmp_path / "desk")


@pytest.fixture
def collected(collected_desk: Desk, tmp_path: Path) -> Desk:
    return collected_desk.copy(tmp_path / "desk")


@pytest.fixture
def trained(trained_desk: Desk, tmp_path: Path) -> Desk:
    return trained_desk.copy(tmp_path / "desk")
