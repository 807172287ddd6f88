"""MediaPipe's attention mesh, run by LiteRT: 468 points with depth.

One net finds the mesh. Around its lips and each eye a window is cut out of the net's early features, and a second net
finds its points. Both are parts of one model, cut where it needs operations that LiteRT doesn't have.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from jaxtyping import Float32

from tools.mesh.network import cut_model

IMAGE, EARLY, LATER, MESH, FACE = 0, 35, 65, 186, 710
"""Tensors of the model: input, features that windows are cut from, features of the mesh, mesh, a face's log-odds."""
WINDOWS, IN_WINDOWS, IN_CROP = (199, 200, 201), (684, 687, 693), (711, 712, 714)
"""Cut-out features of lips and eyes; their points in the window, and in the crop."""
WINDOW, WINDOW_MARGIN = 16, 1.5
"""Cells of a window, and its sides in sides of the box around the region's points."""
CELL_PX = 4
"""Of the early features."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Region:
    """A part of the face that is found again."""

    numbers: tuple[int, ...]
    """Its points in the mesh, in the net's order."""
    ends: tuple[int, int]
    """The points that are level in the window."""


# fmt: off
REGIONS = (
    Region(ends=(61, 291), numbers=(
        61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 185, 40, 39, 37, 0, 267, 269, 270, 409, 78, 95, 88, 178,
        87, 14, 317, 402, 318, 324, 308, 191, 80, 81, 82, 13, 312, 311, 310, 415, 76, 77, 90, 180, 85, 16, 315, 404,
        320, 307, 306, 184, 74, 73, 72, 11, 302, 303, 304, 408, 62, 96, 89, 179, 86, 15, 316, 403, 319, 325, 292, 183,
        42, 41, 38, 12, 268, 271, 272, 407,
    )),
    Region(ends=(33, 133), numbers=(
        33, 7, 163, 144, 145, 153, 154, 155, 133, 246, 161, 160, 159, 158, 157, 173, 130, 25, 110, 24, 23, 22, 26,
        112, 243, 247, 30, 29, 27, 28, 56, 190, 226, 31, 228, 229, 230, 231, 232, 233, 244, 113, 225, 224, 223, 222,
        221, 189, 35, 124, 46, 53, 52, 65, 143, 111, 117, 118, 119, 120, 121, 128, 245, 156, 70, 63, 105, 66, 107, 55,
        193,
    )),
    Region(ends=(362, 263), numbers=(
        263, 249, 390, 373, 374, 380, 381, 382, 362, 466, 388, 387, 386, 385, 384, 398, 359, 255, 339, 254, 253, 252,
        256, 341, 463, 467, 260, 259, 257, 258, 286, 414, 446, 261, 448, 449, 450, 451, 452, 453, 464, 342, 445, 444,
        443, 442, 441, 413, 265, 353, 276, 283, 282, 295, 372, 340, 346, 347, 348, 349, 350, 357, 465, 383, 300, 293,
        334, 296, 336, 285, 417,
    )),
)
# fmt: on
"""Lips, the eye to the left in an upright image, the other eye."""


class FileNet:
    """A LiteRT model from any file, on one thread, as the product runs its own; not thread-safe."""

    def __init__(self, path: Path) -> None:
        self._interpreter = Interpreter(model_path=str(path), num_threads=1)
        self._interpreter.allocate_tensors()
        self._inputs = [detail["index"] for detail in self._interpreter.get_input_details()]
        self._outputs = [detail["index"] for detail in self._interpreter.get_output_details()]

    def __call__(self, *inputs: Float32[np.ndarray, "1 H W C"]) -> list[Float32[np.ndarray, "..."]]:
        """All outputs for one input each."""
        for index, values in zip(self._inputs, inputs, strict=True):
            self._interpreter.set_tensor(index, values)
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(index) for index in self._outputs]


class AttentionMesh:
    """Finds the mesh in a crop of 192 × 192 px; not thread-safe."""

    def __init__(self, model: Path, folder: Path) -> None:
        """Cuts the model into two files in the folder."""
        mesh, regions = folder / f"{model.stem}-mesh.tflite", folder / f"{model.stem}-regions.tflite"
        cut_model(model, [IMAGE], [MESH, EARLY, FACE], mesh)
        cut_model(model, WINDOWS, IN_WINDOWS, regions)
        self._mesh, self._regions = FileNet(mesh), FileNet(regions)

    def __call__(self, x_bhwc: Float32[np.ndarray, "1 S S 3"]) -> list[Float32[np.ndarray, "..."]]:
        """The points [468 3] in pixels of the crop, and a face's log-odds, as the plain mesh gives them."""
        mesh, features, logit = self._mesh(x_bhwc)
        points = mesh.reshape(468, 3).copy()
        windows = [window_of(points[:, :2] / CELL_PX, region) for region in REGIONS]
        found = self._regions(*(cut_out(features[0], window)[None] for window in windows))
        for region, window, in_window in zip(REGIONS, windows, found, strict=True):
            points[list(region.numbers), :2] = in_window.reshape(-1, 2) @ window[:, :2].T + window[:, 2] * CELL_PX
        return [points, logit]


def window_of(points_xy: Float32[np.ndarray, "468 2"], region: Region) -> Float32[np.ndarray, "2 3"]:
    """From cells of the region's window, counted at their upper left corners, to where its points are measured."""
    across = points_xy[region.ends[1]] - points_xy[region.ends[0]]
    cos, sin = across / max(float(np.linalg.norm(across)), 1e-6)
    turn = np.array([[cos, -sin], [sin, cos]], np.float32)
    upright = points_xy[list(region.numbers)] @ turn
    low, high = upright.min(axis=0), upright.max(axis=0)
    linear = turn * (WINDOW_MARGIN * (high - low) / WINDOW)
    return np.column_stack([linear, turn @ ((low + high) / 2) - linear @ np.full(2, WINDOW / 2)]).astype(np.float32)


def cut_out(
    features: Float32[np.ndarray, "H W C"], window: Float32[np.ndarray, "2 3"]
) -> Float32[np.ndarray, "16 16 C"]:
    """The window, interpolated; zero outside of the features."""
    y, x = np.mgrid[:WINDOW, :WINDOW].reshape(2, -1) + 0.5
    places = np.column_stack([x, y]) @ window[:, :2].T + window[:, 2] - 0.5
    height, width, channels = features.shape
    inside = np.all((places >= 0) & (places <= [width - 1, height - 1]), axis=1)
    left, top = np.clip(np.floor(places), 0, [width - 2, height - 2]).astype(int).T
    right_share, lower_share = (places - np.column_stack([left, top])).T[..., None]
    upper = (1 - right_share) * features[top, left] + right_share * features[top, left + 1]
    lower = (1 - right_share) * features[top + 1, left] + right_share * features[top + 1, left + 1]
    cut = ((1 - lower_share) * upper + lower_share * lower) * inside[:, None]
    return np.asarray(cut.reshape(WINDOW, WINDOW, channels), np.float32)
