"""Documents on their way: drafts that wait for a signature, what else goes to a person, and what came back incomplete.

They lie in a private folder of the project until they are signed and added, and go with whom they are about.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from countenance.consent.document import read_document, write_document
from countenance.consent.release import Release, sha256_of
from countenance.errors import CountenanceError, UsageError
from countenance.project import erase, refuse_link

ROOM = "papers"
"""Folder of the project, with a folder for each person and one for what was received."""
RECEIVED = ".received"
"""No person can have this name."""
DOCUMENT_SUFFIX = ".release.toml"


@dataclass(frozen=True, kw_only=True, slots=True)
class Draft:
    """A release that was drafted here and isn't signed yet, beside its pictures."""

    release: Release
    path: Path

    @property
    def name(self) -> str:
        """Of its folder; drafts of one person have different ones."""
        return self.path.parent.name


@dataclass(frozen=True, kw_only=True, slots=True)
class Waiting:
    """A signed release that came without a picture that it names."""

    release: Release
    path: Path
    missing: tuple[str, ...]
    """Names of those pictures; empty where all came, but the project was in use."""


def room_of(folder: Path, person: str) -> Path:
    """The private folder for papers of a person, or for `RECEIVED`, made if need be.

    Raises:
        UsageError: the path is a link.
    """
    path = refuse_link(refuse_link(folder / ROOM) / person)
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.parent.chmod(0o700)
    return path


def papers_of(folder: Path, person: str) -> tuple[Path, ...]:
    """All files of a person's papers."""
    return _files(refuse_link(refuse_link(folder / ROOM) / person))


def received_files(folder: Path) -> tuple[Path, ...]:
    """All files that came and aren't added."""
    return _files(refuse_link(refuse_link(folder / ROOM) / RECEIVED))


def keep_draft(folder: Path, draft: Release, pictures: Path) -> Draft:
    """Keep a draft beside copies of the pictures that it names, which lie in the folder `pictures`."""
    subject = draft.subject
    path = room_of(folder, subject.person) / f"{subject.person}.{draft.role}.{draft.id[:8]}"
    path.mkdir(mode=0o700)
    for reference in draft.references:
        shutil.copyfile(pictures / reference.file, path / reference.file)
    document = path / f"{subject.person}{DOCUMENT_SUFFIX}"
    write_document(document, draft, overwrite=False)
    return Draft(release=draft, path=document)


def drafts(folder: Path) -> list[Draft]:
    """All drafts of a project; what can't be read as one is left out."""
    found = []
    for path in sorted(refuse_link(folder / ROOM).glob(f"*/*/*{DOCUMENT_SUFFIX}")):
        release = _release_in(path)
        if release is not None and release.signature is None:
            found.append(Draft(release=release, path=path))
    return found


def draft_named(folder: Path, name: str) -> Draft:
    """One draft, by its folder's name.

    Raises:
        UsageError: there is none.
    """
    draft = next((each for each in drafts(folder) if each.name == name), None)
    if draft is None:
        raise UsageError("this draft isn't here any more; it was removed, or signed and added")
    return draft


def remove_draft(draft: Draft) -> None:
    """Erase a draft and the copies of its pictures."""
    erase(draft.path.parent)


def remove_signed_draft(folder: Path, release: Release) -> None:
    """Erase the draft from which a signed release was made."""
    for draft in drafts(folder):
        if draft.release.id == release.id:
            remove_draft(draft)


def waiting_releases(folder: Path) -> list[Waiting]:
    """The signed releases that were received and aren't added yet."""
    waiting = []
    for path in _received_whole(folder):
        release = _release_in(path)
        if release is not None and release.signature is not None:
            there = _pictures(folder)
            missing = tuple(each.file for each in release.references if each.sha256 not in there)
            waiting.append(Waiting(release=release, path=path, missing=missing))
    return waiting


def received_pictures(folder: Path) -> list[Path]:
    """What was received and isn't a document."""
    return [path for path in _received_whole(folder) if path.suffix.lower() != ".toml"]


@contextmanager
def put_together(folder: Path, waiting: Waiting) -> Iterator[Path]:
    """A release beside the pictures that it names, whatever their files were called when they came.

    Gives the document's path; the copies are erased afterwards.

    Raises:
        UsageError: a picture isn't here; `usage.no_picture`.
    """
    pictures = _pictures(folder)
    missing = [each.file for each in waiting.release.references if each.sha256 not in pictures]
    if missing:
        person = waiting.release.subject.person
        raise UsageError(
            f"the release of {person} names a picture that isn't here: {', '.join(missing)}; drop it",
            code="usage.no_picture",
        )
    with TemporaryDirectory(dir=room_of(folder, RECEIVED), prefix="together-") as name:
        together = Path(name)
        try:
            document = together / waiting.path.name
            shutil.copyfile(waiting.path, document)
            for reference in waiting.release.references:
                path = together / reference.file
                path.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(pictures[reference.sha256], path)
            yield document
        finally:
            for each in together.iterdir():
                erase(each)


def remove_received(folder: Path, release: Release) -> None:
    """Erase what was received of a release: the document, and its pictures but for those that others wait with."""
    others = [each.release for each in waiting_releases(folder) if each.release.id != release.id]
    needed = {each.sha256 for other in others for each in other.references}
    sha256s = {each.sha256 for each in release.references} - needed
    for path in _received_whole(folder):
        found = _release_in(path)
        if (found is not None and found.id == release.id) or sha256_of(path) in sha256s:
            erase(path)


def _pictures(folder: Path) -> dict[str, Path]:
    """By SHA-256, the pictures that were received or lie beside a draft."""
    beside = [each.path.parent / picture.file for each in drafts(folder) for picture in each.release.references]
    return {sha256_of(path): path for path in (*received_pictures(folder), *beside) if path.is_file()}


def _received_whole(folder: Path) -> list[Path]:
    """Without what a killed process left half written or half put together."""
    room = folder / ROOM / RECEIVED
    return [path for path in received_files(folder) if path.parent == room and not path.name.startswith(".")]


def _files(folder: Path) -> tuple[Path, ...]:
    return tuple(sorted(path for path in folder.rglob("*") if path.is_file() or path.is_symlink()))


def _release_in(path: Path) -> Release | None:
    if path.suffix.lower() != ".toml":
        return None
    try:
        document = read_document(path)
    except CountenanceError:
        return None
    return document if isinstance(document, Release) else None
