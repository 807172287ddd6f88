"""Shading of a figure where a ray meets it: materials, light, and the way to a picture's colours."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int, UInt8

from countenance.actors.colour import to_light
from countenance.actors.figure import Figure, Posed
from countenance.actors.light import Surroundings, irradiance, lamp_irradiance, look_up, surroundings
from countenance.actors.rays import COVER, Hits, Ribbons, Triangles, Vectors, linear, spread
from countenance.actors.scene import Light
from countenance.actors.surface import unit
from countenance.vision.parts import Part

SCATTER_RGB = np.array([0.30, 0.12, 0.07], np.float32)
"""How far light wraps around a skin's edge, by colour: an approximation of subsurface scattering."""
LIPS_INNER = [13, 14]
"""Of the 468 points."""
Colours = Float32[np.ndarray, "N 3"]
Values = Float32[np.ndarray, " N"]
Shadow = Callable[[Vectors, Float32[np.ndarray, " 3"]], Values]
"""1 where light from a direction reaches a place, 0 in shadow."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Lighting:
    """Where light comes from in a shot."""

    around: Surroundings
    lamps: list[tuple[Float32[np.ndarray, " 3"], Float32[np.ndarray, " 3"]]]
    """Directions and irradiances of lamps and suns."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Look:
    """The part of a figure's appearance that stays the same from frame to frame."""

    figure: Figure
    texture: Float32[np.ndarray, "S S 3"]
    """Albedo, linear."""
    roughness: Float32[np.ndarray, "S S"]
    skin_uv: Float32[np.ndarray, "T 3 2"]
    """Of the corners of the skin's triangles."""
    openness: Float32[np.ndarray, " V"]
    """0–1 for each of the skin's points: how much of the sky it sees."""
    hair: Ribbons
    strand_tint: Float32[np.ndarray, " R"]
    """Strands differ a little in brightness."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Surface:
    """Places that rays met, without hair."""

    place: Vectors
    normal: Vectors
    albedo: Colours
    roughness: Values
    shine: Values
    """Part that is reflected head-on."""
    scatter: Colours
    openness: Values


def lighting(light: Light) -> Lighting:
    """A shot's light, prepared for shading."""
    around = surroundings(light)
    return Lighting(around=around, lamps=lamp_irradiance(light) + [(s.direction, s.irradiance) for s in around.suns])


def shade(
    look: Look,
    triangles: Triangles,
    posed: Posed,
    hits: Hits,
    origin: Vectors,
    rays: Vectors,
    light: Lighting,
    shadow: Shadow,
) -> Colours:
    """Linear light that reaches the camera along each ray."""
    seen = look_up(light.around.softened, rays)
    found = hits.triangle >= 0
    rows = np.flatnonzero(found & ~hits.is_hair)
    seen[rows] = lit(_surface(look, triangles, posed, hits, origin, rays, rows), rays[rows], light, shadow)
    hair = np.flatnonzero(found & hits.is_hair)
    seen[hair] = _hair(look, posed, hits, rays[hair], light, hair)
    strands = np.flatnonzero(hits.strand >= 0)
    colour, cover = _strands(triangles, hits, light, strands)
    seen[strands] = (1 - cover) * seen[strands] + cover * colour
    return seen


def lit(surface: Surface, rays: Vectors, light: Lighting, shadow: Shadow) -> Colours:
    """Light that surfaces send back along the rays: from all around, and from each lamp that isn't hidden."""
    normal, openness = surface.normal, surface.openness
    facing = np.clip(-(rays * normal).sum(axis=1), 0, 1)
    diffuse = irradiance(light.around.harmonics, normal) * openness[:, None] / np.pi
    fresnel = surface.shine + (1 - surface.shine) * (1 - facing) ** 5 * (1 - surface.roughness)
    mirrored = (rays - 2 * (rays * normal).sum(axis=1, keepdims=True) * normal).astype(np.float32)
    reflected = irradiance(light.around.harmonics, mirrored) / np.pi
    glossy = surface.roughness < 0.1
    reflected[glossy] = look_up(light.around.picture, mirrored[glossy]).clip(0, 30)
    specular = reflected * (fresnel * openness)[:, None]
    exponent = np.maximum(2 / np.maximum(surface.roughness, 0.05) ** 4 - 2, 1)
    for direction, power in light.lamps:
        cosine = normal @ direction
        reaches = np.zeros(len(rays), np.float32)
        turned_to_it = cosine > -surface.scatter.max(axis=1)
        start = surface.place[turned_to_it] + 0.0012 * normal[turned_to_it]
        reaches[turned_to_it] = shadow(start, direction)
        wrapped = np.clip((cosine[:, None] + surface.scatter) / (1 + surface.scatter), 0, 1)
        diffuse += wrapped * (reaches * (0.4 + 0.6 * openness))[:, None] * power / np.pi
        halfway = unit(direction - rays)
        peak = (exponent + 2) / (8 * np.pi) * np.clip((normal * halfway).sum(axis=1), 0, 1) ** exponent
        specular += (peak * fresnel * np.clip(cosine, 0, 1) * reaches)[:, None] * power
    return np.asarray(surface.albedo * diffuse + specular, np.float32)


