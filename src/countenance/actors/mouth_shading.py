"""How the caster sees the inside of a mouth: teeth, gums, tongue, and the skin behind the lips."""

import numpy as np

from countenance.actors.figure import Posed
from countenance.actors.head import load_head, sample_map
from countenance.actors.materials import Look, Rows, Surface, Values, skin_uv
from countenance.actors.rays import Hits, Vectors

LIPS_INNER, MOUTH_CORNERS = (13, 14), (61, 291)
"""Of the 468 points."""
CLOSED_M = 0.0012
"""Lips nearer to each other than this hide what is behind them."""
REACH_M = 0.05
"""How far from the middle of the lips the skin may be part of the mouth."""
FLESH = np.array([0.34, 0.115, 0.10], np.float32)
"""Linear albedo of cheeks and palate."""


def add_mouth(surface: Surface, posed: Posed, at: Rows) -> None:
    """Fill in the places `at` of the surface that show teeth, gums or tongue."""
    surface.openness[at] = light_reaching(posed, surface.place[at])
    surface.roughness[at], surface.shine[at] = 0.22, 0.05


def add_inner_skin(surface: Surface, look: Look, posed: Posed, hits: Hits, rows: Rows, at: Rows) -> None:
    """The skin behind the lips becomes wet flesh; the lips' inner sides see more light than when they are closed."""
    upper, lower = posed.landmarks[list(LIPS_INNER)]
    if np.linalg.norm(upper - lower) < CLOSED_M:
        return
    near = np.flatnonzero(((surface.place[at] - (upper + lower) / 2) ** 2).sum(axis=1) < REACH_M**2)
    rows, at = rows[near], at[near]
    uv, maps = skin_uv(look.skin_uv, hits, rows), load_head().maps
    inside, lips = (sample_map(maps[name], uv) > 0.5 for name in ("inside_mouth", "lips"))
    flesh = at[inside]
    surface.albedo[flesh], surface.roughness[flesh], surface.scatter[flesh] = FLESH, 0.3, 0.0
    surface.openness[flesh] = light_reaching(posed, surface.place[flesh])
    edge = at[lips & ~inside]
    surface.openness[edge] = np.maximum(surface.openness[edge], 0.6 * light_reaching(posed, surface.place[edge]))


def light_reaching(posed: Posed, place: Vectors) -> Values:
    """0–1: how much light comes in between the lips; the deeper, the further aside and the higher, the less."""
    upper, lower = posed.landmarks[list(LIPS_INNER)]
    left, right = posed.landmarks[list(MOUTH_CORNERS)]
    middle = (upper + lower) / 2
    across, up, ahead = ((place - middle) @ posed.head_matrix[:3, axis] for axis in range(3))
    gap = float(np.linalg.norm(upper - lower))
    depth = np.maximum(-ahead, 0)
    aside = np.clip(np.abs(across) / (np.linalg.norm(left - right) / 2), 0, 1.2)
    # The upper lip shades what lies close behind it.
    below = np.maximum((upper - middle) @ posed.head_matrix[:3, 1] - up, 0)
    reached = 0.85 * np.exp(-depth / (0.009 + 0.5 * gap)) * (1 - 0.5 * aside**2) * (1 - 0.35 * np.exp(-below / 0.003))
    return np.asarray(np.clip(reached, 0.015, 0.85), np.float32)
