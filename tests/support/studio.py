"""A studio for tests: its pages asked as its own browser would ask them."""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from httpx import Response
from starlette.testclient import TestClient

from countenance.studio.app import make_app
from countenance.studio.safety import CSRF_FIELD, CSRF_HEADER, cookie_name
from countenance.studio.session import ADDRESS, Studio, chosen_folders

PORT = 8017


def studio_on(project: Path, *folders: Path) -> Studio:
    """A studio on a project's folder, which may use these other folders, too."""
    return Studio(project=project.resolve(), folders=chosen_folders(project, folders), port=PORT)


class Browser(TestClient):
    """A browser that was let in: it has the cookie, and sends the origin as browsers do."""

    def __init__(self, studio: Studio) -> None:
        origin = f"http://{ADDRESS}:{studio.port}"
        super().__init__(make_app(studio), base_url=origin, headers={"origin": origin}, raise_server_exceptions=False)
        self.cookies.set(cookie_name(studio), studio.session)
        self.studio = studio

    def submit(self, address: str, **fields: str | list[str]) -> Response:
        """Send a form as a page of the studio does; redirects are not followed."""
        data: Mapping[str, str | list[str]] = {CSRF_FIELD: self.studio.csrf, **fields}
        answer: Response = self.post(address, data=data, follow_redirects=False)
        return answer

    def drop(self, address: str, name: str, content: bytes) -> Response:
        """Drop a file onto a page's zone."""
        headers = {CSRF_HEADER: self.studio.csrf, "x-file-name": quote(name), "accept": "application/json"}
        answer: Response = self.post(address, content=content, headers=headers)
        return answer
