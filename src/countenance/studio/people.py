"""The page People: who consented to what, what is missing, and everything by which people say yes or no."""

import io
import re
import zipfile
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import UTC, date, datetime, timedelta
from http import HTTPStatus
from pathlib import Path

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.routing import Route

import countenance
from countenance import jobs
from countenance.adding import add_signed, waits_for_others, why_not_for
from countenance.consent.decision import Decision
from countenance.consent.document import read_document, write_document
from countenance.consent.drafting import USES_TO_APPROVE, new_release
from countenance.consent.page import release_page
from countenance.consent.papers import (
    RECEIVED,
    Draft,
    Waiting,
    draft_named,
    drafts,
    keep_draft,
    put_together,
    received_files,
    received_pictures,
    remove_draft,
    remove_received,
    remove_signed_draft,
    room_of,
    waiting_releases,
)
from countenance.consent.register import Added, KnownRelease, known_releases, project_title
from countenance.consent.release import USES, Release, check_countersigned, check_person
from countenance.consent.statement import VALID_FOR
from countenance.consent.summary import USES_IN_WORDS
from countenance.errors import CountenanceError, MediaError, UsageError
from countenance.jobs import Job
from countenance.media.probe import probe
from countenance.opening import opened_to_write
from countenance.project import SETTINGS_NAME, erase, opened
from countenance.studio.answers import (
    Form,
    document,
    go_to,
    noted,
    notes_of,
    page,
    posted,
    reading,
    report,
    saying,
    start_job,
    studio_of,
    writing,
)
from countenance.studio.releases import people
from countenance.studio.shots import plates_of
from countenance.studio.uploads import name_of, received

MAX_DOCUMENT_BYTES, MAX_PICTURE_BYTES = 2**20, 64 * 2**20
"""A release has some thousand bytes; a picture of a phone some million."""
WAITS = frozenset({"usage.project_locked", "usage.no_picture"})
"""Codes of what is all right, but can't be added yet."""
TERM = timedelta(days=365)
"""What a draft suggests."""
LINES_IN_WORDS = {
    "words": "Plates with sound: the face is seen saying words that the person never said.",
    "political": "Anything political. Needs the use political as well.",
    "advertising": "Paid advertising. Needs the use advertising as well.",
}


def _show(request: Request) -> Response:
    folder = studio_of(request).project
    if not (folder / SETTINGS_NAME).is_file():
        return RedirectResponse("/new", HTTPStatus.SEE_OTHER)
    with reading(request) as project:
        everybody, title = people(project), project_title(project, known_releases(project))
        use, channels = project.use, project.channels
    return page(
        request,
        "people.html",
        tab="people",
        people=everybody,
        production=title,
        use=use,
        channels=channels,
        drafts=drafts(folder),
        waiting=waiting_releases(folder),
        pictures=[path.name for path in _pictures_of_nobody(folder)],
        has_received=bool(received_files(folder)),
    )


# What people signed.


async def _receive(request: Request) -> Response:
    """A file that was dropped: a release, a picture that one names, a revocation, or a decision."""
    room = await anyio.to_thread.run_sync(_received_room, request)
    most = MAX_DOCUMENT_BYTES if name_of(request).lower().endswith(".toml") else MAX_PICTURE_BYTES
    path = await received(request, room, most_bytes=most)
    return await anyio.to_thread.run_sync(_take, request, path)


def _received_room(request: Request) -> Path:
    with reading(request):
        # There is a project to put it into.
        return room_of(studio_of(request).project, RECEIVED)


def _take(request: Request, path: Path) -> Response:
    try:
        said = _take_document(request, path) if path.suffix.lower() == ".toml" else _take_picture(request, path)
    except CountenanceError as error:
        if error.code not in WAITS:
            erase(path)
        raise _without_folders(error, path.parent) from None
    return noted(request, saying(document({"said": said}), said))


def _without_folders(error: CountenanceError, room: Path) -> CountenanceError:
    """The same error without the place where files were received, which says nothing to who dropped them."""
    message = re.sub(rf"{re.escape(str(room))}/(together-[^/ ]+/)?", "", str(error))
    return type(error)(message, code=error.code, **error.facts)


