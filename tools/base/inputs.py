"""What the generator is given of a pair: one target mesh, and all images of both people drawn into it.

The target mesh is the one found in the plate, corrected for the performer and moved by what separates both people's
shapes. These are estimated from their references, as in a production: none of the people is one that the estimator has
learned from.
"""

from dataclasses import dataclass, replace
from functools import cache

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from countenance.model.guided.drawing import split, stacked
from countenance.model.guided.inputs import (
    ATLAS_FACES,
    View,
    draw_given,
    evened,
    fused,
    parts_of,
    sample,
    spread_out,
    surface_of,
)
from countenance.model.guided.losses import Batch
from countenance.model.guided.mesh import (
    ATLAS_SIZE,
    EYES_AND_LIPS,
    NUM_EXTENDED,
    Raster,
    extended,
    head_fit,
    moved_by,
    rasterise,
    with_ring_of,
)
from countenance.model.guided.network import NUM_REFERENCES
from countenance.model.guided.shape import ShapeEstimator
from tools.base.corpus import Corpus
from tools.base.crops import SIZE, crop_of, into_crop, pixels_of
from tools.mirror import mirrored_numbers

NUM_NEAR = 10
"""References among which the generator's are drawn."""
MOST_FACES = (None, 6)
"""Of each pair two variants: shapes estimated from all references, or from so few at most."""
LIGHT_SHIFT, MAX_NOISE = 0.03, 0.05
RASTER_BATCH = 16
OF_VARIANTS = ("triangle", "weights", "target", "crop")
"""What `Prepared` holds of each variant of a pair."""


@dataclass(kw_only=True, slots=True, eq=False)
class Prepared:
    """What is computed once for each pair and each person; rows as in the corpus."""

    triangle: Int[Tensor, "P V S S"]
    weights: Float[Tensor, "P V S S 2"]
    target: Float[Tensor, "P V E 3"]
    """The target mesh in the crop's pixels."""
    crop: Float[Tensor, "P V 5"]
    """As `crops.crop_of`."""
    near: Int[Tensor, "P K"]
    """Frames of the likeness that are nearest in pose and expression, nearest first."""
    atlas: Float[Tensor, "M 4 A A"]
    """By person: colour in even light, and confidence."""
    num_frames: int
    """Of the corpus when this was prepared."""


def in_parts(rows: Int[Tensor, " N"], size: int) -> list[Int[Tensor, " n"]]:
    """Some rows at a time."""
    return [rows[start : start + size] for start in range(0, len(rows), size)]


@torch.no_grad()
def prepare(corpus: Corpus, estimator: ShapeEstimator, before: Prepared | None, rng: torch.Generator) -> Prepared:
    """Prepare the pairs that are new, and everybody's atlas and nearest faces."""
    device, start = corpus.rgb.device, len(before.near) if before else 0
    rows = torch.arange(start, len(corpus.given), device=device)
    made: dict[str, list[Tensor]] = {name: [getattr(before, name)] if before else [] for name in OF_VARIANTS}
    for part in in_parts(rows, RASTER_BATCH):
        variants = [_variant(corpus, estimator, part, most_faces, rng) for most_faces in MOST_FACES]
        for name, parts in made.items():
            parts.append(torch.stack([each[name] for each in variants], dim=1))
    joined = {name: torch.cat(each) for name, each in made.items()}
    near = [_near(corpus, part) for part in in_parts(torch.arange(len(corpus.given), device=device), 4096)]
    return Prepared(**joined, near=torch.cat(near), atlas=atlases(corpus, before), num_frames=len(corpus.rgb))


def _variant(
    corpus: Corpus, estimator: ShapeEstimator, rows: Int[Tensor, " B"], most_faces: int | None, rng: torch.Generator
) -> dict[str, Tensor]:
    given, truth = corpus.given[rows], corpus.truth[rows]
    shapes = [
        torch.stack([_at_rest(corpus, estimator, person, most_faces, rng) for person in corpus.person[frames].tolist()])
        for frames in (truth, given)
    ]
    move = estimator.fade[:, None] * (shapes[0] - shapes[1])
    return moved_mesh(corpus.found[given], corpus.mesh[given], move, rng)


def _at_rest(
    corpus: Corpus, estimator: ShapeEstimator, person: int, most_faces: int | None, rng: torch.Generator
) -> Float[Tensor, "468 3"]:
    """A person's face at rest, estimated from their references."""
    rows = torch.nonzero((corpus.person == person) & (corpus.take < 0))[:, 0]
    if most_faces is not None:
        order = torch.rand(len(rows), generator=rng, device=rng.device).argsort()
        rows = rows[order[: int(torch.randint(1, most_faces + 1, (), generator=rng, device=rng.device))]]
    return estimator.at_rest(estimator(corpus.seen[rows][None]))[0]


