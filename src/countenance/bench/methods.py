"""The methods that the benchmark compares, each trained for a budget of processor time."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast, get_args

import torch

from countenance.bench.cases import ROLES, CaseFiles
from countenance.bench.classical import ClassicalDrawer
from countenance.bench.peers import PEERS, RESOLUTION, PeerDrawer, PeerName, PeerTraining
from countenance.bench.production import (
    LIKENESS,
    PERFORMER,
    PUBLISHING,
    kept_faces,
    publish_limit,
    publish_pictures,
    publish_swap,
    references_for,
)
from countenance.consent.permit import grant
from countenance.drawing import Drawer
from countenance.errors import UsageError
from countenance.model.batches import draw_batch, stack_faces
from countenance.model.config import TrainConfig
from countenance.model.guided.drawer import GuidedDrawer
from countenance.model.loop import train_step
from countenance.model.state import begin
from countenance.progress import Progress
from countenance.project import Project
from countenance.steps.generate import generate
from countenance.steps.train import train
from countenance.vision.landmarks import FaceFinder

PLATE, TRUTH, LIMIT, CLASSICAL, BASE, OURS = "plate", "truth", "composite limit", "classical", "base", "ours"
METHODS: tuple[str, ...] = (PLATE, TRUTH, LIMIT, CLASSICAL, BASE, OURS, *get_args(PeerName))
"""In the order of the tables."""
SHORT_S = 600.0
"""Below this budget we train at 64 px, as in the demo; from it on at 128 px."""
NEVER_S = 1e9
SAFETY = 0.95
"""Fraction of the images that the calibration predicts, so that the learning-rate schedule ends within the budget."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """Inputs of a method."""

    project: Project
    files: CaseFiles
    stops_s: tuple[float, ...]
    """Processor time after which to show what was learned; the last one is the budget."""
    progress: Progress


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """A method after some training."""

    cpu_s: float
    """Spent on training so far; looking for faces, loading them and drawing the plate don't count."""
    images: int
    publish: Callable[[Path], object]
    """Put the face onto the plate, into that file."""


@dataclass(kw_only=True, slots=True)
class Stopwatch:
    """Processor time of this process, from its first reading on; asks a training to stop."""

    stop_s: float
    spent_s: float = 0.0
    _begun: float | None = None

    def __call__(self) -> bool:
        now = time.process_time()
        if self._begun is None:
            self._begun = now - self.spent_s
        self.spent_s = now - self._begun
        return self.spent_s >= self.stop_s


def chosen_methods(names: str | None) -> tuple[str, ...]:
    """Methods by their names, separated by commas; all of them without.

    Raises:
        UsageError: there is no such method.
    """
    if names is None:
        return METHODS
    wanted = [name.strip() for name in names.split(",")]
    for name in wanted:
        if name not in METHODS:
            raise UsageError(f"no method is called {name!r}; choose among {', '.join(METHODS)}")
    return tuple(method for method in METHODS if method in wanted)


def stages(method: str, job: Job) -> Iterator[Stage]:
    """Train a method and render the plate at each stop; what needs no training is rendered once."""
    if method == TRUTH:
        yield Stage(cpu_s=0.0, images=0, publish=lambda output: _publish_truth(job, output))
    elif method == LIMIT:
        yield Stage(cpu_s=0.0, images=0, publish=lambda output: _publish_limit(job, output))
    elif method == CLASSICAL:
        yield _classical(job)
    elif method == BASE:
        yield _base(job)
    elif method == OURS:
        yield from _ours(job)
    else:
        yield from _peer(cast("PeerName", method), job)


def _classical(job: Job) -> Stage:
    begun = time.process_time()
    likeness, performer = (kept_faces(job.project, role) for role in ROLES)
    drawer = ClassicalDrawer(likeness, performer, FaceFinder())
    spent_s = time.process_time() - begun
    return Stage(cpu_s=spent_s, images=0, publish=lambda output: _publish(job, drawer, output))