def _take_document(request: Request, path: Path) -> str:
    folder, given = studio_of(request).project, read_document(path)
    if isinstance(given, Release):
        check_countersigned(given)
        (waiting,) = (each for each in waiting_releases(folder) if each.path == path)
        return _still_missing(waiting) if waiting.missing else _add(request, waiting)
    with opened(folder) as project:
        added = add_signed(project, path, given)
    erase(path)
    return _said_of(added, "")


def _take_picture(request: Request, path: Path) -> str:
    """Keep a picture, and add the releases to which it was what was missing."""
    with path.open("rb") as opened_file:
        if b"PRIVATE KEY" in opened_file.read(4096):
            raise UsageError(
                f"{path.name} is a private key, and was erased here: whoever has it signs for its owner; "
                "drop the document that they signed"
            )
    try:
        is_picture = probe(path).kind == "picture"
    except MediaError:
        is_picture = False
    if not is_picture:
        raise UsageError(
            "expected a release, a revocation or a decision (.toml), or a picture that a release names, got "
            f"{path.name}; clips of people are dropped on the page Footage"
        )
    # One that was dropped twice is added once, and both are erased.
    waiting = waiting_releases(studio_of(request).project)
    whole = {each.release.id: each for each in waiting if not each.missing}
    said = [_add(request, each) for each in whole.values()]
    return " ".join(said) or f"{path.name} waits for the release that names it, or for a draft."


def _add(request: Request, waiting: Waiting) -> str:
    """Add a release that is complete, and erase what came with it.

    Raises:
        ConsentError: it can't be added; what came is erased, unless the project is only in use.
    """
    folder = studio_of(request).project
    try:
        with (
            put_together(folder, waiting) as path,
            writing(request) if waits_for_others(waiting.release) else nullcontext() as project,
        ):
            assert project is not None
            added = add_signed(project, path, waiting.release)
            refused = why_not_for(project, added.document)
    except CountenanceError as error:
        if error.code not in WAITS:
            erase(waiting.path)
        raise
    remove_received(folder, waiting.release)
    remove_signed_draft(folder, waiting.release)
    return _said_of(added, refused)


def _said_of(added: Added, refused: str) -> str:
    given = added.document
    if not added.in_project:
        return "Kept: this project doesn't have that release. Wherever it is added, it is refused."
    if not added.new:
        return f"This {given.kind} is in the project already."
    if isinstance(given, Release):
        return f"Added the release of {given.subject.person} as {given.role}." + (f" But {refused}." if refused else "")
    if isinstance(given, Decision):
        so = "it can be published now" if given.verdict == "approved" else f"it won't be published: {given.reason}"
        return f"{given.person} {given.verdict} this result; {so}."
    return f"Revoked: nothing more will be made with the face of {given.person} under that release."


def _still_missing(waiting: Waiting) -> str:
    return (
        f"The release of {waiting.release.subject.person} is here. Now drop its picture: {', '.join(waiting.missing)}."
    )


def _add_waiting(request: Request, form: Form) -> Response:
    """Add a release that waited because the project was in use."""
    folder, name = studio_of(request).project, form.text("name")
    waiting = next((each for each in waiting_releases(folder) if each.path.name == name), None)
    if waiting is None:
        raise UsageError("that release doesn't wait any more; load the page again")
    return go_to("/people", say=_still_missing(waiting) if waiting.missing else _add(request, waiting))


def _discard(request: Request, _: Form) -> Response:
    """Erase all that was received and not added."""
    for path in received_files(studio_of(request).project):
        erase(path)
    return go_to("/people", say="Erased what was received and not added.")


def _pictures_of_nobody(folder: Path) -> list[Path]:
    """Pictures that were received and that no waiting release names."""
    return [] if waiting_releases(folder) else received_pictures(folder)


# To read.


