"""Filming: rendered frames in, the frames that somebody's camera recorded out.

Order: lens, shutter, sensor (with white balance before colours are interpolated), tone curve, noise reduction,
sharpening, codecs. Up to the tone curve everything works on scene-linear light.

Before encoding, what a pixel becomes depends on a few pixels around it and on the capture, never on the frame as a
whole: no automatic exposure, no automatic white balance. So two scenes that differ in a face, filmed with the same
capture, are equal outside of that face and the few pixels that blur, motion and sharpening reach.
"""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import repeat

import numpy as np
from jaxtyping import UInt8

from countenance.capture.codec import recorded
from countenance.capture.lens import through_lens
from countenance.capture.processing import DENOISE_REACH_PX, Developer
from countenance.capture.sensor import DEMOSAIC_REACH_PX, sensed
from countenance.capture.settings import Capture
from countenance.capture.shutter import Motion, exposed
from countenance.capture.tone import scene_light

Rgb = UInt8[np.ndarray, "H W 3"]
STILL_FRAME_RATE = Fraction(25)
_NOISE = 61


def film_frames(
    frames: Iterable[Rgb], capture: Capture, *, frame_rate: Fraction, motion: Iterable[Motion] | None = None
) -> Iterator[Rgb]:
    """A clip as filmed, one frame for each; without `motion` nothing is blurred by it or sheared.

    Frames stream: only what encoders look ahead at is kept.
    """
    filmed = develop_frames(frames, capture, frame_rate=frame_rate, motion=motion)
    for codec in capture.codecs:
        filmed = recorded(filmed, codec, frame_rate)
    return filmed


def develop_frames(
    frames: Iterable[Rgb], capture: Capture, *, frame_rate: Fraction, motion: Iterable[Motion] | None = None
) -> Iterator[Rgb]:
    """What the camera hands to its encoder."""
    developer = Developer(processing=capture.processing)
    motions = repeat(None) if motion is None else motion
    for number, (rgb, moves) in enumerate(zip(frames, motions, strict=motion is not None)):
        rng = np.random.default_rng([capture.seed, _NOISE, number])
        yield developer.develop(_sensed(rgb, capture, float(frame_rate), moves, rng))


def film_image(rgb: Rgb, capture: Capture, *, motion: Motion | None = None) -> Rgb:
    """A single frame of a clip as filmed; each codec gets the quantiser that its bit rate gives, and no frame before.

    Rows are delayed as at 25 frames a second.
    """
    rng = np.random.default_rng([capture.seed, _NOISE, 0])
    light = _sensed(rgb, capture, float(STILL_FRAME_RATE), motion, rng)
    filmed = Developer(processing=capture.processing).develop(light)
    for codec in capture.codecs:
        (filmed,) = recorded([filmed], codec, STILL_FRAME_RATE, is_still=True)
    return filmed


def reach_px(capture: Capture) -> int:
    """How far from where two scenes differ the camera's frames may differ, before encoding and without motion."""
    lens, processing = capture.lens, capture.processing
    # OpenCV cuts a Gaussian at four standard deviations.
    optics = 4 * lens.blur_px + (lens.defocus_px + 1 if lens.defocus_px else 0)
    denoise = 2 * DENOISE_REACH_PX if processing.denoise else 0
    luma = processing.sums_lines + denoise + (4 * processing.sharpen_px if processing.sharpen else 0)
    sensor = DEMOSAIC_REACH_PX if capture.sensor.has_mosaic else 0
    temporal = 1 if processing.temporal_denoise else 0
    return int(np.ceil(optics + 1)) + sensor + temporal + int(np.ceil(max(luma, 4 * processing.chroma_blur_px) + 1))


def _sensed(
    rgb: Rgb, capture: Capture, frame_rate: float, motion: Motion | None, rng: np.random.Generator
) -> np.ndarray:
    light = through_lens(scene_light(rgb), capture.lens)
    if motion is not None:
        light = exposed(light, motion, capture.shutter, frame_rate)
    return sensed(light, capture.sensor, capture.processing.white_balance_rgb, rng)
