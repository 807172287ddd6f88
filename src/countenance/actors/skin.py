"""The skin's texture maps: colour, roughness and height of every texel, and the lines that expressions deepen.

Tone and detail of several photographed people (`skin_material.py`) are mixed for each actor; redness, freckles, moles,
lines, stubble and lips are drawn over them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Literal, get_args

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32, Int, UInt8

from countenance.actors.actor import Actor, Brows, Skin, skin_tone
from countenance.actors.colour import to_light, to_srgb
from countenance.actors.head import RegionName, load_head
from countenance.actors.noise import noise, spots
from countenance.actors.scalp import scalp_cover, scalp_places
from countenance.actors.skin_material import (
    LAYOUT_WIDTH,
    MIRROR_Y,
    TONE_RANGE,
    detail,
    detail_names,
    from_photograph,
    tones,
)
from countenance.actors.surface import between_corners, embree_scene

MOUTH_INSIDE = np.array([0.36, 0.13, 0.12], np.float32)
"""sRGB."""
RELIEF_M = 0.0012
"""Height of the skin's relief between 0 and 255."""
TONE_CHROMA = 0.65
WARP_PX, WARP_WAVE = 7.0, 14
"""How far detail is moved, in pixels of the photographs, and how many times the field bends along a map's side."""
COARSE_SIZE = 512
"""Maps beyond it have their soft layers from a map of half the size."""
DOTS_FROM_SIZE = 1024
"""Maps from this size on show single hairs of a shaven beard."""
BROW_BEGINS_M, BROW_LENGTH_M = 0.0105, 0.0475
"""On the template, from its middle outwards."""
BROW_COVER = 0.5
"""How much of the skin between a dense brow's drawn hairs finer ones hide."""
Values = Float32[np.ndarray, " N"]
Rgb = Float32[np.ndarray, "N 3"]


LineName = Literal["forehead", "frown", "feet_left", "feet_right", "fold_left", "fold_right", "nose", "mouth"]
"""Across the forehead, between the brows, beside the eyes, from nose to mouth, beside the bridge, below the corners."""
LINES: tuple[LineName, ...] = get_args(LineName)
LINES_FROM: Mapping[LineName, Mapping[str, float]] = {
    "forehead": {"browInnerUp": 0.7, "browOuterUpLeft": 0.3, "browOuterUpRight": 0.3},
    "frown": {"browDownLeft": 0.5, "browDownRight": 0.5, "noseSneerLeft": 0.15, "noseSneerRight": 0.15},
    "feet_left": {"cheekSquintLeft": 0.8, "eyeSquintLeft": 0.6, "mouthSmileLeft": 0.35},
    "feet_right": {"cheekSquintRight": 0.8, "eyeSquintRight": 0.6, "mouthSmileRight": 0.35},
    "fold_left": {"mouthSmileLeft": 0.9, "noseSneerLeft": 0.5, "mouthUpperUpLeft": 0.35, "cheekSquintLeft": 0.2},
    "fold_right": {"mouthSmileRight": 0.9, "noseSneerRight": 0.5, "mouthUpperUpRight": 0.35, "cheekSquintRight": 0.2},
    "nose": {"noseSneerLeft": 0.6, "noseSneerRight": 0.6},
    "mouth": {"mouthFrownLeft": 0.6, "mouthFrownRight": 0.6, "mouthShrugLower": 0.4},
}
"""Face units that deepen a line, and how much."""
LINE_DEPTH = 0.45
"""Of the deepest line, as a part of `RELIEF_M`."""
LINE_SHADE_RGB = np.array([0.30, 0.46, 0.50], np.float32)
"""How much darker its bottom is: logarithms."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Box:
    """A square of the map, u and v from its lower left corner."""

    u: float
    v: float
    width: float

    def at(self, size: int) -> tuple[int, int, int, int]:
        """Left, top, right and bottom in a map of a size."""
        left, top = round(self.u * size), round((1 - self.v - self.width) * size)
        side = round(self.width * size)
        return left, top, left + side, top + side


LINES_BOX = Box(u=0.609375, v=0.3046875, width=0.390625)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SkinMaps:
    """What a skin looks like; the first row is v = 1."""

    rgb: UInt8[np.ndarray, "S S 3"]
    """Albedo, sRGB."""
    roughness: UInt8[np.ndarray, "S S"]
    height: UInt8[np.ndarray, "S S"]
    """0–255 are `RELIEF_M`."""
    lines: UInt8[np.ndarray, "8 L L"]
    """Depth of each of `LINES` at its strongest, within `LINES_BOX`."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Atlas:
    """Where each used texel lies on the template."""

    size: int
    texels: Int[np.ndarray, " N"]
    """Flat indices."""
    points: Float32[np.ndarray, "N 3"]
    """On the template, metres."""
    face_weight: Values
    regions: dict[RegionName, Values]


