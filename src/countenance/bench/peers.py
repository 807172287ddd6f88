"""The networks of other systems, rebuilt from their published sizes, and trained with their published losses.

Theirs are the layers and their widths, the losses, the optimiser and its parameters, and the strength of the warps.
Ours are the light-normalised crops that go in, the composite, and one batch size for all; what their
users tune by hand (eye and mouth weights, later stages, days of training) is left out. `docs/benchmark.md` says so too.

Sources: the models `lightweight` and `original` of faceswap and its defaults (SSIM + MSE inside the mask, Adam 5e-5);
the architectures DF and LIAE of DeepFaceLab at its default widths (10 DSSIM + 10 MSE inside the mask, AdaBelief 5e-5).
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from countenance.bench.stacking import to_network_range
from countenance.drawing import DrawnFace, FaceInput

PeerName = Literal["faceswap-lightweight", "faceswap-original", "deepfacelab-df", "deepfacelab-liae"]

RESOLUTION = 64
"""Of all four: that of faceswap's two models, and affordable on a CPU."""
BATCH_SIZE = 8
"""Both people together, as in our own short trainings; theirs are of 16 and more, and would bring fewer steps."""
SLOPE = 0.1
LEARNING_RATE = 5e-5
BOTTLENECK = 4
"""Side in pixels of the smallest map."""
STRUCTURE_SIGMA = 1.5
MAX_TURN_DEG, MAX_ZOOM, MAX_SHIFT = 10.0, 0.05, 0.05
"""Of both systems."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Warp:
    """Strength of the random warp of the input against its target."""

    nodes: int
    """A side."""
    spread: float
    """Standard deviation of the nodes, as a fraction of the crop."""
    flips: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """Faces of one person."""

    warped: Tensor
    """[B 3 S S], 0–1."""
    clean: Tensor
    """[B 3 S S], 0–1."""
    mask: Tensor
    """[B 1 S S], 0–1."""


class Upscale(nn.Module):
    """Convolution to four times the channels, which then become pixels."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.grow = nn.Conv2d(before, 4 * after, 3, padding=1)

    def forward(self, x_bchw: Tensor) -> Tensor:
        return F.pixel_shuffle(F.leaky_relu(self.grow(x_bchw), SLOPE), 2)


class Residual(nn.Module):
    """Two convolutions beside a skip connection."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x_bchw: Tensor) -> Tensor:
        return F.leaky_relu(x_bchw + self.second(F.leaky_relu(self.first(x_bchw), 0.2)), 0.2)


def strided_encoder(widths: Iterable[int]) -> nn.Sequential:
    """Each level halves the image's side."""
    layers: list[nn.Module] = []
    for before, after in pairwise([3, *widths]):
        layers += [nn.Conv2d(before, after, 5, 2, 2), nn.LeakyReLU(SLOPE)]
    return nn.Sequential(*layers, nn.Flatten())


class Faceswap(nn.Module):
    """One encoder for both people with a dense neck, and a decoder for each."""

    def __init__(self, encoder_widths: Sequence[int], code_size: int, decoder_widths: Sequence[int]) -> None:
        super().__init__()
        self.encoder = strided_encoder(encoder_widths)
        end = RESOLUTION >> len(encoder_widths)
        self.to_code = nn.Linear(encoder_widths[-1] * end**2, code_size)
        self.from_code = nn.Linear(code_size, encoder_widths[-1] * BOTTLENECK**2)
        self.grow = Upscale(encoder_widths[-1], decoder_widths[0])
        self.decoders = nn.ModuleList(
            nn.Sequential(
                *(Upscale(before, after) for before, after in pairwise(decoder_widths)),
                nn.Conv2d(decoder_widths[-1], 3, 5, padding=2),
                nn.Sigmoid(),
            )
            for _ in range(2)
        )

    def forward(self, rgb_bchw: Tensor, person: int) -> tuple[Tensor, Tensor | None]:
        """The person's face, 0–1; this system learns no mask by default."""
        code = self.from_code(self.to_code(self.encoder(rgb_bchw)))
        x = self.grow(code.unflatten(1, (-1, BOTTLENECK, BOTTLENECK)))
        return self.decoders[person](x), None


