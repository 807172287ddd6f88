"""Report how a training went, what it learned from, and what footage would help."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import countenance
from countenance.coverage.aspects import CoverageConfig
from countenance.coverage.measure import measure_coverage
from countenance.errors import ModelError
from countenance.faces.store import StoredFace, read_crop, stored_faces
from countenance.footage import Clip, known_clips
from countenance.model.attention import Attention
from countenance.model.checkpoint import Checkpoint, kept_images
from countenance.model.page import LearnedFace, TrainingReport, training_page
from countenance.model.record import read_metrics, read_previews
from countenance.model.references import varied_faces
from countenance.model.state import load_attention, trained_config
from countenance.project import PRIVATE, Project, write_whole
from countenance.steps.guards import Guard
from countenance.types import Permit

NUM_WORST = 12


def report_training(project: Project, likeness: str, performer: str, permit: Permit, page: Path) -> TrainingReport:
    """Write the report as a page, readable by its owner only.

    Raises:
        ConsentError, FaceError, ModelError: as `drawn_report`.
    """
    report, html = _drawn(Guard(project, permit, "train", people=(likeness, performer)))
    write_whole(page, html.encode(), mode=PRIVATE)
    return report


def drawn_report(project: Project, likeness: str, performer: str, permit: Permit) -> tuple[TrainingReport, str]:
    """The report, and its page, which shows faces; nothing is written.

    Raises:
        ConsentError: the permit doesn't hold, or the model was learned under a release revoked since.
        FaceError: a face set is missing.
        ModelError: nothing was trained, or it can't be read, or the face set is another one since.
    """
    return _drawn(Guard(project, permit, "train", people=(likeness, performer)))


def _drawn(guard: Guard) -> tuple[TrainingReport, str]:
    checkpoint = guard.checkpoint()
    if checkpoint is None:
        likeness, performer = guard.permit.people
        raise ModelError(f"nothing was trained for {likeness} onto {performer}; run `countenance train` first")
    report = _gathered(guard, checkpoint)
    html = training_page(report, made_on=datetime.now().astimezone().date(), version=countenance.__version__)
    guard.check()
    return report, html


def _gathered(guard: Guard, checkpoint: Checkpoint) -> TrainingReport:
    project, folder = guard.project, guard.model_folder
    likeness, performer = (guard.face_set(person) for person in guard.permit.people)
    if (likeness.digest, performer.digest) != tuple(checkpoint.face_set_digests):
        raise ModelError(
            f"the faces of {likeness.person} or {performer.person} are others than those that were learned from; "
            "train on with a larger train.images, and report then"
        )
    config, attention = trained_config(folder, checkpoint), load_attention(folder, checkpoint)
    faces = varied_faces(project, likeness, config.faces)
    clips = known_clips(project, likeness.person)
    names = {sha256: clip.name for sha256, clip in clips.items()}
    coverage = measure_coverage(
        likeness.person, likeness.digest, stored_faces(project, likeness.person), names, CoverageConfig()
    )
    return TrainingReport(
        checkpoint=checkpoint,
        num_faces=len(faces),
        num_plate_faces=len(varied_faces(project, performer, config.faces)),
        num_left_out=int(attention.left_out().sum()),
        kept=tuple(images for images in kept_images(folder) if images != checkpoint.images_seen),
        # There may be more, from before it was gone back.
        metrics=[line for line in read_metrics(folder) if line["images"] <= checkpoint.images_seen],
        previews=[(images, rgb) for images, rgb in read_previews(folder) if images <= checkpoint.images_seen],
        clips=Counter(names[face.clip_sha256] for face in faces).most_common(),
        worst=_worst(project, faces, attention, clips),
        verdict=coverage.verdict,
        advice=[(each.lacks, each.shoot) for each in coverage.advice],
    )


def _worst(
    project: Project, faces: Sequence[StoredFace], attention: Attention, clips: Mapping[str, Clip]
) -> list[LearnedFace]:
    """Those with the largest errors; none where nothing was looked at yet."""
    if len(attention.error) != len(faces) or not attention.looks.any():
        return []
    usual = float(attention.error[attention.looks > 0].median())
    left_out = attention.left_out().tolist()
    return [
        LearnedFace(
            rgb=read_crop(project, faces[row].id),
            name=faces[row].name,
            clip=clips[faces[row].clip_sha256].name,
            time_s=clips[faces[row].clip_sha256].about_s(faces[row].frame),
            times_usual=float(attention.error[row]) / usual,
            is_left_out=left_out[row],
        )
        for row in attention.error.argsort(descending=True)[:NUM_WORST].tolist()
        if attention.looks[row]
    ]
