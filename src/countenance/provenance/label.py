"""The visible label: the words AI MODIFIED on a small dark plate, in the corner in which they cover nothing.

Words, capitals and place are those of the European Union's code of practice on marking and labelling: *AI* is the main
element, first choice is the top right. The margin is that within which broadcasters keep graphics (EBU R 95: 5%).
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, get_args

import numpy as np
from jaxtyping import Float32, UInt8, UInt16
from PIL import Image, ImageDraw, ImageFont

from countenance.errors import ProvenanceError
from countenance.pixels import Pixels, from_unit, white_of
from countenance.types import Corner

VERSION = 2
"""Increment when the label looks different: fragments are then encoded again."""
MAIN, REST = "AI", "MODIFIED"
CORNERS: tuple[Corner, ...] = get_args(Corner)
"""In the order in which they are chosen where several are free."""
FIRST_CHOICE: Corner = "top right"
MAIN_HEIGHT, MIN_MAIN_HEIGHT_PX = 0.028, 11
"""Of the capitals of AI, as a fraction of the picture's shorter side, and in pixels at least."""
REST_HEIGHT, MIN_REST_HEIGHT_PX = 0.62, 7
"""Of the capitals of MODIFIED, as a fraction of those of AI, and in pixels at least."""
MARGIN, MIN_MARGIN_PX = 0.05, 4
"""From the picture's border, as a fraction of its width and height."""
PLATE_OPACITY = 0.62
EDGE, ROUNDING = 0.05, 0.22
"""Of the plate around the white field, and of its corners, as fractions of its height."""
OVERSAMPLING = 4
"""The words are drawn large and shrunk, so that weight and spacing need no whole pixels."""
WEIGHT, SPACING = 0.075, 0.14
"""By how much strokes are thicker than the font's, and letters further apart, in the capitals' height."""
DRAWN_FONT_SIZE = 100

Box = tuple[float, float, float, float]
"""Left, top, right and bottom, as fractions of the picture's width and height."""


def draw_label(pixels: Pixels, corner: Corner = FIRST_CHOICE) -> Pixels:
    """Draw the visible label onto an image.

    Raises:
        ProvenanceError: the picture is too small for words that can be read.
    """
    height, width = pixels.shape[:2]
    added, kept = _plaque(height, width)
    rows, columns = _place(height, width, corner)
    labelled, covered = pixels.copy(), pixels[rows, columns]
    if pixels.dtype == np.uint8:
        # Fixed point in 1/256ths: a float blend takes several times as long.
        labelled[rows, columns] = (covered * kept + added) >> 8
    else:
        white = np.float32(white_of(pixels))
        labelled[rows, columns] = from_unit(covered / white * (kept / 256) + added / (255 * 256), pixels)
    return labelled


def choose_corner(size_wh: tuple[int, int], boxes: Iterable[Box]) -> Corner:
    """The first corner in which a label covers none of the boxes, or else that in which it covers least of them.

    A face that is there for longer stands in more boxes, and so weighs more. In a picture too small for a label it is
    the first choice.
    """
    width, height = size_wh
    try:
        places = [box_of_label(size_wh, corner) for corner in CORNERS]
    except ProvenanceError:
        return FIRST_CHOICE
    covered = [0.0] * len(places)
    for box in boxes:
        for number, place in enumerate(places):
            covered[number] += _shared(place, box)
    # Beyond a pixel's share of the picture two corners aren't told apart.
    rounded = [round(each * width * height) for each in covered]
    return CORNERS[rounded.index(min(rounded))]


def box_of_label(size_wh: tuple[int, int], corner: Corner) -> Box:
    """Where the label lies in a picture of a size.

    Raises:
        ProvenanceError: it is too small for one.
    """
    width, height = size_wh
    rows, columns = _place(height, width, corner)
    return columns.start / width, rows.start / height, columns.stop / width, rows.stop / height


def boxes_of_labels(size_wh: tuple[int, int], corners: Sequence[Corner]) -> list[Box]:
    """Where labels lie in a picture that has some already; none where it is too small for any."""
    try:
        return [box_of_label(size_wh, corner) for corner in corners]
    except ProvenanceError:
        return []


def _shared(one: Box, other: Box) -> float:
    across = min(one[2], other[2]) - max(one[0], other[0])
    down = min(one[3], other[3]) - max(one[1], other[1])
    return max(across, 0.0) * max(down, 0.0)


def _place(height: int, width: int, corner: Corner) -> tuple[slice, slice]:
    added, _ = _plaque(height, width)
    (label_h, label_w), (margin_x, margin_y) = added.shape[:2], _margins(height, width)
    top = margin_y if corner.startswith("top") else height - margin_y - label_h
    left = margin_x if corner.endswith("left") else width - margin_x - label_w
    return slice(top, top + label_h), slice(left, left + label_w)


