"""Short clips of rendered people, from which the detector's real and altered footage is made.

    python -m tools.detector.footage --people 420

One clip a person: spans of neighbouring frames, as a detector looks at tracks and not at single frames, and stills of
another performance, from which swaps take that person's face. Every sixth person is for testing only. Rendering can be
stopped at any moment, or killed, and goes on where it was; people come in the order of their numbers.
"""

import argparse
import io
import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from countenance.actors.actor import Actor, draw_actor
from countenance.actors.caster import Caster
from countenance.actors.figure import Figure, build_figure, pose_figure
from countenance.actors.performance import draw_performance
from countenance.actors.props import draw_props
from countenance.actors.render import DrawFigure, detail_of, opened_renderer
from countenance.actors.scene import Scene
from countenance.actors.staging import draw_scene
from countenance.project import write_whole

Frames = UInt8[np.ndarray, "N S S 3"]

FIRST_SEED = 4_100_000
"""Far from the seeds of the benchmark's cases and of every corpus that the product's networks learned from."""
SIZE = 256
SPAN = 8
"""Neighbouring frames."""
SPANS, SPANS_TO_TEST = (0, 44), (0, 22, 44, 66)
"""First frames, 24 a second; four spans are the 32 frames that the field measures a video by."""
LENGTH = 80
STILLS, STILLS_BY_CYCLES, STILLS_LENGTH, STILLS_SHOTS = 10, 4, 240, 5
TEST_EVERY = 6
CLOSENESS = (0.72, 1.15)
"""Of what a scene's camera sees: faces of 90 to 190 px."""
SHARE_WITH_PROPS = 0.2


@dataclass(frozen=True, kw_only=True, slots=True)
class Person:
    """Somebody who exists nowhere, and what they perform."""

    number: int

    @property
    def seed(self) -> int:
        return FIRST_SEED + self.number

    @property
    def is_for_tests(self) -> bool:
        return self.number % TEST_EVERY == TEST_EVERY - 1

    @property
    def actor(self) -> Actor:
        return draw_actor(self.seed)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Footage:
    """What is rendered of a person."""

    clip: Frames
    """Spans one after another."""
    stills: Frames


def footage_path(folder: Path, number: int) -> Path:
    """Of one person."""
    return folder / f"{number:05}.npz"


def read_footage(folder: Path, number: int) -> Footage:
    """What was rendered of a person."""
    with np.load(footage_path(folder, number)) as data:
        return Footage(clip=data["clip"], stills=data["stills"])


def rendered(folder: Path) -> list[Person]:
    """Everybody whose footage is there, in order."""
    return [Person(number=int(path.stem)) for path in sorted(folder.glob("[0-9]*.npz"))]


def clip_indexes(person: Person) -> list[int]:
    """Frames of the performance that a clip consists of."""
    spans = SPANS_TO_TEST if person.is_for_tests else SPANS
    return [first + step for first in spans for step in range(SPAN)]


def render_footage(person: Person, renderer: DrawFigure, size: int = SIZE) -> Footage:
    """Draw a person's clip and stills; by Cycles, which is slow, fewer of both."""
    rng = np.random.default_rng([person.seed, 90])
    props = draw_props(person.seed) if rng.random() < SHARE_WITH_PROPS else ()
    scene = _seen_closer(draw_scene(person.seed, LENGTH), float(rng.uniform(*CLOSENESS)))
    other = person.seed + 5_000_000
    stills_scene = _seen_closer(draw_scene(other, STILLS_LENGTH, STILLS_SHOTS), 0.85)
    is_slow = renderer.name == "cycles"
    num_stills, num_frames = (STILLS_BY_CYCLES, 2 * SPAN) if is_slow else (STILLS, None)
    moments = [int(each) for each in np.linspace(6, STILLS_LENGTH - 6, num_stills)]
    detail = detail_of(renderer.name, size)
    bare = build_figure(person.actor, detail)
    stills = _drawn(renderer, bare, other, STILLS_LENGTH, stills_scene, moments, size)
    figure = build_figure(person.actor, detail, props) if props else bare
    clip = _drawn(renderer, figure, person.seed, LENGTH, scene, clip_indexes(person)[:num_frames], size)
    return Footage(clip=clip, stills=stills)


def _drawn(
    renderer: DrawFigure, figure: Figure, seed: int, length: int, scene: Scene, indexes: list[int], size: int
) -> Frames:
    performance = draw_performance(seed, length)
    renderer.load(figure)
    caster = Caster(figure) if renderer.name == "caster" else None
    frames = []
    for index in indexes:
        shot, posed = scene.shot_at(index), pose_figure(figure, performance, index)
        if caster is not None:
            frames.append(caster.draw_as([caster.look], posed, shot.camera, shot.light, size)[0].rgb)
            continue
        picture = renderer.draw(posed, shot, size)
        assert picture is not None
        frames.append(picture)
    return np.stack(frames)


def _seen_closer(scene: Scene, by: float) -> Scene:
    shots = tuple(replace(shot, camera=replace(shot.camera, frame_m=by * shot.camera.frame_m)) for shot in scene.shots)
    return replace(scene, shots=shots)


def default_folder() -> Path:
    """Where footage is kept; it can be made again."""
    root = Path(os.environ.get("COUNTENANCE_CACHE", "~/.cache/countenance")).expanduser()
    return root / "detector/footage"


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=420)
    parser.add_argument("--output", type=Path, default=default_folder())
    parser.add_argument("--part", default="0/1", help="`1/2`: the second of two parts, for two processes")
    parser.add_argument("--renderer", choices=("caster", "cycles"), default="caster")
    parser.add_argument("--only-tests", action="store_true", help="leave out whom the detector learns from")
    asked = parser.parse_args()
    part, of = (int(each) for each in asked.part.split("/"))
    asked.output.mkdir(parents=True, exist_ok=True)
    people = [Person(number=number) for number in range(part, asked.people, of)]
    with opened_renderer(asked.renderer) as renderer:
        for person in people:
            path = footage_path(asked.output, person.number)
            if path.exists() or (asked.only_tests and not person.is_for_tests):
                continue
            footage = render_footage(person, renderer)
            file = io.BytesIO()
            np.savez_compressed(file, clip=footage.clip, stills=footage.stills)
            write_whole(path, file.getvalue())
            print(person.number, flush=True)


if __name__ == "__main__":
    _main()
