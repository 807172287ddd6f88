"""What is wrapped around the lower face and the neck: surgical masks and scarves."""

from typing import Any

import cv2
import numpy as np
from jaxtyping import Float

from countenance.actors.head import Points
from countenance.actors.headwear import REACH_M, Wearer, outermost
from countenance.actors.mesh import sheet, tube
from countenance.actors.noise import noise
from countenance.actors.props import Piece, Prop, patterned
from countenance.actors.surface import unit


def surgical_mask(prop: Prop, wearer: Wearer) -> list[Piece]:
    """Over nose and chin, with pleats, and loops around the ears."""
    rng = np.random.default_rng([prop.seed, 44])
    low = rng.random() < 0.12
    top = wearer.place((0.0, 0.668 if low else 0.713, 0.16))[1]
    bottom = wearer.place((0.0, 0.618, 0.14))[1] - 0.008
    rows, columns = round(0.11 / wearer.step_m), round(0.17 / wearer.step_m)
    v = np.linspace(0, 1, rows)[:, None]
    turn = np.linspace(-1, 1, columns)[None, :]
    # Higher at the nose than at the cheeks.
    edge = 1 - np.abs(turn) ** 1.6
    y = top - (top - bottom) * v - (1 - v) * (1 - edge) * 0.017 + v * (1 - edge) * 0.02
    axis_z = wearer.place((0.0, 0.68, 0.16))[2] - 0.115
    angle = np.radians(60) * turn * (1 - 0.12 * v)
    direction = np.stack(np.broadcast_arrays(np.sin(angle), 0 * v, np.cos(angle)), axis=-1)
    start = np.stack(np.broadcast_arrays(0 * v * angle, y, axis_z + 0 * y), axis=-1)
    radius = _outwards(wearer.skin, start, direction)
    flat = np.where(np.isfinite(radius), radius, 0.05)
    # Taut between nose, cheeks and chin.
    reach = max(3, 2 * round(0.006 / wearer.step_m) + 1)
    taut = cv2.dilate(flat.astype(np.float32), np.ones((2 * reach + 1, reach)))
    taut = np.asarray(cv2.GaussianBlur(taut, (0, 0), reach), np.float64)
    at_rim = np.clip(np.minimum(np.minimum(v, 1 - v) / 0.12, (1 - np.abs(turn)) / 0.1), 0, 1)
    pleat = 0.0016 * np.abs(((v * 4) % 1) - 0.5) * 2 * (np.abs(v - 0.5) < 0.38)
    offset = np.maximum(taut * at_rim + flat * (1 - at_rim), flat) + 0.0035 + 0.0025 * at_rim + pleat
    offset += 0.002 * (noise(start.reshape(-1, 3) + direction.reshape(-1, 3), 30.0, prop.seed % 971, 2) - 0.5).reshape(
        flat.shape
    )
    cloth = start + offset[..., None] * direction
    colours = np.tile(np.array(prop.rgb, np.float32), (rows * columns, 1)).reshape(rows, columns, 3)
    pale = (np.broadcast_to(v, (rows, columns)) < 0.06) | (np.broadcast_to(v, (rows, columns)) > 0.95)
    colours[pale] = 0.4 * colours[pale] + 0.55
    colours *= (0.93 + 0.14 * noise(cloth.reshape(-1, 3), 80.0, prop.seed % 967, 2)).reshape(rows, columns, 1)
    pieces = [Piece(mesh=sheet(cloth), rgb=colours.reshape(-1, 3).clip(0, 1), finish="paper")]
    for side, column in ((-1, 0), (1, -1)):
        ear = [wearer.place((side * 0.08, height, depth)) for height, depth in ((0.748, 0.035), (0.698, 0.03))]
        for row, end in ((2, ear[0]), (-3, ear[1])):
            path = np.linspace(0, 1, 14)[:, None] * (end - cloth[row, column]) + cloth[row, column]
            path = _off_skin(path, wearer, axis_z)
            loop = tube(path, 0.0016)
            pieces.append(Piece(mesh=loop, rgb=np.full((len(loop.points), 3), 0.86, np.float32), finish="cloth"))
    return pieces


