"""The page Verify: a file in, its report out, and nothing of a dropped file kept beside that."""

import json
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from countenance import jobs
from countenance.forensics.words import QUESTIONS, words_of
from countenance.jobs.worker import start_worker
from countenance.project import PRIVATE, erase
from countenance.studio import verify as verify_page
from countenance.studio.verify import NAME
from tests.support.footage import FootageDesk, footage_desk, graded
from tests.support.studio import Browser
from tests.support.videos import write_video

STATES = {
    "credentials": "invalid",
    "log": "unknown",
    "edits": "missing",
    "watermark": "valid",
    "signal": "inconclusive",
}
REPORT = "<!DOCTYPE html><title>Report</title><p>Nothing can show that a file is genuine.</p>"


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FootageDesk]:
    with footage_desk(tmp_path, monkeypatch) as desk:
        yield desk


def dropped(desk: FootageDesk, name: str = "from the net.mp4", content: bytes = b"film") -> Path:
    """Drop a file, and give the folder of its report."""
    answer = desk.browser.drop("/verify/drop", name, content)
    assert answer.status_code == 200, answer.text
    return desk.folder / "verified" / Path(answer.json()["go"]).name


def found(path: str, states: dict[str, str] = STATES, **more: Any) -> dict[str, Any]:
    return {"path": path, "findings": [{"about": about, "state": state} for about, state in states.items()], **more}


def page(desk: FootageDesk, address: str = "/verify") -> str:
    answer = desk.browser.get(address)
    assert answer.status_code == 200, answer.text
    return str(answer.text)


def test_a_dropped_file_is_looked_at_by_the_command_and_then_erased(desk: FootageDesk) -> None:
    folder = dropped(desk)
    file = folder / "dropped" / "from the net.mp4"
    assert desk.jobs() == [("verify", str(file), "--html", str(folder / "report.html"))]
    assert stat.S_IMODE(file.stat().st_mode) == PRIVATE
    assert {stat.S_IMODE(path.stat().st_mode) for path in (folder, folder.parent, file.parent)} == {0o700}
    assert "being looked at" in page(desk)
    assert file.exists()
    (folder / "report.html").write_text(REPORT)
    desk.end(found(str(file)))
    shown = page(desk, f"/verify/{folder.name}")
    assert not file.parent.exists()
    assert sorted(path.name for path in folder.iterdir()) == ["check.json", "report.html"]
    for about, state in STATES.items():
        words = words_of(about, state)  # type: ignore[arg-type]
        assert f"{QUESTIONS[about][0]}</span> {words.symbol} {words.word}" in shown
    assert f'sandbox title="Report on from the net.mp4" src="/verify/{folder.name}/report"' in shown


def test_what_is_said_stays_when_its_job_is_cleared(desk: FootageDesk) -> None:
    folder = dropped(desk)
    (folder / "report.html").write_text(REPORT)
    desk.end(found("x"))
    before = page(desk, f"/verify/{folder.name}")
    jobs.clear(desk.folder)
    assert "does not hold" in before
    assert "does not hold" in page(desk, f"/verify/{folder.name}")


def test_a_report_is_shown_in_a_frame_in_which_nothing_runs(desk: FootageDesk) -> None:
    folder = dropped(desk)
    (folder / "report.html").write_text(REPORT)
    answer = desk.browser.get(f"/verify/{folder.name}/report")
    assert answer.text == REPORT
    policy = answer.headers["content-security-policy"]
    assert "sandbox" in policy
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("state", ["failed", "stopped"])
def test_nothing_of_a_file_stays_that_gave_no_report(desk: FootageDesk, state: str) -> None:
    folder = dropped(desk)
    if state == "failed":
        desk.end(None, exit_code=4, error={"code": "media.unreadable", "message": "it is a letter"})
    else:
        jobs.stop(desk.folder, 1)
    shown = page(desk, f"/verify/{folder.name}")
    assert [path.name for path in folder.iterdir()] == ["check.json"]
    assert ("it is a letter" in shown) is (state == "failed")
    assert "<iframe" not in shown