def _base(job: Job) -> Stage:
    begun = time.process_time()
    drawer = _guided(job)
    spent_s = time.process_time() - begun
    return Stage(cpu_s=spent_s, images=0, publish=lambda output: _publish(job, drawer, output))


def _guided(job: Job) -> GuidedDrawer:
    return GuidedDrawer(*(references_for(job.project, role) for role in ROLES))


def _peer(name: PeerName, job: Job) -> Iterator[Stage]:
    people = [stack_faces(kept_faces(job.project, role), RESOLUTION, job.project.room("models")) for role in ROLES]
    training, spent_s = PeerTraining(PEERS[name], people), 0.0
    for stop_s in job.stops_s:
        watch = Stopwatch(stop_s=stop_s, spent_s=spent_s)
        while not watch():
            training.step()
        spent_s = watch.spent_s
        drawer = PeerDrawer(training.network)
        yield Stage(
            cpu_s=spent_s,
            images=training.images_seen,
            publish=lambda output, drawer=drawer: _publish(job, drawer, output),  # type: ignore[misc]
        )


def _ours(job: Job) -> Iterator[Stage]:
    people = [
        stack_faces(kept_faces(job.project, role), resolution_for(job), job.project.room("models")) for role in ROLES
    ]
    config = our_config(job.stops_s[-1], people)
    permit, spent_s = grant(job.project, "train", likeness=LIKENESS, performer=PERFORMER), 0.0
    for stop_s in job.stops_s:
        watch = Stopwatch(stop_s=stop_s, spent_s=spent_s)
        checkpoint = train(job.project, LIKENESS, PERFORMER, permit, config, progress=job.progress, should_stop=watch)
        spent_s = watch.spent_s
        yield Stage(cpu_s=spent_s, images=checkpoint.images_seen, publish=lambda output: _generate(job, output))


def resolution_for(job: Job) -> int:
    """Side in pixels of the faces that our model generates within a budget."""
    return 64 if job.stops_s[-1] < SHORT_S else 128


def our_config(budget_s: float, people: Sequence[torch.Tensor]) -> TrainConfig:
    """The demo's settings below `SHORT_S`, the product's from there on, for as many images as the budget allows."""
    quiet = TrainConfig(threads=1, device="cpu", save_every_s=NEVER_S, preview_every_s=NEVER_S)
    short = replace(quiet, resolution=64, batch_size=8, learning_rate=1e-3)
    config = short if budget_s < SHORT_S else quiet
    images = SAFETY * budget_s * images_per_cpu_s(config, people)
    return replace(config, images=max(config.batch_size, round(images / config.batch_size) * config.batch_size))


def images_per_cpu_s(config: TrainConfig, people: Sequence[torch.Tensor], steps: int = 4) -> float:
    """Speed of our training over its course, measured on a few steps of its beginning, middle and end."""
    cpu = torch.device("cpu")
    state, seconds = begin(config, len(people), cpu), 0.0
    for spent in (0.0, 0.5, 0.75, 0.95):
        for number in range(steps + 1):
            state.images_seen = int(spent * config.images)
            begun = time.process_time()
            train_step(state, draw_batch(people, config.batch_size, config.resolution, state.rng, cpu), config)
            # The first step of each kind is slower than all others.
            seconds += (time.process_time() - begun) if number else 0
    return 4 * steps * config.batch_size / seconds


def _generate(job: Job, output: Path) -> None:
    permit = grant(job.project, "generate", likeness=LIKENESS, performer=PERFORMER)
    generate(
        job.project,
        job.files.plate,
        LIKENESS,
        PERFORMER,
        permit,
        output,
        PUBLISHING,
        overwrite=True,
        progress=job.progress,
    )


def _publish(job: Job, drawer: Drawer, output: Path) -> None:
    publish_swap(job.project, job.files.plate, drawer, output, job.progress)


def _publish_limit(job: Job, output: Path) -> None:
    publish_limit(job.project, job.files.plate, job.files.truth, _guided(job), output, job.progress)


def _publish_truth(job: Job, output: Path) -> None:
    publish_pictures(job.project, job.files.plate, job.files.truth, output, job.progress)
