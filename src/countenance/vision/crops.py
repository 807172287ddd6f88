"""Aligned crops and their masks as compressed bytes: their size, and how they are encoded."""

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

CROP_SIZE = 256
MASK_SIZE = 128


def encode_crop(rgb: UInt8[np.ndarray, "S S 3"]) -> bytes:
    """A crop as PNG, packed quickly: each pixel by the mean of its neighbours, and no search for what repeats."""
    packing = [cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_AVG]
    packing += [cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_HUFFMAN_ONLY, cv2.IMWRITE_PNG_COMPRESSION, 1]
    written, png = cv2.imencode(".png", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), packing)
    assert written
    return png.tobytes()


def decode_crop(png: bytes) -> UInt8[np.ndarray, "S S 3"]:
    """The crop back from its PNG."""
    picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))


def encode_mask(mask: Float32[np.ndarray, "S S"]) -> bytes:
    """A mask as PNG of `MASK_SIZE`."""
    small = cv2.resize(mask, (MASK_SIZE, MASK_SIZE), interpolation=cv2.INTER_AREA)
    written, png = cv2.imencode(".png", np.round(small * 255).astype(np.uint8))
    assert written
    return png.tobytes()


def decode_mask(png: bytes) -> Float32[np.ndarray, "S S"]:
    """The mask back from its PNG, at the crop's size."""
    picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert picture is not None
    large = cv2.resize(picture, (CROP_SIZE, CROP_SIZE), interpolation=cv2.INTER_LINEAR)
    return np.asarray(large, np.float32) / 255
