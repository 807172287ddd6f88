import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import pytest
import torch
from torch import Tensor

from countenance.errors import ConsentError, ModelError
from countenance.model.checkpoint import Checkpoint, kept_images, make_current, read_checkpoint, read_weights
from countenance.model.config import TrainConfig
from countenance.model.guided.drawer import load_base
from countenance.model.guided.drawing import draw
from countenance.model.guided.losses import Batch, rehearsed, weighted
from countenance.model.guided.network import NUM_CHANNELS
from countenance.model.guided.pairs import Material, Pairs, draw_batch, draw_maps
from countenance.model.guided.sources import CONTROL_SIZE, Sources
from countenance.model.loop import TrainingFacts, train
from countenance.model.record import read_metrics, read_previews
from countenance.model.state import TrainingState, begin, load_generator
from countenance.model.step import _gradients_in_parts, lesson_of, train_step
from countenance.progress import Progress, Silent
from tests.support.leave import never_ends, unrecorded
from tests.support.recorder import Recorder


def run(
    folder: Path,
    material: Material,
    facts: TrainingFacts,
    config: TrainConfig,
    *,
    stop_after: int | None = None,
    progress: Progress | None = None,
    record: Callable[[Checkpoint], None] = unrecorded,
) -> Checkpoint:
    steps = 0

    def should_stop() -> bool:
        nonlocal steps
        steps += 1
        return steps == stop_after

    return train(
        folder,
        lambda: material,
        facts,
        config,
        progress=progress or Silent(),
        should_stop=should_stop,
        check_leave=never_ends,
        record=record,
    )


def refused(_: Checkpoint) -> None:
    raise ConsentError("revoked")


def begin_from(folder: Path, checkpoint: Checkpoint, config: TrainConfig) -> TrainingState:
    state = begin(config, torch.device("cpu"))
    state.resume(folder, checkpoint)
    return state


def metrics(folder: Path) -> list[dict[str, float]]:
    """The losses."""
    return [line for line in read_metrics(folder) if "colour" in line]


@pytest.mark.parametrize("umask", [0, 0o077])
def test_what_training_leaves_is_private_whatever_the_umask(
    tmp_path: Path, material: Material, facts: TrainingFacts, config: TrainConfig, umask: int
) -> None:
    folder = tmp_path / "model"
    before = os.umask(umask)
    try:
        run(folder, material, facts, replace(config, images=2))
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (folder, *folder.iterdir())}
    assert modes.pop("model") == 0o700
    assert {"metrics.jsonl", "preview.png", "checkpoint.json"} < modes.keys()
    assert set(modes.values()) == {0o600}


def test_training_lowers_the_loss_and_leaves_what_it_promises(
    tmp_path: Path, material: Material, facts: TrainingFacts, config: TrainConfig
) -> None:
    checkpoint = run(tmp_path, material, facts, replace(config, images=60, batch_size=2, learning_rate=5e-4))
    lines = metrics(tmp_path)
    assert lines[-1]["perceptual"] < 0.8 * lines[0]["perceptual"]
    assert checkpoint.images_seen == 60
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [
            "checkpoint.json",
            "metrics.jsonl",
            "preview.png",
            "preview-000000000.png",
            "preview-000000060.png",
            checkpoint.weights_name,
        ]
    )
    preview = cv2.imread(str(tmp_path / "preview.png"))
    assert preview is not None
    assert preview.shape == (6 * CONTROL_SIZE, 3 * CONTROL_SIZE, 3)


