"""What a file is, found by looking into it: name and suffix count for nothing."""

import hashlib
import itertools
import logging
import math
import os
import stat
import time
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO, Literal, cast

import av
from av.container import InputContainer
from av.sidedata.sidedata import SideData
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, ColorTrc
from av.video.stream import VideoStream
from PIL import Image, UnidentifiedImageError

from countenance.errors import MediaError
from countenance.media.boxes import check_announced
from countenance.media.container import (
    COLOUR_SPACES,
    MAX_PIXELS,
    MAX_SIDE,
    AnyPacket,
    DamagedError,
    decoded_in_time,
    moving_streams,
    opened_video,
    reason,
)
from countenance.media.files import open_regular
from countenance.media.kinds import why_not
from countenance.media.orientation import Matrix, display_matrix, rotation_deg
from countenance.media.pictures import PICTURE_ERRORS, is_deep_rgb, opened_picture
from countenance.types import MediaInfo, Transfer

_log = logging.getLogger(__name__)

MAX_DURATION_S = 12 * 3600
MAX_BYTES = 8 * 1000**4
"""Twelve hours of the largest that cameras write."""

MAX_FRAMES = MAX_DURATION_S * 120
MAX_MISSING_S = Fraction(1, 2)
"""Less than this may be missing at the end of containers that tell only a rounded duration."""

STILL_BRANDS = {"avif", "avis", "heic", "heix", "heim", "heis", "hevc", "hevx", "mif1", "msf1"}
"""By which pictures tell themselves from the videos whose container they share."""

HDR_TRANSFERS: dict[int, Transfer] = {ColorTrc.SMPTE2084: "pq", ColorTrc.ARIB_STD_B67: "hlg"}

HD_HEIGHT, HD_WIDTH = 720, 1280
"""Frames of so many lines or columns are BT.709 where no tag says otherwise."""

LOSSY_PICTURES = {"JPEG", "MPO", "WEBP", "HEIF"}
"""Formats of images, as Pillow names them, that mostly keep colour at half the resolution."""

FRAME_METADATA = {
    "MASTERING_DISPLAY_METADATA": "HDR metadata",
    "CONTENT_LIGHT_LEVEL": "HDR metadata",
    "DYNAMIC_HDR_PLUS": "HDR metadata",
    "DOVI_RPU_BUFFER": "HDR metadata",
    "DOVI_METADATA": "HDR metadata",
    "A53_CC": "closed captions",
    "S12M_TIMECODE": "timecode in its frames",
    "GOP_TIMECODE": "timecode in its frames",
    "ICC_PROFILE": "an ICC profile",
    "SPHERICAL": "spherical projection",
    "STEREO3D": "stereo 3D",
}
"""FFmpeg's names of what goes with a frame, and how a user calls it."""

NUM_FIRST_FRAMES = 12
"""So many are asked whether they are interlaced: the first alone may be whole where the others aren't."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fingerprint:
    """By what a file's content is known again."""

    size: int
    """Bytes."""
    sha256: str


def probe(path: Path, fingerprint: Fingerprint | None = None, *, damaged_end: bool = False) -> MediaInfo:
    """Find out what a video or picture is, and that all of it is there.

    With `damaged_end`, a video's end may be missing; how many frames before that are good is known once it was read.

    Colours without a tag are taken as players take them: BT.709 from 720 lines or 1280 columns on, otherwise BT.601,
    limited range.

    >>> probe(Path("plate.mp4")).resolution_wh
    (1280, 720)

    Raises:
        MediaError: not a whole video or picture, or one that can't be handled; the message says why.
    """
    begun = time.monotonic()
    known = fingerprint or take_fingerprint(path)
    try:
        info = _probe(path, known, damaged_end=damaged_end)
    except MediaError as error:
        error.specify("media.unreadable", path=path)
        raise
    seconds = time.monotonic() - begun
    _log.info(
        "opened %s: %s, %d frames of %d×%d, %.1f s", path, info.kind, info.num_frames, *info.resolution_wh, seconds
    )
    return info


