"""Where the tiles lie in a picture: their size, their angle, and where one begins.

A mark repeats, so its waves are sharp peaks in a picture's spectrum, at places known but for scale and rotation. On a
grid of angle and the logarithm of frequency both are shifts, and one correlation tries them all. What is found is then
judged by the pilot: the picture is turned and scaled, all its tiles are laid onto one another, and the pilot is looked
for at every place of the tile.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from jaxtyping import Complex64, Float32

from countenance.watermark.tile import NUM_DATA, pilot, waves

TILE = 128
"""Places along a tile's side at which the pilot is looked for."""
FOLDED = ((80.0, 64), (math.inf, 128))
"""Longest tiles, in pixels, and the side of the tile onto which they are laid."""
MIN_PERIOD, MAX_PERIOD = 36.0, 170.0
"""Of a tile in the picture that is searched, in pixels."""
NUM_ANGLES = 480
"""Over half a turn: what is found is known to 0.4°, and refined."""
LOG_STEP = 0.006
"""Between scales that are tried."""
SPECTRUM = 1024
PEAK_LIMIT = 6.0
"""Times the power around it, at which a peak of the spectrum is cut: periodic textures have higher ones."""
NUM_PEAKS = 12
"""Scales and angles of the correlation that the pilot judges."""

Picture = Float32[np.ndarray, "h w"]


@dataclass(frozen=True, kw_only=True)
class Place:
    """How tiles lie in a picture."""

    period: float
    """Length of a tile's side, in pixels."""
    turn_deg: float
    """By which the tiles are turned, clockwise as seen."""


@dataclass(frozen=True, kw_only=True)
class Folded:
    """All tiles of a picture laid onto one another."""

    place: Place
    waves: Complex64[np.ndarray, " K"]
    """Cosine and sine of each wave, relative to the tile's beginning; the noise around each wave is about 1."""
    begin_xy: tuple[float, float]
    """Where a tile begins, from the picture's centre, along the tiles' own axes, as a fraction of a tile: 0–1."""
    sigma: float
    """How far beyond chance the pilot is."""