def _release(request: Request) -> Response:
    """The plain-language page of a release; its pictures lie beside the signed file, and nowhere here."""
    known = _known(request)
    return report(
        release_page(
            known.release,
            Path(f"{known.release.subject.person}.release.toml"),
            revocation=known.revocation,
            made_on=_today(),
            version=countenance.__version__,
            has_pictures=False,
        )
    )


def _known(request: Request) -> KnownRelease:
    digest = request.path_params["digest"]
    with reading(request) as project:
        known = next((each for each in known_releases(project) if each.digest == digest), None)
    if known is None:
        raise UsageError("this project doesn't know that release; the page People shows those that it knows")
    return known


# To sign.


def _show_draft_form(request: Request) -> Response:
    with reading(request) as project:
        title, use, channels = project_title(project, known_releases(project)), project.use, project.channels
    return page(
        request,
        "draft.html",
        tab="people",
        title="Draft a release",
        production=title or "",
        use=use,
        channels=channels,
        person=request.query_params.get("person", ""),
        role=request.query_params.get("role", "likeness"),
        pictures=[path.name for path in received_pictures(studio_of(request).project)],
        uses=[(each, USES_IN_WORDS[each]) for each in USES],
        lines=[(each, LINES_IN_WORDS[each]) for each in ("words", "political", "advertising")],
        asks_for_approval=sorted(USES_TO_APPROVE),
        today=_today().isoformat(),
        expires=(_today() + TERM).isoformat(),
    )


def _draft(request: Request, form: Form) -> Response:
    """Keep a draft; the pictures that it names go with it."""
    folder, pictures = studio_of(request).project, _chosen_pictures(request, form)
    release = _drafted(request, form, pictures)
    keep_draft(folder, release, room_of(folder, RECEIVED))
    for path in pictures:
        erase(path)
    return go_to("/people#drafts", say=f"Drafted. Download it, and send it to {release.subject.person} to sign.")


def _words(request: Request, form: Form) -> Response:
    """The sentences of what would be drafted."""
    return document({"sentences": _drafted(request, form, _chosen_pictures(request, form)).summary})


def _chosen_pictures(request: Request, form: Form) -> list[Path]:
    chosen = set(form.texts("picture"))
    pictures = [path for path in received_pictures(studio_of(request).project) if path.name in chosen]
    if not pictures:
        raise UsageError("drop a picture that shows only this person, then choose it")
    return pictures


def _drafted(request: Request, form: Form, pictures: Sequence[Path]) -> Release:
    """What a form asks for, as `countenance release new` drafts it."""
    # Asked again with each key that is pressed, so that a film is read once.
    studio, known = studio_of(request), plates_of(request)
    named = [path for path in form.text("plates", "").splitlines() if path.strip()]
    return new_release(
        form.text("person"),
        role=form.text("role"),
        references=pictures,
        uses=form.texts("use"),
        project=form.text("production"),
        expires=_day(form, "expires"),
        folder=room_of(studio.project, RECEIVED),
        valid_from=_day(form, "valid_from"),
        synthetic=form.is_on("synthetic"),
        representation=form.text("representation", "") or None,
        explicit=form.texts("line"),
        prohibited=form.text("prohibited", "") or None,
        plates=[known.info(studio.allowed(path)).sha256 for path in named],
        channels=form.text("channels", "").replace(",", " ").split(),
        territory=form.text("territory", "") or None,
        remarks=form.text("remarks", "") or None,
        num_outputs=_number(form, "outputs"),
        kept_until=_day(form, "keep_until") if form.text("keep_until", "") else None,
        label="always shown" if form.is_on("always_label") else "shown, or left out for a recorded reason",
        approval={"yes": True, "no": False}.get(form.text("approval", "")),
        licensee=form.text("licensee", "") or None,
        licensee_contact=form.text("licensee_contact", "") or None,
        contact=form.text("contact", "") or None,
    )


def _draft_page(request: Request) -> Response:
    return report(_page_of(_found_draft(request)))


