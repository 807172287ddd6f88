"""Where footage comes in, is learned from and becomes a file, the gate for intimate content is asked, and is obeyed.

Scores are made up: no picture here is one that it should stop.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from countenance import gates
from countenance.errors import IntimateError, ModelError
from countenance.footage import known_clips
from countenance.media.excerpt import Wanted
from countenance.progress import Silent
from countenance.project import Project
from countenance.steps.collect import collect
from tests.support.production import PERFORMER, UNLABELLED, Production
from tests.support.videos import frames_of, write_video

WHITE = 250
Score = Callable[[np.ndarray], float]


def by_brightness(rgb: np.ndarray) -> float:
    """White pictures look intimate."""
    return 0.95 if rgb.mean() > WHITE - 5 else 0.05


@pytest.fixture
def scoring(monkeypatch: pytest.MonkeyPatch) -> Callable[[Score], None]:
    return lambda score: monkeypatch.setattr(gates, "opened_net", lambda: score)


def shade(path: Path, level: int) -> Path:
    Image.fromarray(np.full((32, 32, 3), level, np.uint8)).save(path)
    return path


def test_footage_that_looks_intimate_is_not_collected(
    project: Project, tmp_path: Path, scoring: Callable[[Score], None]
) -> None:
    scoring(by_brightness)
    good, bad = shade(tmp_path / "good.png", 90), shade(tmp_path / "bad.png", WHITE)
    with pytest.raises(IntimateError, match=r"frame 0 \(0\.00 s\) of bad\.png looks intimate"):
        collect(project, "dana", [bad], progress=Silent())
    result = collect(project, "dana", [bad, good], progress=Silent())
    ((path, reason),) = result.left_out
    assert path == bad
    assert "looks intimate" in reason
    assert [clip.name for clip in known_clips(project, "dana").values()] == ["good.png"]


def test_without_the_net_no_footage_is_collected(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> None:
        raise ModelError("missing for the test", code="model.gate")

    monkeypatch.setattr(gates, "opened_net", missing)
    with pytest.raises(ModelError, match="missing for the test"):
        collect(project, "dana", [shade(tmp_path / "good.png", 90)], progress=Silent())
    assert known_clips(project, "dana") == {}


def test_footage_that_an_earlier_version_collected_is_checked_before_it_is_learned_from(
    trained: Production, scoring: Callable[[Score], None]
) -> None:
    trained.project.database.execute("DELETE FROM passed_footage")
    scoring(lambda _: 0.95)
    with pytest.raises(IntimateError, match=f"of {PERFORMER}\\.mp4 looks intimate"):
        trained.prepare(PERFORMER)


def test_a_plate_that_looks_intimate_is_not_rendered_but_a_part_without_that_is(
    trained: Production, tmp_path: Path, scoring: Callable[[Score], None]
) -> None:
    scoring(by_brightness)
    performance = frames_of("performance.mp4", 4)
    plate = write_video(tmp_path / "plate.mp4", [*performance, *[np.full_like(performance[0], 255)] * 4])
    with pytest.raises(IntimateError, match=r"frame 4 .* of plate\.mp4 .* choose other --frames"):
        trained.generate(plate, tmp_path / "shot.mp4")
    assert list(trained.project.room("renders").iterdir()) == []
    trained.generate(plate, tmp_path / "part.mp4", UNLABELLED, wanted=Wanted(frames=":3"))
    assert (tmp_path / "part.mp4").exists()
