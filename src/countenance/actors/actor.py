"""Who a synthetic person is: numbers drawn from a seed, nothing taken from anybody.

The draw is fair by design: skin tone runs evenly from lightest to darkest, age evenly from 20 to 75, half are female.
Successive seeds step evenly through tone, age and sex (a low-discrepancy sequence), so that any range of seeds is a
fair sample. Base heads, freckles, colours of hair and eyes, and curl lean with tone; grey, lines, brows and
baldness with age; kinds of hair, beards, brows, build and lips with sex. The face's main distances are those of people
of the actor's sex (`proportions.py`); some details follow age and build; the others depend on nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from countenance.actors.head import load_head
from countenance.actors.proportions import detail_targets, draw_measures, fitted_details

HairKind = Literal[
    "bald", "shaved", "buzz", "crop", "curls", "afro", "rows", "parted", "swept", "bob", "fringe", "long", "tied"
]
"""`rows` are braids along the head, `long` is loose over the shoulders."""
BeardKind = Literal["stubble", "moustache", "goatee", "full"]
FrameKind = Literal["wire", "plastic", "half", "sun"]
Colour = tuple[float, float, float]
"""sRGB, 0–1."""

TONES = np.array(
    [
        [238, 204, 186],
        [228, 184, 158],
        [214, 164, 134],
        [196, 144, 112],
        [170, 120, 91],
        [142, 97, 72],
        [112, 74, 54],
        [84, 55, 42],
        [60, 40, 33],
    ]
)
"""Skin from lightest to darkest, sRGB."""
IRISES = np.array([[60, 38, 24], [78, 52, 30], [104, 78, 44], [88, 92, 60], [84, 108, 118], [108, 122, 128]])
HAIRS = np.array([[18, 14, 13], [30, 22, 18], [58, 38, 26], [96, 62, 38], [142, 104, 64], [186, 152, 104]])
GREY = np.array([176, 172, 168])
CLOTHS = np.array(
    [[52, 66, 92], [150, 148, 140], [60, 60, 62], [42, 80, 86], [112, 46, 44], [88, 92, 62], [186, 178, 160]]
)

DETAILS: Mapping[str, float] = {
    # How far each detail of the face usually lies from its mean: the standard deviation of its weight.
    "face-breadth-decr|incr": 0.8,
    "skull-breadth-decr|incr": 0.6,
    "jaw-breadth-decr|incr": 0.8,
    "head-scale-depth-decr|incr": 0.3,
    "head-scale-horiz-decr|incr": 0.12,
    "head-scale-vert-decr|incr": 0.15,
    "head-angle-in|out": 0.2,
    "forehead-nubian-decr|incr": 0.06,
    "forehead-scale-vert-decr|incr": 0.14,
    "forehead-temple-decr|incr": 0.4,
    "forehead-trans-backward|forward": 0.3,
    "eyebrows-angle-down|up": 0.4,
    "eyebrows-trans-down|up": 0.4,
    "eyebrows-trans-backward|forward": 0.35,
    "eye-bag-decr|incr": 0.35,
    "eye-corner1-down|up": 0.55,
    "eye-corner2-down|up": 0.55,
    "eye-epicanthus-in|out": 0.4,
    "eye-eyefold-down|up": 0.45,
    "eye-eyefold-concave|convex": 0.45,
    "eye-height1-decr|incr": 0.4,
    "eye-height2-decr|incr": 0.4,
    "eye-height3-decr|incr": 0.4,
    "eye-push1-in|out": 0.3,
    "eye-push2-in|out": 0.25,
    "eye-scale-decr|incr": 0.4,
    "eye-trans-down|up": 0.35,
    "eye-trans-in|out": 0.3,
    "nose-base-down|up": 0.4,
    "nose-compression-compress|uncompress": 0.35,
    "nose-curve-concave|convex": 0.45,
    "nose-flaring-decr|incr": 0.4,
    "nose-greek-decr|incr": 0.35,
    "nose-hump-decr|incr": 0.4,
    "nose-nostrils-angle-down|up": 0.35,
    "nose-nostrils-width-decr|incr": 0.3,
    "nose-point-down|up": 0.2,
    "nose-point-width-decr|incr": 0.45,
    "nose-scale-depth-decr|incr": 0.35,
    "nose-scale-horiz-decr|incr": 0.4,
    "nose-scale-vert-decr|incr": 0.4,
    "nose-septumangle-decr|incr": 0.3,
    "nose-trans-down|up": 0.25,
    "nose-volume-decr|incr": 0.4,
    "nose-width1-decr|incr": 0.45,
    "nose-width2-decr|incr": 0.45,
    "nose-width3-decr|incr": 0.3,
    "mouth-angles-down|up": 0.3,
    "mouth-cupidsbow-decr|incr": 0.4,
    "mouth-cupidsbow-width-decr|incr": 0.35,
    "mouth-lowerlip-height-decr|incr": 0.35,
    "mouth-lowerlip-volume-decr|incr": 0.5,
    "mouth-lowerlip-width-decr|incr": 0.3,
    "mouth-philtrum-volume-decr|incr": 0.35,
    "mouth-scale-horiz-decr|incr": 0.4,
    "mouth-scale-vert-decr|incr": 0.35,
    "mouth-trans-down|up": 0.35,
    "mouth-trans-backward|forward": 0.3,
    "mouth-upperlip-height-decr|incr": 0.35,
    "mouth-upperlip-volume-decr|incr": 0.5,
    "mouth-upperlip-width-decr|incr": 0.3,
    "chin-bones-decr|incr": 0.35,
    "chin-cleft-decr|incr": 0.3,
    "chin-height-decr|incr": 0.22,
    "chin-jaw-drop-decr|incr": 0.3,
    "chin-prognathism-decr|incr": 0.3,
    "chin-prominent-decr|incr": 0.4,
    "chin-width-decr|incr": 0.4,
    "cheek-bones-decr|incr": 0.5,
    "cheek-inner-decr|incr": 0.35,
    "cheek-trans-down|up": 0.35,
    "cheek-volume-decr|incr": 0.4,
    "ear-scale-decr|incr": 0.35,
    "ear-wing-decr|incr": 0.35,
    "ear-lobe-decr|incr": 0.4,
    "ear-flap-decr|incr": 0.3,
    "neck-scale-horiz-decr|incr": 0.3,
}
APART, BASES_APART = 1.25, 1.5
"""How much further apart sexes and ages, and base heads, lie than the data's own, which its makers drew mild."""
STRENGTH = 1.2
"""Over all details together; `FURTHEST_M` keeps faces from becoming caricatures."""
DISTINCT, DISTINCTNESS = 9, 1.9
"""So many details are this many times further from the mean than the others, and make a face unmistakable."""
FURTHEST_M: Mapping[str, float] = {
    "forehead": 0.008,
    "eyebrows": 0.005,
    "eye": 0.005,
    "nose": 0.0075,
    "mouth": 0.0065,
    "chin": 0.006,
    "cheek": 0.0055,
    "ear": 0.007,
}
"""How far the details of a region may move a point of it, all together: half of it is hardly less, twice it never."""
TOGETHER: tuple[Mapping[str, float], ...] = (
    {
        "nose-scale-vert-decr|incr": 0.5,
        "nose-scale-depth-decr|incr": 0.5,
        "nose-hump-decr|incr": 0.5,
        "nose-point-down|up": -0.4,
    },
    {
        "nose-point-width-decr|incr": 0.5,
        "nose-width2-decr|incr": 0.5,
        "nose-volume-decr|incr": 0.5,
        "nose-width1-decr|incr": 0.4,
    },
    {"mouth-lowerlip-volume-decr|incr": 0.5, "mouth-upperlip-volume-decr|incr": 0.5, "mouth-scale-vert-decr|incr": 0.4},
    {
        "eye-scale-decr|incr": 0.4,
        "eye-height2-decr|incr": 0.5,
        "eyebrows-trans-down|up": 0.5,
        "eyebrows-trans-backward|forward": -0.4,
    },
    {"eye-corner1-down|up": -0.4, "eye-corner2-down|up": 0.6, "eyebrows-angle-down|up": 0.5},
    {
        "chin-prominent-decr|incr": 0.5,
        "chin-bones-decr|incr": 0.5,
        "chin-width-decr|incr": 0.4,
        "cheek-bones-decr|incr": 0.4,
    },
    {"forehead-scale-vert-decr|incr": 0.5, "forehead-trans-backward|forward": 0.5, "forehead-temple-decr|incr": 0.3},
)
"""Details that go together in people: with what weight each follows a common cause, in its own spread."""
LARGER_EYES = 0.3
"""Of all; the base heads' eyes are small beside those of people."""
RAISED_CORNERS = 0.2
"""Of all mouths; those of the base heads turn down."""
FLESH: Mapping[str, float] = {
    "cheek-volume-decr|incr": 0.35,
    "cheek-bones-decr|incr": -0.25,
    "cheek-inner-decr|incr": 0.2,
    "neck-scale-horiz-decr|incr": 0.25,
    "eye-bag-decr|incr": 0.1,
}
"""What a heavy build does to a face, and a lean one the other way round."""
MALE: Mapping[str, float] = {
    "eyebrows-trans-backward|forward": 0.25,
    "eyebrows-trans-down|up": -0.2,
    "eye-scale-decr|incr": -0.15,
    "eye-height2-decr|incr": -0.1,
    "nose-volume-decr|incr": 0.2,
    "nose-hump-decr|incr": 0.15,
    "nose-point-down|up": -0.1,
    "mouth-lowerlip-volume-decr|incr": -0.2,
    "mouth-upperlip-volume-decr|incr": -0.25,
    "cheek-volume-decr|incr": -0.15,
    "chin-bones-decr|incr": 0.25,
    "chin-width-decr|incr": 0.35,
    "chin-prominent-decr|incr": 0.15,
    "neck-scale-horiz-decr|incr": 0.2,
}
"""What being a man does to a face beyond the base heads and the distances, and being a woman the other way round."""
AGEING: Mapping[str, float] = {
    "eye-bag-decr|incr": 0.35,
    "eye-eyefold-down|up": -0.25,
    "eyebrows-trans-down|up": -0.15,
    "cheek-trans-down|up": -0.25,
    "cheek-inner-decr|incr": -0.2,
    "mouth-angles-down|up": -0.2,
    "mouth-lowerlip-volume-decr|incr": -0.25,
    "mouth-upperlip-volume-decr|incr": -0.3,
    "nose-point-down|up": -0.25,
    "ear-lobe-decr|incr": 0.35,
    "ear-scale-decr|incr": 0.2,
}
"""What age does to details, from half this much less in the young to half this much more in the old."""
ALONE: Mapping[str, float] = {"head-age-incr": 0.5, "mouth-laugh-lines-in": 0.6, "neck-double-incr": 0.5}
"""Targets towards one side only: their weight in the very old or, the last, in the heaviest."""
RESTING: tuple[tuple[str, str], ...] = (
    ("mouthFrown", "mouthSmile"),
    ("browDown", "browInnerUp"),
    ("eyeSquint", "eyeWide"),
    ("mouthPress", "mouthUpperUp"),
    ("noseSneer", "cheekSquint"),
)
"""Face units that a face at rest keeps a little of: either one or the other, not quite alike on both sides."""
RESTING_SPREAD = 0.08
RESTING_SMILE = 0.05
"""How much of the first pair's second unit a face at rest has on average: with less, half of all look displeased."""
OUTLINES = ("oval", "round", "square", "rectangular", "invertedtriangular")
"""Not `triangular` and `diamond`, which make foreheads narrow upwards."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Skin:
    """Appearance of a skin."""

    tone: float
    """0 lightest – 1 darkest, along `TONES`."""
    photographed_tone: float
    """Of the people whose photographed skin is mixed into it; stays when the tone is replaced."""
    warmth: float
    """−1 cooler – 1 warmer than the tone's middle."""
    redness: float
    freckles: float
    wrinkles: float
    mottling: float
    stubble: float
    """Shade of a shaven beard, 0–1."""
    lip_depth: float
    """How much darker and redder than the skin lips are, 0–1."""
    seed: int
    """Of pores, freckles and moles."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Eyes:
    """Irises, whites and lashes."""

    iris_rgb: Colour
    """The outer part's: `Actor.iris_rgb`, lighter or darker, paler or deeper."""
    inner_rgb: Colour
    """Around the pupil, as far as `inner_extent` of the iris's width, mixed in by `inner_strength`."""
    inner_extent: float
    inner_strength: float
    radius: float
    """Of the iris; the ball's is one."""
    pupil: float
    """Radius as a fraction of the iris's, in middling light."""
    turn: float
    """Of the photographed pattern, in whole turns."""
    mirrored: bool
    stretch: float
    """Exponent along the iris's radius: > 1 draws the pattern's detail out towards the limbus."""
    blend: float
    """How much of a second, differently turned copy of the pattern is mixed in, 0–1."""
    contrast: float
    ring_width: float
    """Of the dark ring at the limbus, as a fraction of the iris's width."""
    ring_depth: float
    redness: float
    """Of the white's vessels, 0–1."""
    yellowing: float
    lashes: float
    """How long and dense lashes are; 1 is the mean."""
    seed: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Teeth:
    """Differences between one mouth and another."""

    disorder: float
    """0 as from a mould – 1 crooked."""
    gap: float
    """Between neighbours, as a fraction of a tooth's width."""
    translucency: float
    """Of the biting edges, 0–1."""
    wear: float
    """How much shorter and flatter biting edges are, 0–1."""
    gum_depth: float
    """How dark gums are, 0–1."""
    seed: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Hair:
    """Hair of the head."""

    kind: HairKind
    rgb: Colour
    """Of all hairs together."""
    natural_rgb: Colour
    """Of hairs that aren't grey."""
    grey: float
    """Fraction of the hairs that are grey."""
    length_m: float
    curl: float
    """0 straight – 1 tight."""
    line: float
    """How far the hairline lies higher (> 0) or lower than the mean, in metres."""
    recession: float
    """How far it draws back at the temples, in metres."""
    seed: int
    peak_m: float = 0.0
    """How far it reaches down in the middle."""
    sideburn_m: float = 0.0
    """How far it reaches down before the ears."""
    thinning: float = 0.0
    """0 dense – 1 hardly any hair at the crown."""
    part_x: float | None = None
    """Where hair is parted: metres to the left of the middle of the head."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Brows:
    """Eyebrows."""

    rgb: Colour
    """Of all hairs together."""
    natural_rgb: Colour
    """Of hairs that aren't grey."""
    grey: float
    """Fraction of the hairs that are grey."""
    density: float
    thickness_m: float
    arch_m: float
    length_m: float = 0.0072
    """Of a hair, on average."""
    ragged: float = 0.5
    """0 plucked to a clean line – 1 hairs far beside it."""
    gaps: float = 0.3
    """0 closed – 1 skin shows in many places."""
    uneven: float = 0.0
    """How far the left brow lies above the right one, and by how much it is thicker; −1 to 1."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Beard:
    """Hair of the face."""

    rgb: Colour
    """Of all hairs together."""
    natural_rgb: Colour
    """Of hairs that aren't grey."""
    grey: float
    """Fraction of the hairs that are grey."""
    length_m: float
    density: float
    kind: BeardKind = "full"
    curl: float = 0.3
    """0 straight – 1 tight."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Glasses:
    """A frame and its lenses."""

    rgb: Colour
    width_m: float
    """Of one rim."""
    height_m: float
    roundness: float
    """0 a rectangle – 1 an ellipse."""
    thickness_m: float
    kind: FrameKind = "wire"
    lens_rgb: Colour = (1.0, 1.0, 1.0)
    """Fraction of the light that passes at the lens's upper edge; linear."""
    graded: float = 0.0
    """How much lighter a tint is at the lower edge, 0–1."""
    coating: float = 0.5
    """0 plain lenses – 1 hardly any reflection."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Actor:
    """A synthetic person."""

    seed: int
    sex: float
    """0 female – 1 male."""
    age: float
    """0 about twenty – 1 about seventy-five."""
    base_weights: tuple[float, float, float]
    """Of the head data's three base heads; sum one."""
    muscle: float
    weight: float
    shape: Mapping[str, float] = field(hash=False)
    """Weights of the head's targets, by their names; what else differs is enough for a hash."""
    skin: Skin
    iris_rgb: Colour
    eyes: Eyes
    teeth_rgb: Colour
    teeth: Teeth
    hair: Hair
    brows: Brows
    beard: Beard | None
    glasses: Glasses | None
    cloth_rgb: Colour

    @property
    def macros(self) -> dict[str, float]:
        """Weights of the targets for base heads, sex, age and build."""
        weights: dict[str, float] = {}
        sex_place, age_place = (0.5 + APART * (place - 0.5) for place in (self.sex, self.age))
        bases = [1 / 3 + BASES_APART * (share - 1 / 3) for share in self.base_weights]
        for sex, sex_share in (("female", 1 - sex_place), ("male", sex_place)):
            for age, age_share in (("young", 1 - age_place), ("old", age_place)):
                for number, base_share in enumerate(bases):
                    weights[f"base{number}-{sex}-{age}"] = sex_share * age_share * base_share
                for muscle, muscle_share in _three(self.muscle, "muscle"):
                    for build, build_share in _three(self.weight, "weight"):
                        share = sex_share * age_share * muscle_share * build_share
                        weights[f"build-{sex}-{age}-{muscle}-{build}"] = share
        return weights


