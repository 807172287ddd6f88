"""From a file to its frames: upright, RGB, at their exact time."""

import math
from collections.abc import Container, Generator, Iterator
from contextlib import closing
from fractions import Fraction
from itertools import chain, dropwhile, islice
from pathlib import Path
from typing import Any, cast

import av
import cv2
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, VideoReformatter
from av.video.stream import VideoStream
from jaxtyping import UInt8, UInt16
from PIL import Image, ImageOps

from countenance.errors import MediaError
from countenance.media.container import (
    COLOUR_RANGES,
    COLOUR_SPACES,
    INTERPOLATION,
    DamagedError,
    decoded_in_time,
    opened_video,
)
from countenance.media.deinterlace import NUM_NEIGHBOURS, deinterlaced
from countenance.media.orientation import EXIF_ORIENTATION, ORIENTATIONS, UPRIGHT, Matrix, display_matrix, turn
from countenance.media.pictures import PICTURE_ERRORS, is_deep_rgb, opened_picture
from countenance.media.tonemap import to_sdr
from countenance.pixels import Pixels
from countenance.types import Frame, MediaInfo

SEEK_EARLIER_S = (0, 1, 10)


def read_frames(
    info: MediaInfo,
    *,
    first_index: int = 0,
    first_pts: int | None = None,
    native_depth: bool = False,
    wanted: Container[int] | None = None,
) -> Generator[Frame]:
    """Read the frames of a video or sequence in order, from one of them on, or the one frame of a picture.

    With `first_pts`, the time of the frame `first_index`, its place is found without decoding all before it.
    Transparent parts of an image are shown on white. Pixels have 8 bits, or with `native_depth` 16 where more than 8
    are stored; HDR is tone-mapped to 8 bits in any case. With `wanted` the others are decoded and left out.

    >>> for frame in read_frames(probe(path)): print(frame.time)

    Raises:
        MediaError: damaged, or not all the frames are there that were counted.
    """
    if info.kind != "video":
        for index, path in list(enumerate(info.members or (info.path,)))[first_index:]:
            if wanted is not None and index not in wanted:
                continue
            yield Frame(
                pixels=_read_picture(path, info.resolution_wh, native_depth=native_depth),
                index=index,
                pts=index,
                time_base=info.time_base,
            )
        return
    reformatter, matrix = VideoReformatter(), None
    with closing(
        decoded_frames(info, first_index=first_index, first_pts=first_pts, deinterlace=info.is_interlaced)
    ) as decoded:
        for index, frame in enumerate(decoded, first_index):
            assert frame.pts is not None
            # Asked of one frame only: PyAV then keeps it in a reference cycle, and memory would fill with frames.
            matrix = matrix or display_matrix(frame)
            if wanted is not None and index not in wanted:
                continue
            yield Frame(
                pixels=_upright(info, frame, matrix, reformatter, deep=native_depth and info.bit_depth > 8),
                colour_space=info.colour_space if info.transfer == "sdr" else "bt709",
                index=index,
                pts=frame.pts,
                time_base=info.time_base,
            )


def decoded_frames(
    info: MediaInfo, *, first_index: int = 0, first_pts: int | None = None, deinterlace: bool = False
) -> Generator[VideoFrame]:
    """The frames of a video as stored, in order; places are found as in `read_frames`.

    Raises:
        MediaError: damaged, or not all the frames are there that were counted.
    """
    index, before = first_index, None
    with closing(_decode(info, first_pts, deinterlace=deinterlace)) as decoded:
        wanted: Iterator[VideoFrame]
        if first_pts is None:
            wanted = islice(decoded, first_index, None)
        else:
            wanted = dropwhile(lambda frame: (frame.pts or 0) < first_pts, decoded)
        for frame in wanted:
            assert frame.pts is not None
            if before is not None and frame.pts <= before:
                at = f"{float(before * info.time_base):.2f} s"
                raise MediaError(f"{info.path} gives its frames times out of order after {at}; convert it to .mp4")
            is_misplaced = before is None and first_pts not in {None, frame.pts}
            if frame.is_corrupt and not info.is_whole:
                return
            if frame.is_corrupt or is_misplaced or index >= info.num_frames:
                raise _damaged(info, index, before)
            index, before = index + 1, frame.pts
            yield frame
            if index == info.num_frames and not info.is_whole:
                return
    if index != info.num_frames and info.is_whole:
        raise _damaged(info, index, before)


