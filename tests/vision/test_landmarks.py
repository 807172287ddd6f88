import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from countenance.geometry import overlap
from countenance.media.probe import probe
from countenance.media.reader import read_frames
from countenance.vision.align import head_pose
from countenance.vision.detect import MIN_FACE_PX, TILE_PX, tile_corners
from countenance.vision.landmarks import FaceFinder

EYES_AND_NOSE = (33, 263, 1)


@pytest.fixture(scope="module")
def find_faces() -> FaceFinder:
    return FaceFinder()


def test_mesh_and_pose_agree_with_the_rendered_truth(demo_data: Path, find_faces: FaceFinder) -> None:
    truth = json.loads((demo_data / "poses.json").read_text())["clips"]["performance"]
    errors, angles = [], []
    for frame in read_frames(probe(demo_data / "performance.mp4")):
        if frame.index % 4:
            continue
        (face,) = find_faces(frame.rgb)
        eyes_nose = np.array(truth["eyes_nose_xy"][frame.index])
        distance = np.linalg.norm(face.landmarks_xyz[EYES_AND_NOSE, :2] - eyes_nose, axis=1).mean()
        errors.append(distance / np.linalg.norm(eyes_nose[0] - eyes_nose[1]))
        pose = head_pose(face.landmarks_xyz)
        angles.append(
            np.subtract((pose.yaw_deg, pose.pitch_deg, pose.roll_deg), truth["yaw_pitch_roll_deg"][frame.index])
        )
    assert len(errors) == 24
    assert np.mean(errors) < 0.045
    assert (np.abs(angles).mean(axis=0) < [4.5, 4.5, 2.5]).all()


def test_every_face_of_a_frame_is_found_where_it_is(demo_data: Path, find_faces: FaceFinder) -> None:
    kofi = next(read_frames(probe(demo_data / "kofi_training.mp4"))).rgb
    mira = next(read_frames(probe(demo_data / "mira_training.mp4"))).rgb
    faces = sorted(find_faces(np.hstack([kofi, mira])), key=lambda face: face.box_xyxy[0])
    assert len(faces) == 2
    assert faces[0].box_xyxy[2] < 256 < faces[1].box_xyxy[0]


def test_nothing_is_found_where_there_is_no_face(find_faces: FaceFinder) -> None:
    noise = np.random.default_rng(3).integers(0, 256, (180, 320, 3), np.uint8)
    assert find_faces(noise) == []
    assert find_faces(np.zeros((64, 64, 3), np.uint8)) == []


@pytest.mark.parametrize("roll_deg", [-40, 25, 65, 90, 135, 180, -100])
def test_a_tilted_face_is_found_and_its_crop_is_upright(
    demo_data: Path, find_faces: FaceFinder, roll_deg: float
) -> None:
    rgb = next(read_frames(probe(demo_data / "mira_training.mp4"))).rgb
    turn = cv2.getRotationMatrix2D((128, 128), roll_deg, 1)  # OpenCV turns counter-clockwise
    tilted = np.asarray(cv2.warpAffine(rgb, turn, (256, 256), borderMode=cv2.BORDER_REPLICATE), np.uint8)
    before, after = (head_pose(find_faces(picture)[0].landmarks_xyz) for picture in (rgb, tilted))
    turned_deg = (after.roll_deg - before.roll_deg - roll_deg + 180) % 360 - 180
    assert turned_deg == pytest.approx(0, abs=5)
    assert after.unit_px == pytest.approx(before.unit_px, rel=0.06)


@pytest.mark.parametrize(("left", "top"), [(30, 40), (610, 300), (1170, 610)])
def test_a_small_face_is_found_anywhere_in_a_large_frame(
    demo_data: Path, find_faces: FaceFinder, left: int, top: int
) -> None:
    rgb = next(read_frames(probe(demo_data / "mira_training.mp4"))).rgb
    (large,) = find_faces(rgb)
    scale = MIN_FACE_PX / float(large.box_xyxy[3] - large.box_xyxy[1])
    small = cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    frame = np.full((720, 1280, 3), small.mean(axis=(0, 1)), np.uint8)
    frame[top : top + len(small), left : left + len(small)] = small
    (face,) = find_faces(frame)
    assert overlap(face.box_xyxy, large.box_xyxy * scale + np.array([left, top] * 2, np.float32)) > 0.75


@pytest.mark.parametrize("height", [1.0, 1.2, 1.4])
def test_a_face_that_fills_the_frame_or_more_is_found(demo_data: Path, find_faces: FaceFinder, height: float) -> None:
    rgb = next(read_frames(probe(demo_data / "mira_training.mp4"))).rgb
    (face,) = find_faces(rgb)
    middle_xy, face_px = (face.box_xyxy[:2] + face.box_xyxy[2:]) / 2, float(face.box_xyxy[3] - face.box_xyxy[1])
    scale = height * 480 / face_px
    to_close_up = np.column_stack([np.eye(2) * scale, 240 - scale * middle_xy]).astype(np.float32)
    close_up = cv2.warpAffine(rgb, to_close_up, (480, 480), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    (large,) = find_faces(np.asarray(close_up, np.uint8))
    expected_xyxy = np.asarray(scale * (face.box_xyxy - np.tile(middle_xy, 2)) + 240, np.float32)
    assert overlap(large.box_xyxy, expected_xyxy) > 0.8


@pytest.mark.parametrize(("left", "top"), [(7, 3), (233, 161), (401, 352), (840, 455)])
def test_a_head_of_32_px_is_found_anywhere_in_a_large_frame(
    demo_data: Path, find_faces: FaceFinder, left: int, top: int
) -> None:
    rgb = next(read_frames(probe(demo_data / "mira_training.mp4"))).rgb
    (large,) = find_faces(rgb)
    # From chin to crown a head is a third higher than the face that the mesh covers.
    scale = 24 / float(large.box_xyxy[3] - large.box_xyxy[1])
    small = cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    frame = np.full((540, 960, 3), 110, np.uint8)
    frame[top : top + len(small), left : left + len(small)] = small
    (face,) = find_faces(frame)
    assert overlap(face.box_xyxy, large.box_xyxy * scale + np.array([left, top] * 2, np.float32)) > 0.6


def test_a_large_face_is_one_face_though_tiles_show_parts_of_it(demo_data: Path, find_faces: FaceFinder) -> None:
    rgb = next(read_frames(probe(demo_data / "mira_training.mp4"))).rgb
    assert len(find_faces(np.asarray(cv2.resize(rgb, (1600, 1600), interpolation=cv2.INTER_CUBIC), np.uint8))) == 1


def test_tiles_cover_the_frame_and_are_none_for_a_small_one() -> None:
    assert list(tile_corners(TILE_PX, TILE_PX)) == []
    covered = np.zeros((1080, 1920), bool)
    for left, top in tile_corners(1920, 1080):
        assert 0 <= left <= 1920 - TILE_PX
        assert 0 <= top <= 1080 - TILE_PX
        covered[top : top + TILE_PX, left : left + TILE_PX] = True
    assert covered.all()
