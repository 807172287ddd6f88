"""Each way in which a result could be let out without the yes of those who are to give it."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from countenance import ledger
from countenance.consent.approvals import (
    add_decision,
    asked_results,
    known_decisions,
    require_approved,
    standing_of,
)
from countenance.consent.decision import Decision, Request, new_decision
from countenance.consent.document import document_text, read_document, read_release, write_document
from countenance.consent.leave import Leave, grant_leave
from countenance.consent.permit import grant
from countenance.consent.release import canonical_bytes, digest_of
from countenance.errors import ConsentError, UsageError
from countenance.project import opened
from countenance.types import Permit
from tests.support.approving import EARLY, LATE, answer
from tests.support.signing import NOON, Production

RESULT, OTHER, PROXY = "ab" * 32, "cd" * 32, "ef" * 32


@pytest.fixture
def releases(production: Production) -> dict[str, Path]:
    """Dana's asks for her approval, kim's doesn't."""
    return {
        "dana": production.add(production.draft("dana", approval=True)),
        "kim": production.add(production.draft("kim", role="performer", shade=50, approval=False)),
    }


def permit_of(production: Production) -> Permit:
    return grant(production.project, "generate", likeness="dana", performer="kim", at=NOON)


def leave_of(production: Production, clock: Callable[[], datetime] = lambda: NOON) -> Leave:
    return grant_leave(production.project, permit_of(production), "generate", people=("dana", "kim"), clock=clock)


def ask(production: Production, *releases: Path, result: str = RESULT) -> Mapping[str, Request]:
    """The requests of a proxy that the log has."""
    people = {read_release(path).subject.person: digest_of(read_release(path)) for path in releases}
    asked = {"people": people, "result": result, "parts": {}, "file": "p.mp4", "label": "shown", "label_reason": ""}
    frames = {"first_frame": 0, "num_frames": 8, "num_plate_frames": 8}
    with production.project.transaction():
        facts = {"sha256": PROXY, "plate_sha256": OTHER, **frames, "is_proxy": True, "asked": asked}
        ledger.append(production.project, "published", facts)
    return asked_results(production.project)[-1].requests


def decide(production: Production, request: Request, verdict: str = "approved", **more: object) -> Decision:
    key = production.key(request.person)
    return answer(production.project, production.folder, request, key, verdict, **more)  # type: ignore[arg-type]


def check(production: Production, result: str = RESULT) -> None:
    require_approved(production.project, permit_of(production), result)


def counts(production: Production) -> tuple[int, int]:
    return len(known_decisions(production.project)), ledger.check(production.project)


def test_only_a_release_that_asks_for_it_makes_its_owner_an_approver(
    production: Production, releases: dict[str, Path]
) -> None:
    assert permit_of(production).approvers == (("dana", digest_of(read_release(releases["dana"]))),)


def test_an_approval_counts_for_its_result_and_is_logged(production: Production, releases: dict[str, Path]) -> None:
    request = ask(production, releases["dana"])["dana"]
    with pytest.raises(ConsentError, match="dana must approve this result") as caught:
        check(production)
    assert caught.value.code == "consent.approval_awaited"
    decision = decide(production, request, reason="lovely")
    check(production)
    entry = list(ledger.entries(production.project))[-1]
    assert (entry.event, entry.facts["result"], entry.facts["reason"]) == ("result.approved", RESULT, "lovely")
    assert entry.facts["decision"] == digest_of(decision)
    before = counts(production)
    assert not add_decision(production.project, production.folder / "decision.toml").new
    assert counts(production) == before


def test_an_approval_of_another_result_does_not_count(production: Production, releases: dict[str, Path]) -> None:
    decide(production, ask(production, releases["dana"], result=OTHER)["dana"])
    check(production, OTHER)
    with pytest.raises(ConsentError, match="dana must approve"):
        check(production)


@pytest.mark.parametrize("edited", [{"verdict": "approved"}, {"result": OTHER}, {"signature": "00" * 64}])
def test_a_decision_that_was_changed_after_signing_is_refused(
    production: Production, releases: dict[str, Path], edited: dict[str, str]
) -> None:
    request = ask(production, releases["dana"])["dana"]
    before = counts(production)
    with pytest.raises(ConsentError, match="was altered since it was signed"):
        decide(production, request, "declined", reason="no", edited=edited)
    assert counts(production) == before


