import torch

from countenance.model.guided.drawer import load_base
from countenance.model.guided.margin import margin_of, probe_of
from countenance.model.guided.network import Control, Generator
from countenance.model.guided.pairs import Material
from countenance.vision.identity import Recogniser


class Untouched(Generator):
    """Leaves the plate as it is."""

    def forward(self, maps: torch.Tensor) -> Control:
        zeros = torch.zeros_like(maps[:, :1])
        return Control(share=zeros, residual=zeros.expand(-1, 3, -1, -1), mask_logit=zeros)


def test_the_base_comes_nearer_to_the_likeness_than_the_untouched_plate(material: Material) -> None:
    recogniser = Recogniser()
    probe = probe_of(material, recogniser)
    base, untouched = (margin_of(each.eval(), probe, material, recogniser) for each in (load_base()[0], Untouched()))
    assert untouched < 0 < base
    assert margin_of(load_base()[0].eval(), probe, material, recogniser) == base
