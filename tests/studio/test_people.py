"""The page People: what it shows of releases, what it takes, and what it never offers."""

import asyncio
import io
import json
import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from countenance import jobs, ledger, opening
from countenance.consent.approvals import asked_results
from countenance.consent.decision import Request, new_decision
from countenance.consent.document import read_release, write_document
from countenance.consent.drafting import countersign, new_revocation, sign
from countenance.consent.keys import make_key, public_key_of
from countenance.consent.papers import ROOM, drafts, received_files, waiting_releases
from countenance.consent.register import add_release, known_releases, state_of
from countenance.consent.release import Release, digest_of
from countenance.faces import portrait
from countenance.media.probe import probe
from countenance.project import create, opened
from countenance.steps.forget import forget_person
from countenance.studio import choice
from countenance.studio import people as people_page
from countenance.studio.answers import reading
from countenance.studio.releases import people, released
from countenance.types import MediaInfo
from tests.support.policy import ask_for_no_statements
from tests.support.signing import Production, template_of
from tests.support.studio import Browser, studio_on
from tests.support.videos import clip_of, write_video

TODAY = datetime.now(UTC).date()
LONG_AGO, LATER = TODAY - timedelta(days=400), TODAY + timedelta(days=200)
OFFERED = ("/footage/dana", "/faces/dana")


@dataclass(frozen=True, kw_only=True)
class Desk:
    """A production for film, and the browser of its studio."""

    production: Production
    browser: Browser

    @property
    def folder(self) -> Path:
        return self.production.project.folder

    def draft(self, person: str = "dana", **more: Any) -> Release:
        return self.production.draft(person, **{"valid_from": LONG_AGO, "expires": LATER, **more})

    def add(self, person: str = "dana", *, at: datetime | None = None, **more: Any) -> Path:
        """Sign a release and bring it in by itself, without the page."""
        path = self.production.signed(self.draft(person, **more))
        add_release(self.production.project, path, template_of, at=at)
        return path

    def drop(self, *paths: Path) -> list[Any]:
        return [self.browser.drop("/people/received", path.name, path.read_bytes()) for path in paths]

    def page(self) -> str:
        answer = self.browser.get("/people")
        assert answer.status_code == 200, answer.text
        return str(answer.text)

    def states(self) -> list[str]:
        project = self.production.project
        return [state_of(each, ledger.time_now(project)) for each in known_releases(project)]

    def waits(self) -> list[str]:
        return [path.name for path in received_files(self.folder)]


@pytest.fixture
def make_desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Desk]]:
    """Makes the desk of this test; the net that looks at reference pictures is a fake, and no job is begun."""
    monkeypatch.setattr(portrait, "template_of", template_of)
    monkeypatch.setattr(jobs, "start_worker", lambda _: False)
    (tmp_path / "documents").mkdir()
    open_projects = []

    def make(*, use: str = "film", statements: bool = False) -> Desk:
        create(tmp_path / "film", use=use, title="Winter")
        if not statements:
            ask_for_no_statements(tmp_path / "film")
        open_projects.append(opened(tmp_path / "film"))
        production = Production(project=open_projects[-1].__enter__(), folder=tmp_path / "documents")
        return Desk(production=production, browser=Browser(studio_on(tmp_path / "film")))

    yield make
    for project in open_projects:
        project.__exit__(None, None, None)


@pytest.fixture
def desk(make_desk: Callable[..., Desk]) -> Desk:
    return make_desk()


def revoked(desk: Desk) -> None:
    desk.production.revoke(desk.add())


def forgotten(desk: Desk) -> None:
    desk.add()
    with desk.production.project.writing():
        forget_person(desk.production.project, "dana")


