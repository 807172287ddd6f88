"""Whether a video was encoded before, by where its frames lean least on those before them.

Where an earlier encoding had a keyframe, a new encoder finds the frame less like the one before it, and codes more
blocks without prediction: the share of such blocks rises there, at even distances (variation of the prediction
footprint: Vázquez-Padín et al., "Detection of Video Double Encoding with GOP Size Estimation", WIFS 2012). Only codecs
whose decoder here gives the blocks' motion can be looked at, H.264 above all.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path

import numpy as np
from av.sidedata.motionvectors import MotionVectors
from av.video.frame import PictureType, VideoFrame
from jaxtyping import Bool, Float64

from countenance.errors import MediaError
from countenance.forensics.seen import Seen
from countenance.media.container import decoded_in_time, opened_video

CODECS = {"h264", "mpeg4", "mpeg2video", "mpeg1video", "h263", "flv1", "msmpeg4v3"}
"""FFmpeg's decoders of these can give the blocks' motion."""
MAX_PIXELS, MIN_FRAMES, MAX_FRAMES = 300_000_000, 120, 400
"""So many pixels of frames are decoded, but not less than the second and not more than the third."""
BLOCK = 16
"""Side of a macroblock in pixels."""
MIN_PREDICTED = 12
SHORTEST, MIN_TIMES = 8, 4
"""Frames in a group of the earlier encoding, and how many groups must begin within what is looked at."""
MAX_WAIT = 7
"""Frames from a place to the next that is predicted from the past alone: others lean on what comes later."""
NEIGHBOURS = 4
MAX_HEIGHT, MIN_HEIGHT = 30.0, 5.0
"""Rises in spreads of the share; a higher one counts no more, a lower one not as one that would have to be "
"explained."""
MIN_EXPLAINED = 0.6
"""Share of all rises that must lie at the places of the earlier keyframes."""
MIN_SCORE = 5.0
"""The highest on clips that were encoded once is 2.6; docs/verify.md has the measurement."""

RATES = (
    "That a video was encoded before shows in some clips only: measured in 15 of 48 that were encoded twice, and in "
    "none of 48 that were encoded once. It can't be seen where the first encoding's keyframes lie further apart than "
    "a quarter of what is looked at, or where a new keyframe lies at each."
)

