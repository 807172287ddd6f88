"""The page Faces: a contact sheet of tens of thousands, decisions, unsure tracks, corrections, and coverage."""

import base64
import binascii
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from countenance import jobs
from countenance.consent.permit import decide_prepare
from countenance.consent.register import known_releases
from countenance.coverage.page import JSON_NAME, PAGE_NAME
from countenance.errors import ConsentError, FaceError, UsageError
from countenance.faces.answers import Word
from countenance.faces.faceset import face_set_digest
from countenance.faces.store import StoredFace
from countenance.jobs import OPEN, Job
from countenance.progress import Silent
from countenance.project import Project
from countenance.review.exchange import encode_grey, read_png
from countenance.review.query import (
    FaceQuery,
    Measure,
    faces_named,
    one_decision_each,
    parse_range,
    parse_where,
    track_named,
    waiting_tracks,
)
from countenance.steps.browse import Gallery
from countenance.steps.review import chooses_quickly, correct_face, found_faces, say
from countenance.studio.answers import Form, document, page, posted, reading, report, start_job, studio_of, writing
from countenance.studio.galleries import (
    MEASURES,
    Galleries,
    face_document,
    pictures_document,
    row_document,
    summary_document,
    track_document,
)
from countenance.vision.crops import CROP_SIZES

THUMBNAIL, LARGEST = 160, 1024
NAMES_PER_JOB = 1_000
"""Of faces among the arguments of one command."""
COVERAGE = "coverage-{}"
"""Where a person's report lies in the project: where `countenance coverage` writes it, and `forget` finds it."""

_Number = Annotated[float, Field(ge=-1e6, le=1e6, allow_inf_nan=False)]
_POINTS = TypeAdapter(Annotated[list[tuple[_Number, _Number, _Number]], Field(min_length=468, max_length=468)])


def _people(request: Request) -> Response:
    with reading(request) as project:
        people = sorted({known.release.subject.person for known in known_releases(project)})
        cards = [_card(request, project, person) for person in people]
    return page(request, "faces.html", tab="faces", cards=cards)


def _card(request: Request, project: Project, person: str) -> dict[str, Any]:
    """What is known of a person's faces, or why nothing is shown."""
    try:
        gallery = _galleries(request).open(project, person)
        summary = gallery.summary(project, FaceQuery())
        known = pictures_document(gallery.known(project))
    except (ConsentError, FaceError) as error:
        return {"person": person, "why": str(error), "is_allowed": isinstance(error, FaceError)}
    return {"person": person, "why": "", "summary": summary, "known": known, "tracks": summary.num_tracks}


def _show(request: Request) -> Response:
    person = _person(request)
    context: dict[str, Any] = {
        "tab": "faces",
        "title": f"Faces of {person}",
        "person": person,
        "job": _open_job(request, person),
    }
    with reading(request) as project:
        gallery = _galleries(request).open(project, person)
        try:
            listing = gallery.listing(project)
        except FaceError as error:
            return page(request, "faces-none.html", why=str(error), **context)
        is_quick = chooses_quickly(project, person)
    return page(
        request,
        "faces-of.html",
        num_faces=len(listing.faces),
        measures=MEASURES,
        is_quick=is_quick,
        coverage_job=_open_job(request, person, ("coverage",)),
        **context,
    )


def _rows(request: Request) -> Response:
    query = _query(request)
    begin, count = (_whole(request, name, default) for name, default in (("begin", 0), ("count", 100)))
    with reading(request) as project:
        gallery = _galleries(request).open(project, _person(request))
        rows = gallery.rows(project, query, begin, count)
        total = len(gallery.chosen(project, query))
        listing = gallery.listing(project)
    faces = [row_document(row, listing.clips, query.sort) for row in rows]
    return document({"version": listing.version, "total": total, "begin": begin, "faces": faces})


def _summary(request: Request) -> Response:
    with reading(request) as project:
        gallery = _galleries(request).open(project, _person(request))
        summary = gallery.summary(project, _query(request))
        listing = gallery.listing(project)
    return document({"version": listing.version, **summary_document(summary, listing.clips)})


def _picture(request: Request) -> Response:
    size = min(_whole(request, "size", THUMBNAIL), LARGEST)
    with reading(request) as project:
        gallery = _galleries(request).open(project, _person(request))
        jpeg = gallery.thumbnail(project, request.path_params["name"], max(size, 16))
    return Response(jpeg, media_type="image/jpeg")


