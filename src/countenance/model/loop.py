"""The loop in which the base learns a pair, readable from top to bottom."""

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import torch

import countenance
from countenance.errors import ModelError
from countenance.model.attention import Attention
from countenance.model.checkpoint import Checkpoint, clear_unfinished, read_checkpoint, save_checkpoint
from countenance.model.config import FIXED_SETTINGS, TrainConfig, use_threads
from countenance.model.course import Standing
from countenance.model.device import choose_device
from countenance.model.guided.margin import margin_of
from countenance.model.guided.pairs import Material
from countenance.model.record import append_metrics, drop_after, is_kept, write_preview
from countenance.model.state import TrainingState, begin, trained_config
from countenance.model.step import Lesson, lesson_of, train_step
from countenance.progress import Progress

MARGIN_EVERY = 400
"""Images between two measurements of how near what is drawn on the performer comes."""
UNSTEADY_WAIT = 10
"""Times `save_every_s`, after which a state is saved that may be about to diverge."""
LEAST_PART = 1 / 8
"""Of the learning rate, below which it isn't lowered any more."""


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
    make_material: Callable[[], Material],
    facts: TrainingFacts,
    config: TrainConfig,
    *,
    progress: Progress,
    should_stop: Callable[[], bool],
    check_leave: Callable[[], None],
    record: Callable[[Checkpoint], None],
) -> Checkpoint:
    """Train until the budget is spent or `should_stop` says so, from the folder's checkpoint where there is one.

    `make_material` gives both people's references and the pairs to learn from; it is called once all that can fail at
    once has not failed, and not at all where there is nothing left to do. The folder also receives losses and pictures.
    `check_leave` is called before anything is written: what it raises ends the training, and the folder stays as it
    was. `record` is called with each checkpoint before it takes the place of the last one.

    Raises:
        ModelError: the checkpoint can't be used, training diverges at every rate, or there isn't memory for one face.
    """
    device = choose_device(config.device)
    use_threads(config)
    # As `use_deterministic_algorithms` does, but without loading torch's compiler for two seconds.
    torch.set_deterministic_debug_mode("warn" if device.type == "cuda" else "error")
    # Filling memory that is overwritten anyway costs 3% and finds only faults of torch itself.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]

    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    clear_unfinished(folder)
    state = begin(config, device)
    checkpoint = read_checkpoint(folder)
    if checkpoint is not None:
        _check_same_network(folder, checkpoint, facts, config)
        state.resume(folder, checkpoint)
        _forget_what_changed(state, trained_config(folder, checkpoint), config, checkpoint, facts)
        progress.note(f"continuing from {state.images_seen:,} images")
    check_leave()
    if checkpoint is not None and _is_over(state, config):
        return checkpoint
    lesson = lesson_of(make_material(), device)
    check_leave()
    drop_after(folder, -1 if checkpoint is None else state.images_seen)
    _compare_with_base(folder, state, lesson)

    last_save = last_preview = time.monotonic()
    for _ in progress.track(
        iter(lambda: _is_over(state, config), True),
        what=f"training {facts.people[0]} onto {facts.people[1]}",
        unit="images",
        total=config.images,
        done=state.images_seen,
        each=config.batch_size,
    ):
        terms = train_step(state, lesson, config, progress)
        check_leave()
        if state.course.is_lost:
            _roll_back(folder, state, lesson, checkpoint, config)
            from_there = f"from {state.images_seen:,} images, at {state.rate:g} of the learning rate"
            progress.note(f"training diverged; it goes on {from_there}")
            continue
        if state.images_seen // config.batch_size % config.metrics_every_steps == 0:
            append_metrics(folder, state.images_seen, {name: value.item() for name, value in terms.items()})
        if _passes(MARGIN_EVERY, state, config) or state.images_seen >= config.images:
            _measure(folder, state, lesson)
        now, is_milestone = time.monotonic(), is_kept(state.images_seen, config.batch_size)
        if is_milestone or now - last_preview > config.preview_every_s:
            write_preview(folder, state, lesson.material, keep=is_milestone)
            last_preview = now
        # A loss that stays above its lowest without diverging is saved at last.
        patience = config.save_every_s * (1 if state.course.is_steady else UNSTEADY_WAIT)
        is_kept_too = is_milestone and state.course.is_steady
        if is_kept_too or now - last_save > patience:
            checkpoint, last_save = _save(folder, state, facts, config, record, keep=is_kept_too), now
        if should_stop():
            break

    check_leave()
    is_over = _is_over(state, config)
    if checkpoint is None or (state.images_seen != checkpoint.images_seen and (is_over or state.course.is_steady)):
        checkpoint = _save(folder, state, facts, config, record)
    write_preview(folder, state, lesson.material, keep=is_over)
    return checkpoint


