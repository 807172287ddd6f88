"""From what the generator is given to a face."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from countenance.model.guided.network import CHANNELS, Control, Generator

MASK_BIAS = 2.5


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Mixed:
    """A batch of faces in even light."""

    plate: Float[Tensor, "B 3 S S"]
    face: Float[Tensor, "B 3 S S"]
    mask: Float[Tensor, "B 1 S S"]

    @property
    def result(self) -> Float[Tensor, "B 3 S S"]:
        """The plate with the drawn face."""
        return torch.lerp(self.plate, self.face, self.mask)


def split(maps: Float[Tensor, "B C S S"]) -> dict[str, Tensor]:
    """Maps by their names."""
    return dict(zip(CHANNELS, torch.split_with_sizes(maps, list(CHANNELS.values()), dim=1), strict=True))


def stacked(parts: Mapping[str, Tensor]) -> Float[Tensor, "B C S S"]:
    """Maps in the order of `CHANNELS`."""
    return torch.cat([parts[name] for name in CHANNELS], dim=1)


def draw(generator: Generator, maps: Float[Tensor, "B C S S"], *, bf16: bool) -> Mixed:
    """The faces of a batch, at the size at which the generator works."""
    parts = split(maps)
    return mixed(parts["plate"], parts["moved"], parts["inside"], control_of(generator, maps, bf16=bf16))


def control_of(generator: Generator, maps: Float[Tensor, "B C S S"], *, bf16: bool) -> Control:
    """What the generator decides about maps in 0–1."""
    with torch.autocast(maps.device.type, torch.bfloat16, enabled=bf16):
        control: Control = generator((2 * maps - 1).contiguous(memory_format=torch.channels_last))
    return control


def larger(image: Float[Tensor, "B C s s"], factor: int) -> Float[Tensor, "B C S S"]:
    """An image `factor` times as large, bilinear."""
    if factor == 1:
        return image
    return F.interpolate(image, scale_factor=float(factor), mode="bilinear", align_corners=False)


def enlarged(control: Control, factor: int) -> Control:
    """The same decisions for maps that are `factor` times as large."""
    return Control(
        share=larger(control.share, factor),
        residual=larger(control.residual, factor),
        mask_logit=larger(control.mask_logit, factor),
    )


def row_of(control: Control, number: int) -> Control:
    """Of one face of a batch."""
    one = slice(number, number + 1)
    return Control(share=control.share[one], residual=control.residual[one], mask_logit=control.mask_logit[one])


def mixed(
    plate: Float[Tensor, "B 3 S S"], moved: Float[Tensor, "B 3 S S"], inside: Float[Tensor, "B 1 S S"], control: Control
) -> Mixed:
    """Maps and decisions of the same size, as faces."""
    face = torch.lerp(plate, moved, control.share) + control.residual
    mask = torch.sigmoid(control.mask_logit + MASK_BIAS * (2 * inside - 1))
    return Mixed(plate=plate, face=face, mask=mask)