def moved_mesh(
    found: Float[Tensor, "B 468 3"],
    mesh: Float[Tensor, "B 468 3"],
    move: Float[Tensor, "B 468 3"],
    rng: torch.Generator,
) -> dict[str, Tensor]:
    """The corrected mesh moved, in a crop by the found one, and what it shows there."""
    pose = head_fit(found)
    target = mesh + moved_by(move, pose)
    crop = crop_of(pose, torch.rand((len(found), 3), generator=rng, device=found.device) * 2 - 1)
    in_crop = into_crop(with_ring_of(mesh, target), crop)
    raster = rasterise(in_crop, SIZE)
    return {
        "triangle": raster.triangle.to(torch.int16),
        "weights": raster.weights[..., :2].half(),
        "target": in_crop,
        "crop": crop,
    }


def _near(corpus: Corpus, rows: Int[Tensor, " B"]) -> Int[Tensor, "B K"]:
    given, truth = corpus.given[rows], corpus.truth[rows]
    apart = torch.cdist(corpus.feature[given], corpus.feature)
    usable = corpus.is_reference[None] & (corpus.person[None] == corpus.person[truth][:, None])
    usable &= corpus.take[None] != corpus.take[truth][:, None]
    near = torch.where(usable, apart, torch.full_like(apart, torch.inf)).topk(NUM_NEAR, dim=1, largest=False)
    return torch.where(near.values < torch.inf, near.indices, near.indices[:, :1])


@torch.no_grad()
def atlases(corpus: Corpus, before: Prepared | None) -> Float[Tensor, "M 4 A A"]:
    """Of every person: spread faces unrolled and fused, those that see a place best counting most."""
    device = corpus.rgb.device
    result = torch.zeros((int(corpus.person.max()) + 1, 4, ATLAS_SIZE, ATLAS_SIZE), device=device)
    seen = before.num_frames if before else 0
    if before is not None:
        result[: len(before.atlas)] = before.atlas
    # Only of references: a take's frames would show the ground truth of its own pairs.
    for person in sorted(set(corpus.person[seen:][corpus.take[seen:] < 0].tolist())):
        rows = torch.nonzero((corpus.person == person) & (corpus.take < 0))[:, 0]
        chosen = rows[spread_out(corpus.feature[rows], ATLAS_FACES)]
        result[person] = fused(
            corpus.rgb[chosen].float() / 255,
            corpus.face[chosen].float() / 255,
            corpus.mesh[chosen],
            corpus.even[chosen],
        )
    return result


