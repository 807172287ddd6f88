"""What an editor sees of a plate before anything is rendered: shots, faces, and where something is wrong and why.

All of it comes from what scans stored: no frame is read, so that hours of a plate are told at once. What only a look at
the frames can tell, a render tells: a mesh that lies beside its face, or how a head is followed under its cover.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from countenance.composite.contested import Claims, doubtful
from countenance.composite.place import LEAST_PRESENCE, TURNED_DEG, FacesOfTracks, frames_of_fade, presences
from countenance.composite.shotfile import Shot, check_names, read_shots
from countenance.consent.register import templates
from countenance.faces.config import PrepareConfig
from countenance.faces.overview import Faces
from countenance.faces.plate import known_hidden, known_overview, review_command
from countenance.footage import known_timeline
from countenance.media.excerpt import begins_s
from countenance.project import Project
from countenance.steps.drawings import MUCH_HIDDEN, GenerateConfig, Pair, disguised_performers
from countenance.steps.guards import Guard
from countenance.types import MediaInfo

Kind = Literal[
    "not found",
    "turned away",
    "lost",
    "in doubt",
    "claimed twice",
    "left out",
    "covered",
    "fades",
    "low confidence",
    "occluded",
    "small",
    "soft",
]
"""What is wrong.

Of these the face isn't replaced: `not found`: no face of the performer; `turned away`: in profile, or further; `lost`:
the mesh was lost and found again; `in doubt`: it may be theirs, and waits for a decision; `claimed twice`: it may be
another performer's as well; `left out`: by the shot's settings; `covered`: a disguise can't be drawn, so the head is
covered. Of the others it is: `fades`: it comes or goes; `low confidence`: the mesh may sit badly; `occluded`: something
is in front of it; `small`, `soft`: the plate shows little of it.
"""
MAX_BINS = 2000
"""Of what is drawn along a timeline, however long."""
BRIDGED_S = 0.2
"""Over shorter gaps, what is only less good goes on."""
LIMITS = PrepareConfig()
"""Below which faces aren't learned from; in a plate they are drawn all the same, and may look it."""
MAX_GAP_S = 5.0
"""So long a face may be turned away or lost; a longer gap may be anything."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """A stretch of a shot in which something is wrong with a performer's face."""

    kind: Kind
    frames: range
    begins_s: float
    ends_s: float
    is_replaced: bool
    """Whether a face is drawn there all the same."""
    sentence: str
    """Cause and remedy."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Track:
    """A performer's face along the plate, in bins of some frames each, to be drawn."""

    presence: Float32[np.ndarray, " B"]
    """0–1: how much of it is replaced, mean."""
    confidence: Float32[np.ndarray, " B"]
    """0–1, of the mesh net, the lowest; NaN where no face is."""
    yaw_deg: Float32[np.ndarray, " B"]
    """The mean; above 0 it turns to the right of the picture; NaN where no face is."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PairTimeline:
    """What is known of one pair in a plate."""

    likeness: str
    performer: str
    is_scanned: bool
    """Whether the plate was looked through for the performer; if not, nothing else is known."""
    scan_with: str
    """The command that looks through it, without rendering anything."""
    num_replaced_frames: int = 0
    problems: tuple[Problem, ...] = ()
    """In the order of frames."""
    track: Track | None = None


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PlateTimeline:
    """A plate's shots, and each pair in them."""

    plate: MediaInfo
    shots: tuple[Shot, ...]
    """None where the plate wasn't read yet; the command that scans it reads it, too."""
    bins: Int64[np.ndarray, " B"]
    """The first frame of each bin."""
    pairs: tuple[PairTimeline, ...]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Plate:
    """What all pairs have in common."""

    info: MediaInfo
    shots: Sequence[Shot]
    times_s: Float64[np.ndarray, " N+1"]
    """When each frame is shown, and when the last one ends."""
    shot_of: Int64[np.ndarray, " N"]
    """The place of each frame's shot."""
    bins: Int64[np.ndarray, " B"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Seen:
    """What there is of a performer in each frame of a plate."""

    best: Int64[np.ndarray, " N"]
    """The place of the face that shows most, among all found; −1 where there is none that is theirs."""
    presence: Float64[np.ndarray, " N"]
    """How much of it shows."""
    is_unsure: Bool[np.ndarray, " N"]
    is_twice: Bool[np.ndarray, " N"]

    @property
    def is_theirs(self) -> Bool[np.ndarray, " N"]:
        return self.best >= 0


def plate_timeline(
    project: Project,
    info: MediaInfo,
    pairs: Sequence[Pair],
    config: GenerateConfig,
    shot_changes: Sequence[str] = (),
) -> PlateTimeline:
    """A plate's shots, and for each pair where something is wrong with the performer's face, and why.

    `info` is what `media.probe` said of the plate, which reads all of its file once.

    Raises:
        ConsentError: a permit doesn't hold, or isn't for this plate.
        UsageError: a shot's file holds something that isn't allowed.
        MediaError: a held frame can't be read.
    """
    for pair in pairs:
        Guard(project, pair.permit, "generate", people=(pair.likeness, pair.performer)).allow_plate(info)
    timeline, people = known_timeline(project, info), templates(project)
    if timeline is None:
        unknown = tuple(_unscanned(pair, info) for pair in pairs)
        return PlateTimeline(plate=info, shots=(), bins=np.zeros(0, np.int64), pairs=unknown)
    names = [(pair.likeness, pair.performer) for pair in pairs]
    shots = read_shots(project, info, timeline, shot_changes, names)
    check_names(shots, sorted(people))
    num_frames = len(timeline.frame_pts)
    num_bins = min(MAX_BINS, num_frames)
    plate = _Plate(
        info=info,
        shots=shots,
        times_s=np.round(
            np.append(timeline.frame_pts * float(info.time_base), float(begins_s(info, timeline, num_frames))), 6
        ),
        shot_of=np.repeat(np.arange(len(shots)), [len(shot.frames) for shot in shots]),
        bins=np.arange(num_bins) * num_frames // num_bins,
    )
    found = {pair.performer: known_overview(project, pair.performer, people, info) for pair in pairs}
    scanned = {performer: faces for performer, faces in found.items() if faces is not None}
    twice, disguised = _claimed_twice(scanned), disguised_performers(pairs, config)
    return PlateTimeline(
        plate=info,
        shots=tuple(shots),
        bins=plate.bins,
        pairs=tuple(
            _pair_timeline(
                pair,
                plate,
                scanned[pair.performer],
                twice[pair.performer],
                known_hidden(project, pair.performer, info),
                fades=config.fade,
                is_disguised=pair.performer in disguised,
            )
            if pair.performer in scanned
            else _unscanned(pair, info)
            for pair in pairs
        ),
    )


def _unscanned(pair: Pair, info: MediaInfo) -> PairTimeline:
    return PairTimeline(
        likeness=pair.likeness,
        performer=pair.performer,
        is_scanned=False,
        scan_with=review_command(pair.performer, info),
    )


def _claimed_twice(faces: Mapping[str, Faces]) -> dict[str, Bool[np.ndarray, " M"]]:
    """By performer, for each face whether another performer's scan claims it too."""
    twice = {performer: np.zeros(len(several), bool) for performer, several in faces.items()}
    for one, other in combinations(faces, 2):
        masks = doubtful(_claims(faces[one]), _claims(faces[other]))
        for performer, mask in zip((one, other), masks, strict=True):
            twice[performer][~faces[performer]["is_unsure"]] |= mask
    return twice


def _claims(faces: Faces) -> Claims:
    sure = faces[~faces["is_unsure"]]
    return Claims(frames=sure["frame"], tracks=sure["track"], boxes_xyxy=sure["box_xyxy"])


def _pair_timeline(
    pair: Pair,
    plate: _Plate,
    faces: Faces,
    is_twice: Bool[np.ndarray, " M"],
    hidden: Float32[np.ndarray, " N"],
    *,
    fades: bool,
    is_disguised: bool,
) -> PairTimeline:
    may_fade = is_disguised or (fades and plate.info.kind == "video")
    seen = _seen(faces, is_twice, plate, may_fade=may_fade)
    is_wanted = np.concatenate(
        [
            shot.settings.replaced(pair.performer, plate.times_s[shot.frames.start : shot.frames.stop])
            for shot in plate.shots
        ]
    )
    shows = seen.presence == 1 if is_disguised else seen.presence >= LEAST_PRESENCE
    is_replaced = is_wanted & seen.is_theirs & shows
    reasons = _reasons(faces, seen, plate, is_wanted, is_replaced, is_disguised=is_disguised)
    flaws = _flaws(faces, seen, hidden, is_replaced)
    problems = [
        *_problems(reasons, plate, pair, bridged=0, is_replaced=False),
        *_problems(flaws, plate, pair, bridged=round(BRIDGED_S * float(plate.info.frame_rate)), is_replaced=True),
    ]
    return PairTimeline(
        likeness=pair.likeness,
        performer=pair.performer,
        is_scanned=True,
        scan_with=review_command(pair.performer, plate.info),
        num_replaced_frames=int(is_replaced.sum()),
        problems=tuple(sorted(problems, key=lambda each: (each.frames.start, each.frames.stop))),
        track=_track(faces, seen, is_replaced, plate.bins),
    )


def _seen(faces: Faces, is_twice: Bool[np.ndarray, " M"], plate: _Plate, *, may_fade: bool) -> _Seen:
    num_frames = len(plate.shot_of)
    own = np.flatnonzero(~faces["is_unsure"] & ~is_twice)
    shares = np.ones(len(faces))
    if may_fade:
        in_tracks = own[np.argsort(faces["track"][own], kind="stable")]
        shares[in_tracks] = presences(_of_tracks(faces[in_tracks], plate), frames_of_fade(float(plate.info.frame_rate)))
    # Of several in a frame the last one stays: the one that shows most.
    by_share = own[np.argsort(shares[own], kind="stable")]
    best, presence = np.full(num_frames, -1), np.zeros(num_frames)
    best[faces["frame"][by_share]] = by_share
    presence[faces["frame"][by_share]] = shares[by_share]
    return _Seen(
        best=best,
        presence=presence,
        is_unsure=_frames_of(faces[faces["is_unsure"]], num_frames),
        is_twice=_frames_of(faces[is_twice], num_frames),
    )


def _of_tracks(faces: Faces, plate: _Plate) -> FacesOfTracks:
    begins = np.array([shot.frames.start for shot in plate.shots])
    ends = np.array([shot.frames.stop for shot in plate.shots])
    shots = plate.shot_of[faces["frame"]]
    return FacesOfTracks(
        frames=faces["frame"].astype(np.int64),
        tracks=faces["track"],
        shot_begins=begins[shots],
        shot_ends=ends[shots],
        angles_deg=_angles_deg(faces),
        scores=faces["score"],
        visible_fractions=faces["visible_fraction"],
    )


def _angles_deg(faces: Faces) -> Float32[np.ndarray, " M"]:
    """From the camera."""
    return np.asarray(np.hypot(faces["yaw_deg"], faces["pitch_deg"]), np.float32)


def _frames_of(faces: Faces, num_frames: int) -> Bool[np.ndarray, " N"]:
    there = np.zeros(num_frames, bool)
    there[faces["frame"]] = True
    return there


def _reasons(
    faces: Faces,
    seen: _Seen,
    plate: _Plate,
    is_wanted: Bool[np.ndarray, " N"],
    is_replaced: Bool[np.ndarray, " N"],
    *,
    is_disguised: bool,
) -> dict[Kind, Bool[np.ndarray, " N"]]:
    """Why a face isn't replaced, one reason for each frame."""
    is_missing = is_wanted & ~is_replaced
    without = is_missing & ~seen.is_theirs
    is_unsure = without & seen.is_unsure & ~seen.is_twice
    is_turned, is_lost = _gaps(faces, seen, plate, without & ~seen.is_unsure & ~seen.is_twice)
    reasons: dict[Kind, Bool[np.ndarray, " N"]] = {
        "left out": ~is_wanted & seen.is_theirs,
        "turned away": is_turned | (is_missing & seen.is_theirs),
        "lost": is_lost,
        "claimed twice": without & seen.is_twice,
        "in doubt": is_unsure,
    }
    if is_disguised:
        covered: tuple[Kind, ...] = ("turned away", "lost", "claimed twice", "in doubt")
        reasons["covered"] = np.logical_or.reduce([reasons.pop(kind) for kind in covered])
    told = np.logical_or.reduce([*reasons.values()])
    return {**reasons, "not found": is_missing & ~told}


def _gaps(
    faces: Faces, seen: _Seen, plate: _Plate, is_gap: Bool[np.ndarray, " N"]
) -> tuple[Bool[np.ndarray, " N"], Bool[np.ndarray, " N"]]:
    """The frames without a face beside which it is turned away, and those between two in which it is found; longer
    gaps aren't told apart from an empty picture.
    """
    num_frames = len(is_gap)
    longest = round(MAX_GAP_S * float(plate.info.frame_rate))
    at = np.arange(num_frames)
    before = np.maximum.accumulate(np.where(seen.is_theirs, at, -1))
    after = np.minimum.accumulate(np.where(seen.is_theirs, at, num_frames)[::-1])[::-1]
    starts = np.array([shot.frames.start for shot in plate.shots])[plate.shot_of]
    stops = np.array([shot.frames.stop for shot in plate.shots])[plate.shot_of]
    has_before, has_after = before >= starts, after < stops
    length = np.minimum(after, stops) - np.maximum(before, starts - 1) - 1
    is_turned = np.zeros(num_frames, bool)
    angles_deg = np.append(_angles_deg(faces), 0)
    for has, place in ((has_before, before), (has_after, after)):
        angle_deg = angles_deg[seen.best[np.clip(place, 0, num_frames - 1)]]
        is_turned |= has & (angle_deg > TURNED_DEG)
    is_short = is_gap & (length <= longest)
    return is_short & is_turned, is_short & ~is_turned & has_before & has_after


def _flaws(
    faces: Faces, seen: _Seen, hidden: Float32[np.ndarray, " N"], is_replaced: Bool[np.ndarray, " N"]
) -> dict[Kind, Bool[np.ndarray, " N"]]:
    """What may be seen of a face that is replaced."""

    def is_so(of_faces: Bool[np.ndarray, " M"]) -> Bool[np.ndarray, " N"]:
        return np.asarray(is_replaced & np.append(of_faces, np.False_)[seen.best])

    is_small = faces["size_px"] < LIMITS.min_size_px
    is_soft = (faces["sharpness"] < LIMITS.min_sharpness) | (faces["motion_blur"] > LIMITS.max_motion_blur)
    is_fading = is_replaced & (seen.presence < 1)
    return {
        "fades": is_fading,
        "low confidence": is_so(faces["score"] < LIMITS.min_score) & ~is_fading,
        "occluded": is_replaced & (hidden > MUCH_HIDDEN),
        "small": is_so(is_small),
        "soft": is_so(is_soft & ~is_small),
    }


def _problems(
    flags: Mapping[Kind, Bool[np.ndarray, " N"]], plate: _Plate, pair: Pair, *, bridged: int, is_replaced: bool
) -> Iterator[Problem]:
    for kind, is_so in flags.items():
        sentence = _sentence(kind, pair.performer, plate.info)
        for begin, stop in _runs(is_so, plate.shot_of, bridged):
            yield Problem(
                kind=kind,
                frames=range(begin, stop),
                begins_s=float(plate.times_s[begin]),
                ends_s=float(plate.times_s[stop]),
                is_replaced=is_replaced,
                sentence=sentence,
            )


def _runs(is_so: Bool[np.ndarray, " N"], shot_of: Int64[np.ndarray, " N"], bridged: int) -> Iterator[tuple[int, int]]:
    """First frames and those after the last, of frames in a row within a shot; shorter gaps are bridged."""
    frames = np.flatnonzero(is_so)
    if not len(frames):
        return
    is_cut = (np.diff(frames) > bridged + 1) | (np.diff(shot_of[frames]) > 0)
    begins, ends = frames[np.append(True, is_cut)], frames[np.append(is_cut, True)]
    yield from zip(begins.tolist(), (ends + 1).tolist(), strict=True)


def _sentence(kind: Kind, performer: str, info: MediaInfo) -> str:
    """Cause and remedy, for people."""
    return {
        "not found": f"No face of {performer} was found: not in the picture, too small, or turned away; nothing is "
        f"replaced. If {performer} can be seen here, choose a take that shows more of their face.",
        "turned away": f"{performer} is turned so far away that the mesh no longer holds, and the face stays as it is. "
        "Choose a take that is less in profile, or cut around it.",
        "lost": f"{performer}'s face was lost and found again, as behind something or in a quick motion; it stays as "
        "it is in between. Cut around it, or paint these frames and hold them.",
        "in doubt": f"This face may be {performer}'s or not, and stays as it is. "
        f"Decide with `{review_command(performer, info)}`.",
        "claimed twice": f"This face may be {performer}'s or another performer's, and stays as it is. "
        f"Decide with `{review_command(performer, info)} --no TRACK`, or with the same for the other.",
        "left out": f"The shot's settings leave {performer} as in the plate. "
        "Change who, or likeness, to replace the face.",
        "covered": f"The disguise can't be drawn here, because {performer} is turned away, lost or in doubt; the head "
        "is covered as far as it can be followed. Look whether they show, and cut where they do.",
        "fades": f"{performer}'s face comes or goes, and both faces show through each other for a moment. "
        "Cut a little earlier or later, or hold these frames.",
        "low confidence": f"The mesh may not sit well on {performer}'s face, as in the dark or behind something. "
        "Look at these frames, and soften the mask, lower likeness, or hold a painted frame.",
        "occluded": f"Something in front hides much of {performer}'s face, and stays in front. "
        "Look at its border, and hold a painted frame where it isn't clean.",
        "small": f"{performer}'s face is so small that little of the likeness can be seen. "
        "It costs time and changes little; leave it out with who, if it isn't needed.",
        "soft": f"{performer}'s face is out of focus or blurred by motion, and the drawn one may be too sharp. "
        "Compare, and lower sharpness where it is.",
    }[kind]


def _track(faces: Faces, seen: _Seen, is_replaced: Bool[np.ndarray, " N"], bins: Int64[np.ndarray, " B"]) -> Track:
    num_frames = np.diff([*bins, len(is_replaced)])
    num_faces = np.add.reduceat(seen.is_theirs, bins, dtype=np.int64)
    score = np.where(seen.is_theirs, np.append(faces["score"], np.nan)[seen.best], np.inf)
    yaw_deg = np.where(seen.is_theirs, np.append(faces["yaw_deg"], 0)[seen.best], 0)
    is_empty = num_faces == 0
    lowest, mean = np.minimum.reduceat(score, bins), np.add.reduceat(yaw_deg, bins) / np.maximum(num_faces, 1)
    return Track(
        presence=np.asarray(np.add.reduceat(seen.presence * is_replaced, bins) / num_frames, np.float32),
        confidence=np.where(is_empty, np.nan, lowest).astype(np.float32),
        yaw_deg=np.where(is_empty, np.nan, mean).astype(np.float32),
    )
