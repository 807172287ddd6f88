"""Hats, scarves, hands and things before a face: geometry, labels, hair, motion."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from countenance.actors.actor import draw_actor
from countenance.actors.caster import Caster, Picture
from countenance.actors.figure import Figure, build_figure, build_truth, pose_figure
from countenance.actors.motion import Poses
from countenance.actors.occluders import Held
from countenance.actors.performance import draw_performance, still
from countenance.actors.props import KINDS, Gesture, Prop, PropKind, draw_prop, draw_props
from countenance.actors.rays import camera_rays
from countenance.actors.scene import Camera, Light
from countenance.actors.staging import draw_scene
from countenance.actors.surface import embree_scene, triangles_of
from countenance.vision.parts import Part

SIZE = 96
LIGHT = Light(environment="studio", turn_deg=0.0, strength=0.9)


def at_once(kind: PropKind, seed: int = 5) -> Prop:
    """Before the face in the first frame."""
    prop = draw_prop(kind, seed)
    return replace(prop, motion=replace(prop.motion, start_s=0.1))


def drawn(figure: Figure, *, colour: bool = False) -> Picture:
    return Caster(figure).draw(pose_figure(figure, still(), 0), Camera(), LIGHT, SIZE, colour=colour)


@pytest.fixture(scope="module")
def bare() -> Picture:
    return drawn(build_figure(draw_actor(45)))


def test_nobody_wears_anything_unless_asked() -> None:
    figure = build_figure(draw_actor(45))
    assert figure.occluders == ()
    assert pose_figure(figure, still(), 0).occluders == ()


def test_props_are_those_of_their_seed() -> None:
    drawn_kinds = [prop.kind for seed in range(200) for prop in draw_props(seed)]
    assert set(drawn_kinds) == set(KINDS)
    assert draw_props(3) == draw_props(3) != draw_props(4)
    assert all(1 <= len(draw_props(seed)) <= 2 for seed in range(50))
    assert {prop.kind for seed in range(20) for prop in draw_props(seed, ("cap",))} == {"cap"}


@pytest.mark.parametrize("kind", ["cap", "phone", "scarf", "high scarf", "surgical mask", "hand", "cup"])
def test_labels_and_mask_are_what_lies_in_front(kind: PropKind, bare: Picture) -> None:
    figure = build_figure(draw_actor(45), props=(at_once(kind),))
    picture = drawn(figure)
    # Rays of the test's own: the label is that of whatever is nearer to the camera.
    posed, camera = pose_figure(figure, still(), 0), Camera()
    start, rays = camera_rays(camera, SIZE, 0.0, 0.0)
    distance = np.full(SIZE * SIZE, np.inf)
    for occluder, xyz in zip(figure.occluders, posed.occluders, strict=True):
        hit = embree_scene(xyz, triangles_of(occluder.mesh.faces)).run(start, rays, output=1)
        distance = np.minimum(distance, np.where(hit["primID"] >= 0, hit["tfar"], np.inf))
    depth = (distance * (rays @ camera.rotation[2])).reshape(SIZE, SIZE)
    own = Part.CLOTH if kind == "scarf" else Part.OCCLUDER
    shown = picture.labels == own
    assert shown.sum() > 20
    in_front = np.isfinite(depth) & ((bare.depth == 0) | (depth < bare.depth - 0.0005))
    behind = np.isfinite(depth) & (bare.depth > 0) & (depth > bare.depth + 0.0005)
    # Hair is pressed under what is worn over it, so that less of it is in front than before.
    beside_hair = ~np.isin(bare.labels, (Part.HAIR, Part.BACKGROUND))
    assert shown[in_front].mean() > 0.995
    unseen = behind & beside_hair
    assert (picture.labels != bare.labels)[unseen].sum() <= 0.03 * unseen.sum()
    nothing = ~np.isfinite(depth) & beside_hair
    assert (picture.labels[nothing] == bare.labels[nothing]).mean() > 0.99
    assert np.allclose(picture.depth[shown & in_front], depth[shown & in_front], atol=1e-4)
    # Nothing of the face is claimed where it is hidden, and all of the rest stays.
    hidden = cv2.erode(in_front.astype(np.uint8), np.ones((3, 3))) > 0
    beside = cv2.dilate(np.isfinite(depth).astype(np.uint8), np.ones((3, 3))) == 0
    assert picture.face_mask[hidden].max(initial=0) == 0
    assert np.abs(picture.face_mask - bare.face_mask)[beside & beside_hair].mean() < 0.002


@pytest.mark.parametrize("kind", ["beanie", "cap", "headscarf"])
def test_no_hair_comes_through_a_hat(kind: PropKind) -> None:
    # Somebody with a lot of it.
    actor = next(draw_actor(seed) for seed in range(100) if draw_actor(seed).hair.kind == "curls")
    figure = build_figure(actor, props=(at_once(kind),))
    assert num_piercing(build_figure(actor).hair.points, figure) > 100
    assert num_piercing(figure.hair.points, figure) == 0
    assert len(figure.hair.points) > 1000


def num_piercing(strands: np.ndarray, figure: Figure) -> int:
    """Strands that meet one of the figure's occluders in neutral pose."""
    pierces = np.zeros(len(strands), bool)
    for occluder in figure.occluders:
        scene = embree_scene(occluder.mesh.points, triangles_of(occluder.mesh.faces))
        for step in range(strands.shape[1] - 1):
            begin, end = strands[:, step], strands[:, step + 1]
            length = np.linalg.norm(end - begin, axis=1)
            hit = scene.run(begin, ((end - begin) / length[:, None]).astype(np.float32), output=1)
            pierces |= (hit["primID"] >= 0) & (hit["tfar"] < length)
    return int(pierces.sum())


