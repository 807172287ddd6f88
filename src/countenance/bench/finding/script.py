"""Content of each clip: the conditions, the people, where they stand, and what passes before them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float

from countenance.actors.actor import draw_actor, skin_tone
from countenance.actors.performance import FRAME_RATE, Performance, PerformanceConfig, draw_performance
from countenance.actors.scene import Scene
from countenance.actors.staging import draw_scene

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
FRAME_WH = (1280, 720)
LARGE_PX = 700.0
"""Pixels a metre: a face is then about 135 px high."""

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
    rng = np.random.default_rng(95)
    things = []
    for _ in range(14):
        x, y, long, angle = rng.uniform((80, 80, 0, 0), (1200, 640, 120, np.pi))
        x += 60 * np.sin(4 * t + angle)
        end = (float(x + long * np.cos(angle)), float(y + long * np.sin(angle)))
        capsule = Capsule(begin_xy=(float(x), float(y)), end_xy=end, radius=float(rng.uniform(18, 70)))
        red, green, blue = rng.uniform((0.3, 0.2, 0.1), (0.95, 0.75, 0.65)).tolist()
        things.append(Thing(capsules=(capsule,), rgb=(red, green, blue)))
    return tuple(things)
