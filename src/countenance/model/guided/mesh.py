"""The mesh as PyTorch uses it: triangles with a ring around them, where it lies, what it shows at each pixel."""

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int, Int32
from torch import Tensor

from countenance.vision.align import NOSE_BASE, canonical_mesh
from countenance.vision.mask import OUTLINE

NUM_POINTS = 468
RING = 0.22
"""How far the ring lies outside of the outline, as a fraction of the distance to the mesh's centre."""
NUM_EXTENDED = NUM_POINTS + len(OUTLINE)
ATLAS_SIZE = 160
BOXES = (6, 8, 10, 12, 16, 20, 24, 32, 48, 64, 4096)
"""Triangles are rasterised together whose boxes have at most so many pixels."""
FARTHEST = 2**31 - 1
DEPTH_RANGE, DEPTH_STEPS = 4096.0, 64.0
"""Depths are compared in steps of 1/64 pixel."""
EYES_AND_LIPS = (
    33, 160, 159, 158, 133, 153, 145, 144, 362, 385, 386, 387, 263, 373, 374, 380,
    61, 37, 0, 267, 291, 314, 17, 84, 78, 81, 13, 311, 308, 402, 14, 178,
)  # fmt: skip
BROWS = (70, 105, 107, 336, 334, 300)
EXPRESSIVE = EYES_AND_LIPS + BROWS
"""Where expression shows."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Pose:
    """Canonical head to found mesh: a similarity in three dimensions, a batch of them."""

    scale: Float[Tensor, " B"]
    rotation: Float[Tensor, "B 3 3"]
    shift: Float[Tensor, "B 3"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Raster:
    """Which triangle shows at each pixel, and where in it."""

    triangle: Int[Tensor, "B H W"]
    """−1: none."""
    weights: Float[Tensor, "B H W 3"]


def extended(points: Float[Tensor, "B 468 C"]) -> Float[Tensor, "B E C"]:
    """The mesh with its ring."""
    outline = points[:, list(OUTLINE)]
    return torch.cat([points, outline + RING * (outline - points.mean(dim=1, keepdim=True))], dim=1)


@cache
def places() -> Float[np.ndarray, "E 2"]:
    """Where each point of the extended mesh lies on the unrolled head; both axes 0–1, mirror images about 0.5."""
    mesh = canonical_mesh().astype(np.float64)
    mesh = (mesh + mesh[_mirror_order()] * np.array([-1, 1, 1])) / 2
    ringed = extended(torch.from_numpy(mesh)[None])[0].numpy()
    flat = np.stack([1.25 * np.arctan2(ringed[:, 0], 1.25 - ringed[:, 2]), ringed[:, 1]], axis=1)
    half = np.abs(flat[:, 0]).max() * 1.02
    low, high = flat[:, 1].min(), flat[:, 1].max()
    middle, reach = (low + high) / 2, (high - low) / 2 * 1.02
    return np.stack([0.5 + flat[:, 0] / (2 * half), 0.5 + (flat[:, 1] - middle) / (2 * reach)], axis=1)


@cache
def _corners(device: torch.device) -> Int[Tensor, "T 3"]:
    return torch.from_numpy(triangles()).long().to(device)


@cache
def _canonical(device: torch.device) -> tuple[Float[Tensor, "468 3"], Int[Tensor, " R"]]:
    """The canonical head, and which of its points neither jaw nor mouth move."""
    canonical = torch.from_numpy(canonical_mesh()).to(device)
    return canonical, torch.nonzero(canonical[:, 1] < canonical[NOSE_BASE, 1])[:, 0]


@cache
def _mirror_order() -> Int32[np.ndarray, "468"]:
    """For each point its counterpart on the other side of the face."""
    mesh = canonical_mesh()
    mirrored = mesh * np.array([-1, 1, 1])
    apart = np.linalg.norm(mesh[:, None] - mirrored[None], axis=2)
    return np.asarray(apart.argmin(axis=1), np.int32)


@cache
def triangles() -> Int32[np.ndarray, "T 3"]:
    """Corners of the triangles, all wound alike; Delaunay on the unrolled head."""
    grid = (places() * 1900 + 20).astype(np.float32)
    division = cv2.Subdiv2D((0, 0, 2000, 2000))
    for x, y in grid.tolist():
        division.insert((x, y))
    found = np.asarray(division.getTriangleList(), np.float32).reshape(-1, 3, 2)
    found = found[np.all((found > 0) & (found < 2000), axis=(1, 2))]
    apart = np.linalg.norm(found[:, :, None] - grid[None, None], axis=3)
    corners = apart.argmin(axis=2)[apart.min(axis=2).max(axis=1) < 0.5]
    a, b, c = (grid[corners[:, number]] for number in range(3))
    turned = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0]) < 0
    corners[turned] = corners[turned][:, [0, 2, 1]]
    return np.asarray(corners, np.int32)


def rasterise(points_xyz: Float[Tensor, "B E 3"], size: int) -> Raster:
    """Nearest triangle that faces the camera at each pixel's middle; z grows away from the camera."""
    batch, device = len(points_xyz), points_xyz.device
    corners = points_xyz[:, _corners(device)]
    planes, faces_us = _planes(corners)
    low = corners[..., :2].amin(dim=2).floor().clamp(0, size - 1).long()
    high = corners[..., :2].amax(dim=2).ceil().clamp(0, size - 1).long()
    reach = (high - low + 1).amax(dim=(0, 2)) * faces_us.any(dim=0)
    # Twice as wide and high as the image, so that boxes may reach beyond it.
    nearest = torch.full((batch, 4 * size * size), FARTHEST, dtype=torch.int32, device=device)
    numbers = torch.arange(len(triangles()), dtype=torch.int32, device=device)
    least = 0
    for most in BOXES:
        chosen = torch.nonzero((reach > least) & (reach <= most))[:, 0]
        least = most
        if not len(chosen):
            continue
        line = torch.arange(min(most, size), device=device)
        x = low[:, chosen, 0, None, None] + line
        y = low[:, chosen, 1, None, None] + line[:, None]
        u, v, z = _at(planes[:, chosen, :, None, None], x, y)
        shown = torch.minimum(torch.minimum(u, v), 1 - u - v) >= -1e-4
        depth = z.add_(DEPTH_RANGE).clamp_(0, 2 * DEPTH_RANGE).mul_(DEPTH_STEPS).int()
        key = depth.mul_(len(triangles())).add_(numbers[chosen, None, None]).masked_fill_(~shown, FARTHEST)
        place = 2 * size * y + x
        nearest.scatter_reduce_(1, place.reshape(batch, -1), key.reshape(batch, -1), "amin")
    nearest = nearest.reshape(batch, 2 * size, 2 * size)[:, :size, :size].reshape(batch, -1)
    number = torch.where(nearest < FARTHEST, nearest % len(triangles()), -1).long()
    x, y = pixel_grid(size, device).reshape(1, -1, 2).unbind(dim=2)
    first = len(triangles()) * torch.arange(batch, device=device)[:, None]
    u, v, _ = _at(F.embedding(first + number.clamp_min(0), planes.reshape(-1, 9)), x, y)
    # A triangle that is seen edge-on has weights beyond any bound beside it.
    weights = torch.stack([u, v, 1 - u - v], dim=2) * (number >= 0)[..., None]
    return Raster(triangle=number.reshape(batch, size, size), weights=weights.reshape(batch, size, size, 3))


