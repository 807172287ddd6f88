"""Dropped files: streamed to the disk, whole or not at all, whatever their names, sizes and senders."""

import asyncio
import errno
import os
import shutil
import threading
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from countenance.studio import uploads
from countenance.studio.app import make_app
from countenance.studio.safety import CSRF_HEADER, cookie_name
from countenance.studio.session import ADDRESS
from tests.support.footage import FootageDesk, footage_desk

PIECE = bytes(2**20)
FOUR_GB = 4 * 2**30
MOST_HELD = 8 * 2**20
"""Bytes of memory in which any upload has to do."""
DROP = "/footage/dana/drop"


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FootageDesk]:
    with footage_desk(tmp_path, monkeypatch) as desk:
        desk.release()
        yield desk


def dropped(desk: FootageDesk) -> list[Path]:
    folder = desk.folder / "dropped" / "dana"
    return sorted(folder.iterdir()) if folder.exists() else []


def drop(desk: FootageDesk, name: str, content: Any = b"film", **headers: str) -> Any:
    sent = {CSRF_HEADER: desk.browser.studio.csrf, "x-file-name": quote(name), "accept": "application/json"}
    return desk.browser.post(DROP, content=content, headers={**sent, **headers})


@pytest.mark.parametrize(
    "name",
    [
        *("", ".", "..", ".hidden.mp4", "../a.mp4", "..\\a.mp4", "/etc/passwd", "a/b.mp4", "C:\\a.mp4", "a\x00.mp4"),
        *("a\n.mp4", "a\x1b[31m.mp4", "a\u202e4pm.exe", "x" * 201, "é" * 101),
    ],
)
def test_names_that_are_none_are_refused(desk: FootageDesk, name: str) -> None:
    answer = drop(desk, name)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "usage")
    assert dropped(desk) == []


@pytest.mark.parametrize("encoded", ["%2e%2e%2fa.mp4", "%2fetc%2fpasswd", "a%00.mp4", "%252e%252e"])
def test_encoded_names_are_read_once(desk: FootageDesk, encoded: str) -> None:
    headers = {CSRF_HEADER: desk.browser.studio.csrf, "x-file-name": encoded}
    answer = desk.browser.post(DROP, content=b"film", headers=headers)
    assert [path.name for path in dropped(desk)] == ([] if answer.status_code == 400 else ["%2e%2e"])


@pytest.mark.parametrize("name", ["Dana's take (2).mp4", "übung 東京.mov", "-rf.mp4", "%41.mp4", "x" * 196 + ".mp4"])
def test_plain_names_stay_as_they_are(desk: FootageDesk, name: str) -> None:
    assert drop(desk, name).status_code == 200
    assert [path.name for path in dropped(desk)] == [name]


def test_without_the_token_of_the_page_nothing_is_written(desk: FootageDesk) -> None:
    for token in ("", "wrong"):
        answer = drop(desk, "a.mp4", **{CSRF_HEADER: token})
        assert answer.status_code == 403
    assert desk.browser.post(DROP, content=b"film", headers={"x-file-name": "a.mp4"}).status_code == 403
    assert dropped(desk) == []


def test_a_second_file_of_a_name_gets_a_number(desk: FootageDesk) -> None:
    for content in (b"one", b"two", b"three"):
        drop(desk, "a.mp4", content)
    assert {path.name: path.read_bytes() for path in dropped(desk)} == {
        "a.mp4": b"one",
        "a-2.mp4": b"two",
        "a-3.mp4": b"three",
    }


def test_a_file_that_says_that_it_is_too_large_is_refused(desk: FootageDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "_most_bytes", lambda *_: 3)
    answer = drop(desk, "a.mp4", b"film")
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "usage.too_large")
    assert "use the file from where it lies" in answer.json()["error"]["message"]
    assert dropped(desk) == []


def test_space_is_left_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: type("Usage", (), {"free": 2 * 2**30 + 7}))
    assert uploads._most_bytes(tmp_path, None) == 7
    assert uploads._most_bytes(tmp_path, 5) == 5


def test_a_full_disk_is_told_and_leaves_nothing(desk: FootageDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    answer = drop(desk, "a.mp4")
    assert (answer.status_code, "No space left on device" in answer.json()["error"]["message"]) == (507, True)
    assert dropped(desk) == []


# As the server calls the application, with a body that is made as it is read.

Receive = Callable[[], Awaitable[dict[str, Any]]]


def asked(desk: FootageDesk, path: str, *, method: str = "GET", **headers: str) -> dict[str, Any]:
    studio = desk.browser.studio
    host = f"{ADDRESS}:{studio.port}"
    sent = {"host": host, "origin": f"http://{host}", "cookie": f"{cookie_name(studio)}={studio.session}", **headers}
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in sent.items()],
        "client": ("127.0.0.1", 1),
        "server": (ADDRESS, studio.port),
    }


