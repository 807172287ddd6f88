"""Statements: who was asked for one and when, which video was accepted, and which release can't be used without one.

The log says all of it. The database holds beside it only what footage is compared with: the face's template.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import numpy as np
from jaxtyping import Float32

from countenance import ledger
from countenance.config import read_config, section
from countenance.consent.challenge import Challenge, new_challenge
from countenance.consent.register import KnownRelease, check_in_force, templates
from countenance.consent.release import USES, Use
from countenance.errors import ConsentError
from countenance.faces.config import MAX_STATED_DISTANCE
from countenance.project import Project

VALID_FOR = timedelta(hours=24)
"""How long a challenge can be answered."""
SECTION = "consent"
Template = Float32[np.ndarray, "128"]
StatementState = Literal["given", "missing", "not asked for", "synthetic", "earlier release"]
"""`earlier release`: in the first form, and in the project before there were statements."""
ChallengeState = Literal["open", "used", "expired", "unknown"]
Refusal = Literal["code.unknown", "code.used", "code.expired", "video.known", "face.footage"]
REFUSALS: Mapping[Refusal, str] = {
    "code.unknown": "the code isn't one that this project made",
    "code.used": "the code was answered before; make a new challenge",
    "code.expired": f"the code is more than {VALID_FOR.total_seconds() / 3600:.0f} hours old; make a new challenge",
    "video.known": "this very video was accepted before",
    "face.footage": "the face isn't the one in the person's footage",
}
"""Why a video is refused whatever it shows, or for what the project knows beside it."""


@section
@dataclass(frozen=True, kw_only=True, slots=True)
class ConsentConfig:
    """What a production asks of people beyond their signature."""

    statement_uses: tuple[Use, ...] = USES  # type: ignore[assignment]
    """Uses for which nobody's face is touched before they have given a statement: a video in which they show their
    release's code and turn their head as asked (docs/statement.md). Synthetic people needn't."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Statement:
    """A statement that was accepted."""

    release: str
    nonce: str
    video: str
    """SHA-256 of the file."""
    distance: float
    """Between the face in it and the release's pictures."""


def ask(project: Project, known: KnownRelease, *, challenge: Challenge | None = None) -> Challenge:
    """Make a challenge to the owner of a release; whichever of several is answered counts.

    A synthetic person may be asked, too, though no policy requires it. They alone can be asked a `challenge` that is
    known beforehand, as for the demo, whose clip was rendered long ago.

    Raises:
        ConsentError: nobody is to be asked: the release was revoked or forgotten. Or a known challenge is for a real
            person, whom it would prove nothing about, or to another release.
    """
    check_in_force(known)
    person = known.release.subject.person
    if challenge is None:
        challenge = new_challenge(known.digest)
    elif not known.release.subject.synthetic or challenge.release != known.digest:
        raise ConsentError(f"{person} must be asked something that nobody knew before; make a new challenge")
    with project.transaction():
        ledger.append(project, "statement.asked", {"release": known.digest, "person": person, "nonce": challenge.nonce})
    return challenge


def state_of_challenge(project: Project, challenge: Challenge, *, at: datetime | None = None) -> ChallengeState:
    """Whether a challenge was made here and can still be answered, now or at the log's last entry if that is later."""
    asked_at, latest, used = None, "", False
    for entry in ledger.entries(project):
        latest = max(latest, entry.time)
        if entry.event not in ("statement.asked", "statement.accepted"):
            continue
        if (entry.fact("release", str), entry.fact("nonce", str)) == (challenge.release, challenge.nonce):
            if entry.event == "statement.asked":
                asked_at = datetime.fromisoformat(entry.time)
            else:
                used = True
    if asked_at is None:
        return "unknown"
    if used:
        return "used"
    at = max(at or datetime.now(UTC), datetime.fromisoformat(latest))
    return "expired" if at - asked_at > VALID_FOR else "open"


def accepted(project: Project) -> dict[str, Statement]:
    """The statements that were accepted, by the digest of their release; the newest of each."""
    return {
        entry.fact("release", str): Statement(
            release=entry.fact("release", str),
            nonce=entry.fact("nonce", str),
            video=entry.fact("video", str),
            distance=entry.fact("distance", float),
        )
        for entry in ledger.entries(project, "statement.accepted")
    }


def is_known_video(project: Project, sha256: str) -> bool:
    """Whether this very file was accepted as a statement before."""
    return any(statement.video == sha256 for statement in accepted(project).values())


