"""Conversion between sRGB and linear light. Source: IEC 61966-2-1."""

import numpy as np
from jaxtyping import Float


def to_light(srgb: Float[np.ndarray, "*B"]) -> Float[np.ndarray, "*B"]:
    """Linear light of sRGB values, 0–1, at their own precision."""
    return np.asarray(np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4), srgb.dtype)


def to_srgb(light: Float[np.ndarray, "*B"]) -> Float[np.ndarray, "*B"]:
    """SRGB of linear light; what lies outside 0–1 is cut."""
    light = np.clip(light, 0, 1)
    return np.asarray(np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055), light.dtype)
