"""What the mesh nets are trained on: crops of rendered actors, bent, occluded, relit and badly filmed.

Frames come from a corpus of triples and from footage with profiles; both may still be growing.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from countenance.actors.triples_files import Frames, Motion, read_plan, read_references, read_triple
from countenance.actors.triples_plan import Plan
from countenance.capture.film import film_image
from countenance.capture.presets import draw_capture
from countenance.geometry import square_to_crop, transform_points
from countenance.vision.align import head_pose
from countenance.vision.landmarks import EYES, INPUT_SIZE, MARGIN
from tools.segmenter.dataset import (
    Example,
    Footage,
    a_background,
    before_another_background,
    read_footage,
    with_in_front,
)
from tools.segmenter.occluders import TRAINING_OCCLUDERS

NUM_SPRITES = 300
LOOK_AGAIN_EVERY = 100
"""Frames between looks for files that came meanwhile."""
TURNED_DEG = 25.0
"""A frame whose head is turned so far is drawn twice as often as one from the front."""
FILMED_SHARE = 0.35
"""Of the crops; the rest are only degraded by `degrade`."""
BEND_CELLS, MAX_BEND = 4, 0.05
"""Smooth bends: random shifts on a coarse grid, as fractions of the crop's side."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Crop:
    """What a mesh net sees of a face, and what it should find."""

    rgb: UInt8[np.ndarray, "S S 3"]
    clean: UInt8[np.ndarray, "S S 3"]
    """The same before anything was put in front of it, relit or badly filmed."""
    points_xyz: Float32[np.ndarray, "468 3"]
    """Pixels of the crop; z in the same scale, about zero."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """Files of one kind."""

    share: float
    """Of the crops, where there are files of every kind."""
    list_files: Callable[[], list[Path]]
    read: Callable[[Path], Footage]


class Source(Protocol):
    """Where frames come from."""

    def draw(self, rng: np.random.Generator) -> tuple[Footage, int]:
        """Frames of one figure, and the number of one of them; waits where there is none yet."""
        ...


class Files:
    """Footage in files, read when first needed and then kept; of `of` readers each keeps a part of its own."""

    def __init__(self, triples: Path | None, footage: Path | None, *, number: int = 0, of: int = 1) -> None:
        kinds = []
        if triples is not None:
            kinds += [
                Kind(share=0.45, list_files=lambda: sorted((triples / "takes").glob("[0-9]*.zip")), read=_take),
                Kind(share=0.25, list_files=lambda: sorted((triples / "people").glob("[0-9]*.zip")), read=_person),
            ]
        if footage is not None:
            kinds.append(Kind(share=0.3, list_files=lambda: sorted(footage.glob("[0-9]*.npz")), read=_footage))
        self._kinds, self._number, self._of = kinds, number, of
        self._paths: list[list[Path]] = [[] for _ in kinds]
        self._read: dict[Path, Footage] = {}
        self._weights: dict[Path, Float32[np.ndarray, " N"]] = {}
        self._drawn = 0

    def draw(self, rng: np.random.Generator) -> tuple[Footage, int]:
        """Frames of one figure, and the number of one of them; waits where there is no file yet."""
        if self._drawn % LOOK_AGAIN_EVERY == 0:
            self._look()
        while not any(self._paths):
            time.sleep(0.5)
            self._look()
        self._drawn += 1
        shares = np.array([kind.share * bool(paths) for kind, paths in zip(self._kinds, self._paths, strict=True)])
        place = int(rng.choice(len(shares), p=shares / shares.sum()))
        path = self._paths[place][int(rng.integers(len(self._paths[place])))]
        if path not in self._read:
            footage = self._kinds[place].read(path)
            yaws = np.array([abs(head_pose(points).yaw_deg) for points in footage.landmarks_xyz])
            weights = 1 + yaws / TURNED_DEG
            self._read[path], self._weights[path] = footage, np.asarray(weights / weights.sum(), np.float32)
        weights = self._weights[path].astype(np.float64)
        return self._read[path], int(rng.choice(len(weights), p=weights / weights.sum()))

    def _look(self) -> None:
        for paths, kind in zip(self._paths, self._kinds, strict=True):
            paths[:] = [path for path in kind.list_files() if int(path.stem) % self._of == self._number]


@cache
def _plan(folder: Path) -> Plan:
    return read_plan(folder)


def _take(path: Path) -> Footage:
    folder = path.parent.parent
    triple = read_triple(folder, _plan(folder).takes[int(path.stem)])
    plate, truth, motion = triple.plate, triple.truth, triple.motion
    return _joined(
        [
            _footage_of(plate, motion),
            _footage_of(truth, motion),
            _footage_of(replace(truth, rgb=triple.truth_toned_rgb), motion),
        ]
    )


def _person(path: Path) -> Footage:
    folder = path.parent.parent
    references = read_references(folder, _plan(folder).people[int(path.stem)])
    return _footage_of(references.frames, references.motion)


def _footage(path: Path) -> Footage:
    return read_footage(path, clean=False)


def _footage_of(frames: Frames, motion: Motion) -> Footage:
    """Depth in pixels, as the mesh gives it."""
    mean_m = frames.landmarks_depth_m.mean(axis=1, keepdims=True)
    focal_px = motion.focal[:, None] * frames.rgb.shape[2]
    z = (frames.landmarks_depth_m - mean_m) * focal_px / mean_m
    meshes = np.concatenate([frames.landmarks_xy, z[..., None]], axis=2)
    return Footage(rgb=frames.rgb, labels=frames.labels, face=frames.face_mask, landmarks_xyz=meshes.astype(np.float32))


def _joined(parts: list[Footage]) -> Footage:
    return Footage(
        rgb=np.concatenate([part.rgb for part in parts]),
        labels=np.concatenate([part.labels for part in parts]),
        face=np.concatenate([part.face for part in parts]),
        landmarks_xyz=np.concatenate([part.landmarks_xyz for part in parts]),
    )


def draw_crops(source: Source, rng: np.random.Generator) -> Iterator[Crop]:
    """Crops without end."""
    sprites = [TRAINING_OCCLUDERS[number % len(TRAINING_OCCLUDERS)](rng) for number in range(NUM_SPRITES)]
    while True:
        footage, index = source.draw(rng)
        frame = Example(rgb=footage.rgb[index], labels=footage.labels[index], face=footage.face[index])
        if rng.random() < 0.3:
            background = cv2.resize(a_background(source.draw(rng)[0], rng), frame.rgb.shape[1::-1])
            frame = before_another_background(frame, np.asarray(background, np.uint8), rng)
        extent = np.ptp(footage.landmarks_xyz[index][:, :2], axis=0)
        for _ in range(int(rng.choice(3, p=(0.5, 0.35, 0.15)))):
            sprite = sprites[int(rng.integers(len(sprites)))]
            frame = with_in_front(frame, sprite, rng, crop_side=MARGIN * float(extent.max()))
        crop = bent_crop(frame.rgb, footage.rgb[index], footage.landmarks_xyz[index], rng)
        yield replace(crop, rgb=by_a_camera(crop.rgb, rng)) if rng.random() < FILMED_SHARE else crop


def by_a_camera(rgb: UInt8[np.ndarray, "S S 3"], rng: np.random.Generator) -> UInt8[np.ndarray, "S S 3"]:
    """A still head, before the camera's codec: what codecs do is drawn by `degrade`, many times faster."""
    capture = draw_capture(int(rng.integers(2**31)))
    shutter = replace(capture.shutter, readout_s=0.0)
    return film_image(rgb, replace(capture, shutter=shutter, codecs=()))


