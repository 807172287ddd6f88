"""A trained generator as the composite wants it: one crop in, one face out."""

import numpy as np
import torch
from jaxtyping import Float32, UInt8

from countenance.model.augment import without_background
from countenance.model.networks import Generator


class LikenessDrawer:
    """Draws the likeness with the expression, pose and light of the performer's crop."""

    def __init__(self, generator: Generator, *, resolution: int, likeness: int, device: torch.device) -> None:
        self.resolution = resolution
        self._generator = generator
        self._person = torch.tensor([likeness], device=device)

    def __call__(
        self, crop_rgb: UInt8[np.ndarray, "S S 3"], mask: Float32[np.ndarray, "S S"]
    ) -> tuple[Float32[np.ndarray, "S S 3"], Float32[np.ndarray, "S S"]]:
        """RGB and mask, 0–1, from the performer's crop in even light and the mask of the face in it."""
        x_bchw = torch.from_numpy(crop_rgb).to(self._person.device).permute(2, 0, 1)[None].float() / 127.5 - 1
        x_bchw = without_background(x_bchw, torch.from_numpy(mask).to(x_bchw))
        with torch.inference_mode():
            drawn = self._generator(x_bchw, self._person)
        rgb = ((drawn.rgb[0] + 1) / 2).permute(1, 2, 0).cpu().numpy()
        return np.ascontiguousarray(rgb), drawn.mask[0, 0].sigmoid().cpu().numpy()
