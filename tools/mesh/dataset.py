"""What the mesh net is trained on: crops of rendered actors, bent, occluded, relit and badly filmed."""

import time
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from countenance.geometry import square_to_crop, transform_points
from countenance.vision.landmarks import EYES, INPUT_SIZE, MARGIN
from tools.mesh.footage import PARTS
from tools.segmenter.dataset import (
    Example,
    Footage,
    a_background,
    as_filmed,
    before_another_background,
    in_another_light,
    read_footage,
    with_in_front,
)
from tools.segmenter.occluders import TRAINING_OCCLUDERS

SEED = 11
NUM_SPRITES = 300
FIRST_ACTORS, CROPS_AN_ACTOR = 12, 150
"""Training begins with `FIRST_ACTORS`; one more joins every `CROPS_AN_ACTOR` crops, until all are in."""
BEND_CELLS, MAX_BEND = 4, 0.05
"""Smooth bends: random shifts on a coarse grid, as fractions of the crop's side."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Crop:
    """What the mesh net sees of a face, and what it should find."""

    rgb: UInt8[np.ndarray, "S S 3"]
    clean: UInt8[np.ndarray, "S S 3"]
    """The same before anything was put in front of it, relit or badly filmed."""
    points_xyz: Float32[np.ndarray, "468 3"]
    """Pixels of the crop; z in the same scale, about zero."""


class Dataset:
    """Crops by number; one number always gives the same one."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._seeds = folder, PARTS["training"].seeds
        self._footage: dict[int, Footage] = {}
        self._sprites = [
            TRAINING_OCCLUDERS[number % len(TRAINING_OCCLUDERS)](np.random.default_rng([SEED, 1, number]))
            for number in range(NUM_SPRITES)
        ]

    def crop(self, number: int) -> Crop:
        """The crop of a number."""
        rng = np.random.default_rng([SEED, 2, number])
        num_actors = min(len(self._seeds), FIRST_ACTORS + number // CROPS_AN_ACTOR)
        footage = self._actor(int(rng.integers(num_actors)))
        index = int(rng.integers(len(footage.rgb)))
        frame = Example(rgb=footage.rgb[index], labels=footage.labels[index], face=footage.face[index])
        if rng.random() < 0.3:
            background = a_background(self._actor(int(rng.integers(num_actors))), rng)
            resized = cv2.resize(background, frame.rgb.shape[1::-1])
            frame = before_another_background(frame, np.asarray(resized, np.uint8), rng)
        for _ in range(int(rng.choice(3, p=(0.5, 0.35, 0.15)))):
            sprite = self._sprites[int(rng.integers(len(self._sprites)))]
            frame = with_in_front(frame, sprite, rng, crop_side=len(frame.rgb) / PARTS["training"].room)
        crop = bent_crop(frame.rgb, footage.rgb[index], footage.landmarks_xyz[index], rng)
        return replace(crop, rgb=as_filmed(in_another_light(crop.rgb, rng), rng))

    def _actor(self, place: int) -> Footage:
        """Wait for it if it isn't rendered yet, so that rendering and training may run side by side."""
        if place not in self._footage:
            path = self._folder / "training" / f"{self._seeds[place]}.npz"
            while not path.exists():
                time.sleep(1)
            self._footage[place] = read_footage(path, clean=False)
        return self._footage[place]


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
    wild = 2.0 if rng.random() < 0.1 else 1.0
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


def mirrored(crop: Crop, partner: np.ndarray) -> Crop:
    """The mirror image."""
    points = crop.points_xyz[partner] * np.array([-1, 1, 1], np.float32)
    points[:, 0] += INPUT_SIZE - 1
    rgb, clean = (np.ascontiguousarray(image[:, ::-1]) for image in (crop.rgb, crop.clean))
    return Crop(rgb=rgb, clean=clean, points_xyz=points)
