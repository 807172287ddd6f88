"""What training, previews and drawing ask of a generator."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from countenance.drawing import Drawer, References
from countenance.model.config import TrainConfig


class Drawn(NamedTuple):
    """What a generator makes of a batch."""

    rgb: Tensor
    """[B 3 S S], −1–1."""
    mask: Tensor
    """[B 1 S S], logits of what belongs to the face."""
    code: Tensor
    """[B C], expression, pose and light, and as little of the person as the adversary allows."""


class Generator(nn.Module, ABC):
    """A network that draws one of the people whom it was trained on.

    A base class and not a protocol: its weights are saved, restored and optimised, so it must be a module too.
    """

    @abstractmethod
    def forward(self, rgb_bchw: Tensor, person_b: Tensor) -> Drawn:
        """Draw the person (position in the list of people) with the expression, pose and light of crops in −1–1."""

    if TYPE_CHECKING:

        def __call__(self, rgb_bchw: Tensor, person_b: Tensor) -> Drawn: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class DrawerParts:
    """What a drawer is made of."""

    generator: Generator
    """Trained, on `device`, in evaluation mode."""
    config: TrainConfig
    """With which it was trained."""
    references: References
    """Of the likeness; empty where the generator doesn't need any."""
    digest: str
    """Of model and references."""
    device: torch.device


@dataclass(frozen=True, kw_only=True, slots=True)
class GeneratorSpec:
    """A kind of generator."""

    name: str
    """The value of `train.generator`."""
    build: Callable[[TrainConfig, int], Generator]
    """An untrained one for so many people, from torch's own random state."""
    open_drawer: Callable[[DrawerParts], Drawer]
    needs_references: bool
    """Whether the likeness's faces are read when a drawer is opened, and are part of its digest."""