def take_fingerprint(path: Path) -> Fingerprint:
    """Read a file that may be media; links, folders, pipes, devices and empty files are none.

    Raises:
        MediaError: it is no ordinary file, or can't be read.
    """
    try:
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            raise MediaError(f"{path} is a symbolic link; give the file that it points to: {path.readlink()}")
        if stat.S_ISDIR(mode):
            raise MediaError(f"expected a video or picture, but {path} is a folder; give a file in it")
        with open_regular(path, follow_links=False) as file:
            _check_worth_reading(path, file)
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            size = file.tell()
    except (FileNotFoundError, NotADirectoryError):
        raise MediaError(f"there is no file {path}; check its name", code="media.missing", path=path) from None
    except OSError as error:
        raise MediaError(f"{path} can't be read: {reason(error)}; check its permissions") from error
    if size == 0:
        raise MediaError(f"{path} is empty; copy it anew")
    return Fingerprint(size=size, sha256=digest)


def _probe(path: Path, known: Fingerprint, *, damaged_end: bool) -> MediaInfo:
    try:
        with opened_picture(path) as picture:
            return _probe_picture(path, picture, known.sha256)
    except UnidentifiedImageError:
        return _probe_video(path, known, damaged_end=damaged_end)


def _check_worth_reading(path: Path, file: BinaryIO) -> None:
    """Refuse what would take hours to read and can't be footage: a hollow file may claim any size."""
    status = os.fstat(file.fileno())
    if status.st_size > MAX_BYTES:
        raise MediaError(f"expected at most {MAX_BYTES} bytes, but {path} has {status.st_size}; cut it")
    head = file.read(4096)
    if head and not head.strip(b"\x00"):
        raise MediaError(f"expected a video or picture, but {path} begins with nothing but zeros; copy it anew")
    file.seek(0)


def _probe_picture(path: Path, picture: Image.Image, sha256: str) -> MediaInfo:
    width, height = picture.size
    # Pillow forgets it once the pixels are loaded.
    is_deep = picture.mode.startswith("I") or is_deep_rgb(picture)
    _check_pixels(path, width, height)
    if picture.mode in {"CMYK", "LAB", "HSV", "F"}:
        raise MediaError(f"expected a picture in RGB or grey, but {path} is {picture.mode}; save it as RGB")
    try:
        picture.load()
        # EXIF orientations from 5 on swap width and height.
        if picture.getexif().get(0x0112, 1) >= 5:
            width, height = height, width
    except PICTURE_ERRORS as error:
        raise MediaError(f"the picture {path} is truncated or damaged ({error}); copy it anew") from error
    return MediaInfo(
        path=path,
        kind="picture",
        sha256=sha256,
        resolution_wh=(width, height),
        rotation_deg=0,
        num_frames=1,
        frame_rate=Fraction(1),
        time_base=Fraction(1),
        duration=Fraction(0),
        bit_depth=16 if is_deep else 8,
        colour_space="rgb",
        colour_range="full",
        has_audio=False,
        chroma_step_wh=(2, 2) if picture.format in LOSSY_PICTURES else (1, 1),
        has_alpha=picture.has_transparency_data,
        metadata=_picture_metadata(picture),
    )


