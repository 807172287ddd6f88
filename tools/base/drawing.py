"""From maps to a face: align, mix, paste; and what the result is judged by."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from countenance.bench.judge.metrics import InnerRecogniser
from tools.base.corpus import sample
from tools.base.inputs import SIZE, Batch, chip_grid, transferred, uneven
from tools.base.network import ALIGNED, CHANNELS, NUM_REFERENCES, SOURCES, Control, Generator

TRAVELS_WITH = {
    "moved": ("moved",),
    "atlas": ("atlas", "atlas confidence", "own atlas"),
    **{f"reference {n + 1}": (f"reference {n + 1}", f"coverage {n + 1}") for n in range(NUM_REFERENCES)},
}
"""What is sampled along each flow."""
MASK_BIAS = 2.5


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Drawn:
    """A batch of results in even light."""

    result: Float[Tensor, "B 3 S S"]
    """The plate with the drawn face."""
    face: Float[Tensor, "B 3 S S"]
    mask: Float[Tensor, "B 1 S S"]
    flows: Float[Tensor, "B A 2 s s"]
    control: Control


def split(maps: Float[Tensor, "B C S S"]) -> dict[str, Tensor]:
    """Maps by their names."""
    return dict(zip(CHANNELS, torch.split_with_sizes(maps, list(CHANNELS.values()), dim=1), strict=True))


def aligned(maps: Float[Tensor, "B C S S"], flows: Float[Tensor, "B A 2 s s"]) -> Float[Tensor, "B C S S"]:
    """Sources sampled where they belong; the ratio is made of them again."""
    parts = split(maps)
    size = maps.shape[2]
    line = torch.arange(size, device=maps.device, dtype=torch.float32)
    y, x = torch.meshgrid(line, line, indexing="ij")
    places = torch.stack([x, y], dim=2)
    fine = F.interpolate(flows.flatten(1, 2), size=(size, size), mode="bilinear", align_corners=False)
    for name, flow in zip(ALIGNED, fine.reshape(len(maps), len(ALIGNED), 2, size, size).unbind(dim=1), strict=True):
        names = TRAVELS_WITH[name]
        moved = sample(torch.cat([parts[each] for each in names], dim=1), places + flow.permute(0, 2, 3, 1))
        parts.update(zip(names, torch.split_with_sizes(moved, [CHANNELS[each] for each in names], dim=1), strict=True))
    ratio = transferred(parts["moved"], parts["atlas"], parts["own atlas"])
    parts["ratio"] = torch.where(parts["inside"] > 0, ratio, parts["moved"])
    return torch.cat([parts[name] for name in CHANNELS], dim=1)


def draw(generator: Generator, maps: Float[Tensor, "B C S S"], *, bf16: bool) -> Drawn:
    """The faces of a batch."""
    with torch.autocast(maps.device.type, torch.bfloat16, enabled=bf16):
        flows = generator.flows(_seen(maps))
    maps = aligned(maps, flows)
    with torch.autocast(maps.device.type, torch.bfloat16, enabled=bf16):
        control = generator.mix(_seen(maps))
    parts = split(maps)
    inside, moved = parts["inside"], parts["moved"]
    offset = control.offset.reshape(len(maps), -1, 3, *maps.shape[2:])
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
    return Drawn(result=torch.lerp(parts["plate"], face, mask), face=face, mask=mask, flows=flows, control=control)


def _seen(maps: Float[Tensor, "B C S S"]) -> Float[Tensor, "B C S S"]:
    return (2 * maps - 1).contiguous(memory_format=torch.channels_last)


def ssim_map(one: Float[Tensor, "B 3 S S"], other: Float[Tensor, "B 3 S S"]) -> Float[Tensor, "B 1 S S"]:
    """Structural similarity in windows of seven pixels, colours mean 0.5 and spread about 0.2."""

    def mean(image: Tensor) -> Tensor:
        return F.avg_pool2d(F.pad(image, (3, 3, 3, 3), mode="reflect"), 7, 1)

    a, b = mean(one), mean(other)
    va, vb, vab = mean(one * one) - a * a, mean(other * other) - b * b, mean(one * other) - a * b
    similar = (
        (2 * a * b + 1e-4) * (2 * vab + 9e-4) / ((a * a + b * b + 1e-4) * (va.clamp_min(0) + vb.clamp_min(0) + 9e-4))
    )
    return similar.mean(dim=1, keepdim=True)


def steps_of(image: Float[Tensor, "B C S S"]) -> Float[Tensor, "B C2 S S"]:
    """Differences to the neighbours to the right and below."""
    return torch.cat([F.pad(image.diff(dim=3), (0, 1)), F.pad(image.diff(dim=2), (0, 0, 0, 1))], dim=1)


def perceived(
    recogniser: InnerRecogniser, rgb: Float[Tensor, "B 3 S S"], grid: Float[Tensor, "B h w 2"], *, bf16: bool
) -> tuple[tuple[Tensor, Tensor, Tensor], Tensor]:
    """Inner features and embedding of faces in 0–1."""
    chips = sample(rgb.clamp(-0.2, 1.2), grid) * 255
    with torch.autocast(rgb.device.type, torch.bfloat16, enabled=bf16):
        features, embedding = recogniser.look(chips.contiguous(memory_format=torch.channels_last))
    return features, embedding.float()


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Judged:
    """Terms of the loss, and what they are made of, each with a row a face."""

    colour: Float[Tensor, " B"]
    ssim: Float[Tensor, " B"]
    detail: Float[Tensor, " B"]
    perceptual: Float[Tensor, " B"]
    identity: Float[Tensor, " B"]
    """Distance between embeddings."""


def judged(recogniser: InnerRecogniser, result: Float[Tensor, "B 3 S S"], batch: Batch, *, bf16: bool) -> Judged:
    """How far results lie from the ground truth, in the region in which plate and ground truth may differ."""
    weight = 0.1 + batch.region + 2 * batch.features * batch.region
    weight = weight / weight.sum(dim=(1, 2, 3), keepdim=True)
    region = (batch.region + 0.02) / (batch.region + 0.02).sum(dim=(1, 2, 3), keepdim=True)
    colour = ((result - batch.truth).abs().mean(dim=1, keepdim=True) * weight).sum(dim=(1, 2, 3))
    ssim = (ssim_map(result, batch.truth) * region).sum(dim=(1, 2, 3))
    detail = ((steps_of(result) - steps_of(batch.truth)).abs().mean(dim=1, keepdim=True) * weight).sum(dim=(1, 2, 3))
    grid = chip_grid(batch.known)
    features, embedding = perceived(recogniser, uneven(result, batch.even), grid, bf16=bf16)
    with torch.no_grad():
        true_features, true_embedding = perceived(recogniser, uneven(batch.truth, batch.even), grid, bf16=bf16)
        region_in_chip = sample(batch.region, grid)
    perceptual = torch.zeros_like(colour)
    for one, other in zip(features, true_features, strict=True):
        share = F.interpolate(region_in_chip, one.shape[2:], mode="area")
        share = share / share.sum(dim=(1, 2, 3), keepdim=True).clamp_min(1e-3)
        apart = (one.float() - other.float()).square().sum(dim=1, keepdim=True)
        perceptual = perceptual + (apart * share).sum(dim=(1, 2, 3)) / len(features)
    return Judged(
        colour=colour,
        ssim=ssim,
        detail=detail,
        perceptual=(perceptual + 1e-4).sqrt(),
        identity=(embedding - true_embedding).norm(dim=1),
    )


def flow_error_px(drawn: Drawn, batch: Batch) -> Float[Tensor, ""]:
    """Mean error of the flows at the points that are seen; in pixels of the crop."""
    where = (2 * batch.known + 1) / SIZE - 1
    said = F.grid_sample(drawn.flows.flatten(1, 2), where[:, :, None], align_corners=False, padding_mode="border")
    said = said[..., 0].reshape(len(said), len(ALIGNED), 2, -1).permute(0, 1, 3, 2)
    error = (said - batch.flows.clamp(-10, 10)).abs().sum(dim=3)
    mean: Tensor = (error * batch.seen[:, None]).sum() / (batch.seen.sum() * len(ALIGNED)).clamp_min(1)
    return mean
