"""What each pixel of an aligned face shows, from a small network, and the mask that follows from it."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float32, UInt8
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from countenance.vision.networks import weights_folder
from countenance.vision.parts import Part
from countenance.vision.runtime import compiled
from countenance.vision.weights import load_weights

INPUT_SIZE = 128
"""Side in pixels of the network's input."""
LABELS_SIZE = 2 * INPUT_SIZE
"""Side in pixels of the finest labels: scores vary smoothly between the network's pixels, so edges lie between them."""
BATCH = 8
WEIGHTS_NAME = "segmenter.safetensors"
MIN_SURENESS = 0.75
"""Below it the mask is little better than the mesh's hull, which is steadier; see the card of the weights."""
HIDING_PARTS = (Part.HAIR, Part.OCCLUDER)
"""Of what may hide the face; glasses are replaced with it."""
GROWTH, GROWTH_UP = 0.1, 0.22
"""How far a face may reach beyond the hull, and above it, in sides of the crop: the mesh leaves out the forehead."""
GROWN_SIZE = 64
"""Side at which the hull grows: where a face may end at most needs no sharp edge, and large discs are slow."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Segments:
    """Segments of a crop."""

    labels: UInt8[np.ndarray, "P P"]
    """`Part` at each pixel of the crop, or of the crop at `LABELS_SIZE` where that is smaller."""
    face: Float32[np.ndarray, "S S"]
    """0–1: how much of a pixel shows the face that would be replaced, `parts.FACE_PARTS`; anti-aliased."""
    sureness: float
    """0–1: mean probability of the winning part inside the hull; 0 where the hull is empty."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class FaceMask:
    """Where a face is replaced, and from what that is known."""

    mask: Float32[np.ndarray, "S S"]
    """0–1."""
    origin: Literal["segmenter", "hull"]
    """The hull where the network is unsure."""
    occluded_fraction: float
    """0–1: fraction of the hull that shows hair or an occluder; glasses don't count."""


class Segmenter:
    """The network with its shipped weights, or those of a file, on the CPU.

    Runs in bfloat16 where the CPU multiplies matrices of it: three times as fast, mask values differ by 0.01 at most.

    Raises:
        ModelError: the weights are missing or damaged.
    """

    def __init__(self, weights: Path | None = None) -> None:
        path = weights or weights_folder() / WEIGHTS_NAME
        network = fused(SegmentNet())
        load_weights(network, path)
        self._look = compiled(network, torch.zeros((1, 3, INPUT_SIZE, INPUT_SIZE)), bf16=True)
        self.ran_by = self._look.ran_by

    def __call__(
        self, crops: Sequence[UInt8[np.ndarray, "S S 3"]], hulls: Sequence[Float32[np.ndarray, "S S"]]
    ) -> list[Segments]:
        """Segment aligned crops (`align.cut`), each with the mesh's hull in it (`mask.face_mask`).

        Example:
            >>> segments = Segmenter()([crop], [hull])[0]
        """
        found: list[Segments] = []
        with torch.inference_mode():
            faces = list(zip(crops, hulls, strict=True))
            for start in range(0, len(faces), BATCH):
                some = faces[start : start + BATCH]
                x_bhwc = np.stack([_resized(crop, INPUT_SIZE) for crop, _ in some])
                logits_bchw = self._look(as_input(torch.from_numpy(x_bhwc)))
                found += [_segments(logits_bchw[i : i + 1], hull) for i, (_, hull) in enumerate(some)]
        return found


def choose_mask(segments: Segments, hull: Float32[np.ndarray, "S S"]) -> FaceMask:
    """The network's face mask, near the hull only; the hull itself where the network is unsure."""
    hidden = np.isin(segments.labels, HIDING_PARTS)
    inside = _resized(hull, len(hidden))
    area = float(inside.sum())
    occluded = float(inside[hidden].sum()) / area if area else 0.0
    if segments.sureness < MIN_SURENESS:
        return FaceMask(mask=hull, origin="hull", occluded_fraction=occluded)
    return FaceMask(mask=segments.face * grown(hull), origin="segmenter", occluded_fraction=occluded)


