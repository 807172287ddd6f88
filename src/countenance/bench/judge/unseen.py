"""Two nets that only the judge knows: no loss, no choice of references and no other part of the product uses them.

What is gained by the recogniser that losses use may be that net's weakness; it counts where these agree. The cards lie
beside the weights. Both pad as TensorFlow does: of an odd padding the larger half lies to the right and below.
"""

from importlib.resources import files
from pathlib import Path

import numpy as np
import torch.nn.functional as F
from jaxtyping import Float32, UInt8
from torch import Tensor, nn

from countenance.vision.identity import cut_chip
from countenance.vision.weights import read_weights

NUM_STAGES = 13
STRIDED = (2, 4, 6, 12)
"""Stages of the identity net that halve the size."""
MEAN_BGR = (103.939, 116.779, 123.68)
NUM_BLOCKS = 11
KERNELS = (3, 3, 3, 5, 5, 3, 3, 3, 5, 5, 5)
HALVING = (1, 3, 5)
SHOWN = (2, 4, 10)
"""Blocks of the feature net that halve the size, and those after which features are taken: 24, 40 and 112 channels."""
CHIP_SIZE = 224
CHIP_PADDING = 0.5
"""Around dlib's square, of its side: at it the identity net separates the actors best; at 0.25 and 0.75 less well."""

Chip = UInt8[np.ndarray, "224 224 3"]


class UnseenIdentity(nn.Module):
    """Pictures of 224 × 224 px, RGB 0–255, to embeddings of 1,024 numbers of unit length: a MobileNet.

    Raises:
        ModelError: the package's weights are missing or damaged.
    """

    def __init__(self) -> None:
        super().__init__()
        _add(self, "identity")

    def forward(self, rgb_bchw: Tensor) -> Tensor:
        x = rgb_bchw.flip(1) - rgb_bchw.new_tensor(MEAN_BGR)[:, None, None]
        x = F.relu6(_conv(self, "stem", x, stride=2))
        for number in range(1, NUM_STAGES + 1):
            stride = 2 if number in STRIDED else 1
            x = F.relu6(_conv(self, f"{number}.depthwise", x, stride=stride, groups=x.shape[1]))
            x = F.relu6(_conv(self, f"{number}.pointwise", x))
        return F.normalize(x.mean(dim=(2, 3)), dim=1)


class UnseenFeatures(nn.Module):
    """Pictures, RGB 0–255, to features a quarter, an eighth and a sixteenth as wide: of an EfficientNet-Lite0.

    Features have unit length in each place.

    Raises:
        ModelError: the package's weights are missing or damaged.
    """

    def __init__(self) -> None:
        super().__init__()
        _add(self, "features")

    def forward(self, rgb_bchw: Tensor) -> tuple[Tensor, ...]:
        x = F.relu6(_conv(self, "stem", (rgb_bchw - 127) / 128, stride=2))
        shown = []
        for number in range(NUM_BLOCKS):
            before = x
            if number:
                x = F.relu6(_conv(self, f"{number}.expand", x))
            stride = 2 if number in HALVING else 1
            x = F.relu6(_conv(self, f"{number}.depthwise", x, stride=stride, groups=x.shape[1]))
            x = _conv(self, f"{number}.project", x)
            if x.shape == before.shape:
                x = x + before
            if number in SHOWN:
                shown.append(F.normalize(x, dim=1))
        return tuple(shown)


def cut_unseen_chip(rgb: UInt8[np.ndarray, "H W 3"], landmarks_xy: Float32[np.ndarray, "468 2"]) -> Chip:
    """The face as both nets' input."""
    return cut_chip(rgb, landmarks_xy, size=CHIP_SIZE, padding=CHIP_PADDING)


def weights_folder() -> Path:
    """The folder of both nets' weights."""
    return Path(str(files("countenance"))) / "bench" / "judge" / "weights"


def _add(net: nn.Module, name: str) -> None:
    for key, value in read_weights(weights_folder() / f"{name}.safetensors").items():
        # torch takes a dot in a name for a child module.
        net.register_buffer(key.replace(".", "_"), value)
    net.eval()


def _conv(net: nn.Module, name: str, x_bchw: Tensor, *, stride: int = 1, groups: int = 1) -> Tensor:
    key = name.replace(".", "_")
    filters, bias = net.get_buffer(f"{key}_weight"), net.get_buffer(f"{key}_bias")
    kernel = filters.shape[2]
    rows, columns = (max((-(-side // stride) - 1) * stride + kernel - side, 0) for side in x_bchw.shape[2:])
    x_bchw = F.pad(x_bchw, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2))
    return F.conv2d(x_bchw, filters, bias, stride=stride, groups=groups)
