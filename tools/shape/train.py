"""Train the estimator of shapes on rendered people.

    countenance actors triples --people 3000 --performances 1 --seed 2 --size 176 --share-512 0 --output FOLDER
    python -m tools.shape.train --corpus FOLDER --output FOLDER

The corpus may still lack people: those who are there are learned from, one in ten held out.
"""

import argparse
import json
import math
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from safetensors.torch import save as serialised
from torch import Tensor

from countenance.actors.triples_files import read_plan
from countenance.model.guided.mesh import fit
from countenance.model.guided.shape import WEIGHTS_NAME, ShapeEstimator
from countenance.project import write_whole
from countenance.vision.align import CROP_SIDE, canonical_mesh
from tools.base.crops import SIZE
from tools.base.train import find_points
from tools.shape.people import People, at_rest_of, begin_estimator, mirrored, read_people

SEED = 1
HELD_OUT_EVERY = 10
STEPS, BATCH = 3000, 64
NUM_FACES = (1, 2, 4, 8)
LEARNING_RATE, LEAST_RATE, WARM_UP_STEPS = 2e-3, 0.01, 100
WEIGHT_DECAY, NOISE = 0.05, 0.2
"""Noise is added to what is kept of a face, whose components have a spread of about one."""
CORRECTED = 4
"""Faces of a person whose corrections are learned in a step."""
CORRECTION_WEIGHT, LIKELIHOOD_WEIGHT = 1.0, 0.1
UNIT_PX = SIZE / CROP_SIDE
TOLD_EVERY = 500


