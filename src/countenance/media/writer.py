"""From frames to a file, in fragments, so that a render cut short goes on where it was."""

import errno
import heapq
import io
import math
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import av
import cv2
import numpy as np
from av.container import OutputContainer
from av.filter import Graph
from av.stream import Disposition
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from jaxtyping import UInt16
from PIL import Image

from countenance.errors import MediaError
from countenance.media.container import (
    COLOUR_RANGES,
    COLOUR_SPACES,
    AnyPacket,
    opened_video,
    reason,
)
from countenance.media.losses import PlannedOutput
from countenance.media.pictures import opened_picture
from countenance.media.reader import decoded_frames
from countenance.media.sound import Track, add_track, first_time, tracks_for
from countenance.pixels import Pixels, ResizedPixels, to_16_bit
from countenance.progress import Progress, if_many
from countenance.project import PRIVATE, move_whole, private_file, write_whole
from countenance.types import Excerpt, Frame, MediaInfo

if TYPE_CHECKING:
    from av.container.core import Chapter

FRAGMENT_FRAMES = 48
NUM_ENCODER_THREADS = 2
"""Explicit, because x264 gives other bytes for another number."""

VIDEO_FORMATS = {".mp4": "mp4", ".mov": "mov"}
MAX_TIMESCALE = 2**31 - 1

TECHNICAL_TAGS = frozenset(
    {"major_brand", "minor_version", "compatible_brands", "encoder", "duration", "timecode", "creation_time"}
)
"""What a muxer writes of itself, or is said in a line of its own."""

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})

PICTURE_OPTIONS: dict[str, tuple[str, dict[str, object]]] = {
    ".jpg": ("JPEG", {"quality": 95, "subsampling": 0, "optimize": True}),
    ".jpeg": ("JPEG", {"quality": 95, "subsampling": 0, "optimize": True}),
    ".png": ("PNG", {}),
    ".webp": ("WEBP", {"quality": 95, "method": 4}),
}


def write_fragments(
    frames_from: Callable[[int], Iterator[Frame]],
    plate: MediaInfo,
    folder: Path,
    *,
    quality: int,
    preset: str = "veryfast",
    excerpt: Excerpt | None = None,
    size_wh: tuple[int, int] | None = None,
    progress: Progress,
    check_leave: Callable[[], None],
) -> list[Path]:
    """Encode a video's frames as H.264 into files of 48 frames each; those that are there are kept.

    With `excerpt` only its frames are asked for and written; `size_wh` is that of all frames, without it the plate's.

    `check_leave` is called before each fragment gets its name; what it raises ends the encoding.

    `quality` is x264's CRF, 0–51, lower is better. A picture with an odd side becomes one pixel larger, by repeating
    its last column or row: players can't be relied on to show H.264 of odd size.

    Raises:
        MediaError: a fragment can't be written; those before it stay.
    """
    wanted = excerpt.frames if excerpt else range(plate.num_frames)
    runs = [wanted[first : first + FRAGMENT_FRAMES] for first in range(0, len(wanted), FRAGMENT_FRAMES)]
    fragments = [folder / f"{number:05}.nut" for number in range(len(runs))]
    missing = [(run, fragment) for run, fragment in zip(runs, fragments, strict=True) if not fragment.exists()]
    frames = progress.track(
        _missing_frames(frames_from, plate, [run for run, _ in missing]),
        what=f"rendering {plate.path.name}",
        unit="frames",
        total=len(wanted),
        done=len(wanted) - sum(len(run) for run, _ in missing),
    )
    for run, fragment in missing:
        with _written_whole(fragment) as part:
            _encode(
                islice(frames, len(run)),
                plate,
                part,
                size_wh=size_wh or plate.resolution_wh,
                quality=quality,
                preset=preset,
            )
            check_leave()
    # The last thing that a reader does is to see whether the plate ends where it should.
    surplus = next(frames, None)
    assert surplus is None
    return fragments


