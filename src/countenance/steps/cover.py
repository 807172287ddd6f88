"""Report what a face set covers and lacks, in itself and for a plate, before anything is trained."""

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

import countenance
from countenance.consent.register import templates
from countenance.coverage.aspects import CoverageConfig, usual_eyes
from countenance.coverage.measure import Coverage, PlateFaces, coverage_document, measure_coverage
from countenance.coverage.page import JSON_NAME, PAGE_NAME, coverage_page
from countenance.errors import FaceError, UsageError
from countenance.faces.plate import require_performer
from countenance.faces.store import read_crop, stored_faces
from countenance.footage import known_clips, timeline_of
from countenance.media.probe import probe
from countenance.progress import Progress
from countenance.project import Project, write_whole
from countenance.runs import recorded_run
from countenance.steps.guards import Guard
from countenance.types import FaceSet, MediaInfo, Permit


@dataclass(frozen=True, kw_only=True, slots=True)
class Plate:
    """A plate to compare with, and the permit to scan it for the performer."""

    path: Path
    performer: str
    permit: Permit
    """To prepare the performer: a plate is scanned for a face only where its owner released it."""


def cover(
    project: Project, person: str, permit: Permit, *, plate: Plate | None, config: CoverageConfig, progress: Progress
) -> Coverage:
    """Measure a person's face set, and how well it covers a plate; what is found in the plate serves `generate`, too.

    Raises:
        ConsentError: a permit doesn't hold, or the face set was made under a release revoked since.
        MediaError: the plate can't be read.
        FaceError: there is no face set, or the performer isn't in the plate.
    """
    face_set = Guard(project, permit, "prepare", people=(person,)).face_set(person)
    if plate is None:
        return _measure(project, face_set, config, None)
    guard = Guard(project, plate.permit, "prepare", people=(plate.performer,))
    info = probe(plate.path)
    guard.allow_plate(info)
    facts = {"config": asdict(config), "face_set": face_set.digest, "plate": info.sha256}
    with recorded_run(project, "coverage", guard.permit.digest, facts):
        return _measure(project, face_set, config, _plate_faces(guard, plate, info, progress))


def write_report(project: Project, permit: Permit, coverage: Coverage, folder: Path, *, overwrite: bool) -> Path:
    """Write the report as a page and as JSON into a folder, readable by its owner only, and return the page's path.

    Raises:
        ConsentError: the permit doesn't hold.
        FaceError: the face set changed since it was measured.
        UsageError: the folder holds something and `overwrite` isn't set.
    """
    guard = Guard(project, permit, "prepare", people=(coverage.person,))
    face_set = guard.face_set(coverage.person)
    if face_set.digest != coverage.face_set:
        raise FaceError(f"the faces of {coverage.person} changed while they were measured; run this again")
    check_folder(folder, overwrite=overwrite)
    numbers = {face.name: face.id for face in stored_faces(project, coverage.person, kept_only=True)}

    def picture(name: str) -> UInt8[np.ndarray, "S S 3"]:
        return read_crop(project, numbers[name])

    page = coverage_page(coverage, picture, made_on=datetime.now().astimezone().date(), version=countenance.__version__)
    guard.check()
    if not folder.is_dir():
        folder.mkdir(parents=True)
        folder.chmod(0o700)
    write_whole(folder / JSON_NAME, json.dumps(coverage_document(coverage), indent=1).encode(), mode=0o600)
    write_whole(folder / PAGE_NAME, page.encode(), mode=0o600)
    return folder / PAGE_NAME


def check_folder(folder: Path, *, overwrite: bool) -> None:
    """Check that a report can be written here; only an earlier report is ever replaced.

    Raises:
        UsageError: it can't.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"expected a folder, but {folder} is a file; choose another --output")
    if folder.is_dir() and any(folder.iterdir()) and not overwrite:
        raise UsageError(
            f"{folder} holds something already; choose another --output, or add --overwrite",
            code="usage.exists",
            path=folder,
        )


def _measure(project: Project, face_set: FaceSet, config: CoverageConfig, plate: PlateFaces | None) -> Coverage:
    faces = stored_faces(project, face_set.person)
    clip_names = {sha256: clip.name for sha256, clip in known_clips(project, face_set.person).items()}
    return measure_coverage(face_set.person, face_set.digest, faces, clip_names, config, plate)


def _plate_faces(guard: Guard, plate: Plate, info: MediaInfo, progress: Progress) -> PlateFaces:
    project = guard.project
    faces = require_performer(project, plate.performer, templates(project), info, progress, check_leave=guard.check)
    times = [float(pts * info.time_base) for pts in timeline_of(project, info, progress).frame_pts.tolist()]
    # A whole face set shows better than one plate how far a person's eyes are usually open.
    own = stored_faces(project, plate.performer, kept_only=True)
    return PlateFaces(
        name=info.path.name,
        performer=plate.performer,
        faces=faces,
        frame_times_s=times,
        end_s=max(times[-1], times[0] + float(info.duration)),
        usual_eyes=usual_eyes(face.quality for face in (own or faces)),
    )
