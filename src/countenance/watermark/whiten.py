"""What of a frame may be the mark: its fine luminance, as strong everywhere as its noise allows."""

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

SIDE = 360
"""Pixels of the shorter side of what is looked at."""
MAX_LENGTH = 1024
"""And at most of the longer one; what is beyond is left out."""
SIZES = (1.0, 2.0, 4.0, 8.0)
"""Standard deviations of the blurs between which the bands of detail lie, in pixels."""
QUIET = 0.4
"""Of 255: added to a band's strength, so that nothing is made of pictures that are flat."""
LIMIT = 2.0
"""What sticks out of a band by more, in its root mean squares, is cut."""


def luminance(frame: UInt8[np.ndarray, "h w 3"]) -> Float32[np.ndarray, "a b"]:
    """A frame's luminance, its shorter side made 360 pixels long."""
    height, width = frame.shape[:2]
    scale = SIDE / min(height, width)
    # Before it is resized, because a picture may be a thousand times longer than it is high.
    x, y = (max(0, int(side - MAX_LENGTH / scale) // 2) for side in (width, height))
    frame = frame[y : height - y, x : width - x]
    height, width = frame.shape[:2]
    size_wh = (max(1, round(width * scale)), max(1, round(height * scale)))
    grey = cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2GRAY)
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    small = (
        cv2.resize(grey.astype(np.float32), size_wh, interpolation=method) if scale != 1 else grey.astype(np.float32)
    )
    x, y = (max(0, (length - MAX_LENGTH) // 2) for length in size_wh)
    return small[y : y + MAX_LENGTH, x : x + MAX_LENGTH]


def whitened(grey: Float32[np.ndarray, "a b"]) -> Float32[np.ndarray, "a b"]:
    """A luminance's bands of detail, each divided by its strength around each pixel, and summed."""
    total = np.zeros_like(grey)
    finer = cv2.GaussianBlur(grey, (0, 0), SIZES[0])
    for size in SIZES[1:]:
        coarser = cv2.GaussianBlur(grey, (0, 0), size)
        band = finer - coarser
        reach = 2 * round(2 * size) + 1
        # The box filter's running sums may end a little below 0.
        strength = cv2.sqrt(np.maximum(cv2.blur(band * band, (reach, reach)), 0)) + QUIET
        band /= strength
        total += np.clip(band, -LIMIT, LIMIT, out=band)
        finer = coarser
    return total
