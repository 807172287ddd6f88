"""The page Shots: a plate before and after, what is wrong in it and why, and the settings of each shot."""

import hashlib
import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import urlencode

import cv2
import numpy as np
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from countenance import jobs, ledger
from countenance.casting import is_cast
from countenance.composite.shot import ALL, KEYED, SECTION, ShotConfig
from countenance.composite.shotfile import Shot, frame_of_key, shots_folder, table_of
from countenance.config import Setting, read_config
from countenance.consent.permit import grant
from countenance.consent.register import known_releases
from countenance.errors import UsageError
from countenance.footage import known_timeline, timeline_of
from countenance.jobs import Job
from countenance.media.timeline import Timeline
from countenance.progress import Silent
from countenance.project import Project, opened
from countenance.provenance.proxy import proxy_path
from countenance.provenance.publish import PREVIEWS, latest_files
from countenance.steps.drawings import GenerateConfig, Pair
from countenance.steps.settings import list_settings
from countenance.steps.shots import copy_settings, set_shot, shots_of
from countenance.steps.timeline import Kind, PairTimeline, PlateTimeline, Problem, plate_timeline
from countenance.studio.answers import (
    MEDIA_TYPES,
    Form,
    document,
    go_to,
    page,
    picture,
    posted,
    reading,
    start_job,
    studio_of,
)
from countenance.studio.choice import Choice, KnownPlates, choice_in, choosing, chosen, offered
from countenance.studio.previewing import Ask
from countenance.studio.previews import Previews
from countenance.studio.queue import job_document
from countenance.studio.releases import ended
from countenance.types import MediaInfo

PICTURE_QUALITY, THUMBNAIL_QUALITY = 95, 80
LABELS: Mapping[str, str] = {
    "who": "Who",
    "likeness": "Likeness strength",
    "grow": "Mask grow",
    "feather": "Feather",
    "colour": "Colour match",
    "sharpness": "Sharpness",
    "held_s": "Painted frames fade, s",
}


LOOKS: Mapping[Kind, tuple[str, str]] = {
    "not found": ("soft", "dots"),
    "turned away": ("bad", "slant"),
    "lost": ("bad", "cross"),
    "in doubt": ("warn", "bars"),
    "claimed twice": ("warn", "cross"),
    "left out": ("soft", "back"),
    "covered": ("info", "full"),
    "fades": ("warn", "slant"),
    "low confidence": ("warn", "dots"),
    "occluded": ("warn", "back"),
    "small": ("info", "bars"),
    "soft": ("info", "dots"),
}
"""Tone and pattern of each kind of problem, so that none is told by its colour alone."""


def plates_of(request: Request) -> KnownPlates:
    """What this studio knows of plates."""
    known: KnownPlates = request.app.state.plates
    return known


def previews_of(request: Request) -> Previews:
    """The warm preview of this studio."""
    previews: Previews = request.app.state.previews
    return previews


def _show(request: Request) -> Response:
    studio, asked = studio_of(request), request.query_params
    choice = choice_in(asked, studio)
    with reading(request) as project:
        if choice is not None:
            check_allowed(project, choice)
        found = offered(project, studio)
    return page(
        request,
        "shots.html",
        tab="shots",
        choice=choice,
        no_job={"number": 0, "is_stopping": False, "state": "waiting", "message": ""},
        **choosing(found, asked, studio),
    )


def check_allowed(project: Project, choice: Choice) -> None:
    """Check that the releases still allow what was chosen; nothing of a plate is shown without.

    Raises:
        ConsentError: one doesn't.
    """
    for likeness, performer in choice.pairs:
        grant(project, "generate", likeness=likeness, performer=performer)


@contextmanager
def looking(request: Request, choice: Choice) -> Iterator[tuple[Project, list[Pair]]]:
    """The project, with permits for what was chosen. The log hears of what a release doesn't allow with this plate, so
    it is opened to write; nothing else is written, and no lock is needed.

    Raises:
        ConsentError: a release doesn't allow it.
    """
    with opened(studio_of(request).project) as project:
        yield (
            project,
            [
                Pair(
                    likeness=likeness,
                    performer=performer,
                    permit=grant(project, "generate", likeness=likeness, performer=performer),
                    is_disguise=is_cast(project, likeness),
                )
                for likeness, performer in choice.pairs
            ],
        )


