"""The page Verify: any file in, its report out; of a dropped file nothing is kept but that report."""

import json
import re
import secrets
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import anyio
import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from countenance import jobs
from countenance.errors import CountenanceError, UsageError, one_line
from countenance.forensics.words import QUESTIONS, StateWords, columns_of, words_of
from countenance.jobs import OPEN, Job
from countenance.pages import VERIFIED
from countenance.project import PRIVATE, Project, erase, now, refuse_link, write_whole
from countenance.studio.answers import (
    SILENT_S,
    Form,
    asked_number,
    document,
    go_to,
    page,
    posted,
    reading,
    report,
    start_job,
    studio_of,
)
from countenance.studio.uploads import received

NAME: Final = re.compile(r"\d{8}-\d{6}-[0-9a-f]{6}")
ENDED = frozenset({"done", "failed", "stopped"})
RECORD, PAGE, PAGES, DROPPED = "check.json", "report.html", "report-files", "dropped"
"""What lies in a report's folder; the last two of several files, and until a dropped one was looked at."""
CHIPS: Final[Mapping[str, str]] = {"red": "bad", "green": "good", "cyan": "good", "magenta": "info", "yellow": ""}
"""How the page shows what terminals show in a colour."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Checked:
    """What the list says of one file."""

    name: str
    words: tuple[tuple[str, StateWords], ...]
    """Name of each finding, and its state in words; none of a file that can't be read."""
    why_not: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """One time that files were asked about."""

    name: str
    """Of its folder, which says when."""
    title: str
    asked_at: datetime
    is_dropped: bool
    files: tuple[Checked, ...]
    """As soon as they were looked at."""
    job: Job | None
    """None where it was removed since."""
    has_report: bool

    @property
    def is_open(self) -> bool:
        return self.job is not None and self.job.state in OPEN


def _show(request: Request) -> Response:
    wanted, number = request.path_params.get("name"), asked_number(request, "file", 0)
    is_thorough = "thorough" in request.query_params
    with reading(request) as project:
        checks = _checks(project.folder, jobs.list_jobs(project.folder))
        shown = next((each for each in checks if wanted in (None, each.name)), None)
        if wanted is not None and shown is None:
            raise UsageError("this report was deleted; choose another one on the page Verify")
    return page(
        request,
        "verify.html",
        tab="verify",
        checks=checks,
        shown=shown,
        number=number if shown is not None and 1 <= number <= len(shown.files) else 0,
        chips=CHIPS,
        thorough="?thorough=1" if is_thorough else "",
    )


def sweep(folder: Path) -> None:
    """Erase what was dropped in a project's folder and isn't needed any more."""
    # What is wrong there, the page says.
    with suppress(CountenanceError, OSError):
        _checks(folder, jobs.list_jobs(folder))


def _checks(folder: Path, listed: Iterable[Job]) -> list[Check]:
    """All that were asked for in a project, newest first. What was dropped and isn't needed any more is erased."""
    room = refuse_link(folder / VERIFIED)
    by_page = {job.arguments[job.arguments.index("--html") + 1]: job for job in listed if "--html" in job.arguments}
    found = sorted((each for each in room.glob("*/") if NAME.fullmatch(each.name)), reverse=True)
    checks = (_check(folder, each, by_page.get(str(each / PAGE))) for each in found)
    return [check for check in checks if check is not None]


def _check(project: Path, folder: Path, job: Job | None) -> Check | None:
    """What is known of a report; None of an upload that was cut short, which is erased."""
    is_left = job is None and _is_silent(folder)
    try:
        record = json.loads((folder / RECORD).read_bytes())
    except FileNotFoundError:
        if is_left:
            _erase(folder)
            return None
        record = {"title": "a file that isn't here to its end", "is_dropped": True, "files": None}
    if record["files"] is None and job is not None and job.state == "done":
        record["files"] = _facts_of(jobs.result_of(project, job.number) or {})
        write_whole(folder / RECORD, json.dumps(record).encode(), mode=PRIVATE)
    if (folder / DROPPED).exists() and (
        record["files"] is not None or is_left or (job is not None and job.state in ENDED)
    ):
        _erase(folder / DROPPED)
    return Check(
        name=folder.name,
        title=record["title"],
        asked_at=datetime.strptime(folder.name[:15], "%Y%m%d-%H%M%S").replace(tzinfo=UTC).astimezone(),
        is_dropped=record["is_dropped"],
        files=tuple(_checked(each) for each in record["files"] or ()),
        job=job,
        has_report=(folder / PAGE).is_file(),
    )


