"""Put the mark into pixels, as weakly as it can still be read.

The same change is added to red, green and blue, so only luminance changes. Where a picture is flat the mark is least;
where it is busy, and the eye sees less, it grows with how busy it is.
"""

from functools import lru_cache

import cv2
import numpy as np
from jaxtyping import Float32

from countenance.errors import MediaError
from countenance.pixels import Pixels, white_of
from countenance.watermark.tile import draw_tile, tile_px

MIN_WIDTH_HEIGHT = 256
"""Pixels a picture must have in each direction."""
FLAT_STRENGTH = 0.8
"""Root mean square of the mark where a picture is flat, of 255."""
BUSY_STRENGTH = 0.2
"""How much the mark's mean square grows with that of a picture's fine detail: as a fraction, as root mean square."""
MAX_STRENGTH = 4.5
"""Of what is added where it is busy."""
MAX_RMS = 1.95
"""Of a whole picture, of 255: a peak signal-to-noise ratio of 42.3 dB."""
PEAK = 2.5
"""Where the tile's values are cut, in their root mean squares."""
SHRINK = 4
"""Busyness is measured in a picture so many times smaller."""


def can_carry(width: int, height: int) -> bool:
    """Whether a picture of this size is large enough for a mark that can be read again."""
    return min(width, height) >= MIN_WIDTH_HEIGHT


def mark(pixels: Pixels, mark_id: int) -> Pixels:
    """A copy that carries the number, of 48 bits.

    >>> read([to_8_bit(mark(pixels, 1234))]).mark_id
    1234

    Raises:
        MediaError: the picture is too small; see `can_carry`.
    """
    height, width = pixels.shape[:2]
    if not can_carry(width, height):
        raise MediaError(
            f"a picture of {width} × {height} pixels is too small for the watermark; it needs {MIN_WIDTH_HEIGHT} "
            "in each direction"
        )
    change = cv2.multiply(_pattern(width, height, mark_id), _strength(pixels))
    if pixels.dtype == np.uint8:
        more = cv2.cvtColor(cv2.convertScaleAbs(np.maximum(change, 0)), cv2.COLOR_GRAY2RGB)
        less = cv2.cvtColor(cv2.convertScaleAbs(np.minimum(change, 0)), cv2.COLOR_GRAY2RGB)
        marked = cv2.add(pixels, more, dst=more)
        return cv2.subtract(marked, less, dst=marked)
    white = white_of(pixels)
    marked = pixels + (change * np.float32(white / 255))[..., None]
    if pixels.dtype == np.float32:
        return np.asarray(np.where(marked < 0, np.minimum(pixels, 0), marked), np.float32)
    return np.asarray(np.rint(np.clip(marked, 0, white)), pixels.dtype)


@lru_cache(maxsize=2)
def _pattern(width: int, height: int, mark_id: int) -> Float32[np.ndarray, "H W"]:
    """The tiles over a whole picture, from its upper left corner on."""
    size = 256
    tile = draw_tile(mark_id, size)
    tile = np.clip(tile, -PEAK, PEAK)
    step = size / tile_px(width, height)
    # One tile more on each side, so that interpolation has neighbours.
    across = (np.arange(width, dtype=np.float32) * np.float32(step)) % size
    down = (np.arange(height, dtype=np.float32) * np.float32(step)) % size
    padded = np.pad(tile, 8, mode="wrap")
    x, y = np.meshgrid(across + 8, down + 8)
    return np.asarray(cv2.remap(padded, x, y, cv2.INTER_CUBIC), np.float32)


def _strength(pixels: Pixels) -> Float32[np.ndarray, "H W"]:
    """The mark's root mean square at each pixel, of 255."""
    height, width = pixels.shape[:2]
    small_wh = (-(-width // SHRINK), -(-height // SHRINK))
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    scale = np.float32(255 / white_of(pixels))
    small = cv2.resize(grey, small_wh, interpolation=cv2.INTER_AREA).astype(np.float32) * scale
    # What is fine at full size, and what is coarse.
    fine = cv2.resize(cv2.absdiff(grey, cv2.blur(grey, (5, 5))), small_wh, interpolation=cv2.INTER_AREA)
    detail = fine.astype(np.float32) * scale + cv2.absdiff(small, cv2.blur(small, (5, 5)))
    # An edge is busy, but what lies beside it may be flat: the least around counts.
    busy = cv2.blur(cv2.erode(cv2.blur(detail, (3, 3)), np.ones((3, 3))), (5, 5))
    more = np.minimum((BUSY_STRENGTH * busy) ** 2, MAX_STRENGTH**2)
    # What is flat keeps its part, or it would be lost between the values of 8 bits.
    more *= np.float32(min(1, (MAX_RMS**2 - FLAT_STRENGTH**2) / max(float(np.mean(more)), 1e-6)))
    strength = cv2.sqrt(more + np.float32(FLAT_STRENGTH**2))
    return np.asarray(cv2.resize(strength, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
