"""The base's training: pairs, crops and batches."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load

from countenance.geometry import transform_points
from countenance.model.guided.drawer import WEIGHTS_NAME
from countenance.model.guided.drawing import draw, split
from countenance.model.guided.losses import STRENGTH_SCALES, WEIGHTS, Batch, judged, loss_terms, strength_of, weighted
from countenance.model.guided.mesh import Pose
from countenance.model.guided.network import NUM_CHANNELS, WIDTHS, Generator
from countenance.model.guided.shape import chip_grid
from countenance.vision.align import head_pose, mesh_in_crop
from countenance.vision.identity import Recogniser
from countenance.vision.networks import weights_folder
from tests.support.made_up import placed_head
from tools.base.crops import SIZE, crop_around, crop_of, from_crop, into_crop
from tools.base.discriminator import Discriminator
from tools.base.inputs import flipped, moved_mesh
from tools.base.train import Run, begin, widened
from tools.mirror import mirrored_numbers


def a_head(yaw_deg: float) -> torch.Tensor:
    return placed_head(yaw_deg, 38.0, SIZE)


def a_run(folder: Path) -> Run:
    return Run(
        corpora=(folder,),
        keep=folder / "read.pt",
        read_every_s=12,
        output=folder,
        finish_in_s=1,
        device=torch.device("cpu"),
        batch=1,
        most_takes=1,
        gan_weight=0,
        without=frozenset(),
        widths=WIDTHS,
        start=None,
        seed=1,
        rate=1e-4,
        mean_share=0.9,
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


@pytest.mark.parametrize(("yaw_deg", "roll_deg"), [(0.0, 0.0), (0.0, 25.0), (30.0, 0.0), (30.0, 20.0), (-40.0, -15.0)])
def test_a_crop_lies_as_the_products(yaw_deg: float, roll_deg: float) -> None:
    head = a_head(yaw_deg)
    turn = cv2.getRotationMatrix2D((60, 60), roll_deg, 1).astype(np.float32)
    rolled = head.clone()
    rolled[0, :, :2] = torch.from_numpy(transform_points(turn, head[0, :, :2].numpy()))
    in_crop = into_crop(rolled, crop_around(rolled))[0].numpy()
    assert np.abs(in_crop - mesh_in_crop(rolled[0].numpy(), head_pose(rolled[0].numpy()), SIZE)).max() < 0.05


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
    for name in ("normal", "own normal", "move"):
        before, after = (split(each.maps)[name][0] for each in (batch, once))
        assert torch.allclose(after[0], 1 - before[0].flip(1), atol=1e-6), name
        assert torch.equal(after[1], before[1].flip(1)), name
    assert torch.equal(twice.truth, batch.truth)
    assert torch.allclose(twice.known, batch.known, atol=1e-4)
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


def test_training_begins_with_the_weights_it_is_given(tmp_path: Path) -> None:
    start = weights_folder() / WEIGHTS_NAME
    learning, spent_s, step = begin(replace(a_run(tmp_path), start=start))
    given = load(start.read_bytes())
    assert (spent_s, step) == (0, 0)
    for net in (learning.generator, learning.mean.module):
        assert all(torch.equal(value, given[name].float()) for name, value in net.state_dict().items())


def test_a_term_that_is_left_out_teaches_nothing(tmp_path: Path) -> None:
    batch = a_batch()
    drawn = draw(begin(a_run(tmp_path))[0].generator, batch.maps, bf16=False)
    terms = loss_terms(judged(Recogniser(), drawn.result, batch, bf16=False), drawn, batch)
    assert terms.keys() == WEIGHTS.keys()
    whole, part = weighted(terms), weighted(terms, without=frozenset({"identity", "mask"}))
    left_out = WEIGHTS["identity"] * terms["identity"] + WEIGHTS["mask"] * terms["mask"]
    assert float(whole.detach() - part.detach()) == pytest.approx(float(left_out.detach()), rel=1e-3)


def test_strength_asks_for_as_much_detail_wherever_it_lies() -> None:
    torch.manual_seed(5)
    noise = torch.rand(1, 3, SIZE, SIZE)
    elsewhere, softer = noise.roll(3, dims=3), torch.nn.functional.avg_pool2d(noise, 3, 1, 1)
    for scale in STRENGTH_SCALES:
        true = strength_of(noise, scale)
        moved = (strength_of(elsewhere, scale) - true).abs().mean()
        assert moved < 0.1 * true.mean()
        assert strength_of(softer, scale).mean() < 0.6 * true.mean()


def test_a_wider_generator_begins_as_the_narrow_one_and_learns_more() -> None:
    narrow = Generator()
    with torch.no_grad():
        narrow.head.weight.normal_(std=0.1)
    wide = Generator((80, *WIDTHS[1:3], 320))
    wide.load_state_dict(widened(narrow.state_dict(), wide.state_dict()))
    maps = torch.rand(1, NUM_CHANNELS, SIZE, SIZE)
    one, other = narrow(maps), wide(maps)
    assert torch.allclose(one.residual, other.residual, atol=1e-5)
    assert torch.allclose(one.mask_logit, other.mask_logit, atol=1e-5)
    other.residual.square().mean().backward()
    assert wide.head.weight.grad is not None
    assert (wide.head.weight.grad[4:16, WIDTHS[0] :] != 0).any()


def test_weights_that_do_not_fit_are_told() -> None:
    weights = Generator().state_dict()
    for other in (Generator((32, *WIDTHS[1:])).state_dict(), {**weights, "more": weights["stem.bias"]}):
        with pytest.raises(SystemExit, match="as wide or narrower"):
            widened({**weights}, other)
