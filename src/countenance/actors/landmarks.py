"""The 468 points of the face mesh on the head, and the 68 of the older convention among them.

Which places of the skin stand for the 468 points was chosen once (`tools/make_landmarks.py`) and is the same for
everybody: the corners of eyes and mouth are the model's own vertices, the others where the mesh finder sees them on
average over many actors. Nothing is detected when a frame is rendered.
"""

from functools import cache
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from countenance.actors.head import Points
from countenance.actors.surface import Roots

# fmt: off
POINTS_68 = (
    127, 234, 93, 132, 58, 172, 150, 176, 152, 400, 379, 397, 288, 361, 323, 454, 356,
    70, 63, 105, 66, 107, 336, 296, 334, 293, 300, 168, 197, 5, 4, 75, 97, 2, 326, 305,
    33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380,
    61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181, 78, 82, 13, 312, 308, 317, 14, 87,
)
# fmt: on
"""Of the 468, in the order of the 68-point convention."""


@cache
def landmark_roots() -> Roots:
    """Where the 468 points lie on the skin subdivided once."""
    with np.load(Path(__file__).parent / "data/landmarks.npz") as file:
        return Roots(corners=file["corners"].astype(np.int64), weights=file["weights"].astype(np.float64))


def landmark_points(skin: Points) -> Float[np.ndarray, "468 3"]:
    """The 468 points on a skin subdivided once."""
    return landmark_roots().on(skin)


def points_68() -> Int[np.ndarray, " 68"]:
    """Numbers of the 68 among the 468."""
    return np.array(POINTS_68)
