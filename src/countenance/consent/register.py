"""The releases of a project: adding, revoking and reading them."""

import hashlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float32

from countenance import ledger
from countenance.consent.decision import Decision
from countenance.consent.document import document_text, parse_document, read_release, read_revocation
from countenance.consent.keys import fingerprint_of
from countenance.consent.release import (
    Release,
    Revocation,
    check_countersigned,
    check_references,
    check_revocation,
    check_term,
    digest_of,
    in_words,
)
from countenance.consent.revocations import find_revocation, keep_revocation
from countenance.database import BUSY_TIMEOUT_S
from countenance.errors import ConsentError, UsageError
from countenance.faces.config import PrepareConfig
from countenance.project import Project, now

TemplateOf = Callable[[Sequence[Path]], Float32[np.ndarray, "128"]]
"""Turns reference pictures into the mean embedding of the face in them."""
PATIENCE_S = 60.0
"""How long a revocation waits for the database; other commands' transactions take seconds."""
ReleaseState = Literal["valid", "not valid yet", "expired", "revoked", "forgotten"]
FORGETTING, FORGOTTEN = "forgetting", "forgotten"
"""Log events: what is known of a person begins to be deleted, from which on their releases allow nothing; and is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownRelease:
    """A release in the project, and its revocation if there is one."""

    release: Release
    digest: str
    revocation: Revocation | None
    forgotten_on: date | None = None
    """When what was known of its owner was deleted; a forgotten release allows nothing any more."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Added:
    """The result of adding a release, a revocation or a decision."""

    document: Release | Revocation | Decision
    digest: str
    """Of the release that was added or ended, or of the decision."""
    new: bool
    """False where the project had the document already."""
    in_project: bool = True
    """False for the revocation of a release that the project doesn't have: it is only in the user's own store."""


def add_release(project: Project, path: Path, template_of: TemplateOf, *, at: datetime | None = None) -> Added:
    """Bring a signed release into the project, together with the template of its reference pictures.

    The pictures of the release that a person added last are what finds this person. The moment `at` is by default now,
    by the later of clock and log.

    Raises:
        ConsentError: the release is not valid now, was revoked in any project of this user, is for another production,
            its pictures aren't those it names, the person's earlier releases were signed with another key, or the face
            is known here under another name.
        FaceError: a reference picture doesn't show exactly one face.
    """
    release = read_release(path)
    check_countersigned(release)
    digest, person = digest_of(release), release.subject.person
    known = known_releases(project)
    if any(other.digest == digest for other in known):
        return Added(document=release, digest=digest, new=False)
    revocation = find_revocation(project, release)
    if revocation is not None:
        raise ConsentError(
            f"the release of {person} was revoked on {in_words(revocation.revoked_on)}, as this computer knows from "
            "another project or from a list; nothing more may be made with this face under it",
            code="consent.release_revoked",
            person=person,
            release=digest,
            revoked_on=revocation.revoked_on,
        )
    check_term(release, at or ledger.time_now(project))
    check_title(release, project_title(project, known))
    _check_same_key(release, known)
    pictures = check_references(release, path.parent)
    template = template_of(pictures)
    _check_unknown(project, release, template)
    # An image may have been replaced while it was being analysed.
    check_references(release, path.parent)
    assert release.subject.public_key is not None
    stored = template.astype("<f4").tobytes()
    with project.transaction() as database:
        database.execute(
            "INSERT INTO people (name, template, created_at) VALUES (?, ?, ?) "
            "ON CONFLICT (name) DO UPDATE SET template = excluded.template",
            (person, stored, now()),
        )
        database.execute(
            "INSERT INTO releases (digest, person, role, document, added_at) VALUES (?, ?, ?, ?, ?)",
            (digest, person, release.role, document_text(release), now()),
        )
        ledger.append(
            project,
            "release.added",
            {
                "release": digest,
                "version": release.first_version,
                "role": release.role,
                "person": person,
                "key": fingerprint_of(release.subject.public_key),
                "template": hashlib.sha256(stored).hexdigest(),
            },
        )
    return Added(document=release, digest=digest, new=True)


