"""`countenance verify`: what can be known about a file."""

import sqlite3
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from countenance.cli.options import Json
from countenance.cli.shell import print_json
from countenance.errors import UsageError

if TYPE_CHECKING:
    from countenance.types import Report

MARKS = {
    "trusted": ("trusted", "green"),
    "valid": ("holds", "cyan"),
    "invalid": ("does not hold", "red"),
    "missing": ("none", "yellow"),
    "unknown": ("unknown", "yellow"),
    "noticed": ("noticed", "yellow"),
    "unnoticed": ("nothing noticed", "cyan"),
    "inconclusive": ("inconclusive", "yellow"),
}
"""For each state of a finding, the word and colour for people."""


def verify(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="A video or image.", readable=False, show_default=False)],
    *,
    crjson: Annotated[
        bool, typer.Option("--crjson", help="Print the credentials and their check as C2PA's crJSON, nothing else.")
    ] = False,
    thorough: Annotated[
        bool, typer.Option("--thorough", help="Look for the watermark in every frame; it takes longer.")
    ] = False,
    json: Json = False,
) -> None:
    """Check a file's credentials and watermark, its entry in the project's log, and what was altered.

    Works anywhere and without a network. Inside a project, its log is checked as well. A file whose credentials
    were taken away is recognised by its watermark, if they are in this computer's manifest store. Exit code 0:
    nothing found is invalid, which doesn't make a file genuine; 6: credentials, watermark or log don't hold;
    4: the file can't be read.

    Example: countenance verify shot.mp4
    """
    from countenance.project import find, opened_to_read
    from countenance.steps.verify import crjson as crjson_of
    from countenance.steps.verify import verify as check_file

    if crjson and json:
        raise UsageError("expected --crjson or --json, got both; choose one")
    if crjson:
        document, holds = crjson_of(path)
        print_json(document)
        if not holds:
            raise typer.Exit(6)
        return

    try:
        if find(Path.cwd()) is None:
            report = check_file(path, None, thorough=thorough)
        else:
            with opened_to_read(Path.cwd(), any_schema=True) as project:
                report = check_file(path, project, thorough=thorough)
    except (UsageError, OSError, sqlite3.Error) as error:
        # What is wrong with the project says nothing about the file.
        why = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else str(error)
        report = check_file(path, None, why_no_log=why, thorough=thorough)
    if json:
        from countenance.steps.documents import verified_document

        print_json(verified_document(report))
    else:
        _show(report)
    if any(finding.state == "invalid" for finding in report.findings):
        raise typer.Exit(6)


def _show(report: "Report") -> None:
    from rich.console import Console
    from rich.text import Text

    out = Console(highlight=False)
    # File names and reasons come from others, so none of it is markup.
    out.print(Text(str(report.path), "bold"))
    for finding in report.findings:
        word, colour = MARKS[finding.state]
        out.print()
        out.print(Text.assemble((finding.about.capitalize(), "bold"), ": ", (word, colour)))
        out.print(Text(_wrapped(finding.summary, out.width, first="  ")))
        for reason in finding.reasons:
            out.print(Text(_wrapped(reason, out.width, first="  • ")))
        for limit in finding.limits:
            out.print(Text(_wrapped(limit, out.width, first="  ? "), "dim"))
    out.print()
    closing = "No report can show that a file is genuine. Look for its source and the earliest copy."
    out.print(Text(_wrapped(closing, out.width, first=""), "dim"))


def _wrapped(text: str, width: int, *, first: str) -> str:
    """Lines no longer than the terminal is wide, indented like the first one."""
    return textwrap.fill(text, width, initial_indent=first, subsequent_indent=" " * len(first), break_long_words=False)
