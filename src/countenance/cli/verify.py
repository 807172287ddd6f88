"""`countenance verify`: what can be known about files."""

import json as json_text
import logging
import re
import shutil
import sqlite3
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated

import typer

from countenance.cli.options import Json, Overwrite
from countenance.cli.shell import console, count, print_json, stops_on_interrupt
from countenance.errors import MediaError, UsageError, one_line

if TYPE_CHECKING:
    from rich.text import Text

    from countenance.steps.verify import Examination
    from countenance.types import FindingState

    Examine = Callable[[Path], Examination]

logger = logging.getLogger(__name__)

DOES_NOT_HOLD, UNREAD, STOPPED = 6, 4, 130
"""Exit codes, of which the first that applies counts, but that a stopped command always says so."""
FEW = 4
"""Of so many files all findings are shown, of more the table alone."""
PAGE_OF_A_FILE = re.compile(r"\d{4,}-.*\.html")
"""How `_page_in` names pages."""
CLOSING = "No report can show that a file is genuine. Look for its source and the earliest copy."


def verify(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            help="Videos or images, or folders of them; what is in a folder counts by its suffix.",
            readable=False,
            show_default=False,
        ),
    ],
    *,
    html: Annotated[
        Path | None,
        typer.Option(
            metavar="PAGE",
            help="Write a page to read and print. Of several files: a list, and a page for each in a folder beside it.",
            readable=False,
            show_default=False,
        ),
    ] = None,
    crjson: Annotated[
        bool, typer.Option("--crjson", help="Print one file's credentials and their check as C2PA's crJSON.")
    ] = False,
    thorough: Annotated[
        bool, typer.Option("--thorough", help="Look for the watermark in every frame; it takes longer.")
    ] = False,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Say what can be known about files: credentials, log, stated edits, watermark, traces of editing, a detector.

    Works anywhere and without a network. Inside a project, its log is checked as well. A file whose credentials
    were taken away is recognised by its watermark, if they are in this computer's manifest store. Exit code 6: of a
    file credentials, watermark or log don't hold; otherwise 4: a file can't be read; otherwise 0, which doesn't make a
    file genuine. docs/verify.md says how to read it.

    Example: countenance verify shot.mp4 downloads --html report.html
    """
    is_one = len(files) == 1 and not _is_folder(files[0])
    if crjson:
        _print_crjson(files, is_alone=is_one and not json and html is None)
        return
    if html is not None:
        _check_pages(html, overwrite=overwrite, is_one=is_one)
    examine = _examiner(thorough=thorough, with_pictures=html is not None)
    if is_one:
        _verify_one(files[0], html, examine, json=json)
    else:
        _verify_all(files, html, examine, json=json)


def _print_crjson(files: Sequence[Path], *, is_alone: bool) -> None:
    from countenance.steps.verify import crjson

    if not is_alone:
        raise UsageError("--crjson prints the credentials of one file; give one, without --json or --html")
    document, holds = crjson(files[0])
    print_json(document)
    if not holds:
        raise typer.Exit(DOES_NOT_HOLD)


def _verify_one(path: Path, page: Path | None, examine: "Examine", *, json: bool) -> None:
    examination = examine(path)
    if page is not None:
        _write_page(page, examination)
    if json:
        from countenance.steps.documents import verified_document

        print_json(verified_document(examination))
    else:
        _show(examination)
        _close()
    if page is not None:
        console.print(f"See {page}.", markup=False)
    exit_code = _exit_code([_row_of(path, examination, None, number=1)], is_complete=True)
    if exit_code:
        raise typer.Exit(exit_code)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Row:
    """What the table says of a file; of thousands of files only this is kept."""

    path: Path
    states: "dict[str, FindingState]" = field(default_factory=dict)
    why_not: str | None = None
    """Why it can't be read, or not be opened as a video or picture; of what can't be read there are no states."""
    page: str | None = None
    """Where its page lies, from the list's."""


def _verify_all(paths: Sequence[Path], page: Path | None, examine: "Examine", *, json: bool) -> None:
    from countenance.cli.display import Bars

    total = sum(1 for _ in _files_of(paths))
    rows: list[_Row] = []
    few: list[Examination] = []
    # Files may come and go meanwhile, so their number doesn't tell.
    is_complete = True
    with tempfile.TemporaryFile("w+", encoding="utf-8") as documents, stops_on_interrupt() as should_stop:
        with Bars() as progress:
            for path, why_not in progress.track(_files_of(paths), what="verifying", unit="files", total=total):
                if should_stop():
                    is_complete = False
                    break
                result = _result(path, why_not, examine)
                rows.append(_row_of(path, result, page, number=len(rows) + 1))
                if json:
                    documents.write(f"{',' if len(rows) > 1 else ''}\n{_document_of(path, result)}")
                elif total <= FEW and not isinstance(result, MediaError):
                    few.append(result)
        if page is not None:
            _write_list(page, rows, paths)
        if json:
            _print_documents(documents, is_complete=is_complete)
        else:
            _show_all(rows, few)
    if page is not None:
        console.print(f"See {page}.", markup=False)
    exit_code = _exit_code(rows, is_complete=is_complete)
    if exit_code:
        raise typer.Exit(exit_code)