def planned_output(suffix: str) -> PlannedOutput:
    """What a new file of this kind holds of a plate: of its pictures, or of the one picture that it is."""
    if suffix not in PICTURE_OPTIONS:
        return PlannedOutput(
            bit_depth=8, chroma_step_wh=(2, 2), has_alpha=False, has_even_sides=True, metadata=frozenset()
        )
    picture_format, _ = PICTURE_OPTIONS[suffix]
    return PlannedOutput(
        bit_depth=16 if picture_format == "PNG" else 8,
        chroma_step_wh=(2, 2) if picture_format == "WEBP" else (1, 1),
        has_alpha=False,
        has_even_sides=False,
        metadata=frozenset({"an ICC profile"}),
    )


def rehearse(plate: MediaInfo, suffix: str, progress: Progress) -> list[str]:
    """Put everything beside the image into a file that is thrown away, before the first frame is rendered.

    Memory stays small, and nothing is written to disk but one black frame. Gives a line for everything that the new
    file can't hold as it is.

    Raises:
        MediaError: something can't be put into such a file at all.
    """
    if suffix in PICTURE_OPTIONS:
        return []
    with closing(decoded_frames(plate)) as frames:
        first_pts = next(frames).pts or 0
    width, height = plate.resolution_wh
    black = Frame(pixels=np.zeros((height, width, 3), np.uint8), index=0, pts=first_pts, time_base=plate.time_base)
    tracks, notes = tracks_for(plate, suffix)
    notes += _left_out(plate)
    with tempfile.TemporaryDirectory(prefix="countenance-") as folder:
        fragment = Path(folder, "00000.nut")
        _encode(iter([black]), plate, fragment, size_wh=(width, height), quality=51, preset="ultrafast")
        try:
            with av.open(cast(Any, _Nowhere()), "w", format=VIDEO_FORMATS[suffix]) as container:
                times = _joined([fragment], replace(plate, num_frames=1), tracks, container, notes)
                what, total = f"reading the sound of {plate.path.name}", math.ceil(plate.duration)
                for _ in if_many(progress, total).track(_each_second(times), what=what, unit="s", total=total):
                    pass
        except (OSError, av.FFmpegError, ValueError) as error:
            raise MediaError(
                f"what goes with the image of {plate.path} can't be put into {suffix} ({error}); give a plate whose "
                f"sound is AAC: ffmpeg -i {plate.path.name} -map 0:v -map 0:a -c:v copy -c:a aac plate.mov"
            ) from error
    return notes


def join_fragments(
    fragments: Sequence[Path], plate: MediaInfo, output: Path, *, excerpt: Excerpt | None = None
) -> None:
    """Put all fragments and the plate's sound into one .mp4 or .mov, at the plate's times.

    Whatever begins first, begins at zero; all distances between streams are the plate's. With `excerpt` its first frame
    begins at zero, and of sound and chapters there is what belongs to it.

    Raises:
        MediaError: a fragment is missing or damaged, or the output can't be written; nothing has its name then.
    """
    suffix = output.suffix.lower()
    tracks, _ = tracks_for(plate, suffix)
    clocks = (plate.time_base.denominator, *(track.rate_hz for track in tracks))
    # The times at which streams begin are stored in the movie's own clock, by default in milliseconds.
    movie_clock = math.lcm(*clocks)
    options = {
        "movflags": "+faststart",
        "video_track_timescale": str(plate.time_base.denominator),
        "movie_timescale": str(movie_clock if movie_clock <= MAX_TIMESCALE else max(clocks)),
    }
    with (
        _written_whole(output) as part,
        av.open(part, "w", format=VIDEO_FORMATS[suffix], container_options=options) as container,
    ):
        for _ in _joined(fragments, plate, tracks, container, [], excerpt):
            pass


