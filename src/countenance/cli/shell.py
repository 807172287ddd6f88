"""What all commands share: where they print, and the project they work in."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

if TYPE_CHECKING:
    from countenance.project import Project

console = Console(stderr=True, highlight=False, soft_wrap=True)
"""For people: progress, notes, errors. Results that a program may read go to standard output."""


@contextmanager
def here(*, writing: bool) -> Iterator["Project"]:
    """The project that holds the current folder; with `writing`, under its lock."""
    from countenance.project import opened

    with opened(Path.cwd()) as project:
        if writing:
            with project.writing():
                yield project
        else:
            yield project


def print_json(value: Any) -> None:
    """One JSON value on standard output."""
    print(json.dumps(value, indent=2, default=str))


def count(number: int, thing: str) -> str:
    """A number and what it counts, such as `1 clip` or `2,400 frames`."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


@contextmanager
def stops_on_interrupt() -> Iterator[Callable[[], bool]]:
    """Turn the first Ctrl-C into a wish to stop at the next good moment; a second one stops at once."""
    import signal
    from types import FrameType

    wished = False

    def wish(_signal: int, _frame: FrameType | None) -> None:
        nonlocal wished
        if wished:
            raise KeyboardInterrupt
        wished = True
        console.print("stopping after this step; Ctrl-C again to stop at once")

    before = signal.signal(signal.SIGINT, wish)
    try:
        yield lambda: wished
    finally:
        signal.signal(signal.SIGINT, before)
