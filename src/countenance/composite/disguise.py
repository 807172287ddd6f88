"""Signs in the picture that a face isn't the witness's own: a soft halo round it, and a sentence at the beginning.

Documentaries tell their audience so that a face is a disguise. Both come after the face, and before the label.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float32
from PIL import Image, ImageDraw, ImageFont

from countenance.composite.place import PlacedFace
from countenance.errors import UsageError
from countenance.geometry import box_around
from countenance.pixels import Pixels, white_of
from countenance.types import Frame
from countenance.vision.align import head_pose

INNER, PEAK, OUTER = 0.0, 0.3, 0.9
"""Of the halo, in units of the head outwards from the mesh: where it begins, is strongest and has faded."""
BLUR = 0.16
"""Standard deviation of the halo's blur, in the same unit."""
FEWEST_SIGMA_PX = 3.0
"""To which a wide blur is shrunk."""
LIFT = 0.16
"""By how much the ring is lighter than what it covers, as a fraction of what is missing to white."""
TEXT_HEIGHT, MIN_TEXT_HEIGHT_PX = 0.042, 12
"""Of the sentence, as a fraction of the image's shorter side, and in pixels at least."""
FOOT = 0.115
"""Of the shorter side, from the foot of the picture to that of the sentence: clear of the label."""
MAX_LINE = 0.86
"""Of the picture's width, from which on a line is broken."""
SHADE = 0.55
"""Opacity of the dark band behind the words."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Disguise:
    """What tells an audience that a face was exchanged."""

    halo: float = 0.0
    """0–1, how strong; 0 for none."""
    sentence: str = ""
    """Words at the foot of the picture; empty for none."""
    sentence_s: float = 6.0
    """So many seconds from the first frame on."""

    @property
    def facts(self) -> bytes:
        """All that steers pixels."""
        return repr(asdict(self)).encode()


UNMARKED = Disguise()


def check_sentence(text: str) -> None:
    """Check that the built-in font can write a sentence.

    Raises:
        UsageError: it lacks a letter.
    """
    font = ImageFont.load_default(size=16)
    unknown = bytes(font.getmask("\uffff"))
    missing = sorted({letter for letter in text if not letter.isspace() and bytes(font.getmask(letter)) == unknown})
    if missing:
        raise UsageError(
            f"the built-in font can't write {' '.join(missing)!r}; write the sentence in English letters, "
            "or add it in an editing program"
        )


def disguised(
    frames: Iterable[Frame], faces_at: Mapping[int, Sequence[PlacedFace]], disguise: Disguise, first_s: float
) -> Iterator[Frame]:
    """Frames with what a disguise asks for; `first_s` is the time of the first frame that is shown."""
    for frame in frames:
        pixels = frame.pixels
        if disguise.halo:
            for face in faces_at.get(frame.index, ()):
                pixels = draw_halo(pixels, face.landmarks_xyz, face.presence * disguise.halo)
        if disguise.sentence and float(frame.time) - first_s < disguise.sentence_s:
            pixels = draw_sentence(pixels, disguise.sentence)
        yield replace(frame, pixels=pixels)


def draw_halo(pixels: Pixels, landmarks_xyz: Float32[np.ndarray, "468 3"], strength: float) -> Pixels:
    """A frame, softer and lighter in a ring round a face; the face itself and all beyond the ring stay."""
    unit_px = head_pose(landmarks_xyz).unit_px
    height, width = pixels.shape[:2]
    low, high = np.split(box_around(landmarks_xyz[:, :2]), 2)
    left, top = np.clip(np.floor(low - OUTER * unit_px).astype(int), 0, [width, height])
    right, bottom = np.clip(np.ceil(high + OUTER * unit_px).astype(int) + 1, 0, [width, height])
    if left >= right or top >= bottom:
        return pixels
    region = pixels[top:bottom, left:right]
    ring = _ring(landmarks_xyz[:, :2] - np.array([left, top], np.float32), region.shape[:2], unit_px)
    white, weight = np.float32(white_of(pixels)), np.float32(strength) * ring[..., None]
    soft = _blurred(region, max(BLUR * unit_px, 0.5))
    lifted = soft + np.float32(LIFT) * (white - soft)
    mixed = region + weight * (lifted - region)
    result = pixels.copy()
    result[top:bottom, left:right] = mixed if pixels.dtype == np.float32 else np.rint(mixed)
    return result


def _ring(
    landmarks_xy: Float32[np.ndarray, "468 2"], shape: tuple[int, int], unit_px: float
) -> Float32[np.ndarray, "H W"]:
    """0–1, by how far a pixel lies outside of the mesh's hull."""
    outside = np.ones(shape, np.uint8)
    cv2.fillConvexPoly(outside, cv2.convexHull(np.round(landmarks_xy).astype(np.int32)), 0)
    far = cv2.distanceTransform(outside, cv2.DIST_L2, cv2.DIST_MASK_5) / np.float32(unit_px)
    ring = np.clip(np.minimum((far - INNER) / (PEAK - INNER), (OUTER - far) / (OUTER - PEAK)), 0, 1)
    return np.asarray(ring * ring * (3 - 2 * ring), np.float32)