def write_picture(frame: Frame, plate: MediaInfo, output: Path) -> None:
    """Write a frame as JPEG, PNG or WebP, with a picture's colour profile and without its other metadata.

    Raises:
        MediaError: the output can't be written; nothing has its name then.
    """
    profile = _profile(plate) if plate.kind == "picture" else None
    picture_format, options = PICTURE_OPTIONS[output.suffix.lower()]
    content = io.BytesIO()
    if picture_format == "PNG" and frame.pixels.dtype != np.uint8:
        content.write(_png_of_16_bits(to_16_bit(frame.pixels), profile))
    else:
        Image.fromarray(frame.rgb).save(content, picture_format, icc_profile=profile, **options)
    try:
        write_whole(output, content.getvalue(), mode=PRIVATE)
    except OSError as error:
        raise _unwritable(output, error) from error


def _profile(plate: MediaInfo) -> bytes | None:
    """A picture's colour profile, if it is one for RGB."""
    # EXIF is dropped: it may tell where and when the plate was taken, and its orientation is used up.
    with opened_picture(plate.path) as stored:
        profile = stored.info.get("icc_profile")
    return profile if profile is not None and profile[16:20] == b"RGB " else None


def _png_of_16_bits(rgb: UInt16[np.ndarray, "H W 3"], profile: bytes | None) -> bytes:
    """OpenCV writes it: Pillow knows no RGB of 16 bits."""
    bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    metadata = {cv2.IMAGE_METADATA_ICCP: np.frombuffer(profile, np.uint8)} if profile else {}
    written, png = cv2.imencodeWithMetadata(".png", bgr, list(metadata), list(metadata.values()))
    assert written
    return png.tobytes()


def _left_out(plate: MediaInfo) -> list[str]:
    """A line for each stream and kind of tag of a video that isn't written to the new file."""
    notes = []
    name = plate.path.name
    with opened_video(plate.path) as (container, _):
        num_attached = 0
        for stream in container.streams:
            language = f" ({stream.language})" if stream.language else ""
            if stream.type == "subtitle":
                notes.append(f"the subtitles{language} of {name} are left out; add them to the result with your editor")
            elif stream.type == "data":
                what = _timecode(stream.metadata)
                notes.append(
                    f"the timecode {what} of {name} is left out; note it for the edit"
                    if what
                    else f"a stream of data in {name} is left out"
                )
            elif stream.type == "attachment" or stream.disposition & Disposition.attached_pic:
                num_attached += 1
        if num_attached:
            notes.append(f"{num_attached} attached files or cover images of {name} are left out")
        holders = (container.metadata, *(each.metadata for each in container.streams.video))
        timecode = next(filter(None, map(_timecode, holders)), None)
        if timecode and not any(timecode in note for note in notes):
            notes.append(f"the timecode {timecode} of {name} is left out; note it for the edit")
        tags = sorted(set(map(str.lower, container.metadata)) - TECHNICAL_TAGS)
        if tags:
            notes.append(f"tags of {name} are left out: {', '.join(tags)}")
    return notes


def _timecode(metadata: Mapping[str, str]) -> str | None:
    return {name.lower(): value for name, value in metadata.items()}.get("timecode")


def _missing_frames(
    frames_from: Callable[[int], Iterator[Frame]], plate: MediaInfo, missing: Sequence[range]
) -> Iterator[Frame]:
    """The frames of all missing fragments, those in a row read in one go."""
    frames: Iterator[Frame] = iter(())
    position = -1
    for run in missing:
        if position != run.start:
            position = run.start
            frames = frames_from(position)
        for frame in islice(frames, len(run)):
            assert frame.index == position
            position += 1
            yield frame
    if position == plate.num_frames:
        yield from frames


