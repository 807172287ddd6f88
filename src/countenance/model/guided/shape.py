"""What a face set tells of a person's shape, and where the mesh net finds their faces wrong.

The mesh net draws every face nearer to the mean than it is, the same person always alike. So the points of a person's
face at rest are estimated from all their faces; and every mesh that is found of them is corrected by what its own face
and all others show, so that sources of pixels meet where they should.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from countenance.model.guided.inputs import sample
from countenance.model.guided.mesh import NUM_POINTS, head_fit, pixel_grid, without_pose
from countenance.vision.align import canonical_mesh
from countenance.vision.identity import CHIP_LANDMARKS, CHIP_SIZE, chip_places
from countenance.vision.networks import weights_folder
from countenance.vision.weights import load_weights

WEIGHTS_NAME = "shape.safetensors"
PARTS = 128 * 8 * 8
"""Numbers in the recogniser's features of a face."""
LOOKS, FORMS, ANGLES = 256, 64, 2
"""What is kept of a face: components of those features, of the found mesh, and where the head looks."""
SEEN = LOOKS + FORMS + ANGLES
WIDTH = 256
SHAPES, CORRECTIONS = 80, 120
"""Principal components."""
ANGLE_UNIT_DEG = 30.0
SLOPE = 0.1
LOG_VARIANCES = (-6.0, 3.0)
BATCH = 8
FaceParts = Callable[[Tensor], Tensor]
"""From a recogniser's chips [B 3 150 150], 0–255, to its features: `identity.PartsNet`, or what runs it."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Shape:
    """A person's face."""

    at_rest: Float[Tensor, "468 3"]
    """In canonical axes and units."""
    unsure: float
    """Expected error of the points at rest: root mean square over them, across and down."""
    seen: Float[Tensor, " D"]
    """Mean of what is kept of their faces."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Estimate:
    """Of some people, as coefficients of the estimator's components, which are as long as their spread over people."""

    shape: Float[Tensor, "B K"]
    log_variance: Float[Tensor, "B K"]
    """Of the errors of `shape`."""


class Corrector(nn.Module):
    """From what is kept of a face, and of the person on average, to coefficients of a correction."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(2 * SEEN, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.last = nn.Linear(WIDTH, CORRECTIONS)
        self.straight = nn.Linear(2 * SEEN, CORRECTIONS, bias=False)
        self.drop = nn.Dropout(0.2)
        for layer in (self.last, self.straight):
            nn.init.zeros_(layer.weight)

    def forward(self, seen: Float[Tensor, "*B D"], person: Float[Tensor, "*B D"]) -> Float[Tensor, "*B C"]:
        both = torch.cat([seen, person], dim=-1)
        x = F.leaky_relu(self.first(self.drop(both)), SLOPE)
        x = F.leaky_relu(self.second(self.drop(x)), SLOPE)
        coefficients: Tensor = self.last(self.drop(x)) + self.straight(self.drop(both))
        return coefficients


class ShapeEstimator(nn.Module):
    """From what is seen of faces, any number of each person, to their shape and to corrections of the meshes found."""

    shape_mean: Tensor
    shape_basis: Tensor
    correction_mean: Tensor
    correction_basis: Tensor
    fade: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.look = nn.Linear(PARTS, LOOKS)
        self.form = nn.Linear(3 * NUM_POINTS, FORMS)
        self.first, self.second = nn.Linear(SEEN, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.straight = nn.Linear(SEEN, WIDTH, bias=False)
        self.trust = nn.Linear(WIDTH, 1)
        self.join = nn.Linear(WIDTH + 1, WIDTH)
        self.shape = nn.Linear(WIDTH, SHAPES)
        self.log_variance = nn.Linear(WIDTH + 1, SHAPES)
        self.drop = nn.Dropout(0.3)
        self.corrector = Corrector()
        for name, count, size in (("shape", SHAPES, 3), ("correction", CORRECTIONS, 2)):
            self.register_buffer(f"{name}_mean", torch.zeros(size * NUM_POINTS))
            self.register_buffer(f"{name}_basis", torch.zeros(count, size * NUM_POINTS))
        self.register_buffer("fade", torch.ones(NUM_POINTS))
        """How much of the likeness's shape each point takes: at the face's border both people's meet."""

    def seen(
        self, parts: Float[Tensor, "N F"], form: Float[Tensor, "N 1404"], angles_deg: Float[Tensor, "N 2"]
    ) -> Float[Tensor, "N D"]:
        """What is kept of each face."""
        return torch.cat([self.look(parts), self.form(form), angles_deg / ANGLE_UNIT_DEG], dim=1)

    def forward(self, seen: Float[Tensor, "B N D"]) -> Estimate:
        x = F.leaky_relu(self.first(self.drop(seen)), SLOPE)
        x = F.leaky_relu(self.second(self.drop(x)), SLOPE)
        share = torch.softmax(self.trust(x), dim=1)
        x = ((x + self.straight(seen)) * share).sum(dim=1)
        x = torch.cat([x, torch.full_like(x[:, :1], float(seen.shape[1])).log()], dim=1)
        log_variance = self.log_variance(self.drop(F.leaky_relu(x, SLOPE))).clamp(*LOG_VARIANCES)
        return Estimate(shape=self.shape(self.join(x)), log_variance=log_variance)

    def at_rest(self, estimate: Estimate) -> Float[Tensor, "B 468 3"]:
        """Points of the face at rest."""
        return (self.shape_mean + estimate.shape @ self.shape_basis).reshape(-1, NUM_POINTS, 3)

    def unsure(self, estimate: Estimate) -> Float[Tensor, " B"]:
        """Expected error of the points at rest."""
        variance = (estimate.log_variance.exp() @ self.shape_basis.square()).reshape(-1, NUM_POINTS, 3)
        error: Tensor = variance[..., :2].sum(dim=2).mean(dim=1).sqrt()
        return error

    def corrections(self, seen: Float[Tensor, "*B D"], person: Float[Tensor, "*B D"]) -> Float[Tensor, "*B 468 2"]:
        """What is to be added to meshes found in upright crops, in canonical units."""
        flat: Tensor = self.correction_mean + self.corrector(seen, person) @ self.correction_basis
        return flat.reshape(*seen.shape[:-1], NUM_POINTS, 2)

    def move(self, likeness: Shape, performer: Shape) -> Float[Tensor, "468 3"]:
        """From the performer's shape to the likeness's, in canonical axes and units."""
        return self.fade[:, None] * (likeness.at_rest - performer.at_rest)


