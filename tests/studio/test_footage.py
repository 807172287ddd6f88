"""The page Footage: clips and their pictures while consent holds, what is dropped, what was left out and why."""

import os
import shutil
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from countenance.project import PRIVATE
from countenance.studio.thumbnails import MOST_AT_ONCE, MOST_HELD, Thumbnails, fitted
from tests.support.footage import FootageDesk, footage_desk, graded
from tests.support.videos import write_video

MOST_CLIPS, MOST_S = 200, 0.2


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FootageDesk]:
    with footage_desk(tmp_path, monkeypatch) as desk:
        yield desk


def code_of(answer: object) -> str:
    return str(answer.json()["error"]["code"])  # type: ignore[attr-defined]


def test_a_clip_is_shown_with_its_facts_and_a_frame_from_its_middle(desk: FootageDesk) -> None:
    desk.release()
    info = desk.clip()
    shown = desk.page()
    for words in (
        "walk.mp4",
        "96×64",
        "24 fps",
        "9 frames",
        "1 shot",
        "not prepared",
        "Allowed by the likeness release",
    ):
        assert words in shown, words
    answer = desk.picture(info)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
    assert answer.headers["cache-control"] == "no-store"
    pixels = cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_COLOR)
    assert pixels is not None
    assert pixels.shape == (64, 96, 3)
    assert pixels.mean() == pytest.approx(graded(0)[4].mean(), abs=6)


def test_pictures_are_shown_only_as_long_as_a_release_holds(desk: FootageDesk) -> None:
    path = desk.release()
    info = desk.clip()
    assert desk.picture(info).status_code == 200
    desk.production.revoke(path)
    # Though it is held.
    answer = desk.picture(info)
    assert (answer.status_code, code_of(answer)) == (400, "consent.release_revoked")
    shown = desk.page()
    assert "was revoked on" in shown
    assert not any(part in shown for part in ("<img", "data-drop", "/prepare", "/choose"))
    assert "walk.mp4" in shown


def test_a_clip_that_the_release_does_not_name_is_not_shown(desk: FootageDesk) -> None:
    desk.release()
    info = desk.clip()
    # Of another person, whose release names other footage and came after the clip.
    desk.project.database.execute("UPDATE clips SET person = 'kim'")
    desk.release("kim", shade=200, footage=["0" * 64])
    answer = desk.picture(info, "kim")
    assert (answer.status_code, code_of(answer)) == (400, "consent.footage")
    shown = desk.page("kim")
    assert "<img" not in shown
    assert "names other footage" in shown


def test_a_clip_is_named_by_the_release_that_names_it(desk: FootageDesk) -> None:
    info = desk.clip()
    desk.release(footage=[info.sha256])
    assert "Named in the likeness release" in desk.page()
    assert desk.picture(info).status_code == 200


def test_a_clip_that_has_not_passed_the_gate_is_not_shown(desk: FootageDesk) -> None:
    desk.release()
    info = desk.clip()
    desk.project.database.execute("DELETE FROM passed_footage")
    answer = desk.picture(info)
    assert (answer.status_code, code_of(answer)) == (400, "media.intimate")
    assert "<img" not in desk.page()


def test_footage_without_a_release_says_what_is_missing(desk: FootageDesk) -> None:
    info = desk.clip()
    assert "there is no release of dana here" in desk.page().casefold()
    assert code_of(desk.picture(info)) == "consent.release_missing"


def test_a_moved_file_is_said_so_and_found_again(desk: FootageDesk) -> None:
    desk.release()
    info = desk.clip()
    moved = info.path.rename(info.path.with_name("away.mp4"))
    shown = desk.page()
    assert "The file is gone" in shown
    assert f"It was at {info.path}" in shown
    assert code_of(desk.picture(info)) == "media.missing"
    # A copy of the same content, written later, is the same clip.
    shutil.copyfile(moved, info.path)
    assert desk.picture(info).status_code == 200


def test_a_file_that_was_replaced_is_not_shown(desk: FootageDesk) -> None:
    desk.release()
    info = desk.clip()
    assert desk.picture(info).status_code == 200
    write_video(info.path, graded(40))
    answer = desk.picture(info)
    assert answer.status_code == 400
    assert "was changed since it was collected" in answer.json()["error"]["message"]


