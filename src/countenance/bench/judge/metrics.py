"""What the judge measures of one frame, each as a plain function; `docs/judge.md` has the table.

Pictures are RGB 0–255, masks 0–1 and the truth's. "In the face" is a mean weighted by the mask. What must not depend
on the frame's size is measured in the truth's aligned crop (`vision.align`) at `CROP_SIZE`.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float32, UInt8
from skimage.color import deltaE_ciede2000
from skimage.metrics import structural_similarity
from torch import Tensor

from countenance.geometry import similarity_between
from countenance.vision.align import NOSE_BASE, canonical_mesh
from countenance.vision.landmarks import EYES

CROP_SIZE = 128
"""Side of the aligned crop; a face is about 90 px wide in it."""
BEST_PSNR_DB = 60.0
"""Rounding to eight bits alone gives 59 dB; higher values carry no information."""
MAX_DATA = 255
LIGHT_REACH = 0.1
"""Standard deviation of the window in which light is compared, as a fraction of the crop: wider than brows and lips,
narrower than the sides of a face."""
SSIM_SIGMA_PX = 1.5
COLOUR_GRID = 32
MASK_CLOSING_PX = 15
MASK_BLUR_PX = 1.5
MIN_SEAM_WEIGHT = 1e-3

Rgb = UInt8[np.ndarray, "H W 3"]
Mask = Float32[np.ndarray, "H W"]


def ssim_in_face(result_rgb: Rgb, truth_rgb: Rgb, mask: Mask) -> float:
    """Structural similarity, −1–1: the map's mean in the face.

    A Gaussian window with a standard deviation of 1.5 px (11 px wide), a data range of 255, each channel separately.
    Source: Wang et al., Image quality assessment: from error visibility to structural similarity, 2004.
    """
    _, values = structural_similarity(  # type: ignore[no-untyped-call]
        result_rgb,
        truth_rgb,
        channel_axis=2,
        data_range=MAX_DATA,
        gaussian_weights=True,
        sigma=SSIM_SIGMA_PX,
        use_sample_covariance=False,
        full=True,
    )
    return _mean_in_face(values.mean(axis=2), mask)


def psnr_in_face_db(result_rgb: Rgb, truth_rgb: Rgb, mask: Mask) -> float:
    """Peak signal to noise ratio in dB, from the mean squared difference in the face; at most 60."""
    squared = ((result_rgb.astype(np.float32) - truth_rgb) ** 2).mean(axis=2)
    error = max(_mean_in_face(squared, mask), 1e-12)
    return float(min(10 * np.log10(MAX_DATA**2 / error), BEST_PSNR_DB))


def sharpness_ratio(result_rgb: Rgb, truth_rgb: Rgb, mask: Mask) -> float:
    """Variance of the Laplacian of grey in the face, over the truth's; below 1: softer, above: harsher or noisier."""
    inside = mask > 0.5
    # The border's own edge isn't detail of the face.
    inside = cv2.erode(inside.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    if not inside.any():
        return 1.0
    result_variance, truth_variance = (
        float(cv2.Laplacian(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), cv2.CV_32F)[inside].var())
        for rgb in (result_rgb, truth_rgb)
    )
    return result_variance / max(truth_variance, 1e-6)


def perceptual_distance(
    result_features: tuple[Tensor, ...], truth_features: tuple[Tensor, ...], chip_mask: Float32[np.ndarray, "S S"]
) -> float:
    """Distance of inner features, 0–2: root mean square difference in the face, over all three stages.

    Both pictures are cut with the truth's alignment, so that a face in the wrong place counts. The root makes a blend
    halfway between two faces lie about halfway.
    """
    mask_bchw = torch.from_numpy(chip_mask)[None, None]
    squares = []
    for result, truth in zip(result_features, truth_features, strict=True):
        weight = F.interpolate(mask_bchw, result.shape[2:], mode="area")
        difference = (result - truth).pow(2).sum(dim=1, keepdim=True)
        squares.append(float((difference * weight).sum() / weight.sum().clamp_min(1e-6)))
    return float(np.sqrt(np.mean(squares)))


