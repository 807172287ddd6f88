"""Where one shot is mixed into the next: a dissolve.

There, and hardly anywhere else, frames are mixtures of two others, with fractions that grow evenly: what moves isn't
seen in two places at once.
"""

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

SPAN = 12
"""Frames from one end of what is compared to the other; a dissolve is about as long or longer."""
SIZE = 48
"""Of the small grey images; motion doesn't look like a mixture as long as details are seen in them."""
REACH = 2
"""Frames around the middle of such a span that belong to its dissolve too."""
LOOKAHEAD = SPAN // 2 + REACH
"""Frames after which it is known of a frame whether it is mixed."""
MAX_RESIDUAL = 0.24
"""What no mixture of both ends explains of the frames in between, as a fraction of the difference of the ends. Measured
at the middle of dissolves of 8–24 frames between the demo's actors: up to 0.21 where they are two people; in their
clips, where anything moves: from 0.28."""
MAX_UNEVENNESS = 0.25
"""By how much a fraction in a mixture may differ from one that grows evenly; at a cut it differs by at least 0.4."""
MIN_CHANGE = 8.0
"""Root mean square difference of both ends, of 255."""
MAX_CORRELATION = 0.9
"""Of both ends: in a fade, and where the light changes, both are the same image."""
MIN_CONTRAST = 8.0
"""Standard deviation of either end, of 255: what fades into a plain colour is no mixture of two images."""

Small = Float32[np.ndarray, "T T"]


def small_image(rgb: UInt8[np.ndarray, "H W 3"]) -> Small:
    """A frame, small and grey, 0–255."""
    # Of a large frame a few pixels of each small one are enough, and take a sixth of the time.
    step = max(1, min(rgb.shape[:2]) // (4 * SIZE))
    few = np.ascontiguousarray(rgb[::step, ::step])
    small = cv2.resize(few, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.float32)


class DissolveFinder:
    """Tells of successive frames which lie in a dissolve, `LOOKAHEAD` frames later."""

    def __init__(self) -> None:
        self._images: list[Small] = []
        self._middles: set[int] = set()

    def add(self, index: int, rgb: UInt8[np.ndarray, "H W 3"]) -> None:
        """Take over the next frame."""
        self._images = [*self._images[-SPAN:], small_image(rgb)]
        if len(self._images) == SPAN + 1 and is_dissolve(np.stack(self._images)):
            self._middles.add(index - SPAN // 2)

    def is_mixed(self, index: int) -> bool:
        """Whether the frame lies in a dissolve, as far as the frames up to now show."""
        return any(abs(index - middle) <= REACH for middle in self._middles)


def is_dissolve(images: Float32[np.ndarray, "K T T"]) -> bool:
    """Whether successive frames lie on the way from the first to the last as mixtures of both."""
    flat = images.reshape(len(images), -1)
    first, last = flat[0], flat[-1]
    difference = last - first
    squared = float(difference @ difference)
    if squared < MIN_CHANGE**2 * difference.size or min(first.std(), last.std()) < MIN_CONTRAST:
        return False
    if np.corrcoef(first, last)[0, 1] > MAX_CORRELATION:
        return False
    between = flat[1:-1] - first
    fractions = between @ difference / squared
    even = np.arange(1, len(flat) - 1) / (len(flat) - 1)
    if np.abs(fractions - even).max() > MAX_UNEVENNESS:
        return False
    residuals = np.linalg.norm(between - fractions[:, None] * difference, axis=1)
    return float(residuals.mean()) <= MAX_RESIDUAL * float(np.sqrt(squared))