def _download(request: Request) -> Response:
    """Everything that the owner needs to read and sign, as one file."""
    draft = _found_draft(request)
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(path for path in draft.path.parent.rglob("*") if path.is_file()):
            archive.write(path, path.relative_to(draft.path.parent))
        archive.writestr(f"{draft.path.name.removesuffix('.toml')}.html", _page_of(draft))
        archive.writestr("HOW TO SIGN.txt", _how_to_sign(draft))
    headers = {"content-disposition": f'attachment; filename="{draft.name}.zip"'}
    return Response(content.getvalue(), media_type="application/zip", headers=headers)


def _remove_draft(request: Request, form: Form) -> Response:
    remove_draft(draft_named(studio_of(request).project, form.text("name")))
    return go_to("/people", say="Erased the draft.")


def _found_draft(request: Request) -> Draft:
    return draft_named(studio_of(request).project, request.path_params["name"])


def _page_of(draft: Draft) -> str:
    return release_page(draft.release, draft.path, revocation=None, made_on=_today(), version=countenance.__version__)


def _how_to_sign(draft: Draft) -> str:
    person, name = draft.release.subject.person, draft.path.name
    return "\n".join(
        (
            f"{person}: how to sign this release, on your own computer",
            "",
            f"1. Open {name.removesuffix('.toml')}.html and read every sentence.",
            "   If one isn't what you agreed to, don't sign; ask for another draft.",
            "2. Install Countenance:  pip install countenance",
            f"3. Make your key, once:  countenance release key {person}.key",
            "   Keep it, and give it to nobody, not to the production either: whoever has it signs for you.",
            f"4. In this folder, sign:  countenance release sign {name} --key {person}.key",
            f"5. Send {name} back. Keep a copy of it: with it and your key you can revoke at any time:",
            f"   countenance release revoke {name} --key {person}.key",
            "",
        )
    )


# Statements.


def _show_statement(request: Request) -> Response:
    known = _known(request)
    path = _challenge_path(request, known)
    return page(
        request,
        "statement.html",
        tab="people",
        title="Statement",
        person=known.release.subject.person,
        digest=known.digest,
        is_asked=_is_open(path),
        until=f"{_until(path):%d %B, %H:%M} UTC" if _is_open(path) else "",
        job=_last_job(request, known),
    )


def _ask(request: Request, _: Form) -> Response:
    # What looks at videos takes seconds to load.
    from countenance.steps.statement import ask_for_statement  # noqa: PLC0415

    known = _known(request)
    with writing(request) as project:
        ask_for_statement(project, _document_of(request, known), _challenge_path(request, known), overwrite=True)
    return go_to(f"/people/releases/{known.digest}/statement", say="Made a challenge; it can be answered for a day.")


def _challenge(request: Request) -> Response:
    path = _challenge_path(request, _known(request))
    if not _is_open(path):
        raise UsageError("there is no challenge that can still be answered; make a new one")
    answer = report(path.read_text())
    if "download" in request.query_params:
        answer.headers["content-disposition"] = f'attachment; filename="{path.name}"'
    return answer


async def _receive_video(request: Request) -> Response:
    known = await anyio.to_thread.run_sync(_known, request)
    path = await received(request, room_of(studio_of(request).project, known.release.subject.person))
    return await anyio.to_thread.run_sync(_check_video, request, known, path)


def _check_video(request: Request, known: KnownRelease, path: Path) -> Response:
    try:
        if probe(path).kind != "video":
            raise UsageError(f"expected the video that the person filmed, got {path.name}; drop that")
        document_path = _document_of(request, known)
    except CountenanceError:
        erase(path)
        raise
    job = start_job(request, ["release", "statement", str(document_path), str(path), "--erase-video"])
    return document({"job": job.number})


def _document_of(request: Request, known: KnownRelease) -> Path:
    """The signed release as a file, as a command reads it."""
    person = known.release.subject.person
    path = room_of(studio_of(request).project, person) / f"{person}.{known.digest[:12]}.release.toml"
    write_document(path, known.release, overwrite=True)
    return path


def _challenge_path(request: Request, known: KnownRelease) -> Path:
    person = known.release.subject.person
    return room_of(studio_of(request).project, person) / f"{person}.{known.digest[:12]}.challenge.html"


