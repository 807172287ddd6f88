"""Training losses: plain functions of batches, each the mean over the batch."""

import torch.nn.functional as F
from torch import Tensor

from countenance.model.generators.base import Drawn

SSIM_WINDOW = 8
SSIM_STEP = 2
"""Structure is compared at every second pixel: neighbouring windows are nearly equal."""
BORDER = 5
"""Pixels around the face, odd, that count like the face: the border must match the plate around it."""


def reconstruction_loss(drawn: Drawn, clean_bchw: Tensor, mask_b1hw: Tensor) -> Tensor:
    """Absolute difference, structural difference, and the mask's own error."""
    weight = F.max_pool2d(mask_b1hw, BORDER, 1, BORDER // 2)
    difference = ((drawn.rgb - clean_bchw).abs() * weight).sum() / (3 * weight.sum())
    window_weight = _window_mean(weight)
    structure = ((1 - ssim(drawn.rgb, clean_bchw)) * window_weight).sum() / (3 * window_weight.sum())
    outline = F.binary_cross_entropy_with_logits(drawn.mask, mask_b1hw)
    return difference + 0.5 * structure + 0.1 * outline


def ssim(one_bchw: Tensor, other_bchw: Tensor) -> Tensor:
    """Structural similarity of pictures in −1–1, per window and channel, with flat windows.

    Source: Wang et al., Image Quality Assessment: From Error Visibility to Structural Similarity, 2004.
    """
    mean = _window_mean
    one_mean, other_mean = mean(one_bchw), mean(other_bchw)
    one_variance = mean(one_bchw**2) - one_mean**2
    other_variance = mean(other_bchw**2) - other_mean**2
    covariance = mean(one_bchw * other_bchw) - one_mean * other_mean
    c1, c2 = (0.01 * 2) ** 2, (0.03 * 2) ** 2
    likeness = (2 * one_mean * other_mean + c1) * (2 * covariance + c2)
    return likeness / ((one_mean**2 + other_mean**2 + c1) * (one_variance + other_variance + c2))


def _window_mean(x_bchw: Tensor) -> Tensor:
    return F.avg_pool2d(x_bchw, SSIM_WINDOW, SSIM_STEP)


def discriminator_loss(real_logits: Tensor, drawn_logits: Tensor) -> Tensor:
    """Hinge loss of the discriminator."""
    return F.relu(1 - real_logits).mean() + F.relu(1 + drawn_logits).mean()


def realism_loss(drawn_logits: Tensor) -> Tensor:
    """Hinge loss of the generator."""
    return -drawn_logits.mean()
