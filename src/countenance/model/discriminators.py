"""The networks that only training needs: the discriminator, and the adversary on the generator's code."""

from itertools import pairwise

from torch import Tensor, nn

SLOPE = 0.2


class PatchDiscriminator(nn.Module):
    """Rates how real every patch looks (PatchGAN), with spectral norm.

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
    """Guesses the person from the code; its gradient is reversed on its way back into the encoder.

    Source: Ganin and Lempitsky, Unsupervised Domain Adaptation by Backpropagation, 2015.
    """

    def __init__(self, num_people: int, code_size: int = 48) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(code_size, 64), nn.LeakyReLU(SLOPE), nn.Linear(64, num_people))

    def forward(self, code_bc: Tensor, weight: float) -> Tensor:
        # The value is the code's own; the gradient is −weight of it.
        reversed_code = code_bc.detach() * (1 + weight) - code_bc * weight
        return self.layers(reversed_code)  # type: ignore[no-any-return]
