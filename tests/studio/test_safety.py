import errno
import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection, IncompleteRead
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

import countenance.studio
from countenance import jobs, opening
from countenance.bugs import BUG_REPORT_NAME
from countenance.project import Project
from countenance.studio import answers, server
from countenance.studio.answers import FLASH_COOKIE, MAX_FORM_BYTES, Form, document, file, go_to, page, posted, writing
from countenance.studio.app import make_app
from countenance.studio.safety import CSRF_FIELD, CSRF_HEADER, cookie_name
from countenance.studio.server import free_port, make_server
from countenance.studio.session import ADDRESS, KEPT_ROOMS, Studio, chosen_folders
from countenance.studio.uploads import received
from tests.steps.conftest import released_folder, trained, trained_folder  # noqa: F401
from tests.support.production import LIKENESS, PERFORMER, Production
from tests.support.studio import Browser, studio_on

PACKAGE = Path(countenance.studio.__file__).parent
REFUSED = {401, 403}
FETCHED = 200
JSON = {"accept": "application/json"}


@pytest.fixture
def studio(project: Project) -> Studio:
    return studio_on(project.folder)


@pytest.fixture
def browser(studio: Studio) -> Iterator[Browser]:
    with Browser(studio) as browser:
        yield browser


def stranger(studio: Studio) -> TestClient:
    """A browser that wasn't let in."""
    return TestClient(make_app(studio), base_url=f"http://{ADDRESS}:{studio.port}", follow_redirects=False)


FAILED: dict[str, Any] = {"message": "It failed.", "code": "usage", "back": ""}


def add(browser: Browser, *routes: Route) -> None:
    """Routes that a test needs, within the studio's own safety."""
    app = browser.app
    app.router.routes[:0] = routes  # type: ignore[attr-defined]


def routes_of(browser: Browser) -> list[Route]:
    return [route for route in browser.app.routes if isinstance(route, Route)]  # type: ignore[attr-defined]


def address_of(route: Route) -> str:
    """An address that a route answers."""
    return re.sub(r"{[^}:]*}", "x", re.sub(r"{[^}]*:int}", "1", re.sub(r"{[^}]*:path}", "x", route.path)))


# The address and the cookie.


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8017", "127.0.0.1", "127.0.0.1:80", "127.0.0.1:8018", "localhost:8017", ""]
)
def test_another_name_for_this_address_is_refused(browser: Browser, host: str) -> None:
    """As after DNS rebinding: the browser takes us for another site, and has the cookie."""
    assert browser.get("/jobs").status_code == FETCHED
    assert browser.get("/jobs", headers={"host": host}).status_code == 403
    assert browser.get("/static/studio.css", headers={"host": host}).status_code == 403


def test_two_hosts_are_refused(browser: Browser) -> None:
    host = f"{ADDRESS}:{browser.studio.port}"
    for hosts in ((host, "evil.example"), ("evil.example", host), (host, host)):
        assert browser.get("/jobs", headers=[("host", each) for each in hosts]).status_code == 403


def test_what_a_proxy_says_changes_nothing(browser: Browser) -> None:
    said = {"x-forwarded-host": f"{ADDRESS}:{browser.studio.port}", "host": "evil.example"}
    assert browser.get("/jobs", headers=said).status_code == 403


def test_the_token_lets_a_browser_in(studio: Studio) -> None:
    asked = stranger(studio)
    assert asked.get("/jobs").status_code == 401
    entered = asked.get(f"/?token={studio.token}")
    assert (entered.status_code, entered.headers["location"]) == (303, "/")
    assert asked.get("/jobs").status_code == FETCHED


def test_the_cookie_is_for_this_browser_and_this_studio_alone(studio: Studio) -> None:
    set_ = stranger(studio).get(f"/?token={studio.token}").headers["set-cookie"]
    assert set_.startswith(f"countenance-{studio.port}={studio.session};")
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(re.split(r"; *", set_))
    assert "Domain" not in set_
    assert "expires" not in set_.lower(), "it ends with the browser"
    assert studio.session not in {studio.token, studio.ticket, studio.csrf}


@pytest.mark.parametrize("token", ["", "wrong", "é", "%ff", "%00", "a&token=b"])
def test_a_wrong_token_is_refused(studio: Studio, token: str) -> None:
    asked = stranger(studio)
    answer = asked.get(f"/?token={token}")
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