def draw_actor(seed: int) -> Actor:
    """The actor of a seed; one seed always gives the same one."""
    rng = np.random.default_rng([seed, 1])
    tone, age, sex_place = _even(seed)
    male = sex_place >= 0.5
    sex = float(np.clip(rng.normal(0.93 if male else 0.07, 0.05), 0, 1))
    lean = np.array([0.15 + 1.1 * tone**1.5, 0.7 - 0.4 * abs(tone - 0.35), 1.25 * (1 - tone) ** 1.2 + 0.1])
    base = rng.dirichlet(0.7 * lean / lean.sum() + 0.06)
    skin = Skin(
        tone=tone,
        photographed_tone=tone,
        warmth=float(rng.uniform(-1, 1)),
        redness=float(rng.uniform(0.1, 0.9)),
        freckles=float(max(0.0, rng.normal(0.05, 0.12)) * (1 - tone)),
        wrinkles=float(np.clip(age + rng.normal(0, 0.08), 0, 1)),
        mottling=float(rng.uniform(0.1, 1.3)),
        stubble=float(np.clip(rng.uniform(-0.2, 0.7), 0, 1)) if male else 0.0,
        lip_depth=float(rng.uniform(0.15, 1.0) * (0.75 if male else 1.0)),
        seed=int(rng.integers(1 << 30)),
    )
    greyness = float(np.clip(rng.normal(1.9 * age - 0.75, 0.2), 0, 0.95))
    natural = _along(HAIRS, float(np.clip(rng.beta(1.0, 1.6) * (1.05 - 0.95 * tone), 0, 1)))
    hair_rgb = _mix(natural, GREY, greyness)
    hair = _draw_hair(rng, male=male, age=age, tone=tone, rgb=hair_rgb)
    hair = _styled(hair, seed, male=male, age=age, tone=tone, natural=natural, grey=greyness)
    beard = None
    if male and rng.random() < 0.35:
        beard_grey = min(1.0, greyness * 1.15)
        beard = Beard(
            rgb=_mix(natural, GREY, beard_grey),
            natural_rgb=natural,
            grey=beard_grey,
            length_m=float(rng.choice([0.003, 0.006, 0.012], p=[0.45, 0.35, 0.2])),
            density=float(rng.uniform(0.6, 1.0)),
        )
        beard = _trimmed(beard, seed, tone=tone)
    glasses = None
    if rng.random() < 0.15:
        glasses = Glasses(
            rgb=_rgb(np.array([[20, 20, 22], [70, 44, 28], [120, 112, 104], [40, 52, 84]])[rng.integers(4)]),
            width_m=float(rng.uniform(0.047, 0.054)),
            height_m=float(rng.uniform(0.030, 0.042)),
            roundness=float(rng.uniform(0.2, 1.0)),
            thickness_m=float(rng.uniform(0.0014, 0.0030)),
        )
        glasses = _glazed(glasses, seed)
    dark = _mix(natural, np.array([20, 15, 12]), 0.35)
    iris_place = float(np.clip(rng.beta(1.1, 1.1) * (1.15 - 1.1 * tone), 0, 1))
    iris_rgb = _along(IRISES, iris_place)
    actor = Actor(
        seed=seed,
        sex=sex,
        age=age,
        base_weights=(float(base[0]), float(base[1]), float(base[2])),
        muscle=float(np.clip(rng.normal(0.55 if male else 0.45, 0.22), 0, 1)),
        weight=float(np.clip(rng.normal(0.5, 0.22), 0.05, 1.0)),
        shape={},
        skin=skin,
        iris_rgb=iris_rgb,
        eyes=_draw_eyes(seed, age=age, male=male, iris_rgb=iris_rgb),
        teeth=_draw_teeth(seed, age=age, tone=tone),
        teeth_rgb=_mix(
            _rgb(np.array([228, 222, 210])),
            np.array([198, 180, 142]),
            float(rng.uniform(0, 0.8) * (0.3 + 0.7 * age)),
        ),
        hair=hair,
        brows=Brows(
            rgb=_mix(dark, GREY, 0.6 * greyness),
            natural_rgb=dark,
            grey=0.6 * greyness,
            density=float(np.clip(rng.normal(0.9 - 0.25 * age, 0.28), 0.3, 1.4)),
            thickness_m=float(np.clip(rng.normal(0.0058 if male else 0.0039, 0.0013), 0.0022, 0.0085)),
            arch_m=float(np.clip(rng.normal(0.006 if male else 0.009, 0.004), 0.0, 0.016)),
            **_brow_habit(seed, male=male),
        ),
        beard=beard,
        glasses=glasses,
        cloth_rgb=_rgb(CLOTHS[rng.integers(len(CLOTHS))]),
    )
    return replace(actor, shape=_draw_shape(actor))


