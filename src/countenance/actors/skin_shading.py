"""How the caster sees skin: its maps, its relief, the lines of an expression, and light that goes under it."""

from functools import lru_cache

import cv2
import numpy as np
from jaxtyping import Float32

from countenance.actors.figure import Posed
from countenance.actors.materials import Look, Rows, Surface, bilinear, linear_picture, skin_uv
from countenance.actors.rays import Hits, Triangles, Vectors, spread
from countenance.actors.skin import LINE_DEPTH, LINE_SHADE_RGB, LINES, LINES_BOX, RELIEF_M, SkinMaps, atlas
from countenance.actors.surface import unit

SCATTER_RGB = np.array([0.30, 0.12, 0.07], np.float32)
"""How far light wraps around a skin's edge, by colour: an approximation of subsurface scattering."""
SCATTER_M = (0.0017, 0.0008, 0.0005)
"""How far light of each colour spreads under the skin: the standard deviation, in metres."""
SHINE = 0.028
"""Of skin, head-on: Fresnel's reflection at an index of 1.4."""
LEAST_LINE = 0.03


def skin_texture(skin: SkinMaps) -> Float32[np.ndarray, "S S 4"]:
    """Linear albedo and roughness."""
    return np.dstack([linear_picture(skin.rgb), skin.roughness.astype(np.float32) / 255])


def bump_of(skin: SkinMaps) -> Float32[np.ndarray, "S S 3"]:
    """How far the relief bends normals, in neutral pose."""
    along_x, along_y = _directions(skin.height.shape[0])
    return _bend(skin.height.astype(np.float32) / 255, along_x, along_y)


def line_textures(skin: SkinMaps) -> tuple[Float32[np.ndarray, "L L 4"], ...]:
    """Depth and bend of each line at its strongest, within `LINES_BOX`."""
    side = skin.lines.shape[1]
    left, top, right, bottom = LINES_BOX.at(side_px := round(side / LINES_BOX.width))
    along_x, along_y = (axis[top:bottom, left:right] for axis in _directions(side_px))
    depths = skin.lines.astype(np.float32) / 255
    return tuple(np.dstack([depth, _bend(-LINE_DEPTH * depth, along_x, along_y)]) for depth in depths)


def add_skin(
    surface: Surface, look: Look, triangles: Triangles, posed: Posed, hits: Hits, rows: Rows, at: Rows
) -> None:
    """Fill in the places `at` of the surface that show skin; `rows` are the same places among all rays."""
    uv = skin_uv(look.skin_uv, hits, rows)
    seen = bilinear(look.texture, uv)
    albedo, bend = seen[:, :3], bilinear(look.bump, uv)
    box = LINES_BOX
    within = np.flatnonzero((uv[:, 0] > box.u) & (uv[:, 1] > box.v) & (uv[:, 1] < box.v + box.width))
    in_box = (uv[within] - np.array([box.u, box.v], np.float32)) / np.float32(box.width)
    for name, line in zip(LINES, look.lines, strict=True):
        weight = posed.lines[name]
        if weight > LEAST_LINE:
            drawn = weight * bilinear(line, in_box)
            albedo[within] *= np.exp(-drawn[:, :1] * LINE_SHADE_RGB)
            bend[within] += drawn[:, 1:]
    surface.albedo[at], surface.roughness[at] = albedo, seen[:, 3]
    surface.scatter[at], surface.shine[at] = SCATTER_RGB, SHINE
    bent = surface.normal.take(at, axis=0) + bend @ posed.head_matrix[:3, :3].T.astype(np.float32)
    surface.bent[at] = unit(bent)
    surface.openness[at] = spread(look.openness[:, None], triangles.triangles, hits, rows)[:, 0]


def scattered(diffuse: Float32[np.ndarray, "K 3"], hits: Hits, rays: Vectors, rows: Rows) -> Float32[np.ndarray, "K 3"]:
    """Light that fell on skin, spread under it, red the furthest; `rows` are places of a square image.

    Source: Jimenez, Sundstedt and Gutierrez, Screen-space perceptual rendering of human skin, 2009.
    """
    size = round(len(rays) ** 0.5)
    if len(rows) == 0:
        return diffuse
    middle = len(rays) // 2 + size // 2
    pixel_m = float(np.linalg.norm(rays[middle + 1] - rays[middle]) * np.median(hits.distance[rows]))
    row, column = rows // size, rows % size
    top, left = row.min(), column.min()
    shape = (row.max() - top + 1, column.max() - left + 1)
    row, column = row - top, column - left
    shown = np.zeros(shape, np.float32)
    shown[row, column] = 1
    result = diffuse.copy()
    for channel, reach_m in enumerate(SCATTER_M):
        sigma = reach_m / pixel_m
        if sigma < 0.45:
            continue
        picture = np.zeros(shape, np.float32)
        picture[row, column] = diffuse[:, channel]
        spread_light = cv2.GaussianBlur(picture, (0, 0), sigma) / np.maximum(
            cv2.GaussianBlur(shown, (0, 0), sigma), 1e-3
        )
        result[:, channel] = spread_light[row, column]
    return result


def _bend(
    height: Float32[np.ndarray, "H W"], along_x: Float32[np.ndarray, "H W 3"], along_y: Float32[np.ndarray, "H W 3"]
) -> Float32[np.ndarray, "H W 3"]:
    """What a height of 0–1 adds to normals of length one."""
    slope_x = cv2.Scharr(height, cv2.CV_32F, 1, 0, scale=RELIEF_M / 32)
    slope_y = cv2.Scharr(height, cv2.CV_32F, 0, 1, scale=RELIEF_M / 32)
    return np.asarray(-(slope_x[..., None] * along_x + slope_y[..., None] * along_y), np.float32)


@lru_cache(maxsize=4)
def _directions(size: int) -> tuple[Float32[np.ndarray, "S S 3"], Float32[np.ndarray, "S S 3"]]:
    """By column and by row: vectors on the template that turn a change from texel to texel into one per metre."""
    places = atlas(size)
    flat = np.full((size * size, 3), np.nan, np.float32)
    flat[places.texels] = places.points
    points = flat.reshape(size, size, 3)
    right, down = np.full_like(points, np.nan), np.full_like(points, np.nan)
    right[:, 1:-1] = (points[:, 2:] - points[:, :-2]) / 2
    down[1:-1] = (points[2:] - points[:-2]) / 2
    e, f, g = ((one * two).sum(axis=2, keepdims=True) for one, two in ((right, right), (right, down), (down, down)))
    area = np.maximum(e * g - f * f, 1e-16)
    along_x, along_y = (g * right - f * down) / area, (e * down - f * right) / area
    # Beside the islands' borders nothing is known.
    return np.nan_to_num(along_x).astype(np.float32), np.nan_to_num(along_y).astype(np.float32)
