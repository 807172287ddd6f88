"""Captures as films and phones give them, drawn from a seed.

Where the numbers come from:
- Full wells: one to two thousand electrons a square micrometre, and one to fifteen of read noise (R. N. Clark,
  clarkvision.com, digital sensor performance). Pixels of 8.25 µm, one and a
  half of them each way to one delivered (ALEXA to HD), 5 µm (2/3" HD), 1.4–2.4 µm after binning
  (phones), 2–3 µm (webcams), 1.75 µm (phones of 2008).
- Three chips behind a prism have no mosaic; a sensor of 3K or more sampled down to HD hardly shows one.
- Rolling exposure: measured read-outs go from 5–10 ms (cinema, recent phones) to 20–30 ms (webcams, early phones).
- Bits: XDCAM HD422 is MPEG-2, 50 Mb/s, GOP of 12; HD as broadcast in H.264 8–12 Mb/s, half a second to a second of GOP;
  phones 8 Mb/s HEVC at 1080p30 (60 MB a minute, Apple's own table) with a GOP of a second; Zoom 1.2 Mb/s for 720p
  (its support page) without B-frames; phones of 2009 3.5 Mb/s for 640 × 480 H.264 baseline. Divided by their pixels a
  second: 0.96, 0.15–0.23, 0.13, 0.05, 0.38. A close-up spends more than a frame's mean on its face: 1.5 times is given.
- Exposure aims above mid grey where a camera's curve is darker in the middle than the renders'.
"""

from collections.abc import Callable

import numpy as np

from countenance.capture.settings import KINDS, Capture, CaptureKind, Codec, Lens, Processing, Sensor, Shutter

_DRAW = 62
BAYER_RGB = (0.5, 1.0, 0.65)
"""Of daylight, what colour filters let through, relative to green."""


def draw_capture(seed: int, kind: CaptureKind | None = None) -> Capture:
    """The capture of a seed; of one kind, or of each as often."""
    rng = np.random.default_rng([seed, _DRAW])
    drawn: CaptureKind = KINDS[int(rng.integers(len(KINDS)))]
    return _PRESETS[kind or drawn](seed, rng)


def _cinema(seed: int, rng: np.random.Generator) -> Capture:
    """Large pixels in controlled light, the softness of film, hardly compressed."""
    return Capture(
        kind="cinema",
        seed=seed,
        lens=Lens(
            blur_px=rng.uniform(0.4, 0.7), defocus_px=_sometimes(rng, 0.2, 0.8, 2.0), vignette=rng.uniform(0, 0.2)
        ),
        shutter=Shutter(angle_deg=rng.choice([172.8, 180.0]), readout_s=rng.uniform(0.004, 0.009)),
        sensor=Sensor(
            full_well_e=rng.uniform(110_000, 170_000),
            read_noise_e=rng.uniform(4, 9),
            gain_stops=rng.uniform(0, 1.5),
            headroom_stops=6.0,
            exposure_stops=rng.normal(0, 0.25),
            sensitivity_rgb=BAYER_RGB,
            has_mosaic=False,
        ),
        processing=Processing(
            white_balance_rgb=_white_balance(rng, 0.03),
            saturation=rng.uniform(0.9, 1.05),
            sharpen=_sometimes(rng, 0.3, 0.1, 0.3),
        ),
        codecs=(Codec(name="prores", bits_per_pixel=3.5, still_quantiser=4, chroma="422"),),
    )


