"""What the project's releases allow now, in the words of the page: who may be worked with, and what is missing."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

from countenance import ledger
from countenance.consent.approvals import asked_results, known_decisions
from countenance.consent.permit import refusals
from countenance.consent.register import KnownRelease, ReleaseState, state_of
from countenance.consent.release import in_words
from countenance.consent.retention import last_day
from countenance.consent.scope import num_outputs
from countenance.consent.statement import StatementState, state_of_statement
from countenance.errors import ConsentError, one_line
from countenance.ledger import LogEntry
from countenance.project import Project
from countenance.types import Role


@dataclass(frozen=True, kw_only=True, slots=True)
class Released:
    """A person whose release allows this production to work with their face now."""

    person: str
    roles: tuple[Role, ...]
    """For which there is a valid release: likeness (the face appears), performer (it is replaced)."""
    is_synthetic: bool
    """A rendered actor, no real person."""
    expires: date
    """Last day on which any of these roles holds."""


def released(project: Project, *, role: Role | None = None, at: datetime | None = None) -> list[Released]:
    """The people whose releases allow to prepare them now, with their roles, in the order in which they came.

    Pages offer work for these alone; with `role`, only those released for it. A permit is asked for all the same where
    work begins.

    Raises:
        ConsentError: a document in the database is not what its owner signed.
        ProvenanceError: the log was changed and can't be trusted.
    """
    valid = [
        known.release for known, why_not in refusals(project, at=at or ledger.time_now(project)) if why_not is None
    ]
    people = []
    for person in dict.fromkeys(release.subject.person for release in valid):
        own = [release for release in valid if release.subject.person == person]
        roles: list[Role] = [each for each in ("likeness", "performer") if any(release.role == each for release in own)]
        if role is None or role in roles:
            people.append(
                Released(
                    person=person,
                    roles=tuple(roles),
                    is_synthetic=all(release.subject.synthetic for release in own),
                    expires=max(release.term.expires for release in own),
                )
            )
    return people


def ended(entry: LogEntry, known: Mapping[str, KnownRelease], at: datetime) -> str:
    """Which release under which a published file was made doesn't hold any more, and why; empty where all do."""
    for digest in entry.facts.get("releases", ()):
        release = known.get(digest)
        if release is None:
            return "A release under which it was made isn't in this project."
        state, person = state_of(release, at), release.release.subject.person
        if state == "revoked" and release.revocation is not None:
            return f"{person} revoked their release on {in_words(release.revocation.revoked_on)}."
        if state != "valid":
            return f"The release of {person} is {state}."
    return ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Chip:
    """A state in words, and how it looks."""

    words: str
    look: Literal["good", "warn", "bad", "info", ""]


@dataclass(frozen=True, kw_only=True, slots=True)
class Card:
    """A release as the page shows it: no more of it than `countenance release list` shows."""

    digest: str
    role: Role
    state: Chip
    why_not: str
    """Why it doesn't allow this production to begin anything now; empty where it does."""
    is_in_force: bool
    """Neither revoked nor forgotten."""
    uses: tuple[str, ...]
    allowed: tuple[str, ...]
    forbidden: tuple[str, ...]
    """What takes a line of its own, and has it or hasn't."""
    production: str
    valid_from: str
    expires: str
    outputs: str
    channels: tuple[str, ...]
    limits: tuple[str, ...]
    """What narrows it beyond all that: named plates and clips, the label."""
    kept_until: str
    statement: Chip
    has_statement_to_ask: bool
    approval: str
    results: tuple[Chip, ...]
    """What the person said of results that they were asked about, the newest last."""
    countersigned: Chip | None
    """None where no second signature is asked for."""
    is_synthetic: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Gap:
    """What is missing before anything may be done with a person's face, and what brings it."""

    words: str
    remedy: str
    statement_of: str
    """Digest of the release under which a statement is to be asked for; empty for all else."""
    role_to_draft: str
    """For which another release is to be signed; empty where the one that there is will do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Person:
    """Somebody whom the project knows by a release."""

    name: str
    cards: tuple[Card, ...]
    """The newest first."""
    roles: tuple[Role, ...]
    """For which they may be worked with now."""
    gaps: tuple[Gap, ...]
    """Empty where a release is valid in each role that they have one for."""
    events: tuple[tuple[str, str], ...]
    """Their last entries in the log: time and words, the newest first."""
    is_forgotten: bool


LINES: Mapping[str, str] = {"political": "politics", "advertising": "paid advertising", "words": "words never said"}
STATEMENTS: Mapping[StatementState, Chip] = {
    "given": Chip(words="given", look="good"),
    "missing": Chip(words="missing", look="warn"),
    "not asked for": Chip(words="not asked for", look=""),
    "synthetic": Chip(words="not needed: synthetic", look=""),
    "earlier release": Chip(words="not asked for: older release", look=""),
}
UNFIT: Mapping[str, str] = {
    "consent.use": "not for this use",
    "consent.line": "a line is missing",
    "consent.project": "another production",
    "consent.channel": "other channels",
    "consent.statement_missing": "statement missing",
    "consent.statement_differs": "another face",
}
"""State of a release in its term that doesn't serve, by the code of why."""
REMEDIES: Mapping[str, str] = {
    "consent.release_revoked": "Only a newly signed release lets them in again; what is kept of them can be forgotten.",
    "consent.forgotten": "Only a newly signed release lets them in again.",
    "consent.release_expired": "Draft a new release and have it signed.",
    "consent.release_not_yet_valid": "Wait until then, or have one signed that begins earlier.",
    "consent.use": "Draft a release that names this use, and have it signed.",
    "consent.line": "Draft a release with that line, and have it signed.",
    "consent.project": "Have one signed that names this production.",
    "consent.channel": "Have one signed that names these channels, or change the project's.",
    "consent.statement_missing": "Ask for the statement: a short video in which they answer this project.",
    "consent.statement_differs": "Have a release signed with pictures of the person who gave the statement.",
}
EVENTS: Mapping[str, str] = {
    "release.added": "release added",
    "release.revoked": "release revoked",
    "statement.asked": "asked for a statement",
    "statement.accepted": "statement accepted",
    "statement.refused": "statement refused",
    "result.approved": "approved a result",
    "result.declined": "declined a result",
    "permit.granted": "allowed to {action}",
    "permit.refused": "not allowed to {action}",
    "prepared": "faces prepared",
    "faces.decided": "faces decided on",
    "faces.exported": "faces exported",
    "trained": "model trained",
    "published": "published",
    "withdrawn": "publication withdrawn",
    "forgetting": "began to be forgotten",
    "forgotten": "forgotten",
}
NUM_EVENTS = 5
ENDS_SOON_DAYS, MANY_DAYS = 30, 730


