"""Eyeballs, their colours, and what surrounds them: lid margins, the tear line and the inner corner."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, Float32, Int

from countenance.actors.actor import Actor, Eyes
from countenance.actors.colour import to_light
from countenance.actors.head import Matrix, load_head
from countenance.actors.mesh import Mesh
from countenance.actors.surface import Roots, cross, embree_scene, seen_from_front, triangles_of, unit

Points = Float[np.ndarray, "_ 3"]
"""Any number of them."""

EYE_RINGS, EYE_SIDES = 28, 36
BALL_SCALE = 0.985
"""Of the template's eyeball, so that closed lids cover it."""
NUM_MARGIN_POINTS = 24
"""Of each lid's margin, from the inner corner to the outer."""
TEAR_HALF_WIDTH_M, MAX_GAP_M = 0.00026, 0.0014
TEAR_SIDES = 6
CARUNCLE_M = (0.0030, 0.0020, 0.0008)
"""Half-axes: along the lids, up, outward."""
CARUNCLE_RGB, TEAR_RGB = (0.58, 0.37, 0.33), (0.78, 0.62, 0.58)
"""sRGB."""
SCLERA_RGB = (0.51, 0.43, 0.375)
"""Linear albedo, young and rested."""
IRIS_DEPTH = 0.80
"""Where the iris's plane lies on the pupil's axis; the ball's radius is one."""
CORNEA_INDEX = 1.336
SCLERA_SPAN = 1.3
"""Angle from the pupil's axis, in radians, at which the sclera's map ends; lids hide what lies beyond."""
PATTERN_UNIT = 96
"""Stored for what is as bright as its surroundings; see `tools/make_eye_material.py`."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class EyeMaps:
    """Albedo of both eyes, left then right, linear; columns go once around the pupil, rows from it outwards."""

    iris: Float32[np.ndarray, "2 R A 3"]
    """From the pupil's edge to the limbus."""
    sclera: Float32[np.ndarray, "2 R A 3"]
    """From the limbus to `SCLERA_SPAN`."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class EyeFrame:
    """Where an eyeball is, and how it is turned."""

    centre: Float[np.ndarray, " 3"]
    axes: Float[np.ndarray, "3 3"]
    """Rows: the eye's own x, y and z (the pupil's axis), seen from the world."""
    radius_m: float

    @property
    def matrix(self) -> Matrix:
        """From the ball of radius one to the world."""
        matrix = np.eye(4)
        matrix[:3, :3], matrix[:3, 3] = self.radius_m * self.axes.T, self.centre
        return matrix


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Lids:
    """Margins of the lids, each from the inner corner to the outer; they move with the skin."""

    roots: Roots
    """Left upper, left lower, right upper, right lower: `NUM_MARGIN_POINTS` each."""

    def on(self, skin: Points) -> Float[np.ndarray, "2 2 M 3"]:
        """Eye, lid (upper, lower), point."""
        return self.roots.on(skin).reshape(2, 2, NUM_MARGIN_POINTS, 3)


@cache
def eyeball() -> Mesh:
    """A ball of radius one with a cornea that stands out, its pupil to +z; finer towards the pupil."""
    away = np.r_[np.linspace(0, 0.65, EYE_RINGS // 2), np.linspace(0.65, np.pi, EYE_RINGS // 2 + 1)[1:]]
    around = np.linspace(0, 2 * np.pi, EYE_SIDES + 1)[:-1]
    t, p = np.meshgrid(away, around, indexing="ij")
    direction = np.stack([np.sin(t) * np.cos(p), np.sin(t) * np.sin(p), np.cos(t)], axis=-1).reshape(-1, 3)
    bulge = 1 + 0.055 * np.clip(1 - (t.ravel() / 0.5) ** 2, 0, 1) ** 1.5
    return Mesh(points=direction * bulge[:, None], faces=_grid_faces(len(away), EYE_SIDES))


def eye_frame(ball: Points) -> EyeFrame:
    """The frame of a posed `eyeball`."""
    ring = ball[(EYE_RINGS - EYE_RINGS // 4) * EYE_SIDES :][:EYE_SIDES]
    back, pupil = ball[-1], ball[0]
    z = pupil - back
    x = ring[0] - ring[EYE_SIDES // 2]
    z, x = z / np.linalg.norm(z), x / np.linalg.norm(x)
    radius = float(np.linalg.norm(pupil - back)) / float(eyeball().points[0, 2] + 1)
    return EyeFrame(centre=back + radius * z, axes=np.stack([x, cross(z, x), z]), radius_m=radius)


@cache
def _material() -> dict[str, Float32[np.ndarray, "..."]]:
    with np.load(Path(__file__).parent / "data/eye_material.npz") as file:
        return {name: file[name].astype(np.float32) / PATTERN_UNIT for name in ("iris", "sclera")}


def paint_eyes(actor: Actor, num_columns: int) -> EyeMaps:
    """Albedo of both eyes at a resolution of `num_columns` around the pupil."""
    material, size = _material(), (num_columns, max(num_columns // 8, 8))
    irises = [_iris(actor, material["iris"], side) for side in (0, 1)]
    scleras = [_sclera(actor.eyes, material["sclera"], side) for side in (0, 1)]
    iris, sclera = (
        np.stack([cv2.resize(each, size, interpolation=cv2.INTER_AREA) for each in maps]) for maps in (irises, scleras)
    )
    return EyeMaps(iris=iris.clip(0, 1), sclera=sclera.clip(0, 1))


def _iris(actor: Actor, pattern: Float32[np.ndarray, "R A"], side: int) -> Float32[np.ndarray, "R A 3"]:
    """Two copies of the photographed pattern, turned, mirrored and stretched differently, in this eye's colours."""
    eyes = actor.eyes
    rng = np.random.default_rng([eyes.seed, 26, side])
    num_rows, num_columns = pattern.shape
    one = _turned(
        pattern, eyes.turn + rng.uniform(0.2, 0.8), mirrored=eyes.mirrored != bool(side), stretch=eyes.stretch
    )
    other = _turned(pattern[::-1], rng.random(), mirrored=bool(side), stretch=1 / eyes.stretch)
    fibres = 1 + eyes.contrast * (one * other**eyes.blend - 1)
    along = np.linspace(0, 1, num_rows)[:, None]
    angle = np.linspace(0, 2 * np.pi, num_columns, endpoint=False)[None]
    base = to_light(np.array(eyes.iris_rgb))
    inner = to_light(np.array(eyes.inner_rgb))
    # The inner zone ends in a frill, the collarette, and the ring at the limbus is uneven.
    frill = eyes.inner_extent * (1 + 0.16 * _wave(rng, angle, 9)) + 0.12 * (fibres - 1)
    zone = eyes.inner_strength * np.clip((frill - along) / 0.14 + 0.5, 0, 1)
    colour = base + (inner - base) * zone[..., None]
    bright = np.clip(fibres, 0.15, 2.2) * (0.72 + 0.75 * np.sin(np.pi * np.clip(0.12 + 0.8 * along, 0, 1)) ** 2)
    light = (colour * bright[..., None]) + 0.06 * colour.mean() * np.clip(fibres - 1.25, 0, 1)[..., None]
    begin = 1 - eyes.ring_width * (1 + 0.35 * _wave(rng, angle, 6))
    ring = eyes.ring_depth * np.clip((along - begin) / (1 - begin) * 1.25, 0, 1) ** 1.3
    rim = 1 - 0.55 * np.clip(1 - along / 0.07, 0, 1)
    return np.asarray(light * ((1 - ring) * rim)[..., None], np.float32)


