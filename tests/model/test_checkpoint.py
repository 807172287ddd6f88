import hashlib
import json
import os
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from countenance.errors import ModelError
from countenance.model.checkpoint import (
    Checkpoint,
    clear_unfinished,
    kept_images,
    read_checkpoint,
    read_weights,
    save_checkpoint,
)
from countenance.model.config import TrainConfig
from countenance.model.guided.drawer import load_base
from countenance.model.state import load_generator, trained_config
from tests.support.leave import unrecorded

FACTS = {
    "people": ("dana", "kim"),
    "config": {"seed": 1},
    "images_seen": 10,
    "best_images": 8,
    "measured_images": 8,
    "ended_early": False,
    "face_set_digests": ("a", "b"),
    "release_digests": ("r",),
    "permit_digest": "p",
    "versions": {},
}


@pytest.fixture
def saved(tmp_path: Path) -> Checkpoint:
    return save_checkpoint(tmp_path, {"x": torch.arange(6.0)}, FACTS, unrecorded)


def test_what_was_saved_is_read(tmp_path: Path, saved: Checkpoint) -> None:
    assert read_checkpoint(tmp_path) == saved
    assert torch.equal(read_weights(tmp_path, saved)["x"], torch.arange(6.0))
    assert read_checkpoint(tmp_path / "elsewhere") is None


@pytest.mark.usefixtures("saved")
def test_old_weights_and_what_a_killed_save_left_behind_are_cleared(tmp_path: Path) -> None:
    for name in (".0123456789abcdef.safetensors.x_0y1z2w", ".preview-000000250.png.abcdef12"):
        (tmp_path / name).write_bytes(b"half")
    again = save_checkpoint(tmp_path, {"x": torch.ones(6)}, FACTS, unrecorded)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["checkpoint.json", again.weights_name])


def test_a_state_that_was_kept_stays_and_one_that_cant_be_read_is_told(tmp_path: Path) -> None:
    kept = save_checkpoint(tmp_path, {"x": torch.ones(6)}, {**FACTS, "images_seen": 20}, unrecorded, keep=True)
    now = save_checkpoint(tmp_path, {"x": torch.zeros(6)}, {**FACTS, "images_seen": 30}, unrecorded)
    assert (kept_images(tmp_path), read_checkpoint(tmp_path, 20)) == ([20], kept)
    assert {path.name for path in tmp_path.glob("*.safetensors")} == {kept.weights_name, now.weights_name}
    (tmp_path / "checkpoint-000000020.json").write_text("{")
    with pytest.raises(ModelError, match=r"checkpoint-000000020\.json is corrupt"):
        save_checkpoint(tmp_path, {"x": torch.full((6,), 2.0)}, {**FACTS, "images_seen": 40}, unrecorded)
    assert (tmp_path / kept.weights_name).exists()


@pytest.mark.usefixtures("saved")
def test_what_others_put_there_stays(tmp_path: Path) -> None:
    theirs = [tmp_path / name for name in (".hidden", ".ssh.conf", "their.safetensors", ".checkpoint.json.bak")]
    for path in theirs:
        path.write_bytes(b"theirs")
    save_checkpoint(tmp_path, {"x": torch.ones(6)}, FACTS, unrecorded)
    clear_unfinished(tmp_path)
    assert all(path.read_bytes() == b"theirs" for path in theirs)


@pytest.mark.parametrize(
    "change",
    [{"people": ("eve", "kim")}, {"face_set_digests": ("a", "c")}, {"release_digests": ()}, {"weights_sha256": "0"}],
)
def test_the_digest_binds_all_that_decides_whose_model_it_is(saved: Checkpoint, change: dict[str, Any]) -> None:
    assert replace(saved, **change).digest != saved.digest
    assert replace(saved, versions={"torch": "0"}).digest == saved.digest


@pytest.mark.parametrize("fails_at", ["weights", "facts"])
def test_a_save_that_fails_leaves_the_old_checkpoint(
    tmp_path: Path, saved: Checkpoint, monkeypatch: pytest.MonkeyPatch, fails_at: str
) -> None:
    real, calls = os.fsync, []

    def fsync(handle: int) -> None:
        calls.append(handle)
        # The first sync is that of the weights, the second of the folder, the third of the facts.
        if len(calls) == {"weights": 1, "facts": 3}[fails_at]:
            raise OSError(28, "No space left on device")
        real(handle)

    monkeypatch.setattr("os.fsync", fsync)
    with pytest.raises(OSError, match="No space"):
        save_checkpoint(tmp_path, {"x": torch.ones(6)}, FACTS, unrecorded)
    monkeypatch.undo()
    found = read_checkpoint(tmp_path)
    assert found == saved
    assert torch.equal(read_weights(tmp_path, found)["x"], torch.arange(6.0))


