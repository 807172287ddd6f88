"""Clips of synthetic actors with exact truth, one difficulty each: what `prepare` is measured on.

Actors are rendered in squares of their own and laid over a background, back to front, things before them last. Every
pixel of a frame keeps whose it is and which part, so that truth stays exact wherever faces hide each other; landmarks
move with their face. Only then is the picture put out of focus, moved, darkened and compressed: none of that changes
where things are.
"""

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal, get_args

import av
import cv2
import numpy as np
from av.video.frame import VideoFrame
from jaxtyping import Bool, Float, Float32, UInt8

from countenance.actors.actor import draw_actor, skin_tone
from countenance.actors.cache import cache_folder
from countenance.actors.caster import Caster
from countenance.actors.colour import to_light, to_srgb
from countenance.actors.figure import build_figure, pose_figure
from countenance.actors.footage import draw_portrait, png
from countenance.actors.light import look_up, surroundings
from countenance.actors.performance import (
    FRAME_RATE,
    Performance,
    PerformanceConfig,
    draw_performance,
)
from countenance.actors.render import FROM_IMAGE_AXES, RENDERING
from countenance.actors.scene import Camera, Light, Scene, Shot
from countenance.actors.shading import tone_mapped
from countenance.actors.staging import draw_scene
from countenance.geometry import transform_points
from countenance.progress import Progress
from countenance.vision.align import angles_of
from countenance.vision.parts import FACE_PARTS, Part

Condition = Literal[
    "frontal",
    "turning",
    "tilted",
    "glasses",
    "defocus",
    "motion",
    "dark",
    "small",
    "crossing",
    "cuts",
    "hand",
    "crowd",
    "empty",
]
CONDITIONS: tuple[Condition, ...] = get_args(Condition)

VERSION = 1
"""Raised when the same plan gives other clips."""
FRAME_WH = (1280, 720)
CRF = 16
REFERENCE_PX = 256
SPRITE_M, RAISED_M = 0.5, 0.03
"""Side of the square in which an actor is rendered, and how far its middle lies above the face's: down to where the
shoulders are widest. From there the lowest row goes on to the frame's bottom."""
LARGE_PX = 700.0
"""Pixels a metre: a face is then about 135 px high."""
SEEN_M = 0.008
"""What lies less before a landmark than this doesn't hide it."""
OWNER = 16
"""A pixel's value in a truth picture is its owner times this plus its part; owner 0 is nobody, then the people."""
THING = 15
"""Owner of what isn't part of an actor."""

