import torch

from countenance.model.guided.mesh import extended, facing, fit, head_fit, rasterise, spread, without_pose
from countenance.vision.align import canonical_mesh
from tests.support.made_up import placed_head

SIZE, UNIT_PX = 128, 38.0


def a_head(yaw_deg: float = 0.0) -> torch.Tensor:
    return placed_head(yaw_deg, UNIT_PX, SIZE)


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
