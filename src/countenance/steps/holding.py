"""What an artist may paint in a frame that a render holds to: the drawn face, and nothing else.

A painting can't bring another face in: the recogniser compares it with the drawn one. What lies under the label, or
under a sentence, doesn't count.
"""

from collections.abc import Mapping
from contextlib import suppress

import numpy as np
from jaxtyping import Bool

from countenance.composite.blend import PastedFace
from countenance.composite.disguise import draw_sentence
from countenance.composite.held import Held, HeldFrame
from countenance.errors import ProvenanceError, UsageError
from countenance.pixels import Pixels, to_8_bit
from countenance.provenance.label import draw_label
from countenance.types import Frame, MediaInfo
from countenance.vision.identity import Recogniser, cut_chip, embed

MAX_PAINTED_DISTANCE = 0.35
"""By the recogniser, between a drawn face and an artist's painting of it; different people lie at least 0.36 apart."""


def holding(frames: Mapping[int, HeldFrame], plate: MediaInfo, sentence: str) -> Held | None:
    """The frames to which a render holds, by index; `sentence` is written into them as well."""
    if not frames:
        return None
    recogniser = Recogniser()

    def check(held: HeldFrame, drawn: Frame, painted: Pixels, face: PastedFace) -> None:
        chips = [cut_chip(rgb, face.landmarks_xyz[:, :2]) for rgb in (drawn.rgb, to_8_bit(painted))]
        one, other = embed(recogniser, chips)
        distance = float(np.linalg.norm(one - other))
        if distance > MAX_PAINTED_DISTANCE:
            raise UsageError(
                f"the face in {held.path} isn't the one that was drawn in frame {held.index}: they lie {distance:.2f} "
                f"apart, up to {MAX_PAINTED_DISTANCE:g} counts as retouched; a held frame can't bring another face, so "
                "paint less, or delete the file",
                code="usage.held",
                path=held.path,
            )

    return Held(frames=frames, ignored=_marked_pixels(plate.resolution_wh, sentence), check=check)


def _marked_pixels(size_wh: tuple[int, int], sentence: str) -> Bool[np.ndarray, "H W"]:
    """Where the label, or a sentence, lies in a frame."""
    width, height = size_wh
    marked = np.zeros((height, width), bool)
    for level in (0, 255):
        plain = np.full((height, width, 3), level, np.uint8)
        with suppress(ProvenanceError):
            marked |= (draw_label(plain) != plain).any(axis=2)
        if sentence:
            marked |= (draw_sentence(plain, sentence) != plain).any(axis=2)
    return marked
