"""The footage of a project: each person's clips, what was found in them, and a picture of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from countenance.consent.permit import grant_prepare, refusals
from countenance.consent.register import KnownRelease
from countenance.consent.scope import check_footage
from countenance.errors import ConsentError, IntimateError, MediaError
from countenance.faces.faceset import has_face_set
from countenance.faces.store import FoundInClip, found_in_clips
from countenance.footage import ListedClip, collected_clip, known_timeline, listed_clips, people_with_clips
from countenance.gates import has_passed
from countenance.media.timeline import frames_at
from countenance.project import Project
from countenance.steps.guards import Guard
from countenance.types import MediaInfo, Particulars

NOTHING_FOUND = FoundInClip(is_searched=False, num_faces=0, num_kept=0)


@dataclass(frozen=True, kw_only=True, slots=True)
class ShownClip:
    """A clip with all that a list says of it."""

    listed: ListedClip
    is_there: bool
    """Whether a file is where it was collected."""
    found: FoundInClip
    releases: tuple[KnownRelease, ...]
    """Those that hold now and allow to learn the person's face from it."""
    has_passed: bool
    """Whether it passed the gate for intimate content."""

    @property
    def is_shown(self) -> bool:
        """Whether a picture of it may be shown, as it shows the person's face."""
        return self.is_there and self.has_passed and bool(self.releases)


@dataclass(frozen=True, kw_only=True, slots=True)
class PersonsFootage:
    """A person and their clips."""

    person: str
    releases: tuple[KnownRelease, ...]
    """Those that hold now."""
    why_not: str | None
    """Why nothing may be done with their footage now; None where it may."""
    clips: tuple[ShownClip, ...]
    has_face_set: bool


def footage_of(project: Project) -> list[PersonsFootage]:
    """Everybody who has a release or clips here, in order of their names; no file is opened.

    People who were forgotten, and of whom nothing came since, are left out.

    Raises:
        ConsentError: a document in the database is not what its owner signed.
        ProvenanceError: the log was changed and can't be trusted.
    """
    asked = refusals(project)
    with_clips = people_with_clips(project)
    known = {each.release.subject.person for each, _ in asked if each.forgotten_on is None}
    return [_footage_of(project, person, asked) for person in sorted({*known, *with_clips})]


def _footage_of(
    project: Project, person: str, asked: Sequence[tuple[KnownRelease, ConsentError | None]]
) -> PersonsFootage:
    own = [(known, why_not) for known, why_not in asked if known.release.subject.person == person]
    valid = tuple(known for known, why_not in own if why_not is None)
    found = found_in_clips(project, person)
    clips = tuple(
        ShownClip(
            listed=listed,
            is_there=_is_there(listed.path),
            found=found.get(listed.clip.sha256, NOTHING_FOUND),
            releases=tuple(known for known in valid if _allows(known, listed.clip.sha256)),
            has_passed=has_passed(project, listed.clip.sha256),
        )
        for listed in listed_clips(project, person)
    )
    why_not = None
    if not valid:
        # Of several the newest says most, as where a permit is asked for.
        refused = [str(error) for _, error in own if error is not None]
        why_not = (
            refused[-1] if refused else f"there is no release of {person} here; add one with `countenance release add`"
        )
    return PersonsFootage(
        person=person, releases=valid, why_not=why_not, clips=clips, has_face_set=has_face_set(project, person)
    )


def _is_there(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False


def _allows(known: KnownRelease, sha256: str) -> bool:
    try:
        check_footage(known.release, [sha256])
    except ConsentError:
        return False
    return True


def open_clip(project: Project, person: str, sha256: str) -> tuple[Guard, MediaInfo]:
    """A person's clip, to be looked at, with the guard that let it be; nothing is written.

    Raises:
        ConsentError: no release allows to learn the person's face from this clip now.
        IntimateError: the clip hasn't passed the gate for intimate content.
        MediaError: there is no such clip, or it was moved or changed since it was collected.
    """
    permit = grant_prepare(project, person, particulars=Particulars(footage=frozenset({(person, sha256)})))
    guard = Guard(project, permit, "prepare", people=(person,))
    info = collected_clip(project, person, sha256)
    if not has_passed(project, sha256):
        raise IntimateError(
            f"{info.path.name} wasn't looked through for intimate content by this version; run "
            f"`countenance prepare {person}`"
        )
    return guard, info


def middle_frame(guard: Guard, info: MediaInfo) -> UInt8[np.ndarray, "H W 3"]:
    """The frame in the middle of a clip that a guard let be looked at.

    Raises:
        ConsentError: a release was revoked meanwhile.
        MediaError: the clip is damaged, or wasn't read to its end when it was collected.
    """
    timeline = known_timeline(guard.project, info)
    if timeline is None:
        raise MediaError(f"{info.path.name} wasn't read to its end; collect it again")
    frame = next(frames_at(info, timeline, [len(timeline.frame_pts) // 2]))
    guard.check()
    return frame.rgb
