"""The fast renderer: rays against triangles (Embree), lit by harmonics, suns and lamps.

It also makes labels, mask and depth of every frame, whichever renderer made its picture: the label comes from one ray
through the middle of each pixel, so that no pixel is a mixture.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, UInt8

from countenance.actors.figure import Figure, Posed
from countenance.actors.hair_shading import hair_openness
from countenance.actors.head import RegionName, load_head, sample_map
from countenance.actors.materials import Look, skin_uv
from countenance.actors.mesh import joined
from countenance.actors.motion import Around, hit_motion
from countenance.actors.occluders import Worn
from countenance.actors.rays import (
    LEAST_CLEAR,
    Hits,
    Layout,
    Triangles,
    Vectors,
    camera_rays,
    cast,
    gather,
    hair_scene,
    layout_of,
    spread,
    turned_back,
)
from countenance.actors.scene import Camera, Light
from countenance.actors.shading import lighting, shade, spots
from countenance.actors.skin_shading import bump_of, line_textures, skin_texture
from countenance.actors.surface import embree_scene, normals, triangles_of, unit
from countenance.capture.tone import film_curve
from countenance.vision.parts import Part

SAMPLES = ((0.0, 0.0), (-0.33, -0.24), (0.37, -0.16), (-0.04, 0.4))
"""Rays a pixel, relative to its middle; the first, through the middle itself, also decides the label."""
NUM_OCCLUSION_RAYS = 24
OCCLUSION_REACH_M, HAIR_REACH_M = 0.12, 0.02
REGIONS: tuple[tuple[RegionName, Part], ...] = (
    ("ears", Part.EAR),
    ("lips", Part.LIPS),
    ("inside_mouth", Part.MOUTH),
)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Picture:
    """One frame and its ground truth."""

    rgb: UInt8[np.ndarray, "S S 3"]
    labels: UInt8[np.ndarray, "S S"]
    """`parts.Part` at each pixel's middle."""
    face_mask: Float32[np.ndarray, "S S"]
    """0–1: how much of a pixel shows the face that is replaced."""
    depth: Float32[np.ndarray, "S S"]
    """Metres along the view at each pixel's middle; 0 where nothing is."""
    motion_xy: Float32[np.ndarray, "S S 2"] | None = None
    """Pixels a frame of what is at each pixel's middle; where it was asked for."""