def test_the_token_counts_at_the_first_address_only(studio: Studio) -> None:
    for path in ("/jobs", "/people", "/static/studio.css", "/index.html"):
        assert stranger(studio).get(f"{path}?token={studio.token}").status_code == 401
    for method in ("POST", "HEAD", "PUT"):
        answer = stranger(studio).request(method, f"/?token={studio.token}")
        assert answer.status_code in REFUSED
        assert "set-cookie" not in answer.headers


def test_the_address_that_starts_the_browser_lets_one_in_once(studio: Studio) -> None:
    """Others on this computer see it among the processes, and it stays in the browser's history."""
    assert studio.ticket in studio.opening
    assert studio.token not in studio.opening
    app = make_app(studio)
    first, second = (TestClient(app, base_url=f"http://{ADDRESS}:{studio.port}", follow_redirects=False) for _ in "ab")
    assert first.get(studio.opening).status_code == 303
    assert second.get(studio.opening).status_code == 403
    assert second.get("/jobs").status_code == 401
    assert second.get(studio.address).status_code == 303, "what the terminal shows lets in again and again"


def test_a_wrong_cookie_is_refused(studio: Studio) -> None:
    for value in ("", "wrong", studio.token, studio.csrf, studio.session[:-1], f"{studio.session}x"):
        asked = stranger(studio)
        asked.cookies.set(cookie_name(studio), value)
        assert asked.get("/jobs").status_code == 401
    other = studio_on(studio.project)
    asked = stranger(studio)
    asked.cookies.set(cookie_name(studio), other.session)
    assert asked.get("/jobs").status_code == 401, "of an earlier run"


def test_nothing_is_served_to_who_was_not_let_in(studio: Studio) -> None:
    app = make_app(studio)
    for route in app.routes:
        address = address_of(route) if isinstance(route, Route) else f"{route.path}/studio.js"  # type: ignore[attr-defined]
        methods = getattr(route, "methods", None) or {"GET"}
        for method in methods:
            assert stranger(studio).request(method, address).status_code == 401, (method, address)


# Other sites.


@pytest.mark.parametrize("site", ["cross-site", "same-site", "something"])
def test_what_another_site_embeds_or_fetches_is_refused(browser: Browser, site: str) -> None:
    """Another port of this computer is the same site, for which browsers send the cookie."""
    for address in ("/jobs", "/static/studio.js", "/train"):
        assert browser.get(address, headers={"sec-fetch-site": site}).status_code == 403
    for own in ("same-origin", "none"):
        assert browser.get("/jobs", headers={"sec-fetch-site": own}).status_code == FETCHED


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "", "https://127.0.0.1:8017", "http://127.0.0.1", "http://127.0.0.1:8018"],
)
def test_what_another_origin_sends_is_refused(browser: Browser, origin: str) -> None:
    data = {CSRF_FIELD: browser.studio.csrf, "number": "1"}
    headers = {"origin": origin, **JSON}
    answer = browser.post("/jobs/stop", data=data, headers=headers)
    assert (answer.status_code, answer.text) == (403, "Refused: another site asked for this.\n")


def test_what_says_no_origin_or_two_is_refused(browser: Browser) -> None:
    data, own = {CSRF_FIELD: browser.studio.csrf, "number": "1"}, browser.headers.pop("origin")
    assert browser.post("/jobs/stop", data=data).status_code == 403
    assert browser.post("/jobs/stop", data=data, headers=[("origin", own), ("origin", own)]).status_code == 403
    assert browser.post("/jobs/stop", data=data, headers=[("origin", own)]).status_code == 400, "there is no such job"


@pytest.mark.parametrize("given", [None, "", "wrong", "session", "token", "other", "é"])
def test_a_form_without_the_pages_token_is_refused(browser: Browser, given: str | None) -> None:
    studio = browser.studio
    secrets = {"session": studio.session, "token": studio.token, "other": studio_on(studio.project).csrf}
    data = {"number": "1"} if given is None else {"number": "1", CSRF_FIELD: secrets.get(given, given)}
    answer = browser.post("/jobs/stop", data=data, headers=JSON)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "usage.page_too_old")
    assert browser.post("/jobs/stop", headers=JSON).status_code == 403


def test_a_wrong_token_in_the_header_is_refused_though_the_forms_is_right(browser: Browser) -> None:
    data = {"number": "1", CSRF_FIELD: browser.studio.csrf}
    for wrong in ("", "wrong", studio_on(browser.studio.project).csrf):
        answer = browser.post("/jobs/stop", data=data, headers={CSRF_HEADER: wrong})
        assert answer.status_code == 403
    right = browser.post("/jobs/stop", data={"number": "1"}, headers={CSRF_HEADER: browser.studio.csrf})
    assert right.status_code == 400, "there is no such job"


