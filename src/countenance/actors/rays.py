"""Ray casting against a figure's triangles: the first hit, and the values there."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float32, Int

from countenance.actors.actor import Colour
from countenance.actors.colour import to_light
from countenance.actors.figure import GUM_RGB, LASH_RGB, TONGUE_RGB, Figure, Posed
from countenance.actors.scene import Camera
from countenance.actors.surface import embree_scene, normals, triangles_of, unit
from countenance.vision.parts import Part

COVER = {Part.BROW: (0.00030, 0.7), Part.LASH: (0.00022, 0.35), Part.BEARD: (0.00030, 0.45)}
"""Half the width in metres, and opacity: fine hair is drawn wider and fainter, or rays would miss it."""
Vectors = Float32[np.ndarray, "N 3"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Ribbons:
    """Strands as flat bands, each turned its own way, half as wide at the tip."""

    points: Float32[np.ndarray, "P 3"]
    triangles: Int[np.ndarray, "T 3"]
    along: Float32[np.ndarray, "P 3"]
    """Unit tangents."""
    points_a_strand: int


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Triangles:
    """All of a figure in one frame, but for the hair of the head."""

    points: Float32[np.ndarray, "P 3"]
    """Those of solids first, then those of brows, lashes and beard."""
    normals: Float32[np.ndarray, "Q 3"]
    """Of solids, as the next two."""
    triangles: Int[np.ndarray, "T 3"]
    parts: Int[np.ndarray, " T"]
    """`parts.Part`."""
    face_weight: Float32[np.ndarray, " Q"]
    rgb: Float32[np.ndarray, "P 3"]
    """Linear albedo; skin and eyes have pictures of their own instead."""
    eye_directions: Float32[np.ndarray, "Q 3"]
    """Of points of an eyeball, its pupil to +z; zero elsewhere."""
    num_solid: int
    """Triangles before those of brows, lashes and beard."""
    solid: Any
    strands: Any
    """Embree's scenes."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Hits:
    """What rays met first."""

    distance: Float32[np.ndarray, " N"]
    """Infinite where there is nothing."""
    triangle: Int[np.ndarray, " N"]
    """Of the hair where `is_hair`; −1 where there is nothing."""
    u: Float32[np.ndarray, " N"]
    v: Float32[np.ndarray, " N"]
    is_hair: Bool[np.ndarray, " N"]
    strand: Int[np.ndarray, " N"]
    """Triangle of a brow, lash or beard in front of it, or −1."""


def camera_rays(camera: Camera, size: int, dx: float, dy: float) -> tuple[Vectors, Vectors]:
    """Origins and unit directions through the pixels' middles, moved by a part of a pixel; row by row."""
    column, row = np.meshgrid(np.arange(size) + dx, np.arange(size) + dy)
    middle = (size - 1) / 2
    seen = np.stack([column - middle, row - middle, np.full_like(column, camera.focal * size)], axis=-1)
    rays = unit(seen.reshape(-1, 3) @ camera.rotation).astype(np.float32)
    return np.broadcast_to(camera.position.astype(np.float32), rays.shape).copy(), rays


def _solids(figure: Figure, posed: Posed) -> list[tuple[Part, np.ndarray, np.ndarray, Colour, float]]:
    """Part, points, quads, colour and face weight of each mesh; skin has weights of its own."""
    glasses = figure.body.glasses
    none = (0.0, 0.0, 0.0)
    return [
        (Part.SKIN, posed.skin, figure.skin_faces, none, 0.0),
        (Part.EYE, posed.eye_left, figure.eye.faces, none, 1.0),
        (Part.EYE, posed.eye_right, figure.eye.faces, none, 1.0),
        (Part.MOUTH, posed.teeth, figure.teeth.faces, figure.face.teeth_rgb, 1.0),
        (Part.MOUTH, posed.gum, figure.gum.faces, GUM_RGB, 1.0),
        (Part.MOUTH, posed.tongue, figure.tongue_faces, TONGUE_RGB, 1.0),
        (Part.CLOTH, posed.cloth, figure.cloth.faces, figure.body.cloth_rgb, 0.0),
        (Part.GLASSES, posed.glasses, figure.glasses.faces, glasses.rgb if glasses else none, 0.0),
    ]


def solid_points(figure: Figure, posed: Posed) -> Float32[np.ndarray, "Q 3"]:
    """Where `gather` puts the points of solids, in its order."""
    return np.concatenate([xyz for _, xyz, _, _, _ in _solids(figure, posed)]).astype(np.float32)


