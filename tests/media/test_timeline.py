"""One pass tells each frame's time, where decoding may begin, and where shots begin."""

import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from jaxtyping import UInt8

import countenance.media.timeline
from countenance.errors import MediaError
from countenance.media.probe import probe
from countenance.media.reader import read_frames, sought
from countenance.media.timeline import Timeline, frames_at, read_timeline
from countenance.progress import Silent
from countenance.types import Frame, MediaInfo

UNEVEN_PTS = tuple(np.cumsum(np.random.default_rng(3).integers(1, 400, 200)).tolist())
NUM_FRAMES = len(UNEVEN_PTS)


def moving(num_frames: int, seed: int = 0, size_wh: tuple[int, int] = (128, 96)) -> list[UInt8[np.ndarray, "H W 3"]]:
    """A camera that pans over coloured blots: every frame needs those before it."""
    width, height = size_wh
    blots = np.random.default_rng(seed).integers(0, 255, (6, (width + 2 * num_frames) // 16, 3), np.uint8)
    wide = cv2.resize(blots, (width + 2 * num_frames, height), interpolation=cv2.INTER_CUBIC)
    return [np.ascontiguousarray(wide[:, 2 * index : 2 * index + width]) for index in range(num_frames)]


def write(path: Path, codec: str = "libx264", **options: str) -> Path:
    """A clip that pans, with the encoder's own options; its frames come unevenly where the format allows."""
    clock = {".mp4": 12800, ".mkv": 1000}.get(path.suffix, 25) if codec == "libx264" else 25
    pts = range(NUM_FRAMES) if clock == 25 else UNEVEN_PTS
    with av.open(path, "w", options={"video_track_timescale": str(clock)} if clock == 12800 else {}) as container:
        stream = container.add_stream(codec, rate=25, width=128, height=96, options=options)
        assert isinstance(stream, VideoStream)
        stream.pix_fmt, stream.codec_context.time_base = "yuv420p", Fraction(1, clock)
        for time, rgb in zip(pts, moving(NUM_FRAMES), strict=True):
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
            frame.pts, frame.time_base = time, Fraction(1, clock)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def timeline(path: Path) -> Timeline:
    return read_timeline(probe(path), Silent())


ANYWHERE = (1, 17, 51, 100, 133, 199)
X264 = {"crf": "20", "preset": "medium", "bf": "3", "g": "16", "keyint_min": "16", "sc_threshold": "0"}
MPEG2 = {"g": "12", "bf": "2"}
CODECS: dict[str, tuple[str, dict[str, str]]] = {
    "closed": ("libx264", X264),
    "open": ("libx264", {**X264, "x264-params": "open-gop=1:b-pyramid=normal"}),
    "refreshed": ("libx264", {**X264, "bf": "0", "x264-params": "intra-refresh=1"}),
    "mpeg2": ("mpeg2video", MPEG2),
}


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts", "a.avi"])
@pytest.mark.parametrize("kind", CODECS)
def test_from_each_keyframe_on_frames_are_the_same(tmp_path: Path, kind: str, name: str) -> None:
    codec, options = CODECS[kind]
    if name == "a.avi" and codec == "libx264":
        options = {**options, "bf": "0", "x264-params": ""}
    info = probe(write(tmp_path / name, codec, **options))
    line = read_timeline(info, Silent())
    frames = list(read_frames(info))
    assert line.frame_pts.tolist() == [frame.pts for frame in frames]
    assert line.shots == (0,)
    assert line.keyframes[0] == 0
    # A picture that is refreshed bit by bit has no other keyframe than the first.
    assert line.keyframes == ((0,) if kind == "refreshed" and name != "a.avi" else (0, 48, 96, 144, 192))
    for first in (*line.keyframes[1:], *ANYWHERE):
        again = list(read_frames(info, first_index=first, first_pts=int(line.frame_pts[first])))
        assert [(frame.index, frame.pts) for frame in again] == [(frame.index, frame.pts) for frame in frames[first:]]
        assert all(np.array_equal(one.rgb, other.rgb) for one, other in zip(again, frames[first:], strict=True))


def test_some_frames_are_those_that_reading_all_gives(tmp_path: Path) -> None:
    info = probe(write(tmp_path / "a.mp4", **X264))
    frames, timeline = list(read_frames(info)), read_timeline(info, Silent())
    chosen = [0, 3, 90, 91, NUM_FRAMES - 1]
    for index, frame in zip(chosen, frames_at(info, timeline, chosen), strict=True):
        assert (frame.index, frame.pts) == (index, frames[index].pts)
        assert np.array_equal(frame.rgb, frames[index].rgb)


def test_frames_are_sought_only_where_decoding_begins_nearer_to_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = probe(write(tmp_path / "a.mp4", **X264))
    timeline = replace(read_timeline(info, Silent()), keyframes=(0, 144))
    begun = []

    def reading(info: MediaInfo, **options: Any) -> Iterator[Frame]:
        begun.append(options["first_index"])
        return read_frames(info, **options)

    monkeypatch.setattr(countenance.media.timeline, "read_frames", reading)
    chosen = [0, 50, 100, 160, 199]
    assert [frame.index for frame in frames_at(info, timeline, chosen)] == chosen
    assert begun == [0, 160]


@pytest.mark.parametrize("leads_elsewhere", [True, False])
def test_what_is_no_true_keyframe_is_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, leads_elsewhere: bool
) -> None:
    info = probe(write(tmp_path / "a.mp4", **X264))

    def wrong(container: InputContainer, stream: VideoStream, pts: int) -> Iterator[VideoFrame]:
        """The right time with another picture, as where an encoder calls a frame a keyframe that needs earlier ones."""
        for frame in sought(container, stream, pts) or ():
            other = av.VideoFrame.from_ndarray(moving(1, seed=5)[0], format="rgb24")
            other.pts = frame.pts
            yield other

    monkeypatch.setattr(countenance.media.timeline, "sought", (lambda *_: None) if leads_elsewhere else wrong)
    assert read_timeline(info, Silent()).keyframes == (0,)


def test_memory_does_not_grow_with_the_clip(tmp_path: Path) -> None:
    info = probe(write(tmp_path / "a.mp4", **X264))
    tracemalloc.start()
    read_timeline(info, Silent())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # All frames as RGB would be 7 MB, all thumbnails 2 MB.
    assert peak < 500_000


def test_damage_is_told(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", **X264)
    info = probe(path)
    whole = bytearray(path.read_bytes())
    with av.open(path) as container:
        at, size = next((e.pos, e.size) for e in list(container.streams.video[0].index_entries)[90:] if e.is_keyframe)
    whole[at + 5 : at + size] = bytes(size - 5)
    path.write_bytes(whole)
    with pytest.raises(MediaError, match="is damaged after"):
        read_timeline(info, Silent())
