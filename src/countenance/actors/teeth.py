"""Teeth, gums and tongue: shaped on the template, posed with the jaw by the template's own points."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float, Float32, Int

from countenance.actors.actor import Actor
from countenance.actors.colour import to_light
from countenance.actors.head import load_head
from countenance.actors.subdivide import Subdivision, subdivide

Jaw = Literal["upper", "lower"]
JAWS: tuple[Jaw, Jaw] = ("upper", "lower")
WIDTHS = {"upper": (85, 66, 76, 70, 68, 100, 100), "lower": (55, 60, 68, 70, 70, 105, 100)}
"""From the middle to the back; only their ratios count."""
HEIGHTS_M = {
    "upper": (0.0105, 0.0092, 0.0105, 0.0088, 0.0085, 0.0078, 0.0075),
    "lower": (0.0085, 0.0088, 0.0098, 0.0085, 0.0080, 0.0075, 0.0072),
}
EDGE_M = {"upper": 0.6580, "lower": 0.6600}
"""Height of the biting edges in the template, whose lips meet at 0.6585: upper teeth overlap the lower ones."""
RISE_M = 0.010
"""How much higher than its middle a row ends."""
CANINE = 2
GUM_RATIO = 8
"""Points along the gums for each around them."""
PAPILLA_M = 0.0013
"""How far gums reach between teeth beyond where they end on them."""
GUM_RGB, DARK_GUM_RGB, TONGUE_RGB = (0.68, 0.40, 0.38), (0.42, 0.25, 0.24), (0.66, 0.38, 0.36)
"""sRGB."""
MATERIAL_UNIT = 96
"""Stored for what is as bright as the mean; see `tools/make_mouth_material.py`."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Row:
    """Teeth and gum of one jaw; colours are linear albedo."""

    teeth: Float[np.ndarray, "T 3"]
    teeth_faces: Int[np.ndarray, "F 4"]
    teeth_rgb: Float32[np.ndarray, "T 3"]
    gum: Float[np.ndarray, "G 3"]
    gum_faces: Int[np.ndarray, "H 4"]
    gum_rgb: Float32[np.ndarray, "G 3"]


