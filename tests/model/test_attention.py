import torch

from countenance.model.attention import FEWEST_LOOKS, Attention


def looked_at(errors: list[float], looks: int = FEWEST_LOOKS) -> Attention:
    attention = Attention()
    attention.choose(1, len(errors), torch.Generator().manual_seed(1))
    for _ in range(looks):
        attention.follow(torch.arange(len(errors)), torch.tensor(errors))
    return attention


def test_before_the_first_look_all_faces_are_alike() -> None:
    rows = Attention().choose(4000, 4, torch.Generator().manual_seed(1))
    assert torch.bincount(rows, minlength=4).min() > 900


def test_what_is_drawn_badly_is_looked_at_oftener_within_bounds() -> None:
    weights = looked_at([0.1, 0.2, 0.2, 0.25]).weights()
    assert weights[3] > weights[1] > weights[0]
    assert (weights.max() / weights.min()) <= 4


def test_the_last_looks_count_most() -> None:
    attention = looked_at([0.4, 0.2])
    for _ in range(5):
        attention.follow(torch.tensor([0]), torch.tensor([0.1]))
    assert attention.error[0] < 0.12


def test_a_face_that_stays_worst_is_left_out_and_not_before_it_was_looked_at_often() -> None:
    errors = [0.1] * 19 + [0.5]
    assert not looked_at(errors, FEWEST_LOOKS - 1).left_out().any()
    attention = looked_at(errors)
    assert attention.left_out().tolist() == [False] * 19 + [True]
    assert 19 not in attention.choose(2000, 20, torch.Generator().manual_seed(1))


def test_no_more_than_a_tenth_is_left_out() -> None:
    left_out = looked_at([0.1] * 12 + [0.5, 0.6, 0.7, 0.8] + [0.1] * 4).left_out()
    assert left_out.nonzero().flatten().tolist() == [14, 15]


def test_other_faces_begin_anew() -> None:
    attention = looked_at([0.1] * 19 + [0.5])
    assert attention.choose(1, 21, torch.Generator().manual_seed(1)).shape == (1,)
    assert attention.looks.tolist() == [0] * 21