def test_an_upload_that_breaks_off_leaves_nothing(desk: FootageDesk) -> None:
    assert desk.browser.drop("/verify/drop", "../a.mp4", b"film").status_code == 400
    assert list((desk.folder / "verified").iterdir()) == []
    assert desk.jobs() == []


def made_old(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        os.utime(path, (1, 1))


def test_a_dropped_file_whose_job_is_gone_is_erased_when_no_upload_can_go_on(desk: FootageDesk) -> None:
    folder = dropped(desk)
    jobs.stop(desk.folder, 1)
    jobs.clear(desk.folder)
    page(desk)
    assert (folder / "dropped").exists()
    made_old(folder)
    page(desk)
    assert [path.name for path in folder.iterdir()] == ["check.json"]


def test_half_an_upload_is_swept_when_the_studio_starts_and_one_that_goes_on_is_not(desk: FootageDesk) -> None:
    left, slow = (desk.folder / "verified" / f"20260101-120000-{letter * 6}" for letter in "ab")
    for folder in (left, slow):
        (folder / "dropped").mkdir(parents=True)
        (folder / "dropped" / ".part").write_bytes(b"half")
        made_old(folder)
    os.utime(slow / "dropped" / ".part")
    with Browser(desk.browser.studio):
        assert not left.exists()
        assert (slow / "dropped" / ".part").exists()


def test_files_on_this_machine_stay_where_they_are(desk: FootageDesk) -> None:
    paths = [write_video(desk.chosen / name, graded(0)) for name in ("a.mp4", "b.mp4")]
    answer = desk.browser.submit("/verify/choose?thorough=1", path=[str(path) for path in paths])
    folder = desk.folder / "verified" / Path(answer.headers["location"]).name
    expected = ("verify", *map(str, paths), "--html", str(folder / "report.html"), "--thorough")
    assert desk.jobs() == [expected]
    pages = folder / "report-files"
    pages.mkdir()
    (folder / "report.html").write_text("list")
    (pages / "0001-a-mp4.html").write_text("report on a")
    unread = {"path": str(paths[1]), "error": {"code": "media", "message": "b.mp4 can't be read"}}
    desk.end({"files": [found(str(paths[0])), unread], "complete": True})
    shown = page(desk, f"/verify/{folder.name}?file=1")
    assert "a.mp4 and 1 more" in shown
    assert f'href="/verify/{folder.name}?file=1">a.mp4</a>' in shown
    assert "b.mp4 can&#39;t be read" in shown
    assert f'src="/verify/{folder.name}/report/1"' in shown
    assert page(desk, f"/verify/{folder.name}/report/1") == "report on a"
    assert desk.browser.get(f"/verify/{folder.name}/report/2").status_code == 400
    desk.browser.submit(f"/verify/{folder.name}/delete")
    assert all(path.exists() for path in paths)


def test_only_what_the_user_chose_is_looked_at(desk: FootageDesk) -> None:
    for path in ("/etc/hostname", str(desk.folder.parent / "documents"), str(desk.folder / "countenance.db")):
        assert desk.browser.submit("/verify/choose", path=path).status_code in {400, 403}
    assert desk.browser.submit("/verify/choose").status_code == 400
    assert desk.jobs() == []


def test_reports_are_listed_newest_first_and_deleted_for_good(desk: FootageDesk) -> None:
    older, newer = dropped(desk, "one.mp4"), dropped(desk, "two.mp4")
    older = older.rename(older.with_name(f"20200101-120000{older.name[15:]}"))
    shown = page(desk)
    assert shown.index("two.mp4") < shown.index("one.mp4")
    # One that is being looked at isn't deleted below its job's feet.
    assert desk.browser.submit(f"/verify/{newer.name}/delete").status_code == 400
    assert newer.exists()
    desk.end(found("two.mp4"), number=2)
    assert desk.browser.submit(f"/verify/{newer.name}/delete").status_code == 303
    assert not newer.exists()
    assert [job.number for job in jobs.list_jobs(desk.folder)] == [1]
    assert "two.mp4" not in json.dumps(desk.jobs())
    assert older.exists()


@pytest.mark.parametrize(
    "name",
    ["mine", "%2e%2e", "..%2fdocuments", "20200101-120000-abcdef", "../verified", "20200101-120000-abcdef%2f..%2f.."],
)
def test_no_other_folder_is_read_or_deleted(desk: FootageDesk, name: str) -> None:
    (desk.folder.parent / "documents" / "report.html").write_text("secret")
    (desk.folder / "report.html").write_text("secret")
    (desk.folder / "verified" / "mine").mkdir(parents=True)
    (desk.folder / "verified" / "mine" / "report.html").write_text("secret")
    for path in (f"/verify/{name}", f"/verify/{name}/report", f"/verify/{name}/report/1"):
        answer = desk.browser.get(path)
        assert answer.status_code in {400, 404}
        assert "secret" not in answer.text
    assert desk.browser.submit(f"/verify/{name}/delete").status_code in {400, 404, 405}
    assert (desk.folder / "countenance.toml").exists()
    assert (desk.folder / "verified" / "mine").exists()


def test_a_link_is_no_report(desk: FootageDesk) -> None:
    (desk.folder / "verified").mkdir()
    link = desk.folder / "verified" / "20200101-120000-abcdef"
    link.symlink_to(desk.folder.parent / "documents")
    assert NAME.fullmatch(link.name)
    (desk.folder.parent / "documents" / "report.html").write_text("secret")
    assert desk.browser.get(f"/verify/{link.name}/report").status_code == 400
    assert desk.browser.submit(f"/verify/{link.name}/delete").status_code == 400
    assert (desk.folder.parent / "documents" / "report.html").exists()


def test_forms_without_the_token_change_nothing(desk: FootageDesk) -> None:
    folder = dropped(desk)
    desk.end(found("x"))
    for path in (f"/verify/{folder.name}/delete", "/verify/choose"):
        assert desk.browser.post(path, data={"path": str(desk.chosen)}).status_code == 403
    assert folder.exists()


@pytest.mark.slow
def test_a_real_file_gets_its_real_report(desk: FootageDesk) -> None:
    path = write_video(desk.chosen / "a.mp4", graded(0))
    folder = dropped(desk, "a.mp4", path.read_bytes())
    start_worker(desk.folder)
    for _ in range(600):
        if jobs.find_job(desk.folder, 1).state in {"done", "failed"}:
            break
        time.sleep(0.2)
    assert jobs.find_job(desk.folder, 1).state == "done", jobs.log_of(desk.folder, 1)
    shown = page(desk, f"/verify/{folder.name}")
    assert "Credentials</span> – none" in shown
    assert stat.S_IMODE((folder / "report.html").stat().st_mode) == PRIVATE
    assert "Report on a file" in page(desk, f"/verify/{folder.name}/report")
    assert not (folder / "dropped").exists()


@pytest.mark.parametrize(
    ("number", "status"), [("0", 200), ("2", 200), ("-1", 400), ("x", 400), ("1e9", 400), ("٣", 400)]
)
def test_a_file_that_is_not_in_a_list_is_not_shown(desk: FootageDesk, number: str, status: int) -> None:
    folder = dropped(desk)
    (folder / "report.html").write_text(REPORT)
    desk.end({"files": [found("a.mp4")], "complete": True})
    answer = desk.browser.get(f"/verify/{folder.name}?file={number}")
    assert answer.status_code == status
    assert f"/verify/{folder.name}/report/" not in answer.text


def test_two_tabs_that_load_the_page_at_once_erase_a_file_once(
    desk: FootageDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = dropped(desk)
    desk.end(found("x"))

    def erased_before(path: Path) -> int:
        erase(path)
        raise FileNotFoundError(path)

    monkeypatch.setattr(verify_page, "erase", erased_before)
    assert "from the net.mp4" in page(desk)
    assert not (folder / "dropped").exists()
