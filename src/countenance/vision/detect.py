"""Find faces in a frame: BlazeFace, full range, on the letterboxed frame and on tiles of it.

The net sees 192 × 192 px. Faces that would be too small for it there are found in tiles; faces that lie on their side
or stand on their head are found in the turned frame. Where all that finds nothing, faces that fill the frame or more
than it are found in the frame shrunk, and very small ones in smaller tiles.
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
"""Height of the smallest face that every frame is searched for."""
MIN_SMALL_FACE_PX = 32
"""Height of the smallest face that is searched for where nothing else is found."""
LEAST_SEEN_PX = 16
"""Height at which the net still sees a face."""
TILE_PX = INPUT_SIZE * MIN_FACE_PX // LEAST_SEEN_PX
SMALL_TILE_PX = INPUT_SIZE * MIN_SMALL_FACE_PX // LEAST_SEEN_PX
SHRINKAGE = 2.0
"""Of a frame that a face may fill: the net finds faces of up to about 0.8 of its input's height."""

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
        return _without_doubles(self._detect(rgb) + self._detect_in_tiles(rgb, TILE_PX))

    def large(self, rgb: UInt8[np.ndarray, "H W 3"]) -> list[Detection]:
        """Upright faces that fill the frame, up to about one and a half times its height, best first."""
        return _without_doubles(self._detect(rgb, SHRINKAGE))

    def small(self, rgb: UInt8[np.ndarray, "H W 3"]) -> list[Detection]:
        """Upright faces too small to be found in every frame, best first."""
        return _without_doubles(self._detect_in_tiles(rgb, SMALL_TILE_PX))

    def turned(self, rgb: UInt8[np.ndarray, "H W 3"]) -> list[Detection]:
        """Faces that lie on their side or stand on their head, best first; upright ones may be among them."""
        found = []
        for turns in QUARTER_TURNS:
            seen = _without_doubles(self._detect(np.rot90(rgb, turns)))
            found += [Detection(score=each.score, points_xy=_turned_back(each.points_xy, turns, rgb)) for each in seen]
        return found

    def _detect_in_tiles(self, rgb: UInt8[np.ndarray, "H W 3"], tile_px: int) -> list[Detection]:
        found = []
        for x, y in tile_corners(rgb.shape[1], rgb.shape[0], tile_px):
            shift = np.array([x, y], np.float32)
            tile = rgb[y : y + tile_px, x : x + tile_px]
            found += [Detection(score=each.score, points_xy=each.points_xy + shift) for each in self._detect(tile)]
        return found

    def _detect(self, rgb: UInt8[np.ndarray, "H W 3"], shrinkage: float = 1.0) -> list[Detection]:
        """Faces in a frame that fills the net's input, or with `shrinkage` only its middle."""
        height, width = rgb.shape[:2]
        side = max(height, width) * shrinkage
        scale = INPUT_SIZE / side
        small = cv2.resize(
            rgb, (max(1, round(width * scale)), max(1, round(height * scale))), interpolation=cv2.INTER_AREA
        )
        letterbox = np.zeros((INPUT_SIZE, INPUT_SIZE, 3), np.float32)
        left, top = (
            ((INPUT_SIZE - small.shape[1]) // 2, (INPUT_SIZE - small.shape[0]) // 2) if shrinkage > 1 else (0, 0)
        )
        letterbox[top : top + small.shape[0], left : left + small.shape[1]] = small / np.float32(127.5) - 1
        raw, logits = self._net(letterbox[None])
        scores = 1 / (1 + np.exp(-np.clip(logits[0, :, 0], -80, 80)))
        likely = np.flatnonzero(scores > MIN_SCORE)

        # The net speaks in offsets from its anchors: centre, size, then keypoints.
        values = raw[0, likely].reshape(-1, 8, 2) / INPUT_SIZE
        anchors = self._anchors_xy[likely, None]
        centre, extent, keypoints = values[:, :1] + anchors, values[:, 1:2], values[:, 2:] + anchors
        in_input = np.concatenate([centre - extent / 2, centre + extent / 2, keypoints], axis=1)
        points = (in_input * side - np.array([left, top]) / scale).astype(np.float32)
        return [
            Detection(score=score, points_xy=each) for score, each in zip(scores[likely].tolist(), points, strict=True)
        ]


def tile_corners(width: int, height: int, tile_px: int = TILE_PX) -> Iterator[tuple[int, int]]:
    """Left and top of the tiles that cover a frame; none where the whole frame shows such faces well enough."""
    if max(width, height) <= tile_px:
        return
    for top in _steps(height, tile_px):
        for left in _steps(width, tile_px):
            yield left, top


def _steps(length: int, tile_px: int) -> list[int]:
    """Tiles overlap by more than the height of the largest face that needs them."""
    step_px = tile_px * 3 // 4
    count = max(0, -(-(length - tile_px) // step_px)) + 1
    return [round(float(at)) for at in np.linspace(0, max(0, length - tile_px), count)]


def _turned_back(
    points_xy: Float32[np.ndarray, "8 2"], turns: int, rgb: UInt8[np.ndarray, "H W 3"]
) -> Float32[np.ndarray, "8 2"]:
    """Points of a frame that was turned, in the frame as it was."""
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
