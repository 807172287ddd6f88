"""The segmenter's training: who wears what, and runs that go on where they stopped."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from countenance.vision.parts import Part
from countenance.vision.segment import INPUT_SIZE, SegmentNet, fused
from tools.segmenter.dataset import HELD_OUT_KINDS, HELD_OUT_SEEDS, TRAINING_SEEDS, Example, props_of
from tools.segmenter.train import Run, learn


def test_held_out_actors_have_props_of_their_own_kinds() -> None:
    seen = {prop.kind for seed in TRAINING_SEEDS for prop in props_of(seed)}
    unseen = {prop.kind for seed in HELD_OUT_SEEDS for prop in props_of(seed)}
    assert unseen <= set(HELD_OUT_KINDS)
    assert not seen & unseen
    shares = [np.mean([bool(props_of(seed)) for seed in seeds]) for seeds in (TRAINING_SEEDS, HELD_OUT_SEEDS)]
    assert all(0.4 < share < 0.65 for share in shares)


class Drawn:
    """Examples without footage."""

    def __init__(self, *_: object) -> None:
        pass

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
    monkeypatch.setattr("tools.segmenter.train.BATCH_SIZE", 2)
    monkeypatch.setattr("tools.segmenter.train.watch", lambda *_: {})
    whole = Run(folder=tmp_path, weights=tmp_path / "whole.safetensors", steps=3, limit_s=None)
    sliced = replace(whole, weights=tmp_path / "sliced.safetensors", limit_s=0.0)

    def begun() -> SegmentNet:
        torch.manual_seed(1)
        return fused(SegmentNet())

    learn(begun(), Drawn(), 0, 1e-3, torch.ones(len(Part)), whole)  # type: ignore[arg-type]
    for _ in range(3):
        assert not sliced.weights.exists()
        learn(begun(), Drawn(), 0, 1e-3, torch.ones(len(Part)), sliced)  # type: ignore[arg-type]
    one, other = load_file(whole.weights), load_file(sliced.weights)
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert not list(tmp_path.glob("*.pt"))
    learn(begun(), Drawn(), 0, 1e-3, torch.ones(len(Part)), sliced)  # type: ignore[arg-type]
    with pytest.raises(SystemExit, match="3 steps"):
        learn(begun(), Drawn(), 0, 1e-3, torch.ones(len(Part)), replace(sliced, steps=4))  # type: ignore[arg-type]