def _forget_what_changed(
    state: TrainingState, before: TrainConfig, now: TrainConfig, checkpoint: Checkpoint, facts: TrainingFacts
) -> None:
    """What was measured on other faces, and an early end where more is asked for since."""
    if checkpoint.face_set_digests != facts.face_set_digests:
        state.attention, state.standing = Attention(), Standing()
    if (before.images, before.patience) != (now.images, now.patience):
        state.standing.worse = 0


def _is_over(state: TrainingState, config: TrainConfig) -> bool:
    return state.images_seen >= config.images or _ended_early(state, config)


def _ended_early(state: TrainingState, config: TrainConfig) -> bool:
    return state.images_seen < config.images and 0 < config.patience <= state.standing.worse


def _passes(every: int, state: TrainingState, config: TrainConfig) -> bool:
    """Whether the last step passed a multiple of so many images."""
    return state.images_seen // every > (state.images_seen - config.batch_size) // every


def _compare_with_base(folder: Path, state: TrainingState, lesson: Lesson) -> None:
    """Where nothing was measured yet: before training, and when the faces are others than before."""
    if state.standing.widest > -math.inf:
        return
    state.best.load_state_dict(lesson.base.state_dict())
    margin = margin_of(lesson.base, lesson.probe, lesson.material, lesson.recogniser)
    state.standing.follow(margin, 0)
    if state.images_seen == 0:
        write_preview(folder, state, lesson.material, keep=True)
        append_metrics(folder, 0, {"margin": margin})
    else:
        _measure(folder, state, lesson)


def _measure(folder: Path, state: TrainingState, lesson: Lesson) -> None:
    """How near the mean of the weights comes; what is about as good as the best so far is kept."""
    margin = margin_of(state.mean, lesson.probe, lesson.material, lesson.recogniser)
    append_metrics(folder, state.images_seen, {"margin": margin})
    if state.standing.follow(margin, state.images_seen):
        state.keep_as_best()


def _roll_back(
    folder: Path, state: TrainingState, lesson: Lesson, checkpoint: Checkpoint | None, config: TrainConfig
) -> None:
    """To the last checkpoint, or to the base where there is none, at a lower learning rate.

    Raises:
        ModelError: the rate was lowered as often as is sensible.
    """
    rate = state.rate / 2
    if rate < LEAST_PART:
        raise _diverged("the loss rose or became infinite", state)
    before = begin(config, state.device)
    if checkpoint is not None:
        before.resume(folder, checkpoint)
    before.rate, before.parts = rate, state.parts
    for each in fields(before):
        setattr(state, each.name, getattr(before, each.name))
    drop_after(folder, -1 if checkpoint is None else state.images_seen)
    _compare_with_base(folder, state, lesson)


def _diverged(what: str, state: TrainingState) -> ModelError:
    return ModelError(
        f"training diverged: {what} after {state.images_seen:,} images, at {state.rate:g} of the learning rate; "
        "the last checkpoint is kept, continue from it with a lower --set train.learning_rate"
    )


def _save(
    folder: Path,
    state: TrainingState,
    facts: TrainingFacts,
    config: TrainConfig,
    record: Callable[[Checkpoint], None],
    *,
    keep: bool = False,
) -> Checkpoint:
    if not all(bool(values.isfinite().all()) for values in state.mean.parameters()):
        raise _diverged("a weight became infinite", state)
    versions = {"countenance": countenance.__version__, "torch": torch.__version__, "numpy": np.__version__}
    return save_checkpoint(
        folder,
        state.weights(),
        {
            **asdict(facts),
            "config": asdict(config),
            "images_seen": state.images_seen,
            "best_images": round(state.standing.best_images),
            "measured_images": round(state.standing.measured_images),
            "ended_early": _ended_early(state, config),
            "versions": versions,
        },
        record,
        keep=keep,
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