def test_every_address_that_changes_something_asks_for_the_pages_token(browser: Browser) -> None:
    changing = [
        (route, method) for route in routes_of(browser) for method in (route.methods or set()) - {"GET", "HEAD"}
    ]
    assert changing
    before = {path for path in browser.studio.project.rglob("*") if path.is_file()}
    for route, method in changing:
        for headers in ({}, {"content-type": "application/json"}, {CSRF_HEADER: "wrong"}):
            answer = browser.request(method, address_of(route), content=b"{}", headers=headers)
            assert answer.status_code == 403, route.path
            assert "load it again" in answer.text
        sent = {"x-file-name": "a.toml", **JSON}
        answer = browser.request(method, address_of(route), data={"name": "x", "once": "1"}, headers=sent)
        assert 400 <= answer.status_code < 500, route.path
    assert before == {path for path in browser.studio.project.rglob("*") if path.is_file()}


def test_no_address_both_shows_and_changes(browser: Browser) -> None:
    for route in routes_of(browser):
        assert route.methods in ({"GET", "HEAD"}, {"POST"}), route.path


def test_looking_changes_nothing(browser: Browser) -> None:
    def seen() -> dict[Path, tuple[int, int]]:
        folder = browser.studio.project
        found = [path for path in sorted(folder.rglob("*")) if not path.name.endswith(("-shm", "-wal"))]
        return {path: (path.stat().st_mtime_ns if path.is_file() else 0, path.stat().st_size) for path in found}

    before = seen()
    for route in routes_of(browser):
        if "GET" in (route.methods or ()) and route.path != "/jobs/events":
            assert browser.get(address_of(route)).status_code < 500, route.path
    assert seen() == before


