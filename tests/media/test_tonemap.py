"""HDR becomes SDR: dark and middle light stays what it was, bright light is pressed below white."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.stream import VideoStream

from countenance.media.probe import probe
from countenance.media.reader import read_frames
from countenance.media.tonemap import sdr_command, to_sdr
from countenance.types import Transfer

# From the tables of ITU-R BT.2408: codes of 10 bits' range, in parts of one.
CODES: dict[Transfer, dict[float, float]] = {
    "pq": {0: 0.0, 1: 0.150, 10: 0.302, 50: 0.440, 203: 0.581, 1000: 0.752, 10000: 1.0},
    "hlg": {0: 0.0, 203: 0.75, 1000: 1.0},
}


def grey(transfer: Transfer, code: float) -> int:
    picture = np.full((1, 1, 3), round(code * 65535), np.uint16)
    red, green, blue = to_sdr(picture, transfer, is_wide=True)[0, 0].tolist()
    assert red == green == blue
    return int(red)


@pytest.mark.parametrize("nits", [0, 1, 10, 50])
def test_light_below_the_knee_stays(nits: float) -> None:
    assert grey("pq", CODES["pq"][nits]) == pytest.approx(255 * (nits / 203) ** (1 / 2.4), abs=1.5)


@pytest.mark.parametrize("transfer", CODES)
def test_bright_light_is_pressed_below_white(transfer: Transfer) -> None:
    white, peak = grey(transfer, CODES[transfer][203]), grey(transfer, CODES[transfer][1000])
    assert 200 < white < 245
    assert peak == 255
    shades = [grey(transfer, code) for code in np.linspace(0, 1, 200)]
    assert shades == sorted(shades)


def test_both_codes_of_one_light_give_one_picture() -> None:
    assert grey("hlg", 0.75) == pytest.approx(grey("pq", CODES["pq"][203]), abs=1)


def test_wide_colours_become_stronger() -> None:
    code = np.array([[[32000, 24000, 24000]]], np.uint16)
    wide, narrow = (to_sdr(code, "pq", is_wide=is_wide)[0, 0].astype(int) for is_wide in (True, False))
    assert wide[0] > narrow[0]
    assert wide[1] < narrow[1]


@pytest.mark.parametrize(("tag", "transfer"), [(16, "pq"), (18, "hlg")])
def test_frames_of_hdr_are_read_as_sdr(tmp_path: Path, tag: int, transfer: Transfer) -> None:
    path = tmp_path / "hdr.mp4"
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=25, width=64, height=64, options={"qp": "0"})
        assert isinstance(stream, VideoStream)
        stream.pix_fmt = "yuv420p10le"
        context = stream.codec_context
        context.color_trc, context.colorspace, context.color_primaries, context.color_range = tag, 9, 9, 1
        luma = np.full((96, 64), 512, np.uint16)
        luma[:64] = round((16 + 219 * CODES[transfer][203]) * 4)
        frame = av.VideoFrame.from_ndarray(luma, format="yuv420p10le")
        frame.pts, frame.time_base = 0, Fraction(1, 25)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    (read,) = read_frames(probe(path))
    assert np.abs(read.rgb.astype(int) - grey(transfer, CODES[transfer][203])).max() <= 1


def test_the_command_that_makes_an_sdr_copy_names_the_file_safely() -> None:
    command = sdr_command(Path("/shots/take 1.mov"))
    assert command.startswith("ffmpeg -i '/shots/take 1.mov' -map 0:v:0")
    assert "tonemap=" in command
    assert command.endswith("'/shots/take 1_sdr.mp4'")
