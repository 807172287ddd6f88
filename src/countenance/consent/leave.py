"""Consent that is checked repeatedly while work runs, since another process may add a revocation meanwhile."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from sqlite3 import ProgrammingError

from countenance import ledger
from countenance.consent.approvals import require_approved, stored_decisions
from countenance.consent.permit import require, require_unrevoked
from countenance.consent.register import known_releases, stored_releases
from countenance.consent.release import check_term
from countenance.consent.revocations import revocations_state
from countenance.database import DATABASE_NAME, connect_again
from countenance.project import Project
from countenance.types import Action, Permit

Clock = Callable[[], datetime]


@dataclass(frozen=True, kw_only=True, slots=True)
class Leave:
    """A permit for work that has begun. Only `grant_leave` makes one; the work is given its `check`."""

    project: Project
    permit: Permit
    release_digests: tuple[str, ...]
    """The releases that must not be revoked: the permit's, and those under which the work's inputs were made."""
    clock: Clock
    result: str | None = None
    """Digest of the result that must stay approved by everybody whose release asks for it."""
    verified: list[object] = field(repr=False)
    """The state of the project at the last full check."""
    latest: list[datetime] = field(repr=False)
    """The latest time that log or clock have shown: a clock that is set back meanwhile wins nothing."""

    def check(self) -> None:
        """Return if the work may continue as of now; cheap enough to be called several times a second.

        Inside a transaction of the project nothing can come between this and the commit.

        Raises:
            ConsentError: a release was revoked, the term of one that the permit names has ended, or somebody declined
                the result.
            ProvenanceError: the log was changed and can't be trusted.
        """
        with _as_committed(self.project) as project:
            foundation = _foundation(project)
            is_changed = self.verified != [foundation]
            if is_changed:
                self.latest.append(ledger.latest_time(project))
            at = max(self.clock(), *self.latest)
            self.latest[:] = [at]
            if is_changed or at > self.permit.expires_at:
                self._verify(project, at)
                self.verified[:] = [foundation]

    def covering(self, release_digests: Sequence[str], *, what: str, again: str) -> "Leave":
        """The same leave with more releases that must not be revoked: those under which an input of the work was made.

        `what` names the input, and `again` the command that makes it again.

        Raises:
            ConsentError: one was revoked, the project doesn't know it, or none is named.
        """
        with _as_committed(self.project) as project:
            require_unrevoked(project, release_digests, what=what, again=again)
        return replace(self, release_digests=tuple(sorted({*self.release_digests, *release_digests})))

    def for_result(self, result: str) -> "Leave":
        """The same leave, for work that publishes this result: it must be approved, and stay so.

        Raises:
            ConsentError: somebody whose release asks for it declined it, or hasn't decided.
        """
        with _as_committed(self.project) as project:
            require_approved(project, self.permit, result)
        return replace(self, result=result)

    def _verify(self, project: Project, at: datetime) -> None:
        require_unrevoked(project, self.release_digests, what="what is used here", again="make it again")
        # A person's newer release gives another permit, so each of the permit's own is checked first.
        for known in known_releases(project):
            if known.digest in self.permit.release_digests:
                check_term(known.release, at)
        require(project, self.permit, self.permit.action, people=self.permit.people, at=at)
        if self.result is not None:
            require_approved(project, self.permit, self.result)


def utc_now() -> datetime:
    """The computer's clock."""
    return datetime.now(UTC)


def grant_leave(
    project: Project, permit: Permit, action: Action, *, people: tuple[str, ...], clock: Clock = utc_now
) -> Leave:
    """Check a permit as `require` does, and make a leave that can check it again.

    Raises:
        ConsentError: the permit doesn't hold.
    """
    with _as_committed(project) as fresh:
        foundation = _foundation(fresh)
        at = max(clock(), ledger.latest_time(fresh))
        require(fresh, permit, action, people=people, at=at)
    return Leave(
        project=project,
        permit=permit,
        release_digests=permit.release_digests,
        clock=clock,
        verified=[foundation],
        latest=[at],
    )


@contextmanager
def _as_committed(project: Project) -> Iterator[Project]:
    """The project as the last commit of any process left it."""
    if _is_in_transaction(project):
        # It holds the database's write lock: nobody else can commit before it ends.
        yield project
        return
    # A connection of its own: on the project's, a query that isn't read to its end shows the past.
    with closing(connect_again(project.folder / DATABASE_NAME)) as database:
        yield replace(project, database=database, after_commit=[])


def _is_in_transaction(project: Project) -> bool:
    try:
        return project.database.in_transaction
    except ProgrammingError:
        # Closed since: a leave may outlive the connection that it was asked for with.
        return False


def _foundation(project: Project) -> object:
    """Everything that decides consent but the middle of the log: while it is unchanged, so is a permit's validity."""
    return stored_releases(project), stored_decisions(project), ledger.stored_head(project), revocations_state(project)