def add_revocation(project: Project, path: Path) -> Added:
    """Revoke a release; it stays in the project, marked as revoked, and is refused in all other projects of this user.

    Needs no lock on the project: work that is running under the release finds the revocation through its `Leave`. A
    revocation of a release that this project doesn't have is kept for whenever that release comes.

    Raises:
        ConsentError: the revocation isn't signed by the release's owner, or at all, or can't be kept.
    """
    revocation = read_revocation(path)
    # The releases are read inside, because another process may be adding the same revocation.
    with patiently(project) as database:
        known = next((known for known in _project_releases(project) if known.digest == revocation.release), None)
        is_new = known is not None and known.revocation is None
        if known is not None:
            check_revocation(revocation, known.release)
        if known is not None and is_new:
            database.execute(
                "UPDATE releases SET revocation = ? WHERE digest = ?", (document_text(revocation), known.digest)
            )
            ledger.append(
                project,
                "release.revoked",
                {"release": known.digest, "role": known.release.role, "person": known.release.subject.person},
            )
    if known is None and revocation.signature is None:
        raise ConsentError(f"{path} is unsigned; its owner runs `countenance release revoke`")
    # After the commit: what holds here must not wait for a full disk elsewhere.
    keep_revocation(revocation)
    return Added(
        document=revocation, digest=revocation.release, new=is_new or known is None, in_project=known is not None
    )


@contextmanager
def patiently(project: Project) -> Iterator[sqlite3.Connection]:
    """A transaction that outwaits the longest transaction of other commands, such as dropping an hour's faces."""
    project.database.execute(f"PRAGMA busy_timeout = {1000 * PATIENCE_S:.0f}")
    try:
        with project.transaction() as database:
            yield database
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
            raise
        raise UsageError(
            f"another command kept the database of {project.folder} busy for {PATIENCE_S:.0f} s; "
            "add it again, or stop that command"
        ) from None
    finally:
        project.database.execute(f"PRAGMA busy_timeout = {1000 * BUSY_TIMEOUT_S:.0f}")


def known_releases(project: Project) -> list[KnownRelease]:
    """All releases in the order in which they were added; each is checked again at every call.

    A release counts as revoked, too, where the user's own store or the project's list of revocations says so.

    Raises:
        ConsentError: a document in the database is not what its owner signed, or not what the log says, or revocations
            can't be read.
        ProvenanceError: the log was changed and can't be trusted.
    """
    return [
        each if each.revocation is not None else replace(each, revocation=find_revocation(project, each.release))
        for each in _project_releases(project)
    ]


def _project_releases(project: Project) -> list[KnownRelease]:
    """All releases as database and log have them."""
    # A revocation that another process adds meanwhile is in the log and beside its release, or in neither.
    with project.snapshot():
        added, revoked, forgotten = _logged_releases(project)
        rows = stored_releases(project)
    known = []
    for digest, name, role, text, revocation_text in rows:
        what = f"the release of {name} in this project"
        release = parse_document(text, what)
        if not isinstance(release, Release):
            raise ConsentError(f"{what} is a revocation; restore the project from a copy")
        check_countersigned(release)
        if (digest_of(release), release.subject.person, release.role) != (digest, name, role) or digest not in added:
            raise ConsentError(f"{what} is not the one that was added; restore the project from a copy")
        revocation = None if revocation_text is None else _stored_revocation(revocation_text, release, what)
        if (revocation is not None) != (digest in revoked):
            raise ConsentError(f"the log and {what} disagree on its revocation; restore the project from a copy")
        known.append(
            KnownRelease(release=release, digest=digest, revocation=revocation, forgotten_on=forgotten.get(digest))
        )
    if added - {each.digest for each in known}:
        raise ConsentError("the log knows a release that the project lacks; restore the project from a copy")
    return known


def stored_releases(project: Project) -> list[tuple[str, str, str, str, str | None]]:
    """Digest, person, role, document and revocation of each release, as stored: nothing is checked."""
    return project.database.execute(
        "SELECT digest, person, role, document, revocation FROM releases ORDER BY rowid"
    ).fetchall()


def templates(project: Project) -> dict[str, Float32[np.ndarray, "128"]]:
    """The mean embedding of the reference images for each person of the project.

    Raises:
        ConsentError: one differs from the log's digest of what was computed from those images.
    """
    # A release that was added by an earlier version has no digest of its template in the log.
    logged = {entry.facts["person"]: entry.facts.get("template") for entry in ledger.entries(project, "release.added")}
    rows = project.database.execute("SELECT name, template FROM people WHERE length(template) > 0").fetchall()
    for name, content in rows:
        if logged.get(name) not in {None, hashlib.sha256(content).hexdigest()}:
            raise ConsentError(
                f"what this project has stored of the face of {name} wasn't made from the reference picture of their "
                "release; restore the project from a copy",
                person=name,
            )
    return {name: np.frombuffer(content, np.float32) for name, content in rows}


