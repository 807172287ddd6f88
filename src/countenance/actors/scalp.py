"""Where hair of the head grows."""

import numpy as np
from jaxtyping import Float, Float32

from countenance.actors.actor import Actor

Values = Float32[np.ndarray, " N"]
CROWN = np.array([0.0, 0.846, -0.005])
NUM_ROWS = 13
"""Of braids, from one ear over the head to the other."""
ROW_STEP = np.pi * 0.96 / NUM_ROWS
"""Between neighbouring braids, in radians around the head's axis from front to back."""


def hairline_height(points: Float[np.ndarray, "N 3"], actor: Actor) -> Float[np.ndarray, " N"]:
    """How far points of the template lie above the actor's hairline, in metres."""
    hair = actor.hair
    turn = np.degrees(np.arctan2(np.abs(points[:, 0]), points[:, 2] - 0.035))
    line = np.interp(
        turn,
        [0, 18, 30, 42, 55, 66, 76, 86, 100, 112, 125, 180],
        [0.804, 0.806, 0.808, 0.800, 0.780, 0.757, 0.747, 0.750, 0.742, 0.710, 0.685, 0.672],
    )
    front = np.interp(turn, [0, 60, 90], [1, 1, 0])
    temples = np.interp(turn, [8, 28, 45, 62], [0, 1, 1, 0])
    peak = np.interp(turn, [0, 9, 16], [1, 0.3, 0])
    before_ears = np.interp(turn, [64, 72, 82, 88], [0, 1, 1, 0])
    waves = 0.0016 * np.sin(points[:, 0] * 310 + hair.seed % 7) + 0.0012 * np.sin(points[:, 0] * 730 + 2)
    moved = hair.line * front + hair.recession * temples - hair.peak_m * peak - hair.sideburn_m * before_ears
    return np.asarray(points[:, 1] - line - moved - waves)


def scalp_places(points: Float[np.ndarray, "N 3"], actor: Actor) -> Values:
    """0–1: where hair grows, thinning over a centimetre towards the hairline, at the crown, and along a parting."""
    above = hairline_height(points, actor)
    part = np.clip((above + 0.003) / 0.013, 0, 1)
    places = part * part * (3 - 2 * part)
    beside_ear = (np.abs(points[:, 0]) > 0.074) & (points[:, 1] < 0.736)
    places[beside_ear | (points[:, 1] < 0.668)] = 0
    if actor.hair.kind == "bald":
        # A wreath at most.
        places = places * np.clip((0.79 - points[:, 1]) / 0.02, 0, 1) * (points[:, 2] < 0.06) * 0.6
    away = (points - CROWN - np.array([0, 0, 0.012])) / np.array([0.048, 0.03, 0.052])
    places = places * (1 - 0.85 * actor.hair.thinning * np.exp(-0.5 * (away**2).sum(axis=1)))
    return np.asarray(places * (1 - parting(points, actor)), np.float32)


def parting(points: Float[np.ndarray, "N 3"], actor: Actor) -> Values:
    """0–1: where the scalp shows between hair that is combed apart, or between braids."""
    x, y, z = points.T
    if actor.hair.kind == "rows":
        turn = np.arctan2(x, y - 0.75)
        off = np.abs((turn / ROW_STEP + 0.5) % 1 - 0.5)
        return np.asarray(np.clip((off - 0.36) / 0.06, 0, 1), np.float32)
    if actor.hair.part_x is None:
        return np.zeros(len(points), np.float32)
    bent = actor.hair.part_x + 0.0012 * np.sin(z * 160 + actor.hair.seed % 5) + 0.0006 * np.sin(z * 610)
    width = 0.0008 + 0.001 * actor.hair.thinning
    ends = np.clip((z + 0.015) / 0.02, 0, 1) * (y > 0.79)
    return np.asarray(0.85 * np.exp(-(((x - bent) / width) ** 2)) * ends, np.float32)


def scalp_cover(actor: Actor) -> float:
    """0–1: how much of the skin between the drawn strands hair too fine to be drawn hides."""
    kinds = {"bald": 0.22, "shaved": 0.55, "buzz": 0.7, "rows": 0.8}
    return kinds.get(actor.hair.kind, 0.8) * (1 - 0.5 * actor.hair.thinning)