def _encode(
    frames: Iterator[Frame], plate: MediaInfo, part: Path, *, size_wh: tuple[int, int], quality: int, preset: str
) -> None:
    width, height = (side + side % 2 for side in size_wh)
    converters = {depth: _colour_converter(plate, width, height, depth) for depth in ("rgb24", "rgb48le")}
    # NUT keeps any time base exactly and times that begin anywhere.
    with av.open(part, "w", format="nut") as container:
        stream = container.add_stream(
            "libx264",
            rate=plate.frame_rate,
            options={"crf": str(quality), "preset": preset},
            width=width,
            height=height,
        )
        context = stream.codec_context
        context.time_base = plate.time_base
        # Without B-frames each frame is decoded when it is shown, and fragments join without a gap or an overlap.
        context.max_b_frames = 0
        context.gop_size = FRAGMENT_FRAMES
        context.thread_count = NUM_ENCODER_THREADS
        context.colorspace, _ = COLOUR_SPACES[plate.colour_space]
        context.color_range = COLOUR_RANGES[plate.colour_range]
        with opened_video(plate.path) as (_, source):
            context.color_primaries = source.codec_context.color_primaries
            context.color_trc = source.codec_context.color_trc
        for frame in frames:
            is_deep = frame.pixels.dtype != np.uint8
            depth, pixels = ("rgb48le", to_16_bit(frame.pixels)) if is_deep else ("rgb24", frame.pixels)
            picture = VideoFrame.from_ndarray(_padded(pixels, width, height), format=depth)
            picture.pts, picture.time_base = frame.pts, frame.time_base
            converter = converters[depth]
            converter.vpush(picture)
            container.mux(stream.encode(converter.vpull()))
        container.mux(stream.encode(None))


def _colour_converter(plate: MediaInfo, width: int, height: int, depth: str) -> Graph:
    """From RGB of a depth, as FFmpeg names it, to the plate's matrix and range.

    A filter, because `VideoFrame.reformat` can't be told where chroma samples lie, puts them half a pixel beside the
    place in which H.264 is decoded, and so smears colours a bit more with every generation.
    """
    graph = Graph()
    graph.threads = 1
    graph.link_nodes(
        graph.add_buffer(width=width, height=height, format=VideoFormat(depth), time_base=plate.time_base),
        graph.add(
            "scale",
            out_color_matrix=plate.colour_space,
            out_range=plate.colour_range,
            out_chroma_loc="left",
            flags="bicubic+accurate_rnd+full_chroma_int+full_chroma_inp",
        ),
        graph.add("format", pix_fmts="yuv420p"),
        graph.add("buffersink"),
    ).configure()
    return graph


def _padded(rgb: Pixels, width: int, height: int) -> ResizedPixels:
    rows, columns = height - rgb.shape[0], width - rgb.shape[1]
    return np.pad(rgb, ((0, rows), (0, columns), (0, 0)), mode="edge") if rows or columns else rgb


def _joined(
    fragments: Sequence[Path],
    plate: MediaInfo,
    tracks: Sequence[Track],
    container: OutputContainer,
    notes: list[str],
    excerpt: Excerpt | None = None,
) -> Iterator[Fraction]:
    """Write all packets of the new file in order, and give the time of each, in seconds."""
    offset_s = excerpt.begins_s if excerpt else _offset_s(fragments, plate, tracks)
    length_s = excerpt.ends_s - offset_s if excerpt else None
    with opened_video(fragments[0]) as (_, template):
        stream = container.add_stream_from_template(template, opaque=True)
    stream.disposition = Disposition.default
    container.set_chapters(_chapters(plate, offset_s, length_s))
    streams = [_joined_packets(fragments, plate, stream, offset_s, excerpt)]
    streams += [
        add_track(container, plate, track, offset_s=offset_s, length_s=length_s, notes=notes) for track in tracks
    ]
    # Merged by time, packets needn't wait for each other in memory.
    for packet in heapq.merge(*streams, key=_decoding_time):
        time = _decoding_time(packet)
        container.mux(packet)
        yield time


def _offset_s(fragments: Sequence[Path], plate: MediaInfo, tracks: Sequence[Track]) -> Fraction:
    """When the first of all streams begins; some recorders' clocks have run for hours then."""
    with opened_video(fragments[0]) as (container, source):
        packet = next(container.demux(source))
        assert packet.pts is not None
        video_s = packet.pts * packet.time_base
    begins_s = [video_s, *(time for track in tracks if (time := first_time(plate, track)) is not None)]
    # What begins before zero is what a codec needs and nobody hears.
    return max(Fraction(0), min(begins_s))


