"""What a person's face set covers and lacks, and how well it covers a plate, before an hour of training is spent."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float

from countenance.coverage.advice import (
    LIGHTS,
    Advice,
    Footage,
    Needed,
    advise,
    describe_eyes,
    describe_light,
    describe_mouth,
    describe_pose,
    listed,
)
from countenance.coverage.aspects import (
    ASPECTS,
    Aspect,
    Aspects,
    CoverageConfig,
    Reach,
    aspects_of,
    covered,
    reach,
    usual_eyes,
)
from countenance.faces.store import StoredFace
from countenance.types import Rejection
from countenance.vision.quality import worth

SCHEMA = 1
"""Of the JSON; raised when a key changes its meaning or goes."""

CELL_DEG = 15
LEAST_MAP_DEG = (60, 30)
"""The map of poses goes at least so far in yaw and pitch, so that what is missing is seen."""
LIGHT_CELL = 0.05
MOUTH_EDGES = (0.0, 0.03, 0.06, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, np.inf)
EYES_EDGES = (0.0, 0.45, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, np.inf)
BRIGHTNESS_EDGES = (0.0, 30.0, 60.0, 80.0, 100.0, 120.0, 140.0, 170.0, 200.0, np.inf)
SHARPNESS_EDGES = (0.0, 20.0, 30.0, 45.0, 70.0, 100.0, 150.0, 220.0, 330.0, np.inf)
"""Steps of equal ratio: a difference between 20 and 30 is seen as well as one between 200 and 300."""

MERGED_GAP_S = 0.5
"""Stretches that lack something and lie nearer than this are one: a list of single blinks would be useless."""
MOST_STRETCHES = 5
MOST_SHORTS = 3

Measure = Literal["mouth", "eyes", "brightness", "sharpness"]
State = Literal["covered", "lacking", "absent"]


@dataclass(frozen=True, kw_only=True, slots=True)
class PoseCell:
    """Faces that look about the same way: `CELL_DEG` degrees in yaw and in pitch around this."""

    yaw_deg: int
    pitch_deg: int
    num_faces: int
    example: str | None
    """Name of the face that shows most; none in an empty cell."""
    num_needed: int
    """Faces of the plate that look this way."""
    num_uncovered: int
    """Those of them that have too few faces of the set near."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Bin:
    """Faces with a measure from `low` up to, not including, `high`; none for the last one, which has no end."""

    low: float
    high: float | None
    num_faces: int
    example: str | None
    num_needed: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Spread:
    """How a measure is spread over a set."""

    measure: Measure
    """`mouth`, `brightness` and `sharpness` as in `FaceQuality`; `eyes` as a fraction of the person's usual opening."""
    bins: tuple[Bin, ...]
    low: float
    """A fiftieth of the faces lies below."""
    median: float
    high: float
    """A fiftieth lies above."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LightCell:
    """Faces that are lit about the same way; both numbers as `FaceQuality.light_xy`, rounded to `LIGHT_CELL`."""

    x: float
    y: float
    num_faces: int
    num_needed: int


@dataclass(frozen=True, kw_only=True, slots=True)
class LightKind:
    """Faces that are lit from one side, or evenly."""

    words: str
    """One of `coverage_advice.LIGHTS`."""
    num_faces: int
    example: str | None
    """The face on which this light is strongest, or most even."""
    num_needed: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ClipCoverage:
    """Kept and rejected faces of one clip."""

    name: str
    sha256: str
    num_kept: int
    rejections: dict[str, int]
    """Faces left out by the first reason against them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """Successive frames of a plate that are in one state."""

    from_s: float
    to_s: float
    state: State
    """`absent` where the performer isn't seen."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Stretch:
    """A stretch of a plate in which the set lacks something."""

    from_s: float
    to_s: float
    num_faces: int
    """That lack something."""
    lacks: tuple[Aspect, ...]
    words: str


@dataclass(frozen=True, kw_only=True, slots=True)
class PlateCoverage:
    """How much of a plate's performance a set covers; fractions are of the performer's faces."""

    name: str
    performer: str
    duration_s: float
    num_frames: int
    num_seen_frames: int
    """In which the performer is seen."""
    num_faces: int
    overall: float
    """Faces that are covered in every aspect."""
    pose: float
    mouth: float
    eyes: float
    light: float
    runs: dict[str, tuple[Run, ...]]
    """The plate's time by aspect, from its begin to its end; empty for a picture."""
    stretches: tuple[Stretch, ...]
    """Those with most uncovered faces, the worst first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Coverage:
    """What a face set covers and lacks."""

    person: str
    face_set: str
    """Its digest."""
    verdict: str
    """A sentence or two."""
    advice: tuple[Advice, ...]
    num_kept: int
    num_left_out: int
    num_shots: int
    median_size_px: float
    reach: Reach
    poses: tuple[PoseCell, ...]
    """Row by row, from raised to lowered, and in a row from left to right."""
    spreads: tuple[Spread, ...]
    lights: tuple[LightCell, ...]
    light_kinds: tuple[LightKind, ...]
    clips: tuple[ClipCoverage, ...]
    plate: PlateCoverage | None
    config: CoverageConfig
    """With which it was measured."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PlateFaces:
    """The performer's faces in a plate."""

    name: str
    performer: str
    faces: Sequence[StoredFace]
    """Not empty, in the order of frames."""
    frame_times_s: Sequence[float]
    """Of every frame of the plate."""
    end_s: float
    """When its last frame goes; the same as the time of its frame for a picture."""
    usual_eyes: float
    """Of the performer, see `coverage_aspects.usual_eyes`."""


