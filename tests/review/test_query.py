from dataclasses import replace
from typing import get_args

import numpy as np
import pytest

from countenance.errors import UsageError
from countenance.faces.store import StoredFace
from countenance.footage import Clip
from countenance.project import Project
from countenance.review.query import (
    FaceQuery,
    Measure,
    Range,
    choose,
    faces_called,
    faces_named,
    measured,
    measured_text,
    parse_range,
    parse_where,
    state_of,
    track_named,
    waiting_tracks,
)
from tests.support.made_up import CLIP, QUALITY, add_track

OTHER_CLIP = "cd" * 32
CLIPS = {
    CLIP: Clip(sha256=CLIP, name="walk.mp4", num_frames=100, duration_s=4.0),
    OTHER_CLIP: Clip(sha256=OTHER_CLIP, name="a sitting.mp4", num_frames=50, duration_s=2.0),
}


@pytest.fixture
def faces(project: Project) -> list[StoredFace]:
    """Five faces that differ in everything, of two clips."""
    varied = [
        replace(
            QUALITY,
            size_px=90.0 + 10 * step,
            sharpness=70.0 - 10 * step,
            motion_blur=0.1 + 0.1 * step,
            brightness=100.0 + step,
            yaw_pitch_roll_deg=(30.0 - 15 * step, 5.0 * step, -2.0 * step),
            occluded_fraction=0.1 * step,
            mouth_open=0.3 - 0.05 * step,
            eyes_open=0.1 * step,
        )
        for step in range(5)
    ]
    kept = add_track(project, [4, 9], distance=0.3, qualities=varied[:2])
    blurred = add_track(project, [12], distance=0.1, qualities=varied[2:3], rejections=("blurred", "turned"))
    unsure = add_track(
        project,
        [3, 5],
        distance=0.45,
        qualities=varied[3:],
        rejections=("unsure who",),
        sha256=OTHER_CLIP,
        clip="a sitting.mp4",
    )
    return [*kept, *blurred, *unsure]


@pytest.mark.parametrize("measure", get_args(Measure))
def test_sorting_goes_by_the_measure_and_back(faces: list[StoredFace], measure: Measure) -> None:
    values = [measured(face, measure) for face in choose(faces, CLIPS, FaceQuery(sort=measure))]
    if measure == "frame":
        # By clip first, in the order of their names.
        assert values == [3, 5, 4, 9, 12]
    else:
        assert values == sorted(values)
        assert len(set(values)) > 1 or measure == "score"
    backwards = [measured(face, measure) for face in choose(faces, CLIPS, FaceQuery(sort=measure, reverse=True))]
    assert backwards == values[::-1]
    assert measured_text(faces[0], measure)


@pytest.mark.parametrize(
    ("where", "frames"),
    [("kept", [4, 9]), ("left-out", [3, 5, 12]), ("unsure", [3, 5]), ("turned", [12]), ("unsure who", [3, 5])],
)
def test_states_and_reasons_choose(faces: list[StoredFace], where: str, frames: list[int]) -> None:
    chosen = choose(faces, CLIPS, FaceQuery(where=parse_where(where)))
    assert [face.frame for face in chosen] == frames


def test_clips_ranges_and_limits_choose(faces: list[StoredFace]) -> None:
    def frames(**query: object) -> list[int]:
        return [face.frame for face in choose(faces, CLIPS, FaceQuery(**query))]  # type: ignore[arg-type]

    assert frames(clip="walk.mp4") == [4, 9, 12]
    assert frames(clip="cdcd") == [3, 5]
    assert frames(ranges=(parse_range("yaw=-16..15"),)) == [3, 9, 12]
    assert frames(ranges=(parse_range("size=110.."), parse_range("blur=..40"))) == [3, 5]
    assert frames(sort="size", reverse=True, limit=2) == [5, 3]
    with pytest.raises(UsageError, match=r"there are a sitting\.mp4, walk\.mp4"):
        frames(clip="nowhere.mp4")


def test_a_range_is_read_or_refused() -> None:
    assert parse_range("yaw=-20..20") == Range(measure="yaw", low=-20, high=20)
    assert parse_range("size=128..") == Range(measure="size", low=128, high=float("inf"))
    for wrong in ("yaw", "yaw=3", "yaw=20..-20", "yaw=nan..3", "beauty=1..2", "yaw=a..b"):
        with pytest.raises(UsageError, match=r"expected --range MEASURE=LOW\.\.HIGH"):
            parse_range(wrong)


def test_a_wrong_state_lists_all() -> None:
    assert parse_where("cut-off") == "cut off"
    with pytest.raises(UsageError, match=r"kept, left-out, unsure, small, .* got 'ugly'"):
        parse_where("ugly")


def test_a_name_means_one_face_or_none(faces: list[StoredFace]) -> None:
    kept = faces[0]
    assert faces_named(faces, [kept.name, kept.name]) == [kept]
    assert faces_named(faces, [f"{CLIP[:12]}-000009"]) == [faces[1]]
    with pytest.raises(UsageError, match="3 faces have a name that begins with 'abab'"):
        faces_named(faces, [kept.name, "abab"])
    with pytest.raises(UsageError, match="no face is called 'dana'"):
        faces_named(faces, ["dana"])


def test_a_name_still_means_the_face_that_was_moved_a_little(faces: list[StoredFace]) -> None:
    kept = faces[0]
    moved = replace(kept, landmarks_xyz=kept.landmarks_xyz + np.array([5, -3, 0], np.float32))
    assert moved.name != kept.name
    assert faces_called([moved], [kept.name]) == [moved]
    assert faces_called([moved], [f"{CLIP[:12]}-000004-0-0"]) == [None]
    assert faces_called([moved], [kept.name.replace("000004", "000005")]) == [None]


def test_waiting_tracks_keep_their_names(project: Project, faces: list[StoredFace]) -> None:
    (alone,) = waiting_tracks(faces)
    assert state_of(alone.faces[0]) == "unsure"
    more = [face for number in range(60) for face in add_track(project, [number], rejections=("unsure who",))]
    tracks = waiting_tracks([*faces, *more])
    assert len({track.name for track in tracks}) == len(tracks) == 61
    assert [track.distance for track in tracks] == sorted(track.distance for track in tracks)
    again = track_named(tracks, next(track.name for track in tracks if track.faces[0].id == alone.faces[0].id))
    assert again.faces == alone.faces
    assert again.name.startswith(alone.name)


def test_a_wrong_track_names_those_that_wait(faces: list[StoredFace]) -> None:
    tracks = waiting_tracks(faces)
    for wrong in ("t", "", "5", "tx"):
        with pytest.raises(UsageError, match=f"no track here; those are {tracks[0].name}$"):
            track_named(tracks, wrong)
