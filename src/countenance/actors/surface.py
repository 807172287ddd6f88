"""Geometry on a mesh of quads: normals, places to root hair at, and intersections."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int, Shaped

from countenance.actors.extra import embree

Points = Float[np.ndarray, "_ 3"]
"""Any number of them."""
Quads = Int[np.ndarray, "F 4"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Roots:
    """Places on a mesh, which move with it."""

    corners: Int[np.ndarray, "R 4"]
    weights: Float[np.ndarray, "R 4"]

    def on(self, values: Float[np.ndarray, "N C"]) -> Float[np.ndarray, "R C"]:
        """What the mesh's points carry, at the roots."""
        return np.asarray(np.einsum("rk,rkc->rc", self.weights, values[self.corners]))

    def __len__(self) -> int:
        return len(self.corners)


def unit(vectors: Float[np.ndarray, "*B 3"]) -> Float[np.ndarray, "*B 3"]:
    """Vectors of length one."""
    length = np.sqrt(np.einsum("...k,...k->...", vectors, vectors))[..., None]
    return np.asarray(vectors / np.maximum(length, 1e-12))


def dot(one: Float[np.ndarray, "N 3"], other: Float[np.ndarray, "N 3"]) -> Float[np.ndarray, " N"]:
    """Of vectors, row by row."""
    return np.asarray(np.einsum("nk,nk->n", one, other))


def cross(one: Float[np.ndarray, "... 3"], other: Float[np.ndarray, "... 3"]) -> Float[np.ndarray, "... 3"]:
    """As NumPy's, in a fraction of the time."""
    (a, b, c), (x, y, z) = (np.moveaxis(vectors, -1, 0) for vectors in (one, other))
    return np.stack([b * z - c * y, c * x - a * z, a * y - b * x], axis=-1)


def normals(points: Points, faces: Quads) -> Points:
    """Unit normals of the points: the mean of the faces', weighted by area."""
    first, second, third, fourth = (points.take(faces[:, number], axis=0) for number in range(4))
    across = cross(third - first, fourth - second)
    total = np.zeros_like(points)
    for axis in range(3):
        total[:, axis] = np.bincount(faces.ravel(), weights=np.repeat(across[:, axis], 4), minlength=len(points))
    return unit(total)


def areas(points: Points, faces: Quads) -> Float[np.ndarray, " F"]:
    """Of the quads."""
    across = np.cross(points[faces[:, 2]] - points[faces[:, 0]], points[faces[:, 3]] - points[faces[:, 1]])
    return np.asarray(np.linalg.norm(across, axis=1) / 2)


def triangles_of(faces: Quads) -> Int[np.ndarray, "T 3"]:
    """Two triangles a quad: the first halves of all quads, then the second."""
    return np.concatenate([faces[:, [0, 1, 2]], faces[:, [0, 2, 3]]])


def scatter(
    rng: np.random.Generator, points: Points, faces: Quads, density: Float[np.ndarray, " F"], number: int
) -> Roots:
    """Random places on the quads, as dense as asked."""
    share = areas(points, faces) * density
    chosen = rng.choice(len(faces), number, p=share / share.sum())
    u, v = rng.random((2, number))
    weights = np.stack([(1 - u) * (1 - v), u * (1 - v), u * v, (1 - u) * v], axis=1)
    return Roots(corners=faces[chosen], weights=weights)


def between_corners(values: np.ndarray, corners: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Values of points [P …] at places of triangles with these corners [K 3]; u and v as Embree gives them."""
    u, v = (weight.reshape(-1, *[1] * (values.ndim - 1)) for weight in (u, v))
    # Corner by corner: an array of all three would be many times slower to fill.
    first, second, third = (values.take(corners[:, number], axis=0) for number in range(3))
    return np.asarray((1 - u - v) * first + u * second + v * third)


def seen_from_front(points: Points, faces: Quads, x: Float[np.ndarray, " R"], y: Float[np.ndarray, " R"]) -> Roots:
    """Where lines along −z meet the mesh first; lines that miss it are left out."""
    scene = embree_scene(points, triangles_of(faces))
    begin = np.stack([x, y, np.full_like(x, 1.0)], axis=1).astype(np.float32)
    hit = scene.run(begin, np.tile(np.array([0, 0, -1], np.float32), (len(x), 1)), output=1)
    found = hit["primID"] >= 0
    triangle, u, v = hit["primID"][found], hit["u"][found], hit["v"][found]
    quad, second = triangle % len(faces), triangle >= len(faces)
    weights = np.zeros((len(quad), 4))
    rows = np.arange(len(quad))
    weights[:, 0] = 1 - u - v
    weights[rows, np.where(second, 2, 1)] = u
    weights[rows, np.where(second, 3, 2)] = v
    return Roots(corners=faces[quad], weights=weights)


def embree_scene(points: np.ndarray, triangles: np.ndarray) -> Any:
    """Triangles [T 3], or their `corner_rows` [T], ready to be met by rays."""
    scene_type, mesh_type, device = embree()
    scene = scene_type(device)
    if len(triangles) == 0:
        # Embree refuses an empty scene: one triangle far away.
        points, triangles = np.full((3, 3), 1e6), np.array([[0, 1, 2]])
    corners = triangles if triangles.ndim == 1 else corner_rows(triangles)
    mesh_type(scene, np.ascontiguousarray(points, np.float32), corners)
    return scene


def corner_rows(triangles: Int[np.ndarray, "T 3"]) -> Shaped[np.ndarray, " T"]:
    """A tuple of Python's numbers for each triangle: Embree's wrapper reads these much faster than rows of an array."""
    return np.fromiter(zip(*triangles.T.tolist(), strict=True), dtype=object, count=len(triangles))
