"""The camera's own processing: tone, noise reduction and sharpening, on luma and colour as video cameras do."""

from dataclasses import dataclass, field

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from countenance.capture.settings import Processing
from countenance.capture.tone import LUMA_RGB, signal

DENOISE_REACH_PX = 2
OVERSHOOT = 0.08
"""Most that sharpening adds to or takes from the signal."""
CORING = 0.006
"""Detail smaller than this isn't sharpened, or noise would be."""
STILL_SIGMA = 0.012
"""Change between frames, of the signal smoothed over 3 × 3 pixels, that is taken for noise."""

Plane = Float32[np.ndarray, "H W"]


@dataclass(kw_only=True, slots=True)
class Developer:
    """One camera's processing; keeps the frame before, where noise reduction needs it."""

    processing: Processing
    _before: Float32[np.ndarray, "H W 3"] | None = field(default=None, init=False)
    _steady: Float32[np.ndarray, "H W 3"] | None = field(default=None, init=False)

    def develop(self, light: Float32[np.ndarray, "H W 3"]) -> UInt8[np.ndarray, "H W 3"]:
        """The signal of a frame."""
        settings = self.processing
        rgb = signal(light, settings)
        if settings.temporal_denoise:
            rgb = self._steadied(rgb)
        luma = rgb @ np.array(LUMA_RGB, np.float32)
        if settings.denoise or settings.chroma_blur_px or settings.sharpen or settings.sums_lines:
            colour = rgb - luma[..., None]
            if settings.chroma_blur_px:
                colour = cv2.GaussianBlur(colour, (0, 0), settings.chroma_blur_px)
            if settings.sums_lines:
                luma = cv2.sepFilter2D(luma, -1, np.array([[1.0]]), np.array([[0.25], [0.5], [0.25]]))
            if settings.denoise:
                luma = smoothed(luma, settings.denoise / 255)
            if settings.sharpen:
                luma = sharpened(luma, settings.sharpen, settings.sharpen_px)
            rgb = luma[..., None] + colour
        return np.asarray(np.clip(rgb * 255 + 0.5, 0, 255), np.uint8)

    def _steadied(self, rgb: Float32[np.ndarray, "H W 3"]) -> Float32[np.ndarray, "H W 3"]:
        """Averaged over time where it doesn't change.

        Whether it changes is decided on frames that were not averaged, so that a difference stays where it is instead
        of growing from frame to frame.
        """
        smooth = cv2.blur(rgb, (3, 3))
        if self._before is None or self._steady is None:
            steady = rgb
        else:
            change = np.abs(smooth - self._before).max(axis=2, keepdims=True)
            kept = self.processing.temporal_denoise * np.exp(-((change / STILL_SIGMA) ** 2) / 2)
            steady = np.asarray(rgb + kept * (self._steady - rgb), np.float32)
        self._before, self._steady = smooth, steady
        return steady


def smoothed(luma: Plane, sigma: float) -> Plane:
    """Luma without what varies less than `sigma`; edges stay.

    Source: He, Sun and Tang, Guided image filtering, 2013, with the image as its own guide.
    """
    window = (2 * DENOISE_REACH_PX + 1, 2 * DENOISE_REACH_PX + 1)
    mean = cv2.blur(luma, window)
    variance = np.maximum(cv2.blur(luma * luma, window) - mean * mean, 0)
    kept = variance / (variance + np.float32(sigma**2))
    flat = (1 - kept) * mean
    return np.asarray(cv2.blur(kept, window) * luma + cv2.blur(flat, window), np.float32)


def sharpened(luma: Plane, amount: float, sigma_px: float) -> Plane:
    """Detail added once more, within limits, as cameras do."""
    detail = luma - cv2.GaussianBlur(luma, (0, 0), sigma_px)
    detail = np.sign(detail) * np.maximum(np.abs(detail) - CORING, 0)
    return np.asarray(luma + np.clip(amount * detail, -OVERSHOOT, OVERSHOOT), np.float32)
