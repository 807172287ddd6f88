"""Find, align, judge and keep the faces of one person."""

from collections import Counter
from dataclasses import asdict, dataclass

from countenance import ledger
from countenance.consent.permit import require
from countenance.errors import FaceError
from countenance.faces.faceset import choose_faces, count_rejections, make_face_set, scan_settings
from countenance.faces.identity import Recogniser
from countenance.faces.landmarks import FaceFinder
from countenance.faces.quality import QualityLimits
from countenance.faces.scan import scan_clip
from countenance.progress import Progress
from countenance.project import Project
from countenance.runs import recorded_run
from countenance.steps.collect import collected_clips
from countenance.types import FaceSet, MediaInfo, Permit


@dataclass(frozen=True, kw_only=True, slots=True)
class Prepared:
    """The face set, and what was left out of it."""

    face_set: FaceSet
    num_clips: int
    num_found: int
    rejections: Counter[str]


def prepare(project: Project, person: str, permit: Permit, config: QualityLimits, *, progress: Progress) -> Prepared:
    """Make a person's face set from all of their clips; clips that are done are not looked at again.

    Raises:
        ConsentError: the permit doesn't hold.
        MediaError: a clip can't be read.
        FaceError: no face, or none of this person.
    """
    require(project, permit, "prepare", people=(person,))
    clips = collected_clips(project, person)
    facts = {"config": asdict(config), "person": person, "clips": [info.sha256 for info in clips]}
    with recorded_run(project, "prepare", permit.digest, facts):
        return _prepare(project, person, clips, permit, config, progress)


def _prepare(
    project: Project, person: str, clips: list[MediaInfo], permit: Permit, config: QualityLimits, progress: Progress
) -> Prepared:
    find_faces, recogniser = FaceFinder(), Recogniser()
    num_found, num_kept, reasons = 0, 0, Counter[str]()
    for info in clips:
        settings = scan_settings(project, person, config)
        scan = scan_clip(project, person, "prepare", info, find_faces, settings=settings, progress=progress)
        choose_faces(project, scan, recogniser, config, progress=progress)
        found, kept, against = count_rejections(project, scan)
        progress.note(_summary(info.path.name, person, found, kept, against))
        num_found, num_kept, reasons = num_found + found, num_kept + kept, reasons + against
    if num_found == 0:
        raise FaceError(f"no face in any of the {len(clips)} clips of {person}; collect footage that shows them")
    if num_kept == 0 and reasons["another person"] == num_found:
        raise FaceError(
            f"all {num_found} faces in the clips of {person} are other people's, judged by the release's reference "
            "picture; collect footage of the right person, or have a release with a better picture signed"
        )
    face_set = make_face_set(project, person, permit)
    with project.transaction():
        ledger.append(
            project,
            "prepared",
            {"face_set": face_set.digest, "num_faces": face_set.num_faces, "permit": permit.digest},
        )
    return Prepared(face_set=face_set, num_clips=len(clips), num_found=num_found, rejections=reasons)


def _summary(clip: str, person: str, found: int, kept: int, reasons: Counter[str]) -> str:
    why = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
    return f"{clip}: {kept} of {found} faces kept for {person}" + (f" (left out: {why})" if why else "")
