"""Queries for a person's faces: selection, order, and the face that a name means."""

import hashlib
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Literal, TypeVar, get_args

from countenance.errors import UsageError
from countenance.faces.answers import Word
from countenance.faces.store import ListedFace, StoredFace, middle_xy
from countenance.footage import Clip
from countenance.geometry import box_around
from countenance.types import Rejection

Measure = Literal[
    "frame",
    "yaw",
    "pitch",
    "roll",
    "blur",
    "motion",
    "size",
    "brightness",
    "distance",
    "score",
    "occlusion",
    "mouth",
    "eyes",
]
"""By what faces are sorted and chosen."""
State = Literal["kept", "left-out", "unsure"]

Face = StoredFace | ListedFace
AnyFace = TypeVar("AnyFace", StoredFace, ListedFace)

_MEASURES: Mapping[Measure, tuple[Callable[[Face], float], str]] = {
    "frame": (lambda face: face.frame, "frame {:.0f}"),
    "yaw": (lambda face: face.quality.yaw_pitch_roll_deg[0], "yaw {:+.0f}°"),
    "pitch": (lambda face: face.quality.yaw_pitch_roll_deg[1], "pitch {:+.0f}°"),
    "roll": (lambda face: face.quality.yaw_pitch_roll_deg[2], "roll {:+.0f}°"),
    # Small for a blurred face, so that the blurred ones come first.
    "blur": (lambda face: face.quality.sharpness, "sharpness {:.0f}"),
    "motion": (lambda face: face.quality.motion_blur, "motion blur {:.2f}"),
    "size": (lambda face: face.quality.size_px, "{:.0f} px"),
    "brightness": (lambda face: face.quality.brightness, "brightness {:.0f}"),
    "distance": (lambda face: face.distance, "distance {:.3f}"),
    "score": (lambda face: face.score, "score {:.3f}"),
    "occlusion": (lambda face: face.quality.occluded_fraction, "hidden {:.0%}"),
    "mouth": (lambda face: face.quality.mouth_open, "mouth {:.2f}"),
    "eyes": (lambda face: face.quality.eyes_open, "eyes {:.2f}"),
}

NAME = re.compile(r"(?P<clip>[0-9a-f]{12})-(?P<frame>\d+)-(?P<x>-?\d+)-(?P<y>-?\d+)")
MIN_TRACK_NAME = 3
"""Digits after the `t`; more where tracks share them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Range:
    """The range in which a measure has to lie, both ends included."""

    measure: Measure
    low: float
    high: float


@dataclass(frozen=True, kw_only=True, slots=True)
class FaceQuery:
    """Which faces, and in what order."""

    sort: Measure = "frame"
    reverse: bool = False
    where: State | Rejection | None = None
    clip: str | None = None
    """Name of the clip's file, or how its digest begins."""
    ranges: tuple[Range, ...] = ()
    limit: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class WaitingTrack:
    """Faces of one track that may be the person's, until the user says so."""

    name: str
    """Made of the first face's name, so that it stays the same."""
    faces: tuple[StoredFace, ...]

    @property
    def distance(self) -> float:
        """Of the mean embedding to the person's template."""
        return self.faces[0].distance

    @property
    def state(self) -> Literal["person", "unsure"]:
        """Whether it is the person's by now."""
        return "unsure" if "unsure who" in self.faces[0].rejections else "person"

    @property
    def margin(self) -> float:
        """How much further away the nearest other person of the project is."""
        return self.faces[0].margin


def choose(faces: Sequence[AnyFace], clips: Mapping[str, Clip], query: FaceQuery) -> list[AnyFace]:
    """The faces that a query asks for, in its order; those that are alike in it follow each other by clip and frame.

    Raises:
        UsageError: no clip has that name.
    """
    wanted = None if query.clip is None else _clips_called(query.clip, clips)
    chosen = [face for face in faces if (wanted is None or face.clip_sha256 in wanted) and _is_asked_for(face, query)]
    in_order = sorted(chosen, key=lambda each: _place(each, clips, query.sort), reverse=query.reverse)
    return in_order[: query.limit]


def state_of(face: Face) -> State:
    """Whether a face is kept, waits for a review, or is left out for another reason."""
    if not face.rejections:
        return "kept"
    return "unsure" if "unsure who" in face.rejections else "left-out"


def measured(face: Face, measure: Measure) -> float:
    """The number by which a face is sorted: degrees, pixels, or in the units of `types.FaceQuality`."""
    return _MEASURES[measure][0](face)


def measured_text(face: Face, measure: Measure) -> str:
    """The same as text for display, such as `yaw -23°`."""
    of, text = _MEASURES[measure]
    return text.format(of(face))


def parse_where(text: str) -> State | Rejection:
    """A state or a reason, with hyphens or spaces.

    Raises:
        UsageError: it is neither.
    """
    known: tuple[State | Rejection, ...] = (*get_args(State), *get_args(Rejection))
    for each in known:
        if each.replace(" ", "-") == text.strip().replace(" ", "-"):
            return each
    names = ", ".join(each.replace(" ", "-") for each in known)
    raise UsageError(f"expected --where with one of {names}; got {text!r}")


def parse_range(text: str) -> Range:
    """A range such as `yaw=-20..20`, `size=128..` or `mouth=..0.1`.

    Raises:
        UsageError: it isn't one.
    """
    measure, _, limits = text.partition("=")
    low, dots, high = limits.partition("..")
    for each in get_args(Measure):
        if each == measure.strip() and dots:
            try:
                parsed = Range(measure=each, low=float(low or -math.inf), high=float(high or math.inf))
            except ValueError:
                break
            if parsed.low <= parsed.high:
                return parsed
    raise UsageError(
        f"expected --range MEASURE=LOW..HIGH, such as yaw=-20..20 or size=128.., with one of "
        f"{', '.join(get_args(Measure))}; got {text!r}"
    )


