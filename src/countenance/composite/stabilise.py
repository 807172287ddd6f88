"""Smooth over time: where a face sits, and how it is lit, without lag and within its track."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

import numpy as np
from jaxtyping import Float32

from countenance.vision.align import head_pose

Item = TypeVar("Item")

LANDMARK_WEIGHTS = (0.06, 0.24, 0.4, 0.24, 0.06)
"""For two frames before to two frames after: symmetric, so that even motion isn't held back."""
STEADY = 0.05
"""In units of the head (`vision.align`). The mesh of a steady face is off by 0.01 from frame to frame, by 0.03 at most;
what smoothing would move further than this is motion. The share of smoothing falls by a Gaussian of this width, so that
no point is ever moved by more than 0.6 of it, whatever starts, stops or turns."""


def smooth_track(
    frames: Sequence[int], landmarks_xyz: Sequence[Float32[np.ndarray, "468 3"]]
) -> list[Float32[np.ndarray, "468 3"]]:
    """Landmarks of one track, smoothed; a gap in the track ends the smoothing there, and so does a sudden motion."""
    radius = len(LANDMARK_WEIGHTS) // 2
    at_frame = dict(zip(frames, landmarks_xyz, strict=True))
    smoothed = []
    for frame in frames:
        # Only as far as both sides exist: a one-sided mean would drag the face behind its motion.
        reach = next(
            (r - 1 for r in range(1, radius + 1) if frame - r not in at_frame or frame + r not in at_frame), radius
        )
        weights = np.array(LANDMARK_WEIGHTS[radius - reach : radius + reach + 1], np.float32)
        members = np.stack([at_frame[frame + offset] for offset in range(-reach, reach + 1)])
        own = at_frame[frame]
        change = np.tensordot(weights / weights.sum(), members, axes=1) - own
        moved = np.linalg.norm(change[:, :2], axis=1, keepdims=True) / (STEADY * head_pose(own).unit_px)
        smoothed.append((own + change * np.exp(-(moved**2) / 2)).astype(np.float32))
    return smoothed


def unbroken(at_frame: Mapping[int, Item], frame: int) -> list[Item]:
    """The items of the frames around one and its own, to both sides up to the first missing frame."""
    first = last = frame
    while first - 1 in at_frame:
        first -= 1
    while last + 1 in at_frame:
        last += 1
    return [at_frame[each] for each in range(first, last + 1)]


def centred_windows(items: Iterable[Item], radius: int) -> Iterator[tuple[Item, list[Item]]]:
    """Each item with its neighbours up to `radius` to both sides; holds no more than `2 radius + 1` items."""
    window: deque[Item] = deque(maxlen=2 * radius + 1)
    ahead = 0
    for item in items:
        window.append(item)
        ahead += 1
        if ahead > radius:
            yield window[-1 - radius], list(window)
    # Towards the end fewer items lie ahead; near the start of a short clip, all are still pending.
    waiting = min(ahead, radius)
    for place in range(waiting):
        centre = len(window) - waiting + place
        yield window[centre], list(window)[max(0, centre - radius) :]
