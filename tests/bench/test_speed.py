from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from countenance.bench import speed
from countenance.bench.cases import ROLES
from countenance.bench.finding.profile import FUNCTIONS, profile
from countenance.bench.methods import images_per_cpu_s
from countenance.bench.speed import FRAME_WH, NUM_FRAMES, Figure, speed_table
from countenance.demo import data_folder
from countenance.demo.compare import pictures
from countenance.faces.portrait import template_of
from countenance.media.probe import probe
from countenance.model.config import TrainConfig
from countenance.model.step import lesson_of
from tests.support.faces import learned_from


def a_figure(what: str, method: str, value: float) -> dict[str, Any]:
    return {"what": what, "method": method, "value": value, "unit": "images per CPU-s", "peak_memory_mb": 1234}


def test_ratios_are_to_the_fastest_peer_in_the_same_work() -> None:
    figures = [
        a_figure("training, 64 px", "ours, batch 8", 60.0),
        a_figure("training, 64 px", "faceswap-original", 3.0),
        a_figure("training, 64 px", "deepfacelab-df", 4.0),
        a_figure("training, 128 px", "ours, batch 16", 20.0),
    ]
    rows = rows_of(figures, [])
    assert [row[4] for row in rows[2:6]] == ["15.0", "0.8", "1.0", "–"]
    assert {row[5] for row in rows[2:6]} == {"1,234"}


def rows_of(figures: list[dict[str, Any]], parts: list[dict[str, Any]]) -> list[list[str]]:
    table = speed_table({"figures": figures, "prepare_ms_a_frame": parts})
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()]


def test_preparing_is_compared_with_decoding_on_as_many_threads() -> None:
    figures = [
        a_figure(speed.DECODING, speed.ALONE, 160.0),
        a_figure(speed.PREPARING, speed.ALONE, 40.0),
        a_figure(speed.DECODING, speed.TOGETHER, 300.0),
        a_figure(speed.PREPARING, speed.TOGETHER, 90.0),
    ]
    assert [row[4] for row in rows_of(figures, [])[2:6]] == ["–", "0.25", "–", "0.30"]


def test_the_profile_adds_up(tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    speed._write_large(data_folder() / "kofi_training.mp4", clip, 14)
    parts = profile(clip, template_of([data_folder() / "kofi.png"]))
    assert [part.what for part in parts] == [*FUNCTIONS, "the rest"]
    # Each is really called, and none within another.
    assert all(part.ms > 0.01 for part in parts[:-1])
    assert 0 <= parts[-1].ms < 0.3 * sum(part.ms for part in parts)
    rows = rows_of([], [asdict(part) for part in parts])
    assert rows[-1][0] == "all"
    assert rows[-1][2] == "100%"


def test_the_large_case_is_the_demo_at_720p(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTENANCE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(speed, "NUM_FRAMES", 4)
    monkeypatch.setattr(speed, "NUM_FRAMES_TO_PREPARE", 6)
    large = speed._large_case(tmp_path / "case")
    plate = probe(large.plate)
    assert plate.resolution_wh == FRAME_WH
    assert plate.num_frames == 4 < NUM_FRAMES
    assert probe(large.training("performer")).num_frames == 6
    assert all(large.reference(role).exists() and large.training(role).exists() for role in ROLES)


def test_a_close_up_shows_the_middle_of_the_frames(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    rgb = np.zeros((64, 64, 3), np.uint8)
    rgb[16:48, 16:48] = 255
    cv2.imwrite(str(small / "0.png"), rgb)
    cv2.imwrite(str(small / "1.png"), rgb)
    speed._write_large(small, tmp_path / "large.mp4", 2, (384, 256), zoom=2.0)
    frame = next(pictures(tmp_path / "large.mp4"))
    assert frame.shape == (256, 384, 3)
    # What was half as wide fills the square; beside it the frame is grey.
    assert frame[:, 70:314].min() > 200
    assert abs(int(frame[:, :50].mean()) - 96) < 6


def test_our_trainings_speed_is_measured_on_its_own_steps() -> None:
    lesson = lesson_of(learned_from("zuri", "kofi"), torch.device("cpu"))
    speed = images_per_cpu_s(TrainConfig(threads=1, device="cpu", batch_size=1), lesson, steps=1)
    assert 0.01 < speed < 1_000


def test_a_measured_step_reports_its_speed() -> None:
    figure = speed._peer_training("faceswap-lightweight")
    assert isinstance(figure, Figure)
    assert figure.what == "training, 64 px"
    assert 0.1 < figure.value < 10_000
