"""What a statement's video shows: the owner of a release, the release's code beside their face, turns of the head.

Nothing of the video is kept but numbers, and the mean embedding of the face.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal

import numpy as np

from countenance.faces.turns import MadeTurn, Turn, turns_made
from countenance.media.reader import read_frames
from countenance.media.shots import Thumbnail, find_shots, thumbnail
from countenance.progress import Progress
from countenance.types import DetectedFace, Frame, MediaInfo
from countenance.vision.align import head_pose
from countenance.vision.code import CodeReader, SeenCode
from countenance.vision.identity import Embedding, Recogniser, cut_chip, embed
from countenance.vision.track import FaceFollower

FRAMES_PER_S = 10
"""So many frames of a second are looked at."""
MIN_S, MAX_S = 5.0, 45.0
"""Length of the video."""
TURNS_WITHIN_S = 30.0
"""From the first look at the code to the end of the last turn."""
FRONTAL_YAW_DEG, FRONTAL_PITCH_DEG = 20.0, 15.0
MEASURED_STEP = 3
"""Of each so-manieth of these the code is measured."""
NUM_PARTS, FACES_PER_PART = 3, 4
"""The face is compared in each third of the video, by so many frames of each."""
MIN_FACE_PX = 60.0
"""Width of the face's mesh."""

MIN_WITH_FACE, MIN_WITH_CODE = 0.9, 0.5
"""Fraction of the frames that show one face, and of these that show the code so that it can be read."""
CODE_AT_TURN_S = 0.5
"""The code is read at every turn: while the head is turned, or so long before and after."""
MAX_DISTANCE, MAX_PART_DISTANCE = 0.4, 0.5
"""Between the face and the release's pictures: of the whole video, and of each of its parts. Strangers' tracks lie as
near as 0.34, 1.1% of them within 0.40 (docs/prepare.md)."""
MIN_MARGIN = 0.05
"""How much further away everybody else of the project must be."""
MIN_MEASURED = 5
MIN_STEP_PX, MIN_SHAPE_SPREAD = 0.3, 0.0006
"""What a hand moves a code from one measured frame to the next, and how much its outline's proportions change."""
MIN_BLUR = 0.5
"""Of the code's edges, in parts of that of the sharpest edges around it."""
MIN_MISFIT, MIN_WHITE_SPREAD = 0.035, 0.004
"""What a camera's noise, sharpening and compression leave of a fitted pattern, in parts of its contrast, and how much
the brightness of paper changes as it moves in the light. Where these five come from: docs/statement.md."""
STILL_DEG = 3.0
"""A head whose angles spread less than this is a picture."""

Reason = Literal[
    "video.length",
    "video.cut",
    "face.none",
    "face.several",
    "face.small",
    "face.still",
    "face.other",
    "face.changes",
    "face.known",
    "code.none",
    "code.mirrored",
    "code.other",
    "code.rarely",
    "code.not_at_turns",
    "code.small",
    "code.still",
    "code.sharp",
    "code.clean",
    "turns.wrong",
    "turns.late",
]
REASONS: Mapping[Reason, str] = {
    "video.length": f"the video must be {MIN_S:g} to {MAX_S:g} seconds long",
    "video.cut": "the video must be one take, without a cut",
    "face.none": "no face is seen most of the time",
    "face.several": "more than one face is seen; film the person alone",
    "face.small": "the face is too small; come nearer, or film in a higher resolution",
    "face.still": "the head doesn't move: a picture was filmed",
    "face.other": "the face isn't the one in the release's pictures",
    "face.changes": "the face isn't the same from beginning to end",
    "face.known": "the face is that of somebody else whom the project knows",
    "code.none": "no code can be read in the video",
    "code.mirrored": "the video is mirrored; turn that off in the camera, and film again",
    "code.other": "the code isn't the one that was asked for: of another release, or of another time",
    "code.rarely": "the code can be read too rarely; hold it still, flat and in the light, and come nearer",
    "code.not_at_turns": "the code isn't beside the face at each turn of the head",
    "code.small": "the code is too small in the picture; come nearer, or film in a higher resolution",
    "code.still": "the code doesn't move as something that is held does",
    "code.sharp": "the code is sharper than the picture around it: it was laid over the video",
    "code.clean": "the code is cleaner than a camera sees it: it was laid over the video",
    "turns.wrong": "the head wasn't turned as asked",
    "turns.late": f"the turns took longer than {TURNS_WITHIN_S:g} seconds",
}


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Moment:
    """One frame of the video that was looked at."""

    time_s: float
    num_faces: int
    face_px: float
    """Width of the face's mesh where there is one face, else 0."""
    yaw_pitch_deg: tuple[float, float]
    """Of the one face; NaN without."""
    code: SeenCode | None


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SeenStatement:
    """What was seen in a video, whoever it is and whatever was asked."""

    sha256: str
    duration_s: float
    num_shots: int
    moments: tuple[Moment, ...]
    parts: tuple[Embedding, ...]
    """Mean embeddings of the face in successive parts; none where it is hardly seen from the front."""

    @property
    def texts(self) -> tuple[str, ...]:
        """What the codes in the video say, each once."""
        return tuple(dict.fromkeys(moment.code.text for moment in self.moments if moment.code is not None))

    @property
    def embedding(self) -> Embedding:
        """Of all parts."""
        return np.asarray(np.mean(self.parts, axis=0), np.float32)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Judged:
    """Whether a video answers a challenge, and the figures behind it."""

    reasons: tuple[Reason, ...]
    """Why it is refused; none where it is accepted."""
    distance: float | None
    turns: tuple[MadeTurn, ...]
    figures: Mapping[str, float]


