"""Give the generated face the plate's light: lightness as a whole, tint from place to place."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float32

from countenance.vision.light import lab_statistics

MAX_GAIN = 1.6
"""A face that would need more contrast than this was drawn wrongly; more would only show its noise."""
MAP_SIZE = 32
TINT_REACH = 0.08
"""Standard deviation, in parts of the crop, of the window in which tint is compared: wider than lips and brows, which
are the likeness's own, narrower than the play of coloured light over a face, which is the plate's."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ColourShift:
    """What to change in CIELAB."""

    gain: float
    """Of lightness."""
    offset: Float32[np.ndarray, "32 32 3"]
    """Added after the gain; a coarse map of the crop."""


def colour_shift(
    generated_rgb: Float32[np.ndarray, "S S 3"],
    plate_rgb: Float32[np.ndarray, "S S 3"],
    mask: Float32[np.ndarray, "S S"],
) -> ColourShift:
    """The shift that gives the generated face the plate's mean and spread of lightness, and its tint in each place.

    Source of the lightness: Reinhard et al., Color Transfer between Images, 2001.
    """
    (generated_mean, generated_spread), (plate_mean, plate_spread) = (
        lab_statistics(rgb, mask) for rgb in (generated_rgb, plate_rgb)
    )
    gain = float(np.clip(float(plate_spread[0]) / max(float(generated_spread[0]), 1e-3), 1 / MAX_GAIN, MAX_GAIN))
    offset = _local_mean(plate_rgb, mask) - _local_mean(generated_rgb, mask)
    offset[..., 0] = plate_mean[0] - gain * generated_mean[0]
    return ColourShift(gain=gain, offset=offset)


def mean_shift(shifts: Sequence[ColourShift]) -> ColourShift:
    """The shift halfway between several, so that light doesn't flicker from frame to frame."""
    return ColourShift(
        gain=float(np.mean([shift.gain for shift in shifts])),
        offset=np.stack([shift.offset for shift in shifts]).mean(axis=0),
    )


def apply_shift(rgb: Float32[np.ndarray, "S S 3"], shift: ColourShift) -> Float32[np.ndarray, "S S 3"]:
    """Shift a picture's colours, 0–1."""
    lab = cv2.cvtColor(rgb, cv2.COLOR_RGB2Lab) * np.array([shift.gain, 1, 1], np.float32)
    shifted = lab + cv2.resize(shift.offset, lab.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(np.clip(cv2.cvtColor(shifted, cv2.COLOR_Lab2RGB), 0, 1), np.float32)


def _local_mean(rgb: Float32[np.ndarray, "S S 3"], mask: Float32[np.ndarray, "S S"]) -> Float32[np.ndarray, "32 32 3"]:
    """Mean CIELAB around each place, of what lies inside the mask."""
    lab = cv2.resize(cv2.cvtColor(rgb, cv2.COLOR_RGB2Lab), (MAP_SIZE, MAP_SIZE), interpolation=cv2.INTER_AREA)
    # A touch of weight everywhere, so that far from the face there is a value too.
    weight = cv2.resize(mask, (MAP_SIZE, MAP_SIZE), interpolation=cv2.INTER_AREA)[..., None] + np.float32(1e-3)
    sigma = TINT_REACH * MAP_SIZE
    total = cv2.GaussianBlur(lab * weight, (0, 0), sigma)
    return np.asarray(total / cv2.GaussianBlur(weight, (0, 0), sigma)[..., None], np.float32)