def measure_coverage(
    person: str,
    face_set: str,
    faces: Sequence[StoredFace],
    clip_names: Mapping[str, str],
    config: CoverageConfig,
    plate: PlateFaces | None = None,
) -> Coverage:
    """Measure a set from all faces found of a person, of which at least one is kept.

    `clip_names` are names of files by SHA-256.
    """
    kept = [face for face in faces if not face.rejections]
    assert kept, "a face set has faces"
    aspects = aspects_of([face.quality for face in kept], usual_eyes(face.quality for face in kept))
    needed = None if plate is None else _needed(aspects, plate, config)
    sizes = [face.quality.size_px for face in kept]
    shots = len({(face.clip_sha256, face.shot) for face in kept})
    left_out: Counter[Rejection] = Counter(face.rejections[0] for face in faces if face.rejections)
    footage = Footage(
        num_kept=len(kept),
        num_shots=shots,
        sizes_px=sizes,
        sharpness=[face.quality.sharpness for face in kept],
        rejections=left_out,
    )
    advice = advise(aspects, footage, needed, config)
    plate_coverage = None if plate is None or needed is None else _plate_coverage(plate, needed)
    return Coverage(
        person=person,
        face_set=face_set,
        verdict=_verdict(person, len(kept), advice, plate_coverage),
        advice=advice,
        num_kept=len(kept),
        num_left_out=len(faces) - len(kept),
        num_shots=shots,
        median_size_px=float(np.median(sizes)),
        reach=reach(aspects, config),
        poses=_poses(kept, aspects, needed),
        spreads=_spreads(kept, aspects, plate, needed),
        lights=_lights(aspects, needed),
        light_kinds=_light_kinds(kept, aspects, needed),
        clips=_clips(faces, clip_names),
        plate=plate_coverage,
        config=config,
    )


def coverage_document(coverage: Coverage) -> dict[str, Any]:
    """The report for another program; keys are those of the types here, numbers have at most four decimals."""
    return {"schema": SCHEMA, **_rounded(asdict(coverage))}


def percent(part: float) -> str:
    """A fraction as percent, rounded so that 100% means all of it and 0% none."""
    whole = int(np.floor(100 * part + 1e-9))
    return f"{max(whole, 1 if part > 0 else 0)}%"


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(each) for each in value]
    return round(value, 4) if isinstance(value, float) else value


