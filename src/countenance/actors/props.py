"""Things that people wear or hold before their faces: drawn from a seed, none unless asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float, Float32

from countenance.actors.actor import Colour
from countenance.actors.mesh import Mesh
from countenance.actors.noise import noise

PropKind = Literal[
    "beanie",
    "cap",
    "brimmed hat",
    "hood",
    "headscarf",
    "headset",
    "surgical mask",
    "scarf",
    "high scarf",
    "lavalier",
    "studio microphone",
    "hand",
    "hand-held microphone",
    "cup",
    "phone",
]
Gesture = Literal["mouth", "chin on fist", "chin in hand", "cheek", "forehead", "scratch", "glasses", "point"]
Pattern = Literal["plain", "stripes", "checks", "dots", "melange"]
Finish = Literal["skin", "cloth", "knit", "paper", "plastic", "foam", "metal"]

HEADWEAR: tuple[PropKind, ...] = ("beanie", "cap", "brimmed hat", "hood", "headscarf", "headset")
WRAPS: tuple[PropKind, ...] = ("surgical mask", "scarf", "high scarf")
HELD: tuple[PropKind, ...] = ("hand", "hand-held microphone", "cup", "phone")
STANDING: tuple[PropKind, ...] = ("lavalier", "studio microphone")
KINDS: tuple[PropKind, ...] = get_args(PropKind)
GESTURES: tuple[Gesture, ...] = get_args(Gesture)


@dataclass(frozen=True, kw_only=True, slots=True)
class Material:
    """How a finish reflects light."""

    roughness: float
    shine: float
    """Fraction reflected head-on."""
    metallic: float = 0.0
    sheen: float = 0.0
    subsurface: float = 0.0
    relief_m: float = 0.0
    relief_per_m: float = 600.0
    """Frequency of the relief."""


MATERIALS: Mapping[Finish, Material] = {
    "skin": Material(roughness=0.46, shine=0.035, subsurface=0.35, relief_m=0.0005, relief_per_m=900.0),
    "cloth": Material(roughness=0.9, shine=0.01, sheen=0.3, relief_m=0.0004, relief_per_m=1100.0),
    "knit": Material(roughness=0.95, shine=0.01, sheen=0.5, relief_m=0.0012, relief_per_m=450.0),
    "paper": Material(roughness=0.8, shine=0.02, relief_m=0.0002, relief_per_m=1500.0),
    "plastic": Material(roughness=0.3, shine=0.04),
    "foam": Material(roughness=1.0, shine=0.0, relief_m=0.0008, relief_per_m=1200.0),
    "metal": Material(roughness=0.28, shine=0.6, metallic=1.0),
}
COLOURS = np.array(
    [
        *((24, 24, 28), (58, 62, 70), (120, 120, 122), (206, 202, 192), (236, 234, 228)),
        *((30, 44, 82), (62, 96, 140), (26, 84, 72), (86, 104, 58), (122, 34, 40), (176, 60, 44)),
        *((204, 150, 46), (140, 96, 62), (92, 58, 44), (104, 60, 104), (206, 140, 150), (150, 176, 190)),
    ]
)
"""Of textiles and plastics, sRGB."""
MASKS = np.array([[150, 190, 214], [228, 230, 232], [30, 30, 34], [176, 206, 196], [214, 176, 190]])


@dataclass(frozen=True, kw_only=True, slots=True)
class Motion:
    """When something that is held is before the face; it comes and goes in a cycle."""

    held_s: float
    away_s: float
    moving_s: float
    """Of each way."""
    start_s: float
    """Place in the cycle at the first frame; the cycle begins as the thing has just arrived."""

    def presence(self, time_s: float) -> float:
        """1 before the face, 0 away, smooth in between."""
        cycle = self.held_s + self.away_s + 2 * self.moving_s
        at = (time_s + self.start_s) % cycle
        leaving, coming = at - self.held_s, cycle - at
        part = float(np.clip(1 - min(leaving, coming) / self.moving_s, 0, 1)) if leaving > 0 else 1.0
        return part * part * (3 - 2 * part)


@dataclass(frozen=True, kw_only=True, slots=True)
class Prop:
    """Something worn or held."""

    kind: PropKind
    rgb: Colour
    second_rgb: Colour
    """Of the pattern, the band, the metal."""
    pattern: Pattern
    gesture: Gesture
    """Of a hand."""
    left: bool
    """On the subject's left."""
    motion: Motion
    seed: int
    """Of folds, shapes and small differences in place."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Piece:
    """A mesh of one material; a prop has one or more."""

    mesh: Mesh
    rgb: Float32[np.ndarray, "P 3"]
    """sRGB, 0–1, of the mesh's points."""
    finish: Finish


