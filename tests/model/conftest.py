import pytest

from countenance.model.config import TrainConfig
from countenance.model.guided.pairs import Material
from countenance.model.loop import TrainingFacts
from tests.support.faces import learned_from


@pytest.fixture(scope="session")
def material() -> Material:
    """Zuri onto Kofi."""
    return learned_from("zuri", "kofi")


@pytest.fixture
def config() -> TrainConfig:
    return TrainConfig(images=6, batch_size=1, threads=1, device="cpu", metrics_every_steps=2)


@pytest.fixture
def facts() -> TrainingFacts:
    return TrainingFacts(
        people=("zuri", "kofi"), face_set_digests=("a", "b"), release_digests=("r",), permit_digest="p"
    )
