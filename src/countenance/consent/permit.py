"""The only place that makes a permit, and the check that every guard calls."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime

from countenance.consent.register import KnownRelease, check_title, known_releases, project_title
from countenance.consent.release import check_term
from countenance.consent.statement import check_statement
from countenance.errors import ConsentError
from countenance.ledger import canonical_json
from countenance.project import Project
from countenance.types import Action, Permit, Role


def grant(
    project: Project,
    action: Action,
    *,
    likeness: str | None = None,
    performer: str | None = None,
    at: datetime | None = None,
) -> Permit:
    """Give a permit where each person's release allows the action, now and for this project.

    Preparing asks for one person in either role, training and generating for both. All documents are read and their
    signatures checked again.

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
    at = at or datetime.now(UTC)
    known = known_releases(project)
    releases = [_valid_release(project, known, person, role, at) for role, person in people]
    digests = tuple(sorted({release.digest for release in releases}))
    return Permit(
        action=action,
        likeness=likeness,
        performer=performer,
        use=project.use,
        release_digests=digests,
        expires_at=min(release.release.term.last_moment for release in releases),
        digest=permit_digest(action, likeness, performer, use=project.use, release_digests=digests),
    )


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


def grant_prepare(project: Project, person: str, *, at: datetime | None = None) -> Permit:
    """Give a permit to prepare a person in whichever role they released, likeness before performer.

    Raises:
        ConsentError: there is no valid release for either.
    """
    roles = {known.release.role for known in known_releases(project) if known.release.subject.person == person}
    try:
        return grant(project, "prepare", likeness=person, at=at)
    except ConsentError:
        if "performer" not in roles:
            raise
    return grant(project, "prepare", performer=person, at=at)


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
    if permit != grant(project, action, likeness=permit.likeness, performer=permit.performer, at=at):
        raise ConsentError("this permit is not the one that the project's releases give now; ask for a new one")


def require_unrevoked(project: Project, release_digests: Sequence[str], *, what: str, again: str) -> None:
    """Check that something made under certain releases may still be used.

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
        _check_unrevoked(known[digest])


def _valid_release(
    project: Project, known: Sequence[KnownRelease], person: str, role: Role, at: datetime
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
    refusals = []
    for number, release in enumerate(own):
        try:
            _check_allows(release, role, project.use, title, at)
            check_statement(project, release)
        except ConsentError as error:
            refusals.append((release.release.role == role, number, error))
        else:
            return release
    # Of several that don't allow it, the newest one for this role gives the most useful reason.
    raise max(refusals, key=lambda refusal: refusal[:2])[2]


def _check_allows(known: KnownRelease, role: Role, use: str, title: str | None, at: datetime) -> None:
    release, person = known.release, known.release.subject.person
    if release.role != role:
        raise ConsentError(
            f"the release of {person} is for role {release.role}, not {role}; have another one signed for that role",
            code="consent.role",
            person=person,
            role=role,
            release=known.digest,
        )
    _check_unrevoked(known)
    check_term(release, at)
    if use not in release.scope.uses:
        raise ConsentError(
            f"the release of {person} is for uses {', '.join(release.scope.uses)}, not {use}; "
            "have one signed that names this use",
            code="consent.use",
            person=person,
            use=use,
            release=known.digest,
        )
    check_title(release, title)


def _check_unrevoked(known: KnownRelease) -> None:
    if known.revocation is not None:
        day = known.revocation.revoked_on
        raise ConsentError(
            f"the release of {known.release.subject.person} was revoked on {day.day} {day:%B %Y}; "
            "nothing more may be made with this face under it",
            code="consent.release_revoked",
            person=known.release.subject.person,
            release=known.digest,
            revoked_on=day,
        )
