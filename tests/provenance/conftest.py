"""Small plates made on the spot, and a config folder of the test's own."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from countenance.provenance.credentials import Claim
from tests.support.videos import write_video

NUM_FRAMES = 6


@pytest.fixture(autouse=True)
def config_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "config"
    monkeypatch.setenv("COUNTENANCE_CONFIG", str(folder))
    return folder


@pytest.fixture
def make_plate(tmp_path: Path) -> Callable[..., Path]:
    def make(name: str, *, shade: int = 120) -> Path:
        path = tmp_path / name
        rng = np.random.default_rng(shade)
        pictures = rng.integers(shade - 20, shade + 20, (NUM_FRAMES, 256, 320, 3), dtype=np.uint8)
        if path.suffix in (".mp4", ".mov", ".mkv"):
            write_video(path, pictures, frame_rate=25)
        else:
            Image.fromarray(pictures[0]).save(path)
        return path

    return make


@pytest.fixture
def claim() -> Claim:
    return Claim(
        num_frames=NUM_FRAMES,
        num_altered_frames=NUM_FRAMES - 1,
        label="shown",
        label_reason="",
        model_digest="ab" * 32,
        salted_release_digests=("cd" * 32,),
        salted_permit_digest="ef" * 32,
        signed_at="2026-11-24T10:00:00+00:00",
    )