def draw_props(seed: int, kinds: Sequence[PropKind] = KINDS) -> tuple[Prop, ...]:
    """One or two props of a seed: something worn, something held or both."""
    rng = np.random.default_rng([seed, 41])
    worn = [kind for kind in kinds if kind in HEADWEAR]
    wrapped = [kind for kind in kinds if kind in WRAPS]
    held = [kind for kind in kinds if kind in HELD]
    standing = [kind for kind in kinds if kind in STANDING]
    chosen: list[PropKind] = []
    for likely, group in ((0.5, worn), (0.22, wrapped), (0.55, held), (0.12, standing)):
        if group and rng.random() < likely:
            # Hands are what covers faces most.
            weights = np.array([4.0 if kind == "hand" else 1.0 for kind in group])
            chosen.append(group[int(rng.choice(len(group), p=weights / weights.sum()))])
    if not chosen:
        chosen.append(kinds[int(rng.integers(len(kinds)))])
    if len(chosen) > 2:
        chosen = [chosen[place] for place in sorted(rng.choice(len(chosen), 2, replace=False))]
    return tuple(draw_prop(kind, int(rng.integers(1 << 30))) for kind in chosen)


def draw_prop(kind: PropKind, seed: int) -> Prop:
    """A prop of one kind."""
    rng = np.random.default_rng([seed, 42])
    palette = MASKS if kind == "surgical mask" else COLOURS
    rgb, second = (_rgb(palette[rng.integers(len(palette))] * rng.uniform(0.85, 1.05)) for _ in range(2))
    if kind in {"lavalier", "headset", "hand-held microphone", "studio microphone"} and rng.random() < 0.75:
        rgb = _rgb(np.array([22, 22, 24]) * rng.uniform(0.7, 2.0))
    patterns: tuple[Pattern, ...] = get_args(Pattern)
    held = float(rng.uniform(1.2, 3.5))
    motion = Motion(
        held_s=held,
        away_s=float(rng.uniform(0.3, 1.6)),
        moving_s=float(rng.uniform(0.35, 0.8)),
        start_s=float(rng.uniform(0, 0.6 * held)),
    )
    return Prop(
        kind=kind,
        rgb=rgb,
        second_rgb=second,
        pattern=patterns[int(rng.choice(len(patterns), p=(0.42, 0.2, 0.08, 0.06, 0.24)))],
        gesture=GESTURES[int(rng.integers(len(GESTURES)))],
        left=bool(rng.random() < 0.5),
        motion=motion,
        seed=seed,
    )


def patterned(
    prop: Prop, points: Float[np.ndarray, "P 3"], along_m: Float[np.ndarray, " P"], across_m: Float[np.ndarray, " P"]
) -> Float32[np.ndarray, "P 3"]:
    """Colours of a textile; its own coordinates are in metres."""
    rng = np.random.default_rng([prop.seed, 43])
    first, second = np.array(prop.rgb), np.array(prop.second_rgb)
    width = rng.uniform(0.016, 0.034)
    share = np.zeros(len(points))
    if prop.pattern == "stripes":
        share = _edge(np.cos(2 * np.pi * along_m / width) - rng.uniform(-0.4, 0.4))
    elif prop.pattern == "checks":
        share = 0.5 * (_edge(np.cos(2 * np.pi * along_m / width)) + _edge(np.cos(2 * np.pi * across_m / width)))
    elif prop.pattern == "dots":
        share = _edge(np.cos(2 * np.pi * along_m / width) + np.cos(2 * np.pi * across_m / width) - 1.1)
    elif prop.pattern == "melange":
        share = 0.45 * np.clip(3 * (noise(points, 260.0, prop.seed % 997, 2) - 0.5) + 0.5, 0, 1)
    faded = 0.88 + 0.24 * noise(points, 22.0, prop.seed % 991, 3)
    colours = (first + (second - first) * share[:, None]) * faded[:, None]
    return np.asarray(np.clip(colours, 0, 1), np.float32)


def _edge(wave: Float[np.ndarray, " P"]) -> Float[np.ndarray, " P"]:
    return np.asarray(np.clip(0.5 + 2.5 * wave, 0, 1))


def _rgb(colour: np.ndarray) -> Colour:
    red, green, blue = (np.clip(colour, 0, 255) / 255).tolist()
    return red, green, blue
