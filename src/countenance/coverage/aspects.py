"""The four aspects in which the faces of a set and of a plate are compared: pose, mouth, eyes and light."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, get_args

import numpy as np
from jaxtyping import Bool, Float, Float32, Int
from pydantic import Field

from countenance.config import Integer, Number, section
from countenance.types import FaceQuality

Aspect = Literal["pose", "mouth", "eyes", "light"]
ASPECTS: tuple[Aspect, ...] = get_args(Aspect)
USUAL_PERCENTILE = 90
"""Of a person's eye openings, the one that counts as open: blinks are few, and wide-open eyes are fewer."""
COMPARED_AT_ONCE = 512
"""Needed faces compared with all kept ones in one go, so that memory stays small."""


@section
@dataclass(frozen=True, kw_only=True, slots=True)
class CoverageConfig:
    """The section `coverage` of the settings: how near a face of the set must be to stand for one of the plate."""

    near_deg: Annotated[Number, Field(gt=0, le=90)] = 10.0
    """In yaw and in pitch, in degrees. Roll doesn't count: crops are upright."""
    near_mouth: Annotated[Number, Field(gt=0, le=1)] = 0.05
    """In how far the mouth is open, as a fraction of the distance between the eyes' outer corners."""
    near_eyes: Annotated[Number, Field(gt=0, le=1)] = 0.15
    """In how far the eyes are open, as a fraction of this person's usual opening."""
    near_light: Annotated[Number, Field(gt=0, le=2)] = 0.1
    """In the direction of the light, across and up."""
    min_near: Annotated[Integer, Field(ge=1, le=1000)] = 3
    """How many faces must be near: a single one may be a measurement error, and teaches little."""

    def tolerance(self, aspect: Aspect) -> float:
        """How far two faces may differ in an aspect."""
        return {"pose": self.near_deg, "mouth": self.near_mouth, "eyes": self.near_eyes, "light": self.near_light}[
            aspect
        ]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Aspects:
    """Many faces as numbers."""

    pose: Float32[np.ndarray, "N 2"]
    """Yaw and pitch in degrees: positive is to the right of the picture, and down."""
    mouth: Float32[np.ndarray, "N 1"]
    """As `FaceQuality.mouth_open`."""
    eyes: Float32[np.ndarray, "N 1"]
    """1: as far open as usual for this person, so that narrow and wide eyes compare."""
    light: Float32[np.ndarray, "N 2"]
    """As `FaceQuality.light_xy`. It is relative, so that the tone of the skin doesn't count."""

    def __len__(self) -> int:
        return len(self.pose)

    def of(self, aspect: Aspect) -> Float32[np.ndarray, "N D"]:
        """The numbers of one aspect."""
        return {"pose": self.pose, "mouth": self.mouth, "eyes": self.eyes, "light": self.light}[aspect]


@dataclass(frozen=True, kw_only=True, slots=True)
class Reach:
    """How far a set goes in each direction, by the least extreme of its `min_near` most extreme faces.

    Degrees; negative where not even the front is reached, as `right_deg` of a head that is always turned to the left.
    """

    left_deg: float
    right_deg: float
    up_deg: float
    down_deg: float


def usual_eyes(qualities: Iterable[FaceQuality]) -> float:
    """How far a person's eyes are usually open, in the measure of `FaceQuality.eyes_open`."""
    return max(float(np.percentile([each.eyes_open for each in qualities], USUAL_PERCENTILE)), 1e-3)


def aspects_of(qualities: Sequence[FaceQuality], eyes: float) -> Aspects:
    """The faces of one person as numbers; `eyes` is `usual_eyes` of theirs."""

    def column(values: Iterable[object], width: int) -> Float32[np.ndarray, "N D"]:
        return np.array(list(values), np.float32).reshape(-1, width)

    return Aspects(
        pose=column((each.yaw_pitch_roll_deg[:2] for each in qualities), 2),
        mouth=column((each.mouth_open for each in qualities), 1),
        eyes=column((each.eyes_open / eyes for each in qualities), 1),
        light=column((each.light_xy for each in qualities), 2),
    )


def covered(kept: Aspects, needed: Aspects, config: CoverageConfig) -> dict[Aspect, Bool[np.ndarray, " M"]]:
    """For each aspect, which of the needed faces have enough kept ones near; each aspect by itself."""
    return {
        aspect: num_near(kept.of(aspect), needed.of(aspect), config.tolerance(aspect)) >= config.min_near
        for aspect in ASPECTS
    }


def num_near(
    kept: Float32[np.ndarray, "N D"], needed: Float32[np.ndarray, "M D"], tolerance: float
) -> Int[np.ndarray, " M"]:
    """For each needed face, how many kept ones differ by no more than the tolerance in any number."""
    counts = np.zeros(len(needed), np.int64)
    for first in range(0, len(needed), COMPARED_AT_ONCE):
        part = slice(first, first + COMPARED_AT_ONCE)
        # One number after the other: an array over all of them at once is several times slower.
        near = np.ones((len(needed[part]), len(kept)), bool)
        for one, other in zip(needed[part].T, kept.T, strict=True):
            near &= np.abs(one[:, None] - other) <= tolerance
        counts[part] = np.count_nonzero(near, axis=1)
    return counts


def reach(kept: Aspects, config: CoverageConfig) -> Reach:
    """How far the faces of a set turn."""
    yaw, pitch = kept.pose.T
    return Reach(
        left_deg=highest(-yaw, config),
        right_deg=highest(yaw, config),
        up_deg=highest(-pitch, config),
        down_deg=highest(pitch, config),
    )


def highest(values: Float[np.ndarray, " N"], config: CoverageConfig) -> float:
    """What at least `min_near` values come up to, or all of them where there are fewer."""
    return float(np.sort(values)[-min(config.min_near, len(values))])