def _sclera(eyes: Eyes, pattern: Float32[np.ndarray, "S A 3"], side: int) -> Float32[np.ndarray, "S A 3"]:
    """Vessels of two turned copies over a tone that reddens and darkens away from the iris, yellower with age."""
    one = _turned(pattern, eyes.turn, mirrored=bool(side), stretch=1.0)
    other = _turned(pattern, eyes.turn + 0.37 + 0.21 * side, mirrored=not side, stretch=0.8)
    vessels = one ** (1.5 + 3.0 * eyes.redness) * other ** (0.5 + 2.5 * eyes.redness)
    away = np.linspace(0, 1, pattern.shape[0])[:, None, None]
    tone = np.array(SCLERA_RGB) * (1 - eyes.yellowing * np.array([0.10, 0.17, 0.36]))
    tone = tone * (1 - away**1.5 * (0.10 + np.array([0.05, 0.24, 0.24]) * (0.5 + eyes.redness)))
    return np.asarray(tone * vessels, np.float32)


def _turned(
    pattern: Float32[np.ndarray, "R A *C"], turn: float, *, mirrored: bool, stretch: float
) -> Float32[np.ndarray, "R A *C"]:
    """A ring's pattern turned by a fraction of a whole turn; `stretch` moves its detail outwards (> 1) or inwards."""
    if mirrored:
        pattern = pattern[:, ::-1]
    rows = np.linspace(0, 1, len(pattern)) ** stretch * (len(pattern) - 1)
    low = np.minimum(rows.astype(int), len(pattern) - 2)
    part = (rows - low).reshape(-1, *[1] * (pattern.ndim - 1))
    pattern = pattern[low] * (1 - part) + pattern[low + 1] * part
    return np.asarray(np.roll(pattern, round(turn * pattern.shape[1]), axis=1), np.float32)