def pixel_grid(size: int, device: torch.device) -> Float[Tensor, "S S 2"]:
    """The place of every pixel of a square image, x and y."""
    line = torch.arange(size, device=device, dtype=torch.float32)
    y, x = torch.meshgrid(line, line, indexing="ij")
    return torch.stack([x, y], dim=2)


def _planes(corners: Float[Tensor, "B T 3 3"]) -> tuple[Float[Tensor, "B T 9"], Bool[Tensor, "B T"]]:
    """Two weights and the depth as a + b·x + c·y, and whether a triangle faces the camera."""
    (ax, ay, az), (bx, by, bz), (cx, cy, cz) = (corners[:, :, corner].unbind(dim=2) for corner in range(3))
    area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
    faces_us = area > 1e-3
    area = torch.where(faces_us, area, torch.ones_like(area))
    u = torch.stack([-(by - cy) * cx - (cx - bx) * cy, by - cy, cx - bx], dim=2) / area[..., None]
    v = torch.stack([-(cy - ay) * cx - (ax - cx) * cy, cy - ay, ax - cx], dim=2) / area[..., None]
    z = u * (az - cz)[..., None] + v * (bz - cz)[..., None]
    z[..., 0] += cz
    # What looks away has a weight below zero everywhere, so that it shows nowhere.
    u = torch.where(faces_us[..., None], u, u.new_tensor([-1, 0, 0]))
    return torch.cat([u, v, z], dim=2), faces_us


