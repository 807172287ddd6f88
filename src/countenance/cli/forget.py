"""`countenance forget`: delete all that is kept of a person."""

from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from countenance.cli.options import Json
from countenance.cli.shell import console, here, print_json

if TYPE_CHECKING:
    from countenance.steps.forget import Forgotten, Holdings

MOST_PATHS = 12
"""Shown one by one."""
FEW_FILES = 6
"""Of a folder, shown one by one; of more, the folder."""


def forget(
    person: Annotated[str, typer.Argument(metavar="PERSON", help="Whom to forget.", show_default=False)],
    yes: Annotated[bool, typer.Option("--yes", help="Delete; without it, only show what there is.")] = False,
    json: Json = False,
) -> None:
    """Delete all that is kept of a person: faces, templates, models, drawn faces, pages. Nothing brings it back.

    Without --yes nothing is deleted, and what is kept is shown. The signed release and the log stay, as evidence of
    what was agreed and done, and so do footage and published files, which are listed. Run again to finish what was
    stopped.

    Example: countenance forget dana --yes
    """
    from countenance.consent.release import check_person
    from countenance.jobs.naming import stop_jobs
    from countenance.jobs.queue import paused
    from countenance.project import folder_of
    from countenance.steps.documents import forgotten_document
    from countenance.steps.forget import check_known, counted, forget_person, holdings_of

    check_person(person)
    if yes:
        folder = folder_of(Path.cwd())
        # A job about them holds the project; the next one is not to begin before this does.
        with paused(folder):
            stop_jobs(folder, person)
            with here(writing=True, keeps_to_dates=False) as project:
                forgotten = forget_person(project, person)
        _tell_done(forgotten)
        if json:
            print_json(forgotten_document(forgotten.holdings, forgotten))
        return
    with here(writing=False) as project:
        holdings = holdings_of(project, person)
    check_known(holdings)
    console.print(f"Kept of {person}: {counted(holdings.counts)}, and what was computed and decided from that.")
    _tell_what_stays(holdings)
    console.print(
        f"Nothing was deleted. `countenance forget {person} --yes` deletes it for good, and ends their releases here.",
        markup=False,
    )
    if json:
        print_json(forgotten_document(holdings, None))


def _tell_done(forgotten: "Forgotten") -> None:
    from countenance.steps.forget import counted

    person = forgotten.holdings.person
    console.print(f"Deleted of {person}: {counted(forgotten.erased)}, and what was computed and decided from that.")
    _tell_what_stays(forgotten.holdings)
    _tell_paths("Written by you, and still naming them", forgotten.naming)
    for other in forgotten.to_prepare:
        console.print(f"Faces of {other} were among that: run `countenance prepare {other}` again.")
    console.print(
        f"Signed record, to be handed to {person}: {forgotten.record}. Only a newly signed release lets them in again.",
        markup=False,
    )


def _tell_what_stays(holdings: "Holdings") -> None:
    console.print("These stay: their signed releases and the log, with this name; and, as they aren't the project's:")
    _tell_paths("Footage", holdings.footage)
    _tell_paths("Published", holdings.published.values())
    for folder, paths in groupby(holdings.others, key=lambda path: path.parent):
        several = list(paths)
        _tell_paths(
            "In the project's folder",
            several if len(several) <= FEW_FILES else [folder],
            "" if len(several) <= FEW_FILES else f" ({len(several):,} files)",
        )
    console.print(
        "- copies elsewhere: of published files, of the project, and pages, sheets and faces written to other folders"
    )


def _tell_paths(what: str, paths: Iterable[Path], more: str = "") -> None:
    shown = list(paths)
    for path in shown[:MOST_PATHS]:
        console.print(f"- {what}: {path}{more}", markup=False)
    if len(shown) > MOST_PATHS:
        console.print(f"- {what}: {len(shown) - MOST_PATHS:,} more; --json lists them all")