def _even(seed: int) -> tuple[float, float, float]:
    """The seed's point in a Kronecker sequence of three badly approximable numbers."""
    steps = ((5**0.5 - 1) / 2, 2**0.5 - 1, 3**0.5 - 1)
    places = [(0.5 + seed * step) % 1 for step in steps]
    return places[0], places[1], places[2]


def _draw_shape(actor: Actor) -> dict[str, float]:
    """Details fitted to drawn distances, outlines, differences between left and right, the expression at rest."""
    rng = np.random.default_rng([actor.seed, 51])
    names = list(DETAILS)
    drawn = rng.normal(size=len(names))
    drawn[rng.choice(len(names), DISTINCT, replace=False)] *= DISTINCTNESS
    common = dict.fromkeys(names, 0.0)
    for group in TOGETHER:
        cause = rng.normal()
        for name, share in group.items():
            common[name] += share * cause
            drawn[names.index(name)] *= (1 - share**2) ** 0.5
    spreads = {name: STRENGTH * usual for name, usual in DETAILS.items()}
    details = {
        name: spreads[name] * float(np.clip(own + common[name], -2.2, 2.2))
        for name, own in zip(names, drawn, strict=True)
    }
    details["eye-scale-decr|incr"] += LARGER_EYES
    details["mouth-angles-down|up"] += RAISED_CORNERS
    heavy, old, male = 2 * actor.weight - 1, actor.age - 0.5, 2 * actor.sex - 1
    for name, share in MALE.items():
        details[name] += share * male
    for name, share in FLESH.items():
        details[name] += share * heavy
    for name, share in AGEING.items():
        details[name] += share * old
    details = _within_reach(details)
    alone = {"head-age-incr": actor.age, "mouth-laugh-lines-in": actor.age, "neck-double-incr": max(heavy, 0.0)}
    fixed = {f"detail-{name}": ALONE[name] * part for name, part in alone.items()}
    for outline in rng.choice(OUTLINES, 2, replace=False):
        fixed[f"detail-head-{outline}"] = float(rng.uniform(0.0, 0.3))
    uneven = [name for name in sorted(load_head().targets) if name.startswith("detail-asym-")]
    for name in rng.choice(uneven, 8, replace=False):
        fixed[str(name)] = float(rng.uniform(0, 0.35))
    for units in RESTING:
        strength = rng.normal(RESTING_SMILE if "mouthSmile" in units else 0.0, RESTING_SPREAD)
        for side in ("Left", "Right"):
            name = f"unit-{units[int(strength > 0)]}"
            fixed[name if name in load_head().targets else name + side] = abs(strength) * float(rng.uniform(0.6, 1.0))
    wanted = draw_measures(rng, male=actor.sex > 0.5, base_weights=actor.base_weights)
    fitted = fitted_details(details, spreads, {**actor.macros, **fixed}, wanted)
    for name, weight in fitted.items():
        low, high = detail_targets(name)
        fixed[high if weight > 0 else low] = abs(weight)
    return fixed


