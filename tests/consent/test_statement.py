"""The record of statements: who was asked, what was accepted, and what can't be done without one."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from countenance import ledger
from countenance.consent.challenge import NUM_SEQUENCES, Challenge, challenge_of, new_challenge
from countenance.consent.permit import decide, grant, grant_prepare
from countenance.consent.register import KnownRelease, add_release, known_releases
from countenance.consent.statement import (
    accept,
    accepted,
    ask,
    erase_statement_templates,
    is_known_video,
    state_of_challenge,
    state_of_statement,
    statement_template,
)
from countenance.errors import ConsentError
from countenance.project import Project
from tests.support.signing import NOON, Production, template_of

MakeProduction = Callable[..., Production]
FACE, VIDEO = np.full(128, 100, np.float32), "cd" * 32
"""The face is what `template_of` makes of the pictures that `released` takes, unless another shade is asked for."""


@pytest.fixture
def asking(make_production: MakeProduction) -> Production:
    """A production that asks for statements, as all do from the beginning."""
    return make_production(statements=True)


def released(production: Production, **changes: object) -> KnownRelease:
    production.add(production.draft("dana", **changes))  # type: ignore[arg-type]
    return known_releases(production.project)[-1]


def state(project: Project, known: KnownRelease, challenge: Challenge, video: str = VIDEO) -> None:
    accept(project, known, challenge, video=video, template=FACE, distance=0.2, facts={})


def test_the_turns_follow_from_the_nonce_and_none_is_likelier_than_chance() -> None:
    challenges = [Challenge(release="ab" * 32, nonce=f"{number:016x}") for number in range(20 * NUM_SEQUENCES)]
    counts = Counter(challenge.turns for challenge in challenges)
    assert len(counts) == NUM_SEQUENCES == 108
    assert max(counts.values()) < 3 * 20
    assert all(one != other for turns in counts for one, other in pairwise(turns))
    assert len({new_challenge("ab" * 32).nonce for _ in range(100)}) == 100


def test_a_code_is_that_of_one_release_and_one_nonce() -> None:
    challenge = new_challenge("ab" * 32)
    assert len(challenge.code) == 35
    assert challenge_of(challenge.code, "ab" * 32) == challenge
    assert challenge_of(challenge.code, "ac" * 32) is None
    assert challenge_of("https://example.org", "ab" * 32) is None


def test_without_a_statement_there_is_no_permit(asking: Production) -> None:
    known = released(asking)
    with pytest.raises(ConsentError, match="dana has given no statement") as caught:
        grant_prepare(asking.project, "dana", at=NOON)
    assert caught.value.code == "consent.statement_missing"
    state(asking.project, known, ask(asking.project, known))
    assert grant_prepare(asking.project, "dana", at=NOON).release_digests == (known.digest,)


def test_a_newer_release_with_another_face_is_not_covered_by_an_older_statement(asking: Production) -> None:
    known = released(asking)
    state(asking.project, known, ask(asking.project, known))
    released(asking, role="performer", shade=101)
    with pytest.raises(ConsentError, match="show another face than their statement") as caught:
        grant(asking.project, "prepare", likeness="dana", at=NOON)
    assert caught.value.code == "consent.statement_differs"


def test_nobody_is_asked_whose_release_was_revoked(asking: Production) -> None:
    released(asking)
    asking.revoke(asking.folder / "dana-likeness.release.toml")
    with pytest.raises(ConsentError, match="was revoked"):
        ask(asking.project, known_releases(asking.project)[-1])


def test_a_statement_is_for_one_release(asking: Production) -> None:
    first = released(asking)
    state(asking.project, first, ask(asking.project, first))
    second = released(asking, role="performer", shade=101)
    assert state_of_statement(asking.project, second) == "missing"


def test_the_policy_says_for_which_uses(asking: Production) -> None:
    known = released(asking)
    asking.project.settings["consent"] = {"statement_uses": ["advertising"]}
    assert state_of_statement(asking.project, known) == "not asked for"
    assert grant_prepare(asking.project, "dana", at=NOON).likeness == "dana"
    asking.project.settings["consent"] = {"statement_uses": ["advertising", "film"]}
    assert state_of_statement(asking.project, known) == "missing"


def test_the_log_says_of_each_permit_who_gave_one_and_why_others_did_not(asking: Production) -> None:
    known = released(asking)
    state(asking.project, known, ask(asking.project, known))
    asking.add(asking.draft("kim", role="performer", shade=200, synthetic=True))
    decide(asking.project, "train", likeness="dana", performer="kim", at=NOON)
    assert last_facts(asking)["statements"] == {"likeness": "given", "performer": "synthetic"}
    asking.project.settings["consent"] = {"statement_uses": []}
    asking.add(asking.draft("lee", shade=20))
    decide(asking.project, "prepare", likeness="lee", at=NOON)
    assert last_facts(asking)["statements"] == {"likeness": "not asked for"}


def last_facts(production: Production) -> dict[str, Any]:
    *_, entry = ledger.entries(production.project)
    assert entry.event == "permit.granted"
    return entry.facts


def test_a_synthetic_person_needs_none_and_may_give_one(asking: Production) -> None:
    known = released(asking, synthetic=True)
    assert state_of_statement(asking.project, known) == "synthetic"
    assert grant_prepare(asking.project, "dana", at=NOON).likeness == "dana"
    state(asking.project, known, ask(asking.project, known))
    assert state_of_statement(asking.project, known) == "given"


def test_only_a_synthetic_person_can_be_asked_what_was_known_before(asking: Production) -> None:
    real = released(asking)
    with pytest.raises(ConsentError, match="nobody knew before"):
        ask(asking.project, real, challenge=Challenge(release=real.digest, nonce="00" * 8))
    synthetic = released(asking, role="performer", shade=101, synthetic=True)
    known = Challenge(release=synthetic.digest, nonce="00" * 8)
    assert ask(asking.project, synthetic, challenge=known) == known
    assert state_of_challenge(asking.project, known) == "open"
    with pytest.raises(ConsentError, match="nobody knew before"):
        ask(asking.project, synthetic, challenge=Challenge(release=real.digest, nonce="00" * 8))


def test_a_release_in_the_first_form_is_exempt_only_where_it_was_known_before(
    asking: Production, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = Path(__file__).parents[1] / "data" / "release-1" / "dana.release.toml"
    add_release(asking.project, document, template_of, at=NOON)
    (known,) = known_releases(asking.project)
    assert state_of_statement(asking.project, known) == "missing"

    def without_version(project: Project, *events: str) -> list[ledger.LogEntry]:
        entries = list(read(project, *events))
        for entry in entries:
            entry.facts.pop("version", None)
        return entries

    read = ledger.entries
    monkeypatch.setattr(ledger, "entries", without_version)
    assert state_of_statement(asking.project, known) == "earlier release"


def test_a_challenge_is_answered_once_and_within_a_day(asking: Production) -> None:
    project, known = asking.project, released(asking)
    challenge, other = ask(project, known), ask(project, known)
    now = datetime.now(UTC)
    assert state_of_challenge(project, challenge, at=now + timedelta(hours=23)) == "open"
    assert state_of_challenge(project, challenge, at=now + timedelta(hours=25)) == "expired"
    assert state_of_challenge(project, Challenge(release=known.digest, nonce="0" * 16)) == "unknown"
    assert state_of_challenge(project, Challenge(release="ab" * 32, nonce=challenge.nonce)) == "unknown"
    state(project, known, challenge)
    assert state_of_challenge(project, challenge) == "used"
    for again, video in ((challenge, "ef" * 32), (other, VIDEO)):
        with pytest.raises(ConsentError, match="another command took an answer"):
            state(project, known, again, video)
    assert is_known_video(project, VIDEO)
    assert len(accepted(project)) == 1


def test_a_clock_that_was_set_back_opens_no_challenge_again(
    asking: Production, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, known = asking.project, released(asking)
    challenge = ask(project, known)
    later = (datetime.now(UTC) + timedelta(hours=30)).isoformat(timespec="seconds")
    monkeypatch.setattr(ledger, "now", lambda: later)
    ask(project, known)
    assert state_of_challenge(project, challenge, at=datetime.now(UTC)) == "expired"


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM statements",
        "UPDATE statements SET video = 'no'",
        "UPDATE statements SET template = zeroblob(512)",
    ],
)
def test_what_is_stored_must_be_what_the_log_says(asking: Production, change: str) -> None:
    known = released(asking)
    state(asking.project, known, ask(asking.project, known))
    asking.project.database.execute(change)
    with pytest.raises(ConsentError, match="disagree on a statement"):
        grant_prepare(asking.project, "dana", at=NOON)


def test_a_statement_only_in_the_database_counts_for_nothing(asking: Production) -> None:
    known = released(asking)
    asking.project.database.execute(
        "INSERT INTO statements (release, nonce, video, template) VALUES (?, 'n', 'v', NULL)", (known.digest,)
    )
    with pytest.raises(ConsentError, match="has given no statement"):
        grant_prepare(asking.project, "dana", at=NOON)


def test_the_template_can_be_erased_and_the_statement_stays(asking: Production) -> None:
    known = released(asking)
    state(asking.project, known, ask(asking.project, known))
    assert np.array_equal(np.asarray(statement_template(asking.project, known.digest)), FACE)
    with asking.project.transaction():
        erase_statement_templates(asking.project, [known.digest])
    assert statement_template(asking.project, known.digest) is None
    assert state_of_statement(asking.project, known) == "given"


def test_nobody_is_asked_under_a_revoked_release(asking: Production) -> None:
    path = asking.add(asking.draft("dana"))
    asking.revoke(path)
    with pytest.raises(ConsentError, match="revoked"):
        ask(asking.project, known_releases(asking.project)[0])