def look_at_statement(info: MediaInfo, progress: Progress) -> SeenStatement:
    """Look at a video.

    Raises:
        MediaError: it can't be read.
    """
    read_code, follow = CodeReader(), FaceFollower()
    moments: list[Moment] = []
    chips: list[np.ndarray] = []
    thumbnails: list[Thumbnail] = []
    frames = progress.track(
        _some(read_frames(info)), what="looking at the statement", unit="frames", total=_num_frames(info)
    )
    for frame, faces in follow(frames, frozenset({0})):
        thumbnails.append(thumbnail(frame.rgb))
        face = next(iter(faces.values())) if len(faces) == 1 else None
        code = read_code(frame.rgb, measure=frame.index % MEASURED_STEP == 0)
        moments.append(_moment(frame, len(faces), face, code))
        yaw, pitch = moments[-1].yaw_pitch_deg
        if face is not None and abs(yaw) < FRONTAL_YAW_DEG and abs(pitch) < FRONTAL_PITCH_DEG:
            chips.append(cut_chip(frame.rgb, face.landmarks_xyz[:, :2]))
    return SeenStatement(
        sha256=info.sha256,
        duration_s=float(info.duration),
        num_shots=len(list(find_shots(thumbnails))),
        moments=tuple(moments),
        parts=_parts(chips),
    )


def judge_statement(
    seen: SeenStatement, code: str, turns: Sequence[Turn], reference: Embedding, others: Iterable[Embedding]
) -> Judged:
    """Whether a video shows the person of the reference, with this code beside their face, turning as asked.

    `others` are everybody else whom the project knows.
    """
    with_face = [moment for moment in seen.moments if moment.num_faces == 1]
    angles = np.array([each.yaw_pitch_deg for each in with_face], float).reshape(-1, 2)
    made = turns_made([each.time_s for each in with_face], angles)
    distance = float(np.linalg.norm(seen.embedding - reference)) if seen.parts else None
    figures = code_figures([each.code for each in seen.moments if each.code is not None], code)
    reasons = [
        *_about_video(seen),
        *_about_face(seen, with_face, reference, others),
        *_about_code(seen, with_face, code, made, figures),
        *_about_turns(seen, made, turns),
    ]
    return Judged(reasons=tuple(reasons), distance=distance, turns=made, figures=figures)


def _some(frames: Iterable[Frame]) -> Iterator[Frame]:
    """Some of the frames, numbered anew; no more than is needed to see that a video is too long."""
    next_time, number = Fraction(0), 0
    for frame in frames:
        if float(frame.time) > MAX_S + 1:
            return
        if frame.time >= next_time:
            yield replace(frame, index=number)
            number += 1
            next_time = max(next_time + Fraction(1, FRAMES_PER_S), frame.time)


def _num_frames(info: MediaInfo) -> int:
    return min(info.num_frames, round(min(float(info.duration), MAX_S + 1) * FRAMES_PER_S) + 1)


def _moment(frame: Frame, num_faces: int, face: DetectedFace | None, code: SeenCode | None) -> Moment:
    if face is None:
        angles, face_px = (np.nan, np.nan), 0.0
    else:
        pose = head_pose(face.landmarks_xyz)
        angles, face_px = (pose.yaw_deg, pose.pitch_deg), float(face.box_xyxy[2] - face.box_xyxy[0])
    return Moment(time_s=float(frame.time), num_faces=num_faces, face_px=face_px, yaw_pitch_deg=angles, code=code)


def _parts(chips: Sequence[np.ndarray]) -> tuple[Embedding, ...]:
    if len(chips) < NUM_PARTS:
        return ()
    recogniser, parts = Recogniser(), []
    for part in np.array_split(np.arange(len(chips)), NUM_PARTS):
        chosen = part[np.unique(np.linspace(0, len(part) - 1, FACES_PER_PART).round().astype(int))]
        parts.append(np.asarray(embed(recogniser, [chips[index] for index in chosen]).mean(axis=0)))
    return tuple(parts)


