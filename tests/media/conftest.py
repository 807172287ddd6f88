"""Clips and pictures made on the spot."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import pytest

from tests.support.disk import FullDisk, full_disk
from tests.support.videos import FRAME_TICKS, TIME_BASE, MakeVideo, clicks, noise, quadrants, write_video

STEADY_PTS = tuple(range(0, 60 * FRAME_TICKS, FRAME_TICKS))


@pytest.fixture
def make_video(tmp_path: Path) -> MakeVideo:
    """Writes a video; the shade of its pictures tells the frame."""

    def make(
        name: str = "plate.mp4",
        *,
        pts: Sequence[int] = STEADY_PTS,
        time_base: Fraction = TIME_BASE,
        size_wh: tuple[int, int] = (96, 64),
        codec: str = "libx264",
        pixel_format: str = "yuv420p",
        audio: str | None = None,
        audio_rate: int = 44100,
        audio_starts_s: Fraction = Fraction(0),
        rotation_deg: int = 0,
        is_mirrored: bool = False,
        pixel_aspect: Fraction | None = None,
        colour_tags: tuple[int, int, int] = (2, 2, 0),
        bframes: int = 0,
        gop_size: int = 12,
        is_noisy: bool = False,
        container_options: dict[str, str] | None = None,
    ) -> Path:
        random = noise(len(pts), size_wh) if is_noisy else None
        return write_video(
            tmp_path / name,
            random or [quadrants(*size_wh, index % 100) for index in range(len(pts))],
            pts=pts,
            frame_rate=25,
            time_base=time_base,
            codec=codec,
            pixel_format=pixel_format,
            encoder={"crf": "10", "preset": "ultrafast"} if codec == "libx264" else {},
            bframes=bframes,
            gop_size=gop_size,
            colour_tags=colour_tags,
            pixel_aspect=pixel_aspect,
            rotation_deg=rotation_deg,
            is_mirrored=is_mirrored,
            sound=clicks(audio_rate, audio_starts_s, (pts[-1] - pts[0]) * time_base + Fraction(1, 25))
            if audio
            else None,
            sound_codec=audio or "aac",
            container_options=container_options,
        )

    return make


@pytest.fixture(name="full_disk")
def make_full_disk() -> FullDisk:
    return full_disk
