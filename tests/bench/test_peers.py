from collections.abc import Callable
from dataclasses import replace
from statistics import mean
from typing import get_args

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from countenance.bench.peers import (
    PEERS,
    RESOLUTION,
    AdaBelief,
    Batch,
    DeepFaceLabDF,
    DeepFaceLabLIAE,
    Faceswap,
    PeerDrawer,
    PeerName,
    PeerTraining,
    Warp,
    deepfacelab_loss,
    dissimilarity,
    faceswap_loss,
    warped_batch,
)
from countenance.bench.stacking import to_network_range
from tests.support.drawers import face_input

NAMES: tuple[PeerName, ...] = get_args(PeerName)
SIZES = {
    "faceswap-lightweight": 51_066_374,
    "faceswap-original": 82_062_470,
    "deepfacelab-df": 48_088_960,
    "deepfacelab-liae": 69_748_352,
}
"""Numbers learned by the systems themselves at 64 px and their default widths, biases included."""


SLIM: dict[PeerName, Callable[[], nn.Module]] = {
    "faceswap-lightweight": lambda: Faceswap((8, 8, 8), 8, (8, 8, 8, 8)),
    "deepfacelab-df": lambda: DeepFaceLabDF(4, 8, 4, 2),
    "deepfacelab-liae": lambda: DeepFaceLabLIAE(4, 8, 4, 2),
}
"""The same networks with few channels, so that tests end soon."""


def smooth_faces(level: float, count: int = 6) -> Tensor:
    random = torch.Generator().manual_seed(3)
    coarse = torch.rand((count, 3, 5, 5), generator=random) * 60 + level
    rgb = torch.nn.functional.interpolate(coarse, (128, 128), mode="bicubic").clamp(0, 255).byte()
    mask = torch.zeros((count, 1, 128, 128), dtype=torch.uint8)
    mask[:, :, 16:112, 16:112] = 255
    return torch.cat([rgb, mask], dim=1)


@pytest.mark.parametrize("name", NAMES)
def test_networks_have_their_systems_sizes(name: PeerName) -> None:
    with torch.device("meta"):
        network = PEERS[name].build()
        rgb, mask = network(torch.empty(2, 3, RESOLUTION, RESOLUTION), 0)
    assert sum(parameter.numel() for parameter in network.parameters()) == SIZES[name]
    assert rgb.shape == (2, 3, RESOLUTION, RESOLUTION)
    assert mask is None or mask.shape == (2, 1, RESOLUTION, RESOLUTION)


def test_default_widths_add_up_by_hand() -> None:
    """DF once more, from the layers' sizes on paper: convolutions are filters × inputs × area + filters."""

    def conv(before: int, after: int, side: int) -> int:
        return before * after * side**2 + after

    def dense(before: int, after: int) -> int:
        return before * after + after

    encoder = conv(3, 64, 5) + conv(64, 128, 5) + conv(128, 256, 5) + conv(256, 512, 5)
    neck = dense(512 * 16, 256) + dense(256, 256 * 16) + conv(256, 4 * 256, 3)
    ups = conv(256, 4 * 512, 3) + conv(512, 4 * 256, 3) + conv(256, 4 * 128, 3)
    residuals = 2 * (conv(512, 512, 3) + conv(256, 256, 3) + conv(128, 128, 3))
    mask = conv(256, 4 * 176, 3) + conv(176, 4 * 88, 3) + conv(88, 4 * 44, 3) + conv(44, 1, 1)
    decoder = ups + residuals + conv(128, 3, 1) + mask
    assert encoder + neck + 2 * decoder == SIZES["deepfacelab-df"]


