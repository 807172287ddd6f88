"""The page Verify."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from countenance.studio.answers import page


def _show(request: Request) -> Response:
    return page(request, "verify.html", tab="verify")


routes = [Route("/verify", _show)]
