"""Decide on a plate's faces: whether tracks of it are the performer's."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from countenance.consent.register import templates
from countenance.faces.answers import Word, forget_answers
from countenance.faces.config import PLATE_CONFIG
from countenance.faces.decisions import decide
from countenance.faces.plate import scan_plate
from countenance.faces.store import StoredFace, drop_scan, stored_faces
from countenance.footage import Clip
from countenance.media.probe import probe
from countenance.progress import Progress
from countenance.project import Project
from countenance.review.query import WaitingTrack, named_tracks, one_decision_each, track_named
from countenance.steps.guards import Guard
from countenance.types import MediaInfo, Permit


@dataclass(frozen=True, kw_only=True, slots=True)
class PlateTracks:
    """The tracks of a plate that are a person's or may be, the likeliest first."""

    clip: Clip
    tracks: tuple[WaitingTrack, ...]


def review_plate(
    project: Project,
    person: str,
    permit: Permit,
    plate: Path,
    decisions: Sequence[tuple[str, Word]],
    *,
    forget: bool,
    progress: Progress,
) -> PlateTracks:
    """Scan the frames of a plate not scanned yet, store decisions on its tracks by name, and list the remaining tracks.

    With `forget` all earlier decisions on the plate are withdrawn first, and it is scanned again.

    Raises:
        ConsentError: the permit doesn't hold, or ends meanwhile.
        MediaError: the plate can't be read.
        UsageError: no track has that name.
        FaceError: a yes about a track that the release rules out; nothing is stored then.
    """
    guard = Guard(project, permit, "prepare", people=(person,))
    known, info = templates(project), probe(plate)
    guard.allow_plate(info)
    permit = guard.permit
    if forget:
        with project.transaction():
            forget_answers(project, person, info.sha256)
            drop_scan(project, person, info.sha256, "generate")
    scan_plate(project, person, known, info, progress, check_leave=guard.check)
    if decisions:
        tracks = named_tracks(_faces(project, person, info))
        words: dict[Word, list[StoredFace]] = {"yes": [], "no": []}
        for track, word in one_decision_each([(track_named(tracks, name), word) for name, word in decisions]):
            words[word].append(track.faces[0])
        decide(project, person, known, words, PLATE_CONFIG, "generate", permit)
        scan_plate(project, person, known, info, progress, check_leave=guard.check)
    clip = Clip(sha256=info.sha256, name=info.path.name, num_frames=info.num_frames, duration_s=float(info.duration))
    return PlateTracks(clip=clip, tracks=tuple(named_tracks(_faces(project, person, info))))


def _faces(project: Project, person: str, info: MediaInfo) -> list[StoredFace]:
    return stored_faces(project, person, purpose="generate", sha256=info.sha256)
