"""Find faces in a frame: BlazeFace, full range, on the letterboxed picture and on tiles of it.

The net sees 192 × 192 px. Faces that would be too small for it there are found in tiles; faces that lie on their side
or stand on their head are found in the turned picture.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from countenance.vision.networks import TfliteNet

INPUT_SIZE = 192
GRID = 48
MIN_SCORE = 0.3
"""Low, because the mesh net judges each find again."""
MAX_OVERLAP = 0.3

MIN_FACE_PX = 48
"""Height of the smallest face that is looked for."""
LEAST_SEEN_PX = 16
"""Height at which the net still sees a face."""
TILE_PX = INPUT_SIZE * MIN_FACE_PX // LEAST_SEEN_PX
TILE_STEP_PX = TILE_PX * 3 // 4
"""Tiles overlap by more than the height of the largest face that needs them."""

QUARTER_TURNS = (1, 2, 3)
"""Counter-clockwise, as `numpy.rot90` counts them."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Detection:
    """The rough place of a face."""

    score: float
    """0–1."""
    points_xy: Float32[np.ndarray, "8 2"]
    """Two opposite corners of the box, then both eyes, nose tip, mouth, both ears, in pixels of the frame."""


class FaceDetector:
    """Finds the rough places of all faces in a frame."""

    def __init__(self) -> None:
        self._net = TfliteNet("face_detection_full_range_sparse")
        centres = (np.arange(GRID, dtype=np.float32) + 0.5) / GRID
        self._anchors_xy = np.stack(np.meshgrid(centres, centres), axis=-1).reshape(-1, 2)

    def __call__(self, rgb: UInt8[np.ndarray, "H W 3"]) -> list[Detection]:
        """All faces that stand more or less upright, best first."""
        found = self._look(rgb)
        for x, y in tile_corners(rgb.shape[1], rgb.shape[0]):
            tile = rgb[y : y + TILE_PX, x : x + TILE_PX]
            shift = np.array([x, y], np.float32)
            found += [Detection(score=each.score, points_xy=each.points_xy + shift) for each in self._look(tile)]
        return _without_doubles(found)

    def turned(self, rgb: UInt8[np.ndarray, "H W 3"]) -> list[Detection]:
        """Faces that lie on their side or stand on their head, best first; upright ones may be among them."""
        found = []
        for turns in QUARTER_TURNS:
            seen = _without_doubles(self._look(np.rot90(rgb, turns)))
            found += [Detection(score=each.score, points_xy=_turned_back(each.points_xy, turns, rgb)) for each in seen]
        return found

    def _look(self, rgb: UInt8[np.ndarray, "H W 3"]) -> list[Detection]:
        height, width = rgb.shape[:2]
        side = max(height, width)
        scale = INPUT_SIZE / side
        small = cv2.resize(
            rgb, (max(1, round(width * scale)), max(1, round(height * scale))), interpolation=cv2.INTER_AREA
        )
        letterbox = np.zeros((INPUT_SIZE, INPUT_SIZE, 3), np.float32)
        letterbox[: small.shape[0], : small.shape[1]] = small / np.float32(127.5) - 1
        raw, logits = self._net(letterbox[None])
        scores = 1 / (1 + np.exp(-np.clip(logits[0, :, 0], -80, 80)))
        likely = np.flatnonzero(scores > MIN_SCORE)

        # The net speaks in offsets from its anchors: centre, size, then keypoints.
        values = raw[0, likely].reshape(-1, 8, 2) / INPUT_SIZE
        anchors = self._anchors_xy[likely, None]
        centre, extent, keypoints = values[:, :1] + anchors, values[:, 1:2], values[:, 2:] + anchors
        points = (np.concatenate([centre - extent / 2, centre + extent / 2, keypoints], axis=1) * side).astype(
            np.float32
        )
        return [
            Detection(score=score, points_xy=each) for score, each in zip(scores[likely].tolist(), points, strict=True)
        ]


def tile_corners(width: int, height: int) -> Iterator[tuple[int, int]]:
    """Left and top of the tiles that cover a frame; none where the whole frame shows small faces well enough."""
    if max(width, height) <= TILE_PX:
        return
    for top in _steps(height):
        for left in _steps(width):
            yield left, top


def _steps(length: int) -> list[int]:
    count = max(0, -(-(length - TILE_PX) // TILE_STEP_PX)) + 1
    return [round(float(at)) for at in np.linspace(0, max(0, length - TILE_PX), count)]


def _turned_back(
    points_xy: Float32[np.ndarray, "8 2"], turns: int, rgb: UInt8[np.ndarray, "H W 3"]
) -> Float32[np.ndarray, "8 2"]:
    """Points of a picture that was turned, in the picture as it was."""
    height, width = rgb.shape[:2]
    x, y = points_xy.T
    if turns == 1:
        x, y = width - 1 - y, x
    elif turns == 2:
        x, y = width - 1 - x, height - 1 - y
    else:
        x, y = y, height - 1 - x
    return np.stack([x, y], axis=1).astype(np.float32)


def _without_doubles(found: list[Detection]) -> list[Detection]:
    """The best of those that overlap, best first."""
    if not found:
        return []
    boxes = [(*each.points_xy[0].tolist(), *(each.points_xy[1] - each.points_xy[0]).tolist()) for each in found]
    kept = cv2.dnn.NMSBoxes(boxes, [each.score for each in found], MIN_SCORE, MAX_OVERLAP)
    return [found[i] for i in kept]
