"""The only place that makes a permit, the log of what was decided, and the check that every guard calls."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import product
from typing import Any

from countenance import ledger
from countenance.consent.register import KnownRelease, check_in_force, known_releases, project_title
from countenance.consent.release import USES, check_term
from countenance.consent.scope import check_particulars, check_production
from countenance.consent.statement import StatementState, check_statement, state_of_statement
from countenance.errors import ConsentError
from countenance.ledger import canonical_json
from countenance.project import Project
from countenance.types import Action, Particulars, Permit, Role

NO_PARTICULARS = Particulars()


def grant(
    project: Project,
    action: Action,
    *,
    likeness: str | None = None,
    performer: str | None = None,
    particulars: Particulars = NO_PARTICULARS,
    at: datetime | None = None,
) -> Permit:
    """Give a permit where each person's release allows the action, now, for this project and with these files.

    Preparing asks for one person in either role, training and generating for both. All documents are read and their
    signatures checked again. Of several releases of a person the first that allows all of it counts. The moment `at`
    is by default now, by the later of clock and log.

    Raises:
        ConsentError: a release is missing or doesn't allow this; the message says which and why.
    """
    people: list[tuple[Role, str]] = []
    if likeness is not None:
        people.append(("likeness", likeness))
    if performer is not None:
        people.append(("performer", performer))
    expected = 1 if action == "prepare" else 2
    if len(people) != expected:
        raise ConsentError(
            f"to {action}, expected {'one person' if expected == 1 else 'a likeness and a performer'}, "
            f"got {len(people)}; name them"
        )
    at = at or ledger.time_now(project)
    known = known_releases(project)
    releases = [_valid_release(project, known, person, role, particulars, at) for role, person in people]
    digests = tuple(sorted({release.digest for release in releases}))
    return Permit(
        action=action,
        likeness=likeness,
        performer=performer,
        use=project.use,
        release_digests=digests,
        expires_at=min(release.release.term.last_moment for release in releases),
        digest=permit_digest(action, likeness, performer, use=project.use, release_digests=digests),
        particulars=particulars,
        approvers=tuple(
            (known.release.subject.person, known.digest) for known in releases if known.release.approval.needed
        ),
        synthetic=tuple(known.release.role for known in releases if known.release.subject.synthetic),
    )


def decide(
    project: Project,
    action: Action,
    *,
    likeness: str | None = None,
    performer: str | None = None,
    particulars: Particulars = NO_PARTICULARS,
    at: datetime | None = None,
    is_last: bool = True,
) -> Permit:
    """Give a permit as `grant` does, and log the answer; a yes only where `is_last`, as nothing more will be asked.

    The log's entry needs no writer's lock.

    Raises:
        ConsentError: as `grant`; the log says so.
    """
    with _refusal_logged(project, action, likeness=likeness, performer=performer, particulars=particulars):
        permit = grant(project, action, likeness=likeness, performer=performer, particulars=particulars, at=at)
    if is_last:
        _log_granted(project, permit)
    return permit


def decide_prepare(project: Project, person: str) -> Permit:
    """Give a permit as `grant_prepare` does, and log the answer.

    Raises:
        ConsentError: as `grant_prepare`; the log says so.
    """
    with _refusal_logged(project, "prepare", person=person):
        permit = grant_prepare(project, person)
    _log_granted(project, permit)
    return permit


def log_refused(project: Project, action: str, error: ConsentError, **asked: Any) -> None:
    """Log that something wasn't allowed: what was asked, and the error's code and facts."""
    facts = {**error.facts, "action": action, "use": project.use, "code": error.code, **asked}
    with project.transaction():
        # Dates and paths as text.
        ledger.append(project, "permit.refused", json.loads(json.dumps(facts, default=str)))


def permit_digest(
    action: Action, likeness: str | None, performer: str | None, *, use: str, release_digests: Sequence[str]
) -> str:
    """Digest of a permit: of its action and people, and of the releases that give it, in order."""
    facts = {
        "action": action,
        "likeness": likeness,
        "performer": performer,
        "use": use,
        "releases": release_digests,
    }
    return hashlib.sha256(canonical_json(facts)).hexdigest()


def grant_prepare(
    project: Project, person: str, *, particulars: Particulars = NO_PARTICULARS, at: datetime | None = None
) -> Permit:
    """Give a permit to prepare a person in whichever role they released, likeness before performer.

    Raises:
        ConsentError: there is no valid release for either.
    """
    roles = {known.release.role for known in known_releases(project) if known.release.subject.person == person}
    try:
        return grant(project, "prepare", likeness=person, particulars=particulars, at=at)
    except ConsentError:
        if "performer" not in roles:
            raise
    return grant(project, "prepare", performer=person, particulars=particulars, at=at)


def refusals(project: Project, *, at: datetime | None = None) -> list[tuple[KnownRelease, ConsentError | None]]:
    """Each release, and why it doesn't allow to prepare its person in its role now; None where it does.

    Unlike a permit, this is only looked at: nothing is logged, and nothing rests on it.

    Raises:
        ConsentError: a document in the database is not what its owner signed.
        ProvenanceError: the log was changed and can't be trusted.
    """
    at, known = at or ledger.time_now(project), known_releases(project)
    title = project_title(project, known)
    return [(each, _refusal(project, each, each.release.role, title, NO_PARTICULARS, at)) for each in known]


def permits_naming(project: Project, person: str) -> set[str]:
    """Digests of all permits that releases of a person could ever have given, with anybody in the project."""
    known = [(each.release.subject.person, each.release.role, each.digest) for each in known_releases(project)]
    digests = set()
    for (name, role, release), use in product(known, USES):
        if name == person:
            people = {"likeness": (person, None), "performer": (None, person)}[role]
            digests.add(permit_digest("prepare", *people, use=use, release_digests=(release,)))
    actions: tuple[Action, ...] = ("train", "generate")
    for one, other, use, action in product(known, known, USES, actions):
        if person in (one[0], other[0]) and (one[1], other[1]) == ("likeness", "performer"):
            both = tuple(sorted({one[2], other[2]}))
            digests.add(permit_digest(action, one[0], other[0], use=use, release_digests=both))
    return digests


def require(
    project: Project, permit: Permit, action: Action, *, people: tuple[str, ...], at: datetime | None = None
) -> None:
    """Check that a permit is for this action and these people, and that their releases still give it.

    `people` is the likeness, then the performer; for preparing it is the one person. A permit that was made by hand,
    kept too long, or given under a release that was revoked since doesn't pass.

    Raises:
        ConsentError: it doesn't hold.
    """
    if permit.action != action:
        raise ConsentError(f"expected a permit to {action}, got one to {permit.action}; ask for the right one")
    if permit.people != people:
        raise ConsentError(
            f"expected a permit for {' and '.join(people)}, got one for {' and '.join(permit.people)}; "
            "ask for the right one"
        )
    now_given = grant(
        project,
        action,
        likeness=permit.likeness,
        performer=permit.performer,
        particulars=permit.particulars,
        at=at,
    )
    if permit != now_given:
        raise ConsentError("this permit is not the one that the project's releases give now; ask for a new one")


def require_unrevoked(project: Project, release_digests: Sequence[str], *, what: str, again: str) -> None:
    """Check that something made under certain releases may still be used: none was revoked or forgotten.

    `what` names it, and `again` the command that makes it again.

    Raises:
        ConsentError: one was revoked, this project doesn't know it, or none is named.
    """
    known = {known.digest: known for known in known_releases(project)}
    if not release_digests:
        raise ConsentError(f"{what} names no release under which it was made; {again}")
    for digest in release_digests:
        if digest not in known:
            raise ConsentError(
                f"{what} was made under release {digest[:12]}…, which this project doesn't know; "
                f"use it in the project that has the release, or {again}"
            )
        check_in_force(known[digest])


@contextmanager
def _refusal_logged(
    project: Project, action: Action, *, particulars: Particulars = NO_PARTICULARS, **people: str | None
) -> Iterator[None]:
    try:
        yield
    except ConsentError as error:
        log_refused(project, action, error, **_named(people), **_logged(particulars))
        raise


def _log_granted(project: Project, permit: Permit) -> None:
    facts = {
        "action": permit.action,
        **_named({"likeness": permit.likeness, "performer": permit.performer}),
        "use": permit.use,
        **({"channels": list(project.channels)} if project.channels else {}),
        "releases": list(permit.release_digests),
        "permit": permit.digest,
        "statements": _statements(project, permit),
        **_logged(permit.particulars),
    }
    with project.transaction():
        ledger.append(project, "permit.granted", facts)


def _statements(project: Project, permit: Permit) -> dict[str, StatementState]:
    """By role, whether the person gave a statement, or why none was needed."""
    known = [each for each in known_releases(project) if each.digest in permit.release_digests]
    return {each.release.role: state_of_statement(project, each) for each in known}


def _named(people: dict[str, str | None]) -> dict[str, str]:
    return {role: person for role, person in people.items() if person is not None}


def _logged(particulars: Particulars) -> dict[str, Any]:
    """What the log holds of a plate; the footage is that of the face set, which has its own entry."""
    if particulars.plate is None:
        return {}
    return {
        "plate": particulars.plate,
        "sound": particulars.has_sound,
        "label": not particulars.is_unlabelled,
        "counted": particulars.is_counted,
    }


def _valid_release(
    project: Project,
    known: Sequence[KnownRelease],
    person: str,
    role: Role,
    particulars: Particulars,
    at: datetime,
) -> KnownRelease:
    """The oldest valid one, so that a permit stays the same as long as it can."""
    own = [release for release in known if release.release.subject.person == person]
    if not own:
        raise ConsentError(
            f"there is no release of {person} here; add one with `countenance release add`",
            code="consent.release_missing",
            person=person,
        )
    title = project_title(project, known)
    found = []
    for number, release in enumerate(own):
        error = _refusal(project, release, role, title, particulars, at)
        if error is None:
            return release
        found.append((release.release.role == role, number, error))
    # Of several that don't allow it, the newest one for this role gives the most useful reason.
    raise max(found, key=lambda refusal: refusal[:2])[2]


def _refusal(
    project: Project, known: KnownRelease, role: Role, title: str | None, particulars: Particulars, at: datetime
) -> ConsentError | None:
    """Why a release doesn't allow something; None where it does."""
    try:
        _check_allows(project, known, role, title, particulars, at)
        check_statement(project, known)
    except ConsentError as error:
        return error
    return None


def _check_allows(
    project: Project, known: KnownRelease, role: Role, title: str | None, particulars: Particulars, at: datetime
) -> None:
    release, person = known.release, known.release.subject.person
    if release.role != role:
        raise ConsentError(
            f"the release of {person} is for role {release.role}, not {role}; have another one signed for that role",
            code="consent.role",
            person=person,
            role=role,
            release=known.digest,
        )
    check_in_force(known)
    check_term(release, at)
    check_production(release, use=project.use, channels=project.channels, title=title)
    check_particulars(project, known, particulars)
