"""The page Footage: each person's clips, with pictures, what was found in them, and what was left out and why."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from countenance import jobs
from countenance.consent.release import check_person
from countenance.errors import UsageError
from countenance.footage import ROOM, ListedClip, dropped_files
from countenance.jobs import OPEN, Job
from countenance.media.sequence import members_of
from countenance.pages import jpeg_of
from countenance.project import Project, erase, refuse_link
from countenance.steps.clips import PersonsFootage, footage_of, middle_frame, open_clip
from countenance.studio.answers import (
    PICTURE_QUALITY,
    Form,
    document,
    go_to,
    page,
    posted,
    reading,
    start_job,
    studio_of,
    wants_json,
)
from countenance.studio.releases import released
from countenance.studio.thumbnails import Thumbnails, fitted
from countenance.studio.uploads import received, sweep_parts


@dataclass(frozen=True, kw_only=True, slots=True)
class LeftOut:
    """A file that was offered and isn't among the clips."""

    path: Path
    reason: str
    is_dropped: bool
    """It lies in the project, where it can be removed."""


def _show(request: Request) -> Response:
    asked = request.path_params.get("person")
    with reading(request) as project:
        people = footage_of(project)
        chosen = next((each for each in people if asked in (None, each.person)), None)
        if asked is not None and chosen is None:
            raise UsageError(
                f"there is neither a release nor footage of {asked} here; add a release on the page People"
            )
        about = {} if chosen is None else _about(project, chosen, jobs.list_jobs(project.folder))
    return page(request, "footage.html", tab="footage", people=people, chosen=chosen, **about)


def _about(project: Project, chosen: PersonsFootage, listed: Sequence[Job]) -> dict[str, Any]:
    """What the page says of one person beside their clips."""
    folder = refuse_link(project.folder / ROOM) / chosen.person
    sweep_parts(folder)
    own = [
        job for job in listed if job.arguments[1:2] == (chosen.person,) and job.arguments[0] in ("collect", "prepare")
    ]
    open_, ended = ([job for job in own if (job.state in OPEN) == is_open] for is_open in (True, False))
    latest = max(ended, key=lambda job: job.ended_at or "", default=None)
    failed = [latest] if latest is not None and latest.state != "done" and not open_ else []
    collected = max(
        (job for job in ended if job.arguments[0] == "collect" and job.state == "done"),
        key=lambda job: job.ended_at or "",
        default=None,
    )
    result = None if collected is None else jobs.result_of(project.folder, collected.number)
    return {
        "jobs": [*open_, *failed],
        "is_preparing": any(job.arguments[0] == "prepare" for job in open_),
        "left_out": _left_out(
            project, chosen, result or {}, is_collecting=any(job.arguments[0] == "collect" for job in open_)
        ),
        "num_unprepared": sum(not each.found.is_searched for each in chosen.clips if each.releases),
        "clock": clock,
        "size": size,
    }


def _left_out(
    project: Project, chosen: PersonsFootage, result: dict[str, Any], *, is_collecting: bool
) -> list[LeftOut]:
    """What the last collecting left out and why, and dropped files that aren't clips for another reason."""
    taken = {file for each in chosen.clips for file in _files_of(each.listed)}
    dropped = [file for file in dropped_files(project, chosen.person) if not file.name.startswith(".")]
    reasons = {Path(each["path"]): each["reason"] for each in result.get("left_out", ())}
    known = {Path(each) for each in result.get("known", ())}
    left_out = [
        LeftOut(path=path, reason=reason.replace(str(path), path.name), is_dropped=path in dropped)
        for path, reason in reasons.items()
        if path not in taken and (path in dropped or path.parent != project.folder / ROOM / chosen.person)
    ]
    for file in dropped:
        if file not in taken and file not in reasons and not is_collecting:
            why = "the same as a clip that is here already" if file in known else "not collected yet"
            left_out.append(LeftOut(path=file, reason=why, is_dropped=True))
    return left_out


def _files_of(listed: ListedClip) -> tuple[Path, ...]:
    return members_of(listed.path, listed.clip.num_frames) if listed.kind == "sequence" else (listed.path,)


