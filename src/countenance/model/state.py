"""The state that training carries from step to step: networks, optimizer, rng, and images seen."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import astuple, dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from countenance.config import stored_config
from countenance.errors import ModelError
from countenance.model.attention import Attention
from countenance.model.checkpoint import FACTS_NAME, Checkpoint, read_weights, restore
from countenance.model.config import TrainConfig
from countenance.model.course import Course, Standing
from countenance.model.device import compile_on, on_device, uses_bf16
from countenance.model.guided.drawer import load_base
from countenance.model.guided.network import Generator

BETAS, WEIGHT_DECAY = (0.9, 0.99), 1e-3
MEAN_SHARE = 0.99
"""Of the running mean of the weights, how much stays at each step."""


@dataclass(kw_only=True, slots=True)
class TrainingState:
    """Changed in place by the loop, and by nothing else."""

    generator: Generator
    mean: Generator
    """Running mean of the generator's weights."""
    best: Generator
    """The mean as it was when it came about as near as ever: what draws."""
    optimizer: torch.optim.AdamW
    rng: torch.Generator
    """The only source of randomness."""
    images_seen: int = 0
    rate: float = 1.0
    """Of the learning rate; halved each time that training diverges."""
    attention: Attention = field(default_factory=Attention)
    course: Course = field(default_factory=Course)
    standing: Standing = field(default_factory=Standing)
    parts: int = 1
    """In which a batch is learned, one after the other, as memory allows. Not stored: it is another on each machine."""

    @property
    def device(self) -> torch.device:
        return next(self.generator.parameters()).device

    @property
    def bf16(self) -> bool:
        return uses_bf16(self.device)

    def weights(self) -> dict[str, Tensor]:
        """Everything as named tensors."""
        weights = {
            "random": self.rng.get_state(),
            "course": torch.tensor([self.rate, *astuple(self.course)], dtype=torch.float64),
            "standing": torch.tensor(astuple(self.standing), dtype=torch.float64),
            "attention/error": self.attention.error,
            "attention/looks": self.attention.looks,
        }
        for name, module in self._modules():
            weights |= {f"{name}/{key}": tensor for key, tensor in module.state_dict().items()}
        return weights | {f"optimizer/{key}": tensor for key, tensor in _pack(self.optimizer).items()}

    def resume(self, folder: Path, checkpoint: Checkpoint) -> None:
        """Take everything over from a checkpoint.

        Raises:
            ModelError: its weights are missing, corrupt or of another network.
        """
        weights = read_weights(folder, checkpoint)
        for name, module in self._modules():
            restore(module, part(name, weights), folder)
        _unpack(self.optimizer, part("optimizer", weights))
        self.rng.set_state(weights["random"])
        self.rate, *course = weights["course"].tolist()
        self.course = Course(*course)
        self.standing = Standing(*weights["standing"].tolist())
        self.attention = Attention(**part("attention", weights))
        self.images_seen = checkpoint.images_seen

    def set_learning_rate(self, rate: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    def follow(self) -> None:
        """Let the mean follow the generator's weights."""
        with torch.no_grad():
            for mean, value in zip(self.mean.parameters(), self.generator.parameters(), strict=True):
                mean.lerp_(value, 1 - MEAN_SHARE)

    def keep_as_best(self) -> None:
        """What the mean is now draws from now on."""
        self.best.load_state_dict(self.mean.state_dict())

    def _modules(self) -> tuple[tuple[str, Generator], ...]:
        return ("generator", self.generator), ("mean", self.mean), ("best", self.best)


def begin(config: TrainConfig, device: torch.device) -> TrainingState:
    """Everything from the base.

    Raises:
        ModelError: the package's weights are missing or damaged.
    """
    generator = on_device(load_base()[0], device)
    fixed = deepcopy(generator).requires_grad_(requires_grad=False)
    compile_on(device, generator)
    return TrainingState(
        generator=generator,
        mean=fixed,
        best=deepcopy(fixed),
        optimizer=torch.optim.AdamW(generator.parameters(), config.learning_rate, BETAS, weight_decay=WEIGHT_DECAY),
        rng=torch.Generator().manual_seed(config.seed),
    )


def trained_config(folder: Path, checkpoint: Checkpoint) -> TrainConfig:
    """The settings with which a checkpoint was trained.

    Raises:
        ModelError: one of them isn't allowed in this version.
    """
    return stored_config(
        TrainConfig,
        "train",
        checkpoint.config,
        where=str(folder / FACTS_NAME),
        remedy=f"restore it from a copy, or remove {folder} and train again",
        error=ModelError,
    )


def load_generator(folder: Path, checkpoint: Checkpoint) -> Generator:
    """What was learned, ready to draw.

    Raises:
        ModelError: its weights are missing, corrupt or of another network.
    """
    generator = Generator()
    restore(generator, part("best", read_weights(folder, checkpoint)), folder)
    return generator.eval()


def load_attention(folder: Path, checkpoint: Checkpoint) -> Attention:
    """How well each face was drawn at last.

    Raises:
        ModelError: its weights are missing or corrupt.
    """
    return Attention(**part("attention", read_weights(folder, checkpoint)))


def part(prefix: str, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of one part, under their own names."""
    start = f"{prefix}/"
    return {name.removeprefix(start): tensor for name, tensor in weights.items() if name.startswith(start)}


def _pack(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    return {
        f"{index}.{name}": torch.as_tensor(value)
        for index, values in optimizer.state_dict()["state"].items()
        for name, value in values.items()
    }


def _unpack(optimizer: torch.optim.Optimizer, weights: Mapping[str, Tensor]) -> None:
    memory: dict[int, dict[str, Tensor]] = {}
    for key, value in weights.items():
        index, name = key.split(".", 1)
        memory.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": memory})
