"""Link the faces of successive frames into tracks: one person, one shot."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

MIN_OVERLAP = 0.3
MAX_GAP_FRAMES = 6


@dataclass(kw_only=True, slots=True)
class _OpenTrack:
    number: int
    shot: int
    frame: int
    box_xyxy: Float32[np.ndarray, "4"]


def link_tracks(faces: Iterable[tuple[int, int, Float32[np.ndarray, "4"]]]) -> list[int]:
    """Give each face, as (frame, shot, box) in the order of frames, the number of its track.

    Each face goes on with the track whose last box overlaps it most; a track never crosses a cut and never holds two
    faces of one frame.
    """
    open_tracks: list[_OpenTrack] = []
    numbers: list[int] = []
    count = 0
    for frame, shot, box in faces:
        open_tracks = [track for track in open_tracks if track.shot == shot and frame - track.frame <= MAX_GAP_FRAMES]
        candidates = [track for track in open_tracks if track.frame < frame]
        best = max(candidates, key=lambda track: overlap(track.box_xyxy, box), default=None)
        if best is None or overlap(best.box_xyxy, box) < MIN_OVERLAP:
            best = _OpenTrack(number=count, shot=shot, frame=frame, box_xyxy=box)
            open_tracks.append(best)
            count += 1
        best.frame, best.box_xyxy = frame, box
        numbers.append(best.number)
    return numbers


def overlap(one_xyxy: Float32[np.ndarray, "4"], other_xyxy: Float32[np.ndarray, "4"]) -> float:
    """Intersection over union."""
    low = np.maximum(one_xyxy[:2], other_xyxy[:2])
    high = np.minimum(one_xyxy[2:], other_xyxy[2:])
    shared = float(np.prod(np.clip(high - low, 0, None)))
    areas = float(np.prod(one_xyxy[2:] - one_xyxy[:2]) + np.prod(other_xyxy[2:] - other_xyxy[:2]))
    return shared / (areas - shared) if shared else 0.0
