"""One tile of the mark, as the waves that it is made of.

A tile repeats without a seam, five times along a picture's shorter side. It is a sum of waves of one strength that go 6
to 16 times into it; half of each wave's information is whether its cosine, half whether its sine is added or taken
away. Two thirds of the waves carry the code word, the others are the pilot, the same in every mark, by which a reader
finds where a tile begins. All signs are turned by a fixed key, so that a mark looks like noise and no picture looks
like a mark.
"""

import hashlib
from functools import cache

import numpy as np
from jaxtyping import Complex64, Float32, Int64

from countenance.watermark.code import CODE_BITS, encode

TILES = 5
"""Along the shorter side."""
MIN_SIDE = 480
"""Of a picture whose shorter side is below this, the tile is as large as here; or its waves would be too fine."""
WAVES = (4.2, 16.0)
"""How often the longest and the shortest wave go into a tile."""
NUM_DATA = CODE_BITS // 2
"""Waves that carry the code word, two bits each."""
KEY = b"countenance watermark 1"


def tile_px(width: int, height: int) -> float:
    """The length of a tile's side in a picture of this size."""
    return max(min(width, height), MIN_SIDE) / TILES


@cache
def waves() -> Int64[np.ndarray, "K 2"]:
    """How often each wave goes into a tile, across and down; first those of the code word, then the pilot's."""
    reach = int(WAVES[1])
    across, down = np.meshgrid(np.arange(-reach, reach + 1), np.arange(reach + 1))
    radius = np.hypot(across, down)
    half = (down > 0) | (across > 0)
    inside = half & (radius >= WAVES[0]) & (radius <= WAVES[1])
    found = np.stack([across[inside], down[inside]], axis=1)
    return found[np.argsort(_key(b"order", 4 * len(found)).view("<u4"), kind="stable")]


@cache
def pilot() -> Complex64[np.ndarray, " P"]:
    """The pilot's cosines and sines, each ±1."""
    return _signs(b"pilot", len(waves()) - NUM_DATA)


@cache
def data_key() -> Complex64[np.ndarray, "256"]:
    """What turns the code word's signs, each ±1."""
    return _signs(b"data", NUM_DATA)


def carriers(mark_id: int) -> Complex64[np.ndarray, " K"]:
    """Cosines and sines of all waves of a mark, each ±1."""
    signs = 1 - 2 * encode(mark_id).astype(np.float32)
    key = data_key()
    return np.concatenate([signs[::2] * key.real + 1j * signs[1::2] * key.imag, pilot()]).astype(np.complex64)


def draw_tile(mark_id: int, size: int) -> Float32[np.ndarray, "S S"]:
    """A tile of the mark, of `size` pixels; its mean is 0, its root mean square 1."""
    spectrum = np.zeros((size, size), np.complex64)
    across, down = waves().T
    spectrum[down, across] = carriers(mark_id)
    tile = np.fft.ifft2(spectrum).real
    return np.asarray(tile / np.sqrt(np.mean(tile**2)), np.float32)


def _key(purpose: bytes, length: int) -> np.ndarray:
    return np.frombuffer(hashlib.shake_256(KEY + b"/" + purpose).digest(length), np.uint8)


def _signs(purpose: bytes, length: int) -> Complex64[np.ndarray, " n"]:
    signs = 1 - 2 * (_key(purpose, 2 * length) & 1).astype(np.float32)
    return (signs[:length] + 1j * signs[length:]).astype(np.complex64)