def _mask(request: Request) -> Response:
    with reading(request) as project:
        gallery = _galleries(request).open(project, _person(request))
        grey = gallery.mask(project, request.path_params["name"])
    return Response(encode_grey(grey), media_type="image/png")


def _face(request: Request) -> Response:
    with reading(request) as project:
        gallery = _galleries(request).open(project, _person(request))
        return document(_whole_face(gallery, project, request.path_params["name"]))


def _whole_face(gallery: Gallery, project: Project, name: str) -> dict[str, Any]:
    """A face with its mesh and the transform into its crop, if it has one."""
    shown = gallery.face(project, name)
    known = face_document(shown, gallery.listing(project).clips)
    if not shown.face.has_crop:
        return known
    side, to_crop = gallery.crop(project, shown.face)
    return {
        **known,
        "side": side,
        "to_crop": to_crop.astype(float).tolist(),
        "landmarks": shown.face.landmarks_xyz.astype(float).tolist(),
    }


def _decide(request: Request, form: Form) -> Response:
    """Keep, drop and reset faces: at once where that is quick, else as jobs of the same commands."""
    person = _person(request)
    names = {word: form.text(word, "").split() for word in ("keep", "drop", "reset")}
    if not any(names.values()):
        raise UsageError("expected names of faces to keep, drop or reset; select some")
    with reading(request) as project:
        _galleries(request).open(project, person)
        is_quick = chooses_quickly(project, person)
    if not is_quick:
        return _as_jobs(request, person, names, form.text("once"))
    with writing(request) as project:
        permit = decide_prepare(project, person)
        found = found_faces(project, person, permit).faces
        faces = {word: faces_named(found, names[word]) for word in names}
        words: dict[Word, Sequence[StoredFace]] = {"keep": faces["keep"], "drop": faces["drop"]}
        prepared = say(project, person, permit, words, withdrawn=faces["reset"], progress=Silent())
    return document({"num_kept": prepared.face_set.num_faces})


def _as_jobs(request: Request, person: str, names: dict[str, list[str]], once: str) -> Response:
    added = [
        start_job(
            request, ["faces", word, person, *names[word][first : first + NAMES_PER_JOB]], once=f"{once}-{word}-{first}"
        )
        for word in names
        for first in range(0, len(names[word]), NAMES_PER_JOB)
    ]
    return document({"jobs": [job.number for job in added]})


def _waiting(request: Request) -> Response:
    with reading(request) as project:
        gallery = _galleries(request).open(project, _person(request))
        tracks, known = gallery.waiting(project), gallery.known(project)
        clips = gallery.listing(project).clips
    return document({"tracks": [track_document(track, clips) for track in tracks], "known": pictures_document(known)})


def _answer(request: Request, form: Form) -> Response:
    """Yes and no to tracks, all at once."""
    person = _person(request)
    said: list[tuple[str, Word]] = [*((name, "yes") for name in form.text("yes", "").split())]
    said += [*((name, "no") for name in form.text("no", "").split())]
    if not said:
        raise UsageError("expected a yes or no to a track; answer one")
    with reading(request) as project:
        gallery = _galleries(request).open(project, person)
        is_quick = chooses_quickly(project, person)
        tracks = gallery.waiting(project)
    decided = one_decision_each([(track_named(tracks, name), word) for name, word in said])
    if not is_quick:
        options = [option for track, word in decided for option in (f"--{word}", track.name)]
        return document(
            {"jobs": [start_job(request, ["faces", "review", person, *options], once=form.text("once")).number]}
        )
    with writing(request) as project:
        permit = decide_prepare(project, person)
        tracks = waiting_tracks(found_faces(project, person, permit).faces)
        decided = one_decision_each([(track_named(tracks, name), word) for name, word in said])
        words: dict[Word, Sequence[StoredFace]] = {
            word: [track.faces[0] for track, each in decided if each == word] for word in get_args(Literal["yes", "no"])
        }
        prepared = say(project, person, permit, words, progress=Silent())
    return document({"num_kept": prepared.face_set.num_faces})


def _correct(request: Request, form: Form) -> Response:
    """New landmarks or a new mask of one face."""
    person, name = _person(request), request.path_params["name"]
    points = _points(form.text("landmarks")) if form.text("landmarks", "") else None
    mask = _grey(form.text("mask")) if form.text("mask", "") else None
    with writing(request) as project:
        is_quick = chooses_quickly(project, person)
        permit = decide_prepare(project, person)
        correct_face(
            project, person, permit, name, landmarks_xyz=points, mask=mask, is_last=is_quick, progress=Silent()
        )
    job = None if is_quick else start_job(request, ["prepare", person], once=form.text("once"))
    with reading(request) as project:
        face = _whole_face(_galleries(request).open(project, person), project, name)
    return document({"face": face, "jobs": [job.number] if job else []})


