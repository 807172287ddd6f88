"""The generator that is given a likeness's pixels.

It looks at everything that it is given at one size and decides, per pixel, how the plate moved into the likeness's
shape is mixed with the plate as it is, what is added to that, and how much of the pixel is face. The plate's own detail
comes along unchanged, so the same control can be applied to a plate of any resolution.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

NUM_REFERENCES = 4
CHANNELS = {
    "plate": 3,
    "moved": 3,
    "ratio": 3,
    "atlas": 3,
    "atlas confidence": 1,
    "own atlas": 3,
    **{f"reference {number + 1}": 3 for number in range(NUM_REFERENCES)},
    **{f"coverage {number + 1}": 1 for number in range(NUM_REFERENCES)},
    "place": 2,
    "move": 3,
    "inside": 1,
    "normal": 2,
    "own normal": 2,
}
"""What the generator is given, in this order."""
NUM_CHANNELS = sum(CHANNELS.values())
SLOPE = 0.1
WIDTHS = (64, 128, 192, 256)
"""Channels at half of the size that is looked at, a quarter and so on."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Control:
    """What the generator decides."""

    share: Float[Tensor, "B 1 S S"]
    """0: the plate, 1: the moved plate."""
    residual: Float[Tensor, "B 3 S S"]
    mask_logit: Float[Tensor, "B 1 S S"]


class Block(nn.Module):
    """Two convolutions, the second with a shortcut."""

    def __init__(self, before: int, after: int, stride: int = 1) -> None:
        super().__init__()
        self.first = nn.Conv2d(before, after, 3, stride, 1)
        self.second = nn.Conv2d(after, after, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.leaky_relu(self.first(x), SLOPE)
        return F.leaky_relu(self.second(x) + x, SLOPE)


class Pyramid(nn.Module):
    """Down over all widths and up again."""

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        pairs = list(pairwise(widths))
        self.down = nn.ModuleList(Block(wide, wider, 2) for wide, wider in pairs)
        self.lateral = nn.ModuleList(nn.Conv2d(wider, wide, 1) for wide, wider in pairs)
        self.up = nn.ModuleList(Block(wide, wide) for wide, _ in pairs)

    def forward(self, x: Tensor) -> Tensor:
        levels = [x]
        for down in self.down:
            levels.append(down(levels[-1]))
        x = levels.pop()
        for lateral, up in zip(reversed(self.lateral), reversed(self.up), strict=True):
            x = up(F.interpolate(lateral(x), scale_factor=2.0, mode="nearest") + levels.pop())
        return x


class Generator(nn.Module):
    """Maps [B C S S] about −1–1, in the order of `CHANNELS`, to what becomes of them."""

    def __init__(self, widths: tuple[int, ...] = WIDTHS) -> None:
        super().__init__()
        self.stem = nn.Conv2d(4 * NUM_CHANNELS, widths[0], 1)
        self.pyramid = Pyramid(widths)
        self.head = nn.Conv2d(widths[0], 4 * (1 + 3 + 1), 3, 1, 1)
        nn.init.zeros_(self.head.weight)
        assert self.head.bias is not None
        nn.init.zeros_(self.head.bias)

    def forward(self, maps: Float[Tensor, "B C S S"]) -> Control:
        x = F.leaky_relu(self.stem(F.pixel_unshuffle(maps, 2)), SLOPE)
        decided = F.pixel_shuffle(self.head(self.pyramid(x)).float(), 2)
        share, residual, mask = torch.split_with_sizes(decided, [1, 3, 1], dim=1)
        return Control(share=torch.sigmoid(share), residual=torch.tanh(residual), mask_logit=mask)
