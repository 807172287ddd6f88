"""Hair of the head, brows, beards and glasses."""

from dataclasses import replace

import numpy as np

from countenance.actors.actor import draw_actor
from countenance.actors.caster import Caster, Picture
from countenance.actors.figure import Figure, pose_figure
from countenance.actors.glasses import glasses_on, lenses_on
from countenance.actors.hair_shading import DIRECTIONS, hair_openness
from countenance.actors.head import load_head
from countenance.actors.performance import still
from countenance.actors.scalp import hairline_height, scalp_places
from countenance.actors.scene import Camera, Lamp, Light
from countenance.actors.strands import beard_density, strand_colours
from countenance.vision.parts import Part

LIGHT = Light(
    environment="studio",
    turn_deg=0.0,
    strength=0.9,
    lamps=(Lamp(azimuth_deg=8.0, elevation_deg=20.0, power_w=6.0, size_m=0.5, rgb=(1.0, 1.0, 1.0)),),
)
SIZE = 128


def draw(figure: Figure) -> Picture:
    return Caster(figure).draw(pose_figure(figure, still(), 0), Camera(frame_m=0.3), LIGHT, SIZE)


def test_hair_thins_out_over_a_centimetre_at_its_line(likeness: Figure) -> None:
    head, actor = load_head(), replace(likeness.body, hair=replace(likeness.body.hair, part_x=None, thinning=0.0))
    points = head.skin_levels[2].matrix @ head.points
    points = points[(points[:, 2] > 0.05) & (points[:, 1] > 0.75)]
    above, dense = hairline_height(points, actor), scalp_places(points, actor)
    assert dense[above < -0.004].max() == 0
    assert 0.05 < dense[(above > 0.0) & (above < 0.003)].mean() < 0.4
    assert 0.4 < dense[(above > 0.004) & (above < 0.007)].mean() < 0.8
    assert dense[above > 0.012].min() > 0.99


def test_grey_hairs_are_grey_one_by_one() -> None:
    rgb = strand_colours(np.random.default_rng(1), (0.12, 0.08, 0.06), 0.3, 4000)
    bright = rgb.mean(axis=1)
    assert abs((bright > 0.15).mean() - 0.3) < 0.03
    # Few lie between the two kinds.
    assert ((bright > 0.08) & (bright < 0.14)).mean() < 0.05


def test_light_is_lost_inside_the_hair_and_behind_the_head(likeness: Figure) -> None:
    hair = likeness.hair
    reach = hair_openness(hair)
    assert reach[:, 1].mean() < 0.8 * reach[:, -1].mean()
    left = hair.points[:, -1, 0] > 0.06
    from_left, from_right = DIRECTIONS[:, 0] > 0.8, DIRECTIONS[:, 0] < -0.8
    assert reach[left][:, -1][:, from_left].mean() > 2 * reach[left][:, -1][:, from_right].mean()


def test_a_moustache_leaves_the_chin_bare() -> None:
    head = load_head()
    points = head.skin_levels[1].matrix @ head.points
    moustache, goatee, full = (beard_density(points, kind) for kind in ("moustache", "goatee", "full"))
    chin = (np.abs(points[:, 0]) < 0.01) & (np.abs(points[:, 1] - 0.635) < 0.01) & (points[:, 2] > 0.1)
    jaw = (points[:, 0] > 0.045) & (np.abs(points[:, 1] - 0.645) < 0.015) & (points[:, 2] > 0.05)
    assert moustache.max() > 0.3
    assert moustache[chin].max() == 0
    assert goatee[chin].max() > 0.5
    assert goatee[jaw].max() == 0
    assert full[jaw].max() > 0.3


def test_a_clear_lens_mirrors_and_keeps_labels_and_a_dark_one_is_glasses(likeness: Figure) -> None:
    glasses = next(actor.glasses for actor in map(draw_actor, range(80)) if actor.glasses is not None)
    clear = replace(glasses, kind="wire", lens_rgb=(0.97, 0.97, 0.97), graded=0.0, coating=0.0)
    dark = replace(clear, lens_rgb=(0.08, 0.08, 0.08))
    frame = glasses_on(clear, likeness.points)

    def wearing(lens: object) -> Figure:
        own = clear if lens is clear else dark if lens is dark else None
        body = replace(likeness.body, glasses=clear)
        return replace(likeness, body=body, glasses=frame, lenses=lenses_on(own, likeness.points))

    without, through, behind = (draw(wearing(each)) for each in (None, clear, dark))
    assert (without.labels == Part.GLASSES).any()
    assert np.array_equal(through.labels, without.labels)
    assert np.array_equal(through.face_mask, without.face_mask)
    lens = (behind.labels == Part.GLASSES) & (without.labels != Part.GLASSES)
    assert lens.sum() > 150
    assert np.isin(without.labels[lens], (Part.SKIN, Part.EYE, Part.BROW, Part.LASH, Part.NECK)).mean() > 0.9
    assert behind.face_mask[lens].max() <= 0.75
    assert np.median(behind.face_mask[lens]) == 0
    change = through.rgb.astype(int) - without.rgb.astype(int)
    assert change[lens].max() > 40
    assert behind.rgb[lens].mean() < 0.7 * without.rgb[lens].mean()
