"""What a lens does to light: it spreads and, towards the corners, loses it."""

import cv2
import numpy as np
from jaxtyping import Float32

from countenance.capture.settings import Lens


def through_lens(light: Float32[np.ndarray, "H W 3"], lens: Lens) -> Float32[np.ndarray, "H W 3"]:
    """Light on the sensor; nothing is moved."""
    if lens.defocus_px:
        disc = circle_of_confusion(lens.defocus_px)
        light = np.asarray(cv2.filter2D(light, -1, disc, borderType=cv2.BORDER_REFLECT_101))
    if lens.blur_px:
        light = np.asarray(cv2.GaussianBlur(light, (0, 0), lens.blur_px))
    if lens.vignette:
        light = light * _falloff(light.shape[0], light.shape[1], lens.vignette)[..., None]
    return light


def circle_of_confusion(radius_px: float) -> Float32[np.ndarray, "K K"]:
    """An even disc with a soft border of one pixel; its sum is 1."""
    reach = int(np.ceil(radius_px + 0.5))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disc = np.clip(radius_px + 0.5 - np.hypot(x, y), 0, 1)
    return np.asarray(disc / disc.sum(), np.float32)


def _falloff(height: int, width: int, loss: float) -> Float32[np.ndarray, "H W"]:
    """By the fourth power of the cosine, as a field angle gives it that loses so much in the corners."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    aside, down = x - (width - 1) / 2, y - (height - 1) / 2
    squared = (aside**2 + down**2) / np.float32((height - 1) ** 2 + (width - 1) ** 2) * 4
    tangent_squared = 1 / np.sqrt(1 - loss) - 1
    return np.asarray((1 + tangent_squared * squared) ** -2, np.float32)