def colour_difference(
    result_crop: UInt8[np.ndarray, "S S 3"],
    truth_crop: UInt8[np.ndarray, "S S 3"],
    crop_mask: Float32[np.ndarray, "S S"],
) -> float:
    """ΔE2000 of coarse colour: the mean over cells of 1/32 of the aligned crop, about 1/22 of the face's width.

    Not of the face's mean, which two opposite tints leave unchanged; not of pixels, where every displaced line counts.
    """
    weight = cv2.resize(crop_mask, (COLOUR_GRID, COLOUR_GRID), interpolation=cv2.INTER_AREA)
    result_lab, truth_lab = (_coarse_lab(crop, crop_mask, weight) for crop in (result_crop, truth_crop))
    difference: Float[np.ndarray, "G G"] = deltaE_ciede2000(result_lab, truth_lab)  # type: ignore[no-untyped-call]
    return _mean_in_face(difference, weight)


def light_difference(
    result_crop: UInt8[np.ndarray, "S S 3"],
    truth_crop: UInt8[np.ndarray, "S S 3"],
    crop_mask: Float32[np.ndarray, "S S"],
) -> float:
    """By how much light plays otherwise over the face: root mean square difference of smoothed lightness, L* 0–100.

    Lightness as a whole is left out; `colour_difference` has it.
    """
    sigma = LIGHT_REACH * len(crop_mask)
    weight = cv2.GaussianBlur(crop_mask, (0, 0), sigma)
    result, truth = (
        cv2.GaussianBlur(
            cv2.cvtColor(crop.astype(np.float32) / MAX_DATA, cv2.COLOR_RGB2Lab)[..., 0] * crop_mask, (0, 0), sigma
        )
        for crop in (result_crop, truth_crop)
    )
    difference = (result - truth) / np.maximum(weight, 1e-6)
    difference -= _mean_in_face(difference, crop_mask)
    return float(np.sqrt(_mean_in_face(difference**2, crop_mask)))


def seam_excess(
    result_crop: UInt8[np.ndarray, "S S 3"],
    truth_crop: UInt8[np.ndarray, "S S 3"],
    crop_mask: Float32[np.ndarray, "S S"],
) -> float:
    """By how much colour changes more steeply across the mask's border than in the truth, in CIELAB units per pixel.

    Only what is steeper counts: a chin before a bright wall is an edge in the truth as well. Pixels are those of the
    aligned crop, about 1/90 of the face's width; holes in the mask, such as eyes, are no border.
    """
    closed = cv2.morphologyEx(crop_mask, cv2.MORPH_CLOSE, np.ones((MASK_CLOSING_PX, MASK_CLOSING_PX), np.uint8))
    soft = cv2.GaussianBlur(closed, (0, 0), MASK_BLUR_PX)
    across = np.stack(_slopes(soft))
    steepness = np.sqrt((across**2).sum(axis=0))
    if steepness.sum() < MIN_SEAM_WEIGHT:
        return 0.0
    normal = across / np.maximum(steepness, 1e-6)
    result_slope, truth_slope = (_slope_along(crop, normal) for crop in (result_crop, truth_crop))
    return _mean_in_face(np.maximum(result_slope - truth_slope, 0), steepness)


def error_change(
    error: Float32[np.ndarray, "S S 3"],
    error_before: Float32[np.ndarray, "S S 3"],
    mask: Float32[np.ndarray, "S S"],
    mask_before: Float32[np.ndarray, "S S"],
) -> float:
    """Flicker, 0–255: the mean absolute change, from the frame before, of result minus truth in the aligned crop.

    In the crop a face stands still, so that a constant error on a moving head doesn't count as flicker.
    """
    return _mean_in_face(np.abs(error - error_before).mean(axis=2), np.minimum(mask, mask_before))


def landmark_distance_pct(result_xyz: Float32[np.ndarray, "468 3"], truth_xyz: Float32[np.ndarray, "468 3"]) -> float:
    """Mean distance of the mesh's points in the picture, in % of the truth's inter-ocular distance."""
    scale, _, _ = _to_head(truth_xyz)
    distances = np.linalg.norm(result_xyz[:, :2] - truth_xyz[:, :2], axis=1)
    return float(100 * distances.mean() * scale / inter_ocular(in_head(truth_xyz)))


def in_head(landmarks_xyz: Float32[np.ndarray, "468 3"]) -> Float32[np.ndarray, "468 3"]:
    """A mesh without its pose: moved, turned and scaled onto the canonical head.

    Only points above the nose's base decide, which neither jaw nor mouth moves.
    """
    scale, rotation, shift = _to_head(landmarks_xyz)
    return np.asarray(scale * landmarks_xyz @ rotation.T + shift, np.float32)


