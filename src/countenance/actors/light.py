"""Light of an environment: what the eye sees behind a head, and how much falls on a surface from where."""

from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, Float32

from countenance.actors.scene import LAMP_DISTANCE_M, Light

SUN_RATIO = 12.0
"""Texels this much brighter than the mean are a lamp of their own: nine numbers can't hold them."""
MAX_SUNS = 2
BRIGHTEST_SEEN = 12.0
"""More is white in the picture anyway, and would spread when put out of focus."""

MIDDLING_IRRADIANCE, PUPIL_STEP = 2.0, 0.09
"""Light on a face in which pupils have their usual width, and how much they narrow for twice as much."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Sun:
    """Light from one direction."""

    direction: Float32[np.ndarray, " 3"]
    irradiance: Float32[np.ndarray, " 3"]
    """On a surface that faces it; linear RGB."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Window:
    """A lamp's bright square, as the head sees it."""

    axes: Float32[np.ndarray, "3 3"]
    """Rows: to its right, up, and towards it."""
    half_width: float
    """As a tangent."""
    radiance: Float32[np.ndarray, " 3"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Surroundings:
    """An environment, turned and scaled as a shot asks."""

    picture: Float32[np.ndarray, "64 128 3"]
    """Linear RGB by direction; the top row is up."""
    softened: Float32[np.ndarray, "64 128 3"]
    """Out of focus, as a camera sees what is behind a head."""
    harmonics: Float32[np.ndarray, "9 3"]
    """Irradiance by normal, without the suns."""
    suns: tuple[Sun, ...]


@cache
def _pictures() -> dict[str, Float32[np.ndarray, "64 128 3"]]:
    with np.load(Path(__file__).parent / "data/environments.npz") as file:
        return {str(n): p.astype(np.float32) for n, p in zip(file["names"], file["pictures"], strict=True)}


@lru_cache(maxsize=64)
def surroundings(light: Light) -> Surroundings:
    """The environment of a light, without its lamps."""
    picture = _pictures()[light.environment] * np.float32(light.strength)
    height, width = picture.shape[:2]
    shift = light.turn_deg / 360 * width
    columns = ((np.arange(width) - shift) % width).astype(np.float32)
    map_x = np.tile(columns, (height, 1))
    map_y = np.tile(np.arange(height, dtype=np.float32)[:, None], (1, width))
    wrapped = np.concatenate([picture, picture[:, :1]], axis=1)
    turned = np.asarray(cv2.remap(wrapped, map_x, map_y, cv2.INTER_LINEAR), np.float32)
    directions, solid = _directions(height, width)
    rest, suns = turned.copy(), []
    for _ in range(MAX_SUNS):
        brightness = rest.mean(axis=2)
        limit = SUN_RATIO * float((brightness * solid).sum() / solid.sum())
        peak = np.unravel_index(int(brightness.argmax()), brightness.shape)
        if brightness[peak] <= limit:
            break
        near = (directions @ directions[peak] > 0.93) & (brightness > limit / 3)
        energy = ((rest[near] - limit / 6).clip(0) * solid[near][:, None]).sum(axis=0)
        middle = (directions[near] * (brightness[near] * solid[near])[:, None]).sum(axis=0)
        suns.append(
            Sun(direction=(middle / np.linalg.norm(middle)).astype(np.float32), irradiance=energy.astype(np.float32))
        )
        rest[near] = np.minimum(rest[near], limit / 6)
    dim = np.minimum(turned, BRIGHTEST_SEEN)
    padded = np.concatenate([dim[:, -16:], dim, dim[:, :16]], axis=1)
    softened = np.asarray(cv2.GaussianBlur(padded, (0, 0), 1.2), np.float32)[:, 16:-16]
    return Surroundings(
        picture=turned, softened=softened, harmonics=_irradiance(rest, directions, solid), suns=tuple(suns)
    )


def lamp_irradiance(light: Light) -> list[tuple[Float32[np.ndarray, " 3"], Float32[np.ndarray, " 3"]]]:
    """Direction of each lamp, and what it sends onto a surface at the head that faces it; linear RGB."""
    found = []
    for lamp in light.lamps:
        azimuth, elevation = np.radians([lamp.azimuth_deg, lamp.elevation_deg])
        direction = [np.sin(azimuth) * np.cos(elevation), np.sin(elevation), np.cos(azimuth) * np.cos(elevation)]
        # An area lamp of a power sends power / π per solid angle forward.
        power = lamp.power_w / (np.pi * LAMP_DISTANCE_M**2)
        found.append((np.array(direction, np.float32), np.array(lamp.rgb, np.float32) * np.float32(power)))
    return found


@lru_cache(maxsize=64)
def pupil_scale(light: Light) -> float:
    """How much wider (> 1) or narrower pupils are than in middling light."""
    ahead = np.array([[0.0, 0.0, 1.0]], np.float32)
    sources = lamp_irradiance(light) + [(sun.direction, sun.irradiance) for sun in surroundings(light).suns]
    falls = irradiance(surroundings(light).harmonics, ahead)[0]
    falls = falls + sum((max(float(direction[2]), 0.0) * power for direction, power in sources), np.zeros(3))
    return float(np.clip(1 - PUPIL_STEP * np.log2(max(float(falls.mean()), 1e-3) / MIDDLING_IRRADIANCE), 0.8, 1.25))


def lamp_windows(light: Light) -> list[Window]:
    """The squares that the lamps of a light are."""
    found = []
    for lamp, (direction, irradiance_rgb) in zip(light.lamps, lamp_irradiance(light), strict=True):
        right = np.cross([0.0, 1.0, 0.0], direction)
        right /= max(float(np.linalg.norm(right)), 1e-6)
        found.append(
            Window(
                axes=np.stack([right, np.cross(direction, right), direction]).astype(np.float32),
                half_width=lamp.size_m / 2 / LAMP_DISTANCE_M,
                radiance=irradiance_rgb * np.float32((LAMP_DISTANCE_M / lamp.size_m) ** 2),
            )
        )
    return found


def windows_seen(windows: list[Window], directions: Float32[np.ndarray, "N 3"]) -> Float32[np.ndarray, "N 3"]:
    """Light of the lamps themselves in these directions; their edges are a little soft."""
    seen = np.zeros_like(directions)
    for window in windows:
        across, up, ahead = window.axes @ directions.T
        off = np.maximum(np.abs(across), np.abs(up)) / np.maximum(ahead, 1e-3) / window.half_width
        seen += (np.clip((1.06 - off) / 0.12, 0, 1) * (ahead > 0))[:, None] * window.radiance
    return seen


def look_up(picture: Float32[np.ndarray, "H W 3"], directions: Float[np.ndarray, "N 3"]) -> Float32[np.ndarray, "N 3"]:
    """What lies in these directions."""
    height, width = picture.shape[:2]
    x, y, z = directions.T
    u = 0.5 - np.arctan2(-z, x) / (2 * np.pi)
    v = 0.5 - np.arctan2(y, np.hypot(x, z)) / np.pi
    wrapped = np.concatenate([picture[:, -1:], picture, picture[:, :1]], axis=1)
    map_x, map_y = (u * width + 0.5).astype(np.float32), np.clip(v * height - 0.5, 0, height - 1).astype(np.float32)
    found = np.empty((len(directions), 3), np.float32)
    # OpenCV maps at most 32,767 rows at once.
    for begin in range(0, len(directions), 30_000):
        part = slice(begin, begin + 30_000)
        found[part] = cv2.remap(wrapped, map_x[part, None], map_y[part, None], cv2.INTER_LINEAR)[:, 0]
    return found


def irradiance(
    harmonics: Float32[np.ndarray, "9 3"], normals: Float32[np.ndarray, "N 3"]
) -> Float32[np.ndarray, "N 3"]:
    """Light that falls on surfaces with these normals."""
    return np.asarray(np.maximum(_basis(normals) @ harmonics, 0))


def _directions(height: int, width: int) -> tuple[Float[np.ndarray, "H W 3"], Float[np.ndarray, "H W"]]:
    """Of each texel's middle, and the solid angle it covers."""
    v, u = np.meshgrid((np.arange(height) + 0.5) / height, (np.arange(width) + 0.5) / width, indexing="ij")
    turn, up = (0.5 - u) * 2 * np.pi, (0.5 - v) * np.pi
    directions = np.stack([np.cos(up) * np.cos(turn), np.sin(up), -np.cos(up) * np.sin(turn)], axis=-1)
    return directions, np.cos(up) * (np.pi / height) * (2 * np.pi / width)


def _basis(directions: Float[np.ndarray, "*B 3"]) -> Float32[np.ndarray, "*B 9"]:
    """Real spherical harmonics up to the second degree."""
    x, y, z = np.moveaxis(np.asarray(directions, np.float32), -1, 0)
    rows = np.stack(
        [
            np.full_like(x, 0.282095),
            0.488603 * y,
            0.488603 * z,
            0.488603 * x,
            1.092548 * x * y,
            1.092548 * y * z,
            0.315392 * (3 * z * z - 1),
            1.092548 * x * z,
            0.546274 * (x * x - y * y),
        ]
    )
    return np.moveaxis(rows, 0, -1)


def _irradiance(
    picture: Float32[np.ndarray, "H W 3"], directions: Float[np.ndarray, "H W 3"], solid: Float[np.ndarray, "H W"]
) -> Float32[np.ndarray, "9 3"]:
    """Source: Ramamoorthi and Hanrahan, An efficient representation for irradiance environment maps, 2001."""
    coefficients = np.einsum("hwk,hwc,hw->kc", _basis(directions), picture, solid)
    cosine = np.array([np.pi, *[2 * np.pi / 3] * 3, *[np.pi / 4] * 5])
    return np.asarray((coefficients * cosine[:, None]).astype(np.float32))