def test_nobody_else_decides(production: Production, releases: dict[str, Path]) -> None:
    request, stranger = ask(production, releases["dana"])["dana"], production.key("lee")
    with pytest.raises(ConsentError, match="asks dana, whose release was signed with another key"):
        new_decision(request, stranger, "approved")
    decision = new_decision(request, production.key("dana"), "approved")
    theirs = {"signature": stranger.sign(canonical_bytes(decision)).hex()}
    with pytest.raises(ConsentError, match="signed with another key"):
        decide(production, request, edited=theirs)
    with pytest.raises(ConsentError, match="is unsigned"):
        decide(production, request, edited={"signature": None})


def test_a_request_that_was_edited_gets_no_approval(production: Production, releases: dict[str, Path]) -> None:
    """As where dana was shown another result, other frames, or another proxy than what would be published."""
    request = ask(production, releases["dana"])["dana"]
    proxy = request.proxy.model_copy(update={"sha256": OTHER})
    for edited in ({"num_frames": 4}, {"result": OTHER}, {"label": "left out"}, {"proxy": proxy}):
        with pytest.raises(ConsentError, match="doesn't answer a request that this project made"):
            decide(production, request.model_copy(update=edited))
    assert known_decisions(production.project) == []


def test_a_decision_that_names_another_result_than_its_request_is_refused(
    production: Production, releases: dict[str, Path]
) -> None:
    """Signed so by dana's own key, which only a program of its own would do."""
    key, request = production.key("dana"), ask(production, releases["dana"])["dana"]
    decision = new_decision(request, key, "approved").model_copy(update={"result": OTHER})
    signed = {"result": OTHER, "signature": key.sign(canonical_bytes(decision)).hex()}
    with pytest.raises(ConsentError, match="doesn't answer a request"):
        decide(production, request, at=datetime.fromisoformat(decision.decided_at), edited=signed)


def test_a_proxy_that_never_got_its_name_asks_nobody(production: Production, releases: dict[str, Path]) -> None:
    request = ask(production, releases["dana"])["dana"]
    number = list(ledger.entries(production.project))[-1].number
    with production.project.transaction():
        ledger.append(production.project, "withdrawn", {"sha256": PROXY, "published_entry": number})
    with pytest.raises(ConsentError, match="doesn't answer a request"):
        decide(production, request)


def test_a_decision_needs_a_release_that_the_project_knows(production: Production, releases: dict[str, Path]) -> None:
    request = ask(production, releases["dana"])["dana"].model_copy(update={"release": OTHER})
    with pytest.raises(ConsentError, match="under a release of dana that this project doesn't know"):
        decide(production, request)
    with pytest.raises(ConsentError, match="is a release; expected a decision"):
        add_decision(production.project, releases["dana"])


def test_who_declines_says_why_and_the_reason_comes_back(production: Production, releases: dict[str, Path]) -> None:
    request = ask(production, releases["dana"])["dana"]
    with pytest.raises(UsageError, match="says why"):
        decide(production, request, "declined")
    decide(production, request, "declined", reason="the mouth smears")
    with pytest.raises(ConsentError, match=r"dana declined this result on 2026-01-01: the mouth smears") as caught:
        check(production)
    assert caught.value.code == "consent.declined"
    entry = list(ledger.entries(production.project))[-1]
    assert (entry.event, entry.facts["reason"]) == ("result.declined", "the mouth smears")


def test_the_latest_decision_counts_whichever_came_in_last(production: Production, releases: dict[str, Path]) -> None:
    request = ask(production, releases["dana"])["dana"]
    decide(production, request, "declined", reason="no", at=LATE)
    decide(production, request, "approved", at=EARLY)
    with pytest.raises(ConsentError, match="dana declined"):
        check(production)
    decide(production, request, "approved", at=LATE)
    with pytest.raises(ConsentError, match="dana declined"):
        check(production)
    decide(production, request, "approved", at=LATE + timedelta(seconds=1))
    check(production)


