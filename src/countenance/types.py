"""The data types that packages pass to each other.

Pictures are RGB. Points are `(x, y)` in pixels with the origin in the centre of the top-left pixel;
boxes are half-open `xyxy`. Arrays are never changed in place.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float32, UInt8

from countenance.pixels import Pixels, to_8_bit

FindingState = Literal["trusted", "valid", "invalid", "missing", "unknown", "noticed", "unnoticed", "inconclusive"]
"""How far something that was found can be relied on; of traces and signals, whether anything was noticed."""
DrawnWith = Literal["", "base", "trained", "mixed"]
"""What drew faces: the base, from given faces; a model that was trained on the two people's; of several performers one
this way and another that; or it isn't said."""
Action = Literal["prepare", "train", "generate"]
Role = Literal["likeness", "performer"]
Rejection = Literal[
    "small",
    "blurred",
    "moving",
    "dark",
    "overexposed",
    "turned",
    "covered",
    "misfit",
    "cut off",
    "unsure who",
    "alike",
    "spare",
    "dropped",
]
"""Why a face isn't kept.

`moving`: blurred along one direction. `misfit`: the mesh sits badly. `unsure who`: waits for a review. `alike`: a near
duplicate of a kept one. `spare`: beyond the number of faces asked for. `dropped`: by the user.
"""
Transfer = Literal["sdr", "pq", "hlg"]
"""Transfer function of a video: SDR, or one of the two of HDR."""
MaskOrigin = Literal["segmenter", "hull", "hand"]
"""What made a face's mask: the net, the mesh's hull where the net is unsure, or the user."""
Corner = Literal["top right", "top left", "bottom right", "bottom left"]
"""Where in a picture the visible label lies."""
Verdict = Literal["person", "unsure", "another"]
"""Whose face a track is, by the release's reference picture or by the user's decision."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MediaInfo:
    """What a video or picture is, without its pixels."""

    path: Path
    kind: Literal["video", "picture", "sequence"]
    """A sequence is a folder's numbered pictures, one a frame."""
    sha256: str
    """Of the file, or of all members' digests."""
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
    transfer: Transfer = "sdr"
    """Of the stored video; frames are read as SDR all the same."""
    is_interlaced: bool = False
    """As stored; frames are read whole."""
    chroma_step_wh: tuple[int, int] = (2, 2)
    """How many stored pixels share a sample of colour, across and down; 1 each for RGB."""
    has_alpha: bool = False
    """As stored; frames are read opaque."""
    pixel_aspect: Fraction = Fraction(1)
    """Width of a stored pixel in its height; frames are read with square ones."""
    metadata: tuple[str, ...] = ()
    """Kinds of data beside the pixels, such as `EXIF`."""
    is_whole: bool = True
    """False where a damaged end is left out: `num_frames` are those before it."""
    members: tuple[Path, ...] = ()
    """The files of a sequence, in order; `path` is their first."""
    notes: tuple[str, ...] = ()
    """Notes for the user on how it is read, a line each."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Excerpt:
    """Some frames of a video in a row, which become a file of their own."""

    first: int
    """Index of its first frame in the video."""
    num_frames: int
    begins_s: Fraction
    """When its first frame is shown, in seconds of the video."""
    ends_s: Fraction
    """When its last frame ends."""

    @property
    def frames(self) -> range:
        return range(self.first, self.first + self.num_frames)


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """One picture of a clip at its exact time."""

    pixels: Pixels
    """Display-referred, upright, at the depth at which the clip was read."""
    colour_space: str = "bt709"
    """Whose primaries and curve the RGB values have, as FFmpeg names the matrix that belongs to them."""
    index: int
    pts: int
    time_base: Fraction

    @property
    def rgb(self) -> UInt8[np.ndarray, "H W 3"]:
        """The pixels as every net gets them: 8 bits. No copy where they are stored as 8 bits."""
        return to_8_bit(self.pixels)

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
    """A face cut out upright, in the crop convention of `vision.align`."""

    rgb: UInt8[np.ndarray, "S S 3"]
    mask: Float32[np.ndarray, "S S"]
    """0–1, one inside the mesh's outline: what a generator learns to draw."""
    visible: Float32[np.ndarray, "S S"]
    """0–1, one where the face itself is seen: without hair, glasses and what is held in front of it."""
    frame_to_crop: Float32[np.ndarray, "2 3"]


