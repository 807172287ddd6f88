"""Remove what is kept of people: all of it for good where they are forgotten, and what consent no longer covers."""

import hashlib
import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from pathlib import Path

import countenance
from countenance import ledger
from countenance.composite.kept import ROOM as DRAWN
from countenance.composite.kept import forget, kept_folder, kept_pairs
from countenance.composite.render import ROOM as RENDERS
from countenance.composite.shotfile import ROOM as SHOTS
from countenance.composite.shotfile import erase_name, forget_held, held_folders_of, held_pairs
from countenance.consent.papers import ROOM as PAPERS
from countenance.consent.papers import papers_of, received_files
from countenance.consent.permit import grant, permits_naming
from countenance.consent.register import (
    FORGETTING,
    FORGOTTEN,
    erase_template,
    has_template,
    known_releases,
    templates,
)
from countenance.consent.retention import begun_but_not_ended, retentions
from countenance.consent.statement import erase_statement_templates
from countenance.consent.synthetic import ROOM as ACTORS
from countenance.coverage.page import JSON_NAME as COVERAGE_NAME
from countenance.database import DATABASE_NAME, is_copy, overwrite_deleted
from countenance.errors import ConsentError, UsageError
from countenance.faces.answers import erase_answers, erase_answers_on
from countenance.faces.config import PLATE_CONFIG
from countenance.faces.faceset import erase_face_set, has_face_set
from countenance.faces.recognise import tracks_that_may_be
from countenance.faces.store import (
    OthersTrack,
    Purpose,
    count_stored,
    delete_track,
    erase_scans,
    iterate_faces,
    scanned_plates,
)
from countenance.footage import ROOM as DROPPED
from countenance.footage import clip_paths, dropped_files, erase_clips, known_clips
from countenance.jobs.naming import forget_jobs, jobs_naming
from countenance.jobs.queue import ROOM as JOBS
from countenance.model.checkpoint import ROOM as MODELS
from countenance.model.checkpoint import models_of
from countenance.pages import VERIFIED, is_page_about, names
from countenance.project import PRIVATE, SETTINGS_NAME, Project, erase, now, refuse_link, write_whole
from countenance.provenance.publish import PREVIEWS, published_under
from countenance.provenance.record import signed_record
from countenance.review.exchange import exported_files
from countenance.review.sheet import is_sheet_of
from countenance.runs import erase_runs, plates_of

_log = logging.getLogger(__name__)

