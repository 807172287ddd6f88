"""Where one shot ends and another begins."""

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

THUMBNAIL_SIZE = 32
MIN_CHANGE = 0.10
"""Mean change of the thumbnail, 0–1, from which on two frames belong to different shots."""


def thumbnail(rgb: UInt8[np.ndarray, "H W 3"]) -> Float32[np.ndarray, "32 32 3"]:
    """A frame small enough that motion within a shot hardly changes it, 0–1."""
    small = cv2.resize(rgb, (THUMBNAIL_SIZE, THUMBNAIL_SIZE), interpolation=cv2.INTER_AREA)
    return small.astype(np.float32) / 255


def is_cut(before: Float32[np.ndarray, "32 32 3"], after: Float32[np.ndarray, "32 32 3"]) -> bool:
    """Whether a new shot begins with the second of two successive frames' thumbnails."""
    return float(np.abs(after - before).mean()) >= MIN_CHANGE
