"""Give a drawn face the grain of its plate, so that it isn't cleaner than what surrounds it.

A drawn face is a mean of several pixels, so most of the plate's noise is gone from it. How much is missing is measured
in three bands of fineness, brightness and colour apart. In a face, texture can't be told from noise; so the plate is
measured where the whole frame is flattest, which rather misses noise than takes texture for it. What is missing is
added as new noise, another one in each frame.
"""

from collections.abc import Iterator, Sequence
from functools import cache

import cv2
import numpy as np
from jaxtyping import Float, Float32

from countenance.pixels import Pixels, white_of

NUM_BANDS = 3
"""Each twice as coarse as the one before; noise that is coarser is light."""
BAND_SIGMA_PX = 1.0
TILE_PX, NUM_TILES = 32, 6
"""Side of the squares in which noise is measured, and how many of them are spread over a frame each way."""
SMALL_TILE_PX = 16
"""Side of those in faces that hold none of the others."""
FLAT = 0.1
"""So many of the squares are taken to show nothing but noise."""
CLIPPED = 0.02
"""Squares as near to black or white as this show less noise than there is."""
MEDIAN_OF_NOISE = 0.6745
"""Of a normal noise's absolute values, in standard deviations. Lines and pores, which are few, hardly change it."""
LEAST = 0.2 / 255
"""Noise that nobody sees isn't added."""
COVERED = 0.9
"""Of a pixel, what the drawn face must cover for it to be measured."""

Bands = Float[np.ndarray, "3 3"]
"""Standard deviation for each band, finest first, of brightness and the two colour differences; 0–1."""


def noise_of(pixels: Pixels) -> Bands:
    """How noisy a frame is."""
    white = np.float32(white_of(pixels))
    tiles = (pixels[place] / white for place in _tiles(pixels.shape[:2]))
    return _flattest([tile for tile in tiles if CLIPPED < tile.mean() < 1 - CLIPPED])


def missing_grain(
    plate_noise: Bands,
    drawn: Float32[np.ndarray, "H W 3"],
    alpha: Float32[np.ndarray, "H W"],
    rng: np.random.Generator,
) -> Float32[np.ndarray, "H W 3"] | None:
    """The noise that a plate shows and a face drawn into it lacks, RGB 0–1.

    None where there is hardly any, or the face is too small or too covered to tell.
    """
    if plate_noise.max() < LEAST:
        return None
    kept = _face_noise(drawn, alpha)
    if kept is None:
        return None
    lacking = np.maximum(plate_noise**2 - kept**2, 0)
    # A band of what is made shows in its neighbours too, once it is measured.
    strength = np.maximum(np.linalg.solve(_shown_variance(), lacking.T[..., None])[..., 0].T, 0) ** 0.5
    if strength.max() < LEAST:
        return None
    return _grain(strength, alpha.shape, rng)


def _face_noise(rgb: Float32[np.ndarray, "H W 3"], alpha: Float32[np.ndarray, "H W"]) -> Bands | None:
    """How noisy a drawn face is; None where no square lies within what it covers."""
    # A face that fades covers all of its pixels in part.
    covered = alpha > COVERED * float(alpha.max())
    left, top, width, height = cv2.boundingRect(covered.astype(np.uint8))
    box = np.s_[top : top + height, left : left + width]
    rgb, covered = rgb[box], covered[box]
    for side_px in (TILE_PX, SMALL_TILE_PX):
        tiles = [rgb[place] for place in _tiles((height, width), side_px) if covered[place].all()]
        if tiles:
            return _flattest(tiles)
    return None


def _tiles(shape: tuple[int, ...], side_px: int = TILE_PX) -> Iterator[tuple[slice, slice]]:
    """Squares spread over a picture, overlapping by half where it is small; none where it is smaller than one."""
    tops, lefts = (
        np.linspace(0, side - side_px, min(NUM_TILES, max(0, 2 * side // side_px - 1))).astype(int) for side in shape
    )
    return ((slice(top, top + side_px), slice(left, left + side_px)) for top in tops for left in lefts)


def _flattest(tiles: Sequence[Float32[np.ndarray, "P P 3"]]) -> Bands:
    """The noise of those that show hardly anything else; nothing where there are none."""
    if not tiles:
        return np.zeros((NUM_BANDS, 3))
    bands = zip(*(_varying(tile) for tile in tiles), strict=True)
    noises = [np.median(np.stack(band), axis=2) / MEDIAN_OF_NOISE for band in bands]
    return np.asarray(np.quantile(np.stack(noises, axis=1), FLAT, axis=0), np.float64)


def _varying(rgb: Float32[np.ndarray, "P P 3"]) -> Iterator[Float32[np.ndarray, "3 _"]]:
    """How much each pixel of a square varies, in each band: by planes, of which medians are faster."""
    planes = cv2.cvtColor(rgb, cv2.COLOR_RGB2YCrCb)
    for _ in range(NUM_BANDS):
        coarse = cv2.GaussianBlur(planes, (0, 0), BAND_SIGMA_PX)
        yield np.abs(planes - coarse).reshape(-1, 3).T
        planes = coarse[::2, ::2]


@cache
def _shown_variance() -> Float[np.ndarray, "3 3 3"]:
    """For each plane the variance measured in each band, by rows, where one band is made with a strength of 1."""
    shown, side = [], 2 * NUM_TILES * TILE_PX
    for number in range(NUM_BANDS):
        strength = np.zeros((NUM_BANDS, 3))
        strength[number] = 1
        grain = _grain(strength, (side, side), np.random.default_rng(number))
        measured = _face_noise(grain, np.ones((side, side), np.float32))
        assert measured is not None
        shown.append(measured**2)
    return np.stack(shown, axis=1).transpose(2, 0, 1)


def _grain(strength: Bands, shape: tuple[int, int], rng: np.random.Generator) -> Float32[np.ndarray, "H W 3"]:
    """Noise of some strength in each band."""
    height, width = shape
    planes = np.zeros((height, width, 3), np.float32)
    for number, strengths in enumerate(strength):
        step = 2**number
        noise = rng.standard_normal((-(-height // step), -(-width // step), 3), np.float32)
        band = (noise - cv2.GaussianBlur(noise, (0, 0), BAND_SIGMA_PX)) * strengths.astype(np.float32)
        larger = cv2.resize(band, None, fx=step, fy=step, interpolation=cv2.INTER_CUBIC)
        planes += larger[:height, :width]
    # As YCrCb is made, about its grey.
    planes[..., 1:] += 0.5
    return np.asarray(cv2.cvtColor(planes, cv2.COLOR_YCrCb2RGB), np.float32)