def grown(hull: Float32[np.ndarray, "S S"]) -> Float32[np.ndarray, "S S"]:
    """The hull grown to the largest extent of a face, so that ears, necks and other people stay out."""
    small = _resized(hull, GROWN_SIZE)
    around, up = round(GROWTH * GROWN_SIZE), round(GROWTH_UP * GROWN_SIZE)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * around + 1, 2 * around + 1))
    wider = cv2.dilate(small, disc, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    # Anchored at its top, the column reaches upwards only.
    column = np.ones((max(up - around, 0) + 1, 1), np.uint8)
    higher = cv2.dilate(wider, column, anchor=(0, 0), borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return _resized(np.asarray(higher), len(hull))


class SegmentNet(nn.Module):
    """A U-Net whose skips are added, with a narrow path at full resolution, because borders decide.

    Takes pictures as [B 3 128 128], gives logits as [B 15 128 128]: one for each `Part`, and the face's.
    """

    FULL, WIDTHS = 16, (24, 48, 80, 112)

    def __init__(self) -> None:
        super().__init__()
        self.full = _convolution(3, self.FULL)
        self.down = nn.ModuleList(
            nn.Sequential(_convolution(before, after, stride=2), _Residual(after))
            for before, after in zip((self.FULL, *self.WIDTHS), self.WIDTHS, strict=False)
        )
        pairs = list(zip(self.WIDTHS[:0:-1], self.WIDTHS[-2::-1], strict=True))
        self.narrow = nn.ModuleList(nn.Conv2d(before, after, 1) for before, after in pairs)
        self.up = nn.ModuleList(_Residual(after) for _, after in pairs)
        self.to_full = nn.Conv2d(self.WIDTHS[0], self.FULL, 1)
        self.head = nn.Sequential(_convolution(self.FULL, self.FULL), nn.Conv2d(self.FULL, len(Part) + 1, 1))

    def forward(self, x_bchw: Tensor) -> Tensor:
        """Logits."""
        full = x = self.full(x_bchw)
        skips = []
        for down in self.down:
            x = down(x)
            skips.append(x)
        for narrow, up, skip in zip(self.narrow, self.up, skips[-2::-1], strict=True):
            x = up(_doubled(narrow(x)) + skip)
        return self.head(full + _doubled(self.to_full(x)))  # type: ignore[no-any-return]


class _Residual(nn.Module):
    """Two convolutions beside a skip connection."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = _convolution(width, width)
        self.second = nn.Sequential(nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.second(self.first(x)))


def _convolution(before: int, after: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True)
    )


def _doubled(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="bilinear")


def as_input(rgb_bhwc: Tensor) -> Tensor:
    """Byte images as the network's input: −1–1."""
    return (rgb_bhwc.permute(0, 3, 1, 2).float() / 127.5 - 1).contiguous(memory_format=torch.channels_last)


def fused(network: SegmentNet) -> SegmentNet:
    """The network with its norms inside of the convolutions before them, as shipped: the same function, faster."""
    network = deepcopy(network).eval()
    for block in network.modules():
        if isinstance(block, nn.Sequential) and len(block) > 1 and isinstance(block[1], nn.BatchNorm2d):
            block[0] = fuse_conv_bn_eval(block[0], block[1])  # type: ignore[type-var]
            block[1] = nn.Identity()
    return network


def _resized(picture: np.ndarray, size: int) -> np.ndarray:
    if len(picture) == size:
        return picture
    way = cv2.INTER_AREA if len(picture) > size else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, (size, size), interpolation=way))


def _winning(logits_chw: Float32[np.ndarray, "C P P"], size: int) -> UInt8[np.ndarray, "S S"]:
    """The part of the highest score at each pixel of another size."""
    # One part after the other: `argmax` over all of them at once takes three times as long.
    highest = _resized(logits_chw[0], size).copy()
    labels = np.zeros((size, size), np.uint8)
    for part, logits in enumerate(logits_chw[1:], 1):
        scores = _resized(logits, size)
        np.copyto(labels, np.uint8(part), where=scores > highest)
        np.maximum(highest, scores, out=highest)
    return labels


def _segments(logits_bchw: Tensor, hull: Float32[np.ndarray, "S S"]) -> Segments:
    """One face's; only its mask is enlarged to the size of its crop."""
    inside = _resized(hull, INPUT_SIZE)
    parts, face = logits_bchw[0, :-1].contiguous(), logits_bchw[:, -1:].contiguous()
    probabilities = parts.softmax(dim=0)
    winning = probabilities.amax(dim=0).numpy()
    # A fair fringe looks like a forehead: the odds of face fall with the chance that hair or a thing lies there.
    face = face + torch.log1p(-probabilities[list(HIDING_PARTS)].sum(dim=0).clamp(max=0.999))
    area = float(inside.sum())
    return Segments(
        labels=_winning(parts.numpy(), min(len(hull), LABELS_SIZE)),
        face=F.interpolate(face, hull.shape, mode="bilinear")[0, 0].sigmoid().numpy(),
        sureness=float((winning * inside).sum()) / area if area else 0.0,
    )
