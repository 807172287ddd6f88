"""Sources drawn into a target mesh."""

import torch
from torch import Tensor

from countenance.model.guided.drawing import TRAVELS_WITH, aligned
from countenance.model.guided.inputs import View, draw_given, parts_of, surface_of
from countenance.model.guided.mesh import ATLAS_SIZE, pixel_grid, rasterise, with_ring_of
from countenance.model.guided.network import ALIGNED
from tests.support.made_up import placed_head

SIZE = 128


def noise(*shape: int, softened: int) -> Tensor:
    """A random image, of that many pixels to one value."""
    torch.manual_seed(4)
    coarse = torch.rand(*shape[:-2], shape[-2] // softened, shape[-1] // softened)
    return torch.nn.functional.interpolate(coarse, size=shape[-2:], mode="bicubic").clamp(0, 1)


def given_along(flows: Tensor | None, *, yaw_deg: float = 5.0, softened: int = 16) -> dict[str, Tensor]:
    plate, target = (placed_head(yaw_deg + more, 38.0, SIZE) for more in (0.0, 3.0))
    raster = rasterise(with_ring_of(plate, target), SIZE)
    view = View(
        raster=raster,
        inside=(raster.triangle >= 0).float()[:, None],
        where=pixel_grid(SIZE, plate.device)[None],
    )
    image, faces = (noise(count, channels, SIZE, SIZE, softened=softened) for count, channels in ((1, 3), (4, 4)))
    atlas = noise(1, 4, ATLAS_SIZE, ATLAS_SIZE, softened=softened)
    turned = [surface_of(placed_head(yaw_deg + more, 38.0, SIZE)) for more in (0.0, 4.0, 9.0, 15.0)]
    references = [(face[None], mesh) for face, mesh in zip(faces, turned, strict=True)]
    moved_px = (target - plate)[..., :2]
    return parts_of(draw_given(image, plate, moved_px, (atlas, atlas[:, :3]), references, view, flows), view)


def a_flow(x: float, y: float) -> Tensor:
    flows = torch.zeros(1, len(ALIGNED), 2, SIZE // 4, SIZE // 4)
    flows[:, :, 0], flows[:, :, 1] = x, y
    return flows


def test_sources_followed_by_places_are_those_that_are_sampled_twice() -> None:
    # At 45 degrees the nose hides a cheek, and the mesh's edge lies before the head's.
    for yaw_deg in (5.0, 45.0):
        flows, before = a_flow(3.0, -2.0), given_along(None, yaw_deg=yaw_deg)
        once, twice = given_along(flows, yaw_deg=yaw_deg), aligned(before, flows)
        for name in {"ratio", *(name for names in TRAVELS_WITH.values() for name in names)}:
            apart = (once[name] - twice[name]).abs().amax(dim=1)
            assert apart.mean() < 0.01, name
            assert (apart > 0.25).float().mean() < 0.002, name
            assert (once[name] - before[name]).abs().mean() > 2 * apart.mean(), name


def test_what_is_sampled_once_keeps_more_detail() -> None:
    flows = a_flow(0.5, 0.5)
    once = given_along(flows, softened=2)
    twice = aligned(given_along(None, softened=2), flows)

    def detail(image: Tensor) -> float:
        inner = image[..., 40:90, 40:90]
        return float(inner.diff(dim=2, n=2).square().mean() + inner.diff(dim=3, n=2).square().mean())

    assert detail(once["moved"]) > 2 * detail(twice["moved"])
    assert detail(once["atlas"]) > 1.2 * detail(twice["atlas"])


def test_beside_the_mesh_the_plate_is_left_as_it_is() -> None:
    parts = given_along(None)
    beside = parts["inside"] == 0
    assert beside.any()
    assert torch.equal(parts["moved"] * beside, parts["plate"] * beside)
    for name in ("atlas", "atlas confidence", "reference 1", "coverage 1", "place"):
        assert not (parts[name] * beside).any(), name