def _until(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC) + VALID_FOR


def _is_open(path: Path) -> bool:
    return path.exists() and datetime.now(UTC) < _until(path)


def _last_job(request: Request, known: KnownRelease) -> Job | None:
    begin = f"{known.release.subject.person}.{known.digest[:12]}."
    found = [
        job
        for job in jobs.list_jobs(studio_of(request).project)
        if tuple(job.arguments[:2]) == ("release", "statement") and Path(job.arguments[2]).name.startswith(begin)
    ]
    return max(found, key=lambda job: job.number, default=None)


# To forget.


def _show_forget(request: Request) -> Response:
    from countenance.steps.forget import check_known, counted, holdings_of  # noqa: PLC0415

    person = request.path_params["person"]
    check_person(person)
    with reading(request) as project:
        holdings = holdings_of(project, person)
    check_known(holdings)
    return page(
        request,
        "forget.html",
        tab="people",
        title=f"Forget {person}",
        person=person,
        kept=counted(holdings.counts),
        footage=holdings.footage,
        published=list(holdings.published.values()),
        others=holdings.others,
    )


def _forget(request: Request, form: Form) -> Response:
    from countenance.steps.forget import counted, forget_person  # noqa: PLC0415

    person = request.path_params["person"]
    check_person(person)
    if form.text("name", "") != person:
        raise UsageError(f"not forgotten: to delete for good what is kept of {person}, type exactly {person}")
    folder = studio_of(request).project
    with opened_to_write(folder, note=notes_of(request).append, keeps_to_dates=False) as project:
        forgotten = forget_person(project, person)
    held = request.app.state
    held.galleries.clear()
    held.thumbnails.clear()
    held.previews.close()
    return page(
        request,
        "forgotten.html",
        tab="people",
        title=f"{person} was forgotten",
        person=person,
        erased=counted(forgotten.erased),
        record=forgotten.record.name,
        naming=forgotten.naming,
        to_prepare=forgotten.to_prepare,
    )


def _record(request: Request) -> Response:
    """The signed record of a forgetting, to be handed to the person."""
    from countenance.steps.forget import ROOM  # noqa: PLC0415

    name = request.path_params["name"]
    paths = {path.name: path for path in (studio_of(request).project / ROOM).glob("*.json")}
    if name not in paths:
        raise UsageError("there is no such record here")
    return FileResponse(paths[name], media_type="application/json", filename=name)


def _today() -> date:
    return datetime.now(UTC).date()


def _day(form: Form, name: str) -> date:
    text = form.text(name)
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"expected a day such as 2027-12-31 for {name.replace('_', ' ')}, got {text[:40]!r}") from None


def _number(form: Form, name: str) -> int | None:
    text = form.text(name, "")
    if not text:
        return None
    if not text.isascii() or not text.isdecimal():
        raise UsageError(f"expected a whole number of {name}, got {text[:40]!r}")
    return int(text)


routes = [
    Route("/people", _show),
    Route("/people/received", _receive, methods=["POST"]),
    Route("/people/received/add", posted(_add_waiting), methods=["POST"]),
    Route("/people/received/discard", posted(_discard), methods=["POST"]),
    Route("/people/draft", _show_draft_form),
    Route("/people/draft", posted(_draft), methods=["POST"]),
    Route("/people/draft/words", posted(_words), methods=["POST"]),
    Route("/people/drafts/remove", posted(_remove_draft), methods=["POST"]),
    Route("/people/drafts/{name}", _draft_page),
    Route("/people/drafts/{name}/download", _download),
    Route("/people/releases/{digest}", _release),
    Route("/people/releases/{digest}/statement", _show_statement),
    Route("/people/releases/{digest}/statement", posted(_ask), methods=["POST"]),
    Route("/people/releases/{digest}/challenge", _challenge),
    Route("/people/releases/{digest}/video", _receive_video, methods=["POST"]),
    Route("/people/forget/{person}", _show_forget),
    Route("/people/forget/{person}", posted(_forget), methods=["POST"]),
    Route("/people/records/{name}", _record),
]
