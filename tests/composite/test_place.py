from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from countenance.composite.place import FADE_S, placed_faces
from countenance.faces.store import StoredFace
from countenance.media.timeline import Timeline
from tests.support.made_up import QUALITY, mesh_at, stored_face

RATE = 25.0
FADE = round(FADE_S * RATE)
NUM_FRAMES = 40
SIDEWAYS = replace(QUALITY, yaw_pitch_roll_deg=(62.0, 3.0, 0.0))
LEAVING = replace(QUALITY, visible_fraction=0.7)


def stored(frame: int, score: float = 1.0, track: int = 0) -> StoredFace:
    return stored_face(
        mesh_at(100 + 2 * frame, 128),
        id=frame,
        frame=frame,
        track=track,
        score=score,
        quality=QUALITY if score == 1 else SIDEWAYS,
    )


def timeline(*shots: int) -> Timeline:
    return Timeline(frame_pts=np.arange(NUM_FRAMES), keyframes=(0,), shots=(0, *shots))


def presences(faces: Sequence[StoredFace], *shots: int, fades: bool = True) -> dict[int, float]:
    placed = placed_faces(faces, timeline(*shots), frame_rate=RATE, fades=fades)
    return {frame: face.presence for frame, (face,) in placed.items()}


def test_a_face_that_is_there_in_all_of_its_shot_shows_as_a_whole() -> None:
    assert set(presences([stored(i) for i in range(NUM_FRAMES)]).values()) == {1.0}
    assert presences([stored(i) for i in range(8, 20)], 8, 20) == dict.fromkeys(range(8, 20), 1.0)


def test_a_face_whose_mesh_is_lost_as_it_turns_fades_before_and_after() -> None:
    scores = {**dict.fromkeys(range(15, 22), 0.5), 14: 0.9, 22: 0.9}
    shown = presences([stored(i, scores.get(i, 1.0)) for i in range(NUM_FRAMES)])
    assert sorted(set(range(NUM_FRAMES)) - shown.keys()) == list(range(14, 23))
    before = [shown[i] for i in range(14)]
    assert before[: 14 - FADE] == [1.0] * (14 - FADE)
    assert before == sorted(before, reverse=True)
    assert max(np.abs(np.diff([*before, 0.0]))) < 0.5
    assert before[-1] < 0.2
    assert [shown[i] for i in range(23, 37)] == before[::-1]


def test_a_score_that_never_falls_far_or_a_face_that_is_not_turned_fades_nothing() -> None:
    unsure = [stored(i, 0.8 if 10 < i < 20 else 1.0) for i in range(NUM_FRAMES)]
    assert set(presences(unsure).values()) == {1.0}
    dark = [replace(stored(i), score=0.4) for i in range(NUM_FRAMES)]
    assert set(presences(dark).values()) == {1.0}


def test_a_face_that_begins_or_ends_within_a_shot_fades() -> None:
    shown = presences([stored(i) for i in range(10, 30)])
    assert shown[10] < 0.2
    assert shown[10 + FADE] == 1.0
    assert shown[29] == shown[10]


def test_a_face_that_leaves_the_picture_does_not_fade() -> None:
    faces = [replace(stored(i), quality=LEAVING if i > 17 else QUALITY) for i in range(20)]
    assert set(presences(faces).values()) == {1.0}


def test_entering_and_leaving_are_alike() -> None:
    leaving = [stored(i, 0.6 if i > 13 else 1.0) for i in range(20)]
    leaving = [replace(face, quality=LEAVING) if face.frame > 15 else face for face in leaving]
    entering = [replace(face, frame=NUM_FRAMES - 1 - face.frame) for face in reversed(leaving)]
    before, after = presences(leaving), presences(entering)
    assert before == {NUM_FRAMES - 1 - frame: shown for frame, shown in after.items()}


def test_without_fades_a_face_shows_wherever_it_has_a_mesh() -> None:
    faces = [stored(i, 0.4) for i in range(10, 30)]
    assert presences(faces, fades=False) == dict.fromkeys(range(10, 30), 1.0)


def test_nothing_is_put_where_no_mesh_was_found() -> None:
    faces = [stored(i) for i in range(NUM_FRAMES) if i not in {10, 11}]
    shown = presences(faces)
    assert sorted(set(range(NUM_FRAMES)) - shown.keys()) == [10, 11]
    assert shown[9] == shown[12] < 0.2
    assert shown[9 - FADE] == shown[12 + FADE] == 1.0


def test_tracks_fade_by_themselves() -> None:
    faces = [stored(i) for i in range(NUM_FRAMES)] + [stored(i, track=1) for i in range(20, NUM_FRAMES)]
    placed = placed_faces(faces, timeline(), frame_rate=RATE)
    assert [face.presence for face in placed[20]] == [1.0, pytest.approx(0.104, abs=0.01)]