def inter_ocular(mesh: Float32[np.ndarray, "468 3"]) -> float:
    """Distance between the outer corners of the eyes, however the head is turned."""
    return float(np.linalg.norm(mesh[EYES[0]] - mesh[EYES[1]]))


def rotation_between_deg(one: Float[np.ndarray, "3 3"], other: Float[np.ndarray, "3 3"]) -> float:
    """The angle of the turn that leads from one rotation to the other."""
    return float(np.rad2deg(np.arccos(np.clip((np.trace(one.T @ other) - 1) / 2, -1, 1))))


@dataclass(kw_only=True, slots=True)
class MeshTally:
    """Differences of meshes without their pose, gathered over a clip: what stays is shape, what moves is expression.

    Root mean squares, so that the two make up the whole: shape² + expression² = mean squared difference.
    """

    count: int = 0
    total: Float[np.ndarray, "468 3"] | float = 0.0
    total_of_squares: float = 0.0

    def add(self, difference: Float32[np.ndarray, "468 3"]) -> None:
        """One frame's difference, in % of the inter-ocular distance."""
        self.count += 1
        self.total = self.total + difference.astype(np.float64)
        self.total_of_squares += float((difference.astype(np.float64) ** 2).sum(axis=1).mean())

    @property
    def shape_and_expression(self) -> tuple[float, float] | None:
        """Both in % of the inter-ocular distance; none before the first frame."""
        if not self.count:
            return None
        shape_squared = float(((np.asarray(self.total) / self.count) ** 2).sum(axis=1).mean())
        rest = max(self.total_of_squares / self.count - shape_squared, 0.0)
        return float(np.sqrt(shape_squared)), float(np.sqrt(rest))


def mesh_difference_pct(
    result_xyz: Float32[np.ndarray, "468 3"], truth_xyz: Float32[np.ndarray, "468 3"]
) -> Float32[np.ndarray, "468 3"]:
    """Result minus truth without pose, in the head's axes, in % of the truth's inter-ocular distance."""
    truth = in_head(truth_xyz)
    return np.asarray(100 * (in_head(result_xyz) - truth) / inter_ocular(truth), np.float32)


def _to_head(
    landmarks_xyz: Float32[np.ndarray, "468 3"],
) -> tuple[float, Float[np.ndarray, "3 3"], Float[np.ndarray, "3"]]:
    canonical = canonical_mesh()
    rigid = canonical[:, 1] < canonical[NOSE_BASE, 1]
    return similarity_between(landmarks_xyz[rigid].astype(np.float64), canonical[rigid].astype(np.float64))


def _mean_in_face(values: Float[np.ndarray, "H W"], mask: Float32[np.ndarray, "H W"]) -> float:
    return float((values * mask).sum() / max(float(mask.sum()), 1e-6))


def _coarse_lab(
    crop: UInt8[np.ndarray, "S S 3"], crop_mask: Float32[np.ndarray, "S S"], weight: Float32[np.ndarray, "G G"]
) -> Float32[np.ndarray, "G G 3"]:
    """Mean CIELAB of the face in each cell."""
    lab = cv2.cvtColor(crop.astype(np.float32) / MAX_DATA, cv2.COLOR_RGB2Lab)
    cells = cv2.resize(lab * crop_mask[..., None], (COLOUR_GRID, COLOUR_GRID), interpolation=cv2.INTER_AREA)
    return np.asarray(cells / np.maximum(weight, 1e-6)[..., None], np.float32)


def _slopes(values: Float32[np.ndarray, "S S *c"]) -> tuple[Float32[np.ndarray, "S S *c"], ...]:
    """Change per pixel to the right and down."""
    return tuple(
        np.asarray(cv2.Sobel(values, cv2.CV_32F, *order, ksize=3, scale=1 / 8), np.float32)
        for order in ((1, 0), (0, 1))
    )


def _slope_along(crop: UInt8[np.ndarray, "S S 3"], normal: Float32[np.ndarray, "2 S S"]) -> Float32[np.ndarray, "S S"]:
    """Length of the colour's change per pixel in a direction."""
    lab = cv2.cvtColor(cv2.GaussianBlur(crop.astype(np.float32), (0, 0), 1.0) / MAX_DATA, cv2.COLOR_RGB2Lab)
    right, down = _slopes(lab)
    change = right * normal[0][..., None] + down * normal[1][..., None]
    return np.asarray(np.linalg.norm(change, axis=2), np.float32)
