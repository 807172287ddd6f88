"""Hats, hoods, headscarves and headsets: surfaces drawn from the head's own, offset outwards."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float, Float32

from countenance.actors.head import Points
from countenance.actors.mesh import Mesh, sheet, tube
from countenance.actors.noise import noise
from countenance.actors.props import Piece, Prop, patterned
from countenance.actors.surface import unit

REACH_M = 0.5
"""From where rays look for the head's outermost surface."""
HAT_RIM = ((0.0, 0.796, 0.142), (0.05, 0.787, 0.115), (0.075, 0.765, 0.06), (0.074, 0.745, 0.01), (0.0, 0.715, -0.034))
BEANIE_RIM = (
    *((0.0, 0.792, 0.145), (0.05, 0.782, 0.118), (0.078, 0.752, 0.06), (0.08, 0.715, 0.012), (0.0, 0.69, -0.025)),
)
SCARF_RIM = (
    *((0.0, 0.798, 0.14), (0.048, 0.786, 0.118), (0.068, 0.752, 0.085), (0.068, 0.70, 0.08), (0.05, 0.648, 0.095)),
    (0.0, 0.617, 0.118),
)
HOOD_RIM = (
    *((0.0, 0.826, 0.118), (0.052, 0.81, 0.09), (0.082, 0.76, 0.055), (0.084, 0.69, 0.055), (0.06, 0.63, 0.075)),
    (0.0, 0.597, 0.105),
)
"""Right halves of rims on the template."""
ON_TOP, AT_THE_BACK = ((0.0, 0.97, -0.24), (0.0, 0.24, 0.97)), ((0.0, 0.45, -0.89), (0.0, 0.89, 0.45))
"""Pole and front of a shell's directions."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Wearer:
    """A head in its neutral pose, as builders of props need it."""

    points: Points
    """Of its skin."""
    template: Points
    """The same points of the template."""
    skin: Any
    """Embree's scene of it."""
    scene: Any
    """With the shirt."""
    step_m: float
    """How far points of props lie apart."""

    def place(self, on_template: tuple[float, float, float]) -> Float[np.ndarray, " 3"]:
        """Where a place near the template's skin is on this head."""
        away = np.linalg.norm(self.template - on_template, axis=1)
        near = np.argsort(away)[:6]
        return np.asarray(np.array(on_template) + (self.points[near] - self.template[near]).mean(axis=0))


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Shell:
    """The head's outermost surface, smooth, in directions from a pole (first row) to a rim (last)."""

    centre: Float[np.ndarray, " 3"]
    direction: Float[np.ndarray, "I J 3"]
    radius: Float[np.ndarray, "I J"]
    turn: Float[np.ndarray, " J"]
    """Around the pole, 0 in front, > 0 to the subject's left."""

    def at(self, offset_m: Float[np.ndarray, "..."] | float) -> Float[np.ndarray, "I J 3"]:
        return np.asarray(self.centre + (self.radius + offset_m)[..., None] * self.direction)