def _broadcast(seed: int, rng: np.random.Generator) -> Capture:
    """Three chips, interlaced lines summed, detail turned up, MPEG-2 in the camera and a transmission after it."""
    is_hevc = rng.random() < 0.3
    transmission = Codec(
        name="hevc" if is_hevc else "h264",
        bits_per_pixel=rng.uniform(0.14, 0.22) if is_hevc else rng.uniform(0.2, 0.35),
        still_quantiser=int(rng.integers(22, 28)),
        gop_frames=int(rng.integers(13, 33)),
        num_b_frames=3,
    )
    return Capture(
        kind="broadcast",
        seed=seed,
        lens=Lens(
            blur_px=rng.uniform(0.45, 0.7), defocus_px=_sometimes(rng, 0.1, 0.8, 1.8), vignette=rng.uniform(0, 0.12)
        ),
        shutter=Shutter(angle_deg=rng.choice([180.0, 360.0]), readout_s=rng.choice([0.0, 0.008])),
        sensor=Sensor(
            full_well_e=rng.uniform(22_000, 35_000),
            read_noise_e=rng.uniform(6, 12),
            gain_stops=rng.choice([0.0, 1.0, 2.0], p=[0.6, 0.25, 0.15]),
            headroom_stops=4.6,
            exposure_stops=rng.normal(0.35, 0.25),
            has_mosaic=False,
        ),
        processing=Processing(
            white_balance_rgb=_white_balance(rng, 0.05),
            saturation=rng.uniform(1.0, 1.15),
            knee=rng.uniform(0.7, 0.85),
            sharpen=rng.uniform(0.8, 1.8),
            sharpen_px=rng.uniform(0.8, 1.2),
            sums_lines=True,
        ),
        codecs=(
            Codec(name="mpeg2", bits_per_pixel=0.96, still_quantiser=4, gop_frames=12, num_b_frames=2, chroma="422"),
            transmission,
        ),
    )


def _phone(seed: int, rng: np.random.Generator) -> Capture:
    """Small pixels, noise smeared away, edges drawn again, shadows raised, colours strong, HEVC."""
    gain_stops = rng.uniform(0, 4)
    return Capture(
        kind="phone",
        seed=seed,
        lens=Lens(
            blur_px=rng.uniform(0.5, 0.75), defocus_px=_sometimes(rng, 0.1, 0.8, 2.0), vignette=rng.uniform(0, 0.1)
        ),
        shutter=Shutter(angle_deg=rng.uniform(40, 300), readout_s=rng.uniform(0.005, 0.016)),
        sensor=Sensor(
            full_well_e=rng.uniform(7_000, 14_000),
            read_noise_e=rng.uniform(1.5, 3),
            gain_stops=gain_stops,
            headroom_stops=3.8,
            exposure_stops=rng.normal(0.3, 0.3),
            sensitivity_rgb=BAYER_RGB,
        ),
        processing=Processing(
            white_balance_rgb=_white_balance(rng, 0.06),
            saturation=rng.uniform(1.1, 1.35),
            knee=rng.uniform(0.55, 0.75),
            shadows=rng.uniform(0.3, 1.0),
            denoise=3 + 2.5 * gain_stops,
            chroma_blur_px=1 + 0.5 * gain_stops,
            temporal_denoise=rng.uniform(0.3, 0.7),
            sharpen=rng.uniform(0.9, 1.8),
            sharpen_px=rng.uniform(0.8, 1.3),
        ),
        codecs=(
            Codec(
                name="hevc",
                bits_per_pixel=rng.uniform(0.13, 0.25),
                still_quantiser=int(rng.integers(24, 31)),
                gop_frames=30,
                preset="ultrafast",
            ),
        ),
    )


