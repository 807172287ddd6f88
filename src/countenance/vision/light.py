"""Take a face out of its light: bring every crop to one brightness, contrast and tint.

A small network that must also learn every lamp spends itself on lamps; the composite gives the plate's light back.
"""

from collections.abc import Iterable

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

MEAN_LAB = np.array([50, 12, 16], np.float32)
LIGHTNESS_SPREAD = 14.0
MAX_GAIN = 3.0


def even_light(rgb: UInt8[np.ndarray, "S S 3"], mask: Float32[np.ndarray, "S S"]) -> UInt8[np.ndarray, "S S 3"]:
    """Shift the crop so that the face inside the mask has a common mean in CIELAB and spread of lightness."""
    mean, spread = lab_statistics(rgb.astype(np.float32) / 255, mask)
    gain = np.array([np.clip(LIGHTNESS_SPREAD / max(float(spread[0]), 1e-3), 1 / MAX_GAIN, MAX_GAIN), 1, 1], np.float32)
    lab = (cv2.cvtColor(rgb.astype(np.float32) / 255, cv2.COLOR_RGB2Lab) - mean) * gain + MEAN_LAB
    return np.asarray(np.round(np.clip(cv2.cvtColor(lab, cv2.COLOR_Lab2RGB), 0, 1) * 255), np.uint8)


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
