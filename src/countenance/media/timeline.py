"""When each frame of a clip is shown, where decoding can begin, and where shots begin: one pass over all frames.

Decoding everything is also the only proof that everything can be decoded.
"""

import zlib
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter
from jaxtyping import Int64, UInt8

from countenance.media.container import opened_video
from countenance.media.reader import decoded_frames, read_frames, sought
from countenance.media.shots import THUMBNAIL_SIZE, find_shots, thumbnail
from countenance.progress import Progress, if_many
from countenance.types import Frame, MediaInfo

KEYFRAME_STEP = 48
"""Keyframes nearer together than this aren't worth remembering: to decode so few frames takes no time."""
BRIDGED_FRAMES = 24
"""Over shorter gaps, decoding on is faster than seeking."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Timeline:
    """When each frame is shown, where decoding can begin, and where shots begin."""

    frame_pts: Int64[np.ndarray, " N"]
    """In the clip's time base, ascending."""
    keyframes: tuple[int, ...]
    """Frames at which decoding can begin so that this and all later ones come out right; ascending, the first is 0."""
    shots: tuple[int, ...]
    """The first frame of each shot; ascending, the first is 0."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Candidate:
    """A frame that says of itself that decoding can begin with it."""

    index: int
    pts: int
    checksum: int
    """Of its picture when all before it were decoded."""


def frames_at(info: MediaInfo, timeline: Timeline, indices: Sequence[int]) -> Iterator[Frame]:
    """Some frames of a clip, by ascending index.

    Raises:
        MediaError: damaged.
    """
    runs: list[list[int]] = []
    for index in indices:
        if runs and not is_seeking_better(timeline, runs[-1][-1], index):
            runs[-1].append(index)
        else:
            runs.append([index])
    for run in runs:
        first = run[0]
        first_pts = int(timeline.frame_pts[first]) if first else None
        yield from islice(read_frames(info, first_index=first, first_pts=first_pts, wanted=set(run)), len(run))


def is_seeking_better(timeline: Timeline, index: int, later: int) -> bool:
    """Whether decoding begins nearer to a later frame than one that was decoded already."""
    keyframe = timeline.keyframes[bisect_right(timeline.keyframes, later) - 1]
    return later - index > BRIDGED_FRAMES and keyframe > index


def read_timeline(info: MediaInfo, progress: Progress) -> Timeline:
    """Decode a whole clip once.

    Memory stays small however long the clip is. Of a clip whose damaged end is left out, all good frames are in it.

    Raises:
        MediaError: damaged, or not all the frames are there that were counted.
    """
    if info.kind != "video":
        pictures = if_many(progress, info.num_frames).track(
            read_frames(info), what=f"reading {info.path.name}", unit="frames", total=info.num_frames
        )
        return Timeline(
            frame_pts=np.arange(info.num_frames),
            keyframes=tuple(range(0, info.num_frames, KEYFRAME_STEP)),
            shots=tuple(find_shots(thumbnail(picture.rgb) for picture in pictures)),
        )
    times, candidates = array("q"), list[_Candidate]()
    with closing(decoded_frames(info)) as decoded:
        frames = progress.track(decoded, what=f"reading {info.path.name}", unit="frames", total=info.num_frames)
        shots = tuple(find_shots(_thumbnails(frames, times, candidates)))
    return Timeline(
        frame_pts=np.array(times, np.int64),
        keyframes=(0, *_true_keyframes(info, candidates)),
        shots=shots,
    )


def _thumbnails(
    frames: Iterator[VideoFrame], times: "array[int]", candidates: list[_Candidate]
) -> Iterator[UInt8[np.ndarray, "T T 3"]]:
    """Make a thumbnail of each frame, and note its time and whether decoding may begin with it."""
    small, large = VideoReformatter(), VideoReformatter()
    latest = 0
    for index, frame in enumerate(frames):
        assert frame.pts is not None
        times.append(frame.pts)
        if frame.key_frame and index >= latest + KEYFRAME_STEP:
            candidates.append(_Candidate(index=index, pts=frame.pts, checksum=_checksum(frame, large)))
            latest = index
        yield small.reformat(
            frame,
            width=THUMBNAIL_SIZE,
            height=THUMBNAIL_SIZE,
            format="rgb24",
            interpolation=Interpolation.AREA,
            threads=1,
        ).to_ndarray()


def _true_keyframes(info: MediaInfo, candidates: Sequence[_Candidate]) -> Iterator[int]:
    """Those with which decoding gives the same picture, with nothing before it decoded.

    Some encoders call a frame a keyframe that needs earlier ones, and not every container finds every frame.
    """
    reformatter = VideoReformatter()
    with opened_video(info.path) as (container, stream):
        for candidate in candidates:
            decoded = sought(container, stream, candidate.pts)
            frame = next((frame for frame in decoded or () if (frame.pts or 0) >= candidate.pts), None)
            if frame is None or frame.pts != candidate.pts:
                continue
            if _checksum(frame, reformatter) == candidate.checksum:
                yield candidate.index


def _checksum(frame: VideoFrame, reformatter: VideoReformatter) -> int:
    return zlib.crc32(bytes(reformatter.reformat(frame, format="rgb24", threads=1).planes[0]))
