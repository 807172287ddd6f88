"""Clips and pictures made on the spot."""

import resource
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.audio.stream import AudioStream
from av.video.stream import VideoStream
from jaxtyping import UInt8

TIME_BASE = Fraction(1, 12800)
STEADY_PTS = tuple(index * 512 for index in range(60))


def quadrants(width: int, height: int, shade: int = 0) -> UInt8[np.ndarray, "H W 3"]:
    """Red, green above blue, white; turned or mirrored in any way it looks different."""
    rgb = np.full((height, width, 3), 235, np.uint8)
    rgb[: height // 2, : width // 2] = (200, 30 + shade, 30)
    rgb[: height // 2, width // 2 :] = (30, 180, 30 + shade)
    rgb[height // 2 :, : width // 2] = (30 + shade, 30, 200)
    return rgb


MakeVideo = Callable[..., Path]


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
        path, noise = tmp_path / name, np.random.default_rng(0)
        clocks = {"video_track_timescale": str(time_base.denominator), "movie_timescale": "5644800"}
        options = {**(clocks if path.suffix in {".mp4", ".mov"} else {}), **(container_options or {})}
        with av.open(path, "w", container_options=options) as container:
            stream = container.add_stream(codec, rate=25, width=size_wh[0], height=size_wh[1])
            assert isinstance(stream, VideoStream)
            stream.pix_fmt = pixel_format
            context = stream.codec_context
            context.options = {"crf": "10", "preset": "ultrafast"} if codec == "libx264" else {}
            context.time_base, context.gop_size, context.max_b_frames = time_base, gop_size, bframes
            context.color_trc, context.colorspace, context.color_range = colour_tags
            if pixel_aspect is not None:
                context.sample_aspect_ratio = pixel_aspect
            if rotation_deg or is_mirrored:
                stream.set_display_rotation(-rotation_deg, hflip=is_mirrored)
            sound = container.add_stream(audio, rate=audio_rate, layout="stereo") if audio is not None else None
            for index, time in enumerate(pts):
                rgb = noise.integers(0, 255, (size_wh[1], size_wh[0], 3), np.uint8)
                rgb = rgb if is_noisy else quadrants(*size_wh, index % 100)
                frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
                frame = frame.reformat(format=pixel_format)
                frame.pts, frame.time_base = time, time_base
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
            if isinstance(sound, AudioStream):
                length_s = (pts[-1] - pts[0]) * time_base + Fraction(1, 25)
                container.mux(sound.encode(clicks(audio_rate, audio_starts_s, length_s)))
                container.mux(sound.encode(None))
        return path

    return make


def clicks(rate_hz: int, starts_s: Fraction, length_s: Fraction) -> av.AudioFrame:
    """Clicks, one every tenth of a second, so that a shift is seen."""
    samples = np.zeros((2, int(rate_hz * length_s)), np.int16)
    for start in range(0, samples.shape[1], rate_hz // 10):
        samples[:, start : start + 40] = 12000
    frame = av.AudioFrame.from_ndarray(samples.T.reshape(1, -1).copy(), format="s16", layout="stereo")
    frame.sample_rate, frame.time_base = rate_hz, Fraction(1, rate_hz)
    frame.pts = int(starts_s * rate_hz)
    return frame


FullDisk = Callable[[int], AbstractContextManager[None]]


@pytest.fixture
def full_disk() -> FullDisk:
    """The system refuses to let any file grow beyond a size, as a full disk does."""

    @contextmanager
    def limited(num_bytes: int) -> Iterator[None]:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return limited