def _result(path: Path, why_not: str | None, examine: "Examine") -> "Examination | MediaError":
    """What was found, or why the file can't be read: that is no reason to stop."""
    if why_not is not None:
        return MediaError(why_not, code="media.unreadable")
    try:
        return examine(path)
    except MediaError as error:
        return error
    except OSError as error:
        return MediaError(f"{path} can't be read: {error.strerror or error}", code="media.unreadable")
    except Exception as error:
        logger.exception("%s can't be judged", path)
        what = f"{type(error).__name__}: {error}"[:200]
        return MediaError(
            f"{path} can't be judged: a bug in Countenance ({what}); please report it", code="media.unreadable"
        )


def _row_of(path: Path, result: "Examination | MediaError", page: Path | None, *, number: int) -> _Row:
    """What the table says, after the file's own page was written where there is a list."""
    if isinstance(result, MediaError):
        return _Row(path=path, why_not=one_line(str(result)))
    own = None
    if page is not None:
        own = _page_in(page, number, path)
        _write_page(page.parent / own, result)
    states: dict[str, FindingState] = {each.about: each.state for each in result.report.findings}
    why_not = None if result.why_unopened is None else one_line(result.why_unopened)
    return _Row(path=path, states=states, why_not=why_not, page=own)


def _document_of(path: Path, result: "Examination | MediaError") -> str:
    from countenance.steps.documents import unread_document, verified_document

    document = unread_document(path, result) if isinstance(result, MediaError) else verified_document(result)
    return json_text.dumps(document, indent=2)


def _exit_code(rows: Sequence[_Row], *, is_complete: bool) -> int:
    if not is_complete:
        return STOPPED
    if any("invalid" in row.states.values() for row in rows):
        return DOES_NOT_HOLD
    return UNREAD if any(row.why_not for row in rows) else 0


def _files_of(paths: Sequence[Path]) -> Iterator[tuple[Path, str | None]]:
    """Files that were named, and what folders hold; beside a place that can't be looked into, why."""
    from countenance.media.folders import footage_in

    for path in paths:
        if not _is_folder(path):
            yield path, None
            continue
        is_empty = True
        for found in footage_in(path):
            is_empty = False
            yield found
        if is_empty:
            yield path, f"no video or picture is in the folder {path}, by the names of its files; name one to try it"


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False


def _examiner(*, thorough: bool, with_pictures: bool) -> "Examine":
    """What examines one file after another, with nets that are opened once."""
    from countenance.forensics.detector import Detector
    from countenance.project import find, opened_to_read
    from countenance.steps.verify import verify as check_file

    check = partial(check_file, thorough=thorough, with_pictures=with_pictures, detector=Detector())

    def examine(path: Path) -> "Examination":
        # What is wrong with the project says nothing about the file, and the other way round.
        with ExitStack() as stack:
            project, why = None, None
            try:
                if find(Path.cwd()) is not None:
                    project = stack.enter_context(opened_to_read(Path.cwd(), any_schema=True))
            except (UsageError, OSError, sqlite3.Error) as error:
                why = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else str(error)
            try:
                return check(path, project, why_no_log=why)
            except (UsageError, sqlite3.Error) as error:
                return check(path, None, why_no_log=str(error))

    return examine


def _check_pages(page: Path, *, overwrite: bool, is_one: bool) -> None:
    """Before hours of work: whether a page, and the folder beside it, can be written."""
    from countenance.steps.pages import check_page

    check_page(page, overwrite=overwrite, option="--html")
    if is_one:
        return
    folder = _folder_of(page)
    if folder.exists() and not (overwrite and folder.is_dir()):
        raise UsageError(
            f"{folder} exists already, in which the page of each file would lie; choose another --html, or add "
            "--overwrite",
            code="usage.exists",
            path=folder,
        )
    folder.mkdir(exist_ok=True, mode=0o700)
    # Of an earlier list, which may have been longer.
    for old in folder.iterdir():
        if PAGE_OF_A_FILE.fullmatch(old.name):
            old.unlink()


def _folder_of(page: Path) -> Path:
    return page.with_name(f"{page.stem}-files")


def _page_in(page: Path, number: int, path: Path) -> str:
    """The name of a file's own page, from the list's: with nothing of the file's name that a link can't hold."""
    kept = "".join(each if each.isascii() and each.isalnum() else "-" for each in path.name)[:60].strip("-")
    return f"{_folder_of(page).name}/{number:04}-{kept}.html"


