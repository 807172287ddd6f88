from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from countenance.composite.check import check_faces, doubtful_frames
from countenance.composite.place import placed_faces
from countenance.faces.store import StoredFace
from countenance.media.probe import probe
from countenance.media.timeline import Timeline, read_timeline
from countenance.progress import Silent
from countenance.types import MediaInfo
from countenance.vision.align import head_pose
from countenance.vision.landmarks import FaceFinder
from countenance.vision.segment import Segmenter
from tests.support.made_up import mesh_at, stored_face
from tests.support.videos import frames_of, write_video

PLACES = [20] * 6 + [20 + 60 * step for step in range(1, 11)] + [620] * 4
"""Of the window with the face, pixels: it stands, is panned by 60 px a frame, and stands again."""
BEHIND = [0] * 6 + [40, 0] * 5 + [-40, 0, 0, 0]
"""By how much the meshes lie behind the face, pixels."""


def stored(frame: int, track: int, landmarks_xyz: np.ndarray) -> StoredFace:
    return stored_face(landmarks_xyz, id=1000 * track + frame, frame=frame, track=track)


@pytest.fixture(scope="module")
def pan(tmp_path_factory: pytest.TempPathFactory) -> tuple[MediaInfo, Timeline, list[np.ndarray]]:
    """A plate, and where an actor's mesh lies in each frame when it is looked for there alone."""
    frames, find_faces, true = [], FaceFinder(), []
    for rgb, x in zip(frames_of("performance.mp4", len(PLACES)), PLACES, strict=True):
        wide = np.full((256, 896, 3), 110, np.uint8)
        wide[:, x : x + 256] = rgb
        frames.append(wide)
        true.append(find_faces(rgb)[0].landmarks_xyz + np.array([x, 0, 0], np.float32))
    info = probe(write_video(tmp_path_factory.mktemp("pan") / "pan.mp4", frames))
    return info, read_timeline(info, Silent()), true


def off(mesh: np.ndarray, true: np.ndarray) -> float:
    return float(np.linalg.norm((mesh - true)[:, :2].mean(axis=0)) / head_pose(true).unit_px)


def test_in_a_fast_pan_every_patch_lies_on_its_face_and_none_beside(
    pan: tuple[MediaInfo, Timeline, list[np.ndarray]],
) -> None:
    info, timeline, true = pan
    faces = [
        stored(i, 0, mesh - np.array([behind, 0, 0], np.float32))
        for i, (mesh, behind) in enumerate(zip(true, BEHIND, strict=True))
    ]
    assert max(off(face.landmarks_xyz, true[face.frame]) for face in faces) > 0.5
    checked = check_faces(info, timeline, faces, Segmenter())
    placed = placed_faces(checked.faces, timeline, frame_rate=24)
    assert sorted(placed) == list(range(len(PLACES)))
    for index, several in placed.items():
        assert len(several) == 1
        assert off(several[0].landmarks_xyz, true[index]) < 0.12


def test_a_mesh_that_covers_no_face_is_left_out_and_reported(
    pan: tuple[MediaInfo, Timeline, list[np.ndarray]],
) -> None:
    info, timeline, true = pan
    lost = stored(3, 5, mesh_at(780, 128, 40))
    checked = check_faces(info, timeline, [*(stored(i, 0, mesh) for i, mesh in enumerate(true)), lost], Segmenter())
    assert checked.frames_beside == (3,)
    assert {face.track for face in checked.faces} == {0}


def test_a_steady_track_is_not_read_again(pan: tuple[MediaInfo, Timeline, list[np.ndarray]]) -> None:
    info, timeline, _ = pan
    still = [stored(i, 0, mesh_at(100 + i, 128)) for i in range(len(PLACES))]
    assert doubtful_frames(still, timeline) == set()
    checked = check_faces(replace(info, path=Path("is not there.mp4")), timeline, still, Segmenter())
    assert list(checked.faces) == still


def test_what_is_doubtful_are_sudden_motions_and_ends_inside_a_shot(
    pan: tuple[MediaInfo, Timeline, list[np.ndarray]],
) -> None:
    _, timeline, _ = pan
    cut = replace(timeline, shots=(0, 8))
    kept = [stored(i, 0, mesh_at(100, 128)) for i in range(8)] + [stored(i, 1, mesh_at(300, 128)) for i in range(8, 15)]
    assert doubtful_frames(kept, cut) == {14}
    jump = [stored(i, 0, mesh_at(100 + 30 * (i > 10), 128)) for i in range(len(PLACES))]
    assert doubtful_frames(jump, replace(timeline, shots=(0,))) == {9, 10, 11, 12}
