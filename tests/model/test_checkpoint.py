import hashlib
import json
import os
import pickle
from pathlib import Path

import pytest
import torch

from countenance.errors import ModelError
from countenance.model.checkpoint import Checkpoint, read_checkpoint, read_weights, save_checkpoint

FACTS = {
    "people": ("dana", "kim"),
    "config": {"seed": 1},
    "images_seen": 10,
    "face_set_digests": ("a", "b"),
    "release_digests": ("r",),
    "permit_digest": "p",
    "versions": {},
}


@pytest.fixture
def saved(tmp_path: Path) -> Checkpoint:
    return save_checkpoint(tmp_path, {"x": torch.arange(6.0)}, FACTS)


def test_what_was_saved_is_read(tmp_path: Path, saved: Checkpoint) -> None:
    assert read_checkpoint(tmp_path) == saved
    assert torch.equal(read_weights(tmp_path, saved)["x"], torch.arange(6.0))
    assert read_checkpoint(tmp_path / "elsewhere") is None


@pytest.mark.usefixtures("saved")
def test_old_weights_and_what_a_killed_save_left_behind_are_cleared(tmp_path: Path) -> None:
    (tmp_path / ".0123.safetensors.tmp").write_bytes(b"half")
    again = save_checkpoint(tmp_path, {"x": torch.ones(6)}, FACTS)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["checkpoint.json", again.weights_name])


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
        save_checkpoint(tmp_path, {"x": torch.ones(6)}, FACTS)
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
    with pytest.raises(ModelError, match="no safetensors"):
        read_weights(tmp_path, checkpoint)
    assert not canary.exists()


@pytest.mark.parametrize("name", ["../x.safetensors", "model.pt", "sub/x.safetensors"])
@pytest.mark.usefixtures("saved")
def test_only_safetensors_beside_the_facts_are_opened(tmp_path: Path, name: str) -> None:
    facts = json.loads((tmp_path / "checkpoint.json").read_text())
    (tmp_path / "checkpoint.json").write_text(json.dumps(facts | {"weights_name": name}))
    checkpoint = read_checkpoint(tmp_path)
    assert checkpoint is not None
    with pytest.raises(ModelError, match=r"no \.safetensors beside it"):
        read_weights(tmp_path, checkpoint)


@pytest.mark.parametrize("content", ["{", "[]", '{"schema": 1}', '{"schema": 2}', '{"schema": 7}'])
@pytest.mark.usefixtures("saved")
def test_facts_that_cant_be_read_are_told(tmp_path: Path, content: str) -> None:
    (tmp_path / "checkpoint.json").write_text(content)
    with pytest.raises(ModelError, match="train again"):
        read_checkpoint(tmp_path)


def test_missing_weights_are_told(tmp_path: Path, saved: Checkpoint) -> None:
    (tmp_path / saved.weights_name).unlink()
    with pytest.raises(ModelError, match="is missing"):
        read_weights(tmp_path, saved)
