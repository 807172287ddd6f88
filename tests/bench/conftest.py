"""A few frames of the demo's performance, with the exact answer, and the judge."""

from pathlib import Path

import numpy as np
import pytest

from countenance.bench.judge.measure import Judge, References
from countenance.bench.judge.metrics import Mask, Rgb
from countenance.demo import data_folder
from countenance.demo.compare import pictures

FRAMES = (*range(20), 60)


def _frames(path: Path) -> list[Rgb]:
    return [rgb for index, rgb in enumerate(pictures(path)) if index in FRAMES]


@pytest.fixture(scope="module")
def judge() -> Judge:
    return Judge()


@pytest.fixture(scope="module")
def truths() -> list[Rgb]:
    return _frames(data_folder() / "truth_zuri")


@pytest.fixture(scope="module")
def plates() -> list[Rgb]:
    return _frames(data_folder() / "performance.mp4")


@pytest.fixture(scope="module")
def masks() -> list[Mask]:
    return [rgb[..., 0].astype(np.float32) / 255 for rgb in _frames(data_folder() / "truth_zuri_mask")]


@pytest.fixture(scope="module")
def references(judge: Judge) -> References:
    likeness, performer = (list(pictures(data_folder() / f"{name}_training.mp4"))[::20] for name in ("zuri", "kofi"))
    return References(likeness=judge.mean_face(likeness), performer=judge.mean_face(performer))
