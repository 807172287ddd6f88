"""Pictures of the fast renderer, and what is known of them."""

import subprocess
import sys

import numpy as np

from countenance.actors.actor import draw_actor
from countenance.actors.caster import Caster, Picture
from countenance.actors.figure import Figure, Posed, build_figure, build_truth, pose_figure
from countenance.actors.figure import toned as in_the_performers_tone
from countenance.actors.head import load_head, rotation
from countenance.actors.performance import still
from countenance.actors.render import FROM_IMAGE_AXES, opened_renderer, render
from countenance.actors.scene import Camera, Lamp, Light, Scene, Shot
from countenance.vision.align import angles_of
from countenance.vision.landmarks import FaceFinder
from countenance.vision.parts import Part

CAMERA = Camera(frame_m=0.3)
LIGHT = Light(
    environment="studio",
    turn_deg=0.0,
    strength=0.9,
    lamps=(Lamp(azimuth_deg=-25.0, elevation_deg=30.0, power_w=6.0, size_m=0.5, rgb=(1.0, 1.0, 1.0)),),
)
SIZE = 192


def draw(figure: Figure, yaw_deg: float = 0.0, camera: Camera = CAMERA, **units: float) -> tuple[Picture, Posed]:
    posed = pose_figure(figure, still(yaw_deg, units=units), 0)
    return Caster(figure).draw(posed, camera, LIGHT, SIZE), posed


def test_all_parts_are_there_and_where_they_belong(likeness: Figure, performer: Figure) -> None:
    picture, posed = draw(performer, jawOpen=0.6)
    rows = {part: np.argwhere(picture.labels == part).mean(axis=0) for part in Part if (picture.labels == part).any()}
    wanted = set(Part) - {Part.OCCLUDER, Part.GLASSES}
    assert wanted <= set(rows)
    down = [rows[part][0] for part in (Part.HAIR, Part.BROW, Part.EYE, Part.LIPS, Part.BEARD, Part.CLOTH)]
    assert down == sorted(down)
    points, _ = CAMERA.project(posed.landmarks, SIZE)
    # Between the lips of an open mouth lies the mouth.
    middle = points[[13, 14]].mean(axis=0).round().astype(int)
    assert picture.labels[middle[1], middle[0]] == Part.MOUTH
    bare, _ = draw(likeness)
    assert not (bare.labels == Part.BEARD).any()


def test_the_mask_is_the_face_and_its_border_is_soft(performer: Figure) -> None:
    picture, posed = draw(performer)
    assert picture.face_mask[np.isin(picture.labels, (Part.EYE, Part.LIPS))].min() > 0.5
    assert picture.face_mask[np.isin(picture.labels, (Part.BACKGROUND, Part.CLOTH, Part.EAR))].mean() < 0.02
    assert 0.02 < ((picture.face_mask > 0.1) & (picture.face_mask < 0.9)).mean() < 0.2
    depth = picture.depth[picture.labels == Part.SKIN]
    assert 0.7 < depth.min() < depth.max() < 1.0
    assert (picture.depth[picture.labels == Part.BACKGROUND] == 0).all()
    assert abs(posed.landmarks[1, 2] - (0.95 + 0.09 - depth.min())) < 0.02


def test_the_mesh_finder_sees_the_points_where_they_are(performer: Figure, likeness: Figure) -> None:
    find_faces = FaceFinder()
    for figure in (performer, likeness):
        for yaw in (0.0, 25.0):
            picture, posed = draw(figure, yaw, jawOpen=0.3)
            points, _ = CAMERA.project(posed.landmarks, SIZE)
            (face,) = find_faces(picture.rgb)
            wide = np.linalg.norm(posed.landmarks[33] - posed.landmarks[263]) * CAMERA.focal * SIZE / CAMERA.distance_m
            error = np.linalg.norm(face.landmarks_xyz[:, :2] - points, axis=1).mean() / wide
            assert error < 0.07


def test_eyes_look_where_they_are_told(likeness: Figure) -> None:
    head = load_head()
    performance = still()
    looking = type(performance)(
        seed=0, yaw_pitch_roll_deg=np.zeros((1, 3)), gaze_deg=np.array([[20.0, 10.0]]), units={}
    )
    posed = pose_figure(likeness, looking, 0)
    centre = posed.eye_left.mean(axis=0)
    pupil = posed.eye_left[likeness.eye.points[:, 2].argmax()] - centre
    assert pupil[0] > 0.25 * np.linalg.norm(pupil)
    assert pupil[1] > 0.1 * np.linalg.norm(pupil)
    assert len(head.parts["eye_left"]) == 72