class Inter(nn.Module):
    """Dense neck between an encoder and a decoder."""

    def __init__(self, flat: int, code_size: int, width: int) -> None:
        super().__init__()
        self.to_code = nn.Linear(flat, code_size)
        self.from_code = nn.Linear(code_size, width * BOTTLENECK**2)
        self.grow = Upscale(width, width)

    def forward(self, x_bc: Tensor) -> Tensor:
        return self.grow(self.from_code(self.to_code(x_bc)).unflatten(1, (-1, BOTTLENECK, BOTTLENECK)))  # type: ignore[no-any-return]


class MaskedDecoder(nn.Module):
    """Upscales with residual blocks for the face, without them for its mask."""

    def __init__(self, before: int, width: int, mask_width: int) -> None:
        super().__init__()
        levels = (8, 4, 2)
        face: list[nn.Module] = []
        for first, second in pairwise([before, *(width * level for level in levels)]):
            face += [Upscale(first, second), Residual(second)]
        mask = [
            Upscale(first, second) for first, second in pairwise([before, *(mask_width * level for level in levels)])
        ]
        self.face = nn.Sequential(*face, nn.Conv2d(2 * width, 3, 1), nn.Sigmoid())
        self.mask = nn.Sequential(*mask, nn.Conv2d(2 * mask_width, 1, 1), nn.Sigmoid())

    def forward(self, x_bchw: Tensor) -> tuple[Tensor, Tensor]:
        return self.face(x_bchw), self.mask(x_bchw)


class DeepFaceLabDF(nn.Module):
    """One encoder and neck for both people, and a decoder for each."""

    def __init__(self, encoder_width: int, code_size: int, decoder_width: int, mask_width: int) -> None:
        super().__init__()
        self.encoder = strided_encoder(encoder_width << level for level in range(4))
        self.inter = Inter(8 * encoder_width * BOTTLENECK**2, code_size, code_size)
        self.decoders = nn.ModuleList(MaskedDecoder(code_size, decoder_width, mask_width) for _ in range(2))

    def forward(self, rgb_bchw: Tensor, person: int) -> tuple[Tensor, Tensor | None]:
        """The person's face and mask, 0–1."""
        rgb, mask = self.decoders[person](self.inter(self.encoder(rgb_bchw)))
        return rgb, mask


class DeepFaceLabLIAE(nn.Module):
    """One encoder and decoder for both people, and two necks: one for both, one for the performer alone."""

    def __init__(self, encoder_width: int, code_size: int, decoder_width: int, mask_width: int) -> None:
        super().__init__()
        self.encoder = strided_encoder(encoder_width << level for level in range(4))
        flat = 8 * encoder_width * BOTTLENECK**2
        self.shared_inter = Inter(flat, code_size, 2 * code_size)
        self.performer_inter = Inter(flat, code_size, 2 * code_size)
        self.decoder = MaskedDecoder(4 * code_size, decoder_width, mask_width)

    def forward(self, rgb_bchw: Tensor, person: int) -> tuple[Tensor, Tensor | None]:
        """The person's face and mask, 0–1."""
        flat = self.encoder(rgb_bchw)
        shared = self.shared_inter(flat)
        rgb, mask = self.decoder(torch.cat([self.performer_inter(flat) if person else shared, shared], dim=1))
        return rgb, mask


