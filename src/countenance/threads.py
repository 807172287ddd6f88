"""Work on several threads whose results don't depend on how many there are.

Threads, not processes: decoder, nets and OpenCV let go of Python's lock while they work.
"""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

MOST_THREADS = 8
"""Where each thread costs memory, or more of them bring little."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def num_threads(asked: int, at_most: int | None = None) -> int:
    """0 for one on each core that this process may use, up to some number."""
    if asked:
        return asked
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return cores if at_most is None else min(cores, at_most)


@contextmanager
def one_thread_per_net() -> Iterator[None]:
    """PyTorch sums in another order on another number of threads; results would have other last digits."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def mapped(function: Callable[[Item], Result], items: Iterable[Item], threads: int) -> Generator[Result, None, None]:
    """The results in the order of the items; up to `threads + 1` items are taken ahead, by the caller's thread.

    An error of `function` comes where its result would; one of `items` as soon as it is met. To be closed where it may
    be left early (`contextlib.closing`).
    """
    if threads == 1:
        yield from map(function, items)
        return
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) > threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for each in waiting:
                each.cancel()
