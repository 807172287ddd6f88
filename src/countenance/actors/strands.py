"""Strands of hair; brows, lashes and beards: short hair that moves with the skin."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Int

from countenance.actors.actor import Actor, BeardKind, Colour
from countenance.actors.colour import to_light
from countenance.actors.noise import noise
from countenance.actors.skin import BROW_BEGINS_M, BROW_LENGTH_M, beard_places, brow_line
from countenance.actors.surface import Roots, cross, scatter, seen_from_front, unit

NUM_LASH_POINTS = 5
"""From root to tip."""
Points = Float[np.ndarray, "_ 3"]
"""Any number of them."""


GREY_RGB = np.array([0.37, 0.36, 0.35], np.float32)
"""Linear."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Strands:
    """Strands from root to tip."""

    points: Float[np.ndarray, "S K 3"]
    radius_m: Float[np.ndarray, "S K"]
    """Half of the width that is drawn; finer hair is drawn as wide as this and fainter."""
    cover: Float[np.ndarray, "S K"]
    """0–1: how much of what lies behind a strand it hides."""
    rgb: Float32[np.ndarray, "S 3"]
    """Linear, in the middle of a strand."""

    @classmethod
    def joined(cls, several: "list[Strands]") -> "Strands":
        """Several as one."""
        return cls(
            points=np.concatenate([each.points for each in several]).astype(np.float32),
            radius_m=np.concatenate([each.radius_m for each in several]).astype(np.float32),
            cover=np.concatenate([each.cover for each in several]).astype(np.float32),
            rgb=np.concatenate([each.rgb for each in several]),
        )


def strand_colours(
    rng: np.random.Generator, natural_rgb: Colour, grey: float, number: int
) -> Float32[np.ndarray, "S 3"]:
    """Linear colours of single hairs, each grey or not, none quite like another."""
    own = to_light(np.array(natural_rgb, np.float32)) * rng.uniform(0.6, 1.4, (number, 1)).astype(np.float32)
    own = own * (1 + 0.06 * rng.normal(size=(number, 3))).clip(0.8, 1.2)
    white = GREY_RGB * rng.uniform(0.75, 1.15, (number, 1))
    # A strand that is drawn stands for a few hairs: none of them is of one kind alone.
    share = np.where(rng.random((number, 1)) < grey, rng.uniform(0.5, 0.9, (number, 1)), 0.4 * grey)
    return np.asarray(own + (white - own) * share, np.float32)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ShortHair:
    """Strands rooted in the skin."""

    roots: Roots
    direction: Float[np.ndarray, "R 3"]
    """In the neutral pose; laid onto the skin when posed."""
    length: Float[np.ndarray, " R"]
    lift: Float[np.ndarray, " R"]
    """How far strands rise from the skin, as a fraction of their length."""
    bend: Float[np.ndarray, " R"]
    """How far the tip lies beside the direction of the root, along the skin, as a fraction of the length."""
    wave: Float[np.ndarray, "R 2"]
    """Width of a curl as a fraction of the length, and where it begins, in radians."""
    radius_m: Float[np.ndarray, " R"]
    """Half of the width that is drawn at the root."""
    cover: Float[np.ndarray, " R"]
    """0–1: how much of what lies behind a strand it hides."""
    rgb: Float32[np.ndarray, "R 3"]
    """Linear."""
    num_points: int
    """Of a strand."""

    def posed(
        self, points: Points, point_normals: Points, turn: Float[np.ndarray, "3 3"]
    ) -> Float[np.ndarray, "R K 3"]:
        """Strands on a skin as it is now; `turn` is the head's."""
        root, out = self.roots.on(points), unit(self.roots.on(point_normals))
        along = self.direction @ turn.T
        along = unit(along - (along * out).sum(axis=1, keepdims=True) * out)
        across = cross(out, along)
        t = np.linspace(0, 1, self.num_points)[None, :]
        curl = self.wave[:, :1] * np.sin(self.wave[:, 1:] + 2 * np.pi * t) * t
        rise = self.lift[:, None] * (t - 0.45 * t**2) + 0.7 * np.abs(curl)
        aside = self.bend[:, None] * t**2 + curl
        ahead = t - 0.5 * np.abs(self.bend[:, None]) * t**2
        course = sum(part[..., None] * way[:, None] for part, way in ((ahead, along), (aside, across), (rise, out)))
        return np.asarray(root[:, None] - 0.0003 * out[:, None] + self.length[:, None, None] * course)


