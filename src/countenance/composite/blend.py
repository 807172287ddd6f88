"""Paste a generated face into a frame under a feathered mask."""

import cv2
import numpy as np
from jaxtyping import Float32

from countenance.pixels import Pixels, white_of
from countenance.types import GeneratedFace

FEATHER = 0.018
"""Standard deviation of the feather, in parts of the crop; the mask shrinks by as much, so the face's edge stays in."""


def feathered(mask: Float32[np.ndarray, "S S"]) -> Float32[np.ndarray, "S S"]:
    """Shrink a mask and soften its border; it reaches zero at the crop's border, where there is nothing to paste."""
    size = mask.shape[0]
    sigma = FEATHER * size
    width = 2 * round(sigma) + 1
    inner = cv2.erode(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width)))
    margin = round(2 * sigma)
    framed = np.zeros_like(inner)
    framed[margin:-margin, margin:-margin] = inner[margin:-margin, margin:-margin]
    return np.asarray(cv2.GaussianBlur(framed, (0, 0), sigma))


def paste(pixels: Pixels, face: GeneratedFace) -> Pixels:
    """The frame with the face in it; only the face's own neighbourhood is touched."""
    height, width = pixels.shape[:2]
    size = face.mask.shape[0]
    corners = np.array([[-0.5, -0.5], [size - 0.5, -0.5], [size - 0.5, size - 0.5], [-0.5, size - 0.5]])
    placed = corners @ face.crop_to_frame[:, :2].T + face.crop_to_frame[:, 2]
    left, top = np.clip(np.floor(placed.min(axis=0)).astype(int), 0, [width, height])
    right, bottom = np.clip(np.ceil(placed.max(axis=0)).astype(int) + 1, 0, [width, height])
    if left >= right or top >= bottom:
        return pixels
    to_region = face.crop_to_frame - np.array([[0, 0, left], [0, 0, top]], np.float32)
    region_wh = (int(right - left), int(bottom - top))
    drawn = cv2.warpAffine(face.rgb, to_region, region_wh, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    alpha = cv2.warpAffine(face.mask, to_region, region_wh, flags=cv2.INTER_LINEAR)[..., None]
    region = pixels[top:bottom, left:right]
    mixed = region + alpha * (np.clip(drawn, 0, 1) * np.float32(white_of(pixels)) - region)
    result = pixels.copy()
    result[top:bottom, left:right] = mixed if pixels.dtype == np.float32 else np.rint(mixed)
    return result
