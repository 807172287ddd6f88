"""How long-running work reports progress; the caller decides how it is shown."""

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol, TypeVar, runtime_checkable

Item = TypeVar("Item")

PROGRESS_VARIABLE = "COUNTENANCE_PROGRESS"
"""The environment variable that names the file into which a command writes what it shows."""


@runtime_checkable
class Progress(Protocol):
    """Shows counts with a unit."""

    def track(
        self, items: Iterable[Item], *, what: str, unit: str, total: int, done: int = 0, each: int = 1
    ) -> Iterator[Item]:
        """Pass the items on; each counts for `each` units of `total`, of which `done` were done before."""
        ...

    def note(self, text: str) -> None:
        """Show a note to the user."""
        ...


class Silent:
    """Shows nothing; for tests and for callers with a display of their own."""

    def track(
        self,
        items: Iterable[Item],
        *,
        what: str,  # noqa: ARG002
        unit: str,  # noqa: ARG002
        total: int,  # noqa: ARG002
        done: int = 0,  # noqa: ARG002
        each: int = 1,  # noqa: ARG002
    ) -> Iterator[Item]:
        yield from items

    def note(self, text: str) -> None:
        pass


def if_many(progress: Progress, total: int) -> Progress:
    """The same, or nothing shown where there is only one item: two hundred images need no bar each."""
    return progress if total > 1 else Silent()


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """A count that is shown."""

    what: str
    unit: str
    done: int
    total: int
    seconds_left: float | None
    """None as long as nobody can tell."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """What a command shows at one moment."""

    tasks: tuple[Task, ...]
    """That go on; the last one is the innermost."""
    notes: tuple[str, ...]
    """All so far."""


def write_shown(path: Path, shown: Shown) -> None:
    """Write what is shown so that a reader finds the old or the new of it; where that fails, it is left out."""
    part = path.with_name(f".{path.name}.part")
    # The work matters, not what is told of it: the disk may be full, and the folder gone.
    with suppress(OSError):
        with open(part, "w", opener=lambda name, flags: os.open(name, flags, 0o600), encoding="utf-8") as file:
            json.dump(asdict(shown), file)
        part.replace(path)


def read_shown(path: Path) -> Shown | None:
    """What `write_shown` wrote last; None where that is nothing."""
    try:
        fields = json.loads(path.read_bytes())
        return Shown(tasks=tuple(Task(**task) for task in fields["tasks"]), notes=tuple(fields["notes"]))
    except (OSError, ValueError, TypeError, KeyError):
        return None