def accept(
    project: Project,
    known: KnownRelease,
    challenge: Challenge,
    *,
    video: str,
    template: Template,
    distance: float,
    facts: Mapping[str, Any],
    at: datetime | None = None,
) -> None:
    """Record that a video answered a challenge.

    Raises:
        ConsentError: another command answered it meanwhile.
    """
    stored = template.astype("<f4").tobytes()
    with project.transaction() as database:
        if state_of_challenge(project, challenge, at=at) != "open" or is_known_video(project, video):
            raise ConsentError("another command took an answer to this challenge meanwhile; make a new challenge")
        database.execute(
            "INSERT INTO statements (release, nonce, video, template) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (release) DO UPDATE SET nonce = excluded.nonce, video = excluded.video, "
            "template = excluded.template",
            (known.digest, challenge.nonce, video, stored),
        )
        ledger.append(
            project,
            "statement.accepted",
            {
                "release": known.digest,
                "person": known.release.subject.person,
                "nonce": challenge.nonce,
                "video": video,
                "distance": round(distance, 4),
                "template": hashlib.sha256(stored).hexdigest(),
                **facts,
            },
        )


def refuse(
    project: Project, known: KnownRelease, *, video: str, reasons: Sequence[str], facts: Mapping[str, Any]
) -> None:
    """Record that a video was not accepted, and why; the challenge stays open."""
    with project.transaction():
        ledger.append(
            project,
            "statement.refused",
            {
                "release": known.digest,
                "person": known.release.subject.person,
                "video": video,
                "reasons": list(reasons),
                **facts,
            },
        )


def state_of_statement(project: Project, known: KnownRelease) -> StatementState:
    """Whether the project's policy asks for a statement under a release, and whether there is one."""
    config = read_config(ConsentConfig, SECTION, project.settings)
    if known.digest in accepted(project):
        return "given"
    if known.release.subject.synthetic:
        return "synthetic"
    if project.use not in config.statement_uses:
        return "not asked for"
    return "earlier release" if _was_here_before(project, known) else "missing"


def check_statement(project: Project, known: KnownRelease) -> None:
    """Check that a release has the statement that the project's policy asks for.

    Raises:
        ConsentError: it is missing, or what is stored of it isn't what the log says.
    """
    state, person = state_of_statement(project, known), known.release.subject.person
    if state == "missing":
        raise ConsentError(
            f"{person} has given no statement under their release yet; `countenance release challenge RELEASE` makes "
            "the page that asks for it",
            code="consent.statement_missing",
            person=person,
            release=known.digest,
        )
    if state == "given":
        stated = statement_template(project, known.digest)
        # The pictures of a release that was added later find the person from then on.
        found_by = templates(project).get(person)
        if stated is not None and found_by is not None and np.linalg.norm(stated - found_by) > MAX_STATED_DISTANCE:
            raise ConsentError(
                f"the pictures in the newest release of {person} show another face than their statement does; have "
                "the release drafted with pictures of the person who gave it, or another statement given under it",
                code="consent.statement_differs",
                person=person,
                release=known.digest,
            )


def statement_template(project: Project, release: str) -> Template | None:
    """The mean embedding of the face in the statement under a release; None where there is none or it was erased.

    Raises:
        ConsentError: it isn't the one that was accepted.
    """
    entry = next(
        (
            entry
            for entry in reversed(list(ledger.entries(project, "statement.accepted")))
            if entry.facts.get("release") == release
        ),
        None,
    )
    row = project.database.execute(
        "SELECT nonce, video, template FROM statements WHERE release = ?", (release,)
    ).fetchone()
    if entry is None and row is None:
        return None
    logged = None if entry is None else tuple(entry.fact(name, str) for name in ("nonce", "video", "template"))
    template = None if row is None else row[2]
    stored = None if row is None else (*row[:2], hashlib.sha256(template).hexdigest() if template else None)
    if logged is None or stored is None or logged[:2] != stored[:2] or stored[2] not in (None, logged[2]):
        raise ConsentError("the log and the database disagree on a statement; restore the project from a copy")
    return None if template is None else np.frombuffer(template, np.float32)


def stated_faces(project: Project, releases: Sequence[str]) -> tuple[Template, ...]:
    """The faces in the statements that were given under some releases, as far as they weren't erased.

    Raises:
        ConsentError: one isn't the one that was accepted.
    """
    found = (statement_template(project, release) for release in releases)
    return tuple(template for template in found if template is not None)


def erase_statement_templates(project: Project, releases: Sequence[str]) -> None:
    """Erase the faces' templates of statements under some releases, within the caller's transaction; that they were
    given stays in the log.
    """
    project.database.executemany(
        "UPDATE statements SET template = NULL WHERE release = ?", [(release,) for release in releases]
    )


def _was_here_before(project: Project, known: KnownRelease) -> bool:
    """Whether a release in the first form was added by a version that didn't note the form in the log."""
    if known.release.first_version > 1:
        return False
    return any(
        entry.facts.get("release") == known.digest and "version" not in entry.facts
        for entry in ledger.entries(project, "release.added")
    )