def test_flipped_bytes_are_told(tmp_path: Path, saved: Checkpoint) -> None:
    path = tmp_path / saved.weights_name
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelError, match="is corrupt"):
        read_weights(tmp_path, saved)


def test_a_pickle_is_never_opened(tmp_path: Path, saved: Checkpoint) -> None:
    canary = tmp_path / "canary"

    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(canary),)

    content = pickle.dumps(Trap())
    (tmp_path / saved.weights_name).write_bytes(content)
    facts = json.loads((tmp_path / "checkpoint.json").read_text())
    facts["weights_sha256"] = hashlib.sha256(content).hexdigest()
    (tmp_path / "checkpoint.json").write_text(json.dumps(facts))
    checkpoint = read_checkpoint(tmp_path)
    assert checkpoint is not None
    with pytest.raises(ModelError, match="is not a safetensors file"):
        read_weights(tmp_path, checkpoint)
    assert not canary.exists()


@pytest.mark.parametrize("name", ["../x.safetensors", "model.pt", "sub/x.safetensors"])
@pytest.mark.usefixtures("saved")
def test_only_safetensors_beside_the_facts_are_opened(tmp_path: Path, name: str) -> None:
    facts = json.loads((tmp_path / "checkpoint.json").read_text())
    (tmp_path / "checkpoint.json").write_text(json.dumps(facts | {"weights_name": name}))
    checkpoint = read_checkpoint(tmp_path)
    assert checkpoint is not None
    with pytest.raises(ModelError, match=r"not a \.safetensors file beside it"):
        read_weights(tmp_path, checkpoint)


@pytest.mark.parametrize("content", ["{", "[]", "7", '{"schema": 2}', '{"schema": 3}', '{"schema": 7}', "[" * 100_000])
@pytest.mark.usefixtures("saved")
def test_facts_that_cant_be_read_are_told(tmp_path: Path, content: str) -> None:
    (tmp_path / "checkpoint.json").write_text(content)
    with pytest.raises(ModelError, match="train again"):
        read_checkpoint(tmp_path)


@pytest.mark.parametrize(
    "change", [{"people": 5}, {"people": [1]}, {"images_seen": "many"}, {"config": 7}, {"weights_name": None}]
)
@pytest.mark.usefixtures("saved")
def test_facts_of_another_type_are_refused(tmp_path: Path, change: dict[str, object]) -> None:
    facts = json.loads((tmp_path / "checkpoint.json").read_text())
    (tmp_path / "checkpoint.json").write_text(json.dumps(facts | change))
    with pytest.raises(ModelError, match=rf"checkpoint.json is corrupt \({next(iter(change))}.*train again") as caught:
        read_checkpoint(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_generator_trained_by_another_version_is_loaded(tmp_path: Path) -> None:
    """Its settings have a name that this version doesn't know."""
    weights = {f"best/{name}": tensor for name, tensor in load_base()[0].state_dict().items()}
    stored = {"faces": 64, "foo": 1}
    checkpoint = save_checkpoint(tmp_path, weights, {**FACTS, "config": stored}, unrecorded)
    generator = load_generator(tmp_path, checkpoint)
    assert trained_config(tmp_path, checkpoint) == TrainConfig(faces=64)
    assert all(torch.equal(weights[f"best/{name}"], found) for name, found in generator.state_dict().items())


@pytest.mark.parametrize("config", [{"faces": 1e8}, {"threads": "x"}, {"device": "evil"}, {"images": 2}])
def test_settings_of_a_checkpoint_that_are_not_allowed_are_refused(tmp_path: Path, config: dict[str, object]) -> None:
    checkpoint = save_checkpoint(tmp_path, {"x": torch.ones(6)}, {**FACTS, "config": config}, unrecorded)
    with pytest.raises(ModelError, match=r"checkpoint.json: settings? train.*train again"):
        trained_config(tmp_path, checkpoint)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    checkpoint = save_checkpoint(tmp_path, {"mean/x": torch.ones(6)}, FACTS, unrecorded)
    with pytest.raises(ModelError, match="for another network"):
        load_generator(tmp_path, checkpoint)


def test_a_checkpoint_of_an_earlier_version_says_what_to_do(tmp_path: Path, saved: Checkpoint) -> None:
    facts = json.loads((tmp_path / "checkpoint.json").read_text())
    (tmp_path / "checkpoint.json").write_text(json.dumps(facts | {"schema": saved.schema - 1}))
    with pytest.raises(ModelError, match=r"again, or draw without it: --set generate\.model=base"):
        read_checkpoint(tmp_path)


def test_missing_weights_are_told(tmp_path: Path, saved: Checkpoint) -> None:
    (tmp_path / saved.weights_name).unlink()
    with pytest.raises(ModelError, match="is missing"):
        read_weights(tmp_path, saved)
