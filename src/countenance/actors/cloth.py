"""The shirt."""

import numpy as np
from jaxtyping import Int

from countenance.actors.extra import spatial
from countenance.actors.head import Points, load_head
from countenance.actors.mesh import Mesh
from countenance.actors.subdivide import subdivide
from countenance.actors.surface import normals

COLLAR_M = 0.58
CLOTH_OFF_M = 0.004


def shirt_on(points: Points, skin: Points, skin_faces: Int[np.ndarray, "F 4"]) -> Mesh:
    """A shirt: what lies above the collar is drawn down to it, and all of it stays off the skin."""
    head = load_head()
    used, local = np.unique(head.cloth_faces, return_inverse=True)
    local = local.reshape(head.cloth_faces.shape)
    finer = subdivide(local, np.zeros((*local.shape, 2), np.float32), len(used))
    shirt, level = finer.matrix @ points[used], (finer.matrix @ head.points[used])[:, 1]
    faces = finer.faces[level[finer.faces].min(axis=1) < COLLAR_M]

    corners, mates = np.repeat(faces, 4, axis=0).ravel(), np.tile(faces, (1, 4)).ravel()
    order = np.lexsort((level[mates], corners))
    corner, first = np.unique(corners[order], return_index=True)
    lowest = mates[order][first]
    rim = level[corner] > COLLAR_M
    high, low = corner[rim], lowest[rim]
    part = np.clip((COLLAR_M - level[low]) / np.maximum(level[high] - level[low], 1e-6), 0, 1)
    shirt[high] = shirt[low] + (shirt[high] - shirt[low]) * part[:, None]
    for _ in range(12):
        shirt[high] = 0.5 * shirt[high] + 0.5 * _mean_along(shirt, faces, high)

    lifted = shirt + CLOTH_OFF_M * normals(shirt, faces)
    below = np.unique(skin_faces)
    below = below[skin[below][:, 1] < COLLAR_M + 0.05]
    outward = normals(skin, skin_faces)[below]
    _, nearest = spatial().cKDTree(skin[below]).query(lifted)
    height = ((lifted - skin[below][nearest]) * outward[nearest]).sum(axis=1)
    return Mesh(points=lifted + np.clip(CLOTH_OFF_M - height, 0, 0.03)[:, None] * outward[nearest], faces=faces)


def _mean_along(points: Points, faces: Int[np.ndarray, "F 4"], rim: Int[np.ndarray, " R"]) -> Points:
    """For each point of a rim the mean of its neighbours on it."""
    on_rim = np.zeros(len(points), bool)
    on_rim[rim] = True
    edges = np.concatenate([faces[:, [i, (i + 1) % 4]] for i in range(4)])
    edges = edges[on_rim[edges].all(axis=1)]
    edges = np.concatenate([edges, edges[:, ::-1]])
    degree = np.bincount(edges[:, 0], minlength=len(points))[rim]
    total = [
        np.bincount(edges[:, 0], weights=points[edges[:, 1], axis], minlength=len(points))[rim] for axis in range(3)
    ]
    mean = np.stack(total, axis=1) / np.maximum(degree, 1)[:, None]
    return np.asarray(np.where((degree > 1)[:, None], mean, points[rim]))