def _chapters(plate: MediaInfo, offset_s: Fraction, length_s: Fraction | None) -> "list[Chapter]":
    with opened_video(plate.path) as (container, _):
        chapters = container.chapters()
    for chapter in chapters:
        clock = chapter["time_base"] or Fraction(1)
        offset = round(offset_s / clock)
        end = chapter["end"] if length_s is None else min(chapter["end"], round(length_s / clock) + offset)
        chapter["start"], chapter["end"] = max(0, chapter["start"] - offset), max(0, end - offset)
    return chapters if length_s is None else [each for each in chapters if each["start"] < each["end"]]


def _each_second(times: Iterator[Fraction]) -> Iterator[int]:
    latest: int | None = None
    for time in times:
        if latest is None or time >= latest + 1:
            latest = int(time)
            yield latest


def _joined_packets(
    fragments: Sequence[Path], plate: MediaInfo, stream: VideoStream, offset_s: Fraction, excerpt: Excerpt | None
) -> Iterator[AnyPacket]:
    """The packets of all fragments in the clock of the new file, each as long as until the next."""
    clock = Fraction(1, plate.time_base.denominator)
    packets = _fragment_packets(fragments, clock, round(offset_s / clock), stream.codec_context.extradata)
    first_pts, packet = next(packets)
    pts, num_frames = first_pts, 1
    for next_pts, next_packet in packets:
        packet.stream, packet.duration = stream, next_pts - pts
        yield packet
        pts, packet, num_frames = next_pts, next_packet, num_frames + 1
    expected = excerpt.num_frames if excerpt else plate.num_frames
    if num_frames != expected:
        where = fragments[0].parent
        raise MediaError(f"expected {expected} frames in {where}, found {num_frames}; delete it and run again")
    length_s = excerpt.ends_s - excerpt.begins_s if excerpt else plate.duration
    packet.stream, packet.duration = stream, first_pts + int(length_s / clock) - pts
    yield packet


def _fragment_packets(
    fragments: Sequence[Path], clock: Fraction, offset: int, extradata: bytes | None
) -> Iterator[tuple[int, AnyPacket]]:
    for fragment in fragments:
        with opened_video(fragment) as (container, source):
            if source.codec_context.extradata != extradata:
                raise MediaError(f"{fragment} was encoded with other settings than the first; delete {fragment.parent}")
            for packet in container.demux(source):
                if packet.size == 0:
                    continue
                assert packet.pts is not None
                ticks = packet.pts * packet.time_base / clock
                assert ticks.denominator == 1
                pts = int(ticks) - offset
                packet.pts, packet.dts, packet.time_base = pts, pts, clock
                yield pts, packet


def _decoding_time(packet: AnyPacket) -> Fraction:
    assert packet.dts is not None
    return packet.dts * packet.time_base


@contextmanager
def _written_whole(path: Path) -> Iterator[Path]:
    """A place beside `path`; what is written there gets that name once it is whole and safe on disk.

    Raises:
        MediaError: it can't be written; nothing is left of it.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # FFmpeg would give it the user's usual mode; what lies in private folders is for nobody else.
        open(part, "wb", opener=private_file).close()
        yield part
        with part.open("rb") as written:
            os.fsync(written.fileno())
        move_whole(part, path)
    except (OSError, av.FFmpegError) as error:
        raise _unwritable(path, error) from error
    finally:
        part.unlink(missing_ok=True)


def _unwritable(path: Path, error: OSError | av.FFmpegError) -> MediaError:
    number = getattr(error, "errno", None)
    if number in FULL:
        remedy = "free disk space or choose another folder, then run it again"
    elif isinstance(error, OSError):
        remedy = "check that its folder can be written to, or choose another one, then run it again"
    else:
        remedy = "FFmpeg refused what was to be written; please report this with the plate's format"
    return MediaError(f"{path} can't be written: {reason(error)}; {remedy}")


class _Nowhere(io.RawIOBase):
    """A file that keeps nothing but its size."""

    def __init__(self) -> None:
        self._at = self._size = 0

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._at += len(data)
        self._size = max(self._size, self._at)
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def tell(self) -> int:
        return self._at
