"""How the caster sees what lies before a face, and the little light that reaches the skin beside it."""

import numpy as np
from jaxtyping import Int

from countenance.actors.extra import spatial
from countenance.actors.figure import Posed
from countenance.actors.materials import Look, Rows, Surface
from countenance.actors.occluders import Held
from countenance.actors.rays import Hits, Triangles, spread
from countenance.actors.skin_shading import SCATTER_RGB
from countenance.actors.surface import between_corners

INSIDE = np.float32(0.35)
"""Openness of an inner side, of that of the outer one."""
CONTACT_M, CONTACT_SHADE = 0.012, 0.6
"""How far from a hand skin gets less light from around, and how much less where they touch."""


def add_occluders(
    surface: Surface,
    look: Look,
    triangles: Triangles,
    posed: Posed,
    hits: Hits,
    rows: Rows,
    skin: Int[np.ndarray, " J"],
) -> None:
    """Fill in what `rows` show of occluders, and shade the places `skin` among them that are near a held one."""
    occluders = look.figure.occluders
    number = np.searchsorted(triangles.occluder_starts, hits.triangle[rows], side="right") - 1
    for each, occluder in enumerate(occluders):
        at = np.flatnonzero(number == each)
        if not len(at):
            continue
        met, material = rows[at], occluder.material
        corner = triangles.triangles[hits.triangle[met]] - triangles.occluder_points[each]
        outward = spread(triangles.normals, triangles.triangles, hits, met)
        inside = (outward * surface.normal[at]).sum(axis=1) < 0
        open_there = between_corners(occluder.openness, corner, hits.u[met], hits.v[met])
        surface.openness[at] = open_there * np.where(inside, INSIDE, 1)
        surface.roughness[at], surface.shine[at] = material.roughness, material.shine
        if material.subsurface:
            surface.scatter[at] = SCATTER_RGB
    near = [xyz for occluder, xyz in zip(occluders, posed.occluders, strict=True) if isinstance(occluder.riding, Held)]
    if near and len(skin):
        distance, _ = (
            spatial().cKDTree(np.concatenate(near)).query(surface.place[skin], distance_upper_bound=4 * CONTACT_M)
        )
        surface.openness[skin] *= (1 - CONTACT_SHADE * np.exp(-distance / CONTACT_M)).astype(np.float32)
