import numpy as np
import pytest

from countenance.pixels import from_unit, to_8_bit, to_16_bit, white_of


def test_eight_bits_come_back_from_any_depth_and_are_not_copied() -> None:
    rgb = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3)
    assert to_8_bit(rgb) is rgb
    assert np.array_equal(to_8_bit(to_16_bit(rgb)), rgb)
    assert np.array_equal(to_8_bit((rgb / np.float32(255)).astype(np.float32)), rgb)


def test_sixteen_bits_are_rounded_to_the_nearest_eight() -> None:
    deep = np.arange(65536, dtype=np.uint16).repeat(3).reshape(256, 256, 3)
    assert np.array_equal(to_8_bit(deep), np.rint(deep / 257).astype(np.uint8))
    assert to_16_bit(deep) is deep


@pytest.mark.parametrize(("kind", "white"), [(np.uint8, 255), (np.uint16, 65535), (np.float32, 1)])
def test_white_and_beyond(kind: type, white: float) -> None:
    like: np.ndarray = np.zeros((1, 1, 3), kind)
    assert white_of(like) == white
    beyond = from_unit(np.full((1, 1, 3), 1.5, np.float32), like)
    assert beyond.dtype == kind
    assert beyond.max() == (1.5 if kind is np.float32 else white)
