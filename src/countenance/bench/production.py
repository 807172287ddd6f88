"""A project for one case: releases made on the spot, both face sets, and the publishing of results.

Both people are synthetic, so the benchmark holds their keys; everything else is as in a user's project.
"""

import hashlib
import os
import shutil
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w

from countenance import drawing
from countenance.bench.cases import ROLES, CaseFiles
from countenance.bench.judge.measure import Judge, MeanFace, References
from countenance.bench.limit import LimitDrawer
from countenance.composite.check import check_faces
from countenance.composite.place import PlacedFace, placed_faces
from countenance.composite.render import frames_render, swap_render
from countenance.consent.permit import grant, grant_prepare
from countenance.consent.register import add_release, templates
from countenance.consent.synthetic import issue_release
from countenance.demo.compare import pictures
from countenance.drawing import Drawer
from countenance.faces.config import PrepareConfig
from countenance.faces.plate import find_performer
from countenance.faces.portrait import template_of
from countenance.footage import timeline_of
from countenance.media.probe import probe
from countenance.media.reader import read_frames
from countenance.media.timeline import Timeline
from countenance.model.references import NUM_REFERENCES, choose_references
from countenance.progress import Progress
from countenance.project import PRIVATE, Project, create, opened, write_whole
from countenance.provenance.publish import publish
from countenance.steps.collect import collect
from countenance.steps.generate import GenerateConfig
from countenance.steps.guards import Guard
from countenance.steps.prepare import prepare
from countenance.types import AlignedFace, Frame, MediaInfo, Render, Role
from countenance.vision.segment import Segmenter

LIKENESS, PERFORMER = ROLES
"""The two people's names in every project of the benchmark."""
TITLE, USE = "Countenance benchmark", "research"
PROJECT_ID = "00000000-0000-0000-0000-000000000000"
"""Of every project of the benchmark, in place of a random one: the watermark follows from it, and with it pixels."""
PUBLISHING = GenerateConfig(
    model="trained",
    skin="performer",
    quality=4,
    label=False,
    unlabelled_reason="synthetic actors, compared with the ground truth pixel by pixel",
    threads=1,
)
"""In the performer's skin tone, as the truth that is compared with; hardly compressed, so that the judge measures
the swap and not the encoder."""
REFERENCES_NAME = "references.npz"
SEED = 1


def make_production(files: CaseFiles, folder: Path, progress: Progress) -> None:
    """A project with both releases and both face sets, and the mean faces that the judge compares with.

    Made under a temporary name and renamed, so that a folder that exists is complete.
    """
    aside = folder.with_name(f".{folder.name}")
    if aside.exists():
        shutil.rmtree(aside)
    aside.mkdir(parents=True)
    settings = create(aside / "project", use=USE, title=TITLE)
    facts = {**tomllib.loads(settings.read_text()), "id": PROJECT_ID}
    write_whole(settings, tomli_w.dumps(facts).encode(), mode=PRIVATE)
    with opened_production(aside) as project:
        for role in ROLES:
            document = issue_release(role, role, files.reference(role), aside / "documents", use=USE, title=TITLE)
            add_release(project, document, template_of)
            collect(project, role, [files.training(role)], progress=progress)
            prepare(project, role, grant_prepare(project, role), PrepareConfig(), progress=progress)
        guard = Guard(project, grant_prepare(project, PERFORMER), "prepare", people=(PERFORMER,))
        plate = probe(files.plate)
        find_performer(project, PERFORMER, templates(project), plate, progress, check_leave=guard.check)
    judge = Judge()
    means: dict[str, Any] = {}
    for role in ROLES:
        face = judge.mean_face(pictures(files.training(role)))
        means |= {role: face.embedding, f"unseen_{role}": face.unseen}
    np.savez(aside / REFERENCES_NAME, **means)
    if folder.exists():
        shutil.rmtree(folder)
    aside.rename(folder)


@contextmanager
def opened_production(folder: Path) -> Iterator[Project]:
    """The project, with a config folder of its own for keys and log heads."""
    before = os.environ.get("COUNTENANCE_CONFIG")
    os.environ["COUNTENANCE_CONFIG"] = str(folder / "config")
    try:
        with opened(folder / "project") as project, project.writing():
            yield project
    finally:
        if before is None:
            del os.environ["COUNTENANCE_CONFIG"]
        else:
            os.environ["COUNTENANCE_CONFIG"] = before


