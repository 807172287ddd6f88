"""Sources drawn into a target mesh."""

import torch
from torch import Tensor

from countenance.model.guided.drawing import aligned
from countenance.model.guided.inputs import Given, View, draw_given, parts_of, surface
from countenance.model.guided.mesh import ATLAS_SIZE, pixel_grid, rasterise, with_ring_of
from countenance.model.guided.network import ALIGNED, NUM_REFERENCES
from tests.support.made_up import placed_head

SIZE = 128
INNER = (slice(None), slice(None), slice(50, 80), slice(50, 80))


def smooth(*shape: int) -> Tensor:
    """An image without detail, so that how often it is sampled hardly shows."""
    torch.manual_seed(4)
    coarse = torch.rand(*shape[:-2], 8, 8)
    return torch.nn.functional.interpolate(coarse, size=shape[-2:], mode="bicubic").clamp(0, 1)


def given_along(flows: Tensor | None) -> tuple[Given, View]:
    plate, target = placed_head(5.0, 38.0, SIZE), placed_head(8.0, 38.0, SIZE)
    raster = rasterise(with_ring_of(plate, target), SIZE)
    view = View(
        raster=raster,
        inside=(raster.triangle >= 0).float()[:, None],
        where=pixel_grid(SIZE, plate.device)[None],
    )
    image, atlas, faces = smooth(1, 3, SIZE, SIZE), smooth(1, 4, ATLAS_SIZE, ATLAS_SIZE), smooth(4, 4, SIZE, SIZE)
    turned = [surface(placed_head(yaw_deg, 38.0, SIZE)) for yaw_deg in (0.0, 4.0, 9.0, 15.0)]
    references = [(face[None], mesh) for face, mesh in zip(faces, turned, strict=True)]
    moved_px = (target - plate)[..., :2]
    return draw_given(image, plate, moved_px, (atlas, atlas[:, :3]), references, view, flows), view


def test_sources_followed_by_places_are_those_that_are_sampled_twice() -> None:
    flows = torch.zeros(1, len(ALIGNED), 2, SIZE // 4, SIZE // 4)
    flows[:, :, 0], flows[:, :, 1] = 3.0, -2.0
    twice = aligned(parts_of(*given_along(None)), flows)
    once = parts_of(*given_along(flows))
    for name in ("moved", "atlas", "own atlas", "ratio", *(f"reference {n + 1}" for n in range(NUM_REFERENCES))):
        assert torch.allclose(once[name][INNER], twice[name][INNER], atol=0.02), name
    unmoved = parts_of(*given_along(None))
    assert (unmoved["moved"][INNER] - once["moved"][INNER]).abs().max() > 0.05


def test_beside_the_mesh_the_plate_is_left_as_it_is() -> None:
    given, view = given_along(None)
    beside = view.inside.expand(-1, 3, -1, -1) == 0
    assert beside.any()
    assert torch.equal(given.moved[beside], given.plate[beside])
    assert given.atlas[view.inside.expand(-1, 4, -1, -1) == 0].abs().max() == 0
