"""Brows, lashes and beards: short hair that moves with the skin."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from countenance.actors.actor import Actor
from countenance.actors.head import load_head
from countenance.actors.skin import beard_places
from countenance.actors.surface import Roots, scatter, seen_from_front, unit

Points = Float[np.ndarray, "_ 3"]
"""Any number of them."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ShortHair:
    """Strands rooted in the skin."""

    roots: Roots
    direction: Float[np.ndarray, "R 3"]
    """In the neutral pose; laid onto the skin when posed."""
    length: Float[np.ndarray, " R"]
    lift: float
    """How far strands rise from the skin."""

    def posed(
        self, points: Points, point_normals: Points, turn: Float[np.ndarray, "3 3"]
    ) -> Float[np.ndarray, "R 4 3"]:
        """Strands on a skin as it is now; `turn` is the head's."""
        root, out = self.roots.on(points), unit(self.roots.on(point_normals))
        along = self.direction @ turn.T
        along = unit(along - (along * out).sum(axis=1, keepdims=True) * out)
        t = np.linspace(0, 1, 4)[None, :, None]
        rise = self.lift * (t - 0.45 * t**2)
        return np.asarray(
            root[:, None]
            - 0.0003 * out[:, None]
            + self.length[:, None, None] * (t * along[:, None] + rise * out[:, None])
        )


def grow_brows(actor: Actor, template: Points, faces: Int[np.ndarray, "F 4"]) -> ShortHair:
    """Both brows: upright at the nose, lying outwards along the arch, thinning to the end."""
    brows, rng = actor.brows, np.random.default_rng([actor.seed, 7])
    number = round(650 * brows.density)
    place = rng.random((2, number)) ** 0.85
    middle = 0.0105 + 0.047 * place
    arch = brows.arch_m * np.sin(np.pi * np.clip(0.75 * place + 0.02, 0, 1))
    half = 0.9 * brows.thickness_m * (1 - 0.72 * place**1.5)
    off = rng.uniform(-1, 1, (2, number))
    height = 0.7435 + arch - 0.003 * place + half * off
    sides = np.array([[1.0], [-1.0]])
    roots = seen_from_front(template, faces, (sides * middle).ravel(), height.ravel())
    if len(roots) != 2 * number:
        raise AssertionError("a brow's root lies beside the face")
    angle = np.interp(place, [0, 0.2, 0.6, 1], [78, 45, 12, -24]) - off * np.interp(place, [0, 0.3, 1], [10, 28, 12])
    angle = np.radians(angle + 8 * rng.normal(size=angle.shape))
    direction = np.stack([sides * np.cos(angle), np.sin(angle), np.zeros_like(angle)], axis=-1).reshape(-1, 3)
    return ShortHair(
        roots=roots,
        direction=direction,
        length=0.0072 * (1 + 0.3 * rng.normal(size=2 * number)).clip(0.5, 1.6),
        lift=0.3,
    )


def grow_beard(actor: Actor, template: Points, faces: Int[np.ndarray, "F 4"], num_strands: int) -> ShortHair | None:
    """A beard's strands, or nothing."""
    if actor.beard is None:
        return None
    rng = np.random.default_rng([actor.seed, 8])
    centres = template[faces].mean(axis=1)
    lips = np.zeros(len(centres), np.float32)
    density = np.clip(beard_places(centres, lips) - 0.2, 0, 1).astype(np.float64)
    # Between the lips and beside them nothing grows.
    mouth = (np.abs(centres[:, 0]) < 0.024) & (np.abs(centres[:, 1] - 0.6585) < 0.0095) & (centres[:, 2] > 0.1)
    density[mouth | (centres[:, 2] < 0.02)] = 0
    number = round(num_strands * actor.beard.density)
    roots = scatter(rng, template, faces, density, number)
    return ShortHair(
        roots=roots,
        direction=unit(np.array([0, -1.0, 0.15]) + 0.4 * rng.normal(size=(number, 3))),
        length=actor.beard.length_m * rng.uniform(0.5, 1.4, number),
        lift=0.55,
    )


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Lashes:
    """Lashes, by the template's own strips around the eyes."""

    pairs: Int[np.ndarray, "L 4"]
    """Root and tip vertex on both sides of a lash."""
    part: Float[np.ndarray, "L 1"]
    length: Float[np.ndarray, "L 1"]
    jitter: Float[np.ndarray, "L 3"]
    curl: Float[np.ndarray, "L 1"]

    def posed(self, points: Points, turn: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, "L 4 3"]:
        """Lashes of a face as it is now."""
        root0, tip0, root1, tip1 = (points[self.pairs[:, i]] for i in range(4))
        root = root0 * (1 - self.part) + root1 * self.part
        tip = tip0 * (1 - self.part) + tip1 * self.part
        along = unit(unit(tip - root) + self.jitter)
        t = np.linspace(0, 1, 4)[None, :, None]
        bend = (self.curl * (np.array([0.0, 1.0, 0.0]) @ turn.T))[:, None]
        return np.asarray(root[:, None] + t * (self.length * along)[:, None] + bend * t**2)


def grow_lashes(actor: Actor) -> Lashes:
    """More and longer ones on the upper lids."""
    rng = np.random.default_rng([actor.seed, 9])
    pairs, part, length, jitter, curl = [], [], [], [], []
    full = 1.15 - 0.35 * actor.sex
    for edge, steps in enumerate(load_head().lash_pairs):
        upper = edge % 2 == 0
        number = 110 if upper else 45
        at = np.sort(rng.random(number)) * (len(steps) - 1.001)
        low = at.astype(int)
        pairs.append(np.concatenate([steps[low], steps[low + 1]], axis=1))
        part.append((at - low)[:, None])
        length.append((0.0056 if upper else 0.0032) * full * rng.uniform(0.7, 1.05, (number, 1)))
        jitter.append(np.array([0, 0, 0.4]) + 0.1 * rng.normal(size=(number, 3)))
        curl.append(np.full((number, 1), 0.0014 if upper else -0.0003))
    return Lashes(
        pairs=np.concatenate(pairs),
        part=np.concatenate(part),
        length=np.concatenate(length),
        jitter=np.concatenate(jitter),
        curl=np.concatenate(curl),
    )
