"""Test videos: their frames, and the one place that encodes them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.video.stream import VideoStream
from jaxtyping import UInt8

from countenance.demo import data_folder
from countenance.media.probe import probe
from countenance.media.reader import read_frames

Rgb = UInt8[np.ndarray, "H W 3"]
MakeVideo = Callable[..., Path]
"""The fixture that makes a test's videos."""

TIME_BASE, FRAME_TICKS = Fraction(1, 12800), 512
"""Of 25 frames a second, each of which lasts `FRAME_TICKS`."""
SHARP = {"crf": "8", "preset": "ultrafast"}
FRONTAL_FROM = {"zuri": 140, "kofi": 180, "mira": 100}
"""Frame of a demo actor's training clip from which they are seen from the front."""


def dissolved(before: Sequence[Rgb], after: Sequence[Rgb], num_mixed: int) -> list[Rgb]:
    """One shot, `num_mixed` frames in which its last frame is mixed into the other's first, and the other shot."""
    fractions = np.arange(1, num_mixed + 1) / (num_mixed + 1)
    mixed = [np.round(before[-1] * (1 - part) + after[0] * part).astype(np.uint8) for part in fractions]
    return [*before, *mixed, *after]


def write_video(
    path: Path,
    frames: Iterable[Rgb],
    *,
    pts: Sequence[int] | None = None,
    frame_rate: int = 24,
    time_base: Fraction | None = None,
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    encoder: Mapping[str, str] = SHARP,
    bframes: int = 0,
    gop_size: int | None = None,
    colour_tags: tuple[int, int, int] = (2, 2, 0),
    pixel_aspect: Fraction | None = None,
    rotation_deg: int = 0,
    is_mirrored: bool = False,
    sound: av.AudioFrame | None = None,
    sound_codec: str = "aac",
    container_options: Mapping[str, str] | None = None,
) -> Path:
    """Encode frames as a video and return its path.

    `pts` are in `time_base`; without them each frame lasts `FRAME_TICKS`, or a single tick outside of MP4 and MOV.
    `encoder` are the codec's own options; `colour_tags` are transfer, matrix and range, in FFmpeg's numbers;
    the video is shown turned clockwise by `rotation_deg`.
    """
    has_clock = path.suffix in {".mp4", ".mov"}
    ticks = FRAME_TICKS if has_clock else 1
    time_base = time_base or Fraction(1, ticks * frame_rate)
    clocks = {"video_track_timescale": str(time_base.denominator), "movie_timescale": "5644800"}
    options = {**(clocks if has_clock else {}), **(container_options or {})}
    shown = list(frames)
    height, width = shown[0].shape[:2]
    with av.open(path, "w", container_options=options) as container:
        stream = container.add_stream(codec, rate=frame_rate, width=width, height=height)
        assert isinstance(stream, VideoStream)
        stream.pix_fmt = pixel_format
        context = stream.codec_context
        context.options, context.time_base, context.max_b_frames = dict(encoder), time_base, bframes
        context.color_trc, context.colorspace, context.color_range = colour_tags
        if gop_size is not None:
            context.gop_size = gop_size
        if pixel_aspect is not None:
            context.sample_aspect_ratio = pixel_aspect
        if rotation_deg or is_mirrored:
            stream.set_display_rotation(-rotation_deg, hflip=is_mirrored)
        track = None
        if sound is not None:
            track = container.add_stream(sound_codec, rate=sound.sample_rate, layout=sound.layout.name)
        times = range(0, len(shown) * ticks, ticks) if pts is None else pts
        for rgb, time in zip(shown, times, strict=True):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24").reformat(format=pixel_format)
            frame.pts, frame.time_base = time, time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if isinstance(track, AudioStream):
            container.mux(track.encode(sound))
            container.mux(track.encode(None))
    return path


def quadrants(width: int, height: int, shade: int = 0) -> Rgb:
    """Red, green above blue, white; turned or mirrored in any way it looks different."""
    rgb = np.full((height, width, 3), 235, np.uint8)
    rgb[: height // 2, : width // 2] = (200, 30 + shade, 30)
    rgb[: height // 2, width // 2 :] = (30, 180, 30 + shade)
    rgb[height // 2 :, : width // 2] = (30 + shade, 30, 200)
    return rgb


def noise(num_frames: int, size_wh: tuple[int, int], *, low: int = 0, high: int = 255) -> list[Rgb]:
    """Frames that hardly compress, the same at every call."""
    rng = np.random.default_rng(0)
    return [rng.integers(low, high, (size_wh[1], size_wh[0], 3), np.uint8) for _ in range(num_frames)]


def grey(output: Path, *, num_frames: int = 6) -> Path:
    """A video that shows nobody."""
    return write_video(output, [np.full((256, 384, 3), 100 + shade, np.uint8) for shade in range(num_frames)])


def frames_of(name: str, num_frames: int, *, first: int = 0) -> list[Rgb]:
    """Frames of one of the demo's clips."""
    frames = read_frames(probe(data_folder() / name), first_index=first)
    return [frame.rgb for frame in islice(frames, num_frames)]


def clip_of(actor: str, num_frames: int) -> list[Rgb]:
    """Frames that show an actor of the demo alone, from the front."""
    return frames_of(f"{actor}_training.mp4", num_frames, first=FRONTAL_FROM[actor])


def cut(clip: str, output: Path, *, num_frames: int, first: int | None = None) -> Path:
    """Some frames of an actor's training clip, or of the demo's performance, as a clip of their own."""
    name = f"{clip}.mp4" if clip == "performance" else f"{clip}_training.mp4"
    begin = FRONTAL_FROM.get(clip, 0) if first is None else first
    return write_video(output, frames_of(name, num_frames, first=begin), encoder={"crf": "18", "preset": "ultrafast"})


def clicks(rate_hz: int, starts_s: Fraction, length_s: Fraction) -> av.AudioFrame:
    """Clicks, one every tenth of a second, so that a shift is seen."""
    samples = np.zeros((2, int(rate_hz * length_s)), np.int16)
    for start in range(0, samples.shape[1], rate_hz // 10):
        samples[:, start : start + 40] = 12000
    frame = av.AudioFrame.from_ndarray(samples.T.reshape(1, -1).copy(), format="s16", layout="stereo")
    frame.sample_rate, frame.time_base = rate_hz, Fraction(1, rate_hz)
    frame.pts = int(starts_s * rate_hz)
    return frame


def tone(length_s: float) -> av.AudioFrame:
    """A tone that rises, so that no second sounds like another."""
    samples = np.arange(int(44100 * length_s))
    wave = 9000 * np.sin(samples * 0.05 * (1 + samples / 1e5))
    frame = av.AudioFrame.from_ndarray(wave.astype(np.int16)[None], format="s16", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = 44100, 0, Fraction(1, 44100)
    return frame
