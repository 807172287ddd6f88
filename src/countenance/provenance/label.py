"""The visible label: a small dark pill with white words in the lower left corner."""

from functools import lru_cache

import numpy as np
from jaxtyping import Float32, UInt16
from PIL import Image, ImageDraw, ImageFont

from countenance.errors import ProvenanceError
from countenance.pixels import Pixels, from_unit, white_of

TEXT = "AI-altered"
TEXT_HEIGHT = 0.032
"""As a fraction of the image's shorter side."""
MIN_TEXT_HEIGHT_PX = 11
BACKGROUND_OPACITY = 0.62
OVERSAMPLING = 4
"""Pillow draws rounded corners without smoothing, so they are drawn large and shrunk."""


def draw_label(pixels: Pixels, text: str = TEXT) -> Pixels:
    """Draw the visible label onto an image.

    Raises:
        ProvenanceError: the picture is too small for words that can be read.
    """
    height, width = pixels.shape[:2]
    added, kept = _pill(height, width, text)
    margin = _margin(height, width)
    rows, columns = slice(height - margin - len(added), height - margin), slice(margin, margin + added.shape[1])
    labelled, covered = pixels.copy(), pixels[rows, columns]
    if pixels.dtype == np.uint8:
        # Fixed point in 1/256ths: a float blend takes several times as long.
        labelled[rows, columns] = (covered * kept + added) >> 8
    else:
        white = np.float32(white_of(pixels))
        labelled[rows, columns] = from_unit(covered / white * (kept / 256) + added / (255 * 256), pixels)
    return labelled


def _margin(height: int, width: int) -> int:
    return max(4, round(0.025 * min(height, width)))


@lru_cache(maxsize=8)
def _pill(height: int, width: int, text: str) -> tuple[UInt16[np.ndarray, "h w 3"], UInt16[np.ndarray, "h w 1"]]:
    """What the label adds to a pixel, and how much it keeps of it, both in 1/256ths."""
    size = max(MIN_TEXT_HEIGHT_PX, round(TEXT_HEIGHT * min(height, width)))
    font = ImageFont.load_default(size=size)
    left, _, right, _ = font.getbbox(text, anchor="ls")
    ascent = -font.getbbox("A", anchor="ls")[1]
    pad_x, pad_y = round(0.62 * size), round(0.40 * size)
    pill_w, pill_h = round(right - left) + 2 * pad_x, round(ascent) + 2 * pad_y
    margin = _margin(height, width)
    if pill_w + 2 * margin > width or pill_h + 2 * margin > height:
        raise ProvenanceError(
            f"the label needs {pill_w + 2 * margin}×{pill_h + 2 * margin} pixels to be legible, the picture has "
            f"{width}×{height}; publish a larger one, or turn the label off and give the reason"
        )
    background = Image.new("L", (pill_w * OVERSAMPLING, pill_h * OVERSAMPLING))
    ImageDraw.Draw(background).rounded_rectangle(
        (0, 0, background.width - 1, background.height - 1), radius=background.height // 2, fill=255
    )
    words = Image.new("L", (pill_w, pill_h))
    ImageDraw.Draw(words).text((pad_x - left, pad_y + ascent), text, font=font, fill=255, anchor="ls")
    shape_opacity = _unit(background.resize((pill_w, pill_h), Image.Resampling.BOX)) * BACKGROUND_OPACITY
    words_opacity = _unit(words)
    kept = (1 - shape_opacity) * (1 - words_opacity)
    white = np.broadcast_to(255 * words_opacity, (pill_h, pill_w, 3))
    return (white * 256).astype(np.uint16), (kept * 256).astype(np.uint16)


def _unit(picture: Image.Image) -> Float32[np.ndarray, "h w 1"]:
    return (np.asarray(picture, np.float32) / 255)[..., None]