def _at(planes: Float[Tensor, "B T 9 *"], x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    values = [planes[:, :, n] + planes[:, :, n + 1] * x + planes[:, :, n + 2] * y for n in (0, 3, 6)]
    return values[0], values[1], values[2]


def spread(raster: Raster, values: Float[Tensor, "B E C"]) -> Float[Tensor, "B H W C"]:
    """Values of the points at each pixel; 0 where no triangle shows."""
    batch, count, width = values.shape
    corners = _corners(values.device)[raster.triangle.clamp_min(0)]
    corners = corners + count * torch.arange(batch, device=values.device)[:, None, None, None]
    weights = raster.weights * (raster.triangle >= 0)[..., None]
    summed = F.embedding_bag(
        corners.reshape(-1, 3), values.reshape(-1, width), per_sample_weights=weights.reshape(-1, 3), mode="sum"
    )
    return summed.reshape(*raster.triangle.shape, width)


def fit(shape: Float[Tensor, "B N 3"], onto: Float[Tensor, "B N 3"]) -> Pose:
    """The similarity that lays one set of points onto another, by least squares (Umeyama, 1991)."""
    middle, aim = shape.mean(dim=1, keepdim=True), onto.mean(dim=1, keepdim=True)
    a, b = (shape - middle).double(), (onto - aim).double()
    u, singular, v = torch.linalg.svd(b.transpose(1, 2) @ a)
    sign = torch.ones_like(singular)
    sign[:, 2] = torch.sign(torch.det(u @ v))
    rotation = u @ (sign[:, :, None] * v)
    scale = (singular * sign).sum(dim=1) / a.square().sum(dim=(1, 2))
    rotation, scale = rotation.to(shape.dtype), scale.to(shape.dtype)
    shift = aim[:, 0] - scale[:, None] * (rotation @ middle.transpose(1, 2))[..., 0]
    return Pose(scale=scale, rotation=rotation, shift=shift)


def head_fit(points_xyz: Float[Tensor, "B 468 3"]) -> Pose:
    """The canonical head laid onto a found mesh, by the points that neither jaw nor mouth move."""
    canonical, rigid = _canonical(points_xyz.device)
    return fit(canonical[rigid].expand(len(points_xyz), -1, -1), points_xyz[:, rigid])


def without_pose(points_xyz: Float[Tensor, "B 468 3"], pose: Pose) -> Float[Tensor, "B 468 3"]:
    """The mesh in canonical axes and units: shape and expression."""
    return (points_xyz - pose.shift[:, None]) @ pose.rotation / pose.scale[:, None, None]


def moved_by(move: Float[Tensor, "... 468 3"], pose: Pose) -> Float[Tensor, "B 468 3"]:
    """A change of shape, in canonical axes and units, as it shows under a pose."""
    return pose.scale[:, None, None] * (move @ pose.rotation.transpose(1, 2))


def with_ring_of(found: Float[Tensor, "B 468 3"], target: Float[Tensor, "B 468 3"]) -> Float[Tensor, "B E 3"]:
    """A target mesh whose ring stays the found mesh's: between them the surroundings are drawn along."""
    return torch.cat([target, extended(found)[:, NUM_POINTS:]], dim=1)


def normals(points_xyz: Float[Tensor, "B E 3"]) -> Float[Tensor, "B E 3"]:
    """Directions in which the surface looks at each point, of length one; z grows away from the camera."""
    corner = _corners(points_xyz.device)
    a, b, c = (points_xyz[:, corner[:, number]] for number in range(3))
    across = torch.linalg.cross(b - a, c - a)
    total = torch.zeros_like(points_xyz)
    for number in range(3):
        total.index_add_(1, corner[:, number], across)
    length: Tensor = total.norm(dim=2, keepdim=True)
    return -total / length.clamp_min(1e-9)


def facing(points_xyz: Float[Tensor, "B E 3"]) -> Float[Tensor, "B E"]:
    """How much the surface at each point faces the camera, 0–1."""
    return (-normals(points_xyz)[..., 2]).clamp(0, 1)


def atlas_points() -> Float[np.ndarray, "E 3"]:
    """The extended mesh laid out flat in the atlas, in its pixels."""
    return np.column_stack([places() * (ATLAS_SIZE - 1), np.zeros(NUM_EXTENDED)]).astype(np.float32)