@pytest.mark.parametrize("gesture", ["mouth", "cheek", "chin on fist", "glasses"])
def test_a_hand_touches_the_face_and_does_not_cut_into_it(gesture: Gesture) -> None:
    prop = replace(at_once("hand"), gesture=gesture)
    figure = build_figure(draw_actor(45), props=(prop,))
    posed = pose_figure(figure, still(), 0)
    skin = embree_scene(posed.skin, triangles_of(figure.skin_faces))
    hand = posed.occluders[0].astype(np.float32)
    # Inside the head, rays to five sides meet skin from within an odd number of times; how deep is what counts.
    nearest = np.full(len(hand), np.inf)
    inside = np.ones(len(hand), bool)
    for direction in np.vstack([np.eye(3), -np.eye(3)])[[0, 1, 2, 3, 5]].astype(np.float32):
        hit = skin.run(hand, np.tile(direction, (len(hand), 1)), output=1)
        inside &= hit["primID"] >= 0
        nearest = np.minimum(nearest, np.where(hit["primID"] >= 0, hit["tfar"], np.inf))
    low = hand[:, 1] < 0.6
    assert np.where(inside & ~low, nearest, 0).max() < 0.012
    away = np.linalg.norm(posed.skin[None, np.unique(figure.skin_faces)[::4]] - hand[::4, None], axis=-1).min()
    assert away < 0.008


def test_a_hand_comes_and_goes_along_a_smooth_path() -> None:
    prop = replace(draw_prop("hand", 5), gesture="cheek")
    figure = build_figure(draw_actor(45), props=(prop,))
    performance = draw_performance(5, 200)
    held = figure.occluders[0].riding
    assert isinstance(held, Held)
    places = np.array([pose_figure(figure, performance, frame).occluders[0].mean(axis=0) for frame in range(200)])
    presence = np.array([prop.motion.presence(frame / 24) for frame in range(200)])
    assert presence.max() == 1
    assert presence.min() == 0
    # Away is out of the picture, and no step between frames is a jump.
    assert places[presence == 0][:, 1].max() < 0.5
    assert np.linalg.norm(np.diff(places, axis=0), axis=1).max() < 0.08


