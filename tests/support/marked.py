"""Pictures on which marks are tried."""

import cv2
import numpy as np
from jaxtyping import UInt8

MARK_ID = 0xABCDEF123456


def picture(width: int = 960, height: int = 540) -> UInt8[np.ndarray, "H W 3"]:
    """Soft coloured noise beside a plain area."""
    noise = np.random.default_rng(0).normal(128, 50, (height // 4, width // 4, 3)).astype(np.float32)
    soft = np.clip(cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC) / 2 + 64, 0, 255)
    soft[:, : width // 3] = (70, 120, 200)
    return np.asarray(soft, np.uint8)
