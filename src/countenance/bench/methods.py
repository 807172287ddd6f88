"""The methods that the benchmark compares, each trained for a budget of processor time."""

import time
from collections.abc import Callable, Iterator
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
from countenance.bench.stacking import stack_faces
from countenance.consent.permit import grant
from countenance.drawing import Drawer
from countenance.errors import UsageError
from countenance.model.config import TrainConfig
from countenance.model.guided.drawer import GuidedDrawer
from countenance.model.guided.margin import margin_of
from countenance.model.guided.pairs import material_of
from countenance.model.guided.sources import sources_of
from countenance.model.loop import MARGIN_EVERY
from countenance.model.state import begin
from countenance.model.step import REHEARSE_EVERY, Lesson, lesson_of, train_step
from countenance.progress import Progress, Silent
from countenance.project import Project
from countenance.steps.generate import Pair, generate
from countenance.steps.train import FEWEST_FACES, train
from countenance.vision.landmarks import FaceFinder

PLATE, TRUTH, LIMIT, CLASSICAL, BASE, OURS = "plate", "truth", "composite limit", "classical", "base", "ours"
METHODS: tuple[str, ...] = (PLATE, TRUTH, LIMIT, CLASSICAL, BASE, OURS, *get_args(PeerName))
"""In the order of the tables."""
NEVER_S = 1e9
SAFETY = 0.95
"""Fraction of the images that the calibration predicts, so that the learning-rate schedule ends within the budget."""
FACES_A_MINUTE = 24
"""Faces that are learned from for each minute of a budget, up to the product's own number."""


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
        yield _ours(job)
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
    return GuidedDrawer(sources_of(*(references_for(job.project, role) for role in ROLES)))


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


def _ours(job: Job) -> Stage:
    """Shown once, at the budget: what draws is chosen by measurements that go with the product's own rhythm."""
    config = our_config(job)
    permit, begun = grant(job.project, "train", likeness=LIKENESS, performer=PERFORMER), time.process_time()
    checkpoint = train(
        job.project, LIKENESS, PERFORMER, permit, config, progress=job.progress, should_stop=lambda: False
    )
    return Stage(
        cpu_s=time.process_time() - begun,
        images=checkpoint.images_seen,
        publish=lambda output: _generate(job, output),
    )


def our_config(job: Job) -> TrainConfig:
    """The product's settings, for as many images as the budget allows beside the pairs and the measurements."""
    budget_s = job.stops_s[-1]
    quiet = TrainConfig(threads=1, device="cpu", save_every_s=NEVER_S, preview_every_s=NEVER_S)
    quiet = replace(quiet, faces=min(quiet.faces, max(FEWEST_FACES, round(FACES_A_MINUTE * budget_s / 60))))
    begun = time.process_time()
    sources = sources_of(*(references_for(job.project, role) for role in ROLES))
    likeness, performer = (references_for(job.project, role, quiet.faces).faces for role in ROLES)
    material = material_of(sources, iter(likeness), iter(performer))
    lesson = lesson_of(material, torch.device("cpu"))
    made_s, begun = time.process_time() - begun, time.process_time()
    margin_of(lesson.base, lesson.probe, material, lesson.recogniser)
    margin_s = time.process_time() - begun
    speed = images_per_cpu_s(quiet, lesson)
    # One measurement before, one at the end, and one every so many images.
    images = SAFETY * (budget_s - made_s - 2 * margin_s) / (1 / speed + margin_s / MARGIN_EVERY)
    return replace(quiet, images=max(quiet.batch_size, round(images / quiet.batch_size) * quiet.batch_size))


def images_per_cpu_s(config: TrainConfig, lesson: Lesson, steps: int = 4) -> float:
    """Speed of our training, measured on a few steps."""
    state, seconds = begin(config, torch.device("cpu")), 0.0
    for number in range(steps + REHEARSE_EVERY):
        begun = time.process_time()
        train_step(state, lesson, config, Silent())
        # The first steps are slower than all others.
        seconds += (time.process_time() - begun) if number >= REHEARSE_EVERY else 0
    return steps * config.batch_size / seconds


def _generate(job: Job, output: Path) -> None:
    permit = grant(job.project, "generate", likeness=LIKENESS, performer=PERFORMER)
    generate(
        job.project,
        job.files.plate,
        [Pair(likeness=LIKENESS, performer=PERFORMER, permit=permit, is_disguise=False)],
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
