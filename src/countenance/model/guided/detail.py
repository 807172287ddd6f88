"""The likeness's own fine detail in a drawn face: skin, brows and lips as their references show them at full size.

The generator decides at `CONTROL_SIZE`, so what is finer comes along with the plate: it is the performer's. Here it is
taken out, and the likeness's is drawn in its place into the same mesh, from the references that look the same way. It
isn't moved to where the drawn face has the same features: dense flow follows light that differs as much as them
(docs/experiments.md).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8
from torch import Tensor

from countenance.drawing import References
from countenance.model.guided.inputs import EVEN_MEAN, EVEN_SPREAD, View, features
from countenance.model.guided.mesh import NUM_EXTENDED
from countenance.model.guided.sources import CONTROL_SIZE, Person
from countenance.vision.crops import resized_crop, resized_mask

VERSION = 1
"""Increment when the same references give other detail."""
SIGMA_PX, COARSER = 2.0, 4.0
"""What a Gaussian of this width takes away is fine detail, in pixels of `CONTROL_SIZE`; what lies between it and one so
many times as wide says whether drawn face and reference show the same there."""
APART, APART_PX = 0.12, 2.0
"""Brightness in even light by which both may differ in that, smoothed: a third of the detail is then taken."""
FACING = (0.2, 0.5)
"""How much of the surface faces the camera in a reference, from which on it counts, and counts in full."""
EXPRESSION_SHARE, SHARPNESS = 0.5, 3
"""Of a reference's distance: its expression, squared, beside the difference in pose; and how soon the nearer of two
takes all."""
RATIO = (0.4, 2.2)
"""Of brightness, drawn face to reference: by it detail is made stronger or weaker."""
DARKEST = 0.05
LEAST_OF_SIZE = 0.5
"""References that are smaller than this part of the drawn size have no detail to give."""
OPENINGS = (
    33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246,
    263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466,
    78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191,
)  # fmt: skip
"""Points around both eyes and the inside of the mouth: what shows there moves by itself, and stays as it was drawn."""
AROUND_PX = 3
"""Beside these too, for lashes."""

Picture = Float32[np.ndarray, "S S 3"]
Map = Float32[np.ndarray, "C C"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class OwnDetail:
    """References that are fine enough."""

    rgb: tuple[UInt8[np.ndarray, "R R 3"], ...]
    """Not larger than what is drawn."""
    visible: Float32[np.ndarray, "N C C"]
    even: Float32[np.ndarray, "N 4"]
    """As `inputs.evenness`."""
    pose: Float[Tensor, "N 2"]
    """As `inputs.features`."""
    expression: Float[Tensor, " N"]
    """How far from rest, squared."""
    surface: Float[Tensor, "N E 3"]
    """As `Person.surface`."""

    def put_into(
        self, face: Picture, view: View, found: Float[Tensor, "1 468 3"], neutral: Float[Tensor, "468 3"]
    ) -> Picture:
        """A drawn face in even light with the likeness's detail; `found`: the performer's mesh, `neutral`: at rest."""
        size = len(face)
        small = _small(face)
        coarse = _blurred(small, SIGMA_PX)
        fine = face - _enlarged(coarse, size)
        own, taken, squares = np.zeros_like(face), np.zeros((CONTROL_SIZE, CONTROL_SIZE), np.float32), 0.0
        closed = _closed(view)
        for number, weight in self._near(features(found, neutral)[0, :2]):
            reference, seen = self._drawn(view, number, size)
            reference_small = _small(reference)
            reference_coarse = _blurred(reference_small, SIGMA_PX)
            ratio = (_grey(coarse) / _grey(reference_coarse).clip(DARKEST)).clip(*RATIO)
            apart = _between(small) - ratio * _between(reference_small)
            share = seen * closed * np.exp(-_blurred(apart * apart, APART_PX) / APART**2)
            reference -= _enlarged(reference_coarse, size)
            reference *= _enlarged(weight * share * ratio, size)[..., None]
            own += reference
            taken += weight * share
            squares += weight * weight
        # Detail of two references isn't at the same places: their mean would be weaker than either.
        fine *= 1 - _enlarged(taken, size)[..., None]
        fine += own / np.float32(np.sqrt(squares))
        fine += _enlarged(coarse, size)
        return np.asarray(fine, np.float32)

    def _near(self, pose: Float[Tensor, "2"]) -> Sequence[tuple[int, float]]:
        """The two references that look most the same way, and their weights, which sum to one and change steadily."""
        apart = ((self.pose - pose).square().sum(dim=1) + EXPRESSION_SHARE * self.expression).sqrt()
        nearest = apart.sort()
        if len(apart) == 1:
            return [(0, 1.0)]
        # That of the third is zero: when it comes nearer than the second, nothing jumps.
        end = float(nearest.values[2]) if len(apart) > 2 else 2 * float(nearest.values[1])
        weights = [(end - float(each)) ** SHARPNESS + 1e-9 for each in nearest.values[:2]]
        numbers = [int(number) for number in nearest.indices[:2]]
        return [(number, weight / sum(weights)) for number, weight in zip(numbers, weights, strict=True)]

    def _drawn(self, view: View, number: int, size: int) -> tuple[Picture, Map]:
        """A reference drawn into the target mesh, in even light, and how well its face is seen there."""
        (surface,) = view.drawn(self.surface[number : number + 1])
        inside = view.inside[0, 0].numpy()
        # Beside the mesh as at its border, so that enlarging doesn't draw its edge inwards.
        within = surface[0].permute(1, 2, 0).numpy()
        around = _blurred(within * inside[..., None], SIGMA_PX) / (_blurred(inside, SIGMA_PX)[..., None] + 1e-6)
        where = np.where(inside[..., None] > 0, within, around).astype(np.float32)
        visible = cv2.remap(self.visible[number], where[..., 0], where[..., 1], cv2.INTER_LINEAR)
        seen = visible * ((where[..., 2] - FACING[0]) / (FACING[1] - FACING[0])).clip(0, 1)
        seen *= cv2.erode(inside, np.ones((3, 3), np.uint8))
        rgb = self.rgb[number]
        places = (_enlarged(np.ascontiguousarray(where[..., :2]), size) + 0.5) * (len(rgb) / CONTROL_SIZE) - 0.5
        drawn = cv2.remap(
            rgb.astype(np.float32) / 255,
            places[..., 0],
            places[..., 1],
            cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_REPLICATE,
        )
        mean, spread = self.even[number, :3], self.even[number, 3]
        return np.asarray((drawn - mean) * (EVEN_SPREAD / spread) + EVEN_MEAN, np.float32), np.asarray(seen, np.float32)


def own_detail(references: References, likeness: Person, size: int) -> OwnDetail | None:
    """For faces that are drawn at a size, by references that `likeness` was made of; none where none is fine enough."""
    numbers = [number for number, face in enumerate(references.faces) if len(face.rgb) >= LEAST_OF_SIZE * size]
    if not numbers:
        return None
    faces, feature = [references.faces[number] for number in numbers], likeness.feature[numbers]
    return OwnDetail(
        rgb=tuple(resized_crop(face.rgb, min(size, len(face.rgb))) for face in faces),
        visible=np.stack([resized_mask(face.visible, CONTROL_SIZE) for face in faces]),
        even=likeness.even[numbers].numpy(),
        pose=feature[:, :2],
        expression=feature[:, 2:].square().sum(dim=1),
        surface=likeness.surface[numbers],
    )


def _closed(view: View) -> Map:
    """0 in eyes and mouth, 1 away from them."""
    points = torch.zeros((1, NUM_EXTENDED, 1))
    points[:, list(OPENINGS)] = 1
    (opened,) = view.drawn(points)
    side = 2 * AROUND_PX + 1
    wider = cv2.dilate(opened[0, 0].numpy(), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))
    return np.asarray(1 - _blurred(np.asarray(wider, np.float32), 0.7).clip(0, 1))


def _between(small: Float32[np.ndarray, "C C 3"]) -> Map:
    """Brightness, a little coarser than fine detail."""
    return np.asarray(_grey(_blurred(small, SIGMA_PX)) - _grey(_blurred(small, COARSER * SIGMA_PX)))


def _grey(rgb: Float32[np.ndarray, "C C 3"]) -> Map:
    return np.asarray(rgb.mean(axis=2))


def _small(image: Picture) -> Float32[np.ndarray, "C C 3"]:
    return np.asarray(cv2.resize(image, (CONTROL_SIZE, CONTROL_SIZE), interpolation=cv2.INTER_AREA))


def _blurred(image: Float32[np.ndarray, "C C *D"], sigma_px: float) -> Float32[np.ndarray, "C C *D"]:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma_px))


def _enlarged(image: Float32[np.ndarray, "C C *D"], size: int) -> Float32[np.ndarray, "S S *D"]:
    return np.asarray(cv2.resize(image, (size, size), interpolation=cv2.INTER_LINEAR))
