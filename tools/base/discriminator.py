"""The discriminator that the base can be trained against."""

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm


class Discriminator(nn.Module):
    """Judges every patch of a face, knowing where on the head it lies."""

    def __init__(self, width: int = 48) -> None:
        super().__init__()
        sizes = ((3 + 2, width), (width, 2 * width), (2 * width, 4 * width))
        self.layers = nn.ModuleList(spectral_norm(nn.Conv2d(one, other, 4, 2, 1)) for one, other in sizes)
        self.last = nn.Conv2d(4 * width, 1, 3, padding=1)

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        features = []
        for layer in self.layers:
            x = F.leaky_relu(layer(x), 0.2)
            features.append(x)
        return self.last(x), features
