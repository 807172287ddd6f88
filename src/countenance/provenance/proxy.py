"""The proxy: a smaller copy of a result, marked as not approved, by which people decide on the result."""

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float32
from PIL import Image, ImageDraw, ImageFont

from countenance.errors import ProvenanceError
from countenance.pixels import Pixels, from_unit, white_of
from countenance.types import Frame, Render
from countenance.watermark.embed import MIN_WIDTH_HEIGHT

LONGER_SIDE_PX = 640
WORDS = "NOT APPROVED"
BAND_WIDTH = 0.06
"""Of the band at the left edge, as a fraction of the picture's shorter side. There nothing else is written: the label
lies in a corner, a disguise's sentence at the foot."""
TEXT_HEIGHT = 0.66
"""As a fraction of the band's width."""
MIN_TEXT_HEIGHT_PX = 11
GAP = 2.0
"""Between the words, in heights of the text."""
BACKGROUND_OPACITY = 0.75


def proxy_path(output: Path) -> Path:
    """The name of the proxy of what would be published as `output`."""
    return output.with_name(f"{output.stem}.not-approved{output.suffix}")


def proxied(render: Render) -> Render:
    """The same frames, made smaller at the last moment; what decides them stays that of the full size."""
    size_wh = proxy_size(render.preview_wh or render.plate.resolution_wh)

    def frames_from(first: int) -> Iterator[Frame]:
        for frame in render.frames_from(first):
            yield replace(frame, pixels=cv2.resize(frame.pixels, size_wh, interpolation=cv2.INTER_AREA))

    return replace(render, frames_from=frames_from, proxy_wh=size_wh)


def proxy_size(size_wh: tuple[int, int]) -> tuple[int, int]:
    """Width and height of a proxy, both even: those of the result, or smaller ones that still carry a watermark."""
    scale = min(1.0, max(LONGER_SIDE_PX / max(size_wh), MIN_WIDTH_HEIGHT / min(size_wh)))
    width, height = (max(2, 2 * round(side * scale / 2)) for side in size_wh)
    return width, height


def draw_words(pixels: Pixels, words: str = WORDS) -> Pixels:
    """A frame with a dark band at its left edge, along which stands upwards, again and again, that it isn't approved,
    or what else it is.

    Raises:
        ProvenanceError: the picture is too small for words that can be read.
    """
    height, width = pixels.shape[:2]
    band = _band(height, width, words)
    marked, covered = pixels.copy(), pixels[:, : band.shape[1]]
    seen = covered.astype(np.float32) / np.float32(white_of(pixels)) * np.float32(1 - BACKGROUND_OPACITY)
    marked[:, : band.shape[1]] = from_unit(seen + band * (1 - seen), pixels)
    return marked


@lru_cache(maxsize=4)
def _band(height: int, width: int, words: str) -> Float32[np.ndarray, "H w 1"]:
    """How white the words make each pixel of the band, 0–1."""
    size = max(MIN_TEXT_HEIGHT_PX, round(BAND_WIDTH * TEXT_HEIGHT * min(height, width)))
    band_px, font = round(size / TEXT_HEIGHT), ImageFont.load_default(size=size)
    length_px = round(font.getlength(words))
    if length_px > height or band_px > width:
        raise ProvenanceError(
            f'the words "{words}" need {band_px}×{length_px} pixels to be legible, the picture has '
            f"{width}×{height}; use a larger plate"
        )
    step_px = length_px + round(GAP * size)
    number = 1 + (height - length_px) // step_px
    margin_px = (height - length_px - (number - 1) * step_px) / 2
    along = Image.new("L", (height, band_px))
    pen = ImageDraw.Draw(along)
    for each in range(number):
        pen.text((margin_px + each * step_px, band_px / 2), words, font=font, fill=255, anchor="lm")
    upwards = along.transpose(Image.Transpose.ROTATE_90)
    return (np.asarray(upwards, np.float32) / 255)[..., None]