def _needed(kept: Aspects, plate: PlateFaces, config: CoverageConfig) -> Needed:
    aspects = aspects_of([face.quality for face in plate.faces], plate.usual_eyes)
    return Needed(
        aspects=aspects,
        times_s=np.array([plate.frame_times_s[face.frame] for face in plate.faces], np.float32),
        covered=covered(kept, aspects, config),
        median_size_px=float(np.median([face.quality.size_px for face in plate.faces])),
    )


def _verdict(person: str, num_kept: int, advice: Sequence[Advice], plate: PlateCoverage | None) -> str:
    shorts = [each.short for each in advice if each.about not in ("number", "review")][:MOST_SHORTS]
    missing = f" Missing most: {listed(shorts)}." if shorts else ""
    is_few = any(each.about == "number" for each in advice)
    if plate is not None:
        begin = f"The faces of {person} cover {percent(plate.overall)} of what {plate.performer} does in {plate.name}."
        enough = (
            f" Yet they are only {num_kept:,}: record more of the same."
            if is_few
            else " Nothing more needs to be shot."
        )
        return begin + (missing or enough)
    if missing:
        return f"{'Only ' if is_few else ''}{num_kept:,} faces of {person}.{missing}"
    if is_few:
        return f"Only {num_kept:,} faces of {person}, though of every kind that most films need."
    return f"The {num_kept:,} faces of {person} cover what most films need."


def _poses(kept: Sequence[StoredFace], aspects: Aspects, needed: Needed | None) -> tuple[PoseCell, ...]:
    def cells_of(these: Aspects) -> list[tuple[int, int]]:
        return [(int(yaw), int(pitch)) for yaw, pitch in CELL_DEG * np.round(these.pose / CELL_DEG)]

    members: dict[tuple[int, int], list[StoredFace]] = defaultdict(list)
    for cell, face in zip(cells_of(aspects), kept, strict=True):
        members[cell].append(face)
    needed_cells = cells_of(needed.aspects) if needed else []
    wanted = Counter(needed_cells)
    lacking = Counter(
        cell for cell, done in zip(needed_cells, needed.covered["pose"] if needed else (), strict=True) if not done
    )
    used = [*members, *wanted]
    last_yaw, last_pitch = (
        max([least, *(abs(cell[axis]) for cell in used)]) for axis, least in enumerate(LEAST_MAP_DEG)
    )
    return tuple(
        PoseCell(
            yaw_deg=yaw,
            pitch_deg=pitch,
            num_faces=len(members.get((yaw, pitch), ())),
            example=_best(members.get((yaw, pitch), ())),
            num_needed=wanted[yaw, pitch],
            num_uncovered=lacking[yaw, pitch],
        )
        for pitch in range(-last_pitch, last_pitch + 1, CELL_DEG)
        for yaw in range(-last_yaw, last_yaw + 1, CELL_DEG)
    )


def _spreads(
    kept: Sequence[StoredFace], aspects: Aspects, plate: PlateFaces | None, needed: Needed | None
) -> tuple[Spread, ...]:
    def of(faces: Iterable[StoredFace], measure: Callable[[StoredFace], float]) -> list[float]:
        return [measure(face) for face in faces]

    seen: Sequence[StoredFace] = plate.faces if plate else ()
    wanted_mouths = needed.aspects.mouth[:, 0].tolist() if needed else []
    wanted_eyes = needed.aspects.eyes[:, 0].tolist() if needed else []
    rows: tuple[tuple[Measure, Sequence[float], list[float], list[float]], ...] = (
        ("mouth", MOUTH_EDGES, aspects.mouth[:, 0].tolist(), wanted_mouths),
        ("eyes", EYES_EDGES, aspects.eyes[:, 0].tolist(), wanted_eyes),
        (
            "brightness",
            BRIGHTNESS_EDGES,
            of(kept, lambda face: face.quality.brightness),
            of(seen, lambda face: face.quality.brightness),
        ),
        (
            "sharpness",
            SHARPNESS_EDGES,
            of(kept, lambda face: face.quality.sharpness),
            of(seen, lambda face: face.quality.sharpness),
        ),
    )
    return tuple(_spread(measure, edges, kept, values, wanted) for measure, edges, values, wanted in rows)