def _within_reach(details: Mapping[str, float]) -> dict[str, float]:
    """Each region's details, weaker by what keeps its points within `FURTHEST_M` of the mean face."""
    head, limited = load_head(), dict(details)
    for region, furthest_m in FURTHEST_M.items():
        names = [name for name in details if name.startswith(f"{region}-")]
        moved = np.zeros_like(head.points)
        for name in names:
            rows, offsets = head.targets[detail_targets(name)[int(details[name] > 0)]]
            moved[rows] += abs(details[name]) * offsets
        reach_m = float(np.linalg.norm(moved, axis=1).max())
        for name in names:
            limited[name] *= furthest_m * np.tanh(reach_m / furthest_m) / reach_m
    return limited


def _draw_hair(rng: np.random.Generator, *, male: bool, age: float, tone: float, rgb: Colour) -> Hair:
    kinds: tuple[HairKind, ...]
    if male:
        kinds, likely = (
            ("bald", "buzz", "crop", "curls", "parted", "swept"),
            [0.05 + 0.15 * age, 0.2, 0.25, 0.15, 0.2, 0.15],
        )
    else:
        kinds, likely = ("crop", "curls", "parted", "swept", "bob", "tied"), [0.1, 0.17, 0.13, 0.12, 0.26, 0.22]
    weights = np.array(likely)
    if tone > 0.6:
        weights[[kinds.index("curls"), kinds.index("crop")]] *= 2.5
        weights[[kinds.index("parted"), kinds.index("swept")]] *= 0.4
    kind = kinds[int(rng.choice(len(kinds), p=weights / weights.sum()))]
    lengths = {
        "bald": (0.001, 0.001),
        "buzz": (0.004, 0.009),
        "crop": (0.014, 0.03),
        "curls": (0.02, 0.06),
        "parted": (0.05, 0.09),
        "swept": (0.05, 0.09),
        "bob": (0.14, 0.2),
        "tied": (0.1, 0.14),
    }
    curl = rng.uniform(0.6, 1.0) if kind == "curls" else rng.uniform(0, 0.25)
    return Hair(
        kind=kind,
        rgb=rgb,
        natural_rgb=rgb,
        grey=0.0,
        length_m=float(rng.uniform(*lengths[kind])),
        curl=float(max(curl, 0.9 if tone > 0.72 and kind in {"buzz", "crop"} else 0.0)),
        line=float(rng.normal(-0.004 if male else -0.009, 0.004)),
        recession=float(max(0.0, rng.normal(0.002 + 0.011 * age, 0.004)) if male else 0.0),
        seed=int(rng.integers(1 << 30)),
    )