class AdaBelief(torch.optim.Optimizer):
    """Adam whose steps shrink where the gradient differs from what was expected; without bias correction.

    Source: Zhuang et al., AdaBelief Optimizer, 2020, in the form in which DeepFaceLab uses it.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float) -> None:
        super().__init__(parameters, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        assert closure is None
        for group in self.param_groups:
            for parameter in group["params"]:
                gradient, memory = parameter.grad, self.state[parameter]
                if gradient is None:
                    continue
                if not memory:
                    memory["mean"], memory["surprise"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
                memory["mean"].lerp_(gradient, 0.1)
                off = gradient - memory["mean"]
                memory["surprise"].mul_(0.999).addcmul_(off, off, value=0.001)
                parameter.addcdiv_(memory["mean"], memory["surprise"].sqrt().add_(1e-6), value=-group["lr"])


@dataclass(frozen=True, kw_only=True, slots=True)
class PeerSpec:
    """One rebuilt system."""

    build: Callable[[], nn.Module]
    optimise: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]
    loss: Callable[[Tensor, Tensor | None, Batch], Tensor]
    warp: Warp


def faceswap_loss(rgb: Tensor, mask: Tensor | None, batch: Batch) -> Tensor:  # noqa: ARG001
    """Structure and squared difference, both inside the mask."""
    weight = batch.mask
    structure = (dissimilarity(rgb * weight, batch.clean * weight, 11)).mean()
    return structure + ((rgb - batch.clean) ** 2 * weight).mean()


def deepfacelab_loss(rgb: Tensor, mask: Tensor | None, batch: Batch) -> Tensor:
    """Structure and squared difference inside the mask, and the mask's own squared difference, ten times each."""
    assert mask is not None
    structure = dissimilarity(rgb * batch.mask, batch.clean * batch.mask, int(RESOLUTION / 11.6)).mean()
    difference = ((rgb - batch.clean) ** 2 * batch.mask).mean()
    return 10 * (structure + difference + F.mse_loss(mask, batch.mask))


def dissimilarity(one_bchw: Tensor, other_bchw: Tensor, window: int) -> Tensor:
    """(1 − SSIM) / 2 per place and channel of pictures in 0–1, with Gaussian windows of that side in pixels."""
    places = torch.arange(window, dtype=one_bchw.dtype) - (window - 1) / 2
    line = torch.exp(-(places**2) / (2 * STRUCTURE_SIGMA**2))
    line = line / line.sum()
    count = one_bchw.shape[1]
    kernel = torch.outer(line, line).expand(count, 1, window, window)

    def mean(x_bchw: Tensor) -> Tensor:
        return F.conv2d(x_bchw, kernel, groups=count)

    one_mean, other_mean = mean(one_bchw), mean(other_bchw)
    one_variance = mean(one_bchw**2) - one_mean**2
    other_variance = mean(other_bchw**2) - other_mean**2
    covariance = mean(one_bchw * other_bchw) - one_mean * other_mean
    c1, c2 = 0.01**2, 0.03**2
    alike = (2 * one_mean * other_mean + c1) * (2 * covariance + c2)
    return (1 - alike / ((one_mean**2 + other_mean**2 + c1) * (one_variance + other_variance + c2))) / 2


