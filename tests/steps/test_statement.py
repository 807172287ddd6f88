"""A statement from the question to the permit, on a rendered actor's video."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from countenance import ledger
from countenance.consent import statement as record
from countenance.consent.challenge import Challenge
from countenance.consent.challenge_page import TURNS_ON_PAGE
from countenance.consent.permit import grant_prepare
from countenance.consent.register import KnownRelease, add_release, known_releases
from countenance.errors import ConsentError, UsageError
from countenance.faces.recognise import Reference
from countenance.project import Project, create, opened
from countenance.steps import statement as step
from countenance.steps.statement import ask_for_statement, decide_on_statement
from tests.support.statement import CHALLENGE, FOLDER, LATER, seen, template

RELEASE = FOLDER / "bo.release.toml"


@pytest.fixture
def film(tmp_path: Path) -> Iterator[Project]:
    """A project for film that knows bo's release."""
    create(tmp_path / "film", use="film", title="Winter")
    with opened(tmp_path / "film") as project:
        add_release(project, RELEASE, lambda _: template("bo"))
        yield project


@pytest.fixture
def known(film: Project) -> KnownRelease:
    (found,) = known_releases(film)
    assert found.digest == CHALLENGE.release
    return found


def put(project: Project, known: KnownRelease, challenge: Challenge) -> None:
    """Ask as `ask` does, for once with a nonce that is known before."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(record, "new_challenge", lambda _: challenge)
        record.ask(project, known)


def refused(project: Project, known: KnownRelease, **more: datetime) -> list[str]:
    with pytest.raises(ConsentError) as caught:
        decide_on_statement(project, known, seen(), **more)
    assert caught.value.code == "consent.statement_refused"
    last = list(ledger.entries(project))[-1]
    assert (last.event, last.facts["reasons"]) == ("statement.refused", caught.value.facts["reasons"])
    return list(last.facts["reasons"])


def test_an_answer_gives_the_permit_and_leaves_numbers_alone(film: Project, known: KnownRelease) -> None:
    put(film, known, CHALLENGE)
    stated = decide_on_statement(film, known, seen())
    assert stated.turns == CHALLENGE.turns
    assert grant_prepare(film, "bo").release_digests == (known.digest,)
    entry = list(ledger.entries(film))[-1]
    assert entry.event == "statement.accepted"
    assert set(entry.facts) == {
        *("release", "person", "nonce", "video", "distance", "template", "turns", "figures"),
    }
    assert not list(film.folder.rglob("*.mp4"))


def test_the_same_video_again_is_refused(film: Project, known: KnownRelease) -> None:
    put(film, known, CHALLENGE)
    decide_on_statement(film, known, seen())
    assert refused(film, known) == ["code.used", "video.known"]


def test_a_code_that_nobody_made_is_refused(film: Project, known: KnownRelease) -> None:
    put(film, known, LATER)
    assert refused(film, known) == ["code.unknown"]


def test_a_code_of_yesterday_is_refused(film: Project, known: KnownRelease) -> None:
    put(film, known, CHALLENGE)
    assert refused(film, known, at=datetime.now(UTC) + timedelta(hours=25)) == ["code.expired"]


def test_a_release_with_somebody_else_s_portrait_stays_without_a_statement(tmp_path: Path) -> None:
    create(tmp_path / "other", use="film", title="Winter")
    with opened(tmp_path / "other") as project:
        add_release(project, RELEASE, lambda _: template("lee"))
        (known,) = known_releases(project)
        put(project, known, CHALLENGE)
        assert refused(project, known) == ["face.other"]
        with pytest.raises(ConsentError, match="has given no statement"):
            grant_prepare(project, "bo")


def test_a_face_that_the_person_s_footage_doesn_t_show_is_refused(
    film: Project, known: KnownRelease, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after `prepare`, which finds tracks that are beyond doubt the person's."""
    put(film, known, CHALLENGE)

    def with_footage_at(distance: float) -> None:
        face = seen().embedding + np.eye(1, 128, dtype=np.float32)[0] * np.float32(distance)
        monkeypatch.setattr(step, "reference_of", lambda *_: Reference(embedding=face, limit=0.35, num_tracks=2))

    with_footage_at(0.4)
    assert refused(film, known) == ["face.footage"]
    with_footage_at(0.3)
    assert decide_on_statement(film, known, seen()).person == "bo"


def test_the_page_shows_code_and_turns_and_asks_nothing_of_a_network(film: Project, tmp_path: Path) -> None:
    page = tmp_path / "bo.challenge.html"
    asked = ask_for_statement(film, RELEASE, page, overwrite=False)
    text = page.read_text()
    assert asked.challenge.code in text
    assert "<svg" in text
    words = [f"<b>{number}. {TURNS_ON_PAGE[turn][0]}</b>" for number, turn in enumerate(asked.challenge.turns, 1)]
    assert [text.count(each) for each in words] == [1, 1, 1, 1]
    assert [text.index(each) for each in words] == sorted(text.index(each) for each in words)
    assert "src=" not in text
    assert "href=" not in text
    assert page.stat().st_mode & 0o077 == 0
    with pytest.raises(UsageError, match="exists already"):
        ask_for_statement(film, RELEASE, page, overwrite=False)
