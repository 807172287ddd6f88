"""From what the generator is given to a face: align, mix, paste."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from countenance.model.guided.inputs import places_along, ratio_image, sample
from countenance.model.guided.network import ALIGNED, CHANNELS, NUM_REFERENCES, SOURCES, Control, Generator

TRAVELS_WITH = {
    "moved": ("moved",),
    "atlas": ("atlas", "atlas confidence", "own atlas"),
    **{f"reference {n + 1}": (f"reference {n + 1}", f"coverage {n + 1}") for n in range(NUM_REFERENCES)},
}
"""What is sampled along each flow."""
MASK_BIAS = 2.5


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Mixed:
    """A batch of faces in even light."""

    result: Float[Tensor, "B 3 S S"]
    """The plate with the drawn face."""
    face: Float[Tensor, "B 3 S S"]
    mask: Float[Tensor, "B 1 S S"]
    flows: Float[Tensor, "B A 2 s s"]
    control: Control


def split(maps: Float[Tensor, "B C S S"]) -> dict[str, Tensor]:
    """Maps by their names."""
    return dict(zip(CHANNELS, torch.split_with_sizes(maps, list(CHANNELS.values()), dim=1), strict=True))


def stacked(parts: Mapping[str, Tensor]) -> Float[Tensor, "B C S S"]:
    """Maps in the order of `CHANNELS`."""
    return torch.cat([parts[name] for name in CHANNELS], dim=1)


def aligned(parts: Mapping[str, Tensor], flows: Float[Tensor, "B A 2 s s"]) -> dict[str, Tensor]:
    """Maps with all sources sampled where they belong, by flows in their pixels; the ratio is made of them again."""
    result = dict(parts)
    for name, places in zip(ALIGNED, places_along(flows, parts["plate"].shape[2]), strict=True):
        names = TRAVELS_WITH[name]
        moved = sample(torch.cat([parts[each] for each in names], dim=1), places)
        separate = torch.split_with_sizes(moved, [CHANNELS[each] for each in names], dim=1)
        result.update(zip(names, separate, strict=True))
    result["ratio"] = ratio_image(result["moved"], result["atlas"], result["own atlas"], result["inside"])
    return result


def draw(generator: Generator, maps: Float[Tensor, "B C S S"], *, bf16: bool) -> Mixed:
    """The faces of a batch, at the size at which the generator works."""
    return mixed(*control_of(generator, split(maps), bf16=bf16))


def control_of(
    generator: Generator, parts: Mapping[str, Tensor], *, bf16: bool
) -> tuple[dict[str, Tensor], Float[Tensor, "B A 2 s s"], Control]:
    """Maps aligned by the generator's flows, the flows, and what else it decides."""
    device = parts["plate"].device.type
    with torch.autocast(device, torch.bfloat16, enabled=bf16):
        flows = generator.flows(_seen(parts))
    result = aligned(parts, flows)
    with torch.autocast(device, torch.bfloat16, enabled=bf16):
        control = generator.mix(_seen(result))
    return result, flows, control


def enlarged(flows: Float[Tensor, "B A 2 s s"], control: Control, factor: int) -> tuple[Tensor, Control]:
    """The same decisions for maps that are `factor` times as large."""

    def larger(image: Tensor) -> Tensor:
        return F.interpolate(image, scale_factor=float(factor), mode="bilinear", align_corners=False)

    return factor * flows, Control(
        weights=larger(control.weights),
        gain=larger(control.gain),
        offset=larger(control.offset),
        residual=larger(control.residual),
        mask_logit=larger(control.mask_logit),
    )


def mixed(parts: Mapping[str, Tensor], flows: Float[Tensor, "B A 2 s s"], control: Control) -> Mixed:
    """Aligned maps and decisions of the same size, as faces."""
    inside, moved = parts["inside"], parts["moved"]
    offset = control.offset.reshape(len(inside), -1, 3, *inside.shape[2:])
    sources = []
    for name in SOURCES:
        source = parts[name]
        if name == "atlas" or name.startswith("reference"):
            number = 0 if name == "atlas" else int(name.split()[1])
            source = (source - 0.5) * control.gain[:, number : number + 1] + 0.5 + offset[:, number]
            source = torch.lerp(moved, source, inside)
        sources.append(source)
    face = (control.weights[:, :, None] * torch.stack(sources, dim=1)).sum(dim=1) + control.residual
    mask = torch.sigmoid(control.mask_logit + MASK_BIAS * (2 * inside - 1))
    return Mixed(result=torch.lerp(parts["plate"], face, mask), face=face, mask=mask, flows=flows, control=control)


def _seen(parts: Mapping[str, Tensor]) -> Float[Tensor, "B C S S"]:
    return (2 * stacked(parts) - 1).contiguous(memory_format=torch.channels_last)