class Caster:
    """Draws one figure; the hair's triangles and the skin's ambient occlusion are computed once."""

    def __init__(self, figure: Figure) -> None:
        self.figure = figure
        self._hair = hair_scene(figure.hair, seed=figure.body.hair.seed)
        self._hair_open = hair_openness(figure.hair)
        self._openness = self._compute_openness(figure)
        self.look = self.look_of(figure)
        self._layout: Layout | None = None

    def draw(
        self,
        posed: Posed,
        camera: Camera,
        light: Light,
        size: int,
        *,
        colour: bool = True,
        around: Around | None = None,
    ) -> Picture:
        """One frame; without `colour` only what is known of it, and the picture is black."""
        return self.draw_as([self.look] if colour else [], posed, camera, light, size, around)[0]

    def draw_as(
        self, looks: Sequence[Look], posed: Posed, camera: Camera, light: Light, size: int, around: Around | None = None
    ) -> list[Picture]:
        """One frame in each of several looks of the same geometry, which share rays, shadows and labels.

        With the poses `around` it, the motion of each pixel too.
        """
        if self._layout is None:
            self._layout = layout_of(self.figure, posed)
        triangles, shot_light = gather(self.figure, posed, self._layout), lighting(light)
        labels, depth = np.zeros(size * size, np.uint8), np.zeros(size * size, np.float32)
        weights, totals = np.zeros(size * size, np.float32), np.zeros((max(len(looks), 1), size * size, 3), np.float32)
        motion: Float32[np.ndarray, "N 2"] | None = None
        known: dict[tuple[bytes, bytes] | None, Float32[np.ndarray, " N"]] = {}

        def shadow(places: Vectors, rays: Vectors) -> Float32[np.ndarray, " N"]:
            places = places.astype(np.float32)
            key = (rays.tobytes(), places.tobytes()) if len(looks) > 1 else None
            if key in known:
                return known[key]
            lit = np.asarray(triangles.solid.run(places, rays, query="OCCLUDED") < 0, np.float32)
            open_yet = np.flatnonzero(lit)
            if len(open_yet):
                hair_rays = turned_back(posed.head_matrix, places.take(open_yet, axis=0), rays.take(open_yet, axis=0))
                lit[open_yet] = self._hair.scene.run(*hair_rays, query="OCCLUDED") < 0
            if triangles.lenses is not None and triangles.lenses.passing.mean() < LEAST_CLEAR:
                lens = triangles.lenses.hit(places, rays, np.full(len(rays), np.inf, np.float32))
                lit[lens.rows] *= lens.passing.mean(axis=1)
            if key:
                known[key] = lit
            return lit

        for number, (dx, dy) in enumerate(SAMPLES):
            origin, rays = camera_rays(camera, size, dx, dy)
            hits = cast(triangles, self._hair, posed.head_matrix, origin, rays)
            weight = _face_weight(triangles, hits)
            weight[hits.veil.rows] *= 1 - hits.veil.cover
            if hits.lens is not None:
                weight[hits.lens.rows[hits.lens.dark]] = 0
            weights += weight
            if number == 0:
                labels = self._labels(triangles, hits)
                along = rays @ camera.rotation[2].astype(np.float32)
                distance = hits.distance.copy()
                covered = hits.veil.cover >= 0.5
                distance[hits.veil.rows[covered]] = hits.veil.distance[covered]
                if hits.lens is not None:
                    dark = hits.lens.dark
                    distance[hits.lens.rows[dark]] = hits.lens.distance[dark]
                depth = np.where(np.isfinite(distance), distance * along, 0).astype(np.float32)
                if around is not None:
                    motion = hit_motion(self.figure, triangles, hits, posed, around, origin, rays, camera, size)
            known.clear()
            spot = spots(size, number, len(SAMPLES))
            for index, look in enumerate(looks):
                totals[index] += film_curve(shade(look, triangles, posed, hits, origin, rays, shot_light, shadow, spot))
        return [
            Picture(
                rgb=np.round(np.clip(total / len(SAMPLES), 0, 1) * 255).astype(np.uint8).reshape(size, size, 3),
                labels=labels.reshape(size, size),
                face_mask=(weights / len(SAMPLES)).reshape(size, size),
                depth=depth.reshape(size, size),
                motion_xy=None if motion is None else motion.reshape(size, size, 2),
            )
            for total in totals
        ]

    def look_of(self, figure: Figure) -> Look:
        """What a figure of this very geometry looks like, perhaps in another skin."""
        return Look(
            figure=figure,
            texture=skin_texture(figure.skin),
            bump=bump_of(figure.skin),
            lines=line_textures(figure.skin),
            skin_uv=np.ascontiguousarray(np.concatenate([figure.skin_uv[:, [0, 1, 2]], figure.skin_uv[:, [0, 2, 3]]])),
            openness=self._openness,
            hair=self._hair.ribbons,
            hair_open=self._hair_open,
        )

    def _labels(self, triangles: Triangles, hits: Hits) -> UInt8[np.ndarray, " N"]:
        labels = np.full(len(hits.triangle), Part.BACKGROUND, np.uint8)
        found = np.flatnonzero((hits.triangle >= 0) & ~hits.is_hair)
        labels[found] = triangles.parts[hits.triangle[found]]
        skin = found[labels[found] == Part.SKIN]
        weight = spread(triangles.face_weight[:, None], triangles.triangles, hits, skin)[:, 0]
        labels[skin[weight < 0.5]] = Part.NECK
        uv = skin_uv(self.look.skin_uv, hits, skin)
        for name, part in REGIONS:
            labels[skin[sample_map(load_head().maps[name], uv) > 0.5]] = part
        labels[hits.is_hair] = Part.HAIR
        strands = np.flatnonzero(hits.strand >= 0)
        labels[strands] = triangles.parts[hits.strand[strands]]
        labels[hits.veil.rows[hits.veil.cover >= 0.5]] = Part.HAIR
        if hits.lens is not None:
            # What is seen through a clear lens keeps its label.
            labels[hits.lens.rows[hits.lens.dark]] = Part.GLASSES
        return labels

    def _compute_openness(self, figure: Figure) -> Float32[np.ndarray, " V"]:
        """How much of the sky each of the skin's points sees, in neutral pose, hair included."""
        points = load_head().skin_levels[figure.detail.level].matrix @ figure.points
        outward = normals(points, figure.skin_faces)
        scene = embree_scene(points, triangles_of(figure.skin_faces))
        worn = [occluder.mesh for occluder in figure.occluders if isinstance(occluder.riding, Worn)]
        over = joined(worn) if worn else None
        props = embree_scene(over.points, triangles_of(over.faces)) if over else None
        start = (points + 0.0015 * outward).astype(np.float32)
        seen = np.zeros(len(points))
        for direction in unit(np.random.default_rng(12).normal(size=(NUM_OCCLUSION_RAYS, 3))):
            rays = unit(outward + 0.98 * direction).astype(np.float32)
            skin, hair = scene.run(start, rays, output=1), self._hair.scene.run(start, rays, output=1)
            hidden = (skin["primID"] >= 0) & (skin["tfar"] < OCCLUSION_REACH_M)
            hidden |= (hair["primID"] >= 0) & (hair["tfar"] < HAIR_REACH_M)
            if props:
                hit = props.run(start, rays, output=1)
                hidden |= (hit["primID"] >= 0) & (hit["tfar"] < OCCLUSION_REACH_M)
            seen += ~hidden
        return np.asarray(seen / NUM_OCCLUSION_RAYS, np.float32)


def _face_weight(triangles: Triangles, hits: Hits) -> Float32[np.ndarray, " N"]:
    found = np.flatnonzero((hits.triangle >= 0) & ~hits.is_hair)
    weights = np.zeros(len(hits.triangle), np.float32)
    weights[found] = spread(triangles.face_weight[:, None], triangles.triangles, hits, found)[:, 0]
    return weights
