"""Tables for people, on standard output."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

WIDE = 200
"""Characters of a table that goes into a file or pipe: nothing of it is cut off."""


def print_table(table: "Table") -> None:
    """As wide as the terminal, or as `WIDE` where there is none."""
    from rich.console import Console

    wide = Console(highlight=False)
    if not wide.is_terminal:
        wide = Console(highlight=False, width=WIDE)
    wide.print(table)
