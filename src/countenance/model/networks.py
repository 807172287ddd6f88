"""The networks: a generator that is told whose face to draw, its discriminator, and the adversary on its code."""

from itertools import pairwise
from math import log2
from typing import NamedTuple, Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SLOPE = 0.2
BOTTLENECK = 4
"""Side in pixels of the smallest map."""


class Drawn(NamedTuple):
    """What a generator makes of a batch."""

    rgb: Tensor
    """[B 3 S S], −1–1."""
    mask: Tensor
    """[B 1 S S], logits of what belongs to the face."""
    code: Tensor
    """[B C], expression, pose and light, and as little of the person as the adversary allows."""


@runtime_checkable
class Generator(Protocol):
    """What the loop and the composite ask of a generator; another one takes the place of `FilmGenerator` here."""

    def __call__(self, rgb_bchw: Tensor, person_b: Tensor) -> Drawn: ...


class FilmGenerator(nn.Module):
    """Strided encoder to a small layer-normed code; decoder whose blocks the person scales and shifts (FiLM).

    Source of FiLM: Perez et al., FiLM: Visual Reasoning with a General Conditioning Layer, 2018.
    """

    def __init__(self, resolution: int, width: int, num_people: int, code_size: int = 48, style_size: int = 64) -> None:
        super().__init__()
        widths = [min(width << level, 8 * width) for level in range(round(log2(resolution / BOTTLENECK)))]
        narrow = max(width // 2, 12)
        self.encoder = nn.Sequential(
            *(
                nn.Sequential(
                    nn.Conv2d(before, after, 5 if before == 3 else 3, 2, 2 if before == 3 else 1), nn.LeakyReLU(SLOPE)
                )
                for before, after in zip([3, *widths], widths, strict=False)
            ),
            ResidualBlock(widths[-1]),
        )
        flat = widths[-1] * BOTTLENECK**2
        self.to_code = nn.Linear(flat, code_size)
        self.from_code = nn.Linear(code_size, flat)
        self.style = nn.Embedding(num_people, style_size)
        self.decoder = nn.ModuleList(
            FilmBlock(before, after, style_size)
            for before, after in zip(widths[::-1], [*widths[-2::-1], narrow], strict=True)
        )
        self.to_rgb_and_mask = nn.Conv2d(narrow, 4, 3, padding=1)

    def forward(self, rgb_bchw: Tensor, person_b: Tensor) -> Drawn:
        """Draw the person with the expression, pose and light of the pictures, −1–1."""
        code = self.to_code(self.encoder(rgb_bchw).flatten(1))
        code = F.layer_norm(code, code.shape[1:])
        style = self.style(person_b)
        x = self.from_code(code).unflatten(1, (-1, BOTTLENECK, BOTTLENECK))
        for block in self.decoder:
            x = block(x, style)
        drawn = self.to_rgb_and_mask(x)
        return Drawn(rgb=torch.tanh(drawn[:, :3]), mask=drawn[:, 3:], code=code)


class ResidualBlock(nn.Module):
    """Two convolutions beside a short cut."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x_bchw: Tensor) -> Tensor:
        y = self.second(F.leaky_relu(self.first(x_bchw), SLOPE))
        return F.leaky_relu(x_bchw + y, SLOPE)


class FilmBlock(nn.Module):
    """Double the size, then a residual convolution whose normed result the style scales and shifts."""

    def __init__(self, before: int, after: int, style_size: int) -> None:
        super().__init__()
        self.grow = nn.Conv2d(before, 4 * after, 3, padding=1)
        self.refine = nn.Conv2d(after, after, 3, padding=1)
        self.film = nn.Linear(style_size, 2 * after)
        nn.init.zeros_(self.film.weight)
        nn.init.zeros_(self.film.bias)

    def forward(self, x_bchw: Tensor, style_bc: Tensor) -> Tensor:
        x = F.leaky_relu(F.pixel_shuffle(self.grow(x_bchw), 2), SLOPE)
        scale, shift = self.film(style_bc)[:, :, None, None].chunk(2, dim=1)
        y = F.instance_norm(self.refine(x)) * (1 + scale) + shift
        return F.leaky_relu(x + y, SLOPE)


class PatchDiscriminator(nn.Module):
    """Says of every patch how real it looks (PatchGAN), with spectral norm.

    Sources: Isola et al., Image-to-Image Translation with Conditional Adversarial Networks, 2017; Miyato et al.,
    Spectral Normalization for Generative Adversarial Networks, 2018.
    """

    def __init__(self, width: int = 24, levels: int = 3) -> None:
        super().__init__()
        widths = [3, *(width << level for level in range(levels))]
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            convolution = nn.Conv2d(before, after, 4, 2, 1)
            layers += [nn.utils.parametrizations.spectral_norm(convolution), nn.LeakyReLU(SLOPE)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(widths[-1], 1, 3, padding=1))

    def forward(self, rgb_bchw: Tensor) -> Tensor:
        return self.layers(rgb_bchw)  # type: ignore[no-any-return]


class IdentityAdversary(nn.Module):
    """Guesses the person from the code; what it learns is turned round on its way back into the encoder.

    Source: Ganin and Lempitsky, Unsupervised Domain Adaptation by Backpropagation, 2015.
    """

    def __init__(self, num_people: int, code_size: int = 48) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(code_size, 64), nn.LeakyReLU(SLOPE), nn.Linear(64, num_people))

    def forward(self, code_bc: Tensor, weight: float) -> Tensor:
        # The value is the code's own; the gradient is −weight of it.
        reversed_code = code_bc.detach() * (1 + weight) - code_bc * weight
        return self.layers(reversed_code)  # type: ignore[no-any-return]
