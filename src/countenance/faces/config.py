"""The section `prepare` of the settings: which faces are kept, and how many.

Where the numbers come from is shown in docs/prepare.md.
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class PrepareConfig:
    """What a face must reach to be kept, and how many there may be."""

    min_size_px: float = 64.0
    """Side of the crop's square in the frame."""
    min_sharpness: float = 15.0
    """See `types.FaceQuality`, also for the next ones."""
    max_motion_blur: float = 0.23
    min_brightness: float = 25.0
    max_clipped_fraction: float = 0.15
    max_yaw_deg: float = 75.0
    max_pitch_deg: float = 45.0
    max_occluded_fraction: float = 0.35
    min_visible_fraction: float = 0.9
    min_score: float = 0.9
    """0–1, how sure the mesh net is."""

    max_distance: float = 0.4
    """Between a track's mean embedding and that of the release's pictures. A track that lies nearer is the person, as
    long as nothing else is known."""
    max_sure_distance: float = 0.32
    """A track that lies nearer than this is the person beyond doubt; from then on it stands beside those pictures
    for what they look like."""
    max_known_distance: float = 0.35
    """Of other tracks to the mean of all that; then one that lies nearer is the person."""
    max_unsure_distance: float = 0.5
    """A track that lies further away is another person; one in between waits for a review."""
    min_margin: float = 0.05
    """So much further away anybody else must be, of the project or in the same frames, or the track waits for a review;
    one to which somebody else is nearer by as much is another's."""

    min_difference: float = 0.03
    """Of the parts of two crops that differ most, 0–1; below it the poorer one is a near duplicate."""
    max_faces: int = 6000
    """The best are kept, so that pose, expression, light and gaze keep their spread; 0 keeps all."""

    threads: int = 0
    """On which faces are looked for at once; 0: one for each core. The result is the same."""


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
)
"""In a plate every face of the performer counts, however poor."""
