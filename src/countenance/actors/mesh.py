"""Parts of a figure as meshes of quads."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from countenance.actors.head import Points
from countenance.actors.surface import unit


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Mesh:
    """Points and quads of a part in neutral pose."""

    points: Points
    faces: Int[np.ndarray, "F 4"]


def joined(meshes: list[Mesh]) -> Mesh:
    """Several as one."""
    starts = np.cumsum([0, *(len(mesh.points) for mesh in meshes)])
    return Mesh(
        points=np.concatenate([mesh.points for mesh in meshes]),
        faces=np.concatenate([mesh.faces + start for mesh, start in zip(meshes, starts, strict=False)]),
    )


def tube(path: Points, radius: float) -> Mesh:
    """Around a path, eight-sided."""
    along = unit(np.gradient(path, axis=0))
    first = unit(np.cross(along, np.array([0.13, 0.31, 0.94])))
    second = np.cross(along, first)
    turn = np.linspace(0, 2 * np.pi, 9)[:-1]
    ring = np.cos(turn)[None, :, None] * first[:, None] + np.sin(turn)[None, :, None] * second[:, None]
    i, j = np.meshgrid(np.arange(len(path) - 1), np.arange(8), indexing="ij")
    after = (j + 1) % 8
    faces = np.stack([i * 8 + j, i * 8 + after, (i + 1) * 8 + after, (i + 1) * 8 + j], axis=-1).reshape(-1, 4)
    return Mesh(points=(path[:, None] + radius * ring).reshape(-1, 3), faces=faces)


def sheet(points: Float[np.ndarray, "I J 3"], *, closed: bool = False) -> Mesh:
    """A grid of points as quads; `closed` joins the last column to the first."""
    rows, columns = points.shape[:2]
    i, j = np.meshgrid(np.arange(rows - 1), np.arange(columns if closed else columns - 1), indexing="ij")
    after = (j + 1) % columns
    quads = [i * columns + j, (i + 1) * columns + j, (i + 1) * columns + after, i * columns + after]
    return Mesh(points=points.reshape(-1, 3), faces=np.stack(quads, axis=-1).reshape(-1, 4))


def revolved(radius: Float[np.ndarray, " I"], height: Float[np.ndarray, " I"], sides: int) -> Mesh:
    """A profile turned about the y axis."""
    turn = np.linspace(0, 2 * np.pi, sides + 1)[:-1]
    x, z = radius[:, None] * np.sin(turn), radius[:, None] * np.cos(turn)
    return sheet(np.stack([x, np.broadcast_to(height[:, None], x.shape), z], axis=-1), closed=True)
