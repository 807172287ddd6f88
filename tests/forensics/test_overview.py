from pathlib import Path

import numpy as np
import pytest

from countenance.forensics import overview
from countenance.forensics.overview import MAX_SIDE_PX, NUM_MOMENTS, overview_of
from countenance.media.probe import probe
from countenance.types import MediaInfo
from tests.support.videos import write_video


@pytest.fixture
def clip(tmp_path: Path) -> MediaInfo:
    """40 frames of a 24th of a second, every tenth of them a keyframe."""
    frames = [np.full((360, 640, 3), 6 * shade, np.uint8) for shade in range(40)]
    return probe(write_video(tmp_path / "clip.mp4", frames, gop_size=10))


def test_moments_are_spread_over_a_clip(clip: MediaInfo) -> None:
    seen = overview_of(clip)
    times = [moment.time_s for moment in seen.moments]
    assert len(times) == NUM_MOMENTS
    assert times[0] == 0
    assert times[-1] == pytest.approx(39 / 24)
    assert np.diff(times).max() < 0.3
    assert all(max(moment.rgb.shape) == MAX_SIDE_PX for moment in seen.moments)


def test_of_a_long_clip_only_keyframes_are_decoded(clip: MediaInfo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overview, "MAX_DECODED", 30)
    monkeypatch.setattr(overview, "read_frames", None)
    times = [round(moment.time_s * 24) for moment in overview_of(clip).moments]
    assert times == [0, 10, 20, 30]
