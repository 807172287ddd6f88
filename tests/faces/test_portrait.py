"""A real face, which nothing here was trained on: found, aligned and masked, beside what was marked by hand.

Nothing is learned from it, and it goes into no project; see tests/data/README.md.
"""

from pathlib import Path

import cv2
import numpy as np
import pytest
from jaxtyping import UInt8

from countenance.faces.look import Description, describe_face
from countenance.geometry import invert
from countenance.media.probe import probe
from countenance.media.reader import read_frames
from countenance.types import DetectedFace
from countenance.vision.align import frame_to_crop, head_pose
from countenance.vision.crops import CROP_SIZE
from countenance.vision.gaze import EyeFinder
from countenance.vision.landmarks import FaceFinder
from countenance.vision.segment import Segmenter

Rgb = UInt8[np.ndarray, "H W 3"]

PORTRAIT = Path(__file__).parents[1] / "data/portrait.jpg"
# Pixels, read off an enlargement with a grid.
MARKED_XY = {
    33: (193, 99),
    133: (213, 102),
    362: (236, 103),
    263: (259, 103),
    61: (203, 140),
    291: (245, 141),
    152: (223, 179),
}
"""Eye corners, corners of the mouth, chin; by their numbers in the mesh."""
OUTLINE_XY = (
    *((187, 75), (185, 85), (181, 100), (181, 115), (182, 130), (183, 145), (188, 158), (196, 168), (206, 175)),
    *((216, 179), (226, 179), (236, 176), (246, 171), (256, 163), (262, 155), (266, 145), (268, 132), (269, 115)),
    *((269, 100), (266, 92), (258, 89), (247, 85), (238, 84), (228, 81), (215, 80), (203, 79), (195, 77), (190, 73)),
)
"""Of the face that is seen: from the fringe along the cheeks to the chin, without ears and neck."""


@pytest.fixture(scope="module")
def rgb() -> Rgb:
    (frame,) = read_frames(probe(PORTRAIT))
    return frame.rgb


@pytest.fixture(scope="module")
def face(rgb: Rgb) -> DetectedFace:
    (face,) = FaceFinder()(rgb)
    return face


@pytest.fixture(scope="module")
def description(rgb: Rgb, face: DetectedFace) -> Description:
    return describe_face(rgb, face.landmarks_xyz, Segmenter(), EyeFinder(), CROP_SIZE)


def test_it_is_found_and_the_mesh_sits(face: DetectedFace) -> None:
    marked = np.array(list(MARKED_XY.values()))
    apart = np.linalg.norm(face.landmarks_xyz[list(MARKED_XY), :2] - marked, axis=1)
    between_eyes = np.linalg.norm(marked[0] - marked[3])
    assert apart.mean() < 0.04 * between_eyes
    assert apart.max() < 0.08 * between_eyes


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_lying_or_on_its_head_it_is_found_too(rgb: Rgb, face: DetectedFace, turns: int) -> None:
    (turned,) = FaceFinder()(np.ascontiguousarray(np.rot90(rgb, turns)))
    upright, lying = head_pose(face.landmarks_xyz), head_pose(turned.landmarks_xyz)
    assert lying.crop_side_px == pytest.approx(upright.crop_side_px, rel=0.05)
    assert (lying.roll_deg - upright.roll_deg) % 360 == pytest.approx(90 * turns, abs=5)


def test_it_is_upright_in_its_crop_and_looks_at_us(description: Description) -> None:
    yaw, pitch, roll = description.quality.yaw_pitch_roll_deg
    assert max(abs(yaw), abs(pitch), abs(roll)) < 10
    assert description.quality.gaze_deg is not None
    assert np.abs(description.quality.gaze_deg).max() < 10


def test_the_mask_ends_at_fringe_cheeks_and_chin(face: DetectedFace, description: Description, rgb: Rgb) -> None:
    assert description.visible.origin == "segmenter"
    to_frame = invert(frame_to_crop(head_pose(face.landmarks_xyz), CROP_SIZE))
    found = cv2.warpAffine(description.visible.mask, to_frame, rgb.shape[1::-1]) > 0.5
    marked = cv2.fillPoly(np.zeros(rgb.shape[:2], np.uint8), [np.array(OUTLINE_XY)], 1) > 0
    shared, either = (found & marked).sum(), (found | marked).sum()
    assert shared / either > 0.93
