"""Light normalisation: bring every crop to one brightness, contrast and tint.

A small network that must also learn every light spends its capacity on it; the composite restores the plate's light.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

MEAN_LAB = np.array([50, 12, 16], np.float32)
LIGHTNESS_SPREAD = 14.0
MAX_GAIN = 3.0


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Light:
    """How a face is lit, as a whole."""

    mean_lab: Float32[np.ndarray, "3"]
    gain: float
    """Of lightness around the mean, by which the face is brought to the common spread."""


def measure_light(rgb: Float32[np.ndarray, "S S 3"], mask: Float32[np.ndarray, "S S"]) -> Light:
    """The light on the face inside the mask, for RGB 0–1."""
    mean, spread = lab_statistics(rgb, mask)
    gain = float(np.clip(LIGHTNESS_SPREAD / max(float(spread[0]), 1e-3), 1 / MAX_GAIN, MAX_GAIN))
    return Light(mean_lab=mean, gain=gain)


def out_of_light(rgb: Float32[np.ndarray, "S S 3"], light: Light) -> Float32[np.ndarray, "S S 3"]:
    """The crop in even light, RGB 0–1."""
    gain = np.array([light.gain, 1, 1], np.float32)
    lab = (cv2.cvtColor(rgb, cv2.COLOR_RGB2Lab) - light.mean_lab) * gain + MEAN_LAB
    return np.asarray(np.clip(cv2.cvtColor(lab, cv2.COLOR_Lab2RGB), 0, 1), np.float32)


def even_light(rgb: UInt8[np.ndarray, "S S 3"], mask: Float32[np.ndarray, "S S"]) -> UInt8[np.ndarray, "S S 3"]:
    """Shift the crop so that the face inside the mask has a common mean in CIELAB and spread of lightness."""
    unit = rgb.astype(np.float32) / 255
    return np.asarray(np.round(out_of_light(unit, measure_light(unit, mask)) * 255), np.uint8)


def mean_colour(
    faces: Iterable[tuple[UInt8[np.ndarray, "S S 3"], Float32[np.ndarray, "S S"]]],
) -> Float32[np.ndarray, "3"]:
    """Mean CIELAB over many faces as they are, each a crop and its mask."""
    means = [lab_statistics(rgb.astype(np.float32) / 255, mask)[0] for rgb, mask in faces]
    return np.asarray(np.mean(means, axis=0), np.float32)


def lab_statistics(
    rgb: Float32[np.ndarray, "S S 3"], mask: Float32[np.ndarray, "S S"]
) -> tuple[Float32[np.ndarray, "3"], Float32[np.ndarray, "3"]]:
    """Mean and standard deviation in CIELAB inside the mask, for RGB 0–1."""
    lab = cv2.cvtColor(rgb, cv2.COLOR_RGB2Lab)
    weight = mask[..., None] / max(float(mask.sum()), 1e-6)
    mean = (lab * weight).sum(axis=(0, 1))
    spread = np.sqrt((((lab - mean) ** 2) * weight).sum(axis=(0, 1)))
    return mean.astype(np.float32), spread.astype(np.float32)