def _wave(rng: np.random.Generator, angle: Float[np.ndarray, "1 A"], highest: int) -> Float[np.ndarray, "1 A"]:
    """A smooth random curve around the pupil, about −1–1."""
    number = np.arange(1, highest + 1)[:, None]
    weights = rng.normal(size=(highest, 1)) / np.sqrt(highest)
    return np.asarray(
        (weights * np.cos(number * angle + rng.uniform(0, 2 * np.pi, (highest, 1)))).sum(0, keepdims=True)
    )


def find_lids(points: Points, skin: Points, faces: Int[np.ndarray, "F 4"]) -> Lids:
    """Where the skin ends above and below each eyeball, seen from the front in a person's neutral pose.

    `points` have the template's layout; `skin` is the skin made of them.
    """
    parts = load_head().parts
    scene = embree_scene(skin, triangles_of(faces))
    found_x, found_y = [], []
    for sign in (1, -1):
        ball = points[parts["eye_left" if sign > 0 else "eye_right"]]
        centre = (ball.max(axis=0) + ball.min(axis=0)) / 2
        radius = BALL_SCALE * float(np.linalg.norm(ball - centre, axis=1).mean())
        x, y = np.meshgrid(np.linspace(-0.95, 0.95, 160) * radius, np.linspace(-0.7, 0.7, 260) * radius, indexing="ij")
        start = np.stack([centre[0] + sign * x.ravel(), centre[1] + y.ravel(), np.full(x.size, 1.0)], axis=1)
        hit = scene.run(start.astype(np.float32), np.tile(np.array([0, 0, -1], np.float32), (x.size, 1)), output=1)
        depth = np.where(hit["primID"] >= 0, 1 - hit["tfar"], -1).reshape(x.shape)
        is_open = depth < centre[2] + np.sqrt(np.maximum(radius**2 - x**2 - y**2, 0))
        columns = np.flatnonzero(is_open.any(axis=1))
        step = y[0, 1] - y[0, 0]
        high = y[0, is_open.shape[1] - 1 - is_open[:, ::-1].argmax(axis=1)] + step
        low = y[0, is_open.argmax(axis=1)] - step
        at = np.linspace(columns[0], columns[-1], NUM_MARGIN_POINTS)
        for edge in (high, low):
            smooth = np.convolve(np.pad(edge[columns], 4, mode="edge"), np.ones(9) / 9, mode="valid")
            smooth = np.maximum(smooth, edge[columns]) if edge is high else np.minimum(smooth, edge[columns])
            found_x.append(centre[0] + sign * np.interp(at, np.arange(len(x)), x[:, 0]))
            found_y.append(centre[1] + np.interp(at, columns, smooth))
    roots = seen_from_front(skin, faces, np.concatenate(found_x), np.concatenate(found_y))
    if len(roots) != 4 * NUM_MARGIN_POINTS:
        raise AssertionError("a lid's margin lies beside the face")
    return Lids(roots=roots)


