"""Faces as lists have them: the same as the stored ones, without a look at any picture."""

import json
import re
from dataclasses import asdict, replace

import numpy as np
import pytest

from countenance.faces.answers import answer, answers, withdraw
from countenance.faces.store import (
    Qualities,
    StoredFace,
    faces_in_frame,
    faces_with_ids,
    listed_faces,
    store_rejections,
    stored_faces,
)
from countenance.project import Project
from tests.support.made_up import QUALITY

LISTED = ("id", "clip_sha256", "frame", "track", "score", "quality", "distance", "rejections", "has_crop")


@pytest.fixture
def faces(project: Project) -> list[StoredFace]:
    """Of two people in two clips, in which frames have two faces, and some are without a picture."""
    database = project.database
    for person, sha256 in (("dana", "a" * 64), ("dana", "b" * 64), ("erik", "c" * 64)):
        database.execute(
            "INSERT INTO clips (person, sha256, path, num_frames, description, collected_at)"
            " VALUES (?, ?, ?, 9, '{\"duration_s\": 1}', '')",
            (person, sha256, f"/{sha256[:4]}.mp4"),
        )
        (scan,) = database.execute(
            "INSERT INTO scans (person, sha256, purpose, settings, state) VALUES (?, ?, 'prepare', '', 'found')"
            " RETURNING id",
            (person, sha256),
        ).fetchone()
        (track,) = database.execute(
            "INSERT INTO tracks (scan, shot, distance, margin, num_embedded, embedding)"
            " VALUES (?, 0, 0.25, 0.1, 1, x'') RETURNING id",
            (scan,),
        ).fetchone()
        for number in range(8):
            mesh = np.random.default_rng(number).uniform(100 * number, 100 * number + 50, (468, 3)).astype(np.float32)
            quality = json.dumps(asdict(replace(QUALITY, size_px=number)))
            picture = (b"crop", b"mask", "hull") if number % 3 else (None, None, None)
            reasons = '["blurred"]' if number % 2 else "[]"
            database.execute(
                "INSERT INTO faces (scan, track, frame, landmarks, score, quality, crop, mask, mask_origin, rejections)"
                " VALUES (?, ?, ?, ?, 0.9, ?, ?, ?, ?, ?)",
                (scan, track, 5 - number // 2, mesh.tobytes(), quality, *picture, reasons),
            )
    return stored_faces(project, "dana")


def test_a_listed_face_is_the_stored_one(project: Project, faces: list[StoredFace]) -> None:
    listed = listed_faces(project, "dana", Qualities())
    assert len(listed) == 16
    assert [[getattr(face, name) for name in LISTED] for face in listed] == [
        [getattr(face, name) for name in LISTED] for face in faces
    ]


@pytest.mark.usefixtures("faces")
def test_no_row_is_read_for_a_list(project: Project) -> None:
    statements: list[str] = []
    project.database.set_trace_callback(statements.append)
    listed_faces(project, "dana", Qualities())
    project.database.set_trace_callback(None)
    (statement,) = [each for each in statements if "JOIN faces" in each]
    plan = [detail for *_, detail in project.database.execute(f"EXPLAIN QUERY PLAN {statement}")]
    assert any(re.match("SEARCH faces USING COVERING INDEX faces_listed", detail) for detail in plan), plan


def test_faces_are_found_by_their_frame_and_by_their_ids(project: Project, faces: list[StoredFace]) -> None:
    def names(found: list[StoredFace]) -> list[str]:
        return [face.name for face in found]

    assert names(faces_in_frame(project, "dana", "a" * 12, 4)) == names([face for face in faces if face.frame == 4][:2])
    assert faces_in_frame(project, "dana", "c" * 12, 4) == []
    assert names(faces_with_ids(project, [faces[5].id, faces[2].id])) == names([faces[2], faces[5]])


def test_only_rejections_that_changed_are_written(project: Project, faces: list[StoredFace]) -> None:
    before = project.database.total_changes
    store_rejections(project, [(face.id, face.rejections) for face in faces])
    assert project.database.total_changes == before
    store_rejections(project, [(face.id, ("spare",)) for face in faces[:3]])
    assert project.database.total_changes == before + 3
    assert [face.rejections for face in stored_faces(project, "dana")[:4]] == [("spare",)] * 3 + [faces[3].rejections]


def test_only_keep_and_drop_are_withdrawn_and_only_of_that_face(project: Project, faces: list[StoredFace]) -> None:
    one, other = [face for face in faces if face.frame == 4][:2]
    for word in ("keep", "drop", "yes"):
        answer(project, "dana", [one, other], word)
    withdraw(project, "dana", [one])
    left = [(each.word, each.x) for each in answers(project, "dana", one.clip_sha256)]
    assert sorted(word for word, _ in left) == ["drop", "keep", "yes", "yes"]
    assert len({x for word, x in left if word != "yes"}) == 1
