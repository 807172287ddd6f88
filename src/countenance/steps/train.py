"""Let the base learn a likeness and a performer."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict

from countenance import ledger
from countenance.drawing import ReferenceFace
from countenance.errors import ModelError
from countenance.faces.store import StoredFace
from countenance.model.checkpoint import ROOM, Checkpoint, keep_checkpoint, kept_images, make_current, read_weights
from countenance.model.config import TrainConfig
from countenance.model.guided.pairs import Material, material_of
from countenance.model.guided.sources import sources_of
from countenance.model.loop import TrainingFacts
from countenance.model.loop import train as run_loop
from countenance.model.record import FIRST_KEPT
from countenance.model.references import choose_references, read_reference, varied_faces
from countenance.progress import Progress
from countenance.project import Project
from countenance.runs import recorded_run
from countenance.steps.guards import Guard, trained_facts
from countenance.types import Permit

FEWEST_FACES = 4
"""Fewer are learned by heart."""


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
    """Train until the budget is spent or `should_stop` says so; running it again continues.

    Raises:
        ConsentError: the permit doesn't hold, or what was learned before was learned under a revoked release; or one of
            the releases ends while training goes on: the model stays as of its last save, and can't be used any more.
        FaceError: a face set is missing.
        ModelError: the checkpoint can't be used, or there are too few faces.
    """
    guard = Guard(project, permit, "train", people=(likeness, performer))
    before = guard.checkpoint()
    face_sets = [guard.face_set(person) for person in (likeness, performer)]
    permit = guard.permit
    faces = varied_faces(project, face_sets[0], config.faces)
    if len(faces) < FEWEST_FACES:
        raise ModelError(
            f"expected at least {FEWEST_FACES} faces of {likeness} to learn from, got {len(faces)}: collect more "
            "footage, or set train.faces higher; `countenance generate` draws from fewer, without training"
        )
    facts = TrainingFacts(
        people=(likeness, performer),
        face_set_digests=tuple(face_set.digest for face_set in face_sets),
        # Anyone whose release contributed to the weights can take them out of use.
        release_digests=tuple(sorted({*permit.release_digests, *(before.release_digests if before else ())})),
        permit_digest=permit.digest,
    )

    def record(checkpoint: Checkpoint) -> None:
        """In the log before it is in the folder: only what the log knows is trained on, or generates."""
        with project.transaction():
            guard.check()
            ledger.append(project, "trained", trained_facts(checkpoint))

    def make_material() -> Material:
        sources = sources_of(*(choose_references(project, face_set) for face_set in face_sets))
        drawing = f"drawing {performer} onto {likeness}, to learn the way back"
        looking = f"looking at {performer}, whom the face will go onto"
        plates = varied_faces(project, face_sets[1], config.faces)
        return material_of(
            sources,
            _asked(guard, faces, drawing, progress, should_stop),
            _asked(guard, plates, looking, progress, should_stop),
        )

    project.room(ROOM)
    with recorded_run(project, "train", permit.digest, {"config": asdict(config), "face_sets": facts.face_set_digests}):
        checkpoint = run_loop(
            guard.model_folder,
            make_material,
            facts,
            config,
            progress=progress,
            should_stop=should_stop,
            check_leave=guard.check,
            record=record,
        )
    guard.check()
    return checkpoint


def go_back(project: Project, likeness: str, performer: str, permit: Permit, images: int) -> Checkpoint:
    """Draw with an earlier state from now on; training goes on from there. The present one is kept.

    Raises:
        ConsentError: the permit doesn't hold, or that state was learned under a release revoked since.
        ModelError: no state was kept after so many images, or it can't be used.
    """
    guard = Guard(project, permit, "train", people=(likeness, performer))
    present, kept = guard.checkpoint(), kept_images(guard.model_folder)
    if present is None:
        raise ModelError(f"nothing was trained for {likeness} onto {performer}; run `countenance train` first")
    if images not in kept:
        states = ", ".join(f"{each:,}" for each in kept) or f"none; the first is kept after {FIRST_KEPT}"
        raise ModelError(f"expected a state that was kept, got {images:,} images; there are: {states}")
    earlier = guard.checkpoint(images)
    assert earlier is not None
    read_weights(guard.model_folder, earlier)
    guard.check()
    keep_checkpoint(guard.model_folder, present)
    make_current(guard.model_folder, earlier)
    return earlier


def _asked(
    guard: Guard, faces: Sequence[StoredFace], what: str, progress: Progress, should_stop: Callable[[], bool]
) -> Iterator[ReferenceFace]:
    """Faces, one at a time; consent is asked before each.

    Raises:
        KeyboardInterrupt: it is to stop; nothing is lost, as nothing was kept yet.
    """
    for face in progress.track(faces, what=what, unit="faces", total=len(faces)):
        guard.check()
        if should_stop():
            raise KeyboardInterrupt
        yield read_reference(guard.project, face)