def gather(figure: Figure, posed: Posed) -> Triangles:
    """Everything of a frame that changes its shape, as triangles."""
    meshes = _solids(figure, posed)
    points, point_normals, triangles, parts, weights, rgb, eyes = [], [], [], [], [], [], []
    start = 0
    for part, xyz, faces, colour, weight in meshes:
        points.append(xyz)
        point_normals.append(normals(xyz, faces))
        triangles.append(triangles_of(faces) + start)
        parts.append(np.full(2 * len(faces), part))
        weights.append(figure.face_weight if part is Part.SKIN else np.full(len(xyz), weight))
        rgb.append(np.broadcast_to(linear(colour), (len(xyz), 3)))
        eyes.append(unit(figure.eye.points) if part is Part.EYE else np.zeros((len(xyz), 3)))
        start += len(xyz)
    num_solid = sum(map(len, triangles))
    beard_rgb = figure.face.beard.rgb if figure.face.beard else (0.0, 0.0, 0.0)
    for part, strands, colour in (
        (Part.BROW, posed.brows, figure.face.brows.rgb),
        (Part.LASH, posed.lashes, LASH_RGB),
        (Part.BEARD, posed.beard, beard_rgb),
    ):
        ribbons = as_ribbons(strands, COVER[part][0], seed=int(part))
        points.append(ribbons.points)
        triangles.append(ribbons.triangles + start)
        parts.append(np.full(len(ribbons.triangles), part))
        rgb.append(np.broadcast_to(linear(colour), ribbons.points.shape))
        start += len(ribbons.points)
    num_solid_points = sum(map(len, points[: len(meshes)]))
    all_points = np.concatenate(points).astype(np.float32)
    all_triangles = np.concatenate(triangles).astype(np.int32)
    return Triangles(
        points=all_points,
        normals=np.concatenate(point_normals).astype(np.float32),
        triangles=all_triangles,
        parts=np.concatenate(parts),
        face_weight=np.concatenate(weights).astype(np.float32),
        rgb=np.concatenate(rgb).astype(np.float32),
        eye_directions=np.concatenate(eyes).astype(np.float32),
        num_solid=num_solid,
        solid=embree_scene(all_points[:num_solid_points], all_triangles[:num_solid]),
        strands=embree_scene(all_points[num_solid_points:], all_triangles[num_solid:] - num_solid_points),
    )


def cast(
    triangles: Triangles, hair: Any, head_matrix: Float[np.ndarray, "4 4"], origin: Vectors, rays: Vectors
) -> Hits:
    """What each ray meets; `hair` is the scene of the head's hair in neutral pose."""
    hit = triangles.solid.run(origin, rays, output=1)
    distance = np.where(hit["primID"] >= 0, hit["tfar"], np.inf).astype(np.float32)
    # Hair never changes its shape, so the rays are turned instead of the hair.
    hair_hit = hair.run(*turned_back(head_matrix, origin, rays), output=1)
    is_hair = (hair_hit["primID"] >= 0) & (hair_hit["tfar"] < distance)
    distance = np.where(is_hair, hair_hit["tfar"], distance)
    triangle = np.where(is_hair, hair_hit["primID"], hit["primID"])
    u, v = np.where(is_hair, hair_hit["u"], hit["u"]), np.where(is_hair, hair_hit["v"], hit["v"])
    # Brows, lashes and beards are seen against the face they grow on.
    strand = np.full(len(rays), -1)
    rows = np.flatnonzero((hit["primID"] >= 0) & ~is_hair)
    rows = rows[np.isin(triangles.parts[hit["primID"][rows]], (Part.SKIN, Part.EYE, Part.MOUTH))]
    if len(rows):
        over = triangles.strands.run(origin[rows], rays[rows], output=1)
        in_front = (over["primID"] >= 0) & (over["tfar"] < distance[rows])
        strand[rows[in_front]] = over["primID"][in_front] + triangles.num_solid
    return Hits(distance=distance, triangle=triangle, u=u, v=v, is_hair=is_hair, strand=strand)


def turned_back(head_matrix: Float[np.ndarray, "4 4"], origin: Vectors, rays: Vectors) -> tuple[Vectors, Vectors]:
    """Rays as the head would see them in its neutral pose."""
    turn, shift = head_matrix[:3, :3], head_matrix[:3, 3]
    return ((origin - shift) @ turn).astype(np.float32), (rays @ turn).astype(np.float32)


def spread(
    values: Float32[np.ndarray, "P C"], triangles: Int[np.ndarray, "T 3"], hits: Hits, rows: Int[np.ndarray, " K"]
) -> Float32[np.ndarray, "K C"]:
    """Values of points at the places that the rays of some rows met."""
    corner = triangles[hits.triangle[rows]]
    u, v = hits.u[rows, None], hits.v[rows, None]
    first, second, third = (values[corner[:, i]] for i in range(3))
    return np.asarray((1 - u - v) * first + u * second + v * third, np.float32)


def as_ribbons(strands: Float[np.ndarray, "S K 3"], radius: float, seed: int) -> Ribbons:
    """Bands along strands; `radius` is half their width at the root."""
    number, length = strands.shape[:2]
    if number == 0:
        none = np.zeros((0, 3), np.float32)
        return Ribbons(points=none, triangles=np.zeros((0, 3), np.int32), along=none, points_a_strand=1)
    along = unit(np.gradient(strands, axis=1))
    rng = np.random.default_rng([seed, 13])
    side = unit(np.cross(along, unit(rng.normal(size=(number, 1, 3)))))
    width = radius * np.linspace(1, 0.5, length)[None, :, None]
    points = np.stack([strands + width * side, strands - width * side], axis=2).reshape(-1, 3)
    i, j = np.meshgrid(np.arange(number), np.arange(length - 1), indexing="ij")
    base = (i * length + j).ravel() * 2
    triangles = np.concatenate([np.stack([base, base + 1, base + 3], 1), np.stack([base, base + 3, base + 2], 1)])
    return Ribbons(
        points=points.astype(np.float32),
        triangles=triangles.astype(np.int32),
        along=np.repeat(along.reshape(-1, 3), 2, axis=0).astype(np.float32),
        points_a_strand=2 * length,
    )


def linear(srgb: Colour) -> Float32[np.ndarray, " 3"]:
    """A colour of the screen as light."""
    return to_light(np.array(srgb, np.float32))
