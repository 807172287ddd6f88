"""Hair of the head: strands in locks, grown once in the neutral pose, which then ride on the head."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from countenance.actors.actor import Actor, HairKind
from countenance.actors.extra import spatial
from countenance.actors.noise import noise
from countenance.actors.scalp import CROWN, NUM_ROWS, ROW_STEP, hairline_height, scalp_places
from countenance.actors.strands import Strands, strand_colours
from countenance.actors.surface import Roots, between_corners, embree_scene, normals, scatter, triangles_of, unit

Points = Float[np.ndarray, "_ 3"]
"""Any number of them."""
NAPE_KNOT = np.array([0.0, 0.765, -0.062])
SMALL_HAIRS = 0.09
"""Fraction of the strands that are the fine short hair of the hairline."""
FLYAWAYS = 0.03
"""Fraction of the strands that leave their lock."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Style:
    """How hair of a kind grows."""

    num_points: int
    """Of a strand."""
    volume_m: float
    """How far it stands off the head at least, once away from its root."""
    lift: float
    """How steeply it leaves the skin, against the way it is combed."""
    stiffness: float
    """0 follows the comb at once – 1 keeps its direction."""
    scatter: float
    """How much locks differ from their neighbours."""
    fall: float = 0.0
    """How heavily it falls where it stands off the head; hair that doesn't isn't laid along the skin."""
    gather: float = 0.5
    """0 every strand for itself – 1 the strands of a lock meet at its tip."""
    frizz_m: float = 0.0008
    """How far strands wander from their lock's course."""
    loose_m: float = 0.004
    """How differently locks rise from the head."""


STYLES: Mapping[HairKind, Style] = {
    "bald": Style(num_points=3, volume_m=0.0, lift=0.3, stiffness=0.5, scatter=0.3, gather=0, loose_m=0),
    "shaved": Style(num_points=3, volume_m=0.0, lift=1.0, stiffness=0.9, scatter=0.25, gather=0, loose_m=0),
    "buzz": Style(num_points=4, volume_m=0.0, lift=1.0, stiffness=0.9, scatter=0.25, gather=0.1, loose_m=0.0005),
    "crop": Style(
        num_points=6, volume_m=0.004, lift=0.55, stiffness=0.6, scatter=0.3, fall=0.3, gather=0.45, loose_m=0.004
    ),
    "curls": Style(num_points=16, volume_m=0.006, lift=1.2, stiffness=0.86, scatter=0.3, gather=0.85, frizz_m=0.0012),
    "afro": Style(num_points=14, volume_m=0.006, lift=1.6, stiffness=0.97, scatter=0.3, gather=0.3, frizz_m=0.0025),
    "rows": Style(num_points=16, volume_m=0.003, lift=0.3, stiffness=0.5, scatter=0.05, gather=0),
    "parted": Style(num_points=10, volume_m=0.009, lift=0.75, stiffness=0.45, scatter=0.1, fall=1.2, gather=0.55),
    "swept": Style(num_points=10, volume_m=0.008, lift=0.7, stiffness=0.45, scatter=0.1, fall=0.7, gather=0.5),
    "bob": Style(num_points=14, volume_m=0.010, lift=0.5, stiffness=0.45, scatter=0.08, fall=1.6, gather=0.55),
    "fringe": Style(num_points=14, volume_m=0.009, lift=0.5, stiffness=0.45, scatter=0.08, fall=1.6, gather=0.5),
    "long": Style(num_points=18, volume_m=0.010, lift=0.5, stiffness=0.45, scatter=0.08, fall=1.6, gather=0.6),
    "tied": Style(num_points=10, volume_m=0.003, lift=0.12, stiffness=0.45, scatter=0.05, fall=0.3, gather=0.3),
}


class _Skin:
    """What strands grow on and must not enter."""

    def __init__(self, points: Points, faces: Int[np.ndarray, "F 4"]) -> None:
        used = np.unique(faces)
        self.points, self.normals = points[used], normals(points, faces)[used]
        self.tree = spatial().cKDTree(self.points)

    def above(self, places: Points) -> tuple[Points, Float[np.ndarray, " S"]]:
        """Which way is out, and how far the skin is."""
        _, nearest = self.tree.query(places)
        return self.normals[nearest], ((places - self.points[nearest]) * self.normals[nearest]).sum(axis=1)


