"""How a face model is trained, and on what."""

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from pydantic import Field

from countenance.config import Integer, Number, Threads, section
from countenance.threads import MOST_THREADS, num_threads

FIXED_SETTINGS = ("faces", "batch_size", "seed")
"""Settings that can't change within one training."""
SECONDS_PER_IMAGE, SECONDS_PER_FACE = 0.3, 0.1
"""On one core of today's: of a face that is learned from, each time, and of one that is looked at before that, once."""


@section
@dataclass(frozen=True, kw_only=True, slots=True)
class TrainConfig:
    """The section `train` of the settings.

    Raises:
        ValueError: `images` is less than one batch.
    """

    images: Annotated[Integer, Field(ge=1, le=1_000_000_000)] = 4_000
    """Faces to learn from in total, each many times; then training ends. At least one batch. Some 20 minutes on one
    core."""
    faces: Annotated[Integer, Field(ge=1, le=10_000)] = 240
    """How many faces of the likeness to learn from, the most varied, and as many of the performer to rehearse on. Each
    costs about 0.1 s at every start."""
    batch_size: Annotated[Integer, Field(ge=1, le=1024)] = 4
    """Faces in each step."""
    patience: Annotated[Integer, Field(ge=0, le=1_000)] = 3
    """Training ends early when faces drawn onto the performer fell more than a tenth behind the nearest to the likeness
    so far in so many measurements in a row, one every 400 images; the last that didn't draws in any case. 0 never ends
    early."""
    learning_rate: Annotated[Number, Field(gt=0, le=1)] = 2e-4
    """At its highest, after a short warm-up; it falls to a fiftieth until the end."""
    seed: Annotated[Integer, Field(ge=0, le=2**32 - 1)] = 1
    """Of the order in which faces are learned from, and of their small changes."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to train; auto takes the GPU if there is one. There the nets compute in bfloat16, the generator is compiled
    at the first steps, and all that is learned from lies in the card's memory."""
    threads: Threads = 0
    """CPU threads; 0 for all cores, at most 8. On the CPU the same seed and threads give the same bytes."""
    save_every_s: Annotated[Number, Field(ge=0, le=1_000_000_000)] = 30.0
    """Seconds between two checkpoints."""
    preview_every_s: Annotated[Number, Field(ge=0, le=1_000_000_000)] = 30.0
    """Seconds between two preview images."""
    metrics_every_steps: Annotated[Integer, Field(ge=1, le=1_000_000)] = 25
    """Steps between two lines of metrics."""

    def __post_init__(self) -> None:
        if self.images < self.batch_size:
            raise ValueError(f"images must be at least one batch of {self.batch_size}, got {self.images}")


def use_threads(config: TrainConfig) -> None:
    """Set torch's threads explicitly: its own guess takes every core of a shared machine."""
    torch.set_num_threads(num_threads(config.threads, MOST_THREADS))
