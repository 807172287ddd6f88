import threading
import time
from collections.abc import Iterator

import pytest
import torch

from countenance.threads import mapped, num_threads, one_thread_per_net


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_results_come_in_the_order_of_the_items(threads: int) -> None:
    def slow(number: int) -> int:
        time.sleep(0.002 * (number % 3))
        return number * number

    assert list(mapped(slow, range(17), threads)) == [number * number for number in range(17)]


def test_items_are_worked_on_side_by_side() -> None:
    together = threading.Barrier(3, timeout=20)
    assert len(list(mapped(lambda _: together.wait(), range(3), 3))) == 3


@pytest.mark.parametrize("threads", [1, 3])
def test_items_are_not_taken_far_ahead(threads: int) -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    results = mapped(lambda number: number, items(), threads)
    assert next(results) == 0
    assert len(taken) <= threads + 1
    results.close()
    assert len(taken) <= threads + 1


@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_comes_where_its_result_would(threads: int) -> None:
    def refuse_four(number: int) -> int:
        if number == 4:
            raise ValueError("four")
        return number

    results = mapped(refuse_four, range(9), threads)
    assert [next(results) for _ in range(4)] == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="four"):
        next(results)


def test_nets_get_their_threads_back() -> None:
    before = torch.get_num_threads()
    with one_thread_per_net():
        assert torch.get_num_threads() == 1
        assert list(mapped(lambda _: torch.get_num_threads(), range(4), 2)) == [1, 1, 1, 1]
    assert torch.get_num_threads() == before


def test_none_asked_for_is_one_on_each_core() -> None:
    assert num_threads(3) == 3
    assert num_threads(0) >= 1