CASES: dict[str, tuple[Callable[[Desk], object], str]] = {
    "valid": (lambda desk: desk.add(), "valid, 200 days left"),
    "ends soon": (lambda desk: desk.add(expires=TODAY + timedelta(days=1)), "valid, 1 day left"),
    "ends today": (lambda desk: desk.add(expires=TODAY), "valid, ends today"),
    "too early": (
        lambda desk: desk.add(valid_from=TODAY + timedelta(days=9), at=datetime.now(UTC) + timedelta(days=20)),
        "not valid before",
    ),
    "expired": (
        lambda desk: desk.add(expires=TODAY - timedelta(days=1), at=datetime.now(UTC) - timedelta(days=30)),
        "expired on",
    ),
    "revoked": (revoked, "revoked on"),
    "forgotten": (forgotten, "forgotten on"),
    "other use": (lambda desk: desk.add(uses=["teaching"]), "not for this use"),
    "other channels": (lambda desk: desk.add(channels=["cinema"]), "other channels"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_card_says_its_state_and_only_a_valid_release_leads_on(desk: Desk, case: str) -> None:
    bring, words = CASES[case]
    bring(desk)
    shown, is_valid = desk.page(), words.startswith("valid")
    assert re.search(rf'<span class="chip \w*">{words}', shown)
    assert ("likeness: may be used" in shown) is is_valid
    assert [link in shown for link in OFFERED] == [is_valid] * 2
    assert ("What is missing" in shown) is not is_valid
    assert [each.person for each in released(desk.production.project)] == (["dana"] if is_valid else [])


def test_without_its_statement_a_release_offers_only_to_ask_for_it(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk(statements=True)
    desk.add()
    digest = known_releases(desk.production.project)[0].digest
    shown = desk.page()
    assert "statement missing" in shown
    assert "dana has given no statement under their release yet." in shown
    assert f'href="/people/releases/{digest}/statement"' in shown
    assert not any(link in shown for link in OFFERED)
    assert released(desk.production.project) == []


def test_a_person_s_releases_are_together_and_each_role_is_told_apart(desk: Desk) -> None:
    desk.add(role="performer", expires=TODAY - timedelta(days=1), at=datetime.now(UTC) - timedelta(days=30))
    desk.add(role="likeness")
    desk.add("kofi", role="performer", shade=20)
    (dana, kofi) = people(desk.production.project)
    assert [card.role for card in dana.cards] == ["likeness", "performer"]
    assert dana.roles == ("likeness",)
    assert [gap.words.partition(":")[0] for gap in dana.gaps] == ["As performer"]
    assert (kofi.roles, kofi.gaps) == (("performer",), ())
    assert [each.person for each in released(desk.production.project, role="performer")] == ["kofi"]
    shown = desk.page()
    assert shown.count('<section class="panel person"') == 2
    assert shown.index("release added") > shown.index("Last in the log")


def test_a_card_says_what_narrows_a_release(desk: Desk) -> None:
    kept_until = TODAY + timedelta(days=90)
    desk.add(
        num_outputs=3, channels=["cinema"], plates=["ab" * 32], footage=["cd" * 32, "ef" * 32], kept_until=kept_until
    )
    (card,) = people(desk.production.project)[0].cards
    assert card.outputs == "0 of 3 published"
    assert card.channels == ("cinema",)
    assert card.limits == ("only 1 named plate", "learned only from 2 named clips")
    assert card.forbidden == ("politics", "paid advertising", "words never said")
    assert card.approval == "sees each result first"
    assert str(kept_until.year) in card.kept_until


def test_what_is_private_stands_on_the_release_s_own_page_alone(desk: Desk) -> None:
    private: dict[str, Any] = {
        "representation": "Agency Rosewood",
        "licensee": "Wintergreen Pictures",
        "licensee_contact": "hello@wintergreen.example",
        "contact": "dana@rosewood.example",
        "remarks": "Paid in May",
    }
    desk.add(**private)
    shown = desk.page()
    assert not [words for words in private.values() if words in shown]
    digest = known_releases(desk.production.project)[0].digest
    read = desk.browser.get(f"/people/releases/{digest}")
    assert [words for words in private.values() if words not in read.text] == []
    assert "sandbox" in read.headers["content-security-policy"]
    assert read.headers["cache-control"] == "no-store"
    # The project keeps none of its pictures.
    assert "data:image" not in read.text
    assert "<img" not in shown


def test_what_a_release_says_is_no_markup(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk()
    desk.add(title="Winter")
    draft = desk.draft("kofi", shade=20, title="<script>alert(1)</script>")
    (answer,) = desk.drop(desk.production.signed(draft))
    assert answer.json()["said"].startswith("The release of kofi is here")
    (answer,) = desk.drop(desk.production.folder / "kofi20.png")
    assert answer.status_code == 400
    assert "<script>alert" not in desk.page()


def test_before_anybody_consented_the_page_says_how_to_get_there(desk: Desk) -> None:
    shown = desk.page()
    assert "Nobody has consented yet" in shown
    assert shown.count("<li><b>") == 3
    assert "/faces/" not in shown


# What is dropped.


@pytest.mark.parametrize("document_first", [True, False])
def test_a_release_and_its_picture_come_in_either_order(desk: Desk, document_first: bool) -> None:
    document, picture = desk.production.signed(desk.draft()), desk.production.folder / "dana100.png"
    first, last = (document, picture) if document_first else (picture, document)
    (answer,) = desk.drop(first)
    assert answer.status_code == 200
    assert desk.states() == []
    assert ("Its picture is missing: drop dana100.png" in desk.page()) is document_first
    (answer,) = desk.drop(last)
    assert answer.json()["said"] == "Added the release of dana as likeness."
    assert desk.states() == ["valid"]
    assert desk.waits() == []
    assert "Added the release of dana as likeness." in desk.page()


def test_a_release_that_is_dropped_twice_is_added_once(desk: Desk) -> None:
    document, picture = desk.production.signed(desk.draft()), desk.production.folder / "dana100.png"
    answers = desk.drop(document, document, picture)
    assert [answer.status_code for answer in answers] == [200] * 3
    assert (desk.states(), desk.waits()) == (["valid"], [])
    answers = desk.drop(picture, document)
    assert answers[-1].json()["said"] == "This release is in the project already."
    assert (desk.states(), desk.waits()) == (["valid"], [])


def test_two_releases_that_wait_for_one_picture_are_both_added(desk: Desk) -> None:
    documents = [desk.production.signed(desk.draft(role=role)) for role in ("likeness", "performer")]
    answers = desk.drop(*documents, desk.production.folder / "dana100.png")
    assert [answer.status_code for answer in answers] == [200] * 3
    assert (desk.states(), desk.waits()) == (["valid"] * 2, [])


def test_a_release_whose_picture_is_gone_meanwhile_waits(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    document = desk.production.signed(desk.draft())
    desk.drop(document)
    (waiting,) = waiting_releases(desk.folder)
    monkeypatch.setattr(people_page, "waiting_releases", lambda _: [replace(waiting, missing=())])
    answer = desk.browser.submit("/people/received/add", name=document.name)
    assert answer.status_code == 400
    assert "names a picture that isn&#39;t here: dana100.png; drop it" in answer.text
    assert desk.waits() == [document.name]


def test_who_is_forgotten_while_something_is_added_is_said(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "keep_to_dates", lambda _, note: note("Forgot kim (their day is over)."))
    desk.drop(desk.production.signed(desk.draft()), desk.production.folder / "dana100.png")
    shown = desk.page()
    assert "Added the release of dana as likeness. Forgot kim (their day is over)." in shown
    assert "Forgot kim" not in desk.page()


def test_a_dropped_file_holds_up_no_other_page(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The project is opened in a thread: its database may be waited for."""
    is_in_loop = list[bool]()

    def noted(request: Any) -> Any:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            is_in_loop.append(False)
        else:
            is_in_loop.append(True)
        return reading(request)

    monkeypatch.setattr(people_page, "reading", noted)
    desk.draft()
    desk.drop(desk.production.folder / "dana100.png")
    assert is_in_loop == [False]


def test_its_picture_may_have_another_name(desk: Desk) -> None:
    document, picture = desk.production.signed(desk.draft()), desk.production.folder / "dana100.png"
    desk.drop(document, picture.rename(picture.with_name("holiday.png")))
    assert desk.states() == ["valid"]


def test_a_release_that_doesn_t_serve_is_added_and_says_so(desk: Desk) -> None:
    document = desk.production.signed(desk.draft(uses=["teaching"]))
    answers = desk.drop(document, desk.production.folder / "dana100.png")
    assert "But the release of dana is for uses teaching, not film" in answers[-1].json()["said"]


def altered(desk: Desk) -> Path:
    path = desk.production.signed(desk.draft())
    path.write_text(path.read_text().replace("Winter", "Summer"))
    return path


def of_a_licensee_who_hasn_t_signed(desk: Desk) -> Path:
    make_key(desk.production.folder / "studio.key")
    return desk.production.signed(desk.draft(licensee_key=public_key_of(desk.production.key("studio"))))


def with_content(name: str, content: bytes) -> Callable[[Desk], Path]:
    def write(desk: Desk) -> Path:
        path = desk.production.folder / name
        path.write_bytes(content)
        return path

    return write


def a_key(desk: Desk) -> Path:
    desk.production.key("dana")
    return desk.production.folder / "dana.key"


def a_clip(desk: Desk) -> Path:
    return write_video(desk.production.folder / "dana.mp4", clip_of("zuri", 2))


REFUSED: dict[str, tuple[Callable[[Desk], Path], str]] = {
    "unsigned": (lambda desk: desk.production.write(desk.draft()), "is unsigned"),
    "altered": (altered, "was altered since it was signed"),
    "half signed": (of_a_licensee_who_hasn_t_signed, "isn't signed with it yet"),
    "no TOML": (with_content("dana.release.toml", b"\xff\xfe"), "is not a release: expected text"),
    "another kind": (with_content("dana.release.toml", b'kind = "letter"'), "is not a release"),
    "huge": (with_content("dana.release.toml", b"#" * (2**20 + 1)), "expected a file of at most 1 MB"),
    "a key": (a_key, "is a private key, and was erased here"),
    "a clip": (a_clip, "clips of people are dropped on the page Footage"),
    "nothing known": (with_content("notes.txt", b"hello"), "expected a release"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_can_t_be_added_is_refused_with_its_reason_and_erased(desk: Desk, case: str) -> None:
    make, words = REFUSED[case]
    (answer,) = desk.drop(make(desk))
    assert answer.status_code in (400, 413)
    message = answer.json()["error"]["message"]
    assert words in message
    assert str(desk.folder) not in message
    assert desk.waits() == []
    assert desk.states() == []


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"title": "Summer"}, 'is for project "Summer"'),
        ({"expires": TODAY - timedelta(days=1)}, "expired on"),
        ({"valid_from": TODAY + timedelta(days=2)}, "is not valid before"),
    ],
)
def test_a_foreign_or_ended_release_is_refused_once_it_is_whole(desk: Desk, more: dict[str, Any], words: str) -> None:
    document = desk.production.signed(desk.draft(**more))
    answers = desk.drop(document, desk.production.folder / "dana100.png")
    assert words in answers[-1].json()["error"]["message"]
    assert desk.states() == []
    assert desk.waits() == []


def test_a_release_counter_signed_by_the_licensee_is_taken(desk: Desk) -> None:
    path = of_a_licensee_who_hasn_t_signed(desk)
    write_document(path, countersign(read_release(path), desk.production.key("studio")), overwrite=True)
    desk.drop(desk.production.folder / "dana100.png", path)
    assert desk.states() == ["valid"]
    assert "by both" in desk.page()


def test_a_release_that_comes_while_a_job_writes_waits_and_is_added_later(desk: Desk) -> None:
    document = desk.production.signed(desk.draft())
    with desk.production.project.writing():
        answers = desk.drop(desk.production.folder / "dana100.png", document)
        assert answers[-1].status_code == 409
    assert desk.states() == []
    assert "Complete. It came while a job was writing." in desk.page()
    assert desk.browser.submit("/people/received/add", name=document.name).status_code == 303
    assert desk.states() == ["valid"]
    assert desk.waits() == []


def test_what_was_received_can_be_erased(desk: Desk) -> None:
    desk.draft()
    desk.drop(desk.production.folder / "dana100.png")
    assert desk.waits() == ["dana100.png"]
    desk.browser.submit("/people/received/discard")
    assert desk.waits() == []


def test_a_revocation_counts_at_once_even_while_a_job_writes(desk: Desk) -> None:
    path = desk.add()
    revocation = path.with_name("dana.revocation.toml")
    write_document(revocation, new_revocation(read_release(path), desk.production.key("dana")), overwrite=False)
    with desk.production.project.writing():
        (answer,) = desk.drop(revocation)
    assert answer.json()["said"].startswith("Revoked: nothing more will be made with the face of dana")
    assert desk.states() == ["revoked"]
    assert desk.waits() == []
    assert not any(link in desk.page() for link in OFFERED)


def test_a_revocation_of_a_release_that_isn_t_here_is_kept(desk: Desk) -> None:
    path = desk.production.signed(desk.draft())
    revocation = path.with_name("dana.revocation.toml")
    write_document(revocation, new_revocation(read_release(path), desk.production.key("dana")), overwrite=False)
    (answer,) = desk.drop(revocation)
    assert answer.json()["said"].startswith("Kept: this project doesn't have that release.")
    answers = desk.drop(path, desk.production.folder / "dana100.png")
    assert "was revoked on" in answers[-1].json()["error"]["message"]


def test_a_decision_counts_for_the_result_that_was_asked_about(desk: Desk) -> None:
    path = desk.add(approval=True)
    request = asked_about(desk, path)
    assert "proxy.mp4: waits for an answer" in desk.page()
    decision = new_decision(request, desk.production.key("dana"), "declined", reason="the mouth smears")
    write_document(path.with_name("shot.dana.decision.toml"), decision, overwrite=False)
    with desk.production.project.writing():
        (answer,) = desk.drop(path.with_name("shot.dana.decision.toml"))
    assert answer.json()["said"] == "dana declined this result; it won't be published: the mouth smears."
    assert "proxy.mp4: declined" in desk.page()


def test_a_request_is_the_person_s_and_is_not_taken(desk: Desk) -> None:
    request = asked_about(desk, desk.add(approval=True))
    path = desk.production.folder / "shot.dana.approval.toml"
    write_document(path, request, overwrite=False)
    (answer,) = desk.drop(path)
    assert "shot.dana.approval.toml asks dana about a result" in answer.json()["error"]["message"]
    assert desk.waits() == []


def asked_about(desk: Desk, release: Path) -> Request:
    """What the log's entry on a proxy asks the owner of a release."""
    project, digest = desk.production.project, digest_of(read_release(release))
    asked = {"people": {"dana": digest}, "result": "ab" * 32, "parts": {}, "file": "proxy.mp4"}
    asked |= {"label": "shown", "label_reason": ""}
    frames = {"first_frame": 0, "num_frames": 8, "num_plate_frames": 8}
    with project.transaction():
        facts = {"sha256": "cd" * 32, "plate_sha256": "ef" * 32, **frames, "is_proxy": True, "asked": asked}
        ledger.append(project, "published", facts)
    return asked_results(project)[-1].requests["dana"]


def test_nothing_is_received_where_there_is_no_project(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    answer = Browser(studio_on(tmp_path / "empty")).drop("/people/received", "dana.png", b"")
    assert answer.status_code == 404
    assert list((tmp_path / "empty").iterdir()) == []


# Drafts.


def fields(**changed: Any) -> dict[str, Any]:
    return {
        "picture": "dana100.png",
        "person": "dana",
        "role": "likeness",
        "production": "Winter",
        "use": "film",
        "valid_from": TODAY.isoformat(),
        "expires": LATER.isoformat(),
        **changed,
    }


def test_a_draft_goes_to_its_owner_and_comes_back_signed(desk: Desk) -> None:
    desk.draft()
    desk.drop(desk.production.folder / "dana100.png")
    answer = desk.browser.submit("/people/draft", **fields(line="words", outputs="3"))
    assert (answer.status_code, answer.headers["location"]) == (303, "/people#drafts")
    (draft,) = drafts(desk.folder)
    assert (draft.release.scope.explicit, draft.release.term.num_outputs) == (("words",), 3)
    assert draft.release.approval.needed
    assert desk.waits() == []
    assert (desk.folder / ROOM).stat().st_mode & 0o777 == 0o700

    answer = desk.browser.get(f"/people/drafts/{draft.name}/download")
    assert answer.headers["content-disposition"].startswith("attachment")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert sorted(archive.namelist()) == [
            "HOW TO SIGN.txt",
            "dana.release.html",
            "dana.release.toml",
            "dana100.png",
        ]
        archive.extractall(desk.production.folder / "sent")
    sent = desk.production.folder / "sent" / "dana.release.toml"
    write_document(sent, sign(read_release(sent), desk.production.key("dana")), overwrite=True)
    (answer,) = desk.drop(sent)
    assert answer.json()["said"] == "Added the release of dana as likeness."
    assert drafts(desk.folder) == []
    assert not list((desk.folder / ROOM).rglob("*.png"))


def test_no_form_asks_for_a_key(desk: Desk) -> None:
    desk.add()
    digest = known_releases(desk.production.project)[0].digest
    for address in ("/people", "/people/draft", f"/people/releases/{digest}/statement", "/people/forget/dana"):
        shown = desk.browser.get(address).text
        assert not re.search(r'name="[^"]*key', shown)
        assert "password" not in shown


def test_the_sentences_that_would_be_signed_are_shown_before(desk: Desk) -> None:
    desk.draft()
    desk.drop(desk.production.folder / "dana100.png")
    answer = desk.browser.submit("/people/draft/words", **fields(line="words"))
    assert "The face of dana may be seen saying words that dana never said." in answer.json()["sentences"]
    assert drafts(desk.folder) == []
    assert desk.waits() == ["dana100.png"]


def test_a_plate_is_read_once_however_often_the_sentences_are_asked_for(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.draft()
    desk.drop(desk.production.folder / "dana100.png")
    plate, read = desk.folder / "plate.png", list[Path]()
    plate.write_bytes((desk.production.folder / "dana100.png").read_bytes())

    def probe_once(path: Path) -> MediaInfo:
        read.append(path)
        return probe(path)

    monkeypatch.setattr(choice, "probe", probe_once)
    for remarks in ("a", "ab"):
        answer = desk.browser.submit(
            "/people/draft/words", **fields(line="words", remarks=remarks, plates=f"{plate}\n")
        )
        assert answer.status_code == 200, answer.text
    assert len(read) == 1


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"person": "Dana Smith"}, "expected a person's short name"),
        ({"use": "fun"}, "expected one of the uses"),
        ({"use": "political"}, "needs a line of its own"),
        ({"expires": "soon"}, "expected a day such as 2027-12-31"),
        ({"expires": LONG_AGO.isoformat()}, "before it begins"),
        ({"outputs": "many"}, "expected a whole number of outputs"),
        ({"picture": "../countenance.db"}, "drop a picture"),
        ({"plates": "/etc/passwd"}, "lies outside of the folders"),
    ],
)
def test_a_wrong_draft_is_refused_with_its_reason_and_nothing_is_kept(
    desk: Desk, changed: dict[str, Any], words: str
) -> None:
    desk.draft()
    desk.drop(desk.production.folder / "dana100.png")
    answer = desk.browser.submit("/people/draft", **fields(**changed))
    assert answer.status_code in (400, 403)
    assert words in answer.text.replace("&#39;", "'")
    assert drafts(desk.folder) == []
    assert desk.waits() == ["dana100.png"]


def test_a_draft_can_be_erased(desk: Desk) -> None:
    desk.draft()
    desk.drop(desk.production.folder / "dana100.png")
    desk.browser.submit("/people/draft", **fields())
    (draft,) = drafts(desk.folder)
    desk.browser.submit("/people/drafts/remove", name=draft.name)
    assert not [path for path in (desk.folder / ROOM).rglob("*") if path.is_file()]


# Statements.


def test_a_statement_is_asked_for_and_its_video_is_checked_by_a_job(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk(statements=True)
    desk.add()
    digest = known_releases(desk.production.project)[0].digest
    address = f"/people/releases/{digest}"
    assert "Nothing is asked now" in desk.browser.get(f"{address}/statement").text
    assert desk.browser.get(f"{address}/challenge").status_code == 400
    assert desk.browser.submit(f"{address}/statement").status_code == 303
    assert [entry.event for entry in ledger.entries(desk.production.project)][-1] == "statement.asked"
    assert "Nothing is asked now" not in desk.browser.get(f"{address}/statement").text
    assert "<svg" in desk.browser.get(f"{address}/challenge").text

    clip = a_clip(desk)
    answer = desk.browser.drop(f"{address}/video", "dana.mp4", clip.read_bytes())
    assert answer.status_code == 200, answer.text
    (job,) = jobs.list_jobs(desk.folder)
    assert (job.arguments[:2], job.arguments[-1]) == (("release", "statement"), "--erase-video")
    assert read_release(Path(job.arguments[2])).subject.person == "dana"
    assert Path(job.arguments[3]).read_bytes() == clip.read_bytes()
    assert 'data-job="1"' in desk.browser.get(f"{address}/statement").text


def test_a_picture_is_no_statement(desk: Desk) -> None:
    desk.add()
    digest = known_releases(desk.production.project)[0].digest
    picture = desk.production.folder / "dana100.png"
    answer = desk.browser.drop(f"/people/releases/{digest}/video", picture.name, picture.read_bytes())
    assert answer.status_code == 400
    assert not list((desk.folder / ROOM).rglob("*.png"))
    assert jobs.list_jobs(desk.folder) == []


# Forgetting.


@pytest.mark.parametrize("typed", ["", "Dana", "dana!", "kofi"])
def test_whoever_types_another_name_forgets_nobody(desk: Desk, typed: str) -> None:
    desk.add()
    assert "To delete it, type dana" in desk.browser.get("/people/forget/dana").text
    answer = desk.browser.submit("/people/forget/dana", name=typed)
    assert answer.status_code == 400
    assert "not forgotten" in answer.text
    assert desk.states() == ["valid"]


def test_a_person_is_forgotten_with_their_papers_and_the_record_is_handed_out(desk: Desk) -> None:
    desk.add()
    desk.drop(desk.production.folder / "dana100.png")
    desk.browser.submit("/people/draft", **fields(role="performer"))
    desk.drop(desk.production.folder / "dana100.png")
    assert "2 drafts, pictures and pages for them" in desk.browser.get("/people/forget/dana").text
    answer = desk.browser.submit("/people/forget/dana", name="dana")
    assert answer.status_code == 200, answer.text
    assert desk.states() == ["forgotten"]
    assert drafts(desk.folder) == []
    assert desk.waits() == []
    record = re.search(r'/people/records/[^"]+', answer.text)
    assert record is not None
    assert json.loads(desk.browser.get(record.group()).json()["record"])["kind"] == "forgotten"
    assert not any(link in desk.page() for link in OFFERED)


def test_memory_forgets_too(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.add()
    state, closed = desk.browser.app.state, list[bool]()  # type: ignore[attr-defined]
    state.galleries.open(desk.production.project, "dana")
    state.thumbnails.of("clip of dana", lambda: b"dana")
    monkeypatch.setattr(state.previews, "close", lambda: closed.append(True))
    desk.browser.submit("/people/forget/dana", name="dana")
    assert dict(state.galleries.of) == {}
    assert state.thumbnails.of("clip of dana", lambda: b"nobody") == b"nobody"
    assert closed == [True]


def test_nobody_unknown_can_be_forgotten(desk: Desk) -> None:
    assert "nothing is kept of nobody here" in desk.browser.get("/people/forget/nobody").text
    assert desk.browser.get("/people/forget/No One").status_code == 400


@pytest.mark.parametrize("name", ["..%2fcountenance.db", "%2e%2e", "nothing.json"])
def test_only_records_are_handed_out_as_records(desk: Desk, name: str) -> None:
    assert desk.browser.get(f"/people/records/{name}").status_code in (400, 404)
    assert desk.browser.get(f"/people/drafts/{name}").status_code in (400, 404)


# Safety.

FORMS = [route.path for route in people_page.routes if "POST" in (route.methods or set())]


@pytest.mark.parametrize("path", FORMS)
def test_each_form_and_zone_wants_the_page_s_token(desk: Desk, path: str) -> None:
    desk.add()
    (known,) = known_releases(desk.production.project)
    before = ledger.stored_head(desk.production.project)
    address = path.format(person="dana", digest=known.digest) if "{" in path else path
    sent = {"data": {"name": "dana", "csrf": "wrong"}} if "video" not in path else {"content": b"x"}
    answer = desk.browser.post(address, headers={"x-file-name": "dana.png"}, **sent)
    assert answer.status_code == 403
    assert "the page is too old" in answer.text
    assert ledger.stored_head(desk.production.project) == before
    assert desk.waits() == []


# A new project.


def test_a_folder_that_is_no_project_becomes_one(tmp_path: Path) -> None:
    browser = Browser(studio_on(_made(tmp_path / "film")))
    assert browser.get("/people", follow_redirects=False).headers["location"] == "/new"
    assert "New project" in browser.get("/new").text
    answer = browser.submit("/new", title="Winter", use="documentary", channels="cinema, web")
    assert (answer.status_code, answer.headers["location"]) == (303, "/people")
    with opened(tmp_path / "film") as project:
        assert (project.settings["title"], project.use, project.channels) == (
            "Winter",
            "documentary",
            ("cinema", "web"),
        )
    assert browser.get("/new", follow_redirects=False).headers["location"] == "/people"
    assert browser.submit("/new", title="Summer", use="film").status_code == 400


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"use": "fun"}, "expected one of the uses"),
        ({}, "use is missing"),
        ({"use": "film", "channels": "Cinéma"}, "expected a channel"),
    ],
)
def test_a_wrong_project_isn_t_made(tmp_path: Path, form: dict[str, str], words: str) -> None:
    folder = _made(tmp_path / "film")
    answer = Browser(studio_on(folder)).submit("/new", **form)
    assert answer.status_code == 400
    assert words in answer.text
    assert list(folder.iterdir()) == []


def test_a_folder_with_something_in_it_stays_as_it_is(tmp_path: Path) -> None:
    folder = _made(tmp_path / "film")
    (folder / "notes.txt").write_text("mine")
    answer = Browser(studio_on(folder)).submit("/new", use="film")
    assert "holds something" in answer.text
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder
