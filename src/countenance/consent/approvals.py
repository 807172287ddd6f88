"""Approval of results: what a project asked of people, what they decided, and whether a result may be published.

A request is not stored: it follows from the log's entry on the proxy and from the release, so that one which was edited
on its way, or which the project never made, has another digest.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from countenance import ledger
from countenance.consent.decision import Decision, Request, check_decision
from countenance.consent.document import document_text, parse_document, read_document
from countenance.consent.register import Added, KnownRelease, known_releases, patiently
from countenance.consent.release import digest_of
from countenance.errors import ConsentError
from countenance.project import Project, now
from countenance.types import Permit

EVENTS = {"approved": "result.approved", "declined": "result.declined"}
"""The log's words for each verdict."""
CLOCK_TOLERANCE = timedelta(minutes=10)
"""By how much a person's clock may be ahead of the production's."""


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownDecision:
    """A decision in the project."""

    decision: Decision
    digest: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """A result about which people were asked, as the log has it."""

    result: str
    parts: Mapping[str, str]
    """Digests of what decided it, each under a name for people."""
    proxy_sha256: str
    requests: Mapping[str, Request]
    """By person."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """How far a result is decided, by the latest decision of each person who is asked."""

    approved: Mapping[str, str]
    """Digest of the decision, by person."""
    declined: Mapping[str, Decision]
    awaited: tuple[str, ...]


def asked_results(project: Project) -> list[Asked]:
    """All results about which people were asked, in order; proxies that never got their name don't count.

    Raises:
        ConsentError: a release isn't what its owner signed.
        ProvenanceError: the log was changed and can't be trusted.
    """
    with project.snapshot():
        releases = {known.digest: known for known in known_releases(project)}
        entries = list(_proxies(project))
    return [_asked(entry, entry.fact("asked", dict), releases) for entry in entries]


def add_decision(project: Project, path: Path, *, at: datetime | None = None) -> Added:
    """Bring a person's decision into the project; needs no lock, like a revocation.

    Raises:
        ConsentError: it isn't signed by the owner of the release, the project doesn't know that release, never made
            the request that it answers, or it was decided in the future.
    """
    decision = read_document(path)
    if not isinstance(decision, Decision):
        raise ConsentError(f"{path} is a {decision.kind}; expected a decision")
    digest, person = digest_of(decision), decision.person
    with patiently(project) as database:
        releases = {known.digest: known.release for known in known_releases(project)}
        if decision.release not in releases:
            raise ConsentError(
                f"{path} decides under a release of {person} that this project doesn't know; "
                "add it in the project that asked"
            )
        check_decision(decision, releases[decision.release])
        _check_answers(decision, asked_results(project), path)
        if datetime.fromisoformat(decision.decided_at) > (at or datetime.now(UTC)) + CLOCK_TOLERANCE:
            raise ConsentError(
                f"{path} was decided at {decision.decided_at}, which is still to come by this computer's clock; "
                "check both clocks, then have it decided again"
            )
        if any(known.digest == digest for known in known_decisions(project)):
            return Added(document=decision, digest=digest, new=False)
        database.execute(
            "INSERT INTO approvals (digest, result, person, document, added_at) VALUES (?, ?, ?, ?, ?)",
            (digest, decision.result, person, document_text(decision), now()),
        )
        ledger.append(
            project,
            EVENTS[decision.verdict],
            {
                "decision": digest,
                "result": decision.result,
                "request": decision.request,
                "release": decision.release,
                "person": person,
                "proxy": decision.proxy,
                "decided_at": decision.decided_at,
                **({} if decision.reason is None else {"reason": decision.reason}),
            },
        )
    return Added(document=decision, digest=digest, new=True)


def known_decisions(project: Project) -> list[KnownDecision]:
    """All decisions in the order in which they were added; each is checked again at every call.

    Raises:
        ConsentError: one in the database is not what the person signed, or not what the log says.
        ProvenanceError: the log was changed and can't be trusted.
    """
    restore = "restore the project from a copy"
    with project.snapshot():
        releases = {known.digest: known.release for known in known_releases(project)}
        logged = {entry.fact("decision", str) for entry in ledger.entries(project, *EVENTS.values())}
        rows = stored_decisions(project)
    known = []
    for digest, result, person, text in rows:
        what = f"the decision of {person} in this project"
        decision = parse_document(text, what)
        if not isinstance(decision, Decision) or decision.release not in releases:
            raise ConsentError(f"{what} is not the one that was added; {restore}")
        check_decision(decision, releases[decision.release])
        if (digest_of(decision), decision.result, decision.person) != (digest, result, person) or digest not in logged:
            raise ConsentError(f"{what} is not the one that was added; {restore}")
        known.append(KnownDecision(decision=decision, digest=digest))
    if logged - {each.digest for each in known}:
        raise ConsentError(f"the log knows a decision that the project lacks; {restore}")
    return known


def stored_decisions(project: Project) -> list[tuple[str, str, str, str]]:
    """Digest, result, person and document of each decision, as stored: nothing is checked."""
    return project.database.execute("SELECT digest, result, person, document FROM approvals ORDER BY rowid").fetchall()


def standing_of(project: Project, permits: Sequence[Permit], result: str) -> Standing:
    """How far everybody who is to approve a result of these permits has decided on it.

    Of several decisions of a person the latest counts, by their own clock; of two at once, the one that declines.

    Raises:
        ConsentError: a decision isn't what was signed, or not what the log says.
        ProvenanceError: the log was changed and can't be trusted.
    """
    return _standing(project, sorted({approver for permit in permits for approver in permit.approvers}), result)


def standing_by(project: Project, asked: Asked) -> Standing:
    """How far those who were asked about a result have decided on it, as `standing_of`.

    Raises:
        ConsentError: a decision isn't what was signed, or not what the log says.
        ProvenanceError: the log was changed and can't be trusted.
    """
    people = sorted((person, request.release) for person, request in asked.requests.items())
    return _standing(project, people, asked.result)


def _standing(project: Project, asked: Sequence[tuple[str, str]], result: str) -> Standing:
    """By person and release of those who are asked."""
    known = [each for each in known_decisions(project) if each.decision.result == result] if asked else []
    latest: dict[str, KnownDecision] = {}
    for person, release in asked:
        own = [each for each in known if (each.decision.person, each.decision.release) == (person, release)]
        if own:
            latest[person] = max(own, key=lambda each: (each.decision.decided_at, each.decision.verdict))
    return Standing(
        approved={person: each.digest for person, each in latest.items() if each.decision.verdict == "approved"},
        declined={person: each.decision for person, each in latest.items() if each.decision.verdict == "declined"},
        awaited=tuple(sorted({person for person, _ in asked} - latest.keys())),
    )


def check_not_declined(standing: Standing) -> None:
    """Check that nobody said no.

    Raises:
        ConsentError: somebody did; the message has their reason.
    """
    for person, decision in standing.declined.items():
        raise ConsentError(
            f"{person} declined this result on {decision.decided_at[:10]}: {decision.reason}; "
            "change it, and ask for approval of what comes of it",
            code="consent.declined",
            person=person,
            result=decision.result,
            reason=decision.reason,
        )


def require_approved(project: Project, permit: Permit, result: str) -> None:
    """Check that a result has the approval of everybody whose release in the permit asks for it.

    Raises:
        ConsentError: somebody declined it, or hasn't decided.
    """
    standing = standing_of(project, [permit], result)
    check_not_declined(standing)
    if standing.awaited:
        raise awaited_error(standing.awaited, result)


def awaited_error(people: Sequence[str], result: str) -> ConsentError:
    """What is raised where somebody hasn't decided yet."""
    names = " and ".join(people)
    return ConsentError(
        f"{names} must approve this result before it is published; send them the proxy and the request "
        "beside it, and add their decision with `countenance release add`",
        code="consent.approval_awaited",
        people=list(people),
        result=result,
    )


def _proxies(project: Project) -> Iterator[ledger.LogEntry]:
    entries = list(ledger.entries(project, "published", "withdrawn"))
    withdrawn = {entry.fact("published_entry", int) for entry in entries if entry.event == "withdrawn"}
    for entry in entries:
        if entry.event == "published" and "asked" in entry.facts and entry.number not in withdrawn:
            yield entry


def _asked(entry: ledger.LogEntry, asked: Mapping[str, Any], releases: Mapping[str, KnownRelease]) -> Asked:
    facts, proxy_sha256 = entry.facts, entry.fact("sha256", str)
    requests = {
        person: Request.model_validate(
            {
                "kind": "request",
                "version": 1,
                "person": person,
                "public_key": releases[digest].release.subject.public_key,
                "release": digest,
                "project": releases[digest].release.scope.project,
                "result": asked["result"],
                "proxy": {"file": asked["file"], "sha256": proxy_sha256},
                "plate": facts["plate_sha256"],
                "first_frame": facts["first_frame"],
                "num_frames": facts["num_frames"],
                "num_plate_frames": facts["num_plate_frames"],
                "label": asked["label"],
                "label_reason": asked["label_reason"] or None,
                "asked_at": entry.time,
            }
        )
        for person, digest in asked["people"].items()
    }
    return Asked(result=asked["result"], parts=asked["parts"], proxy_sha256=proxy_sha256, requests=requests)


def _check_answers(decision: Decision, asked: Sequence[Asked], path: Path) -> None:
    """Check that a decision answers a request of this project, as it was made."""
    for each in asked:
        request = each.requests.get(decision.person)
        if request is not None and digest_of(request) == decision.request:
            if (request.result, request.proxy.sha256) == (decision.result, decision.proxy):
                return
            break
    raise ConsentError(
        f"{path} doesn't answer a request that this project made: the request was edited, or is another project's; "
        f"send {decision.person} the file that `countenance generate` wrote"
    )
