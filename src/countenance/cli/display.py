"""Progress as bars with counts, units and time left."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from countenance.cli.shell import console

Item = TypeVar("Item")


class Bars:
    """`countenance.progress.Progress` on a terminal; into a file or pipe it prints a line at the end of each task."""

    def track(
        self, items: Iterable[Item], *, what: str, unit: str, total: int, done: int = 0, each: int = 1
    ) -> Iterator[Item]:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn(unit),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=console, transient=console.is_terminal) as bars:
            task = bars.add_task(what, total=total, completed=done)
            for item in items:
                yield item
                bars.advance(task, each)

    def note(self, text: str) -> None:
        console.print(text, markup=False)
