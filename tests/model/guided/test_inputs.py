"""Sources drawn into a target mesh."""

import torch
from torch import Tensor

from countenance.model.guided.inputs import Given, View, draw_given, parts_of, sample, surface_of
from countenance.model.guided.mesh import ATLAS_SIZE, extended, normals, pixel_grid, rasterise, with_ring_of
from countenance.model.guided.network import CHANNELS
from tests.support.made_up import placed_head

SIZE = 128


def noise(*shape: int, softened: int = 16) -> Tensor:
    """A random image, of that many pixels to one value."""
    torch.manual_seed(4)
    coarse = torch.rand(*shape[:-2], shape[-2] // softened, shape[-1] // softened)
    return torch.nn.functional.interpolate(coarse, size=shape[-2:], mode="bicubic").clamp(0, 1)


def given_at(yaw_deg: float, *, turned_by_deg: float) -> tuple[Given, View]:
    plate, target = (placed_head(yaw_deg + more, 38.0, SIZE) for more in (0.0, turned_by_deg))
    meshes = (extended(plate), with_ring_of(plate, target))
    raster = rasterise(meshes[1], SIZE)
    view = View(
        raster=raster,
        inside=(raster.triangle >= 0).float()[:, None],
        where=pixel_grid(SIZE, plate.device)[None],
    )
    image, faces = (noise(count, channels, SIZE, SIZE) for count, channels in ((1, 3), (4, 4)))
    atlas = noise(1, 4, ATLAS_SIZE, ATLAS_SIZE)
    surfaces = [surface_of(placed_head(yaw_deg + more, 38.0, SIZE)) for more in (0.0, 4.0, 9.0, 15.0)]
    references = [(face[None], mesh) for face, mesh in zip(faces, surfaces, strict=True)]
    return draw_given(image, plate, meshes, (atlas, atlas[:, :3]), references, view), view


def test_beside_the_mesh_the_plate_is_left_as_it_is() -> None:
    given, view = given_at(5.0, turned_by_deg=3.0)
    parts = parts_of(given, view)
    assert list(parts) == list(CHANNELS)
    beside = parts["inside"] == 0
    assert beside.any()
    assert torch.equal(parts["moved"] * beside, parts["plate"] * beside)
    assert not (given.shift * beside).any()
    for name in ("atlas", "atlas confidence", "reference 1", "coverage 1", "place"):
        assert not (parts[name] * beside).any(), name
    for name in ("move", "normal", "own normal"):
        assert torch.equal(parts[name] * beside, 0.5 * beside.expand_as(parts[name])), name


def test_the_shift_leads_to_what_the_moved_plate_shows() -> None:
    given, _ = given_at(5.0, turned_by_deg=3.0)
    where = pixel_grid(SIZE, given.shift.device) + given.shift.permute(0, 2, 3, 1)
    assert torch.allclose(sample(given.plate, where), given.moved, atol=1e-5)
    assert given.shift.abs().max() > 1


def test_a_mesh_that_stays_moves_nothing() -> None:
    given, view = given_at(20.0, turned_by_deg=0.0)
    # Pixels' places come from weights of a triangle's corners, so they are exact to rounding.
    assert given.shift.abs().max() < 0.01
    assert torch.equal(given.move, torch.zeros_like(given.move))
    assert torch.allclose(given.normal, given.own_normal)
    assert view.inside.sum() > 1000


def test_normals_look_away_from_the_head() -> None:
    head = extended(placed_head(0.0, 38.0, SIZE))
    looks = normals(head)[0]
    centre = head[0].mean(dim=0)
    assert torch.allclose(looks.norm(dim=1), torch.ones(len(looks)), atol=1e-4)
    for side in (-1.0, 1.0):
        cheek = side * (head[0, :, 0] - centre[0]) > 20
        assert (side * looks[cheek, 0]).mean() > 0.3
    nose = 4
    assert looks[nose, 2] < -0.5
