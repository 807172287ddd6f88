"""What the detector saw in a file's faces."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, UInt8


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class FaceLook:
    """A face at one moment, as the detector saw it."""

    frame: int | None
    """Index in the file; None of a long file, which is entered in its middle, where it isn't known."""
    time_s: float
    """In the file."""
    score: float
    """0–1, how much it looks like replaced faces."""
    rgb: UInt8[np.ndarray, "S S 3"]
    """The aligned crop."""
    heat: Float32[np.ndarray, "h w"]
    """0–1 over that crop: where it looks so."""
    frame_rgb: UInt8[np.ndarray, "H W 3"]
    """The frame, small."""
    box_xywh: tuple[float, float, float, float]
    """Where the face lies in the frame, 0–1."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TrackSignal:
    """A face through a stretch of the file."""

    number: int
    first_s: float
    last_s: float
    score: float
    """0–1, by the mean evidence of its moments."""
    distance: float
    """From the footage that the detector was tested on; 1 is the limit of that."""
    faces: tuple[FaceLook, ...]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Signal:
    """What the detector saw in a file."""

    tracks: tuple[TrackSignal, ...]
    num_frames: int
    """Looked at."""
    num_left_out: int = 0
    """Faces that aren't among the tracks: smaller than any tested, or beyond the largest of a crowd."""
    why_not: str | None = None
    """Why the file couldn't be looked at."""
