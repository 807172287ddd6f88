"""The GAN loop, readable from top to bottom."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

import countenance
from countenance.errors import ModelError
from countenance.model.batches import TrainingBatch, draw_batch
from countenance.model.checkpoint import Checkpoint, clear_unfinished, read_checkpoint, save_checkpoint
from countenance.model.config import TrainConfig, choose_device, use_threads
from countenance.model.losses import discriminator_loss, realism_loss, reconstruction_loss
from countenance.model.record import append_metrics, drop_metrics_after, write_preview
from countenance.model.state import TrainingState, begin, trained_config
from countenance.progress import Progress

FIXED_SETTINGS = ("generator", "resolution", "width", "batch_size", "seed")
"""Settings that can't change within one training."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingFacts:
    """Facts about a training's inputs that the checkpoint keeps."""

    people: tuple[str, ...]
    """The likeness first, then the performer."""
    face_set_digests: tuple[str, ...]
    release_digests: tuple[str, ...]
    permit_digest: str


def train(
    folder: Path,
    faces: Sequence[Tensor],
    facts: TrainingFacts,
    config: TrainConfig,
    *,
    progress: Progress,
    should_stop: Callable[[], bool],
    check_leave: Callable[[], None],
    record: Callable[[Checkpoint], None],
) -> Checkpoint:
    """Train until the budget is spent or `should_stop` says so, from the folder's checkpoint where there is one.

    `faces` holds a tensor of `stack_faces` for each of the people. The folder also receives the metrics and a preview.
    `check_leave` is called before each of them, and before each checkpoint: what it raises ends the training, and the
    folder stays as it was. `record` is called with each checkpoint before it takes the place of the last one.

    Raises:
        ModelError: the checkpoint can't be used, or a loss is no longer finite.
    """
    device = choose_device(config)
    use_threads(config)
    # As `use_deterministic_algorithms` does, but without loading torch's compiler for two seconds.
    torch.set_deterministic_debug_mode("warn" if device.type == "cuda" else "error")
    # Filling memory that is overwritten anyway costs 3% and finds only faults of torch itself.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]

    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    clear_unfinished(folder)
    state = begin(config, len(faces), device)
    checkpoint = read_checkpoint(folder)
    if checkpoint is not None:
        _check_same_network(folder, checkpoint, facts, config)
        state.resume(folder, checkpoint)
        progress.note(f"continuing from {state.images_seen:,} images")
    drop_metrics_after(folder, state.images_seen)

    last_save = last_preview = time.monotonic()
    for _ in progress.track(
        range(state.images_seen, config.images, config.batch_size),
        what=f"training {facts.people[0]} onto {facts.people[1]}",
        unit="images",
        total=config.images,
        done=state.images_seen,
        each=config.batch_size,
    ):
        metrics = train_step(state, draw_batch(faces, config.batch_size, config.resolution, state.rng, device), config)
        now = time.monotonic()
        is_measured = state.images_seen // config.batch_size % config.metrics_every_steps == 0
        is_shown, is_saved = now - last_preview > config.preview_every_s, now - last_save > config.save_every_s
        if is_measured or is_shown or is_saved:
            check_leave()
        if is_measured:
            append_metrics(folder, state.images_seen, {name: value.item() for name, value in metrics.items()})
        if is_shown:
            write_preview(folder, state.generator, faces, config.resolution)
            last_preview = now
        if is_saved:
            checkpoint, last_save = _save(folder, state, facts, config, record), now
        if should_stop():
            break

    check_leave()
    if checkpoint is None or checkpoint.images_seen != state.images_seen:
        checkpoint = _save(folder, state, facts, config, record)
    write_preview(folder, state.generator, faces, config.resolution)
    return checkpoint


def train_step(state: TrainingState, batch: TrainingBatch, config: TrainConfig) -> dict[str, Tensor]:
    """One batch: generator and adversary, then the discriminator once its loss counts; returns the losses."""
    spent = state.images_seen / config.images
    state.set_learning_rate(config.learning_rate * min(1.0, 1 - 0.9 * (2 * spent - 1)))
    realism_weight = config.realism_weight * min(max((spent - 0.4) / 0.4, 0), 1)

    # Update generator and adversary.
    drawn = state.generator(batch.warped, batch.person)
    reconstruction = reconstruction_loss(drawn, batch.clean, batch.mask)
    guess = F.cross_entropy(state.adversary(drawn.code, config.adversary_weight), batch.person)
    metrics = {"reconstruction": reconstruction, "adversary": guess}
    loss = reconstruction + guess
    if realism_weight > 0:
        state.discriminator.requires_grad_(requires_grad=False)
        metrics["realism"] = realism_loss(state.discriminator(drawn.rgb * batch.mask))
        state.discriminator.requires_grad_(requires_grad=True)
        loss = loss + realism_weight * metrics["realism"]
    state.generator_optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    state.generator_optimizer.step()

    # Update discriminator.
    if realism_weight > 0:
        both = torch.cat([batch.clean, drawn.rgb.detach()]) * batch.mask.repeat(2, 1, 1, 1)
        metrics["discriminator"] = discriminator_loss(*state.discriminator(both).chunk(2))
        state.discriminator_optimizer.zero_grad()
        metrics["discriminator"].backward()  # type: ignore[no-untyped-call]
        state.discriminator_optimizer.step()

    state.images_seen += len(batch.person)
    return metrics


def _save(
    folder: Path,
    state: TrainingState,
    facts: TrainingFacts,
    config: TrainConfig,
    record: Callable[[Checkpoint], None],
) -> Checkpoint:
    versions = {"countenance": countenance.__version__, "torch": torch.__version__, "numpy": np.__version__}
    return save_checkpoint(
        folder,
        state.weights(),
        {**asdict(facts), "config": asdict(config), "images_seen": state.images_seen, "versions": versions},
        record,
    )


def _check_same_network(folder: Path, checkpoint: Checkpoint, facts: TrainingFacts, config: TrainConfig) -> None:
    if checkpoint.people != facts.people:
        raise ModelError(f"{folder} holds a model of {checkpoint.people}, expected {facts.people}; move it away")
    trained = trained_config(folder, checkpoint)
    for name in FIXED_SETTINGS:
        before, now = getattr(trained, name), getattr(config, name)
        if before != now:
            raise ModelError(
                f"the model in {folder} was started with train.{name} = {before}, not {now}; "
                f"continue with --set train.{name}={before}, or move that folder away to start over"
            )