def _adam(parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    return torch.optim.Adam(parameters, LEARNING_RATE, betas=(0.5, 0.99), eps=1e-7)


def _adabelief(parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    return AdaBelief(parameters, LEARNING_RATE)


FACESWAP_WARP = Warp(nodes=5, spread=0.02, flips=True)
DEEPFACELAB_WARP = Warp(nodes=5, spread=0.06, flips=False)
"""The middle one of the three grids among which that system chooses at random."""

PEERS: dict[PeerName, PeerSpec] = {
    "faceswap-lightweight": PeerSpec(
        build=lambda: Faceswap((128, 256, 512), 512, (256, 512, 256, 128)),
        optimise=_adam,
        loss=faceswap_loss,
        warp=FACESWAP_WARP,
    ),
    "faceswap-original": PeerSpec(
        build=lambda: Faceswap((128, 256, 512, 1024), 1024, (512, 256, 128, 64)),
        optimise=_adam,
        loss=faceswap_loss,
        warp=FACESWAP_WARP,
    ),
    "deepfacelab-df": PeerSpec(
        build=lambda: DeepFaceLabDF(64, 256, 64, 22),
        optimise=_adabelief,
        loss=deepfacelab_loss,
        warp=DEEPFACELAB_WARP,
    ),
    "deepfacelab-liae": PeerSpec(
        build=lambda: DeepFaceLabLIAE(64, 256, 64, 22),
        optimise=_adabelief,
        loss=deepfacelab_loss,
        warp=DEEPFACELAB_WARP,
    ),
}


class PeerTraining:
    """A peer that is trained on one likeness and one performer, step by step."""

    def __init__(self, spec: PeerSpec, people: Sequence[Tensor], seed: int = 1) -> None:
        """`people` are the likeness's faces, then the performer's, from `stack_faces` at `RESOLUTION`."""
        self.spec, self.images_seen = spec, 0
        self._people = people
        self._random = torch.Generator().manual_seed(seed)
        torch.manual_seed(seed)
        self.network = self.spec.build()
        for parameter in self.network.parameters():
            if parameter.ndim > 1:
                nn.init.xavier_uniform_(parameter)
            else:
                nn.init.zeros_(parameter)
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._optimiser = self.spec.optimise(self.network.parameters())

    def step(self) -> float:
        """One batch, half of each person; returns the loss."""
        total = torch.zeros(())
        for person, faces in enumerate(self._people):
            chosen = faces[torch.randint(len(faces), (BATCH_SIZE // 2,), generator=self._random)]
            batch = warped_batch(to_network_range(chosen), self.spec.warp, self._random)
            rgb, mask = self.network(batch.warped, person)
            total = total + self.spec.loss(rgb, mask, batch)
        self._optimiser.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        self._optimiser.step()
        self.images_seen += BATCH_SIZE
        return float(total.detach())


class PeerDrawer:
    """Draws the likeness by a peer, as the composite takes it."""

    size = RESOLUTION
    batch = 1

    def __init__(self, network: nn.Module) -> None:
        self._network = network
        digest = hashlib.sha256()
        for name, tensor in network.state_dict().items():
            digest.update(name.encode() + tensor.contiguous().numpy().tobytes())
        self.digest = digest.hexdigest()

    def __call__(self, faces: Sequence[FaceInput]) -> list[DrawnFace]:
        """One drawn face for each, with the performer's outline as the mask.

        A mask that is hardly learned lets half of the plate through, which the judge would take for skill; DeepFaceLab
        offers the outline as well.
        """
        x_bhwc = torch.from_numpy(np.stack([face.rgb for face in faces]))
        with torch.inference_mode():
            rgb_bchw, _ = self._network(x_bhwc.permute(0, 3, 1, 2).float() / 255, 0)
        drawn = rgb_bchw.permute(0, 2, 3, 1).contiguous().numpy()
        return [DrawnFace(rgb=rgb, mask=face.mask) for rgb, face in zip(drawn, faces, strict=True)]


def warped_batch(faces_b4hw: Tensor, warp: Warp, random: torch.Generator) -> Batch:
    """Move faces, RGB −1–1 and mask 0–1, at twice the resolution, alike at both ends; then bend what goes in."""
    count = len(faces_b4hw)

    def draw(*shape: int) -> Tensor:
        return torch.rand(shape, generator=random) * 2 - 1

    turn, zoom = torch.deg2rad(draw(count) * MAX_TURN_DEG), 1 + draw(count) * MAX_ZOOM
    flip = torch.where(draw(count) < 0, -1.0, 1.0) if warp.flips else torch.ones(count)
    shift = draw(count, 2) * 2 * MAX_SHIFT
    move = torch.stack(
        [
            torch.stack([zoom * turn.cos() * flip, -zoom * turn.sin(), shift[:, 0]], dim=1),
            torch.stack([zoom * turn.sin() * flip, zoom * turn.cos(), shift[:, 1]], dim=1),
        ],
        dim=1,
    )
    grid = F.affine_grid(move, [count, 4, RESOLUTION, RESOLUTION], align_corners=False)
    nodes = torch.randn((count, 2, warp.nodes, warp.nodes), generator=random) * 2 * warp.spread
    bend = F.interpolate(nodes, (RESOLUTION, RESOLUTION), mode="bilinear", align_corners=True)
    clean = F.grid_sample(faces_b4hw, grid, padding_mode="border", align_corners=False)
    warped = F.grid_sample(
        faces_b4hw[:, :3], grid + bend.permute(0, 2, 3, 1), padding_mode="border", align_corners=False
    )
    return Batch(warped=(warped + 1) / 2, clean=(clean[:, :3] + 1) / 2, mask=clean[:, 3:])
