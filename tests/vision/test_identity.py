import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from countenance.errors import FaceError
from countenance.faces.portrait import template_of
from countenance.media.probe import probe
from countenance.media.reader import read_frames
from countenance.vision.identity import Recogniser, cut_chip, embed
from countenance.vision.landmarks import FaceFinder

# Computed once with this network on a grey ramp, and on frame 40 of zuri's training clip; written down, so that neither
# weights, nor chip, nor network change unseen.
EXPECTED = json.loads((Path(__file__).parent / "embeddings.json").read_text())


def ramp() -> np.ndarray:
    columns = np.linspace(0, 255, 150, dtype=np.float32)
    return np.stack(np.broadcast_arrays(columns[None, :], columns[:, None], np.float32(128)), axis=-1).astype(np.uint8)


def chips_of(clip: Path, frames: set[int]) -> list[np.ndarray]:
    find_faces = FaceFinder()
    return [
        cut_chip(frame.rgb, find_faces(frame.rgb)[0].landmarks_xyz[:, :2])
        for frame in read_frames(probe(clip))
        if frame.index in frames
    ]


def test_embedding_of_a_ramp_is_the_one_written_down() -> None:
    assert embed(Recogniser(), [ramp()])[0] == pytest.approx(np.array(EXPECTED["ramp"]), abs=2e-4)


def test_embedding_of_a_face_is_the_one_written_down(demo_data: Path) -> None:
    chips = chips_of(demo_data / "zuri_training.mp4", {40})
    assert embed(Recogniser(), chips)[0] == pytest.approx(np.array(EXPECTED["zuri_40"]), abs=5e-3)


def test_people_are_told_apart_in_other_light(demo_data: Path) -> None:
    recogniser, frames = Recogniser(), {20, 100, 160, 220}
    mean = {
        name: embed(recogniser, chips_of(demo_data / f"{name}_training.mp4", frames)).mean(axis=0)
        for name in ("kofi", "mira")
    }
    performance = embed(recogniser, chips_of(demo_data / "performance.mp4", {10, 50, 90})).mean(axis=0)
    assert np.linalg.norm(performance - mean["kofi"]) < 0.35
    assert np.linalg.norm(performance - mean["mira"]) > 0.5


def test_recogniser_is_differentiable() -> None:
    x = torch.rand(1, 3, 150, 150, requires_grad=True)
    Recogniser()(x * 255).sum().backward()
    assert x.grad is not None
    assert float(x.grad.abs().sum()) > 0


def test_reference_without_exactly_one_face_is_refused(demo_data: Path, tmp_path: Path) -> None:
    frame = next(read_frames(probe(demo_data / "zuri_training.mp4"))).rgb
    for name, picture in (("none", np.full((200, 200, 3), 90, np.uint8)), ("two", np.hstack([frame, frame]))):
        path = tmp_path / f"{name}.png"
        cv2.imwrite(str(path), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
        with pytest.raises(FaceError, match="exactly one face"):
            template_of([path])