def people(project: Project, *, at: datetime | None = None) -> list[Person]:
    """Everybody whom the project knows by a release, those first who may be worked with, else in the order of coming.

    Raises:
        ConsentError: a document in the database is not what its owner signed.
        ProvenanceError: the log was changed and can't be trusted.
    """
    at = at or ledger.time_now(project)
    judged = refusals(project, at=at)
    entries, results = list(ledger.entries(project)), _results(project)
    names = dict.fromkeys(known.release.subject.person for known, _ in judged)
    return [
        _person(
            project, name, [each for each in judged if each[0].release.subject.person == name], entries, results, at
        )
        for name in names
    ]


def _person(
    project: Project,
    name: str,
    judged: Sequence[tuple[KnownRelease, ConsentError | None]],
    entries: Sequence[LogEntry],
    results: Mapping[tuple[str, str], tuple[Chip, ...]],
    at: datetime,
) -> Person:
    own = [known for known, _ in judged]
    roles = dict.fromkeys(known.release.role for known, _ in judged)
    valid = [role for role in roles if any(known.release.role == role and not why for known, why in judged)]
    day = last_day(own)
    return Person(
        name=name,
        cards=tuple(_card(project, known, why, day, results, at) for known, why in reversed(judged)),
        roles=tuple(valid),
        gaps=tuple(_gap(judged, role) for role in roles if role not in valid),
        events=_events(name, {known.digest for known in own}, entries, at),
        is_forgotten=all(known.forgotten_on is not None for known in own),
    )


def _card(
    project: Project,
    known: KnownRelease,
    why: ConsentError | None,
    last: date | None,
    results: Mapping[tuple[str, str], tuple[Chip, ...]],
    at: datetime,
) -> Card:
    release, state = known.release, state_of(known, at)
    scope, term, person = release.scope, release.term, release.subject.person
    used, statement = num_outputs(project, known.digest), state_of_statement(project, known)
    lines = {line: words for line, words in LINES.items() if line != "words" or release.role == "likeness"}
    plates, footage = len(scope.plates), len(release.data.footage)
    limits = [f"only {plates:,} named {'plate' if plates == 1 else 'plates'}"] if plates else []
    limits += [f"learned only from {footage:,} named {'clip' if footage == 1 else 'clips'}"] if footage else []
    limits += ["label always shown"] if release.disclosure.label == "always shown" else []
    is_in_force = known.revocation is None and known.forgotten_on is None
    countersigned = release.licensee.public_key is not None
    return Card(
        digest=known.digest,
        role=release.role,
        state=_state(known, state, why, at),
        why_not=_sentence(why),
        is_in_force=is_in_force,
        uses=scope.uses,
        allowed=tuple(words for line, words in lines.items() if line in scope.explicit),
        forbidden=tuple(words for line, words in lines.items() if line not in scope.explicit),
        production=scope.project,
        valid_from=_short(term.valid_from),
        expires=_short(term.expires),
        outputs=f"{used:,} published, any number"
        if term.num_outputs is None
        else f"{used:,} of {term.num_outputs:,} published",
        channels=scope.channels,
        limits=tuple(limits),
        kept_until=in_words(last) if last is not None and is_in_force else "",
        statement=STATEMENTS[statement],
        has_statement_to_ask=is_in_force
        and state == "valid"
        and statement in ("missing", "not asked for", "synthetic"),
        approval="sees each result first" if release.approval.needed else "not asked about results",
        results=results.get((person, known.digest), ()),
        countersigned=Chip(words="by both", look="good") if countersigned else None,
        is_synthetic=release.subject.synthetic,
    )


