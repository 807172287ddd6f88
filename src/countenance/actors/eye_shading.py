"""How the caster sees eyes."""

import numpy as np
from jaxtyping import Float, Float32

from countenance.actors.eyes import CORNEA_INDEX, IRIS_DEPTH, SCLERA_SPAN, EyeFrame, eye_frame
from countenance.actors.figure import Figure, Posed
from countenance.actors.materials import Colours, Lighting, Look, Rows, Surface
from countenance.actors.rays import Hits, Triangles, Vectors, spread
from countenance.actors.surface import unit

LID_REACHES = ((0.24, 0.78), (0.08, 0.4))
"""Upper and lower lid: the angle on the ball, in radians, over which its shade fades, and how deep that is."""


def add_eyes(
    surface: Surface,
    look: Look,
    posed: Posed,
    triangles: Triangles,
    hits: Hits,
    rays: Vectors,
    rows: Rows,
    at: Rows,
    light: Lighting,
) -> None:
    """Fill in the places `at` of the surface that show an eye; `rows` are the same places among all rays."""
    if len(at) == 0:
        return
    surface.roughness[at], surface.shine[at] = 0.06, 0.03
    # Tears and the inner corner have no direction from the pupil.
    is_ball = (spread(triangles.eye_directions, triangles.triangles, hits, rows) ** 2).sum(axis=1) > 0.25
    frames = [eye_frame(posed.eye_left), eye_frame(posed.eye_right)]
    place = surface.place[at]
    from_ball = [np.linalg.norm(place - frame.centre, axis=1) for frame in frames]
    is_right = from_ball[1] < from_ball[0]
    for side, frame in enumerate(frames):
        here = np.flatnonzero(is_right == bool(side))
        if len(here) == 0:
            continue
        outward = (place[here] - frame.centre) / np.maximum(from_ball[side][here, None], 1e-9)
        openness = np.full(len(here), 0.92, np.float32)
        for margin, (reach, depth) in zip(posed.lids[side], LID_REACHES, strict=True):
            openness *= 1 - depth * np.exp(-_away_from(margin, frame, outward) / reach)
        surface.openness[at[here]] = openness
        ball = here[is_ball[here]]
        surface.albedo[at[ball]] = _colour(
            look.figure, frame, side, place[ball], surface.normal[at[ball]], rays[rows[ball]], light.pupil_scale
        )


def _away_from(
    margin: Float[np.ndarray, "M 3"], frame: EyeFrame, outward: Float[np.ndarray, "K 3"]
) -> Float32[np.ndarray, " K"]:
    """Angle on the ball between directions from its centre and a lid's margin."""
    edge = unit(margin - frame.centre)
    return np.asarray(np.arccos(np.clip((outward @ edge.T).max(axis=1), -1, 1)), np.float32)


def _colour(
    figure: Figure, frame: EyeFrame, side: int, place: Vectors, normal: Vectors, rays: Vectors, pupil_factor: float
) -> Colours:
    """The white, and the iris in its plane behind the cornea, which bends the rays."""
    eyes = figure.face.eyes
    point, across = ((place - frame.centre) / frame.radius_m) @ frame.axes.T, normal @ frame.axes.T
    toward = rays @ frame.axes.T
    cosine = -(toward * across).sum(axis=1, keepdims=True)
    bent = toward / CORNEA_INDEX + across * (
        cosine / CORNEA_INDEX - np.sqrt(1 - (1 - np.minimum(cosine, 1) ** 2) / CORNEA_INDEX**2)
    )
    way = np.clip((IRIS_DEPTH - point[:, 2]) / np.minimum(bent[:, 2], -0.05), 0, 1.5)
    x, y = (point[:, :2] + way[:, None] * bent[:, :2]).T
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    pupil = eyes.pupil * pupil_factor * eyes.radius
    along = (radius - pupil) / (eyes.radius - pupil)
    iris = _mapped(figure.eye_maps.iris[side], angle, along)
    iris *= np.clip(along / 0.05 + 0.6, 0.01, 1)[:, None]
    surface_radius = np.hypot(point[:, 0], point[:, 1]) + 2 * (point[:, 2] < 0)
    turned = np.arccos(np.clip(point[:, 2] / np.linalg.norm(point, axis=1), -1, 1))
    start = np.arcsin(eyes.radius)
    away = (turned - start) / (SCLERA_SPAN - start)
    white = _mapped(figure.eye_maps.sclera[side], np.arctan2(point[:, 1], point[:, 0]), away)
    # Sclera grows over the iris's edge gradually, not along a circle.
    wave = 0.006 * np.sin(3 * angle + eyes.turn * 40) + 0.004 * np.sin(7 * angle + eyes.turn * 90)
    edge = np.clip((surface_radius - eyes.radius + 0.028 + wave) / 0.05, 0, 1)[:, None]
    edge = edge * edge * (3 - 2 * edge)
    return np.asarray(iris * (1 - edge) + white * edge, np.float32)


def _mapped(
    picture: Float32[np.ndarray, "R A 3"], angle: Float[np.ndarray, " K"], along: Float[np.ndarray, " K"]
) -> Colours:
    """A map that goes once around the pupil, at these places."""
    num_rows, num_columns = picture.shape[:2]
    row = np.clip(along * num_rows - 0.5, 0, num_rows - 1.001)
    column = (angle / (2 * np.pi) * num_columns - 0.5) % num_columns
    i, j = row.astype(np.int64), column.astype(np.int64) % num_columns
    after = (j + 1) % num_columns
    down, right = (row - i)[:, None], (column % 1)[:, None]
    inner = picture[i, j] * (1 - right) + picture[i, after] * right
    outer = picture[i + 1, j] * (1 - right) + picture[i + 1, after] * right
    return np.asarray(inner * (1 - down) + outer * down, np.float32)
