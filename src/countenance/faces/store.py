"""Found faces in the project's database: how they go in, and how they come out."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float32, UInt8

from countenance.errors import FaceError
from countenance.geometry import box_around
from countenance.project import Project, now
from countenance.types import FaceQuality, MaskOrigin, Rejection
from countenance.vision.crops import decode_crop, decode_mask, encode_crop, encode_mask

Purpose = Literal["prepare", "generate"]
Word = Literal["yes", "no", "keep", "drop"]
"""What a user may say: `yes` and `no` of a whole track, whether it is the person; `keep` and `drop` of one face."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class StoredFace:
    """A face of a person, or one that may be theirs, in one frame of a clip."""

    id: int
    """Of the database; another one when faces are looked for anew."""
    clip_sha256: str
    frame: int
    track: int
    shot: int
    """Frame at which its shot begins."""
    landmarks_xyz: Float32[np.ndarray, "468 3"]
    """In pixels of the frame."""
    score: float
    """0–1, how sure the mesh net is."""
    quality: FaceQuality
    distance: float
    """Of the track's mean embedding to what is known of the person; see `faces.recognise`, also for the next one."""
    margin: float
    """How much further away the nearest other is."""
    mask_origin: MaskOrigin | None
    has_crop: bool
    rejections: tuple[Rejection, ...]
    """Why it isn't kept; none for a kept face."""

    @property
    def name(self) -> str:
        """The same however often faces are looked for: clip, frame and place of the face's middle in the frame."""
        x, y = middle_xy(self.landmarks_xyz)
        return f"{self.clip_sha256[:12]}-{self.frame:06}-{x:.0f}-{y:.0f}"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Answer:
    """What the user said of a face in a frame of a clip."""

    frame: int
    x: float
    y: float
    word: Word


def stored_faces(
    project: Project, person: str, *, purpose: Purpose = "prepare", sha256: str | None = None, kept_only: bool = False
) -> list[StoredFace]:
    """A person's faces in the order of clips and frames: of one clip, if it is named, else of all collected ones."""
    return list(iterate_faces(project, person, purpose=purpose, sha256=sha256, kept_only=kept_only))


def iterate_faces(
    project: Project, person: str, *, purpose: Purpose = "prepare", sha256: str | None = None, kept_only: bool = False
) -> Iterator[StoredFace]:
    """The same, one at a time; nothing may be changed meanwhile."""
    rows = project.database.execute(
        """
        SELECT faces.id, scans.sha256, frame, track, tracks.shot, landmarks, score, quality, distance, margin,
            mask_origin, crop IS NOT NULL, rejections
        FROM faces JOIN scans ON scans.id = faces.scan JOIN tracks ON tracks.id = faces.track
        WHERE scans.person = ?1 AND scans.purpose = ?2 AND (?3 IS NULL OR scans.sha256 = ?3)
        AND (?3 IS NOT NULL
            OR EXISTS (SELECT 1 FROM clips WHERE clips.person = scans.person AND clips.sha256 = scans.sha256))
        AND (NOT ?4 OR rejections = '[]')
        ORDER BY scans.sha256, frame, faces.id
        """,
        (person, purpose, sha256, kept_only),
    )
    for (
        number,
        clip,
        frame,
        track,
        shot,
        landmarks,
        score,
        quality,
        distance,
        margin,
        origin,
        has_crop,
        rejections,
    ) in rows:
        yield StoredFace(
            id=number,
            clip_sha256=clip,
            frame=frame,
            track=track,
            shot=shot,
            landmarks_xyz=landmarks_of(landmarks),
            score=score,
            quality=quality_of(quality),
            distance=distance,
            margin=margin,
            mask_origin=origin,
            has_crop=bool(has_crop),
            rejections=tuple(json.loads(rejections or "[]")),
        )


def read_crop(project: Project, face_id: int) -> UInt8[np.ndarray, "S S 3"]:
    """A face's aligned crop.

    Raises:
        FaceError: it isn't stored, because nothing is learned from it.
    """
    return decode_crop(_blob(project, face_id, "crop"))


def read_visible(project: Project, face_id: int) -> Float32[np.ndarray, "S S"]:
    """Where a face is seen in its crop, 0–1, at the crop's size.

    Raises:
        FaceError: it isn't stored, because nothing is learned from it.
    """
    return decode_mask(_blob(project, face_id, "mask"))


def write_face(
    project: Project,
    face_id: int,
    *,
    landmarks_xyz: Float32[np.ndarray, "468 3"],
    quality: FaceQuality,
    crop: UInt8[np.ndarray, "S S 3"],
    visible: Float32[np.ndarray, "S S"],
    mask_origin: MaskOrigin,
) -> None:
    """Store a face anew, as after its landmarks or its mask were corrected."""
    with project.transaction() as database:
        database.execute(
            "UPDATE faces SET landmarks = ?, quality = ?, crop = ?, mask = ?, mask_origin = ? WHERE id = ?",
            (
                landmarks_xyz.astype(np.float32).tobytes(),
                json.dumps(asdict(quality)),
                encode_crop(crop),
                encode_mask(visible),
                mask_origin,
                face_id,
            ),
        )


def answer(project: Project, person: str, faces: Iterable[StoredFace], word: Word) -> None:
    """Remember what the user said of faces; it counts when faces are chosen the next time, and ever after."""
    with project.transaction() as database:
        for face in faces:
            x, y = middle_xy(face.landmarks_xyz)
            database.execute(
                "INSERT INTO answers (person, sha256, frame, x, y, word, said_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (person, face.clip_sha256, face.frame, x, y, word, now()),
            )


def answers(project: Project, person: str, sha256: str) -> list[Answer]:
    """What the user said of a person's faces in a clip, in the order in which it was said."""
    rows = project.database.execute(
        "SELECT frame, x, y, word FROM answers WHERE person = ? AND sha256 = ? ORDER BY id", (person, sha256)
    )
    return [Answer(frame=frame, x=x, y=y, word=word) for frame, x, y, word in rows]


def says(said: Sequence[Answer], face: StoredFace, words: tuple[Word, ...]) -> Word | None:
    """The last of these words said of a face."""
    left, top, right, bottom = box_around(face.landmarks_xyz[:, :2])
    about = [
        each.word
        for each in said
        if each.frame == face.frame and each.word in words and left <= each.x <= right and top <= each.y <= bottom
    ]
    return about[-1] if about else None


def middle_xy(landmarks_xyz: Float32[np.ndarray, "468 3"]) -> tuple[float, float]:
    """Of the face's box."""
    left, top, right, bottom = box_around(landmarks_xyz[:, :2])
    return float((left + right) / 2), float((top + bottom) / 2)


def landmarks_of(content: bytes) -> Float32[np.ndarray, "468 3"]:
    """As the database holds them."""
    return np.frombuffer(content, np.float32).reshape(468, 3)


def quality_of(text: str) -> FaceQuality:
    """As the database holds it."""
    values = json.loads(text)
    tuples = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
    return FaceQuality(**{**values, **tuples})


def _blob(project: Project, face_id: int, column: Literal["crop", "mask"]) -> bytes:
    row = project.database.execute(f"SELECT {column} FROM faces WHERE id = ?", (face_id,)).fetchone()  # noqa: S608
    if row is None or row[0] is None:
        raise FaceError(f"face {face_id} has no {column} here; only faces to learn from have one")
    return bytes(row[0])
