"""Draws a likeness from its references and the base, without any training on it.

The generator decides at `CONTROL_SIZE`; what it decides is applied to a plate of the drawer's size.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from countenance.drawing import DrawnFace, FaceInput, ReferenceFace, References
from countenance.errors import ModelError
from countenance.model.guided.drawing import Mixed, control_of, enlarged, larger, mixed, stacked
from countenance.model.guided.inputs import (
    ATLAS_FACES,
    Given,
    View,
    draw_given,
    evened,
    evenness,
    features,
    fused,
    parts_of,
    sample,
    spread_out,
    surface_of,
    uneven,
)
from countenance.model.guided.mesh import (
    extended,
    head_fit,
    moved_by,
    pixel_grid,
    rasterise,
    with_ring_of,
    without_pose,
)
from countenance.model.guided.network import NUM_REFERENCES, Control, Generator
from countenance.model.guided.shape import WEIGHTS_NAME as SHAPE_WEIGHTS_NAME
from countenance.model.guided.shape import Shape, ShapeEstimator, corrected, estimate_shape, load_estimator, seen_in
from countenance.vision.identity import Recogniser
from countenance.vision.networks import weights_folder
from countenance.vision.weights import load_weights

DrawnSize = Literal[128, 256, 512]
CONTROL_SIZE = 128
WEIGHTS_NAME = "base.safetensors"
BATCH = 4
FRONTAL_DEG = 20.0
"""A mesh is surest from the front: faces count in the neutral shape by a Gaussian of their angles of this width."""
LEAST_TRUST = 1e-3
VERSION = 3
"""Increment when the same weights draw something else: what is kept of earlier work isn't gone on with then."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Person:
    """References, boiled down once."""

    shape: Shape
    neutral: Float[Tensor, "468 3"]
    """Mean of the found meshes without their pose, in canonical axes and units: expression is what differs from it."""
    feature: Float[Tensor, "N F"]
    pixels: Float[Tensor, "N 4 S S"]
    """References in even light, and where the face is seen, at `CONTROL_SIZE`."""
    surface: Float[Tensor, "N E 3"]
    """Of the meshes found and corrected."""
    atlas: Float[Tensor, "4 A A"]


def person_of(faces: Sequence[ReferenceFace], estimator: ShapeEstimator, recogniser: Recogniser) -> Person:
    """A person's shape, atlas and references.

    Raises:
        ModelError: there is no face.
    """
    if not faces:
        raise ModelError("there is no face to draw from; collect and prepare footage of the person first")
    found = torch.stack([torch.from_numpy(_centred(face.landmarks_xyz, len(face.rgb))) for face in faces])
    turned = torch.tensor([face.yaw_pitch_deg for face in faces])
    trust = torch.exp(-turned.square().sum(dim=1) / (2 * FRONTAL_DEG**2)) + LEAST_TRUST
    pose = head_fit(found)
    neutral = torch.einsum("n,npc->pc", trust / trust.sum(), without_pose(found, pose))
    rgb, visible = _images(faces)
    even = evenness(rgb, visible)
    seen = seen_in(estimator, recogniser, evened(rgb, even), _pixels(found, CONTROL_SIZE))
    shape = estimate_shape(estimator, seen)
    mesh = _pixels(corrected(estimator, found, seen, shape.seen), CONTROL_SIZE)
    feature = features(found, neutral)
    chosen = spread_out(feature, ATLAS_FACES)
    return Person(
        shape=shape,
        neutral=neutral,
        feature=feature,
        pixels=torch.cat([evened(rgb, even), visible[:, None]], dim=1),
        surface=surface_of(mesh),
        atlas=fused(rgb[chosen], visible[chosen], mesh[chosen], even[chosen]),
    )


