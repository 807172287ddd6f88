"""The user's decisions on faces, in the project's database; they hold however often clips are scanned."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from countenance.faces.store import StoredFace, middle_xy
from countenance.geometry import box_around
from countenance.project import Project, now

Word = Literal["yes", "no", "keep", "drop"]
"""What a user may decide: `yes` and `no` of a whole track, whether it is the person; `keep` and `drop` of one face."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Answer:
    """The user's decision on a face in a frame of a clip."""

    frame: int
    x: float
    y: float
    word: Word


def answer(project: Project, person: str, faces: Iterable[StoredFace], word: Word) -> None:
    """Store the user's decision on faces; it counts when faces are chosen the next time, and ever after."""
    for face in faces:
        x, y = middle_xy(face.landmarks_xyz)
        project.database.execute(
            "INSERT INTO answers (person, sha256, frame, x, y, word, said_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (person, face.clip_sha256, face.frame, x, y, word, now()),
        )


def forget_answers(project: Project, person: str, sha256: str) -> None:
    """Withdraw the user's decisions on whose faces those in a file are."""
    project.database.execute(
        "DELETE FROM answers WHERE person = ? AND sha256 = ? AND word IN ('yes', 'no')", (person, sha256)
    )


def withdraw(project: Project, person: str, faces: Iterable[StoredFace]) -> None:
    """Withdraw the user's decisions to keep or drop some faces: the automatic choice holds again."""
    for face in faces:
        _delete_about(project, person, face, ("keep", "drop"))


def erase_answers(project: Project, person: str) -> None:
    """Delete, within the caller's transaction, all of the user's decisions on a person's faces."""
    project.database.execute("DELETE FROM answers WHERE person = ?", (person,))


def erase_answers_on(project: Project, person: str, faces: Iterable[StoredFace]) -> None:
    """The same for the decisions on some faces that were stored as this person's."""
    for face in faces:
        _delete_about(project, person, face, get_args(Word))


def answers(project: Project, person: str, sha256: str) -> list[Answer]:
    """The user's decisions on a person's faces in a clip, in the order in which they were made."""
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


def _delete_about(project: Project, person: str, face: StoredFace, words: Sequence[Word]) -> None:
    left, top, right, bottom = (float(side) for side in box_around(face.landmarks_xyz[:, :2]))
    project.database.execute(
        "DELETE FROM answers WHERE person = ? AND sha256 = ? AND frame = ?"
        " AND x BETWEEN ? AND ? AND y BETWEEN ? AND ? AND word IN (SELECT value FROM json_each(?))",
        (person, face.clip_sha256, face.frame, left, right, top, bottom, json.dumps(words)),
    )