def read_references(folder: Path) -> References:
    """The mean embeddings of both people's training frames."""
    with np.load(folder / REFERENCES_NAME) as means:
        likeness, performer = (MeanFace(embedding=means[role], unseen=means[f"unseen_{role}"]) for role in ROLES)
        return References(likeness=likeness, performer=performer)


def kept_faces(project: Project, role: Role) -> Iterator[AlignedFace]:
    """The face set of one of the two."""
    permit = grant(project, "train", likeness=LIKENESS, performer=PERFORMER)
    guard = Guard(project, permit, "train", people=ROLES)
    return guard.faces(guard.face_set(role))


def references_for(project: Project, role: Role, count: int = NUM_REFERENCES) -> drawing.References:
    """The most varied faces of one of the two, with their meshes."""
    permit = grant(project, "train", likeness=LIKENESS, performer=PERFORMER)
    return choose_references(project, Guard(project, permit, "train", people=ROLES).face_set(role), count)


def publish_swap(project: Project, plate: Path, drawer: Drawer, output: Path, progress: Progress) -> None:
    """`generate` with another drawer: same scan, smoothing, composite and publishing."""
    _publish_drawn(project, plate, lambda _: drawer, output, progress)


def publish_limit(project: Project, plate: Path, truth: Path, drawer: Drawer, output: Path, progress: Progress) -> None:
    """`publish_swap` with the ground truth's pixels in place of those that are drawn."""
    _publish_drawn(project, plate, lambda faces_at: LimitDrawer(drawer, truth, faces_at), output, progress)


def publish_pictures(project: Project, plate: Path, shown: Path, output: Path, progress: Progress) -> None:
    """Other images in place of a plate's frames, published alike: what the best swap would look like."""
    info = probe(plate)
    guard = _may_generate(project)
    faces_at = _faces_at(guard, info, timeline_of(project, info, progress), progress)
    digest = hashlib.sha256()
    for rgb in pictures(shown):
        digest.update(rgb.tobytes())

    def frames_from(first: int) -> Iterator[Frame]:
        both = zip(read_frames(info), pictures(shown), strict=True)
        return (replace(frame, pixels=rgb) for frame, rgb in islice(both, first, None))

    altered = tuple(index in faces_at for index in range(info.num_frames))
    render = frames_render(
        info, frames_from, altered, renders=project.room("renders"), digest=digest.hexdigest(), seed=SEED
    )
    _publish(guard, render, output, progress)


def _publish_drawn(
    project: Project,
    plate: Path,
    drawer_for: Callable[[Mapping[int, Sequence[PlacedFace]]], Drawer],
    output: Path,
    progress: Progress,
) -> None:
    info = probe(plate)
    guard = _may_generate(project)
    timeline = timeline_of(project, info, progress)
    faces_at = _faces_at(guard, info, timeline, progress)
    swap = swap_render(
        info,
        timeline,
        faces_at,
        drawer_for(faces_at),
        Segmenter(),
        renders=project.room("renders"),
        seed=SEED,
        grain=PUBLISHING.grain,
    )
    _publish(guard, swap.render, output, progress)


def _faces_at(
    guard: Guard, info: MediaInfo, timeline: Timeline, progress: Progress
) -> Mapping[int, Sequence[PlacedFace]]:
    """Where `generate` would replace a face, by frame index."""
    people = templates(guard.project)
    found = find_performer(guard.project, PERFORMER, people, info, progress, check_leave=guard.check)
    checked = check_faces(info, timeline, found, Segmenter())
    return placed_faces(checked.faces, timeline, frame_rate=float(info.frame_rate))


def _may_generate(project: Project) -> Guard:
    permit = grant(project, "generate", likeness=LIKENESS, performer=PERFORMER)
    return Guard(project, permit, "generate", people=ROLES)


def _publish(guard: Guard, render: Render, output: Path, progress: Progress) -> None:
    publish(
        guard.project,
        (guard.permit,),
        render,
        output,
        config=PUBLISHING,
        overwrite=True,
        check_leave=guard.check,
        progress=progress,
    )
