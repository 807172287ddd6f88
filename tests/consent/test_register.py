from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest
from jaxtyping import Float32

from countenance import ledger
from countenance.consent.document import document_text, read_release, write_document
from countenance.consent.drafting import new_revocation, sign
from countenance.consent.register import (
    add_release,
    add_revocation,
    erase_template,
    known_releases,
    project_title,
    state_of,
)
from countenance.consent.release import digest_of
from countenance.errors import ConsentError, FaceError, ProvenanceError
from tests.support.signing import NOON, Production, template_of


def counts(production: Production) -> tuple[int, int, int]:
    """People, releases and log entries."""
    people, releases = (
        production.project.database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        for table in ("people", "releases")
    )
    return people, releases, ledger.check(production.project)


def stored_template(production: Production, person: str) -> Float32[np.ndarray, "128"]:
    (content,) = production.project.database.execute("SELECT template FROM people WHERE name = ?", (person,)).fetchone()
    return np.frombuffer(content, np.float32)


def test_release_person_and_log_entry_come_in_together(production: Production) -> None:
    path = production.add(production.draft())
    release = read_release(path)
    (known,) = known_releases(production.project)
    assert (known.release, known.digest, known.revocation) == (release, digest_of(release), None)
    (entry,) = ledger.entries(production.project)
    assert entry.event == "release.added"
    assert entry.facts["release"] == digest_of(release)
    assert entry.facts["role"] == "likeness"
    assert entry.facts["person"] == "dana"
    assert len(entry.facts["key"]) == 32
    assert (stored_template(production, "dana") == 100).all()


def test_adding_again_changes_nothing(production: Production) -> None:
    path = production.add(production.draft())
    assert not add_release(production.project, path, template_of, at=NOON).new
    assert counts(production) == (1, 1, 1)


def test_nothing_comes_in_when_a_picture_shows_nobody(production: Production) -> None:
    def nobody(_: Sequence[Path]) -> Float32[np.ndarray, "128"]:
        raise FaceError("expected exactly one face")

    with pytest.raises(FaceError):
        add_release(production.project, production.signed(production.draft()), nobody, at=NOON)
    assert counts(production) == (0, 0, 0)