def _margins(height: int, width: int) -> tuple[int, int]:
    across, down = (max(MIN_MARGIN_PX, round(MARGIN * side)) for side in (width, height))
    return across, down


@lru_cache(maxsize=8)
def _plaque(height: int, width: int) -> tuple[UInt16[np.ndarray, "h w 3"], UInt16[np.ndarray, "h w 1"]]:
    """What the label adds to a pixel, and how much it keeps of it, both in 1/256ths.

    AI stands dark in a white field, MODIFIED white on the dark plate around it: on any picture one of the two is seen
    from afar, and both have their ground with them.
    """
    main_px = max(MIN_MAIN_HEIGHT_PX, round(MAIN_HEIGHT * min(height, width)))
    rest_px = max(MIN_REST_HEIGHT_PX, round(REST_HEIGHT * main_px))
    main, rest = (_word(text, size) for text, size in ((MAIN, main_px), (REST, rest_px)))
    pad = max(3, round(0.38 * main_px))
    label_h = main_px + 2 * pad
    field_w = main.shape[1] + 2 * pad
    label_w = field_w + rest.shape[1] + 2 * pad
    margin_x, margin_y = _margins(height, width)
    if label_w + 2 * margin_x > width or label_h + 2 * margin_y > height:
        raise ProvenanceError(
            f"the label needs {label_w + 2 * margin_x}×{label_h + 2 * margin_y} pixels to be legible, the picture has "
            f"{width}×{height}; publish a larger one, or turn the label off and give the reason"
        )
    edge = max(1, round(EDGE * label_h))
    plate, inner = (_rounded(label_w, label_h, inset) for inset in (0, edge))
    drawn = np.zeros_like(plate)
    drawn[:, :field_w] = inner[:, :field_w]
    foot, left = pad + main_px, field_w + pad
    drawn[foot - rest_px : foot, left : left + rest.shape[1]] = rest
    opacity = np.maximum(PLATE_OPACITY * plate, drawn)
    is_white = drawn
    is_white[pad:foot, pad : pad + main.shape[1]] *= 1 - main
    added = np.broadcast_to((255 * is_white)[..., None], (label_h, label_w, 3))
    return (added * 256).astype(np.uint16), ((1 - opacity) * 256).astype(np.uint16)[..., None]


def _word(text: str, capital_px: int) -> Float32[np.ndarray, "h w"]:
    """A word in capitals of a height, 0–1, cut off at its borders."""
    drawn_px = capital_px * OVERSAMPLING
    reference: Any = ImageFont.load_default(size=DRAWN_FONT_SIZE)
    stroke = max(1, round(WEIGHT * drawn_px / 2))
    # The stroke grows letters on both sides.
    font: Any = ImageFont.load_default(size=DRAWN_FONT_SIZE * (drawn_px - 2 * stroke) / _height(reference))
    step = round(SPACING * drawn_px)
    lefts, pen_x = [], stroke
    for letter in text:
        left, _, right, _ = font.getbbox(letter, anchor="ls")
        lefts.append(pen_x - left)
        pen_x += round(right - left) + step + stroke
    picture = Image.new("L", (round(pen_x - step), drawn_px))
    pen = ImageDraw.Draw(picture)
    for letter, left in zip(text, lefts, strict=True):
        pen.text((left, drawn_px - stroke), letter, font=font, fill=255, anchor="ls", stroke_width=stroke)
    width = -(-picture.width // OVERSAMPLING)
    return _unit(picture.resize((width, capital_px), Image.Resampling.BOX))


def _height(font: Any) -> float:
    _, top, _, _ = font.getbbox("I", anchor="ls")
    return float(-top)


def _rounded(width: int, height: int, inset: int) -> Float32[np.ndarray, "h w"]:
    """A rectangle with round corners, so far within a picture's border."""
    large = Image.new("L", (width * OVERSAMPLING, height * OVERSAMPLING))
    near = inset * OVERSAMPLING
    box = (near, near, large.width - 1 - near, large.height - 1 - near)
    radius = max(0.0, ROUNDING * large.height - near)
    ImageDraw.Draw(large).rounded_rectangle(box, radius=radius, fill=255)
    return _unit(large.resize((width, height), Image.Resampling.BOX))


def _unit(picture: Image.Image) -> Float32[np.ndarray, "h w"]:
    pixels: UInt8[np.ndarray, "h w"] = np.asarray(picture)
    return np.asarray(pixels, np.float32) / np.float32(255)
