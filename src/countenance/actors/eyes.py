"""The eyeball."""

from functools import cache

import numpy as np

from countenance.actors.mesh import Mesh

EYE_RINGS, EYE_SIDES = 28, 36


@cache
def eyeball() -> Mesh:
    """A ball with a cornea that stands out a little; finer towards the pupil."""
    away = np.r_[np.linspace(0, 0.65, EYE_RINGS // 2), np.linspace(0.65, np.pi, EYE_RINGS // 2 + 1)[1:]]
    around = np.linspace(0, 2 * np.pi, EYE_SIDES + 1)[:-1]
    t, p = np.meshgrid(away, around, indexing="ij")
    direction = np.stack([np.sin(t) * np.cos(p), np.sin(t) * np.sin(p), np.cos(t)], axis=-1).reshape(-1, 3)
    bulge = 1 + 0.05 * np.exp(-((t.ravel() / 0.38) ** 4))
    i, j = np.meshgrid(np.arange(len(away) - 1), np.arange(EYE_SIDES), indexing="ij")
    after = (j + 1) % EYE_SIDES
    quads = [i * EYE_SIDES + j, (i + 1) * EYE_SIDES + j, (i + 1) * EYE_SIDES + after, i * EYE_SIDES + after]
    return Mesh(points=direction * bulge[:, None], faces=np.stack(quads, axis=-1).reshape(-1, 4))
