"""Who may speak with the studio: this browser, from a page of the studio itself, and nobody else.

A page on the web can make its visitor's browser send requests to 127.0.0.1, and can give that address a name of its own
(DNS rebinding). So each request must name the studio's own host, carry the cookie that only the first address gives,
and, where it changes something, come from the studio's own origin with the token of its forms.
"""

import hmac
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Final

from starlette import status
from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from countenance.studio.session import ADDRESS, Studio

CSRF_HEADER: Final = "x-csrf-token"
CSRF_FIELD: Final = "csrf"
FORM_TYPES: Final = ("application/x-www-form-urlencoded", "multipart/form-data")
SAFE_METHODS: Final = frozenset({"GET", "HEAD"})
MAX_PATH: Final = 1_000
FILE_POLICY: Final = "default-src 'none'; media-src 'self'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'self'"
"""For files that others made: nothing in them may run. A browser's own player for a film is styled."""
REPORT_POLICY: Final = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; sandbox; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'"
)
"""For reports that steps write: whole pages with their pictures and styles inside, and no script."""
HEADERS: Final[Mapping[str, str]] = {
    "x-content-type-options": "nosniff",
    # Not `no-referrer`, with which browsers send forms with the origin `null`.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-embedder-policy": "require-corp",
    "cross-origin-resource-policy": "same-origin",
    "x-permitted-cross-domain-policies": "none",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), display-capture=(), usb=()",
    "cache-control": "no-store",
    "x-frame-options": "DENY",
}
FRAMED: Final = {"x-frame-options": "SAMEORIGIN"}
"""For what a page of the studio shows in a frame."""


def content_policy(studio: Studio) -> str:
    """Everything comes from the studio itself; no script or style stands in a page.

    Scripts and styles come from the package alone, as the studio also serves files that somebody else made.
    """
    static = f"http://{ADDRESS}:{studio.port}/static/"
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {static}",
            f"style-src {static}",
            "img-src 'self' blob:",
            "media-src 'self'",
            "connect-src 'self'",
            "frame-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        )
    )


def cookie_name(studio: Studio) -> str:
    """Cookies don't know ports, so two studios need two names."""
    return f"countenance-{studio.port}"


def host_of(studio: Studio) -> str:
    """The only name by which the studio answers.

    Not `localhost`, which may be another address, at which another user of this computer may listen.
    """
    return f"{ADDRESS}:{studio.port}"


class Safety:
    """ASGI middleware that refuses what isn't this user's browser, and adds headers to each answer.

    `on_bug` answers where the application raised what it shouldn't; outside of it that answer would lack the headers.
    """

    def __init__(self, app: ASGIApp, studio: Studio, on_bug: Callable[[Request, Exception], Response]) -> None:
        self._app = app
        self._studio = studio
        self._on_bug = on_bug
        self._headers = {"content-security-policy": content_policy(studio), **HEADERS}
        self._tickets = {studio.ticket}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            # Nothing here speaks WebSocket; closed before it is accepted, it is refused.
            await send({"type": "websocket.close", "code": status.WS_1008_POLICY_VIOLATION})
            return
        has_begun = False

        async def send_with_headers(message: Message) -> None:
            nonlocal has_begun
            if message["type"] == "http.response.start":
                has_begun = True
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        request = Request(scope, receive)
        answer: ASGIApp = self._refusal(request) or self._app
        try:
            await answer(scope, receive, send_with_headers)
        except Exception as error:
            told = self._on_bug(request, error)
            # Half an answer can't be taken back: the server ends the connection, so nobody takes it for a whole one.
            if has_begun:
                raise
            await told(scope, receive, send_with_headers)

    def _refusal(self, request: Request) -> Response | None:
        """An answer in place of the page, or None if the request may go on."""
        headers, studio = request.headers, self._studio
        if headers.getlist("host") != [host_of(studio)]:
            return _refused("this address isn't the studio's; open the one that `countenance studio` printed")
        if len(request.scope["path"]) > MAX_PATH:
            return _refused("no page of the studio has such a long address", HTTPStatus.REQUEST_URI_TOO_LONG)
        given = request.query_params.get("token")
        if given is not None and request.scope["path"] == "/" and request.method == "GET":
            return self._entered(given)
        return self._refusal_inside(request)

    def _refusal_inside(self, request: Request) -> Response | None:
        """The same, for what asks the studio itself by its name."""
        headers, studio = request.headers, self._studio
        if not is_known(request, studio):
            return _refused(
                "this browser hasn't been let in; open the address that `countenance studio` printed",
                HTTPStatus.UNAUTHORIZED,
            )
        is_change = request.method not in SAFE_METHODS
        # Browsers send an origin with whatever isn't GET; what sends none isn't one.
        is_own = not is_change or headers.getlist("origin") == [f"http://{host_of(studio)}"]
        if headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"} or not is_own:
            return _refused("another site asked for this")
        if not is_change:
            return None
        if CSRF_HEADER not in headers and headers.get("content-type", "").startswith(FORM_TYPES):
            # A form's token is in its body, which isn't read here: `answers.form_of` checks it.
            return None
        if not same(headers.get(CSRF_HEADER, ""), studio.csrf):
            return _refused("the page is too old; load it again")
        return None

    def _entered(self, given: str) -> Response:
        if any(same(given, ticket) for ticket in self._tickets):
            self._tickets.clear()
        elif not same(given, self._studio.token):
            return _refused("the address is of an earlier studio; open the one that `countenance studio` printed now")
        answer = RedirectResponse("/", HTTPStatus.SEE_OTHER)
        answer.set_cookie(
            cookie_name(self._studio), self._studio.session, httponly=True, samesite="strict", secure=False, path="/"
        )
        return answer


def is_known(request: HTTPConnection, studio: Studio) -> bool:
    """Whether the request carries the studio's cookie."""
    return same(request.cookies.get(cookie_name(studio), ""), studio.session)


def same(given: str, secret: str) -> bool:
    """Compare in a time that says nothing of where they differ."""
    # What was sent may hold half a character.
    return hmac.compare_digest(given.encode(errors="surrogatepass"), secret.encode())


def _refused(why: str, code: HTTPStatus = HTTPStatus.FORBIDDEN) -> Response:
    return PlainTextResponse(f"Refused: {why}.\n", code)
