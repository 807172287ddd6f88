"""The page Publish: what will be written, under which releases and with which marks; approval, and what came of it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from starlette.datastructures import FormData, QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from countenance import jobs, ledger
from countenance.config import Setting, read_config, text_of
from countenance.consent.approvals import Asked, asked_results, standing_by
from countenance.consent.document import document_text
from countenance.consent.permit import refusals
from countenance.consent.register import KnownRelease, known_releases
from countenance.consent.release import in_words
from countenance.consent.scope import num_outputs
from countenance.errors import ConsentError, CountenanceError, UsageError, one_line
from countenance.jobs import Job
from countenance.ledger import LogEntry
from countenance.media.excerpt import Wanted
from countenance.media.losses import losses
from countenance.media.writer import planned_output
from countenance.project import Project
from countenance.provenance.credentials import Credentials, read_credentials
from countenance.provenance.keys import find_trust
from countenance.provenance.publish import SUFFIXES, check_output, latest_files, published_files
from countenance.steps.approval import request_path
from countenance.steps.drawings import GenerateConfig, Pair
from countenance.steps.settings import list_settings
from countenance.steps.timeline import PlateTimeline
from countenance.studio.answers import (
    Form,
    document,
    file,
    go_to,
    page,
    posted,
    reading,
    start_job,
    studio_of,
    wants_json,
)
from countenance.studio.choice import Choice, choice_in, choosing, chosen, offered
from countenance.studio.releases import ended
from countenance.studio.session import Studio
from countenance.studio.shots import check_allowed, looking, plates_of, problem_document, told
from countenance.types import MediaInfo

SECTION = "generate"
OF_THE_LABEL = ("label", "label_form", "unlabelled_reason")
"""Settings that are asked for together: a label isn't left off without a reason."""
LABELS: Mapping[str, tuple[str, ...]] = {
    "shown": (),
    "credits": ("generate.label_form=credits",),
    "left out": ("generate.label=false",),
}
MANY_DAYS = 730
MOST_SHOWN = 12
"""Of published files; the log lists all."""
ALWAYS = "always shown"
"""The label, by a release that says so."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """A published file, as the page lists it."""

    entry: LogEntry
    path: Path
    name: str
    is_there: bool
    ended: str
    """Why it isn't played any more: which release of those under which it was made doesn't hold; empty where all do."""
    why_not: str
    """Why it can't be played here, beside that."""

    @property
    def sha256(self) -> str:
        return self.entry.fact("sha256", str)

    @property
    def is_proxy(self) -> bool:
        return bool(self.entry.facts.get("is_proxy"))

    @property
    def is_picture(self) -> bool:
        return self.path.suffix.lower() in SUFFIXES["picture"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """A result about which people were asked."""

    asked: Asked
    proxy: Result | None
    states: tuple[tuple[str, str, str], ...]
    """Person, state and reason."""
    job: int | None
    """By which the proxy was made, and the result will be."""

    @property
    def is_approved(self) -> bool:
        return all(state == "approved" for _, state, _ in self.states)


def _show(request: Request) -> Response:
    return _page(request, request.query_params)


def _page(request: Request, asked: QueryParams | FormData, wrong: CountenanceError | None = None) -> Response:
    studio = studio_of(request)
    choice = choice_in(asked, studio)
    with reading(request) as project:
        found, listed = offered(project, studio), jobs.list_jobs(studio.project)
        results = _results(project, studio)
        shown = [each for each in results if not each.is_proxy]
        about: dict[str, Any] = {
            "results": shown[:MOST_SHOWN],
            "num_more": max(len(shown) - MOST_SHOWN, 0),
            "proxies": [each for each in results if each.is_proxy][:MOST_SHOWN],
            "choice": choice,
            "wrong": wrong,
        }
    if choice is not None:
        with looking(request, choice) as (project, pairs):
            info = plates_of(request).soon(choice.plate)
            if info is None:
                return page(request, "reading.html", tab="publish", name=choice.plate.name)
            about |= _about(project, studio, choice, pairs, info, asked, listed, results)
    return page(request, "publish.html", tab="publish", **choosing(found, asked, studio), **about)


def _about(
    project: Project,
    studio: Studio,
    choice: Choice,
    pairs: Sequence[Pair],
    info: MediaInfo,
    asked: QueryParams | FormData,
    listed: Sequence[Job],
    results: Sequence[Result],
) -> dict[str, Any]:
    """All that the page says of a plate and its pairs."""
    base = read_config(GenerateConfig, SECTION, project.settings)
    suffix = ".mp4" if info.kind == "video" else ".png"
    own = [job for job in listed if _is_of(job, choice)]
    judged = refusals(project)
    names = [(name, role) for pair in choice.pairs for name, role in zip(pair, ("likeness", "performer"), strict=True)]
    serving = [(name, role, _serving(judged, name, role)) for name, role in dict.fromkeys(names)]
    questions = [each for each in _questions(project, results, listed) if _is_about(each.asked, info)]
    return {
        "info": info,
        "folders": studio.folders,
        "folder": asked.get("folder") or str(_usual_folder(studio, own)),
        "name": asked.get("name") or f"{choice.plate.stem}-{choice.words}{suffix}",
        "suffixes": SUFFIXES["video" if info.kind == "video" else "picture"],
        "part": asked.get("part") or "all",
        "shot": asked.get("shot") or "1",
        "frames": asked.get("frames") or "",
        "settings": [_setting(setting, base, asked) for setting in _plain_settings()],
        "label": asked.get("label") or _label_of(base),
        "reason": asked.get("reason") or base.unlabelled_reason,
        "may_be_unlabelled": all(known and known.release.disclosure.label != ALWAYS for _, _, known in serving),
        "quality": base.quality,
        "has_timestamp": bool(base.timestamp_authority),
        "losses": losses(info, planned_output(suffix)),
        "releases": [_release(project, name, role, known) for name, role, known in serving],
        "approvers": [name for name, _, known in serving if known and known.release.approval.needed],
        "job": next((job for job in reversed(own) if job.state != "done"), None),
        "questions": questions,
        "unaltered": _unaltered(told(project, info, pairs)),
    }


def _unaltered(plate: PlateTimeline) -> list[dict[str, Any]] | None:
    """Where no face is put in, and why; None where the plate wasn't looked through yet."""
    if not all(pair.is_scanned for pair in plate.pairs):
        return None
    return [
        problem_document(pair.performer, problem)
        for pair in plate.pairs
        for problem in pair.problems
        if not problem.is_replaced
    ]


def _plain_settings() -> list[Setting]:
    return [each for each in list_settings(SECTION) if each.key not in OF_THE_LABEL]


def _setting(setting: Setting, base: GenerateConfig, asked: QueryParams | FormData) -> dict[str, Any]:
    kind = setting.schema.get("type", "string")
    return {
        "name": setting.name,
        "label": setting.title,
        "kind": kind,
        "choices": setting.schema.get("enum", ["true", "false"] if kind == "boolean" else None),
        "value": asked.get(setting.name) or text_of(getattr(base, setting.key)),
        "allowed": setting.allowed,
        "meaning": setting.meaning,
    }


def _label_of(base: GenerateConfig) -> str:
    return base.label_form if base.label else "left out"


def _serving(judged: Sequence[tuple[KnownRelease, ConsentError | None]], person: str, role: str) -> KnownRelease | None:
    """The release that allows it now, the oldest, as a permit takes it."""
    for known, why_not in judged:
        if why_not is None and (known.release.subject.person, known.release.role) == (person, role):
            return known
    return None


def _release(project: Project, person: str, role: str, known: KnownRelease | None) -> dict[str, Any]:
    """A release with its term and limits, in words."""
    if known is None:
        return {"person": person, "role": role, "is_valid": False}
    release = known.release
    used, most = num_outputs(project, known.digest), release.term.num_outputs
    days = (release.term.last_moment - ledger.time_now(project)).days
    limits = [f"{used:,} published, any number allowed" if most is None else f"{used:,} of {most:,} published"]
    limits += [f"only {', '.join(release.scope.channels)}"] if release.scope.channels else []
    limits += [f"only {len(release.scope.plates):,} named plates"] if release.scope.plates else []
    limits += ["label throughout"] if release.disclosure.label == ALWAYS else []
    limits += [] if role == "performer" or "words" in release.scope.explicit else ["no plates with sound"]
    limits += [f"not: {release.scope.prohibited}"] if release.scope.prohibited else []
    return {
        "person": person,
        "role": role,
        "is_valid": True,
        "expires": in_words(release.term.expires),
        "left": f"{days:,} days left" if days < MANY_DAYS else f"{days // 365} years left",
        "uses": release.scope.uses,
        "limits": limits,
        "approval": "sees each result first" if release.approval.needed else "isn't asked about results",
    }


def _usual_folder(studio: Studio, own: Sequence[Job]) -> Path:
    """Where the last file of this plate went, or the first folder that the user chose beside the project."""
    for job in reversed(own):
        folder = Path(_option(job, "--output") or "").parent
        if folder.is_dir() and any(folder.is_relative_to(each) for each in studio.folders):
            return folder
    return studio.folders[min(1, len(studio.folders) - 1)]


def _is_of(job: Job, choice: Choice) -> bool:
    """Whether a job publishes this plate with these pairs."""
    arguments, command = list(job.arguments), ["generate", str(choice.plate), *choice.options]
    rest = arguments[len(command) :]
    return arguments[: len(command)] == command and rest[:1] != ["--likeness"] and "--preview" not in rest


def _option(job: Job, name: str) -> str | None:
    arguments = job.arguments
    return arguments[arguments.index(name) + 1] if name in arguments[:-1] else None


# What came of it.


def _results(project: Project, studio: Studio) -> list[Result]:
    """Published files but previews, the newest first; of those that were replaced by another one only the latest."""
    known, at = {each.digest: each for each in known_releases(project)}, ledger.time_now(project)
    found = [
        _result(studio, path, entry, ended(entry, known, at))
        for path, entry in latest_files(project)
        if not entry.facts.get("is_preview")
    ]
    return found[::-1]


def _result(studio: Studio, path: Path, entry: LogEntry, ended: str) -> Result:
    why_not = ""
    try:
        studio.allowed(path)
    except UsageError as error:
        why_not = "It isn't where it was published." if error.code != "usage.outside" else str(error)
    return Result(
        entry=entry, path=path, name=path.name, is_there=path.is_file(), ended=ended, why_not=one_line(why_not)
    )


def _questions(project: Project, results: Sequence[Result], listed: Sequence[Job]) -> list[Question]:
    by_sha256 = {result.sha256: result for result in results}
    published = {entry.facts.get("result") for _, entry in published_files(project) if not entry.facts.get("is_proxy")}
    return [
        _question(project, asked, by_sha256.get(asked.proxy_sha256), listed)
        for asked in reversed(asked_results(project))
        if asked.result not in published
    ]


def _question(project: Project, asked: Asked, proxy: Result | None, listed: Sequence[Job]) -> Question:
    standing = standing_by(project, asked)
    states = {
        **dict.fromkeys(standing.approved, ("approved", "")),
        **{person: ("declined", decision.reason or "") for person, decision in standing.declined.items()},
        **dict.fromkeys(standing.awaited, ("awaited", "")),
    }
    job = None
    if proxy is not None:
        output = proxy.path.with_name(proxy.path.name.replace(".not-approved", "", 1))
        job = next((job.number for job in reversed(listed) if _option(job, "--output") == str(output)), None)
    return Question(
        asked=asked,
        proxy=proxy,
        states=tuple((person, *states[person]) for person in sorted(states)),
        job=job,
    )


def _is_about(asked: Asked, info: MediaInfo) -> bool:
    return any(request.plate == info.sha256 for request in asked.requests.values())


def _play(request: Request) -> Response:
    """A published file, as long as the releases hold under which it was made."""
    studio, sha256 = studio_of(request), request.path_params["sha256"]
    with reading(request) as project:
        result = _found(_results(project, studio), sha256)
    if result.ended:
        raise UsageError(f"{result.name} isn't shown any more: {result.ended}")
    return file(request, result.path)


def _credentials(request: Request) -> Response:
    """What a published file's own credentials say, in a line."""
    studio, sha256 = studio_of(request), request.path_params["sha256"]
    with reading(request) as project:
        result = _found(_results(project, studio), sha256)
    return document(_in_words(read_credentials(studio.allowed(result.path), find_trust())))


def _in_words(credentials: Credentials) -> dict[str, str]:
    claim = credentials.claim
    if credentials.state != "trusted" or claim is None:
        why = "; ".join(credentials.reasons)
        return {"look": "bad", "words": f"Credentials: {credentials.state}{f' ({why})' if why else ''}."}
    label = {
        "shown": f"label in the picture ({', '.join(claim.label_corners)})",
        "credits": "label where altered pictures begin",
    }.get(claim.label, f"no label: {claim.label_reason}")
    return {
        "look": "good",
        "words": f"Credentials hold, signed by this computer: altered in {claim.num_altered_frames:,} of "
        f"{claim.num_frames:,} frames, {label}, watermark {claim.watermark.id if claim.watermark else 'none'}.",
    }


def _found(results: Sequence[Result], sha256: str) -> Result:
    for result in results:
        if result.sha256 == sha256:
            return result
    raise UsageError("there is no such published file in the log; load the page again")


def _request_file(request: Request) -> Response:
    """The request to a person, to be sent to them with the proxy."""
    result, person = request.path_params["result"], request.path_params["person"]
    with reading(request) as project:
        for asked in asked_results(project):
            if asked.result == result and person in asked.requests:
                text = document_text(asked.requests[person])
                proxy = Path(asked.requests[person].proxy.file)
                name = request_path(proxy.with_name(proxy.name.replace(".not-approved", "", 1)), person).name
                return Response(
                    text,
                    media_type="application/toml",
                    headers={"content-disposition": f"attachment; filename*=utf-8''{quote(name)}"},
                )
    raise UsageError("nobody was asked that; load the page again")


# Publishing.


def _publish(request: Request, form: Form) -> Response:
    """Begin the job that publishes, with the arguments of the command line; what is wrong is said above the form."""
    try:
        command = command_of(request, form)
    except CountenanceError as error:
        if wants_json(request):
            raise
        return _page(request, form.fields, error)
    start_job(request, command, once=form.text("once", "") or None)
    return go_to(f"/publish?{chosen(form.fields, studio_of(request)).query}", say="It is being made; see below.")


def command_of(request: Request, form: Form) -> list[str]:
    """The command that publishes what a form asks for, checked as far as it can be before anything is drawn.

    Raises:
        ConsentError: a release doesn't allow it.
        UsageError: a setting isn't allowed, or the file can't have that name.
        MediaError: the plate can't be read, or nothing writes such files.
    """
    studio = studio_of(request)
    choice = chosen(form.fields, studio)
    with reading(request) as project:
        check_allowed(project, choice)
        info = plates_of(request).info(choice.plate)
        changes = _changes(project, form)
        read_config(GenerateConfig, SECTION, project.settings, changes)
    wanted, part = _part(form)
    output = _output(studio, form)
    check_output(output, info, overwrite=form.is_on("overwrite"), is_one_frame=wanted.is_one_frame)
    return [
        "generate",
        str(choice.plate),
        *choice.options,
        *part,
        *(["--overwrite"] if form.is_on("overwrite") else []),
        *(word for change in changes for word in ("--set", change)),
        "--output",
        str(output),
    ]


def _changes(project: Project, form: Form) -> list[str]:
    """What differs from the project's settings, as `--set` takes it."""
    base = read_config(GenerateConfig, SECTION, project.settings)
    changes = []
    for setting in _plain_settings():
        usual = text_of(getattr(base, setting.key))
        given = form.text(setting.name, "") if setting.name in form.fields else usual
        if given != usual:
            changes.append(f"{setting.name}={given}")
    label, reason = form.text("label", _label_of(base)), form.text("reason", "")
    if label not in LABELS:
        raise UsageError(f"expected one of {', '.join(LABELS)} for the label, got {label[:40]!r}; load the page again")
    if label != _label_of(base) or reason != base.unlabelled_reason:
        changes += LABELS[label] or ("generate.label=true", "generate.label_form=shown")
        if label != "shown":
            changes.append(f"generate.unlabelled_reason={reason}")
    return changes


def _part(form: Form) -> tuple[Wanted, list[str]]:
    """What of the plate is wanted, and how the command line says so."""
    part = form.text("part", "all")
    if part == "shot":
        shot = form.text("shot")
        if not re.fullmatch(r"\d{1,6}", shot, re.ASCII):
            raise UsageError(f"expected the number of a shot, got {shot[:40]!r}; Shots lists them")
        return Wanted(shot=int(shot)), ["--shot", shot]
    if part == "frames":
        frames = form.text("frames")
        return Wanted(frames=frames), ["--frames", frames]
    return Wanted(), []


def _output(studio: Studio, form: Form) -> Path:
    """The file to write, in a folder that the user chose.

    Raises:
        UsageError: it lies elsewhere, or its name is none.
    """
    folder, name = studio.allowed(form.text("folder")), form.text("name")
    if not folder.is_dir():
        raise UsageError(f"expected a folder, got the file {folder}; choose the folder that it lies in")
    if name != Path(name).name or name.startswith((".", "-")) or not name.isprintable():
        raise UsageError(f"expected a plain file name, got {name[:80]!r}; choose another one")
    return folder / name


def _again(request: Request, form: Form) -> Response:
    """The same command again, once people decided on its result."""
    folder = studio_of(request).project
    job = jobs.find_job(folder, form.number("number"))
    choice = chosen(form.fields, studio_of(request))
    if not _is_of(job, choice):
        raise UsageError(f"job {job.number} publishes something else; load the page again")
    arguments = [word for word in job.arguments if word != "--overwrite"]
    start_job(request, arguments, once=form.text("once", "") or None)
    return go_to(f"/publish?{choice.query}", say="It is being made as it was approved.")


def _choose_plate(request: Request, form: Form) -> Response:
    path = studio_of(request).allowed(form.text("path"))
    return go_to(f"/publish?{urlencode({'choose': '1', 'plate': str(path)})}")


routes = [
    Route("/publish", _show),
    Route("/publish", posted(_publish), methods=["POST"]),
    Route("/publish/again", posted(_again), methods=["POST"]),
    Route("/publish/plates", posted(_choose_plate), methods=["POST"]),
    Route("/published/{sha256}", _play),
    Route("/published/{sha256}/credentials", _credentials),
    Route("/publish/requests/{result}/{person}", _request_file),
]
