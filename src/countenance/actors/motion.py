"""How far what each pixel shows moves from frame to frame: the same place of the same triangle, posed twice."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32

from countenance.actors.figure import Figure, Posed, pose_figure
from countenance.actors.performance import Performance
from countenance.actors.rays import Hits, Triangles, Vectors, solid_points, spread
from countenance.actors.scene import Camera, Scene


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Around:
    """The figure before and after a frame, in the same shot."""

    before: Posed
    after: Posed
    num_frames: int
    """Between the two: 2, or 1 where one of them is the frame itself; 0 in a shot of one frame."""


class Poses:
    """A performance's poses, each computed once as long as frames follow each other."""

    def __init__(self, figure: Figure, performance: Performance, scene: Scene) -> None:
        self._figure, self._performance, self._scene = figure, performance, scene
        self._kept: dict[int, Posed] = {}

    def at(self, index: int) -> Posed:
        """The pose of a frame."""
        if index not in self._kept:
            self._kept = {other: posed for other, posed in self._kept.items() if abs(other - index) <= 2}
            self._kept[index] = pose_figure(self._figure, self._performance, index)
        return self._kept[index]

    def around(self, index: int) -> Around:
        """The nearest poses of the same shot."""
        shot = self._scene.shot_at(index)
        last = min(self._performance.num_frames, self._scene.num_frames) - 1
        first = index - 1 if index > 0 and self._scene.shot_at(index - 1) is shot else index
        then = index + 1 if index < last and self._scene.shot_at(index + 1) is shot else index
        return Around(before=self.at(first), after=self.at(then), num_frames=then - first)


def points_motion(
    before: Float[np.ndarray, "N 3"], after: Float[np.ndarray, "N 3"], num_frames: int, camera: Camera, size: int
) -> Float32[np.ndarray, "N 2"]:
    """Pixels a frame of places that are known twice."""
    if not num_frames:
        return np.zeros((len(before), 2), np.float32)
    moved = camera.project(after, size)[0] - camera.project(before, size)[0]
    return np.asarray(moved / num_frames, np.float32)


def hit_motion(
    figure: Figure,
    triangles: Triangles,
    hits: Hits,
    posed: Posed,
    around: Around,
    origin: Vectors,
    rays: Vectors,
    camera: Camera,
    size: int,
) -> Float32[np.ndarray, "N 2"]:
    """Pixels a frame, right and down, of what rays met; 0 where they met nothing, because cameras stand still."""
    motion = np.zeros((len(rays), 2), np.float32)
    found = np.flatnonzero((hits.triangle >= 0) & ~hits.is_hair)
    was, will_be = (
        spread(solid_points(figure, each), triangles.triangles, hits, found) for each in (around.before, around.after)
    )
    motion[found] = points_motion(was, will_be, around.num_frames, camera, size)
    fine = hits.veil.cover >= 0.5
    hair = np.concatenate([np.flatnonzero(hits.is_hair), hits.veil.rows[fine]])
    distance = np.concatenate([hits.distance[hits.is_hair], hits.veil.distance[fine]])
    places = origin[hair] + distance[:, None] * rays[hair]
    # Hair moves with the head and keeps its shape.
    on_head = (places - posed.head_matrix[:3, 3]) @ posed.head_matrix[:3, :3]
    was, will_be = (
        on_head @ each.head_matrix[:3, :3].T + each.head_matrix[:3, 3] for each in (around.before, around.after)
    )
    motion[hair] = points_motion(was, will_be, around.num_frames, camera, size)
    return motion