def bent_crop(
    rgb: UInt8[np.ndarray, "S S 3"],
    clean: UInt8[np.ndarray, "S S 3"],
    landmarks_xyz: Float32[np.ndarray, "468 3"],
    rng: np.random.Generator,
) -> Crop:
    """The mesh finder's crop, a little beside its place, too large or tilted; image and points are bent together."""
    points = landmarks_xyz[:, :2]
    low, high = points.min(axis=0), points.max(axis=0)
    eye_line = points[EYES[1]] - points[EYES[0]]
    wild = 2.5 if rng.random() < 0.15 else 1.0
    roll_deg = -float(np.rad2deg(np.arctan2(eye_line[1], eye_line[0]))) + float(rng.normal(0, 4 * wild))
    side = MARGIN * float((high - low).max()) * float(np.exp(rng.normal(0, 0.05 * wild)))
    centre = (low + high) / 2 + rng.normal(0, 0.025 * wild, 2) * side
    to_crop = square_to_crop(centre.astype(np.float32), side, roll_deg, INPUT_SIZE)
    bend = np.zeros((INPUT_SIZE, INPUT_SIZE, 2), np.float32)
    if rng.random() < 0.8:
        coarse = rng.uniform(-1, 1, (BEND_CELLS + 2, BEND_CELLS + 2, 2)).astype(np.float32)
        smooth = cv2.resize(coarse, (INPUT_SIZE, INPUT_SIZE), interpolation=cv2.INTER_CUBIC)
        bend = np.asarray(smooth * (MAX_BEND * INPUT_SIZE * float(rng.uniform(0, 1))), np.float32)
    y, x = np.mgrid[:INPUT_SIZE, :INPUT_SIZE].astype(np.float32)
    inverse = cv2.invertAffineTransform(to_crop)
    source = transform_points(
        inverse.astype(np.float32), np.stack([x + bend[..., 0], y + bend[..., 1]], -1).reshape(-1, 2)
    )
    source = source.reshape(INPUT_SIZE, INPUT_SIZE, 2).astype(np.float32)
    seen = (
        cv2.remap(image, source[..., 0], source[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        for image in (rgb, clean)
    )
    straight = transform_points(to_crop, points)
    bent = straight
    for _ in range(4):
        cells = bent.astype(np.float32)[:, None]
        moved = cv2.remap(bend, cells[..., 0], cells[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        bent = straight - moved[:, 0]
    z = landmarks_xyz[:, 2:] * (INPUT_SIZE / side)
    images = (np.asarray(image, np.uint8) for image in seen)
    return Crop(rgb=next(images), clean=next(images), points_xyz=np.hstack([bent, z - z.mean()]).astype(np.float32))
