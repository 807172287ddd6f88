"""Teach a face model one likeness, for one performer."""

import json
import uuid
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from countenance import ledger
from countenance.consent.permit import require, require_unrevoked
from countenance.faces.faceset import open_face_set, read_faces
from countenance.model.batches import stack_faces
from countenance.model.checkpoint import Checkpoint, read_checkpoint
from countenance.model.config import TrainConfig
from countenance.model.loop import TrainingFacts
from countenance.model.loop import train as run_loop
from countenance.progress import Progress
from countenance.project import Project, now
from countenance.types import Permit


def train(
    project: Project,
    likeness: str,
    performer: str,
    permit: Permit,
    config: TrainConfig,
    *,
    progress: Progress,
    should_stop: Callable[[], bool],
) -> Checkpoint:
    """Train until the budget is spent or `should_stop` says so; run again, it goes on.

    Raises:
        ConsentError: the permit doesn't hold, or what was learned before was learned under a revoked release.
        FaceError: a face set is missing.
        ModelError: the checkpoint can't be used.
    """
    require(project, permit, "train", people=(likeness, performer))
    folder = model_folder(project, likeness, performer)
    before = read_checkpoint(folder)
    if before is not None:
        require_unrevoked(project, before.release_digests)
    face_sets = [open_face_set(project, person) for person in (likeness, performer)]
    faces = [stack_faces(read_faces(project, face_set), config.resolution) for face_set in face_sets]
    for face_set in face_sets:
        progress.note(f"{face_set.person}: {face_set.num_faces} faces")
    facts = TrainingFacts(
        people=(likeness, performer),
        face_set_digests=tuple(face_set.digest for face_set in face_sets),
        release_digests=permit.release_digests,
        permit_digest=permit.digest,
    )
    run = _begin_run(project, permit, facts, config)
    checkpoint = run_loop(folder, faces, facts, config, progress=progress, should_stop=should_stop)
    _end_run(project, run, checkpoint)
    return checkpoint


def model_folder(project: Project, likeness: str, performer: str) -> Path:
    """Where the face model of this pair is kept."""
    return project.room("models") / f"{likeness}-onto-{performer}"


def _begin_run(project: Project, permit: Permit, facts: TrainingFacts, config: TrainConfig) -> str:
    run = str(uuid.uuid4())
    project.database.execute(
        "INSERT INTO runs (id, verb, facts, permit_digest, started_at) VALUES (?, 'train', ?, ?, ?)",
        (run, json.dumps({"config": asdict(config), "face_sets": facts.face_set_digests}), permit.digest, now()),
    )
    return run


def _end_run(project: Project, run: str, checkpoint: Checkpoint) -> None:
    with project.transaction() as database:
        database.execute(
            "UPDATE runs SET ended_at = ?, outcome = ? WHERE id = ?",
            (now(), f"{checkpoint.images_seen} images, weights {checkpoint.numbers_sha256}", run),
        )
        ledger.append(
            project,
            "trained",
            {
                "weights": checkpoint.numbers_sha256,
                "images_seen": checkpoint.images_seen,
                "face_sets": list(checkpoint.face_set_digests),
                "permit": checkpoint.permit_digest,
            },
        )
