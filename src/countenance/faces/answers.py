"""What the user said of faces, in the project's database; it holds however often faces are looked for."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from countenance.faces.store import StoredFace, middle_xy
from countenance.geometry import box_around
from countenance.project import Project, now

Word = Literal["yes", "no", "keep", "drop"]
"""What a user may say: `yes` and `no` of a whole track, whether it is the person; `keep` and `drop` of one face."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Answer:
    """What the user said of a face in a frame of a clip."""

    frame: int
    x: float
    y: float
    word: Word


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