def tone_mapped(light: Colours) -> Colours:
    """As a camera would: highlights roll off, the middle keeps its contrast; sRGB 0–1.

    The same curve as Cycles' frames have, Blender's "Filmic" with "Medium High Contrast", fitted to a ramp of greys: at
    most 0.0063 off from 1/256 to 64.
    """
    stops = np.log2(np.clip(light, 2**-10, 2**6))
    return np.asarray(1 / (1 + np.exp(-(1.6264 + stops * (0.7120 + stops * (0.02631 + stops * 0.002065))))), np.float32)


def linear_picture(srgb: UInt8[np.ndarray, "S S 3"]) -> Float32[np.ndarray, "S S 3"]:
    """A picture of the screen as light."""
    return np.asarray(to_light(np.arange(256, dtype=np.float32) / 255)[srgb])


def skin_uv(
    look_uv: Float32[np.ndarray, "T 3 2"], hits: Hits, rows: Int[np.ndarray, " K"]
) -> Float32[np.ndarray, "K 2"]:
    """Where in the skin's pictures rays met it."""
    corners = look_uv[hits.triangle[rows]]
    u, v = hits.u[rows, None], hits.v[rows, None]
    return np.asarray((1 - u - v) * corners[:, 0] + u * corners[:, 1] + v * corners[:, 2], np.float32)


def _surface(
    look: Look,
    triangles: Triangles,
    posed: Posed,
    hits: Hits,
    origin: Vectors,
    rays: Vectors,
    rows: Int[np.ndarray, " K"],
) -> Surface:
    part = triangles.parts[hits.triangle[rows]]
    place = origin[rows] + hits.distance[rows, None] * rays[rows]
    normal = unit(spread(triangles.normals, triangles.triangles, hits, rows)).astype(np.float32)
    normal = np.where((normal * rays[rows]).sum(axis=1, keepdims=True) > 0, -normal, normal)
    albedo = spread(triangles.rgb, triangles.triangles, hits, rows)
    roughness, shine = np.full(len(rows), 0.45, np.float32), np.full(len(rows), 0.04, np.float32)
    scatter, openness = np.zeros((len(rows), 3), np.float32), np.ones(len(rows), np.float32)

    skin = part == Part.SKIN
    uv = skin_uv(look.skin_uv, hits, rows[skin])
    albedo[skin], scatter[skin], shine[skin] = _bilinear(look.texture, uv), SCATTER_RGB, 0.035
    roughness[skin] = _bilinear(look.roughness[..., None], uv)[:, 0]
    openness[skin] = spread(look.openness[:, None], triangles.triangles, hits, rows[skin])[:, 0]

    roughness[part == Part.CLOTH], shine[part == Part.CLOTH] = 0.9, 0.01

    eye = part == Part.EYE
    albedo[eye] = _eye(look.figure, triangles, hits, rows[eye])
    roughness[eye], shine[eye] = 0.06, 0.05
    # Lids shade the ball from above and at its corners.
    outward = -(normal[eye] * rays[rows[eye]]).sum(axis=1)
    openness[eye] = 0.42 + 0.4 * np.clip(1.2 * outward - 0.2, 0, 1)

    mouth = part == Part.MOUTH
    depth = posed.landmarks[LIPS_INNER, 2].mean() - place[mouth, 2]
    openness[mouth] = np.clip(0.62 - 16 * depth, 0.04, 0.7)
    roughness[mouth] = 0.2
    return Surface(
        place=place,
        normal=normal,
        albedo=albedo,
        roughness=roughness,
        shine=shine,
        scatter=scatter,
        openness=openness,
    )