def _styled(hair: Hair, seed: int, *, male: bool, age: float, tone: float, natural: Colour, grey: float) -> Hair:
    """What hairdressers and years make of hair: more kinds, partings, sideburns, thin places."""
    rng = np.random.default_rng([seed, 31])
    likely: Mapping[HairKind, Mapping[HairKind, float]] = {
        "bald": {"bald": 0.6, "shaved": 0.4},
        "buzz": {"buzz": 0.65, "shaved": 0.25, "rows": 0.1 if tone > 0.6 else 0.0},
        "crop": {"crop": 0.9, "rows": 0.1 if tone > 0.6 else 0.0},
        "curls": {"curls": 0.55, "afro": 0.45, "rows": 0.2} if tone > 0.6 else {"curls": 0.92, "afro": 0.08},
        "parted": {"parted": 0.9, "long": 0.1} if male else {"parted": 0.35, "long": 0.4, "fringe": 0.25},
        "bob": {"bob": 0.35, "long": 0.4, "fringe": 0.25},
        "tied": {"tied": 0.7, "rows": 0.3} if tone > 0.6 else {"tied": 1.0},
    }
    weights = likely.get(hair.kind, {hair.kind: 1.0})
    kind = tuple(weights)[int(rng.choice(len(weights), p=np.array(list(weights.values())) / sum(weights.values())))]
    lengths: Mapping[HairKind, tuple[float, float]] = {
        "shaved": (0.0008, 0.002),
        "afro": (0.03, 0.08),
        "rows": (0.02, 0.12),
        "long": (0.24, 0.36),
        "fringe": (0.13, 0.2),
    }
    length, curl = hair.length_m, hair.curl
    if kind != hair.kind:
        length, curl = float(rng.uniform(*lengths[kind])), float(rng.uniform(0, 0.5))
    sides = {"parted": 0.024, "bob": 0.008, "long": 0.012, "fringe": 0.012}
    part_x = float(rng.choice([-1, 1]) * sides[kind] * rng.uniform(0.3, 1.2)) if kind in sides else None
    thin = float(np.clip(rng.normal(1.15 * age - 0.5, 0.3), 0, 0.95)) * (1.0 if male else 0.3)
    return replace(
        hair,
        kind=kind,
        length_m=length,
        curl=curl,
        natural_rgb=natural,
        grey=grey,
        peak_m=float(max(0.0, rng.normal(0.0, 0.004))),
        sideburn_m=float(rng.uniform(0.0, 0.024)) if male else float(rng.uniform(0.0, 0.006)),
        thinning=thin,
        part_x=part_x,
    )