def train(people: People, faces_at_rest: Float[Tensor, "M 468 3"]) -> ShapeEstimator:
    """An estimator that has learned from the people who aren't held out."""
    torch.manual_seed(SEED)
    rng = torch.Generator().manual_seed(SEED)
    estimator = begin_estimator(people, faces_at_rest).train()
    with torch.no_grad():
        seen = _seen(estimator, people)
    learned = [weights for weights in estimator.parameters() if weights.requires_grad]
    optimizer = torch.optim.AdamW(learned, LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    rows = torch.nonzero(~people.held_out)[:, 0]
    for step in range(STEPS):
        falling = LEAST_RATE + (1 - LEAST_RATE) * (0.5 + 0.5 * math.cos(math.pi * step / STEPS))
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * min((step + 1) / WARM_UP_STEPS, 1) * falling
        who = rows[torch.randint(len(rows), (BATCH,), generator=rng)]
        count = NUM_FACES[int(torch.randint(len(NUM_FACES), (), generator=rng))]
        which = torch.rand((BATCH, people.num_faces), generator=rng).argsort(dim=1)
        faces = seen[who[:, None], which]
        faces = faces + NOISE * torch.randn(faces.shape, generator=rng)
        off = people.off[who[:, None], which[:, :CORRECTED]]
        loss = _loss_at_rest(estimator, people.at_rest[who], faces[:, :count])
        loss = loss + CORRECTION_WEIGHT * _loss_found(estimator, off, faces, count)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if (step + 1) % TOLD_EVERY == 0:
            print(
                json.dumps({"step": step + 1, "loss": round(float(loss.detach()), 3), **check(estimator, people)}),
                flush=True,
            )
    return estimator.eval()


def _seen(estimator: ShapeEstimator, people: People) -> Float[Tensor, "P N D"]:
    faces = zip(people.parts, people.form, people.angles_deg, strict=True)
    return torch.stack([estimator.seen(*face) for face in faces])


def _loss_at_rest(
    estimator: ShapeEstimator, at_rest: Float[Tensor, "B 468 3"], seen: Float[Tensor, "B N D"]
) -> Float[Tensor, ""]:
    """Distance of points at rest in pixels, and how badly errors are foretold."""
    estimate = estimator(seen)
    wrong = estimator.at_rest(estimate) - at_rest
    # Coefficients that would be right: components are orthogonal, as long as their spread.
    basis = estimator.shape_basis
    right = (at_rest.flatten(1) - estimator.shape_mean) @ (basis / basis.square().sum(1, keepdim=True)).T
    variance = estimate.log_variance.exp()
    unlikely = (estimate.log_variance + (estimate.shape.detach() - right).square() / variance).mean() / 2
    distance: Tensor = UNIT_PX * (wrong.square().sum(dim=2) + 1e-6).sqrt().mean()
    total: Tensor = distance + LIKELIHOOD_WEIGHT * unlikely
    return total


def _loss_found(
    estimator: ShapeEstimator, off: Float[Tensor, "B C 468 2"], seen: Float[Tensor, "B N D"], count: int
) -> Float[Tensor, ""]:
    """Distance in pixels that is left in the first faces; as many of the last say what the person looks like."""
    faces = seen[:, : off.shape[1]]
    person = seen[:, -count:].mean(dim=1, keepdim=True).expand_as(faces)
    left = off - estimator.corrections(faces, person)
    distance: Tensor = UNIT_PX * (left.square().sum(dim=3) + 1e-6).sqrt().mean()
    return distance


@torch.no_grad()
def check(estimator: ShapeEstimator, people: People) -> dict[str, dict[str, float]]:
    """On people held out, as they are, by how many of their faces are given; pixels of a crop of `SIZE`.

    `move`: what is left of what separates two people, across and down. `found`: mean error of found points, corrected.
    For the count of faces given, all of a person's are corrected.
    """
    before = estimator.training
    estimator.eval()
    rows = torch.nonzero(people.held_out[: len(people.held_out) // 2])[:, 0]
    seen = _seen(estimator, people)[rows]
    one, other = torch.triu_indices(len(rows), len(rows), 1)
    true, off = people.at_rest[rows], people.off[rows]

    def apart(values: Tensor) -> float:
        return round(UNIT_PX * float((values[one] - values[other])[..., :2].norm(dim=-1).mean()), 3)

    def distance(steps: Tensor) -> float:
        return round(UNIT_PX * float(steps.norm(dim=-1).mean()), 3)

    constant = estimator.correction_mean.reshape(-1, 2)
    said = {
        "nothing": {"move": apart(true), "found": distance(off)},
        "everybody's mean": {"found": distance(off - constant)},
    }
    for count in NUM_FACES:
        which = torch.linspace(0, people.num_faces - 1, count + 2).round().long()[1:-1]
        given = seen[:, which if count < people.num_faces else torch.arange(people.num_faces)]
        estimate = estimator(given)
        left = off - estimator.corrections(seen, given.mean(dim=1, keepdim=True).expand_as(seen))
        wrong = estimator.at_rest(estimate) - true
        error = UNIT_PX * wrong[..., :2].square().sum(dim=2).mean(dim=1).sqrt()
        foretold = UNIT_PX * estimator.unsure(estimate)
        said[f"{count} faces"] = {
            "move": apart(wrong),
            "found": distance(left),
            "error": round(float(error.mean()), 3),
            "foretold": round(float(foretold.mean()), 3),
            "correlation": round(float(torch.corrcoef(torch.stack([error, foretold]))[0, 1]), 2),
        }
    estimator.train(before)
    return said


def _into_found_axes(at_rest: Float[Tensor, "M 468 3"], people: People) -> Float[Tensor, "M 468 3"]:
    """Faces at rest laid as one onto the mean of the meshes found of these people."""
    found = people.form.mean(dim=(0, 1)).reshape(-1, 3) + torch.from_numpy(canonical_mesh())
    pose = fit(people.at_rest.mean(dim=0)[None], found[None])
    return pose.scale * (at_rest @ pose.rotation[0].T) + pose.shift


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    options.output.mkdir(parents=True, exist_ok=True)
    people = read_people(options.corpus, find_points(torch.device("cpu")), SEED, HELD_OUT_EVERY)
    # What faces look like at rest is known without rendering them.
    plan = read_plan(options.corpus)
    known = [
        torch.from_numpy(at_rest_of(person.seed))
        for person in plan.people
        if person.number % HELD_OUT_EVERY != HELD_OUT_EVERY // 2
    ]
    faces = torch.stack(known)
    faces = _into_found_axes(torch.cat([faces, mirrored(faces)]), people)
    people.at_rest = _into_found_axes(people.at_rest, people)
    print(json.dumps({"people": len(people.at_rest) // 2, "held out": int(people.held_out.sum()) // 2}), flush=True)
    estimator = train(people, faces)
    weights = {name: value.half().contiguous() for name, value in estimator.state_dict().items()}
    write_whole(options.output / WEIGHTS_NAME, serialised(weights))
    estimator.load_state_dict({name: value.float() for name, value in weights.items()})
    (options.output / "measured.json").write_text(json.dumps(check(estimator, people), indent=1) + "\n")
    print(np.round(options.output.joinpath(WEIGHTS_NAME).stat().st_size / 1e6, 1), "MB")


if __name__ == "__main__":
    main()