def _probe_video(path: Path, known: Fingerprint, *, damaged_end: bool) -> MediaInfo:
    try:
        check_announced(path, known.size, MAX_FRAMES)
        with opened_video(path) as (container, stream):
            _check_moves(path, container)
            _check_pixels(path, stream.codec_context.width, stream.codec_context.height)
            times, last_duration = _count_frames(path, known.size, container, stream, damaged_end=damaged_end)
            # Opening has seen to it.
            assert stream.time_base is not None
            time_base, average_rate = stream.time_base, stream.average_rate
            has_audio = bool(container.streams.audio)
            num_streams, number = len(moving_streams(container)), moving_streams(container).index(stream) + 1
    except MediaError as error:
        if isinstance(error.__cause__, av.error.InvalidDataError | av.error.ArgumentError):
            raise MediaError(why_not(path)) from error
        raise
    except OSError as error:
        raise MediaError(f"{path} can't be read: {reason(error)}; check its permissions") from error
    # As opened for counting, the container is at its end; seeking back isn't exact in every format.
    with opened_video(path) as (container, stream):
        first = list(itertools.islice(decoded_in_time(path, container.demux(stream)), NUM_FIRST_FRAMES))
        if not first:
            raise MediaError(f"not one frame of {path} can be decoded; convert it to H.264")
        # Where a video was cut before a keyframe, no decoder shows the frames that lean on what was cut off.
        num_hidden = bisect_left(times, first[0].pts or 0)
        times = times[num_hidden:] or times
        duration = _duration(path, times, last_duration, average_rate, time_base)
        frame, is_interlaced = first[0], any(each.interlaced_frame for each in first)
        transfer: Transfer = HDR_TRANSFERS.get(frame.color_trc, "sdr")
        return MediaInfo(
            path=path,
            kind="video",
            sha256=known.sha256,
            resolution_wh=_shown_size(path, frame, stream.sample_aspect_ratio),
            rotation_deg=rotation_deg(_matrix(path, frame)),
            num_frames=len(times),
            frame_rate=(average_rate or len(times) / duration).limit_denominator(1001),
            time_base=time_base,
            duration=duration,
            bit_depth=max(component.bits for component in frame.format.components),
            colour_space=_colour_space(path, frame),
            colour_range=_colour_range(frame),
            has_audio=has_audio,
            transfer=transfer,
            is_interlaced=is_interlaced,
            chroma_step_wh=_chroma_step(frame),
            has_alpha=_has_alpha(frame),
            pixel_aspect=stream.sample_aspect_ratio or Fraction(1),
            metadata=_frame_metadata(first),
            is_whole=not damaged_end,
            notes=(
                *_notes(path, num_streams, number, transfer, is_interlaced=is_interlaced),
                *_hidden(path, num_hidden),
            ),
        )


def _duration(
    path: Path,
    times: "array[int]",
    last_duration: int | None,
    average_rate: Fraction | None,
    time_base: Fraction,
) -> Fraction:
    """Seconds from the first frame to the end of the last."""
    gap = Fraction(times[-1] - times[0], max(len(times) - 1, 1))
    # Where the clock is coarser than the frames, the last one still takes a tick.
    last = last_duration or round(gap) or max(1, round(1 / (average_rate or 25) / time_base))
    duration = (times[-1] - times[0] + last) * time_base
    if duration > MAX_DURATION_S:
        raise MediaError(
            f"expected at most {MAX_DURATION_S // 3600} hours, but {path} has {float(duration / 3600):.1f}; cut it"
        )
    return duration


def _hidden(path: Path, num_hidden: int) -> tuple[str, ...]:
    if num_hidden == 0:
        return ()
    what = "frame needs" if num_hidden == 1 else f"{num_hidden} frames need"
    return (f"{path} was cut without encoding it again: its first {what} what was cut off; no player shows that part",)


def _notes(path: Path, num_streams: int, number: int, transfer: Transfer, *, is_interlaced: bool) -> tuple[str, ...]:
    notes = []
    if num_streams > 1:
        notes.append(f"{path} has {num_streams} video streams; took the largest, number {number}")
    if transfer != "sdr":
        notes.append(f"{path} is HDR ({transfer.upper()}); its faces are looked at as SDR, the file stays as it is")
    if is_interlaced:
        notes.append(f"{path} is interlaced; its frames are deinterlaced as they are read")
    return tuple(notes)


def _check_moves(path: Path, container: InputContainer) -> None:
    if container.metadata.get("major_brand") in STILL_BRANDS:
        raise MediaError(why_not(path))


