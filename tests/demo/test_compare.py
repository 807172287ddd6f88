"""The demo's figure of identity, on results of which it is known whom they show."""

from itertools import islice
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from countenance.demo import compare as compare_module
from countenance.demo.compare import compare, pictures
from countenance.progress import Silent
from countenance.steps.guards import Guard
from countenance.vision.identity import Recogniser, cut_chip, embed
from countenance.vision.landmarks import FaceFinder
from tests.support.videos import clip_of, write_video

NUM_FRAMES = 4


@pytest.fixture
def clips(tmp_path: Path, demo_data: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """A plate and its ground truth; the likeness's mean face comes from her training clip, not from a project."""

    def mean_embedding(*_: object) -> np.ndarray:
        find_faces = FaceFinder()
        chips = [cut_chip(rgb, find_faces(rgb)[0].landmarks_xyz[:, :2]) for rgb in clip_of("zuri", NUM_FRAMES)]
        return np.asarray(embed(Recogniser(), chips).mean(axis=0))

    monkeypatch.setattr(compare_module, "_mean_embedding", mean_embedding)
    plate, truth = (
        write_video(tmp_path / f"{name}.mp4", islice(pictures(demo_data / source), NUM_FRAMES))
        for name, source in (("plate", "performance.mp4"), ("truth", "truth_zuri"))
    )
    return plate, truth


def measured(plate: Path, result: Path, truth: Path) -> dict[str, float]:
    return compare(cast(Guard, None), "zuri", plate, result, truth, progress=Silent())


def test_the_ground_truth_as_result_is_nearer_to_the_likeness_than_the_plate_in_every_frame(
    clips: tuple[Path, Path],
) -> None:
    plate, truth = clips
    found = measured(plate, truth, truth)
    assert found["frames_compared"] == NUM_FRAMES
    assert found["result_distance"] == found["truth_distance"] < found["plate_distance"] - 0.05
    assert found["nearer_fraction"] == 1


def test_the_plate_as_result_is_nowhere_nearer_than_itself(clips: tuple[Path, Path]) -> None:
    plate, truth = clips
    found = measured(plate, plate, truth)
    assert found["result_distance"] == found["plate_distance"]
    assert found["nearer_fraction"] == 0
