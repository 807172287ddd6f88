"""Render a UHD plate with a face 900 px wide, its ground truth, and pictures of the likeness that are as fine.

    .venv/bin/python -m tools.fine.plate

Plate and truth are squares of 2160 px, drawn by the caster, in the middle of a frame of 3840 × 2160. All lies in the
cache folder; a rendering that was killed goes on.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8

from countenance.actors.actor import draw_actor
from countenance.actors.cache import cache_folder
from countenance.actors.caster import Caster
from countenance.actors.figure import Figure, build_figure, build_truth
from countenance.actors.filming import pictures_in
from countenance.actors.footage import claim_folder, draw_portrait, png, render_folder, write_clip
from countenance.actors.performance import Performance, draw_performance
from countenance.actors.render import detail_of, opened_renderer
from countenance.actors.scene import Scene
from countenance.actors.staging import draw_scene
from countenance.cli.display import Bars
from countenance.progress import Progress
from countenance.project import write_whole

LIKENESS, PERFORMER = 5, 26
PERFORMANCE, SCENE, BEGIN, NUM_FRAMES = 202, 22, 52, 8
"""Those of the benchmark's case near-middle: a third of a second of speech in which the eyes move."""
FOOTAGE, FOOTAGE_FRAMES, FOOTAGE_STEP, FOOTAGE_SHOTS = 1_000_051, 16, 20, 4
"""Pictures of the likeness in other lights, far apart in time."""
SIZE, WIDTH, FRAME_M = 2160, 3840, 0.325
FOOTAGE_SIZE = 1728
"""In a smaller picture with as many pixels a metre."""
VERSION = 1
"""Increment when a picture changes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FineFiles:
    """What is rendered."""

    folder: Path

    @property
    def plate(self) -> Path:
        return self.folder / "plate.mp4"

    def portrait(self, role: str) -> Path:
        return self.folder / f"{role}.png"

    def frames(self, name: str) -> Path:
        """The square pictures of plate, truth or footage, with labels and masks."""
        return self.folder / "frames" / name


def render_fine(progress: Progress) -> FineFiles:
    """All of it, as far as it is missing."""
    files = FineFiles(folder=cache_folder() / "fine")
    claim_folder(
        files.folder,
        {"version": VERSION, "people": [LIKENESS, PERFORMER], "frames": [BEGIN, NUM_FRAMES, FOOTAGE_FRAMES]},
    )
    if files.plate.exists():
        return files
    detail = detail_of("caster", SIZE)
    likeness, performer = draw_actor(LIKENESS), draw_actor(PERFORMER)
    figures: dict[str, tuple[Callable[[], Figure], Performance, Scene, int]] = {
        "plate": (partial(build_figure, performer, detail), _performance(), _scene(SCENE, NUM_FRAMES), SIZE),
        "truth": (
            partial(build_truth, likeness, performer, "performer", detail),
            _performance(),
            _scene(SCENE, NUM_FRAMES),
            SIZE,
        ),
        "footage": (
            partial(build_figure, likeness, detail),
            _every(draw_performance(FOOTAGE, FOOTAGE_FRAMES * FOOTAGE_STEP), FOOTAGE_STEP),
            _scene(FOOTAGE, FOOTAGE_FRAMES, FOOTAGE_SHOTS, FOOTAGE_SIZE / SIZE),
            FOOTAGE_SIZE,
        ),
    }
    for role, actor in (("likeness", likeness), ("performer", performer)):
        if not files.portrait(role).exists():
            write_whole(files.portrait(role), png(draw_portrait(Caster(build_figure(actor, "fine")), 512)))
    with opened_renderer("caster") as renderer:
        for name, (figure, performance, scene, size) in figures.items():
            render_folder(
                figure,
                performance,
                scene,
                renderer,
                files.frames(name),
                size=size,
                num_frames=performance.num_frames,
                what=f"fine: {name}",
                progress=progress,
            )
    write_clip(files.plate, _widened(files.frames("plate")), (WIDTH, SIZE))
    return files


def _performance() -> Performance:
    drawn = draw_performance(PERFORMANCE, BEGIN + NUM_FRAMES)
    return Performance(
        seed=drawn.seed,
        yaw_pitch_roll_deg=drawn.yaw_pitch_roll_deg[BEGIN:],
        gaze_deg=drawn.gaze_deg[BEGIN:],
        units={name: curve[BEGIN:] for name, curve in drawn.units.items()},
    )


def _every(drawn: Performance, step: int) -> Performance:
    return Performance(
        seed=drawn.seed,
        yaw_pitch_roll_deg=drawn.yaw_pitch_roll_deg[::step],
        gaze_deg=drawn.gaze_deg[::step],
        units={name: curve[::step] for name, curve in drawn.units.items()},
    )


def _scene(seed: int, num_frames: int, num_shots: int = 1, size: float = 1.0) -> Scene:
    """A scene whose cameras show the head at one scale."""
    drawn = draw_scene(seed, num_frames, num_shots)
    shots = (replace(shot, camera=replace(shot.camera, frame_m=size * FRAME_M)) for shot in drawn.shots)
    return Scene(seed=seed, shots=tuple(shots))


def _widened(folder: Path) -> Iterator[UInt8[np.ndarray, "H W 3"]]:
    """Square pictures with what stands at their sides drawn out."""
    side = (WIDTH - SIZE) // 2
    for picture in pictures_in(folder / "rgb"):
        yield np.asarray(cv2.copyMakeBorder(picture, 0, 0, side, side, cv2.BORDER_REPLICATE))


def main() -> None:
    with Bars() as progress:
        print(render_fine(progress).folder)


if __name__ == "__main__":
    main()
