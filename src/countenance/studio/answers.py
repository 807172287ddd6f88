"""What every page of the studio uses: the project, templates, forms, pictures, files and errors."""

import base64
import hmac
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import anyio.to_thread
import numpy as np
from jaxtyping import UInt8
from jinja2 import Environment
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, RedirectResponse, Response

from countenance import jobs
from countenance.errors import CountenanceError, UsageError, one_line
from countenance.jobs import Job
from countenance.opening import opened_to_write
from countenance.pages import jpeg_of
from countenance.project import Project, opened_to_read
from countenance.studio.safety import CSRF_FIELD, CSRF_HEADER, FILE_POLICY, FRAMED, REPORT_POLICY, same
from countenance.studio.session import Studio

MAX_FIELDS, MAX_FIELD_BYTES, MAX_FORM_BYTES = 2_000, 2**20, 2**24
SILENT_S = 30.0
"""A sender that sends nothing for so long has gone; a form has to come whole in that time."""
SEAL = secrets.token_bytes(32)
"""Of the lines that this process has a page show: another server on this computer can set cookies, too."""
FLASH_COOKIE, NOTES_COOKIE = "countenance-said", "countenance-noted"
"""What an answer says, and what opening the project said meanwhile."""
PICTURE_QUALITY = 90
MAX_DIGITS, MAX_SAID = 16, 400
MEDIA_TYPES = {
    ".mp4": "video/mp4",
    ".m4v": "video/mp4",
    ".mov": "video/quicktime",
    ".mkv": "video/x-matroska",
    ".webm": "video/webm",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
}
"""What is served as a file, and as what: by its name alone, since browsers are told not to guess."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Form:
    """The fields of a form that a page of this studio sent."""

    fields: FormData

    def text(self, name: str, default: str | None = None) -> str:
        """A field's text, without space around it.

        Raises:
            UsageError: it is missing, and there is no default.
        """
        value = self.fields.get(name)
        if isinstance(value, str) and value.strip():
            return value.strip()
        if default is None:
            raise UsageError(f"{name.replace('_', ' ')} is missing; fill it in and send the form again")
        return default

    def texts(self, name: str) -> list[str]:
        """All fields of that name."""
        return [value.strip() for value in self.fields.getlist(name) if isinstance(value, str) and value.strip()]

    def number(self, name: str) -> int:
        """A field's whole number.

        Raises:
            UsageError: it is missing, or none.
        """
        return _whole_number(self.text(name), name)

    def is_on(self, name: str) -> bool:
        """Whether a box is ticked."""
        return name in self.fields


def asked_number(request: Request, name: str, default: int) -> int:
    """A whole number in the address, or the default where it says none.

    Raises:
        UsageError: what it says is no number.
    """
    text = request.query_params.get(name)
    return default if text is None else _whole_number(text, name)


def studio_of(request: Request) -> Studio:
    """The studio that was asked."""
    studio: Studio = request.app.state.studio
    return studio


@contextmanager
def reading(request: Request) -> Iterator[Project]:
    """The project, to read; nothing is written."""
    with opened_to_read(studio_of(request).project) as project:
        yield project


@contextmanager
def writing(request: Request) -> Iterator[Project]:
    """The project under its lock, as a command that writes opens it.

    Raises:
        UsageError: a job or command is writing; `usage.project_locked`.
    """
    with opened_to_write(studio_of(request).project, note=notes_of(request).append) as project:
        yield project


def notes_of(request: Request) -> list[str]:
    """What the user is to be told beside the answer: who was forgotten as their day was over, and whose is near."""
    if not hasattr(request.state, "notes"):
        request.state.notes = []
    notes: list[str] = request.state.notes
    return notes


def noted(request: Request, answer: Response) -> Response:
    """An answer after which the next page shows those notes that it doesn't show itself."""
    return _keeping(answer, NOTES_COOKIE, " ".join(notes_of(request)))


async def form_of(request: Request) -> Form:
    """Read a form, and check that a page of this studio made it.

    Raises:
        UsageError: the token of its forms is missing or wrong, it is too large, or it doesn't come.
    """
    length = declared_bytes(request)
    if length is None or length > MAX_FORM_BYTES:
        raise UsageError(
            f"expected a form of at most {MAX_FORM_BYTES / 2**20:.0f} MB that says how large it is; send less at once",
            code="usage.too_large",
        )
    try:
        with anyio.fail_after(SILENT_S):
            fields = await request.form(max_files=0, max_fields=MAX_FIELDS, max_part_size=MAX_FIELD_BYTES)
    except TimeoutError:
        raise UsageError(f"the form didn't come within {SILENT_S:.0f} s; send it again") from None
    given = request.headers.get(CSRF_HEADER) or fields.get(CSRF_FIELD)
    if not isinstance(given, str) or not same(given, studio_of(request).csrf):
        raise UsageError("the page is too old; load it again", code="usage.page_too_old")
    return Form(fields=fields)


