"""The page People."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from countenance.studio.answers import page


def _show(request: Request) -> Response:
    return page(request, "people.html", tab="people")


routes = [Route("/people", _show)]
