"""Real encoders, in memory: frames go in, the frames that a player would show come out. No file is written."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from typing import Any

import av
import numpy as np
from av.filter import Graph
from av.video.codeccontext import VideoCodecContext
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from jaxtyping import UInt8

from countenance.capture.settings import Codec

Rgb = UInt8[np.ndarray, "H W 3"]
ENCODERS = {"h264": "libx264", "hevc": "libx265", "mpeg2": "mpeg2video", "prores": "prores_ks"}
DECODERS = {"h264": "h264", "hevc": "hevc", "mpeg2": "mpeg2video", "prores": "prores"}
BUFFER_S = 1.0
"""What the bit rate is kept over."""


@dataclass(kw_only=True, slots=True)
class Spent:
    """What an encoder spent; counted while frames pass."""

    num_bytes: int = 0
    num_frames: int = 0

    def bits_per_pixel(self, width: int, height: int) -> float:
        """Of all frames so far."""
        return 8 * self.num_bytes / (width * height * self.num_frames)


def recorded(
    frames: Iterable[Rgb], codec: Codec, frame_rate: Fraction, *, is_still: bool = False, spent: Spent | None = None
) -> Iterator[Rgb]:
    """Frames after encoding and decoding; the same in every process, because encoders get one thread.

    Frames that an encoder looks ahead at, about two seconds, are all that is kept.
    """
    frames = iter(frames)
    first = next(frames, None)
    if first is None:
        return
    height, width = first.shape[:2]
    wide, high = width + width % 2, height + height % 2
    pixel_format = f"yuv{codec.chroma}p" + ("10le" if codec.name == "prores" else "")
    encoder = _encoder(codec, wide, high, pixel_format, frame_rate, is_still=is_still)
    decoder = av.CodecContext.create(DECODERS[codec.name], "r")
    assert isinstance(decoder, VideoCodecContext)
    decoder.thread_count = 1
    to_video = _converter(wide, high, "rgb24", pixel_format, frame_rate)
    to_rgb = _converter(wide, high, pixel_format, "rgb24", frame_rate)

    def encoded() -> "Iterator[av.Packet[Any]]":
        for number, rgb in enumerate(chain([first], frames)):
            padded = np.pad(rgb, ((0, high - height), (0, wide - width), (0, 0)), mode="edge")
            picture = VideoFrame.from_ndarray(np.ascontiguousarray(padded), format="rgb24")
            picture.pts, picture.time_base = number, 1 / frame_rate
            to_video.vpush(picture)
            yield from encoder.encode(to_video.vpull())
        yield from encoder.encode(None)

    for packet in chain(encoded(), [None]):
        if spent is not None and packet is not None:
            spent.num_bytes, spent.num_frames = spent.num_bytes + packet.size, spent.num_frames + 1
        for shown in decoder.decode(packet):
            to_rgb.vpush(shown)
            yield np.asarray(to_rgb.vpull().to_ndarray()[:height, :width], np.uint8)


def _encoder(
    codec: Codec, width: int, height: int, pixel_format: str, frame_rate: Fraction, *, is_still: bool
) -> VideoCodecContext:
    context = av.CodecContext.create(ENCODERS[codec.name], "w")
    assert isinstance(context, VideoCodecContext)
    context.width, context.height, context.pix_fmt = width, height, pixel_format
    context.framerate, context.time_base = frame_rate, 1 / frame_rate
    context.thread_count = 1
    context.gop_size, context.max_b_frames = codec.gop_frames, codec.num_b_frames
    context.colorspace, context.color_range = 1, 1
    rate = round(codec.bits_per_pixel * width * height * frame_rate)
    limits = {"maxrate": str(rate), "bufsize": str(round(rate * BUFFER_S))}
    match codec.name:
        case "h264":
            chosen = {"qp": str(codec.still_quantiser)} if is_still else limits
            context.options = {"preset": codec.preset, **chosen}
        case "hevc":
            chosen = {} if is_still else limits
            quantiser = f":qp={codec.still_quantiser}" if is_still else ""
            options = f"pools=none:frame-threads=1:log-level=none:rc-lookahead=10{quantiser}"
            context.options = {"preset": codec.preset, "x265-params": options, **chosen}
        case "mpeg2":
            quantiser = str(codec.still_quantiser)
            context.options = {"qmin": quantiser, "qmax": quantiser} if is_still else limits
        case "prores":
            # Profile 3 is 422 HQ; macroblocks have 16 × 16 pixels.
            context.options = {"profile": "3", "bits_per_mb": str(round(256 * codec.bits_per_pixel))}
    if not is_still and codec.name != "prores":
        context.bit_rate = rate
    return context


def _converter(width: int, height: int, source: str, target: str, frame_rate: Fraction) -> Graph:
    """Between RGB and ITU-R BT.709 with colour samples where H.264 has them, which `reformat` can't be told."""
    to_rgb = target == "rgb24"
    place = {"in_chroma_loc": "left"} if to_rgb else {"out_chroma_loc": "left"}
    matrix = (
        {"in_color_matrix": "bt709", "in_range": "tv"} if to_rgb else {"out_color_matrix": "bt709", "out_range": "tv"}
    )
    graph = Graph()
    graph.threads = 1
    graph.link_nodes(
        graph.add_buffer(width=width, height=height, format=VideoFormat(source), time_base=1 / frame_rate),
        graph.add("scale", flags="bicubic+accurate_rnd+full_chroma_int+full_chroma_inp", **matrix, **place),
        graph.add("format", pix_fmts=target),
        graph.add("buffersink"),
    ).configure()
    return graph
