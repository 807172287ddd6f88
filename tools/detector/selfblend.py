"""Self-blended clips: a face put back onto itself, changed a little, so that only the traces of blending are there.

No second face is needed, so the detector learns what every replacement has in common and not what one method draws.
Source: Shiohara and Yamasaki, Detecting Deepfakes with Self-Blended Images, 2022; here the change stays the same over
a span of frames, and its place trembles, as that of a face does that is put in frame by frame.
"""

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from countenance.geometry import transform_points
from countenance.vision.mask import hull_in_crop
from tools.detector.footage import SPAN, Frames

IDENTITY = np.array([[1, 0, 0], [0, 1, 0]], np.float32)
STRENGTHS = (0.4, 0.6, 0.8, 1.0, 1.0, 1.0)
ELASTIC_NODES = 5


def self_blended(frames: Frames, meshes: list[Float32[np.ndarray, "468 3"] | None], seed: int) -> Frames:
    """A clip with each face blended onto itself, span by span with another change."""
    done = []
    for first in range(0, len(frames), SPAN):
        rng = np.random.default_rng([seed, 92, first])
        change = _Change(rng, frames.shape[1])
        for rgb, mesh in zip(frames[first : first + SPAN], meshes[first : first + SPAN], strict=True):
            done.append(rgb if mesh is None else change(rgb, mesh))
    return np.stack(done)


class _Change:
    """One way to change a face and to blend it in."""

    def __init__(self, rng: np.random.Generator, size: int) -> None:
        self._rng, self._size = rng, size
        self._gain = rng.normal(1, 0.05, 3).astype(np.float32)
        self._offset = rng.normal(0, 0.03, 3).astype(np.float32)
        self._gamma = float(np.exp(rng.normal(0, 0.1)))
        self._of_the_face = rng.random() < 0.6
        self._softness = float(rng.choice([0, 0, 0.6, 1.0, 1.6]))
        self._smaller = float(rng.choice([1, 1, 0.75, 0.5, 0.35]))
        self._sharp = float(rng.choice([0, 0, 0, 0.4]))
        self._scale = 1 + rng.normal(0, 0.02)
        self._shift = rng.normal(0, 0.012, 2)
        self._tremble = float(rng.choice([0, 0.002, 0.005]))
        self._strength = float(rng.choice(STRENGTHS))
        self._feather = float(rng.uniform(0.005, 0.05))
        self._grow = float(rng.normal(0, 0.06))
        self._nodes = rng.normal(0, 0.02, (2, ELASTIC_NODES, ELASTIC_NODES)).astype(np.float32)
        self._lower = rng.random() < 0.2

    def __call__(
        self, rgb: UInt8[np.ndarray, "S S 3"], mesh: Float32[np.ndarray, "468 3"]
    ) -> UInt8[np.ndarray, "S S 3"]:
        picture = rgb.astype(np.float32) / 255
        recoloured = np.clip(picture * self._gain + self._offset, 0, 1) ** np.float32(self._gamma)
        changed = np.asarray(recoloured, np.float32)
        low, high = mesh[:, :2].min(axis=0), mesh[:, :2].max(axis=0)
        middle, side = (low + high) / 2, float((high - low).max())
        if self._smaller < 1:
            small = cv2.resize(changed, None, fx=self._smaller, fy=self._smaller, interpolation=cv2.INTER_AREA)
            changed = np.asarray(cv2.resize(small, rgb.shape[1::-1], interpolation=cv2.INTER_LINEAR), np.float32)
        if self._softness:
            changed = np.asarray(cv2.GaussianBlur(changed, (0, 0), self._softness), np.float32)
        if self._sharp:
            changed = np.clip(changed + self._sharp * (changed - cv2.GaussianBlur(changed, (0, 0), 1.2)), 0, 1)
        shift = side * (self._shift + self._rng.normal(0, 1, 2) * self._tremble)
        move = np.array(
            [
                [self._scale, 0, (1 - self._scale) * middle[0] + shift[0]],
                [0, self._scale, (1 - self._scale) * middle[1] + shift[1]],
            ],
            np.float32,
        )
        moved = cv2.warpAffine(changed, move, rgb.shape[1::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        mask = self._mask(mesh, middle, side)[..., None] * np.float32(self._strength)
        # A change of the surroundings leaves the same border as one of the face.
        inside, outside = (moved, picture) if self._of_the_face else (picture, moved)
        blended = mask * inside + (1 - mask) * outside
        return np.asarray(np.round(np.clip(blended, 0, 1) * 255), np.uint8)

    def _mask(
        self, mesh: Float32[np.ndarray, "468 3"], middle: Float32[np.ndarray, "2"], side: float
    ) -> Float32[np.ndarray, "S S"]:
        points = mesh.copy()
        if self._lower:
            points = points[points[:, 1] > middle[1]]
        grown = np.column_stack([middle + (points[:, :2] - middle) * (1 + self._grow), points[:, 2]])
        hull = _filled(grown.astype(np.float32), self._size)
        bend = np.stack(
            [cv2.resize(each, (self._size, self._size), interpolation=cv2.INTER_CUBIC) for each in self._nodes]
        )
        rows, columns = np.mgrid[: self._size, : self._size].astype(np.float32)
        bent = cv2.remap(hull, columns + side * bend[0], rows + side * bend[1], cv2.INTER_LINEAR)
        return np.asarray(cv2.GaussianBlur(bent, (0, 0), max(0.5, self._feather * side)), np.float32)


def _filled(points: Float32[np.ndarray, "N 3"], size: int) -> Float32[np.ndarray, "S S"]:
    if len(points) == 468:
        return hull_in_crop(points, IDENTITY, size)
    hull = cv2.convexHull(np.round(transform_points(IDENTITY, points[:, :2])).astype(np.int32))
    mask = np.zeros((size, size), np.float32)
    cv2.fillConvexPoly(mask, hull, 1.0)
    return mask
