"""Smooth noise in space, the same everywhere for the same seed."""

import numpy as np
from jaxtyping import Float, Float32

_PERIOD = 64


def noise(points: Float[np.ndarray, "N 3"], scale: float, seed: int, octaves: int = 1) -> Float32[np.ndarray, " N"]:
    """Value noise, 0–1 with mean about one half; `scale` is in waves per unit of length, each octave twice as fine.

    Source: Perlin's lattice with smooth interpolation, values at the lattice's points.
    """
    total, weight, sum_of_weights = np.zeros(len(points), np.float32), 1.0, 0.0
    for octave in range(octaves):
        total += weight * _one_octave(points * (scale * 2**octave), seed * 31 + octave)
        sum_of_weights += weight
        weight *= 0.55
    return total / np.float32(sum_of_weights)


def _one_octave(points: Float[np.ndarray, "N 3"], seed: int) -> Float32[np.ndarray, " N"]:
    lattice = np.random.default_rng([abs(seed), 5]).random((_PERIOD,) * 3, dtype=np.float32)
    low = np.floor(points)
    t = (points - low).astype(np.float32)
    t = t * t * (3 - 2 * t)
    i, j, k = (low.astype(np.int64) % _PERIOD).T
    i1, j1, k1 = (i + 1) % _PERIOD, (j + 1) % _PERIOD, (k + 1) % _PERIOD
    x, y, z = t.T
    near = _between(
        _between(lattice[i, j, k], lattice[i1, j, k], x), _between(lattice[i, j1, k], lattice[i1, j1, k], x), y
    )
    far = _between(
        _between(lattice[i, j, k1], lattice[i1, j, k1], x), _between(lattice[i, j1, k1], lattice[i1, j1, k1], x), y
    )
    return _between(near, far, z)


def _between(
    one: Float32[np.ndarray, " N"], other: Float32[np.ndarray, " N"], part: Float32[np.ndarray, " N"]
) -> Float32[np.ndarray, " N"]:
    return np.asarray(one + (other - one) * part)


def spots(points: Float[np.ndarray, "N 3"], scale: float, seed: int, share: float) -> Float32[np.ndarray, " N"]:
    """0–1: round spots of uneven size, one in some of the lattice's cells; `share` of the cells have one."""
    rng = np.random.default_rng([abs(seed), 6])
    centre = rng.random((_PERIOD, _PERIOD, _PERIOD, 3), dtype=np.float32) * 0.5 + 0.25
    size = rng.random((_PERIOD,) * 3, dtype=np.float32) * 0.22 + 0.08
    size[rng.random((_PERIOD,) * 3, dtype=np.float32) > share] = 0
    scaled = points * scale
    low = np.floor(scaled)
    cell = tuple(low.astype(np.int64).T % _PERIOD)
    distance = np.linalg.norm(scaled - low - centre[cell], axis=1)
    radius = size[cell]
    return np.asarray(np.clip((radius - distance) / np.maximum(0.4 * radius, 1e-6), 0, 1), np.float32)