def test_pixels_of_a_prop_have_its_motion() -> None:
    figure = build_figure(draw_actor(45), props=(at_once("cap"),))
    performance, scene = draw_performance(8, 12), draw_scene(8, 12)
    poses = Poses(figure, performance, scene)
    camera = scene.shot_at(5).camera
    posed, around = poses.at(5), poses.around(5)
    (picture,) = Caster(figure).draw_as([], posed, camera, LIGHT, SIZE, around=around)
    assert picture.motion_xy is not None
    ends = [camera.project(each.occluders[0], SIZE)[0] for each in (around.before, around.after)]
    here, depth = camera.project(posed.occluders[0], SIZE)
    front = depth < np.median(depth)
    rows, columns = np.nonzero(cv2.erode((picture.labels == Part.OCCLUDER).astype(np.uint8), np.ones((5, 5))))
    away = np.linalg.norm(here[front][None] - np.stack([columns, rows], axis=1)[:, None], axis=-1)
    expected = ((ends[1] - ends[0])[front] / 2)[away.argmin(axis=1)]
    error = np.linalg.norm(picture.motion_xy[rows, columns] - expected, axis=1)
    assert np.linalg.norm(expected, axis=1).mean() > 0.3
    assert np.median(error) < 0.1 * np.linalg.norm(expected, axis=1).mean()


def test_a_mask_follows_head_and_jaw() -> None:
    figure = build_figure(draw_actor(45), props=(at_once("surgical mask"),))
    mask = [pose_figure(figure, still(units={"jawOpen": jaw}), 0).occluders[0] for jaw in (0.0, 0.8)]
    low = mask[0][:, 1] < np.quantile(mask[0][:, 1], 0.2)
    assert (mask[0] - mask[1])[low, 1].mean() > 0.004
    posed = pose_figure(figure, still(40.0, units={"jawOpen": 0.4}), 0)
    picture = Caster(figure).draw(posed, Camera(), LIGHT, SIZE, colour=False)
    assert not np.isin(picture.labels, (Part.LIPS, Part.MOUTH)).any()


def test_a_truth_has_the_performers_props() -> None:
    performer, likeness = draw_actor(7), draw_actor(45)
    for kind in ("hand", "surgical mask"):
        props = (at_once(kind),)
        plate = build_figure(performer, props=props)
        truth = build_truth(likeness, performer, "likeness", props=props)
        one, other = drawn(plate), drawn(truth)
        before, after = one.labels == Part.OCCLUDER, other.labels == Part.OCCLUDER
        assert before.sum() > 100
        assert (before & after).sum() / (before | after).sum() > 0.97, kind
        for rest, same in zip(plate.occluders, truth.occluders, strict=True):
            assert np.array_equal(rest.mesh.points, same.mesh.points)
            assert np.array_equal(rest.rgb, same.rgb)


def test_the_same_props_give_the_same_pixels() -> None:
    pictures = [drawn(build_figure(draw_actor(45), props=draw_props(6)), colour=True) for _ in range(2)]
    assert np.array_equal(pictures[0].rgb, pictures[1].rgb)
    assert np.array_equal(pictures[0].labels, pictures[1].labels)


def test_skin_near_a_hand_is_darker_than_without_it(bare: Picture) -> None:
    figure = build_figure(draw_actor(45), props=(replace(at_once("hand"), gesture="chin in hand"),))
    picture = drawn(figure, colour=True)
    plain = drawn(build_figure(draw_actor(45)), colour=True)
    skin = (picture.labels == Part.SKIN) & (bare.labels == Part.SKIN)
    change = plain.rgb[skin].astype(int).mean(axis=1) - picture.rgb[skin].astype(int).mean(axis=1)
    assert np.percentile(change, 99) > 8
    assert np.percentile(change, 1) > -2
