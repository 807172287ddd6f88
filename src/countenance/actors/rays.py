"""Ray casting against a figure's triangles: the first hit, and the values there."""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float32, Int, Shaped

from countenance.actors.actor import Colour
from countenance.actors.colour import to_light
from countenance.actors.eyes import wet_colours, wet_faces
from countenance.actors.figure import LASH_RGB, Figure, Posed
from countenance.actors.glasses import Lenses
from countenance.actors.scene import Camera
from countenance.actors.strands import ShortHair, Strands
from countenance.actors.surface import between_corners, corner_rows, cross, embree_scene, normals, triangles_of, unit
from countenance.vision.parts import Part

TURNED = 0.7
"""How far a band may be turned away from where it faces."""
LASH_RADIUS_M, LASH_COVER = 0.00015, 0.5
"""Half the width in metres, and opacity: fine hair is drawn wider and fainter, or rays would miss it."""
HEAD_CENTRE = np.array([0.0, 0.755, 0.02])
FAR_M = np.float32(1e6)
LEAST_CLEAR = 0.5
"""A lens that lets less light pass is dark."""
OPAQUE = 0.97
"""Hair that hides more than this hides everything."""
Vectors = Float32[np.ndarray, "N 3"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Ribbons:
    """Strands as flat bands, each turned its own way."""

    points: Float32[np.ndarray, "P 3"]
    triangles: Int[np.ndarray, "T 3"]
    along: Float32[np.ndarray, "P 3"]
    """Unit tangents."""
    points_a_strand: int

    def along_strands(
        self, triangle: Int[np.ndarray, " K"], u: Float32[np.ndarray, " K"], v: Float32[np.ndarray, " K"]
    ) -> tuple[Int[np.ndarray, " K"], Int[np.ndarray, " K"], Float32[np.ndarray, " K"]]:
        """The strand that rays met, its point before the place, and how far towards the next one the place lies."""
        num_bands = len(self.triangles) // 2
        strand, before = np.divmod(triangle % num_bands, self.points_a_strand // 2 - 1)
        return strand, before, np.where(triangle < num_bands, v, u + v)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Layout:
    """A figure's triangles but for the hair of the head, without where their points are: the same in every frame."""

    triangles: Int[np.ndarray, "T 3"]
    """Points of solids come first, then those of brows, lashes and beard."""
    parts: Int[np.ndarray, " T"]
    """`parts.Part`."""
    face_weight: Float32[np.ndarray, " Q"]
    """Of points of solids."""
    rgb: Float32[np.ndarray, "P 3"]
    """Linear albedo; skin and eyes have pictures of their own instead."""
    eye_directions: Float32[np.ndarray, "Q 3"]
    """Of points of an eyeball, its pupil to +z; zero elsewhere."""
    strand_cover: Float32[np.ndarray, " R"]
    """0–1, of points of brows, lashes and beard."""
    occluder_starts: Int[np.ndarray, " K"]
    """First triangle of each of the figure's occluders."""
    occluder_points: Int[np.ndarray, " K"]
    """First point of each."""
    solid_corners: Shaped[np.ndarray, " S"]
    """As `surface.corner_rows` gives them, of solids and of strands, each numbered from its own first point."""
    strand_corners: Shaped[np.ndarray, " U"]

    @property
    def num_solid(self) -> int:
        """Triangles before those of brows, lashes and beard."""
        return len(self.solid_corners)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Triangles(Layout):
    """All of a figure in one frame, but for the hair of the head."""

    points: Float32[np.ndarray, "P 3"]
    normals: Float32[np.ndarray, "Q 3"]
    """Of solids."""
    strand_along: Float32[np.ndarray, "R 3"]
    """Unit tangents of brows, lashes and beard, from root to tip."""
    solid: Any
    strands: Any
    """Embree's scenes."""
    lenses: "LensScene | None"
    """Of glasses; labels and shadows pass through clear ones."""


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
    next_strand: Int[np.ndarray, " N"]
    """The one behind that, or −1."""
    veil: "Veil"
    lens: "LensHits | None"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Veil:
    """Hair of the head so fine that what lies behind it shows."""

    rows: Int[np.ndarray, " K"]
    """Among all rays."""
    triangle: Int[np.ndarray, " K"]
    u: Float32[np.ndarray, " K"]
    v: Float32[np.ndarray, " K"]
    distance: Float32[np.ndarray, " K"]
    cover: Float32[np.ndarray, " K"]
    """0–1: how much of what lies behind is hidden."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class LensHits:
    """Lenses in front of everything else that rays met."""

    rows: Int[np.ndarray, " K"]
    """Among all rays."""
    distance: Float32[np.ndarray, " K"]
    normal: Vectors
    passing: Float32[np.ndarray, "K 3"]
    """Fraction of the light that passes, linear."""

    @property
    def dark(self) -> Bool[np.ndarray, " K"]:
        """Where a lens hides more than it shows: what is seen there is glasses."""
        return np.asarray(self.passing.mean(axis=1) < LEAST_CLEAR)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class LensScene:
    """The lenses of a frame, ready to be met by rays."""

    scene: Any
    """Embree's."""
    triangles: Int[np.ndarray, "T 3"]
    normals: Float32[np.ndarray, "L 3"]
    passing: Float32[np.ndarray, "L 3"]

    def hit(self, origin: Vectors, rays: Vectors, nearest: Float32[np.ndarray, " N"]) -> LensHits:
        """Which rays meet a lens before what is `nearest` otherwise."""
        found = self.scene.run(origin, rays, output=1)
        rows = np.flatnonzero((found["primID"] >= 0) & (found["tfar"] < nearest))
        corner = self.triangles[found["primID"][rows]]
        normal, passing = (
            between_corners(values, corner, found["u"][rows], found["v"][rows]).astype(np.float32)
            for values in (self.normals, self.passing)
        )
        return LensHits(
            rows=rows, distance=found["tfar"][rows], normal=unit(normal).astype(np.float32), passing=passing
        )


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class HairScene:
    """Hair of the head in neutral pose, ready to be met by rays."""

    ribbons: Ribbons
    cover: Float32[np.ndarray, "S K"]
    """Of each of the strands' points."""
    scene: Any
    """Embree's."""


def hair_scene(strands: Strands, seed: int) -> HairScene:
    """Hair, prepared once."""
    ribbons = as_ribbons(strands.points, strands.radius_m, seed, unit(strands.points - HEAD_CENTRE))
    return HairScene(
        ribbons=ribbons, cover=strands.cover.astype(np.float32), scene=embree_scene(ribbons.points, ribbons.triangles)
    )


def camera_rays(camera: Camera, size: int, dx: float, dy: float) -> tuple[Vectors, Vectors]:
    """Origins and unit directions through the pixels' middles, moved by a part of a pixel; row by row."""
    column, row = np.meshgrid(np.arange(size) + dx, np.arange(size) + dy)
    middle = (size - 1) / 2
    seen = np.stack([column - middle, row - middle, np.full_like(column, camera.focal * size)], axis=-1)
    rays = unit(seen.reshape(-1, 3) @ camera.rotation).astype(np.float32)
    return np.broadcast_to(camera.position.astype(np.float32), rays.shape).copy(), rays


def _solids(figure: Figure, posed: Posed) -> list[tuple[Part, np.ndarray, np.ndarray, np.ndarray, float]]:
    """Part, points, quads, linear albedo and face weight of each mesh; skin has weights of its own."""
    glasses = figure.body.glasses
    none = np.zeros(3, np.float32)
    return [
        (Part.SKIN, posed.skin, figure.skin_faces, none, 0.0),
        (Part.EYE, posed.eye_left, figure.eye.faces, none, 1.0),
        (Part.EYE, posed.eye_right, figure.eye.faces, none, 1.0),
        (Part.EYE, posed.wet, wet_faces(), wet_colours(), 1.0),
        (Part.MOUTH, posed.teeth, figure.teeth.faces, figure.teeth_rgb, 1.0),
        (Part.MOUTH, posed.gum, figure.gum.faces, figure.gum_rgb, 1.0),
        (Part.MOUTH, posed.tongue, figure.tongue_faces, figure.tongue_rgb, 1.0),
        (Part.CLOTH, posed.cloth, figure.cloth.faces, linear(figure.body.cloth_rgb), 0.0),
        (Part.GLASSES, posed.glasses, figure.glasses.faces, linear(glasses.rgb) if glasses else none, 0.0),
    ]


def solid_points(figure: Figure, posed: Posed) -> Float32[np.ndarray, "Q 3"]:
    """Where `gather` puts the points of solids, in its order."""
    meshes = [xyz for _, xyz, _, _, _ in _solids(figure, posed)]
    return np.concatenate([*meshes, *posed.occluders]).astype(np.float32)


def layout_of(figure: Figure, posed: Posed) -> Layout:
    """The layout of a figure, which is the same in every pose."""
    triangles, parts, weights, rgb, eyes = [], [], [], [], []
    start = 0
    for part, xyz, faces, colour, weight in _solids(figure, posed):
        triangles.append(triangles_of(faces) + start)
        parts.append(np.full(2 * len(faces), part))
        weights.append(figure.face_weight if part is Part.SKIN else np.full(len(xyz), weight))
        rgb.append(np.broadcast_to(colour, (len(xyz), 3)))
        is_ball = part is Part.EYE and xyz is not posed.wet
        eyes.append(unit(figure.eye.points) if is_ball else np.zeros((len(xyz), 3)))
        start += len(xyz)
    occluder_starts, occluder_points = [], []
    for occluder in figure.occluders:
        number, faces = len(occluder.mesh.points), occluder.mesh.faces
        occluder_starts.append(sum(map(len, triangles)))
        occluder_points.append(start)
        triangles.append(triangles_of(faces) + start)
        parts.append(np.full(2 * len(faces), occluder.part))
        weights.append(np.zeros(number))
        rgb.append(occluder.rgb)
        eyes.append(np.zeros((number, 3)))
        start += number
    num_solid, num_solid_points = sum(map(len, triangles)), start
    covers = []
    for part, strands, hair in _short_hair(figure, posed):
        number, length = strands.shape[:2]
        each = 2 * length
        triangles.append(_ribbon_triangles(number, length) + start)
        parts.append(np.full(len(triangles[-1]), part))
        colours = np.broadcast_to(linear(LASH_RGB), (number, 3)) if hair is None else hair.rgb
        rgb.append(np.repeat(colours, each, axis=0))
        covers.append(np.full(number * each, LASH_COVER) if hair is None else np.repeat(hair.cover, each))
        start += number * each
    all_triangles = np.concatenate(triangles).astype(np.int32)
    return Layout(
        triangles=all_triangles,
        parts=np.concatenate(parts),
        face_weight=np.concatenate(weights).astype(np.float32),
        rgb=np.concatenate(rgb).astype(np.float32),
        eye_directions=np.concatenate(eyes).astype(np.float32),
        strand_cover=np.concatenate(covers).astype(np.float32),
        occluder_starts=np.array(occluder_starts, np.int64),
        occluder_points=np.array(occluder_points, np.int64),
        solid_corners=corner_rows(all_triangles[:num_solid]),
        strand_corners=corner_rows(all_triangles[num_solid:] - num_solid_points),
    )


def gather(figure: Figure, posed: Posed, layout: Layout) -> Triangles:
    """Everything of a frame that changes its shape, as triangles."""
    meshes = [(xyz, faces) for _, xyz, faces, _, _ in _solids(figure, posed)]
    meshes += [(xyz, each.mesh.faces) for each, xyz in zip(figure.occluders, posed.occluders, strict=True)]
    solid_xyz = np.concatenate([xyz for xyz, _ in meshes]).astype(np.float32)
    point_normals = [normals(xyz, faces) for xyz, faces in meshes]
    bands, alongs = [], []
    for part, strands, hair in _short_hair(figure, posed):
        half = LASH_RADIUS_M if hair is None else hair.radius_m[:, None] * np.linspace(1, 0.3, strands.shape[1])
        facing = None if hair is None else hair.roots.on(point_normals[0])[:, None]
        band, along = _bands(strands, half, int(part), facing)
        bands.append(band)
        alongs.append(along)
    strand_xyz = np.concatenate(bands)
    return Triangles(
        **{field.name: getattr(layout, field.name) for field in fields(Layout)},
        points=np.concatenate([solid_xyz, strand_xyz]),
        normals=np.concatenate(point_normals).astype(np.float32),
        strand_along=np.concatenate(alongs),
        solid=embree_scene(solid_xyz, layout.solid_corners),
        strands=embree_scene(strand_xyz, layout.strand_corners),
        lenses=_lens_scene(figure.lenses, posed.lenses),
    )


def _short_hair(figure: Figure, posed: Posed) -> tuple[tuple[Part, Float[np.ndarray, "S K 3"], ShortHair | None], ...]:
    """Brows, lashes and beard; lashes have no roots in the skin."""
    return (
        (Part.BROW, posed.brows, figure.brows),
        (Part.LASH, posed.lashes, None),
        (Part.BEARD, posed.beard, figure.beard),
    )


def _lens_scene(lenses: Lenses, points: Float[np.ndarray, "L 3"]) -> LensScene | None:
    if not len(points):
        return None
    triangles = triangles_of(lenses.mesh.faces)
    return LensScene(
        scene=embree_scene(points, triangles),
        triangles=triangles,
        normals=normals(points, lenses.mesh.faces).astype(np.float32),
        passing=lenses.passing,
    )


def cast(
    triangles: Triangles, hair: HairScene, head_matrix: Float[np.ndarray, "4 4"], origin: Vectors, rays: Vectors
) -> Hits:
    """What each ray meets."""
    hit = triangles.solid.run(origin, rays, output=1)
    solid = np.where(hit["primID"] >= 0, hit["tfar"], np.inf).astype(np.float32)
    # Hair never changes its shape, so the rays are turned instead of the hair.
    hair_origin, hair_rays = turned_back(head_matrix, origin, rays)
    hair_hit = hair.scene.run(hair_origin, hair_rays, dists=np.minimum(solid, FAR_M), output=1)
    first = np.flatnonzero((hair_hit["primID"] >= 0) & (hair_hit["tfar"] < solid))
    found = {name: hair_hit[name][first] for name in ("primID", "u", "v", "tfar")}
    strand, before, part = hair.ribbons.along_strands(found["primID"], found["u"], found["v"])
    cover = hair.cover[strand, before] * (1 - part) + hair.cover[strand, before + 1] * part
    fine = np.flatnonzero(cover < OPAQUE)
    over = first[fine]
    veil = Veil(
        rows=over,
        triangle=found["primID"][fine],
        u=found["u"][fine],
        v=found["v"][fine],
        distance=found["tfar"][fine],
        cover=cover[fine].astype(np.float32),
    )
    is_hair = np.zeros(len(rays), bool)
    is_hair[first] = True
    if len(over):
        # What lies behind fine hair: the next hair, or none.
        beyond = veil.distance + np.float32(1e-4)
        behind = hair.scene.run(hair_origin[over] + beyond[:, None] * hair_rays[over], hair_rays[over].copy(), output=1)
        for name in ("primID", "u", "v"):
            hair_hit[name][over] = behind[name]
        hair_hit["tfar"][over] = behind["tfar"] + beyond
        is_hair[over] = (behind["primID"] >= 0) & (hair_hit["tfar"][over] < solid[over])
    distance = np.where(is_hair, hair_hit["tfar"], solid)
    triangle = np.where(is_hair, hair_hit["primID"], hit["primID"])
    u, v = np.where(is_hair, hair_hit["u"], hit["u"]), np.where(is_hair, hair_hit["v"], hit["v"])
    # Brows, lashes and beards are seen against the face they grow on.
    strand, next_strand = np.full(len(rays), -1), np.full(len(rays), -1)
    rows = np.flatnonzero((hit["primID"] >= 0) & ~is_hair)
    rows = rows[np.isin(triangles.parts[hit["primID"][rows]], (Part.SKIN, Part.EYE, Part.MOUTH))]
    if len(rows):
        short = triangles.strands.run(origin.take(rows, axis=0), rays.take(rows, axis=0), output=1)
        in_front = (short["primID"] >= 0) & (short["tfar"] < distance[rows])
        rows, near = rows[in_front], short["tfar"][in_front] + np.float32(3e-5)
        strand[rows] = short["primID"][in_front] + triangles.num_solid
        way = rays.take(rows, axis=0)
        second = triangles.strands.run(origin.take(rows, axis=0) + near[:, None] * way, way, output=1)
        in_front = (second["primID"] >= 0) & (second["tfar"] + near < distance[rows])
        next_strand[rows[in_front]] = second["primID"][in_front] + triangles.num_solid
    lens = None
    if triangles.lenses is not None:
        nearest = distance.astype(np.float32)
        nearest[veil.rows] = np.minimum(nearest[veil.rows], veil.distance)
        lens = triangles.lenses.hit(origin, rays, nearest)
    return Hits(
        distance=distance,
        triangle=triangle,
        u=u,
        v=v,
        is_hair=is_hair,
        strand=strand,
        next_strand=next_strand,
        veil=veil,
        lens=lens,
    )


def turned_back(head_matrix: Float[np.ndarray, "4 4"], origin: Vectors, rays: Vectors) -> tuple[Vectors, Vectors]:
    """Rays as the head would see them in its neutral pose."""
    turn, shift = head_matrix[:3, :3], head_matrix[:3, 3]
    return ((origin - shift) @ turn).astype(np.float32), (rays @ turn).astype(np.float32)


def spread(
    values: Float32[np.ndarray, "P C"], triangles: Int[np.ndarray, "T 3"], hits: Hits, rows: Int[np.ndarray, " K"]
) -> Float32[np.ndarray, "K C"]:
    """Values of points at the places that the rays of some rows met."""
    corner = triangles.take(hits.triangle[rows], axis=0)
    return between_corners(values, corner, hits.u[rows], hits.v[rows]).astype(np.float32, copy=False)


def as_ribbons(
    strands: Float[np.ndarray, "S K 3"],
    radius_m: float | Float[np.ndarray, "S K"],
    seed: int,
    facing: Float[np.ndarray, "S _ 3"] | None = None,
) -> Ribbons:
    """Bands along strands; the radius is half their width, and without one for each point, half of it at the tip.

    They are turned to where they are `facing`, more or less, or each its own way.
    """
    number, length = strands.shape[:2]
    points, along = _bands(strands, radius_m, seed, facing)
    return Ribbons(points=points, triangles=_ribbon_triangles(number, length), along=along, points_a_strand=2 * length)


def _bands(
    strands: Float[np.ndarray, "S K 3"],
    radius_m: float | Float[np.ndarray, "S K"],
    seed: int,
    facing: Float[np.ndarray, "S _ 3"] | None,
) -> tuple[Float32[np.ndarray, "P 3"], Float32[np.ndarray, "P 3"]]:
    """The points of `as_ribbons`, two for each of a strand's, and their unit tangents."""
    number, length = strands.shape[:2]
    if number == 0:
        none = np.zeros((0, 3), np.float32)
        return none, none
    along = unit(np.gradient(strands, axis=1))
    rng = np.random.default_rng([seed, 13])
    turned = unit(rng.normal(size=(number, 1, 3)))
    if facing is not None:
        turned = facing + TURNED * turned
    side = unit(cross(along, turned))
    width = radius_m * np.linspace(1, 0.5, length)[None, :] if isinstance(radius_m, float) else radius_m
    points = np.stack([strands + width[..., None] * side, strands - width[..., None] * side], axis=2).reshape(-1, 3)
    return points.astype(np.float32), np.repeat(along.reshape(-1, 3), 2, axis=0).astype(np.float32)


def _ribbon_triangles(number: int, length: int) -> Int[np.ndarray, "T 3"]:
    i, j = np.meshgrid(np.arange(number), np.arange(length - 1), indexing="ij")
    base = (i * length + j).ravel() * 2
    triangles = np.concatenate([np.stack([base, base + 1, base + 3], 1), np.stack([base, base + 3, base + 2], 1)])
    return triangles.astype(np.int32)


def linear(srgb: Colour) -> Float32[np.ndarray, " 3"]:
    """A colour of the screen as light."""
    return to_light(np.array(srgb, np.float32))
