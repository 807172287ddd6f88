"""How the caster sees hair: that of the head, and the finer strands of brows, lashes and beards."""

import numpy as np
from jaxtyping import Float32

from countenance.actors.figure import Posed
from countenance.actors.light import irradiance
from countenance.actors.materials import Colours, Lighting, Look, Rows, Values
from countenance.actors.rays import COVER, Hits, Triangles, Vectors, linear
from countenance.actors.surface import unit
from countenance.vision.parts import Part


def hair_light(look: Look, posed: Posed, hits: Hits, rays: Vectors, light: Lighting, rows: Rows) -> Colours:
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


def strand_light(
    triangles: Triangles, hits: Hits, light: Lighting, rows: Rows
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
