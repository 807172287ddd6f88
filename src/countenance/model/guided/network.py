"""The generator that is given a likeness's pixels.

First it aligns: for every source of pixels a coarse flow. Then it mixes: per pixel a choice among the sources, for each
of them a coarse relighting, a residual, and how much of the pixel is face. All that is fine comes from the sources, so
the same control can be applied to them at any resolution.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

NUM_REFERENCES = 4
SOURCES = ("plate", "moved", "ratio", "atlas", *(f"reference {number + 1}" for number in range(NUM_REFERENCES)))
NUM_RELIT = 1 + NUM_REFERENCES
"""The atlas and the references: they come in other light."""
ALIGNED = ("moved", "atlas", *(f"reference {number + 1}" for number in range(NUM_REFERENCES)))
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
    "move": 2,
    "inside": 1,
    "coarse plate": 3,
}
"""What the generator is given, in this order."""
NUM_CHANNELS = sum(CHANNELS.values())
MAX_FLOW_PX = 10.0
SLOPE = 0.1
ALIGNER_WIDTHS, MIXER_WIDTHS = (64, 96, 128, 160), (64, 128, 192, 256)
MAX_RELIT = 1.5
"""Of the logarithm of a relighting's gain."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Control:
    """What the generator decides, in the crop's pixels."""

    weights: Float[Tensor, "B N S S"]
    """Share of each of `SOURCES`; 1 in all."""
    gain: Float[Tensor, "B R S S"]
    offset: Float[Tensor, "B R*3 S S"]
    """Relighting of the atlas and the references: value × gain + offset."""
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
    """Down over all widths and up again to the level `top`."""

    def __init__(self, widths: tuple[int, ...], top: int) -> None:
        super().__init__()
        pairs = list(pairwise(widths))
        self.down = nn.ModuleList(Block(wide, wider, 2) for wide, wider in pairs)
        self.lateral = nn.ModuleList(nn.Conv2d(wider, wide, 1) for wide, wider in pairs[top:])
        self.up = nn.ModuleList(Block(wide, wide) for wide, _ in pairs[top:])

    def forward(self, x: Tensor) -> Tensor:
        levels = [x]
        for down in self.down:
            levels.append(down(levels[-1]))
        x = levels.pop()
        for lateral, up in zip(reversed(self.lateral), reversed(self.up), strict=True):
            x = up(F.interpolate(lateral(x), scale_factor=2.0, mode="nearest") + levels.pop())
        return x


class Generator(nn.Module):
    """Maps [B C S S] about −1–1, in the order of `CHANNELS`, first to flows and, with sources aligned, to control."""

    def __init__(self) -> None:
        super().__init__()
        self.aligner_stem = nn.Conv2d(4 * NUM_CHANNELS, ALIGNER_WIDTHS[0], 1)
        self.aligner = Pyramid(ALIGNER_WIDTHS, top=1)
        self.flow = nn.Conv2d(ALIGNER_WIDTHS[1], 2 * len(ALIGNED), 3, 1, 1)
        self.mixer_stem = nn.Conv2d(4 * NUM_CHANNELS, MIXER_WIDTHS[0], 3, 1, 1)
        self.mixer = Pyramid(MIXER_WIDTHS, top=0)
        self.fine = nn.Conv2d(MIXER_WIDTHS[0], 4 * (len(SOURCES) + 3 + 1), 3, 1, 1)
        self.relight = nn.Conv2d(MIXER_WIDTHS[0], 4 * NUM_RELIT, 3, 1, 1)
        for head in (self.flow, self.fine, self.relight):
            nn.init.zeros_(head.weight)
            assert head.bias is not None
            nn.init.zeros_(head.bias)

    def flows(self, maps: Float[Tensor, "B C S S"]) -> Float[Tensor, "B A 2 s s"]:
        """How far, in the crop's pixels, each of `ALIGNED` is to be sampled from its place; a quarter of the size."""
        x = F.leaky_relu(self.aligner_stem(F.pixel_unshuffle(maps, 2)), SLOPE)
        flows: Tensor = MAX_FLOW_PX * torch.tanh(self.flow(self.aligner(x)).float() / 4)
        return flows.reshape(len(maps), len(ALIGNED), 2, *flows.shape[2:])

    def mix(self, maps: Float[Tensor, "B C S S"]) -> Control:
        """What becomes of aligned maps."""
        size = maps.shape[2]
        x = F.leaky_relu(self.mixer_stem(F.pixel_unshuffle(maps, 2)), SLOPE)
        x = self.mixer(x)
        fine = F.pixel_shuffle(self.fine(x).float(), 2)
        relight = F.avg_pool2d(self.relight(x).float(), 3, 2, 1)
        relight = F.interpolate(relight, size=(size, size), mode="bilinear", align_corners=False)
        weights, residual, mask = torch.split_with_sizes(fine, [len(SOURCES), 3, 1], dim=1)
        return Control(
            weights=torch.softmax(weights, dim=1),
            gain=torch.exp(MAX_RELIT * torch.tanh(relight[:, :NUM_RELIT] / MAX_RELIT)),
            offset=relight[:, NUM_RELIT:],
            residual=torch.tanh(residual),
            mask_logit=mask,
        )
