"""How the caster sees hair: that of the head, and the finer strands of brows, lashes and beards."""

import cv2
import numpy as np
from jaxtyping import Float32

from countenance.actors.figure import Posed
from countenance.actors.light import irradiance
from countenance.actors.materials import Colours, Lighting, Look, Rows, Values
from countenance.actors.rays import Triangles, Vectors
from countenance.actors.strands import Strands
from countenance.actors.surface import unit


def _icosahedron() -> Float32[np.ndarray, "D 3"]:
    golden = (1 + 5**0.5) / 2
    corners = [(0.0, one, two * golden) for one in (-1, 1) for two in (-1, 1)]
    return unit(np.array([np.roll(corner, turn) for corner in corners for turn in range(3)])).astype(np.float32)


DIRECTIONS = _icosahedron()
"""From which light reaches hair, in the head's neutral pose."""
SKULL, SKULL_RADII_M = np.array([0.0, 0.755, 0.02], np.float32), np.array([0.072, 0.093, 0.093], np.float32)
CELL_M = 0.004
ABSORBED = 0.5
"""By hair per area that it covers."""
MARCH_M = (0.004, 0.009, 0.015, 0.023, 0.034, 0.05, 0.075)
"""Where light is followed outwards from a strand."""
SHARPNESS = 4.0
"""Of a lamp's light among the directions."""


UP = np.array([0, 0.35, 0], np.float32)
"""Where most of what hair mirrors comes from."""


def hair_openness(strands: Strands) -> Float32[np.ndarray, "S K D"]:
    """How much light reaches each point of strands from `DIRECTIONS`: what other hair and the skull leave of it."""
    points = np.asarray(strands.points, np.float32)
    if points.size == 0:
        return np.zeros((*points.shape[:2], len(DIRECTIONS)), np.float32)
    flat = points.reshape(-1, 3)
    low = flat.min(axis=0) - 2 * CELL_M
    shape = tuple(np.ceil((flat.max(axis=0) + 2 * CELL_M - low) / CELL_M).astype(int) + 1)
    piece = np.linalg.norm(np.diff(points, axis=1), axis=2)
    area = 2 * (piece * strands.radius_m[:, :-1] * strands.cover[:, :-1]).ravel()
    cells = ((0.5 * (points[:, :-1] + points[:, 1:]).reshape(-1, 3) - low) / CELL_M).astype(int)
    density = np.bincount(np.ravel_multi_index(tuple(cells.T), shape), weights=area, minlength=int(np.prod(shape)))
    dense = cv2.blur(density.reshape(shape[0], -1), (1, 3)).reshape(shape).astype(np.float32) / CELL_M**3
    dense = (dense + np.roll(dense, 1, 1) + np.roll(dense, -1, 1)) / 3
    dense = (dense + np.roll(dense, 1, 2) + np.roll(dense, -1, 2)) / 3
    flat_dense, top = dense.ravel(), np.array(shape) - 1
    spans = np.diff(np.concatenate([[0.0], MARCH_M])).astype(np.float32)
    scaled = (flat - low) / CELL_M
    reach = np.empty((len(flat), len(DIRECTIONS)), np.float32)
    centred = (flat - SKULL) / SKULL_RADII_M
    for index, direction in enumerate(DIRECTIONS):
        passed = np.zeros(len(flat), np.float32)
        for far, span in zip(MARCH_M, spans, strict=True):
            at = (scaled + direction * (far / CELL_M)).astype(np.int32)
            inside = ((at >= 0) & (at <= top)).all(axis=1)
            at = np.clip(at, 0, top)
            passed += span * flat_dense[(at[:, 0] * shape[1] + at[:, 1]) * shape[2] + at[:, 2]] * inside
        way = direction / SKULL_RADII_M
        towards = -(centred @ way) / (way @ way)
        nearest = np.linalg.norm(centred + np.maximum(towards, 0)[:, None] * way, axis=1)
        skull = np.clip((nearest - 0.82) / 0.25, 0, 1)
        reach[:, index] = np.exp(-ABSORBED * passed) * skull
    return reach.reshape(*points.shape[:2], len(DIRECTIONS))