def posted(answer: Callable[[Request, Form], Response]) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint for forms: reads and checks the form, then answers in a thread, so that nothing else waits."""

    async def endpoint(request: Request) -> Response:
        form = await form_of(request)
        return noted(request, await anyio.to_thread.run_sync(answer, request, form))

    return endpoint


def page(request: Request, template: str, *, status: HTTPStatus = HTTPStatus.OK, **context: Any) -> Response:
    """A page from its template; `tab` in the context says which tab is the current one."""
    templates: Environment = request.app.state.templates
    studio = studio_of(request)
    kept = {name: _unsealed(request.cookies.get(name, "")) for name in (FLASH_COOKIE, NOTES_COOKIE)}
    said = " ".join(filter(None, (*kept.values(), *notes_of(request))))
    notes_of(request).clear()
    html = templates.get_template(template).render(
        {
            "tab": "",
            "title": "",
            "said": said,
            "project_name": studio.project.name,
            "csrf": studio.csrf,
            "once": secrets.token_hex(8),
            **context,
        }
    )
    answer = HTMLResponse(html, status)
    for name in filter(kept.get, kept):
        answer.delete_cookie(name)
    return answer


def go_to(path: str, *, say: str = "") -> Response:
    """After a form: to this page of the studio, which shows a line once."""
    if not path.startswith("/") or path.startswith(("//", "/\\")):
        raise UsageError(f"expected a page of the studio, got {path[:80]!r}; choose one above")
    return saying(RedirectResponse(path, HTTPStatus.SEE_OTHER), say)


def saying(answer: Response, say: str) -> Response:
    """An answer after which the next page shows a line, once."""
    return _keeping(answer, FLASH_COOKIE, say)


def start_job(request: Request, arguments: Sequence[str], *, once: str | None = None) -> Job:
    """Put a command into the queue and see to it that it is worked through; the same `once` twice adds one job."""
    folder = studio_of(request).project
    job = jobs.add(folder, arguments, once=once)
    jobs.start_worker(folder)
    return job


def document(value: Any, status: HTTPStatus = HTTPStatus.OK) -> Response:
    """JSON for a script of the page."""
    return JSONResponse(value, status)


def picture(rgb: UInt8[np.ndarray, "H W 3"], *, quality: int = PICTURE_QUALITY) -> Response:
    """A picture as JPEG."""
    return Response(jpeg_of(rgb, quality=quality), media_type="image/jpeg")


def file(request: Request, path: str | Path) -> Response:
    """A video or picture that lies in a folder which the user chose, in ranges where a player asks for them.

    Somebody else may have made it, so nothing in it can run.

    Raises:
        UsageError: there is none, it lies elsewhere or in a room of a project, or no browser shows such files.
    """
    allowed = studio_of(request).allowed(path)
    kind = MEDIA_TYPES.get(allowed.suffix.lower())
    if kind is None or not allowed.is_file():
        raise UsageError(f"expected a file of {', '.join(MEDIA_TYPES)}, got {allowed.name}; convert it to play it here")
    return FileResponse(allowed, media_type=kind, headers={"content-security-policy": FILE_POLICY, **FRAMED})


def report(html: str) -> Response:
    """A page that a step made, to be shown in a frame: it has its own styles and pictures inside, and no script."""
    return HTMLResponse(html, headers={"content-security-policy": REPORT_POLICY, **FRAMED})


def failed(request: Request, error: CountenanceError, status: HTTPStatus = HTTPStatus.BAD_REQUEST) -> Response:
    """An error as a line with its remedy: JSON for a script, a page for people."""
    message = one_line(str(error))
    if wants_json(request):
        told = {"code": error.code, "message": message, "facts": _plain(error.facts)}
        return noted(request, document({"error": told}, status))
    back = "/" if request.method == "POST" else ""
    return page(request, "failed.html", status=status, title="Not done", message=message, code=error.code, back=back)


def wants_json(request: Request) -> bool:
    """Whether a script asked."""
    return "application/json" in request.headers.get("accept", "")


def declared_bytes(request: Request) -> int | None:
    """How much the sender says that comes; None where it doesn't say."""
    length = request.headers.get("content-length", "")
    return int(length) if length.isdecimal() and len(length) < MAX_DIGITS else None


async def pieces_of(request: Request) -> AsyncIterator[bytes]:
    """A request's body as it comes; nothing is held."""
    async for piece in request.stream():
        if piece:
            yield piece


def _whole_number(text: str, name: str) -> int:
    if not (text.isdecimal() and text.isascii() and len(text) < MAX_DIGITS):
        raise UsageError(f"expected a whole number as {name.replace('_', ' ')}, got {text[:40]!r}; correct it")
    return int(text)


def _plain(facts: Mapping[str, object]) -> dict[str, str]:
    return {name: str(value) for name, value in facts.items()}


def _keeping(answer: Response, name: str, text: str) -> Response:
    if text:
        answer.set_cookie(name, _sealed(one_line(text)[:MAX_SAID]), httponly=True, samesite="strict", max_age=60)
    return answer


def _sealed(text: str) -> str:
    """A line as a cookie can hold it, with a seal."""
    content = text.encode(errors="replace")
    return f"{hmac.digest(SEAL, content, 'sha256').hex()}.{base64.urlsafe_b64encode(content).decode()}"


def _unsealed(sealed: str) -> str:
    """The line in a cookie that this process set; nothing where somebody else did."""
    try:
        text = base64.urlsafe_b64decode(sealed.partition(".")[2].encode()).decode()
    except ValueError:
        return ""
    return text if same(sealed, _sealed(text)) else ""