def sending(desk: FootageDesk, **headers: str) -> dict[str, Any]:
    more = {CSRF_HEADER: desk.browser.studio.csrf, "x-file-name": "a.mp4", "accept": "application/json"}
    return asked(desk, DROP, method="POST", **more, **headers)


def receiving(pieces: AsyncIterator[bytes]) -> Receive:
    async def receive() -> dict[str, Any]:
        piece = await anext(pieces, None)
        return {"type": "http.request", "body": piece or b"", "more_body": piece is not None}

    return receive


async def answered(app: Any, scope: dict[str, Any], receive: Receive) -> int:
    statuses: list[int] = []

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    await app(scope, receive, send)
    return statuses[0]


async def zeros(num_bytes: int) -> AsyncIterator[bytes]:
    for _ in range(num_bytes // len(PIECE)):
        yield PIECE


def test_four_gigabytes_beyond_the_disks_room_are_refused_in_little_memory(
    desk: FootageDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without saying how much comes: what was written until then is gone, and all is read, so that the answer comes."""
    monkeypatch.setattr(uploads, "_most_bytes", lambda *_: 64 * 2**20)
    app, num_read = make_app(desk.browser.studio), 0

    async def counted() -> AsyncIterator[bytes]:
        nonlocal num_read
        async for piece in zeros(FOUR_GB):
            num_read += len(piece)
            yield piece

    tracemalloc.start()
    try:
        status = asyncio.run(answered(app, sending(desk), receiving(counted())))
        _, most_held = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (status, num_read) == (413, FOUR_GB)
    assert dropped(desk) == []
    assert most_held < MOST_HELD


def test_a_large_file_is_written_whole_in_little_memory(desk: FootageDesk) -> None:
    app, num_bytes = make_app(desk.browser.studio), 96 * 2**20
    tracemalloc.start()
    try:
        status = asyncio.run(answered(app, sending(desk), receiving(zeros(num_bytes))))
        _, most_held = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert status == 200
    assert [path.stat().st_size for path in dropped(desk)] == [num_bytes]
    assert most_held < MOST_HELD


def test_a_sender_that_goes_away_leaves_nothing(desk: FootageDesk) -> None:
    half = {"type": "http.request", "body": b"half of it", "more_body": True}
    messages: Iterator[dict[str, Any]] = iter([half, {"type": "http.disconnect"}])

    async def receive() -> dict[str, Any]:
        return next(messages)

    assert asyncio.run(answered(make_app(desk.browser.studio), sending(desk), receive)) == 400
    assert dropped(desk) == []


def test_a_silent_sender_ends_and_others_are_answered_meanwhile(
    desk: FootageDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "SILENT_S", 0.5)
    app = make_app(desk.browser.studio)

    async def stalled() -> AsyncIterator[bytes]:
        yield b"a beginning"
        await asyncio.sleep(60)

    async def both() -> tuple[int, int, bool]:
        slow = asyncio.create_task(answered(app, sending(desk), receiving(stalled())))
        await asyncio.sleep(0.1)
        page = await answered(app, asked(desk, "/browse"), receiving(zeros(0)))
        is_waiting = not slow.done()
        return await asyncio.wait_for(slow, 10), page, is_waiting

    assert asyncio.run(both()) == (400, 200, True)
    assert dropped(desk) == []


def test_a_stopped_studio_leaves_nothing(desk: FootageDesk) -> None:
    app = make_app(desk.browser.studio)

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield PIECE
            await asyncio.sleep(0.01)

    async def stopped() -> None:
        upload = asyncio.create_task(answered(app, sending(desk), receiving(endless())))
        while not dropped(desk):
            await asyncio.sleep(0.01)
        upload.cancel()
        with pytest.raises(asyncio.CancelledError):
            await upload

    asyncio.run(stopped())
    assert dropped(desk) == []


def test_two_that_send_the_same_name_at_once_both_arrive(desk: FootageDesk) -> None:
    app = make_app(desk.browser.studio)

    async def both() -> list[int]:
        return await asyncio.gather(
            *(answered(app, sending(desk), receiving(zeros(number * len(PIECE)))) for number in (1, 2, 3))
        )

    assert asyncio.run(both()) == [200] * 3
    assert sorted(path.stat().st_size for path in dropped(desk)) == [len(PIECE), 2 * len(PIECE), 3 * len(PIECE)]


def test_the_disk_is_waited_for_in_a_thread(desk: FootageDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sync of gigabytes takes seconds, in which other pages must be answered."""
    app, synced_in = make_app(desk.browser.studio), list[bool]()
    sync = os.fsync

    def noted(file: int) -> None:
        synced_in.append(threading.current_thread() is threading.main_thread())
        sync(file)

    monkeypatch.setattr(os, "fsync", noted)
    assert asyncio.run(answered(app, sending(desk), receiving(zeros(len(PIECE))))) == 200
    assert synced_in
    assert not any(synced_in)