@cache
def atlas(size: int) -> Atlas:
    """The map's texels, found by looking straight down on the unwrapped mesh."""
    head = load_head()
    once = head.skin_levels[1]
    corners = np.dstack([once.uv, np.zeros(once.uv.shape[:2], np.float32)]).reshape(-1, 3)
    quads = np.arange(len(corners)).reshape(-1, 4)
    triangles = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    scene = embree_scene(corners, triangles)
    column, row = np.meshgrid(np.arange(size), np.arange(size))
    above = np.stack([(column + 0.5) / size, 1 - (row + 0.5) / size, np.ones_like(column)], axis=-1).reshape(-1, 3)
    down = np.tile(np.array([0, 0, -1], np.float32), (size * size, 1))
    hit = scene.run(above.astype(np.float32), down, output=1)
    texels = np.flatnonzero(hit["primID"] >= 0)
    triangle = triangles[hit["primID"][texels]]
    u, v = hit["u"][texels], hit["v"][texels]
    vertex_of = once.faces.ravel()[triangle]

    def spread(values: np.ndarray) -> np.ndarray:
        return between_corners(values, vertex_of, u, v).astype(np.float32)

    points = spread(once.matrix @ head.points)
    weight = spread((once.matrix @ head.face_weight)[:, None])[:, 0]
    regions: dict[RegionName, Values] = {}
    for name, region in head.maps.items():
        shrunk = cv2.resize(region, (size, size), interpolation=cv2.INTER_AREA)
        regions[name] = shrunk.ravel()[texels].astype(np.float32) / 255
    return Atlas(size=size, texels=texels, points=points, face_weight=np.clip(weight, 0, 1), regions=regions)


def make_skin(face: Actor, body: Actor, size: int) -> SkinMaps:
    """A skin; where `face` is another than `body`, theirs inside the face, fading to the body's at its border."""
    places = atlas(size)
    own = _painted(face, size)
    if face is not body:
        weight = places.face_weight[:, None]
        own = weight * own + (1 - weight) * _painted(body, size)
    return SkinMaps(
        rgb=_fill(to_srgb(own[:, :3]), places),
        roughness=_fill(own[:, 3:4], places)[..., 0],
        height=_fill(own[:, 4:5], places)[..., 0],
        lines=_draw_lines(face, atlas(min(size, 1024))),
    )


@lru_cache(maxsize=2)
def _painted(actor: Actor, size: int) -> Float32[np.ndarray, "N 5"]:
    """As `_paint`; kept for the ground truths that follow, whose bodies are the same."""
    painted = _paint(actor, atlas(size))
    painted.flags.writeable = False
    return painted


def line_weights(units: Mapping[str, float]) -> dict[LineName, float]:
    """0–1: how deep face units make each line."""
    return {
        name: float(min(1.0, sum(weight * units.get(unit, 0.0) for unit, weight in weights.items())))
        for name, weights in LINES_FROM.items()
    }


def _draw_lines(actor: Actor, places: Atlas) -> UInt8[np.ndarray, "8 L L"]:
    """Faint in smooth skin."""
    left, top, right, bottom = LINES_BOX.at(places.size)
    row, column = places.texels // places.size, places.texels % places.size
    inside = (row >= top) & (row < bottom) & (column >= left) & (column < right)
    shapes = _line_shapes(places.points[inside], actor.skin)
    strength = (0.4 + 0.6 * actor.skin.wrinkles) * places.face_weight[inside]
    drawn = np.zeros((len(LINES), bottom - top, right - left), np.uint8)
    at = row[inside] - top, column[inside] - left
    for number, name in enumerate(LINES):
        drawn[number][at] = np.round(255 * np.clip(strength * shapes[name], 0, 1))
    return drawn


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Layers:
    """What varies slowly over an actor's skin, 0–1 at every texel."""

    broad: Values
    middle: Values
    patchy: Values
    red: Values
    dark: Values
    oily: Values
    freckled: Values
    beard: Values
    scalp: Values
    lower_lip: Values
    creases: Values
    brow: Values