def has_template(project: Project, person: str) -> bool:
    """Whether there is a mean embedding of a person's reference pictures; it isn't looked at."""
    query = "SELECT 1 FROM people WHERE name = ? AND length(template) > 0"
    return project.database.execute(query, (person,)).fetchone() is not None


def erase_template(project: Project, person: str) -> None:
    """Delete, within the caller's transaction, what was computed from a person's reference pictures.

    The name stays with their releases, which show what was agreed.
    """
    project.database.execute("UPDATE people SET template = x'' WHERE name = ?", (person,))


def state_of(known: KnownRelease, at: datetime) -> ReleaseState:
    """The state of a release at a moment, regardless of role and use."""
    if known.forgotten_on is not None:
        return "forgotten"
    if known.revocation is not None:
        return "revoked"
    if at < known.release.term.first_moment:
        return "not valid yet"
    return "expired" if at > known.release.term.last_moment else "valid"


def check_in_force(known: KnownRelease) -> None:
    """Check that a release is neither revoked nor forgotten.

    Raises:
        ConsentError: it is.
    """
    if known.forgotten_on is not None:
        day, person = known.forgotten_on, known.release.subject.person
        raise ConsentError(
            f"{person} was forgotten on {day.day} {day:%B %Y}: their face data were deleted, and this release ended "
            "with them; with a newly signed release all begins afresh",
            code="consent.forgotten",
            person=person,
            release=known.digest,
            forgotten_on=day,
        )
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


def project_title(project: Project, known: Sequence[KnownRelease]) -> str | None:
    """The production's title: that of the settings, else of the first release; None where there is neither."""
    if "title" in project.settings:
        return str(project.settings["title"])
    return known[0].release.scope.project if known else None


def check_title(release: Release, title: str | None) -> None:
    """Check that a release is for this production.

    Raises:
        ConsentError: it is for another one.
    """
    if title is not None and release.scope.project != title:
        raise ConsentError(
            f'the release of {release.subject.person} is for project "{release.scope.project}", not "{title}"; '
            "ask its owner for one that names this project",
            code="consent.project",
            person=release.subject.person,
        )


def _stored_revocation(text: str, release: Release, what: str) -> Revocation:
    revocation = parse_document(text, f"the revocation of {what}")
    if not isinstance(revocation, Revocation):
        raise ConsentError(f"the revocation of {what} is a release; restore the project from a copy")
    check_revocation(revocation, release)
    return revocation


def _check_same_key(release: Release, known: Sequence[KnownRelease]) -> None:
    """The first release of a person ties the name to a key."""
    subject = release.subject
    keys = {other.release.subject.public_key for other in known if other.release.subject.person == subject.person}
    if keys - {subject.public_key}:
        raise ConsentError(
            f"this release of {subject.person} was signed with another key than the one that is here already; "
            "have it signed with the same key, or, for another person, draft one under another name"
        )


def _check_unknown(project: Project, release: Release, template: Float32[np.ndarray, "128"]) -> None:
    """Check that the face isn't beyond doubt that of somebody whom the project knows under another name.

    Raises:
        ConsentError: it is.
    """
    person, limit = release.subject.person, PrepareConfig().max_sure_distance
    distances = {
        name: float(np.linalg.norm(template - known)) for name, known in templates(project).items() if name != person
    }
    nearest = min(distances, key=lambda name: distances[name], default=None)
    if nearest is not None and distances[nearest] <= limit:
        raise ConsentError(
            f"the face in the release of {person} is known here as {nearest}: the pictures are "
            f"{distances[nearest]:.2f} apart, and up to {limit:g} two faces are one person's. If they are, have the "
            f"release drafted for {nearest}, and signed with the key of {nearest}; two people who look so much alike "
            "need a project each, because no footage of either can be told from the other's",
            code="consent.known_face",
            person=person,
            known_as=nearest,
        )


def _logged_releases(project: Project) -> tuple[set[str], set[str], dict[str, date]]:
    """Digests of the releases that the log knows and of those revoked, and when which were forgotten."""
    ledger.check(project)
    found: dict[str, set[str]] = {"release.added": set(), "release.revoked": set()}
    forgotten: dict[str, date] = {}
    for entry in ledger.entries(project, *found, FORGETTING):
        if entry.event in found:
            found[entry.event].add(entry.fact("release", str))
        elif entry.event == FORGETTING:
            on = datetime.fromisoformat(entry.time).date()
            forgotten |= {str(digest): on for digest in entry.fact("releases", list)}
    return found["release.added"], found["release.revoked"], forgotten
