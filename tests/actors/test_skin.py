"""Skin maps: photographed material, mixed anew for everybody."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from countenance.actors.actor import draw_actor, skin_tone
from countenance.actors.colour import to_light
from countenance.actors.head import load_head
from countenance.actors.skin import SkinMaps, atlas, beard_places, make_skin

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
    for name in ("rgb", "roughness", "height"):
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
    face = load_head().maps["face"]
    assert face.shape[0] == 2 * SIZE
    for seed, skin in skins.items():
        contrast = detail(skin, plain_face()).std()
        assert 0.012 < contrast < 0.06, seed


def test_the_face_has_the_tone_that_was_asked_for(skins: dict[int, SkinMaps]) -> None:
    mask = plain_face()
    for seed, skin in skins.items():
        asked = np.array(skin_tone(draw_actor(seed).skin)) * 255
        shown = np.median(skin.rgb[mask], axis=0)
        assert np.abs(shown - asked).max() < 14, (seed, asked, shown)
