import numpy as np
import pytest

from countenance.vision.parts import Part
from tools.fine.detail import BANDS_PX, CLOSE_PX, CLOSE_UPS, banded, close_up, measure, region_of

EVERYWHERE = np.ones((256, 256), bool)


def waves(length_px: float, strength: float = 10.0) -> np.ndarray:
    across = strength * np.sin(2 * np.pi * np.arange(256) / length_px)
    return np.round(np.broadcast_to(100 + across[None, :, None], (256, 256, 3))).astype(np.uint8)


@pytest.mark.parametrize("band", range(len(BANDS_PX)))
def test_detail_is_found_in_its_own_band(band: int) -> None:
    low, high = BANDS_PX[band]
    strength = measure(waves(2 * np.sqrt(low * high)), EVERYWHERE).strength
    assert int(np.argmax(strength)) == band
    assert strength[band] > 0.4 * 0.1 / np.sqrt(2)


def test_detail_in_another_place_is_as_strong_but_not_the_truths() -> None:
    there, elsewhere = waves(8), np.roll(waves(8), 2, axis=1)
    same, moved = (measure(each, EVERYWHERE, banded(there)) for each in (there, elsewhere))
    assert moved.strength[1] == pytest.approx(same.strength[1], rel=0.05)
    assert same.correlation[1] == pytest.approx(1)
    assert abs(moved.correlation[1]) < 0.05


def test_a_region_is_of_its_parts_and_of_the_replaced_face() -> None:
    labels, mask = np.full((100, 100), Part.SKIN, np.uint8), np.full((100, 100), 255, np.uint8)
    labels[40:50, 40:60] = Part.BROW
    mask[:, 55:] = 0
    brows, skin = (region_of(labels, mask, name) for name in ("brows", "skin"))
    assert brows[45, 50]
    assert brows[33, 50]
    assert not brows[20, 50]
    assert not brows[45, 57]
    assert skin[80, 30]
    assert not skin[53, 50]


def test_a_close_up_lies_within_the_picture() -> None:
    rgb = np.zeros((600, 700, 3), np.uint8)
    for x in (0.0, 350.0, 700.0):
        points = np.full((468, 2), x, np.float32)
        for name in CLOSE_UPS:
            assert close_up(rgb, points, name).shape == (CLOSE_PX, CLOSE_PX, 3)
