"""The base's training: pairs, crops and batches."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load

from countenance.model.guided.drawer import WEIGHTS_NAME
from countenance.model.guided.drawing import draw, split
from countenance.model.guided.mesh import Pose
from countenance.model.guided.network import ALIGNED, NUM_CHANNELS, SOURCES
from countenance.model.guided.shape import chip_grid
from countenance.vision.networks import weights_folder
from tests.support.made_up import placed_head
from tools.base.crops import SIZE, crop_around, crop_of, from_crop, into_crop
from tools.base.discriminator import Discriminator
from tools.base.inputs import Batch, flipped, moved_mesh
from tools.base.judging import STRENGTH_SCALES, strength_of
from tools.base.train import Run, begin, lift_shares
from tools.mirror import mirrored_numbers


def a_head(yaw_deg: float) -> torch.Tensor:
    return placed_head(yaw_deg, 38.0, SIZE)


def a_run(folder: Path) -> Run:
    return Run(
        corpus=folder,
        output=folder,
        finish_in_s=1,
        device=torch.device("cpu"),
        batch=1,
        most_takes=1,
        gan_weight=0,
        start=None,
        rate=1e-4,
        mean_share=0.9,
        lift=None,
    )


def a_batch(size: int = 2) -> Batch:
    torch.manual_seed(3)
    return Batch(
        maps=torch.rand(size, NUM_CHANNELS, SIZE, SIZE),
        truth=torch.rand(size, 3, SIZE, SIZE),
        region=torch.rand(size, 1, SIZE, SIZE),
        features=torch.rand(size, 1, SIZE, SIZE),
        even=torch.tensor([[0.5, 0.4, 0.3, 0.2]]).repeat(size, 1),
        known=SIZE * torch.rand(size, 468, 2),
        seen=torch.ones(size, 468),
        flows=torch.randn(size, len(ALIGNED), 468, 2),
    )


def test_a_mesh_that_is_not_moved_stays_where_it_was_found() -> None:
    head = a_head(20.0)
    made = moved_mesh(head, head, torch.zeros_like(head), torch.Generator().manual_seed(1))
    assert torch.allclose(made["target"][:, :468], into_crop(head, made["crop"]), atol=1e-3)


def test_a_crop_is_upright_and_holds_the_head() -> None:
    tilted = Pose(
        scale=torch.tensor([30.0]),
        rotation=torch.tensor([[[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]]),
        shift=torch.tensor([[90.0, 70.0, 0.0]]),
    )
    crop = crop_of(tilted, torch.zeros(1, 3))
    up = tilted.shift + tilted.scale[:, None] * (tilted.rotation @ torch.tensor([0.0, -1, 0]))
    in_crop = into_crop(torch.stack([tilted.shift, up], dim=1), crop)[0]
    assert in_crop[1, 1] < in_crop[0, 1] - 20
    assert abs(in_crop[1, 0] - in_crop[0, 0]) < 0.1


def test_mirrored_twice_is_as_before() -> None:
    batch = a_batch()
    parts = split(batch.maps)
    parts["inside"][..., :40] = 0
    parts["place"][..., :40] = 0
    parts["move"][..., :40] = 0.5
    which = torch.tensor([True, False])
    once, twice = flipped(batch, which), flipped(flipped(batch, which), which)
    assert torch.allclose(twice.maps, batch.maps, atol=1e-6)
    assert torch.allclose(split(once.maps)["move"][0, ..., -40:], torch.tensor(0.5))
    assert torch.equal(twice.truth, batch.truth)
    assert torch.allclose(twice.known, batch.known, atol=1e-4)
    assert torch.allclose(twice.flows, batch.flows)
    assert torch.equal(once.maps[1], batch.maps[1])


def test_a_mirrored_face_is_shown_to_the_recogniser_upright() -> None:
    known = a_head(10.0)[..., :2].repeat(2, 1, 1)
    batch = replace(a_batch(), known=known)
    one, other = chip_grid(flipped(batch, torch.tensor([True, False])).known)
    assert other[0, -1, 0] > other[0, 0, 0] + 20
    assert (other[..., 0] + one.flip(1)[..., 0] - (SIZE - 1)).abs().max() < 3
    assert (other[..., 1] - one.flip(1)[..., 1]).abs().max() < 3


def test_each_point_has_one_counterpart() -> None:
    order = mirrored_numbers()
    assert (order[order] == np.arange(468)).all()


def test_the_discriminator_says_something_of_every_patch() -> None:
    opinion, features = Discriminator()(torch.rand(1, 5, SIZE, SIZE))
    assert opinion.shape[2:] == (SIZE // 8, SIZE // 8)
    assert len(features) == 3


def test_points_go_into_a_crop_and_back() -> None:
    heads = torch.cat([a_head(yaw) for yaw in (-20.0, 15.0)])
    crop = crop_around(heads)
    assert torch.allclose(from_crop(into_crop(heads, crop), crop), heads, atol=1e-3)


def test_shares_that_had_fallen_to_nothing_are_lifted(tmp_path: Path) -> None:
    run = replace(a_run(tmp_path), start=weights_folder() / WEIGHTS_NAME)
    learning, batch = begin(run)[0], a_batch()
    before: list[float] = []
    after: list[float] = []
    for shares in (before, after):
        drawn = draw(learning.generator, batch.maps, bf16=False)
        shares.append(float(drawn.control.weights[:, SOURCES.index("atlas") :].detach().sum(dim=1).mean()))
        lift_shares(learning, batch, 1.0)
    assert after[0] > 2 * before[0]
    assert after[0] > 0.3


def test_training_begins_with_the_weights_it_is_given(tmp_path: Path) -> None:
    start = weights_folder() / WEIGHTS_NAME
    learning, spent_s, step = begin(replace(a_run(tmp_path), start=start))
    given = load(start.read_bytes())
    assert (spent_s, step) == (0, 0)
    for net in (learning.generator, learning.mean.module):
        assert all(torch.equal(value, given[name].float()) for name, value in net.state_dict().items())


def test_strength_asks_for_as_much_detail_wherever_it_lies() -> None:
    torch.manual_seed(5)
    noise = torch.rand(1, 3, SIZE, SIZE)
    elsewhere, softer = noise.roll(3, dims=3), torch.nn.functional.avg_pool2d(noise, 3, 1, 1)
    for scale in STRENGTH_SCALES:
        true = strength_of(noise, scale)
        moved = (strength_of(elsewhere, scale) - true).abs().mean()
        assert moved < 0.1 * true.mean()
        assert strength_of(softer, scale).mean() < 0.6 * true.mean()