@dataclass(frozen=True, kw_only=True, slots=True)
class FaceQuality:
    """What decides whether a face is worth learning from, and what a face set covers."""

    size_px: float
    """Side of the crop's square in pixels of the frame."""
    sharpness: float
    """Variance of the Laplacian inside the face, at a common size."""
    motion_blur: float
    """0–1: how much coarser detail is along one direction than across it."""
    brightness: float
    """0–255, mean luma inside the face."""
    clipped_fraction: float
    """Fraction of the face that is overexposed."""
    light_xy: tuple[float, float]
    """−1–1: how much brighter the face is at the right of the picture than at the left, and below than above."""
    yaw_pitch_roll_deg: tuple[float, float, float]
    """Yaw > 0 turns to the right of the picture, pitch > 0 looks down, roll > 0 tilts counter-clockwise."""
    visible_fraction: float
    """Fraction of the face's mesh that lies inside the frame."""
    occluded_fraction: float
    """Fraction of the face that something in front hides; glasses don't count."""
    mouth_open: float
    """Height of the gap between the lips as a fraction of the distance between the eyes' outer corners."""
    eyes_open: float
    """Height of the gap between the lids as a fraction of its width, mean of both eyes."""
    gaze_deg: tuple[float, float] | None = None
    """By how much the eyes look to the right of the picture and down, from straight out of the head; None where they
    are closed, hidden, or weren't measured, as for a face without an image."""


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
    crop_size: int
    """Side in pixels of its crops: 256, 512 or 1024."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Particulars:
    """What only the files of a job say, and a release may limit."""

    plate: str | None = None
    """SHA-256; None where it isn't known yet, or there is none."""
    has_sound: bool = False
    """Whether the likeness will be seen saying what the plate's sound says."""
    is_unlabelled: bool = False
    """Whether the file is published without the label in the picture."""
    is_counted: bool = False
    """Whether a file is published that counts; a preview doesn't."""
    footage: frozenset[tuple[str, str]] = frozenset()
    """Person and SHA-256 of each clip whose faces are learned, or drawn from."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Permit:
    """What code must hold to touch a face. Only `consent.permit` makes one, and every guard checks it again."""

    action: Action
    likeness: str | None
    performer: str | None
    use: str
    release_digests: tuple[str, ...]
    expires_at: datetime
    digest: str
    """Over all but the term and the particulars."""
    particulars: Particulars = Particulars()
    """What the releases were asked besides."""
    approvers: tuple[tuple[str, str], ...] = ()
    """Person and digest of each release that asks for that person's approval of every result."""
    synthetic: tuple[Role, ...] = ()
    """Roles whose person is a synthetic one, by their release."""

    @property
    def people(self) -> tuple[str, ...]:
        return tuple(person for person in (self.likeness, self.performer) if person is not None)


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelledShot:
    """A shot in which something is altered, and where its label covers least."""

    frames: range
    """The plate's frames of the whole shot."""
    corner: Corner


@dataclass(frozen=True, kw_only=True, slots=True)
class Approval:
    """That everybody whose release asks for it approved a result; from `steps.approval` only."""

    result: str
    """Digest of the result."""
    decisions: Mapping[str, str]
    """Digest of each person's decision."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Render:
    """Frames made but not yet published: nothing here has a name that a user could take away."""

    plate: MediaInfo
    frames_from: Callable[[int], Iterator[Frame]]
    """All frames from an index on; a frame is the same whatever index one starts at."""
    altered: tuple[bool, ...]
    """For each frame of the file, whether a face in it is replaced."""
    work_folder: Path
    """Private place for fragments; its name changes with anything that changes the frames."""
    model_digest: str
    seed: int
    num_decided_frames: int = 0
    """Altered frames in which a replaced face is the performer's by a user's decision."""
    drawn_with: DrawnWith = ""
    num_performers: int = 1
    """Whose faces are replaced, each by a likeness of their own."""
    halo: float = 0.0
    """How strong a ring in the picture marks each replaced face, 0–1."""
    sentence: str = ""
    """Words in the picture at its beginning."""
    num_covered_frames: int = 0
    """Altered frames in which a head is covered, because no face could be drawn."""
    num_held_frames: int = 0
    """Frames in which a face is as an artist painted or approved it, or follows one beside that is."""
    excerpt: Excerpt | None = None
    """What of the plate the file shows; None: all of it."""
    preview_wh: tuple[int, int] | None = None
    """The size of the frames of a preview; None: the plate's, in a file that is none."""
    times_s: tuple[float, ...] = ()
    """For each frame of the file, when it is shown, in seconds of the plate; empty where nothing needs it."""
    labelled_shots: tuple[LabelledShot, ...] = ()
    """In order. Their frames are labelled throughout, so that the label neither hops nor flickers; an altered frame
    outside of them has it where it is by default."""
    proxy_wh: tuple[int, int] | None = None
    """The size of the frames of a proxy, a smaller copy by which people decide on a result; None: it is none."""
    parts: Mapping[str, str] = field(default_factory=dict)
    """Digests of everything that decides the frames at their full size, each under a name for people."""

    @property
    def frames(self) -> range:
        """The plate's frames that the file shows."""
        return self.excerpt.frames if self.excerpt else range(self.plate.num_frames)


@dataclass(frozen=True, kw_only=True, slots=True)
class Published:
    """A published file, and the facts about it."""

    path: Path
    sha256: str
    manifest_digest: str
    permit_digest: str
    log_index: int
    num_frames: int
    num_altered_frames: int
    is_proxy: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """The result of one check by the verifier."""

    about: Literal["credentials", "log", "edits", "watermark", "traces", "signal"]
    state: FindingState
    summary: str
    """One sentence for a layman."""
    reasons: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()
    """What it can't tell, a sentence each."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """All findings about a file; never one boolean."""

    path: Path
    sha256: str
    findings: tuple[Finding, ...]
