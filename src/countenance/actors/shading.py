"""Shading of a figure where a ray meets it: materials, light, and the way to a picture's colours."""

from functools import cache, lru_cache

import cv2
import numpy as np
from jaxtyping import Float32

from countenance.actors.eye_shading import add_eyes
from countenance.actors.figure import Posed
from countenance.actors.glasses_shading import add_frame, through_lenses
from countenance.actors.hair_shading import hair_light, strand_light
from countenance.actors.light import (
    irradiance,
    lamp_irradiance,
    lamp_windows,
    look_up,
    pupil_scale,
    surroundings,
    windows_seen,
)
from countenance.actors.materials import Colours, Lighting, Look, Rows, Shadow, Surface
from countenance.actors.mouth_shading import add_inner_skin, add_mouth
from countenance.actors.occluder_shading import add_occluders
from countenance.actors.rays import Hits, Triangles, Vectors, spread
from countenance.actors.scene import LAMP_DISTANCE_M, Light
from countenance.actors.skin_shading import add_skin, scattered
from countenance.actors.surface import cross, dot, unit
from countenance.vision.parts import Part

TILE = 128
"""Side of a tile of grain in pixels."""
GOLDEN = (5**0.5 - 1) / 2
SUN_RADIUS = 0.02
"""Radians; larger than the sun's own, as the environments' suns are a few texels wide."""
SKIN_REFLECTED = np.array([0.26, 0.17, 0.13], np.float32)
"""Of the light around, what lids and nose send into an eye that mirrors them."""


def lighting(light: Light) -> Lighting:
    """A shot's light, prepared for shading."""
    around = surroundings(light)
    return Lighting(
        around=around,
        lamps=lamp_irradiance(light) + [(s.direction, s.irradiance) for s in around.suns],
        radii=[lamp.size_m / 2 / LAMP_DISTANCE_M for lamp in light.lamps] + [SUN_RADIUS] * len(around.suns),
        windows=lamp_windows(light),
        pupil_scale=pupil_scale(light),
    )


