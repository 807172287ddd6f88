"""Render the plate: two synthetic people side by side, of whom only the left one is to be replaced.

    .venv/bin/python -m tools.trouble.plate

Hard cuts between a turn to profile and back, a hand before the face, shaking with motion blur, a camera that pans away
and back, and a light that comes and goes. It lies in the cache folder; a rendering that was killed goes on.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from countenance.actors.actor import draw_actor
from countenance.actors.cache import cache_folder
from countenance.actors.figure import Figure, build_figure, build_truth
from countenance.actors.filming import filmed_masks, filmed_pictures
from countenance.actors.footage import claim_folder, render_folder, write_clip, write_pictures
from countenance.actors.performance import Performance, draw_performance
from countenance.actors.props import Motion, Prop, draw_prop
from countenance.actors.render import detail_of, opened_renderer
from countenance.actors.scene import Scene, Shot
from countenance.actors.staging import draw_scene, exposed
from countenance.capture.settings import Capture, Codec, Lens, Processing, Sensor, Shutter
from countenance.cli.display import Bars
from countenance.progress import Progress

LIKENESS, PERFORMER, BESIDE = 5, 26, 12
SIZE, NUM_FRAMES = 256, 48
VERSION = 1
"""Increment when a shot changes."""
CAMERA = Capture(
    kind="cinema",
    seed=1,
    lens=Lens(blur_px=0.5),
    shutter=Shutter(angle_deg=180.0),
    sensor=Sensor(full_well_e=60_000, read_noise_e=8, headroom_stops=4.0, has_mosaic=False),
    processing=Processing(),
    codecs=(Codec(name="prores", bits_per_pixel=3.5, still_quantiser=4, chroma="422"),),
)
"""A little noise, and blur wherever something moves while the shutter is open."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Trouble:
    """One shot."""

    name: str
    performance: Performance
    scene: Scene
    props: tuple[Prop, ...] = ()


def troubles() -> tuple[Trouble, ...]:
    """All shots, in order."""
    at = np.linspace(0, 1, NUM_FRAMES)
    there_and_back = np.sin(np.pi * at)
    profile = _turned(301, np.column_stack([95 * there_and_back, 4 * there_and_back, np.zeros(NUM_FRAMES)]))
    shake = _turned(
        303, np.column_stack([38 * np.sin(9 * np.pi * at), 6 * np.sin(14 * np.pi * at), 5 * np.sin(9 * np.pi * at)])
    )
    hand = replace(
        draw_prop("hand", 7), gesture="mouth", motion=Motion(held_s=0.6, away_s=0.5, moving_s=0.3, start_s=1.1)
    )
    still = _turned(305, np.zeros((NUM_FRAMES, 3)))
    return (
        Trouble(name="profile", performance=profile, scene=_scene(31)),
        Trouble(name="hand", performance=_turned(302, 0.3), scene=_scene(32), props=(hand,)),
        Trouble(name="shaking", performance=shake, scene=_scene(33)),
        Trouble(name="leaving", performance=_turned(304, 0.3), scene=_panned(34, 0.36 * there_and_back)),
        Trouble(name="light", performance=still, scene=_flickering(35, at)),
    )


def _turned(seed: int, turned: np.ndarray | float) -> Performance:
    """A performance with its head's angles replaced, or scaled."""
    drawn = draw_performance(seed, NUM_FRAMES)
    return replace(drawn, yaw_pitch_roll_deg=drawn.yaw_pitch_roll_deg * turned if isinstance(turned, float) else turned)


def _scene(seed: int) -> Scene:
    return draw_scene(seed, NUM_FRAMES)


def _frame_by_frame(seed: int, changed: Callable[[Shot, int], Shot]) -> Scene:
    (shot,) = _scene(seed).shots
    one = replace(shot, num_frames=1)
    return Scene(seed=seed, shots=tuple(changed(one, index) for index in range(NUM_FRAMES)))


def _panned(seed: int, shift_m: np.ndarray) -> Scene:
    def changed(shot: Shot, index: int) -> Shot:
        right, up = shot.camera.shift_m
        return replace(shot, camera=replace(shot.camera, shift_m=(right + float(shift_m[index]), up)))

    return _frame_by_frame(seed, changed)


def _flickering(seed: int, at: np.ndarray) -> Scene:
    brightness = 0.75 + 0.25 * np.sign(np.sin(10 * np.pi * at)) * (at > 0.5) + 0.25 * np.sin(2 * np.pi * at)

    def changed(shot: Shot, index: int) -> Shot:
        return replace(shot, light=exposed(shot.light, float(brightness[index])))

    return _frame_by_frame(seed, changed)


@dataclass(frozen=True, kw_only=True, slots=True)
class PlateFiles:
    """What is rendered."""

    folder: Path

    @property
    def plate(self) -> Path:
        return self.folder / "plate.mp4"

    @property
    def truth(self) -> Path:
        return self.folder / "truth"

    @property
    def masks(self) -> Path:
        return self.folder / "mask"


def render_plate(progress: Progress) -> PlateFiles:
    """All of it, as far as it is missing."""
    files = PlateFiles(folder=cache_folder() / "trouble")
    facts = {"version": VERSION, "camera": asdict(CAMERA), "size": SIZE, "frames": NUM_FRAMES}
    claim_folder(files.folder, {**facts, "likeness": LIKENESS, "performer": PERFORMER, "beside": BESIDE})
    if files.plate.exists():
        return files
    detail = detail_of("caster", SIZE)
    likeness, performer, beside = (draw_actor(seed) for seed in (LIKENESS, PERFORMER, BESIDE))
    with opened_renderer("caster") as renderer:
        for trouble in troubles():
            figures: dict[str, tuple[Callable[[], Figure], Performance]] = {
                "plate": (partial(build_figure, performer, detail, trouble.props), trouble.performance),
                "truth": (
                    partial(build_truth, likeness, performer, "performer", detail, trouble.props),
                    trouble.performance,
                ),
                "beside": (partial(build_figure, beside, detail), _turned(306, 0.5)),
            }
            for name, (figure, performance) in figures.items():
                render_folder(
                    figure,
                    performance,
                    trouble.scene,
                    renderer,
                    files.folder / "frames" / trouble.name / name,
                    size=SIZE,
                    num_frames=NUM_FRAMES,
                    what=f"{trouble.name}: {name}",
                    progress=progress,
                    with_motion=True,
                )
    write_pictures(files.truth, _side_by_side(files.folder, "truth"))
    write_pictures(files.masks, _masks(files.folder))
    write_clip(files.plate, _side_by_side(files.folder, "plate"), (2 * SIZE, SIZE))
    return files


def _side_by_side(folder: Path, left: str) -> Iterator[UInt8[np.ndarray, "S W 3"]]:
    for trouble in troubles():
        both = (filmed_pictures(folder / "frames" / trouble.name / name, CAMERA) for name in (left, "beside"))
        yield from (np.concatenate(pair, axis=1) for pair in zip(*both, strict=True))


def _masks(folder: Path) -> Iterator[UInt8[np.ndarray, "S W"]]:
    for trouble in troubles():
        for mask in filmed_masks(folder / "frames" / trouble.name / "truth", CAMERA):
            yield np.concatenate([mask, np.zeros_like(mask)], axis=1)


def main() -> None:
    with Bars() as progress:
        print(render_plate(progress).plate)


if __name__ == "__main__":
    main()