Rgb = UInt8[np.ndarray, "_ _ 3"]
Labels = UInt8[np.ndarray, "_ _"]
Xy = tuple[float, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class ClipSpec:
    """One clip; people are seeds of actors, the first is the person that is looked for."""

    condition: Condition
    number: int
    people: tuple[int, ...]
    num_frames: int

    @property
    def name(self) -> str:
        return f"{self.condition}-{self.number}"


def _clips(condition: Condition, num_frames: int, *casts: tuple[int, ...]) -> list[ClipSpec]:
    return [
        ClipSpec(condition=condition, number=number, people=people, num_frames=num_frames)
        for number, people in enumerate(casts, start=1)
    ]


CLIPS: tuple[ClipSpec, ...] = (
    *_clips("frontal", 24, (950,), (963,)),
    *_clips("turning", 40, (951,), (957,)),
    *_clips("tilted", 30, (952,), (962,)),
    *_clips("glasses", 24, (955,), (956,)),
    *_clips("defocus", 24, (953,), (954,)),
    *_clips("motion", 24, (958,), (964,)),
    *_clips("dark", 24, (960,), (959,)),
    *_clips("small", 30, (961,), (965,)),
    *_clips("crossing", 32, (966, 969), (968, 963)),
    *_clips("cuts", 42, (951, 959), (961, 967)),
    *_clips("hand", 30, (954,), (967,)),
    *_clips("crowd", 24, (964, 967, 961, 952), (965, 950, 957, 960)),
    # The person of an empty clip never comes.
    *_clips("empty", 32, (950,)),
)


def quick_clips() -> tuple[ClipSpec, ...]:
    """The first clip of each condition."""
    return tuple(spec for spec in CLIPS if spec.number == 1)


# What happens in a clip.


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """An actor in one frame."""

    who: int
    """Among the people of the clip."""
    middle_xy: Xy
    """Of the face, in the frame before it is turned."""
    px_per_m: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Capsule:
    """A stick with round ends, in pixels."""

    begin_xy: Xy
    end_xy: Xy
    radius: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Thing:
    """Something of one colour before all actors."""

    capsules: tuple[Capsule, ...]
    rgb: tuple[float, float, float]
    """sRGB, 0–1."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """One frame of a clip."""

    standing: tuple[Standing, ...] = ()
    """From back to front."""
    things: tuple[Thing, ...] = ()
    turn_deg: float = 0.0
    """Of the whole picture, counter-clockwise."""
    defocus_px: float = 0.0
    """Standard deviation."""
    moved_xy: Xy = (0.0, 0.0)
    """Way of the camera while the shutter was open."""
    stops: float = 0.0
    """Underexposed by."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Script:
    """A whole clip."""

    scene: Scene
    performances: tuple[Performance, ...]
    """Of each of the people."""
    frames: tuple[Plan, ...]


def write_script(spec: ClipSpec) -> Script:
    """What happens in a clip; the same for the same spec."""
    num_frames, condition = spec.num_frames, spec.condition
    num_shots = 6 if condition == "cuts" else 3 if spec.name == "tilted-2" else 1
    scene = draw_scene(9_500 + 10 * spec.people[0] + spec.number, num_frames, num_shots)
    limits = {"frontal": 20.0, "tilted": 25.0, "hand": 25.0, "crossing": 25.0, "small": 45.0}
    config = PerformanceConfig(max_yaw_deg=limits.get(condition, 40.0), max_pitch_deg=15.0, max_roll_deg=12.0)
    performances = [draw_performance(95_000 + seed, num_frames, config) for seed in spec.people]
    at = np.linspace(0, 1, num_frames)
    pace = 3.5 if condition == "motion" else 1.2 * num_frames / FRAME_RATE
    drift = [(640 + 150 * np.sin(pace * t + spec.number), 320 + 30 * np.sin(1.7 * pace * t)) for t in at]
    alone = [(Standing(who=0, middle_xy=place, px_per_m=LARGE_PX),) for place in drift]
    sign = 1 if spec.number == 1 else -1
    match condition:
        case "turning":
            performances = [_with_yaw(performances[0], sign * (150 * _eased(at) - 75))]
            # From straight ahead, so that the angles are those seen.
            scene = _seen_straight(scene)
            plans = [Plan(standing=standing) for standing in alone]
        case "tilted":
            swept, still_deg = 180 * _eased(at), np.repeat([-100.0, 180.0, 60.0], -(-num_frames // 3))[:num_frames]
            turns = swept if spec.number == 1 else still_deg
            middle = (Standing(who=0, middle_xy=(640.0, 350.0), px_per_m=LARGE_PX),)
            plans = [Plan(standing=middle, turn_deg=float(turn)) for turn in turns]
        case "defocus":
            plans = [
                Plan(standing=standing, defocus_px=float(1 + 4 * np.sin(np.pi * t) ** 2))
                for standing, t in zip(alone, at, strict=True)
            ]
        case "motion":
            ways = np.gradient(np.array(drift), axis=0)
            plans = [
                Plan(standing=standing, moved_xy=(float(0.7 * x), float(0.7 * y)))
                for standing, (x, y) in zip(alone, ways, strict=True)
            ]
        case "dark":
            plans = [Plan(standing=standing, stops=3.0) for standing in alone]
        case "small":
            plans = [Plan(standing=(_small(spec.number, t),)) for t in at]
        case "crossing":
            performances = [_turned(each, 25.0 * way) for each, way in zip(performances, (1, -1), strict=True)]
            plans = [Plan(standing=_crossing(t, person_in_front=spec.number == 2)) for t in at]
        case "cuts":
            plans = [Plan(standing=(_in_shot(frame, num_frames),)) for frame in range(num_frames)]
        case "hand":
            colour = skin_tone(draw_actor(spec.people[0]).skin)
            thing = _hand if spec.number == 1 else _microphone
            plans = [
                Plan(standing=standing, things=(thing(standing[0], float(t), colour),))
                for standing, t in zip(alone, at, strict=True)
            ]
        case "crowd":
            plans = [Plan(standing=_crowd(t, spec.number)) for t in at]
        case "empty":
            performances = []
            plans = [Plan(things=_clutter(t)) for t in at]
        case _:
            plans = [Plan(standing=standing) for standing in alone]
    return Script(scene=scene, performances=tuple(performances), frames=tuple(plans))


def _eased(at: Float[np.ndarray, " N"]) -> Float[np.ndarray, " N"]:
    """From 0 to 1, at rest at both ends for a moment."""
    return np.asarray(0.3 * at + 0.7 * at * at * (3 - 2 * at))


def _with_yaw(performance: Performance, yaw_deg: Float[np.ndarray, " N"]) -> Performance:
    turned = performance.yaw_pitch_roll_deg.copy()
    turned[:, 0] = yaw_deg
    return replace(performance, yaw_pitch_roll_deg=turned)


def _turned(performance: Performance, by_deg: float) -> Performance:
    return _with_yaw(performance, performance.yaw_pitch_roll_deg[:, 0] + by_deg)


def _seen_straight(scene: Scene) -> Scene:
    shots = tuple(
        replace(shot, camera=replace(shot.camera, azimuth_deg=0.0, elevation_deg=0.0)) for shot in scene.shots
    )
    return replace(scene, shots=shots)


def _small(number: int, t: float) -> Standing:
    """Faces about 48 to 64 px high, not in the middle."""
    left, top = (260.0, 180.0) if number == 1 else (930.0, 430.0)
    place = (left + 130 * t, top + 40 * np.sin(3 * t))
    return Standing(who=0, middle_xy=place, px_per_m=float(292 + 40 * np.sin(4 * t + number)))


def _crossing(t: float, *, person_in_front: bool) -> tuple[Standing, ...]:
    near, far = LARGE_PX, 560.0
    person = Standing(who=0, middle_xy=(420 + 440 * t, 330.0), px_per_m=near if person_in_front else far)
    other = Standing(who=1, middle_xy=(860 - 440 * t, 320.0), px_per_m=far if person_in_front else near)
    return (other, person) if person_in_front else (person, other)


def _in_shot(frame: int, num_frames: int) -> Standing:
    """Person and other by turns, each shot at another place."""
    shot = min(frame * 6 // num_frames, 5)
    within = frame - shot * (num_frames // 6)
    left = (520.0, 760.0, 610.0, 640.0, 800.0, 480.0)[shot]
    return Standing(who=shot % 2, middle_xy=(left + 3 * within, 320.0), px_per_m=LARGE_PX - 60 * (shot % 3))


def _crowd(t: float, number: int) -> tuple[Standing, ...]:
    places = (780, 190, 480, 1080) if number == 1 else (480, 780, 190, 1080)
    return tuple(
        Standing(
            who=who,
            middle_xy=(left + 30 * np.sin(4 * t + who), 330 + 30 * np.cos(3 * t + 2 * who)),
            px_per_m=500.0 + 20 * who,
        )
        for who, left in enumerate(places)
    )


def _hand(face: Standing, t: float, colour: tuple[float, float, float]) -> Thing:
    """An open hand that comes from the right, covers a part of the face for a while, and leaves to the left."""
    away = 0.3 - 0.6 * t
    middle = (away, 0.07 - 0.06 * np.cos(np.pi * (t - 0.5)))
    turn = np.radians(-25 + 40 * t)
    fingers = [((x, 0.04), (1.25 * x, 0.04 + long), 0.0092) for x, long in _FINGERS]
    palm = [((x, -0.03), (x, 0.04), 0.019) for x in (-0.024, -0.008, 0.008, 0.024)]
    rest = [((0.03, -0.03), (0.062, 0.022), 0.0105), ((0.0, -0.03), (0.0, -0.6), 0.03)]
    return Thing(capsules=_placed([*fingers, *palm, *rest], face, middle, turn), rgb=colour)


_FINGERS = ((-0.033, 0.052), (-0.011, 0.072), (0.011, 0.078), (0.033, 0.068))
"""Place along the knuckles and length, in metres."""
_Stick = tuple[Xy, Xy, float]


def _microphone(face: Standing, t: float, _: tuple[float, float, float]) -> Thing:
    """Wanders over the lower half of the face, more or less."""
    middle = (0.05 * np.sin(7 * t), 0.055 + 0.02 * np.sin(11 * t))
    sticks: list[_Stick] = [((0.0, 0.0), (0.0, 0.012), 0.03), ((0.0, -0.03), (0.0, -0.6), 0.017)]
    return Thing(capsules=_placed(sticks, face, middle, np.radians(15 * np.sin(5 * t))), rgb=(0.16, 0.16, 0.18))


def _placed(sticks: Sequence[_Stick], face: Standing, middle_m: Xy, turn: float) -> tuple[Capsule, ...]:
    """Sticks in metres, y up, turned and brought before a face; `middle_m` is right of and below the face's middle."""
    scale, (x, y) = face.px_per_m, face.middle_xy
    cosine, sine = np.cos(turn), np.sin(turn)

    def place(point: Xy) -> Xy:
        across, up = point[0] * cosine - point[1] * sine, point[0] * sine + point[1] * cosine
        return float(x + scale * (middle_m[0] + across)), float(y + scale * (middle_m[1] - up))

    return tuple(
        Capsule(begin_xy=place(begin), end_xy=place(end), radius=radius * scale) for begin, end, radius in sticks
    )


def _clutter(t: float) -> tuple[Thing, ...]:
    """Round and long things, some the colour of skin: what might be taken for a face."""
    chance = np.random.default_rng(95)
    things = []
    for _ in range(14):
        x, y, long, angle = chance.uniform((80, 80, 0, 0), (1200, 640, 120, np.pi))
        x += 60 * np.sin(4 * t + angle)
        end = (float(x + long * np.cos(angle)), float(y + long * np.sin(angle)))
        capsule = Capsule(begin_xy=(float(x), float(y)), end_xy=end, radius=float(chance.uniform(18, 70)))
        red, green, blue = chance.uniform((0.3, 0.2, 0.1), (0.95, 0.75, 0.65)).tolist()
        things.append(Thing(capsules=(capsule,), rgb=(red, green, blue)))
    return tuple(things)


# From a script to pictures.


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class FaceTruth:
    """All that is known of one face in a frame."""

    landmarks_xy: Float32[np.ndarray, "468 2"]
    """In the frame; hidden points too."""
    is_seen: Bool[np.ndarray, "468"]
    """Not on the far side of the own head, nor under the own hair; what others hide doesn't count."""
    yaw_deg: float
    """As the camera sees the head, before the picture is turned."""
    eyes_px: float
    """Distance between the outer corners of the eyes as it would be seen from straight ahead."""
    face_px: int
    """Pixels of the face with nobody and nothing before it."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class FrameTruth:
    """One frame and its truth."""

    rgb: Rgb
    owners: Labels
    """Whose each pixel is and which part; see `OWNER`."""
    faces: Mapping[int, FaceTruth]
    """By the number of the person among the clip's people."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Layer:
    rgb: Rgb
    labels: Labels
    corner_xy: tuple[int, int]
    face: FaceTruth


def draw_frames(spec: ClipSpec, script: Script) -> Iterator[FrameTruth]:
    """Render a clip, frame by frame."""
    casters = [Caster(build_figure(draw_actor(seed))) for seed in spec.people[: len(script.performances)]]
    is_turned = any(plan.turn_deg for plan in script.frames)
    # A turned picture is cut out of a larger one.
    side = int(np.ceil(np.hypot(*FRAME_WH)))
    canvas_wh = (side, side) if is_turned else FRAME_WH
    chance = np.random.default_rng([spec.people[0], spec.number])
    backgrounds: dict[int, Rgb] = {}
    for index, plan in enumerate(script.frames):
        shot = script.scene.shot_at(index)
        if id(shot) not in backgrounds:
            backgrounds[id(shot)] = _background(shot, canvas_wh, chance)
        layers = [
            (standing.who, _layer(casters[standing.who], script.performances[standing.who], index, standing, shot))
            for standing in plan.standing
        ]
        yield _compose(plan, layers, backgrounds[id(shot)], chance)


def _layer(caster: Caster, performance: Performance, index: int, standing: Standing, shot: Shot) -> _Layer:
    """An actor in a square of their own, placed to the fraction of a pixel."""
    size = 2 * round(standing.px_per_m * SPRITE_M / 2)
    scale = size / SPRITE_M
    middle = (size - 1) / 2 + np.array([0, RAISED_M * scale])
    corner = np.round(standing.middle_xy - middle).astype(int)
    rest_x, rest_y = ((standing.middle_xy - middle - corner) / scale).tolist()
    camera = replace(shot.camera, frame_m=SPRITE_M, shift_m=(-rest_x, RAISED_M + rest_y))
    posed = pose_figure(caster.figure, performance, index)
    picture = caster.draw(posed, camera, shot.light, size)
    points_xy, depth = camera.project(posed.landmarks, size)
    eyes = posed.landmarks[[33, 263]]
    yaw, _, _ = angles_of(camera.rotation @ posed.head_matrix[:3, :3] @ FROM_IMAGE_AXES)
    columns, rows = np.clip(np.round(points_xy), 0, size - 1).astype(int).T
    shown = picture.depth[rows, columns]
    return _Layer(
        rgb=picture.rgb,
        labels=picture.labels,
        corner_xy=(int(corner[0]), int(corner[1])),
        face=FaceTruth(
            landmarks_xy=(points_xy + corner).astype(np.float32),
            is_seen=(shown > 0) & (shown > depth - SEEN_M),
            yaw_deg=yaw,
            eyes_px=float(np.linalg.norm(eyes[1] - eyes[0]) * camera.focal * size / depth[[33, 263]].mean()),
            face_px=int(np.isin(picture.labels, FACE_PARTS).sum()),
        ),
    )


def _background(shot: Shot, canvas_wh: tuple[int, int], chance: np.random.Generator) -> Rgb:
    """The environment behind the actors, as their own squares show it, with some unrest for the encoder."""
    width, height = canvas_wh
    camera: Camera = replace(shot.camera, frame_m=SPRITE_M)
    focal_px = camera.focal * LARGE_PX * SPRITE_M
    x, y = np.meshgrid(np.arange(width) - (width - 1) / 2, np.arange(height) - (height - 1) / 2)
    rays = np.stack([x / focal_px, y / focal_px, np.ones_like(x)], axis=-1).reshape(-1, 3) @ camera.rotation
    light: Light = shot.light
    seen = tone_mapped(look_up(surroundings(light).softened, rays.astype(np.float32))).reshape(height, width, 3)
    unrest = np.zeros((height, width), np.float32)
    for cells, strength in ((6, 0.08), (14, 0.06), (40, 0.03)):
        noise = chance.normal(0, strength, (cells, cells)).astype(np.float32)
        unrest += cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.round(np.clip(seen * (1 + unrest[..., None]), 0, 1) * 255).astype(np.uint8)


def _compose(
    plan: Plan, layers: Sequence[tuple[int, _Layer]], background: Rgb, chance: np.random.Generator
) -> FrameTruth:
    canvas, owners = background.copy(), np.zeros(background.shape[:2], np.uint8)
    margin = (np.array(background.shape[1::-1]) - FRAME_WH) // 2
    for who, layer in layers:
        rgb, labels, (x, y) = _down_to(len(canvas), layer, margin)
        cover = cv2.GaussianBlur((labels > 0).astype(np.float32), (0, 0), 0.6)
        _paste(canvas, owners, rgb, cover, np.where(labels > 0, (who + 1) * OWNER + labels, 0), (x, y))
    for thing in plan.things:
        rgb, cover, corner = _draw(thing, canvas.shape[1], canvas.shape[0], margin)
        marks = np.where(cover > 0.5, THING * OWNER + Part.OCCLUDER, 0)
        _paste(canvas, owners, rgb, cover, marks, corner)
    turn = _turn(plan.turn_deg, background.shape[:2])
    if plan.turn_deg or canvas.shape[1::-1] != FRAME_WH:
        canvas = np.asarray(cv2.warpAffine(canvas, turn, FRAME_WH, flags=cv2.INTER_LINEAR), np.uint8)
        owners = np.asarray(cv2.warpAffine(owners, turn, FRAME_WH, flags=cv2.INTER_NEAREST), np.uint8)
    faces = {
        who: replace(layer.face, landmarks_xy=transform_points(turn, layer.face.landmarks_xy + margin))
        for who, layer in layers
    }
    return FrameTruth(rgb=spoilt(canvas, plan, chance), owners=owners, faces=faces)


def _down_to(bottom: int, layer: _Layer, margin: np.ndarray) -> tuple[Rgb, Labels, tuple[int, int]]:
    """A layer whose lowest row goes on to the canvas's bottom."""
    x, y = layer.corner_xy[0] + int(margin[0]), layer.corner_xy[1] + int(margin[1])
    missing = max(0, bottom - y - len(layer.labels))
    rgb = np.concatenate([layer.rgb, np.repeat(layer.rgb[-1:], missing, axis=0)])
    labels = np.concatenate([layer.labels, np.repeat(layer.labels[-1:], missing, axis=0)])
    return rgb, labels, (x, y)


def _paste(
    canvas: Rgb,
    owners: Labels,
    rgb: Rgb,
    cover: Float32[np.ndarray, "h w"],
    marks: np.ndarray,
    corner_xy: tuple[int, int],
) -> None:
    """Lay a picture over a canvas that is being made; marks say whose its pixels are, 0 where they stay another's."""
    x, y = corner_xy
    height, width = canvas.shape[:2]
    left, top, right, bottom = max(x, 0), max(y, 0), min(x + rgb.shape[1], width), min(y + rgb.shape[0], height)
    if right <= left or bottom <= top:
        return
    here = (slice(top, bottom), slice(left, right))
    there = (slice(top - y, bottom - y), slice(left - x, right - x))
    part = cover[there][..., None]
    canvas[here] = np.round(canvas[here] * (1 - part) + rgb[there] * part).astype(np.uint8)
    owners[here] = np.where(marks[there] > 0, marks[there], owners[here]).astype(np.uint8)


def _draw(
    thing: Thing, width: int, height: int, margin: np.ndarray
) -> tuple[Rgb, Float32[np.ndarray, "h w"], tuple[int, int]]:
    """A thing's pictures around itself: colour, how much it covers, and where the corner lies.

    Its shape is the upper hull of all capsules seen as solid bodies, lit from above left.
    """
    ends = np.array([point for each in thing.capsules for point in (each.begin_xy, each.end_xy)]) + margin
    reach = max(each.radius for each in thing.capsules) + 2
    low = np.clip(np.floor(ends.min(axis=0) - reach), 0, [width - 1, height - 1]).astype(int)
    high = np.clip(np.ceil(ends.max(axis=0) + reach), low + 1, [width, height]).astype(int)
    x, y = np.meshgrid(np.arange(low[0], high[0]) - margin[0], np.arange(low[1], high[1]) - margin[1])
    height_px, cover = np.zeros(x.shape), np.zeros(x.shape)
    for each in thing.capsules:
        begin, along = np.array(each.begin_xy), np.subtract(each.end_xy, each.begin_xy)
        part = ((x - begin[0]) * along[0] + (y - begin[1]) * along[1]) / max(float(along @ along), 1e-6)
        part = np.clip(part, 0, 1)
        distance = np.hypot(x - begin[0] - part * along[0], y - begin[1] - part * along[1])
        height_px = np.maximum(height_px, np.sqrt(np.clip(each.radius**2 - distance**2, 0, None)))
        cover = np.maximum(cover, np.clip(each.radius - distance + 0.5, 0, 1))
    rise_y, rise_x = np.gradient(cv2.GaussianBlur(height_px, (0, 0), 1.0))
    facing = (0.35 * rise_x + 0.45 * rise_y + 0.8) / np.sqrt(1 + rise_x**2 + rise_y**2)
    shade = 0.3 + 0.7 * np.clip(facing, 0, 1)
    rgb = np.round(255 * np.clip(shade[..., None] * np.array(thing.rgb), 0, 1)).astype(np.uint8)
    return rgb, cover.astype(np.float32), (int(low[0]), int(low[1]))


def _turn(turn_deg: float, canvas_hw: tuple[int, int]) -> Float32[np.ndarray, "2 3"]:
    """From the canvas, turned about its middle, into the frame."""
    height, width = canvas_hw
    turn = np.asarray(cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), turn_deg, 1.0), np.float64)
    turn[:, 2] -= (np.array([width, height]) - FRAME_WH) / 2
    return turn.astype(np.float32)


def spoilt(rgb: Rgb, plan: Plan, chance: np.random.Generator) -> Rgb:
    """A picture as a worse camera would have taken it."""
    if plan.defocus_px:
        rgb = np.asarray(cv2.GaussianBlur(rgb, (0, 0), plan.defocus_px), np.uint8)
    if any(plan.moved_xy):
        rgb = np.asarray(cv2.filter2D(rgb, -1, _shutter(plan.moved_xy)), np.uint8)
    if plan.stops:
        dark = to_srgb(to_light(np.arange(256, dtype=np.float32) / 255) * np.float32(2.0**-plan.stops))
        noise = chance.normal(0, 2.5, rgb.shape)
        rgb = np.clip(np.round(255 * dark[rgb] + noise), 0, 255).astype(np.uint8)
    return rgb


def _shutter(moved_xy: Xy) -> Float32[np.ndarray, "K K"]:
    """A line through the middle, which stays where it is."""
    x, y = moved_xy
    reach = int(np.ceil(max(abs(x), abs(y)) / 2)) + 1
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), np.float32)
    for part in np.linspace(-0.5, 0.5, 8 * reach + 1):
        column, row = reach + part * x, reach + part * y
        left, top = int(np.floor(column)), int(np.floor(row))
        for dx, dy in ((0, 0), (1, 0), (0, 1), (1, 1)):
            weight = (1 - abs(column - left - dx)) * (1 - abs(row - top - dy))
            kernel[min(top + dy, 2 * reach), min(left + dx, 2 * reach)] += weight
    return np.asarray(kernel / kernel.sum(), np.float32)


# Clips on disk.


@dataclass(frozen=True, kw_only=True, slots=True)
class Footage:
    """A clip with its truth, on disk."""

    spec: ClipSpec
    folder: Path

    @property
    def clip(self) -> Path:
        return self.folder / "clip.mp4"

    @property
    def reference(self) -> Path:
        """The person's portrait, for their release."""
        return self.folder / "reference.png"

    def owners(self, frame: int) -> Labels:
        """Whose each pixel of a frame is, and which part."""
        picture = cv2.imread(str(self.folder / "owners" / f"{frame:04}.png"), cv2.IMREAD_GRAYSCALE)
        assert picture is not None
        return np.asarray(picture, np.uint8)

    def faces(self) -> list[dict[int, FaceTruth]]:
        """The faces of each frame, by the number of the person."""
        frames: list[dict[int, FaceTruth]] = [{} for _ in range(self.spec.num_frames)]
        with np.load(self.folder / "faces.npz") as known:
            columns = [known[name] for name in ("frame", "who", *_COLUMNS)]
        for frame, who, points, seen, yaw, eyes, pixels in zip(*columns, strict=True):
            frames[frame][int(who)] = FaceTruth(
                landmarks_xy=points, is_seen=seen, yaw_deg=float(yaw), eyes_px=float(eyes), face_px=int(pixels)
            )
        return frames


_COLUMNS = ("landmarks_xy", "is_seen", "yaw_deg", "eyes_px", "face_px")


def is_face(owners: Labels, who: int) -> Bool[np.ndarray, "H W"]:
    """Where a person's face is seen."""
    return np.isin(owners, [(who + 1) * OWNER + part for part in FACE_PARTS])


def footage_of(spec: ClipSpec, progress: Progress) -> Footage:
    """The clip in the cache, rendered now if need be; made aside and renamed, so that what is there is whole."""
    facts = json.dumps([asdict(spec), VERSION, RENDERING], sort_keys=True)
    folder = cache_folder() / "bench" / "prepare" / f"{spec.name}-{hashlib.sha256(facts.encode()).hexdigest()[:12]}"
    if not folder.exists():
        aside = folder.with_name(f".{folder.name}")
        if aside.exists():
            shutil.rmtree(aside)
        (aside / "owners").mkdir(parents=True)
        portrait = draw_portrait(Caster(build_figure(draw_actor(spec.people[0]))), REFERENCE_PX)
        (aside / "reference.png").write_bytes(png(portrait))
        _write_footage(spec, aside, progress)
        aside.rename(folder)
    return Footage(spec=spec, folder=folder)


def _write_footage(spec: ClipSpec, folder: Path, progress: Progress) -> None:
    rows: list[tuple[int, int, FaceTruth]] = []
    drawn = draw_frames(spec, write_script(spec))
    with av.open(str(folder / "clip.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=FRAME_RATE, options={"crf": str(CRF), "preset": "fast"})
        stream.width, stream.height = FRAME_WH
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1
        frames = progress.track(drawn, what=f"rendering {spec.name}", unit="frames", total=spec.num_frames)
        for index, frame in enumerate(frames):
            container.mux(stream.encode(VideoFrame.from_ndarray(frame.rgb, format="rgb24")))
            (folder / "owners" / f"{index:04}.png").write_bytes(png(frame.owners))
            rows += [(index, who, face) for who, face in frame.faces.items()]
        container.mux(stream.encode(None))
    np.savez(
        folder / "faces.npz",
        frame=np.array([index for index, _, _ in rows], np.int64),
        who=np.array([who for _, who, _ in rows], np.int64),
        **{name: np.array([getattr(face, name) for _, _, face in rows]) for name in _COLUMNS},  # type: ignore[arg-type]
    )
