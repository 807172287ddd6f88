import numpy as np
import pytest

from countenance.watermark.code import CODE_BITS, ID_BITS, decode, encode

RANDOM = np.random.default_rng(0)


def soft_of(mark_id: int) -> np.ndarray:
    return (1 - 2 * encode(mark_id).astype(np.float32)).astype(np.float32)


@pytest.mark.parametrize("mark_id", [0, 1, (1 << ID_BITS) - 1, 0x123456789ABC])
def test_each_number_comes_back(mark_id: int) -> None:
    assert decode(soft_of(mark_id)) == mark_id


def test_soft_decisions_carry_a_number_through_noise_that_turns_a_quarter_of_the_bits() -> None:
    mark_ids = [int(mark_id) for mark_id in RANDOM.integers(1 << ID_BITS, size=4)]
    right = [soft_of(mark_id) for mark_id in mark_ids]
    noisy = [(0.55 * soft + RANDOM.normal(0, 1, CODE_BITS)).astype(np.float32) for soft in right]
    assert np.mean([(one < 0) != (other < 0) for one, other in zip(noisy, right, strict=True)]) > 0.25
    assert sum(decode(soft) == mark_id for soft, mark_id in zip(noisy, mark_ids, strict=True)) >= 3


def test_the_check_refuses_most_of_what_is_no_mark() -> None:
    noise = RANDOM.normal(0, 1, (3, CODE_BITS)).astype(np.float32)
    assert [decode(soft) for soft in noise] == [None] * 3


def test_a_number_must_fit() -> None:
    with pytest.raises(AssertionError, match="48 bits"):
        encode(1 << ID_BITS)
