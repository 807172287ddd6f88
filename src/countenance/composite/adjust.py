"""A face on the way from the performer's to the drawn one: shape and look go together, and nothing is seen twice."""

import cv2
import numpy as np
from jaxtyping import Float32

from countenance.drawing import DrawnFace

ROUNDS = 6
"""Of looking where a pixel between the two comes from: shapes are smooth, and after these it is known to 0.01 pixel."""

SMOOTH = 0.025
"""Of shifts, standard deviation as a fraction of the crop: beside a turned head's outline they jump, and would fold
what is there into a jagged line."""


def part_way(drawn: DrawnFace, plate_rgb: Float32[np.ndarray, "S S 3"], likeness: float) -> DrawnFace:
    """The face at a fraction of the way from the plate's to the drawn one.

    Both are moved into the shape between them before they are mixed, as in Beier and Neely, Feature-Based Image
    Metamorphosis, 1992. `plate_rgb`, 0–1, is the crop in which the face was drawn.
    """
    size = len(drawn.rgb)
    if drawn.shift is None:
        shift = np.zeros((size, size, 2), np.float32)
    else:
        smooth = cv2.GaussianBlur(drawn.shift, (0, 0), SMOOTH * len(drawn.shift))
        shift = cv2.resize(smooth, (size, size), interpolation=cv2.INTER_LINEAR) * np.float32(size)
    grid = np.stack(np.meshgrid(np.arange(size), np.arange(size)), axis=2).astype(np.float32)
    # A point of the drawn face at y is at y + shift(y) in the plate, and on the way between them in between.
    there, moved = grid, shift
    for _ in range(ROUNDS):
        there = grid - np.float32(1 - likeness) * moved
        moved = _at(shift, there, cv2.INTER_LINEAR)
    own = _at(plate_rgb, there + moved, cv2.INTER_CUBIC)
    rgb = own + np.float32(likeness) * (_at(drawn.rgb, there, cv2.INTER_CUBIC) - own)
    return DrawnFace(
        rgb=np.clip(rgb, 0, 1),
        mask=_at(drawn.mask, there, cv2.INTER_LINEAR),
        finished=drawn.finished,
        shift=drawn.shift,
    )


def _at(image: Float32[np.ndarray, "S S *C"], where_xy: Float32[np.ndarray, "S S 2"], way: int) -> np.ndarray:
    return cv2.remap(image, where_xy[..., 0], where_xy[..., 1], way, borderMode=cv2.BORDER_REPLICATE)