def _state(known: KnownRelease, state: ReleaseState, why: ConsentError | None, at: datetime) -> Chip:
    if known.forgotten_on is not None:
        return Chip(words=f"forgotten on {in_words(known.forgotten_on)}", look="")
    if known.revocation is not None:
        return Chip(words=f"revoked on {in_words(known.revocation.revoked_on)}", look="bad")
    if state == "not valid yet":
        return Chip(words=f"not valid before {in_words(known.release.term.valid_from)}", look="warn")
    if state == "expired":
        return Chip(words=f"expired on {in_words(known.release.term.expires)}", look="bad")
    if why is not None:
        look: Literal["warn", "bad"] = "warn" if why.code == "consent.statement_missing" else "bad"
        return Chip(words=UNFIT.get(why.code, "not usable"), look=look)
    days = (known.release.term.expires - at.date()).days
    return Chip(words=f"valid, {_days(days)}", look="warn" if days < ENDS_SOON_DAYS else "good")


def _gap(judged: Sequence[tuple[KnownRelease, ConsentError | None]], role: Role) -> Gap:
    """Of several releases that don't serve, the newest one says why, as a permit does."""
    known, why = [each for each in judged if each[0].release.role == role][-1]
    assert why is not None
    return Gap(
        words=f"As {role}: {_sentence(why)}",
        remedy=REMEDIES.get(why.code, ""),
        statement_of=known.digest if why.code == "consent.statement_missing" else "",
        role_to_draft="" if why.code in ("consent.statement_missing", "consent.release_not_yet_valid") else role,
    )


def _sentence(why: ConsentError | None) -> str:
    """What is so, without what a terminal would be told to do."""
    return "" if why is None else f"{one_line(str(why)).partition('; ')[0]}."


def _days(days: int) -> str:
    if days > MANY_DAYS:
        return f"{days // 365} years left"
    return "ends today" if days == 0 else "1 day left" if days == 1 else f"{days:,} days left"


def _short(day: date) -> str:
    return f"{day.day} {day:%b %Y}"


def _results(project: Project) -> dict[tuple[str, str], tuple[Chip, ...]]:
    """By person and release, how each result about which they were asked stands by their latest decision."""
    decisions = sorted((each.decision for each in known_decisions(project)), key=lambda each: each.decided_at)
    latest = {(each.person, each.release, each.result): each for each in decisions}
    found: dict[tuple[str, str], dict[str, Chip]] = {}
    for asked in asked_results(project):
        for person, request in asked.requests.items():
            decision = latest.get((person, request.release, asked.result))
            verdict = "waits for an answer" if decision is None else decision.verdict
            look: Literal["good", "bad", "info"] = (
                "good" if verdict == "approved" else "bad" if verdict == "declined" else "info"
            )
            found.setdefault((person, request.release), {})[asked.result] = Chip(
                words=f"{request.proxy.file}: {verdict}", look=look
            )
    return {key: tuple(chips.values()) for key, chips in found.items()}


def _events(
    name: str, digests: Collection[str], entries: Sequence[LogEntry], at: datetime
) -> tuple[tuple[str, str], ...]:
    own = [entry for entry in entries if _is_about(entry.facts, name, digests)]
    return tuple(
        (
            _moment(datetime.fromisoformat(entry.time), at),
            EVENTS.get(entry.event, entry.event.replace(".", ": ")).format(action=entry.facts.get("action", "work")),
        )
        for entry in reversed(own[-NUM_EVENTS:])
    )


def _moment(time: datetime, at: datetime) -> str:
    """A day and time of this year, or a day of another."""
    return f"{time.day} {time:%b, %H:%M}" if time.year == at.year else _short(time)


def _is_about(facts: Mapping[str, Any], name: str, digests: Collection[str]) -> bool:
    if name in (facts.get("person"), facts.get("likeness"), facts.get("performer")):
        return True
    named = [facts.get("release"), *(facts.get("releases") or [])]
    return any(digest in digests for digest in named if isinstance(digest, str))