ROOM = "forgotten"
"""Folder of the project for what is signed about people who were forgotten."""
ROOMS = (MODELS, DRAWN, RENDERS, SHOTS, ACTORS, DROPPED, PAPERS, JOBS, PREVIEWS, VERIFIED, ROOM)
KINDS = {
    "faces": "face",
    "clips": "record of a clip|records of clips",
    "tracks_of_others": "track stored for somebody else that may be them|tracks stored for others that may be them",
    "models": "model that was trained with them|models that were trained with them",
    "drawn_faces": "folder of drawn faces|folders of drawn faces",
    "held_frames": "folder of painted frames|folders of painted frames",
    "renders": "unfinished render|unfinished renders",
    "pages": "page, sheet or exported picture|pages, sheets or exported pictures",
    "previews": "preview of a shot, or request about one|previews of shots, and requests about them",
    "reports": "report on a file with them|reports on files with them",
    "dropped_files": "file that was dropped onto a page|files that were dropped onto a page",
    "actors": "folder of a cast actor|folders of cast actors",
    "papers": "draft, picture or page for them|drafts, pictures and pages for them",
    "received": "file that was received and waits|files that were received and wait",
    "database_copies": "copy of the database|copies of the database",
    "jobs": "job that names them|jobs that name them",
}
"""What is counted, in words: of one, and of several where that isn't just an s more."""
OWN_FOOTAGE = (ACTORS, DROPPED)
"""In which clips lie that are the project's own."""
ASKED = "asked"
ENDED = frozenset(
    {"consent.release_revoked", "consent.release_expired", "consent.release_missing", "consent.forgotten"}
)
"""Codes of refusals by which consent has ended."""
"""Why somebody was forgotten: it was asked for. Otherwise `kept until` and a day."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Holdings:
    """All that a project keeps of a person, and what of them lies beside it."""

    person: str
    is_known: bool
    """Whether there is anything to forget: a release that isn't forgotten yet, or anything that is kept."""
    num_faces: int
    """In clips and plates, near duplicates and unsure ones too."""
    num_clips: int
    """That were collected; their files aren't the project's."""
    tracks_of_others: tuple[OthersTrack, ...]
    """Stored for other people, and as near to this one."""
    folders: Mapping[str, tuple[Path, ...]]
    """What is deleted from the project's folder, by what it is."""
    footage: tuple[Path, ...]
    """Where their clips lie; that stays."""
    published: Mapping[str, Path]
    """Files with their face that were published, by SHA-256; they stay."""
    others: tuple[Path, ...]
    """Files in the project's folder that Countenance didn't write, or doesn't know; they stay."""
    permits: frozenset[str] = field(repr=False)
    """Digests of all permits that rest on their releases."""

    @property
    def counts(self) -> dict[str, int]:
        """How much there is to delete of each kind, without names."""
        return {
            "faces": self.num_faces,
            "clips": self.num_clips,
            "tracks_of_others": len(self.tracks_of_others),
            **{what: len(paths) for what, paths in self.folders.items()},
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Forgotten:
    """What became of a person's data."""

    holdings: Holdings
    why: str
    erased: Mapping[str, int]
    """As it was when it began."""
    record: Path
    """What is signed about it, to be handed to the person."""
    naming: tuple[Path, ...]
    """Files of the project that still name them, in what a user wrote."""
    to_prepare: tuple[str, ...]
    """Other people whose face sets have to be made again."""


# Everything, for good.


def holdings_of(project: Project, person: str) -> Holdings:
    """What is kept of a person; nothing is changed.

    Raises:
        UsageError: a folder of the project is a link.
        ConsentError: a document in the database is not what its owner signed.
        ProvenanceError: the log was changed and can't be trusted.
    """
    permits = permits_naming(project, person)
    published = published_under(project, permits)
    plates = {*scanned_plates(project, person), *plates_of(project, person, permits)}
    pairs = [pair for pair in kept_pairs(project) if person in pair]
    previews = refuse_link(project.folder / PREVIEWS).resolve()
    files = sorted(_own_files(project.folder))
    pages = sorted(_pages_of(files, person, known_clips(project, person), published))
    copies = [path for path in files if is_copy(path, project.database)]
    folders = {
        "models": models_of(project, person),
        "drawn_faces": [kept_folder(project, *pair) for pair in pairs],
        "held_frames": held_folders_of(project, person, plates),
        "renders": sorted(refuse_link(project.folder / RENDERS).glob("*")),
        "pages": pages,
        "previews": _previews_of(previews, published.values()),
        "reports": _reports_on(project, _words_of(person, published)),
        "dropped_files": dropped_files(project, person),
        "actors": [path for path in (refuse_link(project.folder / ACTORS) / person,) if path.is_dir()],
        "papers": papers_of(project.folder, person),
        # Nobody knows yet whose these are.
        "received": received_files(project.folder),
        "database_copies": copies,
        "jobs": jobs_naming(project.folder, person),
    }
    tracks = _tracks_of_others(project, person)
    num_faces, footage = count_stored(project, person), clip_paths(project, person)
    own = ("models", "drawn_faces", "held_frames", "pages", "previews", "reports", "dropped_files", "actors", "papers")
    is_open = any(entry.facts["person"] == person for entry in begun_but_not_ended(project))
    return Holdings(
        person=person,
        is_known=bool(is_open or num_faces or footage or tracks or any(folders[what] for what in own))
        or has_template(project, person)
        or has_face_set(project, person)
        or bool(_releases_of(project, person)),
        num_faces=num_faces,
        num_clips=len(footage),
        tracks_of_others=tuple(tracks),
        folders={what: tuple(paths) for what, paths in folders.items()},
        footage=tuple(
            path for path in footage if not any(project.folder / room in path.parents for room in OWN_FOOTAGE)
        ),
        published={sha256: path for sha256, path in published.items() if path.parent != previews},
        others=tuple(path for path in files if path not in {*pages, *copies}),
        permits=frozenset(permits),
    )


def counted(counts: Mapping[str, int]) -> str:
    """How much there is of each kind, in words."""
    words = []
    for what, kind in KINDS.items():
        one, _, several = kind.partition("|")
        if number := counts.get(what, 0):
            words.append(f"{number:,} {one if number == 1 else several or f'{one}s'}")
    return ", ".join(words) or "nothing more"


def check_known(holdings: Holdings) -> None:
    """Check that there is something to forget.

    Raises:
        UsageError: there isn't.
    """
    if not holdings.is_known:
        raise UsageError(
            f"nothing is kept of {holdings.person} here; `countenance release list` shows who is known, and who was "
            "forgotten when"
        )


def forget_person(project: Project, person: str, *, why: str = ASKED) -> Forgotten:
    """Delete all that is kept of a person, and leave a signed record of it; one that was stopped is gone on with.

    The caller holds `project.writing()`. From the first log entry on, no release of theirs allows anything any more.

    Raises:
        UsageError: nothing is kept of them, a folder is a link, or another command reads the database.
        ConsentError: a document in the database is not what its owner signed.
        ProvenanceError: the log was changed and can't be trusted, or this computer's key can't be used.
    """
    holdings = holdings_of(project, person)
    check_known(holdings)
    entry = _begin(project, holdings, why)
    forget_jobs(project.folder, person)
    for paths in holdings.folders.values():
        for path in paths:
            erase(path)
    _remove_empty_folders(project.folder, named=person)
    erase_name(project, person)
    _erase_rows(project, holdings)
    overwrite_deleted(project.database, project.folder / DATABASE_NAME)
    record = _end(project, entry, holdings)
    return Forgotten(
        holdings=holdings,
        why=entry.fact("why", str),
        erased=entry.fact("found", dict),
        record=record,
        naming=tuple(_naming(project, person)),
        to_prepare=tuple(sorted({track.person for track in holdings.tracks_of_others if not track.is_unsure})),
    )


def forget_what_is_over(project: Project, at: datetime) -> list[Forgotten]:
    """Forget everybody of whom data were kept until a day that is over, and go on where that was stopped before.

    The caller holds `project.writing()`.

    Raises:
        ConsentError: a document in the database is not what its owner signed.
        ProvenanceError: the log was changed and can't be trusted, or this computer's key can't be used.
    """
    forgotten = [forget_person(project, entry.fact("person", str)) for entry in begun_but_not_ended(project)]
    forgotten += [
        forget_person(project, each.person, why=f"kept until {each.kept_until}")
        for each in retentions(project, at)
        if each.is_over
    ]
    return forgotten


def ending_soon(project: Project, at: datetime) -> list[str]:
    """A line for each person whose data may not be kept much longer."""
    return [
        f"face data of {each.person} may be kept until {each.kept_until.day} {each.kept_until:%B %Y}, as their release "
        "says; the first command that writes after that deletes them, as "
        f"`countenance forget {each.person}` does now; a new release can name a later day"
        for each in retentions(project, at)
        if not each.is_over
    ]


def _begin(project: Project, holdings: Holdings, why: str) -> ledger.LogEntry:
    """The entry that ends the person's releases, or the one with which an earlier run began."""
    for entry in begun_but_not_ended(project):
        if entry.facts["person"] == holdings.person:
            return entry
    facts = {
        "person": holdings.person,
        "releases": _releases_of(project, holdings.person),
        "why": why,
        "found": holdings.counts,
        "published": sorted(holdings.published),
    }
    with project.transaction():
        return ledger.append(project, FORGETTING, facts)


def _releases_of(project: Project, person: str) -> list[str]:
    """Digests of those that weren't forgotten yet."""
    return [
        each.digest
        for each in known_releases(project)
        if each.release.subject.person == person and each.forgotten_on is None
    ]


def _erase_rows(project: Project, holdings: Holdings) -> None:
    """All at once: what is found of a person in rows of others is found by their own rows."""
    person = holdings.person
    with project.transaction():
        for (other, sha256, purpose), tracks in groupby(sorted(holdings.tracks_of_others, key=_scan_of), key=_scan_of):
            numbers = {track.id for track in tracks}
            faces = iterate_faces(project, other, purpose=purpose, sha256=sha256)
            erase_answers_on(project, other, [face for face in faces if face.track in numbers])
            for number in numbers:
                delete_track(project, number)
        erase_scans(project, person)
        erase_face_set(project, person)
        erase_answers(project, person)
        erase_clips(project, person)
        erase_runs(project, person, holdings.permits)
        erase_template(project, person)
        own = [each.digest for each in known_releases(project) if each.release.subject.person == person]
        erase_statement_templates(project, own)


def _scan_of(track: OthersTrack) -> tuple[str, str, Purpose]:
    return track.person, track.sha256, track.purpose


def _tracks_of_others(project: Project, person: str) -> list[OthersTrack]:
    try:
        known = templates(project)
    except ConsentError as error:
        _log.warning("%s; what is stored for others isn't compared with this person", error)
        return []
    return tracks_that_may_be(project, person, known, PLATE_CONFIG) if person in known else []


def _end(project: Project, begun: ledger.LogEntry, holdings: Holdings) -> Path:
    """Sign what was done, keep it as a file, and log that."""
    facts = {
        "kind": "forgotten",
        "version": 1,
        "project": project.id,
        "releases": begun.fact("releases", list),
        "why": begun.fact("why", str),
        "begun": begun.time,
        "ended": now(),
        "deleted": begun.fact("found", dict),
        "published_before": begun.fact("published", list),
        "made_with": f"countenance {countenance.__version__}",
    }
    content = signed_record(project, facts)
    path = project.room(ROOM) / f"{begun.time[:10]}-{begun.number:06}.json"
    write_whole(path, content, mode=PRIVATE)
    with project.transaction():
        ledger.append(
            project,
            FORGOTTEN,
            {
                "person": holdings.person,
                "releases": begun.fact("releases", list),
                "record": hashlib.sha256(content).hexdigest(),
            },
        )
    return path


# Files in the project's folder.


def _own_files(folder: Path) -> Iterator[Path]:
    """Files that lie in the project's folder beside its own: pages, sheets, exports, copies, and what a user put there.

    Links aren't followed, and what belongs to another project isn't looked at.
    """
    known = {SETTINGS_NAME, ".countenance.lock", *(f"{DATABASE_NAME}{end}" for end in ("", "-wal", "-shm", "-journal"))}
    for each, folders, files in os.walk(folder):
        is_top = Path(each) == folder
        folders[:] = sorted(
            name
            for name in folders
            if not (is_top and name in ROOMS)
            and not Path(each, name).is_symlink()
            and not Path(each, name, SETTINGS_NAME).exists()
        )
        for name in files:
            path = Path(each, name)
            if path.is_file() and not path.is_symlink() and not (is_top and name in known):
                yield path


def _pages_of(files: Iterable[Path], person: str, clips: Iterable[str], published: Iterable[str]) -> set[Path]:
    """Pages, sheets and exported faces that Countenance wrote and that show a person."""
    words = _words_of(person, published)
    found: set[Path] = set()
    for path in files:
        if (
            (path.suffix == ".html" and is_page_about(path, words))
            or (path.suffix.lower() == ".png" and is_sheet_of(path, person))
            or (path.name == COVERAGE_NAME and names(path.read_bytes().decode(errors="replace"), person))
        ):
            found.add(path)
    for folder in {path.parent for path in files}:
        found.update(exported_files(folder, person, tuple(clips)))
    return found


def _words_of(person: str, published: Iterable[str]) -> list[str]:
    """What stands in pages about a person: the name, or how the digest of a published file begins."""
    return [person, *(sha256[:12] for sha256 in published)]


def _previews_of(room: Path, published: Iterable[Path]) -> list[Path]:
    """Previews of shots among published files, with the proxies of these and the requests about them."""
    own = {
        path.name.removesuffix(path.suffix).removesuffix(".not-approved") for path in published if path.parent == room
    }
    return sorted(path for path in room.glob("*") if any(path.name.startswith(f"{stem}.") for stem in own))


def _reports_on(project: Project, words: Sequence[str]) -> list[Path]:
    """Folders of reports that show a person, or that are on files with their name, with what was dropped there."""
    return sorted(
        folder
        for folder in refuse_link(project.folder / VERIFIED).glob("*/")
        if any(is_page_about(path, words) for path in folder.rglob("*.html"))
        or any(names(path.read_text(errors="replace"), words[0]) for path in folder.glob("*.json"))
    )


def _remove_empty_folders(folder: Path, *, named: str) -> None:
    """Those with a person's name in their own, which says that there was something."""
    for each, _, _ in os.walk(folder, topdown=False):
        path = Path(each)
        if path != folder and named in path.name and not any(path.iterdir()):
            path.rmdir()


def _naming(project: Project, person: str) -> Iterator[Path]:
    """Files in which a user wrote their name, and that aren't deleted: settings of the project and of shots."""
    for path in (project.folder / SETTINGS_NAME, *sorted((project.folder / SHOTS).rglob("*.toml"))):
        if names(path.read_text(errors="replace"), person) or names(str(path.relative_to(project.folder)), person):
            yield path


# What consent no longer covers.


def forget_drawn(project: Project, person: str) -> None:
    """Remove all drawn faces, and artists' frames, of a person in either role: whatever is still allowed is drawn
    again.
    """
    for likeness, performer in _pairs(project):
        if person in (likeness, performer):
            _forget(project, likeness, performer)


def forget_without_consent(project: Project) -> list[tuple[str, str]]:
    """Remove those of likenesses and performers whose releases don't allow to generate now; gives whose."""
    gone = []
    for likeness, performer in _pairs(project):
        try:
            grant(project, "generate", likeness=likeness, performer=performer)
        except ConsentError as error:
            # Anything else can be mended in the settings, and brings no artist's work back.
            if error.code not in ENDED:
                continue
            _forget(project, likeness, performer)
            gone.append((likeness, performer))
    return gone


def _pairs(project: Project) -> list[tuple[str, str]]:
    return sorted({*kept_pairs(project), *held_pairs(project)})


def _forget(project: Project, likeness: str, performer: str) -> None:
    forget(project, likeness, performer)
    forget_held(project, likeness, performer)
