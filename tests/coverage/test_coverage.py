import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pytest

from countenance.coverage.advice import Advice, describe_light, describe_pose, listed
from countenance.coverage.aspects import COMPARED_AT_ONCE, CoverageConfig, num_near, usual_eyes
from countenance.coverage.measure import (
    Coverage,
    PlateFaces,
    coverage_document,
    measure_coverage,
    percent,
)
from countenance.coverage.page import coverage_page
from countenance.faces.store import StoredFace
from countenance.types import FaceQuality, Rejection
from countenance.vision.align import canonical_mesh

GOOD = FaceQuality(
    size_px=240.0,
    sharpness=150.0,
    motion_blur=0.2,
    brightness=110.0,
    clipped_fraction=0.0,
    light_xy=(0.0, 0.0),
    yaw_pitch_roll_deg=(0.0, 0.0, 0.0),
    visible_fraction=1.0,
    occluded_fraction=0.0,
    mouth_open=0.02,
    eyes_open=0.3,
)
CLIPS = {"a" * 64: "talk.mp4", "b" * 64: "turns.mp4"}


Changes = dict[str, Any]
"""What differs from a good face; `pose` is yaw and pitch."""


def made_up(number: int, *, rejections: tuple[Rejection, ...] = (), clip: str = "a", **changes: Any) -> StoredFace:
    if "pose" in changes:
        yaw, pitch = changes.pop("pose")
        changes["yaw_pitch_roll_deg"] = (float(yaw), float(pitch), 0.0)
    return StoredFace(
        id=number,
        clip_sha256=clip * 64,
        frame=number,
        track=1,
        shot=100 * (number // 100),
        landmarks_xyz=canonical_mesh() * 40 + np.float32(128),
        score=1.0,
        quality=replace(GOOD, **changes),
        distance=0.3,
        margin=0.2,
        mask_origin="segmenter",
        has_crop=True,
        rejections=rejections,
    )


def faces_like(each: Sequence[Changes]) -> list[StoredFace]:
    return [made_up(number, **changes) for number, changes in enumerate(each)]


def sweep(low: int, high: int, **others: Any) -> list[Changes]:
    """One face for each degree of yaw, both ends among them."""
    return [{"pose": (yaw, 0), **others} for yaw in range(low, high + 1)]


def measured(faces: Sequence[StoredFace], plate: PlateFaces | None = None) -> Coverage:
    return measure_coverage("dana", "d" * 64, faces, CLIPS, CoverageConfig(), plate)


def plate_of(each: Sequence[Changes], *, num_frames: int | None = None) -> PlateFaces:
    """A plate of ten frames a second; its first frames show the performer."""
    faces, frames = faces_like(each), num_frames or len(each)
    return PlateFaces(
        name="plate.mp4",
        performer="kim",
        faces=faces,
        frame_times_s=[frame / 10 for frame in range(frames)],
        end_s=frames / 10,
        usual_eyes=usual_eyes(face.quality for face in faces),
    )


def about(coverage: Coverage, subject: str) -> list[Advice]:
    return [advice for advice in coverage.advice if advice.about == subject]


RICH: list[Changes] = [
    *(
        {"pose": (yaw, pitch), "light_xy": (light, 0.0), "mouth_open": mouth}
        for yaw in range(-60, 61, 10)
        for pitch in range(-30, 31, 10)
        for light, mouth in ((-0.2, 0.0), (0.2, 0.0), (-0.2, 0.3), (0.2, 0.3), (0.0, 0.15))
    ),
    *({"eyes_open": eyes} for eyes in (0.1, 0.1, 0.1, 0.15, 0.2, 0.25)),
    *sweep(-30, 30),
]


FEW = [*RICH[:455:2], *RICH[455:461]]


def test_a_rich_set_of_several_shots_lacks_nothing() -> None:
    coverage = measured(faces_like(RICH))
    assert coverage.advice == ()
    assert coverage.verdict == f"The {len(RICH)} faces of dana cover what most films need."


@pytest.mark.parametrize(
    ("keeps", "subject", "short"),
    [
        (lambda q: q.yaw_pitch_roll_deg[0] < 20, "pose", "heads turned further to the right"),
        (lambda q: q.yaw_pitch_roll_deg[0] > -20, "pose", "heads turned further to the left"),
        (lambda q: q.yaw_pitch_roll_deg[1] > -5, "pose", "raised heads"),
        (lambda q: q.yaw_pitch_roll_deg[1] < 5, "pose", "lowered heads"),
        (lambda q: q.mouth_open < 0.2, "mouth", "wide-open mouths"),
        (lambda q: q.mouth_open > 0.1, "mouth", "closed mouths"),
        (lambda q: q.eyes_open > 0.2, "eyes", "shut eyes"),
        (lambda q: q.light_xy[0] < 0.1, "light", "light from the right"),
        (lambda q: q.light_xy[0] > -0.1, "light", "light from the left"),
    ],
)
def test_what_a_set_lacks_is_said(keeps: Callable[[FaceQuality], bool], subject: str, short: str) -> None:
    eyes: list[Changes] = [{"mouth_open": 0.2, "eyes_open": 0.1}] * 3
    faces = [face for face in faces_like([*RICH, *eyes]) if keeps(face.quality)]
    found = [advice for advice in measured(faces).advice if advice.about != "number"]
    assert [(advice.about, advice.short) for advice in found] == [(subject, short)]
    assert found[0].num_faces is None


def test_verdict_tells_of_few_faces_apart_from_what_lacks() -> None:
    few = measured(faces_like(FEW))
    assert few.verdict == f"Only {len(FEW)} faces of dana, though of every kind that most films need."
    assert measured(faces_like(sweep(-9, 9))).verdict.startswith("Only 19 faces of dana. Missing most: heads turned")
    plates = [measured(faces_like(each), plate_of(sweep(-9, 9))).verdict for each in (RICH, FEW)]
    begin = "The faces of dana cover 100% of what kim does in plate.mp4."
    assert plates == [
        f"{begin} Nothing more needs to be shot.",
        f"{begin} Yet they are only {len(FEW)}: record more of the same.",
    ]


def test_reach_needs_more_than_a_single_face() -> None:
    far = [{"pose": (50, 0)}, {"pose": (45, -25)}]
    coverage = measured(faces_like([*sweep(-40, 20), *far]))
    assert (coverage.reach.left_deg, coverage.reach.right_deg) == (38, 20)
    assert coverage.reach.up_deg == 0


def test_heads_that_turn_further_in_the_plate() -> None:
    """The issue's own example."""
    coverage = measured(faces_like([*sweep(-40, 22), {"pose": (20, 0)}]), plate_of(sweep(0, 45)))
    (advice,) = about(coverage, "pose")
    assert advice.lacks == "No face looks further to the right of the picture than 20°; the plate turns to 45° (4.5 s)."
    assert advice.shoot.startswith("Turn the head slowly from the front to 50° to the right of the picture")
    # Up to 30° three faces of the set are within ten degrees.
    assert coverage.plate is not None
    assert coverage.plate.pose == coverage.plate.overall == pytest.approx(31 / 46)
    assert advice.num_faces == 15
    assert (coverage.plate.mouth, coverage.plate.eyes, coverage.plate.light) == (1, 1, 1)


@pytest.mark.parametrize(
    ("pose", "words"),
    [
        ((40, 0), "looks further to the right of the picture than 20°; the plate turns to 40°"),
        ((-40, 0), "looks further to the left of the picture than 20°; the plate turns to 40°"),
        ((0, 40), "is lowered further than 20°; the plate goes down to 40°"),
        ((0, -40), "is raised further than 20°; the plate rises to 40°"),
    ],
)
def test_each_way_to_turn(pose: tuple[int, int], words: str) -> None:
    around: list[Changes] = [{"pose": (yaw, pitch)} for yaw in range(-20, 21, 5) for pitch in range(-20, 21, 5)]
    coverage = measured(faces_like(around), plate_of([{"pose": pose}] * 4))
    assert [advice.lacks for advice in about(coverage, "pose")] == [f"No face {words} (0.0 s)."]


def test_a_set_that_never_reaches_the_front() -> None:
    (advice,) = about(measured(faces_like(sweep(-60, -20)), plate_of(sweep(-50, 30))), "pose")
    assert advice.lacks == "No face looks to the right of the picture; the plate turns to 30° (8.0 s)."


def test_turned_and_lowered_at_once() -> None:
    both = [*sweep(-40, 40), *({"pose": (0, pitch)} for pitch in range(-30, 31))]
    coverage = measured(faces_like(both), plate_of([{"pose": (30, 25)}] * 5 + [{"pose": (0, 0)}] * 5))
    (advice,) = about(coverage, "pose")
    assert advice.lacks == "Hardly any face is turned 30° to the right and lowered 25°, as the plate is at 0.0 s."
    assert advice.num_faces == 5


@pytest.mark.parametrize(
    ("needed", "subject", "short"),
    [
        ({"mouth_open": 0.4}, "mouth", "wide-open mouths"),
        ({"eyes_open": 0.1}, "eyes", "shut eyes"),
        ({"light_xy": (-0.3, 0.1)}, "light", "light from the left"),
        ({"light_xy": (0.1, -0.3)}, "light", "light from above"),
    ],
)
def test_a_plate_that_needs_more(needed: Changes, subject: str, short: str) -> None:
    each: list[Changes] = [{}] * 30 + [needed] * 10
    coverage = measured(faces_like([{}] * 20), plate_of(each))
    (advice,) = [each for each in coverage.advice if each.num_faces]
    assert (advice.about, advice.short, advice.num_faces) == (subject, short, 10)
    assert "3.0 s" in advice.lacks
    assert coverage.plate is not None
    parts = {name: getattr(coverage.plate, name) for name in ("pose", "mouth", "eyes", "light")}
    assert parts == {**dict.fromkeys(parts, 1.0), subject: 0.75}
    (stretch,) = coverage.plate.stretches
    assert (stretch.from_s, stretch.to_s, stretch.num_faces, stretch.lacks) == (3, 4, 10, (subject,))
    assert coverage.verdict.startswith(
        f"The faces of dana cover 75% of what kim does in plate.mp4. Missing most: {short}"
    )


def test_closed_mouths_missing_in_a_set_of_talk() -> None:
    coverage = measured(faces_like([{"mouth_open": 0.2}] * 9), plate_of([{"mouth_open": 0.0}] * 9))
    assert [advice.short for advice in about(coverage, "mouth")] == ["closed mouths"]


def test_narrow_eyes_compare_with_wide_ones() -> None:
    """Open is what is open for this person."""
    coverage = measured(
        faces_like([{"eyes_open": 0.4}] * 50 + [{"eyes_open": 0.1}] * 3),
        plate_of([{"eyes_open": 0.2}] * 40 + [{"eyes_open": 0.05}] * 4),
    )
    assert coverage.plate is not None
    assert coverage.plate.eyes == 1


def test_dark_skin_compares_with_light_skin() -> None:
    coverage = measured(faces_like([{"brightness": 60.0}] * 9), plate_of([{"brightness": 180.0}] * 9))
    assert coverage.plate is not None
    assert coverage.plate.overall == 1


def test_number_of_near_faces() -> None:
    kept, needed = np.array([[0, 0], [10, 0], [0, 11], [-9, 9]], np.float32), np.zeros((1, 2), np.float32)
    assert num_near(kept, needed, 10).tolist() == [3]
    many = np.repeat(needed, 2 * COMPARED_AT_ONCE + 1, axis=0)
    assert num_near(kept, many, 10).tolist() == [3] * len(many)
    assert num_near(kept, needed[:0], 10).tolist() == []


def test_a_few_faces_are_not_enough() -> None:
    for number, part in ((2, 0.0), (3, 1.0)):
        plate = measured(faces_like([{}] * number), plate_of([{}] * 5)).plate
        assert plate is not None
        assert plate.overall == part


def test_map_of_poses() -> None:
    faces = faces_like([{"pose": (31, 1)}, {"pose": (29, -2), "sharpness": 300.0}, {"pose": (-7, 0)}])
    coverage = measured(faces, plate_of([{"pose": (28, 0)}, {"pose": (70, 0)}]))
    cells = {(cell.yaw_deg, cell.pitch_deg): cell for cell in coverage.poses}
    # The plate's 75° widens the map.
    assert (len(cells), min(cells), max(cells)) == (11 * 5, (-75, -30), (75, 30))
    assert (cells[30, 0].num_faces, cells[30, 0].num_needed, cells[30, 0].example) == (2, 1, faces[1].name)
    assert (cells[0, 0].num_faces, cells[75, 0].num_faces, cells[75, 0].num_needed) == (1, 0, 1)
    assert (cells[30, 0].num_uncovered, cells[75, 0].num_uncovered) == (1, 1)
    assert sum(cell.num_faces for cell in coverage.poses) == 3


def test_spreads_and_lights_count_every_face() -> None:
    each: list[Changes] = [
        {"mouth_open": 2.0, "brightness": 255.0, "sharpness": 5000.0, "light_xy": (-1.0, 0.2)},
        {"mouth_open": 0.0, "eyes_open": 0.0, "brightness": 0.0, "sharpness": 0.0, "light_xy": (0.01, 0.0)},
        {},
    ]
    coverage = measured(faces_like(each), plate_of(each[:2]))
    for spread in coverage.spreads:
        assert sum(one.num_faces for one in spread.bins) == 3, spread.measure
        assert sum(one.num_needed for one in spread.bins) == 2, spread.measure
        assert [one.example is not None for one in spread.bins] == [one.num_faces > 0 for one in spread.bins]
    assert [spread.bins[-1].num_faces for spread in coverage.spreads] == [1, 0, 1, 1]
    assert sum(cell.num_faces for cell in coverage.lights) == sum(kind.num_faces for kind in coverage.light_kinds) == 3
    strong = measured(faces_like([{"light_xy": (x, 0.0), "sharpness": 300 - 300 * x} for x in (0.05, 0.12, 0.3, 0.0)]))
    assert [kind.example and kind.example[13:19] for kind in strong.light_kinds] == [
        None,
        "000003",
        "000002",
        None,
        None,
    ]
    assert {kind.words: kind.num_faces for kind in coverage.light_kinds if kind.num_faces} == {
        "from the left": 1,
        "even": 2,
    }


def test_clips_and_what_was_left_out() -> None:
    faces = [
        made_up(1),
        made_up(2, rejections=("blurred", "dark")),
        made_up(3, rejections=("alike",)),
        made_up(4, rejections=("unsure who",)),
        made_up(5, clip="c"),
        made_up(6, clip="c"),
    ]
    coverage = measured(faces)
    assert [(clip.name, clip.num_kept) for clip in coverage.clips] == [("c" * 12, 2), ("talk.mp4", 1), ("turns.mp4", 0)]
    assert coverage.clips[1].rejections == {"blurred": 1, "alike": 1, "unsure who": 1}
    assert (coverage.num_kept, coverage.num_left_out) == (3, 3)
    assert "1 of 6 faces had to be left out: out of focus." in [advice.lacks for advice in coverage.advice]
    (review,) = about(coverage, "review")
    assert review.lacks == "Not decided whether they show this person: 1 face."


def test_advice_on_size_and_sharpness() -> None:
    small = measured(faces_like([{"size_px": 100.0, "sharpness": 20.0}] * 9))
    assert [advice.short for advice in about(small, "detail")] == ["large faces", "sharp faces"]
    smaller = measured(faces_like([{"size_px": 200.0}] * 9), plate_of([{"size_px": 400.0}] * 9))
    (advice,) = about(smaller, "detail")
    assert advice.lacks.startswith("The plate shows its face 400 pixels across, the set only 200")


def test_time_of_a_plate_without_gaps() -> None:
    each: list[Changes] = [{}] * 4 + [{"mouth_open": 0.5}] * 3 + [{}] * 2 + [{"eyes_open": 0.05}]
    coverage = measured(faces_like([{}] * 9), plate_of(each, num_frames=15))
    plate = coverage.plate
    assert plate is not None
    assert [(run.from_s, run.to_s, run.state) for run in plate.runs["mouth"]] == [
        (0, 0.4, "covered"),
        (0.4, 0.7, "lacking"),
        (0.7, 1.0, "covered"),
        (1.0, 1.5, "absent"),
    ]
    assert (plate.num_frames, plate.num_seen_frames, plate.num_faces, plate.overall) == (15, 10, 10, 0.6)
    # A fifth of a second between them: one stretch, of which both are told.
    (stretch,) = plate.stretches
    assert (stretch.from_s, stretch.to_s, stretch.num_faces) == (0.4, 1.0, 4)
    assert stretch.words == "mouth wide open and eyes shut"


def test_worst_stretches_come_first() -> None:
    lacking: Changes = {"mouth_open": 0.5}
    each = [lacking, *[Changes()] * 10, *[lacking] * 4, *[Changes()] * 10, *[lacking] * 2]
    plate = measured(faces_like([{}] * 9), plate_of(each)).plate
    assert plate is not None
    assert [(stretch.from_s, stretch.num_faces) for stretch in plate.stretches] == [(1.1, 4), (2.5, 2), (0, 1)]


def test_picture_as_plate() -> None:
    plate = replace(plate_of([{"pose": (60, 0)}]), end_s=0.0)
    coverage = measured(faces_like([{}] * 9), plate)
    assert coverage.plate is not None
    assert (coverage.plate.overall, coverage.plate.duration_s) == (0, 0)
    assert all(runs == () for runs in coverage.plate.runs.values())
    assert "No face looks to the right" in coverage.advice[0].lacks
    assert "second by second" not in page_of(coverage)


def test_document_is_plain_json_with_stable_keys() -> None:
    coverage = measured(faces_like(RICH), plate_of(sweep(-20, 50)))
    document = json.loads(json.dumps(coverage_document(coverage), allow_nan=False))
    assert list(document) == [
        "schema", "person", "face_set", "verdict", "advice", "num_kept", "num_left_out", "num_shots", "median_size_px",
        "reach", "poses", "spreads", "lights", "light_kinds", "clips", "plate", "config",
    ]  # fmt: skip
    assert list(document["plate"]) == [
        "name", "performer", "duration_s", "num_frames", "num_seen_frames", "num_faces", "overall", "pose", "mouth",
        "eyes", "light", "runs", "stretches",
    ]  # fmt: skip
    assert document["config"]["near_deg"] == 10
    assert document["plate"]["pose"] == round(document["plate"]["pose"], 4)


def page_of(coverage: Coverage) -> str:
    crop = np.full((256, 256, 3), 120, np.uint8)
    return coverage_page(coverage, lambda _: crop, made_on=date(2026, 3, 1), version="1")


def test_page_holds_everything_and_asks_for_nothing() -> None:
    page = page_of(measured(faces_like(RICH), plate_of(sweep(-20, 50))))
    assert "<script" not in page
    assert re.findall(r"https?:|url\((?!#)|@import|<link|<iframe|\son\w+=", page) == []
    sources = re.findall(r'src="([^"]{5})', page)
    assert sources
    assert set(sources) == {"data:"}
    assert "default-src 'none'" in page
    assert "Private: this page shows faces." in page


def test_names_on_the_page_are_no_markup() -> None:
    plate = replace(plate_of(sweep(-20, 50)), name="<img src=x>.mp4", performer="<b>kim")
    faces = faces_like(RICH)
    coverage = measure_coverage("<i>dana", "d" * 64, faces, {"a" * 64: "<u>.mp4"}, CoverageConfig(), plate)
    page = page_of(coverage)
    for text in ("<img src=x>", "<b>kim", "<i>dana", "<u>.mp4"):
        assert text not in page
        assert text.replace("<", "&lt;").replace(">", "&gt;") in page


def test_page_of_many_clips_stays_short() -> None:
    faces = [made_up(number) for number in range(9)]
    names = {**CLIPS, **{f"{number:064}": f"{number}.mp4" for number in range(100)}}
    coverage = measure_coverage("dana", "d" * 64, faces, names, CoverageConfig())
    page = page_of(coverage)
    assert "86 more clips" in page
    assert page.count('class="clip"') == 17


def test_percent_is_never_rounded_up_to_all() -> None:
    assert [percent(part) for part in (1, 0.9999, 0.63, 0.001, 0)] == ["100%", "99%", "63%", "1%", "0%"]
    assert percent(0.29) == "29%"


def test_words() -> None:
    assert describe_pose(-30, 12) == "turned 30° to the left and lowered 12°"
    assert describe_pose(2, -20) == "raised 20°"
    assert describe_pose(1, 1) == "straight to the camera"
    assert describe_light(0.05, 0.05) == "even"
    assert describe_light(0.1, 0.3) == "from below"
    assert listed(["one", "two", "three"]) == "one, two and three"
    assert (listed(["one"]), listed([])) == ("one", "")
