"""The page Shots."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from countenance.studio.answers import page


def _show(request: Request) -> Response:
    return page(request, "shots.html", tab="shots")


routes = [Route("/shots", _show)]