def _spread(
    measure: Measure, edges: Sequence[float], kept: Sequence[StoredFace], values: list[float], wanted: list[float]
) -> Spread:
    places = np.clip(np.digitize(values, edges) - 1, 0, None)
    wanted_places = Counter(np.clip(np.digitize(wanted, edges) - 1, 0, None).tolist()) if wanted else Counter[int]()
    members: dict[int, list[StoredFace]] = defaultdict(list)
    for place, face in zip(places.tolist(), kept, strict=True):
        members[place].append(face)
    low, median, high = np.percentile(values, (2, 50, 98))
    return Spread(
        measure=measure,
        bins=tuple(
            Bin(
                low=edges[place],
                high=None if np.isinf(edges[place + 1]) else edges[place + 1],
                num_faces=len(members[place]),
                example=_best(members[place]),
                num_needed=wanted_places[place],
            )
            for place in range(len(edges) - 1)
        ),
        low=float(low),
        median=float(median),
        high=float(high),
    )


def _lights(aspects: Aspects, needed: Needed | None) -> tuple[LightCell, ...]:
    def cells_of(these: Aspects) -> Counter[tuple[int, int]]:
        return Counter((int(x), int(y)) for x, y in np.round(these.light / LIGHT_CELL))

    have, wanted = cells_of(aspects), cells_of(needed.aspects) if needed else Counter[tuple[int, int]]()
    return tuple(
        LightCell(x=x * LIGHT_CELL, y=y * LIGHT_CELL, num_faces=have[x, y], num_needed=wanted[x, y])
        for x, y in sorted({*have, *wanted})
    )


def _light_kinds(kept: Sequence[StoredFace], aspects: Aspects, needed: Needed | None) -> tuple[LightKind, ...]:
    def words_of(these: Aspects) -> list[str]:
        return [describe_light(float(x), float(y)) for x, y in these.light]

    members: dict[str, list[StoredFace]] = defaultdict(list)
    for words, face in zip(words_of(aspects), kept, strict=True):
        members[words].append(face)
    wanted = Counter(words_of(needed.aspects) if needed else ())

    def example(words: str) -> str | None:
        def strength(face: StoredFace) -> float:
            strongest = max(map(abs, face.quality.light_xy))
            return -strongest if words == "even" else strongest

        return max(members[words], key=strength).name if members[words] else None

    return tuple(
        LightKind(words=words, num_faces=len(members[words]), example=example(words), num_needed=wanted[words])
        for words in LIGHTS
    )


def _clips(faces: Sequence[StoredFace], clip_names: Mapping[str, str]) -> tuple[ClipCoverage, ...]:
    by_clip: dict[str, list[StoredFace]] = {sha256: [] for sha256 in clip_names}
    for face in faces:
        by_clip.setdefault(face.clip_sha256, []).append(face)
    clips = (
        ClipCoverage(
            name=clip_names.get(sha256, sha256[:12]),
            sha256=sha256,
            num_kept=sum(not face.rejections for face in members),
            rejections=dict(Counter(face.rejections[0] for face in members if face.rejections).most_common()),
        )
        for sha256, members in by_clip.items()
    )
    return tuple(sorted(clips, key=lambda clip: (-clip.num_kept, clip.name)))


def _best(faces: Sequence[StoredFace]) -> str | None:
    return max(faces, key=lambda face: worth(face.quality)).name if faces else None


