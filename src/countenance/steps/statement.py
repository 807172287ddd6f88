"""Ask the owner of a release for a statement, and take it: a video that shows its code and turns of their head."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from countenance import ledger
from countenance.consent.challenge import Challenge, challenge_of
from countenance.consent.challenge_page import challenge_page
from countenance.consent.document import read_release
from countenance.consent.register import KnownRelease, check_in_force, known_releases, project_title, templates
from countenance.consent.release import check_term, digest_of
from countenance.consent.statement import (
    REFUSALS,
    VALID_FOR,
    Refusal,
    accept,
    ask,
    is_known_video,
    refuse,
    state_of_challenge,
)
from countenance.errors import ConsentError, UsageError
from countenance.faces.config import PrepareConfig
from countenance.faces.recognise import reference_of
from countenance.faces.statement import (
    REASONS,
    Judged,
    Reason,
    SeenStatement,
    judge_statement,
    look_at_statement,
)
from countenance.media.probe import probe
from countenance.progress import Progress
from countenance.project import PRIVATE, Project, write_whole
from countenance.steps.pages import check_page


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """A challenge, and the page that puts it."""

    person: str
    challenge: Challenge
    page: Path
    until: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Stated:
    """A statement that was accepted."""

    person: str
    release: str
    video: str
    """SHA-256 of the file."""
    distance: float
    turns: tuple[str, ...]


def ask_for_statement(
    project: Project, release: Path, page: Path, *, overwrite: bool, challenge: Challenge | None = None
) -> Asked:
    """Make a challenge to the owner of a release, and write the page for them.

    A synthetic person can be asked a `challenge` that is known beforehand.

    Raises:
        UsageError: the page can't be written there.
        ConsentError: the project doesn't know the release, or nobody is to be asked.
    """
    check_page(page, overwrite=overwrite)
    known, title = _known(project, release)
    challenge = ask(project, known, challenge=challenge)
    until = datetime.now(UTC) + VALID_FOR
    write_whole(page, challenge_page(known.release, challenge, title, until).encode(), mode=PRIVATE)
    return Asked(person=known.release.subject.person, challenge=challenge, page=page, until=until)


def take_statement(
    project: Project, release: Path, video: Path, *, progress: Progress, at: datetime | None = None
) -> Stated:
    """Check a video that answers a challenge to the owner of a release, and record what came of it.

    The video isn't kept: only its digest, figures, and the mean embedding of the face, with which footage is compared.

    Raises:
        ConsentError: it isn't the statement that was asked for; the message says why.
        MediaError: it can't be read.
    """
    known, _ = _known(project, release)
    check_in_force(known)
    check_term(known.release, at or ledger.time_now(project))
    info = probe(video)
    if info.kind != "video":
        raise UsageError(f"expected a video, but {video} is a {info.kind}; film the statement")
    seen = look_at_statement(info, progress)
    return decide_on_statement(project, known, seen, at=at)


def decide_on_statement(
    project: Project, known: KnownRelease, seen: SeenStatement, *, at: datetime | None = None
) -> Stated:
    """Accept or refuse what was seen in a video, and record it.

    Raises:
        ConsentError: it isn't the statement that was asked for.
    """
    check_in_force(known)
    person = known.release.subject.person
    challenge = next((found for text in seen.texts if (found := challenge_of(text, known.digest))), None)
    reference, everybody = templates(project)[person], templates(project)
    judged = judge_statement(
        seen,
        challenge.code if challenge else "",
        challenge.turns if challenge else (),
        reference,
        [template for name, template in everybody.items() if name != person],
    )
    reasons: list[Reason | Refusal] = list(judged.reasons)
    if challenge is not None:
        state = state_of_challenge(project, challenge, at=at)
        if state != "open":
            reasons.append("code.used" if state == "used" else "code.expired" if state == "expired" else "code.unknown")
    if is_known_video(project, seen.sha256):
        reasons.append("video.known")
    if seen.parts and not reasons and differs_from_footage(project, person, seen):
        reasons.append("face.footage")
    facts = _facts(judged)
    if reasons or challenge is None or judged.distance is None:
        refuse(project, known, video=seen.sha256, reasons=reasons, facts=facts)
        words = {str(reason): text for known_reasons in (REASONS, REFUSALS) for reason, text in known_reasons.items()}
        raise ConsentError(
            f"this isn't the statement of {person} that was asked for: {'; '.join(words[each] for each in reasons)}",
            code="consent.statement_refused",
            person=person,
            release=known.digest,
            reasons=reasons,
        )
    accept(
        project,
        known,
        challenge,
        video=seen.sha256,
        template=seen.embedding,
        distance=judged.distance,
        facts=facts,
        at=at,
    )
    return Stated(
        person=person,
        release=known.digest,
        video=seen.sha256,
        distance=judged.distance,
        turns=tuple(each.turn for each in judged.turns),
    )


def differs_from_footage(project: Project, person: str, seen: SeenStatement) -> bool:
    """Whether the face is another than that in the person's own footage, as far as that was looked at already."""
    reference = reference_of(project, person, templates(project), PrepareConfig())
    return reference.num_tracks > 0 and reference.distance(seen.embedding) > reference.limit


def _known(project: Project, path: Path) -> tuple[KnownRelease, str]:
    release = read_release(path)
    known = known_releases(project)
    digest = digest_of(release)
    found = next((each for each in known if each.digest == digest), None)
    if found is None:
        raise ConsentError(
            f"this project doesn't know the release in {path}; `countenance release add {path}` first",
            code="consent.release_missing",
            person=release.subject.person,
        )
    return found, project_title(project, known) or found.release.scope.project


def _facts(judged: Judged) -> dict[str, object]:
    """What the log holds of the look at a video: numbers, no template."""
    return {
        "turns": [[each.turn, round(each.most_deg, 1)] for each in judged.turns],
        "figures": {name: round(value, 4) for name, value in judged.figures.items() if math.isfinite(value)},
    }
