"""What the gate's net makes of rendered actors: every score above the limit is a false alarm.

    python -m tools.measure_gate [--actors 48] [--sheet highest.png]

Four framings of each actor, whose tones walk evenly from lightest to darkest: as a scene's camera has them, a close-up,
nothing but the skin of a cheek, and from further away with a shirt in the colour of their skin, which is as near to
bare shoulders as the actors come. What it can't show: how many intimate pictures the net misses, and how it scores real
people.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from countenance.actors.actor import Actor, draw_actor, skin_tone
from countenance.actors.caster import Caster
from countenance.actors.figure import build_figure, pose_figure
from countenance.actors.performance import draw_performance
from countenance.actors.scene import Camera
from countenance.actors.sheet import write_sheet
from countenance.actors.staging import draw_scene
from countenance.gates import MAX_SCORE
from countenance.vision.nudity import NudityNet

SIZE, FRAMES = 320, 48
BARE = "bare shoulders"


@dataclass(frozen=True, kw_only=True, slots=True)
class Scored:
    seed: int
    framing: str
    tone: float
    score: float
    rgb: UInt8[np.ndarray, "S S 3"]


def framings(camera: Camera) -> dict[str, Camera]:
    return {
        "as filmed": camera,
        "close-up": replace(camera, frame_m=0.2, shift_m=(0.0, 0.0)),
        "skin of a cheek": replace(camera, frame_m=0.07, shift_m=(0.035, -0.03)),
        BARE: replace(camera, frame_m=0.6, shift_m=(0.0, -0.12)),
    }


def scored(seed: int, net: NudityNet) -> Iterator[Scored]:
    actor: Actor = draw_actor(seed)
    performance, shot = draw_performance(seed, FRAMES), draw_scene(seed, FRAMES).shots[0]
    bare = replace(actor, cloth_rgb=skin_tone(actor.skin))
    for name, camera in framings(shot.camera).items():
        figure = build_figure(bare if name == BARE else actor, "fine")
        posed = pose_figure(figure, performance, FRAMES // 2)
        rgb = Caster(figure).draw(posed, camera, shot.light, SIZE).rgb
        yield Scored(seed=seed, framing=name, tone=actor.skin.tone, score=net(rgb), rgb=rgb)


def main() -> None:
    """Print the scores by framing and by tone."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--actors", type=int, default=48)
    parser.add_argument("--sheet", type=Path)
    arguments = parser.parse_args()
    net = NudityNet()
    found = [each for seed in range(arguments.actors) for each in scored(seed, net)]
    groups = {
        name: [each for each in found if each.framing == name] for name in dict.fromkeys(e.framing for e in found)
    }
    for third, words in enumerate(("lightest third", "middle third", "darkest third")):
        groups[words] = [each for each in found if min(int(each.tone * 3), 2) == third]
    print("| pictures | number | highest | 99% | above 0.2 | above the limit |\n| --- | --- | --- | --- | --- | --- |")
    for name, group in groups.items():
        scores = np.array([each.score for each in group])
        print(
            f"| {name} | {len(scores)} | {scores.max():.3f} | {np.quantile(scores, 0.99):.3f} | "
            f"{(scores > 0.2).sum()} | {(scores > MAX_SCORE).sum()} |"
        )
    if arguments.sheet:
        highest = sorted(found, key=lambda each: -each.score)[:24]
        print([(each.seed, each.framing, round(each.score, 3)) for each in highest])
        rows = [np.hstack([each.rgb for each in highest[begin : begin + 6]]) for begin in range(0, len(highest), 6)]
        write_sheet(arguments.sheet, np.vstack(rows))


if __name__ == "__main__":
    main()