@pytest.mark.parametrize("method", ["OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "PROPFIND"])
def test_other_methods_do_nothing(browser: Browser, method: str) -> None:
    own = {CSRF_HEADER: browser.studio.csrf}
    assert browser.request(method, "/jobs", headers=own).status_code == 405
    answer = browser.request(method, "/jobs", headers={**own, "origin": "http://evil.example"})
    assert answer.status_code == 403
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_nobody_is_allowed_to_read_across_origins(browser: Browser) -> None:
    for address in ("/jobs", "/static/studio.js"):
        answer = browser.get(address, headers={"origin": "http://evil.example"})
        assert not [name for name in answer.headers if name.startswith("access-control")]
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"


def test_web_sockets_are_refused(browser: Browser) -> None:
    with pytest.raises(WebSocketDisconnect) as refused, browser.websocket_connect("/jobs/events"):
        pass
    assert refused.value.code == 1008


# Headers.


def check_headers(answer: httpx.Response) -> None:
    """The list of OWASP's secure headers project, but for what only HTTPS or a logout knows."""
    policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; ") if " " in part)
    assert policy["default-src"] == "'none'"
    assert "unsafe" not in policy.get("script-src", "")
    assert policy["frame-ancestors"] in {"'none'", "'self'"}
    expected = {
        "x-content-type-options": "nosniff",
        "referrer-policy": "same-origin",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-embedder-policy": "require-corp",
        "cross-origin-resource-policy": "same-origin",
        "x-permitted-cross-domain-policies": "none",
        "cache-control": "no-store",
    }
    assert {name: answer.headers.get(name) for name in expected} == expected
    assert answer.headers["x-frame-options"] in {"DENY", "SAMEORIGIN"}
    assert "camera=()" in answer.headers["permissions-policy"]
    assert not {"server", "x-powered-by"} & set(answer.headers)


def boom(_: Request) -> Response:
    raise ZeroDivisionError("a secret of ours")


def test_every_answer_has_the_headers(browser: Browser, studio: Studio) -> None:
    add(browser, Route("/broken", boom), Route("/file", lambda request: file(request, request.query_params["at"])))
    (studio.project / "shot.mp4").write_bytes(bytes(100))
    asked = {
        "/jobs": 200,
        "/static/studio.css": 200,
        "/static/none.css": 404,
        "/none": 404,
        "/jobs/1": 400,
        "/jobs/stop": 405,
        "/broken": 500,
        "/file?at=shot.mp4": 200,
        "/file?at=none.mp4": 400,
        "/file?at=/etc/passwd": 403,
    }
    for address, status in asked.items():
        answer = browser.get(address, follow_redirects=False)
        assert answer.status_code == status, address
        check_headers(answer)
    check_headers(browser.get("/file?at=shot.mp4", headers={"range": "bytes=10-19"}))
    check_headers(browser.get("/jobs", headers={"host": "evil.example"}))
    check_headers(browser.submit("/jobs/stop", number="1"))
    check_headers(stranger(studio).get("/jobs"))
    check_headers(stranger(studio).get(f"/?token={studio.token}"))


def test_scripts_and_styles_come_from_the_package_alone(browser: Browser) -> None:
    policy = browser.get("/jobs").headers["content-security-policy"]
    static = f"http://{ADDRESS}:{browser.studio.port}/static/"
    assert f"script-src {static};" in policy
    assert f"style-src {static};" in policy


# What pages are made of.

TEMPLATES = sorted((PACKAGE / "templates").glob("*.html"))
STATIC = sorted((PACKAGE / "static").iterdir())
NEVER_IN_A_TEMPLATE = {
    "an inline script": r"<script(?![^>]*\ssrc=)",
    "an inline style": r"<style|\sstyle\s*=",
    "a handler": r"<[^>{]*\son[a-z]+\s*=",
    "a script as an address": r"javascript:",
    "something that isn't escaped": r"\|\s*safe\b|autoescape|\bMarkup\b|srcdoc",
    "another host": r"(?:src|href|action)\s*=\s*[\"']?(?:https?:)?//",
}


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_templates_hold_nothing_that_runs_and_escape_all(path: Path) -> None:
    html = path.read_text()
    for what, pattern in NEVER_IN_A_TEMPLATE.items():
        assert not re.search(pattern, html, re.IGNORECASE), what


@pytest.mark.parametrize("path", STATIC, ids=lambda path: path.name)
def test_nothing_of_the_page_comes_from_elsewhere(path: Path) -> None:
    text = path.read_text().replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?://|@import|\beval\(|new Function|document\.write", text)


@pytest.mark.parametrize("path", sorted(PACKAGE.glob("*.py")), ids=lambda path: path.name)
def test_pages_say_nothing_that_is_taken_as_escaped(path: Path) -> None:
    assert not re.search(r"\bMarkup\b|autoescape=False|__html__", path.read_text())


def test_what_people_write_is_escaped(browser: Browser) -> None:
    bad = "<img src=x onerror=alert(1)>\"'"
    add(
        browser, Route("/said", lambda request: page(request, "failed.html", title=bad, message=bad, code=bad, back=""))
    )
    html = browser.get("/said").text
    assert "<img" not in html
    assert "&lt;img src=x onerror=alert(1)&gt;&#34;&#39;" in html


def test_a_line_is_shown_once_and_only_if_we_said_it(browser: Browser) -> None:
    add(browser, Route("/say", lambda _: go_to("/jobs", say="Kept; don't\n<b>worry</b>, Zoë \\ Ω")))
    said = browser.get("/say")
    assert "Kept; don&#39;t &lt;b&gt;worry&lt;/b&gt;, Zoë \\ Ω" in said.text
    assert "Kept" not in browser.get("/jobs").text
    for forged in ("Send your keys to evil.example", "", ".", "0" * 64 + ".S2VwdA==", "a.%ff", "\x7f.=="):
        browser.cookies.set(FLASH_COOKIE, forged)
        answer = browser.get("/jobs")
        assert answer.status_code == FETCHED
        assert 'class="notice good said"' not in answer.text
        browser.cookies.delete(FLASH_COOKIE)


def test_what_opening_the_project_says_is_shown_beside_the_line(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "keep_to_dates", lambda _, note: note("note: kim until tomorrow"))

    def save(request: Request, form: Form) -> Response:
        with writing(request):
            return go_to("/jobs", say="Saved.") if form.is_on("go") else page(request, "failed.html", **FAILED)

    add(browser, Route("/save", posted(save), methods=["POST"]))
    browser.submit("/save", go="1")
    assert "Saved. note: kim until tomorrow" in browser.get("/jobs").text
    assert "note: kim until tomorrow" in browser.submit("/save").text
    assert "kim" not in browser.get("/jobs").text


# Our own mistakes.


@pytest.mark.parametrize(("number", "code"), [(errno.ENOSPC, 507), (errno.EACCES, 507), (errno.ENOENT, 500)])
def test_only_what_the_disk_refuses_is_told_as_that(
    browser: Browser, config_folder: Path, number: int, code: int
) -> None:
    def fail(_: Request) -> Response:
        raise OSError(number, os.strerror(number))

    add(browser, Route("/broken", fail))
    answer = browser.get("/broken")
    assert answer.status_code == code
    assert ("check free disk space" in answer.text) is (code == 507)
    assert (config_folder / BUG_REPORT_NAME).exists() is (code == 500)


def test_a_bug_of_ours_is_one_line_and_a_private_report(browser: Browser, config_folder: Path) -> None:
    add(browser, Route("/broken", boom))
    answer = browser.get(f"/broken?token={browser.studio.token}", headers=JSON)
    assert answer.status_code == 500
    error = answer.json()["error"]
    assert error["code"] == "bug"
    assert "this is a bug in Countenance, not your mistake: ZeroDivisionError" in error["message"]
    report = config_folder / BUG_REPORT_NAME
    assert str(report) in error["message"]
    assert report.stat().st_mode & 0o777 == 0o600
    assert "countenance studio: GET /broken\n" in report.read_text()
    assert "Traceback" in report.read_text()
    assert browser.studio.token not in report.read_text()
    html = browser.get("/broken").text
    assert "ZeroDivisionError" in html
    assert "Traceback" not in html
    assert 'File "' not in html


def test_forms_that_no_page_sends_are_refused(browser: Browser, config_folder: Path) -> None:
    csrf = browser.studio.csrf
    bad = {
        "multipart/form-data": b"",
        "multipart/form-data; boundary=x": b"--x\r\nbroken",
        'multipart/form-data; boundary=x; charset="unicode_escape"': (
            b'--x\r\ncontent-disposition: form-data; name="csrf"\r\n\r\n\\ud800\r\n--x--\r\n'
        ),
        "application/x-www-form-urlencoded": b"csrf=%ff%fe&number=\x00",
        "application/json": b'{"csrf": "' + csrf.encode() + b'"}',
        "text/plain": f"csrf={csrf}".encode(),
    }
    for kind, content in bad.items():
        answer = browser.post("/jobs/stop", content=content, headers={"content-type": kind, **JSON})
        assert answer.status_code in {400, 403}, kind
    many = "&".join(f"a{number}=1" for number in range(3_000)) + f"&csrf={csrf}"
    headers = {"content-type": "application/x-www-form-urlencoded", **JSON}
    assert browser.post("/jobs/stop", content=many.encode(), headers=headers).status_code == 400
    assert not (config_folder / BUG_REPORT_NAME).exists()


@pytest.mark.parametrize("number", ["", "x", "-1", "1.5", "²", "٣", "9" * 5_000])
def test_numbers_that_are_none_are_told_so(browser: Browser, number: str) -> None:
    answer = browser.post("/jobs/stop", data={CSRF_FIELD: browser.studio.csrf, "number": number}, headers=JSON)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "usage"


def test_a_form_of_four_gigabytes_is_refused_before_it_is_read(browser: Browser) -> None:
    headers = {"content-type": "application/x-www-form-urlencoded", **JSON}
    for length in (str(4 * 2**30), str(MAX_FORM_BYTES + 1), "9" * 100):
        answer = browser.post("/jobs/stop", content=b"a=1", headers={**headers, "content-length": length})
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "usage.too_large")


# Files.


def serve_files(browser: Browser) -> None:
    add(browser, Route("/file", lambda request: file(request, request.query_params["at"])))


@pytest.mark.parametrize(
    "at", ["../outside.mp4", "/etc/passwd", "a/../../outside.mp4", "link.mp4", "folder-link/outside.mp4", "~root/x"]
)
def test_nothing_outside_of_the_chosen_folders_is_served(browser: Browser, at: str) -> None:
    serve_files(browser)
    folder = browser.studio.project
    (folder / "a").mkdir()
    (folder.parent / "outside.mp4").write_bytes(b"secret")
    (folder / "link.mp4").symlink_to(folder.parent / "outside.mp4")
    (folder / "folder-link").symlink_to(folder.parent)
    answer = browser.get("/file", params={"at": at}, headers=JSON)
    assert answer.status_code in {400, 403}
    assert "secret" not in answer.text


@pytest.mark.parametrize("at", [f"{room}/x.mp4" for room in KEPT_ROOMS] + ["countenance.db", "countenance.db-wal"])
def test_what_a_project_keeps_for_itself_is_never_served(browser: Browser, at: str) -> None:
    """Unmarked pixels, faces and models, also of another project in a folder that the user chose."""
    serve_files(browser)
    folder = browser.studio.project
    other = folder / "other"
    other.mkdir()
    (other / "countenance.toml").touch()
    for each in (folder, other):
        (each / at).parent.mkdir(exist_ok=True)
        (each / at).touch()
    for path in (at, f"other/{at}", str(folder / at), f"other/../{at}"):
        assert browser.get("/file", params={"at": path}).status_code == 403


def test_what_is_no_file_is_not_served(browser: Browser) -> None:
    serve_files(browser)
    os.mkfifo(browser.studio.project / "pipe.mp4")
    (browser.studio.project / "folder.mp4").mkdir()
    for at in ("pipe.mp4", "folder.mp4", "", "none.mp4", "a\0b"):
        assert browser.get("/file", params={"at": at}).status_code == 400


@pytest.mark.parametrize(
    "name", ["page.html", "page.xhtml", "drawing.svg", "code.js", "code.mjs", "style.css", "x.xml", "x"]
)
def test_files_of_others_cannot_run(browser: Browser, name: str) -> None:
    serve_files(browser)
    (browser.studio.project / name).write_text("<script>boo(1)</script>")
    answer = browser.get("/file", params={"at": name})
    assert answer.status_code == 400
    assert "boo" not in answer.text
    (browser.studio.project / f"{name}.png").write_text("<script>alert(1)</script>")
    answer = browser.get("/file", params={"at": f"{name}.png"})
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["content-security-policy"].startswith("default-src 'none';")
    assert "sandbox" in answer.headers["content-security-policy"]


def test_films_are_served_in_ranges_without_sniffing(browser: Browser) -> None:
    serve_files(browser)
    (browser.studio.project / "shot.mp4").write_bytes(bytes(range(100)))
    answer = browser.get("/file", params={"at": "shot.mp4"}, headers={"range": "bytes=10-19"})
    assert (answer.status_code, answer.content) == (206, bytes(range(10, 20)))
    assert answer.headers["content-type"] == "video/mp4"
    assert answer.headers["x-content-type-options"] == "nosniff"
    many = "bytes=" + ",".join("0-" for _ in range(2_000))
    assert len(browser.get("/file", params={"at": "shot.mp4"}, headers={"range": many}).content) < 10_000


# The server itself.


@contextmanager
def served(studio: Studio, *routes: Route) -> Iterator[None]:
    """The real server, in a thread."""
    ready = threading.Event()
    running = make_server(studio, when_ready=ready.set)
    running.config.app.router.routes[:0] = routes  # type: ignore[union-attr]
    thread = threading.Thread(target=running.run)
    thread.start()
    try:
        assert ready.wait(30)
        yield
    finally:
        running.should_exit = True
        thread.join(30)


@pytest.fixture
def real(project: Project) -> Studio:
    return Studio(project=project.folder.resolve(), folders=chosen_folders(project.folder, []), port=free_port(0))


def ask(studio: Studio, method: str, path: str, **headers: str) -> tuple[int, bytes]:
    """Ask without anything in between that would tidy up."""
    with closing(HTTPConnection(ADDRESS, studio.port, timeout=10)) as connection:
        connection.putrequest(method, path, skip_host="host" in headers, skip_accept_encoding=True)
        for name, value in {"cookie": f"{cookie_name(studio)}={studio.session}", **headers}.items():
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, answer.read()


def talk(studio: Studio, text: str, *, patience_s: float = 10) -> bytes:
    """Send bytes, and read until the server ends the connection."""
    with closing(socket.create_connection((ADDRESS, studio.port), patience_s)) as line:
        with suppress(ConnectionError):
            line.sendall(text.encode())
        answer = b""
        # It may end the connection with something of ours unread.
        with suppress(ConnectionResetError):
            while piece := line.recv(65_536):
                answer += piece
        return answer


def test_only_this_computers_own_address_is_listened_on(real: Studio) -> None:
    with served(real):
        with socket.create_connection((ADDRESS, real.port), 5):
            pass
        for other in (
            "127.0.0.2",
            *{info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None)} - {ADDRESS},
        ):
            with (
                pytest.raises(OSError, match=r"refused|unreachable|timed out"),
                socket.create_connection((str(other), real.port), 2),
            ):
                pass


