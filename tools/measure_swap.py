"""Measure a demo's result against the exact answer, until the truth benchmark does this properly.

    .venv/bin/python tools/measure_swap.py demo

SSIM (8 × 8 windows, RGB −1–1) and flicker (mean difference of the change from frame to frame, 0–255) inside the true
face mask, for the plate and for the result; the recogniser's distances are in the demo's report.
"""

import json
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from countenance.demo import data_folder
from countenance.demo.compare import pictures
from countenance.model.losses import ssim

Rgb = NDArray[np.uint8]


def as_batch(rgb: Rgb) -> Tensor:
    return torch.from_numpy(rgb).permute(2, 0, 1)[None].float() / 127.5 - 1


def ssim_inside(one: Rgb, other: Rgb, mask: NDArray[np.bool_]) -> float:
    values = ssim(as_batch(one), as_batch(other)).mean(dim=1, keepdim=True)
    return float(F.interpolate(values, mask.shape, mode="bilinear")[0, 0].numpy()[mask].mean())


def flicker(shown: Sequence[Rgb], truth: Sequence[Rgb], masks: Sequence[NDArray[np.bool_]]) -> float:
    error = [a.astype(np.float32) - b for a, b in zip(shown, truth, strict=True)]
    return float(
        np.mean(
            [np.abs(after - before)[mask].mean() for (before, after), mask in zip(pairwise(error), masks, strict=False)]
        )
    )


def main() -> None:
    demo, data = Path(sys.argv[1]), data_folder()
    truth = list(pictures(data / "truth_zuri"))
    masks = [rgb[..., 0] > 127 for rgb in pictures(data / "truth_zuri_mask")]
    identity = json.loads((demo / "report.json").read_text())["identity"]
    for name, source in (("plate", data / "performance.mp4"), ("result", demo / "published.mp4")):
        shown = list(pictures(source))
        similarity = np.mean([ssim_inside(*each) for each in zip(shown, truth, masks, strict=True)])
        distance, jitter = identity[f"{name}_distance"], flicker(shown, truth, masks)
        print(f"{name:7} distance {distance:.3f}  SSIM {similarity:.3f}  flicker {jitter:.2f}")
    print(f"truth   distance {identity['truth_distance']:.3f}")
    print(f"result nearer than the plate in {identity['nearer_fraction']:.0%} of frames")


if __name__ == "__main__":
    main()
