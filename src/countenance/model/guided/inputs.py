"""What the generator is given: one target mesh, and images of both people drawn into it.

Colours are in even light: the face's mean at `EVEN_MEAN`, its brightness spread by `EVEN_SPREAD`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from countenance.model.guided.mesh import (
    ATLAS_SIZE,
    EXPRESSIVE,
    Raster,
    atlas_points,
    extended,
    facing,
    head_fit,
    normals,
    places,
    rasterise,
    spread,
    without_pose,
)

EVEN_MEAN, EVEN_SPREAD, LEAST_SPREAD = 0.5, 0.18, 0.03
POSE_UNIT_DEG, EXPRESSION_UNIT = 12.0, 0.04
"""Differences of pose and of expression, in canonical units, by these count alike."""
ROBUST = 0.12
"""Of colours in an atlas: faces that differ more from the others' mean there hardly count."""
ATLAS_FACES = 24
RATIO_FLOOR, MAX_RATIO = 0.15, 2.5
MOVE_PX = 16.0


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class View:
    """What some crops show at each pixel."""

    raster: Raster
    inside: Float[Tensor, "B 1 S S"]
    """Whether the extended mesh shows."""
    where: Float[Tensor, "B S S 2"]
    """Place in the plate's image."""

    def drawn(self, *values: Float[Tensor, "B E _"]) -> tuple[Float[Tensor, "B _ S S"], ...]:
        """Values of the points at each pixel, 0 beside the mesh."""
        together = spread(self.raster, torch.cat(values, dim=2)).permute(0, 3, 1, 2).contiguous()
        return torch.split_with_sizes(together, [each.shape[2] for each in values], dim=1)


def row_of_view(view: View, number: int) -> View:
    """Of one crop of a batch."""
    one, raster = slice(number, number + 1), view.raster
    return View(
        raster=Raster(triangle=raster.triangle[one], weights=raster.weights[one]),
        inside=view.inside[one],
        where=view.where[one],
    )


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Given:
    """Sources of pixels, drawn into the target mesh, colours in even light."""

    plate: Float[Tensor, "B 3 S S"]
    moved: Float[Tensor, "B 3 S S"]
    shift: Float[Tensor, "B 2 S S"]
    """From where a pixel shows to where the moved plate takes it, in the plate's pixels; 0 beside the mesh."""
    atlas: Float[Tensor, "B 4 S S"]
    """Colour and confidence."""
    own_atlas: Float[Tensor, "B 3 S S"]
    """The performer's."""
    references: tuple[tuple[Float[Tensor, "B 3 S S"], Float[Tensor, "B 1 S S"]], ...]
    """Each with how well it is seen."""
    place: Float[Tensor, "B 2 S S"]
    """On the unrolled head, 0–1."""
    move: Float[Tensor, "B 3 S S"]
    """By how much the performer's mesh was moved, in pixels of the generator's size."""
    normal: Float[Tensor, "B 2 S S"]
    """Of the target mesh, x and y."""
    own_normal: Float[Tensor, "B 2 S S"]
    """Of the performer's mesh, at the same points."""


def sample(
    images: Float[Tensor, "B C H W"],
    where_xy: Float[Tensor, "B h w 2"],
    mode: Literal["bilinear", "bicubic"] = "bilinear",
) -> Float[Tensor, "B C h w"]:
    """Images at some places, in pixels; outside, the edge is repeated. Cubics may overshoot a little."""
    height, width = images.shape[2:]
    size = torch.tensor([width, height], device=images.device)
    grid = (2 * where_xy + 1) / size - 1
    return F.grid_sample(images, grid, mode, align_corners=False, padding_mode="border")


def evenness(rgb: Float[Tensor, "N 3 H W"], face: Float[Tensor, "N H W"]) -> Float[Tensor, "N 4"]:
    """Mean colour of a face, and standard deviation of its brightness; all 0–1."""
    weight = face[:, None] / face.sum(dim=(1, 2))[:, None, None, None].clamp_min(1)
    mean = (rgb * weight).sum(dim=(2, 3))
    grey = rgb.mean(dim=1, keepdim=True)
    variance = ((grey - mean.mean(dim=1)[:, None, None, None]).square() * weight).sum(dim=(1, 2, 3))
    return torch.cat([mean, variance.sqrt().clamp_min(LEAST_SPREAD)[:, None]], dim=1)


