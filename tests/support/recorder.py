"""What a step reports, remembered."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

Item = TypeVar("Item")


@dataclass(kw_only=True)
class Recorder:
    """A progress that remembers what was done before and what was done now."""

    done_before: dict[str, int] = field(default_factory=dict)
    done_now: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def track(
        self,
        items: Iterable[Item],
        *,
        what: str,
        unit: str,  # noqa: ARG002
        total: int,  # noqa: ARG002
        done: int = 0,
        each: int = 1,
    ) -> Iterator[Item]:
        self.done_before[what], self.done_now[what] = done, 0
        for item in items:
            yield item
            self.done_now[what] += each

    def note(self, text: str) -> None:
        self.notes.append(text)
