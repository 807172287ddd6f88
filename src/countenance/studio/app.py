"""The composition root of the studio: pages, templates, safety, and the server."""

import errno
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from http import HTTPStatus
from importlib.resources import files
from pathlib import Path
from sqlite3 import OperationalError
from threading import Lock

from anyio import to_thread
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from countenance.bugs import report_bug
from countenance.errors import CountenanceError, MediaError, UsageError
from countenance.project import SETTINGS_NAME
from countenance.studio import browse, faces, footage, new, people, publish, queue, shots, training, verify
from countenance.studio.answers import failed, studio_of
from countenance.studio.choice import KnownPlates
from countenance.studio.galleries import Galleries
from countenance.studio.previews import Previews
from countenance.studio.safety import Safety
from countenance.studio.session import Studio
from countenance.studio.thumbnails import Thumbnails

NO_PAGE = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED})
STATIC = Path(str(files("countenance.studio"))) / "static"
DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.EPERM})
"""What the user can do something about."""
STATUS: dict[str, HTTPStatus] = {
    "usage.project_locked": HTTPStatus.CONFLICT,
    "usage.outside": HTTPStatus.FORBIDDEN,
    "usage.page_too_old": HTTPStatus.FORBIDDEN,
    "usage.too_large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "usage.no_project": HTTPStatus.NOT_FOUND,
}
"""How a browser is told of an error; of all others as a bad request."""


def make_app(studio: Studio) -> Starlette:
    """The application that serves one studio."""
    app = Starlette(
        routes=[
            Route("/", _start),
            *new.routes,
            *people.routes,
            *footage.routes,
            *browse.routes,
            *faces.routes,
            *training.routes,
            *shots.routes,
            *publish.routes,
            *verify.routes,
            *queue.routes,
            Mount("/static", StaticFiles(directory=STATIC)),
        ],
        middleware=[Middleware(Safety, studio=studio, on_bug=_bug)],
        lifespan=_while_it_runs,
        exception_handlers={
            CountenanceError: _told,
            OperationalError: _database_busy,
            OSError: _file_failed,
            HTTPException: _not_there,
            ClientDisconnect: _gone,
        },
    )
    app.state.studio = studio
    app.state.templates = templates()
    app.state.thumbnails = Thumbnails()
    app.state.galleries = Galleries()
    app.state.plates = KnownPlates()
    app.state.previews = Previews(studio.project)
    app.state.shot_files = Lock()
    return app


@asynccontextmanager
async def _while_it_runs(app: Starlette) -> AsyncIterator[None]:
    await to_thread.run_sync(verify.sweep, app.state.studio.project)
    yield
    app.state.previews.close()


@cache
def templates() -> Environment:
    """The pages; what is put into them is escaped."""
    return Environment(
        loader=PackageLoader("countenance.studio", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _start(request: Request) -> Response:
    is_project = (studio_of(request).project / SETTINGS_NAME).is_file()
    return RedirectResponse("/people" if is_project else "/new", HTTPStatus.SEE_OTHER)


def _told(request: Request, error: Exception) -> Response:
    assert isinstance(error, CountenanceError)
    return failed(request, error, STATUS.get(error.code, HTTPStatus.BAD_REQUEST))


def _database_busy(request: Request, error: Exception) -> Response:
    told = UsageError(f"the project's database can't be used: {error}; check free disk space, then try again")
    return failed(request, told, HTTPStatus.SERVICE_UNAVAILABLE)


def _file_failed(request: Request, error: Exception) -> Response:
    assert isinstance(error, OSError)
    if error.errno not in DISK:
        return _bug(request, error)
    told = MediaError(f"{error.strerror or error}; check free disk space and permissions, then try again")
    return failed(request, told, HTTPStatus.INSUFFICIENT_STORAGE)


def _not_there(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    what = "there is no such page here; choose one above" if error.status_code in NO_PAGE else "load the page again"
    told = UsageError(f"{error.detail}: {what}")
    return failed(request, told, HTTPStatus(error.status_code))


def _gone(request: Request, error: Exception) -> Response:  # noqa: ARG001
    """Who asked has left; nobody reads this."""
    return Response(status_code=HTTPStatus.BAD_REQUEST)


def _bug(request: Request, error: Exception) -> Response:
    """Our own mistake. What was asked for goes into the report without its query, which may hold a secret."""
    told = CountenanceError(report_bug(error, f"countenance studio: {request.method} {request.scope['path']}"))
    told.specify("bug")
    return failed(request, told, HTTPStatus.INTERNAL_SERVER_ERROR)
