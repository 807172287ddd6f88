"""Aligned crops of rendered frames, as tensors."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from countenance.model.guided.mesh import Pose, head_fit, pixel_grid
from countenance.vision.align import CROP_CENTRE, CROP_SIDE

SIZE = 128
CROP_JITTER = 0.04


def turned(xy: Float[Tensor, "B N 2"], axis: Float[Tensor, "B 2"]) -> Float[Tensor, "B N 2"]:
    """Vectors in the crop's axes, in the frame's axes."""
    c, s = axis[:, None, 0], axis[:, None, 1]
    return torch.stack([c * xy[..., 0] - s * xy[..., 1], s * xy[..., 0] + c * xy[..., 1]], dim=2)


def turned_back(xy: Float[Tensor, "B N 2"], axis: Float[Tensor, "B 2"]) -> Float[Tensor, "B N 2"]:
    """Vectors in the frame's axes, in the crop's."""
    return turned(xy, axis * torch.tensor([1, -1], device=axis.device))


def into_crop(xyz: Float[Tensor, "B N D"], crop: Float[Tensor, "B 5"]) -> Float[Tensor, "B N D"]:
    """Points of the frame in pixels of the crop; a third coordinate in the same scale."""
    xy = turned_back(xyz[..., :2] - crop[:, None, :2], crop[:, 2:4]) / crop[:, None, 4:5] + (SIZE - 1) / 2
    return torch.cat([xy, xyz[..., 2:] / crop[:, None, 4:5]], dim=2)


def axis_of(pose: Pose) -> Float[Tensor, "B 2"]:
    """The crop's x axis in the frame: as `align.angles_of` measures roll, in the plane that the head looks out of."""
    across, ahead = pose.rotation[..., 0], -pose.rotation[..., 2]
    level = F.normalize(torch.stack([-ahead[:, 2], torch.zeros_like(ahead[:, 2]), ahead[:, 0]], dim=1), dim=1)
    down = torch.linalg.cross(level, ahead)
    return F.normalize(torch.stack([(across * level).sum(dim=1), (across * down).sum(dim=1)], dim=1), dim=1)


def crop_of(pose: Pose, jitter: Float[Tensor, "B 3"]) -> Float[Tensor, "B 5"]:
    """Where the crop of a found head lies: its middle, its x axis and the size of its pixels, in the frame."""
    centre = pose.shift + pose.scale[:, None] * (pose.rotation @ torch.from_numpy(CROP_CENTRE).to(pose.shift))
    side = CROP_SIDE * pose.scale * (1 + CROP_JITTER * jitter[:, 2])
    centre_xy = centre[:, :2] + CROP_JITTER * side[:, None] * jitter[:, :2]
    step = side / SIZE
    return torch.cat([centre_xy, axis_of(pose), step[:, None]], dim=1)


def from_crop(xyz: Float[Tensor, "B N 3"], crop: Float[Tensor, "B 5"]) -> Float[Tensor, "B N 3"]:
    """Points of the crop in pixels of the frame."""
    xy = turned((xyz[..., :2] - (SIZE - 1) / 2) * crop[:, None, 4:5], crop[:, 2:4]) + crop[:, None, :2]
    return torch.cat([xy, xyz[..., 2:] * crop[:, None, 4:5]], dim=2)


def crop_around(found: Float[Tensor, "B 468 3"]) -> Float[Tensor, "B 5"]:
    """The product's crop of found heads."""
    pose = head_fit(found)
    return crop_of(pose, torch.zeros_like(pose.shift))


def pixels_of(crop: Float[Tensor, "B 5"]) -> Float[Tensor, "B S S 2"]:
    """Where in the frame each pixel of a crop lies."""
    steps = (pixel_grid(SIZE, crop.device) - (SIZE - 1) / 2).reshape(1, -1, 2) * crop[:, None, 4:5]
    return (turned(steps, crop[:, 2:4]) + crop[:, None, :2]).reshape(len(crop), SIZE, SIZE, 2)
