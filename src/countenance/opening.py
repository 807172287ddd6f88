"""Opening a project as every command that writes does: alone, tidied up, and with nobody kept beyond their day."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from countenance import ledger
from countenance.consent.retention import is_anything_due
from countenance.project import Project, opened


@contextmanager
def opened_to_write(start: Path, *, note: Callable[[str], None], keeps_to_dates: bool = True) -> Iterator[Project]:
    """The project that holds `start`, under its lock; what a killed command left there is removed.

    People whose data may be kept no longer are forgotten first, unless told not to; `note` is told of it.

    Raises:
        UsageError: there is none, or another command is writing to it.
    """
    with opened(start) as project, project.writing():
        # Only a killed command leaves something there.
        if any((project.folder / "renders").glob("*")):
            from countenance.provenance.publish import sweep

            sweep(project)
        if keeps_to_dates:
            keep_to_dates(project, note)
        yield project


def keep_to_dates(project: Project, note: Callable[[str], None]) -> None:
    """Forget people whose data may be kept no longer, and warn of days that are near."""
    at = ledger.time_now(project)
    if not is_anything_due(project, at):
        return
    from countenance.steps.forget import ending_soon, forget_what_is_over

    for forgotten in forget_what_is_over(project, at):
        person, why = forgotten.holdings.person, forgotten.why
        note(f"Forgot {person} ({why}): all that was kept of them is deleted. Signed record: {forgotten.record}.")
    for line in ending_soon(project, at):
        note(f"note: {line}")
