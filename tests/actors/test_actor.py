"""Who is drawn from seeds: always the same, and a fair sample."""

import numpy as np

from countenance.actors.actor import draw_actor
from countenance.actors.performance import draw_performance, still
from countenance.actors.staging import draw_scene


def test_a_seed_is_a_person() -> None:
    assert draw_actor(5) == draw_actor(5)
    assert draw_actor(5) != draw_actor(6)


def test_any_run_of_seeds_is_a_fair_sample() -> None:
    for first in (0, 137, 10_000):
        actors = [draw_actor(first + number) for number in range(40)]
        for values in ([a.skin.tone for a in actors], [a.age for a in actors]):
            counts, _ = np.histogram(values, bins=4, range=(0, 1))
            assert counts.min() >= 8
            assert counts.max() <= 12
        assert 17 <= sum(a.sex > 0.5 for a in actors) <= 23
        assert len({a.hair.kind for a in actors}) >= 6
        assert any(a.glasses for a in actors)
        assert any(a.beard for a in actors)


def test_a_longer_performance_begins_alike() -> None:
    for seed in range(40):
        short, long = draw_performance(seed, 57), draw_performance(seed, 240)
        assert np.array_equal(short.yaw_pitch_roll_deg, long.yaw_pitch_roll_deg[:57])
        assert np.array_equal(short.gaze_deg, long.gaze_deg[:57])
        for name in short.units.keys() | long.units.keys():
            assert np.allclose(short.units.get(name, 0.0), long.units.get(name, np.zeros(57))[:57])


def test_performances_stay_in_their_range_and_use_it() -> None:
    angles = np.concatenate([draw_performance(seed, 240).yaw_pitch_roll_deg for seed in range(20)])
    assert (np.abs(angles) <= [60, 25, 20]).all()
    assert np.abs(angles[:, 0]).max() > 50
    for seed in range(5):
        performance = draw_performance(seed, 120)
        assert all(curve.min() >= 0 and curve.max() <= 1 for curve in performance.units.values())
        # Smooth: no jump of more than a quick turn of the head.
        assert np.abs(np.diff(performance.yaw_pitch_roll_deg[:, 0])).max() < 12
        assert performance.units["eyeBlinkLeft"].max() > 0.9


def test_scenes_have_shots_of_their_own() -> None:
    scene = draw_scene(3, 50, 4)
    assert [shot.num_frames for shot in scene.shots] == [12, 12, 12, 14]
    assert scene == draw_scene(3, 50, 4)
    assert scene.shot_at(0) == scene.shots[0]
    assert scene.shot_at(49) == scene.shots[3]
    assert len({shot.light.environment for shot in scene.shots}) >= 3


def test_a_still_looks_into_the_camera() -> None:
    assert still().num_frames == 1
    assert still(30.0).gaze_deg[0, 0] < -15
