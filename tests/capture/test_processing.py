"""Tone, noise reduction and sharpening."""

from dataclasses import replace

import numpy as np
import pytest

from countenance.capture.processing import OVERSHOOT, Developer, sharpened, smoothed
from countenance.capture.settings import MID_GREY, Processing
from countenance.capture.tone import film_curve, scene_light, signal


def test_light_of_a_render_is_what_its_curve_was_given() -> None:
    light = np.geomspace(0.004, 8, 300, dtype=np.float32)
    codes = np.round(film_curve(light) * 255).astype(np.uint8)
    back = scene_light(np.broadcast_to(codes[:, None, None], (300, 1, 3)).copy())[:, 0, 0]
    # Half a step of eight bits, which is wide where the curve is flat.
    assert np.abs(film_curve(back) - film_curve(light)).max() < 0.6 / 255
    assert back[150] == pytest.approx(light[150], rel=0.02)


def test_the_film_curve_gives_a_render_back() -> None:
    codes = np.arange(2, 250, dtype=np.uint8).reshape(-1, 1, 1).repeat(3, axis=2)
    shown = signal(scene_light(codes), Processing()) * 255
    assert np.abs(shown - codes).max() < 0.75


@pytest.mark.parametrize("knee", [None, 0.6, 0.9])
def test_curves_rise_and_grey_is_in_the_middle(knee: float | None) -> None:
    light = np.geomspace(0.01, 10, 200, dtype=np.float32).reshape(-1, 1, 1).repeat(3, axis=2)
    for shadows in (0.0, 1.0):
        shown = signal(light, Processing(knee=knee, shadows=shadows))[:, 0, 0]
        assert (np.diff(shown) >= 0).all()
        assert 0.35 < np.interp(MID_GREY, light[:, 0, 0], shown) < 0.55
        assert shown[-1] <= 1.001
    lifted = signal(light, Processing(knee=knee, shadows=1.0))[:, 0, 0]
    assert lifted[20] > signal(light, Processing(knee=knee))[20, 0, 0] + 0.02


def test_saturation_keeps_luma_and_grey() -> None:
    grey = np.full((2, 2, 3), 0.3, np.float32)
    assert np.ptp(signal(grey, Processing(saturation=1.5))) < 1e-3
    red = np.broadcast_to(np.array([0.4, 0.2, 0.2], np.float32), (2, 2, 3)).copy()
    plain, strong = (signal(red, Processing(saturation=s))[0, 0] for s in (1.0, 1.4))
    assert strong[0] > plain[0]
    assert strong[2] < plain[2]


def test_noise_goes_and_edges_stay() -> None:
    rng = np.random.default_rng(2)
    edge = np.repeat(np.array([0.2, 0.8], np.float32), 40)[None].repeat(80, axis=0)
    noisy = (edge + rng.normal(0, 0.02, edge.shape)).astype(np.float32)
    calm = smoothed(noisy, 0.03)
    assert calm[:, :30].std() < 0.5 * noisy[:, :30].std()
    assert calm[:, 41].mean() - calm[:, 38].mean() > 0.55


def test_sharpening_overshoots_at_edges_within_limits_and_leaves_noise() -> None:
    edge = np.repeat(np.array([0.3, 0.6], np.float32), 20)[None].repeat(40, axis=0)
    crisp = sharpened(edge, 3.0, 1.0)
    assert crisp.max() == pytest.approx(0.6 + OVERSHOOT, abs=1e-4)
    assert crisp.min() == pytest.approx(0.3 - OVERSHOOT, abs=1e-4)
    faint = (0.5 + np.random.default_rng(1).normal(0, 0.001, (40, 40))).astype(np.float32)
    assert np.array_equal(sharpened(faint, 3.0, 1.0), faint)


def test_over_time_noise_goes_where_nothing_moves_and_nothing_trails_where_something_does() -> None:
    rng = np.random.default_rng(4)
    settings = Processing(knee=0.8, temporal_denoise=0.7)
    developer, plain = Developer(processing=settings), Developer(processing=replace(settings, temporal_denoise=0.0))
    for number in range(8):
        light = np.full((48, 48, 3), 0.2, np.float32)
        light[:, 5 * number : 5 * number + 5] = 0.9
        light = (light * (1 + rng.normal(0, 0.02, light.shape))).astype(np.float32)
        calm, noisy = developer.develop(light).astype(float), plain.develop(light).astype(float)
    # The last eight columns, where nothing has passed.
    assert calm[:, 42:].std() < 0.75 * noisy[:, 42:].std()
    assert np.abs(calm[:, 26:29].mean() - noisy[:, 26:29].mean()) < 2