@dataclass(frozen=True, kw_only=True, slots=True)
class Augmentation:
    """Random changes of a batch, or none."""

    rng: torch.Generator
    on: bool

    def draw(self, *shape: int) -> Tensor:
        """Uniform in 0–1."""
        return torch.rand(shape, generator=self.rng, device=self.rng.device)

    def light(self, even: Float[Tensor, "B 4"]) -> Float[Tensor, "B 4"]:
        """Statistics of a face slightly wrong, so that its colours in even light are."""
        if not self.on:
            return even
        shift = LIGHT_SHIFT * (2 * self.draw(len(even), 3) - 1)
        return torch.cat(
            [even[:, :3] + shift, even[:, 3:] * torch.exp(0.15 * (2 * self.draw(len(even), 1) - 1))], dim=1
        )

    def tint(self, image: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 3 H W"]:
        """Another colour."""
        return image + 2 * LIGHT_SHIFT * (2 * self.draw(len(image), 3, 1, 1) - 1) if self.on else image

    def soften(self, *images: Float[Tensor, "B 3 H W"], often: float) -> list[Float[Tensor, "B 3 H W"]]:
        """Some of the batch blurred, all images alike."""
        if not self.on:
            return list(images)
        size = len(images[0])
        share = (self.draw(size, 1, 1, 1) < often) * self.draw(size, 1, 1, 1)
        padded = [F.pad(image, (1, 1, 1, 1), mode="replicate") for image in images]
        return [torch.lerp(image, F.avg_pool2d(wide, 3, 1), share) for image, wide in zip(images, padded, strict=True)]

    def noise(self, image: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 3 H W"]:
        """Some of the batch with noise."""
        if not self.on:
            return image
        size = len(image)
        strength = MAX_NOISE * (self.draw(size, 1, 1, 1) < 0.4) * self.draw(size, 1, 1, 1)
        return image + strength * torch.randn(image.shape, generator=self.rng, device=image.device)

    def choose(self, near: Int[Tensor, "B K"]) -> Int[Tensor, "B R"]:
        """References: the nearest, and in half of an augmented batch any of the near ones."""
        first = torch.arange(NUM_REFERENCES, device=near.device).expand(len(near), -1)
        if not self.on:
            return near.gather(1, first)
        some = self.draw(*near.shape).argsort(dim=1)[:, :NUM_REFERENCES].sort(dim=1).values
        return near.gather(1, torch.where(self.draw(len(near), 1) < 0.5, first, some))


def view_of(prepared: Prepared, rows: Int[Tensor, " B"], variant: Int[Tensor, " B"]) -> View:
    """The crops of some pairs."""
    two = prepared.weights[rows, variant].float()
    weights = torch.cat([two, 1 - two.sum(dim=3, keepdim=True)], dim=3)
    raster = Raster(triangle=prepared.triangle[rows, variant].long(), weights=weights)
    return View(
        raster=raster,
        inside=(raster.triangle >= 0).float()[:, None],
        where=pixels_of(prepared.crop[rows, variant]),
    )


@torch.no_grad()
def make_batch(
    corpus: Corpus,
    prepared: Prepared,
    rows: Int[Tensor, " B"],
    variant: Int[Tensor, " B"],
    augmentation: Augmentation,
) -> Batch:
    """The inputs of some pairs, and their ground truths."""
    given, truth = corpus.given[rows], corpus.truth[rows]
    view, target, crop = view_of(prepared, rows, variant), prepared.target[rows, variant], prepared.crop[rows, variant]
    even = augmentation.light(corpus.even[given])
    frame, true_frame = (evened(corpus.rgb[frames].float() / 255, even) for frames in (given, truth))
    chosen = augmentation.choose(prepared.near[rows]).unbind(dim=1)
    drawn = draw_given(
        frame,
        corpus.mesh[given],
        (into_crop(extended(corpus.mesh[given]), crop), target),
        (prepared.atlas[corpus.person[truth]], prepared.atlas[corpus.person[given]][:, :3]),
        [_reference(corpus, each, augmentation) for each in chosen],
        view,
    )
    true = sample(true_frame, view.where)
    plate, moved, true = augmentation.soften(drawn.plate, drawn.moved, true, often=0.3)
    sources = replace(
        drawn,
        plate=augmentation.noise(plate),
        moved=augmentation.noise(moved),
        atlas=torch.cat([augmentation.tint(drawn.atlas[:, :3]), drawn.atlas[:, 3:]], dim=1),
        own_atlas=augmentation.tint(drawn.own_atlas),
        references=tuple(
            (augmentation.soften(image, often=0.2)[0] * view.inside, cover) for image, cover in drawn.references
        ),
    )
    faces = torch.stack([corpus.face[given], corpus.face[truth]], dim=1).float() / 255
    (important,) = view.drawn(_important(even.device).expand(len(rows), -1, -1))
    return Batch(
        maps=stacked(parts_of(sources, view)),
        truth=true,
        region=sample(faces, view.where).amax(dim=1, keepdim=True),
        features=(2 * important).clamp(0, 1),
        even=even,
        known=into_crop(corpus.known[truth], crop),
    )


def _reference(
    corpus: Corpus, frames: Int[Tensor, " B"], augmentation: Augmentation
) -> tuple[Float[Tensor, "B 4 H W"], Float[Tensor, "B E 3"]]:
    """Faces and where they are seen, with their meshes' surfaces."""
    rgb = evened(corpus.rgb[frames].float() / 255, augmentation.light(corpus.even[frames]))
    return torch.cat([rgb, corpus.face[frames, None].float() / 255], dim=1), surface_of(corpus.mesh[frames])


@cache
def _important(device: torch.device) -> Float[Tensor, "1 E 1"]:
    important = torch.zeros((1, NUM_EXTENDED, 1), device=device)
    important[:, list(EYES_AND_LIPS)] = 1
    return important


def flipped(batch: Batch, which: Bool[Tensor, " B"]) -> Batch:
    """Some of a batch mirrored."""

    def mirror(image: Tensor) -> Tensor:
        return torch.where(which[:, None, None, None], image.flip(3), image)

    parts = split(mirror(batch.maps))
    # Beside the mesh a place is 0; what has a sign is in the middle of its range there.
    for name, shown in (("place", parts["inside"] > 0), ("move", 1), ("normal", 1), ("own normal", 1)):
        across, others = parts[name][:, :1], parts[name][:, 1:]
        across = torch.where(which[:, None, None, None], (1 - across) * shown, across)
        parts[name] = torch.cat([across, others], dim=1)
    known = batch.known.clone()
    known[..., 0] = torch.where(which[:, None], SIZE - 1 - known[..., 0], known[..., 0])
    # The mirrored left eye is a right eye.
    order = torch.from_numpy(mirrored_numbers()).long().to(known.device)
    return Batch(
        maps=stacked(parts),
        truth=mirror(batch.truth),
        region=mirror(batch.region),
        features=mirror(batch.features),
        even=batch.even,
        known=torch.where(which[:, None, None], known[:, order], known),
    )
