"""Who may speak with the studio: this browser, from a page of the studio itself, and nobody else.

A page on the web can make its visitor's browser send requests to 127.0.0.1, and can give that address a name of its own
(DNS rebinding). So each request must name the studio's own host, carry the cookie that only the first address gives,
and, where it changes something, come from the studio's own origin with the token of its forms.
"""

import hmac
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from countenance.studio.session import ADDRESS, Studio

CSRF_HEADER: Final = "x-csrf-token"
CSRF_FIELD: Final = "csrf"
SAFE_METHODS: Final = frozenset({"GET", "HEAD"})
CONTENT_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob:",
        "media-src 'self'",
        "connect-src 'self'",
        "font-src 'self'",
        "frame-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
"""Everything comes from the studio itself; no script or style stands in a page."""
REPORT_POLICY: Final = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; sandbox; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'"
)
"""For reports that steps write: whole pages with their pictures and styles inside, and no script."""
HEADERS: Final[Mapping[str, str]] = {
    "content-security-policy": CONTENT_POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), display-capture=(), usb=()",
    "cache-control": "no-store",
    "x-frame-options": "SAMEORIGIN",
}


def cookie_name(studio: Studio) -> str:
    """Cookies don't know ports, so two studios need two names."""
    return f"countenance-{studio.port}"


def hosts_of(studio: Studio) -> frozenset[str]:
    """By which names the studio answers."""
    return frozenset(f"{name}:{studio.port}" for name in (ADDRESS, "localhost"))


class Safety:
    """ASGI middleware that refuses what isn't this user's browser, and adds headers to each answer."""

    def __init__(self, app: ASGIApp, studio: Studio) -> None:
        self._app = app
        self._studio = studio

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            # Nothing here speaks WebSocket.
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = self._refusal(Request(scope))
        await (refusal or self._app)(scope, receive, send_with_headers)

    def _refusal(self, request: Request) -> Response | None:
        """An answer in place of the page, or None if the request may go on."""
        headers, studio = request.headers, self._studio
        if headers.getlist("host") != [host := headers.get("host", "")] or host not in hosts_of(studio):
            return _refused("this address isn't the studio's; open the one that `countenance studio` printed")
        if (given := request.query_params.get("token")) is not None and request.url.path == "/":
            return self._entered(given)
        if not is_known(request, studio):
            return _refused(
                "this browser hasn't been let in; open the address that `countenance studio` printed",
                HTTPStatus.UNAUTHORIZED,
            )
        if headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
            return _refused("another site asked for this")
        if request.method in SAFE_METHODS:
            return None
        if not _is_own_origin(headers, host):
            return _refused("another site asked for this")
        # A form's token is checked where the form is read: its body isn't read here.
        if CSRF_HEADER in headers and not same(headers[CSRF_HEADER], studio.csrf):
            return _refused("the page is too old; load it again")
        return None

    def _entered(self, given: str) -> Response:
        if not same(given, self._studio.token):
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
    return hmac.compare_digest(given.encode(), secret.encode())


def _is_own_origin(headers: Headers, host: str) -> bool:
    """Browsers send an origin with whatever isn't GET; what sends none isn't one."""
    return headers.getlist("origin") == [f"http://{host}"]


def _refused(why: str, status: HTTPStatus = HTTPStatus.FORBIDDEN) -> Response:
    return PlainTextResponse(f"Refused: {why}.\n", status)
