"""What all commands share: where they print and log, and the project they work in."""

import json
import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from countenance.errors import one_line

if TYPE_CHECKING:
    from countenance.project import Project

console = Console(stderr=True, highlight=False, soft_wrap=True)
"""For people: progress, notes, errors. Results that a program may read go to standard output."""


@contextmanager
def here(
    *, writing: bool, alone: bool = True, any_schema: bool = False, keeps_to_dates: bool = True
) -> Iterator["Project"]:
    """The project that holds the current folder; without `writing`, nothing is written.

    With `writing` it is under its lock, unless it needn't be `alone`, and what a killed command left there is removed.
    `any_schema` also takes a project of an earlier version to read, of which only log and releases can be read. Where
    it writes alone, people whose data may be kept no longer are forgotten first, but for the command that does nothing
    else.
    """
    from countenance.opening import opened_to_write
    from countenance.project import opened, opened_to_read

    if writing and alone:
        with opened_to_write(Path.cwd(), note=_note, keeps_to_dates=keeps_to_dates) as project:
            yield project
    elif writing:
        with opened(Path.cwd()) as project:
            yield project
    else:
        with opened_to_read(Path.cwd(), any_schema=any_schema) as project:
            yield project


def _note(text: str) -> None:
    console.print(text, markup=False)


def print_json(value: Any) -> None:
    """One JSON value on standard output."""
    print(json.dumps(value, indent=2, default=str))


class _Notes(logging.Handler):
    """Shows log records on the console: warnings as notes, each once; with `verbose` all, with their time."""

    def __init__(self, *, verbose: bool) -> None:
        super().__init__(logging.INFO if verbose else logging.WARNING)
        self._verbose = verbose
        self._shown: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            message = one_line(record.getMessage())
            if self._verbose:
                clock = time.strftime("%H:%M:%S", time.localtime(record.created))
                console.print(f"{clock} {record.name.removeprefix('countenance.')}: {message}", markup=False)
            elif message not in self._shown:
                self._shown.add(message)
                console.print(f"note: {message}", markup=False)
        except Exception:
            self.handleError(record)


def show_log(*, verbose: bool) -> None:
    """Show on the console what the packages below the command line log; the last call counts."""
    logger = logging.getLogger("countenance")
    for handler in logger.handlers[:]:
        if isinstance(handler, _Notes):
            logger.removeHandler(handler)
    logger.addHandler(_Notes(verbose=verbose))
    logger.setLevel(logging.INFO if verbose else logging.WARNING)


def is_verbose() -> bool:
    """Whether `--verbose` was given."""
    return logging.getLogger("countenance").isEnabledFor(logging.INFO)


def at_terminal() -> bool:
    """Whether a person can be asked something."""
    return sys.stdin.isatty() and sys.stderr.isatty()


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
