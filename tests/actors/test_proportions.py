"""Heads have the proportions of people: a mean and a spread, by sex, within what surveys found."""

import numpy as np
import pytest

from countenance.actors.actor import DETAILS, draw_actor
from countenance.actors.figure import neutral_points
from countenance.actors.head import load_head
from countenance.actors.proportions import (
    LEFT_RIGHT,
    MEASURES,
    NORMS,
    Measure,
    detail_targets,
    fitted_details,
    measure,
)

NUM_ACTORS = 200
RATIOS: dict[tuple[Measure, Measure], tuple[tuple[float, float], tuple[float, float], tuple[float, float]]] = {
    # Least and largest mean among surveys of women, of men; least and largest standard deviation.
    ("jaw_width", "face_width"): ((0.735, 0.785), (0.755, 0.80), (0.04, 0.07)),
    ("face_height", "face_width"): ((0.83, 0.91), (0.84, 0.93), (0.04, 0.065)),
    ("pupil_distance", "face_width"): ((0.45, 0.475), (0.44, 0.465), (0.018, 0.032)),
    ("mouth_width", "face_width"): ((0.35, 0.375), (0.35, 0.375), (0.02, 0.035)),
}
"""Around those of ANSUR II (height, pupils), Weinberg et al. 2016 (jaw, height, mouth), doi:10.1186/s40902-019-0191-7
(jaw)."""


@pytest.fixture(scope="module")
def measured() -> tuple[dict[Measure, np.ndarray], np.ndarray]:
    actors = [draw_actor(seed) for seed in range(NUM_ACTORS)]
    found = [measure(neutral_points(actor)) for actor in actors]
    return {name: np.array([each[name] for each in found]) for name in MEASURES}, np.array(
        [a.sex > 0.5 for a in actors]
    )


@pytest.mark.parametrize("ratio", RATIOS)
def test_proportions_are_those_of_people(
    measured: tuple[dict[Measure, np.ndarray], np.ndarray], ratio: tuple[Measure, Measure]
) -> None:
    distances, male = measured
    values = distances[ratio[0]] / distances[ratio[1]]
    women, men, spread = RATIOS[ratio]
    assert women[0] <= values[~male].mean() <= women[1]
    assert men[0] <= values[male].mean() <= men[1]
    for of_sex in (values[male], values[~male]):
        assert spread[0] <= of_sex.std() <= spread[1]


def test_distances_have_the_published_mean_and_spread(
    measured: tuple[dict[Measure, np.ndarray], np.ndarray],
) -> None:
    distances, male = measured
    for name, norms in NORMS.items():
        for norm, of_sex in zip(norms, (distances[name][~male], distances[name][male]), strict=True):
            assert abs(of_sex.mean() - norm.mean) < 0.4 * norm.sd, name
            assert 0.75 * norm.sd < of_sex.std() < 1.25 * norm.sd, name


def test_nobody_is_a_caricature(measured: tuple[dict[Measure, np.ndarray], np.ndarray]) -> None:
    distances, male = measured
    jaw = distances["jaw_width"] / distances["face_width"]
    assert jaw.max() < 0.95
    assert jaw.min() > 0.6
    # Men's jaws are the broader ones, as in every survey.
    assert jaw[male].mean() - jaw[~male].mean() > 0.01


def test_details_are_fitted_to_distances() -> None:
    wanted = np.array([norms[0].mean + norms[0].sd for norms in NORMS.values()])
    fitted = fitted_details(dict.fromkeys(DETAILS, 0.0), DETAILS, {"base1-female-young": 1.0}, wanted)
    head = load_head()
    points = head.points.astype(np.float64).copy()
    weights = {"base1-female-young": 1.0}
    for name, weight in fitted.items():
        weights[detail_targets(name)[int(weight > 0)]] = abs(weight)
    for name, weight in weights.items():
        if name in head.targets:
            rows, offsets = head.targets[name]
            points[rows] += weight * offsets
    assert np.abs(np.array(list(measure(points).values())) - wanted).max() < 1.5


def test_every_detail_has_a_target() -> None:
    targets = load_head().targets
    for detail in DETAILS:
        assert any(name in targets for name in detail_targets(detail)), detail


def test_ends_of_distances_are_each_others_mirror_image() -> None:
    points = load_head().points
    for left, right in LEFT_RIGHT.values():
        assert np.allclose(points[left], points[right] * [-1, 1, 1], atol=1e-4)
