import math

import pytest
import torch

from countenance.model.course import LOST, SMOOTHED_OVER, Course, Standing, ran_out_of_memory


def test_a_loss_that_falls_or_wavers_is_no_divergence() -> None:
    course = Course()
    for step in range(200):
        course.follow(2 * math.exp(-step / 60) + 0.4 + 0.3 * (step % 2))
        assert not course.is_lost
    assert course.is_steady


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_a_loss_that_is_no_number_is_a_divergence_at_once(wrong: float) -> None:
    course = Course()
    course.follow(1.0)
    course.follow(wrong)
    assert course.is_lost
    assert not course.is_steady


def test_a_loss_that_rises_for_good_is_found_and_not_saved_on_the_way() -> None:
    course, unsteady = Course(), 0
    for _ in range(SMOOTHED_OVER):
        course.follow(1.0)
    while not course.is_lost and unsteady < 3 * SMOOTHED_OVER:
        course.follow(1.5 * LOST)
        unsteady += not course.is_steady
    assert course.is_lost
    assert unsteady > 3


def test_an_easy_first_batch_sets_no_mark() -> None:
    course = Course()
    course.follow(0.4)
    for _ in range(200):
        course.follow(1.05)
        assert not course.is_lost


def test_what_lies_a_little_below_the_widest_margin_is_as_good() -> None:
    standing = Standing()
    assert [standing.follow(margin, at) for at, margin in enumerate([10.0, 12.0, 11.0, 10.0, 9.0, 11.5])] == [
        True,
        True,
        True,
        False,
        False,
        True,
    ]
    assert (standing.widest, standing.worse, standing.best_images, standing.measured_images) == (12.0, 0, 5, 5)


def test_a_margin_below_nothing_is_compared_as_well() -> None:
    standing = Standing()
    assert [standing.follow(margin, at) for at, margin in enumerate([-5.0, -20.0, -50.0])] == [True, False, False]
    assert (standing.best_images, standing.worse) == (0, 2)


def test_torchs_own_words_for_too_little_memory_are_known() -> None:
    with pytest.raises(RuntimeError) as raised:
        torch.empty(1 << 60, dtype=torch.uint8)
    assert ran_out_of_memory(raised.value)
    assert ran_out_of_memory(MemoryError())
    assert not ran_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
