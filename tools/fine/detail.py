"""How strong detail of each fineness is, whether it is the truth's, and how near close-ups look to it."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float32, UInt8

from countenance.bench.judge.metrics import perceptual_distance
from countenance.bench.judge.unseen import UnseenFeatures
from countenance.vision.parts import Part

BANDS_PX = ((1, 2), (2, 4), (4, 8), (8, 16), (16, 32))
"""How large what counts is, half a wave, in pixels of the plate."""
SIGMA = 0.375
"""A Gaussian of so many times a band's larger size halves waves that long."""
REGIONS: Mapping[str, tuple[tuple[Part, ...], int]] = {
    "skin": ((Part.SKIN,), -9),
    "eyes": ((Part.EYE, Part.LASH), 12),
    "brows": ((Part.BROW,), 9),
    "mouth": ((Part.LIPS, Part.MOUTH), 9),
}
"""What is looked at: parts, and by how many pixels their outline is moved out."""
CLOSE_PX = 448
"""Side of a close-up, at the plate's own size."""
CLOSE_UPS: Mapping[str, tuple[int, ...]] = {
    "right eye": (33, 133),
    "left eye": (362, 263),
    "mouth": (61, 291),
    "cheek": (280,),
}
"""Points of the mesh in whose middle they lie."""

Grey = Float32[np.ndarray, "H W"]
Rgb = UInt8[np.ndarray, "H W 3"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Detail:
    """Of one picture's region, by band."""

    strength: tuple[float, ...]
    """Root mean square, as a fraction of the region's mean brightness."""
    correlation: tuple[float, ...]
    """With the truth's; ones where there is no truth."""


def banded(rgb: Rgb) -> list[Grey]:
    """A picture's brightness in `BANDS_PX`."""
    grey = rgb.astype(np.float32).mean(axis=2)
    smooth = [grey, *(cv2.GaussianBlur(grey, (0, 0), SIGMA * high) for _, high in BANDS_PX)]
    return [one - other for one, other in itertools.pairwise(smooth)]


def region_of(labels: UInt8[np.ndarray, "H W"], mask: UInt8[np.ndarray, "H W"], name: str) -> Bool[np.ndarray, "H W"]:
    """Where some parts of the replaced face are."""
    parts, reach_px = REGIONS[name]
    shown = np.isin(labels, parts).astype(np.uint8)
    change = cv2.dilate if reach_px > 0 else cv2.erode
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * abs(reach_px) + 1, 2 * abs(reach_px) + 1))
    return np.asarray((change(shown, kernel) > 0) & (mask > 250))


def measure(rgb: Rgb, region: Bool[np.ndarray, "H W"], truth_bands: Sequence[Grey] | None = None) -> Detail:
    """A picture's detail in a region."""
    bands, bright = banded(rgb), float(rgb.mean(axis=2)[region].mean())
    strength = tuple(float(np.sqrt((band[region] ** 2).mean())) / bright for band in bands)
    if truth_bands is None:
        return Detail(strength=strength, correlation=(1.0,) * len(bands))
    pairs = zip(bands, truth_bands, strict=True)
    return Detail(
        strength=strength, correlation=tuple(float(np.corrcoef(a[region], b[region])[0, 1]) for a, b in pairs)
    )


def close_up(rgb: Rgb, points_xy: Float32[np.ndarray, "468 2"], name: str) -> UInt8[np.ndarray, "S S 3"]:
    """A square of the picture, pixel by pixel."""
    x, y = np.round(points_xy[list(CLOSE_UPS[name])].mean(axis=0)).astype(int) - CLOSE_PX // 2
    x, y = (int(np.clip(at, 0, side - CLOSE_PX)) for at, side in ((x, rgb.shape[1]), (y, rgb.shape[0])))
    return rgb[y : y + CLOSE_PX, x : x + CLOSE_PX]


class CloseJudge:
    """How near close-ups look, by the net that only the judge knows."""

    def __init__(self) -> None:
        self._features = UnseenFeatures()

    def distance(self, one: Rgb, truth: Rgb, points_xy: Float32[np.ndarray, "468 2"], name: str) -> float:
        """0–2, over the whole close-up."""
        looks = []
        for rgb in (one, truth):
            picture = torch.from_numpy(close_up(rgb, points_xy, name).copy()).permute(2, 0, 1)[None].float()
            with torch.inference_mode():
                looks.append(tuple(self._features(picture)))
        return perceptual_distance(looks[0], looks[1], np.ones((CLOSE_PX, CLOSE_PX), np.float32))
