"""The detector's network: evidence that a face was altered, place by place.

The first eleven blocks of an EfficientNet-Lite0, to which two things were added: a second stem for how much the next
frame's crop differs, as what was put in frame by frame seldom moves as a filmed face does; and two maps of evidence, of
fine and of coarse features. Their sum's mean is the face's evidence, so that a picture of the sum shows where the
evidence comes from, exactly and without a method of its own to explain it.

Source: Tan and Le, EfficientNet, 2019, in the form `lite0` that TensorFlow published.
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor, nn

SIZE = 160
"""Side in pixels of the crops that go in."""
MAP_SIZE = 20
"""Side of the map that comes out."""
MIDDLE, SPREAD = 127, 128
"""Of the pixels' values, as the trunk was trained."""
STEM_WIDTH = 32
WIDTHS = (16, 24, 24, 40, 40, 80, 80, 80, 112, 112, 112)
KERNELS = (3, 3, 3, 5, 5, 3, 3, 3, 5, 5, 5)
HALVING = (1, 3, 5)
EXPANSION = 6
FINE = 4
"""The block whose features, at an eighth of the size, are the fine ones; the last block's are the coarse ones."""
LOOKED_AT = (0, 2)
"""Blocks whose features, their means and spreads, say what a crop is like: what cameras, encoders and filters leave. Of
later blocks, which know faces, a photograph lies amid the rendered ones."""
NUM_LOOKS = 2 * sum(WIDTHS[block] for block in LOOKED_AT)


class Block(nn.Module):
    """An inverted residual: widened, filtered channel by channel, narrowed again."""

    def __init__(self, before: int, after: int, *, kernel: int, stride: int, widened: bool) -> None:
        super().__init__()
        wide = EXPANSION * before if widened else before
        self.expand = nn.Conv2d(before, wide, 1) if widened else None
        self.depthwise = nn.Conv2d(wide, wide, kernel, stride, groups=wide)
        self.project = nn.Conv2d(wide, after, 1)

    def forward(self, x_bchw: Tensor) -> Tensor:
        x = x_bchw if self.expand is None else F.relu6(self.expand(x_bchw))
        narrow: Tensor = self.project(F.relu6(_filtered(x, self.depthwise)))
        return narrow + x_bchw if narrow.shape == x_bchw.shape else narrow


def _filtered(x_bchw: Tensor, conv: nn.Conv2d) -> Tensor:
    """A convolution that pads as TensorFlow does: of an odd padding the larger half lies to the right and below."""
    kernel, stride = conv.kernel_size[0], conv.stride[0]
    rows, columns = (max((-(-side // stride) - 1) * stride + kernel - side, 0) for side in x_bchw.shape[2:])
    filtered: Tensor = conv(F.pad(x_bchw, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2)))
    return filtered


class DetectorNet(nn.Module):
    """From crops to maps of evidence."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, STEM_WIDTH, 3, 2)
        self.motion_stem = nn.Conv2d(3, STEM_WIDTH, 3, 2, bias=False)
        widths = (STEM_WIDTH, *WIDTHS)
        self.blocks = nn.ModuleList(
            Block(
                widths[number],
                widths[number + 1],
                kernel=KERNELS[number],
                stride=2 if number in HALVING else 1,
                widened=number > 0,
            )
            for number in range(len(WIDTHS))
        )
        self.fine_evidence = nn.Conv2d(WIDTHS[FINE], 1, 1)
        self.coarse_evidence = nn.Conv2d(WIDTHS[-1], 1, 1)

    def forward(
        self, rgb_bchw: Float[Tensor, "B 3 S S"], motion_bchw: Float[Tensor, "B 3 S S"]
    ) -> tuple[Float[Tensor, "B m m"], Float[Tensor, "B F"]]:
        """Evidence for an alteration, place by place, and what the crop is like, for telling what is unfamiliar."""
        x = F.relu6(_filtered(rgb_bchw, self.stem) + _filtered(motion_bchw, self.motion_stem))
        looks, fine = [], x
        for number, block in enumerate(self.blocks):
            x = block(x)
            if number in LOOKED_AT:
                looks += [x.mean(dim=(2, 3)), x.std(dim=(2, 3))]
            if number == FINE:
                fine = self.fine_evidence(x)
        coarse = F.interpolate(self.coarse_evidence(x), fine.shape[2:], mode="nearest")
        return (fine + coarse)[:, 0], torch.cat(looks, dim=1)


def as_input(
    crops: UInt8[Tensor, "B S S 3"], next_crops: UInt8[Tensor, "B S S 3"], has_next: Float[Tensor, " B"]
) -> tuple[Float[Tensor, "B 3 S S"], Float[Tensor, "B 3 S S"]]:
    """Crops, and their difference to the next frame's; none where `has_next` is zero."""
    now, then = (each.permute(0, 3, 1, 2).float() for each in (crops, next_crops))
    return (now - MIDDLE) / SPREAD, (then - now) / SPREAD * has_next[:, None, None, None]


def read_trunk(network: DetectorNet, weights: Mapping[str, Tensor]) -> None:
    """Give a network the weights of a trunk that was trained on photographs; motion and evidence begin at nothing."""
    state = network.state_dict()
    state["stem.weight"], state["stem.bias"] = weights["stem.weight"], weights["stem.bias"]
    for name, value in weights.items():
        number, _, rest = name.partition(".")
        if number.isdigit():
            state[f"blocks.{number}.{rest}"] = value
    for name in ("motion_stem.weight", "fine_evidence.weight", "coarse_evidence.weight"):
        state[name] = torch.zeros_like(state[name])
    network.load_state_dict(state)