def teeth_row(actor: Actor, jaw: Jaw, around: int, gum_around: int) -> Row:
    """The row of an actor's jaw, in the template's place, with so many points around each tooth and the gum."""
    head, upper, teeth = load_head(), jaw == "upper", actor.teeth
    rng = np.random.default_rng([teeth.seed, 27, JAWS.index(jaw)])
    helper = head.points[head.parts["teeth_upper" if upper else "teeth_lower"]]
    half_width, front, back = helper[:, 0].max(), helper[:, 2].max() - 0.003, helper[:, 2].min()
    edge = EDGE_M[jaw]
    turn = np.linspace(0, np.pi / 2 * 0.98, 400)
    x, z = (half_width - 0.0035) * np.sin(turn), back + (front - back) * np.cos(turn)
    reach = np.r_[0, np.cumsum(np.hypot(np.diff(x), np.diff(z)))]
    widths = np.array(WIDTHS[jaw]) / sum(WIDTHS[jaw]) * reach[-1] * 0.9
    borders = np.r_[0, np.cumsum(widths)]

    def at(distance: float) -> tuple[Float[np.ndarray, " 2"], Float[np.ndarray, " 2"]]:
        here, ahead, behind = (
            np.array([np.interp(d, reach, x), np.interp(d, reach, z)])
            for d in (distance, distance + 0.001, max(distance - 0.001, 0))
        )
        along = ahead - behind
        return here, along / np.linalg.norm(along)

    points: list[Float[np.ndarray, "N 3"]] = []
    colours: list[Float32[np.ndarray, "N 3"]] = []
    faces, along_tooth = [], max(around * 2 // 3, 6)
    tube = _tube_faces(along_tooth, around)
    for number, (width, height) in enumerate(zip(widths, HEIGHTS_M[jaw], strict=True)):
        for side in (1, -1):
            here, along = at(borders[number] + width / 2)
            inward = np.array([-along[1], along[0]])
            narrow, low, out, turned, tilted = teeth.disorder * rng.normal(size=5) * (0.03, 0.00025, 0.0005, 0.12, 0.04)
            tall = height * (1 - 0.12 * teeth.wear * rng.uniform(0.5, 1.2))
            shape, toward_edge = _tooth(
                width * (0.99 - teeth.gap + narrow),
                tall,
                0.0036 if number < 3 else 0.0052,
                around=around,
                along=along_tooth,
                upper=upper,
                pointed=0.0 if number != CANINE else 0.45 * (1 - teeth.wear),
            )
            # A tooth turns about its own axis and leans in the row.
            turned_x = shape[:, 0] * np.cos(turned) - shape[:, 2] * np.sin(turned)
            turned_z = shape[:, 0] * np.sin(turned) + shape[:, 2] * np.cos(turned) + out
            leaning_x = turned_x - tilted * shape[:, 1]
            step = 0.0006 * (number == 1) if upper else 0.0
            rise = RISE_M * ((borders[number] + width / 2) / reach[-1]) ** 2
            middle = edge + (0.55 if upper else -0.55) * height + step + low + rise
            placed = np.column_stack(
                [
                    here[0] + leaning_x * along[0] - turned_z * inward[0],
                    middle + shape[:, 1],
                    here[1] + leaning_x * along[1] - turned_z * inward[1],
                ]
            )
            placed[:, 0] *= side
            faces.append(tube[:, ::-side] + sum(map(len, points)))
            points.append(placed)
            colours.append(_tooth_colour(actor, rng, toward_edge, shape, width, number))
    gum, gum_rgb = _gum(actor, gum_around, upper=upper, edge=edge, reach=reach, borders=borders, at=at, rng=rng)
    return Row(
        teeth=np.concatenate(points),
        teeth_faces=np.concatenate(faces),
        teeth_rgb=np.concatenate(colours),
        gum=gum,
        gum_faces=_tube_faces(GUM_RATIO * gum_around, gum_around),
        gum_rgb=gum_rgb,
    )


@cache
def tongue_surface() -> Subdivision:
    """The template's tongue, smoothed once."""
    head = load_head()
    faces = head.tongue_faces - head.parts["tongue"][0]
    return subdivide(faces, np.zeros((*faces.shape, 2), np.float32), len(head.parts["tongue"]))


def tongue_colour(actor: Actor) -> Float32[np.ndarray, "P 3"]:
    """Linear albedo of the tongue's points: papillae, a paler back, redder sides."""
    rng = np.random.default_rng([actor.teeth.seed, 28])
    head = load_head()
    points = tongue_surface().matrix @ head.points[head.parts["tongue"]]
    low, high = points.min(axis=0), points.max(axis=0)
    x, _, z = ((points - low) / (high - low)).T
    detail = _sampled(_material()["tongue"], z, x if rng.random() < 0.5 else 1 - x)
    coat = 1 + rng.uniform(0.0, 0.35) * np.clip(1.1 - 1.6 * z, 0, 1)[:, None] * np.array([0.6, 0.9, 0.8])
    return np.asarray(to_light(np.array(TONGUE_RGB)) * rng.uniform(0.8, 1.1) * coat * detail, np.float32).clip(0, 1)


@cache
def _material() -> dict[str, Float32[np.ndarray, "..."]]:
    with np.load(Path(__file__).parent / "data/mouth_material.npz") as file:
        return {name: file[name].astype(np.float32) / MATERIAL_UNIT for name in ("enamel", "gum", "tongue")}


def _sampled(
    patch: Float32[np.ndarray, "H W 3"], down: Float[np.ndarray, " N"], right: Float[np.ndarray, " N"]
) -> Float32[np.ndarray, "N 3"]:
    """The nearest texels of a patch at places 0–1, as ratios of linear light."""
    row = np.clip((down * patch.shape[0]).astype(int), 0, patch.shape[0] - 1)
    column = np.clip((right * patch.shape[1]).astype(int), 0, patch.shape[1] - 1)
    return np.asarray(patch[row, column] ** 2.2, np.float32)


def _tooth_colour(
    actor: Actor,
    rng: np.random.Generator,
    toward_edge: Float[np.ndarray, " N"],
    shape: Float[np.ndarray, "N 3"],
    width: float,
    number: int,
) -> Float32[np.ndarray, "N 3"]:
    """Yellower at the gum, clearest in the middle, bluish and translucent at the biting edge; darker at the sides."""
    teeth, own = actor.teeth, to_light(np.array(actor.teeth_rgb))
    own = (
        own
        * np.array([0.92, 0.86, 0.74])
        * (1 + 0.05 * rng.normal())
        * (np.array([0.95, 0.89, 0.78]) if number == CANINE else 1.0)
    )
    neck = np.clip(1 - toward_edge / 0.45, 0, 1)[:, None] ** 1.5
    clear = teeth.translucency * np.clip((toward_edge - 0.8) / 0.2, 0, 1)[:, None] * (number < 4)
    side = np.clip(2 * np.abs(shape[:, 0]) / width, 0, 1)[:, None] ** 4
    enamel = _material()["enamel"]
    detail = _sampled(enamel[rng.integers(len(enamel))], toward_edge, 0.5 + rng.choice([-1, 1]) * shape[:, 0] / width)
    colour = own * detail * (1 - neck * np.array([0.06, 0.16, 0.34])) * (1 - 0.4 * side)
    colour = colour * (1 - clear) + clear * own.mean() * np.array([0.50, 0.56, 0.62])
    return np.asarray(colour.clip(0, 0.9), np.float32)


def _gum(
    actor: Actor,
    around: int,
    *,
    upper: bool,
    edge: float,
    reach: Float[np.ndarray, " D"],
    borders: Float[np.ndarray, " B"],
    at: Callable[[float], tuple[Float[np.ndarray, " 2"], Float[np.ndarray, " 2"]]],
    rng: np.random.Generator,
) -> tuple[Float[np.ndarray, "G 3"], Float32[np.ndarray, "G 3"]]:
    """A roll along the row that reaches down between the teeth."""
    teeth = actor.teeth
    tint = to_light(np.array(GUM_RGB)) * (1 - teeth.gum_depth) + to_light(np.array(DARK_GUM_RGB)) * teeth.gum_depth
    base = edge + (0.0138 if upper else -0.0128)
    circle = np.linspace(0, 2 * np.pi, around + 1)[:-1]
    toward = np.clip(-np.sin(circle) if upper else np.sin(circle), 0, 1)
    rings, colours, start = [], [], rng.random()
    for distance in np.linspace(-reach[-1], reach[-1], GUM_RATIO * around) * 0.99:
        here, along = at(abs(distance))
        outward = np.array([along[1], -along[0]])
        outward = -outward if outward[1] < 0 else outward
        nearest = np.abs(borders - abs(distance)).min()
        papilla = PAPILLA_M * np.exp(-((nearest / 0.0013) ** 2)) * toward**2
        bulge = 0.0048 + 0.0005 * np.cos(np.pi * np.clip(nearest / 0.004, 0, 1))
        rings.append(
            np.column_stack(
                [
                    (here[0] + outward[0] * np.cos(circle) * bulge) * np.sign(distance or 1),
                    base
                    + RISE_M * (distance / reach[-1]) ** 2
                    + np.sin(circle) * 0.0075
                    + (-papilla if upper else papilla),
                    here[1] + outward[1] * np.cos(circle) * bulge,
                ]
            )
        )
        place = (start + 0.5 * distance / reach[-1]) % 1
        detail = _sampled(_material()["gum"], 1 - toward**0.7, np.full(around, min(place, 1 - place) * 2))
        rim = 1 - np.array([0.05, 0.25, 0.25]) * np.clip(toward - 0.7, 0, 1)[:, None]
        colours.append(tint * detail * rim)
    return np.concatenate(rings), np.concatenate(colours).astype(np.float32).clip(0, 1)


def _tooth(
    width: float, height: float, thickness: float, *, around: int, along: int, upper: bool, pointed: float
) -> tuple[Float[np.ndarray, "N 3"], Float[np.ndarray, " N"]]:
    """A rounded block, x along the row, y up, z outward: a superellipsoid, a little narrower at the root.

    Also how far each point lies from the neck (0) to the biting edge (1).
    """
    a, b = np.meshgrid(np.linspace(0, 2 * np.pi, around + 1)[:-1], np.linspace(-np.pi / 2, np.pi / 2, along))

    def power(value: Float[np.ndarray, "A B"], exponent: float) -> Float[np.ndarray, "A B"]:
        return np.asarray(np.sign(value) * np.abs(value) ** exponent)

    x = power(np.cos(b), 0.35) * power(np.cos(a), 0.55) * width / 2
    y = power(np.sin(b), 0.5) * height * 0.62
    z = power(np.cos(b), 0.45) * power(np.sin(a), 0.7) * thickness
    toward_edge = np.clip(0.5 + (-y if upper else y) / height, 0, 1)
    x *= 0.93 + 0.09 * np.clip(toward_edge / 0.6, 0, 1)
    x *= 1 - pointed * np.clip((toward_edge - 0.55) / 0.45, 0, 1) ** 1.5
    # Edges are thin, and lie a little further in than the crown's middle.
    z *= 1 - 0.3 * toward_edge**2
    shape = np.stack([x, y, z], axis=-1).reshape(-1, 3)
    return shape, toward_edge.ravel()


def _tube_faces(along: int, around: int) -> Int[np.ndarray, "F 4"]:
    i, j = np.meshgrid(np.arange(along - 1), np.arange(around), indexing="ij")
    after = (j + 1) % around
    return np.stack([i * around + j, i * around + after, (i + 1) * around + after, (i + 1) * around + j], -1).reshape(
        -1, 4
    )