def _blurred(region: Pixels, sigma_px: float) -> Float32[np.ndarray, "H W 3"]:
    """Blurred at a size at which a wide blur is narrow, which looks the same and takes a tenth of the time."""
    height, width = region.shape[:2]
    smaller = max(1.0, sigma_px / FEWEST_SIGMA_PX)
    size_wh = (max(1, round(width / smaller)), max(1, round(height / smaller)))
    small = cv2.resize(region, size_wh, interpolation=cv2.INTER_AREA).astype(np.float32)
    soft = cv2.GaussianBlur(small, (0, 0), sigma_px / smaller)
    # Linear, so that nothing becomes brighter than what was there.
    return np.asarray(cv2.resize(soft, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def draw_sentence(pixels: Pixels, text: str) -> Pixels:
    """A frame with a sentence at its foot, white on a dark band."""
    height, width = pixels.shape[:2]
    top, words, shade = _caption(height, width, text)
    rows = slice(top, top + len(words))
    white, covered = np.float32(white_of(pixels)), pixels[rows].astype(np.float32)
    mixed = covered * (1 - shade[..., None])
    mixed += words[..., None] * (white - mixed)
    result = pixels.copy()
    result[rows] = mixed if pixels.dtype == np.float32 else np.rint(mixed)
    return result


def box_of_sentence(size_wh: tuple[int, int], text: str) -> tuple[float, float, float, float]:
    """Where a sentence lies: left, top, right and bottom, as fractions of the picture's width and height."""
    width, height = size_wh
    top, words, shade = _caption(height, width, text)
    columns = np.flatnonzero((shade > 0).any(axis=0))
    return columns[0] / width, top / height, (columns[-1] + 1) / width, (top + len(words)) / height


@lru_cache(maxsize=4)
def _caption(height: int, width: int, text: str) -> tuple[int, Float32[np.ndarray, "h W"], Float32[np.ndarray, "h W"]]:
    """Where the band begins, the words in it, and the dark behind them, 0–1."""
    shorter = min(height, width)
    font: Any = ImageFont.load_default(size=max(MIN_TEXT_HEIGHT_PX, round(TEXT_HEIGHT * shorter)))
    lines = _lines(text, font, MAX_LINE * width)
    ascent, descent = font.getmetrics()
    line_px, pad_px = round(1.18 * (ascent + descent)), round(0.5 * ascent)
    band_px = min(len(lines) * line_px + 2 * pad_px, height)
    top = max(0, height - round(FOOT * shorter) - band_px)
    words = Image.new("L", (width, band_px))
    pen = ImageDraw.Draw(words)
    for number, line in enumerate(lines):
        pen.text((width / 2, pad_px + number * line_px), line, font=font, fill=255, anchor="ma")
    widest = max(font.getlength(line) for line in lines)
    across = np.abs(np.arange(width) - (width - 1) / 2)
    reach, soft = widest / 2 + pad_px, max(0.12 * width, 1)
    fade = np.clip(1 - (across - reach) / soft, 0, 1)
    shade = np.broadcast_to(SHADE * fade * fade * (3 - 2 * fade), (band_px, width))
    return top, np.asarray(words, np.float32) / 255, np.asarray(shade, np.float32)


def _lines(text: str, font: Any, width_px: float) -> list[str]:
    """The words broken into lines that fit."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font.getlength(longer) <= width_px:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines or [text]
