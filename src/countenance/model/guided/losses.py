"""What the generator's results are judged by while it learns."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from countenance.model.guided.drawing import Mixed
from countenance.model.guided.inputs import sample, uneven
from countenance.model.guided.shape import chip_grid
from countenance.vision.identity import Recogniser

BORDER_PX = 4
STRENGTH_SCALES = (1, 2)
LEAST_STRENGTH = 0.003
WEIGHTS = {
    "colour": 4.0,
    "ssim": 1.0,
    "detail": 2.0,
    "strength": 2.0,
    "perceptual": 1.5,
    "identity": 0.3,
    "mask": 0.1,
}
"""Of the loss's terms where the ground truth is known."""
REHEARSAL_WEIGHTS = {"tones": 10.0, "plate mask": 0.1}
"""Of its terms on plates."""
COARSE_PX = 8
"""Side of the squares whose mean tones are compared."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Batch:
    """What the generator is given, and what should come of it; colours in even light."""

    maps: Float[Tensor, "B C S S"]
    """0–1, in the order of `network.CHANNELS`."""
    truth: Float[Tensor, "B 3 S S"]
    region: Float[Tensor, "B 1 S S"]
    """How much of a pixel is face in the plate or in the ground truth."""
    features: Float[Tensor, "B 1 S S"]
    """1 at eyes and lips, 0 far from them."""
    even: Float[Tensor, "B 4"]
    known: Float[Tensor, "B 468 2"]
    """The ground truth's points in the crop."""


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


def laplacian(grey: Float[Tensor, "B 1 H W"]) -> Float[Tensor, "B 1 h w"]:
    """The finest detail, without the outermost pixels."""
    kernel = torch.tensor([[0.0, 1, 0], [1, -4, 1], [0, 1, 0]], device=grey.device)[None, None]
    return F.conv2d(grey, kernel)


def strength_of(image: Float[Tensor, "B 3 S S"], scale: int) -> Float[Tensor, "B 1 s s"]:
    """How strong the finest detail is around each pixel, of the image made smaller by `scale`; wherever it lies."""
    grey = F.avg_pool2d(image.mean(dim=1, keepdim=True), scale)
    detail = laplacian(F.pad(grey, (1, 1, 1, 1), mode="replicate"))
    return (F.avg_pool2d(F.pad(detail.square(), (4, 4, 4, 4), mode="reflect"), 9, 1) + LEAST_STRENGTH**2).sqrt()


def perceived(
    recogniser: Recogniser, rgb: Float[Tensor, "B 3 S S"], grid: Float[Tensor, "B h w 2"], *, bf16: bool
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
    strength: Float[Tensor, " B"]
    """Of the finest detail, too much or too little. Where sources don't meet all other terms ask for blur."""
    perceptual: Float[Tensor, " B"]
    identity: Float[Tensor, " B"]
    """Distance between embeddings."""


def judged(recogniser: Recogniser, result: Float[Tensor, "B 3 S S"], batch: Batch, *, bf16: bool) -> Judged:
    """How far results lie from the ground truth, in the region in which plate and ground truth may differ."""
    # The composite takes a border of pixels around the mask as well.
    wide = F.max_pool2d(batch.region, 2 * BORDER_PX + 1, 1, BORDER_PX)
    weight = 0.1 + wide + 2 * batch.features * batch.region
    weight = weight / weight.sum(dim=(1, 2, 3), keepdim=True)
    region = (wide + 0.02) / (wide + 0.02).sum(dim=(1, 2, 3), keepdim=True)
    colour = ((result - batch.truth).abs().mean(dim=1, keepdim=True) * weight).sum(dim=(1, 2, 3))
    ssim = (ssim_map(result, batch.truth) * region).sum(dim=(1, 2, 3))
    detail = ((steps_of(result) - steps_of(batch.truth)).abs().mean(dim=1, keepdim=True) * weight).sum(dim=(1, 2, 3))
    strength = torch.zeros_like(colour)
    for scale in STRENGTH_SCALES:
        apart = (strength_of(result, scale) - strength_of(batch.truth, scale)).abs()
        strength = strength + (apart * F.avg_pool2d(region, scale) * scale**2).sum(dim=(1, 2, 3))
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
        strength=strength,
        perceptual=(perceptual + 1e-4).sqrt(),
        identity=(embedding - true_embedding).norm(dim=1),
    )


def loss_terms(errors: Judged, drawn: Mixed, batch: Batch) -> dict[str, Tensor]:
    """The terms by their names in `WEIGHTS`, each the mean over the batch."""
    return {
        "colour": errors.colour.mean(),
        "ssim": 1 - errors.ssim.mean(),
        "detail": errors.detail.mean(),
        "strength": errors.strength.mean(),
        "perceptual": errors.perceptual.mean(),
        "identity": errors.identity.mean(),
        "mask": F.binary_cross_entropy(drawn.mask.clamp(1e-4, 1 - 1e-4), (batch.region > 0.3).float()),
    }


def rehearsed(drawn: Mixed, base: Mixed) -> dict[str, Tensor]:
    """How far faces on a plate, whose ground truth nobody knows, lie from what the base draws there: coarse tones and
    mask, so that detail is left free.
    """
    tones, wanted = (F.avg_pool2d(each.result, COARSE_PX) for each in (drawn, base))
    return {
        "tones": (tones - wanted).abs().mean(),
        "plate mask": F.binary_cross_entropy(drawn.mask.clamp(1e-4, 1 - 1e-4), base.mask),
    }


def weighted(terms: Mapping[str, Tensor], without: Collection[str] = ()) -> Tensor:
    """What is minimised: the sum of the terms, some left out."""
    weights = WEIGHTS | REHEARSAL_WEIGHTS
    return torch.stack([weights[name] * term for name, term in terms.items() if name not in without]).sum()
