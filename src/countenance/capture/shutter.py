"""Exposure in time: motion blur, and rows that gather light one after another.

A frame shows the middle of its exposure. With the motion of what each pixel shows, the scene at any moment of the
exposure is that frame, moved; the moments' mean is what a sensor gathers. Inside a moving body this is exact to first
order (straight motion within a frame). What the frame hides is a guess: beside a body that moves away, the nearest
pixels behind it go on. Where two bodies overlap, the faster is taken for the nearer.

The same functions move masks, labels and landmarks, so that a ground truth stays one.
"""

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8

from countenance.capture.settings import Shutter

MOMENTS_A_FRAME = 16
"""So many moments of an exposure that lasts a whole frame are added; of a shorter one fewer."""
REACH_PX = 16
"""How far something may come within half an exposure to be seen beside where it stands in the middle of it."""
MET_PX = 0.7
"""A place is found where its motion leads to within this of the pixel."""

Motion = Float32[np.ndarray, "H W 2"]
"""Pixels a frame, right and down, of what each pixel shows."""


def exposed(
    image: Float32[np.ndarray, "H W C"], motion: Motion, shutter: Shutter, frame_rate: float
) -> Float32[np.ndarray, "H W C"]:
    """Light, or a mask, gathered while the shutter is open."""
    if not motion.any():
        return image
    # Neither their number nor the reach depends on the motion: what moves alike in two frames must be blurred alike.
    moments = max(1, round(shutter.open_frames * MOMENTS_A_FRAME))
    late = _lateness(len(image), shutter, frame_rate)[:, None]
    near = _fastest_nearby(motion)
    box = _box(np.asarray(near.any(axis=2)))
    total = np.zeros_like(image[box])
    for number in range(moments):
        time = late + np.float32((number + 0.5) / moments - 0.5) * np.float32(shutter.open_frames)
        x, y = _places(motion, near, time, box)
        seen = cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        total += seen.reshape(total.shape)
    gathered = image.copy()
    gathered[box] = np.where(near[box].any(axis=2, keepdims=True), total / np.float32(moments), image[box])
    return gathered


def labels_exposed(
    labels: UInt8[np.ndarray, "H W"], motion: Motion, shutter: Shutter, frame_rate: float
) -> UInt8[np.ndarray, "H W"]:
    """Labels in the middle of each row's exposure."""
    if not motion.any() or not shutter.readout_s:
        return labels
    late = _lateness(len(labels), shutter, frame_rate)[:, None]
    whole = (slice(0, labels.shape[0]), slice(0, labels.shape[1]))
    x, y = _places(motion, _fastest_nearby(motion), late, whole)
    return np.asarray(cv2.remap(labels, x, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE), np.uint8)


def points_exposed(
    points_xy: Float32[np.ndarray, "N 2"],
    motion_xy: Float32[np.ndarray, "N 2"],
    height: int,
    shutter: Shutter,
    frame_rate: float,
) -> Float32[np.ndarray, "N 2"]:
    """Points with their own motion, in the middle of the exposure of the row in which each is found."""
    rolled = np.float32(shutter.readout_s * frame_rate) / max(height - 1, 1)
    x, y = points_xy.T
    across, down = motion_xy.T
    # The row is itself moved by its delay: a linear equation.
    row = (y - down * rolled * (height - 1) / 2) / (1 - down * rolled)
    late = (row - (height - 1) / 2) * rolled
    return np.stack([x + across * late, row], axis=1).astype(np.float32)


def _lateness(height: int, shutter: Shutter, frame_rate: float) -> Float32[np.ndarray, " H"]:
    """Middle of each row's exposure after the frame's, in frames."""
    rows = np.arange(height, dtype=np.float32) / max(height - 1, 1) - 0.5
    return np.asarray(rows * shutter.readout_s * frame_rate, np.float32)


def _box(where: Bool[np.ndarray, "H W"]) -> tuple[slice, slice]:
    """The smallest one that holds all of it."""
    rows, columns = np.flatnonzero(where.any(axis=1)), np.flatnonzero(where.any(axis=0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def _places(
    motion: Motion, near: Motion, time: Float32[np.ndarray, "H 1"], box: tuple[slice, slice]
) -> tuple[Float32[np.ndarray, "h w"], Float32[np.ndarray, "h w"]]:
    """Where in the frame that is which comes to a box's pixels at a time: the same surface, or a faster one nearby."""
    first = _led_back(motion, motion, time, box)
    other = _led_back(motion, near, time, box)
    instead = other[2] & (~first[2] | (other[3] > first[3] + 1e-3))
    return np.where(instead, other[0], first[0]), np.where(instead, other[1], first[1])


def _led_back(
    motion: Motion, guess: Motion, time: Float32[np.ndarray, "H 1"], box: tuple[slice, slice]
) -> tuple[
    Float32[np.ndarray, "h w"],
    Float32[np.ndarray, "h w"],
    Bool[np.ndarray, "h w"],
    Float32[np.ndarray, "h w"],
]:
    """Places whose motion leads to a box's pixels, from a first guess; whether it does, and how fast they are."""
    rows, columns = box
    column = np.arange(columns.start, columns.stop, dtype=np.float32)[None]
    row = np.arange(rows.start, rows.stop, dtype=np.float32)[:, None]
    time, guess = time[rows], guess[box]
    start_x, start_y = column - time * guess[..., 0], row - time * guess[..., 1]
    found = cv2.remap(motion, start_x, start_y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
    x, y = column - time * found[..., 0], row - time * found[..., 1]
    found = cv2.remap(motion, x, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
    off = (x + time * found[..., 0] - column) ** 2 + (y + time * found[..., 1] - row) ** 2
    leads = np.asarray(off < MET_PX**2)
    speed = np.asarray(found[..., 0] ** 2 + found[..., 1] ** 2)
    # What was hidden: the first step of a body that has left lands behind it.
    return np.where(leads, x, start_x), np.where(leads, y, start_y), leads, speed


def _fastest_nearby(motion: Motion) -> Motion:
    """For each pixel the fastest motion of its tile and the tiles around."""
    height, width = motion.shape[:2]
    reach = REACH_PX
    rows, columns = -(-height // reach), -(-width // reach)
    padded = np.zeros((rows * reach, columns * reach, 2), np.float32)
    padded[:height, :width] = motion
    tiles = padded.reshape(rows, reach, columns, reach, 2).swapaxes(1, 2).reshape(rows, columns, -1, 2)
    fastest = _pick_fastest(tiles)
    around = np.pad(fastest, ((1, 1), (1, 1), (0, 0)))
    moved = [around[i : i + rows, j : j + columns] for i in range(3) for j in range(3)]
    fastest = _pick_fastest(np.stack(moved, axis=2))
    return np.repeat(np.repeat(fastest, reach, axis=0), reach, axis=1)[:height, :width]


def _pick_fastest(candidates: Float[np.ndarray, "R C K 2"]) -> Float[np.ndarray, "R C 2"]:
    chosen = (candidates**2).sum(axis=-1).argmax(axis=-1)
    return np.take_along_axis(candidates, chosen[..., None, None], axis=2)[:, :, 0]
