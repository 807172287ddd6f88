"""Crops made worse in many ways at once, by PyTorch, so that each time a crop is drawn it looks different.

Beyond what any camera does: a mesh that learned from rendered faces only should hold on to shapes, not to the tones and
textures of the renderer.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

BLUR_REACH_PX = 7
BLOCK = 8
GROUPS = 4
"""Parts of a batch that are made smaller, each by its own amount."""
SMALLEST_PX = 16
"""Side to which a whole crop may be reduced; a face is two thirds of it."""
LUMINANCE = (0.299, 0.587, 0.114)


def degrade(rgb: Tensor) -> Tensor:
    """Images [B 3 S S], 0–1: a quarter hardly, a half somewhat and a quarter heavily degraded."""
    batch = len(rgb)
    strength = torch.tensor([0.15, 0.5, 0.5, 1.0], device=rgb.device)[torch.randint(4, (batch,), device=rgb.device)]
    rgb = _recoloured(rgb, strength)
    rgb = torch.where(_chosen(0.15 * strength), _convolved(rgb), rgb)
    rgb = torch.where(_chosen(0.5 * strength), _blurred(rgb, strength), rgb)
    rgb = torch.where(_chosen(0.6 * strength), _smaller(rgb), rgb)
    rgb = torch.where(_chosen(0.7 * strength), _noisy(rgb, strength), rgb)
    rgb = torch.where(_chosen(0.5 * strength), _in_blocks(rgb, strength), rgb)
    return torch.where(_chosen(0.3 * strength), _blurred(rgb, 0.4 * strength), rgb).clamp(0, 1)


def _chosen(share: Tensor) -> Tensor:
    return (torch.rand_like(share) < share)[:, None, None, None]


def _normal(strength: Tensor, *shape: int) -> Tensor:
    """Scaled by each image's strength: [B …]."""
    spread = strength.reshape(-1, *(1 for _ in shape))
    return torch.randn(len(strength), *shape, device=strength.device) * spread


def _recoloured(rgb: Tensor, strength: Tensor) -> Tensor:
    """Exposure, gamma, contrast, tint, saturation; light from one side."""
    gamma = _normal(strength, 1, 1, 1).mul(0.4).exp()
    gain = (_normal(strength, 1, 1, 1) * 0.45 - 0.15 * strength[:, None, None, None]).exp()
    tint = _normal(strength, 3, 1, 1).mul(0.15).exp()
    contrast = _normal(strength, 1, 1, 1).mul(0.35).exp()
    side = rgb.shape[-1]
    ramp = torch.linspace(-0.5, 0.5, side, device=rgb.device)
    slope = _normal(strength, 2, 1, 1) * 0.6
    lit = (1 + slope[:, :1] * ramp + slope[:, 1:] * ramp[:, None]).clamp(min=0.1)
    tones = ((rgb.clamp(min=1e-4) ** gamma - 0.4) * contrast + 0.4) * gain * tint * lit
    grey = _grey(tones)
    amount = (1 + _normal(strength, 1, 1, 1) * 0.7).clamp(0, 2)
    return (grey + amount * (tones - grey)).clamp(0, 1)


def _grey(rgb: Tensor) -> Tensor:
    return torch.einsum("bchw,c->bhw", rgb, torch.tensor(LUMINANCE, device=rgb.device))[:, None]


