"""How near drawn faces come to the likeness where nobody knows the ground truth.

Held-out pairs don't tell: they go on falling while what is drawn on the performer gets worse (docs/train.md).
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from countenance.model.guided.drawing import draw
from countenance.model.guided.inputs import sample, uneven
from countenance.model.guided.network import Generator
from countenance.model.guided.pairs import Material, draw_maps
from countenance.model.guided.shape import chip_grid
from countenance.model.guided.sources import CONTROL_SIZE, pixels
from countenance.vision.identity import Recogniser

NUM_FACES, AT_ONCE = 24, 4
SEED = 7
"""Of the small changes of what is given: the same faces are drawn in the same way each time."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Probe:
    """The performer's faces that are drawn onto, and what both people look like to the recogniser."""

    rows: Int[Tensor, " N"]
    likeness: Float[Tensor, " E"]
    performer: Float[Tensor, " E"]


@torch.no_grad()
def probe_of(material: Material, recogniser: Recogniser) -> Probe:
    """Faces spread over all."""
    pairs, plates = material.pairs, material.plates
    shown, rows = _spread(len(pairs.truth)), _spread(len(plates.given))
    performers = pixels(plates.mesh[rows], CONTROL_SIZE)[..., :2]
    return Probe(
        rows=rows,
        likeness=_mean(_embedded(recogniser, pairs.truth[shown].float() / 255, pairs.known[shown])),
        performer=_mean(_embedded(recogniser, plates.given[rows].float() / 255, performers)),
    )


@torch.no_grad()
def margin_of(generator: Generator, probe: Probe, material: Material, recogniser: Recogniser) -> float:
    """How much nearer to the likeness than to the performer the faces are that a generator draws onto the performer.

    The difference of mean cosine distances; it doesn't depend on anything random.
    """
    rng, apart = torch.Generator().manual_seed(SEED), list[Tensor]()
    for rows in torch.split(probe.rows, AT_ONCE):
        maps, even, _ = draw_maps(material.plates, material.sources, rows, rng)
        drawn = uneven(draw(generator, maps, bf16=False).result, even)
        points = pixels(material.plates.mesh[rows], CONTROL_SIZE)[..., :2]
        embedding = _embedded(recogniser, drawn.clamp(0, 1), points)
        apart.append(embedding @ (probe.likeness - probe.performer))
    return float(torch.cat(apart).mean())


def _spread(count: int) -> Int[Tensor, " N"]:
    return torch.linspace(0, count - 1, min(NUM_FACES, count)).long()


def _embedded(
    recogniser: Recogniser, rgb: Float[Tensor, "B 3 S S"], points: Float[Tensor, "B 468 2"]
) -> Float[Tensor, "B E"]:
    """Of length 1."""
    chips = sample(rgb, chip_grid(points)) * 255
    return F.normalize(recogniser(chips), dim=1)


def _mean(embeddings: Float[Tensor, "B E"]) -> Float[Tensor, " E"]:
    return F.normalize(embeddings.mean(dim=0), dim=0)
