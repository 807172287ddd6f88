"""The page of a studio whose folder is no project yet: it makes one."""

from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from countenance.consent.release import USES, check_channel, check_use
from countenance.consent.summary import USES_IN_WORDS
from countenance.errors import UsageError
from countenance.project import SETTINGS_NAME, create, find
from countenance.studio.answers import Form, go_to, page, posted, studio_of


def _show(request: Request) -> Response:
    folder = studio_of(request).project
    if (folder / SETTINGS_NAME).is_file():
        return RedirectResponse("/people", HTTPStatus.SEE_OTHER)
    uses = [(use, USES_IN_WORDS[use]) for use in USES]
    return page(request, "new.html", title="New project", folder=folder, uses=uses)


def _create(request: Request, form: Form) -> Response:
    folder = studio_of(request).project
    use, channels = form.text("use"), form.text("channels", "").replace(",", " ").split()
    check_use(use)
    for channel in channels:
        check_channel(channel)
    if (outer := find(folder)) is not None:
        raise UsageError(f"{folder} is a project, or lies in one ({outer}); choose another folder")
    create(folder, use=use, title=form.text("title", "") or None, channels=channels)
    return go_to("/people", say="The project is made. Now bring in the releases.")


routes = [Route("/new", _show), Route("/new", posted(_create), methods=["POST"])]