def _thumbnail(request: Request) -> Response:
    person, sha256 = request.path_params["person"], request.path_params["sha256"]
    thumbnails: Thumbnails = request.app.state.thumbnails
    with reading(request) as project:
        guard, info = open_clip(project, person, sha256)
        jpeg = thumbnails.of(sha256, lambda: jpeg_of(fitted(middle_frame(guard, info)), quality=PICTURE_QUALITY))
    return Response(jpeg, media_type="image/jpeg")


async def _drop(request: Request) -> Response:
    """One file, as it is sent; what was sent is collected when the page says that this was all."""
    folder = await anyio.to_thread.run_sync(_folder_for, request)
    await received(request, folder)
    return document({})


def _folder_for(request: Request) -> Path:
    with reading(request) as project:
        person = _released(request, project)
        folder = refuse_link(project.room(ROOM) / person)
        folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def _collect(request: Request, form: Form) -> Response:
    """Bring in what was dropped."""
    with reading(request) as project:
        person = _released(request, project)
        folder = refuse_link(project.folder / ROOM) / person
    start_job(request, ["collect", person, str(folder)], once=form.text("once", "") or None)
    # After files were dropped a script asks, and loads the page anew by itself.
    return document({}) if wants_json(request) else go_to(f"/footage/{person}", say="The files are being looked at.")


def _choose(request: Request, form: Form) -> Response:
    """Bring in what lies elsewhere on this machine; it stays there."""
    studio = studio_of(request)
    with reading(request) as project:
        person = _released(request, project)
    paths = [str(studio.allowed(path)) for path in form.texts("path")]
    if not paths:
        raise UsageError("no file was chosen; choose one or more, or a folder")
    start_job(request, ["collect", person, *paths], once=form.text("once", "") or None)
    return go_to(f"/footage/{person}", say="The files are being looked at; they stay where they are.")


def _prepare(request: Request, form: Form) -> Response:
    with reading(request) as project:
        person = _released(request, project)
    start_job(request, ["prepare", person], once=form.text("once"))
    return go_to(f"/footage/{person}")


def _remove(request: Request, form: Form) -> Response:
    """Erase dropped files that aren't clips."""
    person, names = request.path_params["person"], form.texts("name")
    check_person(person)
    with reading(request) as project:
        taken = {file for each in footage_of(project) for clip in each.clips for file in _files_of(clip.listed)}
        there = {file.name: file for file in dropped_files(project, person) if file not in taken}
        for name in names:
            if name not in there:
                raise UsageError(f"there is no file {name} here that could be removed; load the page again")
        for name in names:
            erase(there[name])
    return go_to(f"/footage/{person}", say=f"Removed {names[0] if len(names) == 1 else f'{len(names)} files'}.")


def _released(request: Request, project: Project) -> str:
    """The person of the address, if a release of theirs holds now.

    Raises:
        UsageError: none does.
    """
    person: str = request.path_params["person"]
    if person not in [each.person for each in released(project)]:
        raise UsageError(f"no release of {person} holds now, so no footage of them is taken; see the page People")
    return person


def clock(seconds: float) -> str:
    """A length as 1:02:03 or 2:03, below a minute as 4.2 s."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def size(num_bytes: int) -> str:
    """Of a file, in the unit that suits it."""
    for unit, factor in (("GB", 2**30), ("MB", 2**20)):
        if num_bytes >= factor:
            return f"{num_bytes / factor:.1f} {unit}"
    return f"{max(num_bytes / 2**10, 0.1):.0f} kB" if num_bytes >= 2**10 else f"{num_bytes} B"


routes = [
    Route("/footage", _show),
    Route("/footage/{person}", _show),
    Route("/footage/{person}/clips/{sha256}", _thumbnail),
    Route("/footage/{person}/drop", _drop, methods=["POST"]),
    Route("/footage/{person}/collect", posted(_collect), methods=["POST"]),
    Route("/footage/{person}/choose", posted(_choose), methods=["POST"]),
    Route("/footage/{person}/prepare", posted(_prepare), methods=["POST"]),
    Route("/footage/{person}/remove", posted(_remove), methods=["POST"]),
]