def test_the_exact_answer(performer: Figure, likeness: Figure, exact: Figure, toned: Figure) -> None:
    plate, _ = draw(performer)
    answer, posed = draw(exact)
    in_tone, _ = draw(toned)
    away = answer.face_mask + plate.face_mask == 0
    # Outside the face nothing changes but what another nose and chin hide of the light.
    change = np.abs(answer.rgb.astype(int) - plate.rgb.astype(int)).max(axis=2)
    elsewhere = away & (plate.labels != Part.NECK)
    assert np.median(change[elsewhere]) == 0
    assert np.percentile(change[elsewhere], 99) <= 10
    assert change[answer.face_mask > 0.99].mean() > 25
    # The beard is the performer's face's, so it is gone; the hair stays.
    assert not (answer.labels == Part.BEARD).any()
    assert ((answer.labels == Part.HAIR) == (plate.labels == Part.HAIR)).mean() > 0.98
    # In the performer's tone the skin is as dark as the performer's.
    skin = (answer.labels == Part.SKIN) & (answer.face_mask > 0.99) & (plate.labels == Part.SKIN)
    own, tone, before = (p.rgb[skin].mean() for p in (answer, in_tone, plate))
    assert own > 1.5 * before
    assert abs(tone - before) < 0.25 * before
    assert np.array_equal(answer.labels, in_tone.labels)
    # Inside, the likeness's shape: its face, brought to the same place, has its points there.
    own_points = pose_figure(likeness, still(), 0).landmarks
    inner = [1, 4, 33, 263, 61, 291, 152]
    own_shape = own_points[inner] - own_points[inner].mean(axis=0)
    shape = posed.landmarks[inner] - posed.landmarks[inner].mean(axis=0)
    own_shape *= np.linalg.norm(shape) / np.linalg.norm(own_shape)
    assert np.linalg.norm(own_shape - shape, axis=1).mean() < 0.004


def test_the_performer_keeps_the_glasses() -> None:
    actors = [draw_actor(seed) for seed in range(80)]
    performer = next(actor for actor in actors if actor.glasses is not None)
    likeness = next(actor for actor in actors if actor.glasses is None)
    plate, answer = build_figure(performer), build_truth(likeness, performer, "likeness")
    assert len(plate.glasses.points) > 100
    assert np.array_equal(plate.glasses.points, answer.glasses.points)
    assert len(build_truth(performer, likeness, "likeness").glasses.points) == 0


def test_angles_are_those_that_the_camera_sees() -> None:
    camera = Camera(azimuth_deg=20.0, elevation_deg=0.0)
    performance = still(20.0)
    with opened_renderer("caster") as renderer:
        scene = Scene(seed=0, shots=(Shot(num_frames=1, light=LIGHT, camera=camera),))
        frame = next(render(draw_actor(9), performance, scene, renderer, size=64, frames=[0]))
    # The head is turned to where the camera has gone.
    assert np.abs(frame.yaw_pitch_roll_deg).max() < 1
    seen = angles_of(CAMERA.rotation @ rotation(30.0, 10.0, -5.0) @ FROM_IMAGE_AXES)
    assert np.allclose(seen, (30.0, 10.0, -5.0), atol=0.01)
    assert frame.landmarks_68_xy.shape == (68, 2)
    assert np.array_equal(frame.landmarks_68_xy[36], frame.landmarks_xy[33])


PROGRAM = """
import hashlib
from countenance.actors.actor import draw_actor
from countenance.actors.performance import draw_performance
from countenance.actors.render import opened_renderer, render
from countenance.actors.staging import draw_scene
with opened_renderer("caster") as renderer:
    for frame in render(draw_actor(3), draw_performance(3, 8), draw_scene(3, 8), renderer, size=64, frames=[0, 5]):
        facts = (frame.rgb, frame.labels, frame.face_mask, frame.depth, frame.landmarks_xy)
        print(*(hashlib.sha256(array.tobytes()).hexdigest() for array in facts))
"""


def test_the_same_seed_gives_the_same_pixels_in_two_processes() -> None:
    runs = [
        subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]
    assert runs[0] == runs[1]
    assert len(set(runs[0].split())) == 10


def test_looks_that_share_their_rays_are_drawn_as_if_alone(exact: Figure, toned: Figure) -> None:
    posed = pose_figure(exact, still(20, units={"jawOpen": 0.4}), 0)
    caster = Caster(exact)
    own, other = caster.draw_as([caster.look, caster.look_of(toned)], posed, CAMERA, LIGHT, 96)
    for picture, figure in ((own, exact), (other, toned)):
        alone = Caster(figure).draw(posed, CAMERA, LIGHT, 96)
        for name in ("rgb", "labels", "face_mask", "depth"):
            assert np.array_equal(getattr(picture, name), getattr(alone, name))
    assert np.abs(own.rgb.astype(int) - other.rgb).mean() > 1


def test_the_inside_of_the_cheeks_stays_inside() -> None:
    picture, _ = draw(build_figure(draw_actor(12)))
    mouth, lips = np.argwhere(picture.labels == Part.MOUTH), np.argwhere(picture.labels == Part.LIPS)
    assert ((mouth >= lips.min(axis=0)) & (mouth <= lips.max(axis=0))).all()


def test_a_truth_is_toned_by_its_skin_alone(exact: Figure, toned: Figure) -> None:
    again = in_the_performers_tone(exact)
    assert again.face == toned.face
    for name in ("rgb", "roughness", "height", "lines"):
        assert np.array_equal(getattr(again.skin, name), getattr(toned.skin, name))
    assert not np.array_equal(again.skin.rgb, exact.skin.rgb)
    assert np.array_equal(again.hair.points, toned.hair.points)
    assert np.array_equal(again.eye_maps.sclera, toned.eye_maps.sclera)
