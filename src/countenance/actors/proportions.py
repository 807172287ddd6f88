"""Distances of a face as surveys measured them in people, and the details that give a head such distances.

Details that are drawn independently average out, and targets that only push outwards make faces and jaws broad. So the
main distances are drawn as people have them, and the details are changed, each in proportion to how freely it varies,
until the head has these distances.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float

from countenance.actors.head import Points, load_head

Measure = Literal[
    "head_width", "face_width", "jaw_width", "face_height", "nose_height", "nose_width", "mouth_width", "pupil_distance"
]
MEASURES: tuple[Measure, ...] = get_args(Measure)
Measures = Float[np.ndarray, " M"]
"""In the order of `MEASURES`."""
MOST = 1.0
"""Of a detail's weight; beyond it a target leaves what its makers drew."""
SIZE_SHARE = 0.25
"""Of the variance of each distance: how large a head is as a whole; in ANSUR II they correlate by 0.16–0.48."""
WITHIN_ORIGIN, ORIGIN = 0.97, 0.5
"""Of a distance's spread among all, that among people of one origin; and how far base heads differ, of what they do."""
WIDEST = 2.2
"""Standard deviations from the mean that nobody goes beyond."""
SLACK_MM2 = 1.0
"""Of each distance: what it may differ rather than strain the details."""
ROUNDS = 4
"""A detail's two targets, inwards and outwards, aren't each other's mirror images, so the solution is approached."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Norm:
    """A distance among adults of one sex, in millimetres."""

    mean: float
    sd: float


NORMS: Mapping[Measure, tuple[Norm, Norm]] = {
    "head_width": (Norm(mean=144.8, sd=5.2), Norm(mean=151.3, sd=5.5)),
    "face_width": (Norm(mean=133.8, sd=5.6), Norm(mean=142.6, sd=6.2)),
    "jaw_width": (Norm(mean=101.5, sd=6.8), Norm(mean=111.5, sd=7.6)),
    "face_height": (Norm(mean=113.1, sd=6.1), Norm(mean=122.6, sd=6.7)),
    "nose_height": (Norm(mean=49.5, sd=3.6), Norm(mean=53.2, sd=4.0)),
    "nose_width": (Norm(mean=33.2, sd=3.6), Norm(mean=36.6, sd=3.8)),
    "mouth_width": (Norm(mean=48.7, sd=3.6), Norm(mean=51.1, sd=3.9)),
    "pupil_distance": (Norm(mean=61.7, sd=3.6), Norm(mean=64.0, sd=3.4)),
}
"""Women, men. Head, face (bizygomatic breadth), its height (menton to sellion) and pupils: ANSUR II (Gordon and
others 2014), 1,986 women and 4,082 men, computed from its public table; 3 mm of the head's breadth are taken off for
hair. Nose and mouth: Weinberg and others 2016 (3D Facial Norms) at 28 years; the nose's height 4 to 6 mm less, as
sellion lies below nasion, and its width with a larger spread, as their people are of European descent. Jaw: a little
more than Weinberg's 0.748 and 0.759 of the face's width, where calipers press on the bone, and about as in
doi:10.1186/s40902-019-0191-7, 0.744 and 0.797."""

LEFT_RIGHT: Mapping[Measure, tuple[int, int]] = {
    "head_width": (3247, 1008),
    "face_width": (4476, 2268),
    "jaw_width": (3158, 911),
    "nose_width": (3814, 1586),
    "mouth_width": (2729, 424),
}
"""The template's vertices at the ends of a distance across the face."""
UPPER_LOWER: Mapping[Measure, tuple[int, int]] = {"face_height": (136, 1826), "nose_height": (136, 317)}
"""Of a distance along it."""


def measure(points: Points) -> dict[Measure, float]:
    """The distances of a head in its neutral pose, in millimetres."""
    return dict(zip(MEASURES, _measured(points).tolist(), strict=True))


def draw_measures(rng: np.random.Generator, *, male: bool, base_weights: tuple[float, float, float]) -> Measures:
    """The distances of one person, in millimetres, around those of the actor's mixture of base heads."""
    norms = [NORMS[name][int(male)] for name in MEASURES]
    drawn = SIZE_SHARE**0.5 * rng.normal() + (1 - SIZE_SHARE) ** 0.5 * rng.normal(size=len(norms))
    spread = WITHIN_ORIGIN * np.array([norm.sd for norm in norms])
    sex = "male" if male else "female"
    bases = np.array([_effects()[f"base{number}-{sex}-young"] for number in range(3)])
    origin = np.asarray(base_weights) @ bases - bases.mean(axis=0)
    return np.asarray([norm.mean for norm in norms] + ORIGIN * origin + spread * drawn.clip(-WIDEST, WIDEST))


def fitted_details(
    details: Mapping[str, float], freedom: Mapping[str, float], fixed: Mapping[str, float], wanted_mm: Measures
) -> dict[str, float]:
    """Details changed as little as their freedom allows until the head with all its targets has these distances.

    A detail's name has the form `stem-low|high`; its weight is negative towards `low`. `fixed` are weights of targets.
    """
    effects = _effects()
    start = _measured(load_head().points)
    start = start + sum(
        (weight * effects[name] for name, weight in fixed.items() if name in effects), np.zeros(len(start))
    )
    names = list(details)
    weights = np.array([details[name] for name in names])
    free = np.array([freedom[name] for name in names])
    sides = np.array([[effects.get(target, np.zeros(len(start))) for target in detail_targets(name)] for name in names])
    for _ in range(ROUNDS):
        has = start + (np.maximum(-weights, 0) @ sides[:, 0] + np.maximum(weights, 0) @ sides[:, 1])
        slope = np.where((weights > 0)[:, None], sides[:, 1], -sides[:, 0])
        covered = slope * free[:, None] ** 2
        weights = weights + covered @ np.linalg.solve(
            slope.T @ covered + SLACK_MM2 * np.eye(len(start)), wanted_mm - has
        )
        weights = weights.clip(-MOST, MOST)
    return dict(zip(names, weights.tolist(), strict=True))


def detail_targets(detail: str) -> tuple[str, str]:
    """Names of a detail's targets towards its low and its high end."""
    stem, _, ends = detail.rpartition("-")
    low, _, high = ends.partition("|")
    return f"detail-{stem}-{low}", f"detail-{stem}-{high}"


@cache
def _effects() -> dict[str, Measures]:
    """What each target adds to the distances at weight one: distances along an axis are linear in the points."""
    head = load_head()
    still = _measured(np.zeros_like(head.points))
    found = {}
    for name, (rows, offsets) in head.targets.items():
        moved = np.zeros_like(head.points)
        moved[rows] = offsets
        found[name] = _measured(moved) - still
    return found


def _measured(points: Points) -> Measures:
    parts = load_head().parts
    pupils = points[parts["eye_left"]].mean(axis=0) - points[parts["eye_right"]].mean(axis=0)
    found = {name: points[left, 0] - points[right, 0] for name, (left, right) in LEFT_RIGHT.items()}
    found |= {name: points[upper, 1] - points[lower, 1] for name, (upper, lower) in UPPER_LOWER.items()}
    return 1000 * np.array([found.get(name, pupils[0]) for name in MEASURES])
