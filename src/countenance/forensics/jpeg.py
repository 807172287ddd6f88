"""What JPEG's coding leaves in a picture: its tables, and whether the pixels were a JPEG once before.

A JPEG rounds each coefficient of its blocks of 8 × 8 to a multiple of a step. Coded a second time, the histogram of the
coefficients keeps the first steps as gaps and heaps. What it would look like without them is known from the same
picture shifted by half a block (calibration: Fridrich, Goljan, Hogea, "Steganalysis of JPEG Images", 2002; Lukáš and
Fridrich, "Estimation of Primary Quantization Matrix in Double Compressed JPEG Images", 2003).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, Int64, UInt8

Luma = UInt8[np.ndarray, "H W"]
Table = Int64[np.ndarray, "8 8"]

STANDARD = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ]
)
"""ITU-T T.81, table K.1: steps of brightness at quality 50."""
QUALITIES = range(40, 100)
"""Of a first coding that are tried; at 100 nothing is lost."""
FREQUENCIES = (
    (0, 1),
    (1, 0),
    (2, 0),
    (1, 1),
    (0, 2),
    (0, 3),
    (1, 2),
    (2, 1),
    (3, 0),
    (4, 0),
    (3, 1),
    (2, 2),
    (1, 3),
    (0, 4),
)
"""Rows and columns of coefficients that are looked at: low ones, of which enough aren't zero."""
SHIFTS = ((4, 4), (2, 6), (6, 2))
"""Down and across, of the same picture without the first grid."""
MAX_WINDOWS, WINDOW = 16, 128
"""Of a large picture so many parts are looked at, of so many pixels a side."""
MAX_STEPS = {True: 20, False: 60}
"""How far a histogram reaches, by whether the picture is a JPEG now; without the smallest, which any picture has."""
MIN_COEFFICIENTS = 1000
MIN_GAIN, MIN_MEAN_GAIN = 80.0, {True: 0.006, False: 0.02}
"""How much likelier the histogram is with an earlier coding than without, in nats: in all, and for each coefficient.
The highest on pictures that were coded once is 26 and 0.003; docs/verify.md has the measurement."""
NOISE = {True: 0.35, False: 0.5}
"""Standard deviation of a coefficient by rounding of pixels, without and with a turn through RGB."""