@pytest.mark.parametrize("stop_after", [1, 4])
def test_a_run_that_was_cut_gives_the_same_bytes(
    tmp_path: Path,
    material: Material,
    facts: TrainingFacts,
    config: TrainConfig,
    stop_after: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("countenance.model.loop.MARGIN_EVERY", 2)
    whole = run(tmp_path / "whole", material, facts, config)
    first = run(tmp_path / "cut", material, facts, config, stop_after=stop_after)
    assert first.images_seen == stop_after
    assert int(begin_from(tmp_path / "cut", first, config).attention.looks.sum()) == stop_after
    resumed = run(tmp_path / "cut", material, facts, config)
    assert resumed.weights_sha256 == whole.weights_sha256
    assert read_metrics(tmp_path / "cut") == read_metrics(tmp_path / "whole")


def test_a_checkpoint_that_cant_be_recorded_leaves_the_last_one(
    tmp_path: Path, material: Material, facts: TrainingFacts, config: TrainConfig
) -> None:
    before = run(tmp_path, material, facts, config)

    def refuse(checkpoint: Checkpoint) -> None:
        assert checkpoint.images_seen == 7
        raise ConsentError("revoked")

    with pytest.raises(ConsentError, match="revoked"):
        train(
            tmp_path,
            lambda: material,
            facts,
            replace(config, images=7),
            progress=Silent(),
            should_stop=lambda: False,
            check_leave=never_ends,
            record=refuse,
        )
    assert read_checkpoint(tmp_path) == before
    assert read_weights(tmp_path, before)


def test_another_seed_gives_other_bytes(
    tmp_path: Path, material: Material, facts: TrainingFacts, config: TrainConfig
) -> None:
    one, other = (run(tmp_path / str(seed), material, facts, replace(config, seed=seed)) for seed in (1, 2))
    assert one.weights_sha256 != other.weights_sha256


def test_metrics_of_a_killed_run_beyond_its_checkpoint_are_measured_again(
    tmp_path: Path, material: Material, facts: TrainingFacts, config: TrainConfig
) -> None:
    run(tmp_path, material, facts, config, stop_after=3)
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"images": 4, "colour": 9.0}\n{"images": 6, "colo')
    run(tmp_path, material, facts, config)
    assert [line["images"] for line in metrics(tmp_path)] == [2, 4, 6]
    assert max(line["colour"] for line in metrics(tmp_path)) < 9


def test_a_training_goes_on_only_with_the_settings_it_was_started_with(
    tmp_path: Path, material: Material, facts: TrainingFacts, config: TrainConfig
) -> None:
    run(tmp_path, material, facts, config)
    with pytest.raises(ModelError, match=r"train\.faces = 240, not 16"):
        run(tmp_path, material, facts, replace(config, faces=16))
    with pytest.raises(ModelError, match="holds a model of"):
        run(tmp_path, material, replace(facts, people=("eve", "kim")), config)


def test_a_finished_training_makes_nothing_anew(
    tmp_path: Path, material: Material, facts: TrainingFacts, config: TrainConfig
) -> None:
    before = run(tmp_path, material, facts, config)

    def never() -> Material:
        raise AssertionError

    again = train(
        tmp_path,
        never,
        facts,
        config,
        progress=Silent(),
        should_stop=lambda: False,
        check_leave=never_ends,
        record=unrecorded,
    )
    assert again == before


def test_a_training_that_diverges_goes_back_and_on_at_a_lower_rate(
    tmp_path: Path, material: Material, facts: TrainingFacts, config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tmp_path, material, facts, config)
    rates, steps = [], 0
    step = TrainingState.set_learning_rate

    def watched(state: TrainingState, rate: float) -> None:
        rates.append(state.rate)
        step(state, rate)

    def once_wrong(terms: dict[str, Tensor]) -> Tensor:
        nonlocal steps
        steps += 1
        return weighted(terms) * (float("nan") if steps == 2 else 1)

    monkeypatch.setattr(TrainingState, "set_learning_rate", watched)
    monkeypatch.setattr("countenance.model.step.weighted", once_wrong)
    notes = Recorder()
    checkpoint = run(tmp_path, material, facts, replace(config, images=8), progress=notes)
    assert checkpoint.images_seen == 8
    assert rates == [1.0, 0.5, 0.5]
    assert "training diverged; it goes on from 6 images, at 0.5 of the learning rate" in notes.notes
    state = begin_from(tmp_path, checkpoint, config)
    assert all(
        values.isfinite().all() for net in (state.generator, state.mean, state.best) for values in net.parameters()
    )
    assert state.rate == 0.5


def test_a_training_that_diverges_at_every_rate_ends_and_keeps_what_was_saved(
    tmp_path: Path, material: Material, facts: TrainingFacts, config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = run(tmp_path, material, facts, config)
    monkeypatch.setattr("countenance.model.step.weighted", lambda terms: terms["colour"] * float("nan"))
    with pytest.raises(ModelError, match="training diverged: the loss rose or became infinite"):
        run(tmp_path, material, facts, replace(config, images=7))
    assert read_checkpoint(tmp_path) == before


def test_a_batch_that_memory_cant_hold_is_learned_in_parts(
    tmp_path: Path, material: Material, facts: TrainingFacts, config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tight(pairs: Pairs, sources: Sources, rows: Tensor, rng: torch.Generator) -> Batch:
        if len(rows) > 1:
            raise RuntimeError("[enforce fail at alloc_cpu.cpp:124] data. DefaultCPUAllocator: can't allocate memory")
        return draw_batch(pairs, sources, rows, rng)

    monkeypatch.setattr("countenance.model.step.draw_batch", tight)
    notes = Recorder()
    checkpoint = run(tmp_path, material, facts, replace(config, images=8, batch_size=4), progress=notes)
    assert checkpoint.images_seen == 8
    assert [text for text in notes.notes if "memory" in text] == [
        "there isn't enough memory for 4 faces at a time: each step takes them in 2 parts from here on",
        "there isn't enough memory for 4 faces at a time: each step takes them in 4 parts from here on",
    ]


def test_a_face_that_memory_cant_hold_is_an_error(
    tmp_path: Path, material: Material, facts: TrainingFacts, config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tight(*_: object) -> Batch:
        raise MemoryError

    monkeypatch.setattr("countenance.model.step.draw_batch", tight)
    with pytest.raises(ModelError, match="isn't enough memory to learn one face at a time"):
        run(tmp_path, material, facts, replace(config, batch_size=2))
    assert read_checkpoint(tmp_path) is None


def test_a_batch_in_parts_asks_for_the_same_on_the_whole(material: Material, config: TrainConfig) -> None:
    """Not to the byte: each part draws its own small changes."""
    four = replace(config, batch_size=4)
    whole, parts = begin(four, torch.device("cpu")), begin(four, torch.device("cpu"))
    parts.parts = 2
    lesson = lesson_of(material, torch.device("cpu"))
    for state in (whole, parts):
        _gradients_in_parts(state, lesson, four)
        assert int(state.attention.looks.sum()) == 4
    one, other = (
        torch.cat([each.grad.flatten() for each in state.generator.parameters() if each.grad is not None])
        for state in (whole, parts)
    )
    assert torch.nn.functional.cosine_similarity(one, other, dim=0) > 0.5
    assert one.norm() == pytest.approx(other.norm(), rel=0.5)


def test_a_part_that_is_taken_again_is_looked_at_once(
    material: Material, config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0

    def second_fails(pairs: Pairs, sources: Sources, rows: Tensor, rng: torch.Generator) -> Batch:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise MemoryError
        return draw_batch(pairs, sources, rows, rng)

    monkeypatch.setattr("countenance.model.step.draw_batch", second_fails)
    four = replace(config, batch_size=4)
    state = begin(four, torch.device("cpu"))
    state.parts = 2
    train_step(state, lesson_of(material, torch.device("cpu")), four, Silent())
    assert (state.parts, int(state.attention.looks.sum())) == (4, 4)


def test_a_training_that_diverges_before_its_first_save_begins_again_at_the_base(
    tmp_path: Path, material: Material, facts: TrainingFacts, config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = 0

    def third_wrong(terms: dict[str, Tensor]) -> Tensor:
        nonlocal steps
        steps += 1
        return weighted(terms) * (float("nan") if steps in (5, 6) else 1)

    monkeypatch.setattr("countenance.model.step.weighted", third_wrong)
    notes = Recorder()
    checkpoint = run(tmp_path, material, facts, config, progress=notes)
    assert "training diverged; it goes on from 0 images, at 0.5 of the learning rate" in notes.notes
    assert checkpoint.images_seen == 6
    lines = read_metrics(tmp_path)
    assert [line["images"] for line in lines if "margin" in line] == [0, 6]
    assert [line["images"] for line in lines if "colour" in line] == [2, 4, 6]


def test_other_faces_are_looked_at_and_measured_anew(
    tmp_path: Path, material: Material, facts: TrainingFacts, config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    margins = iter([0.030, 0.031, 0.010, 0.011, 0.012])
    monkeypatch.setattr("countenance.model.loop.margin_of", lambda *_: next(margins))
    run(tmp_path, material, facts, config)
    # The base, what was learned before, and what is at the end, all on the new faces.
    checkpoint = run(tmp_path, material, replace(facts, face_set_digests=("a", "c")), replace(config, images=8))
    assert (checkpoint.images_seen, checkpoint.best_images, checkpoint.ended_early) == (8, 8, False)
    state = begin_from(tmp_path, checkpoint, config)
    assert state.standing.widest == pytest.approx(0.012)
    assert int(state.attention.looks.sum()) == 2


def test_what_comes_no_nearer_to_the_likeness_is_not_kept_and_ends_the_training(
    tmp_path: Path, material: Material, facts: TrainingFacts, config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    margins = iter([0.010, 0.011, 0.0108, 0.005, 0.004, 0.003])
    monkeypatch.setattr("countenance.model.loop.margin_of", lambda *_: next(margins))
    monkeypatch.setattr("countenance.model.loop.MARGIN_EVERY", 1)
    checkpoint = run(tmp_path, material, facts, replace(config, images=9, patience=3))
    assert (checkpoint.images_seen, checkpoint.best_images, checkpoint.ended_early) == (5, 2, True)
    # A little less is as good: detail goes on growing.
    state = begin_from(tmp_path, checkpoint, config)
    best, mean = (torch.cat([each.flatten() for each in net.parameters()]) for net in (state.best, state.mean))
    assert not torch.equal(best, mean)
    assert [line["margin"] for line in read_metrics(tmp_path) if "margin" in line] == [
        0.010,
        0.011,
        0.0108,
        0.005,
        0.004,
        0.003,
    ]
    # It has ended, also when the same command is run again, but not when more is asked for.
    assert run(tmp_path, material, facts, replace(config, images=9, patience=3)) == checkpoint
    margins = iter([0.02] * 4)
    assert run(tmp_path, material, facts, replace(config, images=8, patience=3)).images_seen == 8


def test_without_patience_a_training_goes_on_to_its_end_and_the_base_may_stay_best(
    tmp_path: Path, material: Material, facts: TrainingFacts, config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    margins = iter([0.010, *[0.005] * 6])
    monkeypatch.setattr("countenance.model.loop.margin_of", lambda *_: next(margins))
    monkeypatch.setattr("countenance.model.loop.MARGIN_EVERY", 1)
    checkpoint = run(tmp_path, material, facts, replace(config, patience=0))
    assert (checkpoint.images_seen, checkpoint.best_images, checkpoint.ended_early) == (6, 0, False)


def test_pictures_are_kept_before_training_each_time_it_has_doubled_and_at_its_end(
    tmp_path: Path, material: Material, facts: TrainingFacts, config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("countenance.model.record.FIRST_KEPT", 2)
    run(tmp_path, material, facts, replace(config, images=9))
    assert [images for images, _ in read_previews(tmp_path)] == [0, 2, 4, 8, 9]
    first, last = (picture for images, picture in read_previews(tmp_path) if images in (0, 9))
    assert first.shape == last.shape == (6 * CONTROL_SIZE, 3 * CONTROL_SIZE, 3)
    assert (first != last).any()


def test_a_training_that_was_gone_back_in_goes_on_as_it_did(
    tmp_path: Path, material: Material, facts: TrainingFacts, config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("countenance.model.record.FIRST_KEPT", 2)
    config = replace(config, images=9)
    whole, lines = run(tmp_path, material, facts, config), metrics(tmp_path)
    assert kept_images(tmp_path) == [2, 4, 8]
    earlier = read_checkpoint(tmp_path, 4)
    assert earlier is not None
    assert len(list(tmp_path.glob("*.safetensors"))) == 4
    make_current(tmp_path, earlier)
    # What was gone back from stays until something else was learned and saved.
    with pytest.raises(ConsentError, match="revoked"):
        run(tmp_path, material, facts, config, record=refused)
    assert kept_images(tmp_path) == [2, 4, 8]
    part_of_it = run(tmp_path, material, facts, config, stop_after=1)
    # Gone on from the earlier state, the later ones aren't of this training any more.
    assert (part_of_it.images_seen, kept_images(tmp_path)) == (5, [2, 4])
    assert len(list(tmp_path.glob("*.safetensors"))) == 3
    assert run(tmp_path, material, facts, config) == whole
    assert (kept_images(tmp_path), metrics(tmp_path)) == ([2, 4, 8], lines)


def test_a_larger_budget_goes_on(tmp_path: Path, material: Material, facts: TrainingFacts, config: TrainConfig) -> None:
    run(tmp_path, material, facts, config)
    assert run(tmp_path, material, facts, replace(config, images=8)).images_seen == 8


def test_the_loaded_generator_is_the_mean_when_it_stood_best(
    tmp_path: Path, material: Material, facts: TrainingFacts, config: TrainConfig
) -> None:
    checkpoint = run(tmp_path, material, facts, config)
    generator = load_generator(tmp_path, checkpoint)
    state = begin_from(tmp_path, checkpoint, config)
    maps = torch.rand(1, NUM_CHANNELS, CONTROL_SIZE, CONTROL_SIZE)
    with torch.no_grad():
        drawn, mean, last, base = (
            net(maps).residual for net in (generator, state.mean, state.generator, load_base()[0])
        )
    assert checkpoint.best_images == 6
    assert torch.allclose(drawn, mean, atol=1e-6)
    assert 0 < (drawn - base).abs().mean() < 0.5 * (last - base).abs().mean()


def test_rehearsal_keeps_to_the_tones_that_the_base_draws_on_plates(
    tmp_path: Path, material: Material, facts: TrainingFacts, config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it, learning from a likeness whose skin is of another tone draws its contrasts onto the plate."""

    def far_from_base(folder: Path) -> float:
        generator = load_generator(folder, run(folder, material, facts, replace(config, images=40, batch_size=2)))
        every = torch.arange(len(material.plates.given))
        maps, _, _ = draw_maps(material.plates, material.sources, every, torch.Generator().manual_seed(9))
        with torch.no_grad():
            drawn, base = (draw(each.eval(), maps, bf16=False) for each in (generator, load_base()[0]))
        return rehearsed(drawn, base)["tones"].item()

    with_it = far_from_base(tmp_path / "with")
    monkeypatch.setattr("countenance.model.step.REHEARSE_EVERY", 10**9)
    assert with_it < 0.8 * far_from_base(tmp_path / "without")