def told(project: Project, info: MediaInfo, pairs: Sequence[Pair]) -> PlateTimeline:
    """What is known of a plate."""
    return plate_timeline(project, info, pairs, read_config(GenerateConfig, "generate", project.settings))


def _plate(request: Request) -> Response:
    """All that the page's script draws, but for pictures."""
    choice = chosen(request.query_params, studio_of(request))
    with looking(request, choice) as (project, pairs):
        info = plates_of(request).info(choice.plate)
        return document(_plate_document(project, info, choice, told(project, info, pairs)))


def _plate_document(project: Project, info: MediaInfo, choice: Choice, plate: PlateTimeline) -> dict[str, Any]:
    base = read_config(ShotConfig, SECTION, project.settings)
    listed = jobs.list_jobs(project.folder)
    timeline = known_timeline(project, info)
    width, height = info.resolution_wh
    return {
        "name": info.path.name,
        "kind": info.kind,
        "frames": info.num_frames if timeline is None else len(timeline.frame_pts),
        "rate": float(info.frame_rate),
        "width": width,
        "height": height,
        "shots": []
        if timeline is None
        else [
            {**_shot_document(info, timeline, shot), "preview": preview}
            for shot, preview in zip(
                plate.shots, _preview_documents(project, info, choice, plate.shots, listed), strict=True
            )
        ],
        "settings": [_setting_document(setting, base) for setting in list_settings(SECTION)],
        "performers": [performer for _, performer in choice.pairs],
        "bins": plate.bins.tolist(),
        "lanes": [_lane_document(pair) for pair in plate.pairs if pair.is_scanned],
        "to_scan": [
            {"performer": pair.performer, "job": _job_document(listed, _scan(pair))}
            for pair in plate.pairs
            if not pair.is_scanned
        ],
        # Where there is something to see.
        "first": min((_first_replaced(plate, pair) for pair in plate.pairs), default=0),
    }


def _lane_document(pair: PairTimeline) -> dict[str, Any]:
    return {
        "likeness": pair.likeness,
        "performer": pair.performer,
        "replaced": pair.num_replaced_frames,
        "presence": [] if pair.track is None else [round(part, 3) for part in pair.track.presence.tolist()],
        "problems": [problem_document(pair.performer, problem) for problem in pair.problems],
    }


def problem_document(performer: str, problem: Problem) -> dict[str, Any]:
    """A stretch of a plate in which something is wrong, in words, and how it is drawn."""
    tone, pattern = LOOKS[problem.kind]
    return {
        "performer": performer,
        "words": problem.kind.capitalize(),
        "first": problem.frames.start,
        "last": problem.frames.stop - 1,
        "begins_s": problem.begins_s,
        "ends_s": problem.ends_s,
        "is_replaced": problem.is_replaced,
        "sentence": problem.sentence,
        "tone": tone,
        "pattern": pattern,
    }


def _first_replaced(plate: PlateTimeline, pair: PairTimeline) -> int:
    there: Sequence[int] = [] if pair.track is None else np.flatnonzero(pair.track.presence).tolist()
    return int(plate.bins[there[0]]) if there else 0


def _scan(pair: PairTimeline) -> list[str]:
    """The arguments of the command that looks through a plate."""
    return shlex.split(pair.scan_with)[1:]


def _job_document(listed: Sequence[Job], arguments: Sequence[str]) -> dict[str, Any] | None:
    job = next((job for job in reversed(listed) if list(job.arguments) == list(arguments)), None)
    return None if job is None else job_document(job)


def _scan_plate(request: Request, form: Form) -> Response:
    """Have a plate looked through for each performer for whom it wasn't yet."""
    choice = chosen(form.fields, studio_of(request))
    with looking(request, choice) as (project, pairs):
        info = plates_of(request).info(choice.plate)
        to_scan = [pair for pair in told(project, info, pairs).pairs if not pair.is_scanned]
    once = form.text("once", "")
    started = [start_job(request, _scan(pair), once=f"{once} {pair.performer}" if once else None) for pair in to_scan]
    return document({"jobs": [job_document(job) for job in started]})