def _layers(actor: Actor, places: Atlas) -> _Layers:
    coarse = places if places.size <= COARSE_SIZE else atlas(places.size // 2)
    points, regions, seed = coarse.points, coarse.regions, actor.skin.seed
    layers = [
        noise(points, 22.0, seed, 2),
        noise(points, 160.0, seed + 1, 2),
        noise(points, 120.0, seed + 8),
        _red_places(points, regions),
        _dark_places(points),
        _oily_places(points),
        _cheeks_and_nose(points),
        beard_places(points, regions["lips"]),
        scalp_places(points, actor),
        np.clip((0.6585 - points[:, 1]) / 0.006, 0, 1) * _blob(points, (0, 0.653, 0.145), (0.016, 0.006, 0.03)),
        _creases(points, actor.skin, actor.age),
        _brow_places(points, actor),
    ]
    values = np.stack(layers, axis=1).astype(np.float32)
    if coarse is not places:
        values = _enlarged(values, coarse, places)
    return _Layers(**dict(zip(_Layers.__slots__, values.T, strict=True)))


def _enlarged(values: Float32[np.ndarray, "M C"], coarse: Atlas, places: Atlas) -> Float32[np.ndarray, "N C"]:
    """Values of a coarse map's texels at those of a finer one."""
    known = np.column_stack([values, np.ones(len(values), np.float32)])
    picture = np.zeros((coarse.size * coarse.size, known.shape[1]), np.float32)
    picture[coarse.texels] = known
    finer = np.empty((len(places.texels), known.shape[1]), np.float32)
    for channel in range(known.shape[1]):
        layer = picture[:, channel].reshape(coarse.size, coarse.size)
        enlarged = cv2.resize(layer, (places.size, places.size), interpolation=cv2.INTER_LINEAR)
        finer[:, channel] = enlarged.ravel()[places.texels]
    return finer[:, :-1] / np.maximum(finer[:, -1:], 1e-3)


def _paint(actor: Actor, places: Atlas) -> Float32[np.ndarray, "N 5"]:
    """Linear albedo, roughness 0–1 and height 0–1 of every texel."""
    skin, points, regions, soft = actor.skin, places.points, places.regions, _layers(actor, places)
    tone = to_light(np.array(skin_tone(skin), np.float32))
    lips, middle = regions["lips"], soft.middle
    material = _photographed(actor, places, soft.beard)
    grain = material.detail.mean(axis=1)

    # Blood shows less through darker skin.
    blood = np.array([0.06, -0.34, -0.32], np.float32) * (1 - 0.55 * skin.tone)
    flush = skin.redness * soft.red * (0.45 + 0.7 * middle) + np.clip((middle - 0.5) * 1.1, 0, 1) * skin.mottling
    logs = material.tone + material.detail + flush[:, None] * blood + 0.22 * (soft.broad - 0.5)[:, None]
    logs += (soft.dark * (0.3 + 0.35 * actor.age))[:, None] * np.log(np.array([0.62, 0.52, 0.56], np.float32))
    # The whole face has the tone that was asked for.
    plain = places.face_weight * (1 - np.clip(2 * lips, 0, 1)) * (1 - soft.beard) * (1 - regions["inside_mouth"])
    colour = np.asarray(np.exp(logs), np.float32)
    colour = tone * colour / ((colour * plain[:, None]).sum(axis=0) / plain.sum())

    freckled = spots(points, 330.0, skin.seed + 3, min(0.6, 1.6 * skin.freckles)) * soft.freckled
    moles = spots(points, 110.0, skin.seed + 4, 0.02 + 0.02 * actor.age)
    aged = spots(points, 45.0, skin.seed + 5, 0.25 * max(0.0, actor.age - 0.45)) * (1 - skin.tone)
    brown = tone * np.array([0.5, 0.36, 0.3], np.float32)
    colour = _mix(colour, brown, np.clip(0.4 * freckled + 0.7 * moles + 0.3 * aged, 0, 1))
    colour = colour * np.exp(-soft.creases[:, None] * np.array([0.22, 0.34, 0.36], np.float32))

    colour = colour * _beard_shadow(actor, soft, points, places.size, grain)
    brow = BROW_COVER * min(1.0, actor.brows.density) * soft.brow * np.clip(1 + 2 * grain, 0.6, 1.3)
    colour = _mix(colour, to_light(np.array(actor.brows.rgb, np.float32)), brow)
    colour = _mix(colour, _lip_colour(actor, soft, tone) * np.exp(1.4 * material.detail), _lip_cover(skin, lips))
    scalp = 0.8 * soft.scalp * scalp_cover(actor) * np.clip(1 + 3 * grain, 0.6, 1.15)
    colour = _mix(colour, to_light(np.array(actor.hair.rgb, np.float32)), scalp)
    colour = _mix(colour, to_light(MOUTH_INSIDE), np.clip(regions["inside_mouth"] * 1.5, 0, 1))

    oily = 0.2 + 0.8 * float(np.random.default_rng([actor.seed, 22]).random())
    # Dark skin shows what it mirrors alone: at a light skin's gloss it would look oiled, at its relief hammered.
    calm = 1 - 0.5 * skin.photographed_tone
    rough = 0.50 - 0.11 * oily * soft.oily * calm - 0.15 * lips * calm - 0.9 * grain * calm
    rough += 0.10 * (middle - 0.5) + 0.06 * actor.age + 0.13 * skin.photographed_tone
    height = 0.5 + 1.1 * grain * calm + 0.10 * (middle - 0.5) - 0.36 * soft.creases
    return np.column_stack([colour, rough, height]).astype(np.float32)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Photographed:
    """An actor's mixture of photographed skins at every texel; logarithms of ratios of linear light."""

    tone: Rgb
    detail: Rgb


def _photographed(actor: Actor, places: Atlas, beard: Values) -> _Photographed:
    rng = np.random.default_rng([actor.seed, 21])
    size = places.size
    chosen_tones = _draw_photographs(rng, actor, tones().names)
    chosen_details = _draw_photographs(rng, actor, detail_names())
    tone_part, mirrored = float(rng.uniform(0.2, 0.8)), rng.random(3) < 0.5
    tone_strength = float(rng.uniform(0.7, 1.1))
    contrast = float(rng.uniform(0.65, 1.1)) * (0.75 + 0.5 * actor.age)
    at = _in_photograph(size)
    anchored = _anchored(size)

    low = tone_part * tones().coded[chosen_tones[0]].astype(np.float32)
    low += (1 - tone_part) * tones().coded[chosen_tones[1]].astype(np.float32)
    low *= np.float32(TONE_RANGE / 127)
    # Photographed under lights of other colours, their hues differ more than people's do.
    low = TONE_CHROMA * low + (1 - TONE_CHROMA) * low.mean(axis=2, keepdims=True)
    tone = _sampled_tone(low, _turned(at, bool(mirrored[2])))

    samples = []
    for number, mirror in zip(chosen_details, mirrored, strict=False):
        warp = WARP_PX * _field(rng, size, WARP_WAVE, 2) * (1 - anchored[..., None])
        samples.append(_sampled_detail(number, size, _turned(at, bool(mirror)) + warp, rng.uniform(0, 256, 2)))
    share = np.clip(0.5 + 0.9 * _field(rng, size, 5, 1)[..., 0].ravel()[places.texels], 0, 1)
    if actor.sex < 0.5:
        # The first is a woman's, without stubble.
        share = np.maximum(share, np.clip(2 * beard, 0, 1))
    first, second = (sample.reshape(-1, 3)[places.texels] for sample in samples)
    even = np.sqrt(share**2 + (1 - share) ** 2)
    mixed = (first * (share / even)[:, None] + second * ((1 - share) / even)[:, None]) * contrast
    return _Photographed(
        tone=(tone_strength * tone.reshape(-1, 3)[places.texels]).astype(np.float32), detail=mixed.astype(np.float32)
    )


def _draw_photographs(rng: np.random.Generator, actor: Actor, names: tuple[str, ...]) -> tuple[int, int]:
    """Two photographs, most likely of people like the actor; the first one's sex is always the actor's."""
    woman = actor.sex < 0.5
    weights = np.zeros(len(names))
    own_sex = np.array([("female" in name) == woman for name in names])
    for number, name in enumerate(names):
        age = {"young": 0.1, "middleage": 0.5, "old": 0.9}[name.split("_")[0]]
        tone = 0.75 if "dark" in name else 0.25
        weights[number] = np.exp(
            -6 * max(0.0, abs(tone - actor.skin.photographed_tone) - 0.2) - 2 * abs(age - actor.age)
        )
    first = int(rng.choice(len(names), p=weights * own_sex / (weights * own_sex).sum()))
    weights[first] = 0
    weights[~own_sex] *= 0.4
    return first, int(rng.choice(len(names), p=weights / weights.sum()))


@cache
def _in_photograph(size: int) -> Float32[np.ndarray, "S S 2"]:
    """Where each texel lies in the photographs, in their pixels."""
    back = cv2.invertAffineTransform(from_photograph(size))
    column, row = np.meshgrid(np.arange(size), np.arange(size))
    x, y = back[0, 0] * column + back[0, 2], back[1, 1] * row + back[1, 2]
    return np.asarray(np.stack([x, y], axis=-1), np.float32)


@cache
def _anchored(size: int) -> Float32[np.ndarray, "S S"]:
    """0–1: where detail belongs to a feature, which it must not leave."""
    maps = load_head().maps
    features = np.maximum(np.maximum(maps["lips"], maps["ears"]), maps["eyelids"])
    small = cv2.resize(features, (256, 256), interpolation=cv2.INTER_AREA)
    soft = cv2.GaussianBlur(cv2.dilate(small, np.ones((7, 7))).astype(np.float32) / 255, (0, 0), 4.0)
    return np.asarray(cv2.resize(soft, (size, size), interpolation=cv2.INTER_LINEAR), np.float32)


def _turned(at: Float32[np.ndarray, "S S 2"], mirror: bool) -> Float32[np.ndarray, "S S 2"]:
    if not mirror:
        return at
    return np.asarray(np.stack([at[..., 0], np.float32(2 * MIRROR_Y) - at[..., 1]], axis=-1))


def _field(rng: np.random.Generator, size: int, waves: int, channels: int) -> Float32[np.ndarray, "S S C"]:
    """A smooth random field, standard deviation about 0.8."""
    coarse = rng.normal(size=(waves, waves, channels)).astype(np.float32)
    return np.asarray(cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC), np.float32).reshape(
        size, size, channels
    )


