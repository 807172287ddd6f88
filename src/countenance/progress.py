"""How long-running work reports progress; the caller decides how it is shown."""

from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar, runtime_checkable

Item = TypeVar("Item")


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
