from collections.abc import Callable
from dataclasses import replace
from itertools import islice

import cv2
import numpy as np
import pytest
from jaxtyping import UInt8

from countenance.composite.front import hidden_fraction, in_front
from countenance.composite.place import PlacedFace
from countenance.composite.swap import COARSE_SIZE, swap_faces
from countenance.demo import data_folder
from countenance.geometry import resample
from countenance.media.probe import probe
from countenance.media.reader import read_frames
from countenance.types import Frame
from countenance.vision.align import frame_to_crop, head_pose
from countenance.vision.landmarks import FaceFinder
from countenance.vision.mask import hull_in_crop
from countenance.vision.segment import Segmenter
from tests.support.drawers import Negative

Rgb = UInt8[np.ndarray, "H W 3"]


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    return Segmenter()


@pytest.fixture(scope="module")
def plate() -> tuple[Frame, PlacedFace]:
    (frame,) = islice(read_frames(probe(data_folder() / "performance.mp4")), 1)
    (face,) = FaceFinder()(frame.rgb)
    return frame, PlacedFace(track=0, landmarks_xyz=face.landmarks_xyz)


def microphone(rgb: Rgb) -> None:
    cv2.line(rgb, (128, 255), (140, 160), (20, 20, 22), 16, cv2.LINE_AA)
    cv2.circle(rgb, (140, 150), 18, (32, 34, 38), -1, cv2.LINE_AA)


def cup(rgb: Rgb) -> None:
    cv2.rectangle(rgb, (120, 140), (175, 215), (230, 230, 225), -1)


def hand(rgb: Rgb) -> None:
    for x in (118, 132, 146):
        cv2.line(rgb, (x, 240), (x + 4, 140), (150, 105, 80), 13, cv2.LINE_AA)


@pytest.mark.parametrize("draw", [microphone, cup, hand])
def test_what_is_in_front_stays_in_front(
    plate: tuple[Frame, PlacedFace], segmenter: Segmenter, draw: Callable[[Rgb], None]
) -> None:
    frame, face = plate
    rgb = frame.rgb.copy()
    draw(rgb)
    thing = (rgb != frame.rgb).any(axis=2)
    reported: list[float] = []
    with_thing = replace(frame, pixels=rgb)
    (result,) = swap_faces(
        [with_thing], {0: [face]}, Negative(), segmenter, report_hidden=lambda _, hidden: reported.append(hidden)
    )
    change = np.abs(result.rgb.astype(int) - rgb).mean(axis=2)
    core = cv2.erode(thing.astype(np.uint8), np.ones((7, 7))) > 0
    (whole,) = swap_faces([frame], {0: [face]}, Negative(), segmenter)
    painted = np.abs(whole.rgb.astype(int) - frame.rgb).mean(axis=2)
    inside = painted > 15
    # What would be painted over isn't; beside it the face is replaced as ever.
    assert painted[core & inside].mean() > 25
    assert change[core].mean() < 4
    beside = inside & ~cv2.dilate(thing.astype(np.uint8), np.ones((15, 15))).astype(bool)
    assert change[beside].mean() > 0.7 * painted[beside].mean()
    assert reported[0] > 0.03


def test_a_face_with_nothing_before_it_has_nothing_hidden(
    plate: tuple[Frame, PlacedFace], segmenter: Segmenter
) -> None:
    frame, face = plate
    to_crop = frame_to_crop(head_pose(face.landmarks_xyz), COARSE_SIZE)
    outline = hull_in_crop(face.landmarks_xyz, to_crop, COARSE_SIZE)
    crop = resample(frame.rgb, to_crop, (COARSE_SIZE, COARSE_SIZE))
    (hidden,) = in_front(segmenter, [crop], [outline])
    assert hidden_fraction(hidden, outline) < 0.02


def test_what_is_in_front_has_no_say_in_the_faces_colour(plate: tuple[Frame, PlacedFace], segmenter: Segmenter) -> None:
    """A white cup and a black one leave the rest alike: what the drawer is shown, and what it draws."""
    frame, face = plate
    results, shown = [], []
    for level in (10, 245):
        rgb = frame.rgb.copy()
        cv2.circle(rgb, (140, 150), 20, (level, level, level), -1, cv2.LINE_AA)
        drawer = Negative(size=COARSE_SIZE)
        (result,) = swap_faces([replace(frame, pixels=rgb)], {0: [face]}, drawer, segmenter)
        results.append(result.rgb.astype(int))
        shown.append(drawer.calls[0][0].rgb.astype(int))
    far = np.ones((256, 256), bool)
    far[120:181, 110:171] = False
    replaced = far & (np.abs(results[0] - frame.rgb).mean(axis=2) > 15)
    assert replaced.sum() > 2000
    assert np.abs(results[0] - results[1]).mean(axis=2)[replaced].mean() < 3
    # In all but a fifth of the crop there is no cup.
    assert np.quantile(np.abs(shown[0] - shown[1]).max(axis=2), 0.8) < 8
