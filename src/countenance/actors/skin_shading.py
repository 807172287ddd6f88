"""How the caster sees skin."""

import numpy as np

from countenance.actors.materials import Look, Rows, Surface, bilinear, skin_uv
from countenance.actors.rays import Hits, Triangles, spread

SCATTER_RGB = np.array([0.30, 0.12, 0.07], np.float32)
"""How far light wraps around a skin's edge, by colour: an approximation of subsurface scattering."""


def add_skin(surface: Surface, look: Look, triangles: Triangles, hits: Hits, rows: Rows, at: Rows) -> None:
    """Fill in the places `at` of the surface that show skin; `rows` are the same places among all rays."""
    uv = skin_uv(look.skin_uv, hits, rows)
    surface.albedo[at], surface.scatter[at], surface.shine[at] = bilinear(look.texture, uv), SCATTER_RGB, 0.035
    surface.roughness[at] = bilinear(look.roughness[..., None], uv)[:, 0]
    surface.openness[at] = spread(look.openness[:, None], triangles.triangles, hits, rows)[:, 0]
