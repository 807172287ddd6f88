"""The base's training: geometry, inputs and drawing."""

import torch
from torch import Tensor

from countenance.vision.align import canonical_mesh
from tools.base.drawing import aligned, draw, split
from tools.base.inputs import SIZE, crop_of, flipped, into_crop, moved_mesh, transferred
from tools.base.inputs import Batch as BaseBatch
from tools.base.mesh import Pose, extended, facing, fit, head_fit, rasterise, spread, without_pose
from tools.base.network import ALIGNED, CHANNELS, NUM_CHANNELS, SOURCES, Discriminator, Generator

UNIT_PX, MIDDLE_PX = 38.0, 63.5


def a_head(yaw_deg: float = 0.0) -> Tensor:
    """The canonical head, turned and placed in a frame of 128 × 128 px."""
    turn = torch.deg2rad(torch.tensor(yaw_deg))
    c, s = torch.cos(turn).item(), torch.sin(turn).item()
    rotation = torch.tensor([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    points = torch.from_numpy(canonical_mesh()) @ rotation.T * UNIT_PX
    return (points + torch.tensor([MIDDLE_PX, MIDDLE_PX, 0.0]))[None]


def a_batch(size: int = 2) -> BaseBatch:
    torch.manual_seed(3)
    return BaseBatch(
        maps=torch.rand(size, NUM_CHANNELS, SIZE, SIZE),
        truth=torch.rand(size, 3, SIZE, SIZE),
        region=torch.rand(size, 1, SIZE, SIZE),
        features=torch.rand(size, 1, SIZE, SIZE),
        even=torch.tensor([[0.5, 0.4, 0.3, 0.2]]).repeat(size, 1),
        known=SIZE * torch.rand(size, 468, 2),
        seen=torch.ones(size, 468),
        flows=torch.randn(size, len(ALIGNED), 468, 2),
    )


def test_each_pixel_of_the_mesh_finds_its_own_place_again() -> None:
    points = extended(a_head(30.0))
    raster = rasterise(points, SIZE)
    line = torch.arange(SIZE, dtype=torch.float32)
    y, x = torch.meshgrid(line, line, indexing="ij")
    shown = raster.triangle[0] >= 0
    apart = (spread(raster, points[..., :2])[0] - torch.stack([x, y], dim=2)).abs().amax(dim=2)
    assert 0.4 < shown.float().mean() < 0.95
    assert apart[shown].max() < 0.01


def test_of_two_triangles_the_nearer_is_seen() -> None:
    points = extended(a_head(60.0))
    depth = spread(rasterise(points, SIZE), points)[0, ..., 2]
    nose = points[0, 1]
    column, row = nose[:2].round().long().tolist()
    # In a profile the nose hides the far cheek.
    assert abs(depth[row, column].item() - nose[2].item()) < 5


def test_a_head_that_was_turned_scaled_and_moved_is_fitted_exactly() -> None:
    pose = head_fit(a_head(25.0))
    assert torch.allclose(pose.scale, torch.tensor([UNIT_PX]), rtol=1e-4)
    assert torch.allclose(without_pose(a_head(25.0), pose)[0], torch.from_numpy(canonical_mesh()), atol=1e-4)


def test_a_fit_never_mirrors() -> None:
    shape = torch.randn(1, 20, 3)
    pose = fit(shape, shape * torch.tensor([-1.0, 1, 1]))
    assert torch.det(pose.rotation)[0] > 0


def test_only_what_looks_at_the_camera_faces_it() -> None:
    towards, turned = (facing(extended(a_head(yaw))) for yaw in (0.0, 80.0))
    left_cheek, right_cheek = 50, 280
    assert towards[0, left_cheek] > 0.5
    assert towards[0, right_cheek] > 0.5
    assert min(turned[0, left_cheek], turned[0, right_cheek]) < 0.1


def test_a_mesh_that_is_not_moved_stays_where_it_was_found() -> None:
    head = a_head(20.0)
    made = moved_mesh(head, torch.zeros_like(head), torch.Generator().manual_seed(1))
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


def test_sources_that_lie_right_are_left_alone_but_for_the_ratio() -> None:
    maps = torch.rand(1, NUM_CHANNELS, SIZE, SIZE)
    same = aligned(maps, torch.zeros(1, len(ALIGNED), 2, SIZE // 4, SIZE // 4))
    for name, before in split(maps).items():
        if name != "ratio":
            assert torch.allclose(split(same)[name], before, atol=1e-4), name


def test_a_flow_fetches_its_source_from_so_many_pixels_away() -> None:
    maps = torch.rand(1, NUM_CHANNELS, SIZE, SIZE)
    flows = torch.zeros(1, len(ALIGNED), 2, SIZE // 4, SIZE // 4)
    flows[:, ALIGNED.index("reference 2"), 0] = 3
    fetched = split(aligned(maps, flows))
    assert torch.allclose(fetched["reference 2"][..., 8:-8], split(maps)["reference 2"][..., 11:-5], atol=1e-4)
    assert torch.allclose(fetched["reference 1"], split(maps)["reference 1"], atol=1e-4)


def test_the_ratio_of_equal_faces_is_the_plate() -> None:
    plate, atlas = torch.rand(1, 3, 8, 8), torch.rand(1, 3, 8, 8)
    assert torch.allclose(transferred(plate, atlas, atlas), plate)


def test_an_untrained_generator_mixes_all_sources_alike_and_leaves_the_surroundings() -> None:
    torch.manual_seed(1)
    maps = a_batch().maps
    maps[:, -4:-3] = 0
    maps[:, -4:-3, 40:90, 40:90] = 1
    drawn = draw(Generator(), maps, bf16=False)
    assert torch.allclose(drawn.control.weights, torch.full_like(drawn.control.weights, 1 / len(SOURCES)), atol=1e-6)
    assert drawn.mask[:, :, 60, 60].min() > 0.9
    assert drawn.mask[:, :, 5, 5].max() < 0.1
    assert list(CHANNELS)[-2] == "inside"


def test_mirrored_twice_is_as_before() -> None:
    batch = a_batch()
    which = torch.tensor([True, False])
    once, twice = flipped(batch, which), flipped(flipped(batch, which), which)
    inside = split(batch.maps)["inside"] > 0
    for name, before in split(batch.maps).items():
        assert torch.allclose(split(twice.maps)[name] * inside, before * inside, atol=1e-6), name
    assert torch.equal(twice.truth, batch.truth)
    assert torch.allclose(twice.known, batch.known, atol=1e-4)
    assert torch.allclose(once.flows[0, ..., 0], -batch.flows[0, ..., 0])
    assert torch.equal(once.maps[1], batch.maps[1])


def test_the_discriminator_says_something_of_every_patch() -> None:
    opinion, features = Discriminator()(torch.rand(1, 5, SIZE, SIZE))
    assert opinion.shape[2:] == (SIZE // 8, SIZE // 8)
    assert len(features) == 3
