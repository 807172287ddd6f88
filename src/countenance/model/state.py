"""All that a training remembers from one step to the next: networks, optimisers, chance, and how far it is."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from countenance.model.checkpoint import Checkpoint, read_numbers, restore
from countenance.model.config import TrainConfig
from countenance.model.networks import FilmGenerator, IdentityAdversary, PatchDiscriminator

CRITIC_PACE = 0.25
"""Of the discriminator's learning rate against the generator's: at the same pace it draws specks around the mouth."""


@dataclass(kw_only=True, slots=True)
class TrainingState:
    """Changed in place by the loop, and by nothing else."""

    generator: FilmGenerator
    discriminator: PatchDiscriminator
    adversary: IdentityAdversary
    teacher: torch.optim.Adam
    """Of generator and adversary."""
    critic: torch.optim.Adam
    """Of the discriminator."""
    random: torch.Generator
    """The only source of chance after the beginning."""
    images_seen: int = 0

    def numbers(self) -> dict[str, Tensor]:
        """Everything as named tensors."""
        numbers = {"random": self.random.get_state()}
        for name, module in self._modules():
            numbers |= {f"{name}/{key}": tensor for key, tensor in module.state_dict().items()}
        for name, optimiser in self._optimisers():
            numbers |= {f"{name}/{key}": tensor for key, tensor in _pack(optimiser).items()}
        return numbers

    def go_on(self, folder: Path, checkpoint: Checkpoint) -> None:
        """Become what a checkpoint holds.

        Raises:
            ModelError: its numbers are missing, corrupt or another network's.
        """
        numbers = read_numbers(folder, checkpoint)
        for name, module in self._modules():
            restore(module, part(name, numbers), folder)
        for name, optimiser in self._optimisers():
            _unpack(optimiser, part(name, numbers))
        self.random.set_state(numbers["random"])
        self.images_seen = checkpoint.images_seen

    def set_learning_rate(self, rate: float) -> None:
        for optimiser, pace in ((self.teacher, 1.0), (self.critic, CRITIC_PACE)):
            for group in optimiser.param_groups:
                group["lr"] = rate * pace

    def _modules(self) -> tuple[tuple[str, nn.Module], ...]:
        return ("generator", self.generator), ("discriminator", self.discriminator), ("adversary", self.adversary)

    def _optimisers(self) -> tuple[tuple[str, torch.optim.Optimizer], ...]:
        return ("teacher", self.teacher), ("critic", self.critic)


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
        teacher=torch.optim.Adam([*generator.parameters(), *adversary.parameters()], config.learning_rate, betas),
        critic=torch.optim.Adam(discriminator.parameters(), config.learning_rate * CRITIC_PACE, betas),
        random=torch.Generator().manual_seed(config.seed),
    )


def build_generator(config: TrainConfig, num_people: int) -> FilmGenerator:
    """The one line that says which generator is trained and used."""
    return FilmGenerator(config.resolution, config.width, num_people)


def load_generator(folder: Path, checkpoint: Checkpoint, device: torch.device) -> FilmGenerator:
    """The trained generator, ready to draw.

    Raises:
        ModelError: its numbers are missing, corrupt or another network's.
    """
    generator = build_generator(TrainConfig(**checkpoint.config), len(checkpoint.people))
    restore(generator, part("generator", read_numbers(folder, checkpoint)), folder)
    return generator.to(device).eval()


def part(prefix: str, numbers: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of one part, under their own names."""
    start = f"{prefix}/"
    return {name.removeprefix(start): tensor for name, tensor in numbers.items() if name.startswith(start)}


def _pack(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    return {
        f"{index}.{name}": torch.as_tensor(value)
        for index, values in optimiser.state_dict()["state"].items()
        for name, value in values.items()
    }


def _unpack(optimiser: torch.optim.Optimizer, numbers: Mapping[str, Tensor]) -> None:
    memory: dict[int, dict[str, Tensor]] = {}
    for key, value in numbers.items():
        index, name = key.split(".", 1)
        memory.setdefault(int(index), {})[name] = value
    optimiser.load_state_dict({**optimiser.state_dict(), "state": memory})
