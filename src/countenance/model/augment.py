"""Paired augmentation: the input is warped, the target isn't; both get the same transform and light."""

import torch
import torch.nn.functional as F
from torch import Tensor

MAX_TURN_DEG = 5.0
MAX_ZOOM = 0.05
MAX_SHIFT = 0.04
"""As a fraction of the crop."""
BEND_GRID = 5
MAX_BEND = 0.01
"""Standard deviation of the bending field's nodes, as a fraction of the crop."""
MAX_GAIN = 0.06


def augment(faces_bchw: Tensor, resolution: int, rng: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """From faces [B 4 H W], RGB −1–1 and mask 0–1, to (bent input, clean target, the target's mask).

    All randomness comes from `rng`, which lives on the CPU whatever the device.
    """
    count, device = len(faces_bchw), faces_bchw.device

    def draw(*shape: int, low: float = -1.0, high: float = 1.0) -> Tensor:
        return (torch.rand(shape, generator=rng) * (high - low) + low).to(device)

    turn = torch.deg2rad(draw(count) * MAX_TURN_DEG)
    zoom = 1 + draw(count) * MAX_ZOOM
    flip = torch.where(draw(count) < 0, -1.0, 1.0)
    shift = draw(count, 2) * 2 * MAX_SHIFT
    move = torch.stack(
        [
            torch.stack([zoom * turn.cos() * flip, -zoom * turn.sin(), shift[:, 0]], dim=1),
            torch.stack([zoom * turn.sin() * flip, zoom * turn.cos(), shift[:, 1]], dim=1),
        ],
        dim=1,
    )
    grid = F.affine_grid(move, [count, 4, resolution, resolution], align_corners=False)
    nodes = torch.randn((count, 2, BEND_GRID, BEND_GRID), generator=rng).to(device) * 2 * MAX_BEND
    bend = F.interpolate(nodes, (resolution, resolution), mode="bicubic", align_corners=True)

    clean = F.grid_sample(faces_bchw, grid, padding_mode="border", align_corners=False)
    bent = F.grid_sample(faces_bchw, grid + bend.permute(0, 2, 3, 1), padding_mode="border", align_corners=False)
    gain = 1 + draw(count, 3, 1, 1) * MAX_GAIN / 3 + draw(count, 1, 1, 1) * MAX_GAIN
    warped = without_background(_light(bent[:, :3], gain), bent[:, 3:])
    return warped, _light(clean[:, :3], gain), clean[:, 3:]


def without_background(rgb_bchw: Tensor, mask_b1hw: Tensor) -> Tensor:
    """Grey outside of the face, so that the background does not reach the latent code."""
    return rgb_bchw * mask_b1hw


def _light(rgb_bchw: Tensor, gain_bc11: Tensor) -> Tensor:
    return ((rgb_bchw + 1) * gain_bc11 - 1).clamp(-1, 1)
