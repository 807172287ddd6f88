"""Weights of the earlier generator, which mixed eight sources of pixels, as weights of today's to begin with.

    git show 8357312:src/countenance/weights/base.safetensors > earlier.safetensors
    python -m tools.base.simplify earlier.safetensors start.safetensors

What both are given keeps its weights, what only one is given is left out or begins at 0. The first layer's nine taps
become their sum, so the net sees a little less than before and has to be trained on.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load, save
from torch import Tensor

from countenance.model.guided.network import CHANNELS, Generator
from countenance.project import write_whole

EARLIER_CHANNELS = {name: count for name, count in CHANNELS.items() if "normal" not in name} | {"move": 2}
"""In the same order; a plate at 8 × 8 came last."""
FOLDED = 4
"""Channels of the folded image to one of the image's."""
NUM_SHARES = 8
"""Of the earlier head's twelve outputs: logits of the plate, the moved plate and six others; then residual, mask."""


def simplified(earlier: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights of today's generator."""
    weights = {name: value.float() for name, value in earlier.items()}
    today = {name: torch.zeros_like(value) for name, value in Generator().state_dict().items()}
    taps = weights["mixer_stem.weight"].sum(dim=(2, 3), keepdim=True)
    starts = _starts(CHANNELS)
    for name, start in _starts(EARLIER_CHANNELS).items():
        count = FOLDED * EARLIER_CHANNELS[name]
        today["stem.weight"][:, FOLDED * starts[name] :][:, :count] = taps[:, FOLDED * start :][:, :count]
    today["stem.bias"] = weights["mixer_stem.bias"]
    for name in today:
        if name.startswith("pyramid."):
            today[name] = weights[f"mixer.{name.removeprefix('pyramid.')}"]
    for kind in ("weight", "bias"):
        rows = weights[f"fine.{kind}"]
        head = rows.reshape(-1, FOLDED, *rows.shape[1:])
        share = head[1:2] - head[0:1]
        today[f"head.{kind}"] = torch.cat([share, head[NUM_SHARES:]]).flatten(0, 1)
    return today


def _starts(channels: Mapping[str, int]) -> dict[str, int]:
    starts, start = {}, 0
    for name, count in channels.items():
        starts[name] = start
        start += count
    return starts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("earlier", type=Path)
    parser.add_argument("start", type=Path)
    options = parser.parse_args()
    weights = simplified(load(options.earlier.read_bytes()))
    write_whole(options.start, save({name: value.half().contiguous() for name, value in weights.items()}))


if __name__ == "__main__":
    main()
