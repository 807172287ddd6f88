"""How a video file is opened and how its trouble is told, for all that read or write one."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.reformatter import ColorRange, Colorspace, Interpolation
from av.video.stream import VideoStream

from countenance.errors import MediaError

# Generic only for type checkers.
if TYPE_CHECKING:
    AnyPacket = Packet[Any]
else:
    AnyPacket = Packet

FORMATS = ("mov", "matroska", "avi", "mpegts", "mpeg", "flv", "asf", "ogg", "mxf", "nut")
"""Containers that hold their own frames: no playlists, no lists of other files, no devices, no numbered pictures."""

PICTURE_FORMATS = ("JPEG", "PNG", "WEBP")

MAX_PIXELS = 8192 * 8192
"""Of one frame."""

NUM_DECODER_THREADS = 2

COLOUR_SPACES = {
    "bt709": (1, Colorspace.ITU709),
    "fcc": (4, Colorspace.FCC),
    "bt470bg": (5, Colorspace.ITU601),
    "smpte170m": (6, Colorspace.ITU601),
    "smpte240m": (7, Colorspace.SMPTE240M),
    "bt2020nc": (9, Colorspace.BT2020),
}
"""FFmpeg's name of a matrix -> its number in a stream's tag, and the matrix itself."""

COLOUR_RANGES = {"limited": ColorRange.MPEG, "full": ColorRange.JPEG}

# Bicubic keeps fine colours through reading and writing, 1 dB more than bilinear on faces, 10 on fine patterns; without
# the other three, colours come out up to two steps too dark.
INTERPOLATION = int(
    Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT | Interpolation.FULL_CHR_H_INP
)


@contextmanager
def opened_video(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a video and its best video stream; trouble inside becomes a MediaError.

    Raises:
        MediaError: it can't be opened or read, or holds no video.
    """
    try:
        # The absolute path keeps FFmpeg from taking a name such as `concat:a|b` for an address.
        with av.open(
            path.absolute(),
            "r",
            container_options={"format_whitelist": ",".join(FORMATS), "protocol_whitelist": "file"},
            options={"max_pixels": str(MAX_PIXELS)},
        ) as container:
            # A song's cover is a video stream too.
            streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
            if not streams:
                raise MediaError(f"{path} holds no video; give a video file or a picture (JPEG, PNG, WebP)")
            best = container.streams.best("video")
            stream = next((s for s in streams if s is best), streams[0])
            # Mypy doesn't know that a stream without a decoder has no context.
            context: object = stream.codec_context
            if context is None or stream.time_base is None:
                raise MediaError(f"the video in {path} is in a format that can't be decoded here; convert it to H.264")
            stream.codec_context.thread_type = "AUTO"
            stream.codec_context.thread_count = NUM_DECODER_THREADS
            yield container, stream
    except (OSError, av.FFmpegError) as error:
        raise MediaError(f"{path} can't be read: {reason(error)}; check it with a player, or copy it anew") from error


def reason(error: OSError | av.FFmpegError) -> str:
    """What the system or FFmpeg says went wrong, in words."""
    words = error.strerror or str(error)
    return words[:1].lower() + words[1:]
