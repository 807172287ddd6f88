"""A file in a few small pictures, for people."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

import cv2
import numpy as np
from jaxtyping import UInt8

from countenance.media.reader import read_frames, spread_frames
from countenance.types import Frame, MediaInfo

NUM_MOMENTS = 8
MAX_DECODED = 1500
"""Of longer videos only keyframes are taken, so that an hour takes no longer than a minute."""
MAX_SIDE_PX = 480


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Moment:
    """A frame of the file, small."""

    time_s: float
    rgb: UInt8[np.ndarray, "h w 3"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Overview:
    """What a file looks like."""

    resolution_wh: tuple[int, int]
    num_frames: int
    duration_s: float
    """0 for a picture."""
    moments: tuple[Moment, ...]
    """Spread over it, in order; one of a picture."""


def overview_of(info: MediaInfo) -> Overview:
    """Look at a few frames.

    Raises:
        MediaError: damaged.
    """
    moments = {
        frame.pts: Moment(time_s=float(frame.time), rgb=small(frame.rgb, MAX_SIDE_PX)) for frame in _spread(info)
    }
    return Overview(
        resolution_wh=info.resolution_wh,
        num_frames=info.num_frames,
        duration_s=float(info.duration),
        moments=tuple(moments[pts] for pts in sorted(moments)),
    )


def _spread(info: MediaInfo) -> Iterator[Frame]:
    if info.num_frames > MAX_DECODED:
        return chain.from_iterable(spread_frames(info, num_places=NUM_MOMENTS, run=1))
    wanted = set(np.linspace(0, info.num_frames - 1, NUM_MOMENTS).round().astype(int).tolist())
    return read_frames(info, wanted=wanted)


def small(rgb: UInt8[np.ndarray, "H W 3"], max_side_px: int) -> UInt8[np.ndarray, "h w 3"]:
    """A picture whose longer side has at most so many pixels; a smaller one stays as it is."""
    height, width = rgb.shape[:2]
    scale = min(1.0, max_side_px / max(height, width))
    size_wh = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(rgb, size_wh, interpolation=cv2.INTER_AREA), np.uint8)
