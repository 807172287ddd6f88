"""Between scene-linear light and display-referred values."""

from functools import cache

import numpy as np
from jaxtyping import Float, Float32, UInt8

from countenance.capture.settings import MID_GREY, Processing

BRIGHTEST_LIGHT = 16.0
"""Light that renders keep; from brighter glints of a single pixel a lens would make discs."""
LUMA_RGB = (0.2126, 0.7152, 0.0722)
"""ITU-R BT.709."""
_NUM_STEPS = 16_384
_RAISED_STOPS = 3.0
"""Below mid grey, where `Processing.shadows` is counted."""


def film_curve(light: Float[np.ndarray, "*B"]) -> Float[np.ndarray, "*B"]:
    """Display-referred values, 0–1: highlights roll off, the middle keeps its contrast.

    Blender's "Filmic" with "Medium High Contrast", fitted to a ramp of greys: at most 0.0063 off from 1/256 to 64.
    """
    stops = np.log2(np.clip(light, 2**-10, 2**6))
    values = 1 / (1 + np.exp(-(1.6264 + stops * (0.7120 + stops * (0.02631 + stops * 0.002065)))))
    return np.asarray(values, light.dtype)


def scene_light(rgb: UInt8[np.ndarray, "H W 3"]) -> Float32[np.ndarray, "H W 3"]:
    """Light that `film_curve` shows as these values."""
    return np.asarray(_light_of_codes()[rgb])


def signal(light: Float32[np.ndarray, "H W 3"], processing: Processing) -> Float32[np.ndarray, "H W 3"]:
    """Display-referred values, 0–1, of light on the camera's own curve."""
    curve = _curve(processing.knee, processing.shadows)
    if processing.saturation != 1:
        luma = light @ np.array(LUMA_RGB, np.float32)
        light = luma[..., None] + np.float32(processing.saturation) * (light - luma[..., None])
    # Steps by the square root are as fine near black as the curve is steep.
    step = np.sqrt(np.clip(light / BRIGHTEST_LIGHT, 0, 1), dtype=np.float32) * np.float32(_NUM_STEPS - 1)
    return np.asarray(curve[(step + np.float32(0.5)).astype(np.int32)])


@cache
def _light_of_codes() -> Float32[np.ndarray, "256"]:
    stops = np.linspace(-10, np.log2(BRIGHTEST_LIGHT), 4096)
    return np.asarray(2 ** np.interp(np.arange(256) / 255, film_curve(2**stops), stops), np.float32)


@cache
def _curve(knee: float | None, shadows: float) -> Float32[np.ndarray, " N"]:
    light = (np.arange(_NUM_STEPS) / (_NUM_STEPS - 1)) ** 2 * BRIGHTEST_LIGHT
    stops_below = np.clip(-np.log2(np.maximum(light, 1e-6) / MID_GREY) / _RAISED_STOPS, 0, 1)
    light = light * 2 ** (shadows * stops_below)
    if knee is None:
        return np.asarray(film_curve(light), np.float32)
    over = np.maximum(light - knee, 0)
    bent = np.minimum(light, knee) + (1 - knee) * (1 - np.exp(-over / (1 - knee)))
    # The standard's camera curve, shown on its display: together contrast a fifth above the scene's (ITU-R BT.2390).
    coded = np.where(bent < 0.018, 4.5 * bent, 1.099 * np.maximum(bent, 1e-9) ** 0.45 - 0.099)
    return np.asarray(coded, np.float32)