def grow_hair(
    actor: Actor,
    points: Points,
    template: Points,
    faces: Int[np.ndarray, "F 4"],
    num_strands: int,
    radius_m: float,
) -> Strands:
    """Strands from root to tip on a skin in neutral pose; `template` are the same points of the template."""
    hair, style = actor.hair, STYLES[actor.hair.kind]
    rng = np.random.default_rng([hair.seed, 4])
    skin = _Skin(points, faces)
    out_of = normals(points, faces)
    number = round(num_strands * {"bald": 0.25, "shaved": 0.7, "tied": 0.9, "rows": 0.25}.get(hair.kind, 1.0))

    locks = _roots(actor, rng, points, template, faces, max(300, min(1600, number // 7)), small=0.0)
    lock_start, lock_out = locks.on(points), unit(locks.on(out_of))
    longest = 1.15 * _lengths(actor, locks.on(template))
    courses = _grow(actor, lock_start, lock_out, longest, skin, rng)
    if hair.kind == "curls" or hair.curl > 0.3:
        courses = _curled(courses, lock_out, longest, hair.curl, rng)
    rise = style.loose_m * rng.normal(size=(len(locks), 1, 1)).clip(-0.8, 2.2)
    place = np.linspace(0, 1, style.num_points)[None, :, None]
    courses += rise * (place * (1.6 - place)) * (lock_out[:, None] + np.array([0, 0.3, 0]))

    roots = _roots(actor, rng, points, template, faces, number, small=SMALL_HAIRS)
    start, out, above = roots.on(points), unit(roots.on(out_of)), hairline_height(roots.on(template), actor)
    lock = _nearby_lock(actor, rng, start, lock_start)
    edge = np.clip((above + 0.002) / 0.02, 0, 1)
    small = (rng.random(number) < 0.75) & (edge < 0.55) | (edge < 0.12)
    # Long hair has been growing since many cuts.
    unequal = 0.16 if hair.kind in {"bob", "fringe", "long"} else 0.1
    part = (0.32 + 0.68 * edge**0.6) * np.clip(rng.normal(0.84, unequal, number), 0.45, 1.0)
    part *= np.where(small, rng.uniform(0.35, 0.8, number), 1.0)
    fly = rng.random(number) < FLYAWAYS
    strands = _along_locks(style, rng, start, courses[lock], lock_start[lock], part, fly)
    if hair.kind in {"parted", "swept", "bob", "long", "fringe", "tied", "curls", "afro"}:
        # Small hairs are short in metres, however long the rest is.
        reach = np.linalg.norm(strands[:, -1] - strands[:, 0], axis=1)
        limit = np.where(small, rng.uniform(0.006, 0.022, number), np.inf)
        strands = strands[:, :1] + (strands - strands[:, :1]) * np.minimum(1, limit / reach)[:, None, None]
    _push_out(strands, out, skin)
    rgb = strand_colours(rng, hair.natural_rgb, hair.grey, number)
    # A lock shares its shade.
    rgb *= rng.uniform(0.82, 1.18, (len(locks), 1)).astype(np.float32)[lock]

    s = np.linspace(0, 1, style.num_points)[None, :]
    thin = np.where(small, 0.5, np.where(fly, 0.6, 1.0))[:, None]
    radius = radius_m * thin * (1 - 0.6 * s**2)
    cover = np.where(small, 0.5, np.where(fly, 0.45, 1.0))[:, None] * (1 - 0.55 * np.clip((s - 0.6) / 0.4, 0, 1))
    grown = Strands(points=strands, radius_m=radius, cover=cover, rgb=rgb)
    extra = []
    if hair.kind == "tied":
        extra.append(_knot(actor, rng, max(200, number // 8), style.num_points, radius_m))
    if hair.kind == "rows":
        extra.append(_braids(actor, rng, points, template, faces, num_strands, radius_m))
    return Strands.joined([grown, *extra])


def _roots(
    actor: Actor,
    rng: np.random.Generator,
    points: Points,
    template: Points,
    faces: Int[np.ndarray, "F 4"],
    number: int,
    *,
    small: float,
) -> Roots:
    """Where strands begin; a fraction `small` of them crowds at the hairline, which is never an even line."""
    middle = template[faces].mean(axis=1)
    near = np.clip((hairline_height(middle, actor) + 0.012) / 0.004, 0, 1)
    tried = scatter(rng, points, faces, near + 1e-9, 3 * number)
    at = tried.on(template)
    at[:, 1] += 0.010 * (noise(at, 150.0, actor.hair.seed, 2) - 0.5)
    dense = scalp_places(at, actor).astype(np.float64)
    above = hairline_height(at, actor)
    dense += small * 6 * np.exp(-(((above - 0.001) / 0.005) ** 2)) * (dense > 0)
    chosen = rng.choice(3 * number, number, replace=False, p=(dense + 1e-9) / (dense + 1e-9).sum())
    return Roots(corners=tried.corners[chosen], weights=tried.weights[chosen])


def _lengths(actor: Actor, template: Points) -> Float[np.ndarray, " S"]:
    """How long hair is cut, by where it grows."""
    hair, length = actor.hair, np.full(len(template), actor.hair.length_m)
    low = np.clip((0.70 - template[:, 1]) / 0.03, 0, 1)
    if hair.kind in {"parted", "swept", "tied"}:
        length *= 1 - 0.75 * low
        side = np.clip((0.80 - template[:, 1]) / 0.05, 0, 1) * np.clip((0.06 - template[:, 2]) / 0.05, 0, 1)
        length *= 1 - (0.0 if hair.kind == "tied" else 0.45) * side
    if hair.kind in {"bob", "fringe", "long"}:
        length *= 1 - 0.5 * low
    if hair.kind == "rows":
        # What is too short for the braids.
        length[:] = 0.012
    if hair.kind == "crop":
        length *= 1 - 0.5 * np.clip((0.80 - template[:, 1]) / 0.06, 0, 1)
    if hair.kind == "fringe":
        length = np.where(_is_fringe(template), np.clip(1.15 * (template[:, 1] - 0.764), 0.016, 0.068), length)
    return np.asarray(length)


def _is_fringe(template: Points) -> np.ndarray:
    """Which roots belong to hair that falls on the forehead."""
    return np.asarray((template[:, 2] > 0.062) & (np.abs(template[:, 0]) < 0.052) & (template[:, 1] > 0.78))


def _nearby_lock(actor: Actor, rng: np.random.Generator, start: Points, lock_start: Points) -> Int[np.ndarray, " S"]:
    """One of the three nearest locks, on the same side of a parting, so that locks have no straight borders."""

    def apart(places: Points) -> Points:
        if actor.hair.part_x is None:
            return places
        return np.asarray(places + np.sign(places[:, :1] - actor.hair.part_x) * np.array([0.05, 0, 0]))

    distance, nearest = spatial().cKDTree(apart(lock_start)).query(apart(start), k=3)
    likely = 1 / (distance + 0.0008) ** 2
    likely = np.cumsum(likely / likely.sum(axis=1, keepdims=True), axis=1)
    chosen = (rng.random((len(start), 1)) > likely).sum(axis=1).clip(0, 2)
    return np.asarray(nearest[np.arange(len(start)), chosen])


def _along_locks(
    style: Style,
    rng: np.random.Generator,
    start: Points,
    course: Float[np.ndarray, "S K 3"],
    course_start: Points,
    part: Float[np.ndarray, " S"],
    fly: np.ndarray,
) -> Float[np.ndarray, "S K 3"]:
    """Strands beside the course of their lock, which they follow for a part of its length and draw nearer to."""
    number, num_points = len(start), style.num_points
    s = np.linspace(0, 1, num_points)
    at = np.clip(part, 0, 1)[:, None] * s * (num_points - 1)
    low = np.minimum(at.astype(int), num_points - 2)
    rows = np.arange(number)[:, None]
    followed = course[rows, low] + (course[rows, low + 1] - course[rows, low]) * (at - low)[..., None]
    gather = (style.gather * rng.uniform(0.5, 1.25, number).clip(0, 0.97))[:, None, None] * s[None, :, None] ** 0.8
    strands = followed + (start - course_start)[:, None] * (1 - gather)
    swing = style.frizz_m * np.where(fly, 5.0, 1.0) * rng.uniform(0.4, 1.6, number)
    for turns in (1.0, 2.7):
        way = rng.normal(size=(number, 1, 3)) / turns**0.6
        phase = rng.uniform(0, 2 * np.pi, (number, 1)) + 2 * np.pi * turns * rng.uniform(0.6, 1.4, (number, 1)) * s
        strands += (swing[:, None] * s * np.sin(phase))[..., None] * way
    if style.frizz_m > 0.002:
        # Tightly coiled hair: every piece of a strand goes another way.
        strands += style.frizz_m * s[None, :, None] ** 0.5 * rng.normal(size=strands.shape)
    return np.asarray(strands)


def _push_out(strands: Float[np.ndarray, "S K 3"], out: Points, skin: _Skin) -> None:
    """Lift whatever would run under the skin, but for the roots, which begin there."""
    number, num_points, _ = strands.shape
    outward, height = skin.above(strands.reshape(-1, 3))
    least = np.minimum(1.0, np.arange(num_points) / 2) * 0.0009
    deep = np.clip(least[None, :] - height.reshape(number, num_points), 0, 0.03)
    strands += deep[..., None] * outward.reshape(strands.shape)
    strands[:, 0] -= 0.0008 * out


def _grow(
    actor: Actor,
    start: Points,
    out: Points,
    length: Float[np.ndarray, " S"],
    skin: _Skin,
    rng: np.random.Generator,
) -> Float[np.ndarray, "S K 3"]:
    """The courses of locks."""
    kind, style, number = actor.hair.kind, STYLES[actor.hair.kind], len(start)
    step = (length / (style.num_points - 1))[:, None]
    part_x = actor.hair.part_x or 0.0
    side = np.tanh((start[:, 0] - part_x) / 0.006)
    fringe = _is_fringe(start) if kind == "fringe" else np.zeros(number, bool)
    clumps = _clumps(start, rng)
    volume = style.volume_m * (0.55 + 0.6 * rng.random(number) + 0.2 * clumps[:, 0])

    def combed(here: Points) -> Points:
        way = _combed(kind, here, side, actor)
        if fringe.any():
            low = np.clip((0.80 - here[fringe, 1]) / 0.02, 0, 1)
            spread = 3.0 * start[fringe, 0]
            way[fringe] = np.stack([spread, -0.5 - 0.8 * low, 0.9 - 0.8 * low], axis=1)
        return way

    here = start.copy()
    leaning = style.scatter * rng.normal(size=start.shape) + 0.12 * clumps
    direction = unit(style.lift * out + combed(start) + leaning)
    strand = [start.copy()]
    for k in range(1, style.num_points):
        outward, height = skin.above(here)
        comb = combed(here)
        if style.fall:
            # Along the skin, and the more it stands off, the more it falls.
            comb = unit(comb - (comb * outward).sum(axis=1, keepdims=True) * outward)
            comb[:, 1] -= style.fall * np.clip((height - 0.006) / 0.012, 0, 1.5)
        wish = unit(comb + 0.5 * style.scatter * rng.normal(size=here.shape) + 0.1 * clumps)
        direction = unit(style.stiffness * direction + (1 - style.stiffness) * wish)
        here = here + step * direction
        outward, height = skin.above(here)
        least = np.maximum(np.where(fringe, 0.4, 1.0) * volume, 0.0005) * min(1.0, k / 2.5)
        if kind == "long":
            # Off the shirt on the shoulders.
            least = least + 0.008 * np.clip((0.62 - here[:, 1]) / 0.03, 0, 1)
            # Before a shoulder or behind it, never sideways along it.
            low = np.clip((0.66 - here[:, 1]) / 0.04, 0, 1)[:, None]
            away = np.where(outward[:, 2:] > -0.2, 1.0, -1.0) * np.array([0, 0, 1.0])
            outward = unit((1 - low) * outward + low * (away + np.array([0.1, 0.2, 0]) * outward))
            here[:, 0] = np.where(low[:, 0] > 0.5, np.clip(here[:, 0], -0.105, 0.105), here[:, 0])
        here = here + np.maximum(least - height, 0)[:, None] * outward
        if kind in {"bob", "fringe", "long"}:
            # Falls beside the face, never over it.
            in_front = np.clip((here[:, 2] - 0.045) / 0.02, 0, 1) * np.clip((0.785 - here[:, 1]) / 0.03, 0, 1)
            clear = np.where(fringe, 0, in_front * (0.066 + 0.004 * clumps[:, 1]))
            sign = np.where(start[:, 0] > part_x, 1, -1)
            here[:, 0] = sign * np.maximum(sign * here[:, 0], np.where(clear > 0, clear, sign * here[:, 0]))
        strand.append(here.copy())
    return np.stack(strand, axis=1)


def _combed(kind: HairKind, here: Points, side: Float[np.ndarray, " S"], actor: Actor) -> Points:
    """Which way hair lies at a place; `side` is −1 right and 1 left of the parting."""
    one = np.ones(len(here))
    low = np.clip((0.80 - here[:, 1]) / 0.06, 0, 1)
    if kind in {"buzz", "shaved", "curls", "afro", "bald"}:
        return np.asarray(0.3 * unit(here - CROWN) * np.array([1, 0.6, 1]))
    if kind == "crop":
        forwards = np.stack([0.25 * side, -0.35 * one, 0.25 * one], axis=1)
        return np.asarray(unit(here - CROWN) * np.array([0.9, 1.0, 1.2]) + forwards)
    if kind == "parted":
        return np.stack([side * (1.0 - 0.7 * low), 0.35 - 1.3 * low, -0.45 * one], axis=1)
    if kind == "swept":
        back = np.clip((0.03 - here[:, 2]) / 0.08, 0, 1)
        return np.stack([0.18 * side, 0.3 - 0.9 * np.maximum(back, low), -1.0 + 0.5 * back], axis=1)
    if kind in {"bob", "fringe", "long"}:
        back = np.clip((0.03 - here[:, 2]) / 0.06, 0, 1)
        sideways = side * (1.0 - 0.95 * low) * (1 - 0.5 * back)
        return np.stack([sideways, 0.25 - 1.5 * np.maximum(low, 0.7 * back), -0.3 - 0.2 * low], axis=1)
    apart = np.zeros_like(here)
    apart[:, 0] = 0.2 * actor.hair.curl * side
    return np.asarray(unit(NAPE_KNOT - here) + apart)


def _clumps(start: Points, rng: np.random.Generator) -> Points:
    """Neighbours lean the same way."""
    waves = [
        np.sin(start @ rng.normal(size=3) * 180 + rng.uniform(0, 6))
        + np.sin(start @ rng.normal(size=3) * 420 + rng.uniform(0, 6))
        for _ in range(3)
    ]
    return np.stack(waves, axis=1) / 2


def _curled(
    strands: Float[np.ndarray, "S K 3"],
    out: Points,
    length: Float[np.ndarray, " S"],
    curl: float,
    rng: np.random.Generator,
) -> Float[np.ndarray, "S K 3"]:
    """Wound around their own course; tighter and wider the more they curl, growing from the root."""
    number, num_points, _ = strands.shape
    along = unit(np.gradient(strands, axis=1))
    first = unit(np.cross(along, unit(out + 0.3 * rng.normal(size=out.shape))[:, None, :]))
    second = np.cross(along, first)
    place = np.linspace(0, 1, num_points)
    radius = np.minimum(0.0048 * curl * rng.uniform(0.6, 1.5, number), 0.22 * length)[:, None]
    radius = radius * np.minimum(1, 2.5 * place)
    # A turn needs six points at least to be round.
    turns = np.clip(length / 0.018, 0.6, num_points / 6)[:, None] * min(1.0, 0.4 + 0.6 * curl)
    phase = rng.uniform(0, 2 * np.pi, (number, 1)) + 2 * np.pi * turns * rng.uniform(0.8, 1.1, (number, 1)) * place
    return np.asarray(
        strands + (radius * np.cos(phase))[..., None] * first + (radius * np.sin(phase))[..., None] * second
    )


def _knot(actor: Actor, rng: np.random.Generator, number: int, num_points: int, radius_m: float) -> Strands:
    """Strands wound into a knot at the back of the head."""
    axis_turn = rng.uniform(0, 2 * np.pi, (number, 1)) + np.linspace(0, 2.4, num_points)
    tilt = rng.uniform(-1, 1, (number, 1)) * np.ones(num_points)
    radius = 0.021 * np.sqrt(1 - 0.8 * tilt**2) * rng.uniform(0.8, 1.0, (number, 1))
    centre = NAPE_KNOT + np.array([0, 0.004, -0.034])
    around = np.stack([radius * np.cos(axis_turn), radius * np.sin(axis_turn), 0.021 * tilt], axis=-1)
    shape = (number, num_points)
    return Strands(
        points=centre + around,
        radius_m=np.full(shape, radius_m),
        cover=np.ones(shape),
        rgb=strand_colours(rng, actor.hair.natural_rgb, actor.hair.grey, number),
    )


def _braids(
    actor: Actor,
    rng: np.random.Generator,
    points: Points,
    template: Points,
    faces: Int[np.ndarray, "F 4"],
    num_strands: int,
    radius_m: float,
) -> Strands:
    """Braids along the head from the forehead to the nape, each of three parts that cross."""
    scene, centre = embree_scene(points, triangles_of(faces)), np.array([0.0, 0.75, 0.02])
    corners, out_of = triangles_of(faces), normals(points, faces)
    step_m, chunk = 0.0011, 16
    pieces: list[Points] = []
    for row in range(NUM_ROWS):
        turn = (row - NUM_ROWS // 2) * ROW_STEP
        around = np.linspace(0.15, np.pi * 0.94, 300)
        ways = np.stack([np.sin(turn) * np.sin(around), np.cos(turn) * np.sin(around), np.cos(around)], axis=1).astype(
            np.float32
        )
        hit = scene.run((centre + 0.3 * ways).astype(np.float32), -ways, output=1)
        corner = corners[hit["primID"]]

        def on(
            values: Points, corner: np.ndarray = corner, u: np.ndarray = hit["u"], v: np.ndarray = hit["v"]
        ) -> Points:
            return between_corners(values, corner, u, v)

        grows = (hit["primID"] >= 0) & (scalp_places(on(template), actor) > 0.35)
        if grows.sum() < 20:
            continue
        path, outward = on(points)[grows], unit(on(out_of)[grows])
        hanging = np.arange(step_m, actor.hair.length_m, step_m)[:, None]
        end, behind = path[-1], outward[-1]
        path = np.concatenate([path + 0.0018 * outward, end + 0.004 * behind + hanging * np.array([0, -1.0, -0.08])])
        outward = np.concatenate([outward, np.repeat(behind[None], len(hanging), axis=0)])
        run = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
        at = np.arange(0, run[-1], step_m)
        path = np.stack([np.interp(at, run, path[:, axis]) for axis in range(3)], axis=1)
        outward = unit(np.stack([np.interp(at, run, outward[:, axis]) for axis in range(3)], axis=1))
        across = unit(np.cross(outward, np.gradient(path, axis=0)))
        fibres = max(4, num_strands // 1000)
        taper = np.clip(np.minimum(at / 0.015, (at[-1] - at) / 0.02), 0.15, 1)[:, None]
        for third in range(3):
            phase = (2 * np.pi * at / 0.017 + 2 * np.pi * third / 3)[:, None]
            middle = path + taper * (0.0036 * np.sin(phase) * across + 0.0017 * (1 + np.sin(2 * phase)) * outward)
            for _ in range(fibres):
                off = rng.normal(size=2) * np.array([0.0011, 0.0007])
                fibre = middle + taper * (off[0] * across + abs(off[1]) * outward)
                fibre += 0.0002 * rng.normal(size=fibre.shape)
                count = (len(fibre) - 1) // (chunk - 1)
                index = np.arange(count)[:, None] * (chunk - 1) + np.arange(chunk)
                pieces.append(fibre[index])
    strands = np.concatenate(pieces)
    return Strands(
        points=strands,
        radius_m=np.full(strands.shape[:2], 1.1 * radius_m),
        cover=np.ones(strands.shape[:2]),
        rgb=strand_colours(rng, actor.hair.natural_rgb, actor.hair.grey, len(strands)),
    )