def test_nothing_comes_in_when_the_log_fails(production: Production, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise ProvenanceError("no log")

    with monkeypatch.context() as patch:
        patch.setattr(ledger, "append", fails)
        with pytest.raises(ProvenanceError):
            production.add(production.draft())
    assert counts(production) == (0, 0, 0)


@pytest.mark.parametrize(
    ("at", "words"),
    [
        (datetime(2026, 12, 31, tzinfo=UTC), "not valid before 1 January 2027"),
        (datetime(2028, 1, 1, tzinfo=UTC), "expired on 31 December 2027"),
    ],
)
def test_out_of_term(production: Production, at: datetime, words: str) -> None:
    with pytest.raises(ConsentError, match=words):
        production.add(production.draft(), at=at)
    assert counts(production) == (0, 0, 0)


def test_unsigned_altered_and_without_its_picture(production: Production) -> None:
    unsigned = production.write(production.draft())
    with pytest.raises(ConsentError, match="unsigned"):
        add_release(production.project, unsigned, template_of, at=NOON)
    altered = production.signed(production.draft())
    altered.write_text(altered.read_text().replace('"film"', '"political"'))
    with pytest.raises(ConsentError, match="altered since it was signed"):
        add_release(production.project, altered, template_of, at=NOON)
    path = production.signed(production.draft())
    (production.folder / "dana100.png").unlink()
    with pytest.raises(ConsentError, match="can't read the reference picture"):
        add_release(production.project, path, template_of, at=NOON)
    assert counts(production) == (0, 0, 0)


def test_picture_exchanged_while_it_is_looked_at(production: Production) -> None:
    def exchange(pictures: Sequence[Path]) -> Float32[np.ndarray, "128"]:
        production.picture("dana100.png", shade=7)
        return template_of(pictures)

    with pytest.raises(ConsentError, match="is not the picture"):
        add_release(production.project, production.signed(production.draft()), exchange, at=NOON)
    assert counts(production) == (0, 0, 0)


def test_a_known_face_under_a_second_name_is_refused(production: Production) -> None:
    production.add(production.draft())

    def looks_like_dana(apart: float) -> Callable[[Sequence[Path]], Float32[np.ndarray, "128"]]:
        return lambda _: stored_template(production, "dana") + np.eye(1, 128, dtype=np.float32)[0] * np.float32(apart)

    path = production.signed(production.draft("dora"))
    with pytest.raises(ConsentError, match=r"is known here as dana: the pictures are 0\.30 apart") as caught:
        add_release(production.project, path, looks_like_dana(0.3), at=NOON)
    assert (caught.value.code, caught.value.facts) == ("consent.known_face", {"person": "dora", "known_as": "dana"})
    assert counts(production) == (1, 1, 1)
    # The same name may look as it likes, and so may somebody who only resembles them.
    same = production.signed(production.draft(role="performer", shade=101))
    add_release(production.project, same, looks_like_dana(0.3), at=NOON)
    add_release(production.project, path, looks_like_dana(0.7), at=NOON)
    assert counts(production) == (2, 3, 3)


def test_a_face_that_was_forgotten_is_known_no_more(production: Production) -> None:
    production.add(production.draft())
    face = stored_template(production, "dana")
    with production.project.transaction():
        erase_template(production.project, "dana")
    add_release(production.project, production.signed(production.draft("dora")), lambda _: face, at=NOON)
    assert counts(production) == (2, 2, 2)


def test_first_release_gives_the_title(production: Production) -> None:
    production.add(production.draft(title="Winter"))
    assert project_title(production.project, known_releases(production.project)) == "Winter"
    with pytest.raises(ConsentError, match='is for project "Summer", not "Winter"'):
        production.add(production.draft("kim", title="Summer"))
    production.add(production.draft("kim", title="Winter"))


def test_title_in_the_settings_comes_first(make_production: Callable[..., Production]) -> None:
    production = make_production(title="Summer")
    with pytest.raises(ConsentError, match='is for project "Winter", not "Summer"'):
        production.add(production.draft(title="Winter"))
    production.add(production.draft(title="Summer"))


def test_a_person_keeps_one_key(production: Production) -> None:
    production.add(production.draft())
    (production.folder / "dana.key").unlink()
    with pytest.raises(ConsentError, match="was signed with another key than the one that is here already"):
        production.add(production.draft(role="performer"))
    assert counts(production) == (1, 1, 1)


def test_one_person_two_roles(production: Production) -> None:
    production.add(production.draft(role="likeness", shade=100))
    production.add(production.draft(role="performer", shade=50))
    assert [known.release.role for known in known_releases(production.project)] == ["likeness", "performer"]
    assert counts(production) == (1, 2, 2)
    assert (stored_template(production, "dana") == 50).all()


def test_revocation_is_stored_and_logged(production: Production) -> None:
    path = production.add(production.draft())
    production.revoke(path)
    (known,) = known_releases(production.project)
    assert known.revocation is not None
    assert [entry.event for entry in ledger.entries(production.project)] == ["release.added", "release.revoked"]
    production.revoke(path)
    assert not add_release(production.project, path, template_of, at=NOON).new
    assert state_of(known_releases(production.project)[0], NOON) == "revoked"
    assert counts(production) == (1, 1, 2)


def test_nobody_else_revokes(production: Production) -> None:
    path = production.add(production.draft())
    theirs = sign(production.draft("kim"), production.key("kim"))
    forged = new_revocation(theirs, production.key("kim")).model_copy(update={"release": digest_of(read_release(path))})
    write_document(production.folder / "forged.toml", forged, overwrite=False)
    with pytest.raises(ConsentError, match="altered since it was signed, or signed with another key"):
        add_revocation(production.project, production.folder / "forged.toml")
    assert known_releases(production.project)[0].revocation is None


def test_kinds_of_documents_are_told_apart(production: Production) -> None:
    path = production.add(production.draft())
    with pytest.raises(ConsentError, match="is a release; expected a revocation"):
        add_revocation(production.project, path)
    production.revoke(path)
    with pytest.raises(ConsentError, match="is a revocation; expected a release"):
        add_release(production.project, path.with_suffix(".revocation.toml"), template_of, at=NOON)


def test_revocation_that_was_wiped_out_of_the_database_is_missed(production: Production) -> None:
    path = production.add(production.draft())
    production.revoke(path)
    production.project.database.execute("UPDATE releases SET revocation = NULL")
    with pytest.raises(ConsentError, match="disagree on its revocation"):
        known_releases(production.project)


def test_revoked_release_does_not_come_back_as_new(production: Production) -> None:
    path = production.add(production.draft())
    production.revoke(path)
    production.project.database.execute("DELETE FROM releases")
    with pytest.raises(ConsentError, match="the log knows a release that the project lacks"):
        add_release(production.project, path, template_of, at=NOON)


def test_release_that_was_slipped_into_the_database_is_refused(production: Production) -> None:
    production.add(production.draft())
    slipped = sign(production.draft(role="performer"), production.key("dana"))
    production.project.database.execute(
        "INSERT INTO releases (digest, person, role, document, added_at) VALUES (?, 'dana', 'performer', ?, '')",
        (digest_of(slipped), document_text(slipped)),
    )
    with pytest.raises(ConsentError, match="is not the one that was added"):
        known_releases(production.project)


@pytest.mark.parametrize("change", ["person = 'kim'", "role = 'performer'", "digest = 'ab'"])
def test_row_that_says_something_else_than_its_document_is_refused(production: Production, change: str) -> None:
    production.add(production.draft())
    production.project.database.execute("INSERT INTO people VALUES ('kim', x'00', '')")
    production.project.database.execute(f"UPDATE releases SET {change}")
    with pytest.raises(ConsentError, match="is not the one that was added"):
        known_releases(production.project)


def test_states_in_words(production: Production) -> None:
    production.add(production.draft(valid_from=date(2027, 1, 1), expires=date(2027, 12, 31)))
    (known,) = known_releases(production.project)
    assert state_of(known, NOON) == "valid"
    assert state_of(known, datetime(2026, 1, 1, tzinfo=UTC)) == "not valid yet"
    assert state_of(known, datetime(2028, 1, 1, tzinfo=UTC)) == "expired"
