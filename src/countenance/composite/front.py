"""Occluders in front of a face (microphone, hand, hair), which stay in front of the drawn face."""

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from countenance.vision.parts import Part
from countenance.vision.segment import MIN_SURENESS, Segmenter, Segments

BORDER = 0.02
"""As a fraction of the crop: so far around the pixels that show a thing, some of it may show in others."""


def in_front(
    segmenter: Segmenter,
    crops: Sequence[UInt8[np.ndarray, "S S 3"]],
    outlines: Sequence[Float32[np.ndarray, "S S"]],
) -> list[Float32[np.ndarray, "S S"]]:
    """0–1 for each crop: how much of a pixel shows something in front of the face.

    Glasses don't count, they are worn; hair counts inside the mesh's outline only. Where the network is unsure,
    nothing counts as in front.
    """
    return [_hidden(segments, outline) for segments, outline in zip(segmenter(crops, outlines), outlines, strict=True)]


def hidden_fraction(hidden: Float32[np.ndarray, "S S"], outline: Float32[np.ndarray, "S S"]) -> float:
    """Fraction of the face that is hidden."""
    return float((hidden * outline).sum() / max(float(outline.sum()), 1e-6))


def _hidden(segments: Segments, outline: Float32[np.ndarray, "S S"]) -> Float32[np.ndarray, "S S"]:
    if segments.sureness < MIN_SURENESS:
        return np.zeros_like(outline)
    size = len(segments.labels)
    inside = cv2.resize(outline, (size, size), interpolation=cv2.INTER_AREA) > 0.5
    things = (segments.labels == Part.OCCLUDER) | ((segments.labels == Part.HAIR) & inside)
    reach = 2 * round(BORDER * size) + 1
    near = cv2.dilate(things.astype(np.float32), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach)))
    near = cv2.resize(near, outline.shape, interpolation=cv2.INTER_LINEAR)
    return np.asarray(near * (1 - segments.face), np.float32)
