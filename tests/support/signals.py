"""What a detector may have seen, made by hand."""

from dataclasses import replace

import numpy as np

from countenance.forensics.card import Card
from countenance.forensics.signal import FaceLook, Signal, TrackSignal

CARD = Card(
    scale=1.0,
    shift=0.0,
    smallest_px=60.0,
    limit=0.6,
    lower_limit=0.4,
    fewest_looks=2,
    missed_of_100=12.4,
    flagged_of_100=5,
    num_untouched=40,
    never_seen_missed_of_100=71,
    tested_on="40 clips of rendered actors",
)


def look_of(score: float, frame: int) -> FaceLook:
    """A face at a frame of a clip of 25 frames a second; the heat is in its top left corner."""
    heat = np.zeros((8, 8), np.float32)
    heat[:4, :4] = 1
    return FaceLook(
        frame=frame,
        time_s=frame / 25,
        score=score,
        rgb=np.full((64, 64, 3), 90, np.uint8),
        heat=heat,
        frame_rgb=np.full((36, 64, 3), 120, np.uint8),
        box_xywh=(0.25, 0.1, 0.5, 0.8),
    )


def track_of(*scores: float, number: int = 1, distance: float = 0.5) -> TrackSignal:
    """A face that is seen at every frame."""
    looks = tuple(look_of(score, frame) for frame, score in enumerate(scores))
    return TrackSignal(
        number=number,
        first_s=looks[0].time_s,
        last_s=looks[-1].time_s,
        score=float(np.mean(scores)),
        distance=distance,
        faces=looks,
    )


def signal_of(*scores: float, distance: float = 0.5) -> Signal:
    """One face, seen at every frame that was looked at."""
    return Signal(tracks=(track_of(*scores, distance=distance),), num_frames=len(scores))


def with_track(signal: Signal, track: TrackSignal) -> Signal:
    """One face more, at the same time."""
    return replace(signal, tracks=(*signal.tracks, replace(track, number=len(signal.tracks) + 1)))
