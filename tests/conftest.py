"""Shapes and types are checked while tests run; the user's own config folder is never touched."""

import os
from collections.abc import Iterator
from pathlib import Path

os.environ["OMP_WAIT_POLICY"] = "PASSIVE"

from jaxtyping import install_import_hook

CHECKED = (
    *("geometry", "types", "footage", "media", "vision", "faces", "coverage", "review"),
    *("composite", "model", "capture", "actors", "bench", "watermark", "forensics"),
)
install_import_hook([f"countenance.{room}" for room in CHECKED], "shape_checks.check")

import pytest
import torch
from hypothesis import settings

from countenance.demo import data_folder
from countenance.project import Project, create, opened

torch.set_num_threads(1)
# The same few examples at every run and on every machine, however slow.
settings.register_profile("countenance", derandomize=True, deadline=None, database=None, max_examples=60)
settings.load_profile("countenance")


@pytest.fixture(autouse=True)
def config_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A config folder of the test's own, for keys and log heads."""
    folder = tmp_path_factory.mktemp("config")
    monkeypatch.setenv("COUNTENANCE_CONFIG", str(folder))
    return folder


@pytest.fixture
def demo_data() -> Path:
    """Clips of synthetic actors."""
    return data_folder()


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """A new, empty project."""
    create(tmp_path / "project", use="research", title=None)
    with opened(tmp_path / "project") as project:
        yield project
