"""A frame that is only shown, and never becomes a file: gated, watermarked, labelled, and marked as a preview."""

import cv2
import numpy as np
from jaxtyping import UInt8

from countenance.gates import checked
from countenance.pixels import to_8_bit
from countenance.provenance.label import draw_label
from countenance.provenance.proxy import WORDS as NOT_APPROVED
from countenance.provenance.proxy import draw_words, proxy_size
from countenance.types import Corner, Frame
from countenance.watermark.embed import mark

WORDS = "PREVIEW"


def shown_as_preview(
    frame: Frame, name: str, mark_id: int | None, corner: Corner | None, *, is_approval_needed: bool
) -> UInt8[np.ndarray, "h w 3"]:
    """The pixels of a frame that was made of the plate with this name, as they may leave.

    `mark_id` is None where nothing in it is altered, `corner` where its shot has no label. What needs approval is as
    small as a proxy, and marked as one, whether it was approved or not.

    Raises:
        IntimateError: it looks intimate.
        ModelError: the gate's net is missing or fails.
        MediaError: it is too small for the watermark.
        ProvenanceError: it is too small for words that can be read.
    """
    (passed,) = checked([frame], name, {frame.index})
    pixels = passed.pixels
    if is_approval_needed:
        height, width = pixels.shape[:2]
        pixels = cv2.resize(pixels, proxy_size((width, height)), interpolation=cv2.INTER_AREA)
    if mark_id is not None:
        pixels = mark(pixels, mark_id)
    pixels = draw_words(pixels, NOT_APPROVED if is_approval_needed else WORDS)
    return to_8_bit(pixels if corner is None else draw_label(pixels, corner))