def _sampled_tone(low: Float32[np.ndarray, "h w 3"], at: Float32[np.ndarray, "S S 2"]) -> Float32[np.ndarray, "S S 3"]:
    step = LAYOUT_WIDTH / low.shape[1]
    x, y = ((at[..., i] + 0.5) / step - 0.5 for i in range(2))
    return np.asarray(cv2.remap(low, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_CONSTANT), np.float32)


def _sampled_detail(
    number: int, size: int, at: Float32[np.ndarray, "S S 2"], tile_shift: Float[np.ndarray, "2"]
) -> Float32[np.ndarray, "S S 3"]:
    """Of one photograph; beside what it shows, its endless texture."""
    source = detail(number, size)
    scale = source.rgb.shape[1] / LAYOUT_WIDTH
    x, y = ((at[..., i] + 0.5) * scale - 0.5 for i in range(2))
    shown = cv2.remap(source.rgb, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_CONSTANT)
    usable = cv2.remap(source.usable, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    side = source.tile.shape[0]
    tile_x, tile_y = ((axis + shift * scale) % side for axis, shift in zip((x, y), tile_shift, strict=True))
    endless = cv2.remap(
        source.tile, tile_x.astype(np.float32), tile_y.astype(np.float32), cv2.INTER_CUBIC, borderMode=cv2.BORDER_WRAP
    )
    return np.asarray(shown + np.sqrt(1 - usable**2)[..., None] * endless, np.float32)


def _lip_colour(actor: Actor, soft: _Layers, tone: Float32[np.ndarray, " 3"]) -> Rgb:
    """Linear; dark skin's lower lip is pinker than its upper one."""
    skin = actor.skin
    lip = tone * (1 - 0.35 * skin.lip_depth) * np.array([0.97, 0.50, 0.52], np.float32)
    pink = np.array([1.55, 1.12, 1.22], np.float32) * tone
    both = np.broadcast_to(lip, (len(soft.lower_lip), 3)).astype(np.float32)
    return _mix(both, pink, 0.55 * skin.tone * soft.lower_lip)


def _lip_cover(skin: Skin, lips: Values) -> Values:
    return np.asarray(np.clip(lips * (0.4 + 0.45 * skin.lip_depth), 0, 1), np.float32)


def _brow_places(points: Float[np.ndarray, "N 3"], actor: Actor) -> Values:
    """0–1: where a brow's hairs stand, as far as they are too fine to be drawn."""
    x, y, z = points.T
    place = (np.abs(x) - BROW_BEGINS_M) / BROW_LENGTH_M
    middle, half = brow_line(actor.brows, place, x > 0)
    across = np.exp(-(((y - middle) / (0.75 * half)) ** 2))
    ends = np.clip(place / 0.12, 0, 1) * np.clip((1 - place) / 0.2, 0, 1)
    return np.asarray(across * ends * (z > 0.08), np.float32)


def brow_line(
    brows: Brows, place: Float[np.ndarray, "..."], is_left: Bool[np.ndarray, "..."]
) -> tuple[Float[np.ndarray, "..."], Float[np.ndarray, "..."]]:
    """Height on the template of a brow's middle, and half its thickness, in metres; `place` 0 at the nose – 1."""
    place = np.clip(place, 0, 1)
    uneven = brows.uneven * np.where(is_left, 1.0, -1.0)
    arch = brows.arch_m * np.sin(np.pi * np.clip(0.75 * place + 0.02, 0, 1))
    half = 0.8 * brows.thickness_m * (1 + 0.12 * uneven)
    half = half * (1 - 0.75 * place**1.6) * (0.75 + 0.25 * np.clip(place / 0.15, 0, 1))
    return 0.7435 + arch + 0.0012 * uneven - 0.003 * place, half


def _beard_shadow(actor: Actor, soft: _Layers, points: Float[np.ndarray, "N 3"], size: int, grain: Values) -> Rgb:
    """What light is left where hair is cut short or grows beneath the skin: cooler, and dotted by the hairs."""
    strength = actor.skin.stubble
    if actor.beard is not None:
        strength = max(strength, min(1.0, 0.9 * actor.beard.density))
    if strength == 0:
        return np.ones((len(points), 3), np.float32)
    hair = to_light(np.array(actor.brows.rgb, np.float32)).mean()
    darkness = strength * float(np.clip(1 - 1.5 * np.sqrt(hair), 0.2, 1))
    cool = tones().beard_shadow - tones().beard_shadow.mean()
    under = soft.beard * (0.7 + 0.6 * soft.patchy) * darkness
    log_left = -under[:, None] * (0.6 - 7.0 * cool * (1 - actor.skin.tone))
    if size >= DOTS_FROM_SIZE:
        dots = spots(points, 780.0, actor.skin.seed + 9, 0.8)
        log_left = log_left - (1.6 * soft.beard * darkness * dots)[:, None]
    else:
        log_left = log_left * np.clip(1 - 6 * grain, 0.3, 2.0)[:, None]
    return np.asarray(np.exp(log_left), np.float32)


def _oily_places(points: Float[np.ndarray, "N 3"]) -> Values:
    forehead = _blob(points, (0.0, 0.78, 0.14), (0.04, 0.025, 0.03))
    nose = _blob(points, (0.0, 0.70, 0.16), (0.012, 0.025, 0.03))
    chin = 0.6 * _blob(points, (0.0, 0.63, 0.14), (0.014, 0.01, 0.03))
    cheekbones = 0.4 * _pair(points, (0.045, 0.71, 0.11), (0.014, 0.01, 0.03))
    return np.asarray(np.clip(forehead + nose + chin + cheekbones, 0, 1), np.float32)


def beard_places(points: Float[np.ndarray, "N 3"], lips: Values) -> Values:
    """0–1: where a beard grows."""
    chin = _blob(points, (0.0, 0.634, 0.135), (0.027, 0.018, 0.035))
    jaw = _pair(points, (0.05, 0.642, 0.085), (0.022, 0.02, 0.036))
    upper_lip = _pair(points, (0.018, 0.676, 0.145), (0.016, 0.005, 0.02))
    sides = _pair(points, (0.064, 0.68, 0.055), (0.010, 0.032, 0.016))
    throat = 0.6 * _blob(points, (0.0, 0.612, 0.09), (0.04, 0.014, 0.04))
    grown = np.clip(1.4 * (chin + jaw + upper_lip + 0.8 * sides + throat) - 0.15, 0, 1)
    low = np.clip((points[:, 1] - 0.598) / 0.014, 0, 1) * (points[:, 1] < 0.722)
    return np.asarray(grown * low * (1 - np.clip(lips * 2, 0, 1)), np.float32)


def _red_places(points: Float[np.ndarray, "N 3"], regions: dict[RegionName, Values]) -> Values:
    cheeks = 0.8 * _pair(points, (0.042, 0.692, 0.115), (0.02, 0.017, 0.03))
    nose = 0.9 * _blob(points, (0.0, 0.69, 0.162), (0.013, 0.01, 0.015))
    chin = 0.35 * _blob(points, (0.0, 0.63, 0.14), (0.015, 0.01, 0.02))
    forehead = 0.25 * _blob(points, (0.0, 0.79, 0.13), (0.04, 0.02, 0.04))
    return np.clip(cheeks + nose + chin + forehead + 0.7 * regions["ears"] + 0.35 * regions["eyelids"], 0, 1)


def _dark_places(points: Float[np.ndarray, "N 3"]) -> Values:
    under_eyes = 0.6 * _pair(points, (0.030, 0.712, 0.133), (0.013, 0.0045, 0.02))
    lids = 0.4 * _pair(points, (0.032, 0.736, 0.135), (0.016, 0.005, 0.02))
    inner = 0.5 * _pair(points, (0.017, 0.724, 0.135), (0.005, 0.007, 0.015))
    nostrils = 0.8 * _pair(points, (0.011, 0.681, 0.155), (0.004, 0.003, 0.008))
    return np.clip(under_eyes + lids + inner + nostrils, 0, 1)


def _cheeks_and_nose(points: Float[np.ndarray, "N 3"]) -> Values:
    return np.asarray(
        np.clip(
            1.3 * _pair(points, (0.035, 0.70, 0.12), (0.028, 0.018, 0.04))
            + _blob(points, (0.0, 0.705, 0.155), (0.014, 0.02, 0.03))
            + 0.35 * _blob(points, (0.0, 0.78, 0.13), (0.05, 0.03, 0.05)),
            0.08,
            1,
        )
    )


def _creases(points: Float[np.ndarray, "N 3"], skin: Skin, age: float) -> Values:
    """0–1: lines of age, which are there without an expression."""
    shapes = _line_shapes(points, skin)
    x, y, _ = points.astype(np.float32).T
    bend = noise(points, 45.0, skin.seed + 6, 2) - 0.5
    under = _waves(y + 0.5 * (np.abs(x) - 0.03) ** 2 * 30 + 0.002 * bend, 190.0, 6.0) * _pair(
        points, (0.032, 0.708, 0.13), (0.014, 0.007, 0.02)
    )
    lips = _waves(x + 0.002 * bend, 330.0, 8.0) * _blob(points, (0.0, 0.675, 0.15), (0.02, 0.006, 0.02))
    neck = _waves(y + 0.01 * bend, 55.0, 16.0) * _blob(points, (0.0, 0.59, 0.06), (0.06, 0.02, 0.06))
    drawn = 0.7 * shapes["forehead"] + 0.7 * shapes["frown"] + 0.8 * (shapes["feet_left"] + shapes["feet_right"])
    drawn += 0.6 * (shapes["fold_left"] + shapes["fold_right"]) + 0.4 * shapes["mouth"]
    drawn += 0.4 * under + max(0.0, age - 0.4) * lips + 0.6 * neck
    return np.asarray(np.clip(drawn * np.clip(1.15 * skin.wrinkles - 0.1, 0, 1), 0, 1), np.float32)


def _line_shapes(points: Float[np.ndarray, "N 3"], skin: Skin) -> dict[LineName, Values]:
    """0–1: where the lines of expressions run in an actor's skin."""
    x, y, z = points.astype(np.float32).T
    side = np.abs(x)
    bend = noise(points, 45.0, skin.seed + 6, 2) - 0.5
    patchy = np.clip(noise(points, 60.0, skin.seed + 7, 2) * 1.6 - 0.3, 0, 1)
    rng = np.random.default_rng([skin.seed, 23])
    spacing, reach_m, fold_m = rng.uniform(85, 120), rng.uniform(0.030, 0.038), rng.uniform(0.0195, 0.0225)
    left, right = (x > 0).astype(np.float32), (x <= 0).astype(np.float32)

    forehead = _waves(y + 0.008 * bend - 0.35 * x**2, spacing, 6.0) * _blob(
        points, (0.0, 0.785, 0.13), (reach_m, 0.016, 0.04)
    )
    frown = _waves(side - 0.0065 + 0.003 * bend, 90.0, 14.0) * _blob(points, (0.0, 0.752, 0.15), (0.009, 0.012, 0.02))
    beside_x, beside_y = side - 0.049, y - 0.724
    angle = np.arctan2(beside_y, np.maximum(beside_x, 1e-4)) + 0.6 * bend
    feet = _waves(angle, 2.6, 8.0) * _pair(points, (0.060, 0.722, 0.105), (0.010, 0.013, 0.03)) * (beside_x > 0)
    away = side - fold_m - 0.014 * np.clip((0.702 - y) / 0.045, 0, 1) + 0.004 * bend
    fold = 0.65 * np.exp(-((away / 0.0015) ** 2)) + 0.4 * np.exp(-(((away + 0.0022) / 0.004) ** 2))
    fold = fold * np.clip((0.698 - y) / 0.012, 0, 1) * np.clip((y - 0.650) / 0.016, 0, 1)
    fold = fold * np.clip((z - 0.05) / 0.03, 0, 1)
    nose = _waves(y - 0.6 * side + 0.004 * bend, 170.0, 5.0) * _pair(
        points, (0.011, 0.722, 0.148), (0.005, 0.008, 0.02)
    )
    below = side - 0.0265 - 0.25 * np.clip(0.656 - y, 0, 1) + 0.003 * bend
    mouth = np.exp(-((below / 0.0016) ** 2)) * _pair(points, (0.029, 0.644, 0.13), (0.01, 0.008, 0.03))
    even = 0.35 + 0.65 * patchy
    return {
        "forehead": forehead * even,
        "frown": frown * even,
        "feet_left": feet * patchy * left,
        "feet_right": feet * patchy * right,
        "fold_left": fold * left,
        "fold_right": fold * right,
        "nose": nose * even,
        "mouth": mouth,
    }


def _waves(coordinate: Values, per_m: float, sharp: float) -> Values:
    """0–1: lines at even distances."""
    return np.asarray((0.5 + 0.5 * np.cos(2 * np.pi * per_m * coordinate)) ** sharp, np.float32)


def _blob(
    points: Float[np.ndarray, "N 3"], centre: tuple[float, float, float], spread: tuple[float, float, float]
) -> Values:
    away = (points - np.array(centre)) / np.array(spread)
    return np.asarray(np.exp(-0.5 * (away**2).sum(axis=1)), np.float32)


def _pair(
    points: Float[np.ndarray, "N 3"], centre: tuple[float, float, float], spread: tuple[float, float, float]
) -> Values:
    x, y, z = centre
    return np.asarray(_blob(points, centre, spread) + _blob(points, (-x, y, z), spread))


def _mix(
    one: Float32[np.ndarray, "N 3"], other: Float32[np.ndarray, "*B 3"], part: Values
) -> Float32[np.ndarray, "N 3"]:
    return np.asarray(one + (other - one) * part[:, None], np.float32)


def _fill(values: Float32[np.ndarray, "N C"], places: Atlas) -> UInt8[np.ndarray, "S S C"]:
    """Into the map; texels beside the islands take the nearest colour, so that borders don't bleed."""
    size = places.size
    picture = np.zeros((size * size, values.shape[1]), np.uint8)
    picture[places.texels] = np.round(np.clip(values, 0, 1) * 255)
    empty = np.ones(size * size, np.uint8)
    empty[places.texels] = 0
    _, nearest = cv2.distanceTransformWithLabels(
        empty.reshape(size, size), cv2.DIST_L2, 3, labelType=cv2.DIST_LABEL_PIXEL
    )
    label_to_texel = np.zeros(int(nearest.max()) + 1, np.int64)
    label_to_texel[nearest.ravel()[places.texels]] = places.texels
    return np.asarray(picture[label_to_texel[nearest.ravel()]].reshape(size, size, -1), np.uint8)
