"""The nouns that rooms hand to each other.

Pictures are RGB. Points are `(x, y)` in pixels with the origin in the centre of the top-left pixel;
boxes are half-open `xyxy`. Arrays are never changed in place.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float32, UInt8

Action = Literal["prepare", "train", "generate"]
Role = Literal["likeness", "performer"]
Rejection = Literal["small", "blurred", "turned", "uncertain", "cut off", "another person"]


@dataclass(frozen=True, kw_only=True, slots=True)
class MediaInfo:
    """What a video or picture is, without its pixels."""

    path: Path
    kind: Literal["video", "picture"]
    sha256: str
    resolution_wh: tuple[int, int]
    """As shown, after rotation."""
    rotation_deg: int
    """Clockwise turn that makes the stored picture upright: 0, 90, 180 or 270."""
    num_frames: int
    """Counted, not announced; 1 for a picture."""
    frame_rate: Fraction
    """Average; only for display and for encoders that ask. Time is `pts`."""
    time_base: Fraction
    duration: Fraction
    """Seconds."""
    bit_depth: int
    colour_space: str
    """Matrix of the stored video, as FFmpeg names it, such as `bt709` or `smpte170m`."""
    colour_range: Literal["limited", "full"]
    has_audio: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """One picture of a clip at its exact time."""

    rgb: UInt8[np.ndarray, "H W 3"]
    index: int
    pts: int
    time_base: Fraction

    @property
    def time(self) -> Fraction:
        """Seconds from the clip's zero."""
        return self.pts * self.time_base


@dataclass(frozen=True, kw_only=True, slots=True)
class DetectedFace:
    """A face in a frame."""

    box_xyxy: Float32[np.ndarray, "4"]
    landmarks_xyz: Float32[np.ndarray, "468 3"]
    """Dense mesh; x and y in pixels of the frame, z in the same scale, smaller is nearer."""
    score: float
    """0–1, how sure the mesh net is that it sits on a face."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AlignedFace:
    """A face cut out upright, in the crop convention of `faces.align`."""

    rgb: UInt8[np.ndarray, "S S 3"]
    mask: Float32[np.ndarray, "S S"]
    """0–1, one inside the face."""
    frame_to_crop: Float32[np.ndarray, "2 3"]


@dataclass(frozen=True, kw_only=True, slots=True)
class FaceQuality:
    """What decides whether a face is worth learning from."""

    size_px: float
    """Side of the crop's square in pixels of the frame."""
    sharpness: float
    """Variance of the Laplacian inside the face, at a common size."""
    yaw_pitch_roll_deg: tuple[float, float, float]
    """Yaw > 0 turns to the right of the picture, pitch > 0 looks down, roll > 0 tilts counter-clockwise."""
    visible_fraction: float
    """Part of the face's mesh that lies inside the frame."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FaceSet:
    """The aligned, kept faces of one person."""

    person: str
    num_faces: int
    digest: str
    """Over all kept faces and the permit, in order."""
    permit_digest: str
    release_digests: tuple[str, ...]
    """Under which it was prepared."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GeneratedFace:
    """What a face model made for one crop."""

    rgb: Float32[np.ndarray, "S S 3"]
    """0–1."""
    mask: Float32[np.ndarray, "S S"]
    crop_to_frame: Float32[np.ndarray, "2 3"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Permit:
    """What code must hold to touch a face. Only `consent.permit` makes one, and every door checks it again."""

    action: Action
    likeness: str | None
    performer: str | None
    use: str
    release_digests: tuple[str, ...]
    expires_at: datetime
    digest: str

    @property
    def people(self) -> tuple[str, ...]:
        return tuple(person for person in (self.likeness, self.performer) if person is not None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Render:
    """Frames made but not yet published: nothing here has a name that a user could take away."""

    plate: MediaInfo
    frames_from: Callable[[int], Iterator[Frame]]
    """All frames from an index on, the same whatever the index is at which one starts."""
    altered: tuple[bool, ...]
    """For each frame of the plate, whether a face in it is replaced."""
    work_folder: Path
    """Private place for fragments; its name changes with anything that changes the frames."""
    model_digest: str
    seed: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Published:
    """A file that a user can take away, and what is known of it."""

    path: Path
    sha256: str
    manifest_digest: str
    permit_digest: str
    log_index: int
    num_frames: int
    num_altered_frames: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One thing that a verifier looked for."""

    about: Literal["credentials", "log", "edits", "watermark"]
    state: Literal["trusted", "valid", "invalid", "missing", "unknown"]
    summary: str
    """One sentence for a layman."""
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """All findings about a file; never one boolean."""

    path: Path
    sha256: str
    findings: tuple[Finding, ...]
