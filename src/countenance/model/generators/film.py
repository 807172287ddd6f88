"""A generator in which the person is selected by scaling and shifting the decoder (FiLM)."""

from collections.abc import Sequence
from math import log2

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from countenance.drawing import DrawnFace, FaceInput
from countenance.model.augment import without_background
from countenance.model.generators.base import DrawerParts, Drawn, Generator, GeneratorSpec

SLOPE = 0.2
BOTTLENECK = 4
"""Side in pixels of the smallest map."""
LIKENESS = 0
"""The likeness's position in the list of people."""
BATCH_ON_CPU, BATCH_ON_CARD = 1, 8
"""Faces drawn together: on a processor a larger batch isn't faster, and keeps more frames waiting."""


class FilmGenerator(Generator):
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
        """Encode, then decode as the person."""
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


class FilmDrawer:
    """Draws the likeness from crop and mask alone."""

    def __init__(self, parts: DrawerParts) -> None:
        self.size, self.digest = parts.config.resolution, parts.digest
        self.batch = BATCH_ON_CPU if parts.device.type == "cpu" else BATCH_ON_CARD
        self._generator, self._device = parts.generator, parts.device

    def __call__(self, faces: Sequence[FaceInput]) -> list[DrawnFace]:
        """One drawn face for each."""
        rgb_bhwc = torch.from_numpy(np.stack([face.rgb for face in faces])).to(self._device)
        mask_b1hw = torch.from_numpy(np.stack([face.mask for face in faces]))[:, None].to(self._device)
        x_bchw = without_background(rgb_bhwc.permute(0, 3, 1, 2).float() / 127.5 - 1, mask_b1hw)
        with torch.inference_mode():
            drawn = self._generator(x_bchw, torch.full((len(faces),), LIKENESS, device=self._device))
        rgbs = ((drawn.rgb + 1) / 2).permute(0, 2, 3, 1).contiguous().cpu().numpy()
        # Beyond the performer's outline there is nothing that it was taught to draw.
        masks = (drawn.mask.sigmoid() * mask_b1hw)[:, 0].cpu().numpy()
        return [DrawnFace(rgb=rgb, mask=mask) for rgb, mask in zip(rgbs, masks, strict=True)]


FILM = GeneratorSpec(
    name="film",
    build=lambda config, num_people: FilmGenerator(config.resolution, config.width, num_people),
    open_drawer=FilmDrawer,
    needs_references=False,
)
