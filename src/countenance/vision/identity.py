"""Who a face belongs to: the recognition net, run in torch.

An embedding is 128 numbers; two of the same person lie about 0.6 apart at most. The net is dlib's ResNet with
8-bit weights; its input is dlib's five-point chip with a padding of a quarter.
"""

import json
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float32, UInt8
from torch import Tensor, nn

from countenance.geometry import similarity_transform, warp
from countenance.vision.networks import weights_folder

CHIP_SIZE = 150
CHIP_PADDING = 0.25
CHIP_LANDMARKS = (263, 362, 33, 133, 2)
"""Eye corners, outer then inner, of the eye to the right and of the one to the left; base of the nose."""
# Where dlib's mean face has those points, as fractions of its own square.
CHIP_POINTS = np.array(
    [
        [0.8595674595992, 0.2134981538014],
        [0.6460604764104, 0.2289674387677],
        [0.1205750620789, 0.2137274526848],
        [0.3340850613712, 0.2290642403242],
        [0.4901123135679, 0.6277975316475],
    ]
)
MEAN_RGB = (122.782, 117.001, 104.298)
BATCH_SIZE = 8

Embedding = Float32[np.ndarray, "128"]


class Recogniser(nn.Module):
    """Pictures of 150 × 150 px, RGB 0–255, to embeddings; differentiable."""

    def __init__(self) -> None:
        super().__init__()
        for name, values in _read_weights().items():
            # torch takes a dot in a name for a child module.
            self.register_buffer(name.replace("/", "_"), torch.from_numpy(values))
        self.eval()

    def forward(self, rgb_bchw: Tensor) -> Tensor:
        return self.embedding(self.stages(rgb_bchw)[2])

    def stages(self, rgb_bchw: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Inner features after the stages of 32, 64 and 128 channels, 35, 17 and 8 px wide."""
        x = (rgb_bchw - rgb_bchw.new_tensor(MEAN_RGB)[:, None, None]) / 256
        x = F.max_pool2d(self._conv(x, "conv32_down", stride=2, padding=0).relu(), 3, 2)
        edges = self._stage(x, "conv32_1", "conv32_2", "conv32_3")
        forms = self._stage(self._down_block(edges, "conv64_down"), "conv64_1", "conv64_2", "conv64_3")
        parts = self._stage(self._down_block(forms, "conv128_down"), "conv128_1", "conv128_2")
        return edges, forms, parts

    def look(self, rgb_bchw: Tensor) -> tuple[tuple[Tensor, Tensor, Tensor], Tensor]:
        """The features of all three stages, of unit length in each place, and the embeddings."""
        edges, forms, parts = self.stages(rgb_bchw)
        unit = (F.normalize(edges, dim=1), F.normalize(forms, dim=1), F.normalize(parts, dim=1))
        return unit, self.embedding(parts)

    def embedding(self, parts_bchw: Tensor) -> Tensor:
        """The embeddings, from the last of the stages."""
        x = self._stage(self._down_block(parts_bchw, "conv256_down"), "conv256_1", "conv256_2")
        x = self._down_block(x, "conv256_down_out")
        return x.mean(dim=(2, 3)) @ self.get_buffer("fc")

    def _stage(self, x_bchw: Tensor, *names: str) -> Tensor:
        for name in names:
            x_bchw = self._block(x_bchw, name)
        return x_bchw

    def _conv(self, x_bchw: Tensor, name: str, *, stride: int = 1, padding: int = 1) -> Tensor:
        filters, bias = self.get_buffer(f"{name}_conv_filters"), self.get_buffer(f"{name}_conv_bias")
        x_bchw = F.conv2d(x_bchw, filters, bias, stride=stride, padding=padding)
        weights, biases = self.get_buffer(f"{name}_scale_weights"), self.get_buffer(f"{name}_scale_biases")
        return x_bchw * weights[:, None, None] + biases[:, None, None]

    def _block(self, x_bchw: Tensor, name: str) -> Tensor:
        y = self._conv(self._conv(x_bchw, f"{name}_conv1").relu(), f"{name}_conv2")
        return (x_bchw + y).relu()

    def _down_block(self, x_bchw: Tensor, name: str) -> Tensor:
        y = self._conv(x_bchw, f"{name}_conv1", stride=2, padding=0).relu()
        y = self._conv(y, f"{name}_conv2")
        pooled = F.avg_pool2d(x_bchw, 2, 2)
        # Tracing makes tensors of sizes.
        channels, rows, columns = int(y.shape[1]), *(max(int(y.shape[n]), int(pooled.shape[n])) for n in (2, 3))
        return (_grow(y, channels, rows, columns) + _grow(pooled, channels, rows, columns)).relu()


class PartsNet(nn.Module):
    """The recogniser up to its last stage, as a net of one output."""

    def __init__(self, recogniser: Recogniser) -> None:
        super().__init__()
        self.recogniser = recogniser

    def forward(self, rgb_bchw: Tensor) -> Tensor:
        return self.recogniser.stages(rgb_bchw)[2]


def chip_places(size: int = CHIP_SIZE, padding: float = CHIP_PADDING) -> Float[np.ndarray, "5 2"]:
    """Where `CHIP_LANDMARKS` lie in a chip; `padding`: around dlib's square, of its side."""
    return np.asarray((CHIP_POINTS + padding) / (1 + 2 * padding) * size)


def cut_chip(
    rgb: UInt8[np.ndarray, "H W 3"],
    landmarks_xy: Float32[np.ndarray, "468 2"],
    *,
    size: int = CHIP_SIZE,
    padding: float = CHIP_PADDING,
) -> UInt8[np.ndarray, "S S 3"]:
    """The face as a net's input, the recogniser's if nothing else is said."""
    to_chip = similarity_transform(landmarks_xy[list(CHIP_LANDMARKS)].astype(np.float64), chip_places(size, padding))
    return warp(rgb, to_chip, (size, size))


def embed(recogniser: Recogniser, chips: Sequence[UInt8[np.ndarray, "150 150 3"]]) -> Float32[np.ndarray, "N 128"]:
    """Embeddings of chips, in small batches."""
    parts = []
    with torch.inference_mode():
        for first in range(0, len(chips), BATCH_SIZE):
            x_bhwc = torch.from_numpy(np.stack(chips[first : first + BATCH_SIZE])).float()
            parts.append(recogniser(x_bhwc.permute(0, 3, 1, 2)).numpy())
    return np.concatenate(parts)


def _grow(x_bchw: Tensor, channels: int, rows: int, columns: int) -> Tensor:
    return F.pad(x_bchw, (0, columns - x_bchw.shape[3], 0, rows - x_bchw.shape[2], 0, channels - x_bchw.shape[1]))


def _read_weights() -> dict[str, Float32[np.ndarray, "..."]]:
    """Dequantise the file's weights, most of them 8-bit, with filters in torch's order."""
    folder = weights_folder()
    manifest = json.loads((folder / "face_recognition_model-weights_manifest.json").read_text())
    content = (folder / "face_recognition_model.bin").read_bytes()
    weights, position = {}, 0
    for entry in manifest[0]["weights"]:
        count = int(np.prod(entry["shape"]))
        quantisation = entry.get("quantization")
        stored = np.frombuffer(content, np.uint8 if quantisation else np.float32, count, position)
        position += stored.nbytes
        values = stored.astype(np.float32).reshape(entry["shape"])
        if quantisation:
            values = values * np.float32(quantisation["scale"]) + np.float32(quantisation["min"])
        weights[entry["name"]] = np.ascontiguousarray(values.transpose(3, 2, 0, 1)) if values.ndim == 4 else values
    return weights
