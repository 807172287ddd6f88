"""Where one shot ends and another begins.

A cut is a change that lasts, that is larger than the motion around it, and that is more than a change of light. How it
compares with the detectors of a library, and what it misses: docs/collect.md.
"""

from collections.abc import Iterable, Iterator
from itertools import chain, repeat

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

THUMBNAIL_SIZE = 32
REACH = 3
"""Frames before and after a cut that are looked at. The picture after a flash of fewer is the one from before."""
MIN_CHANGE = 0.2
"""Of thumbnails in units of their own contrast."""
MIN_RATIO = 3.0
"""Of the change to the mean change from frame to frame around it."""
LEAST_CONTRAST = 0.03
"""Of 1; the contrast of noise in the dark counts for little."""

Thumbnail = UInt8[np.ndarray, "T T 3"]
Pattern = Float32[np.ndarray, "T T 3"]


def find_shots(thumbnails: Iterable[Thumbnail]) -> Iterator[int]:
    """The index of the first frame of each shot, from the small pictures of all frames."""
    window: list[Pattern | None] = []
    padded = chain(repeat(None, REACH), map(_pattern, thumbnails), repeat(None, REACH - 1))
    for end, latest in enumerate(padded, start=1):
        window = [*window[1 - 2 * REACH :], latest]
        index = end - 2 * REACH
        if index == 0 or (index > 0 and _is_cut(_there(window[:REACH]), _there(window[REACH:]))):
            yield index


def thumbnail(rgb: UInt8[np.ndarray, "H W 3"]) -> Thumbnail:
    """The small picture of a frame."""
    size = (THUMBNAIL_SIZE, THUMBNAIL_SIZE)
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)


def change_between(one: Thumbnail, other: Thumbnail) -> float:
    """How much two pictures differ, in units of their contrast; light counts for nothing."""
    return float(np.abs(_pattern(one) - _pattern(other)).mean())


def _pattern(small: Thumbnail) -> Pattern:
    """What is the same however bright the light."""
    rgb = small.astype(np.float32) / 255
    rgb -= rgb.mean(axis=(0, 1))
    return np.asarray(rgb / (rgb.std() + LEAST_CONTRAST), np.float32)


def _there(patterns: Iterable[Pattern | None]) -> Float32[np.ndarray, "K T T 3"]:
    """Those that don't lie beyond an end of the clip."""
    return np.stack([pattern for pattern in patterns if pattern is not None])


def _is_cut(before: Float32[np.ndarray, "K T T 3"], after: Float32[np.ndarray, "L T T 3"]) -> bool:
    """Whether the nearest two of the frames before and after differ by much more than neighbours do."""
    change = np.abs(before[:, None] - after[None]).mean(axis=(2, 3, 4)).min()
    motion = [np.abs(np.diff(side, axis=0)).mean(axis=(1, 2, 3)) for side in (before, after)]
    neighbours = np.concatenate(motion)
    return bool(change >= MIN_CHANGE and change >= MIN_RATIO * (neighbours.mean() if len(neighbours) else 0))
