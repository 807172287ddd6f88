"""What shading knows of a figure and of the places that rays met on it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int, UInt8

from countenance.actors.colour import to_light
from countenance.actors.figure import Figure
from countenance.actors.light import Surroundings
from countenance.actors.rays import Hits, Ribbons, Vectors

Colours = Float32[np.ndarray, "N 3"]
Values = Float32[np.ndarray, " N"]
Rows = Int[np.ndarray, " K"]
Shadow = Callable[[Vectors, Vectors], Values]
"""1 where light from a direction reaches a place, 0 in shadow; a direction for each place."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Lighting:
    """Where light comes from in a shot."""

    around: Surroundings
    lamps: list[tuple[Float32[np.ndarray, " 3"], Float32[np.ndarray, " 3"]]]
    """Directions and irradiances of lamps and suns."""
    radii: list[float]
    """Half the width of each as the face sees it, in radians: how soft shadows end."""


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
    hair_open: Float32[np.ndarray, "H K D"]
    """How much light reaches each point of the hair's strands, from `hair_shading.DIRECTIONS`."""


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


def linear_picture(srgb: UInt8[np.ndarray, "S S 3"]) -> Float32[np.ndarray, "S S 3"]:
    """A picture of the screen as light."""
    return np.asarray(to_light(np.arange(256, dtype=np.float32) / 255)[srgb])


def skin_uv(look_uv: Float32[np.ndarray, "T 3 2"], hits: Hits, rows: Rows) -> Float32[np.ndarray, "K 2"]:
    """Where in the skin's pictures rays met it."""
    corners = look_uv[hits.triangle[rows]]
    u, v = hits.u[rows, None], hits.v[rows, None]
    return np.asarray((1 - u - v) * corners[:, 0] + u * corners[:, 1] + v * corners[:, 2], np.float32)


def bilinear(texture: Float32[np.ndarray, "S S C"], uv: Float32[np.ndarray, "K 2"]) -> Float32[np.ndarray, "K C"]:
    """What a texture shows at places between its texels; its first row is v = 1."""
    size = texture.shape[0]
    x = np.clip(uv[:, 0] * size - 0.5, 0, size - 1.001)
    y = np.clip((1 - uv[:, 1]) * size - 0.5, 0, size - 1.001)
    i, j = x.astype(np.int64), y.astype(np.int64)
    fx, fy = (x - i)[:, None].astype(np.float32), (y - j)[:, None].astype(np.float32)
    top = texture[j, i] * (1 - fx) + texture[j, i + 1] * fx
    bottom = texture[j + 1, i] * (1 - fx) + texture[j + 1, i + 1] * fx
    return np.asarray(top * (1 - fy) + bottom * fy, np.float32)
