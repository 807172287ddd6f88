"""Interlaced clips are read as whole frames, the same from wherever one begins."""

from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.stream import VideoStream
from jaxtyping import UInt8

from countenance.media.probe import probe
from countenance.media.reader import read_frames
from countenance.types import MediaInfo

NUM_FRAMES = 60


def fields() -> list[UInt8[np.ndarray, "96 128 3"]]:
    """A grey bar that moves 3 px from field to field, whole pictures."""
    pictures = np.full((2 * NUM_FRAMES, 96, 128, 3), 60, np.uint8)
    for index, picture in enumerate(pictures):
        picture[:, (3 * index) % 100 : (3 * index) % 100 + 24] = 200
    return list(pictures)


@pytest.fixture
def interlaced(tmp_path: Path) -> MediaInfo:
    path = tmp_path / "interlaced.mp4"
    with av.open(path, "w") as container:
        options = {"crf": "8", "flags": "+ildct+ilme", "x264-params": "keyint=12:bframes=2"}
        stream = container.add_stream("libx264", rate=25, width=128, height=96, options=options)
        assert isinstance(stream, VideoStream)
        stream.pix_fmt = "yuv420p"
        whole = fields()
        for first, second in zip(whole[::2], whole[1::2], strict=True):
            woven = first.copy()
            # Without a mark on the frame, x264 codes the lower lines first.
            woven[::2] = second[::2]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(woven, format="rgb24")))
        container.mux(stream.encode(None))
    return probe(path)


def test_lines_of_two_moments_are_no_longer_woven(interlaced: MediaInfo) -> None:
    assert interlaced.is_interlaced
    assert interlaced.notes == (f"{interlaced.path} is interlaced; its frames are deinterlaced as they are read",)
    frames = list(read_frames(interlaced))
    woven = list(read_frames(replace(interlaced, is_interlaced=False)))
    assert [frame.pts for frame in frames] == [frame.pts for frame in woven]
    expected = fields()[::2]
    errors = [
        np.mean([np.abs(frame.rgb.astype(float) - expected[frame.index]).mean() for frame in some])
        for some in (frames, woven)
    ]
    assert errors[0] < errors[1] / 3


def test_frames_are_the_same_from_wherever_one_begins(interlaced: MediaInfo) -> None:
    frames = list(read_frames(interlaced))
    for first in (1, 11, 12, 13, 30, 59):
        again = list(read_frames(interlaced, first_index=first, first_pts=frames[first].pts))
        assert [(frame.index, frame.pts) for frame in again] == [(frame.index, frame.pts) for frame in frames[first:]]
        assert all(np.array_equal(one.rgb, other.rgb) for one, other in zip(again, frames[first:], strict=True))
