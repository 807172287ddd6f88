"""What the estimator of shapes learns from: people of a corpus of triples, as they are and mirrored."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32
from torch import Tensor

from countenance.actors.actor import draw_actor
from countenance.actors.figure import in_face, neutral_points
from countenance.actors.head import load_head
from countenance.actors.landmarks import landmark_points
from countenance.actors.triples_files import person_path, read_plan, read_references
from countenance.model.guided.inputs import evened, evenness, sample
from countenance.model.guided.mesh import NUM_POINTS, head_fit
from countenance.model.guided.shape import ShapeEstimator, look_at
from countenance.vision.identity import PartsNet, Recogniser
from tools.base.corpus import FindPoints, found_points
from tools.base.crops import SIZE, crop_around, into_crop, pixels_of
from tools.mirror import mirrored_numbers

IMAGE_AXES = np.array([1, -1, -1], np.float32)
MIRROR = torch.tensor([-1.0, 1, 1])


@dataclass(kw_only=True, slots=True, eq=False)
class People:
    """Everybody twice: first all as they are, then all mirrored."""

    parts: Float[Tensor, "P N F"]
    form: Float[Tensor, "P N 1404"]
    angles_deg: Float[Tensor, "P N 2"]
    at_rest: Float[Tensor, "P 468 3"]
    """As `at_rest_of`."""
    off: Float[Tensor, "P N 468 2"]
    """What would have to be added to the found points in an upright crop, in canonical units."""
    held_out: Bool[Tensor, " P"]

    @property
    def num_faces(self) -> int:
        return self.parts.shape[1]


def at_rest_of(seed: int) -> Float32[np.ndarray, "468 3"]:
    """An actor's points at rest; the face's middle at 0, its root mean square distance from there 1; x right, y down, z
    away from the camera.
    """
    points = neutral_points(draw_actor(seed))
    face = points[in_face()]
    middle = face.mean(axis=0)
    size = np.sqrt(((face - middle) ** 2).sum(axis=1).mean())
    placed = landmark_points(load_head().skin_levels[1].matrix @ ((points - middle) / size))
    return np.asarray(placed * IMAGE_AXES, np.float32)


def fading() -> Float32[np.ndarray, "468"]:
    """How much of the likeness's shape each point of a ground truth takes."""
    head = load_head()
    weight = np.repeat(head.face_weight[:, None], 3, axis=1)
    return np.asarray(landmark_points(head.skin_levels[1].matrix @ weight)[:, 0], np.float32)


def mirrored(points: Float[Tensor, "*B 468 D"]) -> Float[Tensor, "*B 468 D"]:
    """Points, or steps between them, of the mirrored face; across the middle of the axes."""
    order = torch.from_numpy(mirrored_numbers()).long()
    return points[..., order, :] * MIRROR[: points.shape[-1]]


@torch.no_grad()
def read_people(folder: Path, find: FindPoints, seed: int, held_out_every: int) -> People:
    """All people whose references are rendered."""
    plan, recogniser = read_plan(folder), Recogniser()
    rng = torch.Generator().manual_seed(seed)
    rows: list[dict[str, Tensor]] = []
    flips: list[dict[str, Tensor]] = []
    held_out = []
    for person in plan.people:
        if not person_path(folder, person.number).exists():
            continue
        frames = read_references(folder, person).frames
        rgb = torch.from_numpy(frames.rgb).permute(0, 3, 1, 2).contiguous()
        known = torch.from_numpy(frames.landmarks_xy)
        found = found_points(find, rgb, known, rng)
        crop = crop_around(found)
        even = evenness(rgb.float() / 255, torch.from_numpy(np.ascontiguousarray(frames.face_mask)).float() / 255)
        image = evened(sample(rgb.float() / 255, pixels_of(crop)), even)
        known, found = into_crop(known, crop), into_crop(found, crop)
        at_rest = torch.from_numpy(at_rest_of(person.seed))
        rows.append(_row(recogniser, image, found, known, at_rest))
        middle = torch.tensor([SIZE - 1.0, 0, 0]) / 2
        known, found = (
            mirrored(points - middle[: points.shape[2]]) + middle[: points.shape[2]] for points in (known, found)
        )
        flips.append(_row(recogniser, image.flip(3), found, known, mirrored(at_rest)))
        held_out.append(person.number % held_out_every == held_out_every // 2)
    if not rows:
        raise SystemExit(f"nobody is rendered yet in {folder}; make people with `countenance actors triples`")
    both = rows + flips
    stacked = {name: torch.stack([row[name] for row in both]) for name in both[0]}
    return People(**stacked, held_out=torch.tensor(held_out + held_out))


def _row(
    recogniser: Recogniser,
    image: Float[Tensor, "N 3 S S"],
    found: Float[Tensor, "N 468 3"],
    known: Float[Tensor, "N 468 2"],
    at_rest: Float[Tensor, "468 3"],
) -> dict[str, Tensor]:
    parts, form, angles_deg = look_at(PartsNet(recogniser), image, found)
    return {
        "parts": parts,
        "form": form,
        "angles_deg": angles_deg,
        "at_rest": at_rest,
        "off": (known - found[..., :2]) / head_fit(found).scale[:, None, None],
    }


def components(values: Float[Tensor, "N D"], count: int) -> tuple[Float[Tensor, " D"], Float[Tensor, "K D"]]:
    """Mean, and principal components as long as their standard deviation."""
    mean = values.mean(dim=0)
    torch.manual_seed(0)
    _, size, basis = torch.svd_lowrank(values - mean, q=min(count + 20, *values.shape), niter=4)
    return mean, (basis * size / len(values) ** 0.5).T[:count].contiguous()


def begin_estimator(people: People, faces_at_rest: Float[Tensor, "M 468 3"]) -> ShapeEstimator:
    """An estimator that knows what faces look like at rest, and keeps of each face what differs most."""
    estimator = ShapeEstimator()
    kept = ~people.held_out
    for layer, values in ((estimator.look, people.parts[kept]), (estimator.form, people.form[kept])):
        mean, basis = components(values.flatten(0, 1), layer.out_features)
        # In units of the mean component.
        scale = basis.norm(dim=1).square().mean().sqrt() * basis.norm(dim=1, keepdim=True)
        layer.weight.data = basis / scale
        assert layer.bias is not None
        layer.bias.data = -layer.weight.data @ mean
        layer.requires_grad_(False)
    estimator.shape_mean, estimator.shape_basis = components(faces_at_rest.flatten(1), len(estimator.shape_basis))
    estimator.correction_mean, estimator.correction_basis = components(
        people.off[kept].flatten(0, 1).flatten(1), len(estimator.correction_basis)
    )
    estimator.fade = torch.from_numpy(fading())
    assert estimator.fade.shape == (NUM_POINTS,)
    return estimator
