from typing import Any

import pytest

from countenance.bench import speed
from countenance.bench.cases import ROLES
from countenance.bench.speed import FRAME_WH, NUM_FRAMES, Figure, speed_table
from countenance.media.probe import probe


def a_figure(what: str, method: str, value: float) -> dict[str, Any]:
    return {"what": what, "method": method, "value": value, "unit": "images per CPU-s", "peak_memory_mb": 1234}


def test_ratios_are_to_the_fastest_peer_in_the_same_work() -> None:
    figures = [
        a_figure("training, 64 px", "ours, batch 8", 60.0),
        a_figure("training, 64 px", "faceswap-original", 3.0),
        a_figure("training, 64 px", "deepfacelab-df", 4.0),
        a_figure("training, 128 px", "ours, batch 16", 20.0),
    ]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in speed_table({"figures": figures}).splitlines()]
    assert [row[4] for row in rows[2:]] == ["15.0", "0.8", "1.0", "–"]
    assert {row[5] for row in rows[2:]} == {"1,234"}


def test_the_large_case_is_the_demo_at_720p(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTENANCE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(speed, "NUM_FRAMES", 4)
    large = speed._large_case(tmp_path / "case")
    plate = probe(large.plate)
    assert plate.resolution_wh == FRAME_WH
    assert plate.num_frames == 4 < NUM_FRAMES
    assert all(large.reference(role).exists() and large.training(role).exists() for role in ROLES)


def test_a_measured_step_reports_its_speed() -> None:
    figure = speed._our_training(64, 8)
    assert isinstance(figure, Figure)
    assert figure.what == "training, 64 px"
    assert 0.1 < figure.value < 10_000
