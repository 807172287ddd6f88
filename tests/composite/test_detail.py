"""The composite adds no ceiling: what is lost of a face's detail is what resampling it to the drawer's size loses."""

import cv2
import numpy as np
import pytest
from jaxtyping import Float32, UInt8

from countenance.composite.place import PlacedFace
from countenance.composite.swap import swap_faces
from countenance.demo import data_folder
from countenance.geometry import invert, resample
from countenance.media.probe import probe
from countenance.media.reader import read_frames
from countenance.types import Frame
from countenance.vision.align import frame_to_crop, head_pose
from countenance.vision.landmarks import FaceFinder
from countenance.vision.mask import face_mask
from countenance.vision.segment import Segmenter
from tests.support.drawers import Identity

FACE_WIDTH = 962
NOISE = 12.0
"""Standard deviation, 0–255: as strong as pores and stubble in a close-up."""


@pytest.fixture(scope="module")
def plate() -> tuple[Frame, PlacedFace]:
    """An actor's face enlarged, with texture that its enlargement lacks."""
    small = next(read_frames(probe(data_folder() / "performance.mp4")))
    (face,) = FaceFinder()(small.rgb)
    left, _, right, _ = face.box_xyxy
    scale = FACE_WIDTH / float(right - left)
    large = cv2.resize(small.rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC).astype(np.float32)
    large += np.random.default_rng(3).normal(0, NOISE, large.shape)
    frame = Frame(pixels=np.round(large.clip(0, 255)).astype(np.uint8), index=0, pts=0, time_base=small.time_base)
    # Pixels are counted from the middle of the first.
    landmarks_xyz = (face.landmarks_xyz + np.array([0.5, 0.5, 0], np.float32)) * np.float32(scale)
    return frame, PlacedFace(track=0, landmarks_xyz=landmarks_xyz - np.array([0.5, 0.5, 0], np.float32))


def detail(rgb: UInt8[np.ndarray, "H W 3"]) -> Float32[np.ndarray, "H W"]:
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return np.asarray(grey - cv2.GaussianBlur(grey, (0, 0), 4))


@pytest.mark.parametrize("size", [256, 512, 1024])
def test_an_identity_drawer_keeps_the_detail_that_resampling_keeps(plate: tuple[Frame, PlacedFace], size: int) -> None:
    frame, face = plate
    height, width = frame.rgb.shape[:2]
    (result,) = swap_faces([frame], {0: [face]}, Identity(size), Segmenter())
    to_crop = frame_to_crop(head_pose(face.landmarks_xyz), size)
    resampled = resample(resample(frame.rgb, to_crop, (size, size)), invert(to_crop), (width, height))
    # Well inside, where neither is mixed with the plate.
    inside = cv2.erode(face_mask(face.landmarks_xyz[:, :2], (width, height)), np.ones((201, 201))) == 1
    assert inside.sum() > 200_000
    own = detail(frame.rgb)[inside]
    kept, possible = (float(detail(rgb)[inside] @ own / (own @ own)) for rgb in (result.rgb, resampled))
    print(f"{size} px: {kept:.3f} of {possible:.3f}")
    assert kept >= 0.9 * possible
    assert possible > {256: 0.005, 512: 0.05, 1024: 0.3}[size]
