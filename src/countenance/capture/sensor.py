"""Light counted as electrons: shot and read noise, clipping, and one colour a pixel."""

import cv2
import numpy as np
from jaxtyping import Float32

from countenance.capture.settings import Sensor

DEMOSAIC_REACH_PX = 2
_BLACK, _WHITE = 4096, 60_000
"""Of the raw image: noise below black is kept until colours are interpolated, or dark places would become lighter."""


def sensed(
    light: Float32[np.ndarray, "H W 3"],
    sensor: Sensor,
    white_balance_rgb: tuple[float, float, float],
    rng: np.random.Generator,
) -> Float32[np.ndarray, "H W 3"]:
    """Balanced light as the sensor has counted it, in the units of the scene's; noise may lie below 0.

    How much is drawn from `rng` doesn't depend on the light, so that two scenes get the same noise where they are
    alike. Shot noise is normal with the Poisson distribution's variance: the same from some ten electrons on.
    """
    light = light * np.float32(2.0**sensor.exposure_stops)
    clip_light = np.float32(sensor.clip_light * 2.0**sensor.exposure_stops)
    passed = np.array(sensor.sensitivity_rgb, np.float32)
    full = np.float32(sensor.saturation_e)
    if sensor.has_mosaic:
        light, passed = _mosaic(light), _mosaic(np.broadcast_to(passed, light.shape))
        gains = _mosaic(np.broadcast_to(np.array(white_balance_rgb, np.float32), (*light.shape, 3)))
    else:
        gains = np.array(white_balance_rgb, np.float32)
    # In place from here on: a frame of HD is 25 MB.
    electrons = light / clip_light * full * passed
    noise = rng.standard_normal(electrons.shape, np.float32)
    noise *= np.sqrt(np.maximum(electrons, 0) + np.float32(sensor.read_noise_e**2))
    counted = np.minimum(electrons + noise, full)
    counted *= gains / (full * passed)
    # A channel clips at another light than the next; what is above the first would be coloured.
    counted = np.minimum(counted, 1)
    return np.asarray((_demosaiced(counted) if sensor.has_mosaic else counted) * clip_light, np.float32)


def _mosaic(image: Float32[np.ndarray, "H W 3"]) -> Float32[np.ndarray, "H W"]:
    """Red at even rows and columns, blue at odd ones, green between."""
    raw = image[..., 1].copy()
    raw[::2, ::2], raw[1::2, 1::2] = image[::2, ::2, 0], image[1::2, 1::2, 2]
    return raw


def _demosaiced(raw: Float32[np.ndarray, "H W"]) -> Float32[np.ndarray, "H W 3"]:
    """All colours at each pixel, along edges."""
    stored = np.clip(np.round(raw * (_WHITE - _BLACK) + _BLACK), 0, 65_535).astype(np.uint16)
    # OpenCV names the pattern by its second row and column.
    rgb = cv2.demosaicing(stored, cv2.COLOR_BayerBG2RGB_EA)
    return np.asarray((rgb.astype(np.float32) - _BLACK) / (_WHITE - _BLACK), np.float32)