def evened(rgb: Float[Tensor, "B 3 H W"], even: Float[Tensor, "B 4"]) -> Float[Tensor, "B 3 H W"]:
    """Colours in even light."""
    return (rgb - even[:, :3, None, None]) * (EVEN_SPREAD / even[:, 3, None, None, None]) + EVEN_MEAN


def uneven(rgb: Float[Tensor, "B 3 H W"], even: Float[Tensor, "B 4"]) -> Float[Tensor, "B 3 H W"]:
    """Colours in even light back in their own."""
    return (rgb - EVEN_MEAN) * (even[:, 3, None, None, None] / EVEN_SPREAD) + even[:, :3, None, None]


def features(found: Float[Tensor, "N 468 3"], neutral: Float[Tensor, "468 3"]) -> Float[Tensor, "N F"]:
    """Pose and expression: near in it means alike in both."""
    pose = head_fit(found)
    ahead = -pose.rotation[:, :, 2]
    yaw = torch.rad2deg(torch.atan2(ahead[:, 0], -ahead[:, 2]))
    pitch = torch.rad2deg(torch.asin(ahead[:, 1].clamp(-1, 1)))
    expression = (without_pose(found, pose) - neutral)[:, list(EXPRESSIVE)].flatten(1)
    turned = torch.stack([yaw, pitch], dim=1) / POSE_UNIT_DEG
    return torch.cat([turned, expression / EXPRESSION_UNIT / len(EXPRESSIVE) ** 0.5], dim=1)


def spread_out(feature: Float[Tensor, "N F"], count: int) -> Int[Tensor, " K"]:
    """Farthest-point sampling, from the most ordinary one."""
    chosen = [int((feature - feature.mean(dim=0)).square().sum(dim=1).argmin())]
    nearest = (feature - feature[chosen[0]]).square().sum(dim=1)
    while len(chosen) < min(count, len(feature)):
        chosen.append(int(nearest.argmax()))
        nearest = torch.minimum(nearest, (feature - feature[chosen[-1]]).square().sum(dim=1))
    return torch.tensor(chosen, device=feature.device)


@cache
def atlas_raster(device: torch.device) -> Raster:
    """The extended mesh laid out flat."""
    return rasterise(torch.from_numpy(atlas_points()).to(device)[None], ATLAS_SIZE)


def fused(
    rgb: Float[Tensor, "N 3 H W"],
    visible: Float[Tensor, "N H W"],
    found: Float[Tensor, "N 468 3"],
    even: Float[Tensor, "N 4"],
) -> Float[Tensor, "4 A A"]:
    """Faces unrolled into one atlas, those that see a place best counting most: colour, and confidence."""
    flat = atlas_raster(rgb.device)
    raster = Raster(triangle=flat.triangle.expand(len(rgb), -1, -1), weights=flat.weights.expand(len(rgb), -1, -1, -1))
    points = extended(found)
    where = spread(raster, points[..., :2])
    pixels = evened(sample(rgb, where), even)
    seen = spread(raster, facing(points)[..., None])[..., 0]
    inside = ((where > 0) & (where < rgb.shape[2] - 1)).all(dim=3)
    weight = (((seen - 0.15) / 0.85).clamp(0, 1) ** 3 * inside * sample(visible[:, None], where)[:, 0] + 1e-5)[:, None]
    mean = (pixels * weight).sum(dim=0) / weight.sum(dim=0)
    for _ in range(2):
        robust = weight * torch.exp(-(pixels - mean).square().sum(dim=1, keepdim=True) / (2 * ROBUST**2)) + 1e-7
        mean = (pixels * robust).sum(dim=0) / robust.sum(dim=0)
    return torch.cat([mean, weight.amax(dim=0).clamp(0, 1)])


