import numpy as np
import pytest

from countenance.errors import MediaError
from countenance.pixels import from_unit, to_8_bit
from countenance.watermark.embed import FLAT_STRENGTH, can_carry, mark
from tests.support.marked import MARK_ID, picture


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
def test_every_depth_keeps_its_type_and_carries_the_same_mark(kind: type) -> None:
    plain = picture()
    deep = from_unit(plain / np.float32(255), like=np.zeros((1, 1, 3), kind))
    marked = mark(deep, MARK_ID)
    assert marked.dtype == kind
    assert marked.shape == plain.shape
    assert np.abs(to_8_bit(marked).astype(int) - mark(plain, MARK_ID)).max() <= 1


def test_only_luminance_changes_and_what_is_flat_the_least() -> None:
    plain = picture()
    change = mark(plain, MARK_ID).astype(int) - plain
    inside = ((plain > 10) & (plain < 245)).all(axis=2)
    assert np.ptp(change[inside], axis=1).max() == 0
    flat = change[:, :280]
    assert np.sqrt(np.mean(flat**2)) == pytest.approx(FLAT_STRENGTH, abs=0.15)
    assert np.sqrt(np.mean(change[:, 400:] ** 2)) > 2 * FLAT_STRENGTH


def test_a_busy_picture_stays_above_42_db() -> None:
    busy = np.random.default_rng(0).integers(0, 256, (360, 480, 3), np.uint8)
    assert 10 * np.log10(255**2 / np.mean((mark(busy, 1).astype(float) - busy) ** 2)) > 42


def test_light_brighter_than_white_is_kept() -> None:
    bright = np.full((300, 300, 3), 1.5, np.float32)
    assert 1.49 < mark(bright, 1).min() < mark(bright, 1).max() < 1.51


def test_a_picture_too_small_is_refused() -> None:
    assert can_carry(256, 256)
    assert not can_carry(1000, 255)
    with pytest.raises(MediaError, match="100 × 300 pixels is too small"):
        mark(np.zeros((300, 100, 3), np.uint8), 1)