def faces_called(faces: Sequence[StoredFace], names: Sequence[str]) -> list[StoredFace | None]:
    """The face that each whole name means, or none.

    A face that was detected again, or whose landmarks were nudged, may lie a few pixels elsewhere: a name also means
    the face that now lies at its place.
    """
    by_name = {face.name: face for face in faces}
    return [by_name.get(name) or _at_place(faces, name) for name in names]


def faces_named(faces: Sequence[StoredFace], names: Sequence[str]) -> list[StoredFace]:
    """The faces that names mean: whole ones, or as much of the beginning as only one face has.

    Raises:
        UsageError: a name means no face, or more than one.
    """
    called = faces_called(faces, names)
    found = [face or _beginning(faces, name) for face, name in zip(called, names, strict=True)]
    return list({face.id: face for face in found}.values())


def waiting_tracks(faces: Sequence[StoredFace]) -> list[WaitingTrack]:
    """The tracks that wait for a decision on whose they are, the likeliest first."""
    return named_tracks([face for face in faces if state_of(face) == "unsure"])


def named_tracks(faces: Sequence[StoredFace]) -> list[WaitingTrack]:
    """All tracks of some faces, the likeliest first."""
    in_order = sorted(faces, key=attrgetter("track", "frame"))
    tracks = [tuple(track) for _, track in groupby(in_order, key=attrgetter("track"))]
    tokens = [_token(track[0].name) for track in tracks]
    length = MIN_TRACK_NAME
    while len({token[:length] for token in tokens}) < len(tokens):
        length += 1
    named = [WaitingTrack(name=f"t{token[:length]}", faces=track) for token, track in zip(tokens, tracks, strict=True)]
    return sorted(named, key=attrgetter("distance"))


def track_named(tracks: Sequence[WaitingTrack], name: str) -> WaitingTrack:
    """The waiting track that a name means, or the beginning of one.

    Raises:
        UsageError: none, or more than one.
    """
    full = {f"t{_token(track.faces[0].name)}": track for track in tracks}
    matches = [track for token, track in full.items() if len(name) > 1 and token.startswith(name)]
    if len(matches) != 1:
        which = "no track here" if not matches else f"{len(matches)} tracks"
        known = ", ".join(track.name for track in tracks[:8]) or "none"
        raise UsageError(f"{name!r} is the name of {which}; those are {known}{' …' if len(tracks) > 8 else ''}")
    return matches[0]


def one_decision_each(decisions: Sequence[tuple[WaitingTrack, Word]]) -> list[tuple[WaitingTrack, Word]]:
    """One decision for each track, also where it was named twice.

    Raises:
        UsageError: both yes and no.
    """
    decided: dict[str, tuple[WaitingTrack, Word]] = {}
    for track, word in decisions:
        if decided.setdefault(track.name, (track, word))[1] != word:
            raise UsageError(f"expected one decision for {track.name}, got both yes and no; choose one")
    return list(decided.values())


def _place(face: Face, clips: Mapping[str, Clip], sort: Measure) -> tuple[float, str, str, int]:
    return (
        0 if sort == "frame" else measured(face, sort),
        clips[face.clip_sha256].name,
        face.clip_sha256,
        face.frame,
    )


def _is_asked_for(face: Face, query: FaceQuery) -> bool:
    """By state, reason and ranges; a query for what is left out includes the unsure ones."""
    if query.where is not None:
        reasons = face.rejections or ()
        if query.where not in (state_of(face), *reasons, *(("left-out",) if reasons else ())):
            return False
    return not query.ranges or all(each.low <= measured(face, each.measure) <= each.high for each in query.ranges)


def _clips_called(text: str, clips: Mapping[str, Clip]) -> set[str]:
    found = {clip.sha256 for clip in clips.values() if clip.name == text}
    found = found or {sha256 for sha256 in clips if len(text) >= 4 and sha256.startswith(text)}
    if not found:
        names = sorted(clip.name for clip in clips.values())
        raise UsageError(
            f"expected --clip with a file's name, got {text!r}; there are {', '.join(names[:8])}"
            f"{' …' if len(names) > 8 else ''}"
        )
    return found


def _at_place(faces: Sequence[StoredFace], name: str) -> StoredFace | None:
    """The face whose box holds the position in a whole name; the nearest of several."""
    told = NAME.fullmatch(name)
    if told is None:
        return None
    place = (int(told["x"]), int(told["y"]))
    near = [
        (math.dist(place, middle_xy(face.landmarks_xyz)), face.id, face)
        for face in faces
        if face.frame == int(told["frame"]) and face.clip_sha256.startswith(told["clip"]) and _holds(face, place)
    ]
    return min(near)[2] if near else None


def _holds(face: StoredFace, place: tuple[int, int]) -> bool:
    left, top, right, bottom = box_around(face.landmarks_xyz[:, :2])
    return bool(left <= place[0] <= right and top <= place[1] <= bottom)


def _beginning(faces: Sequence[StoredFace], name: str) -> StoredFace:
    matches = [face for face in faces if face.name.startswith(name)]
    if len(matches) == 1:
        return matches[0]
    if not matches:
        raise UsageError(f"no face is called {name!r}; `countenance faces list PERSON` shows their names")
    raise UsageError(f"{len(matches)} faces have a name that begins with {name!r}; write more of it")


def _token(name: str) -> str:
    """Digits, to be read aloud and typed; as many as it takes for every track that there may be."""
    return f"{int.from_bytes(hashlib.sha256(name.encode()).digest()):077}"