def _coverage(request: Request) -> Response:
    """What was measured last, and whether that is the face set of today."""
    person, path = _person(request), _report_folder(request) / JSON_NAME
    with reading(request) as project:
        _galleries(request).open(project, person)
        digest = face_set_digest(project, person)
    measured = json.loads(path.read_bytes()) if path.is_file() else None
    return document({"report": measured, "is_current": measured is not None and measured["face_set"] == digest})


def _coverage_page(request: Request) -> Response:
    with reading(request) as project:
        _galleries(request).open(project, _person(request))
    path = _report_folder(request) / PAGE_NAME
    if not path.is_file():
        raise UsageError("there is no coverage report yet; measure it first")
    return report(path.read_text(encoding="utf-8"))


def _measure(request: Request, form: Form) -> Response:
    person = _person(request)
    with reading(request) as project:
        _galleries(request).open(project, person)
    folder = _report_folder(request)
    job = start_job(request, ["coverage", person, "--output", str(folder), "--overwrite"], once=form.text("once"))
    return document({"jobs": [job.number]})


def _report_folder(request: Request) -> Path:
    return studio_of(request).project / COVERAGE.format(_person(request))


def _open_job(request: Request, person: str, verbs: Sequence[str] = ("faces", "prepare")) -> Job | None:
    """A job that changes this person's faces, and hasn't ended."""
    return next(
        (
            job
            for job in jobs.list_jobs(studio_of(request).project)
            if job.state in OPEN and job.arguments[0] in verbs and person in job.arguments[1:3]
        ),
        None,
    )


def _galleries(request: Request) -> Galleries:
    galleries: Galleries = request.app.state.galleries
    return galleries


def _person(request: Request) -> str:
    """Whose page it is; whether there is such a person, the permit says."""
    return str(request.path_params["person"])


def _query(request: Request) -> FaceQuery:
    """Which faces, from the address.

    Raises:
        UsageError: it has what no query knows.
    """
    asked = request.query_params
    sort: Measure | None = next((each for each in get_args(Measure) if each == asked.get("sort", "frame")), None)
    if sort is None:
        raise UsageError(f"expected sort by one of {', '.join(get_args(Measure))}; got {asked['sort'][:40]!r}")
    return FaceQuery(
        sort=sort,
        reverse=asked.get("reverse", "") == "1",
        where=parse_where(asked["where"]) if asked.get("where") else None,
        clip=asked.get("clip") or None,
        ranges=tuple(parse_range(text) for text in asked.getlist("range")),
    )


def _whole(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name, str(default))
    if not text.isdecimal() or len(text) > 9:
        raise UsageError(f"expected a whole number for {name}, got {text[:40]!r}")
    return int(text)


def _points(text: str) -> list[tuple[float, float, float]]:
    try:
        return _POINTS.validate_json(text)
    except ValidationError:
        raise UsageError("expected 468 landmarks of three numbers; load the face again") from None


def _grey(text: str) -> Any:
    """A mask from the page: a PNG in base 64."""
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise UsageError("expected a mask as PNG in base 64; load the face again") from None
    return read_png(content, "the mask", "L", CROP_SIZES)


_AT = "/faces/{person}"
routes = [
    Route("/faces", _people),
    Route(_AT, _show),
    Route(f"{_AT}/rows", _rows),
    Route(f"{_AT}/summary", _summary),
    Route(f"{_AT}/decide", posted(_decide), methods=["POST"]),
    Route(f"{_AT}/waiting", _waiting),
    Route(f"{_AT}/answer", posted(_answer), methods=["POST"]),
    Route(f"{_AT}/coverage", _coverage),
    Route(f"{_AT}/coverage/measure", posted(_measure), methods=["POST"]),
    Route(f"{_AT}/coverage/page", _coverage_page),
    Route(f"{_AT}/{{name}}.jpg", _picture),
    Route(f"{_AT}/{{name}}.mask.png", _mask),
    Route(f"{_AT}/{{name}}.json", _face),
    Route(f"{_AT}/{{name}}/correct", posted(_correct), methods=["POST"]),
]
