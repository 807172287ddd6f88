"""The mesh's points in a mirror."""

from functools import cache

import numpy as np
from jaxtyping import Int
from scipy.optimize import linear_sum_assignment

from countenance.vision.align import canonical_mesh


@cache
def mirrored_numbers() -> Int[np.ndarray, "468"]:
    """For each point the one that takes its place in a mirror."""
    mesh = canonical_mesh()
    apart = np.linalg.norm(mesh[:, None] - mesh[None] * np.array([-1, 1, 1]), axis=2)
    # Both ways count, so that partners are each other's.
    return np.asarray(linear_sum_assignment(apart + apart.T)[1])