def _decode(info: MediaInfo, first_pts: int | None, *, deinterlace: bool) -> Generator[VideoFrame]:
    """All frames, or those from some keyframe not after `first_pts` on."""
    if first_pts is not None and deinterlace:
        first_pts -= math.ceil(NUM_NEIGHBOURS / info.frame_rate / info.time_base)
    with opened_video(info.path) as (container, stream):
        size = (stream.codec_context.width, stream.codec_context.height)
        decoded = (
            decoded_in_time(info.path, container.demux(stream))
            if first_pts is None
            else sought(container, stream, first_pts)
        )
        if decoded is not None:
            frames = _timed(info, decoded, size)
            yield from deinterlaced(frames) if deinterlace else frames
            return
    # Opened anew: seeking back isn't exact in every format.
    yield from _decode(info, None, deinterlace=deinterlace)


def _timed(info: MediaInfo, decoded: Iterator[VideoFrame], size: tuple[int, int]) -> Iterator[VideoFrame]:
    """Frames of one size that have a time; a damaged end that is left out ends them."""
    before = None
    try:
        for frame in decoded:
            if frame.pts is None:
                raise MediaError(f"a frame of {info.path} has no time; convert it to H.264 in .mp4")
            if (frame.width, frame.height) != size:
                at = f"{float(frame.pts * info.time_base):.2f} s"
                raise MediaError(f"expected one size in {info.path}, but it changes at {at}; cut it there")
            yield frame
            before = frame.pts
    except av.error.InvalidDataError as error:
        if info.is_whole:
            raise _damaged(info, None, before) from error


def sought(container: InputContainer, stream: VideoStream, pts: int) -> Iterator[VideoFrame] | None:
    """The frames from some keyframe not after a time on, or none where seeking fails or always lands after it.

    Formats without an index lead to any packet near the time, and the first keyframe follows later.
    """
    assert stream.time_base is not None
    for earlier_s in SEEK_EARLIER_S:
        try:
            container.seek(pts - round(earlier_s / stream.time_base), stream=stream)
            decoded = container.decode(stream)
            first = next(decoded, None)
        except av.FFmpegError:
            return None
        # Without a keyframe, as where a picture is refreshed bit by bit, the first frames may be mended ones.
        if first is not None and first.key_frame and first.pts is not None and first.pts <= pts:
            return chain([first], decoded)
    return None


def spread_frames(info: MediaInfo, *, num_places: int, run: int) -> Iterator[Iterator[Frame]]:
    """Short runs of frames at places spread over a video, each from a keyframe on: for looking into a file.

    The first places are far apart and later ones lie between them, so that one can stop at any time. What can't be
    read is left out. Of a picture, and of a short video, there is one run, of all its frames.

    `index` of a frame is its place in its run.
    """
    if info.kind != "video" or info.num_frames <= num_places * run:
        yield read_frames(info)
        return
    with opened_video(info.path) as (container, stream):
        begin = stream.start_time or 0
        length = info.duration / info.time_base
        for place in _far_apart(num_places):
            yield _run_at(info, container, stream, begin + round(place * length), run)


def _far_apart(count: int) -> Iterator[Fraction]:
    """Fractions of a whole, each far from those before (van der Corput's sequence)."""
    for number in range(count):
        bits = f"{number:b}"[::-1]
        yield Fraction(int(bits, 2), 2 ** len(bits))


def _run_at(info: MediaInfo, container: InputContainer, stream: VideoStream, pts: int, run: int) -> Iterator[Frame]:
    reformatter, matrix = VideoReformatter(), None
    try:
        container.seek(pts, stream=stream)
        for index, frame in enumerate(islice(container.decode(stream), run)):
            matrix = matrix or display_matrix(frame)
            yield Frame(
                pixels=_upright(info, frame, matrix, reformatter, deep=False),
                index=index,
                pts=frame.pts or 0,
                time_base=info.time_base,
            )
    except av.FFmpegError:
        return


