import cv2
import numpy as np
import pytest

from countenance.composite.grain import missing_grain, noise_of
from countenance.pixels import Pixels

SIZE = 300
WHOLE = np.ones((SIZE, SIZE), np.float32)


def noisy(strength: float, blur_px: float = 0.0, seed: int = 0) -> Pixels:
    """Grey with noise of some strength, 0–1, and fineness."""
    noise = np.random.default_rng(seed).standard_normal((SIZE, SIZE, 3)).astype(np.float32)
    if blur_px:
        noise = np.asarray(cv2.GaussianBlur(noise, (0, 0), blur_px), np.float32)
    return np.asarray(0.5 + strength * noise / noise.std(), np.float32)


def textured() -> Pixels:
    """Fine lines over two thirds of a smooth frame."""
    rgb = np.full((SIZE, SIZE, 3), 0.5, np.float32)
    rgb[: 2 * SIZE // 3, ::3] = 0.2
    return rgb


@pytest.mark.parametrize("blur_px", [0.0, 0.8, 1.5])
def test_a_clean_face_gets_noise_as_strong_and_as_fine_as_the_plates(blur_px: float) -> None:
    plate, face = noisy(0.02, blur_px), np.full((SIZE, SIZE, 3), 0.5, np.float32)
    grain = missing_grain(noise_of(plate), face, WHOLE, np.random.default_rng(1))
    assert grain is not None
    assert abs(grain.mean()) < 0.001
    # Coarse noise, made larger, shows in the finest band too: there soft grain comes out half again as strong.
    made, wanted = noise_of(face + grain), noise_of(plate)
    assert made == pytest.approx(wanted, rel=0.6, abs=2e-4)
    assert made[1] == pytest.approx(wanted[1], rel=0.3)
    assert (made**2).sum() == pytest.approx((wanted**2).sum(), rel=0.4)


def test_a_face_that_is_as_noisy_already_gets_none() -> None:
    assert missing_grain(noise_of(noisy(0.02)), noisy(0.022, seed=2), WHOLE, np.random.default_rng(1)) is None


def test_a_face_that_kept_half_of_it_gets_the_rest() -> None:
    plate, face = noisy(0.03), noisy(0.02, seed=2)
    grain = missing_grain(noise_of(plate), face, WHOLE, np.random.default_rng(1))
    assert grain is not None
    assert noise_of(face + grain)[0] == pytest.approx(noise_of(plate)[0], rel=0.15)


def test_texture_is_not_taken_for_grain() -> None:
    assert noise_of(textured()).max() < 1e-3
    assert missing_grain(noise_of(textured()), np.zeros_like(textured()), WHOLE, np.random.default_rng(1)) is None


def test_noise_is_measured_alike_at_every_depth() -> None:
    plate = noisy(0.03)
    as_8, as_16 = (np.rint(plate * white).astype(kind) for white, kind in ((255, np.uint8), (65535, np.uint16)))
    assert noise_of(as_8) == pytest.approx(noise_of(plate), rel=0.1, abs=3e-4)
    assert noise_of(as_16) == pytest.approx(noise_of(plate), rel=0.01, abs=1e-5)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_clipped_or_tiny_frame_shows_no_noise(value: float) -> None:
    assert noise_of(np.full((SIZE, SIZE, 3), value, np.float32)).max() == 0
    assert noise_of(noisy(0.02)[:20, :20]).max() == 0


def test_the_same_seed_gives_the_same_grain() -> None:
    face = np.full((SIZE, SIZE, 3), 0.5, np.float32)
    noise = noise_of(noisy(0.02))
    one, again, other = (missing_grain(noise, face, WHOLE, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert one is not None
    assert again is not None
    assert other is not None
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)