def _brow_habit(seed: int, *, male: bool) -> dict[str, float]:
    """Brows left to grow, or plucked, and never quite alike on both sides."""
    rng = np.random.default_rng([seed, 32])
    return {
        "length_m": float(np.clip(rng.normal(0.0078 if male else 0.0068, 0.0014), 0.004, 0.012)),
        "ragged": float(np.clip(rng.normal(0.6 if male else 0.3, 0.25), 0, 1)),
        "gaps": float(np.clip(rng.normal(0.3, 0.25), 0, 0.9)),
        "uneven": float(np.clip(rng.normal(0, 0.45), -1, 1)),
    }


def _trimmed(beard: Beard, seed: int, *, tone: float) -> Beard:
    """A kind of beard, and how its hair curls."""
    rng = np.random.default_rng([seed, 33])
    kinds: tuple[BeardKind, ...] = ("stubble", "moustache", "goatee", "full")
    kind = kinds[int(rng.choice(4, p=[0.3, 0.12, 0.2, 0.38]))]
    length = float(rng.uniform(0.0012, 0.003)) if kind == "stubble" else max(beard.length_m, 0.005)
    curl = float(rng.uniform(0.1, 0.5) + (0.4 if tone > 0.7 else 0.0))
    return replace(beard, kind=kind, length_m=length, curl=curl)