def grow_brows(actor: Actor, template: Points, faces: Int[np.ndarray, "F 4"], fineness: float) -> ShortHair:
    """Both brows: upright at the nose, lying outwards along the arch from above and below, thinning to the end.

    `fineness` multiplies the number of hairs; they get thinner in return.
    """
    brows, rng = actor.brows, np.random.default_rng([actor.seed, 7])
    number = round(700 * brows.density * fineness)
    place = rng.random((2, number)) ** 0.9
    # Dense in the middle of the stripe; a plucked brow has an edge, another one loses itself in the skin.
    clean, loose = rng.uniform(-1, 1, (2, number)), 0.62 * rng.normal(size=(2, number))
    off = clean + (loose - clean) * (rng.random((2, number)) < 0.25 + 0.75 * brows.ragged)
    middle = BROW_BEGINS_M + BROW_LENGTH_M * place + 0.0012 * rng.normal(size=(2, number))
    line, half = brow_line(brows, place, np.array([[True], [False]]))
    height = line + half * off
    sides = np.array([[1.0], [-1.0]])
    across, upwards = (sides * middle).ravel(), height.ravel()
    at = np.stack([across, upwards, np.zeros_like(across)], axis=1)
    open_skin = brows.gaps * np.clip(2.2 * noise(at, 260.0, actor.seed + 3, 2) - 0.55, 0, 1)
    thin_start = 0.65 * np.exp(-place.ravel() / 0.07)
    kept = rng.random(2 * number) > np.clip(open_skin + thin_start, 0, 0.95)
    roots = seen_from_front(template, faces, across[kept], upwards[kept])
    if len(roots) != kept.sum():
        raise AssertionError("a brow's root lies beside the face")
    angle = np.interp(place, [0, 0.12, 0.3, 0.65, 1], [86, 66, 34, 8, -24])
    angle = angle - off * np.interp(place, [0, 0.2, 0.5, 1], [4, 26, 30, 12])
    angle = np.radians(angle + (5 + 9 * brows.ragged) * rng.normal(size=angle.shape))
    direction = np.stack([sides * np.cos(angle), np.sin(angle), np.zeros_like(angle)], axis=-1).reshape(-1, 3)
    count = int(kept.sum())
    length = brows.length_m * np.interp(place, [0, 0.15, 0.6, 1], [0.8, 1.05, 1.0, 0.75]).ravel()[kept]
    return ShortHair(
        roots=roots,
        direction=direction[kept],
        length=length * (1 + 0.25 * rng.normal(size=count)).clip(0.4, 1.5),
        lift=rng.uniform(0.08, 0.24, count),
        # Tips turn outwards and down.
        bend=(sides * rng.uniform(-0.28, 0.0, (2, number))).ravel()[kept],
        wave=np.zeros((count, 2)),
        radius_m=0.00030 / fineness**0.5 * rng.uniform(0.7, 1.2, count),
        cover=rng.uniform(0.3, 0.7, count),
        rgb=strand_colours(rng, brows.natural_rgb, brows.grey, count),
        num_points=4,
    )


def grow_beard(
    actor: Actor, template: Points, faces: Int[np.ndarray, "F 4"], num_strands: int, radius_m: float, num_points: int
) -> ShortHair | None:
    """A beard's strands, or nothing."""
    beard = actor.beard
    if beard is None:
        return None
    rng = np.random.default_rng([actor.seed, 8])
    middle = template[faces].mean(axis=1)
    wide = np.clip(beard_density(middle, beard.kind) + 0.05, 0, 1)
    number = round(num_strands * beard.density * {"moustache": 0.3, "goatee": 0.55, "stubble": 1.3}.get(beard.kind, 1))
    tried = scatter(rng, template, faces, np.where(wide > 0.08, 1.0, 0.0) + 1e-9, 4 * number)
    at = tried.on(template)
    # Cheek and neck lines are never drawn with a ruler, and no beard is equally thick everywhere.
    bent = at + 0.008 * (noise(at, 130.0, actor.seed + 5, 2) - 0.5)[:, None]
    dense = beard_density(bent, beard.kind) * np.clip(0.3 + 1.2 * noise(at, 75.0, actor.seed + 6, 2), 0.2, 1.3)
    chosen = rng.choice(4 * number, number, replace=False, p=(dense + 1e-9) / (dense + 1e-9).sum())
    roots = Roots(corners=tried.corners[chosen], weights=tried.weights[chosen])
    x, y, z = at[chosen].T
    lip = np.exp(-(((y - 0.676) / 0.007) ** 2)) * (z > 0.1)
    back = np.clip((0.10 - z) / 0.05, 0, 1)
    combed = np.stack([np.sign(x) * (1.3 * lip + 0.1), -1.0 + 0.2 * lip, 0.2 - 0.7 * back], axis=1)
    chin = np.exp(-((x / 0.03) ** 2)) * (y < 0.645)
    length = beard.length_m * rng.uniform(0.45, 1.25, number) * (1 + 0.35 * chin - 0.3 * back)
    stiff = {"stubble": 0.75}.get(beard.kind, 0.45)
    return ShortHair(
        roots=roots,
        direction=unit(unit(combed) + (0.25 + 0.35 * beard.curl) * rng.normal(size=(number, 3))),
        length=length,
        lift=stiff * rng.uniform(0.6, 1.3, number),
        bend=0.35 * rng.normal(size=number),
        wave=np.stack(
            [
                np.minimum(0.28, 0.0016 / length) * beard.curl * rng.uniform(0.3, 1.5, number),
                rng.uniform(0, 2 * np.pi, number),
            ],
            axis=1,
        ),
        radius_m=radius_m * rng.uniform(0.7, 1.2, number),
        cover=rng.uniform(0.4, 0.75, number),
        rgb=strand_colours(rng, beard.natural_rgb, beard.grey, number),
        num_points=num_points,
    )


