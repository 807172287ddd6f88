from pathlib import Path

import cv2
import numpy as np
import pytest

from countenance.bench.limit import LimitDrawer
from countenance.composite.place import PlacedFace
from countenance.composite.swap import swap_faces
from countenance.demo import data_folder
from countenance.demo.compare import pictures
from countenance.media.probe import probe
from countenance.media.reader import read_frames
from countenance.types import Frame
from countenance.vision.landmarks import FaceFinder
from countenance.vision.mask import face_mask
from countenance.vision.segment import Segmenter
from tests.support.drawers import Finished

TRUTH = data_folder() / "truth_zuri"


@pytest.fixture(scope="module")
def plate() -> tuple[list[Frame], dict[int, list[PlacedFace]]]:
    find_faces = FaceFinder()
    frames = [frame for frame in read_frames(probe(data_folder() / "performance.mp4")) if frame.index in (3, 4, 40)]
    return frames, {f.index: [PlacedFace(track=0, landmarks_xyz=find_faces(f.rgb)[0].landmarks_xyz)] for f in frames}


def test_the_face_is_the_truths_of_the_same_frame(plate: tuple[list[Frame], dict[int, list[PlacedFace]]]) -> None:
    frames, faces_at = plate
    truths = list(pictures(TRUTH))
    drawer = LimitDrawer(Finished(256, batch=2), TRUTH, faces_at)
    for frame, result in zip(frames, swap_faces(frames, faces_at, drawer, Segmenter()), strict=True):
        outline = face_mask(faces_at[frame.index][0].landmarks_xyz[:, :2], (256, 256))
        inside = cv2.erode(outline, np.ones((9, 9))) == 1
        truth = truths[frame.index].astype(int)
        assert np.abs(result.rgb - truth)[inside].mean() < 1.0
        assert np.abs(frame.rgb - truth)[inside].mean() > 5.0


def test_another_truth_is_another_drawer(
    plate: tuple[list[Frame], dict[int, list[PlacedFace]]], tmp_path: Path
) -> None:
    _, faces_at = plate
    drawer = Finished(256)
    (tmp_path / "0000.png").write_bytes((TRUTH / "0000.png").read_bytes())
    digests = {LimitDrawer(drawer, folder, faces_at).digest for folder in (TRUTH, tmp_path, TRUTH)}
    assert len(digests) == 2
    assert drawer.digest not in digests
