"""Progress as bars with counts, units and time left."""

import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.table import Column
from rich.text import Text

from countenance import progress
from countenance.cli.shell import console, count

Item = TypeVar("Item")

WRITE_EVERY_S = 0.25
"""So often, at most, a count that goes on is written into the file for programs."""


class Bars:
    """`countenance.progress.Progress`: a bar that vanishes on a terminal, a line per finished task anywhere else.

    Where the environment variable COUNTENANCE_PROGRESS names a file, the same goes into it, for programs.

    >>> with Bars() as progress: prepare(project, person, permit, config, progress=progress)
    """

    def __init__(self) -> None:
        self._bars = Progress(
            TextColumn("{task.description}", markup=False, table_column=Column(ratio=3, no_wrap=True)),
            BarColumn(bar_width=None, table_column=Column(ratio=1)),
            _Count(table_column=Column(no_wrap=True, justify="right")),
            _TimeLeft(table_column=Column(no_wrap=True, justify="right", width=len("0:00:00 left"))),
            console=console,
            transient=True,
            expand=True,
            disable=not console.is_terminal,
        )
        path = os.environ.get(progress.PROGRESS_VARIABLE)
        self._path = Path(path) if path else None
        self._notes: list[str] = []
        self._written_at_s = 0.0

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bars.stop()

    def track(
        self, items: Iterable[Item], *, what: str, unit: str, total: int, done: int = 0, each: int = 1
    ) -> Iterator[Item]:
        begun = time.monotonic()
        task = self._bars.add_task(what, total=total, completed=done, unit=unit)
        self._write()
        try:
            for item in items:
                yield item
                self._bars.advance(task, each)
                if time.monotonic() - self._written_at_s >= WRITE_EVERY_S:
                    self._write()
        finally:
            self._bars.remove_task(task)
            self._write()
        if not console.is_terminal:
            seconds = time.monotonic() - begun
            console.print(f"{what}: {count(total, unit.removesuffix('s'))} in {_clock(seconds)}", markup=False)

    def note(self, text: str) -> None:
        console.print(text, markup=False)
        self._notes.append(text)
        self._write()

    def _write(self) -> None:
        if self._path is None:
            return
        self._written_at_s = time.monotonic()
        tasks = tuple(
            progress.Task(
                what=task.description,
                unit=task.fields["unit"],
                done=round(task.completed),
                total=round(task.total or 0),
                seconds_left=task.time_remaining,
            )
            for task in self._bars.tasks
        )
        progress.write_shown(self._path, progress.Shown(tasks=tasks, notes=tuple(self._notes)))


class _Count(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.completed:,.0f}/{task.total:,.0f} {task.fields['unit']}", "progress.download")


class _TimeLeft(ProgressColumn):
    max_refresh = 0.5

    def render(self, task: Task) -> Text:
        seconds = task.time_remaining
        return Text("" if seconds is None else f"{_clock(seconds)} left", "progress.remaining")


def _clock(seconds: float) -> str:
    """Hours, minutes and seconds, hours only where there are any."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