def load_estimator() -> ShapeEstimator:
    """The package's estimator.

    Raises:
        ModelError: its weights are missing or damaged.
    """
    estimator = ShapeEstimator().eval()
    load_weights(estimator, weights_folder() / WEIGHTS_NAME)
    return estimator


@torch.inference_mode()
def seen_in(
    estimator: ShapeEstimator,
    parts: FaceParts,
    rgb: Float[Tensor, "N 3 S S"],
    found: Float[Tensor, "N 468 3"],
) -> Float[Tensor, "N D"]:
    """What is kept of faces in even light, and of the meshes found in them, in pixels."""
    seen = [
        estimator.seen(*look_at(parts, rgb[start : start + BATCH], found[start : start + BATCH]))
        for start in range(0, len(rgb), BATCH)
    ]
    return torch.cat(seen)


@torch.inference_mode()
def estimate_shape(estimator: ShapeEstimator, seen: Float[Tensor, "N D"]) -> Shape:
    """A person's shape from what is kept of their faces."""
    estimate = estimator(seen[None])
    return Shape(
        at_rest=estimator.at_rest(estimate)[0], unsure=float(estimator.unsure(estimate)[0]), seen=seen.mean(dim=0)
    )


@torch.no_grad()
def corrected(
    estimator: ShapeEstimator,
    found: Float[Tensor, "N 468 3"],
    seen: Float[Tensor, "N D"],
    person: Float[Tensor, " D"],
) -> Float[Tensor, "N 468 3"]:
    """Meshes found in upright crops of a person, in any unit of length, moved to where the face is."""
    steps = head_fit(found).scale[:, None, None] * estimator.corrections(seen, person.expand_as(seen))
    return torch.cat([found[..., :2] + steps, found[..., 2:]], dim=2)


def look_at(
    parts: FaceParts, rgb: Float[Tensor, "N 3 S S"], found: Float[Tensor, "N 468 3"]
) -> tuple[Float[Tensor, "N F"], Float[Tensor, "N 1404"], Float[Tensor, "N 2"]]:
    """What the estimator is told of faces in even light: features, found meshes without pose and mean, yaw and pitch in
    degrees.
    """
    chips = sample(rgb, chip_grid(found[..., :2])) * 255
    pose = head_fit(found)
    ahead = -pose.rotation[:, :, 2]
    form = without_pose(found, pose) - torch.from_numpy(canonical_mesh()).to(found)
    angles = torch.rad2deg(torch.asin(ahead[:, :2].clamp(-1, 1)))
    return parts(chips).flatten(1), form.flatten(1), angles


def chip_grid(points_xy: Float[Tensor, "B 468 2"]) -> Float[Tensor, "B h w 2"]:
    """Where in an image each pixel of a recogniser's chip lies."""
    places_xy = torch.from_numpy(chip_places()).to(points_xy)
    points = points_xy[:, list(CHIP_LANDMARKS)]
    a, b = places_xy - places_xy.mean(dim=0), points - points.mean(dim=1, keepdim=True)
    norm = a.square().sum()
    cos = (a * b).sum(dim=(1, 2)) / norm
    sin = (a[:, 0] * b[..., 1] - a[:, 1] * b[..., 0]).sum(dim=1) / norm
    steps = (pixel_grid(CHIP_SIZE, points_xy.device) - places_xy.mean(dim=0)).reshape(1, -1, 2)
    u = cos[:, None] * steps[..., 0] - sin[:, None] * steps[..., 1]
    v = sin[:, None] * steps[..., 0] + cos[:, None] * steps[..., 1]
    where = torch.stack([u, v], dim=2) + points.mean(dim=1, keepdim=True)
    return where.reshape(-1, CHIP_SIZE, CHIP_SIZE, 2)