def fold(picture: Picture, place: Place) -> Folded:
    """Lay all tiles onto one another, and find where they begin."""
    height, width = picture.shape
    size = next(size for longest, size in FOLDED if place.period <= longest)
    scale = size / place.period
    turn = np.deg2rad(place.turn_deg)
    cos, sin = scale * np.cos(turn), scale * np.sin(turn)
    # The picture's centre comes to a tile's corner, so that an error of scale or angle moves nothing there.
    reach_x = (abs(cos) * width + abs(sin) * height) / 2
    reach_y = (abs(sin) * width + abs(cos) * height) / 2
    half_x, half_y = (int(-(-reach // size)) for reach in (reach_x, reach_y))
    centre_x, centre_y = (width - 1) / 2, (height - 1) / 2
    to_tiles = np.array(
        [
            [cos, sin, half_x * size - cos * centre_x - sin * centre_y],
            [-sin, cos, half_y * size + sin * centre_x - cos * centre_y],
        ]
    )
    tiles = cv2.warpAffine(picture, to_tiles, (2 * half_x * size, 2 * half_y * size), flags=cv2.INTER_LINEAR)
    folded = tiles.reshape(2 * half_y, size, 2 * half_x, size).sum(axis=(0, 2))
    across, down = waves().T
    values = np.fft.fft2(folded)[down, across]
    values = _whitened(values)
    shift, sigma = _find_pilot(values)
    turned = values * np.exp(2j * np.pi * (across * shift[0] + down * shift[1]))
    return Folded(place=place, waves=turned.astype(np.complex64), begin_xy=shift, sigma=sigma)


def refine(picture: Picture, found: Folded) -> Folded:
    """The place near one that was found where the pilot is strongest."""
    step_log, step_deg = LOG_STEP / 2, 180 / NUM_ANGLES / 2
    for _ in range(4):
        tried = [
            fold(
                picture,
                Place(
                    period=found.place.period * float(np.exp(by_log * step_log)),
                    turn_deg=found.place.turn_deg + by_deg * step_deg,
                ),
            )
            for by_log, by_deg in ((-1, 0), (1, 0), (0, -1), (0, 1))
        ]
        best = max(tried, key=lambda each: each.sigma)
        if best.sigma > found.sigma:
            found = best
        else:
            step_log, step_deg = step_log / 2, step_deg / 2
    return found


def likely_places(picture: Picture) -> Iterator[Place]:
    """Scales and angles at which a picture's spectrum has peaks where the mark's waves would be, likeliest first."""
    power = _spectrum_on_log_polar_grid(picture)
    rows = power.shape[0]
    template = _template(rows)
    transformed = np.fft.rfft2(power, s=(2 * rows, NUM_ANGLES))
    match = np.fft.irfft2(transformed * np.conj(template), s=(2 * rows, NUM_ANGLES))[: _num_scales()]
    match -= np.median(match, axis=1, keepdims=True)
    match /= 1.4826 * np.median(np.abs(match), axis=1, keepdims=True) + 1e-9
    for _ in range(NUM_PEAKS):
        row, column = np.unravel_index(int(np.argmax(match)), match.shape)
        turn = 180 / NUM_ANGLES * column
        yield Place(period=MAX_PERIOD * float(np.exp(-LOG_STEP * row)), turn_deg=turn if turn < 90 else turn - 180)
        near = np.arange(column - 2, column + 3) % NUM_ANGLES
        match[max(0, row - 2) : row + 3, near] = -np.inf


@cache
def _log_polar_map() -> tuple[Float32[np.ndarray, "R A"], Float32[np.ndarray, "R A"]]:
    """Where the grid's points lie in a spectrum whose zero is at its centre."""
    radii = np.hypot(*waves().T)
    rows = int(np.ceil(np.log(radii.max() / radii.min()) / LOG_STEP)) + _num_scales() + 2
    frequency = radii.min() / MAX_PERIOD * np.exp(LOG_STEP * np.arange(rows)) * SPECTRUM
    angle = np.pi / NUM_ANGLES * np.arange(NUM_ANGLES)
    centre = SPECTRUM // 2
    return (
        np.asarray(centre + frequency[:, None] * np.cos(angle), np.float32),
        np.asarray(centre + frequency[:, None] * np.sin(angle), np.float32),
    )


def _num_scales() -> int:
    return int(np.log(MAX_PERIOD / MIN_PERIOD) / LOG_STEP) + 1


@cache
def _template(rows: int) -> Complex64[np.ndarray, "R A"]:
    across, down = waves().T
    row = np.rint(np.log(np.hypot(across, down) / np.hypot(across, down).min()) / LOG_STEP).astype(int)
    column = np.rint(np.arctan2(down, across) % np.pi / np.pi * NUM_ANGLES).astype(int) % NUM_ANGLES
    grid = np.zeros((2 * rows, NUM_ANGLES), np.float32)
    np.add.at(grid, (row, column), 1)
    return np.fft.rfft2(grid)


def _spectrum_on_log_polar_grid(picture: Picture) -> Float32[np.ndarray, "R A"]:
    height, width = picture.shape
    window = cv2.createHanningWindow((width, height), cv2.CV_32F)
    picture = picture[:SPECTRUM, :SPECTRUM] * np.sqrt(window)[:SPECTRUM, :SPECTRUM]
    half = np.fft.rfft2(picture, s=(SPECTRUM, SPECTRUM))
    power = (half.real**2 + half.imag**2).astype(np.float32)
    # The other half, by symmetry; frequency 0 to the centre.
    centre = SPECTRUM // 2
    full = np.empty((SPECTRUM, SPECTRUM), np.float32)
    shifted = np.roll(power, centre, axis=0)
    full[:, centre:] = shifted[:, :centre]
    full[1:, 1:centre] = shifted[:0:-1, centre - 1 : 0 : -1]
    full[0, 1:centre] = shifted[0, centre - 1 : 0 : -1]
    full[:, 0] = shifted[:, centre]
    around = cv2.blur(full, (31, 31))
    flat = np.minimum(full / (around + 1e-12), PEAK_LIMIT)
    x, y = _log_polar_map()
    return cv2.remap(cv2.blur(flat, (3, 3)), x, y, cv2.INTER_LINEAR)


def _whitened(values: np.ndarray) -> np.ndarray:
    """Waves relative to the noise of those about as long, cut where one sticks out."""
    order = np.argsort(np.hypot(*waves().T), kind="stable")
    strengths = np.abs(values[order])
    width = 40
    padded = np.pad(strengths, width // 2, mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, width + 1)
    noise = np.empty(len(values))
    noise[order] = np.median(windows, axis=1) / 0.83
    values = values / (noise + 1e-12)
    return values / np.maximum(1, np.abs(values) / 2.0)


def _find_pilot(values: np.ndarray) -> tuple[tuple[float, float], float]:
    across, down = waves()[NUM_DATA:].T
    product = values[NUM_DATA:] * np.conj(pilot())
    spectrum = np.zeros((TILE, TILE), np.complex64)
    spectrum[down, across] = product
    match = np.fft.ifft2(spectrum).real
    y, x = np.unravel_index(int(np.argmax(match)), match.shape)
    scale = TILE**2 / (np.sqrt(np.sum(np.abs(values[NUM_DATA:]) ** 2)) + 1e-12)
    peak = match[y, x] * scale
    x_part = _vertex(match[y, np.arange(x - 1, x + 2) % TILE])
    y_part = _vertex(match[np.arange(y - 1, y + 2) % TILE, x])
    return (float(x + x_part) / TILE, float(y + y_part) / TILE), float(peak)


def _vertex(values: Float32[np.ndarray, "3"]) -> float:
    """Where a parabola through three values has its vertex, from the middle one."""
    before, here, after = (float(value) for value in values)
    bend = before - 2 * here + after
    return 0.5 * (before - after) / bend if bend < 0 else 0.0
