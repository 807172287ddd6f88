"""Encoders do what is asked of them."""

from collections.abc import Iterator
from fractions import Fraction

import cv2
import numpy as np
import pytest
from jaxtyping import UInt8

from countenance.capture.codec import Spent, recorded
from countenance.capture.settings import Codec

RATE = Fraction(25)
CODECS = (
    Codec(name="h264", bits_per_pixel=0.25, still_quantiser=24, gop_frames=25, num_b_frames=3),
    Codec(name="hevc", bits_per_pixel=0.25, still_quantiser=26, gop_frames=25, preset="ultrafast"),
    Codec(name="mpeg2", bits_per_pixel=0.9, still_quantiser=4, gop_frames=12, num_b_frames=2, chroma="422"),
    Codec(name="prores", bits_per_pixel=3.5, still_quantiser=4, chroma="422"),
)


def moving(num_frames: int, size: int = 128) -> Iterator[UInt8[np.ndarray, "H W 3"]]:
    """Something rich in detail that moves, with the noise of a camera."""
    rng = np.random.default_rng(8)
    ground = cv2.resize(rng.uniform(20, 230, (40, 40, 3)).astype(np.float32), (2 * size, 2 * size))
    for number in range(num_frames):
        seen = ground[20 : 20 + size, 2 * number % size : 2 * number % size + size]
        yield np.clip(seen + rng.normal(0, 6, seen.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
def test_the_bit_rate_is_reached(codec: Codec) -> None:
    spent = Spent()
    frames = list(moving(75))
    shown = list(recorded(frames, codec, RATE, spent=spent))
    assert len(shown) == spent.num_frames == 75
    assert spent.bits_per_pixel(128, 128) == pytest.approx(codec.bits_per_pixel, rel=0.2)
    # In order, and none is shown for another.
    errors = [[np.abs(a.astype(int) - b).mean() for b in shown[20:26]] for a in frames[20:26]]
    assert [int(np.argmin(row)) for row in errors] == list(range(6))


def test_fewer_bits_lose_more() -> None:
    frames = list(moving(30))
    lost = []
    for bits in (1.0, 0.2, 0.05):
        codec = Codec(name="h264", bits_per_pixel=bits, still_quantiser=24, gop_frames=30)
        lost.append(
            np.mean(
                [
                    np.square(a - b.astype(float)).mean()
                    for a, b in zip(frames, recorded(frames, codec, RATE), strict=True)
                ]
            )
        )
    assert lost[0] < 0.7 * lost[1] < 0.7 * 0.9 * lost[2]


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
def test_colours_and_odd_sizes_come_back(codec: Codec) -> None:
    rgb = np.full((51, 37, 3), (180, 90, 60), np.uint8)
    rgb[:, 18:] = (40, 110, 160)
    (still,) = recorded([rgb], codec, RATE, is_still=True)
    assert still.shape == rgb.shape
    assert np.abs(still.astype(int) - rgb)[:, [2, 3, 4, 30, 31, 32]].max() <= 6
    # The border between two colours stays where it is: no shift of colour samples.
    shift = [np.interp(110, np.sort(still[25, 12:24, c].astype(float)), np.arange(12)) for c in (0,)]
    assert abs(shift[0] - np.interp(110, np.sort(rgb[25, 12:24, 0].astype(float)), np.arange(12))) < 1.2


def test_nothing_becomes_nothing() -> None:
    assert list(recorded([], CODECS[0], RATE)) == []
