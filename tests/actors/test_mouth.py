"""Teeth, gums, tongue, and the darkness behind the lips."""

from dataclasses import replace
from typing import Any

import numpy as np

from countenance.actors.actor import Actor, draw_actor
from countenance.actors.caster import Caster
from countenance.actors.figure import Figure, build_figure, pose_figure
from countenance.actors.mouth_shading import light_reaching
from countenance.actors.performance import still
from countenance.actors.scene import FACE_CENTRE, Camera, Light
from countenance.actors.surface import embree_scene, triangles_of
from countenance.actors.teeth import JAWS, Row, teeth_row, tongue_colour
from countenance.vision.parts import Part

LIGHT = Light(environment="studio", turn_deg=0.0, strength=1.0)


def row(actor: Actor, **changed: Any) -> Row:
    return teeth_row(replace(actor, teeth=replace(actor.teeth, **changed)), "upper", 12, 14)


def test_teeth_are_crooked_worn_and_apart_as_drawn() -> None:
    actor = draw_actor(3)
    even, crooked = row(actor, disorder=0.0), row(actor, disorder=1.0)
    assert np.linalg.norm(even.teeth - crooked.teeth, axis=1).max() > 0.0004
    mirrored = even.teeth.reshape(14, -1, 3) * [-1, 1, 1]
    assert np.allclose(mirrored[0::2], even.teeth.reshape(14, -1, 3)[1::2], atol=2e-4)
    assert row(actor, wear=1.0).teeth[:, 1].min() > row(actor, wear=0.0).teeth[:, 1].min() + 0.0002
    wide, narrow = (np.ptp(row(actor, disorder=0.0, gap=gap).teeth[:96, 0]) for gap in (0.0, 0.1))
    assert narrow < 0.95 * wide
    assert len({draw_actor(seed).teeth.disorder for seed in range(20)}) == 20


def test_enamel_is_yellower_at_the_gum_and_gums_are_as_dark_as_drawn() -> None:
    actor = draw_actor(3)
    teeth = row(actor, disorder=0.0)
    first, colour = teeth.teeth[:96], teeth.teeth_rgb[:96]
    order = np.argsort(first[:, 1])
    yellow = colour[:, 0] / colour[:, 2]
    assert yellow[order[-36:]].mean() > 1.15 * yellow[order[24:60]].mean()
    assert colour.std(axis=0).min() > 0.01
    assert row(actor, gum_depth=1.0).gum_rgb.mean() < 0.6 * row(actor, gum_depth=0.0).gum_rgb.mean()
    assert teeth.gum_rgb.std(axis=0).max() > 0.02
    assert tongue_colour(actor).std(axis=0).max() > 0.005


def test_deep_in_the_mouth_it_is_dark(likeness: Figure) -> None:
    posed = pose_figure(likeness, still(units={"jawOpen": 0.6}), 0)
    lips = posed.landmarks[[13, 14]].mean(axis=0)
    inwards = lips - np.linspace(0, 0.06, 7)[:, None] * posed.head_matrix[:3, 2]
    reached = light_reaching(posed, inwards.astype(np.float32))
    assert (np.diff(reached) < 0).all()
    assert reached[-1] < 0.15 * reached[0]
    shut = pose_figure(likeness, still(units={"jawOpen": 0.1}), 0)
    lips = shut.landmarks[[13, 14]].mean(axis=0)
    nearer = light_reaching(shut, (lips - 0.02 * shut.head_matrix[:3, 2])[None].astype(np.float32))
    assert nearer[0] < light_reaching(posed, inwards[2:3].astype(np.float32))[0]


def test_a_closed_mouth_shows_no_teeth(likeness: Figure, performer: Figure) -> None:
    for figure in (likeness, performer):
        caster, posed = Caster(figure), pose_figure(figure, still(), 0)
        off = posed.landmarks[[13, 14]].mean(axis=0) - FACE_CENTRE
        camera = Camera(frame_m=0.08, shift_m=(float(off[0]), float(off[1])))
        closed = caster.draw(posed, camera, LIGHT, 96, colour=False).labels
        opened = caster.draw(pose_figure(figure, still(units={"jawOpen": 0.5}), 0), camera, LIGHT, 96).labels
        assert (closed == Part.MOUTH).sum() < 0.1 * (opened == Part.MOUTH).sum()


def test_an_open_mouth_shows_the_edges_of_both_rows(likeness: Figure, performer: Figure) -> None:
    for figure in (likeness, performer):
        posed = pose_figure(figure, still(units={"jawOpen": 0.5}), 0)
        upper_row = figure.jaws[0]
        num_upper, num_one = len(upper_row.teeth), len(upper_row.teeth) // 14
        upper_edge = posed.teeth[:num_one, 1].min()
        lower_edge = posed.teeth[num_upper:][:num_one, 1].max()
        upper_lip, lower_lip = posed.landmarks[[13, 14], 1]
        assert lower_lip < lower_edge < upper_edge < upper_lip
        # Most of each tooth stays behind its lip.
        assert upper_lip - upper_edge < 0.007
        assert lower_edge - lower_lip < 0.007


def test_the_mouth_of_a_truth_is_the_likenesss(likeness: Figure, performer: Figure, exact: Figure) -> None:
    for name in ("teeth_rgb", "gum_rgb", "tongue_rgb"):
        assert np.array_equal(getattr(exact, name), getattr(likeness, name))
        assert not np.array_equal(getattr(exact, name), getattr(performer, name))


def test_gums_stay_beneath_the_skin_of_a_narrow_jaw(likeness: Figure) -> None:
    narrow = build_figure(draw_actor(32))
    for figure in (narrow, likeness):
        for units in ({}, {"jawOpen": 0.5}):
            posed = pose_figure(figure, still(units=units), 0)
            gum = posed.gum[np.abs(posed.gum[:, 0]) > 0.012]
            outwards = np.sign(gum[:, :1]) * np.array([1, 0, 0])
            skin = embree_scene(posed.skin, triangles_of(figure.skin_faces))
            hit = skin.run((gum + outwards).astype(np.float32), (-outwards).astype(np.float32), output=1)
            beneath = 1 - hit["tfar"][hit["primID"] >= 0]
            assert len(beneath) > 500
            assert beneath[beneath > -0.01].min() > 0.0
    for jaw, own in zip(JAWS, likeness.jaws, strict=True):
        fresh = teeth_row(likeness.face, jaw, likeness.detail.tooth_points, likeness.detail.gum_points)
        assert (own.gum == fresh.gum).all()