@cache
def wet_faces() -> Int[np.ndarray, "F 4"]:
    """Quads of what `wet_points` gives for both eyes: the tear line, then the inner corner."""
    tear, corner = _grid_faces(NUM_MARGIN_POINTS, TEAR_SIDES), _grid_faces(6, 8)
    faces, begin = [], 0
    for _ in range(2):
        for part, number in ((tear, NUM_MARGIN_POINTS * TEAR_SIDES), (corner, 48)):
            faces.append(part + begin)
            begin += number
    return np.concatenate(faces)


@cache
def wet_colours() -> Float32[np.ndarray, "P 3"]:
    """Albedo of `wet_points`, linear."""
    one = [np.tile(TEAR_RGB, (NUM_MARGIN_POINTS * TEAR_SIDES, 1)), np.tile(CARUNCLE_RGB, (48, 1))]
    return to_light(np.concatenate(one * 2).astype(np.float32))


def wet_points(lids: Float[np.ndarray, "2 2 M 3"], frames: tuple[EyeFrame, EyeFrame]) -> Points:
    """The film of tears where the lower lid meets the ball, and the caruncle, for eyes as they are now."""
    found = []
    for (upper, lower), frame in zip(lids, frames, strict=True):
        outward = unit(lower - frame.centre)
        along = unit(np.gradient(lower, axis=0))
        up = unit(cross(along, outward))
        up *= np.sign((up * (upper - lower).mean(axis=0)).sum(axis=1, keepdims=True))
        # It fills the gap between the lid and the ball.
        gap_m = np.clip(np.linalg.norm(lower - frame.centre, axis=1, keepdims=True) - frame.radius_m, 0, MAX_GAP_M)
        middle = frame.centre + (frame.radius_m + gap_m / 2) * outward
        turn = np.linspace(0, 2 * np.pi, TEAR_SIDES + 1)[:-1]
        width = TEAR_HALF_WIDTH_M * np.sin(np.pi * np.linspace(0.06, 0.94, len(lower))) ** 0.5
        deep = (width[:, None] + gap_m / 2)[:, None] * outward[:, None]
        ring = np.cos(turn)[None, :, None] * (width[:, None] * up)[:, None] + np.sin(turn)[None, :, None] * deep
        found.append((middle[:, None] + ring).reshape(-1, 3))
        gap = np.linalg.norm(upper[1] - lower[1])
        inner = (upper[0] + lower[0] + upper[1] + lower[1]) / 4
        middle_out = unit(inner - frame.centre)
        seat = frame.centre + min(float(np.linalg.norm(inner - frame.centre)), frame.radius_m * 1.0) * middle_out
        axes = np.stack([along[1], up[1], outward[1]])
        polar, around = np.meshgrid(
            np.linspace(0.05, np.pi - 0.05, 6), np.linspace(0, 2 * np.pi, 9)[:-1], indexing="ij"
        )
        shape = np.stack([np.sin(polar) * np.cos(around), np.cos(polar), np.sin(polar) * np.sin(around)], axis=-1)
        size = np.array(CARUNCLE_M) * (1, min(1.0, gap / 0.003), 1)
        found.append(seat + (shape.reshape(-1, 3) * size) @ axes)
    return np.concatenate(found)


def _grid_faces(along: int, around: int) -> Int[np.ndarray, "F 4"]:
    i, j = np.meshgrid(np.arange(along - 1), np.arange(around), indexing="ij")
    after = (j + 1) % around
    quads = [i * around + j, (i + 1) * around + j, (i + 1) * around + after, i * around + after]
    return np.stack(quads, axis=-1).reshape(-1, 4)