def _check_pixels(path: Path, width: int, height: int) -> None:
    if width < 1 or height < 1:
        raise MediaError(
            f"expected frames of at most {MAX_PIXELS} pixels, but {path} has larger ones, or doesn't tell their size; "
            "convert it to H.264 in .mp4"
        )
    if width * height > MAX_PIXELS:
        raise MediaError(f"expected at most {MAX_PIXELS} pixels, but {path} is {width}×{height}; shrink it")
    if max(width, height) > MAX_SIDE:
        raise MediaError(f"expected at most {MAX_SIDE} pixels a side, but {path} is {width}×{height}; shrink it")


def _count_frames(
    path: Path, size: int, container: InputContainer, stream: VideoStream, *, damaged_end: bool
) -> tuple["array[int]", int | None]:
    """The sorted times of all frames and the duration of the last, without decoding.

    Raises:
        MediaError: what is there is less than what the container announces.
    """
    if not damaged_end:
        _check_index(path, size, container, stream)
    is_counted = _is_counted(path, size, container)
    times, last_time, last_duration = array("q"), None, None
    reached: Fraction | None = None
    for packet in _packets(container, damaged_end=damaged_end):
        if packet.size == 0:
            continue
        if packet.pts is not None and packet.time_base:
            end = (packet.pts + (packet.duration or 0)) * packet.time_base
            reached = end if reached is None else max(reached, end)
        # What an edit list cuts off is still there for the decoder, but isn't shown.
        if packet.stream_index != stream.index or packet.is_discard:
            continue
        if packet.has_sidedata("encryption_info"):
            raise MediaError(f"{path} is encrypted; give a copy without encryption")
        if len(times) == MAX_FRAMES:
            raise MediaError(f"expected at most {MAX_FRAMES} frames, but {path} has more; cut it")
        if packet.pts is None:
            raise MediaError(f"frame {len(times)} of {path} has no time; remux it to .mp4 or .mkv")
        times.append(packet.pts)
        if last_time is None or packet.pts > last_time:
            last_time, last_duration = packet.pts, packet.duration
    if not times:
        raise MediaError(
            f"{path} announces a video, but not one frame is in it; copy it anew, or save it with its frames inside"
        )
    times = array("q", sorted(times))
    if not damaged_end:
        _check_end(path, container, stream, times, reached, is_counted=is_counted)
    if any(before == after for before, after in itertools.pairwise(times)):
        raise MediaError(f"{path} shows two frames at the same time; convert it to H.264 in .mp4")
    return times, last_duration


def _packets(container: InputContainer, *, damaged_end: bool) -> Iterator[AnyPacket]:
    try:
        yield from container.demux()
    except av.error.InvalidDataError:
        if not damaged_end:
            raise


def _check_index(path: Path, size: int, container: InputContainer, stream: VideoStream) -> None:
    """Whether all that the container's index names lies inside the file."""
    for each in container.streams:
        ends = [entry.pos + entry.size for entry in each.index_entries]
        num_there = sum(end <= size for end in ends)
        if num_there < len(ends):
            what = "frames" if each.index == stream.index else f"packets of its {each.type}"
            num_announced = max(len(ends), each.frames)
            raise DamagedError(f"{path} is truncated: {num_there} of {num_announced} {what} are there; copy it anew")


def _is_counted(path: Path, size: int, container: InputContainer) -> bool:
    """Whether the number of frames that a container announces is one that must be there.

    An edit list may rightly leave out frames that an MP4 announces; its index is checked apart. The head of an AVI is
    written before its frames and often counts one too many, or those that its writer dropped: it is whole where its
    outermost chunk is.
    """
    if "mov" in container.format.name:
        return False
    if "avi" not in container.format.name:
        return True
    with path.open("rb") as file:
        head = file.read(8)
    return int.from_bytes(head[4:], "little") + 8 > size


