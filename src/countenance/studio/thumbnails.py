"""Small pictures of clips: made when a page shows them, a few at once, and held in memory only."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import BoundedSemaphore, Lock

import cv2
import numpy as np
from jaxtyping import UInt8

WIDTH, HEIGHT = 480, 270
"""They fit into so much."""
MOST_HELD, MOST_AT_ONCE = 256, 2


class Thumbnails:
    """Those that were made last, as JPEG.

    Whether one may be shown is asked before, each time: what is held doesn't say so.
    """

    def __init__(self) -> None:
        self._held: OrderedDict[Hashable, bytes] = OrderedDict()
        self._lock, self._making = Lock(), BoundedSemaphore(MOST_AT_ONCE)

    def of(self, key: Hashable, make: Callable[[], bytes]) -> bytes:
        """The one of this key; made where it isn't held, a few at once."""
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
                return self._held[key]
        with self._making:
            jpeg = make()
        with self._lock:
            self._held[key] = jpeg
            while len(self._held) > MOST_HELD:
                self._held.popitem(last=False)
        return jpeg

    def clear(self) -> None:
        """Hold none."""
        with self._lock:
            self._held.clear()


def fitted(rgb: UInt8[np.ndarray, "H W 3"]) -> UInt8[np.ndarray, "h w 3"]:
    """A picture made small enough, never larger."""
    height, width = rgb.shape[:2]
    scale = min(WIDTH / width, HEIGHT / height, 1.0)
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)
