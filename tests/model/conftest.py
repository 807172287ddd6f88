import numpy as np
import pytest
import torch
from torch import Tensor

from countenance.model.config import TrainConfig
from countenance.model.loop import TrainingFacts


@pytest.fixture
def faces() -> list[Tensor]:
    """Two people of 12 smooth, differing pictures each, with a disc as the mask."""
    random = torch.Generator().manual_seed(7)
    rows, columns = np.mgrid[:128, :128] - 63.5
    mask = torch.from_numpy((np.hypot(rows, columns) < 50).astype(np.uint8) * 255)[None, None].expand(12, 1, -1, -1)
    people = []
    for tone in (90, 160):
        coarse = torch.rand((12, 3, 6, 6), generator=random) * 60 + tone
        smooth = torch.nn.functional.interpolate(coarse, (128, 128), mode="bicubic").clamp(0, 255).byte()
        people.append(torch.cat([smooth, mask], dim=1))
    return people


@pytest.fixture
def config() -> TrainConfig:
    return TrainConfig(
        resolution=64,
        width=8,
        images=96,
        batch_size=8,
        threads=1,
        device="cpu",
        metrics_every_steps=2,
        learning_rate=1e-3,
    )


@pytest.fixture
def facts() -> TrainingFacts:
    return TrainingFacts(people=("dana", "kim"), face_set_digests=("a", "b"), release_digests=("r",), permit_digest="p")
