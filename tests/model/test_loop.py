import json
import os
from dataclasses import replace
from pathlib import Path

import cv2
import pytest
import torch
from torch import Tensor

from countenance.errors import ConsentError, ModelError
from countenance.model.augment import without_background
from countenance.model.batches import draw_batch
from countenance.model.checkpoint import Checkpoint, read_checkpoint, read_weights
from countenance.model.config import TrainConfig
from countenance.model.discriminators import IdentityAdversary
from countenance.model.loop import TrainingFacts, train
from countenance.model.record import append_metrics
from countenance.model.state import begin, load_generator
from countenance.progress import Silent
from tests.support.leave import never_ends, unrecorded


def run(
    folder: Path, faces: list[Tensor], facts: TrainingFacts, config: TrainConfig, *, stop_after: int | None = None
) -> Checkpoint:
    steps = 0

    def should_stop() -> bool:
        nonlocal steps
        steps += 1
        return steps == stop_after

    return train(
        folder,
        faces,
        facts,
        config,
        progress=Silent(),
        should_stop=should_stop,
        check_leave=never_ends,
        record=unrecorded,
    )


def metrics(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("umask", [0, 0o077])
def test_what_training_leaves_is_private_whatever_the_umask(
    tmp_path: Path, faces: list[Tensor], facts: TrainingFacts, config: TrainConfig, umask: int
) -> None:
    folder = tmp_path / "model"
    before = os.umask(umask)
    try:
        run(folder, faces, facts, replace(config, images=32))
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (folder, *folder.iterdir())}
    assert modes.pop("model") == 0o700
    assert {"metrics.jsonl", "preview.png", "checkpoint.json"} < modes.keys()
    assert set(modes.values()) == {0o600}


def test_training_lowers_the_loss_and_leaves_what_it_promises(
    tmp_path: Path, faces: list[Tensor], facts: TrainingFacts, config: TrainConfig
) -> None:
    checkpoint = run(tmp_path, faces, facts, replace(config, images=480))
    lines = metrics(tmp_path)
    assert lines[-1]["reconstruction"] < 0.6 * lines[0]["reconstruction"]
    assert "realism" not in lines[0]
    assert "realism" in lines[-1]
    assert checkpoint.images_seen == 480
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        ["checkpoint.json", "metrics.jsonl", "preview.png", checkpoint.weights_name]
    )
    preview = cv2.imread(str(tmp_path / "preview.png"))
    assert preview is not None
    assert preview.shape == (6 * 64, 3 * 64, 3)


@pytest.mark.parametrize("stop_after", [1, 5, 9])
def test_a_run_that_was_cut_gives_the_same_bytes(
    tmp_path: Path, faces: list[Tensor], facts: TrainingFacts, config: TrainConfig, stop_after: int
) -> None:
    whole = run(tmp_path / "whole", faces, facts, config)
    first = run(tmp_path / "cut", faces, facts, config, stop_after=stop_after)
    assert first.images_seen == 8 * stop_after
    resumed = run(tmp_path / "cut", faces, facts, config)
    assert resumed.weights_sha256 == whole.weights_sha256
    assert metrics(tmp_path / "cut") == metrics(tmp_path / "whole")


def test_a_checkpoint_of_the_first_schema_is_continued(
    tmp_path: Path, faces: list[Tensor], facts: TrainingFacts, config: TrainConfig
) -> None:
    whole = run(tmp_path / "whole", faces, facts, config)
    cut = run(tmp_path / "cut", faces, facts, config, stop_after=9)
    assert {name.split("/")[0] for name in read_weights(tmp_path / "cut", cut)} == {
        *("generator", "discriminator", "adversary", "teacher", "critic", "random")
    }
    path = tmp_path / "cut" / "checkpoint.json"
    values = json.loads(path.read_text())
    values |= {"schema": 1, "numbers_name": values.pop("weights_name"), "numbers_sha256": values.pop("weights_sha256")}
    path.write_text(json.dumps(values))
    assert run(tmp_path / "cut", faces, facts, config).weights_sha256 == whole.weights_sha256


