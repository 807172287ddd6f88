"""Hair of the head: strands grown once in the neutral pose, which then ride on the head."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from countenance.actors.actor import Actor, HairKind
from countenance.actors.extra import spatial
from countenance.actors.skin import hairline_height, scalp_places
from countenance.actors.surface import normals, scatter, unit

Points = Float[np.ndarray, "_ 3"]
"""Any number of them."""
CROWN = np.array([0.0, 0.846, -0.005])
NAPE_KNOT = np.array([0.0, 0.765, -0.062])


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
    """How much strands differ from their neighbours."""
    fall: float = 0.0
    """How heavily it falls where it stands off the head; hair that doesn't isn't laid along the skin."""


STYLES: Mapping[HairKind, Style] = {
    "bald": Style(num_points=3, volume_m=0.0, lift=0.3, stiffness=0.5, scatter=0.3),
    "buzz": Style(num_points=4, volume_m=0.0, lift=1.0, stiffness=0.9, scatter=0.25),
    "crop": Style(num_points=6, volume_m=0.004, lift=0.55, stiffness=0.6, scatter=0.3, fall=0.3),
    "curls": Style(num_points=12, volume_m=0.006, lift=1.2, stiffness=0.9, scatter=0.35),
    "parted": Style(num_points=9, volume_m=0.010, lift=0.75, stiffness=0.45, scatter=0.07, fall=1.2),
    "swept": Style(num_points=9, volume_m=0.009, lift=0.7, stiffness=0.45, scatter=0.07, fall=0.7),
    "bob": Style(num_points=14, volume_m=0.011, lift=0.5, stiffness=0.45, scatter=0.07, fall=1.6),
    "tied": Style(num_points=10, volume_m=0.004, lift=0.12, stiffness=0.45, scatter=0.07, fall=0.3),
}


def grow_hair(
    actor: Actor,
    points: Points,
    template: Points,
    faces: Int[np.ndarray, "F 4"],
    num_strands: int,
) -> Float[np.ndarray, "S K 3"]:
    """Strands from root to tip on a skin in neutral pose; `template` are the same points of the template."""
    hair = actor.hair
    rng = np.random.default_rng([hair.seed, 4])
    density = scalp_places(template[faces].mean(axis=1), actor).astype(np.float64)
    number = round(num_strands * {"bald": 0.25, "tied": 0.9}.get(hair.kind, 1.0))
    roots = scatter(rng, points, faces, density + 1e-9, number)
    start, out = roots.on(points), unit(roots.on(normals(points, faces)))
    above = hairline_height(roots.on(template), actor)
    # Fine and short at the hairline, as it grows: no edge of a cap.
    edge = np.clip(above / 0.022, 0, 1) ** 0.7
    length = hair.length_m * (0.3 + 0.7 * edge) * rng.normal(1, 0.12, number).clip(0.6, 1.4)
    if hair.kind in {"parted", "swept", "bob", "tied"}:
        low = np.clip((0.70 - roots.on(template)[:, 1]) / 0.03, 0, 1)
        length *= 1 - (0.5 if hair.kind == "bob" else 0.75) * low
    strands = _grow(actor, start, out, length, points, faces, rng)
    if hair.curl > 0.05:
        strands = _curled(strands, out, length, hair.curl, rng)
    if hair.kind == "tied":
        strands = np.concatenate([strands, _knot(rng, max(200, number // 8), strands.shape[1])])
    return strands.astype(np.float32)


def _grow(
    actor: Actor,
    start: Points,
    out: Points,
    length: Float[np.ndarray, " S"],
    points: Points,
    faces: Int[np.ndarray, "F 4"],
    rng: np.random.Generator,
) -> Float[np.ndarray, "S K 3"]:
    kind, style, number = actor.hair.kind, STYLES[actor.hair.kind], len(start)
    step = (length / (style.num_points - 1))[:, None]
    used = np.unique(faces)
    skin, skin_normals = points[used], normals(points, faces)[used]
    tree = spatial().cKDTree(skin)

    def above_skin(places: Points) -> tuple[Points, Float[np.ndarray, " S"]]:
        """Which way is out, and how far the skin is."""
        _, nearest = tree.query(places)
        return skin_normals[nearest], ((places - skin[nearest]) * skin_normals[nearest]).sum(axis=1)

    part_side = 1.0 if actor.hair.seed % 2 else -1.0
    part_x = part_side * {"parted": 0.024, "bob": 0.006}.get(kind, 0.0)
    side = np.tanh((start[:, 0] - part_x) / 0.006)
    clumps = _clumps(start, rng)
    volume = style.volume_m * (0.55 + 0.6 * rng.random(number) + 0.2 * clumps[:, 0])

    here = start.copy()
    leaning = style.scatter * rng.normal(size=start.shape) + 0.12 * clumps
    direction = unit(style.lift * out + _combed(kind, start, side, actor) + leaning)
    strand = [start - 0.0008 * out]
    for k in range(1, style.num_points):
        outward, height = above_skin(here)
        comb = _combed(kind, here, side, actor)
        if style.fall:
            # Along the skin, and the more it stands off, the more it falls.
            comb = unit(comb - (comb * outward).sum(axis=1, keepdims=True) * outward)
            comb[:, 1] -= style.fall * np.clip((height - 0.006) / 0.012, 0, 1.5)
        wish = unit(comb + 0.5 * style.scatter * rng.normal(size=here.shape) + 0.1 * clumps)
        direction = unit(style.stiffness * direction + (1 - style.stiffness) * wish)
        here = here + step * direction
        outward, height = above_skin(here)
        least = np.maximum(volume, 0.0005) * min(1.0, k / 2.5)
        here = here + np.maximum(least - height, 0)[:, None] * outward
        if kind == "bob":
            # Falls beside the face, never over it.
            in_front = np.clip((here[:, 2] - 0.045) / 0.02, 0, 1) * np.clip((0.785 - here[:, 1]) / 0.03, 0, 1)
            clear = in_front * (0.066 + 0.004 * clumps[:, 1])
            sign = np.where(start[:, 0] > part_x, 1, -1)
            here[:, 0] = sign * np.maximum(sign * here[:, 0], clear)
        strand.append(here.copy())
    return np.stack(strand, axis=1)


def _combed(kind: HairKind, here: Points, side: Float[np.ndarray, " S"], actor: Actor) -> Points:
    """Which way hair lies at a place; `side` is −1 right and 1 left of the parting."""
    one = np.ones(len(here))
    low = np.clip((0.80 - here[:, 1]) / 0.06, 0, 1)
    if kind in {"buzz", "curls", "bald"}:
        return np.asarray(0.3 * unit(here - CROWN) * np.array([1, 0.6, 1]))
    if kind == "crop":
        forwards = np.stack([0.25 * side, -0.35 * one, 0.25 * one], axis=1)
        return np.asarray(unit(here - CROWN) * np.array([0.9, 1.0, 1.2]) + forwards)
    if kind == "parted":
        return np.stack([side * (1.0 - 0.7 * low), 0.35 - 1.3 * low, -0.45 * one], axis=1)
    if kind == "swept":
        back = np.clip((0.03 - here[:, 2]) / 0.08, 0, 1)
        return np.stack([0.18 * side, 0.3 - 0.9 * np.maximum(back, low), -1.0 + 0.5 * back], axis=1)
    if kind == "bob":
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
    radius = np.minimum(0.0045 * curl, 0.22 * length)[:, None] * np.minimum(1, 2.5 * place)
    turns = np.clip(length / 0.016, 0.6, 2.6)[:, None] * curl
    phase = rng.uniform(0, 2 * np.pi, (number, 1)) + 2 * np.pi * turns * place
    return np.asarray(
        strands + (radius * np.cos(phase))[..., None] * first + (radius * np.sin(phase))[..., None] * second
    )


def _knot(rng: np.random.Generator, number: int, num_points: int) -> Float[np.ndarray, "S K 3"]:
    """Strands wound into a knot at the back of the head."""
    axis_turn = rng.uniform(0, 2 * np.pi, (number, 1)) + np.linspace(0, 2.4, num_points)
    tilt = rng.uniform(-1, 1, (number, 1)) * np.ones(num_points)
    radius = 0.021 * np.sqrt(1 - 0.8 * tilt**2) * rng.uniform(0.8, 1.0, (number, 1))
    centre = NAPE_KNOT + np.array([0, 0.004, -0.034])
    around = np.stack([radius * np.cos(axis_turn), radius * np.sin(axis_turn), 0.021 * tilt], axis=-1)
    return np.asarray(centre + around)
