"""Aligned crops and their masks as compressed bytes: in which sizes, and how they are encoded."""

from typing import Literal, get_args

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

CropSize = Literal[256, 512, 1024]
"""Sides in pixels in which crops are stored and face sets are made."""
CROP_SIZES: tuple[CropSize, ...] = get_args(CropSize)
CROP_SIZE: CropSize = 256
"""At which every face is measured and recognised, whatever its crop's size, so that thresholds hold for all of them."""


def fitting_size(size_px: float) -> CropSize:
    """The crop size for a face of so many pixels: the nearest in octaves, so that at most 1.41 of detail is lost.

    A larger one would store pixels that the frame doesn't have, four times as many for each step.
    """
    return next((size for size in reversed(CROP_SIZES) if size_px >= size / 2**0.5), CROP_SIZE)


def encode_crop(rgb: UInt8[np.ndarray, "S S 3"]) -> bytes:
    """A crop as PNG, packed quickly: each pixel by the mean of its neighbours, and no search for what repeats."""
    packing = [cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_AVG]
    packing += [cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_HUFFMAN_ONLY, cv2.IMWRITE_PNG_COMPRESSION, 1]
    written, png = cv2.imencode(".png", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), packing)
    assert written
    return png.tobytes()


def decode_crop(png: bytes) -> UInt8[np.ndarray, "S S 3"]:
    """Decode a crop."""
    picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))


def resized_crop(rgb: UInt8[np.ndarray, "S S 3"], size: int) -> UInt8[np.ndarray, "P P 3"]:
    """A crop at another size."""
    if len(rgb) == size:
        return rgb
    interpolation = cv2.INTER_AREA if len(rgb) > size else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(rgb, (size, size), interpolation=interpolation))


def resized_mask(mask: Float32[np.ndarray, "S S"], size: int) -> Float32[np.ndarray, "P P"]:
    """A crop's mask at another size."""
    if len(mask) == size:
        return mask
    interpolation = cv2.INTER_AREA if len(mask) > size else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(mask, (size, size), interpolation=interpolation))


def encode_mask(mask: Float32[np.ndarray, "S S"]) -> bytes:
    """A mask as PNG of half its side."""
    side = len(mask) // 2
    small = cv2.resize(mask, (side, side), interpolation=cv2.INTER_AREA)
    written, png = cv2.imencode(".png", np.round(small * 255).astype(np.uint8))
    assert written
    return png.tobytes()


def decode_mask(png: bytes) -> Float32[np.ndarray, "S S"]:
    """Decode a mask, at the crop's size."""
    picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert picture is not None
    side = 2 * len(picture)
    large = cv2.resize(picture, (side, side), interpolation=cv2.INTER_LINEAR)
    return np.asarray(large, np.float32) / 255
