"""RGB pixels of 8 bits, 16 bits or floating point, always in full range."""

import numpy as np
from jaxtyping import Float32, UInt8, UInt16

Pixels = UInt8[np.ndarray, "H W 3"] | UInt16[np.ndarray, "H W 3"] | Float32[np.ndarray, "H W 3"]
"""0–255, 0–65,535, or 0–1 for floats; light brighter than white, as in HDR, lies above 1."""

ResizedPixels = UInt8[np.ndarray, "h w 3"] | UInt16[np.ndarray, "h w 3"] | Float32[np.ndarray, "h w 3"]
"""The same, where a function's result has another size than its input."""


def white_of(pixels: Pixels) -> float:
    """The value that stands for white."""
    return 1.0 if pixels.dtype == np.float32 else float(np.iinfo(pixels.dtype).max)


def to_8_bit(pixels: Pixels) -> UInt8[np.ndarray, "H W 3"]:
    """The nearest 8-bit values; 8-bit pixels are returned as they are, without a copy."""
    if pixels.dtype == np.uint8:
        return pixels
    if pixels.dtype == np.uint16:
        # 65,535 is 257 × 255, so this is exact rounding.
        return np.asarray((pixels.astype(np.uint32) + 128) // 257, np.uint8)
    return np.asarray(np.rint(np.clip(pixels, 0, 1) * 255), np.uint8)


def to_16_bit(pixels: Pixels) -> UInt16[np.ndarray, "H W 3"]:
    """The nearest 16-bit values; 16-bit pixels are returned as they are, without a copy."""
    if pixels.dtype == np.uint16:
        return pixels
    if pixels.dtype == np.uint8:
        return np.asarray(pixels.astype(np.uint16) * np.uint16(257))
    return np.asarray(np.rint(np.clip(pixels, 0, 1) * 65535), np.uint16)


def from_unit(values: Float32[np.ndarray, "H W 3"], like: Pixels) -> Pixels:
    """Values of 0–1 in the type of other pixels; only floats keep what lies outside of 0–1."""
    if like.dtype == np.float32:
        return values
    white = white_of(like)
    return np.asarray(np.rint(np.clip(values, 0, 1) * np.float32(white)), like.dtype)
