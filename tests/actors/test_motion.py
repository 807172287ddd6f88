"""The motion of what each pixel shows."""

from dataclasses import replace

import numpy as np
import pytest

from countenance.actors.actor import draw_actor
from countenance.actors.caster import Caster, Picture
from countenance.actors.figure import Figure, build_figure
from countenance.actors.motion import Poses, points_motion
from countenance.actors.performance import Performance, still
from countenance.actors.render import opened_renderer, render_loaded
from countenance.actors.scene import Camera, Light, Scene, Shot
from countenance.vision.parts import FACE_PARTS, Part

CAMERA = Camera(frame_m=0.3)
LIGHT = Light(environment="studio", turn_deg=0.0, strength=0.9)
SIZE = 96


def turning(step_deg: float, num_frames: int = 3) -> Performance:
    one = still()
    turned = np.zeros((num_frames, 3))
    turned[:, 0] = step_deg * (np.arange(num_frames) - 1)
    units = {name: np.zeros(num_frames) for name in one.units}
    return replace(one, yaw_pitch_roll_deg=turned, gaze_deg=np.zeros((num_frames, 2)), units=units)


def scene(*lengths: int) -> Scene:
    return Scene(seed=0, shots=tuple(Shot(num_frames=each, light=LIGHT, camera=CAMERA) for each in lengths))


@pytest.fixture(scope="module")
def figure() -> Figure:
    return build_figure(draw_actor(7))


@pytest.fixture(scope="module")
def caster(figure: Figure) -> Caster:
    return Caster(figure)


def picture(caster: Caster, step_deg: float) -> tuple[Picture, Poses]:
    poses = Poses(caster.figure, turning(step_deg), scene(3))
    return caster.draw(poses.at(1), CAMERA, LIGHT, SIZE, colour=False, around=poses.around(1)), poses


def test_pixels_move_as_the_landmarks_on_them(caster: Caster) -> None:
    seen, poses = picture(caster, 4.0)
    around = poses.around(1)
    assert seen.motion_xy is not None
    marks = points_motion(around.before.landmarks, around.after.landmarks, 2, CAMERA, SIZE)
    columns, rows = np.round(CAMERA.project(poses.at(1).landmarks, SIZE)[0]).astype(int).T
    on_face = np.isin(seen.labels[rows, columns], FACE_PARTS)
    assert on_face.sum() > 300
    off = np.linalg.norm(seen.motion_xy[rows, columns] - marks, axis=1)[on_face]
    assert np.median(off) < 0.1
    # The nose comes four degrees round an axis behind it: some two pixels of these.
    assert np.abs(marks[1, 0]) > 1.5
    assert np.abs(seen.motion_xy[seen.labels == Part.BACKGROUND]).max() == 0


def test_hair_moves_with_the_head_and_the_far_side_the_other_way(caster: Caster) -> None:
    seen, _ = picture(caster, 4.0)
    assert seen.motion_xy is not None
    hair = seen.motion_xy[seen.labels == Part.HAIR]
    assert len(hair) > 100
    assert np.abs(hair[:, 0]).max() > 0.5
    back, _ = picture(caster, -4.0)
    assert back.motion_xy is not None
    assert np.allclose(back.motion_xy, -seen.motion_xy, atol=1e-3)
    still_one, _ = picture(caster, 0.0)
    assert still_one.motion_xy is not None
    assert np.abs(still_one.motion_xy).max() == 0


def test_a_cut_is_no_motion_and_frames_have_it_if_asked(caster: Caster) -> None:
    performance = turning(4.0, 4)
    with opened_renderer("caster") as renderer:
        frames = list(
            render_loaded(caster, performance, scene(2, 2), renderer, size=SIZE, frames=range(4), with_motion=True)
        )
        plain = next(render_loaded(caster, performance, scene(2, 2), renderer, size=SIZE, frames=[1]))
    assert plain.motion_xy is None
    assert np.array_equal(plain.rgb, frames[1].rgb)
    for frame in frames:
        # Two frames a shot: each is a difference of these two, four degrees a frame.
        assert frame.landmarks_motion_xy is not None
        assert 1.5 < abs(frame.landmarks_motion_xy[1, 0]) < 4
    poses = Poses(caster.figure, performance, scene(1, 3))
    assert poses.around(0).num_frames == 0
    assert poses.around(2).num_frames == 2
