"""Rendered folders as a camera filmed them, with masks and landmarks where that camera sees them.

Labels, depth and facts in the folder stay those of the render: the middle of the exposure, all rows at once.
"""

import io
import json
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from countenance.actors.performance import FRAME_RATE
from countenance.capture.film import film_frames
from countenance.capture.settings import Capture
from countenance.capture.shutter import Motion, exposed, points_exposed
from countenance.errors import ActorError
from countenance.project import write_whole

Rgb = UInt8[np.ndarray, "S S 3"]


def pictures_in(folder: Path) -> Iterator[Rgb]:
    """The PNG files of a folder, in the order of their names."""
    for path in sorted(folder.glob("*.png")):
        picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if picture is None:
            raise ActorError(f"{path} can't be read; delete it and run the same command again")
        yield np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)


def write_motion(path: Path, motion_xy: Motion) -> None:
    """The motion of a frame's pixels, to a hundredth of a pixel or so."""
    data = io.BytesIO()
    np.savez_compressed(data, motion_xy=motion_xy.astype(np.float16))
    write_whole(path, data.getvalue())


def motions_in(folder: Path) -> Iterator[Motion]:
    """The motions of a folder, in the order of their names."""
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as stored:
            yield stored["motion_xy"].astype(np.float32)


def filmed_pictures(folder: Path, capture: Capture) -> Iterator[Rgb]:
    """The frames of a rendered folder as filmed; two folders with the same capture get the same noise."""
    yield from film_frames(
        pictures_in(folder / "rgb"), capture, frame_rate=Fraction(FRAME_RATE), motion=motions_in(folder / "motion")
    )


def filmed_masks(folder: Path, capture: Capture) -> Iterator[UInt8[np.ndarray, "S S"]]:
    """How much of the light of each pixel comes from the face, 0–255, moved and blurred as the face is."""
    for picture, motion in zip(pictures_in(folder / "mask"), motions_in(folder / "motion"), strict=True):
        mask = picture[..., :1].astype(np.float32)
        yield np.round(exposed(mask, motion, capture.shutter, FRAME_RATE)[..., 0]).astype(np.uint8)


def filmed_landmarks(folder: Path, capture: Capture, size: int) -> Iterator[Float32[np.ndarray, "468 2"]]:
    """Landmarks in the middle of the exposure of the row in which each is found."""
    for path in sorted((folder / "facts").glob("*.json")):
        facts = json.loads(path.read_text())
        points, motion = (np.array(facts[name], np.float32) for name in ("landmarks_xy", "landmarks_motion_xy"))
        yield points_exposed(points, motion, size, capture.shutter, FRAME_RATE)
