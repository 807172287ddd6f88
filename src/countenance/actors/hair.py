"""Hair of the head: strands grown once in the neutral pose, which then ride on the head."""

import numpy as np
from jaxtyping import Float, Int

from countenance.actors.actor import Actor
from countenance.actors.extra import spatial
from countenance.actors.skin import hairline_height, scalp_places
from countenance.actors.surface import normals, scatter, unit

Points = Float[np.ndarray, "_ 3"]
"""Any number of them."""
CROWN = np.array([0.0, 0.846, -0.005])
NAPE_KNOT = np.array([0.0, 0.765, -0.062])
NUM_POINTS = {"bald": 3, "buzz": 4, "crop": 6, "curls": 12, "parted": 9, "swept": 9, "bob": 14, "tied": 10}
FALLING = {"crop": 0.3, "parted": 1.2, "swept": 0.7, "bob": 1.6, "tied": 0.3}
"""How heavily hair that stands off the head falls."""
VOLUME_M = {
    "bald": 0.0,
    "buzz": 0.0,
    "crop": 0.004,
    "curls": 0.006,
    "parted": 0.010,
    "swept": 0.009,
    "bob": 0.011,
    "tied": 0.004,
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
    chance = np.random.default_rng([hair.seed, 4])
    density = scalp_places(template[faces].mean(axis=1), actor).astype(np.float64)
    number = round(num_strands * {"bald": 0.25, "tied": 0.9}.get(hair.kind, 1.0))
    roots = scatter(chance, points, faces, density + 1e-9, number)
    start, out = roots.on(points), unit(roots.on(normals(points, faces)))
    above = hairline_height(roots.on(template), actor)
    # Fine and short at the hairline, as it grows: no edge of a cap.
    edge = np.clip(above / 0.022, 0, 1) ** 0.7
    length = hair.length_m * (0.3 + 0.7 * edge) * chance.normal(1, 0.12, number).clip(0.6, 1.4)
    if hair.kind in {"parted", "swept", "bob", "tied"}:
        low = np.clip((0.70 - roots.on(template)[:, 1]) / 0.03, 0, 1)
        length *= 1 - (0.5 if hair.kind == "bob" else 0.75) * low
    strands = _grow(actor, start, out, length, points, faces, chance)
    if hair.curl > 0.05:
        strands = _curled(strands, out, length, hair.curl, chance)
    if hair.kind == "tied":
        strands = np.concatenate([strands, _knot(chance, max(200, number // 8), strands.shape[1])])
    return strands.astype(np.float32)


def _grow(
    actor: Actor,
    start: Points,
    out: Points,
    length: Float[np.ndarray, " S"],
    points: Points,
    faces: Int[np.ndarray, "F 4"],
    chance: np.random.Generator,
) -> Float[np.ndarray, "S K 3"]:
    kind, number = actor.hair.kind, len(start)
    num_points = NUM_POINTS[kind]
    step = (length / (num_points - 1))[:, None]
    used = np.unique(faces)
    skin, skin_normals = points[used], normals(points, faces)[used]
    tree = spatial().cKDTree(skin)
    part_side = 1.0 if actor.hair.seed % 2 else -1.0
    part_x = 0.024 * part_side * (kind in {"parted"}) + 0.006 * part_side * (kind == "bob")
    side = np.tanh((start[:, 0] - part_x) / 0.006)
    clumps = _clumps(start, chance)
    lift = {
        "bald": 0.3,
        "buzz": 1.0,
        "crop": 0.55,
        "curls": 1.2,
        "parted": 0.75,
        "swept": 0.7,
        "bob": 0.5,
        "tied": 0.12,
    }[kind]
    stiffness = {"buzz": 0.9, "bald": 0.5, "curls": 0.9, "crop": 0.6}.get(kind, 0.45)
    scatter_by = {"buzz": 0.25, "curls": 0.35, "crop": 0.3, "bald": 0.3}.get(kind, 0.07)
    volume = VOLUME_M[kind] * (0.55 + 0.6 * chance.random(number) + 0.2 * clumps[:, 0])

    here, direction = (
        start.copy(),
        unit(
            lift * out
            + _combed(kind, start, side, actor)
            + scatter_by * chance.normal(size=start.shape)
            + 0.12 * clumps
        ),
    )
    strand = [start - 0.0008 * out]
    for k in range(1, num_points):
        _, nearest = tree.query(here)
        outward, height = skin_normals[nearest], ((here - skin[nearest]) * skin_normals[nearest]).sum(axis=1)
        comb = _combed(kind, here, side, actor)
        if kind in FALLING:
            # Along the skin, and the more it stands off, the more it falls.
            comb = unit(comb - (comb * outward).sum(axis=1, keepdims=True) * outward)
            comb[:, 1] -= FALLING[kind] * np.clip((height - 0.006) / 0.012, 0, 1.5)
        wish = unit(comb + 0.5 * scatter_by * chance.normal(size=here.shape) + 0.1 * clumps)
        direction = unit(stiffness * direction + (1 - stiffness) * wish)
        here = here + step * direction
        _, nearest = tree.query(here)
        outward, height = skin_normals[nearest], ((here - skin[nearest]) * skin_normals[nearest]).sum(axis=1)
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


def _combed(kind: str, here: Points, side: Float[np.ndarray, " S"], actor: Actor) -> Points:
    """Which way hair lies at a place."""
    zero, one = np.zeros(len(here)), np.ones(len(here))
    low = np.clip((0.80 - here[:, 1]) / 0.06, 0, 1)
    if kind in {"buzz", "curls", "bald"}:
        return np.asarray(0.3 * unit(here - CROWN) * np.array([1, 0.6, 1]))
    if kind == "crop":
        return np.asarray(
            unit(here - CROWN) * np.array([0.9, 1.0, 1.2]) + np.stack([0.25 * side, -0.35 * one, 0.25 * one], axis=1)
        )
    if kind == "parted":
        return np.stack([side * (1.0 - 0.7 * low), 0.35 - 1.3 * low, -0.45 * one], axis=1)
    if kind == "swept":
        back = np.clip((0.03 - here[:, 2]) / 0.08, 0, 1)
        return np.stack([0.18 * side, 0.3 - 0.9 * np.maximum(back, low), -1.0 + 0.5 * back], axis=1)
    if kind == "bob":
        back = np.clip((0.03 - here[:, 2]) / 0.06, 0, 1)
        return np.stack(
            [side * (1.0 - 0.95 * low) * (1 - 0.5 * back), 0.25 - 1.5 * np.maximum(low, 0.7 * back), -0.3 - 0.2 * low],
            axis=1,
        )
    towards = NAPE_KNOT - here
    del zero
    return unit(towards) + 0.2 * actor.hair.curl * np.stack([side, one * 0, one * 0], axis=1)


def _clumps(start: Points, chance: np.random.Generator) -> Points:
    """Neighbours lean the same way."""
    waves = [
        np.sin(start @ chance.normal(size=3) * 180 + chance.uniform(0, 6))
        + np.sin(start @ chance.normal(size=3) * 420 + chance.uniform(0, 6))
        for _ in range(3)
    ]
    return np.stack(waves, axis=1) / 2


def _curled(
    strands: Float[np.ndarray, "S K 3"],
    out: Points,
    length: Float[np.ndarray, " S"],
    curl: float,
    chance: np.random.Generator,
) -> Float[np.ndarray, "S K 3"]:
    """Wound around their own course; tighter and wider the more they curl, growing from the root."""
    number, num_points, _ = strands.shape
    along = unit(np.gradient(strands, axis=1))
    first = unit(np.cross(along, unit(out + 0.3 * chance.normal(size=out.shape))[:, None, :]))
    second = np.cross(along, first)
    place = np.linspace(0, 1, num_points)
    radius = np.minimum(0.0045 * curl, 0.22 * length)[:, None] * np.minimum(1, 2.5 * place)
    turns = np.clip(length / 0.016, 0.6, 2.6)[:, None] * curl
    phase = chance.uniform(0, 2 * np.pi, (number, 1)) + 2 * np.pi * turns * place
    return np.asarray(
        strands + (radius * np.cos(phase))[..., None] * first + (radius * np.sin(phase))[..., None] * second
    )


def _knot(chance: np.random.Generator, number: int, num_points: int) -> Float[np.ndarray, "S K 3"]:
    """Strands wound into a knot at the back of the head."""
    axis_turn = chance.uniform(0, 2 * np.pi, (number, 1)) + np.linspace(0, 2.4, num_points)
    tilt = chance.uniform(-1, 1, (number, 1)) * np.ones(num_points)
    radius = 0.021 * np.sqrt(1 - 0.8 * tilt**2) * chance.uniform(0.8, 1.0, (number, 1))
    centre = NAPE_KNOT + np.array([0, 0.004, -0.034])
    around = np.stack([radius * np.cos(axis_turn), radius * np.sin(axis_turn), 0.021 * tilt], axis=-1)
    return np.asarray(centre + around)
