"""The page Footage."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from countenance.studio.answers import page


def _show(request: Request) -> Response:
    return page(request, "footage.html", tab="footage")


routes = [Route("/footage", _show)]