def scarf(prop: Prop, wearer: Wearer) -> list[Piece]:
    """Loops around the neck; a high one covers the chin and the mouth too."""
    rng = np.random.default_rng([prop.seed, 44])
    high = prop.kind == "high scarf"
    chin, collar = wearer.place((0.0, 0.618, 0.12)), wearer.place((0.0, 0.585, 0.07))
    lowest = collar[1] - 0.012
    highest = wearer.place((0.0, float(rng.uniform(0.662, 0.705)), 0.15))[1] if high else chin[1] - 0.016
    number = int(rng.integers(3, 5)) if high else 2
    middle = np.array([0.0, 0.0, wearer.place((0.0, 0.64, 0.14))[2] - (0.085 if high else 0.115)])
    columns = round(0.75 / wearer.step_m)
    turn = np.linspace(-np.pi, np.pi, columns + 1)[:-1]
    ahead = np.stack([np.sin(turn), np.zeros(columns), np.cos(turn)], axis=1)
    pieces = []
    for loop in range(number):
        level = lowest + (highest - lowest) * (loop + 0.5) / number
        half = (highest - lowest) / number * rng.uniform(0.72, 0.9) + 0.004
        wave = sum(rng.normal(0, 0.25) * np.cos(k * turn + rng.uniform(0, 6)) for k in (1, 2, 3))
        height = level + 0.3 * half * wave - 0.006 * np.cos(turn) * (not high) - 0.35 * half * (1 - np.cos(turn)) * high
        covered = [
            outermost(wearer.skin, middle + np.array([0, level + part * half, 0]), ahead) for part in (-0.8, 0, 0.8)
        ]
        near = np.max(np.where(np.isfinite(covered), covered, 0.05).clip(0.045, 0.125 if high else 0.105), axis=0)
        pad = columns // 12
        near = cv2.dilate(np.pad(near, pad, mode="wrap")[None].astype(np.float32), np.ones((1, pad)))
        near = np.asarray(cv2.GaussianBlur(near, (0, 0), pad / 3), np.float64)[0, pad:-pad]
        thick = rng.uniform(0.010, 0.014) if high else rng.uniform(0.016, 0.021)
        around = np.linspace(0, 2 * np.pi, max(12, round(0.11 / wearer.step_m)) + 1)[:-1]
        wrinkle = (
            1 + 0.14 * np.sin(3 * around[:, None] + 4 * turn + 2 * wave) + 0.08 * np.sin(7 * around[:, None] - 9 * turn)
        )
        out = near[None] + 0.005 + thick + thick * np.cos(around)[:, None] * wrinkle
        up = height[None] + half * np.sin(around)[:, None] * wrinkle
        points = middle + out[..., None] * ahead[None] + up[..., None] * np.array([0.0, 1.0, 0.0])
        points = points.transpose(1, 0, 2)
        points = np.concatenate([points, points[:1]])
        along = np.broadcast_to((0.1 * np.r_[turn, turn[0] + 2 * np.pi])[:, None], points.shape[:2]).ravel()
        across = np.broadcast_to(half * around, points.shape[:2]).ravel()
        pieces.append(
            Piece(
                mesh=sheet(points, closed=True),
                rgb=patterned(prop, points.reshape(-1, 3), along, across),
                finish="knit" if prop.pattern in {"melange", "plain"} else "cloth",
            )
        )
    return pieces


def _outwards(
    scene: Any, start: Float[np.ndarray, "I J 3"], direction: Float[np.ndarray, "I J 3"]
) -> Float[np.ndarray, "I J"]:
    """How far from each start the outermost surface lies."""
    from_points = (start + REACH_M * direction).reshape(-1, 3).astype(np.float32)
    hit = scene.run(from_points, -direction.reshape(-1, 3).astype(np.float32), output=1)
    found = np.where(hit["primID"] >= 0, REACH_M - hit["tfar"], np.inf)
    return np.asarray(np.where(found > 0, found, np.inf).reshape(start.shape[:2]))


def _off_skin(path: Points, wearer: Wearer, axis_z: float) -> Points:
    """A path that lies on the skin, not in it."""
    away = path - np.stack([np.zeros(len(path)), path[:, 1], np.full(len(path), axis_z - 0.03)], axis=1)
    direction = unit(away)
    start = path - away
    radius = _outwards(wearer.skin, start[:, None], direction[:, None])[:, 0]
    own = np.linalg.norm(away, axis=1)
    lifted = np.where(np.isfinite(radius) & (radius < own + 0.012), np.maximum(own, radius + 0.002), own)
    return np.asarray(start + lifted[:, None] * direction)
