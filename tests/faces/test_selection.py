from dataclasses import replace

import numpy as np
import pytest

from countenance.faces.config import PLATE_CONFIG, PrepareConfig
from countenance.faces.selection import judge, most_varied
from countenance.types import FaceQuality
from tests.support.made_up import GOOD


def turned(yaw_deg: float, sharpness: float = 200.0) -> FaceQuality:
    return replace(GOOD, yaw_pitch_roll_deg=(yaw_deg, 0.0, 0.0), sharpness=sharpness)


def test_all_are_kept_where_there_are_no_more_than_wanted() -> None:
    assert most_varied([GOOD] * 3, 3) == [0, 1, 2]


def test_a_rare_pose_is_kept_and_a_crowded_one_thinned() -> None:
    yaws = [*np.linspace(-2, 2, 200), -60.0, 45.0]
    chosen = most_varied([turned(float(yaw)) for yaw in yaws], 6)
    assert len(chosen) == 6
    assert {200, 201} <= set(chosen)


def test_of_faces_that_bring_the_same_the_best_is_kept() -> None:
    qualities = [turned(yaw, sharpness) for yaw in (-40.0, 0.0, 40.0) for sharpness in (50.0, 400.0, 120.0)]
    assert most_varied(qualities, 3) == [1, 4, 7]


def test_expression_light_and_gaze_count_as_pose_does() -> None:
    changes = ({"mouth_open": 0.6}, {"eyes_open": 0.02}, {"light_xy": (0.5, 0.0)}, {"gaze_deg": (25.0, 0.0)})
    odd = [replace(GOOD, **change) for change in changes]
    assert {30, 31, 32, 33} <= set(most_varied([*[GOOD] * 30, *odd], 6))


def test_given_ones_stay_and_the_others_are_chosen_around_them() -> None:
    qualities = [turned(yaw) for yaw in (0.0, 1.0, -40.0, 40.0)]
    assert most_varied(qualities, 3, [1]) == [1, 2, 3]
    assert most_varied(qualities, 1, [0, 1]) == [0, 1]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"size_px": 20.0}, "small"),
        ({"sharpness": 1.0}, "blurred"),
        ({"motion_blur": 0.9}, "moving"),
        ({"brightness": 8.0}, "dark"),
        ({"clipped_fraction": 0.5}, "overexposed"),
        ({"yaw_pitch_roll_deg": (-80.0, 0.0, 0.0)}, "turned"),
        ({"yaw_pitch_roll_deg": (0.0, 50.0, 0.0)}, "turned"),
        ({"occluded_fraction": 0.6}, "covered"),
        ({"visible_fraction": 0.5}, "cut off"),
    ],
)
def test_each_fault_has_its_reason(change: dict[str, object], reason: str) -> None:
    config = PrepareConfig()
    assert judge(GOOD, 1.0, config) == ()
    assert judge(replace(GOOD, **change), 1.0, config) == (reason,)  # type: ignore[arg-type]
    assert judge(replace(GOOD, **change), 1.0, PLATE_CONFIG) == ()  # type: ignore[arg-type]


def test_a_mesh_that_sits_badly_is_a_reason() -> None:
    assert judge(GOOD, 0.5, PrepareConfig()) == ("misfit",)


def test_all_reasons_are_told() -> None:
    poor = replace(GOOD, size_px=20.0, sharpness=1.0, brightness=8.0)
    assert judge(poor, 1.0, PrepareConfig()) == ("small", "blurred", "dark")
