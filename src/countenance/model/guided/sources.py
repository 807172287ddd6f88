"""What two people's pictures give the generator: shapes, atlases, references, and from them the inputs of every face.

Everything is done at `CONTROL_SIZE`; meshes are in fractions of the crop's side unless something else is said.
"""

import hashlib
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from countenance.drawing import ReferenceFace, References
from countenance.errors import ModelError
from countenance.model.device import moved
from countenance.model.guided.inputs import (
    ATLAS_FACES,
    Given,
    View,
    draw_given,
    evened,
    evenness,
    features,
    fused,
    spread_out,
    surface_of,
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
from countenance.model.guided.network import NUM_REFERENCES
from countenance.model.guided.shape import WEIGHTS_NAME as SHAPE_WEIGHTS_NAME
from countenance.model.guided.shape import (
    FaceParts,
    Shape,
    ShapeEstimator,
    corrected,
    estimate_shape,
    load_estimator,
    seen_in,
)
from countenance.vision.identity import CHIP_SIZE, PartsNet, Recogniser
from countenance.vision.networks import weights_folder
from countenance.vision.runtime import Runner, compiled

CONTROL_SIZE: Final = 128
FRONTAL_DEG = 20.0
"""A mesh is surest from the front: faces count in the neutral shape by a Gaussian of their angles of this width."""
LEAST_TRUST = 1e-3


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Person:
    """References, boiled down once."""

    shape: Shape
    neutral: Float[Tensor, "468 3"]
    """Mean of the found meshes without their pose, in canonical axes and units: expression is what differs from it."""
    feature: Float[Tensor, "N F"]
    pixels: Float[Tensor, "N 4 S S"]
    """References in even light, and where the face is seen, at `CONTROL_SIZE`."""
    even: Float[Tensor, "N 4"]
    """By which that light was made even."""
    mesh: Float[Tensor, "N 468 3"]
    """Found and corrected."""
    surface: Float[Tensor, "N E 3"]
    """Of the meshes found and corrected."""
    atlas: Float[Tensor, "4 A A"]

    def to(self, device: torch.device) -> "Person":
        """The same on a device."""
        return replace(moved(self, device), shape=moved(self.shape, device))


def person_of(faces: Sequence[ReferenceFace], estimator: ShapeEstimator, parts: FaceParts) -> Person:
    """A person's shape, atlas and references.

    Raises:
        ModelError: there is no face.
    """
    if not faces:
        raise ModelError("there is no face to draw from; collect and prepare footage of the person first")
    found = torch.stack([torch.from_numpy(centred(face.landmarks_xyz, len(face.rgb))) for face in faces])
    turned = torch.tensor([face.yaw_pitch_deg for face in faces])
    trust = torch.exp(-turned.square().sum(dim=1) / (2 * FRONTAL_DEG**2)) + LEAST_TRUST
    pose = head_fit(found)
    neutral = torch.einsum("n,npc->pc", trust / trust.sum(), without_pose(found, pose))
    rgb, visible = _images(faces)
    even = evenness(rgb, visible)
    seen = seen_in(estimator, parts, evened(rgb, even), pixels(found, CONTROL_SIZE))
    shape = estimate_shape(estimator, seen)
    mesh = corrected(estimator, found, seen, shape.seen)
    shown = pixels(mesh, CONTROL_SIZE)
    feature = features(found, neutral)
    chosen = spread_out(feature, ATLAS_FACES)
    return Person(
        shape=shape,
        neutral=neutral,
        feature=feature,
        pixels=torch.cat([evened(rgb, even), visible[:, None]], dim=1),
        even=even,
        mesh=mesh,
        surface=surface_of(shown),
        atlas=fused(rgb[chosen], visible[chosen], shown[chosen], even[chosen]),
    )


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Sources:
    """All that is drawn from but the frame."""

    likeness: Person
    performer: Person
    estimator: ShapeEstimator
    parts: Runner
    """The recogniser's, of faces."""
    digest: str
    """Of both people's references, and of the weights by which shapes are estimated."""

    @property
    def ran_by(self) -> str:
        """What runs the recogniser."""
        return self.parts.ran_by

    def to(self, device: torch.device) -> "Sources":
        """The same on a device, but for what runs the recogniser, by which no batch is made."""
        return replace(
            self,
            likeness=self.likeness.to(device),
            performer=self.performer.to(device),
            estimator=deepcopy(self.estimator).to(device),
        )

    def swapped(self) -> "Sources":
        """The performer's face onto the likeness."""
        digest = hashlib.sha256(f"swapped {self.digest}".encode()).hexdigest()
        return replace(self, likeness=self.performer, performer=self.likeness, digest=digest)

    def mesh_in(self, rgb: Float[Tensor, "B 3 S S"], found: Float[Tensor, "B 468 3"]) -> Float[Tensor, "B 468 3"]:
        """Meshes found in the performer's faces, in even light, moved to where the face is."""
        seen = seen_in(self.estimator, self.parts, rgb, pixels(found, CONTROL_SIZE))
        return corrected(self.estimator, found, seen, self.performer.shape.seen)

    def apart(self, found: Float[Tensor, "B 468 3"]) -> Float[Tensor, "B N"]:
        """How far each of the likeness's references is, in pose and expression."""
        return torch.cdist(features(found, self.performer.neutral), self.likeness.feature)

    def alike(self, found: Float[Tensor, "B 468 3"]) -> Float[Tensor, "B N"]:
        """How far each of the likeness's references is from pictures of the likeness: 0 from itself."""
        return torch.cdist(features(found, self.likeness.neutral), self.likeness.feature)

    def given(
        self,
        rgb: Float[Tensor, "B 3 S S"],
        found: Float[Tensor, "B 468 3"],
        mesh: Float[Tensor, "B 468 3"],
        chosen: Int[Tensor, "B R"],
    ) -> tuple[Given, View]:
        """Sources of pixels for faces in even light: their meshes as found and where the face is, and references."""
        move = moved_by(self.estimator.move(self.likeness.shape, self.performer.shape), head_fit(found))
        here, target = pixels(mesh, CONTROL_SIZE), pixels(mesh + move, CONTROL_SIZE)
        meshes = (extended(here), with_ring_of(here, target))
        raster = rasterise(meshes[1], CONTROL_SIZE)
        view = View(
            raster=raster,
            inside=(raster.triangle >= 0).float()[:, None],
            where=pixel_grid(CONTROL_SIZE, rgb.device).expand(len(rgb), -1, -1, -1),
        )
        likeness, performer = self.likeness.atlas, self.performer.atlas[:3]
        given = draw_given(
            rgb,
            here,
            meshes,
            (likeness.expand(len(rgb), -1, -1, -1), performer.expand(len(rgb), -1, -1, -1)),
            [(self.likeness.pixels[each], self.likeness.surface[each]) for each in chosen.unbind(dim=1)],
            view,
        )
        return given, view


def sources_of(likeness: References, performer: References) -> Sources:
    """Both people, boiled down.

    Raises:
        ModelError: one of the two has no reference, or the package's weights are missing or damaged.
    """
    estimator = load_estimator()
    parts = compiled(PartsNet(Recogniser()), torch.zeros((1, 3, CHIP_SIZE, CHIP_SIZE)))
    digest = hashlib.sha256((weights_folder() / SHAPE_WEIGHTS_NAME).read_bytes())
    digest.update(f"{likeness.digest} {performer.digest}".encode())
    return Sources(
        likeness=person_of(likeness.faces, estimator, parts),
        performer=person_of(performer.faces, estimator, parts),
        estimator=estimator,
        parts=parts,
        digest=digest.hexdigest(),
    )


def nearest(apart: Float[Tensor, "B N"], count: int = NUM_REFERENCES) -> Int[Tensor, "B count"]:
    """The nearest references; where there are fewer, or others are infinitely far, some of them again."""
    near = apart.topk(min(count, apart.shape[1]), dim=1, largest=False)
    chosen = torch.where(near.values.isinf(), near.indices[:, :1], near.indices)
    return chosen[:, [min(number, chosen.shape[1] - 1) for number in range(count)]]


def centred(landmarks_xyz: Float[np.ndarray, "468 3"], size: int) -> Float[np.ndarray, "468 3"]:
    """Pixels of a crop as fractions of its side, whatever its size."""
    return np.asarray((landmarks_xyz + np.array([0.5, 0.5, 0])) / size, np.float32)


def pixels(found: Float[Tensor, "B 468 3"], size: int) -> Float[Tensor, "B 468 3"]:
    """Fractions of a crop's side as its pixels."""
    return found * size - torch.tensor([0.5, 0.5, 0.0], device=found.device)


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
