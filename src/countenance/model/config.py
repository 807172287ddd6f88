"""How a face model is trained, and on what."""

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from pydantic import Field

from countenance.config import Integer, Number, Threads, section
from countenance.errors import ModelError
from countenance.threads import MOST_THREADS, num_threads


@section
@dataclass(frozen=True, kw_only=True, slots=True)
class TrainConfig:
    """The section `train` of the settings.

    Raises:
        ValueError: `images` is less than one batch.
    """

    generator: Literal["film"] = "film"
    """The kind of network that draws the face."""
    resolution: Literal[64, 128, 256, 512] = 128
    """Side of the generated face in pixels; at most half of that of the face sets' crops."""
    width: Annotated[Integer, Field(ge=4, le=256)] = 24
    """Channels of the widest feature map; the cost grows with its square."""
    images: Annotated[Integer, Field(ge=2, le=1_000_000_000)] = 200_000
    """Faces to train on in total, both people together; then training ends. At least one batch."""
    batch_size: Annotated[Integer, Field(ge=2, le=1024, multiple_of=2)] = 16
    """Faces in each step, half of them of each person."""
    learning_rate: Annotated[Number, Field(gt=0, le=1)] = 6e-4
    """Of the generator; it falls to a tenth over the second half of the training."""
    realism_weight: Annotated[Number, Field(ge=0, le=10)] = 0.02
    """Weight of the discriminator's loss against the reconstruction loss. Reached late: early it only disturbs."""
    adversary_weight: Annotated[Number, Field(ge=0, le=10)] = 0.03
    """Weight of the adversary's loss, which keeps the code from revealing whose face it is."""
    seed: Annotated[Integer, Field(ge=0, le=2**32 - 1)] = 1
    """Of the weights' initialisation and of the training's order."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to train and generate; auto takes the GPU if there is one."""
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


def choose_device(config: TrainConfig) -> torch.device:
    """The graphics card where there is one and nothing else is asked for.

    Raises:
        ModelError: a card is asked for and there is none.
    """
    if config.device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if config.device == "cuda" and not torch.cuda.is_available():
        raise ModelError("train.device is cuda, but torch finds no CUDA device; use --set train.device=cpu")
    return torch.device(config.device)


def use_threads(config: TrainConfig) -> None:
    """Set torch's threads explicitly: its own guess takes every core of a shared machine."""
    torch.set_num_threads(num_threads(config.threads, MOST_THREADS))
