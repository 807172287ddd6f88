"""Smooth over time: where a face sits, and how it is lit, without lag and within its track."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

import numpy as np
from jaxtyping import Float32

Item = TypeVar("Item")

LANDMARK_WEIGHTS = (0.06, 0.24, 0.4, 0.24, 0.06)
"""For two frames before to two frames after: symmetric, so that even motion isn't held back."""


def smooth_track(
    frames: Sequence[int], landmarks_xyz: Sequence[Float32[np.ndarray, "468 3"]]
) -> list[Float32[np.ndarray, "468 3"]]:
    """Landmarks of one track, smoothed; a gap in the track ends the smoothing there."""
    radius = len(LANDMARK_WEIGHTS) // 2
    at_frame = dict(zip(frames, landmarks_xyz, strict=True))
    smoothed = []
    for frame in frames:
        # Only as far as both sides are there: a one-sided mean would drag the face behind its motion.
        reach = next(
            (r - 1 for r in range(1, radius + 1) if frame - r not in at_frame or frame + r not in at_frame), radius
        )
        weights = np.array(LANDMARK_WEIGHTS[radius - reach : radius + reach + 1], np.float32)
        members = np.stack([at_frame[frame + offset] for offset in range(-reach, reach + 1)])
        smoothed.append(np.tensordot(weights / weights.sum(), members, axes=1).astype(np.float32))
    return smoothed


def centred_windows(items: Iterable[Item], radius: int) -> Iterator[tuple[Item, list[Item]]]:
    """Each item with its neighbours up to `radius` to both sides; holds no more than `2 radius + 1` items."""
    window: deque[Item] = deque(maxlen=2 * radius + 1)
    ahead = 0
    for item in items:
        window.append(item)
        ahead += 1
        if ahead > radius:
            yield window[-1 - radius], list(window)
    # Towards the end fewer lie ahead; near the start of a short clip, everything is still waiting.
    waiting = min(ahead, radius)
    for place in range(waiting):
        centre = len(window) - waiting + place
        yield window[centre], list(window)[max(0, centre - radius) :]
