"""A synthetic performance: smooth curves for head, gaze and face units, drawn from a seed.

Head angles as in `types.FaceQuality`; gaze relative to the head, yaw > 0 to the subject's left, pitch > 0 up.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

FRAME_RATE = 24

Curve = Float[np.ndarray, " N"]
Pose = Mapping[str, float]
"""Weights of face units, ARKit's names, 0–1."""

BOTH = ("Left", "Right")
VISEMES: Mapping[str, Pose] = {
    "open": {"jawOpen": 0.45, "mouthLowerDown*": 0.15, "mouthUpperUp*": 0.1},
    "wide": {"jawOpen": 0.22, "mouthStretch*": 0.25, "mouthSmile*": 0.2, "mouthLowerDown*": 0.2},
    "narrow": {
        "jawOpen": 0.1,
        "mouthSmile*": 0.3,
        "mouthStretch*": 0.25,
        "mouthLowerDown*": 0.15,
        "mouthUpperUp*": 0.12,
    },
    "round": {"jawOpen": 0.34, "mouthFunnel": 0.55},
    "pursed": {"jawOpen": 0.12, "mouthPucker": 0.6, "mouthFunnel": 0.2},
    "closed": {"mouthPress*": 0.35, "mouthRollLower": 0.2, "mouthRollUpper": 0.15},
    "bitten": {"jawOpen": 0.06, "mouthRollLower": 0.35, "mouthUpperUp*": 0.25},
    "tongue": {"jawOpen": 0.18, "mouthLowerDown*": 0.2},
}
VOWELS, CONSONANTS = ("open", "wide", "narrow", "round", "pursed"), ("closed", "bitten", "tongue", "tongue")
MOODS: Mapping[str, Pose] = {
    "smile": {"mouthSmile*": 0.65, "cheekSquint*": 0.45, "mouthUpperUp*": 0.2, "eyeSquint*": 0.12},
    "surprise": {"browInnerUp": 0.6, "browOuterUp*": 0.55, "eyeWide*": 0.35, "jawOpen": 0.2},
    "frown": {"browDown*": 0.6, "mouthFrown*": 0.3, "eyeSquint*": 0.2, "noseSneer*": 0.2},
    "grin": {"mouthSmile*": 0.75, "mouthUpperUp*": 0.3, "mouthLowerDown*": 0.2, "cheekSquint*": 0.5, "jawOpen": 0.06},
    "worry": {"browInnerUp": 0.75, "mouthFrown*": 0.3},
    "smirk": {"mouthSmileLeft": 0.45, "mouthSmileRight": 0.2, "mouthDimpleLeft": 0.2, "cheekSquintLeft": 0.3},
    "pout": {"mouthPucker": 0.5, "mouthShrugLower": 0.4, "browDown*": 0.2},
    "disgust": {"noseSneer*": 0.5, "mouthUpperUp*": 0.25, "browDown*": 0.4, "mouthFrown*": 0.2},
}
CALM = 0.45
"""Strength of most moods, about."""
TOGETHER: Mapping[str, float] = {"mouth": 1.6, "eyeSquint": 0.4, "brow": 1.4, "nose": 0.7, "cheek": 0.9}
"""What the units of a part, both sides summed, approach where moods and speech add up: faces don't, or they grimace."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PerformanceConfig:
    """How much a performance moves."""

    max_yaw_deg: float = 60.0
    max_pitch_deg: float = 25.0
    max_roll_deg: float = 20.0
    talk: float = 1.0


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Performance:
    """One pose a frame, `FRAME_RATE` frames a second."""

    seed: int
    yaw_pitch_roll_deg: Float[np.ndarray, "N 3"]
    gaze_deg: Float[np.ndarray, "N 2"]
    """Yaw and pitch."""
    units: Mapping[str, Curve]
    """Face units; those of the gaze are derived when the face is posed."""

    @property
    def num_frames(self) -> int:
        return len(self.yaw_pitch_roll_deg)

    def units_at(self, frame: int) -> dict[str, float]:
        """The face units of one frame."""
        return {name: float(curve[frame]) for name, curve in self.units.items() if curve[frame] > 1e-4}


def draw_performance(seed: int, num_frames: int, config: PerformanceConfig | None = None) -> Performance:
    """The performance of a seed. Its first frames are the same whatever its length."""
    # What begins just after the end reaches back into it.
    longer = _draw(seed, num_frames + 2 * FRAME_RATE, config or PerformanceConfig())
    return Performance(
        seed=seed,
        yaw_pitch_roll_deg=longer.yaw_pitch_roll_deg[:num_frames],
        gaze_deg=longer.gaze_deg[:num_frames],
        units={name: curve[:num_frames] for name, curve in longer.units.items()},
    )


def _draw(seed: int, num_frames: int, config: PerformanceConfig) -> Performance:
    rngs = [np.random.default_rng([seed, 2, part]) for part in range(8)]
    yaw = config.max_yaw_deg * _wander(rngs[0], num_frames, 1.1) + 2 * _wander(rngs[7], num_frames, 0.2)
    pitch = config.max_pitch_deg * _wander(rngs[1], num_frames, 0.9)
    roll = config.max_roll_deg * _wander(rngs[2], num_frames, 1.2) * 0.8
    limits = np.array([config.max_yaw_deg, config.max_pitch_deg, config.max_roll_deg])
    turned = np.clip(np.stack([yaw, pitch, roll], axis=1), -limits, limits)

    units: dict[str, Curve] = {}

    def add(name: str, curve: Curve) -> None:
        for each in [name.replace("*", side) for side in BOTH] if name.endswith("*") else [name]:
            units[each] = units.get(each, np.zeros(num_frames)) + curve

    _add_moods(rngs[3], num_frames, add)
    _add_speech(rngs[4], num_frames, config.talk, add)
    units = _held_back(units)
    blinks = np.zeros(num_frames)
    for centre in _moments(rngs[5], num_frames, 0.4, 2.6):
        blinks = np.maximum(blinks, np.exp(-((np.maximum(np.abs(np.arange(num_frames) - centre) - 0.6, 0)) ** 2) / 2.6))
    add("eyeBlink*", blinks)
    units = {name: np.clip(curve, 0, 1) for name, curve in units.items()}
    for side in BOTH:
        units[f"eyeWide{side}"] = units.get(f"eyeWide{side}", np.zeros(num_frames)) * (1 - units[f"eyeBlink{side}"])
    return Performance(seed=seed, yaw_pitch_roll_deg=turned, gaze_deg=_gaze(rngs[6], turned, num_frames), units=units)


def _held_back(units: Mapping[str, Curve]) -> dict[str, Curve]:
    """Units of each part weakened by how much of `TOGETHER` they fill."""
    held = dict(units)
    for part, most in TOGETHER.items():
        names = [name for name in units if name.startswith(part)]
        filled = sum((units[name] for name in names), np.zeros(1)) / most
        weakened = np.tanh(filled) / np.maximum(filled, 1e-6)
        held |= {name: units[name] * weakened for name in names}
    return held


def still(
    yaw_deg: float = 0.0, pitch_deg: float = 0.0, roll_deg: float = 0.0, units: Mapping[str, float] | None = None
) -> Performance:
    """A performance of one frame: neutral, looking into the camera, unless units say otherwise."""
    gaze = np.clip([-0.8 * yaw_deg, 0.8 * pitch_deg], -25, 25)
    return Performance(
        seed=0,
        yaw_pitch_roll_deg=np.array([[yaw_deg, pitch_deg, roll_deg]]),
        gaze_deg=gaze[None],
        units={name: np.array([weight]) for name, weight in (units or {}).items()},
    )


def _wander(rng: np.random.Generator, num_frames: int, step_s: float) -> Curve:
    """A smooth curve through random points, −1–1, that spends its time over the whole range."""
    step = step_s * FRAME_RATE
    num_knots = int(num_frames / step) + 5
    at = np.arange(num_frames) / step + rng.uniform(0, 1)
    knots = rng.uniform(-1, 1, num_knots)
    low = at.astype(int)
    t = at - low
    # Smoothstep between knots: no overshoot, at rest where it turns.
    return np.asarray(knots[low] + (knots[low + 1] - knots[low]) * t * t * (3 - 2 * t))


def _moments(rng: np.random.Generator, num_frames: int, least_s: float, most_s: float) -> list[int]:
    found, at = [], rng.uniform(least_s, most_s) / 2 * FRAME_RATE
    while at < num_frames:
        found.append(int(at))
        at += rng.uniform(least_s, most_s) * FRAME_RATE
    return found


def _ramp(num_frames: int, begin: float, end: float, rise: float) -> Curve:
    """One between begin and end, with soft flanks, in frames."""
    at = np.arange(num_frames)
    flank = np.clip(np.minimum(at - begin, end - at) / rise + 0.5, 0, 1)
    return np.asarray(flank * flank * (3 - 2 * flank))


def _add_moods(rng: np.random.Generator, num_frames: int, add) -> None:  # type: ignore[no-untyped-def]
    at, names = rng.uniform(0, 0.5) * FRAME_RATE, list(MOODS)
    while at < num_frames:
        lasts = rng.uniform(0.8, 2.0) * FRAME_RATE
        strength = float(np.clip(rng.normal(CALM, 0.3), 0.15, 1.1))
        for name, weight in MOODS[names[rng.integers(len(names))]].items():
            add(name, weight * strength * _ramp(num_frames, at, at + lasts, 0.3 * FRAME_RATE))
        at += lasts + rng.uniform(0.1, 0.8) * FRAME_RATE


def _add_speech(rng: np.random.Generator, num_frames: int, talk: float, add) -> None:  # type: ignore[no-untyped-def]
    """Syllables, a closing and a vowel each, in phrases with pauses."""
    at = rng.uniform(0, 0.5) * FRAME_RATE
    while at < num_frames and talk > 0:
        for _ in range(int(rng.integers(3, 8))):
            for kind, lasts in ((CONSONANTS, rng.uniform(1.2, 2.2)), (VOWELS, rng.uniform(2.8, 5.0))):
                strength = talk * float(rng.uniform(0.6, 1.2))
                for name, weight in VISEMES[kind[rng.integers(len(kind))]].items():
                    add(name, weight * strength * _ramp(num_frames, at, at + lasts, 2.2))
                at += lasts
        at += rng.uniform(0.3, 1.0) * FRAME_RATE


def _gaze(rng: np.random.Generator, turned: Float[np.ndarray, "N 3"], num_frames: int) -> Float[np.ndarray, "N 2"]:
    """Quick jumps between points, partly back to the camera as the head turns away."""
    gaze = np.zeros((num_frames, 2))
    at = 0
    while at < num_frames:
        lasts = int(rng.uniform(0.5, 1.6) * FRAME_RATE)
        away = (rng.uniform(-14, 14), rng.uniform(-9, 9))
        gaze[at : at + lasts] = away if rng.random() < 0.6 else (0, 0)
        at += lasts
    smooth = np.stack([np.convolve(np.pad(axis, 1, mode="edge"), [0.2, 0.6, 0.2], "valid") for axis in gaze.T], axis=1)
    smooth[:, 0] -= np.clip(0.45 * turned[:, 0], -18, 18)
    smooth[:, 1] += np.clip(0.35 * turned[:, 1], -8, 8)
    return np.asarray(np.clip(smooth, [-30, -20], [30, 20]))
