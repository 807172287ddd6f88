"""Paste a drawn face into a frame under a feathered mask."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float32

from countenance.composite.grain import Bands, missing_grain
from countenance.composite.shot import ShotConfig
from countenance.geometry import PLAIN_SCALE, invert, resample, transform_points
from countenance.pixels import Pixels, white_of
from countenance.vision.align import HeadPose, frame_to_crop

FEATHER = 0.018
"""Standard deviation of the feather, as a fraction of the crop; the mask shrinks by as much, so that the face's edge
stays in."""
DETAIL, LEAST_DETAIL_PX = 0.006, 0.7
"""What counts as fine detail is finer than this standard deviation, as a fraction of the crop; at least so many of the
frame's pixels."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Patch:
    """A face to be put into a frame."""

    rgb: Float32[np.ndarray, "S S 3"]
    """0–1, in the plate's light."""
    alpha: Float32[np.ndarray, "M M"]
    """0–1; its own size, since it holds no fine detail."""
    pose: HeadPose
    """Where the crop of both lies in the frame."""
    plain_scale: float = PLAIN_SCALE
    """As in `geometry.resample`."""
    sharpness: float = 0.0
    """−1–1: how much fine detail is added again, or taken away."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PastedFace:
    """A face as it was put into a frame."""

    track: int
    landmarks_xyz: Float32[np.ndarray, "468 3"]
    patch: Patch
    seen: Float32[np.ndarray, "M M"]
    """0–1: less where something is in front of the face, and all over while it comes or goes."""
    look: ShotConfig


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class AlphaInFrame:
    """The part of a frame in which a patch lies, and how much of it shows in each pixel."""

    rows: slice
    columns: slice
    alpha: Float32[np.ndarray, "h w"]
    """0–1."""


def alpha_in_frame(patch: Patch, shape: tuple[int, int]) -> AlphaInFrame | None:
    """Where a patch lies in a frame of some height and width; None where it is beside it, or all of it is hidden."""
    if not patch.alpha.any():
        return None
    height, width = shape
    alpha_to_frame = invert(frame_to_crop(patch.pose, len(patch.alpha)))
    placed = transform_points(alpha_to_frame, _corners_of_content(patch.alpha))
    left, top = (int(each) for each in np.clip(np.floor(placed.min(axis=0)).astype(int), 0, [width, height]))
    right, bottom = (int(each) for each in np.clip(np.ceil(placed.max(axis=0)).astype(int) + 1, 0, [width, height]))
    if left >= right or top >= bottom:
        return None
    to_region = np.array([[0, 0, left], [0, 0, top]], np.float32)
    alpha = cv2.warpAffine(
        patch.alpha, alpha_to_frame - to_region, (right - left, bottom - top), flags=cv2.INTER_LINEAR
    )
    return AlphaInFrame(rows=slice(top, bottom), columns=slice(left, right), alpha=np.asarray(alpha, np.float32))


def feathered(mask: Float32[np.ndarray, "S S"], grow: float = 0.0, feather: float = 0.0) -> Float32[np.ndarray, "S S"]:
    """Shrink a mask and soften its border; it reaches zero at the crop's border, where the drawn face ends.

    `grow` and `feather` are by how much less it shrinks and how much softer it becomes, as fractions of the crop.
    """
    size = mask.shape[0]
    sigma = math.hypot(FEATHER, feather) * size
    return framed(grown(mask, (grow - FEATHER) * size), round(2 * sigma), sigma)


def grown(mask: Float32[np.ndarray, "S S"], reach_px: float) -> Float32[np.ndarray, "S S"]:
    """The mask with its border further out, or further in below 0, by fractions of a pixel too."""
    change = cv2.dilate if reach_px > 0 else cv2.erode
    whole, part = divmod(abs(reach_px), 1)
    near, far = (
        change(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1)))
        for radius in (int(whole), int(whole) + 1)
    )
    return np.asarray((1 - part) * near + part * far, np.float32)


def framed(mask: Float32[np.ndarray, "S S"], margin_px: int, sigma_px: float) -> Float32[np.ndarray, "S S"]:
    """The mask softened, zero towards the crop's border, where the drawn face ends."""
    inner = np.zeros_like(mask)
    inside = slice(margin_px, len(mask) - margin_px)
    inner[inside, inside] = mask[inside, inside]
    return np.asarray(cv2.GaussianBlur(inner, (0, 0), sigma_px))


def fading(size: int, margin_px: int, reach_px: int) -> Float32[np.ndarray, "S S"]:
    """0 within a margin of a square's border, from there rising smoothly to 1."""
    line = np.minimum(np.arange(size), np.arange(size)[::-1])
    rise = np.clip((line - margin_px) / reach_px, 0, 1).astype(np.float32)
    rise = rise * rise * (3 - 2 * rise)
    return np.minimum(rise[:, None], rise[None])


def paste(pixels: Pixels, patch: Patch, noise: Bands | None = None, seed: tuple[int, ...] = ()) -> Pixels:
    """The frame with the face in it, sampled once at the frame's own resolution; other pixels are unchanged.

    What the face lacks of the plate's `noise` it is given; `seed` decides which.
    """
    place = alpha_in_frame(patch, pixels.shape[:2])
    if place is None:
        return pixels
    rows, columns, alpha = place.rows, place.columns, place.alpha[..., None]
    to_region = np.array([[0, 0, columns.start], [0, 0, rows.start]], np.float32)
    region_wh = (columns.stop - columns.start, rows.stop - rows.start)
    to_frame = invert(frame_to_crop(patch.pose, len(patch.rgb)))
    drawn = resample(patch.rgb, to_frame - to_region, region_wh, plain_scale=patch.plain_scale)
    if patch.sharpness:
        sigma = max(DETAIL * patch.pose.crop_side_px, LEAST_DETAIL_PX)
        drawn = drawn + np.float32(patch.sharpness) * (drawn - cv2.GaussianBlur(drawn, (0, 0), sigma))
    region, white = pixels[rows, columns], np.float32(white_of(pixels))
    if noise is not None:
        missing = missing_grain(noise, drawn, alpha[..., 0], np.random.default_rng(seed))
        drawn = drawn if missing is None else drawn + missing
    # In place: fetching memory anew for every step takes as long as the sums.
    mixed = np.clip(drawn, 0, 1)
    mixed *= white
    mixed -= region
    mixed *= alpha
    mixed += region
    result = pixels.copy()
    result[rows, columns] = mixed if pixels.dtype == np.float32 else np.rint(mixed, out=mixed)
    return result


def _corners_of_content(alpha: Float32[np.ndarray, "M M"]) -> Float32[np.ndarray, "4 2"]:
    """Bounds of the non-zero pixels, one pixel wider; there are some."""
    left, top, width, height = cv2.boundingRect((alpha > 0).astype(np.uint8))
    low, high = np.array([left, top]) - 1, np.array([left + width, top + height])
    return np.array([low, [high[0], low[1]], high, [low[0], high[1]]], np.float32)
