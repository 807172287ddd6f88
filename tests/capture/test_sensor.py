"""Counted light: noise by the model of EMVA 1288, white balance, clipping, the mosaic."""

from dataclasses import replace

import numpy as np
import pytest

from countenance.capture.sensor import sensed
from countenance.capture.settings import Sensor

NEUTRAL = (1.0, 1.0, 1.0)
SENSOR = Sensor(full_well_e=8_000, read_noise_e=6, has_mosaic=False)


def flat(light: float, size: int = 128) -> np.ndarray:
    return np.full((size, size, 3), light, np.float32)


@pytest.mark.parametrize("gain_stops", [0.0, 2.0])
def test_variance_is_the_signal_and_the_square_of_the_read_noise(gain_stops: float) -> None:
    sensor = replace(SENSOR, gain_stops=gain_stops)
    to_electrons = sensor.saturation_e / sensor.clip_light
    means, variances = [], []
    for number, light in enumerate(np.linspace(0.01, 0.8, 12) * sensor.clip_light):
        counted = sensed(flat(float(light)), sensor, NEUTRAL, np.random.default_rng(number)) * to_electrons
        means.append(counted.mean())
        variances.append(counted.var())
    slope, read_variance = np.polyfit(means, variances, 1)
    assert slope == pytest.approx(1, abs=0.03)
    assert read_variance == pytest.approx(36, abs=30)
    dark = sensed(flat(0), sensor, NEUTRAL, np.random.default_rng(99)) * to_electrons
    assert dark.std() == pytest.approx(6, rel=0.02)
    assert dark.mean() == pytest.approx(0, abs=0.1)


@pytest.mark.parametrize("has_mosaic", [False, True])
def test_grey_stays_grey_whatever_the_filters_let_through(has_mosaic: bool) -> None:
    sensor = replace(SENSOR, sensitivity_rgb=(0.45, 1.0, 0.6), has_mosaic=has_mosaic, exposure_stops=0.5)
    for light in (0.02, 0.18, 0.6):
        mean = sensed(flat(light), sensor, NEUTRAL, np.random.default_rng(1)).mean(axis=(0, 1))
        assert mean == pytest.approx([light * 2**0.5] * 3, rel=0.01)
    # Far too bright is white, and not the colour of what clips last.
    assert sensed(flat(50.0), sensor, NEUTRAL, np.random.default_rng(1)).std() < 1e-3
    warm = sensed(flat(0.18), sensor, (1.2, 1.0, 0.8), np.random.default_rng(1)).mean(axis=(0, 1))
    assert warm / warm[1] == pytest.approx((1.2, 1, 0.8), rel=0.01)


def test_colours_survive_the_mosaic_and_edges_get_false_ones() -> None:
    sensor = replace(SENSOR, full_well_e=1e9, read_noise_e=0, has_mosaic=True)
    for colour in ((0.4, 0.1, 0.05), (0.05, 0.4, 0.1), (0.1, 0.05, 0.4)):
        light = np.broadcast_to(np.array(colour, np.float32), (32, 32, 3)).copy()
        assert np.allclose(sensed(light, sensor, NEUTRAL, np.random.default_rng(1))[4:-4, 4:-4], colour, atol=2e-3)
    stripes = flat(0.02, 32)
    stripes[:, ::3] = 0.4
    seen = sensed(stripes, sensor, NEUTRAL, np.random.default_rng(1))
    assert np.abs(seen[..., 0] - seen[..., 2]).max() > 0.05


def test_noise_is_the_same_whatever_the_light() -> None:
    one, other = flat(0.1), flat(0.1)
    other[40:60, 40:60] = 0.7
    seen = [sensed(light, SENSOR, NEUTRAL, np.random.default_rng(7)) for light in (one, other)]
    changed = (seen[0] != seen[1]).any(axis=2)
    assert changed[40:60, 40:60].mean() > 0.99
    changed[40:60, 40:60] = False
    assert not changed.any()
