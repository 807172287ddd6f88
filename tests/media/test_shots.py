"""A cut lasts, is larger than the motion around it, and is more than a change of light."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from countenance.media.probe import probe
from countenance.media.shots import THUMBNAIL_SIZE, Thumbnail, find_shots
from countenance.media.timeline import read_timeline
from countenance.progress import Silent


def pan(seed: int, num_frames: int, step_px: float = 0.5) -> list[Thumbnail]:
    """A camera that pans over coloured blots, 8 px each."""
    num_blots = 5 + int(num_frames * step_px) // 8
    blots = np.random.default_rng(seed).integers(20, 235, (4, num_blots, 3), np.uint8)
    fine = cv2.resize(blots, (num_blots * 64, 256), interpolation=cv2.INTER_CUBIC)
    starts = [round(index * step_px * 8) for index in range(num_frames)]
    size = (THUMBNAIL_SIZE, THUMBNAIL_SIZE)
    return [np.asarray(cv2.resize(fine[:, x : x + 256], size, interpolation=cv2.INTER_AREA), np.uint8) for x in starts]


def lit(pictures: Sequence[Thumbnail], factor: float) -> list[Thumbnail]:
    return [np.clip(picture * factor, 0, 255).astype(np.uint8) for picture in pictures]


FLASH = [np.full((THUMBNAIL_SIZE, THUMBNAIL_SIZE, 3), 250, np.uint8)]


@pytest.mark.parametrize(
    ("pictures", "shots"),
    [
        ([], []),
        (pan(0, 1), [0]),
        (pan(0, 1) + pan(1, 1), [0, 1]),
        (pan(0, 20) + pan(1, 20) + pan(2, 20), [0, 20, 40]),
        (lit(pan(0, 20) + pan(1, 20), 0.15), [0, 20]),
        (pan(0, 20) + pan(1, 4) + pan(2, 20), [0, 20, 24]),
        (pan(0, 20, step_px=12), [0]),
        (pan(0, 40)[:20] + lit(pan(0, 40)[20:], 0.4), [0]),
        (pan(0, 20)[:9] + FLASH * 2 + pan(0, 20)[11:], [0]),
        (pan(0, 20)[:15] + FLASH + pan(0, 20)[16:] + pan(1, 20), [0, 20]),
    ],
    ids=[
        "nothing",
        "one frame",
        "two frames",
        "cuts",
        "dark cuts",
        "short shot",
        "fast pan",
        "light",
        "flash",
        "flash near cut",
    ],
)
def test_shots_begin_at_cuts_only(pictures: list[Thumbnail], shots: list[int]) -> None:
    assert list(find_shots(pictures)) == shots


@pytest.mark.parametrize(("clip", "cuts"), [("kofi_training", [60, 120, 180]), ("performance", [])])
def test_shots_of_actors(demo_data: Path, clip: str, cuts: list[int]) -> None:
    assert read_timeline(probe(demo_data / f"{clip}.mp4"), Silent()).shots == (0, *cuts)
