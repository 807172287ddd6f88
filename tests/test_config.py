import pytest

from countenance.config import read_config
from countenance.errors import UsageError
from countenance.model.config import TrainConfig


def test_changes_go_over_settings_and_settings_over_defaults() -> None:
    config = read_config(TrainConfig, "train", {"train": {"seed": 3, "batch_size": 32}}, ["train.batch_size=8"])
    assert (config.seed, config.batch_size, config.width) == (3, 8, TrainConfig().width)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("train.bach_size=8", "unknown setting train.bach_size"),
        ("train.batch_size=many", "train.batch_size"),
        ("train.resolution=96", "train.resolution"),
        ("batch_size=8", "expected --set train.KEY=VALUE"),
        ("train.batch_size", "expected --set train.KEY=VALUE"),
    ],
)
def test_wrong_settings_are_named(change: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        read_config(TrainConfig, "train", {}, [change])
