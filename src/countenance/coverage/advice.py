"""What a face set lacks, and what to shoot, in words for the camera crew.

Right and left are those of the picture, as a viewer sees it.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float32

from countenance.coverage.aspects import Aspect, Aspects, CoverageConfig, highest, reach
from countenance.types import Rejection

Subject = Literal["pose", "mouth", "eyes", "light", "detail", "number", "review"]

CLOSED_MOUTH, WIDE_MOUTH = 0.05, 0.25
"""Below the first no gap is seen between the lips; from the second on a mouth laughs or shouts."""
SHUT_EYES, OPEN_EYES = 0.6, 0.78
"""As a fraction of the usual opening. The mesh never quite closes its eyes: shut ones come out at 0.3–0.6."""
LIGHTS = ("from the left", "even", "from the right", "from above", "from below")
LIT_FROM_SIDE = 0.1
"""From here on a face looks lit from one side."""

# What a set should have where no plate says what is needed.
GOAL_YAW_DEG, GOAL_PITCH_DEG = 45, 20
GOAL_FACES = 300
MOST_TURNED_DEG = 75
"""Heads turned further aren't learned from."""

SMALL_PX = 128
"""Side of a crop below which half of what a stored crop could show is missing."""
SOFT_SHARPNESS = 30.0
MANY = 0.15
"""Fraction of the faces from which on a fault is reported."""
SEEN_IN_PLATE = 0.02
"""Fraction of a plate's faces from which on a lack is reported."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Advice:
    """One thing that is missing."""

    about: Subject
    lacks: str
    """A sentence."""
    shoot: str
    """What to do about it; sentences."""
    short: str
    """The lack as a few words, to be listed."""
    num_faces: int | None
    """Of the plate, those that it would help; none where no plate was asked about."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Needed:
    """The faces of a plate, and which of them the set covers."""

    aspects: Aspects
    times_s: Float32[np.ndarray, " M"]
    covered: Mapping[Aspect, Bool[np.ndarray, " M"]]
    median_size_px: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Footage:
    """What is known of a set beside the four aspects."""

    num_kept: int
    num_shots: int
    sizes_px: Sequence[float]
    sharpness: Sequence[float]
    rejections: Mapping[Rejection, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Way:
    """One direction in which heads turn."""

    further: str
    does: str
    short: str
    shoot: str


_WAYS = {
    "right": _Way(
        further="looks further to the right of the picture than",
        does="turns to",
        short="heads turned further to the right",
        shoot="Turn the head slowly from the front to {goal}° to the right of the picture and back, twice: "
        "once in silence, once while talking.",
    ),
    "left": _Way(
        further="looks further to the left of the picture than",
        does="turns to",
        short="heads turned further to the left",
        shoot="Turn the head slowly from the front to {goal}° to the left of the picture and back, twice: "
        "once in silence, once while talking.",
    ),
    "up": _Way(
        further="is raised further than",
        does="rises to",
        short="raised heads",
        shoot="Raise the chin slowly to {goal}°, as if looking up at a roof, and come back, twice: "
        "from the front, then turned half to each side.",
    ),
    "down": _Way(
        further="is lowered further than",
        does="goes down to",
        short="lowered heads",
        shoot="Lower the chin slowly to {goal}°, as if reading a letter, and come back, twice: "
        "from the front, then turned half to each side.",
    ),
}

_REMEDIES: dict[Rejection, tuple[str, str, str]] = {
    "small": ("too small", "larger faces", "Move the camera closer, or take a longer lens."),
    "blurred": (
        "out of focus",
        "faces in focus",
        "Focus on the eyes, and stop down until nose and ears are sharp, too.",
    ),
    "moving": ("blurred by motion", "calm faces", "Take a shorter shutter, 1/100 s or less, and move more slowly."),
    "dark": (
        "too dark",
        "brighter faces",
        "Open up, or bring in a fill light, until the dark side of the face shows skin.",
    ),
    "overexposed": ("burnt out", "darker faces", "Stop down until the brightest part of the skin keeps its texture."),
    "covered": ("partly covered", "uncovered faces", "Keep hands, hair, microphones and cups off the face."),
    "cut off": ("cut by the edge of the picture", "whole faces", "Frame wider, with air around the head."),
    "misfit": (
        "the mesh didn't fit",
        "clear faces",
        "Look at them with `countenance faces show`; often hands or hair hide them.",
    ),
}
"""For each fault of the footage: what is wrong, what is missing, what to do."""


def advise(kept: Aspects, footage: Footage, needed: Needed | None, config: CoverageConfig) -> tuple[Advice, ...]:
    """What is missing, the worst first: for a plate what that plate needs, else what most films need."""
    if needed is None:
        found = list(_for_most_films(kept, config))
    else:
        found = sorted(_for_plate(kept, needed, config), key=lambda advice: -(advice.num_faces or 0))
    return (*found, *_of_footage(footage, needed))


def describe_pose(yaw_deg: float, pitch_deg: float) -> str:
    """A head's pose, such as `turned 30° to the right and lowered 20°`."""
    turned = f"turned {abs(yaw_deg):.0f}° to the {'right' if yaw_deg > 0 else 'left'}" if abs(yaw_deg) >= 8 else ""
    tilted = f"{'lowered' if pitch_deg > 0 else 'raised'} {abs(pitch_deg):.0f}°" if abs(pitch_deg) >= 8 else ""
    return " and ".join(filter(None, (turned, tilted))) or "straight to the camera"


def describe_mouth(mouth: float) -> str:
    """How far a mouth is open."""
    return "closed" if mouth < CLOSED_MOUTH else "wide open" if mouth >= WIDE_MOUTH else "half open"


def describe_eyes(eyes: float) -> str:
    """How far eyes are open, as a fraction of what is usual for the person."""
    return "shut" if eyes < SHUT_EYES else "half shut" if eyes < OPEN_EYES else "open" if eyes < 1.2 else "wide open"


def describe_light(x: float, y: float) -> str:
    """Where light comes from: one of `LIGHTS`."""
    if max(abs(x), abs(y)) < LIT_FROM_SIDE:
        return "even"
    if abs(x) >= abs(y):
        return f"from the {'right' if x > 0 else 'left'}"
    return f"from {'below' if y > 0 else 'above'}"


def listed(words: Sequence[str]) -> str:
    """Words as a list in a sentence: `one, two and three`."""
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def _for_plate(kept: Aspects, needed: Needed, config: CoverageConfig) -> Iterator[Advice]:
    least = max(1, round(SEEN_IN_PLATE * len(needed.aspects)))
    for advices in (_poses(kept, needed, config), _mouths(kept, needed, config), _eyes(kept, needed, config)):
        yield from (advice for advice in advices if (advice.num_faces or 0) >= least)
    yield from (advice for advice in _lights(needed) if (advice.num_faces or 0) >= least)


def _poses(kept: Aspects, needed: Needed, config: CoverageConfig) -> Iterator[Advice]:
    far = reach(kept, config)
    yaw, pitch = needed.aspects.pose.T
    left_over = ~needed.covered["pose"]
    for name, angle, reached in (
        ("right", yaw, far.right_deg),
        ("left", -yaw, far.left_deg),
        ("down", pitch, far.down_deg),
        ("up", -pitch, far.up_deg),
    ):
        beyond = left_over & (angle > reached + config.near_deg)
        if beyond.any():
            worst = int(np.argmax(np.where(beyond, angle, -np.inf)))
            does = f"the plate {_WAYS[name].does} {angle[worst]:.0f}° ({_at(needed, worst)})"
            yield _further(name, reached, does, float(angle[worst]), int(beyond.sum()))
        left_over = left_over & ~beyond
    # What is left lies within the set's reach, but not at once: such as turned and lowered.
    for to_right in (True, False):
        for is_lowered in (True, False):
            group = left_over & ((yaw > 0) == to_right) & ((pitch > 0) == is_lowered)
            if group.any():
                middle = _middle(needed.aspects.pose, group)
                words = describe_pose(float(yaw[middle]), float(pitch[middle]))
                yield Advice(
                    about="pose",
                    lacks=f"Hardly any face is {words}, as the plate is at {_at(needed, middle)}.",
                    shoot=f"Go slowly through the pose {words}, twice, and talk while you do.",
                    short=f"heads {words}",
                    num_faces=int(group.sum()),
                )


def _further(name: str, reached: float, does: str, needed_deg: float, num_faces: int | None) -> Advice:
    way = _WAYS[name]
    goal = min(5 * int(np.ceil((needed_deg + 2) / 5)), MOST_TURNED_DEG)
    # Short of the front, the limit itself would only be confusing.
    lacks = f"No face {way.further} {reached:.0f}°" if reached >= 3 else f"No face {way.further.rsplit(' further')[0]}"
    if reached < 3 and name in ("right", "left"):
        lacks += f" to the {name} of the picture"
    return Advice(
        about="pose",
        lacks=f"{lacks}; {does}.",
        shoot=way.shoot.format(goal=goal),
        short=way.short,
        num_faces=num_faces,
    )


def _mouths(kept: Aspects, needed: Needed, config: CoverageConfig) -> Iterator[Advice]:
    for where, group, at in _steps(kept.mouth[:, 0], needed, "mouth", describe_mouth, config):
        opening = float(needed.aspects.mouth[at, 0])
        if where == "above":
            yield _wide_mouth(f"the plate's mouth opens further ({_at(needed, at)})", group)
        elif where == "below" or opening < CLOSED_MOUTH:
            yield _closed_mouth(f"the plate's mouth is closed ({_at(needed, at)})", group)
        else:
            yield Advice(
                about="mouth",
                lacks=f"Hardly any face has its mouth as far open as the plate at {_at(needed, at)}.",
                shoot="Read a page aloud, clearly and with a lively mouth: from the front, then half to each side.",
                short="speaking mouths",
                num_faces=group,
            )


def _wide_mouth(why: str, num_faces: int | None) -> Advice:
    return Advice(
        about="mouth",
        lacks=f"No face has its mouth wide open; {why}.",
        shoot="Laugh, yawn and shout “ah”, slowly and as wide as it goes: from the front, then half to each side.",
        short="wide-open mouths",
        num_faces=num_faces,
    )


def _closed_mouth(why: str, num_faces: int | None) -> Advice:
    return Advice(
        about="mouth",
        lacks=f"Hardly any face has its lips closed; {why}.",
        shoot="Listen in silence for a minute, lips closed, and let the head go where it likes.",
        short="closed mouths",
        num_faces=num_faces,
    )


def _eyes(kept: Aspects, needed: Needed, config: CoverageConfig) -> Iterator[Advice]:
    for where, group, at in _steps(kept.eyes[:, 0], needed, "eyes", describe_eyes, config):
        opening = float(needed.aspects.eyes[at, 0])
        if where == "above":
            yield Advice(
                about="eyes",
                lacks=f"No face has its eyes as wide open as the plate at {_at(needed, at)}.",
                shoot="Raise the brows, open the eyes wide, hold for two seconds: from the front and from each side.",
                short="wide-open eyes",
                num_faces=group,
            )
        elif where == "below" or opening < SHUT_EYES:
            yield _shut_eyes(f"the plate's are, as at {_at(needed, at)}", group)
        else:
            yield Advice(
                about="eyes",
                lacks=f"Hardly any face has its eyes {describe_eyes(opening)}, as the plate at {_at(needed, at)}.",
                shoot="Close and open the eyes as slowly as you can, three times; then look down at a book, and up.",
                short=f"eyes that are {describe_eyes(opening)}",
                num_faces=group,
            )


def _shut_eyes(why: str, num_faces: int | None) -> Advice:
    return Advice(
        about="eyes",
        lacks=f"Hardly any face has its eyes shut; {why}.",
        shoot="Close the eyes slowly, keep them shut for two seconds, open them again: from the front, then half to "
        "each side. Then talk for a minute without holding back blinks.",
        short="shut eyes",
        num_faces=num_faces,
    )


def _lights(needed: Needed) -> Iterator[Advice]:
    left_over = ~needed.covered["light"]
    words = np.array([describe_light(float(x), float(y)) for x, y in needed.aspects.light])
    for light, number in Counter(words[left_over].tolist()).most_common():
        at = _middle(needed.aspects.light, left_over & (words == light))
        yield _other_light(light, f"as the plate's is at {_at(needed, at)}", number)


def _other_light(light: str, why: str, num_faces: int | None) -> Advice:
    setups = {
        "even": "a large soft light beside the camera, and the same on both sides",
        "from the right": "the key light at the right of the picture, the other side left dark",
        "from the left": "the key light at the left of the picture, the other side left dark",
        "from above": "the key light high above the camera, without fill",
        "from below": "the light below the lens, as of a fire or a screen",
    }
    return Advice(
        about="light",
        lacks=f"Hardly any face is {'in even light' if light == 'even' else f'lit {light}'}, {why}.",
        shoot=f"Do the slow turns of the head again with {setups[light]}.",
        short="even light" if light == "even" else f"light {light}",
        num_faces=num_faces,
    )


def _for_most_films(kept: Aspects, config: CoverageConfig) -> Iterator[Advice]:
    far = reach(kept, config)
    for name, reached, goal, does in (
        ("right", far.right_deg, GOAL_YAW_DEG, "heads in a dialogue turn to"),
        ("left", far.left_deg, GOAL_YAW_DEG, "heads in a dialogue turn to"),
        ("down", far.down_deg, GOAL_PITCH_DEG, "somebody who reads or thinks goes down to"),
        ("up", far.up_deg, GOAL_PITCH_DEG, "somebody who looks at a taller person goes up to"),
    ):
        if reached < goal - config.near_deg:
            yield _further(name, reached, f"{does} {goal}°", goal, None)
    mouth, eyes, light = kept.mouth[:, 0], kept.eyes[:, 0], kept.light
    if highest(mouth, config) < WIDE_MOUTH - config.near_mouth:
        yield _wide_mouth("laughing and shouting need it", None)
    if -highest(-mouth, config) >= CLOSED_MOUTH:
        yield _closed_mouth("listening needs it", None)
    if -highest(-eyes, config) >= SHUT_EYES:
        yield _shut_eyes("everybody blinks", None)
    for name, sign in (("right", 1), ("left", -1)):
        if highest(sign * light[:, 0], config) < LIT_FROM_SIDE:
            yield _other_light(f"from the {name}", "as in most interiors", None)


def _of_footage(footage: Footage, needed: Needed | None) -> Iterator[Advice]:
    def advice(about: Subject, lacks: str, shoot: str, short: str) -> Advice:
        return Advice(about=about, lacks=lacks, shoot=shoot, short=short, num_faces=None)

    size = float(np.median(footage.sizes_px))
    if needed is not None and needed.median_size_px > 1.5 * size:
        yield advice(
            "detail",
            f"The plate shows its face {needed.median_size_px:.0f} pixels across, the set only {size:.0f}: "
            "skin will be softer than the plate's.",
            "Move the camera closer, or take a longer lens, until the face is as large as in the plate.",
            "faces as large as the plate's",
        )
    elif size < SMALL_PX:
        yield advice(
            "detail",
            f"Half of the faces are less than {size:.0f} pixels across.",
            "Move the camera closer, or take a longer lens; 256 pixels and more are used.",
            "large faces",
        )
    if float(np.mean(np.asarray(footage.sharpness) < SOFT_SHARPNESS)) > 1 / 3:
        yield advice(
            "detail",
            "More than a third of the kept faces are soft.",
            "Focus on the eyes, keep the shutter short, and record with little compression.",
            "sharp faces",
        )
    if footage.num_kept < GOAL_FACES:
        yield advice(
            "number",
            f"There are only {footage.num_kept:,} different faces; {GOAL_FACES} are little.",
            "Record some minutes of talk and slow turns of the head; stills alone are hardly enough.",
            "more faces",
        )
    if footage.num_shots == 1:
        yield advice(
            "light",
            "All faces come from one shot: one light, one place.",
            "Record the same again in another light, and before another background.",
            "a second light and place",
        )
    yield from _of_rejections(footage, advice)


def _of_rejections(footage: Footage, advice: Callable[[Subject, str, str, str], Advice]) -> Iterator[Advice]:
    seen = footage.num_kept + sum(footage.rejections.values())
    for reason, number in sorted(footage.rejections.items(), key=lambda each: -each[1]):
        if reason in _REMEDIES and number > MANY * seen:
            words, missing, remedy = _REMEDIES[reason]
            yield advice("detail", f"{number:,} of {seen:,} faces had to be left out: {words}.", remedy, missing)
    if waiting := footage.rejections.get("unsure who", 0):
        yield advice(
            "review",
            f"Not decided whether they show this person: {waiting:,} {'face' if waiting == 1 else 'faces'}.",
            "Confirm or reject them with `countenance faces review`; no footage is needed for that.",
            "your decision on unsure faces",
        )


def _steps(
    kept: Float32[np.ndarray, " N"],
    needed: Needed,
    aspect: Literal["mouth", "eyes"],
    describe: Callable[[float], str],
    config: CoverageConfig,
) -> Iterator[tuple[Literal["above", "below", "between"], int, int]]:
    """Uncovered faces above, below and within the set's range: how many, and one that shows it best."""
    values, tolerance = needed.aspects.of(aspect)[:, 0], config.tolerance(aspect)
    open_ones = ~needed.covered[aspect]
    above = open_ones & (values > highest(kept, config) + tolerance)
    below = open_ones & (values < -highest(-kept, config) - tolerance)
    between = open_ones & ~above & ~below
    if above.any():
        yield "above", int(above.sum()), int(np.argmax(np.where(above, values, -np.inf)))
    if below.any():
        yield "below", int(below.sum()), int(np.argmin(np.where(below, values, np.inf)))
    words = np.array([describe(float(value)) for value in values])
    for word, number in Counter(words[between].tolist()).most_common():
        yield "between", number, _middle(values[:, None], between & (words == word))


def _middle(values: Float32[np.ndarray, "M D"], group: Bool[np.ndarray, " M"]) -> int:
    """The face of a group that is nearest to its median."""
    away = np.abs(values - np.median(values[group], axis=0)).sum(axis=1)
    return int(np.argmin(np.where(group, away, np.inf)))


def _at(needed: Needed, face: int) -> str:
    return f"{needed.times_s[face]:.1f} s"