def _glazed(glasses: Glasses, seed: int) -> Glasses:
    """A kind of frame with its lenses."""
    rng = np.random.default_rng([seed, 34])
    kinds: tuple[FrameKind, ...] = ("wire", "plastic", "half", "sun")
    kind = kinds[int(rng.choice(4, p=[0.35, 0.35, 0.18, 0.12]))]
    thickness = {"wire": (0.0010, 0.0016), "half": (0.0014, 0.0024)}.get(kind, (0.0026, 0.0046))
    rgb, lens_rgb, graded = glasses.rgb, (0.97, 0.98, 0.97), 0.0
    metals = np.array([[178, 176, 172], [190, 156, 96], [66, 66, 70]])
    plastics = np.array([[16, 16, 18], [70, 38, 22], [104, 64, 34], [36, 46, 74], [92, 26, 30]])
    if kind in {"wire", "half"}:
        rgb = _rgb(metals[rng.integers(len(metals))])
    else:
        rgb = _rgb(plastics[rng.integers(len(plastics))])
    height = glasses.height_m
    if kind == "sun":
        height = float(rng.uniform(0.038, 0.048))
        shades = ((0.10, 0.085, 0.07), (0.075, 0.085, 0.075), (0.07, 0.07, 0.08))
        lens_rgb, graded = shades[rng.integers(len(shades))], float(rng.choice([0.0, rng.uniform(0.3, 1.0)]))
    elif rng.random() < 0.12:
        lens_rgb = (0.88, 0.82, 0.74)
    return replace(
        glasses,
        kind=kind,
        rgb=rgb,
        height_m=height,
        thickness_m=float(rng.uniform(*thickness)),
        lens_rgb=lens_rgb,
        graded=graded,
        coating=float(rng.uniform(0.0, 0.85)),
    )


