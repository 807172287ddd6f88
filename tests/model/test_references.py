from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from countenance.faces.store import StoredFace
from countenance.media.probe import probe
from countenance.media.reader import read_frames
from countenance.media.timeline import read_timeline
from countenance.model.references import choose_references, references_in
from countenance.progress import Silent
from countenance.project import Project
from countenance.types import FaceQuality, FaceSet
from countenance.vision.align import cut, head_pose
from countenance.vision.landmarks import FaceFinder
from tests.support.drawers import Guided
from tests.support.made_up import GOOD, add_track
from tests.support.videos import Rgb, frames_of, write_video


def face_at(frame: int, rgb: Rgb, quality: FaceQuality) -> StoredFace:
    return StoredFace(
        id=frame,
        clip_sha256="plate",
        frame=frame,
        track=1,
        shot=0,
        landmarks_xyz=FaceFinder()(rgb)[0].landmarks_xyz,
        score=1.0,
        quality=quality,
        distance=0.1,
        margin=1.0,
        mask_origin=None,
        has_crop=False,
        rejections=(),
        is_decided=False,
    )


def test_the_most_varied_clear_faces_are_cut_from_a_plate(tmp_path: Path) -> None:
    plate = probe(write_video(tmp_path / "plate.mp4", frames_of("performance.mp4", 40)))
    timeline, frames = read_timeline(plate, Silent()), {frame.index: frame.rgb for frame in read_frames(plate)}
    turned = replace(GOOD, yaw_pitch_roll_deg=(40.0, 0.0, 0.0))
    blurred = replace(GOOD, yaw_pitch_roll_deg=(-60.0, 0.0, 0.0), sharpness=1.0)
    found = ((1, GOOD), (20, blurred), (39, turned))
    faces = [face_at(index, frames[index], quality) for index, quality in found]
    references = references_in(plate, timeline, faces, 2)
    for reference, face in zip(references.faces, (faces[0], faces[2]), strict=True):
        pose = head_pose(face.landmarks_xyz)
        assert np.array_equal(reference.rgb, cut(frames[face.frame], pose, 256))
        assert reference.yaw_pitch_deg == (pose.yaw_deg, pose.pitch_deg)
        # Of its own face nearly all is seen, of what is beside it nothing.
        assert reference.visible[reference.mask > 0.5].mean() > 0.8
        assert reference.visible[:, :8].max() < 0.1
    assert references.digest == references_in(plate, timeline, faces, 2).digest


def test_where_no_face_is_clear_those_that_there_are_must_do(tmp_path: Path) -> None:
    plate = probe(write_video(tmp_path / "plate.mp4", frames_of("performance.mp4", 2)))
    rgb = next(read_frames(plate)).rgb
    faces = [face_at(0, rgb, replace(GOOD, sharpness=1.0))]
    assert len(references_in(plate, read_timeline(plate, Silent()), faces).faces) == 1


def test_references_are_the_most_varied_kept_faces_with_mesh_and_pose_in_the_crop(project: Project) -> None:
    yaws = [0.0, 1.0, 2.0, 60.0, 3.0, -60.0]
    qualities = [replace(GOOD, yaw_pitch_roll_deg=(yaw, 0.0, 0.0)) for yaw in yaws]
    stored = add_track(project, range(6), qualities=qualities)
    add_track(project, [7], qualities=[replace(GOOD, yaw_pitch_roll_deg=(90.0, 0.0, 0.0))], rejections=("blurred",))
    face_set = FaceSet(person="dana", num_faces=6, digest="d", permit_digest="p", release_digests=(), crop_size=256)
    references = choose_references(project, face_set, 3)
    assert len(references.faces) == 3
    assert references.digest == choose_references(project, face_set, 3).digest
    assert references.digest != choose_references(project, face_set, 4).digest
    size = len(references.faces[0].rgb)
    nose_x, nose_y = references.faces[0].landmarks_xyz[Guided.NOSE, :2]
    assert (nose_x, nose_y) == pytest.approx((size / 2, size / 2), abs=0.15 * size)
    assert references.faces[0].mask[int(nose_y), int(nose_x)] == 1
    assert len(stored) == 6