_COSINES = np.array(
    [
        [np.sqrt(1 / 8) if row == 0 else 0.5 * np.cos((2 * column + 1) * row * np.pi / 16) for column in range(8)]
        for row in range(8)
    ],
    np.float32,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Earlier:
    """That a picture's pixels were a JPEG before."""

    quality: int
    """1–100 by the standard's tables."""
    offset_xy: tuple[int, int]
    """Of its grid of blocks; other than zero where something was cut off at the left or the top."""


def standard_table(quality: int) -> Table:
    """Steps of brightness at a quality, 1–100, as the IJG's library and most programs scale them."""
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    table: Table = np.clip((STANDARD * scale + 50) // 100, 1, 255)
    return table


def standard_quality(table: Table) -> int | None:
    """The quality at which a table is the standard's; None for a table of a program's or camera's own."""
    return next((quality for quality in range(100, 0, -1) if np.array_equal(standard_table(quality), table)), None)


def earlier_jpeg(luma: Luma, table: Table | None) -> Earlier | None:
    """Whether a picture was a JPEG before, with coarser or otherwise other steps than now.

    `table` are its steps where it is a JPEG now, and its grid then begins at the top left; None: it is coded without
    loss, and any grid is looked for.
    """
    is_jpeg = table is not None
    across, down = (0, 0) if is_jpeg else grid(luma)
    blocks, shifted = _coefficients(luma, across, down)
    gains, number = dict.fromkeys(QUALITIES, 0.0), 0.0
    random = np.random.default_rng(0)
    noise = random.normal(0, NOISE[is_jpeg], len(shifted)).astype(np.float32)
    for row, column in FREQUENCIES:
        now = int(table[row, column]) if table is not None else 1
        seen = _histogram(blocks[:, row, column] / now, is_jpeg)
        number += seen.sum()
        if seen.sum() > 0:
            for quality, gain in _gains(seen, shifted[:, row, column], noise, now, (row, column), is_jpeg):
                gains[quality] += gain
    quality = max(gains, key=gains.__getitem__)
    if number < MIN_COEFFICIENTS or gains[quality] < max(MIN_GAIN, MIN_MEAN_GAIN[is_jpeg] * number):
        return None
    return Earlier(quality=quality, offset_xy=(across, down))


def grid(luma: Luma) -> tuple[int, int]:
    """Where the borders of blocks of 8 × 8 seem to lie, across and down, 0–7."""
    across, down = (_borders(part) for part in (luma[:1024, :1024], luma[:1024, :1024].T))
    return across, down


def _borders(luma: Luma) -> int:
    if luma.shape[1] < 16:
        return 0
    values = luma.astype(np.int16)
    steps = np.abs(values[:, :-3] - 3 * values[:, 1:-2] + 3 * values[:, 2:-1] - values[:, 3:])
    means = np.minimum(steps, 20).mean(axis=0)
    # Of the difference at i, the border lies before pixel i + 2.
    return (int(np.argmax([means[first::8].mean() for first in range(8)])) + 2) % 8


def _coefficients(
    luma: Luma, across: int, down: int
) -> tuple[Float32[np.ndarray, "N 8 8"], Float32[np.ndarray, "M 8 8"]]:
    """Coefficients of blocks on a grid, and of the same parts shifted off it."""
    parts = list(_windows(luma[down:, across:]))
    blocks = np.concatenate([_transformed(part) for part in parts])
    shifted = np.concatenate([_transformed(part[y:, x:]) for part in parts for y, x in SHIFTS])
    return blocks, shifted


def _windows(luma: Luma) -> Iterator[Luma]:
    """Parts all over a picture, on its grid."""
    height, width = luma.shape
    rows, columns = max(1, height // WINDOW), max(1, width // WINDOW)
    if rows * columns <= MAX_WINDOWS:
        yield luma
        return
    each = np.linspace(0, rows * columns - 1, MAX_WINDOWS).astype(int).tolist()
    for number in each:
        y, x = number // columns * WINDOW, number % columns * WINDOW
        yield luma[y : y + WINDOW, x : x + WINDOW]


def _transformed(luma: Luma) -> Float32[np.ndarray, "N 8 8"]:
    height, width = luma.shape[0] // 8 * 8, luma.shape[1] // 8 * 8
    blocks = luma[:height, :width].reshape(height // 8, 8, width // 8, 8).transpose(0, 2, 1, 3).reshape(-1, 8, 8)
    coefficients: Float32[np.ndarray, "N 8 8"] = _COSINES @ (blocks.astype(np.float32) - 128) @ _COSINES.T
    return coefficients


def _histogram(values: Float32[np.ndarray, " _"], is_jpeg: bool) -> Float64[np.ndarray, " _"]:
    """How often each size occurs that isn't among the smallest."""
    sizes = np.rint(np.abs(values)).astype(np.int64)
    first, last = 1 if is_jpeg else 2, MAX_STEPS[is_jpeg]
    return np.bincount(sizes[(sizes >= first) & (sizes <= last)], minlength=last + 1)[first:].astype(np.float64)


def _gains(
    seen: Float64[np.ndarray, " _"],
    shifted: Float32[np.ndarray, " _"],
    noise: Float32[np.ndarray, " _"],
    now: int,
    place: tuple[int, int],
    is_jpeg: bool,
) -> Iterator[tuple[int, float]]:
    """For each quality of a first coding, how much likelier the histogram of one frequency is with it than without."""
    prior = 0.5 * np.exp(-np.arange(len(seen)) / (4 if is_jpeg else 12))

    def likelihood(values: Float32[np.ndarray, " _"]) -> float:
        expected = _histogram(values / now, is_jpeg) + prior
        return float((seen * np.log(expected / expected.sum())).sum())

    without = likelihood(shifted)
    known: dict[int, float] = {}
    for quality in QUALITIES:
        step = int(standard_table(quality)[place])
        if step not in known:
            known[step] = (
                0.0 if is_jpeg and step == now else likelihood(np.rint(shifted / step) * step + noise) - without
            )
        yield quality, known[step]
