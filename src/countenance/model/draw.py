"""From a checkpoint to a face drawer."""

from pathlib import Path

import torch

from countenance.drawing import NO_REFERENCES, Drawer, References, drawer_digest
from countenance.model.checkpoint import Checkpoint
from countenance.model.config import TrainConfig
from countenance.model.generators.base import DrawerParts
from countenance.model.generators.registry import GENERATORS
from countenance.model.state import load_generator, trained_config


def needs_references(config: TrainConfig) -> bool:
    """Whether the drawer of a model with this config needs the likeness's faces as references."""
    return GENERATORS[config.generator].needs_references


def open_drawer(folder: Path, checkpoint: Checkpoint, references: References, device: torch.device) -> Drawer:
    """The trained model as the composite wants it; the likeness's references go in here, once.

    Raises:
        ModelError: its weights are missing, corrupt or another network's.
    """
    config = trained_config(folder, checkpoint)
    spec = GENERATORS[config.generator]
    used = references if spec.needs_references else NO_REFERENCES
    return spec.open_drawer(
        DrawerParts(
            generator=load_generator(folder, checkpoint, device),
            config=config,
            references=used,
            digest=drawer_digest(checkpoint.weights_sha256, used),
            device=device,
        )
    )
