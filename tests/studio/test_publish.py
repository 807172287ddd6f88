"""The page Publish: the command that it begins, what it says of releases, marks and approval, and what it shows."""

import re
from collections.abc import Mapping
from pathlib import Path
from threading import Event

import pytest
from httpx import Response

from countenance import jobs
from countenance.consent.approvals import asked_results
from countenance.consent.decision import Verdict
from countenance.consent.document import parse_document
from countenance.jobs import Job
from countenance.media.excerpt import Wanted
from countenance.media.probe import probe
from countenance.studio import choice as choice_module
from countenance.types import MediaInfo
from tests.studio.conftest import PlateDesk
from tests.support.approving import answer
from tests.support.production import LABELLED, LIKENESS, PERFORMER

PAIR = ["--likeness", LIKENESS, "--performer", PERFORMER]


@pytest.fixture(autouse=True)
def no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs wait."""
    monkeypatch.setattr(jobs, "start_worker", lambda _: None)


def page(desk: PlateDesk) -> str:
    """The page of the plate, which was read."""
    for _ in range(100):
        if "Reading plate.mp4" not in (shown := first_page(desk)):
            return shown
    pytest.fail("the plate was never read")


def first_page(desk: PlateDesk) -> str:
    shown: Response = desk.browser.get("/publish", params=desk.chosen)
    assert shown.status_code == 200, shown.text
    return str(shown.text)


def fields_of(html: str) -> dict[str, str]:
    """What a browser would send of the page's form, untouched."""
    form = html[html.index('id="publish"') :]
    form = form[: form.index("</form>")]
    fields = {}
    for tag in re.findall(r"<input[^>]*>", form):
        facts = dict(re.findall(r'([\w-]+)="([^"]*)"', tag))
        is_off = facts.get("type") in {"checkbox", "radio"} and not tag.rstrip(">").endswith("checked")
        if "name" in facts and not is_off:
            fields[facts["name"]] = facts.get("value", "on")
    for name, options in re.findall(r'<select[^>]*name="([^"]*)"[^>]*>(.*?)</select>', form, re.DOTALL):
        chosen = re.search(r'<option(?: value="([^"]*)")? selected>([^<]*)', options)
        assert chosen is not None, name
        fields[name] = chosen[1] or chosen[2]
    return fields


def publish(desk: PlateDesk, changes: Mapping[str, str] | None = None) -> Response:
    fields = {**fields_of(page(desk)), "name": "out.mp4", "folder": str(desk.production.folder), **(changes or {})}
    answered: Response = desk.browser.post("/publish", data=fields, follow_redirects=False)
    return answered


def begun(desk: PlateDesk) -> list[Job]:
    return jobs.list_jobs(desk.production.project.folder)


def test_an_untouched_form_is_the_plain_command(desk: PlateDesk) -> None:
    answered = publish(desk)
    assert answered.status_code == 303, answered.text
    (job,) = begun(desk)
    output = desk.production.folder / "out.mp4"
    assert list(job.arguments) == ["generate", str(desk.plate), *PAIR, "--output", str(output)]


def test_what_is_changed_is_what_the_command_sets(desk: PlateDesk) -> None:
    changes = {
        "part": "frames",
        "frames": "2:9",
        "overwrite": "on",
        "generate.preset": "draft",
        "generate.grain": "0.5",
        "generate.fade": "false",
        "label": "credits",
        "reason": "the credits of the film name the process",
    }
    assert publish(desk, changes).status_code == 303
    (job,) = begun(desk)
    assert list(job.arguments) == [
        *("generate", str(desk.plate), *PAIR, "--frames", "2:9", "--overwrite"),
        *("--set", "generate.preset=draft", "--set", "generate.fade=false", "--set", "generate.grain=0.5"),
        *("--set", "generate.label_form=credits"),
        *("--set", "generate.unlabelled_reason=the credits of the film name the process"),
        *("--output", str(desk.production.folder / "out.mp4")),
    ]


