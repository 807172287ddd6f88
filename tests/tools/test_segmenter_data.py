"""The segmenter's training: who wears what, and runs that go on where they stopped."""

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from countenance.vision.networks import weights_folder
from countenance.vision.parts import Part
from countenance.vision.segment import INPUT_SIZE, LABELS_SIZE, SegmentNet, fused
from tools.segmenter.dataset import (
    HELD_OUT_KINDS,
    HELD_OUT_SEEDS,
    TRAINING_SEEDS,
    Dataset,
    Example,
    Footage,
    props_of,
    read_footage,
    render_footage,
    without_specks,
)
from tools.segmenter.occluders import TRAINING_OCCLUDERS
from tools.segmenter.train import KEPT_SHARE, Batch, Run, batches, lacking_overlap, learn, mix


def test_held_out_actors_have_props_of_their_own_kinds() -> None:
    seen = {prop.kind for seed in TRAINING_SEEDS for prop in props_of(seed)}
    unseen = {prop.kind for seed in HELD_OUT_SEEDS for prop in props_of(seed)}
    assert unseen <= set(HELD_OUT_KINDS)
    assert not seen & unseen
    shares = [np.mean([bool(props_of(seed)) for seed in seeds]) for seeds in (TRAINING_SEEDS, HELD_OUT_SEEDS)]
    assert all(0.4 < share < 0.65 for share in shares)


class Drawn:
    """Examples without footage."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def __len__(self) -> int:
        return 0

    def example(self, number: int) -> Example:
        rng = np.random.default_rng(number)
        face = np.zeros((INPUT_SIZE, INPUT_SIZE), np.uint8)
        face[30:90, 30:90] = 255
        return Example(
            rgb=rng.integers(0, 255, (INPUT_SIZE, INPUT_SIZE, 3), np.uint8),
            labels=np.where(face > 0, np.uint8(Part.SKIN), np.uint8(0)),
            face=face,
        )


def test_a_run_in_slices_gives_the_weights_of_a_whole_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tools.segmenter.train.Dataset", Drawn)
    whole = Run(folder=tmp_path, weights=tmp_path / "whole.safetensors", steps=3, rate=1e-3, batch=2)
    sliced = replace(whole, weights=tmp_path / "sliced.safetensors", limit_s=0.0)

    def begun() -> SegmentNet:
        torch.manual_seed(1)
        return fused(SegmentNet())

    learn(begun(), Drawn(), 0, torch.ones(len(Part)), whole)  # type: ignore[arg-type]
    for _ in range(3):
        assert not sliced.weights.exists()
        learn(begun(), Drawn(), 0, torch.ones(len(Part)), sliced)  # type: ignore[arg-type]
    one, other = load_file(whole.weights), load_file(sliced.weights)
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert not list(tmp_path.glob("*.pt"))
    learn(begun(), Drawn(), 0, torch.ones(len(Part)), sliced)  # type: ignore[arg-type]
    with pytest.raises(SystemExit, match="3 steps"):
        learn(begun(), Drawn(), 0, torch.ones(len(Part)), replace(sliced, steps=4))  # type: ignore[arg-type]


def test_a_run_finishes_in_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tools.segmenter.train.Dataset", Drawn)
    weights = tmp_path / "weights.safetensors"
    run = Run(
        folder=tmp_path, weights=weights, steps=1 << 30, rate=1e-3, batch=2, finish_in_s=2.0, uses=3, has_codecs=False
    )
    learn(fused(SegmentNet()), Drawn(), 0, torch.ones(len(Part)), run)  # type: ignore[arg-type]
    assert 2.0 <= time.monotonic() - run.begun < 20.0
    with safe_open(weights, "pt") as file:
        facts = file.metadata()
    assert facts["codecs"] == "false"
    assert 0 < int(facts["steps"]) < 1000
    assert not list(tmp_path.glob("*.pt"))
    assert run.rate_share(500, 1.0) == pytest.approx(0.5)
    assert run.rate_share(500, 2.5) == 0
    by_steps = replace(run, steps=1000, finish_in_s=None)
    assert by_steps.rate_share(750, 1e6) == pytest.approx(0.1464, abs=1e-3)


@pytest.fixture
def footage(tmp_path: Path) -> Path:
    """Two files as if rendered: an ellipse for a face."""
    size, frames = 96, 2
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:size, :size]
    is_face = ((x - 48) / 24) ** 2 + ((y - 48) / 30) ** 2 < 1
    for seed in TRAINING_SEEDS[:2]:
        made = Footage(
            rgb=rng.integers(0, 255, (frames, size, size, 3), np.uint8),
            labels=np.repeat(np.where(is_face, np.uint8(Part.SKIN), np.uint8(0))[None], frames, axis=0),
            face=np.repeat(np.where(is_face, np.uint8(255), np.uint8(0))[None], frames, axis=0),
            landmarks_xyz=np.repeat(canonical_mesh()[None], frames, axis=0),
        )
        np.savez(tmp_path / f"{seed}.npz", **{name: getattr(made, name) for name in Footage.__slots__})
    return tmp_path


def canonical_mesh() -> np.ndarray:
    """A face's points in the middle of 96 pixels."""
    points = np.load(weights_folder() / "canonical_mesh.npy").astype(np.float32)
    points = (points - points.mean(axis=0)) / np.ptp(points[:, 1]) * 60 * np.array([1, -1, -1], np.float32)
    return np.asarray(points + np.array([48, 48, 0], np.float32), np.float32)


