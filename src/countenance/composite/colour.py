"""Give the drawn face the plate's light: lightness as a whole, tint from place to place.

A drawn face is in even light. It is first matched, in even light, to the plate's own face in even light; this match is
averaged over time, because the drawn face varies from frame to frame. Then the light that was taken out of the plate's
face is put back exactly, each frame its own: so a flash, a fade or a cut of the light is never averaged away.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float32

from countenance.vision.light import MEAN_LAB, Light, lab_statistics

MAX_GAIN = 1.6
"""Maximum gain. A face that would need more contrast was drawn wrongly; more gain would only amplify its noise."""
MAP_SIZE = 32
TINT_REACH = 0.08
"""Standard deviation, as a fraction of the crop, of the window in which tint is compared: wider than lips and brows,
which are the likeness's own, narrower than the play of coloured light over a face, which is the plate's."""
JUST_NOTICEABLE = 2.3
"""Distance in CIELAB that an eye just notices (Mahy et al., Evaluation of Uniform Color Spaces, 1994). Frames count in
each other's average by a Gaussian of this width over how far their light is apart: so averaging never shifts a face's
colour by more than 0.6 of it, however the light changes."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ColourShift:
    """What to change in CIELAB."""

    gain: float
    """Of lightness."""
    offset: Float32[np.ndarray, "32 32 3"]
    """Added after the gain; a coarse map of the crop."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ColourMatch:
    """The match from the drawn face to the plate's, both in even light."""

    shift: ColourShift
    plate_lab: Float32[np.ndarray, "32 32 3"]
    """The plate's local mean: how the light plays over the face."""
    weight: Float32[np.ndarray, "32 32"]
    """0–1, how much of the face is visible at each position."""


def match_colour(
    drawn_rgb: Float32[np.ndarray, "S S 3"],
    plate_rgb: Float32[np.ndarray, "S S 3"],
    mask: Float32[np.ndarray, "S S"],
) -> ColourMatch:
    """The shift that gives the drawn face the plate's mean and spread of lightness, and its tint in each place.

    Source of the lightness: Reinhard et al., Color Transfer between Images, 2001.
    """
    (drawn_mean, drawn_spread), (plate_mean, plate_spread) = (
        lab_statistics(rgb, mask) for rgb in (drawn_rgb, plate_rgb)
    )
    gain = float(np.clip(float(plate_spread[0]) / max(float(drawn_spread[0]), 1e-3), 1 / MAX_GAIN, MAX_GAIN))
    weight = _coarse(mask)
    plate_lab = _local_mean(plate_rgb, weight)
    offset = plate_lab - _local_mean(drawn_rgb, weight)
    offset[..., 0] = plate_mean[0] - gain * drawn_mean[0]
    return ColourMatch(shift=ColourShift(gain=gain, offset=offset), plate_lab=plate_lab, weight=weight)


def unchanged() -> ColourShift:
    """The shift of a face that is already in the plate's colours."""
    return ColourShift(gain=1.0, offset=np.zeros((MAP_SIZE, MAP_SIZE, 3), np.float32))


def steady_shift(match: ColourMatch, neighbours: Sequence[ColourMatch]) -> ColourShift:
    """The shift averaged over neighbours in time, as far as light plays over their faces as over this one.

    `match` may be among its neighbours; in place of one in another light it counts itself.
    """
    shares = [float(np.exp(-((_apart(match, each) / JUST_NOTICEABLE) ** 2) / 2)) for each in neighbours]
    own = match.shift
    gain_change = [share * (each.shift.gain - own.gain) for share, each in zip(shares, neighbours, strict=True)]
    change = [share * (each.shift.offset - own.offset) for share, each in zip(shares, neighbours, strict=True)]
    return ColourShift(
        gain=own.gain + float(np.mean(gain_change)),
        offset=np.asarray(own.offset + np.mean(change, axis=0), np.float32),
    )


def in_light(shift: ColourShift, light: Light) -> ColourShift:
    """The shift that also puts back the light which was taken out."""
    offset = shift.offset - MEAN_LAB
    offset[..., 0] /= light.gain
    return ColourShift(gain=shift.gain / light.gain, offset=offset + light.mean_lab)


def within_light(shift: ColourShift, light: Light) -> ColourShift:
    """The shift for a face that is in this light and stays there."""
    lit = in_light(shift, light)
    taken_out = np.array([light.gain, 1, 1], np.float32)
    put_back = np.array([lit.gain, 1, 1], np.float32)
    return ColourShift(
        gain=lit.gain * light.gain, offset=lit.offset + put_back * (MEAN_LAB - taken_out * light.mean_lab)
    )


def faded(shift: ColourShift, amount: float) -> ColourShift:
    """A part of a shift: 0 for none of it, 1 for all."""
    return ColourShift(gain=1 + amount * (shift.gain - 1), offset=np.float32(amount) * shift.offset)


def apply_shift(rgb: Float32[np.ndarray, "S S 3"], shift: ColourShift) -> Float32[np.ndarray, "S S 3"]:
    """Shift an image's colours, 0–1; without a shift it comes back as it is."""
    if shift.gain == 1 and not shift.offset.any():
        return rgb
    lab = cv2.cvtColor(rgb, cv2.COLOR_RGB2Lab) * np.array([shift.gain, 1, 1], np.float32)
    shifted = lab + cv2.resize(shift.offset, lab.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(np.clip(cv2.cvtColor(shifted, cv2.COLOR_Lab2RGB), 0, 1), np.float32)


def _coarse(mask: Float32[np.ndarray, "S S"]) -> Float32[np.ndarray, "32 32"]:
    return np.asarray(cv2.resize(mask, (MAP_SIZE, MAP_SIZE), interpolation=cv2.INTER_AREA), np.float32)


def _apart(one: ColourMatch, other: ColourMatch) -> float:
    """Mean distance in CIELAB of two plates' faces where both are seen; the mean, since a mouth that opens is small."""
    both = one.weight * other.weight
    distances = np.linalg.norm(one.plate_lab - other.plate_lab, axis=2)
    return float((distances * both).sum() / max(float(both.sum()), 1e-6))


def _local_mean(
    rgb: Float32[np.ndarray, "S S 3"], weight: Float32[np.ndarray, "32 32"]
) -> Float32[np.ndarray, "32 32 3"]:
    """Weighted mean of CIELAB around each position."""
    lab = cv2.resize(cv2.cvtColor(rgb, cv2.COLOR_RGB2Lab), (MAP_SIZE, MAP_SIZE), interpolation=cv2.INTER_AREA)
    # A small weight everywhere, so that there is a value far from the face too.
    everywhere = weight[..., None] + np.float32(1e-3)
    sigma = TINT_REACH * MAP_SIZE
    total = cv2.GaussianBlur(lab * everywhere, (0, 0), sigma)
    return np.asarray(total / cv2.GaussianBlur(everywhere, (0, 0), sigma)[..., None], np.float32)