def test_nothing_is_decided_in_the_future(production: Production, releases: dict[str, Path]) -> None:
    """Or an answer given by a wrong clock could not be changed for years."""
    request = ask(production, releases["dana"])["dana"]
    with pytest.raises(ConsentError, match="still to come by this computer's clock"):
        decide(production, request, at=datetime.now(UTC) + timedelta(hours=1))
    decide(production, request, at=datetime.now(UTC) + timedelta(minutes=1))


def test_each_of_several_people_must_approve(production: Production) -> None:
    dana = production.add(production.draft("dana", approval=True))
    kim = production.add(production.draft("kim", role="performer", shade=50, approval=True))
    requests = ask(production, dana, kim)
    decide(production, requests["dana"])
    with pytest.raises(ConsentError, match=r"^kim must approve"):
        check(production)
    decide(production, requests["kim"])
    check(production)
    standing = standing_of(production.project, [permit_of(production)], RESULT)
    assert (set(standing.approved), standing.awaited) == ({"dana", "kim"}, ())
    decide(production, requests["kim"], "declined", reason="no", at=LATE)
    with pytest.raises(ConsentError, match="kim declined"):
        check(production)


def test_a_decision_does_not_outlive_its_release(production: Production, releases: dict[str, Path]) -> None:
    """Under a newer release the same person is asked again."""
    decide(production, ask(production, releases["dana"])["dana"])
    production.revoke(releases["dana"])
    production.add(production.draft("dana", shade=101, approval=True, expires=date(2027, 12, 30)))
    with pytest.raises(ConsentError, match="dana must approve"):
        check(production)


def test_a_decision_in_the_database_is_the_one_that_was_added(
    production: Production, releases: dict[str, Path]
) -> None:
    request, database = ask(production, releases["dana"])["dana"], production.project.database
    decide(production, request, "declined", reason="no")
    document = read_document(production.folder / "decision.toml")
    database.execute("DELETE FROM approvals")
    with pytest.raises(ConsentError, match="the log knows a decision that the project lacks"):
        check(production)
    row = "INSERT INTO approvals VALUES (?, ?, 'dana', ?, '')"
    database.execute(row, (digest_of(document), OTHER, document_text(document)))
    with pytest.raises(ConsentError, match="is not the one that was added"):
        check(production)
    database.execute("UPDATE approvals SET result = ?", (RESULT,))
    with pytest.raises(ConsentError, match="dana declined"):
        check(production)
    slipped = new_decision(request, production.key("dana"), "approved", at=LATE)
    database.execute(row, (digest_of(slipped), RESULT, document_text(slipped)))
    with pytest.raises(ConsentError, match="is not the one that was added"):
        check(production)


def test_work_under_way_stops_where_the_approval_is_taken_back(
    production: Production, releases: dict[str, Path]
) -> None:
    request = ask(production, releases["dana"])["dana"]
    with pytest.raises(ConsentError, match="dana must approve"):
        leave_of(production).for_result(RESULT)
    decide(production, request)
    leave = leave_of(production).for_result(RESULT)
    leave.check()
    no = new_decision(request, production.key("dana"), "declined", reason="no", at=LATE)
    write_document(production.folder / "no.toml", no, overwrite=True)
    with opened(production.project.folder) as other:
        add_decision(other, production.folder / "no.toml")
    with pytest.raises(ConsentError, match="dana declined"):
        leave.check()


def test_a_revocation_or_the_end_of_the_term_beats_an_approval(
    production: Production, releases: dict[str, Path]
) -> None:
    clock = [NOON]
    decide(production, ask(production, releases["dana"])["dana"])
    leave, later = (leave_of(production, lambda: clock[0]).for_result(RESULT) for _ in range(2))
    clock[0] = datetime(2028, 1, 1, tzinfo=UTC)
    with pytest.raises(ConsentError, match="expired"):
        later.check()
    clock[0] = NOON
    leave.check()
    production.revoke(releases["dana"])
    with pytest.raises(ConsentError, match="was revoked"):
        leave.check()
