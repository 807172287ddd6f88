"""One step of a training: a batch of reversed pairs, and from time to time one of plates."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from countenance.errors import ModelError
from countenance.model.config import TrainConfig
from countenance.model.course import ran_out_of_memory
from countenance.model.device import on_device
from countenance.model.guided.drawer import load_base
from countenance.model.guided.drawing import draw
from countenance.model.guided.losses import judged, loss_terms, rehearsed, weighted
from countenance.model.guided.margin import Probe, probe_of
from countenance.model.guided.network import Generator
from countenance.model.guided.pairs import Material, draw_batch, draw_maps
from countenance.model.state import TrainingState
from countenance.progress import Progress
from countenance.vision.identity import Recogniser

WARM_UP_STEPS, LEAST_RATE = 50, 0.02
REHEARSE_EVERY = 2
"""At each of these steps the performer's own faces are drawn as well, half as many as a batch has."""
MAX_NORM = 1.0


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Lesson:
    """What is learned, and what it is judged by; nothing of it changes."""

    material: Material
    probe: Probe
    recogniser: Recogniser
    base: Generator


def lesson_of(material: Material, device: torch.device) -> Lesson:
    """A lesson on a device, what it is learned from included.

    Raises:
        ModelError: the package's weights are missing or damaged.
    """
    recogniser, material = Recogniser().to(device), material.to(device)
    return Lesson(
        material=material,
        probe=probe_of(material, recogniser),
        recogniser=recogniser,
        base=on_device(load_base()[0].eval().requires_grad_(requires_grad=False), device),
    )


def train_step(state: TrainingState, lesson: Lesson, config: TrainConfig, progress: Progress) -> dict[str, Tensor]:
    """One batch of pairs, and every second time one of plates; returns the losses.

    Raises:
        ModelError: there isn't memory for a single face.
    """
    state.set_learning_rate(state.rate * config.learning_rate * _falling(state.images_seen, config))
    terms = _gradients(state, lesson, config, progress)
    norm = nn.utils.clip_grad_norm_(state.generator.parameters(), MAX_NORM)
    state.optimizer.step()
    state.follow()
    state.images_seen += config.batch_size
    state.course.follow(weighted(terms).item() if norm.isfinite() else math.inf)
    return terms


def _gradients(state: TrainingState, lesson: Lesson, config: TrainConfig, progress: Progress) -> dict[str, Tensor]:
    """Those of a batch, learned in as many parts as memory asks for; returns the losses."""
    while True:
        rng = state.rng.get_state()
        try:
            return _gradients_in_parts(state, lesson, config)
        except (MemoryError, RuntimeError) as error:
            if not ran_out_of_memory(error):
                raise
            if state.parts >= config.batch_size:
                raise ModelError(
                    "there isn't enough memory to learn one face at a time; close other programs, or train on a "
                    "machine with more"
                ) from None
        state.rng.set_state(rng)
        state.parts = min(2 * state.parts, config.batch_size)
        progress.note(
            f"there isn't enough memory for {config.batch_size} faces at a time: each step takes them in {state.parts} "
            "parts from here on"
        )


def _gradients_in_parts(state: TrainingState, lesson: Lesson, config: TrainConfig) -> dict[str, Tensor]:
    state.optimizer.zero_grad()
    is_rehearsed = state.images_seen // config.batch_size % REHEARSE_EVERY == REHEARSE_EVERY - 1
    sums: dict[str, Tensor] = {}
    looks = list[tuple[Tensor, Tensor]]()
    for share in torch.arange(config.batch_size).tensor_split(state.parts):
        terms, rows, errors = _pair_losses(state, lesson, len(share))
        looks.append((rows, errors))
        if is_rehearsed:
            terms |= _plate_losses(state, lesson, max(1, len(share) // 2))
        part = len(share) / config.batch_size
        (part * weighted(terms)).backward()  # type: ignore[no-untyped-call]
        for name, value in terms.items():
            sums[name] = sums.get(name, 0) + part * value.detach()
    # Not before all parts are done: one that memory can't hold is taken again.
    for rows, errors in looks:
        state.attention.follow(rows, errors)
    return sums


def _pair_losses(
    state: TrainingState, lesson: Lesson, count: int
) -> tuple[dict[str, Tensor], Int[Tensor, " B"], Float[Tensor, " B"]]:
    """Losses of some pairs, which these are, and how badly each was drawn."""
    rows = state.attention.choose(count, len(lesson.material.pairs.given), state.rng)
    batch = draw_batch(lesson.material.pairs, lesson.material.sources, rows, state.rng)
    drawn = draw(state.generator, batch.maps, bf16=state.bf16)
    errors = judged(lesson.recogniser, drawn.result, batch, bf16=state.bf16)
    return loss_terms(errors, drawn, batch), rows, errors.perceptual.detach()


def _plate_losses(state: TrainingState, lesson: Lesson, count: int) -> dict[str, Tensor]:
    rows = torch.randint(len(lesson.material.plates.given), (count,), generator=state.rng)
    maps = draw_maps(lesson.material.plates, lesson.material.sources, rows, state.rng)[0]
    with torch.no_grad():
        base = draw(lesson.base, maps, bf16=state.bf16)
    return rehearsed(draw(state.generator, maps, bf16=state.bf16), base)


def _falling(images_seen: int, config: TrainConfig) -> float:
    """The learning rate's part of its highest value."""
    warm_up = min(1.0, (images_seen / config.batch_size + 1) / WARM_UP_STEPS)
    return warm_up * (LEAST_RATE + (1 - LEAST_RATE) * (0.5 + 0.5 * math.cos(math.pi * images_seen / config.images)))