def _about_video(seen: SeenStatement) -> Iterator[Reason]:
    if not MIN_S <= seen.duration_s <= MAX_S:
        yield "video.length"
    if seen.num_shots > 1:
        yield "video.cut"


def _about_face(
    seen: SeenStatement, with_face: Sequence[Moment], reference: Embedding, others: Iterable[Embedding]
) -> Iterator[Reason]:
    num = max(len(seen.moments), 1)
    if sum(moment.num_faces > 1 for moment in seen.moments) > (1 - MIN_WITH_FACE) * num:
        yield "face.several"
    elif len(with_face) < MIN_WITH_FACE * num or not seen.parts:
        yield "face.none"
        return
    if not with_face or not seen.parts:
        return
    if np.median([moment.face_px for moment in with_face]) < MIN_FACE_PX:
        yield "face.small"
    if np.ptp([moment.yaw_pitch_deg for moment in with_face], axis=0).max() < STILL_DEG:
        yield "face.still"
    distance = float(np.linalg.norm(seen.embedding - reference))
    if distance > MAX_DISTANCE:
        yield "face.other"
    elif max(float(np.linalg.norm(part - reference)) for part in seen.parts) > MAX_PART_DISTANCE:
        yield "face.changes"
    if any(np.linalg.norm(seen.embedding - other) < distance + MIN_MARGIN for other in others):
        yield "face.known"


def _about_code(
    seen: SeenStatement, with_face: Sequence[Moment], code: str, made: Sequence[MadeTurn], figures: Mapping[str, float]
) -> Iterator[Reason]:
    read = [moment.code for moment in seen.moments if moment.code is not None]
    if not read:
        yield "code.none"
        return
    if any(each.text != code for each in read):
        yield "code.other"
        return
    if sum(each.is_mirrored for each in read) > len(read) / 2:
        yield "code.mirrored"
    times = [moment.time_s for moment in with_face if moment.code is not None]
    if len(times) < MIN_WITH_CODE * max(len(with_face), 1):
        yield "code.rarely"
    elif not all(
        any(turn.begins_s - CODE_AT_TURN_S <= time_s <= turn.ends_s + CODE_AT_TURN_S for time_s in times)
        for turn in made
    ):
        yield "code.not_at_turns"
    yield from about_paste(figures)


def about_paste(figures: Mapping[str, float]) -> Iterator[Reason]:
    """Why a code whose figures are these wasn't filmed; nothing where it may have been."""
    if not figures:
        yield "code.small"
        return
    if figures["step_px"] < MIN_STEP_PX or figures["shape_spread"] < MIN_SHAPE_SPREAD:
        yield "code.still"
    if figures["blur_px"] < MIN_BLUR * figures["picture_blur_px"]:
        yield "code.sharp"
    if figures["misfit"] < MIN_MISFIT or figures["white_spread"] < MIN_WHITE_SPREAD:
        yield "code.clean"


def _about_turns(seen: SeenStatement, made: Sequence[MadeTurn], turns: Sequence[Turn]) -> Iterator[Reason]:
    if tuple(each.turn for each in made) != tuple(turns):
        yield "turns.wrong"
        return
    first_code = next((moment.time_s for moment in seen.moments if moment.code is not None), 0.0)
    if made[-1].ends_s - first_code > TURNS_WITHIN_S:
        yield "turns.late"


def code_figures(seen: Sequence[SeenCode], code: str) -> dict[str, float]:
    """What the pictures of a code measure over a video; nothing where it is too small or too rarely read to tell."""
    measured = [each for each in seen if each.text == code and np.isfinite(each.blur_px)]
    if len(measured) < MIN_MEASURED:
        return {}
    corners = np.array([each.corners_xy for each in measured])
    side = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2)
    steps = np.linalg.norm(np.diff(corners.mean(axis=1), axis=0), axis=1)
    picture = [each.picture_blur_px for each in measured if np.isfinite(each.picture_blur_px)]
    return {
        "blur_px": float(np.median([each.blur_px for each in measured])),
        "picture_blur_px": float(np.median(picture)) if picture else np.nan,
        "misfit": float(np.median([each.misfit for each in measured])),
        "white_spread": float(np.std([each.white for each in measured]) / np.mean([each.white for each in measured])),
        "black": float(np.median([each.black for each in measured])),
        "white": float(np.median([each.white for each in measured])),
        "step_px": float(np.median(steps)),
        "shape_spread": float(np.std(side / side.mean(axis=1, keepdims=True), axis=0).mean()),
        "module_px": float(side.mean() / 29),
    }