def test_dropped_files_are_private_and_collected_once_all_are_there(desk: FootageDesk) -> None:
    desk.release()
    for content in (b"one", b"two"):
        assert desk.browser.drop("/footage/dana/drop", "a take.mp4", content).status_code == 200
    folder = desk.folder / "dropped" / "dana"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {"a take.mp4": b"one", "a take-2.mp4": b"two"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {PRIVATE}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert desk.jobs() == []
    assert desk.browser.submit("/footage/dana/collect").status_code == 303
    assert desk.jobs() == [("collect", "dana", str(folder))]
    # A script gets no page, which would show the line that belongs to the next one.
    asked = {"csrf": desk.browser.studio.csrf}
    answer = desk.browser.post("/footage/dana/collect", data=asked, headers={"accept": "application/json"})
    assert (answer.status_code, answer.json()) == (200, {})


@pytest.mark.parametrize("person", ["kim", "..", "%2e%2e", "..%2f..%2fdocuments"])
def test_nothing_is_taken_of_somebody_without_a_release(desk: FootageDesk, person: str) -> None:
    desk.release()
    before = sorted(desk.folder.parent.rglob("*"))
    for answer in (
        desk.browser.drop(f"/footage/{person}/drop", "a.mp4", b"one"),
        desk.browser.submit(f"/footage/{person}/choose", path=str(desk.chosen)),
        desk.browser.submit(f"/footage/{person}/collect"),
        desk.browser.submit(f"/footage/{person}/prepare", once="1"),
    ):
        assert answer.status_code in {400, 404, 405}
    after = [path for path in sorted(desk.folder.parent.rglob("*")) if path.name != "dropped"]
    assert [path for path in after if path not in before] == []


def test_files_and_folders_are_chosen_only_where_the_user_lets_it(desk: FootageDesk) -> None:
    desk.release()
    (desk.chosen / "day one").mkdir()
    (desk.chosen / "link").symlink_to(desk.folder.parent / "documents")
    for path in (desk.folder.parent / "documents", desk.chosen / ".." / "documents", desk.chosen / "link"):
        answer = desk.browser.submit("/footage/dana/choose", path=str(path))
        assert answer.status_code == 403
    assert desk.browser.submit("/footage/dana/choose").status_code == 400
    assert desk.jobs() == []
    for _ in range(2):
        desk.browser.submit("/footage/dana/choose", path=[str(desk.chosen / "day one")], once="7")
    assert desk.jobs() == [("collect", "dana", str(desk.chosen / "day one"))]


def test_preparing_is_one_job_however_often_its_button_is_pressed(desk: FootageDesk) -> None:
    desk.release()
    desk.clip()
    for _ in range(2):
        desk.browser.submit("/footage/dana/prepare", once="7")
    assert desk.jobs() == [("prepare", "dana")]
    assert "Being prepared" in desk.page()


def test_what_was_left_out_is_told_with_its_reason_and_can_be_removed(desk: FootageDesk) -> None:
    desk.release()
    for name in ("letter.mp4", "later.mp4", "second.mp4"):
        desk.browser.drop("/footage/dana/drop", name, b"Dear Dana")
    folder = desk.folder / "dropped" / "dana"
    desk.browser.submit("/footage/dana/collect")
    assert "Left out" not in desk.page()
    elsewhere = desk.chosen / "raw.mp4"
    left_out = [{"path": str(path), "reason": f"{path} is a letter"} for path in (folder / "letter.mp4", elsewhere)]
    desk.end({"clips": [], "known": [str(folder / "second.mp4")], "left_out": left_out})
    shown = desk.page()
    for words in ("letter.mp4 is a letter", "raw.mp4 is a letter", "not collected yet", "the same as a clip"):
        assert words in shown
    # What lies elsewhere on the machine isn't the studio's to remove.
    assert desk.browser.submit("/footage/dana/remove", name="raw.mp4").status_code == 400
    assert desk.browser.submit("/footage/dana/remove", name="../../countenance.toml").status_code == 400
    assert desk.browser.submit("/footage/dana/remove", name=["letter.mp4", "later.mp4"]).status_code == 303
    assert [path.name for path in folder.iterdir()] == ["second.mp4"]
    assert "letter.mp4" not in desk.page()


@pytest.mark.parametrize("person", ["%2e%2e", "."])
def test_nothing_is_removed_by_a_person_who_is_a_path(desk: FootageDesk, person: str) -> None:
    desk.release()
    (desk.folder / "dropped").mkdir(exist_ok=True)
    assert desk.browser.submit(f"/footage/{person}/remove", name="countenance.toml").status_code in {400, 404, 405}
    assert (desk.folder / "countenance.toml").exists()


def test_a_dropped_file_that_is_a_clip_is_not_removed(desk: FootageDesk) -> None:
    desk.release()
    info = desk.clip()
    desk.browser.drop("/footage/dana/drop", "walk.mp4", b"")
    dropped = desk.folder / "dropped" / "dana" / "walk.mp4"
    desk.project.database.execute("UPDATE clips SET path = ?", (str(dropped),))
    assert desk.browser.submit("/footage/dana/remove", name="walk.mp4").status_code == 400
    assert dropped.exists()
    assert info.sha256[:8] in desk.page()


def test_a_failed_job_says_why(desk: FootageDesk) -> None:
    desk.release()
    desk.browser.submit("/footage/dana/collect")
    desk.end(None, exit_code=4, error={"code": "media.unreadable", "message": "no video or picture here"})
    assert "no video or picture here" in desk.page()


def test_what_a_killed_upload_left_is_swept(desk: FootageDesk) -> None:
    desk.release()
    folder = desk.folder / "dropped" / "dana"
    folder.mkdir(parents=True)
    old, young = folder / ".old", folder / ".young"
    for part in (old, young):
        part.write_bytes(b"part")
    an_hour_ago = time.time() - 3600
    os.utime(old, (an_hour_ago, an_hour_ago))
    assert ".old" not in desk.page()
    assert [path.name for path in folder.iterdir()] == [".young"]


def test_the_page_of_200_clips_is_answered_at_once(desk: FootageDesk) -> None:
    desk.release()
    desk.clip()
    with desk.project.transaction() as database:
        for number in range(MOST_CLIPS - 1):
            for table, columns in (
                ("clips", "person, {}, path, num_frames, description, collected_at"),
                ("timelines", "{}, frame_pts, keyframes, shots"),
                ("passed_footage", "{}, gate, num_frames, highest_score"),
            ):
                database.execute(
                    f"INSERT INTO {table} ({columns.format('sha256')}) "
                    f"SELECT {columns.format(f'{number:064}'.join(repr('')[0] * 2))} FROM {table} LIMIT 1"
                )
    desk.page()
    seconds = []
    for _ in range(3):
        begun = time.process_time()
        shown = desk.page()
        seconds.append(time.process_time() - begun)
    assert shown.count('loading="lazy"') == MOST_CLIPS
    assert min(seconds) < MOST_S


def test_a_few_pictures_are_made_at_once_and_some_hundred_held() -> None:
    thumbnails, lock = Thumbnails(), threading.Lock()
    at_once, most, made = 0, 0, 0

    def make() -> bytes:
        nonlocal at_once, most, made
        with lock:
            at_once, made = at_once + 1, made + 1
            most = max(most, at_once)
        time.sleep(0.01)
        with lock:
            at_once -= 1
        return b"jpeg"

    threads = [threading.Thread(target=thumbnails.of, args=(number, make)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == MOST_AT_ONCE
    for number in range(8):
        assert thumbnails.of(number, make) == b"jpeg"
    assert made == 8
    for number in range(MOST_HELD + 1):
        thumbnails.of(("more", number), lambda: b"jpeg")
    thumbnails.of(0, make)
    assert made == 9


@pytest.mark.parametrize(
    ("size", "expected"), [((1080, 1920), (270, 480)), ((1920, 1080), (270, 152)), ((64, 96), (64, 96))]
)
def test_pictures_are_made_small(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert fitted(np.zeros((*size, 3), np.uint8)).shape[:2] == expected