def _shot_document(info: MediaInfo, timeline: Timeline, shot: Shot) -> dict[str, Any]:
    """A shot with what its file sets, and at which frame each moment of it lies."""
    table = table_of(shot)
    at = {
        moment: frame_of_key(info, timeline, shot, name, moment)
        for name, value in table.items()
        if isinstance(value, Mapping)
        for moment in value
    }
    return {
        "number": shot.number,
        "first": shot.frames.start,
        "last": shot.frames.stop - 1,
        "begins_s": shot.begins_s,
        "ends_s": shot.ends_s,
        "table": table,
        "at": at,
        "keyed": sorted(set(at.values())),
        "held": sorted({frame.index for frame in shot.held}),
    }


def _setting_document(setting: Setting, base: ShotConfig) -> dict[str, Any]:
    name = setting.key
    return {
        "name": name,
        "label": LABELS.get(name, name),
        "base": getattr(base, name),
        "minimum": setting.schema.get("minimum"),
        "maximum": setting.schema.get("maximum"),
        "is_text": setting.schema["type"] == "string",
        "can_be_keyed": name in KEYED,
        "allowed": setting.allowed,
        "meaning": setting.meaning,
    }


def _preview_documents(
    project: Project, info: MediaInfo, choice: Choice, shots: Sequence[Shot], listed: Sequence[Job]
) -> list[dict[str, Any]]:
    """Of each shot the job that makes its preview, if there is one, and whether there is one to play."""
    folder, stem = project.folder / PREVIEWS, _preview_stem(info, choice)
    made_at = {path.name: path.stat().st_mtime for path in _previews(project) if path.name.startswith(stem)}
    by_output = {word: job for job in listed for word in job.arguments}
    documents = []
    for shot in shots:
        output = f"{stem}{shot.number:04}.mp4"
        job = by_output.get(str(folder / output)) if by_output else None
        made = [made_at[name] for name in (output, proxy_path(Path(output)).name) if name in made_at] if made_at else []
        is_stale = bool(made) and shot.path.exists() and shot.path.stat().st_mtime > max(made)
        documents.append(
            {"job": None if job is None else job_document(job), "is_there": bool(made), "is_stale": is_stale}
        )
    return documents


def _preview_stem(info: MediaInfo, choice: Choice) -> str:
    """Of the names of a plate's previews: a digest, so that no name says who is in it."""
    return f"{hashlib.sha256(f'{info.sha256} {choice.query}'.encode()).hexdigest()[:16]}-shot-"


def _preview_path(project: Project, info: MediaInfo, choice: Choice, number: int) -> Path:
    return project.folder / PREVIEWS / f"{_preview_stem(info, choice)}{number:04}.mp4"


def _previews(project: Project) -> list[Path]:
    """Previews that are there, also proxies of some, as long as the releases hold under which each was made; the
    latest last.
    """
    room, known, at = (project.folder / PREVIEWS).resolve(), known_releases(project), ledger.time_now(project)
    by_digest = {each.digest: each for each in known}
    return [
        path
        for path, entry in latest_files(project)
        if path.parent == room and path.is_file() and not ended(entry, by_digest, at)
    ]


def _frame(request: Request) -> Response:
    """A frame of the plate, or as it would be drawn; `change` tries settings that aren't saved."""
    choice, asked = chosen(request.query_params, studio_of(request)), request.query_params
    ask = Ask(
        side="before" if asked.get("side") == "before" else "after",
        index=_number(asked.get("frame", ""), "frame"),
        changes=tuple(asked.getlist("change")),
    )
    rgb = previews_of(request).ask(choice.plate, choice.pairs, ask)
    if "width" not in asked:
        return picture(rgb, quality=PICTURE_QUALITY)
    height, width = rgb.shape[:2]
    wanted = min(width, max(16, _number(asked["width"], "width")))
    small = cv2.resize(rgb, (wanted, max(1, round(height * wanted / width))), interpolation=cv2.INTER_AREA)
    return picture(small, quality=THUMBNAIL_QUALITY)


def _set(request: Request, form: Form) -> Response:
    """Save what is set for a shot."""
    choice, number = chosen(form.fields, studio_of(request)), _number(form.text("shot"), "shot")
    with reading(request) as project:
        check_allowed(project, choice)
        info = plates_of(request).info(choice.plate)
        table, was = _table(form, "table"), _table(form, "was") if "was" in form.fields else None
        try:
            with _changing(request):
                shot = set_shot(project, info, number, table, Silent(), was=was)
        except UsageError as error:
            # Beside the field nobody needs the file's path.
            path = shots_folder(project, info) / f"{number:04}.toml"
            said = str(error).removeprefix(str(path)).lstrip(": ").replace(f"; correct it in {path}", "")
            raise error.rephrased(said) from None
        return document({"shot": _shot_document(info, timeline_of(project, info, Silent()), shot)})