@pytest.mark.parametrize(
    "path",
    [
        *("/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py", "/static/%2e%2e%2f%2e%2e%2fproject.py"),
        *(
            "/static//etc/passwd",
            "/static/%2fetc%2fpasswd",
            "/static/..\\app.py",
            "/static/studio.css%00.py",
            "/static/",
        ),
        *("/../../etc/passwd", "//etc/passwd", "/static", "/%00", "/static/%c0%ae%c0%ae/app.py"),
    ],
)
def test_paths_lead_nowhere_else(real: Studio, path: str) -> None:
    with served(real):
        status, content = ask(real, "GET", path)
    assert status in {303, 307, 404}, content
    assert b"import " not in content
    assert b"root:" not in content


def test_raw_requests_that_browsers_never_send(real: Studio) -> None:
    host, cookie = f"Host: {ADDRESS}:{real.port}", f"Cookie: {cookie_name(real)}={real.session}"
    end = "Connection: close\r\n\r\n"
    with served(real):
        assert talk(real, f"GET /jobs HTTP/1.1\r\n{host}\r\n{cookie}\r\n{end}").startswith(b"HTTP/1.1 200")
        for text in (
            f"GET /jobs HTTP/1.1\r\n{host}\r\nHost: evil.example\r\n{cookie}\r\n{end}",
            f"GET /jobs HTTP/1.1\r\n{cookie}\r\n{end}",
            f"GET /jobs HTTP/1.0\r\n{cookie}\r\n{end}",
            f"GET http://evil.example/jobs HTTP/1.1\r\n{host}\r\n{cookie}\r\n{end}",
            f"GET /jobs HTTP/1.1\r\n{host}\r\n{cookie}\r\nx: {'a' * 1_000_000}\r\n{end}",
            f"GET /{'a' * 1_000_000} HTTP/1.1\r\n{host}\r\n{cookie}\r\n{end}",
            "not http at all\r\n\r\n",
        ):
            answer = talk(real, text)
            assert re.match(rb"HTTP/1.1 4\d\d |$", answer), text[:60]
        upgrade = (
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eA==\r\n"
        )
        asked = talk(real, f"GET /jobs HTTP/1.1\r\n{host}\r\n{upgrade}\r\n", patience_s=8)
        assert b"101" not in asked.split(b"\r\n", 1)[0]
        assert ask(real, "GET", "/jobs")[0] == FETCHED, "and it still answers"


