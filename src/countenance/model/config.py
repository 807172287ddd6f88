"""How a face model is trained, and on what."""

import os
from dataclasses import dataclass
from typing import Literal

import torch

from countenance.errors import ModelError


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainConfig:
    """The section `train` of the settings."""

    generator: Literal["film"] = "film"
    """The kind of network that draws; `model/generators/registry.py` lists them."""
    resolution: Literal[64, 128] = 128
    """Side of the generated face in pixels."""
    width: int = 24
    """Channels of the widest map; the cost grows with its square."""
    images: int = 200_000
    """Faces to pass in all, both people together; then training stops by itself."""
    batch_size: int = 16
    """Faces a step, both people together; even."""
    learning_rate: float = 6e-4
    """Falls to a tenth over the last half."""
    realism_weight: float = 0.02
    """Of the discriminator's word against the reconstruction, reached late: early it only disturbs."""
    adversary_weight: float = 0.03
    """How strongly the code is kept from telling the person."""
    seed: int = 1
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: int = 0
    """Of the processor; 0 for all cores, at most 8. On the CPU the same seed and threads give the same bytes."""
    save_every_s: float = 30.0
    preview_every_s: float = 30.0
    metrics_every_steps: int = 25


def check(config: TrainConfig) -> None:
    """Raise where values make no sense.

    Raises:
        ModelError: with the setting's name.
    """
    if config.batch_size < 2 or config.batch_size % 2:
        raise ModelError(f"train.batch_size must be even, half for each person, got {config.batch_size}")
    if config.images < config.batch_size:
        raise ModelError(f"train.images must be at least one batch of {config.batch_size}, got {config.images}")


def choose_device(config: TrainConfig) -> torch.device:
    """The graphics card where there is one and nothing else is asked for.

    Raises:
        ModelError: a card is asked for and there is none.
    """
    if config.device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if config.device == "cuda" and not torch.cuda.is_available():
        raise ModelError("train.device is cuda, but torch finds no such device; use --set train.device=cpu")
    return torch.device(config.device)


def use_threads(config: TrainConfig) -> None:
    """Set torch's threads explicitly: its own guess takes every core of a shared machine."""
    torch.set_num_threads(config.threads or min(os.cpu_count() or 1, 8))