def test_the_same_form_twice_begins_one_job(desk: PlateDesk) -> None:
    once = {"once": "the same"}
    publish(desk, once)
    publish(desk, once)
    assert len(begun(desk)) == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"generate.grain": "7"}, "setting generate.grain: expected a number from 0 to 1, got 7"),
        ({"label": "left out", "reason": ""}, "unlabelled_reason must say why in a sentence"),
        ({"label": "none of it"}, "for the label"),
        ({"name": "out.gif"}, "choose another name"),
        ({"name": "../out.mp4"}, "expected a plain file name"),
        ({"name": "--output.mp4"}, "expected a plain file name"),
        ({"name": "plate.mp4", "overwrite": "on"}, "is the plate itself"),
        ({"name": f"{PERFORMER}.mp4"}, "is there already"),
        ({"folder": "/etc"}, "lies outside of the folders"),
        ({"folder": "/nowhere"}, "there is nothing at"),
        ({"part": "frames", "frames": "nine"}, "expected --frames"),
        ({"part": "shot", "shot": "last"}, "expected the number of a shot"),
        ({"plate": "/etc/passwd"}, "lies outside of the folders"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_begins(desk: PlateDesk, changes: dict[str, str], words: str) -> None:
    answered = publish(desk, changes)
    assert words in answered.text.replace("&#39;", "'")
    assert "<h1>" in answered.text
    assert begun(desk) == []


def test_nothing_is_written_among_what_is_the_projects_own(desk: PlateDesk) -> None:
    (desk.production.project.folder / "drawn").mkdir(exist_ok=True)
    for room in ("drawn", "jobs", "previews"):
        folder = desk.production.project.folder / room
        folder.mkdir(exist_ok=True)
        assert "a part of the project itself" in publish(desk, {"folder": str(folder)}).text
    assert begun(desk) == []


def test_the_page_says_under_which_releases_with_which_marks_and_what_is_not_altered(desk: PlateDesk) -> None:
    shown = page(desk)
    for words in ("31 December 2099", "AI MODIFIED", "Watermark", "Content Credentials", "Not found"):
        assert words in shown
    # Marks aren't settings: nothing by which they could be turned off.
    assert not {name for name in fields_of(shown) if "watermark" in name or "credential" in name or "log" in name}
    assert "generate.label" not in fields_of(shown)


def test_where_a_release_asks_for_the_label_it_cant_be_left_out(desk: PlateDesk) -> None:
    production = desk.production
    production.revoke(production.release_of(LIKENESS))
    production.add(production.sign(LIKENESS, label="always shown"))
    shown = page(desk)
    assert 'name="label"' not in shown
    assert "asks for the label throughout" in shown


def test_without_a_valid_release_there_is_no_form(desk: PlateDesk) -> None:
    fields = fields_of(page(desk))
    desk.production.revoke(desk.production.release_of(PERFORMER))
    assert desk.browser.get("/publish", params=desk.chosen).status_code == 400
    refused = desk.browser.post("/publish", data={**fields, "folder": str(desk.production.folder)})
    assert "revoked" in refused.text
    assert begun(desk) == []


def published(desk: PlateDesk) -> str:
    """Publish in this process; gives the file's SHA-256."""
    result = desk.production.generate(desk.plate, desk.production.folder / "shot.mp4", LABELLED)
    return result.published.sha256


def test_results_are_played_with_what_their_credentials_say_until_a_release_ends(desk: PlateDesk) -> None:
    sha256 = published(desk)
    shown = page(desk)
    assert f'src="/published/{sha256}"' in shown
    played = desk.browser.get(f"/published/{sha256}", headers={"range": "bytes=0-99"})
    assert (played.status_code, len(played.content), played.headers["content-type"]) == (206, 100, "video/mp4")
    said = desk.browser.get(f"/published/{sha256}/credentials").json()
    assert said["look"] == "good"
    assert "altered in" in said["words"]
    assert desk.browser.get(f"/published/{'0' * 64}").status_code == 400
    (desk.production.folder / "shot.mp4").write_bytes(desk.plate.read_bytes())
    assert desk.browser.get(f"/published/{sha256}/credentials").json()["look"] == "bad"
    desk.production.revoke(desk.production.release_of(LIKENESS))
    assert desk.browser.get(f"/published/{sha256}").status_code == 400
    shown = desk.browser.get("/publish").text
    assert f"{LIKENESS} revoked their release" in shown
    assert f'src="/published/{sha256}"' not in shown


def test_a_file_that_was_replaced_is_neither_listed_nor_played_as_the_earlier_one(desk: PlateDesk) -> None:
    production, output = desk.production, desk.production.folder / "shot.mp4"
    first = published(desk)
    again = production.generate(desk.plate, output, LABELLED, wanted=Wanted(frames="0:3"), overwrite=True)
    shown = page(desk)
    assert f'src="/published/{again.published.sha256}"' in shown
    assert first not in shown
    assert desk.browser.get(f"/published/{first}").status_code == 400
    preview = production.generate(
        desk.plate, output, LABELLED, wanted=Wanted(shot=1), preview=True, overwrite=True
    ).published.sha256
    for sha256 in (again.published.sha256, preview):
        assert f'src="/published/{sha256}"' not in page(desk)
        assert desk.browser.get(f"/published/{sha256}").status_code == 400


@pytest.mark.parametrize(("verdict", "reason"), [("approved", None), ("declined", "the mouth smears")])
def test_who_is_asked_is_shown_with_the_proxy_and_what_they_decided(
    desk: PlateDesk, verdict: Verdict, reason: str | None
) -> None:
    production = desk.production
    production.revoke(production.release_of(LIKENESS))
    production.add(production.sign(LIKENESS, approval=True))
    production.prepare(LIKENESS)
    assert f"{LIKENESS} must see and approve it" in page(desk)
    assert publish(desk, {"name": "shot.mp4"}).status_code == 303
    sha256 = published(desk)
    shown = page(desk)
    assert f'src="/published/{sha256}"' in shown
    assert "awaited" in shown
    address = re.search(r'href="(/publish/requests/[^"]+)"', shown)
    assert address is not None
    request = desk.browser.get(address[1])
    (asked,) = asked_results(production.project)
    assert parse_document(request.text, "the request") == asked.requests[LIKENESS]
    assert f"shot.{LIKENESS}.approval.toml" in request.headers["content-disposition"]
    answer(
        production.project,
        production.folder,
        asked.requests[LIKENESS],
        production.key(LIKENESS),
        verdict,
        reason=reason,
    )
    shown = page(desk)
    assert verdict in shown
    assert ("Publish as approved" in shown) == (verdict == "approved")
    assert (reason or verdict) in shown
    if verdict == "approved":
        number = re.search(r'name="number" value="(\d+)"', shown)
        assert number is not None
        once = {"number": number[1], "once": "again"}
        desk.browser.submit("/publish/again", **desk.chosen, **once)
        desk.browser.submit("/publish/again", **desk.chosen, **once)
        first, again = begun(desk)
        assert first.arguments == again.arguments


def test_a_job_of_something_else_is_not_done_again(desk: PlateDesk) -> None:
    folder = desk.production.project.folder
    other = jobs.add(folder, ["verify", str(desk.plate)])
    answered = desk.browser.submit("/publish/again", **desk.chosen, number=str(other.number), once="x")
    assert answered.status_code == 400
    assert len(begun(desk)) == 1


def test_a_job_of_two_pairs_is_not_one_of_the_first_pair(desk: PlateDesk) -> None:
    folder = desk.production.project.folder
    both = jobs.add(
        folder, ["generate", str(desk.plate), *PAIR, "--likeness", "a", "--performer", "b", "--output", "x"]
    )
    answer = desk.browser.submit("/publish/again", **desk.chosen, number=str(both.number))
    assert answer.status_code == 400
    assert len(begun(desk)) == 1


def test_a_plate_that_takes_long_to_read_keeps_no_page_waiting(
    desk: PlateDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_end = Event()

    def slow(path: Path) -> MediaInfo:
        assert may_end.wait(60)
        return probe(path)

    monkeypatch.setattr(choice_module, "probe", slow)
    assert "Reading plate.mp4" in first_page(desk)
    may_end.set()
    assert "What is written" in page(desk)


def test_a_picture_is_published_as_one(desk: PlateDesk, demo_data: Path) -> None:
    picture = desk.production.folder / "still.png"
    picture.write_bytes((demo_data / f"{PERFORMER}.png").read_bytes())
    chosen = {**desk.chosen, "plate": str(picture)}
    desk.browser.get("/shots/plate", params=chosen)
    shown = desk.browser.get("/publish", params=chosen).text
    assert 'name="part"' not in shown
    answered = desk.browser.post(
        "/publish", data={**fields_of(shown), "folder": str(desk.production.folder)}, follow_redirects=False
    )
    assert answered.status_code == 303
    (job,) = begun(desk)
    assert job.arguments[-1].endswith(f"still-{LIKENESS}-onto-{PERFORMER}.png")
