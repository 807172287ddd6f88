"""Of a clip only the nearest moments keep their pictures."""

import json
from dataclasses import replace
from datetime import date

import numpy as np

from countenance.recognition.measure import NUM_NEAREST, FaceLook, Looks, NearFace, TrackLook, _Nearest
from countenance.recognition.report import CURVE_WH, Recognition, recognition_document, recognition_page

LOOK = FaceLook(frame=0, time_s=0.0, track=1, before=0.2, after=0.7, is_found=True, is_replaced=True)
DAY = date(2026, 11, 27)
PICTURE = np.zeros((8, 8, 3), np.uint8)


def near(frame: int, after: float, track: int = 1) -> NearFace:
    look = replace(LOOK, frame=frame, time_s=frame / 24, after=after, track=track)
    return NearFace(look=look, plate=PICTURE, published=PICTURE)


def test_of_a_moment_one_frame_stays_and_of_the_moments_the_nearest() -> None:
    nearest = _Nearest()
    for frame in range(24 * 60):
        moment = frame // 12
        nearest.add(near(frame, 0.3 + 0.001 * moment + (0.0 if frame % 12 == 7 else 0.05)))
    kept = nearest.sorted()
    assert [face.look.frame for face in kept] == [12 * moment + 7 for moment in range(NUM_NEAREST)]


def test_two_faces_in_one_moment_are_two() -> None:
    nearest = _Nearest()
    for frame in range(4):
        nearest.add(near(frame, 0.5, track=1))
        nearest.add(near(frame, 0.4 - 0.01 * frame, track=2))
    assert [(face.look.track, face.look.frame) for face in nearest.sorted()] == [(2, 3), (1, 0)]


def recognition(afters: list[float]) -> Recognition:
    faces = tuple(replace(LOOK, frame=number, time_s=number / 24, after=after) for number, after in enumerate(afters))
    track = TrackLook(track=1, from_s=0.0, to_s=1.0, num_faces=len(faces), before=0.2, after=0.45)
    return Recognition(
        person="kim",
        file="<shot>.mp4",
        file_sha256="ab" * 32,
        plate="plate.mp4",
        plate_sha256="cd" * 32,
        num_frames=10,
        limit=0.4,
        unsure_limit=0.5,
        num_known_tracks=2,
        looks=Looks(faces=faces, tracks=(track,), nearest=(near(3, 0.35),)),
    )


def test_rates_are_told_at_each_limit_and_what_was_not_measured_too() -> None:
    result = recognition([0.7, 0.55, 0.45, 0.35])
    document = recognition_document(result)
    assert [document["limits"][name]["after"] for name in ("recognised", "unsure", "net")] == [0.25, 0.5, 0.75]
    assert {limit["before"] for limit in document["limits"].values()} == {1.0}
    assert document["frames_without"] == 6
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    about = {"person", "file", "file_sha256", "plate", "plate_sha256", "verdict", "frames", "known_tracks"}
    assert set(document) == about | {"frames_without", "faces_not_replaced", "limits", "tracks", "nearest", "faces"}
    assert result.verdict == (
        "By the recogniser used here, kim would be recognised in 25.0% of 4 faces, 100.0% before. "
        "Taken shot by shot, as it decides, in 0 of 1, and 1 more may be them. "
        "Within 0.60, the cautious limit, lie 75.0% of faces: where that is many, another recogniser may well see the "
        "person; choose a likeness that resembles them less."
    )


def test_the_page_stands_alone_and_says_what_it_cannot_tell() -> None:
    page = recognition_page(recognition([0.7, 0.55, 0.45, 0.35]), made_on=DAY, version="0")
    assert "0.350" in page
    assert "no promise of anonymity" in page
    assert "&lt;shot&gt;.mp4" in page
    assert page.count("<img") == 2
    assert "http" not in page.replace("Content-Security-Policy", "").replace("http-equiv", "")


def test_the_curve_of_a_long_clip_has_no_more_points_than_its_width() -> None:
    page = recognition_page(recognition([0.7] * 20_000), made_on=DAY, version="0")
    (points, _) = (line.split('points="')[1].split('"')[0].split() for line in page.splitlines() if "polyline" in line)
    assert len(points) == CURVE_WH[0] + 1
