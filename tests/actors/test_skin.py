"""Skin maps: photographed material, mixed anew for everybody."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from countenance.actors.actor import draw_actor, skin_tone
from countenance.actors.caster import Caster
from countenance.actors.colour import to_light
from countenance.actors.figure import Figure, pose_figure
from countenance.actors.performance import still
from countenance.actors.scene import Camera, Light
from countenance.actors.skin import LINES, SkinMaps, atlas, beard_places, make_skin
from countenance.vision.parts import Part

SIZE = 512
SEEDS = (45, 7, 24, 12)
"""Light and dark, women and men."""


@pytest.fixture(scope="module")
def skins() -> dict[int, SkinMaps]:
    return {seed: make_skin(draw_actor(seed), draw_actor(seed), SIZE) for seed in SEEDS}


def plain_face() -> np.ndarray:
    """The face without lips, lids and beard."""
    places = atlas(SIZE)
    beard = beard_places(places.points, places.regions["lips"])
    plain = (places.face_weight > 0.95) & (beard < 0.02) & (places.points[:, 1] < 0.79)
    for name in ("lips", "eyelids", "inside_mouth"):
        plain &= places.regions[name] < 0.02
    mask = np.zeros(SIZE * SIZE, bool)
    mask[places.texels[plain]] = True
    return mask.reshape(SIZE, SIZE)


def detail(skin: SkinMaps, mask: np.ndarray) -> np.ndarray:
    """High frequencies of brightness."""
    bright = np.log(to_light(skin.rgb.astype(np.float32) / 255).mean(axis=2) + 0.004)
    fine = (bright - cv2.GaussianBlur(bright, (0, 0), 3.0))[mask]
    return np.asarray(np.clip(fine, -0.1, 0.1))


def test_a_seed_has_one_skin(skins: dict[int, SkinMaps]) -> None:
    again = make_skin(draw_actor(7), draw_actor(7), SIZE)
    for name in ("rgb", "roughness", "height", "lines"):
        assert np.array_equal(getattr(again, name), getattr(skins[7], name))


def test_two_actors_share_no_detail(skins: dict[int, SkinMaps]) -> None:
    mask = cv2.erode(plain_face().astype(np.uint8), np.ones((9, 9))).astype(bool)
    found = np.corrcoef([detail(skin, mask) for skin in skins.values()])
    assert np.abs(found[np.triu_indices(len(skins), 1)]).max() < 0.25


def test_the_same_photographs_look_different_on_another_actor() -> None:
    actor = draw_actor(24)
    # Everything drawn is the same; only what is mixed from photographs is drawn anew.
    other = replace(actor, seed=1024)
    mask = cv2.erode(plain_face().astype(np.uint8), np.ones((9, 9))).astype(bool)
    one, two = (detail(make_skin(each, each, SIZE), mask) for each in (actor, other))
    assert abs(np.corrcoef(one, two)[0, 1]) < 0.5


def test_skin_has_detail_as_in_photographs_everywhere(skins: dict[int, SkinMaps]) -> None:
    for seed, skin in skins.items():
        contrast = detail(skin, plain_face()).std()
        assert 0.012 < contrast < 0.06, seed


def test_the_face_has_the_tone_that_was_asked_for(skins: dict[int, SkinMaps]) -> None:
    mask = plain_face()
    for seed, skin in skins.items():
        asked = np.array(skin_tone(draw_actor(seed).skin)) * 255
        shown = np.median(skin.rgb[mask], axis=0)
        assert np.abs(shown - asked).max() < 14, (seed, asked, shown)


def test_an_expression_deepens_its_own_lines(likeness: Figure) -> None:
    calm = pose_figure(likeness, still(), 0)
    assert set(calm.lines.values()) == {0.0}
    half, whole = (pose_figure(likeness, still(units={"browInnerUp": part}), 0).lines for part in (0.5, 1.0))
    assert 0 < half["forehead"] < whole["forehead"]
    assert all(whole[name] == 0 for name in LINES if name != "forehead")
    smile = pose_figure(likeness, still(units={"mouthSmileLeft": 1.0}), 0).lines
    assert smile["fold_left"] > 0.5
    assert smile["fold_right"] == 0


def test_lines_are_seen_where_they_belong(likeness: Figure) -> None:
    calm = pose_figure(likeness, still(), 0)
    caster, light = Caster(likeness), Light(environment="studio", turn_deg=0.0, strength=0.9, lamps=())
    camera = Camera(frame_m=0.22)
    drawn = [
        caster.draw(replace(calm, lines={**calm.lines, "forehead": weight}), camera, light, 160)
        for weight in (0.0, 0.5, 1.0)
    ]
    skin = drawn[0].labels == Part.SKIN
    changes = [np.abs(each.rgb[skin].astype(float) - drawn[0].rgb[skin]).mean() for each in drawn]
    assert 0 == changes[0] < 0.05 < changes[1] < changes[2]
    forehead = np.abs(drawn[2].rgb.astype(float) - drawn[0].rgb).mean(axis=2)
    rows = np.argwhere(forehead > 4)[:, 0]
    eyes = np.argwhere(drawn[0].labels == Part.EYE)[:, 0]
    assert rows.max() < eyes.min()
    assert np.array_equal(drawn[0].labels, drawn[2].labels)


def test_a_likeness_keeps_its_lines_and_detail_in_the_performers_tone(exact: Figure, toned: Figure) -> None:
    mask = cv2.erode(plain_face().astype(np.uint8), np.ones((9, 9))).astype(bool)
    assert np.corrcoef(detail(exact.skin, mask), detail(toned.skin, mask))[0, 1] > 0.75
    assert np.array_equal(exact.skin.lines, toned.skin.lines)
    asked = np.array(skin_tone(toned.face.skin)) * 255
    assert np.abs(np.median(toned.skin.rgb[mask], axis=0) - asked).max() < 14