class GuidedDrawer:
    """The likeness from given pixels, as the composite takes it.

    Raises:
        ModelError: one of the two has no reference, or the package's weights are missing or damaged.
    """

    batch = BATCH

    def __init__(self, likeness: References, performer: References, *, size: DrawnSize = 256) -> None:
        self.size = size
        self._generator = Generator().eval()
        content = load_weights(self._generator, weights_folder() / WEIGHTS_NAME)
        self._generator.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._estimator, self._recogniser = load_estimator(), Recogniser()
        self._likeness, self._performer = (
            person_of(person.faces, self._estimator, self._recogniser) for person in (likeness, performer)
        )
        self._move = self._estimator.move(self._likeness.shape, self._performer.shape)
        digest = hashlib.sha256(content + (weights_folder() / SHAPE_WEIGHTS_NAME).read_bytes())
        digest.update(f"{VERSION} {size} {likeness.digest} {performer.digest}".encode())
        self.digest = digest.hexdigest()

    @torch.inference_mode()
    def __call__(self, faces: Sequence[FaceInput]) -> list[DrawnFace]:
        """One drawn face for each input."""
        if not faces:
            return []
        rgb = torch.stack([torch.from_numpy(face.lit_rgb) for face in faces]).permute(0, 3, 1, 2).float() / 255
        mask = torch.stack([torch.from_numpy(face.mask) for face in faces])
        found = torch.stack([torch.from_numpy(_centred(face.landmarks_xyz, self.size)) for face in faces])
        even = evenness(rgb, mask)
        move = moved_by(self._move, head_fit(found))
        near = torch.cdist(features(found, self._performer.neutral), self._likeness.feature)
        chosen = near.topk(min(NUM_REFERENCES, near.shape[1]), dim=1, largest=False).indices
        chosen = chosen[:, [min(number, chosen.shape[1] - 1) for number in range(NUM_REFERENCES)]]
        coarse = evened(F.avg_pool2d(rgb, self.size // CONTROL_SIZE), even)
        seen = seen_in(self._estimator, self._recogniser, coarse, _pixels(found, CONTROL_SIZE))
        mesh = corrected(self._estimator, found, seen, self._performer.shape.seen)
        given, view = self._given(coarse, mesh, move, chosen)
        control = control_of(self._generator, stacked(self._parts(given, view)), bf16=False)
        drawn = self._drawn(evened(rgb, even), given, view, control)
        images = uneven(drawn.face, even).clamp(0, 1).permute(0, 2, 3, 1).numpy()
        return [
            DrawnFace(rgb=np.ascontiguousarray(image), mask=one[0].numpy(), finished=True)
            for image, one in zip(images, drawn.mask, strict=True)
        ]

    def _given(
        self,
        rgb: Float[Tensor, "B 3 S S"],
        mesh: Float[Tensor, "B 468 3"],
        move: Float[Tensor, "B 468 3"],
        chosen: Tensor,
    ) -> tuple[Given, View]:
        """Sources at `CONTROL_SIZE`; meshes come in fractions of the crop."""
        here, target = _pixels(mesh, CONTROL_SIZE), _pixels(mesh + move, CONTROL_SIZE)
        meshes = (extended(here), with_ring_of(here, target))
        raster = rasterise(meshes[1], CONTROL_SIZE)
        view = View(
            raster=raster,
            inside=(raster.triangle >= 0).float()[:, None],
            where=pixel_grid(CONTROL_SIZE, rgb.device).expand(len(rgb), -1, -1, -1),
        )
        likeness, performer = self._likeness.atlas, self._performer.atlas[:3]
        given = draw_given(
            rgb,
            here,
            meshes,
            (likeness.expand(len(rgb), -1, -1, -1), performer.expand(len(rgb), -1, -1, -1)),
            [(self._likeness.pixels[each], self._likeness.surface[each]) for each in chosen.unbind(dim=1)],
            view,
        )
        return given, view

    def _parts(self, given: Given, view: View) -> dict[str, Tensor]:
        """All that the generator is given."""
        return parts_of(given, view)

    def _drawn(self, rgb: Float[Tensor, "B 3 S S"], given: Given, view: View, control: Control) -> Mixed:
        """What was decided, done at the size of `rgb`: the plate's detail is taken from there, by cubics."""
        factor = self.size // CONTROL_SIZE
        where = pixel_grid(self.size, rgb.device) + factor * larger(given.shift, factor).permute(0, 2, 3, 1)
        moved = sample(rgb, where, "bicubic")
        return mixed(rgb, moved, larger(view.inside, factor), enlarged(control, factor))


def _centred(landmarks_xyz: Float[np.ndarray, "468 3"], size: int) -> Float[np.ndarray, "468 3"]:
    """Pixels of a crop as fractions of its side, whatever its size."""
    return np.asarray((landmarks_xyz + np.array([0.5, 0.5, 0])) / size, np.float32)


def _pixels(found: Float[Tensor, "B 468 3"], size: int) -> Float[Tensor, "B 468 3"]:
    """Fractions of a crop's side as its pixels."""
    return found * size - torch.tensor([0.5, 0.5, 0.0])


def _images(faces: Sequence[ReferenceFace]) -> tuple[Float[Tensor, "N 3 S S"], Float[Tensor, "N S S"]]:
    """Faces at `CONTROL_SIZE`, 0–1 in their own light, and where they are seen."""
    rgb = [_sized(torch.from_numpy(face.rgb).permute(2, 0, 1)[None].float() / 255) for face in faces]
    visible = [_sized(torch.from_numpy(face.mask * face.visible)[None, None].float())[0] for face in faces]
    return torch.cat(rgb), torch.cat(visible)


def _sized(image: Float[Tensor, "1 C H W"]) -> Float[Tensor, "1 C S S"]:
    size = (CONTROL_SIZE, CONTROL_SIZE)
    if image.shape[2] > CONTROL_SIZE:
        return F.interpolate(image, size=size, mode="area")
    return F.interpolate(image, size=size, mode="bilinear", align_corners=False)