def _draw_eyes(seed: int, *, age: float, male: bool, iris_rgb: Colour) -> Eyes:
    rng = np.random.default_rng([seed, 25])
    colour = 255 * np.array(iris_rgb)
    grey = colour.mean()
    # Brown has little room; the paler an iris, the further it may lie from its kind: ice, slate, moss, amber.
    paleness = float(np.clip((grey - 35) / 75, 0, 1))
    depth = rng.uniform(0.85, 1.25 + 0.55 * paleness)
    brightness = rng.uniform(0.8, 1.0 + 0.35 * paleness)
    outer = brightness * (grey + depth * (colour - grey))
    warm = np.array([[112, 74, 34], [96, 62, 34], [128, 98, 52]])[rng.integers(3)]
    two_toned = rng.random() < 0.2 + 0.25 * paleness
    return Eyes(
        iris_rgb=_rgb(outer),
        inner_rgb=_rgb(warm * (0.55 + 0.45 * paleness)),
        inner_extent=float(rng.uniform(0.22, 0.5)),
        inner_strength=float(rng.uniform(0.5, 0.95) if two_toned else rng.uniform(0.0, 0.3)),
        radius=float(rng.uniform(0.392, 0.424)),
        pupil=float(np.clip(rng.normal(0.37 - 0.08 * age, 0.045), 0.22, 0.5)),
        turn=float(rng.random()),
        mirrored=bool(rng.random() < 0.5),
        stretch=float(rng.uniform(0.7, 1.4)),
        blend=float(rng.uniform(0.4, 1.0)),
        contrast=float(rng.uniform(0.75, 1.5)),
        ring_width=float(rng.uniform(0.12, 0.26)),
        ring_depth=float(np.clip(rng.normal(0.78 - 0.3 * age, 0.15), 0.2, 0.95)),
        redness=float(rng.beta(1.6, 2.6)),
        yellowing=float(np.clip(rng.normal(0.1 + 0.5 * age, 0.15), 0, 1)),
        lashes=float(np.clip(rng.normal(0.92 if male else 1.12, 0.14), 0.6, 1.45) * (1 - 0.15 * age)),
        seed=int(rng.integers(1 << 30)),
    )


def _draw_teeth(seed: int, *, age: float, tone: float) -> Teeth:
    rng = np.random.default_rng([seed, 27])
    return Teeth(
        disorder=float(rng.beta(1.3, 2.4)),
        gap=float(max(0.0, rng.normal(0.0, 0.025))),
        translucency=float(rng.uniform(0.2, 1.0) * (1 - 0.4 * age)),
        wear=float(np.clip(rng.normal(0.15 + 0.5 * age, 0.15), 0, 1)),
        gum_depth=float(np.clip(rng.normal(0.15 + 0.55 * tone, 0.15), 0, 1)),
        seed=int(rng.integers(1 << 30)),
    )


def _along(colours: np.ndarray, place: float) -> Colour:
    """A colour between neighbours of a row, 0 the first, 1 the last."""
    at = place * (len(colours) - 1)
    low = min(int(at), len(colours) - 2)
    return _rgb(colours[low] + (colours[low + 1] - colours[low]) * (at - low))


def skin_tone(skin: Skin) -> Colour:
    """The skin's colour as a whole."""
    red, green, blue = _along(TONES, skin.tone)
    return red * (1 + 0.02 * skin.warmth), green, blue * (1 - 0.06 * skin.warmth)


def _three(value: float, what: str) -> list[tuple[str, float]]:
    """Weights of the lower extreme, the average and the upper extreme."""
    if value < 0.5:
        return [(f"min{what}", 1 - 2 * value), (f"average{what}", 2 * value)]
    return [(f"average{what}", 2 - 2 * value), (f"max{what}", 2 * value - 1)]


def _mix(one: Colour, other: np.ndarray, part: float) -> Colour:
    return _rgb(np.array(one) * 255 * (1 - part) + other * part)


def _rgb(colour: np.ndarray) -> Colour:
    red, green, blue = (np.clip(colour, 0, 255) / 255).tolist()
    return red, green, blue