def _upright(
    info: MediaInfo, frame: VideoFrame, matrix: Matrix, reformatter: VideoReformatter, *, deep: bool
) -> Pixels:
    width, _ = info.resolution_wh if matrix[0] else reversed(info.resolution_wh)
    _, matrix_in = COLOUR_SPACES[info.colour_space]
    rgb = reformatter.reformat(
        frame,
        # Where pixels aren't square, the width as shown differs from the stored one.
        width=width,
        # FFmpeg makes planes in half the time that it takes for the same bytes in one piece.
        format="gbrp" if info.transfer == "sdr" and not deep else "rgb48le",
        src_colorspace=matrix_in,
        src_color_range=COLOUR_RANGES[info.colour_range],
        dst_color_range=ColorRange.JPEG,
        interpolation=INTERPOLATION,
        threads=1,
    )
    shown = _in_one_piece(rgb) if rgb.format.name == "gbrp" else rgb.to_ndarray()
    if info.transfer != "sdr":
        shown = to_sdr(shown, info.transfer, is_wide=info.colour_space == "bt2020nc")
    return turn(shown, matrix)


def _in_one_piece(frame: VideoFrame) -> UInt8[np.ndarray, "H W 3"]:
    green, blue, red = (
        np.frombuffer(cast(Any, plane), np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]
        for plane in frame.planes
    )
    return np.asarray(cv2.merge([red, green, blue]))


def _read_picture(path: Path, size_wh: tuple[int, int], *, native_depth: bool) -> Pixels:
    try:
        with opened_picture(path) as stored:
            if native_depth and is_deep_rgb(stored):
                return _read_deep(path, size_wh, ORIENTATIONS.get(stored.getexif().get(EXIF_ORIENTATION, 1), UPRIGHT))
            picture = ImageOps.exif_transpose(stored)
    except PICTURE_ERRORS as error:
        raise MediaError(f"the picture {path} can't be read ({error}); copy it anew") from error
    if picture.size != size_wh:
        raise MediaError(f"expected {size_wh[0]}×{size_wh[1]} pixels, but {path} has {picture.width}×{picture.height}")
    if picture.mode.startswith("I"):
        grey = np.repeat(np.asarray(picture).astype(np.uint16)[:, :, None], 3, axis=2)
        # Cut off as Pillow does with colours.
        return grey if native_depth else np.asarray(grey >> 8, np.uint8)
    if picture.has_transparency_data:
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture.convert("RGBA"))
    return np.array(picture.convert("RGB"))


def _read_deep(path: Path, size_wh: tuple[int, int], matrix: Matrix) -> UInt16[np.ndarray, "H W 3"]:
    """RGB of 16 bits, which Pillow would reduce to 8."""
    stored = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if stored is None or stored.dtype != np.uint16 or stored.ndim != 3:
        raise MediaError(f"the picture {path} can't be read with 16 bits; save it as a plain PNG or TIFF")
    rgb = cv2.cvtColor(stored[..., :3], cv2.COLOR_BGR2RGB)
    if stored.shape[2] == 4:
        alpha = stored[..., 3:].astype(np.float32) / 65535
        rgb = np.rint(rgb * alpha + 65535 * (1 - alpha)).astype(np.uint16)
    upright = np.asarray(turn(rgb, matrix), np.uint16)
    if upright.shape[1::-1] != size_wh:
        raise MediaError(
            f"expected {size_wh[0]}×{size_wh[1]} pixels, but {path} has {upright.shape[1]}×{upright.shape[0]}"
        )
    return upright


def _damaged(info: MediaInfo, index: int | None, before: int | None) -> DamagedError:
    at = "at its start" if before is None else f"after {float(before * info.time_base):.2f} s"
    which = "" if index is None else f" (frame {index} of {info.num_frames})"
    return DamagedError(f"{info.path} is damaged {at}{which}; copy it anew, or cut off what is damaged")
