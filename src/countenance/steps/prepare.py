"""Find, align, judge and keep the faces of one person."""

import os
from collections import Counter
from dataclasses import asdict, dataclass

from countenance import ledger
from countenance.consent.permit import require
from countenance.errors import FaceError
from countenance.faces.config import PrepareConfig
from countenance.faces.faceset import NOTHING, ClipCounts, choose_faces, count_faces, make_face_set
from countenance.faces.identity import Recogniser
from countenance.faces.recognise import templates
from countenance.faces.scan import Nets, scan_clip
from countenance.faces.segment import Segmenter
from countenance.progress import Progress, if_many
from countenance.project import Project
from countenance.runs import recorded_run
from countenance.steps.collect import collected_clips, timeline_of
from countenance.types import FaceSet, MediaInfo, Permit, Rejection


@dataclass(frozen=True, kw_only=True, slots=True)
class Prepared:
    """The face set, and what was left out of it."""

    face_set: FaceSet
    num_clips: int
    num_found: int
    """Faces of the person, and of those who may be."""
    num_others: int
    """Faces of other people, of which nothing is stored."""
    rejections: Counter[Rejection]


def prepare(project: Project, person: str, permit: Permit, config: PrepareConfig, *, progress: Progress) -> Prepared:
    """Make a person's face set from all of their clips; what was looked at isn't looked at again.

    Raises:
        ConsentError: the permit doesn't hold.
        MediaError: a clip can't be read.
        FaceError: no face, or none of this person.
    """
    require(project, permit, "prepare", people=(person,))
    clips = collected_clips(project, person)
    facts = {"config": asdict(config), "person": person, "clips": [info.sha256 for info in clips]}
    with recorded_run(project, "prepare", permit.digest, facts):
        nets = Nets(recogniser=Recogniser(), segmenter=Segmenter())
        portrait = templates(project)[person]
        for info in if_many(progress, len(clips)).track(
            clips, what=f"preparing footage of {person}", unit="clips", total=len(clips)
        ):
            timeline = timeline_of(project, info, progress)
            scan_clip(
                project,
                person,
                "prepare",
                info,
                timeline,
                portrait,
                nets,
                config,
                threads=num_threads(config),
                progress=progress,
            )
        return _close(project, person, clips, permit, config, progress)


def choose_again(
    project: Project, person: str, permit: Permit, config: PrepareConfig, *, progress: Progress
) -> Prepared:
    """Make the face set anew from what was found before, as after the user's word about some faces.

    Raises:
        ConsentError: the permit doesn't hold.
        MediaError: a clip was moved or changed.
        FaceError: no face is left.
    """
    require(project, permit, "prepare", people=(person,))
    clips = collected_clips(project, person)
    facts = {"config": asdict(config), "person": person, "clips": [info.sha256 for info in clips]}
    with recorded_run(project, "prepare", permit.digest, facts):
        return _close(project, person, clips, permit, config, progress)


def num_threads(config: PrepareConfig) -> int:
    """On how many threads faces are looked for."""
    return config.threads or os.cpu_count() or 1


def _close(
    project: Project, person: str, clips: list[MediaInfo], permit: Permit, config: PrepareConfig, progress: Progress
) -> Prepared:
    choose_faces(project, person, config, [info.sha256 for info in clips], "prepare")
    counts = {info: count_faces(project, person, info.sha256, "prepare") for info in clips}
    pictures = [info for info in clips if info.kind == "picture"]
    for info in clips:
        if info.kind != "picture":
            progress.note(_summary(info.path.name, person, counts[info]))
    if pictures:
        name = pictures[0].path.name if len(pictures) == 1 else f"{len(pictures)} pictures"
        progress.note(_summary(name, person, sum((counts[info] for info in pictures), NOTHING)))
    total = sum(counts.values(), NOTHING)
    _check_kept(person, len(clips), total)
    face_set = make_face_set(project, person, permit)
    with project.transaction():
        ledger.append(
            project,
            "prepared",
            {"face_set": face_set.digest, "num_faces": face_set.num_faces, "permit": permit.digest},
        )
    return Prepared(
        face_set=face_set,
        num_clips=len(clips),
        num_found=total.found,
        num_others=total.others,
        rejections=total.rejections,
    )


def _check_kept(person: str, num_clips: int, counts: ClipCounts) -> None:
    if counts.found == 0 and counts.others == 0:
        raise FaceError(f"no face in any of the {num_clips} clips of {person}; collect footage that shows them")
    if counts.found == 0:
        raise FaceError(
            f"all {counts.others} faces in the clips of {person} are other people's, judged by the release's reference "
            "picture; collect footage of the right person, or have a release with a better picture signed"
        )
    if counts.kept == 0 and counts.rejections["unsure who"]:
        raise FaceError(
            f"none of the {counts.found} faces in the clips of {person} is surely theirs; say of which tracks it is "
            f"them with `countenance faces review {person}`"
        )


def _summary(clip: str, person: str, counts: ClipCounts) -> str:
    left_out = [f"{count} {reason}" for reason, count in counts.rejections.most_common()]
    if counts.others:
        left_out.append(f"{counts.others} of other people")
    why = f" (left out: {', '.join(left_out)})" if left_out else ""
    return f"{clip}: {counts.kept} of {counts.found} faces kept for {person}{why}"