def _is_silent(folder: Path) -> bool:
    """Whether nothing was written for so long that no upload goes on."""
    try:
        newest = max(path.stat().st_mtime for path in (folder, *folder.rglob("*")))
    except FileNotFoundError:
        return False
    return time.time() - newest > 10 * SILENT_S


def _erase(folder: Path) -> None:
    # Another tab may do the same.
    with suppress(FileNotFoundError):
        erase(folder)


def _facts_of(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What is kept of a job's document, file by file: the states of its findings."""
    return [
        {
            "name": Path(each["path"]).name,
            "states": {finding["about"]: finding["state"] for finding in each.get("findings", ())},
            "why_not": each["error"]["message"] if "error" in each else each.get("why_unopened"),
        }
        for each in result.get("files", [result] if result else ())
    ]


def _checked(facts: Mapping[str, Any]) -> Checked:
    states = facts["states"]
    return Checked(
        name=facts["name"],
        words=tuple((QUESTIONS[about][0], words_of(about, states[about])) for about in columns_of([states])),
        why_not=facts["why_not"],
    )


def _report(request: Request) -> Response:
    """The page that `countenance verify --html` wrote: of the file, or of one of several."""
    with reading(request) as project:
        folder = _folder(project, request.path_params["name"])
        number = int(request.path_params.get("number", 0))
        path = next(iter((folder / PAGES).glob(f"{number:04}-*.html")), None) if number else folder / PAGE
        if path is None or not path.is_file():
            raise UsageError("there is no report; it may have been deleted, or isn't made yet")
        return report(path.read_text(errors="replace"))


async def _drop(request: Request) -> Response:
    """A file as it is sent, which goes as soon as its report is made."""
    folder = await anyio.to_thread.run_sync(_new_folder, request)
    try:
        path = await received(request, folder / DROPPED)
    except BaseException:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(erase, folder)
        raise
    await anyio.to_thread.run_sync(_begin, request, folder, [path])
    return document({"go": f"/verify/{folder.name}"})


def _choose(request: Request, form: Form) -> Response:
    studio = studio_of(request)
    paths = [studio.allowed(path) for path in form.texts("path")]
    if not paths:
        raise UsageError("no file was chosen; choose one or more, or a folder")
    folder = _new_folder(request)
    _begin(request, folder, paths)
    return go_to(f"/verify/{folder.name}")


def _new_folder(request: Request) -> Path:
    with reading(request) as project:
        name = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"
        folder = project.room(VERIFIED) / name
        (folder / DROPPED).mkdir(mode=0o700, parents=True)
        folder.chmod(0o700)
    return folder


def _begin(request: Request, folder: Path, paths: list[Path]) -> None:
    is_dropped = any((folder / DROPPED).iterdir())
    title = paths[0].name if len(paths) == 1 else f"{paths[0].name} and {len(paths) - 1} more"
    record = {"title": one_line(title), "is_dropped": is_dropped, "asked_at": now(), "files": None}
    write_whole(folder / RECORD, json.dumps(record).encode(), mode=PRIVATE)
    options = ["--thorough"] if "thorough" in request.query_params else []
    command = ["verify", *map(str, paths), "--html", str(folder / PAGE), *options]
    start_job(request, command, once=folder.name)


def _delete(request: Request, form: Form) -> Response:
    del form
    with reading(request) as project:
        checks = _checks(project.folder, jobs.list_jobs(project.folder))
        folder = _folder(project, request.path_params["name"])
        (check,) = [each for each in checks if each.name == folder.name]
        if check.is_open:
            raise UsageError("the file is being looked at; stop that first, on the page Jobs")
        erase(folder)
        if check.job is not None:
            jobs.remove(project.folder, check.job.number)
    return go_to("/verify", say=f"Deleted the report on {check.title}.")


def _folder(project: Project, name: str) -> Path:
    """The folder of a report.

    Raises:
        UsageError: there is none of this name.
    """
    folder = refuse_link(refuse_link(project.folder / VERIFIED) / name)
    if not NAME.fullmatch(name) or not folder.is_dir():
        raise UsageError("this report was deleted; choose another one on the page Verify")
    return folder


routes = [
    Route("/verify", _show),
    Route("/verify/drop", _drop, methods=["POST"]),
    Route("/verify/choose", posted(_choose), methods=["POST"]),
    Route("/verify/{name}", _show),
    Route("/verify/{name}/report", _report),
    Route("/verify/{name}/report/{number:int}", _report),
    Route("/verify/{name}/delete", posted(_delete), methods=["POST"]),
]