def shell_of(
    wearer: Wearer,
    rim: tuple[tuple[float, float, float], ...],
    axes: tuple[tuple[float, float, float], tuple[float, float, float]],
    *,
    smooth_m: float,
    most_m: float = 0.3,
    narrowing: float = 0.0,
) -> Shell:
    """Everything from the pole to the rim; what lies further out than `most_m` is ignored.

    Over the last part `narrowing` of the way it draws in to the rim itself.
    """
    pole, front = (unit(np.array(axis)) for axis in axes)
    side = np.cross(pole, front)
    half = [wearer.place(place) for place in rim]
    mirrored = [wearer.place((-x, y, z)) for x, y, z in rim if x]
    centre = wearer.place((0.0, 0.80, 0.14)) + np.array([0, -0.045, -0.09])
    away = np.array(half + mirrored) - centre
    turns = np.arctan2(away @ side, away @ front)
    angles = np.arccos(np.clip(unit(away) @ pole, -1, 1))
    columns = round(0.62 / wearer.step_m)
    turn = np.linspace(-np.pi, np.pi, columns + 1)[:-1]
    order = np.argsort(turns)
    known = np.interp(turn, turns[order], angles[order], period=2 * np.pi)
    ends = _around(known[None], max(columns / 40, 1.0))[0]
    rim_m = np.interp(turn, turns[order], np.linalg.norm(away, axis=1)[order], period=2 * np.pi)
    rim_m = _around(rim_m[None], max(columns / 40, 1.0))[0]
    rows = round(0.24 / wearer.step_m)
    polar = np.linspace(0.004, 1, rows)[:, None] * ends
    across = np.sin(turn)[:, None] * side + np.cos(turn)[:, None] * front
    direction = np.cos(polar)[..., None] * pole + np.sin(polar)[..., None] * across
    radius = outermost(wearer.scene, centre, direction)
    radius = np.where(np.isfinite(radius), radius, 0.1).clip(0.05, most_m)
    reach = max(3, 2 * round(smooth_m / wearer.step_m) + 1)
    wide = np.pad(radius, ((reach, reach), (0, 0)), mode="edge")
    wide = np.pad(wide, ((0, 0), (reach, reach)), mode="wrap").astype(np.float32)
    wide = cv2.GaussianBlur(cv2.dilate(wide, np.ones((reach // 2 * 2 + 1,) * 2)), (0, 0), reach / 2)
    radius = np.asarray(wide[reach:-reach, reach:-reach], np.float64)
    radius[0] = radius[0].mean()
    if narrowing:
        near_rim = np.clip((np.linspace(0, 1, rows)[:, None] - 1 + narrowing) / narrowing, 0, 1)
        radius += near_rim**2 * (3 - 2 * near_rim) * (rim_m - radius)
    return Shell(centre=centre, direction=direction, radius=radius, turn=turn)


def outermost(
    scene: Any, centre: Float[np.ndarray, " 3"], direction: Float[np.ndarray, "*B 3"]
) -> Float[np.ndarray, "*B"]:
    """How far from a centre the outermost surface lies in each direction; infinite where there is none."""
    flat = direction.reshape(-1, 3)
    start = (centre + REACH_M * flat).astype(np.float32)
    hit = scene.run(start, -flat.astype(np.float32), output=1)
    found = np.where(hit["primID"] >= 0, REACH_M - hit["tfar"], np.inf)
    return np.asarray(np.where(found > 0, found, np.inf).reshape(direction.shape[:-1]))


def beanie(prop: Prop, wearer: Wearer) -> list[Piece]:
    """Knitted, with a cuff turned up, loose at the crown."""
    rng = np.random.default_rng([prop.seed, 44])
    shell = shell_of(wearer, BEANIE_RIM, ON_TOP, smooth_m=0.02)
    rows, _ = shell.radius.shape
    down = np.linspace(0, 1, rows)[:, None]
    loose = rng.uniform(0.0, 0.022) * np.cos(0.5 * np.pi * down) ** 1.5
    ribs = _ribs(shell, prop, wearer, 0.0011)
    base = 0.008 + loose + ribs + _folds(shell, prop, 0.004)
    crown = shell.at(base)
    cuffed = round(rng.uniform(0.16, 0.28) * rows)
    part = np.linspace(0, 1, cuffed)[:, None]
    swell = 0.0065 * np.sin(np.pi * part.clip(0.06, 0.94)) ** 0.4 + ribs[-cuffed:]
    cuff = shell.at(0)[-cuffed:] + ((0.008 + swell)[..., None] * shell.direction[-cuffed:])
    pieces = [
        Piece(mesh=sheet(crown, closed=True), rgb=_textile(prop, shell, crown), finish="knit"),
        Piece(
            mesh=sheet(_hemmed(cuff, shell), closed=True),
            rgb=_textile(prop, shell, _hemmed(cuff, shell)),
            finish="knit",
        ),
    ]
    if rng.random() < 0.3:
        top = crown[0].mean(axis=0) + 0.02 * shell.direction[0, 0]
        pieces.append(_ball(top, 0.027, prop, wearer))
    return pieces


def cap(prop: Prop, wearer: Wearer) -> list[Piece]:
    """Six panels, a button and a visor, which may point backwards."""
    rng = np.random.default_rng([prop.seed, 44])
    shell = shell_of(wearer, HAT_RIM, ON_TOP, smooth_m=0.02)
    rows, _ = shell.radius.shape
    down = np.linspace(0, 1, rows)[:, None]
    backwards = rng.random() < 0.2
    seams = np.exp(-((np.angle(np.exp(6j * shell.turn)) / 0.11) ** 2)) * (down > 0.02)
    facing = np.cos(shell.turn + (np.pi if backwards else 0))
    high = rng.uniform(0.006, 0.02) * np.sin(np.pi * down.clip(0, 1)) * (0.6 + 0.4 * facing)
    crown = _hemmed(shell.at(0.009 + high - 0.0012 * seams + _folds(shell, prop, 0.0015)), shell)
    colours = _textile(prop, shell, crown)
    if rng.random() < 0.4:
        # A badge in front.
        spot = np.abs(np.angle(np.exp(1j * (shell.turn + (np.pi if backwards else 0))))) < 0.28
        rows_in = (np.linspace(0, 1, rows + 1) > 0.55) & (np.linspace(0, 1, rows + 1) < 0.86)
        colours.reshape(rows + 1, -1, 3)[np.ix_(rows_in, spot)] = np.array(prop.second_rgb)
    visor_rgb = np.array(prop.second_rgb if rng.random() < 0.35 else prop.rgb)
    visor = _visor(shell, rng, wearer, backwards=backwards)
    button = crown[0].mean(axis=0) + 0.002 * shell.direction[0, 0]
    return [
        Piece(mesh=sheet(crown, closed=True), rgb=colours, finish="cloth"),
        Piece(mesh=visor, rgb=_shaded(visor_rgb, visor.points, prop), finish="cloth"),
        _ball(button, 0.006, prop, wearer),
    ]


def _visor(shell: Shell, rng: np.random.Generator, wearer: Wearer, *, backwards: bool) -> Mesh:
    """Bent down at the sides, two layers."""
    ahead = np.pi if backwards else 0.0
    wide, long = np.radians(rng.uniform(56, 66)), rng.uniform(0.06, 0.078)
    across = np.linspace(-1, 1, max(16, round(0.2 / wearer.step_m)))
    rim = np.stack(
        [
            np.interp(ahead + wide * across, np.r_[shell.turn, shell.turn + 2 * np.pi], np.r_[axis, axis])
            for axis in shell.at(0.010)[-1].T
        ],
        axis=1,
    )
    middle = rim[len(rim) // 2]
    out = unit((middle - shell.centre) * np.array([1, 0, 1]))
    down = rng.uniform(0.14, 0.38)
    bow = rng.uniform(3.0, 8.0)
    reach = np.linspace(0, 1, max(6, round(long / wearer.step_m)))
    length = long * np.sqrt(np.clip(1 - np.abs(across) ** 2.6, 0, 1))
    step = reach[:, None, None] * length[None, :, None] * (out - np.array([0, down, 0]))
    sideways = np.linalg.norm((rim - middle) * np.array([1, 0, 1]), axis=1)
    sag = bow * sideways**2 * 0.35
    top = rim[None] + step - np.array([0, 1, 0]) * (reach[:, None] * sag[None])[..., None]
    thick = np.array([0, 0.0028, 0])
    rounded = np.concatenate([top, (top - thick)[::-1]])
    return sheet(rounded)


def brimmed_hat(prop: Prop, wearer: Wearer) -> list[Piece]:
    """Of felt or straw: a crown with a dent, a ribbon, a waved brim."""
    rng = np.random.default_rng([prop.seed, 44])
    shell = shell_of(wearer, HAT_RIM, ON_TOP, smooth_m=0.025)
    rows, _ = shell.radius.shape
    down = np.linspace(0, 1, rows)[:, None]
    tall = rng.uniform(0.025, 0.055)
    dent = rng.uniform(0.0, 0.03) * np.exp(-((down * np.sin(shell.turn) / 0.16) ** 2)) * (1 - down)
    shape = tall * (1 - down**4) ** 0.5 * (0.75 + 0.25 * np.cos(2 * shell.turn)) - dent
    crown = shell.at(0.010 + shape + _folds(shell, prop, 0.002))
    rim = shell.at(0.011)[-1]
    out = unit((rim - rim.mean(axis=0)) * np.array([1, 0, 1]))
    wide, wave, tilt = rng.uniform(0.045, 0.1), rng.uniform(-0.012, 0.03), rng.uniform(-0.25, 0.12)
    reach = np.linspace(0, 1, max(6, round(wide / wearer.step_m)))[:, None]
    rise = wide * (reach * tilt + reach**2 * (0.1 - wave / wide * np.cos(2 * shell.turn)))
    brim = rim[None] + wide * reach[..., None] * out + np.array([0, 1, 0]) * rise[..., None]
    brim = np.concatenate([brim, (brim - np.array([0, 0.003, 0]))[::-1]])
    colours = _textile(prop, shell, crown)
    ribbon = (np.linspace(0, 1, rows) > 0.86)[:, None] & np.ones(len(shell.turn), bool)
    colours[ribbon.ravel()] = np.array(prop.second_rgb)
    plain = _shaded(np.array(prop.rgb), brim.reshape(-1, 3), prop)
    return [
        Piece(mesh=sheet(crown, closed=True), rgb=colours, finish="cloth"),
        Piece(mesh=sheet(brim, closed=True), rgb=plain, finish="cloth"),
    ]


def headscarf(prop: Prop, wearer: Wearer) -> list[Piece]:
    """Close around the face, over hair, ears and neck, with folds and a rolled hem."""
    rng = np.random.default_rng([prop.seed, 44])
    shell = shell_of(wearer, SCARF_RIM, AT_THE_BACK, smooth_m=0.035, most_m=0.15, narrowing=0.3)
    rows, _ = shell.radius.shape
    down = np.linspace(0, 1, rows)[:, None]
    away = np.clip((1 - down) / 0.25, 0, 1)
    below = np.clip(-shell.direction[..., 1] - 0.15, 0, 1)
    loose = 0.004 + (0.009 + rng.uniform(0.0, 0.012) + 0.03 * below) * away
    folds = _folds(shell, prop, 0.009) * away + 0.0035 * np.sin(
        26 * down + 3 * np.sin(2 * shell.turn + rng.uniform(0, 6))
    ) * away * (0.4 + 1.2 * below)
    cloth = _hemmed(shell.at(loose + folds), shell)
    return [
        Piece(mesh=sheet(cloth, closed=True), rgb=_textile(prop, shell, cloth), finish="cloth"),
        _hem(cloth[-2], 0.003, prop),
    ]


def hood(prop: Prop, wearer: Wearer) -> list[Piece]:
    """Thick and wide, its opening beside the face."""
    rng = np.random.default_rng([prop.seed, 44])
    shell = shell_of(wearer, HOOD_RIM, AT_THE_BACK, smooth_m=0.045, most_m=0.16, narrowing=0.35)
    rows, _ = shell.radius.shape
    down = np.linspace(0, 1, rows)[:, None]
    below = np.clip(-shell.direction[..., 1], 0, 1)
    top = np.clip(shell.direction[..., 1], 0, 1)
    loose = 0.017 + 0.012 * np.sin(np.pi * down) + 0.035 * below + rng.uniform(0.0, 0.02) * top
    cloth = _hemmed(shell.at(loose + 1.5 * _folds(shell, prop, 0.008)), shell)
    return [
        Piece(mesh=sheet(cloth, closed=True), rgb=_textile(prop, shell, cloth), finish="cloth"),
        _hem(cloth[-2], 0.0075, prop),
    ]


def headset(prop: Prop, wearer: Wearer) -> list[Piece]:
    """A band, two cups, and a boom with a foam ball beside the mouth."""
    rng = np.random.default_rng([prop.seed, 44])
    side = 1 if prop.left else -1
    ears = [wearer.place((each * 0.082, 0.722, 0.03)) for each in (1, -1)]
    middle = (ears[0] + ears[1]) / 2
    turn = np.linspace(-np.pi / 2, np.pi / 2, 48)
    direction = np.stack([np.sin(turn), np.cos(turn), np.full_like(turn, 0.12)], axis=1)
    radius = outermost(wearer.skin, middle, unit(direction))
    radius = np.asarray(cv2.GaussianBlur(radius.astype(np.float32)[None], (0, 0), 4))[0] + 0.014
    band = middle + radius[:, None] * unit(direction)
    strap = np.stack(
        [band + np.array([0, lift, shift]) for shift, lift in ((-0.011, -0.002), (0, 0.0015), (0.011, -0.002))]
    )
    strap = np.concatenate([strap, (strap - 0.004 * unit(direction))[::-1]])
    pieces = [Piece(mesh=sheet(strap), rgb=_shaded(np.array(prop.rgb), strap.reshape(-1, 3), prop), finish="plastic")]
    size = rng.uniform(0.026, 0.036)
    for each, ear in zip((1, -1), ears, strict=True):
        out = abs(outermost(wearer.skin, middle, np.array([[each, 0.0, 0.0]]))[0]) - abs(ear[0] - middle[0])
        cup = _cushion(ear + np.array([each * (max(out, 0) + 0.004), 0, 0]), each, size, wearer)
        pieces.append(Piece(mesh=cup, rgb=_shaded(np.array(prop.rgb), cup.points, prop), finish="plastic"))
    mouth = wearer.place((side * 0.036, 0.658, 0.138)) + np.array([side * 0.006, -0.006, 0.016])
    ear = ears[0] if side > 0 else ears[1]
    start = ear + np.array([side * 0.018, -0.02, 0.012])
    bend = (start + mouth) / 2 + np.array([side * 0.03, -0.012, 0.012])
    t = np.linspace(0, 1, 24)[:, None]
    boom = (1 - t) ** 2 * start + 2 * t * (1 - t) * bend + t**2 * mouth
    rod = tube(boom, 0.0022)
    pieces.append(Piece(mesh=rod, rgb=_shaded(np.array([0.08, 0.08, 0.08]), rod.points, prop), finish="plastic"))
    foam = _ball(mouth, 0.0095, prop, wearer)
    pieces.append(Piece(mesh=foam.mesh, rgb=np.full_like(foam.rgb, 0.09), finish="foam"))
    return pieces


def _cushion(centre: Float[np.ndarray, " 3"], side: int, size_m: float, wearer: Wearer) -> Mesh:
    """A flat ear cup, closed outside."""
    turn = np.linspace(0, 2 * np.pi, max(20, round(0.2 / wearer.step_m)))[:-1]
    profile = np.array([(1.0, -0.012), (1.05, 0.0), (1.0, 0.012), (0.85, 0.018), (0.4, 0.021), (0.02, 0.022)])
    rows = [
        np.stack(
            [np.full_like(turn, side * out), 1.2 * size_m * wide * np.sin(turn), size_m * wide * np.cos(turn)], axis=1
        )
        for wide, out in profile
    ]
    return sheet(centre + np.stack(rows), closed=True)


def _ball(centre: Float[np.ndarray, " 3"], radius_m: float, prop: Prop, wearer: Wearer) -> Piece:
    steps = max(8, round(2 * radius_m / wearer.step_m))
    away, turn = np.linspace(0.02, np.pi - 0.02, steps), np.linspace(0, 2 * np.pi, 2 * steps + 1)[:-1]
    a, t = np.meshgrid(away, turn, indexing="ij")
    points = centre + radius_m * np.stack([np.sin(a) * np.sin(t), np.cos(a), np.sin(a) * np.cos(t)], axis=-1)
    return Piece(
        mesh=sheet(points, closed=True),
        rgb=_shaded(np.array(prop.second_rgb), points.reshape(-1, 3), prop),
        finish="knit",
    )


def _hem(rim: Points, radius_m: float, prop: Prop) -> Piece:
    """A roll along an opening."""
    round_about = np.concatenate([rim, rim[:2]])
    roll = tube(round_about, radius_m)
    return Piece(mesh=roll, rgb=_shaded(0.92 * np.array(prop.rgb), roll.points, prop), finish="cloth")


def _hemmed(points: Float[np.ndarray, "I J 3"], shell: Shell) -> Float[np.ndarray, "I+1 J 3"]:
    """With a last row turned in to the skin, so that nobody sees beneath."""
    inner = shell.centre + (shell.radius[-1] - 0.006)[:, None] * shell.direction[-1]
    return np.concatenate([points, inner[None]])


def _textile(prop: Prop, shell: Shell, points: Float[np.ndarray, "I J 3"]) -> Float32[np.ndarray, "P 3"]:
    along = np.broadcast_to(np.linspace(0, 0.2, len(points))[:, None], points.shape[:2])
    across = np.broadcast_to(0.09 * shell.turn, points.shape[:2])
    return patterned(prop, points.reshape(-1, 3), along.ravel(), across.ravel())


def _shaded(rgb: np.ndarray, points: Points, prop: Prop) -> Float32[np.ndarray, "P 3"]:
    """One colour, a little uneven."""
    uneven = 0.94 + 0.12 * noise(points, 60.0, prop.seed % 983, 2)
    return np.clip(rgb[None] * uneven[:, None], 0, 1).astype(np.float32)


def _folds(shell: Shell, prop: Prop, height_m: float) -> Float[np.ndarray, "I J"]:
    """Soft irregular folds."""
    points = shell.at(0).reshape(-1, 3)
    return (height_m * 2 * (noise(points, 16.0, prop.seed % 977, 3) - 0.5)).reshape(shell.radius.shape)


def _ribs(shell: Shell, prop: Prop, wearer: Wearer, height_m: float) -> Float[np.ndarray, "I J"]:
    """Of a knit, from the crown down; left out where points lie too far apart for them."""
    if wearer.step_m > 0.003:
        return np.zeros_like(shell.radius)
    number = 60 + prop.seed % 20
    return np.asarray(height_m * np.cos(number * shell.turn) * np.linspace(0, 1, len(shell.radius))[:, None] ** 0.3)


def _around(values: Float[np.ndarray, "R J"], sigma: float) -> Float[np.ndarray, "R J"]:
    """Smoothed along a ring."""
    pad = int(4 * sigma) + 1
    wide = np.pad(values, ((0, 0), (pad, pad)), mode="wrap")
    return np.asarray(cv2.GaussianBlur(wide.astype(np.float32), (0, 0), sigma)[:, pad:-pad], np.float64)
