"""What a camera does to light, as typed settings, in the order in which light meets them."""

from dataclasses import dataclass
from typing import Literal, get_args

CaptureKind = Literal["cinema", "broadcast", "phone", "webcam", "archive"]
KINDS: tuple[CaptureKind, ...] = get_args(CaptureKind)
MID_GREY = 0.18
"""Reflectance that is exposed to the middle of the signal; light is counted in white paper's."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Lens:
    """Blur and falloff; no distortion, so that the ground truth stays where it is."""

    blur_px: float = 0.0
    """Standard deviation of what lens and optical low-pass filter spread together."""
    defocus_px: float = 0.0
    """Radius of the circle of confusion."""
    vignette: float = 0.0
    """0–1: light that is lost in the corners."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Shutter:
    """When which row gathers light."""

    angle_deg: float = 180.0
    """Exposure; 360 is the whole time from one frame to the next."""
    readout_s: float = 0.0
    """Time between the exposures of the top and the bottom row."""

    @property
    def open_frames(self) -> float:
        """Exposure as a fraction of the time from one frame to the next."""
        return self.angle_deg / 360


@dataclass(frozen=True, kw_only=True, slots=True)
class Sensor:
    """From light to counted electrons. Source of the model: EMVA 1288 (variance = signal + read noise²)."""

    full_well_e: float
    """Electrons a pixel of the delivered frame holds, those of the pixels binned into it together."""
    read_noise_e: float
    gain_stops: float = 0.0
    """Above base sensitivity: so many times is the well, which is then clipped by the converter, halved."""
    headroom_stops: float = 2.5
    """From mid grey to where a channel clips."""
    exposure_stops: float = 0.0
    """By how much the exposure missed."""
    sensitivity_rgb: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """Fraction of the light that passes the colour filters, green's being 1."""
    has_mosaic: bool = True
    """One colour a pixel, the others interpolated; not where three chips or many small pixels see a delivered one."""

    @property
    def saturation_e(self) -> float:
        """Electrons at which the signal clips."""
        return self.full_well_e / 2**self.gain_stops

    @property
    def clip_light(self) -> float:
        """Light at which green clips."""
        return float(MID_GREY * 2 ** (self.headroom_stops - self.exposure_stops))


@dataclass(frozen=True, kw_only=True, slots=True)
class Processing:
    """From counted electrons to the signal that is encoded."""

    white_balance_rgb: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """What is left of the light's colour, or overcorrected; 1 each where it was met."""
    saturation: float = 1.0
    knee: float | None = None
    """Light above which highlights are compressed, in whites; None for the curve of film."""
    shadows: float = 0.0
    """How far shadows are raised, in stops at an eighth of mid grey."""
    denoise: float = 0.0
    """Strength of spatial noise reduction: standard deviation of luma, 0–255, that is taken for noise."""
    chroma_blur_px: float = 0.0
    """Standard deviation of what colour is smoothed with."""
    temporal_denoise: float = 0.0
    """0–1: part of the frame before that is kept where nothing moves."""
    sharpen: float = 0.0
    sharpen_px: float = 0.8
    """Standard deviation of what is subtracted."""
    sums_lines: bool = False
    """Two neighbouring lines summed, as cameras do that deliver interlaced."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Codec:
    """An encoder, and how many bits it may spend."""

    name: Literal["h264", "hevc", "mpeg2", "prores"]
    bits_per_pixel: float
    still_quantiser: int
    """For a frame by itself, on the codec's own scale: about what the bit rate gives in motion."""
    gop_frames: int = 1
    num_b_frames: int = 0
    preset: str = "veryfast"
    """Of x264 and x265; encoders in hardware find less than their slow ones."""
    chroma: Literal["420", "422"] = "420"


@dataclass(frozen=True, kw_only=True, slots=True)
class Capture:
    """A camera as it was set for a clip; the same one gives the same noise, which plate and ground truth need."""

    kind: CaptureKind
    seed: int
    """Of the noise."""
    lens: Lens
    shutter: Shutter
    sensor: Sensor
    processing: Processing
    codecs: tuple[Codec, ...]
    """One after another, as generations."""
