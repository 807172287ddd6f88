"""Until when data about a person's face may be kept: what releases say, and what has to be done about it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from countenance import ledger
from countenance.consent.register import FORGETTING, FORGOTTEN, KnownRelease, known_releases
from countenance.project import Project

NOTICE = timedelta(days=14)
"""So long before the end a warning is given."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Retention:
    """A person's data, which may be kept for some days more, or no longer."""

    person: str
    kept_until: date
    is_over: bool


def last_day(known: Iterable[KnownRelease]) -> date | None:
    """The last day for one person's data, of whom these are the releases; None where no release names any.

    A day that a release names isn't lifted by another that names none; of several days the last counts. Revoked
    releases count only where all of them are.
    """
    own = [each for each in known if each.forgotten_on is None]
    unrevoked = [each for each in own if each.revocation is None]
    days = [each.release.data.kept_until for each in unrevoked or own]
    return max((day for day in days if day is not None), default=None)


def retentions(project: Project, at: datetime) -> list[Retention]:
    """Of everybody whose data must go within `NOTICE`, or had to go already.

    Raises:
        ConsentError: a document in the database is not what its owner signed.
        ProvenanceError: the log was changed and can't be trusted.
    """
    known = known_releases(project)
    found = []
    for person in dict.fromkeys(each.release.subject.person for each in known):
        day = last_day(each for each in known if each.release.subject.person == person)
        if day is not None and at.date() >= day - NOTICE:
            found.append(Retention(person=person, kept_until=day, is_over=at > _last_moment(day)))
    return found


def is_anything_due(project: Project, at: datetime) -> bool:
    """Whether somebody is to be forgotten, was begun to be, or there is something to warn of."""
    return bool(retentions(project, at) or begun_but_not_ended(project))


def begun_but_not_ended(project: Project) -> list[ledger.LogEntry]:
    """Log entries of people who were beginning to be forgotten when the command was stopped."""
    open_entries: dict[str, ledger.LogEntry] = {}
    for entry in ledger.entries(project, FORGETTING, FORGOTTEN):
        if entry.event == FORGETTING:
            open_entries[entry.fact("person", str)] = entry
        elif entry.event == FORGOTTEN:
            open_entries.pop(entry.fact("person", str), None)
    return list(open_entries.values())


def _last_moment(day: date) -> datetime:
    return datetime.combine(day, time.max, UTC)
