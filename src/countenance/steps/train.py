"""Train a face model of one likeness for one performer."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict

from countenance import ledger
from countenance.errors import ModelError
from countenance.model.batches import stack_faces
from countenance.model.checkpoint import Checkpoint
from countenance.model.config import TrainConfig
from countenance.model.loop import TrainingFacts
from countenance.model.loop import train as run_loop
from countenance.progress import Progress
from countenance.project import Project
from countenance.runs import recorded_run
from countenance.steps.guards import Guard, trained_facts
from countenance.types import AlignedFace, FaceSet, Permit


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
        ModelError: the checkpoint can't be used, or the crops are too small for the resolution.
    """
    guard = Guard(project, permit, "train", people=(likeness, performer))
    before = guard.checkpoint()
    face_sets = [guard.face_set(person) for person in (likeness, performer)]
    _check_detail(face_sets, config)
    models = project.room("models")
    faces = [stack_faces(_loaded(guard, face_set, progress), config.resolution, models) for face_set in face_sets]
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

    with recorded_run(project, "train", permit.digest, {"config": asdict(config), "face_sets": facts.face_set_digests}):
        checkpoint = run_loop(
            guard.model_folder,
            faces,
            facts,
            config,
            progress=progress,
            should_stop=should_stop,
            check_leave=guard.check,
            record=record,
        )
    guard.check()
    return checkpoint


def _check_detail(face_sets: Sequence[FaceSet], config: TrainConfig) -> None:
    """Refuse a resolution above the detail of the crops, which are twice as large so that augmenting loses none."""
    coarsest = min(face_sets, key=lambda face_set: face_set.crop_size)
    if 2 * config.resolution > coarsest.crop_size:
        person, size = coarsest.person, coarsest.crop_size
        raise ModelError(
            f"train.resolution = {config.resolution} needs crops of {2 * config.resolution} px, but the face set of "
            f"{person} has {size} px: choose --set train.resolution={size // 2}, or collect closer footage; "
            f"`countenance prepare {person} --set prepare.crop_size={2 * config.resolution}` enlarges what is smaller"
        )


def _loaded(guard: Guard, face_set: FaceSet, progress: Progress) -> Iterator[AlignedFace]:
    what = f"loading {face_set.person}'s faces"
    return progress.track(guard.faces(face_set), what=what, unit="faces", total=face_set.num_faces)