@pytest.mark.slow
def test_other_processes_make_the_same_batches(footage: Path) -> None:
    dataset = Dataset(footage, TRAINING_SEEDS, TRAINING_OCCLUDERS, has_codecs=False)
    alone = Run(folder=footage, weights=footage / "w", steps=4, rate=1e-3, batch=3)
    here = list(batches(dataset, 7, 0, alone))
    assert here[0][0].shape == (3, INPUT_SIZE, INPUT_SIZE, 3)
    assert here[0][1].shape == here[0][2].shape == (3, LABELS_SIZE, LABELS_SIZE)
    beside = list(batches(dataset, 7, 0, replace(alone, num_processes=2)))
    assert len(here) == len(beside) == 4
    assert all(same(one, other) for one, other in zip(here, beside, strict=True))
    assert not same(here[0], here[1])


def same(one: Batch, other: Batch) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_examples_are_used_so_often_and_a_run_goes_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tools.segmenter.train.ROUND", 3)
    run = Run(folder=tmp_path, weights=tmp_path / "w", steps=12, rate=1e-3, batch=2, uses=2)
    seen = list(batches(Drawn(), 0, 0, run))  # type: ignore[arg-type]
    assert len(seen) == 12
    known = {Drawn().example(number).rgb.tobytes(): number for number in range(12)}
    uses = [known[example.numpy().tobytes()] for rgb, _, _ in seen[:3] for example in rgb]
    mirrored = [known[example.flip(1).numpy().tobytes()] for rgb, _, _ in seen[3:6] for example in rgb]
    assert sorted(uses) == sorted(mirrored) == list(range(6))
    assert uses != mirrored
    rest = list(batches(Drawn(), 0, 8, run))  # type: ignore[arg-type]
    assert all(same(one, other) for one, other in zip(seen[8:], rest, strict=True))


def test_a_thin_part_that_is_missed_costs_as_much_as_a_large_one() -> None:
    labels = torch.zeros(1, 40, 40, dtype=torch.long)
    labels[:, 20] = Part.GLASSES
    labels[:, 30:] = Part.SKIN
    exact = torch.nn.functional.one_hot(labels, len(Part)).permute(0, 3, 1, 2).float()
    assert lacking_overlap(exact, labels) == pytest.approx(0, abs=1e-6)
    for part in (Part.GLASSES, Part.SKIN):
        missed = exact.clone()
        missed[:, Part.BACKGROUND] += missed[:, part]
        missed[:, part] = 0
        assert float(lacking_overlap(missed, labels)) == pytest.approx(1 / 3, abs=0.12), part


def test_no_actor_is_begun_late(tmp_path: Path) -> None:
    render_footage(tmp_path / "late", ("training",), num_actors=1, limit_s=-1.0)
    assert not list((tmp_path / "late").glob("*.npz"))


@pytest.mark.slow
def test_processes_render_the_same_bytes(tmp_path: Path) -> None:
    for name, num_processes in (("one", 1), ("two", 2)):
        render_footage(tmp_path / name, ("training",), num_actors=1, num_processes=num_processes, size=112)
    seed = TRAINING_SEEDS[0]
    one, two = (np.load(tmp_path / name / f"{seed}.npz") for name in ("one", "two"))
    assert all(np.array_equal(one[name], two[name]) for name in (*Footage.__slots__, "clean_labels"))
    stored, found = (read_footage(tmp_path / "one" / f"{seed}.npz", clean=clean) for clean in (True, False))
    assert np.array_equal(stored.labels, [without_specks(labels) for labels in found.labels])
    assert not np.array_equal(stored.labels, found.labels)


def test_a_mixture_lies_between_two_files_and_nearer_to_the_first_in_one_level(tmp_path: Path) -> None:
    numbers = load_file(weights_folder() / "segmenter.safetensors")
    for value, name in ((0.0, "refined"), (1.0, "before")):
        save_file({key: torch.full_like(each, value) for key, each in numbers.items()}, tmp_path / name)
    mix(tmp_path / "before", tmp_path / "refined", tmp_path / "mixed")
    mixed = load_file(tmp_path / "mixed")
    assert mixed.keys() == numbers.keys()
    assert all(each.dtype == torch.float16 for each in mixed.values())
    assert mixed["head.1.bias"].eq(torch.tensor(KEPT_SHARE).half()).all()
    assert mixed["down.2.0.0.weight"].eq(0.75).all()
