"""The section `prepare` of the settings: which faces are kept, and how many.

Where the limits come from is shown in docs/prepare.md.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from countenance.config import Integer, Number, Threads, section

Fraction = Annotated[Number, Field(ge=0, le=1)]
MAX_STATED_DISTANCE = 0.4
"""Between a statement's face and the pictures of the release (docs/statement.md)."""


@section
@dataclass(frozen=True, kw_only=True, slots=True)
class PrepareConfig:
    """What a face must reach to be kept, and how many there may be.

    The four distances and the margin decide whose face it is, and so carry the consent of everybody else: they can be
    made stricter than their defaults, never looser. Tracks of strangers lie as near as 0.34 to a portrait, 1.1% of
    them within 0.40 and 25% within 0.50 (docs/prepare.md, measured by tools/measure_thresholds.py; the recogniser's
    card is weights/README.md).
    """

    min_size_px: Annotated[Number, Field(ge=0, le=16_384)] = 64.0
    """Side of the crop's square in the frame, in pixels."""
    min_sharpness: Annotated[Number, Field(ge=0, le=10_000)] = 15.0
    """Variance of the Laplacian inside the face; 15 is about 2.5 px out of focus in a crop of 256 px."""
    max_motion_blur: Fraction = 0.23
    """How much coarser detail may be along one direction than across it."""
    min_brightness: Annotated[Number, Field(ge=0, le=255)] = 25.0
    """Mean luma of the face."""
    max_clipped_fraction: Fraction = 0.15
    """Fraction of the face that may be burnt out."""
    max_yaw_deg: Annotated[Number, Field(ge=0, le=180)] = 75.0
    """How far the head may be turned to a side, in degrees."""
    max_pitch_deg: Annotated[Number, Field(ge=0, le=180)] = 45.0
    """How far the head may be turned up or down, in degrees."""
    max_occluded_fraction: Fraction = 0.35
    """Fraction of the face that something may hide."""
    min_visible_fraction: Fraction = 0.9
    """Fraction of the face that must be inside the frame."""
    min_score: Fraction = 0.9
    """Confidence of the landmark network."""

    max_distance: Annotated[Number, Field(gt=0, le=0.4)] = 0.4
    """Between a track's mean embedding and that of the release's reference pictures. A track nearer than this is the
    person, as long as no other footage of them is known. Can only be lowered: 1.1% of strangers' tracks lie within
    0.40."""
    max_sure_distance: Annotated[Number, Field(gt=0, le=0.32)] = 0.32
    """A track nearer than this is the person beyond doubt, and joins the reference pictures in showing what they look
    like. Can only be lowered: no stranger's track was measured within 0.32."""
    max_known_distance: Annotated[Number, Field(gt=0, le=0.35)] = 0.35
    """Takes the place of max_distance once there are such tracks: the limit of other tracks to the mean of all of them.
    Can only be lowered: at most 0.9% of strangers' tracks lie within 0.35."""
    max_unsure_distance: Annotated[Number, Field(gt=0, le=0.5)] = 0.5
    """A track further away than this is somebody else; one in between waits for a review. Can only be lowered: 25% of
    strangers' tracks lie within 0.50."""
    min_margin: Annotated[Number, Field(ge=0.05, le=2)] = 0.05
    """How much further away everybody else of the project and of the same frames must be; otherwise the track waits for
    a review. A track to which somebody else is nearer by as much is theirs. Can only be raised."""

    min_difference: Fraction = 0.03
    """Between two crops, where they differ most; below it the poorer one is a near duplicate."""
    max_faces: Annotated[Integer, Field(ge=0, le=1_000_000)] = 6000
    """The best are kept, so that pose, expression, light and gaze keep their spread; 0 keeps all."""

    crop_size: Literal["auto", 256, 512, 1024] = "auto"
    """Side in pixels of the face set's crops. `auto`: the size nearest to the median of the kept faces in the frames.
    No crop is stored larger than this, nor larger than its face is in the frame."""

    threads: Threads = 0
    """CPU threads on which faces are searched for; 0 for one on each core. The result is the same."""


PLATE_CONFIG = PrepareConfig(
    min_size_px=0.0,
    min_sharpness=0.0,
    max_motion_blur=1.0,
    min_brightness=0.0,
    max_clipped_fraction=1.0,
    max_yaw_deg=180.0,
    max_pitch_deg=180.0,
    max_occluded_fraction=1.0,
    min_visible_fraction=0.0,
    min_score=0.0,
    max_distance=0.5,
    max_known_distance=0.4,
    min_margin=0.0,
    crop_size=256,
)
"""In a plate every face of the performer counts, however poor; of its pictures none is stored, so none is cut larger.
It is no setting, so the ranges above don't apply."""
