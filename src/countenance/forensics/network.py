"""The detector's network: evidence that a face was altered, place by place.

It gets a face's aligned crop, and by how much the next frame's crop differs from it: what was put in frame by frame
seldom moves as a filmed face does. It answers with a map; the map's mean is the face's evidence, so that a picture of
the map shows where the evidence comes from, exactly and without a method of its own to explain.
"""

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor, nn

SIZE = 160
"""Side in pixels of the crops that go in."""
MAP_SIZE = 20
"""Side of the map that comes out."""
NUM_CHANNELS = 6
WIDTHS = (24, 48, 96, 128)
DIFFERENCE_GAIN = 4.0


class Residual(nn.Module):
    """Two convolutions beside a skip connection."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
        )

    def forward(self, x_bchw: Tensor) -> Tensor:
        return F.relu(x_bchw + self.body(x_bchw))


def _halved(before: int, after: int) -> nn.Sequential:
    """Four neighbours become channels, so that no detail is lost before it was looked at."""
    return nn.Sequential(
        nn.PixelUnshuffle(2), nn.Conv2d(4 * before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()
    )


class DetectorNet(nn.Module):
    """From crops to maps of evidence."""

    def __init__(self) -> None:
        super().__init__()
        fine, middle, coarse, last = WIDTHS
        self.fine = nn.Sequential(_halved(NUM_CHANNELS, fine), Residual(fine))
        self.middle = nn.Sequential(_halved(fine, middle), Residual(middle))
        self.coarse = nn.Sequential(_halved(middle, coarse), Residual(coarse), Residual(coarse))
        self.last = nn.Sequential(nn.Conv2d(coarse, last, 1, bias=False), nn.BatchNorm2d(last), nn.ReLU())
        self.evidence = nn.Conv2d(last, 1, 1)

    def forward(self, x_bchw: Float[Tensor, "B 6 S S"]) -> tuple[Float[Tensor, "B m m"], Float[Tensor, "B F"]]:
        """Evidence for an alteration, place by place, and what the crop is like, for telling what is unfamiliar."""
        fine = self.fine(x_bchw)
        middle = self.middle(fine)
        last = self.last(self.coarse(middle))
        looks = [each.mean(dim=(2, 3)) for each in (fine, middle, last)]
        return self.evidence(last)[:, 0], torch.cat(looks, dim=1)


def as_input(
    crops: UInt8[Tensor, "B S S 3"], next_crops: UInt8[Tensor, "B S S 3"], has_next: Float[Tensor, " B"]
) -> Float[Tensor, "B 6 S S"]:
    """Crops without their mean colour, and the difference to the next frame's; none where `has_next` is zero."""
    now = crops.permute(0, 3, 1, 2).float() / 255
    then = next_crops.permute(0, 3, 1, 2).float() / 255
    difference = DIFFERENCE_GAIN * (then - now) * has_next[:, None, None, None]
    mean = now.mean(dim=(2, 3), keepdim=True)
    spread = now.std(dim=(1, 2, 3), keepdim=True) + 0.05
    return torch.cat([(now - mean) / spread, difference / spread], dim=1)


def num_parameters() -> int:
    """Of the network."""
    return int(np.sum([parameter.numel() for parameter in DetectorNet().parameters()]))