def beard_density(points: Points, kind: BeardKind) -> Float[np.ndarray, " N"]:
    """0–1: where a beard of a kind is left to grow."""
    x, y, z = points.T
    grown = np.clip(1.25 * beard_places(points, np.zeros(len(points), np.float32)) - 0.2, 0, 1).astype(np.float64)
    # Between the lips and beside them nothing grows.
    grown[(np.abs(x) < 0.024) & (np.abs(y - 0.6585) < 0.0095) & (z > 0.1) | (z < 0.02)] = 0
    lip = np.clip((0.034 - np.abs(x)) / 0.006, 0, 1) * np.clip((y - 0.664) / 0.003, 0, 1)
    chin = np.clip((0.034 - np.abs(x)) / 0.008, 0, 1) * (y < 0.668) * np.clip((y - 0.612) / 0.008, 0, 1)
    if kind == "moustache":
        return np.asarray(grown * lip)
    if kind == "goatee":
        return np.asarray(grown * np.clip(lip + chin, 0, 1))
    return np.asarray(grown)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Lashes:
    """Lashes along the margins of the lids."""

    margin: Int[np.ndarray, " L"]
    """Left upper, left lower, right upper, right lower."""
    place: Float[np.ndarray, " L"]
    """Along the margin, 0 at the inner corner – 1 at the outer."""
    length: Float[np.ndarray, " L"]
    fan: Float[np.ndarray, " L"]
    """How far a lash leans to the outer corner; the same within a clump."""
    angle: Float[np.ndarray, "L 2"]
    """At the root and at the tip, from straight out of the eye to away from the other lid, in radians."""

    def posed(
        self, lids: Float[np.ndarray, "2 2 M 3"], centres: Float[np.ndarray, "2 3"]
    ) -> Float[np.ndarray, "L K 3"]:
        """Lashes of lids as they are now, around eyeballs with these centres."""
        margins = lids.reshape(4, -1, 3)
        outward = unit(margins - np.repeat(centres, 2, axis=0)[:, None])
        along = unit(np.gradient(margins, axis=1))
        away = unit(cross(along, outward))
        apart = (lids - lids[:, ::-1]).mean(axis=2).reshape(4, 3)
        away *= np.sign((away * apart[:, None]).sum(axis=2, keepdims=True))

        at = self.place * (margins.shape[1] - 1)
        low = np.minimum(at.astype(int), margins.shape[1] - 2)
        part = (at - low)[:, None]
        root, out, side, up = (
            values[self.margin, low] * (1 - part) + values[self.margin, low + 1] * part
            for values in (margins, outward, along, away)
        )
        step = np.linspace(0, 1, NUM_LASH_POINTS - 1)
        turn = (self.angle[:, :1] + (self.angle[:, 1:] - self.angle[:, :1]) * step)[..., None]
        heading = unit(
            np.cos(turn) * out[:, None] + np.sin(turn) * up[:, None] + self.fan[:, None, None] * side[:, None]
        )
        steps = np.cumsum(heading, axis=1) * (self.length / (NUM_LASH_POINTS - 1))[:, None, None]
        return np.concatenate([root[:, None], root[:, None] + steps], axis=1)


def grow_lashes(actor: Actor) -> Lashes:
    """Two or three to a clump; upper ones longer, denser and curled up, lower ones short and sparse."""
    rng = np.random.default_rng([actor.seed, 28])
    margin, place, length, fan, angle = [], [], [], [], []
    for edge in range(4):
        upper = edge % 2 == 0
        number = round((190 if upper else 80) * actor.eyes.lashes)
        at = np.sort(np.clip(0.07 + 0.9 * (np.arange(number) + rng.uniform(-0.6, 0.6, number)) / number, 0.05, 0.98))
        clump = np.cumsum(rng.random(number) < 0.4)
        middle = np.bincount(clump, weights=at) / np.maximum(np.bincount(clump), 1)
        lean = rng.normal(scale=0.08, size=clump[-1] + 1)[clump] + 3.0 * (middle[clump] - at)
        # Longest beyond the middle; shortest at the inner corner.
        tall = np.interp(at, [0, 0.2, 0.65, 1], [0.45, 0.75, 1.05, 0.85])
        curl = rng.normal(scale=0.09, size=(clump[-1] + 1, 2))[clump] + rng.normal(scale=0.06, size=(number, 2))
        margin.append(np.full(number, edge))
        place.append(at)
        length.append(
            (0.0085 if upper else 0.0047) * tall * (0.6 + 0.4 * actor.eyes.lashes) * rng.uniform(0.6, 1.1, number)
        )
        fan.append(np.interp(at, [0, 0.35, 1], [-0.45, 0.0, 0.6]) + lean)
        angle.append(np.array([-0.45, 1.35] if upper else [-0.1, 0.95]) + curl)
    return Lashes(
        margin=np.concatenate(margin),
        place=np.concatenate(place),
        length=np.concatenate(length),
        fan=np.concatenate(fan),
        angle=np.concatenate(angle),
    )
