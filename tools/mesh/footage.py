"""Frames of synthetic actors with the exact places of the mesh's points, kept in a folder.

Frames come in pairs: a pose and the one a frame later, so that a finder's texture from frame to frame can be measured.
"""

import math
import multiprocessing
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from countenance.actors.caster import Caster
from countenance.actors.figure import Detail, build_figure, pose_figure
from countenance.actors.performance import PerformanceConfig, draw_performance
from countenance.actors.props import draw_props
from countenance.actors.staging import draw_scene
from countenance.vision.align import head_pose
from tools.segmenter.dataset import ROOM, Footage, closer, dressed, projected, read_footage

LENGTH, SHOTS = 240, 4
MAX_YAW_DEG, MAX_PITCH_DEG = 75.0, 30.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """Which actors are rendered, and how."""

    seeds: Sequence[int]
    size: int
    detail: Detail
    num_poses: int
    room: float
    """Side of the frame, in sides of the crop that `align` cuts."""
    has_pairs: bool
    """Whether each pose is followed by that of the next frame."""
    has_props: Callable[[int], bool]
    """Whether an actor wears or holds something."""


PARTS = {
    "training": Part(
        seeds=tuple(range(3000, 3320)),
        size=176,
        detail="fast",
        num_poses=8,
        room=1.3,
        has_pairs=False,
        has_props=lambda seed: seed % 2 == 1,
    ),
    "held_out": Part(
        seeds=(*range(900, 910), *range(920, 936)),
        size=256,
        detail="fine",
        num_poses=6,
        room=1.3,
        has_pairs=True,
        has_props=lambda seed: seed >= 920 and seed % 2 == 1,
    ),
}


def render(folder: Path, name: str, *, processes: int = 1, limit_s: float = math.inf) -> None:
    """Render what is missing of a part, as far as the time allows."""
    (folder / name).mkdir(parents=True, exist_ok=True)
    stop_at = time.time() + limit_s
    work = partial(_render_if_missing, folder, name, stop_at)
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        for path in pool.map(work, PARTS[name].seeds):
            if path is not None:
                print(path, flush=True)


def _render_if_missing(folder: Path, name: str, stop_at: float, seed: int) -> Path | None:
    path = folder / name / f"{seed}.npz"
    if path.exists() or time.time() > stop_at:
        return None
    footage = render_actor(seed, PARTS[name])
    unfinished = path.with_name(f".{path.name}")
    with unfinished.open("wb") as file:
        np.savez_compressed(
            file, rgb=footage.rgb, labels=footage.labels, face=footage.face, landmarks_xyz=footage.landmarks_xyz
        )
    unfinished.rename(path)
    return path


def render_actor(seed: int, part: Part) -> Footage:
    """Poses from all over a performance, in several lights, the head in the middle."""
    props = draw_props(seed) if part.has_props(seed) else ()
    caster = Caster(build_figure(dressed(seed), part.detail, props))
    performance = draw_performance(
        seed, LENGTH, PerformanceConfig(max_yaw_deg=MAX_YAW_DEG, max_pitch_deg=MAX_PITCH_DEG)
    )
    scene, size = draw_scene(seed, LENGTH, SHOTS), part.size
    frames = []
    for first in np.linspace(0, LENGTH - 2, part.num_poses).round().astype(int).tolist():
        shot, camera = scene.shot_at(first), None
        for index in (first, first + 1) if part.has_pairs else (first,):
            posed = pose_figure(caster.figure, performance, index)
            if camera is None:
                camera = closer(shot.camera, head_pose(projected(shot.camera, posed.landmarks, size)), size)
                camera = replace(camera, frame_m=camera.frame_m * part.room / ROOM)
            picture = caster.draw(posed, camera, shot.light, size)
            face = np.round(picture.face_mask * 255).astype(np.uint8)
            frames.append((picture.rgb, picture.labels, face, projected(camera, posed.landmarks, size)))
    rgb, labels, faces, meshes = map(np.stack, zip(*frames, strict=True))
    return Footage(rgb=rgb, labels=labels, face=faces, landmarks_xyz=meshes)


def read(folder: Path, name: str) -> dict[int, Footage]:
    """All of a part that is there, by seed."""
    return {int(path.stem): read_footage(path, clean=False) for path in sorted((folder / name).glob("[0-9]*.npz"))}
