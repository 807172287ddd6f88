"""Self-blended clips: a face put back onto itself, changed a little, so that only the traces of blending are there.

No second face is needed, so the detector learns what every replacement has in common and not what one method draws.
Source: Shiohara and Yamasaki, Detecting Deepfakes with Self-Blended Images, 2022; here the change stays the same over
a span of frames, and its place trembles, as that of a face does that is put in frame by frame.

`self_warped` goes one step nearer to a swap: the face comes from another picture of the same person, in other pose and
light, and is warped by its mesh. So it has what every warped face has, stretched skin and light that doesn't fit.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from countenance.bench.classical import shaded_like, warp_mesh
from countenance.geometry import transform_points
from countenance.vision.align import head_pose
from countenance.vision.mask import hull_in_crop
from tools.detector.footage import SPAN, Frames

IDENTITY = np.array([[1, 0, 0], [0, 1, 0]], np.float32)
STRENGTHS = (0.4, 0.6, 0.8, 1.0, 1.0, 1.0)
ELASTIC_NODES = 5
Mesh = Float32[np.ndarray, "468 3"]


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
        self._rng = rng
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
        self._mask = _Mask(rng, size, grow=float(rng.normal(0, 0.06)))

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
        mask = self._mask(mesh)[..., None] * np.float32(self._strength)
        # A change of the surroundings leaves the same border as one of the face.
        inside, outside = (moved, picture) if self._of_the_face else (picture, moved)
        blended = mask * inside + (1 - mask) * outside
        return np.asarray(np.round(np.clip(blended, 0, 1) * 255), np.uint8)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SourceFace:
    """A picture of a person that a face is taken from, as large as the frames."""

    rgb: UInt8[np.ndarray, "S S 3"]
    mesh: Mesh


def self_warped(frames: Frames, meshes: Sequence[Mesh | None], sources: Sequence[SourceFace], seed: int) -> Frames:
    """A clip with each span's face warped from one other picture of the same person, span by span from another.

    Raises:
        ValueError: there is no source.
    """
    if not sources:
        raise ValueError("no picture of this person shows one face")
    done = []
    for first in range(0, len(frames), SPAN):
        rng = np.random.default_rng([seed, 96, first])
        span, their_meshes = frames[first : first + SPAN], meshes[first : first + SPAN]
        shown = next((mesh for mesh in their_meshes if mesh is not None), None)
        if shown is None:
            done += list(span)
            continue
        some = rng.permutation(len(sources))[: max(1, len(sources) // 2)]
        source = min((sources[number] for number in some), key=lambda source: _turned(source.mesh, shown))
        put = _Warp(rng, source, frames.shape[1])
        done += [rgb if mesh is None else put(rgb, mesh) for rgb, mesh in zip(span, their_meshes, strict=True)]
    return np.stack(done)


def _turned(mesh: Mesh, other: Mesh) -> float:
    """Degrees between two heads' directions: a cheek that the source doesn't show can't be warped from it."""
    one, two = head_pose(mesh), head_pose(other)
    return float(np.hypot(one.yaw_deg - two.yaw_deg, one.pitch_deg - two.pitch_deg))


class _Warp:
    """One picture, and one way to warp and blend it in."""

    def __init__(self, rng: np.random.Generator, source: SourceFace, size: int) -> None:
        self._source, self._mask = source, _Mask(rng, size, grow=-abs(float(rng.normal(0.02, 0.05))))
        self._smaller = float(rng.choice([1, 1, 0.7, 0.5]))
        self._matched = float(rng.uniform(0.6, 1))
        self._shaded = rng.random() < 0.5
        self._strength = float(rng.choice(STRENGTHS))

    def __call__(self, rgb: UInt8[np.ndarray, "S S 3"], mesh: Mesh) -> UInt8[np.ndarray, "S S 3"]:
        picture = rgb.astype(np.float32) / 255
        drawn, coverage = warp_mesh(_coarser(self._source.rgb, self._smaller), self._source.mesh[:, :2], mesh)
        mask = self._mask(mesh) * coverage
        if (mask > 0.5).sum() < 64:
            return rgb
        inside = mask > 0.5
        theirs, ours = drawn[inside], picture[inside]
        alike = (drawn - theirs.mean(axis=0)) / (theirs.std(axis=0) + 0.02) * (ours.std(axis=0) + 0.02)
        drawn = drawn + np.float32(self._matched) * (alike + ours.mean(axis=0) - drawn)
        drawn = np.asarray(np.clip(drawn, 0, 1), np.float32)
        if self._shaded:
            drawn = shaded_like(drawn, picture, mask)
        weight = mask[..., None] * np.float32(self._strength)
        blended = weight * drawn + (1 - weight) * picture
        return np.asarray(np.round(np.clip(blended, 0, 1) * 255), np.uint8)


def _coarser(rgb: UInt8[np.ndarray, "S S 3"], by: float) -> UInt8[np.ndarray, "S S 3"]:
    if by == 1:
        return rgb
    small = cv2.resize(rgb, None, fx=by, fy=by, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, rgb.shape[1::-1], interpolation=cv2.INTER_LINEAR), np.uint8)


class _Mask:
    """One shape of what is put in: the face or the lower half of it, larger or smaller, bent, and with soft borders."""

    def __init__(self, rng: np.random.Generator, size: int, *, grow: float) -> None:
        self._size, self._grow = size, grow
        self._feather = float(rng.uniform(0.005, 0.05))
        self._nodes = rng.normal(0, 0.02, (2, ELASTIC_NODES, ELASTIC_NODES)).astype(np.float32)
        self._lower = rng.random() < 0.2

    def __call__(self, mesh: Mesh) -> Float32[np.ndarray, "S S"]:
        low, high = mesh[:, :2].min(axis=0), mesh[:, :2].max(axis=0)
        middle, side = (low + high) / 2, float((high - low).max())
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