def _changing(request: Request) -> Lock:
    """Held from looking at what is set to writing it, so that no page writes between."""
    lock: Lock = request.app.state.shot_files
    return lock


def _table(form: Form, name: str) -> dict[str, Any]:
    try:
        table = json.loads(form.text(name, "{}"))
    except (ValueError, RecursionError):
        table = None
    if not isinstance(table, dict):
        raise UsageError("expected the settings of a shot; load the page again")
    return table


def _copy(request: Request, form: Form) -> Response:
    """Set other shots as one is set."""
    choice, number = chosen(form.fields, studio_of(request)), _number(form.text("shot"), "shot")
    with reading(request) as project:
        check_allowed(project, choice)
        info = plates_of(request).info(choice.plate)
        num_shots = len(shots_of(project, info, Silent()).shots)
        others = range(1, num_shots + 1) if form.text("to") == ALL else _numbers(form.text("numbers"))
        was = (
            {_number(at, "shot"): table for at, table in _table(form, "was").items()} if "was" in form.fields else None
        )
        with _changing(request):
            copied = copy_settings(project, info, number, others, Silent(), was=was)
    return document({"copied": [shot.number for shot in copied]})


def _make_preview(request: Request, form: Form) -> Response:
    """Render a shot in the background, small and quick."""
    choice, number = chosen(form.fields, studio_of(request)), _number(form.text("shot"), "shot")
    with reading(request) as project:
        check_allowed(project, choice)
        info = plates_of(request).info(choice.plate)
        project.room(PREVIEWS)
        output = _preview_path(project, info, choice, number)
    part = ["--shot", str(number)] if info.kind == "video" else []
    command = ["generate", str(choice.plate), *choice.options, *part, "--preview", "--overwrite"]
    job = start_job(request, [*command, "--output", str(output)], once=form.text("once", "") or None)
    return document({"job": job_document(job)})


def _play_preview(request: Request) -> Response:
    choice = chosen(request.query_params, studio_of(request))
    number = _number(request.query_params.get("shot", ""), "shot")
    with reading(request) as project:
        check_allowed(project, choice)
        output = _preview_path(project, plates_of(request).info(choice.plate), choice, number)
        names = (output.name, proxy_path(output).name)
        made = next((path for path in reversed(_previews(project)) if path.name in names), None)
    if made is None:
        raise UsageError(f"there is no preview of shot {number} under the releases that hold now; make one")
    # The project's own room, which is never served without asking as above.
    return FileResponse(made, media_type=MEDIA_TYPES[made.suffix])


def _choose_plate(request: Request, form: Form) -> Response:
    path = studio_of(request).allowed(form.text("path"))
    return go_to(f"{form.text('to', '/shots')}?{urlencode({'choose': '1', 'plate': str(path)})}")


def _number(text: str, what: str) -> int:
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII):
        raise UsageError(f"expected the number of a {what}, got {text[:40]!r}; load the page again")
    return int(text)


def _numbers(text: str) -> list[int]:
    """Numbers of shots, such as `2, 5-9`."""
    numbers: list[int] = []
    for part in text.split(","):
        found = re.fullmatch(r"\s*(\d{1,6})(?:\s*[-–]\s*(\d{1,6}))?\s*", part, re.ASCII)
        if found is None:
            raise UsageError(f"expected numbers of shots such as 2, 5-9, got {text[:60]!r}")
        numbers += range(int(found[1]), int(found[2] or found[1]) + 1)
    return numbers


routes = [
    Route("/shots", _show),
    Route("/shots/plate", _plate),
    Route("/shots/frame.jpg", _frame),
    Route("/shots/scan", posted(_scan_plate), methods=["POST"]),
    Route("/shots/set", posted(_set), methods=["POST"]),
    Route("/shots/copy", posted(_copy), methods=["POST"]),
    Route("/shots/preview", posted(_make_preview), methods=["POST"]),
    Route("/shots/preview.mp4", _play_preview),
    Route("/shots/plates", posted(_choose_plate), methods=["POST"]),
]