def _webcam(seed: int, rng: np.random.Generator) -> Capture:
    """A small sensor in a dim room, noise that the encoder can't afford, H.264 for a conference."""
    gain_stops = rng.uniform(1.5, 4.5)
    return Capture(
        kind="webcam",
        seed=seed,
        lens=Lens(
            blur_px=rng.uniform(0.6, 1.0), defocus_px=_sometimes(rng, 0.3, 0.8, 1.8), vignette=rng.uniform(0.05, 0.3)
        ),
        shutter=Shutter(angle_deg=rng.uniform(180, 360), readout_s=rng.uniform(0.018, 0.032)),
        sensor=Sensor(
            full_well_e=rng.uniform(5_000, 9_000),
            read_noise_e=rng.uniform(2.5, 6),
            gain_stops=gain_stops,
            headroom_stops=2.6,
            exposure_stops=rng.normal(0.3, 0.35),
            sensitivity_rgb=BAYER_RGB,
        ),
        processing=Processing(
            white_balance_rgb=_white_balance(rng, 0.12),
            saturation=rng.uniform(0.8, 1.1),
            knee=rng.uniform(0.85, 0.95),
            denoise=2 + 2 * gain_stops,
            chroma_blur_px=1 + 0.6 * gain_stops,
            temporal_denoise=rng.uniform(0.2, 0.6),
            sharpen=rng.uniform(0.3, 1.2),
        ),
        codecs=(
            Codec(
                name="h264",
                bits_per_pixel=rng.uniform(0.04, 0.1),
                still_quantiser=int(rng.integers(28, 36)),
                gop_frames=120,
            ),
        ),
    )


def _archive(seed: int, rng: np.random.Generator) -> Capture:
    """A phone or camcorder of about 2008: a noisy mosaic, hard contrast, clipped lights, an early encoder."""
    is_mpeg2 = rng.random() < 0.4
    codec = (
        Codec(
            name="mpeg2",
            bits_per_pixel=rng.uniform(0.4, 0.6),
            still_quantiser=int(rng.integers(6, 14)),
            gop_frames=12,
            num_b_frames=2,
        )
        if is_mpeg2
        else Codec(
            name="h264",
            bits_per_pixel=rng.uniform(0.15, 0.4),
            still_quantiser=int(rng.integers(26, 34)),
            gop_frames=30,
            preset="ultrafast",
        )
    )
    return Capture(
        kind="archive",
        seed=seed,
        lens=Lens(
            blur_px=rng.uniform(0.8, 1.3), defocus_px=_sometimes(rng, 0.3, 0.8, 2.0), vignette=rng.uniform(0.1, 0.4)
        ),
        shutter=Shutter(angle_deg=rng.uniform(120, 360), readout_s=0.0 if is_mpeg2 else rng.uniform(0.02, 0.033)),
        sensor=Sensor(
            full_well_e=rng.uniform(3_000, 6_000),
            read_noise_e=rng.uniform(4, 9),
            gain_stops=rng.uniform(0, 2.5),
            headroom_stops=2.3,
            exposure_stops=rng.normal(0.3, 0.4),
            sensitivity_rgb=BAYER_RGB,
        ),
        processing=Processing(
            white_balance_rgb=_white_balance(rng, 0.12),
            saturation=rng.uniform(0.75, 1.1),
            knee=rng.uniform(0.9, 0.97),
            denoise=rng.uniform(0, 4),
            chroma_blur_px=rng.uniform(0.5, 1.5),
            sharpen=rng.uniform(0.8, 2.2),
            sharpen_px=rng.uniform(1.0, 1.5),
            sums_lines=is_mpeg2,
        ),
        codecs=(codec,),
    )


_PRESETS: dict[CaptureKind, Callable[[int, np.random.Generator], Capture]] = {
    "cinema": _cinema,
    "broadcast": _broadcast,
    "phone": _phone,
    "webcam": _webcam,
    "archive": _archive,
}


def _sometimes(rng: np.random.Generator, probability: float, low: float, high: float) -> float:
    """Drawn in any case, so that what follows doesn't depend on it."""
    happens, value = rng.random() < probability, rng.uniform(low, high)
    return float(value) if happens else 0.0


def _white_balance(rng: np.random.Generator, sigma: float) -> tuple[float, float, float]:
    """Too warm or too cold, and a little too green or pink."""
    warmth, tint = rng.normal(0, sigma), rng.normal(0, sigma / 3)
    return float(np.exp(warmth)), float(np.exp(tint)), float(np.exp(-warmth))