def _each(rgb: Tensor, kernels: Tensor) -> Tensor:
    """Each image convolved with its own kernels [B 3 C K L], which see C = 1 or 3 channels."""
    batch, _, channels, height, width = kernels.shape
    joined = F.pad(rgb, (width // 2, width // 2, height // 2, height // 2), mode="replicate")
    joined = joined.reshape(1, 3 * batch, *joined.shape[2:])
    groups = batch * 3 // channels
    return F.conv2d(joined, kernels.reshape(3 * batch, channels, height, width), groups=groups).reshape(rgb.shape)


def _convolved(rgb: Tensor) -> Tensor:
    """Random filters over all channels, mixed with the image; mean and contrast are kept.

    Xu et al., Robust and generalizable visual representation learning via random convolutions, 2021.
    """
    kernels = torch.randn(len(rgb), 3, 3, 3, 3, device=rgb.device) / math.sqrt(27)
    filtered = _each(rgb, kernels)
    dims = (2, 3)
    filtered = (filtered - filtered.mean(dims, keepdim=True)) / (filtered.std(dims, keepdim=True) + 1e-3)
    filtered = filtered * rgb.std(dims, keepdim=True) + rgb.mean(dims, keepdim=True)
    share = torch.rand(len(rgb), 1, 1, 1, device=rgb.device)
    return (rgb + share * (filtered - rgb)).clamp(0, 1)


def _blurred(rgb: Tensor, strength: Tensor) -> Tensor:
    """Out of focus, or moved along a line."""
    places = torch.arange(-BLUR_REACH_PX, BLUR_REACH_PX + 1, device=rgb.device, dtype=rgb.dtype)
    angle = torch.rand(len(rgb), device=rgb.device) * math.pi
    cos, sin = (each[:, None, None] for each in (angle.cos(), angle.sin()))
    along, across = (cos * places + sin * places[:, None], cos * places[:, None] - sin * places)
    wide = (0.4 + 2.8 * torch.rand(len(rgb), 1, 1, device=rgb.device)) * strength[:, None, None] + 0.2
    narrow = wide * torch.rand_like(wide).clamp(min=0.15)
    kernels = torch.exp(-0.5 * ((along / wide) ** 2 + (across / narrow.clamp(min=0.3)) ** 2))
    kernels = kernels / kernels.sum((1, 2), keepdim=True)
    return _each(rgb, kernels[:, None, None].expand(-1, 3, 1, -1, -1))


def _smaller(rgb: Tensor) -> Tensor:
    """Few pixels, enlarged again."""
    side, parts = rgb.shape[-1], []
    for part in rgb.chunk(GROUPS):
        small = int(SMALLEST_PX * (side / SMALLEST_PX) ** torch.rand(()).item())
        how = "area" if torch.rand(()) < 0.7 else "bilinear"
        reduced = F.interpolate(part, size=(small, small), mode=how)
        enlarged = "bicubic" if torch.rand(()) < 0.5 else "bilinear"
        parts.append(F.interpolate(reduced, size=(side, side), mode=enlarged, align_corners=False))
    return torch.cat(parts).clamp(0, 1)


def _noisy(rgb: Tensor, strength: Tensor) -> Tensor:
    """Of light and of the sensor, in luminance and colour, fine and coarse."""
    side = rgb.shape[-1]
    colour, coarse = torch.randn_like(rgb), torch.randn_like(rgb[..., ::3, ::3])
    grey = colour[:, :1].expand_as(colour)
    share = torch.rand(len(rgb), 1, 1, 1, device=rgb.device)
    fine = share * grey + (1 - share) * colour
    coarse = F.interpolate(coarse, size=(side, side), mode="bilinear", align_corners=False)
    is_coarse = _chosen(torch.full_like(strength, 0.3))
    level = (0.01 + 0.12 * torch.rand(len(rgb), 1, 1, 1, device=rgb.device) ** 2) * strength[:, None, None, None]
    return rgb + level * (0.5 + rgb.clamp(0, 1).sqrt()) * torch.where(is_coarse, coarse, fine)


def _in_blocks(rgb: Tensor, strength: Tensor) -> Tensor:
    """As a codec leaves it: the frequencies of 8 × 8 blocks, rounded, colour more coarsely than luminance."""
    places = torch.arange(BLOCK, device=rgb.device, dtype=rgb.dtype)
    cosines = torch.cos(math.pi / BLOCK * (places + 0.5) * places[:, None]) * math.sqrt(2 / BLOCK)
    cosines[0] /= math.sqrt(2)
    side = rgb.shape[-1] // BLOCK
    grey = _grey(rgb)
    planes = torch.cat([grey, rgb - grey], 1).reshape(len(rgb), 4, side, BLOCK, side, BLOCK)
    frequencies = torch.einsum("ui,bcyixj,vj->bcyuxv", cosines, planes, cosines)
    coarseness = (1 + places[:, None] + places) / BLOCK
    step = (0.02 + 0.25 * torch.rand(len(rgb), device=rgb.device) ** 2) * strength
    steps = step[:, None, None, None, None, None] * coarseness[:, None, :]
    steps = steps * torch.tensor([1.0, 2.0, 2.0, 2.0], device=rgb.device)[:, None, None, None, None]
    rounded = torch.round(frequencies / steps) * steps
    planes = torch.einsum("ui,bcyuxv,vj->bcyixj", cosines, rounded, cosines).reshape(len(rgb), 4, *rgb.shape[2:])
    return planes[:, :1] + planes[:, 1:]
