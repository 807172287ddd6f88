"""How the generator decides on this machine: in the fastest way that draws the same faces.

In 8 bits where the processor has the instructions, faces enough are known to measure ranges by, and faces drawn so are
those of float32 as far as anybody sees; else in float32. It is decided anew for every pair, by faces of the performer.
"""

import logging
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from countenance.model.guided.drawing import mixed, split, stacked
from countenance.model.guided.inputs import parts_of, spread_out
from countenance.model.guided.network import Control, Generator
from countenance.model.guided.sources import Sources, nearest
from countenance.vision.runtime import Runner, compiled, in_8_bits, multiplies_8_bits

_log = logging.getLogger(__name__)

NUM_FACES, FEWEST_FACES = 12, 6
"""Of the performer's references: by half of them ranges are measured, by the others what they bring about is judged."""
MOST_OFF = 1.5 / 255
"""Root mean square over drawn faces, 0–1 in even light, from which on 8 bits aren't good enough."""


class Decisions(nn.Module):
    """The generator as a net of one output, from maps in 0–1."""

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, maps: Float[Tensor, "B C S S"]) -> Float[Tensor, "B 5 S S"]:
        control = self.generator(2 * maps - 1)
        return torch.cat([control.share, control.residual, control.mask_logit], dim=1)


def control_from(decisions: Float[Tensor, "B 5 S S"]) -> Control:
    """What `Decisions` gives, by name."""
    share, residual, mask_logit = torch.split_with_sizes(decisions, [1, 3, 1], dim=1)
    return Control(share=share, residual=residual, mask_logit=mask_logit)


@torch.inference_mode()
def runner_of(generator: Generator, sources: Sources, *, may_round: bool) -> Runner:
    """What runs `Decisions` here; in float32 unless it `may_round`."""
    maps = _maps_of(sources)
    net = Decisions(generator)
    if may_round and multiplies_8_bits() and len(maps) >= FEWEST_FACES:
        rounded, judged = in_8_bits(net, maps[::2]), maps[1::2]
        off = float((_drawn(rounded, judged) - _drawn(net, judged)).square().mean().sqrt())
        _log.info("in 8 bits faces are %.2f of 255 off, %.2f are allowed", 255 * off, 255 * MOST_OFF)
        if off <= MOST_OFF:
            return rounded
    return compiled(net, maps[:1])


def _maps_of(sources: Sources) -> Float[Tensor, "N C S S"]:
    """What the generator is given of faces of the performer that differ."""
    performer = sources.performer
    chosen = spread_out(performer.feature, NUM_FACES)
    rgb, mesh = performer.pixels[chosen, :3], performer.mesh[chosen]
    return stacked(parts_of(*sources.given(rgb, mesh, mesh, nearest(sources.apart(mesh)))))


def _drawn(decide: Callable[[Tensor], Tensor], maps: Float[Tensor, "B C S S"]) -> Float[Tensor, "B 3 S S"]:
    parts = split(maps)
    return mixed(parts["plate"], parts["moved"], parts["inside"], control_from(decide(maps))).result
