"""The page Jobs: everything long, with progress, log, stop, retry and order; and the events behind all pages."""

import json
import os
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from countenance import jobs
from countenance.jobs import OPEN, Job, verb_of
from countenance.jobs.queue import ROOM
from countenance.studio.answers import Form, document, go_to, page, posted, studio_of

LOOK_EVERY_S, LIST_EVERY_S, ALIVE_EVERY_S = 0.5, 5.0, 15.0
"""How often the queue's files are looked at; all jobs are listed, as a killed one changes no file; a sign is sent."""


def job_document(job: Job) -> dict[str, Any]:
    """A job as the page's script reads it."""
    return {**asdict(job), "title": title_of(job)}


TITLES = {
    "collect": "Bring in footage of {}",
    "prepare": "Find the faces of {}",
    "coverage": "What the faces of {} cover",
    "train": "Learn the face of {}",
    "train report": "Report on the training of {}",
    "shots": "Find the shots of {}",
    "generate": "Draw {}",
    "recognise": "Recognise people in {}",
    "verify": "Verify {}",
    "release statement": "Check the statement for {}",
    "faces review": "Look for {}",
    "faces keep": "Keep faces of {}",
    "faces drop": "Drop faces of {}",
    "faces reset": "Judge faces of {} again",
    "faces show": "Contact sheet of {}",
    "faces export": "Export faces of {}",
    "faces import": "Import corrections of {}",
}
"""What each command is called where jobs are listed; it is about its first argument."""


def title_of(job: Job) -> str:
    """What a job does, in few words; its command line says all."""
    verb = verb_of(job.arguments)
    rest = list(job.arguments[len(verb.split()) :])
    about = Path(rest[0]).name if rest and not rest[0].startswith("-") else ""
    title = TITLES[verb].format(about)
    pairs = zip(_values(rest, "--likeness"), _values(rest, "--performer"), strict=False)
    if verb == "train":
        return f"{title} onto {', '.join(_values(rest, '--onto'))}"
    if verb == "generate":
        title += ": " + ", ".join(f"{likeness} onto {performer}" for likeness, performer in pairs)
        return f"{title}, a preview" if "--preview" in rest else title
    return f"{title} in {Path(plate[0]).name}" if (plate := _values(rest, "--plate")) else title


def _values(arguments: Sequence[str], option: str) -> list[str]:
    return [value for name, value in pairwise(arguments) if name == option]


@dataclass(frozen=True, kw_only=True, slots=True)
class Listed:
    """A job as the page lists it."""

    job: Job
    title: str
    when: str
    """When it ended, or else was added, in this computer's time."""
    took: str
    """How long it worked, once it ended."""


def _listed(job: Job) -> Listed:
    moment = datetime.fromisoformat(job.ended_at or job.added_at).astimezone()
    took = ""
    if job.begun_at and job.ended_at:
        seconds = round((datetime.fromisoformat(job.ended_at) - datetime.fromisoformat(job.begun_at)).total_seconds())
        took = f"{seconds} s" if seconds < 100 else f"{seconds / 60:.0f} min"
    return Listed(job=job, title=title_of(job), when=f"{moment.day} {moment:%b, %H:%M}", took=took)


def _show(request: Request) -> Response:
    listed = [_listed(job) for job in jobs.list_jobs(studio_of(request).project)]
    open_ = [each for each in listed if each.job.state in OPEN]
    ended = [each for each in reversed(listed) if each not in open_]
    return page(request, "jobs.html", tab="jobs", open_=open_, ended=ended)


def _log(request: Request) -> Response:
    folder, number = studio_of(request).project, int(request.path_params["number"])
    jobs.find_job(folder, number)
    return document({"log": jobs.log_of(folder, number), "result": jobs.result_of(folder, number)})


def _stop(request: Request, form: Form) -> Response:
    folder, number = studio_of(request).project, form.number("number")
    # Asked again, it would be killed.
    if not jobs.find_job(folder, number).is_stopping:
        jobs.stop(folder, number)
    return go_to("/jobs", say="Asked the job to stop; what it did so far is kept.")


def _kill(request: Request, form: Form) -> Response:
    jobs.kill(studio_of(request).project, form.number("number"))
    return go_to("/jobs", say="Killed the job; what it had saved is kept.")


def _retry(request: Request, form: Form) -> Response:
    folder = studio_of(request).project
    jobs.retry(folder, form.number("number"))
    jobs.start_worker(folder)
    return go_to("/jobs", say="Back in the queue; it goes on from where it was.")


def _move(request: Request, form: Form) -> Response:
    to = form.text("to")
    jobs.move(studio_of(request).project, form.number("number"), to="first" if to == "first" else form.number("to"))
    return go_to("/jobs")


async def _events(request: Request) -> Response:
    return StreamingResponse(_changes(request), media_type="text/event-stream")


async def _changes(request: Request) -> AsyncIterator[str]:
    """The list of jobs, each time that it differs; a comment now and then, by which a closed page is noticed."""
    folder, shown = studio_of(request).project, ""
    seen: tuple[tuple[str, int], ...] = ()
    listed_s, quiet_s = LIST_EVERY_S, 0.0
    while not await request.is_disconnected():
        stamps = await anyio.to_thread.run_sync(_stamps, folder)
        if stamps != seen or listed_s >= LIST_EVERY_S:
            seen, listed_s = stamps, 0.0
            now = _as_text(await anyio.to_thread.run_sync(jobs.list_jobs, folder))
            if now != shown:
                yield f"event: jobs\ndata: {now}\n\n"
                shown, quiet_s = now, 0.0
        if quiet_s >= ALIVE_EVERY_S:
            yield ": still here\n\n"
            quiet_s = 0.0
        await anyio.sleep(LOOK_EVERY_S)
        listed_s, quiet_s = listed_s + LOOK_EVERY_S, quiet_s + LOOK_EVERY_S


def _stamps(folder: Path) -> tuple[tuple[str, int], ...]:
    """When something was written into each job's folder last: a hundredth of what reading all jobs costs."""
    try:
        with os.scandir(folder / ROOM) as entries:
            return tuple((entry.name, entry.stat(follow_symlinks=False).st_mtime_ns) for entry in entries)
    except FileNotFoundError:
        # No job yet, or one was just removed.
        return ()


def _as_text(listed: Sequence[Job]) -> str:
    return json.dumps([job_document(job) for job in listed], default=str)


routes = [
    Route("/jobs", _show),
    Route("/jobs/events", _events),
    Route("/jobs/{number:int}", _log),
    Route("/jobs/stop", posted(_stop), methods=["POST"]),
    Route("/jobs/kill", posted(_kill), methods=["POST"]),
    Route("/jobs/retry", posted(_retry), methods=["POST"]),
    Route("/jobs/move", posted(_move), methods=["POST"]),
]
