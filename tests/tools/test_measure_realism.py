"""The judge of realism on textures that are alike, and on some that aren't."""

import cv2
import numpy as np
import pytest

from tools.measure_realism import (
    PATCH,
    Patches,
    accuracy_by_actor,
    groups_by_pores,
    interval,
    octave_levels,
    on_map,
)

NUM_ACTORS, NUM_PATCHES = 8, 12


def texture(rng: np.random.Generator, sigma: float, number: int) -> np.ndarray:
    noise = rng.normal(size=(number, PATCH, PATCH, 3))
    smooth = np.stack([cv2.GaussianBlur(each, (0, 0), sigma) for each in noise])
    # Of any brightness and contrast, which must not be what is learned.
    level, contrast = rng.uniform(80, 180, (number, 1, 1, 1)), rng.uniform(4, 14, (number, 1, 1, 1))
    return np.asarray(np.clip(level + contrast * smooth / smooth.std(), 0, 255), np.uint8)


def patches(sigma: float) -> Patches:
    """Photographs of one texture, actors' skins of another."""
    rng = np.random.default_rng(3)
    actor = np.repeat(np.arange(NUM_ACTORS), 2 * NUM_PATCHES)
    is_photograph = np.tile(np.repeat([True, False], NUM_PATCHES), NUM_ACTORS)
    rgb = np.concatenate([texture(rng, each, NUM_PATCHES) for _ in range(NUM_ACTORS) for each in (1.0, sigma)])
    return Patches(rgb=rgb, is_photograph=is_photograph, actor=actor, group=actor % 2)


def test_textures_that_differ_are_told_apart_and_like_ones_are_not() -> None:
    unlike, like = (accuracy_by_actor(patches(sigma), num_steps=80) for sigma in (2.0, 1.0))
    assert len(unlike) == len(like) == NUM_ACTORS
    assert interval(unlike)[0] > 0.8
    low, high = interval(like)
    assert low < 0.55
    assert high > 0.45
    assert like.mean() < 0.65


def test_levels_by_octaves_follow_the_texture() -> None:
    rng = np.random.default_rng(4)
    coarse, fine = (octave_levels(texture(rng, sigma, 30)) for sigma in (3.0, 1.0))
    assert fine[0] - fine[2] > coarse[0] - coarse[2] + 5


def test_photographs_that_share_their_pores_are_one_group() -> None:
    rng = np.random.default_rng(5)
    pores = [rng.normal(0, 12, (1408, 768, 1)) for _ in range(2)]
    photographs = [
        np.clip(level + pores[which], 0, 255).astype(np.uint8).repeat(3, axis=2)
        for level, which in ((150, 0), (90, 1), (110, 0))
    ]
    assert groups_by_pores(photographs) == [0, 1, 0]


@pytest.mark.parametrize("size", [512, 1024])
def test_a_photograph_lies_where_its_face_is_on_the_map(size: int) -> None:
    photograph = np.zeros((1408, 768, 3), np.uint8)
    # The tip of the nose, as the photographs' card says; vertex 298 of the base mesh.
    cv2.circle(photograph, (508, 706), 12, (255, 255, 255), -1)
    moved = on_map(photograph, np.full((size, size, 3), 7, np.uint8))
    assert (moved[0, 0] == 7).all()
    rows, columns = np.nonzero(moved[..., 0] > 128)
    u, v = (1280 + 508) / 2048, 1 - (352 + 706) / 2048
    at = (0.475 + 1.42 * (u - 0.63), 0.01 + 1.42 * (v - 0.14))
    assert columns.mean() == pytest.approx(at[0] * size - 0.5, abs=1)
    assert rows.mean() == pytest.approx((1 - at[1]) * size - 0.5, abs=1)