def test_a_checkpoint_that_cant_be_recorded_leaves_the_last_one(
    tmp_path: Path, faces: list[Tensor], facts: TrainingFacts, config: TrainConfig
) -> None:
    before = run(tmp_path, faces, facts, config)

    def refuse(checkpoint: Checkpoint) -> None:
        assert checkpoint.images_seen == 104
        raise ConsentError("revoked")

    with pytest.raises(ConsentError, match="revoked"):
        train(
            tmp_path,
            faces,
            facts,
            replace(config, images=104),
            progress=Silent(),
            should_stop=lambda: False,
            check_leave=never_ends,
            record=refuse,
        )
    assert read_checkpoint(tmp_path) == before
    assert read_weights(tmp_path, before)


def test_another_seed_gives_other_bytes(
    tmp_path: Path, faces: list[Tensor], facts: TrainingFacts, config: TrainConfig
) -> None:
    one, other = (run(tmp_path / str(seed), faces, facts, replace(config, seed=seed)) for seed in (1, 2))
    assert one.weights_sha256 != other.weights_sha256


def test_metrics_of_a_killed_run_beyond_its_checkpoint_are_measured_again(
    tmp_path: Path, faces: list[Tensor], facts: TrainingFacts, config: TrainConfig
) -> None:
    run(tmp_path, faces, facts, config, stop_after=4)
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"images": 48, "reconstruction": 9.0}\n{"images": 64, "recon')
    run(tmp_path, faces, facts, config)
    assert [line["images"] for line in metrics(tmp_path)] == [16, 32, 48, 64, 80, 96]
    assert max(line["reconstruction"] for line in metrics(tmp_path)) < 9


def test_a_training_goes_on_only_with_the_settings_it_was_started_with(
    tmp_path: Path, faces: list[Tensor], facts: TrainingFacts, config: TrainConfig
) -> None:
    run(tmp_path, faces, facts, config)
    with pytest.raises(ModelError, match=r"train\.width = 8, not 16"):
        run(tmp_path, faces, facts, replace(config, width=16))
    with pytest.raises(ModelError, match="holds a model of"):
        run(tmp_path, faces, replace(facts, people=("eve", "kim")), config)


def test_a_larger_budget_goes_on(
    tmp_path: Path, faces: list[Tensor], facts: TrainingFacts, config: TrainConfig
) -> None:
    run(tmp_path, faces, facts, config)
    assert run(tmp_path, faces, facts, replace(config, images=112)).images_seen == 112


def test_a_loss_that_is_no_number_stops_training(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="loss realism became NaN or infinite after 3,200 images"):
        append_metrics(tmp_path, 3200, {"reconstruction": 0.2, "realism": float("nan")})


def test_the_loaded_generator_draws_what_the_trained_one_drew(
    tmp_path: Path, faces: list[Tensor], facts: TrainingFacts, config: TrainConfig
) -> None:
    checkpoint = run(tmp_path, faces, facts, config)
    generator = load_generator(tmp_path, checkpoint, torch.device("cpu"))
    state = begin(config, 2, torch.device("cpu"))
    state.resume(tmp_path, checkpoint)
    x, person = torch.rand(2, 3, 64, 64), torch.tensor([0, 1])
    with torch.no_grad():
        assert torch.allclose(generator(x, person).rgb, state.generator(x, person).rgb, atol=1e-5)


def test_a_batch_bends_the_input_only_and_shows_no_background(faces: list[Tensor]) -> None:
    batch = draw_batch(faces, 8, 64, torch.Generator().manual_seed(1), torch.device("cpu"))
    assert batch.person.tolist() == [0] * 4 + [1] * 4
    assert batch.clean.shape == batch.warped.shape == (8, 3, 64, 64)
    assert batch.warped[:, :, :6, :6].abs().max() == 0
    assert batch.clean[:, :, :6, :6].abs().max() > 0
    inside = (batch.mask > 0.99).expand(-1, 3, -1, -1)
    difference = (without_background(batch.clean, batch.mask) - batch.warped)[inside].abs()
    assert 0 < float(difference.mean()) < 0.1


def test_the_adversary_turns_the_gradient_round() -> None:
    torch.manual_seed(0)
    adversary, code = IdentityAdversary(2), torch.randn(4, 48, requires_grad=True)
    plain = adversary.layers(code).square().sum()
    (expected,) = torch.autograd.grad(plain, code)
    (found,) = torch.autograd.grad(adversary(code, 0.25).square().sum(), code)
    assert torch.allclose(found, -0.25 * expected, atol=1e-6)
