"""What the project's releases allow now, in the words of the page: who may be worked with, and what is missing."""

from dataclasses import dataclass
from datetime import date, datetime

from countenance import ledger
from countenance.consent.permit import refusals
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
