"""Choosing files on this machine: nothing outside of what the user chose."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from countenance.studio.session import KEPT_ROOMS
from tests.support.footage import FootageDesk, footage_desk

FILM = bytes(range(256)) * 8


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FootageDesk]:
    with footage_desk(tmp_path, monkeypatch) as desk:
        yield desk


def listed(desk: FootageDesk, folder: Path | str | None = None, kind: str = "any") -> dict[str, Any]:
    query = {"kind": kind} | ({} if folder is None else {"folder": str(folder)})
    answer = desk.browser.get("/browse", params=query, headers={"accept": "application/json"})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def names(entries: list[dict[str, Any]]) -> list[str]:
    return [entry["name"] for entry in entries]


def outside_of(desk: FootageDesk) -> Path:
    path = desk.folder.parent / "documents" / "secret.mp4"
    path.write_bytes(FILM)
    return path


def test_a_folder_is_listed_in_order_without_what_is_hidden(desk: FootageDesk) -> None:
    for name in ("b.mp4", "A.mov", ".hidden.mp4", "notes.txt"):
        (desk.chosen / name).write_bytes(b"12345")
    for name in ("day two", "day One", ".trash"):
        (desk.chosen / name).mkdir()
    found = listed(desk)
    assert (found["folder"], found["name"], found["parent"]) == (str(desk.chosen), "chosen", None)
    assert names(found["places"]) == ["film", "chosen"]
    assert names(found["folders"]) == ["day One", "day two"]
    assert names(found["files"]) == ["A.mov", "b.mp4", "notes.txt"]
    assert {entry["bytes"] for entry in found["files"]} == {5}
    assert listed(desk, desk.chosen / "day two")["parent"] == str(desk.chosen)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("any", ["a.MP4", "a.png", "a.toml", "a.txt"]),
        ("media", ["a.MP4", "a.png"]),
        ("video", ["a.MP4"]),
        ("document", ["a.toml"]),
        ("folder", []),
    ],
)
def test_only_files_of_the_kind_that_is_asked_for_are_listed(desk: FootageDesk, kind: str, expected: list[str]) -> None:
    for name in ("a.MP4", "a.png", "a.toml", "a.txt"):
        (desk.chosen / name).write_bytes(b"")
    assert names(listed(desk, kind=kind)["files"]) == expected


def test_an_unknown_kind_is_refused(desk: FootageDesk) -> None:
    assert desk.browser.get("/browse?kind=secrets").status_code == 400


def test_links_that_lead_outside_are_neither_listed_nor_followed(desk: FootageDesk) -> None:
    secret = outside_of(desk)
    (desk.chosen / "inside.mp4").write_bytes(FILM)
    (desk.chosen / "good.mp4").symlink_to(desk.chosen / "inside.mp4")
    (desk.chosen / "bad.mp4").symlink_to(secret)
    (desk.chosen / "bad").symlink_to(secret.parent)
    (desk.chosen / "broken").symlink_to(desk.chosen / "nothing")
    (desk.chosen / "loop").symlink_to(desk.chosen / "loop")
    found = listed(desk)
    assert names(found["files"]) == ["good.mp4", "inside.mp4"]
    assert (names(found["folders"]), found["left_out"]) == ([], 4)
    assert desk.browser.get("/browse", params={"folder": str(desk.chosen / "bad")}).status_code == 403


WAYS_OUT = [
    "/",
    "/etc",
    "..",
    "../documents",
    "{chosen}/..",
    "{chosen}/../documents",
    "{film}/..",
    "~",
    "\x00",
    "%2e%2e",
]


@pytest.mark.parametrize("way", WAYS_OUT)
def test_no_folder_outside_is_listed(desk: FootageDesk, way: str) -> None:
    outside_of(desk)
    folder = way.format(chosen=desk.chosen, film=desk.folder)
    for encoded in (quote(folder, safe=""), quote(folder)):
        answer = desk.browser.get(f"/browse?folder={encoded}")
        assert answer.status_code in {400, 403}
        assert "secret" not in answer.text


def test_a_file_is_no_folder(desk: FootageDesk) -> None:
    (desk.chosen / "a.mp4").write_bytes(FILM)
    assert desk.browser.get("/browse", params={"folder": str(desk.chosen / "a.mp4")}).status_code == 400


def test_names_that_are_no_text_are_counted(desk: FootageDesk) -> None:
    (desk.chosen / os.fsdecode(b"caf\xe9.mp4")).write_bytes(FILM)
    found = listed(desk)
    assert (found["files"], found["left_out"]) == ([], 1)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every folder")
def test_a_closed_folder_says_so(desk: FootageDesk) -> None:
    closed = desk.chosen / "closed"
    closed.mkdir(mode=0)
    answer = desk.browser.get("/browse", params={"folder": str(closed)})
    closed.chmod(0o700)
    assert (answer.status_code, "check its permissions" in answer.text) == (400, True)


def test_the_projects_own_rooms_are_not_listed(desk: FootageDesk) -> None:
    for room in KEPT_ROOMS:
        (desk.folder / room).mkdir(exist_ok=True)
        (desk.folder / room / "faces.png").write_bytes(FILM)
        assert desk.browser.get("/browse", params={"folder": str(desk.folder / room)}).status_code == 403
    assert not set(names(listed(desk, desk.folder)["folders"])) & {*KEPT_ROOMS}


def test_no_file_is_played_by_its_path(desk: FootageDesk) -> None:
    """Published files and pictures of clips are, by pages that ask for consent."""
    (desk.chosen / "a.mp4").write_bytes(FILM)
    assert desk.browser.get("/media", params={"path": str(desk.chosen / "a.mp4")}).status_code == 404


def test_without_the_cookie_there_is_nothing(desk: FootageDesk) -> None:
    desk.browser.cookies.clear()
    assert desk.browser.get("/browse").status_code == 401
