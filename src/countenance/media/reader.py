"""From a file to its frames: upright, RGB, at their exact time."""

from collections.abc import Generator, Iterator
from contextlib import closing
from itertools import dropwhile, islice

import av
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, VideoReformatter
from jaxtyping import UInt8
from PIL import Image, ImageOps

from countenance.errors import MediaError
from countenance.media.container import COLOUR_RANGES, COLOUR_SPACES, INTERPOLATION, PICTURE_FORMATS, opened_video
from countenance.media.orientation import Matrix, display_matrix, turn
from countenance.types import Frame, MediaInfo


def read_frames(info: MediaInfo, *, first_index: int = 0, first_pts: int | None = None) -> Iterator[Frame]:
    """Read the frames of a video in order, from one of them on, or the one frame of a picture.

    With `first_pts`, the time of the frame `first_index`, its place is found without decoding all before it.
    Transparent parts of a picture are shown on white.

    >>> for frame in read_frames(probe(path)): print(frame.time)

    Raises:
        MediaError: damaged, or not all the frames are there that were counted.
    """
    if info.kind == "picture":
        if first_index == 0:
            yield Frame(rgb=_read_picture(info), index=0, pts=0, time_base=info.time_base)
        return
    reformatter = VideoReformatter()
    index, before, matrix = first_index, None, None
    with closing(_decode(info, seek_pts=_seekable_pts(info, first_pts))) as decoded:
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
            if frame.is_corrupt or is_misplaced or index >= info.num_frames:
                raise _damaged(info, index, before)
            # Asked of one frame only: PyAV then keeps it in a reference cycle, and memory would fill with frames.
            matrix = matrix or display_matrix(frame)
            rgb = _upright_rgb(info, frame, matrix, reformatter)
            yield Frame(rgb=rgb, index=index, pts=frame.pts, time_base=info.time_base)
            index, before = index + 1, frame.pts
    if index != info.num_frames:
        raise _damaged(info, index, before)


def _decode(info: MediaInfo, *, seek_pts: int | None) -> Generator[VideoFrame]:
    """All frames, or those from some keyframe before `seek_pts` on."""
    before = None
    with opened_video(info.path) as (container, stream):
        size = (stream.codec_context.width, stream.codec_context.height)
        if seek_pts is not None:
            container.seek(seek_pts, stream=stream)
        try:
            for frame in container.decode(stream):
                if frame.pts is None:
                    raise MediaError(f"a frame of {info.path} has no time; convert it to H.264 in .mp4")
                if (frame.width, frame.height) != size:
                    at = f"{float(frame.pts * info.time_base):.2f} s"
                    raise MediaError(f"expected one size in {info.path}, but it changes at {at}; cut it there")
                yield frame
                before = frame.pts
        except av.error.InvalidDataError as error:
            raise _damaged(info, None, before) from error


def _seekable_pts(info: MediaInfo, first_pts: int | None) -> int | None:
    """The time to seek to, or none where seeking fails or lands after it, as it does in some formats."""
    if first_pts is None:
        return None
    with opened_video(info.path) as (container, stream):
        try:
            container.seek(first_pts, stream=stream)
            frame = next(container.decode(stream), None)
        except av.FFmpegError:
            return None
        lands_before = frame is not None and frame.pts is not None and frame.pts <= first_pts
        return first_pts if lands_before else None


def _upright_rgb(
    info: MediaInfo, frame: VideoFrame, matrix: Matrix, reformatter: VideoReformatter
) -> UInt8[np.ndarray, "H W 3"]:
    width, _ = info.resolution_wh if matrix[0] else reversed(info.resolution_wh)
    _, matrix_in = COLOUR_SPACES[info.colour_space]
    rgb = reformatter.reformat(
        frame,
        # Where pixels aren't square, the width as shown differs from the stored one.
        width=width,
        format="rgb24",
        src_colorspace=matrix_in,
        src_color_range=COLOUR_RANGES[info.colour_range],
        dst_color_range=ColorRange.JPEG,
        interpolation=INTERPOLATION,
        threads=1,
    )
    return turn(rgb.to_ndarray(), matrix)


def _read_picture(info: MediaInfo) -> UInt8[np.ndarray, "H W 3"]:
    try:
        with Image.open(info.path, formats=PICTURE_FORMATS) as stored:
            picture = ImageOps.exif_transpose(stored)
    except (OSError, SyntaxError, ValueError) as error:
        raise MediaError(f"the picture {info.path} can't be read ({error}); copy it anew") from error
    if picture.mode.startswith("I"):
        grey = (np.asarray(picture).astype(np.uint32) >> 8).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if picture.has_transparency_data:
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture.convert("RGBA"))
    return np.array(picture.convert("RGB"))


def _damaged(info: MediaInfo, index: int | None, before: int | None) -> MediaError:
    at = "at its start" if before is None else f"after {float(before * info.time_base):.2f} s"
    which = "" if index is None else f" (frame {index} of {info.num_frames})"
    return MediaError(f"{info.path} is damaged {at}{which}; copy it anew, or cut off what is damaged")