def _check_end(
    path: Path,
    container: InputContainer,
    stream: VideoStream,
    times: "array[int]",
    reached: Fraction | None,
    *,
    is_counted: bool,
) -> None:
    announced, num_frames = stream.frames, len(times)
    if is_counted and announced > num_frames:
        raise DamagedError(f"{path} is truncated: {num_frames} of {announced} frames are there; copy it anew")
    if container.duration is None or reached is None:
        return
    # Some writers tell the time of the end, others how long it is after the beginning.
    begin = container.start_time or 0
    end = Fraction(container.duration + (0 if container.duration >= begin else begin), av.time_base)
    rate = stream.average_rate
    # Not every writer tells how long the last frame is shown.
    longest = max((after - before for before, after in itertools.pairwise(times)), default=0) * (stream.time_base or 0)
    if "matroska" in container.format.name and end - reached > max(MAX_MISSING_S, longest) and rate:
        expected = num_frames + math.ceil((end - reached) * rate)
        raise DamagedError(f"{path} is truncated: {num_frames} of about {expected} frames are there; copy it anew")


def _shown_size(path: Path, frame: VideoFrame, pixel_aspect: Fraction | None) -> tuple[int, int]:
    """Size with square pixels, upright."""
    width = max(1, round(frame.width * (pixel_aspect or 1)))
    _check_pixels(path, width, frame.height)
    a = _matrix(path, frame)[0]
    return (width, frame.height) if a else (frame.height, width)


def _matrix(path: Path, frame: VideoFrame) -> Matrix:
    try:
        return display_matrix(frame)
    except MediaError as error:
        raise MediaError(f"{path}: {error}") from None


def _colour_space(path: Path, frame: VideoFrame) -> str:
    # 2 is "unspecified", 0 is RGB: what is written of it needs a matrix all the same.
    if frame.colorspace in {0, 2} or _is_rgb(frame):
        return "bt709" if frame.height >= HD_HEIGHT or frame.width >= HD_WIDTH else "smpte170m"
    names = {tag: name for name, (tag, _) in COLOUR_SPACES.items()}
    if frame.colorspace not in names:
        known = ", ".join(COLOUR_SPACES)
        raise MediaError(f"{path} has colour matrix {frame.colorspace}; expected one of {known}; convert it to BT.709")
    return names[frame.colorspace]


def _colour_range(frame: VideoFrame) -> Literal["limited", "full"]:
    is_full = frame.color_range == ColorRange.JPEG or frame.format.name.startswith("yuvj") or _is_rgb(frame)
    return "full" if is_full else "limited"


def _chroma_step(frame: VideoFrame) -> tuple[int, int]:
    """RGB has a sample for each pixel; grey has none to lose."""
    if _is_rgb(frame):
        return (1, 1)
    if len([each for each in frame.format.components if not each.is_alpha]) < 3:
        return (2, 2)
    return (16 // frame.format.chroma_width(16), 16 // frame.format.chroma_height(16))


def _has_alpha(frame: VideoFrame) -> bool:
    return frame.format.has_palette or any(component.is_alpha for component in frame.format.components)


def _frame_metadata(frames: Sequence[VideoFrame]) -> tuple[str, ...]:
    # Declared as a dictionary of known keys, it is a list of what is there.
    kinds = [side.type.name for frame in frames for side in cast(Iterable[SideData], frame.side_data)]
    return tuple(dict.fromkeys(FRAME_METADATA[kind] for kind in kinds if kind in FRAME_METADATA))


def _picture_metadata(picture: Image.Image) -> tuple[str, ...]:
    profile: bytes = picture.info.get("icc_profile") or b""
    found = {
        "EXIF": bool(picture.getexif()),
        "XMP": any(key in picture.info for key in ("xmp", "XML:com.adobe.xmp")),
        "an ICC profile": profile[16:20] == b"RGB ",
        "an ICC profile that isn't for RGB": bool(profile) and profile[16:20] != b"RGB ",
    }
    return tuple(kind for kind, is_there in found.items() if is_there)


def _is_rgb(frame: VideoFrame) -> bool:
    return frame.format.is_rgb or frame.format.has_palette