def draw_given(
    image: Float[Tensor, "B 3 H W"],
    mesh: Float[Tensor, "B 468 3"],
    meshes: tuple[Float[Tensor, "B E 3"], Float[Tensor, "B E 3"]],
    atlases: tuple[Float[Tensor, "B 4 A A"], Float[Tensor, "B 3 A A"]],
    references: Sequence[tuple[Float[Tensor, "B 4 h w"], Float[Tensor, "B E 3"]]],
    view: View,
) -> Given:
    """All sources drawn into the target mesh.

    `image`, `mesh`: the performer's, in its pixels; `meshes`: the performer's and the target, in pixels of the
    generator's size; `atlases`: the likeness's and the performer's; `references`: colours and where the face is seen,
    with `surface_of` each.
    """
    own, target = meshes
    here, place, move, normal, own_normal, *surfaces = view.drawn(
        extended(mesh)[..., :2],
        _places(image.device).expand(len(image), -1, -1),
        target - own,
        normals(target)[..., :2],
        normals(own)[..., :2],
        *(values for _, values in references),
    )
    where = view.where.permute(0, 3, 1, 2)
    shift = torch.where(view.inside > 0, here - where, torch.zeros_like(where))
    in_atlas = (place * (ATLAS_SIZE - 1)).permute(0, 2, 3, 1)
    drawn = []
    for (reference, _), shown in zip(references, surfaces, strict=True):
        seen = sample(reference, shown[:, :2].permute(0, 2, 3, 1)) * view.inside
        drawn.append((seen[:, :3], seen[:, 3:] * shown[:, 2:]))
    return Given(
        plate=sample(image, view.where),
        moved=sample(image, (where + shift).permute(0, 2, 3, 1)),
        shift=shift,
        atlas=sample(atlases[0], in_atlas) * view.inside,
        own_atlas=sample(atlases[1], in_atlas) * view.inside,
        references=tuple(drawn),
        place=place,
        move=move,
        normal=normal,
        own_normal=own_normal,
    )


def surface_of(found: Float[Tensor, "B 468 3"]) -> Float[Tensor, "B E 3"]:
    """Where each point of a mesh lies in its image, and how much it faces the camera."""
    points = extended(found)
    return torch.cat([points[..., :2], facing(points)[..., None]], dim=2)


def ratio_image(
    moved: Float[Tensor, "B 3 H W"],
    atlas: Float[Tensor, "B 3 H W"],
    own_atlas: Float[Tensor, "B 3 H W"],
    inside: Float[Tensor, "B 1 H W"],
) -> Float[Tensor, "B 3 H W"]:
    """The performer's expression and light on the likeness's colours; beside the mesh the moved plate."""
    factor = (atlas + RATIO_FLOOR).clamp_min(0.02) / (own_atlas + RATIO_FLOOR).clamp_min(0.02)
    return torch.where(inside > 0, moved * factor.clamp(1 / MAX_RATIO, MAX_RATIO), moved)


def parts_of(given: Given, view: View) -> dict[str, Tensor]:
    """All that the generator is given, by the names in `CHANNELS`."""
    colour = given.atlas[:, :3]
    return {
        "plate": given.plate,
        "moved": given.moved,
        "ratio": ratio_image(given.moved, colour, given.own_atlas, view.inside),
        "atlas": colour,
        "atlas confidence": given.atlas[:, 3:],
        "own atlas": given.own_atlas,
        **{f"reference {number + 1}": image for number, (image, _) in enumerate(given.references)},
        **{f"coverage {number + 1}": cover for number, (_, cover) in enumerate(given.references)},
        "place": given.place,
        "move": given.move / MOVE_PX + 0.5,
        "inside": view.inside,
        "normal": given.normal / 2 + 0.5,
        "own normal": given.own_normal / 2 + 0.5,
    }


@cache
def _places(device: torch.device) -> Float[Tensor, "1 E 2"]:
    return torch.from_numpy(places().astype(np.float32)).to(device)[None]