def test_clients_that_dawdle_over_a_request_hold_up_nobody(real: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HEADERS_S", 0.6)
    with served(real):
        lines = [socket.create_connection((ADDRESS, real.port), 10) for _ in range(20)]
        try:
            for line in lines[10:]:
                line.sendall(b"GET /jobs HTTP/1.1\r\nHost: ")
            begun = time.monotonic()
            assert ask(real, "GET", "/static/studio.css")[0] == FETCHED
            assert time.monotonic() - begun < 0.6
            lines[-1].sendall(b"x")
            for line in lines:
                assert line.recv(100) == b"", "it ends"
            assert time.monotonic() - begun < 5
        finally:
            for line in lines:
                line.close()


def test_a_form_that_does_not_come_is_given_up(real: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "SILENT_S", 0.3)
    head = "\r\n".join(
        (
            f"POST /jobs/stop HTTP/1.1\r\nHost: {ADDRESS}:{real.port}",
            f"Cookie: {cookie_name(real)}={real.session}\r\nOrigin: http://{ADDRESS}:{real.port}",
            "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000",
            "Connection: close\r\n\r\nnumber=1",
        )
    )
    with served(real):
        assert b"didn&#39;t come within" in talk(real, head)


def test_an_upload_whose_sender_stops_leaves_nothing(
    real: Studio, monkeypatch: pytest.MonkeyPatch, config_folder: Path
) -> None:
    monkeypatch.setattr("countenance.studio.uploads.SILENT_S", 0.3)
    folder = real.project / "dropped"
    folder.mkdir()

    async def drop(request: Request) -> Response:
        return document({"name": (await received(request, folder, most_bytes=2**20)).name})

    head = "\r\n".join(
        (
            f"POST /drop HTTP/1.1\r\nHost: {ADDRESS}:{real.port}\r\nX-CSRF-Token: {real.csrf}\r\nX-File-Name: a.mp4",
            f"Cookie: {cookie_name(real)}={real.session}\r\nOrigin: http://{ADDRESS}:{real.port}",
            "Content-Length: 1000\r\nConnection: close\r\n\r\nabc",
        )
    )
    with served(real, Route("/drop", drop, methods=["POST"])):
        assert b"nothing of the file came for" in talk(real, head)
        assert not list(folder.iterdir())
        with closing(socket.create_connection((ADDRESS, real.port), 5)) as line:
            line.sendall(head.encode())
            time.sleep(0.1)
            assert list(folder.iterdir()), "it is being written"
        until = time.monotonic() + 5
        while list(folder.iterdir()):
            assert time.monotonic() < until
            time.sleep(0.02)
        assert b"413" in talk(real, head.replace("Content-Length: 1000", f"Content-Length: {4 * 2**30}"))
    assert not list(folder.iterdir())
    assert not (config_folder / BUG_REPORT_NAME).exists(), "a sender who leaves is no bug of ours"


def test_two_uploads_of_one_name_are_both_kept(browser: Browser) -> None:
    folder = browser.studio.project / "dropped"
    folder.mkdir()

    async def drop(request: Request) -> Response:
        return document({"name": (await received(request, folder)).name})

    add(browser, Route("/drop", drop, methods=["POST"]))
    names = [browser.drop("/drop", "a.mp4", bytes([number])).json()["name"] for number in range(3)]
    assert names == ["a.mp4", "a-2.mp4", "a-3.mp4"]
    assert [(folder / name).read_bytes() for name in names] == [b"\0", b"\1", b"\2"]
    assert (folder / "a.mp4").stat().st_mode & 0o777 == 0o600
    for bad in ("../a.mp4", "/etc/x", ".hidden", "a\\b", "", "a\nb", "x" * 300, ".."):
        assert browser.drop("/drop", bad, b"x").status_code == 400
    assert len(list(folder.iterdir())) == 3


def test_half_an_answer_is_never_taken_for_a_whole_one(real: Studio) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"the first half"
        raise ZeroDivisionError

    with served(real, Route("/half", lambda _: StreamingResponse(pieces()))), pytest.raises((IncompleteRead, OSError)):
        ask(real, "GET", "/half")


# Nonsense.

SOURCES = "".join(path.read_text() for path in sorted(PACKAGE.glob("*.py")))
ASKED = sorted(
    set(re.findall(r"(?:query_params|asked|fields)(?:\.get\(|\.getlist\(|\[)\"(\w+)\"", SOURCES))
    | set(re.findall(r"asked_number\(request, \"(\w+)\"", SOURCES))
)
SENT = sorted(
    {*re.findall(r"(?:text|texts|number|is_on|_number)\((?:form, )?\"([\w.]+)\"", SOURCES), *ASKED} - {CSRF_FIELD}
)
NONSENSE = (
    "",
    "x",
    "-1",
    "9" * 1_400,
    "\0",
    "\ud800",
    "../../etc/passwd",
    "<script>boo()</script>",
    "²",
    "--output",
    "{",
    "[]",
)


@pytest.fixture
def full(trained: Production, monkeypatch: pytest.MonkeyPatch) -> Iterator[Browser]:  # noqa: F811
    """A project with people, faces and a model; nobody works through its jobs."""
    monkeypatch.setattr(jobs, "start_worker", lambda _: False)
    with Browser(studio_on(trained.project.folder)) as browser:
        yield browser


def filled(route: Route) -> str:
    """An address that a route answers, of what is there."""
    path = route.path.replace("{likeness}", LIKENESS).replace("{performer}", PERFORMER).replace("{person}", LIKENESS)
    return address_of(Route(path, route.endpoint))


@pytest.mark.slow
@pytest.mark.parametrize("value", NONSENSE, ids=range(len(NONSENSE)))
def test_nonsense_in_an_address_is_told_so(full: Browser, config_folder: Path, value: str) -> None:
    assert {"at", "row", "folder"} <= set(ASKED)
    value = quote(value.encode(errors="surrogatepass"))
    for route in routes_of(full):
        if "GET" in (route.methods or ()) and route.path != "/jobs/events":
            query = "&".join(f"{name}={value}" for name in ASKED)
            answer = full.get(f"{filled(route)}?{query}")
            assert answer.status_code < 500, (route.path, answer.text[-300:])
            assert "<script>boo" not in answer.text
    assert not (config_folder / BUG_REPORT_NAME).exists()


@pytest.mark.slow
@pytest.mark.parametrize("value", [each for each in NONSENSE if each != "\ud800"])
def test_nonsense_in_a_form_is_told_so(full: Browser, config_folder: Path, value: str) -> None:
    assert {"number", "likeness", "images"} <= set(SENT)
    for route in routes_of(full):
        if "POST" in (route.methods or ()):
            for fields in ({}, dict.fromkeys(SENT, value)):
                data = {CSRF_FIELD: full.studio.csrf, **fields}
                answer = full.post(filled(route), data=data, headers=JSON, follow_redirects=False)
                assert answer.status_code < 500, (route.path, answer.text[-300:])
    assert not (config_folder / BUG_REPORT_NAME).exists()


def test_an_address_without_end_is_refused(browser: Browser) -> None:
    answer = browser.get(f"/jobs/{'9' * 5_000}")
    assert answer.status_code == 414