def _write_page(page: Path, examination: "Examination") -> None:
    from datetime import datetime

    from countenance.project import PRIVATE, write_whole
    from countenance.steps.verify import report_page

    # Reasons may name the file, and a name may be no text.
    text = report_page(examination, made_at=datetime.now().astimezone())
    write_whole(page, text.encode(errors="replace"), mode=PRIVATE)


def _write_list(page: Path, rows: Sequence[_Row], asked: Sequence[Path]) -> None:
    from datetime import datetime

    from countenance import __version__
    from countenance.forensics.page import list_page
    from countenance.project import PRIVATE, write_whole

    places = set(asked)
    shown = [_as_handed_on(row, places) for row in rows]
    text = list_page(shown, made_at=datetime.now().astimezone(), version=__version__)
    write_whole(page, text.encode(errors="replace"), mode=PRIVATE)


def _as_handed_on(row: _Row, asked: AbstractSet[Path]) -> _Row:
    """A row that says nothing of where on this computer the files lay that were asked for."""
    from countenance.steps.verify import without_place

    place = next((each for each in (row.path, *row.path.parents) if each in asked), row.path)
    shown = Path(place.name, row.path.relative_to(place)) if place.is_absolute() else row.path
    why_not = None if row.why_not is None else without_place(row.why_not, row.path, str(shown))
    return replace(row, path=shown, why_not=why_not)


def _print_documents(documents: IO[str], *, is_complete: bool) -> None:
    """One document with all that were written, none of which is in memory."""
    documents.seek(0)
    print('{"files": [', end="")
    shutil.copyfileobj(documents, sys.stdout)
    print(f'\n], "complete": {json_text.dumps(is_complete)}}}')


def _show_all(rows: Sequence[_Row], few: "Sequence[Examination]") -> None:
    """All findings of a few files, and the table."""
    for examination in few:
        _show(examination)
        print()
    read, unread = [row for row in rows if row.states], [row for row in rows if row.why_not]
    if read:
        _show_table(read)
        print()
    for row in unread:
        print(f"{'Not opened' if row.states else 'Not read'}: {row.why_not}")
    print(f"{count(len(rows), 'file')}, {len(unread):,} of them not opened or not read.")
    _close()


def _show_table(rows: Sequence[_Row]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    from countenance.cli.tables import print_table
    from countenance.forensics.words import columns_of

    columns = columns_of(row.states for row in rows)
    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=0)
    table.add_column("File", overflow="fold", min_width=12)
    for about in columns:
        # No word is cut in a narrow terminal: the file's name gives way.
        table.add_column(about.capitalize(), no_wrap=True)
    for row in rows:
        table.add_row(Text(one_line(str(row.path))), *(_state_text(about, row.states[about]) for about in columns))
    print_table(table)


def _state_text(about: str, state: "FindingState") -> "Text":
    from rich.text import Text

    from countenance.forensics.words import words_of

    words = words_of(about, state)
    # The last word on a line of its own keeps columns narrow: six of them fit beside a name in 80 characters.
    return Text(f"{words.symbol} " + "\n  ".join(words.word.rsplit(" ", 1)), words.colour)


def _show(examination: "Examination") -> None:
    from rich.console import Console
    from rich.text import Text

    from countenance.forensics.words import STATES

    out = Console(highlight=False)
    report = examination.report
    # File names and reasons come from others, so none of it is markup.
    out.print(Text(one_line(str(report.path)), "bold"))
    for finding in report.findings:
        words = STATES[finding.state]
        out.print()
        out.print(Text.assemble((finding.about.capitalize(), "bold"), ": ", (words.word, words.colour)))
        out.print(Text(_wrapped(finding.summary, out.width, first="  ")))
        for reason in finding.reasons:
            out.print(Text(_wrapped(reason, out.width, first="  • ")))
        if finding.limits:
            out.print(Text("  What this can't tell:", "dim"))
        for limit in finding.limits:
            out.print(Text(_wrapped(limit, out.width, first="  ○ "), "dim"))
    if examination.facts:
        out.print()
        out.print(Text.assemble(("What the file says of itself", "bold"), ": anybody can write it"))
    for name, value in examination.facts:
        out.print(Text(_wrapped(f"{name}: {value}", out.width, first="  • ")))


def _close() -> None:
    from rich.console import Console
    from rich.text import Text

    out = Console(highlight=False)
    out.print()
    out.print(Text(_wrapped(CLOSING, out.width, first=""), "dim"))


def _wrapped(text: str, width: int, *, first: str) -> str:
    """Lines no longer than the terminal is wide, indented like the first one."""
    return textwrap.fill(
        one_line(text), width, initial_indent=first, subsequent_indent=" " * len(first), break_long_words=False
    )
