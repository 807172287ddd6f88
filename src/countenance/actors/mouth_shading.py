"""How the caster sees the inside of a mouth: teeth, gums and tongue."""

import numpy as np

from countenance.actors.figure import Posed
from countenance.actors.materials import Rows, Surface

LIPS_INNER = [13, 14]
"""Of the 468 points."""


def add_mouth(surface: Surface, posed: Posed, at: Rows) -> None:
    """Fill in the places `at` of the surface that lie inside the mouth; the deeper, the darker."""
    depth = posed.landmarks[LIPS_INNER, 2].mean() - surface.place[at, 2]
    surface.openness[at] = np.clip(0.62 - 16 * depth, 0.04, 0.7)
    surface.roughness[at] = 0.2