@lru_cache(maxsize=8)
def spots(size: int, number: int, of: int) -> Float32[np.ndarray, "N 2"]:
    """For each pixel a place on a disc of radius one, from which a lamp is asked for its shadow.

    The `of` samples of a pixel are spread over the disc, and neighbouring pixels differ, so that a shadow's edge is a
    smooth ramp with a little grain.
    """
    repeats = -(-size // TILE)
    grain = np.tile(_grain(), (repeats, repeats))[:size, :size].ravel()
    turn = 2 * np.pi * (grain + GOLDEN * number)
    radius = np.sqrt((number + (grain * 7.31) % 1) / of)
    return np.stack([radius * np.cos(turn), radius * np.sin(turn)], axis=1).astype(np.float32)


@cache
def _grain() -> Float32[np.ndarray, "T T"]:
    """Evenly spread numbers 0–1 whose neighbours differ: noise without low frequencies and without a pattern."""
    noise = np.random.default_rng(15).random((TILE, TILE)).astype(np.float32)
    for _ in range(12):
        wrapped = np.pad(noise, 8, mode="wrap")
        noise = noise - cv2.GaussianBlur(wrapped, (0, 0), 1.5)[8:-8, 8:-8]
        noise = (noise.ravel().argsort().argsort() / noise.size).reshape(TILE, TILE).astype(np.float32)
    return noise


def shade(
    look: Look,
    triangles: Triangles,
    posed: Posed,
    hits: Hits,
    origin: Vectors,
    rays: Vectors,
    light: Lighting,
    shadow: Shadow,
    spot: Float32[np.ndarray, "N 2"],
) -> Colours:
    """Linear light that reaches the camera along each ray of a square image, row by row; `spot` as `spots` gives it."""
    found = hits.triangle >= 0
    seen = np.empty_like(rays)
    bare = np.flatnonzero(~found)
    # Rows are taken, which is many times faster than indexing.
    seen[bare] = look_up(light.around.softened, rays.take(bare, axis=0))
    rows = np.flatnonzero(found & ~hits.is_hair)
    surface = _surface(look, triangles, posed, hits, origin, rays, rows, light)
    diffuse, specular = lit(surface, rays.take(rows, axis=0), light, shadow, spot.take(rows, axis=0))
    skin = np.flatnonzero(surface.scatter[:, 0] > 0)
    diffuse[skin] = scattered(diffuse.take(skin, axis=0), hits, rays, rows[skin])
    seen[rows] = surface.albedo * diffuse + specular
    hair = np.flatnonzero(found & hits.is_hair)
    seen[hair] = hair_light(
        look, posed, hits.triangle[hair], hits.u[hair], hits.v[hair], rays.take(hair, axis=0), light
    )
    strands = np.flatnonzero(hits.strand >= 0)
    under = np.searchsorted(rows, strands)
    arriving = np.minimum(seen[strands], 1.5 * surface.albedo[under] + 0.3) / np.maximum(surface.albedo[under], 0.03)
    for each in (hits.next_strand, hits.strand):
        there = np.flatnonzero(each[strands] >= 0)
        at = strands[there]
        colour, cover = strand_light(triangles, each[at], rays[at], arriving[there], light)
        seen[at] = (1 - cover) * seen[at] + cover * colour
    veil = hits.veil
    if len(veil.rows):
        hidden = veil.cover[:, None]
        fine = hair_light(look, posed, veil.triangle, veil.u, veil.v, rays[veil.rows], light)
        seen[veil.rows] = (1 - hidden) * seen[veil.rows] + hidden * fine
    if hits.lens is not None:
        glazed = hits.lens.rows
        seen[glazed] = through_lenses(look, hits.lens, rays[glazed], seen[glazed], light)
    return seen


def lit(
    surface: Surface, rays: Vectors, light: Lighting, shadow: Shadow, spot: Float32[np.ndarray, "N 2"]
) -> tuple[Colours, Colours]:
    """Light that falls on surfaces and enters them, and light that they reflect along the rays.

    Both from all around, and from each lamp that isn't hidden.
    """
    normal, bent, openness = surface.normal, surface.bent, surface.openness
    # Light that has been under the skin shows less of its relief.
    soft = 0.5 * (normal + bent)
    away = dot(rays, bent)
    facing = np.clip(-away, 0, 1)
    diffuse = irradiance(light.around.harmonics, soft) * openness[:, None] / np.pi
    # What grazes a surface comes from close to it, where most is hidden: or chins have a pale rim before the throat.
    grazing = (1 - facing) ** 5 * (1 - surface.roughness) ** 2 * openness**4
    fresnel = surface.shine + (1 - surface.shine) * grazing
    mirrored = (rays - 2 * away[:, None] * bent).astype(np.float32)
    reflected = irradiance(light.around.harmonics, mirrored) / np.pi
    is_glossy = surface.roughness < 0.1
    glossy = np.flatnonzero(is_glossy)
    if len(glossy):
        # What a mirror shows is the scene, or the lids, nose and brows in front of it.
        way = mirrored[glossy]
        clear = shadow(surface.place[glossy] + 0.0012 * normal[glossy], way)[:, None]
        scene = look_up(light.around.picture, way).clip(0, 30)
        scene += windows_seen(light.windows, way)
        reflected[glossy] = clear * scene + (1 - clear) * SKIN_REFLECTED * reflected[glossy]
    specular = reflected * (fresnel * openness)[:, None]
    scattered_most = surface.scatter.max(axis=1)
    exponent = np.maximum(2 / np.maximum(surface.roughness, 0.05) ** 4 - 2, 1)
    for (direction, power), radius in zip(light.lamps, light.radii, strict=True):
        # Shadows go by the mesh alone, so that looks with other reliefs share them.
        turned_to_it = np.flatnonzero(normal @ direction > -scattered_most)
        reaches = np.zeros(len(rays), np.float32)
        start = surface.place.take(turned_to_it, axis=0) + 0.0012 * normal.take(turned_to_it, axis=0)
        reaches[turned_to_it] = shadow(start, _towards(direction, radius, spot.take(turned_to_it, axis=0)))
        wrapped = np.clip(((soft @ direction)[:, None] + surface.scatter) / (1 + surface.scatter) ** 2, 0, 1)
        diffuse += wrapped * (reaches * (0.4 + 0.6 * openness))[:, None] * power / np.pi
        halfway = unit(direction - rays)
        peak = ~is_glossy * (exponent + 2) / (8 * np.pi) * np.clip(dot(bent, halfway), 0, 1) ** exponent
        specular += (peak * fresnel * np.clip(bent @ direction, 0, 1) * reaches)[:, None] * power
    return diffuse.astype(np.float32), specular.astype(np.float32)


def _towards(direction: Float32[np.ndarray, " 3"], radius: float, spot: Float32[np.ndarray, "K 2"]) -> Vectors:
    """Towards places all over a lamp."""
    across = unit(cross(direction, np.array([0.31, 0.13, 0.94], np.float32)))
    up = cross(across, direction)
    return unit(direction + radius * (spot[:, :1] * across + spot[:, 1:] * up)).astype(np.float32)


def _surface(
    look: Look,
    triangles: Triangles,
    posed: Posed,
    hits: Hits,
    origin: Vectors,
    rays: Vectors,
    rows: Rows,
    light: Lighting,
) -> Surface:
    part = triangles.parts[hits.triangle[rows]]
    normal = unit(spread(triangles.normals, triangles.triangles, hits, rows)).astype(np.float32)
    way = rays.take(rows, axis=0)
    normal = np.where(dot(normal, way)[:, None] > 0, -normal, normal)
    surface = Surface(
        place=origin.take(rows, axis=0) + hits.distance[rows, None] * way,
        normal=normal,
        bent=normal.copy(),
        albedo=spread(triangles.rgb, triangles.triangles, hits, rows),
        roughness=np.full(len(rows), 0.45, np.float32),
        shine=np.full(len(rows), 0.04, np.float32),
        scatter=np.zeros((len(rows), 3), np.float32),
        openness=np.ones(len(rows), np.float32),
    )
    skin, eye, mouth = (np.flatnonzero(part == each) for each in (Part.SKIN, Part.EYE, Part.MOUTH))
    add_skin(surface, look, triangles, posed, hits, rows[skin], skin)
    add_eyes(surface, look, posed, triangles, hits, rays, rows[eye], eye, light)
    add_inner_skin(surface, look, posed, hits, rows[skin], skin)
    add_mouth(surface, posed, mouth)
    add_frame(surface, look, np.flatnonzero(part == Part.GLASSES))
    cloth = part == Part.CLOTH
    surface.roughness[cloth], surface.shine[cloth] = 0.9, 0.01
    if look.figure.occluders:
        add_occluders(surface, look, triangles, posed, hits, rows, skin)
    return surface