def _plate_coverage(plate: PlateFaces, needed: Needed) -> PlateCoverage:
    all_covered = np.all([needed.covered[aspect] for aspect in ASPECTS], axis=0)
    parts = {aspect: float(needed.covered[aspect].mean()) for aspect in ASPECTS}
    moves = len(plate.frame_times_s) > 1
    states: dict[str, Bool[np.ndarray, " M"]] = {aspect: needed.covered[aspect] for aspect in ASPECTS}
    states["overall"] = all_covered
    return PlateCoverage(
        name=plate.name,
        performer=plate.performer,
        duration_s=plate.end_s - plate.frame_times_s[0],
        num_frames=len(plate.frame_times_s),
        num_seen_frames=len({face.frame for face in plate.faces}),
        num_faces=len(plate.faces),
        overall=float(all_covered.mean()),
        pose=parts["pose"],
        mouth=parts["mouth"],
        eyes=parts["eyes"],
        light=parts["light"],
        runs={name: _runs(plate, is_covered) if moves else () for name, is_covered in states.items()},
        stretches=_stretches(plate, needed, all_covered),
    )


def _runs(plate: PlateFaces, is_covered: Bool[np.ndarray, " M"]) -> tuple[Run, ...]:
    """The plate's time cut where its state changes; of two faces in a frame the worse one counts."""
    states: list[State] = ["absent"] * len(plate.frame_times_s)
    for face, done in zip(plate.faces, is_covered, strict=True):
        states[face.frame] = "covered" if done and states[face.frame] != "lacking" else "lacking"
    times = [*plate.frame_times_s, plate.end_s]
    begins = [0, *(at for at in range(1, len(states)) if states[at] != states[at - 1])]
    return tuple(
        Run(from_s=times[begin], to_s=times[end], state=states[begin])
        for begin, end in zip(begins, [*begins[1:], len(states)], strict=True)
    )


def _stretches(plate: PlateFaces, needed: Needed, all_covered: Bool[np.ndarray, " M"]) -> tuple[Stretch, ...]:
    times = [*plate.frame_times_s, plate.end_s]
    groups: list[list[int]] = []
    for number in np.flatnonzero(~all_covered).tolist():
        begin = times[plate.faces[number].frame]
        if groups and begin - times[plate.faces[groups[-1][-1]].frame + 1] <= MERGED_GAP_S:
            groups[-1].append(number)
        else:
            groups.append([number])
    found = (
        Stretch(
            from_s=times[plate.faces[group[0]].frame],
            to_s=times[plate.faces[group[-1]].frame + 1],
            num_faces=len(group),
            lacks=_lacks(needed, group),
            words=_words(needed, group),
        )
        for group in groups
    )
    return tuple(sorted(found, key=lambda stretch: (-stretch.num_faces, stretch.from_s))[:MOST_STRETCHES])


def _lacks(needed: Needed, group: Sequence[int]) -> tuple[Aspect, ...]:
    """The aspects that a stretch lacks, but for those that only a few of its faces do."""
    missing = {aspect: int((~needed.covered[aspect][list(group)]).sum()) for aspect in ASPECTS}
    return tuple(aspect for aspect in ASPECTS if missing[aspect] > max(missing.values()) / 4)


def _words(needed: Needed, group: Sequence[int]) -> str:
    """Description of a stretch that the set lacks."""
    words = []
    for aspect in _lacks(needed, group):
        open_ones = [number for number in group if not needed.covered[aspect][number]]
        middle: Float[np.ndarray, " D"] = np.median(needed.aspects.of(aspect)[open_ones], axis=0)
        if aspect == "pose":
            words.append(f"head {describe_pose(float(middle[0]), float(middle[1]))}")
        elif aspect == "mouth":
            words.append(f"mouth {describe_mouth(float(middle[0]))}")
        elif aspect == "eyes":
            words.append(f"eyes {describe_eyes(float(middle[0]))}")
        else:
            light = describe_light(float(middle[0]), float(middle[1]))
            words.append("even light" if light == "even" else f"light {light}")
    return listed(words)
