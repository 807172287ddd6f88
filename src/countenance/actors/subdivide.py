"""Catmull-Clark subdivision of a mesh of quads, as one matrix from the old points to the new.

Source: Catmull and Clark, Recursively generated B-spline surfaces on arbitrary topological meshes, 1978; borders are
cubic curves of their own.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32, Int

from countenance.actors.extra import sparse


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Subdivision:
    """A finer mesh; `matrix @ points` are its points."""

    faces: Int[np.ndarray, "F 4"]
    uv: Float32[np.ndarray, "F 4 2"]
    matrix: Any
    """Sparse, new points × old points."""

    def then(self, finer: "Subdivision") -> "Subdivision":
        """Both steps as one."""
        return Subdivision(faces=finer.faces, uv=finer.uv, matrix=(finer.matrix @ self.matrix).tocsr())


def subdivide(faces: Int[np.ndarray, "F 4"], uv: Float32[np.ndarray, "F 4 2"], num_points: int) -> Subdivision:
    """Each quad into four. Points that no face uses are kept as they are, so that numbers of old points stay."""
    csr = sparse().csr_array
    num_faces = len(faces)
    pairs = np.stack([faces, np.roll(faces, -1, axis=1)], axis=-1)
    edges, edge_of = np.unique(np.sort(pairs.reshape(-1, 2), axis=1), axis=0, return_inverse=True)
    edge_of = edge_of.reshape(num_faces, 4)
    num_edges = len(edges)
    edge_faces = np.bincount(edge_of.ravel(), minlength=num_edges)
    border = edge_faces == 1

    corner = np.repeat(np.arange(num_faces), 4)
    to_faces = csr((np.full(4 * num_faces, 0.25), (corner, faces.ravel())), (num_faces, num_points))
    rows = np.repeat(np.arange(num_edges), 2)
    to_middles = csr((np.full(2 * num_edges, 0.5), (rows, edges.ravel())), (num_edges, num_points))
    faces_of_edges = csr((np.full(4 * num_faces, 0.5), (edge_of.ravel(), corner)), (num_edges, num_faces))
    inner = csr((np.where(border, 1.0, 0.5), (np.arange(num_edges), np.arange(num_edges))), (num_edges, num_edges))
    not_border = csr((np.where(border, 0.0, 0.5), (np.arange(num_edges), np.arange(num_edges))), inner.shape)
    to_edges = inner @ to_middles + not_border @ (faces_of_edges @ to_faces)

    # Inner points: (mean of faces + 2 × mean of edges' middles + (n − 3) × point) / n.
    valence = np.bincount(faces.ravel(), minlength=num_points)
    at_border = np.zeros(num_points, bool)
    at_border[edges[border].ravel()] = True
    n = np.maximum(valence, 1)
    is_inner = (valence > 0) & ~at_border
    face_mean = csr((np.ones(4 * num_faces), (faces.ravel(), corner)), (num_points, num_faces)) @ to_faces
    middle_mean = csr((np.ones(2 * num_edges), (edges.ravel(), rows)), (num_points, num_edges)) @ to_middles

    def diagonal(values: Any) -> Any:
        return csr((values, (np.arange(num_points), np.arange(num_points))), (num_points, num_points))

    border_rows = edges[border]
    neighbours = csr(
        (
            np.full(2 * len(border_rows), 0.125),
            (border_rows.ravel(), border_rows[:, ::-1].ravel()),
        ),
        (num_points, num_points),
    )
    to_points = (
        diagonal(np.where(is_inner, 1 / n**2, 0.0)) @ face_mean
        + diagonal(np.where(is_inner, 2 / n**2, 0.0)) @ middle_mean
        + diagonal(np.where(is_inner, (n - 3) / n, np.where(at_border, 0.75, 1.0)))
        + diagonal(np.where(at_border, 1.0, 0.0)) @ neighbours
    )

    edge_points, face_points = num_points + edge_of, num_points + num_edges + np.arange(num_faces)
    new_faces = np.stack(
        [np.stack([faces[:, i], edge_points[:, i], face_points, edge_points[:, i - 1]], axis=1) for i in range(4)],
        axis=1,
    )
    middle = uv.mean(axis=1)
    halves = (uv + np.roll(uv, -1, axis=1)) / 2
    new_uv = np.stack([np.stack([uv[:, i], halves[:, i], middle, halves[:, i - 1]], axis=1) for i in range(4)], axis=1)
    return Subdivision(
        faces=new_faces.reshape(-1, 4),
        uv=new_uv.reshape(-1, 4, 2).astype(np.float32),
        matrix=sparse().vstack([to_points, to_edges, to_faces]).tocsr(),
    )
