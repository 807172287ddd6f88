"""How a video file is opened and how its trouble is told, for all that read or write one."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
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

VIDEO_CODECS = (
    *("h264", "hevc", "av1", "libdav1d", "vp8", "libvpx", "vp9", "libvpx-vp9"),
    *("prores", "dnxhd", "cfhd", "dvvideo", "mjpeg", "mpeg1video", "mpeg2video", "mpegvideo", "mpeg4", "h263"),
    *("msmpeg4v1", "msmpeg4v2", "msmpeg4", "wmv1", "wmv2", "wmv3", "vc1", "flv", "vp6f", "theora"),
    *("ffv1", "huffyuv", "ffvhuff", "utvideo", "qtrle", "png", "jpeg2000", "rawvideo", "v210"),
)
"""Decoders of pictures that are ever run, by FFmpeg's names; cameras and editors write these."""

AUDIO_CODECS = (
    *("aac", "aac_latm", "mp3", "mp3float", "mp2", "mp2float", "opus", "libopus", "vorbis", "flac", "alac"),
    *("ac3", "eac3", "dca", "truehd", "wmav1", "wmav2", "wmapro", "adpcm_ms", "adpcm_ima_wav", "adpcm_ima_qt"),
    *("pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be", "pcm_s32le", "pcm_s32be", "pcm_f32le", "pcm_f32be"),
    *("pcm_u8", "pcm_s8", "pcm_alaw", "pcm_mulaw", "pcm_bluray", "pcm_dvd", "amrnb", "amrwb", "speex", "nellymoser"),
)

EXPECTED = "MP4, MOV, MKV, WebM, AVI and the like, or JPEG, PNG, WebP, TIFF, HEIC"

MAX_PIXELS = 8192 * 8192
"""Of one frame."""

MAX_SIDE = 32766
"""Of one frame; OpenCV counts pixels along a side in 16 bits."""

MAX_STREAMS = 64

STILL = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
NUM_FIRST_PACKETS = 2000
"""So many are counted to find the film among several video streams."""
MAX_STILLNESS = 20
"""A stream with fewer packets than the film's divided by this isn't one."""

NUM_DECODER_THREADS = 2

MAX_WAIT_S = 120
"""For a frame; the slowest that cameras write take a few seconds on a busy machine."""

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


class DamagedError(MediaError):
    """A video that isn't all there; what comes before the damage may be good."""


@contextmanager
def opened_video(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a video and the stream of its film; errors inside become a MediaError.

    Raises:
        MediaError: it can't be opened or read, or holds no video.
    """
    try:
        with _opened(path) as container:
            stream = _video_of(path, container)
            # What was given on opening holds only until the streams are known.
            stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}
            stream.codec_context.thread_type = "AUTO"
            stream.codec_context.thread_count = NUM_DECODER_THREADS
            yield container, stream
    except (OSError, av.FFmpegError) as error:
        raise MediaError(f"{path} can't be read: {reason(error)}; check it with a player, or copy it anew") from error


def _opened(path: Path) -> InputContainer:
    return av.open(
        # The absolute path keeps FFmpeg from taking a name such as `concat:a|b` for an address.
        path.absolute(),
        "r",
        container_options={
            "format_whitelist": ",".join(FORMATS),
            "codec_whitelist": ",".join((*VIDEO_CODECS, *AUDIO_CODECS)),
            "protocol_whitelist": "file",
        },
        options={"max_pixels": str(MAX_PIXELS)},
        # What a file says of itself in another encoding is no reason to refuse it.
        metadata_errors="replace",
    )


def _video_of(path: Path, container: InputContainer) -> VideoStream:
    """The video stream with the largest frames, of those the first, if it is one that may be decoded."""
    if len(container.streams) > MAX_STREAMS:
        raise MediaError(f"expected at most {MAX_STREAMS} streams, {path} has {len(container.streams)}; keep only one")
    streams = moving_streams(container)
    if not streams:
        raise MediaError(f"{path} holds no video; give a video file or a picture (JPEG, PNG, WebP)")
    stream = max(_films(path, streams), key=_num_pixels)
    context: object = stream.codec_context
    if context is None or stream.time_base is None:
        raise MediaError(f"the video in {path} is in a format that can't be decoded here; convert it to H.264")
    if stream.codec_context.codec.name not in VIDEO_CODECS:
        name = stream.codec_context.codec.canonical_name
        raise MediaError(
            f"expected H.264, HEVC, AV1, VP9, ProRes or the like, but {path} is {name}; convert it to H.264"
        )
    return stream


def moving_streams(container: InputContainer) -> list[VideoStream]:
    """All video streams but covers and the images of chapters, which are some too."""
    return [each for each in container.streams.video if not each.disposition & STILL]


def _films(path: Path, streams: Sequence[VideoStream]) -> Sequence[VideoStream]:
    """Those that move: a cover or the images of chapters, however large, have few packets beside the film's."""
    if len(streams) == 1:
        return streams
    counts = {stream.index: stream.frames for stream in streams}
    if not all(counts.values()):
        counts = dict.fromkeys(counts, 0)
        # In a file opened apart, because seeking back isn't exact in every format.
        with _opened(path) as container:
            for packet in islice(container.demux(), NUM_FIRST_PACKETS):
                if packet.size and packet.stream_index in counts:
                    counts[packet.stream_index] += 1
    most = max(counts.values())
    return [stream for stream in streams if counts[stream.index] * MAX_STILLNESS >= most]


def decoded_in_time(
    path: Path, packets: Iterable[AnyPacket], *, clock: Callable[[], float] = time.monotonic
) -> Iterator[VideoFrame]:
    """The frames of a stream's packets; what is done with them takes none of their time.

    Raises:
        MediaError: no frame came for more than `MAX_WAIT_S`.
    """
    begun = clock()
    for packet in packets:
        for frame in packet.decode():
            yield frame
            begun = clock()
        waited_s = clock() - begun
        if waited_s > MAX_WAIT_S:
            raise MediaError(
                f"{path} gave no frame within {waited_s:.0f} s of decoding, so it is damaged or made to waste time; "
                "convert it to H.264 in .mp4"
            )


def _num_pixels(stream: VideoStream) -> int:
    # Mypy doesn't know that a stream without a decoder has no context.
    context: VideoCodecContext | None = stream.codec_context
    return 0 if context is None else context.width * context.height


def reason(error: OSError | av.FFmpegError) -> str:
    """What the system or FFmpeg says went wrong, in words."""
    words = error.strerror or str(error)
    return words[:1].lower() + words[1:]
