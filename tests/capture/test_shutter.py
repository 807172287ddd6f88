"""Motion blur and rolling exposure have the lengths that physics gives them."""

from fractions import Fraction

import numpy as np
import pytest

from countenance.capture.settings import Shutter
from countenance.capture.shutter import exposed, labels_exposed, points_exposed

RATE = 25.0
SIZE = 101


def bar(speed_xy: tuple[float, float], width: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """An upright white bar before black, and how it moves."""
    light = np.zeros((SIZE, SIZE, 3), np.float32)
    light[:, 40 : 40 + width] = 1
    return light, np.where(light[..., :2] > 0, np.array(speed_xy, np.float32), np.float32(0)).astype(np.float32)


@pytest.mark.parametrize("speed", [6.0, 12.0, -10.0])
@pytest.mark.parametrize("angle_deg", [90.0, 180.0, 360.0])
def test_an_edge_is_blurred_over_shutter_times_speed(speed: float, angle_deg: float) -> None:
    light, motion = bar((speed, 0))
    row = exposed(light, motion, Shutter(angle_deg=angle_deg), RATE)[50, :, 0]
    length = abs(speed) * angle_deg / 360
    # Of an even ramp, twelve times the variance of its slope is its length squared.
    slope = np.abs(np.diff(row[:50]))
    at = np.arange(49) + 0.5
    middle = (slope * at).sum() / slope.sum()
    variance = (slope * (at - middle) ** 2).sum() / slope.sum()
    assert np.sqrt(12 * variance) == pytest.approx(length, abs=0.8)
    assert middle == pytest.approx(39.5, abs=0.25)
    # No light is lost or found.
    assert row.sum() == pytest.approx(20, rel=0.02)


@pytest.mark.parametrize("speed", [8.0, -15.0])
def test_a_rolling_shutter_shears_a_bar_by_speed_times_readout(speed: float) -> None:
    light, motion = bar((speed, 0))
    seen = exposed(light, motion, Shutter(angle_deg=0.0, readout_s=0.02), RATE)[..., 0]
    columns = np.arange(SIZE)
    middles = (seen * columns).sum(axis=1) / seen.sum(axis=1)
    assert middles[-1] - middles[0] == pytest.approx(speed * 0.02 * RATE, abs=0.3)
    assert middles[50] == pytest.approx(49.5, abs=0.05)
    # Evenly, row by row.
    assert np.allclose(middles, np.linspace(middles[0], middles[-1], SIZE), atol=0.6)


def test_labels_and_points_go_where_the_light_goes() -> None:
    light, motion = bar((15.0, 0))
    shutter = Shutter(angle_deg=0.0, readout_s=0.03)
    seen = exposed(light, motion, shutter, RATE)[..., 0]
    labels = labels_exposed((light[..., 0] > 0).astype(np.uint8), motion, shutter, RATE)
    assert np.array_equal(labels[5:-5] > 0, seen[5:-5] > 0.5) or np.mean((labels > 0) != (seen > 0.5)) < 0.01
    rows = np.array([0.0, 20.0, 50.0, 90.0, 100.0], np.float32)
    edges = np.stack([np.full(5, 39.5), rows], axis=1).astype(np.float32)
    moved = points_exposed(edges, np.full((5, 2), (15.0, 0.0), np.float32), SIZE, shutter, RATE)
    assert np.array_equal(moved[:, 1], rows)
    for x, y in moved:
        first = float(np.interp(0.5, seen[int(y), 25:48], np.arange(25, 48)))
        assert x == pytest.approx(first, abs=0.6)


def test_what_falls_with_the_read_out_is_stretched() -> None:
    points = np.array([[50.0, 0.0], [50.0, 50.0], [50.0, 100.0]], np.float32)
    moved = points_exposed(points, np.full((3, 2), (0.0, 20.0), np.float32), SIZE, Shutter(readout_s=0.02), RATE)
    # A tenth of the height in the time of the read-out: the row is met a tenth later again, and so on.
    assert np.diff(moved[:, 1]) == pytest.approx(50 / (1 - 0.1), rel=1e-3)
    assert moved[1] == pytest.approx((50, 50), abs=1e-3)


def test_what_stands_still_is_left_as_it_is() -> None:
    light = np.random.default_rng(3).random((40, 50, 3)).astype(np.float32)
    motion = np.zeros((40, 50, 2), np.float32)
    shutter = Shutter(angle_deg=360.0, readout_s=float(Fraction(1, 30)))
    assert np.array_equal(exposed(light, motion, shutter, RATE), light)
    # Beside something that moves, too.
    motion[10:20, 5:15] = (9, 0)
    assert np.array_equal(exposed(light, motion, shutter, RATE)[:, 40:], light[:, 40:])


def test_turning_spreads_by_the_distance_from_the_axis() -> None:
    y, x = np.mgrid[:SIZE, :SIZE].astype(np.float32) - 50
    motion = np.stack([-y, x], axis=-1).astype(np.float32) * np.float32(0.2)
    rings = (np.sin(np.arctan2(y, x) * 24) * 0.5 + 0.5).astype(np.float32)[..., None]
    seen = exposed(rings, motion, Shutter(angle_deg=180.0), RATE)[..., 0]
    # Spokes keep sin(k)/k of their contrast, the same at every distance from the axis.
    radius = np.hypot(x, y)
    kept = [
        seen[(radius > r) & (radius < r + 6)].std() / rings[(radius > r) & (radius < r + 6)].std() for r in (30, 42)
    ]
    angle = 24 * 0.2 * 0.5 / 2
    assert kept == pytest.approx([np.sin(angle) / angle] * 2, abs=0.09)