Shares = Float64[np.ndarray, " T"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Footprint:
    """What decoding tells of each frame, in the order in which they are shown."""

    unpredicted: Shares
    """0–1, the share of a frame coded without prediction; NaN for frames that aren't predicted from the past alone."""
    is_key: Bool[np.ndarray, " T"]
    """Whether all of a frame is coded without prediction."""
    frame_rate: Fraction | None = None
    """Frames a second."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Encoded:
    """That a video was encoded before."""

    group: int
    """Frames from one keyframe of the earlier encoding to the next."""
    score: float


def seen_in_footprint(path: Path) -> Seen:
    """That a video was encoded before, where its frames show it."""
    try:
        footprint = read_footprint(path)
    except MediaError as error:
        return Seen(limits=(f"Whether it was encoded before wasn't looked at: {error}.",))
    if footprint is None:
        return Seen(limits=("Whether it was encoded before can't be seen in its codec, only in H.264 and older ones.",))
    found = earlier_encoding(footprint)
    if found is None:
        return Seen(limits=(RATES,))
    seconds = f" ({float(found.group / footprint.frame_rate):.1f} s)" if footprint.frame_rate else ""
    return Seen(
        noticed=(
            f"About every {found.group:,} frames{seconds} a frame is coded as if something began there, though no "
            "keyframe is: the video was most likely encoded before, with keyframes at these places. Messengers, web "
            "sites and phones encode whatever is shared again, and so does every editor.",
        ),
        limits=(RATES,),
    )


def read_footprint(path: Path) -> Footprint | None:
    """Decode the beginning of a video; None where its codec can't tell.

    Raises:
        MediaError: it can't be decoded.
    """
    with opened_video(path) as (container, stream):
        context = stream.codec_context
        if context.codec.canonical_name not in CODECS:
            return None
        # Motion is coded beside the pixels, so these need not be right.
        context.options = {
            **context.options,
            "flags2": "+export_mvs+fast",
            "skip_loop_filter": "all",
            "skip_idct": "all",
        }
        most = MAX_PIXELS // max(1, context.width * context.height)
        num_frames = min(max(most, MIN_FRAMES), MAX_FRAMES)
        looked = [_looked(frame) for frame in islice(decoded_in_time(path, container.demux(stream)), num_frames)]
        frame_rate = stream.average_rate
    shares, keys = zip(*looked, strict=True) if looked else ((), ())
    return Footprint(unpredicted=np.array(shares, np.float64), is_key=np.array(keys, bool), frame_rate=frame_rate)


def _looked(frame: VideoFrame) -> tuple[float, bool]:
    is_key = bool(frame.key_frame) or frame.pict_type == PictureType.I
    if is_key or frame.pict_type != PictureType.P:
        return np.nan, is_key
    vectors = frame.side_data.get("MOTION_VECTORS")
    if not isinstance(vectors, MotionVectors):
        return 1.0, False
    blocks = vectors.to_ndarray()
    area = float((blocks["w"].astype(np.int64) * blocks["h"]).sum())
    # Blocks reach over the right and lower edges.
    whole = -(-frame.width // BLOCK) * -(-frame.height // BLOCK) * BLOCK**2
    return max(0.0, 1 - area / whole), False


def earlier_encoding(footprint: Footprint) -> Encoded | None:
    """The group of an earlier encoding, where the frames show one with a score of at least `MIN_SCORE`."""
    best = max(_candidates(footprint), key=lambda each: each.score, default=None)
    return best if best is not None and best.score >= MIN_SCORE else None


def _candidates(footprint: Footprint) -> Iterator[Encoded]:
    rises = _rises(footprint)
    num_frames = len(rises)
    if np.isfinite(footprint.unpredicted).sum() < MIN_PREDICTED:
        return
    at = _next_rise(rises, footprint.is_key)
    to_explain = float(rises[rises > MIN_HEIGHT].sum())
    for group in range(SHORTEST, num_frames // MIN_TIMES + 1):
        # One column for each frame at which the first group may begin.
        padded = np.full(-(-num_frames // group) * group, np.nan)
        padded[:num_frames] = at
        columns = padded.reshape(-1, group)
        columns = columns[:, np.isfinite(columns).sum(axis=0) >= MIN_TIMES]
        if columns.shape[1] == 0:
            continue
        middle, low = np.nanmedian(columns, axis=0), np.nanquantile(columns, 0.25, axis=0)
        heights = np.nansum(columns, axis=0)
        explained = heights / np.maximum(np.maximum(heights, to_explain), 1e-9)
        scores = np.where(explained >= MIN_EXPLAINED, np.minimum(middle, 1.5 * low) * explained, 0)
        yield Encoded(group=group, score=float(scores.max()))


def _rises(footprint: Footprint) -> Shares:
    """By how much each share stands out from its neighbours', in spreads; NaN where there is none."""
    shares = footprint.unpredicted.copy()
    known = np.flatnonzero(np.isfinite(shares))
    # Right after a keyframe of its own a share may rise, too.
    after_keys = np.searchsorted(known, np.flatnonzero(footprint.is_key))
    shares[known[after_keys[after_keys < len(known)]]] = np.nan
    known = np.flatnonzero(np.isfinite(shares))
    values = shares[known]
    around = [
        np.concatenate([values[max(0, index - NEIGHBOURS) : index], values[index + 1 : index + 1 + NEIGHBOURS]])
        for index in range(len(values))
    ]
    rises = np.full(len(shares), np.nan)
    if len(values) > 1:
        above = values - np.array([np.median(each) for each in around])
        spread = 1.4826 * float(np.median(np.abs(above))) + 0.002
        rises[known] = np.clip(above / spread, 0, MAX_HEIGHT)
    return rises


def _next_rise(rises: Shares, is_key: Bool[np.ndarray, " T"]) -> Shares:
    """For each frame, the rise at the next that has one; NaN where a keyframe comes before it, or none soon."""
    at, last, since = np.full(len(rises), np.nan), np.nan, MAX_WAIT + 1
    for index in range(len(rises) - 1, -1, -1):
        if is_key[index]:
            last, since = np.nan, MAX_WAIT + 1
        elif np.isfinite(rises[index]):
            last, since = rises[index], 0
        else:
            since += 1
        at[index] = last if since <= MAX_WAIT else np.nan
    return at