def _eye(figure: Figure, triangles: Triangles, hits: Hits, rows: Int[np.ndarray, " K"]) -> Colours:
    """Pupil, iris with fibres, limbal ring, and a white that is not white."""
    x, y, z = spread(triangles.eye_directions, triangles.triangles, hits, rows).T
    radius = np.hypot(x, y) + 2 * (z < 0)
    angle = np.arctan2(y, x)
    fibres = 0.5 + 0.25 * np.sin(angle * 23 + 3 * np.sin(angle * 5)) + 0.25 * np.sin(angle * 41 + radius * 30)
    iris = linear(figure.face.iris_rgb) * (0.45 + 0.9 * fibres * np.clip(radius / 0.4, 0.4, 1))[:, None]
    iris = iris * (1 - 0.85 * np.clip((radius - 0.37) / 0.09, 0, 1))[:, None]
    away = np.clip((radius - 0.5) / 0.5, 0, 1)[:, None]
    white = np.array([0.66, 0.62, 0.57]) * (1 - 0.25 * away) - np.array([0.0, 0.08, 0.08]) * away
    edge = np.clip((radius - 0.45) / 0.06, 0, 1)[:, None]
    pupil = np.clip((0.19 - radius) / 0.025, 0, 1)[:, None]
    return np.asarray((iris * (1 - edge) + white * edge) * (1 - pupil) + 0.004 * pupil, np.float32)


def _hair(look: Look, posed: Posed, hits: Hits, rays: Vectors, light: Lighting, rows: Int[np.ndarray, " K"]) -> Colours:
    """Light along strands. Source: Kajiya and Kay, Rendering fur with three dimensional textures, 1989."""
    hair, turn = look.hair, posed.head_matrix[:3, :3].astype(np.float32)
    corner = hair.triangles[hits.triangle[rows]]
    along = unit(hair.along[corner].mean(axis=1)) @ turn.T
    outward = unit(hair.points[corner].mean(axis=1) - np.array([0, 0.755, 0.02], np.float32)) @ turn.T
    tint = look.strand_tint[corner[:, 0] // hair.points_a_strand]
    base = linear(look.figure.body.hair.rgb) * tint[:, None]
    across = unit(outward - 0.6 * (outward * along).sum(axis=1, keepdims=True) * along).astype(np.float32)
    diffuse = irradiance(light.around.harmonics, across) / np.pi
    above = irradiance(light.around.harmonics, np.array([[0, 1, 0]], np.float32))

    def gloss(direction: np.ndarray, sharp: float) -> Values:
        return np.asarray(np.clip(1 - (along * unit(direction - rays)).sum(axis=1) ** 2, 0, 1) ** sharp, np.float32)

    specular = 0.25 * gloss(np.array([0, 1, 0], np.float32), 24)[:, None] * above
    for direction, power in light.lamps:
        sine = np.sqrt(np.clip(1 - (along @ direction) ** 2, 0, 1))
        reaches = np.clip(outward @ direction + 0.25, 0, 1)
        diffuse += (sine * reaches)[:, None] * power / np.pi
        specular += (gloss(direction, 40) * reaches)[:, None] * power
    return np.asarray(0.9 * base * diffuse + specular * (0.012 + 0.05 * base), np.float32)


def _strands(
    triangles: Triangles, hits: Hits, light: Lighting, rows: Int[np.ndarray, " K"]
) -> tuple[Colours, Float32[np.ndarray, "K 1"]]:
    """Colour of brows, lashes and beard, and how much each hides."""
    corner = triangles.triangles[hits.strand[rows], 0]
    cover = np.zeros(len(Part), np.float32)
    for part, (_, hidden) in COVER.items():
        cover[part] = hidden
    ahead = irradiance(light.around.harmonics, np.array([[0, 0.5, 0.87]], np.float32)) / np.pi
    for direction, power in light.lamps:
        ahead = ahead + 0.5 * power * max(float(direction[2]), 0.1) / np.pi
    return triangles.rgb[corner] * ahead, cover[triangles.parts[hits.strand[rows]]][:, None]


def _bilinear(texture: Float32[np.ndarray, "S S C"], uv: Float32[np.ndarray, "K 2"]) -> Float32[np.ndarray, "K C"]:
    size = texture.shape[0]
    x = np.clip(uv[:, 0] * size - 0.5, 0, size - 1.001)
    y = np.clip((1 - uv[:, 1]) * size - 0.5, 0, size - 1.001)
    i, j = x.astype(np.int64), y.astype(np.int64)
    fx, fy = (x - i)[:, None].astype(np.float32), (y - j)[:, None].astype(np.float32)
    top = texture[j, i] * (1 - fx) + texture[j, i + 1] * fx
    bottom = texture[j + 1, i] * (1 - fx) + texture[j + 1, i + 1] * fx
    return np.asarray(top * (1 - fy) + bottom * fy, np.float32)
