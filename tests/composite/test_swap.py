from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from countenance.composite.place import PlacedFace
from countenance.composite.swap import SMOOTHING_RADIUS, swap_faces
from countenance.demo import data_folder
from countenance.media.probe import probe
from countenance.media.reader import read_frames
from countenance.types import Frame
from countenance.vision.landmarks import FaceFinder
from countenance.vision.mask import face_mask


class Negative:
    """Draws the negative of what it is shown: unlike the plate everywhere, and other for each crop."""

    resolution = 64

    def __call__(self, crop_rgb: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return 1 - crop_rgb.astype(np.float32) / 255, np.ones_like(mask)


@pytest.fixture(scope="module")
def plate() -> tuple[list[Frame], dict[int, list[PlacedFace]]]:
    find_faces = FaceFinder()
    frames = [f for f in read_frames(probe(data_folder() / "performance.mp4")) if f.index < 20]
    faces = {f.index: [PlacedFace(track=0, landmarks_xyz=find_faces(f.rgb)[0].landmarks_xyz)] for f in frames}
    del faces[7], faces[8]
    return frames, faces


def swapped(frames: list[Frame], faces: dict[int, list[PlacedFace]]) -> Iterator[Frame]:
    return swap_faces(frames, faces, Negative())


def test_only_the_face_is_replaced_and_only_where_there_is_one(
    plate: tuple[list[Frame], dict[int, list[PlacedFace]]],
) -> None:
    frames, faces = plate
    results = list(swapped(frames, faces))
    assert [r.pts for r in results] == [f.pts for f in frames]
    for frame, result in zip(frames, results, strict=True):
        changed = np.abs(frame.rgb.astype(int) - result.rgb).max(axis=2) > 2
        if frame.index not in faces:
            assert not changed.any()
            continue
        outline = face_mask(faces[frame.index][0].landmarks_xyz[:, :2], (256, 256))
        assert changed[outline > 0.5].mean() > 0.5
        assert changed[outline == 0].mean() < 0.01


@pytest.mark.parametrize("first", [1, 5, 11])
def test_frames_are_the_same_wherever_one_starts(
    plate: tuple[list[Frame], dict[int, list[PlacedFace]]], first: int
) -> None:
    frames, faces = plate
    whole = list(swapped(frames, faces))
    begin = max(0, first - SMOOTHING_RADIUS)
    later = [frame for frame in swapped(frames[begin:], faces) if frame.index >= first]
    assert len(later) == len(frames) - first
    for one, other in zip(whole[first:], later, strict=True):
        assert np.array_equal(one.rgb, other.rgb)


def test_two_faces_of_a_frame_are_both_replaced_each_in_its_own_light(demo_data: Path) -> None:
    find_faces = FaceFinder()
    kofi, mira = (next(read_frames(probe(demo_data / f"{name}_training.mp4"))) for name in ("kofi", "mira"))
    both = Frame(rgb=np.hstack([kofi.rgb, mira.rgb]), index=0, pts=0, time_base=kofi.time_base)
    found = sorted(find_faces(both.rgb), key=lambda face: face.box_xyxy[0])
    faces = [PlacedFace(track=number, landmarks_xyz=face.landmarks_xyz) for number, face in enumerate(found)]
    (together,) = swapped([both], {0: faces})
    (alone,) = swapped([both], {0: faces[:1]})
    assert np.array_equal(together.rgb[:, :256], alone.rgb[:, :256])
    assert np.array_equal(alone.rgb[:, 256:], mira.rgb)
    assert (together.rgb[:, 256:] != mira.rgb).any()
