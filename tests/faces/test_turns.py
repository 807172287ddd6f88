import numpy as np
import pytest

from countenance.faces.turns import Turn, turns_made

AT = {"left": (25.0, 0.0), "right": (-25.0, 0.0), "up": (0.0, -16.0), "down": (0.0, 16.0), "ahead": (0.0, 0.0)}


def made(*looks: str, held: int = 5, shift: tuple[float, float] = (0.0, 0.0)) -> list[Turn]:
    """What is seen of somebody who looks there, one after the other, 10 frames a second."""
    angles = np.array([AT[look] for look in ("ahead", "ahead", *looks) for _ in range(held)]) + shift
    return [turn.turn for turn in turns_made([0.1 * number for number in range(len(angles))], angles)]


def test_turns_are_seen_in_order() -> None:
    assert made("left", "ahead", "up", "ahead", "down", "ahead", "right", "ahead") == ["left", "up", "down", "right"]


def test_a_turn_that_never_comes_back_counts_and_one_without_a_look_ahead_too() -> None:
    assert made("left", "up", "right") == ["left", "up", "right"]


def test_angles_count_from_how_the_head_is_held_at_first() -> None:
    assert made("up", "ahead", "left", shift=(6.0, 11.0)) == ["up", "left"]


@pytest.mark.parametrize("angles", [(12.0, 0.0), (0.0, 8.0), (17.0, 10.0)])
def test_what_is_small_or_aslant_is_no_turn(angles: tuple[float, float]) -> None:
    path = np.array([(0.0, 0.0)] * 10 + [angles] * 10 + [(0.0, 0.0)] * 5)
    assert turns_made([0.1 * number for number in range(len(path))], path) == ()


def test_a_single_frame_is_no_turn() -> None:
    assert made("left", "ahead", held=1) == []


def test_nothing_is_seen_of_nobody() -> None:
    assert turns_made([], np.zeros((0, 2))) == ()
