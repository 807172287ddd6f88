"""How detector and recogniser take the actors, and their proportions beside people's; the figures of `docs/actors.md`.

    .venv/bin/python tools/measure_actors.py

For forty actors and several frames of a performance each, in light and camera of its own: how many faces are found, by
yaw; distances of the recogniser within an actor and between actors at up to 30° of yaw, by skin tone, age and sex; the
pairs that differ least. For four hundred actors the proportions of their heads.
"""

import itertools
import sys
from collections import defaultdict
from collections.abc import Callable

import numpy as np

from countenance.actors.actor import Actor, draw_actor
from countenance.actors.caster import Caster
from countenance.actors.figure import build_figure, neutral_points, pose_figure
from countenance.actors.performance import draw_performance
from countenance.actors.proportions import MEASURES, NORMS, Measure, measure
from countenance.actors.staging import draw_scene
from countenance.vision.identity import Recogniser, cut_chip, embed
from countenance.vision.landmarks import FaceFinder

SIZE, FRAMES = 256, 10
"""Halving them changed the mean between actors by 0.001 and that within an actor by at most 0.008."""
ACTORS, HEADS = range(40), range(400)
YAW_BANDS = ((0, 20), (20, 40), (40, 60))
CLOSEST = 6
RATIOS: dict[tuple[Measure, Measure], str] = {
    ("jaw_width", "face_width"): "0.748, 0.759 (Weinberg 2016); 0.744, 0.797 (doi:10.1186/s40902-019-0191-7)",
    ("face_height", "face_width"): "0.847 ± 0.051, 0.861 ± 0.054 (ANSUR II)",
    ("pupil_distance", "face_width"): "0.462 ± 0.025, 0.449 ± 0.023 (ANSUR II)",
    ("mouth_width", "face_width"): "0.371, 0.369 (Weinberg 2016)",
    ("nose_width", "nose_height"): "0.597, 0.634 (Weinberg 2016: European descent, height from the higher nasion)",
}
"""Published means, women and men."""
GROUPS: dict[str, Callable[[Actor], bool]] = {
    "light skin": lambda actor: actor.skin.tone < 1 / 3,
    "middle skin": lambda actor: 1 / 3 <= actor.skin.tone < 2 / 3,
    "dark skin": lambda actor: actor.skin.tone >= 2 / 3,
    "younger half": lambda actor: actor.age < 0.5,
    "older half": lambda actor: actor.age >= 0.5,
    "women": lambda actor: actor.sex < 0.5,
    "men": lambda actor: actor.sex >= 0.5,
}


def print_proportions() -> None:
    """Means and standard deviations by sex, beside those of people."""
    actors = [draw_actor(seed) for seed in HEADS]
    measured = [measure(neutral_points(actor)) for actor in actors]
    male = np.array([actor.sex >= 0.5 for actor in actors])
    distances = {name: np.array([each[name] for each in measured]) for name in MEASURES}

    def by_sex(values: np.ndarray, digits: int) -> str:
        return ", ".join(f"{values[of].mean():.{digits}f} ± {values[of].std():.{digits}f}" for of in (~male, male))

    print("| women, men | actors | people |")
    for name in MEASURES:
        people = ", ".join(f"{norm.mean} ± {norm.sd}" for norm in NORMS[name])
        print(f"| {name}, mm | {by_sex(distances[name], 1)} | {people} |")
    for (part, whole), people in RATIOS.items():
        print(f"| {part} / {whole} | {by_sex(distances[part] / distances[whole], 3)} | {people} |")


def print_distances() -> None:
    """Faces found, and the recogniser's distances."""
    find_faces, recogniser = FaceFinder(), Recogniser()
    seen: dict[tuple[int, int], list[bool]] = defaultdict(list)
    embeddings: dict[int, np.ndarray] = {}
    people = {seed: draw_actor(seed) for seed in ACTORS}
    for seed, actor in people.items():
        figure = build_figure(actor, "fine")
        caster = Caster(figure)
        performance, scene = draw_performance(300 + seed, 240), draw_scene(300 + seed, 240, 4)
        chips = []
        for frame in np.linspace(0, 239, FRAMES).round().astype(int).tolist():
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
    for (low, high), found in sorted(seen.items()):
        print(f"| found, yaw {low}–{high}° | {np.mean(found):.1%} of {len(found)} |")
    within = {
        seed: np.mean([np.linalg.norm(one - other) for one, other in itertools.combinations(own, 2)])
        for seed, own in embeddings.items()
    }
    between = {
        pair: np.linalg.norm(embeddings[pair[0]][:, None] - embeddings[pair[1]][None], axis=2).mean()
        for pair in itertools.combinations(embeddings, 2)
    }
    overall = [f"{np.mean(list(distances.values())):.3f}" for distances in (within, between)]
    print(f"| within an actor, between actors | {', '.join(overall)} |")
    for name, belongs in GROUPS.items():
        group = {seed for seed in embeddings if belongs(people[seed])}
        own = np.mean([within[seed] for seed in group])
        other = np.mean([distance for pair, distance in between.items() if group.issuperset(pair)])
        print(f"| {name}: within, between | {own:.3f}, {other:.3f} |")
    least = sorted(between, key=lambda pair: between[pair])[:CLOSEST]
    print("| least different |", ", ".join(f"{one} and {other} {between[one, other]:.3f}" for one, other in least), "|")


if __name__ == "__main__":
    print_proportions()
    print_distances()
