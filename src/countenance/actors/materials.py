"""What shading knows of a figure and of the places that rays met on it."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float32, Int, UInt8

from countenance.actors.colour import to_light
from countenance.actors.figure import Figure
from countenance.actors.light import Surroundings, Window
from countenance.actors.rays import Hits, Ribbons, Vectors
from countenance.actors.surface import between_corners

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
    windows: list[Window]
    """The lamps as eyes and wet lips mirror them."""
    pupil_scale: float


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Look:
    """The part of a figure's appearance that stays the same from frame to frame."""

    figure: Figure
    texture: Float32[np.ndarray, "S S 4"]
    """Albedo, linear, and roughness."""
    bump: Float32[np.ndarray, "S S 3"]
    """How far the skin's relief bends normals of length one, in neutral pose."""
    lines: tuple[Float32[np.ndarray, "L L 4"], ...]
    """Depth and bend of each of `skin.LINES` at its strongest, within `skin.LINES_BOX`."""
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
    bent: Vectors
    """Normals of the relief, which is finer than the mesh."""
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
    corner = 3 * hits.triangle[rows, None] + np.arange(3)
    return between_corners(look_uv.reshape(-1, 2), corner, hits.u[rows], hits.v[rows]).astype(np.float32, copy=False)


def bilinear(texture: Float32[np.ndarray, "H W C"], uv: Float32[np.ndarray, "K 2"]) -> Float32[np.ndarray, "K C"]:
    """What a texture shows at places between its texels; its first row is v = 1. At most four channels."""
    height, width, channels = texture.shape
    x = np.ascontiguousarray(uv[:, :1] * np.float32(width) - np.float32(0.5))
    y = np.ascontiguousarray((1 - uv[:, 1:]) * np.float32(height) - np.float32(0.5))
    found = np.empty((len(uv), channels), np.float32)
    # OpenCV maps at most 32,767 rows at once.
    for begin in range(0, len(uv), 30_000):
        part = slice(begin, begin + 30_000)
        sampled = cv2.remap(texture, x[part], y[part], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        found[part] = sampled.reshape(-1, channels)
    return found
