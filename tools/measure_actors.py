"""How the detector and the recogniser take the actors; the figures of `docs/actors.md`.

    .venv/bin/python tools/measure_actors.py

For forty actors and several frames of a performance each, in light and camera of its own: how many faces are found, by
yaw; distances of the recogniser within an actor and between actors at up to 30° of yaw, by skin tone and sex.
"""

import itertools
import sys
from collections import defaultdict

import numpy as np

from countenance.actors.actor import draw_actor
from countenance.actors.caster import Caster
from countenance.actors.figure import build_figure, pose_figure
from countenance.actors.performance import draw_performance
from countenance.actors.staging import draw_scene
from countenance.vision.identity import Recogniser, cut_chip, embed
from countenance.vision.landmarks import FaceFinder

SIZE, FRAMES = 256, 8
ACTORS = range(40)
YAW_BANDS = ((0, 20), (20, 40), (40, 60))


def main() -> None:
    find_faces, recogniser = FaceFinder(), Recogniser()
    seen: dict[tuple[int, int], list[bool]] = defaultdict(list)
    embeddings: dict[int, np.ndarray] = {}
    people = {seed: draw_actor(seed) for seed in ACTORS}
    for seed, actor in people.items():
        figure = build_figure(actor)
        caster = Caster(figure)
        performance, scene = draw_performance(300 + seed, 240), draw_scene(300 + seed, 240, 4)
        chips = []
        for frame in np.linspace(0, 239, 2 * FRAMES).round().astype(int).tolist():
            shot, yaw = scene.shot_at(frame), abs(performance.yaw_pitch_roll_deg[frame, 0])
            rgb = caster.draw(pose_figure(figure, performance, frame), shot.camera, shot.light, SIZE).rgb
            faces = find_faces(rgb)
            band = next(band for band in YAW_BANDS if band[0] <= yaw <= band[1])
            seen[band].append(len(faces) == 1)
            if faces and yaw <= 30:
                chips.append(cut_chip(rgb, faces[0].landmarks_xyz[:, :2]))
        if len(chips) > 1:
            embeddings[seed] = embed(recogniser, chips)
        print(".", end="", flush=True, file=sys.stderr)
    for (low, high), found in seen.items():
        print(f"| found, yaw {low}–{high}° | {np.mean(found):.1%} of {len(found)} |")
    within = {
        seed: np.mean([np.linalg.norm(one - other) for one, other in itertools.combinations(own, 2)])
        for seed, own in embeddings.items()
    }
    between = {
        pair: np.linalg.norm(embeddings[pair[0]][:, None] - embeddings[pair[1]][None], axis=2).mean()
        for pair in itertools.combinations(embeddings, 2)
    }
    tones = {s: min(int(people[s].skin.tone * 3), 2) for s in embeddings}
    sexes = {s: people[s].sex > 0.5 for s in embeddings}
    print(f"| within an actor | {np.mean(list(within.values())):.3f} |")
    print(f"| between actors | {np.mean(list(between.values())):.3f} |")
    for name, group in (("light", 0), ("middle", 1), ("dark", 2)):
        own = np.mean([d for s, d in within.items() if tones[s] == group])
        other = np.mean([d for (a, b), d in between.items() if tones[a] == tones[b] == group])
        print(f"| {name} skin: within, between | {own:.3f}, {other:.3f} |")
    for name, group in (("women", False), ("men", True)):
        own = np.mean([d for s, d in within.items() if sexes[s] == group])
        other = np.mean([d for (a, b), d in between.items() if sexes[a] == sexes[b] == group])
        print(f"| {name}: within, between | {own:.3f}, {other:.3f} |")


if __name__ == "__main__":
    main()