def hair_light(
    look: Look,
    posed: Posed,
    triangle: Rows,
    u: Values,
    v: Values,
    rays: Vectors,
    light: Lighting,
) -> Colours:
    """Light that strands send along rays: a white highlight towards the root, a coloured one towards the tip, what
    shines through from behind, and what goes from hair to hair.

    Source: Marschner and others, Light scattering from human hair fibers, 2003; its lobes as Gaussians.
    """
    hair, turn = look.hair, posed.head_matrix[:3, :3].astype(np.float32)
    strand, before, part = hair.along_strands(triangle, u, v)
    point = strand * (hair.points_a_strand // 2) + before
    along = hair.along[2 * point] * (1 - part)[:, None] + hair.along[2 * point + 2] * part[:, None]
    along = unit(along @ turn.T).astype(np.float32)
    reach = look.hair_open.reshape(-1, len(DIRECTIONS))[point]
    place = (before + part) / max(hair.points_a_strand // 2 - 1, 1)
    base = look.figure.hair.rgb[strand] * (0.68 + 0.6 * place)[:, None].astype(np.float32)
    # Light hair passes light on, dark hair keeps it.
    passing = 1 - 0.55 * np.sqrt(np.clip(base.mean(axis=1, keepdims=True), 0, 1))
    ways = (DIRECTIONS @ turn.T).astype(np.float32)
    around = irradiance(light.around.harmonics, ways) / np.pi
    ambient = (reach**passing) @ around / len(DIRECTIONS)

    sine_seen = -(along * rays).sum(axis=1)
    lean_seen = np.arcsin(np.clip(sine_seen, -1, 1))
    towards = -rays - sine_seen[:, None] * along
    towards /= np.maximum(np.linalg.norm(towards, axis=1, keepdims=True), 1e-6)
    mirrored = (-sine_seen[:, None] * along + np.cos(lean_seen)[:, None] * unit(towards + UP)).astype(np.float32)
    open_mean = reach.mean(axis=1, keepdims=True)
    shine = irradiance(light.around.harmonics, mirrored) / np.pi * np.clip(1.6 * open_mean, 0, 1)
    colour = np.clip(base, 0.0005, 1)
    twice, through = colour**0.75, colour**0.45
    total = base * ambient * 1.5 + shine * (0.028 + 0.22 * twice)
    for direction, power in light.lamps:
        weights = np.clip(ways @ direction, 0, 1) ** SHARPNESS
        arrives = (reach @ (weights / weights.sum()).astype(np.float32))[:, None] ** passing
        sine = along @ direction
        half = 0.5 * (np.arcsin(np.clip(sine, -1, 1)) + lean_seen)
        level = np.sqrt(np.clip(1 - sine**2, 0, 1))
        turned = ((direction - sine[:, None] * along) * towards).sum(axis=1) / np.maximum(level, 1e-3)
        first = _bell(half + 0.09, 0.16) * np.sqrt(np.clip(0.5 + 0.5 * turned, 0, 1))
        second = _bell(half - 0.13, 0.28) * np.clip(0.5 + 0.5 * turned, 0, 1)
        behind = _bell(half - 0.05, 0.22) * np.exp(-(1 + turned) / 0.3)
        sent = base * (0.28 * level)[:, None]
        sent = sent + (0.017 * first)[:, None] + (0.05 * second)[:, None] * twice + (0.05 * behind)[:, None] * through
        total = total + sent * arrives * power
    return np.asarray(total, np.float32)


def _bell(away: Values, width: float) -> Values:
    return np.asarray(np.exp(-0.5 * (away / width) ** 2) / (width * 2.5066), np.float32)


def strand_light(
    triangles: Triangles, strand: Rows, rays: Vectors, arriving: Colours, light: Lighting
) -> tuple[Colours, Float32[np.ndarray, "K 1"]]:
    """Colour of brows, lashes and beard, and how much each hides; `arriving` is the light on the skin under them.

    `strand` are triangles.
    """
    corner = triangles.triangles[strand, 0]
    point = corner - len(triangles.normals)
    along, own = triangles.strand_along[point], triangles.rgb[corner]
    seen = own * arriving
    twice = np.clip(own, 0.0005, 1) ** 0.75
    sine_seen = np.arcsin(np.clip(-(along * rays).sum(axis=1), -1, 1))
    for direction, power in light.lamps:
        half = 0.5 * (np.arcsin(np.clip(along @ direction, -1, 1)) + sine_seen)
        # No more of a lamp than arrives: in shadow, little does.
        reaches = np.clip(arriving.mean(axis=1) / max(float(power.mean()) / np.pi, 1e-6), 0, 1)
        glint = 0.006 * _bell(half + 0.09, 0.12)[:, None] + 0.02 * _bell(half - 0.13, 0.2)[:, None] * twice
        seen = seen + glint * reaches[:, None] * power
    return np.asarray(seen, np.float32), triangles.strand_cover[point][:, None]