def test_liae_draws_the_likeness_from_the_shared_neck_alone() -> None:
    network = SLIM["deepfacelab-liae"]()
    picture = torch.rand(1, 3, RESOLUTION, RESOLUTION)
    with torch.inference_mode():
        before = [network(picture, person)[0] for person in (0, 1)]
        network.performer_inter.to_code.bias += 1  # type: ignore[operator, union-attr]
        after = [network(picture, person)[0] for person in (0, 1)]
    assert torch.equal(before[0], after[0])
    assert not torch.allclose(before[1], after[1])


@pytest.mark.parametrize("name", SLIM)
def test_a_peer_learns_and_draws(name: PeerName) -> None:
    spec = replace(PEERS[name], build=SLIM[name])
    training = PeerTraining(spec, [smooth_faces(60), smooth_faces(150)])
    losses = [training.step() for _ in range(30)]
    assert mean(losses[-5:]) < mean(losses[:5])
    assert training.images_seen == 240
    crop = np.full((RESOLUTION, RESOLUTION, 3), 128, np.uint8)
    outline = np.zeros((RESOLUTION, RESOLUTION), np.float32)
    outline[8:56, 8:56] = 1
    drawer = PeerDrawer(training.network)
    (face,) = drawer([face_input(crop, outline)])
    assert face.rgb.shape == (RESOLUTION, RESOLUTION, 3)
    # Whatever it has learned of masks, it covers the face: nothing is won by letting the plate through.
    assert np.array_equal(face.mask, outline)
    assert 0 <= face.rgb.min() <= face.rgb.max() <= 1
    training.step()
    assert PeerDrawer(training.network).digest != drawer.digest


def test_losses_look_only_inside_the_mask() -> None:
    mask = torch.zeros(1, 1, RESOLUTION, RESOLUTION)
    mask[..., 20:44, 20:44] = 1
    clean = torch.rand((1, 3, RESOLUTION, RESOLUTION), generator=torch.Generator().manual_seed(1))
    batch = Batch(warped=clean, clean=clean, mask=mask)
    outside, inside = clean + 0.3 * (1 - mask), clean + 0.3 * mask
    for loss in (faceswap_loss, deepfacelab_loss):
        assert loss(outside, mask, batch).item() == pytest.approx(0, abs=1e-5)
        assert loss(inside, mask, batch).item() > 0.01


def test_dissimilarity_is_zero_for_the_same_picture_and_grows() -> None:
    picture = torch.rand((1, 3, 32, 32), generator=torch.Generator().manual_seed(1))
    noise = torch.rand((1, 3, 32, 32), generator=torch.Generator().manual_seed(2)) - 0.5
    found = [dissimilarity(picture + scale * noise, picture, 11).mean().item() for scale in (0.0, 0.2, 0.6)]
    assert found[0] == pytest.approx(0, abs=1e-6)
    assert found[0] < found[1] < found[2] < 0.5


def test_adabelief_divides_by_how_far_the_gradient_is_from_what_was_expected() -> None:
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimiser = AdaBelief([parameter], lr=1e-3)
    place = expected = surprise = 0.0
    for gradient in (1.0, 1.0, -0.5, 2.0):
        parameter.grad = torch.tensor([gradient])
        optimiser.step()
        expected += 0.1 * (gradient - expected)
        surprise = 0.999 * surprise + 0.001 * (gradient - expected) ** 2
        place -= 1e-3 * expected / (surprise**0.5 + 1e-6)
        assert parameter.item() == pytest.approx(place, rel=1e-4)


def test_warp_bends_what_goes_in_and_not_what_is_wanted() -> None:
    faces = to_network_range(smooth_faces(100))
    unbent = warped_batch(faces, Warp(nodes=5, spread=0.0, flips=False), torch.Generator().manual_seed(1))
    bent = warped_batch(faces, Warp(nodes=5, spread=0.05, flips=False), torch.Generator().manual_seed(1))
    assert torch.allclose(unbent.warped, unbent.clean, atol=1e-5)
    assert torch.equal(bent.clean, unbent.clean)
    assert not torch.allclose(bent.warped, bent.clean, atol=0.02)
