"""Read the mark from frames, and say nothing unless it is certain.

A number is given only where the whole mark is found again, not just its bits: the signs that the number would have are
multiplied with the waves found, and the sum must be `THRESHOLD` times the root of the sum of their squares. The key's
signs are as good as coins thrown, so for one number and any picture without its mark that happens with a probability
below exp(-THRESHOLD² / 2) (Hoeffding's inequality), whatever the picture is. Times all 2^48 numbers, and all tries of
one reading, this stays below one in 1,000,000,000.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
from jaxtyping import Complex64, Float32, UInt8

from countenance.watermark.code import ID_BITS, decode
from countenance.watermark.search import Folded, Place, fold, likely_places, refine
from countenance.watermark.tile import NUM_DATA, TILES, carriers, data_key, tile_px
from countenance.watermark.whiten import luminance, whitened

LOOKS = tuple(4**power for power in range(12))
"""Numbers of frames after which the mark is looked for."""
MAX_DECODED = 2
"""Places in one look that are decoded."""
MIN_PILOT_SIGMA = 4.5
"""Below, a place isn't decoded: the best of a picture without a mark has about 4."""
MAX_TRIES = (len(LOOKS) + 1) * (MAX_DECODED + 2)
"""Words that one reading may compare."""
FALSE_READINGS = 1e-9
THRESHOLD = math.sqrt(2 * (ID_BITS * math.log(2) + math.log(MAX_TRIES) - math.log(FALSE_READINGS)))
"""Sigma that a reading must have: 10.8."""

Frame = UInt8[np.ndarray, "_ _ 3"]


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A mark that was found."""

    mark_id: int
    sigma: float
    """How far beyond chance: the chance is below exp(-sigma² / 2) for each number and try."""
    scale: float
    """Size of the tiles relative to a fifth of the shorter side: 1 if nothing was cut off, 2 if half of each side is
    left. Pictures that were marked below 480 pixels begin above 1."""
    rotation_deg: float
    """By which the picture was turned, clockwise, -90 to 90."""
    crop_xy: tuple[float, float]
    """Where a tile begins, in pixels from the upper left corner of what was read, along the tiles' own axes; at most a
    tile."""
    tile_px: float
    """Length of a tile's side, in pixels of what was read."""
    num_frames: int
    """Looked at."""


def read(frames: Iterable[Frame]) -> Reading | None:
    """Read the mark that frames of one clip carry; None where nothing is certain.

    The frames are summed as they come and none is kept; no more are taken once the mark is certain. Frames that lie
    apart say more than neighbours. All have the size of the first; others are left out.
    """
    total: Float32[np.ndarray, "a b"] | None = None
    shape: tuple[int, ...] = ()
    count = 0
    for frame in frames:
        if total is None:
            shape = frame.shape
            total = whitened(luminance(frame))
        elif frame.shape == shape:
            total += whitened(luminance(frame))
        else:
            continue
        count += 1
        if count in LOOKS and (reading := _look(total, shape, count)):
            return reading
    return _look(total, shape, count) if total is not None and count not in LOOKS else None


def certainty(found: Folded, mark_id: int) -> float:
    """How far beyond chance the waves found are this number's."""
    signs = carriers(mark_id)[:NUM_DATA]
    values = found.waves[:NUM_DATA]
    size = math.sqrt(float(np.sum(np.abs(values) ** 2)))
    return float(np.sum((values * np.conj(signs)).real)) / size if size else 0.0


def _look(total: Float32[np.ndarray, "a b"], shape: tuple[int, ...], count: int) -> Reading | None:
    """Try the places where tiles may lie, the plain one first."""
    to_picture = min(shape[:2]) / min(total.shape)
    for found in candidates(total, shape):
        mark_id = decode(soft_bits(found.waves))
        if mark_id is not None and (sigma := certainty(found, mark_id)) >= THRESHOLD:
            return Reading(
                mark_id=mark_id,
                sigma=sigma,
                scale=found.place.period * TILES / min(total.shape),
                rotation_deg=float(found.place.turn_deg),
                crop_xy=_corner(found, shape, to_picture),
                tile_px=found.place.period * to_picture,
                num_frames=count,
            )
    return None


def candidates(total: Float32[np.ndarray, "a b"], shape: tuple[int, ...]) -> Iterator[Folded]:
    """Places that are worth decoding, with the tiles there; `shape` is that of the frames that were summed."""
    height, width = shape[:2]
    to_total = min(total.shape) / min(height, width)
    # Nothing cut off, of a picture that was large enough, or that is as it was.
    for period in {min(total.shape) / TILES, tile_px(width, height) * to_total}:
        plain = fold(total, Place(period=period, turn_deg=0))
        if plain.sigma >= MIN_PILOT_SIGMA:
            yield plain
    tried = sorted((fold(total, place) for place in likely_places(total)), key=lambda each: -each.sigma)
    for found in islice(tried, MAX_DECODED):
        if found.sigma >= MIN_PILOT_SIGMA:
            yield refine(total, found)


def soft_bits(values: Complex64[np.ndarray, " K"]) -> Float32[np.ndarray, "512"]:
    """Log-likelihood ratios of the code's bits, up to a factor."""
    key = data_key()
    soft = np.empty(2 * NUM_DATA, np.float32)
    soft[::2] = values[:NUM_DATA].real * key.real
    soft[1::2] = values[:NUM_DATA].imag * key.imag
    return soft


def _corner(found: Folded, shape: tuple[int, ...], to_picture: float) -> tuple[float, float]:
    """Where the picture's upper left corner lies within a tile, as the tile's beginning seen from there, in pixels."""
    turn = np.deg2rad(found.place.turn_deg)
    height, width = shape[:2]
    from_centre = np.array([1 - width / to_picture, 1 - height / to_picture]) / 2
    along = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]) @ from_centre
    begin = (np.array(found.begin_xy) - along / found.place.period) % 1 * found.place.period
    # A small picture's first pixel is the middle of several.
    begin = (begin * to_picture + (to_picture - 1) / 2) % (found.place.period * to_picture)
    return float(begin[0]), float(begin[1])
