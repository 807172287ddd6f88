"""The state that training carries from step to step: networks, optimizers, rng, and images seen."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from countenance.config import stored_config
from countenance.errors import ModelError
from countenance.model.checkpoint import FACTS_NAME, Checkpoint, read_weights, restore
from countenance.model.config import TrainConfig
from countenance.model.discriminators import IdentityAdversary, PatchDiscriminator
from countenance.model.generators.base import Generator
from countenance.model.generators.registry import GENERATORS

DISCRIMINATOR_PACE = 0.25
"""Learning rate of the discriminator over the generator's: at the same rate it draws specks around the mouth."""


@dataclass(kw_only=True, slots=True)
class TrainingState:
    """Changed in place by the loop, and by nothing else."""

    generator: Generator
    discriminator: PatchDiscriminator
    adversary: IdentityAdversary
    generator_optimizer: torch.optim.Adam
    """Of generator and adversary."""
    discriminator_optimizer: torch.optim.Adam
    rng: torch.Generator
    """The only source of randomness once the networks are built."""
    images_seen: int = 0

    def weights(self) -> dict[str, Tensor]:
        """Everything as named tensors."""
        weights = {"random": self.rng.get_state()}
        for name, module in self._modules():
            weights |= {f"{name}/{key}": tensor for key, tensor in module.state_dict().items()}
        for name, optimizer in self._optimizers():
            weights |= {f"{name}/{key}": tensor for key, tensor in _pack(optimizer).items()}
        return weights

    def resume(self, folder: Path, checkpoint: Checkpoint) -> None:
        """Take everything over from a checkpoint.

        Raises:
            ModelError: its weights are missing, corrupt or of another network.
        """
        weights = read_weights(folder, checkpoint)
        for name, module in self._modules():
            restore(module, part(name, weights), folder)
        for name, optimizer in self._optimizers():
            _unpack(optimizer, part(name, weights))
        self.rng.set_state(weights["random"])
        self.images_seen = checkpoint.images_seen

    def set_learning_rate(self, rate: float) -> None:
        for optimizer, pace in ((self.generator_optimizer, 1.0), (self.discriminator_optimizer, DISCRIMINATOR_PACE)):
            for group in optimizer.param_groups:
                group["lr"] = rate * pace

    def _modules(self) -> tuple[tuple[str, nn.Module], ...]:
        return ("generator", self.generator), ("discriminator", self.discriminator), ("adversary", self.adversary)

    def _optimizers(self) -> tuple[tuple[str, torch.optim.Optimizer], ...]:
        # These names stand in the files of every checkpoint: with others, older ones could not be continued.
        return ("teacher", self.generator_optimizer), ("critic", self.discriminator_optimizer)


def begin(config: TrainConfig, num_people: int, device: torch.device) -> TrainingState:
    """Build everything from the seed."""
    torch.manual_seed(config.seed)
    generator = build_generator(config, num_people).to(device)
    discriminator = PatchDiscriminator().to(device)
    adversary = IdentityAdversary(num_people).to(device)
    for module in (generator, discriminator):
        module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    betas = (0.5, 0.99)
    return TrainingState(
        generator=generator,
        discriminator=discriminator,
        adversary=adversary,
        generator_optimizer=torch.optim.Adam(
            [*generator.parameters(), *adversary.parameters()], config.learning_rate, betas
        ),
        discriminator_optimizer=torch.optim.Adam(
            discriminator.parameters(), config.learning_rate * DISCRIMINATOR_PACE, betas
        ),
        rng=torch.Generator().manual_seed(config.seed),
    )


def build_generator(config: TrainConfig, num_people: int) -> Generator:
    """The untrained generator that the settings choose."""
    return GENERATORS[config.generator].build(config, num_people)


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


def load_generator(folder: Path, checkpoint: Checkpoint, device: torch.device) -> Generator:
    """The trained generator, ready to draw.

    Raises:
        ModelError: its weights are missing, corrupt or of another network.
    """
    generator = build_generator(trained_config(folder, checkpoint), len(checkpoint.people))
    restore(generator, part("generator", read_weights(folder, checkpoint)), folder)
    return generator.to(device).eval()


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
