"""A plate's timeline says where something is wrong and why, from what scans stored, at once whatever the length."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from countenance.composite.place import FADE_S
from countenance.consent.permit import grant, grant_prepare
from countenance.consent.register import templates
from countenance.errors import ConsentError, UsageError
from countenance.faces.config import PLATE_CONFIG
from countenance.faces.overview import FIELDS, HEADER, Faces
from countenance.faces.plate import known_overview, note_hidden
from countenance.faces.scan import _settings
from countenance.faces.store import close_scan, open_scan, store_overview, stored_faces
from countenance.footage import store_timeline
from countenance.media import reader
from countenance.media.probe import probe
from countenance.media.timeline import Timeline
from countenance.progress import Silent
from countenance.steps import timeline as timeline_module
from countenance.steps.documents import timeline_document
from countenance.steps.drawings import GenerateConfig, Pair
from countenance.steps.review_plate import review_plate
from countenance.steps.timeline import MAX_BINS, Kind, PairTimeline, PlateTimeline, plate_timeline
from countenance.types import MediaInfo
from tests.support.production import LIKENESS, PERFORMER, STRANGER, Production
from tests.support.videos import frames_of, write_video

RATE, SHA256 = 25, "cd" * 32
FADE = round(FADE_S * RATE) - 1
"""Frames in which a face shows in part, on each side."""
TWO_HOURS = 2 * 3600 * 24
MAX_CPU_S = 0.6
"""For two hours of a plate: three times what it takes here, because a busy machine is slower."""

Change = Callable[[Faces], None]


@pytest.fixture
def info(tmp_path: Path) -> MediaInfo:
    """Of a plate that nobody can read."""
    real = probe(write_video(tmp_path / "real.mp4", [np.zeros((256, 256, 3), np.uint8)] * 2, frame_rate=RATE))
    return replace(real, path=tmp_path / "plate.mp4", sha256=SHA256)


def seen(
    production: Production,
    info: MediaInfo,
    change: Change | None = None,
    *,
    num_frames: int = 200,
    shots: tuple[int, ...] = (0,),
    performer: str = PERFORMER,
    track: int = 1,
) -> MediaInfo:
    """A plate with a good face in each frame of each shot, changed by the test, as a scan leaves it."""
    project = production.project
    info = replace(
        info,
        num_frames=num_frames,
        frame_rate=Fraction(RATE),
        time_base=Fraction(1, RATE),
        duration=Fraction(num_frames, RATE),
    )
    store_timeline(project, info, Timeline(frame_pts=np.arange(num_frames), keyframes=(0,), shots=shots))
    faces = np.zeros(num_frames, FIELDS)
    faces["frame"] = np.arange(num_frames)
    faces["track"] = track + np.searchsorted(np.array(shots), faces["frame"], side="right")
    faces["score"] = faces["visible_fraction"] = 1
    faces["size_px"], faces["sharpness"], faces["box_xyxy"] = 200, 60, [50, 50, 150, 150]
    keep = np.ones(num_frames, bool)
    if change is not None:
        change(faces)
        keep = faces["size_px"] > 0
    scan, _ = open_scan(
        project, performer, "generate", info.sha256, _settings(templates(project)[performer], PLATE_CONFIG)
    )
    with project.transaction():
        close_scan(project, scan)
        store_overview(project, performer, info.sha256, HEADER + faces[keep].tobytes())
    return info


def pair(production: Production, performer: str = PERFORMER, *, is_disguise: bool = False) -> Pair:
    permit = grant(production.project, "generate", likeness=LIKENESS, performer=performer)
    return Pair(likeness=LIKENESS, performer=performer, permit=permit, is_disguise=is_disguise)


def told(
    production: Production, info: MediaInfo, *shot_changes: str, is_disguise: bool = False, **config: Any
) -> PairTimeline:
    pairs = [pair(production, is_disguise=is_disguise)]
    (found,) = plate_timeline(production.project, info, pairs, GenerateConfig(**config), shot_changes).pairs
    return found


def problems(found: PairTimeline) -> list[tuple[Kind, int, int]]:
    return [(each.kind, each.frames.start, each.frames.stop) for each in found.problems]


def faded(kind: Kind, first: int, stop: int) -> list[tuple[Kind, int, int]]:
    """A problem within a shot, around which the face fades."""
    found: list[tuple[Kind, int, int]] = [(kind, first, stop), ("fades", stop, stop + FADE)]
    return [("fades", first - FADE, first), *found] if first else found


def gone(first: int, stop: int) -> Change:
    def change(faces: Faces) -> None:
        faces["size_px"][first:stop] = 0

    return change


def changed(first: int, stop: int, **values: Any) -> Change:
    def change(faces: Faces) -> None:
        for name, value in values.items():
            faces[name][first:stop] = value

    return change


def both(*changes: Change) -> Change:
    def change(faces: Faces) -> None:
        for each in changes:
            each(faces)

    return change


def test_where_all_is_well_nothing_is_told(released: Production, info: MediaInfo) -> None:
    found = told(released, seen(released, info, shots=(0, 80)))
    assert found.problems == ()
    assert (found.is_scanned, found.num_replaced_frames) == (True, 200)
    assert found.track is not None
    assert set(found.track.presence.tolist()) == {1.0}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (gone(50, 60), faded("lost", 50, 60)),
        # Longer than five seconds, or at the shot's end, it may be anything.
        (gone(20, 150), faded("not found", 20, 150)),
        (gone(0, 20), faded("not found", 0, 20)[:2]),
        (gone(180, 200), faded("not found", 180, 200)[:2]),
        (both(gone(50, 60), changed(47, 50, yaw_deg=62)), faded("turned away", 50, 60)),
        (both(gone(180, 200), changed(177, 180, pitch_deg=-50)), faded("turned away", 180, 200)[:2]),
        (both(gone(0, 5), changed(5, 8, yaw_deg=-70)), faded("turned away", 0, 5)[:2]),
        (changed(50, 60, is_unsure=True), faded("in doubt", 50, 60)),
        (changed(50, 60, score=0.5), [("low confidence", 50, 60)]),
        (changed(50, 60, size_px=40, sharpness=3), [("small", 50, 60)]),
        (changed(50, 60, sharpness=3), [("soft", 50, 60)]),
        (changed(50, 60, motion_blur=0.4), [("soft", 50, 60)]),
        # Of what is only less good, short gaps are bridged.
        (both(changed(50, 60, sharpness=3), changed(64, 66, sharpness=3)), [("soft", 50, 66)]),
        (both(changed(50, 60, sharpness=3), changed(70, 72, sharpness=3)), [("soft", 50, 60), ("soft", 70, 72)]),
        (
            both(gone(50, 52), gone(54, 56)),
            [("fades", 46, 60), ("lost", 50, 52), ("lost", 54, 56)],
        ),
        (changed(50, 60, score=0.5, yaw_deg=70), faded("turned away", 50, 60)),
    ],
)
def test_what_is_wrong_is_told(
    released: Production, info: MediaInfo, change: Change, expected: list[tuple[Kind, int, int]]
) -> None:
    found = told(released, seen(released, info, change))
    assert problems(found) == expected
    warned = ("fades", "low confidence", "small", "soft", "occluded")
    assert all(each.is_replaced == (each.kind in warned) for each in found.problems)
    assert found.num_replaced_frames == 200 - sum(len(each.frames) for each in found.problems if not each.is_replaced)
    for each in found.problems:
        assert (each.begins_s, each.ends_s) == (each.frames.start / RATE, each.frames.stop / RATE)
        assert PERFORMER in each.sentence


def test_a_problem_ends_with_its_shot(released: Production, info: MediaInfo) -> None:
    info = seen(released, info, changed(70, 90, sharpness=3), shots=(0, 80))
    assert problems(told(released, info)) == [("soft", 70, 80), ("soft", 80, 90)]
    # Nor does a gap go on over a cut: nobody is found between a shot's begin and its first face.
    info = seen(released, info, gone(70, 90), shots=(0, 80))
    assert problems(told(released, info)) == [*faded("not found", 70, 80)[:2], *faded("not found", 80, 90)[1:]]


def test_what_a_shot_leaves_out_is_told(released: Production, info: MediaInfo) -> None:
    info = seen(released, info, gone(150, 200), shots=(0, 80))
    assert problems(told(released, info, "shot.who=nobody")) == [("left out", 0, 80), ("left out", 80, 150)]
    lost = faded("not found", 150, 200)[:2]
    assert problems(told(released, info, f"shot.who={PERFORMER}")) == lost
    shots = plate_timeline(released.project, info, [], GenerateConfig()).shots
    shots[1].path.parent.mkdir(parents=True)
    shots[1].path.write_text("likeness = { 100 = 0.0, 110 = 0.0, 120 = 1.0 }")
    assert problems(told(released, info)) == [("left out", 80, 111), *lost]


def test_without_fading_a_face_shows_wherever_it_has_a_mesh(released: Production, info: MediaInfo) -> None:
    info = seen(released, info, changed(50, 60, score=0.5, yaw_deg=70))
    assert problems(told(released, info, fade=False)) == [("low confidence", 50, 60)]


def test_of_a_disguise_what_cannot_be_drawn_is_covered(released: Production, info: MediaInfo) -> None:
    change = both(changed(50, 60, score=0.5, yaw_deg=70), changed(100, 110, is_unsure=True), gone(160, 200))
    info = seen(released, info, change)
    expected = [("covered", 46, 64), ("covered", 96, 114), ("covered", 156, 160), ("not found", 160, 200)]
    assert problems(told(released, info, is_disguise=True)) == expected
    assert problems(told(released, info, cover="all")) == expected


def test_what_was_in_front_is_told_once_it_was_rendered(released: Production, info: MediaInfo) -> None:
    info = seen(released, info)
    note_hidden(released.project, PERFORMER, info, {at: 0.5 if 40 <= at < 60 else 0.1 for at in range(30, 90)})
    assert problems(told(released, info)) == [("occluded", 40, 60)]
    # Rendered again, as with other settings, in part.
    note_hidden(released.project, PERFORMER, info, dict.fromkeys(range(50, 200), 0.0))
    assert problems(told(released, info)) == [("occluded", 40, 50)]


def test_a_face_that_two_performers_claim_is_told_of_both(released: Production, info: MediaInfo) -> None:
    released.add(released.sign(STRANGER))
    seen(released, info)
    elsewhere = changed(20, 200, box_xyxy=[300, 50, 400, 150])
    info = seen(released, info, elsewhere, performer=STRANGER, track=1000)
    pairs = [pair(released), pair(released, STRANGER)]
    found = plate_timeline(released.project, info, pairs, GenerateConfig())
    # In most of their frames they aren't on each other.
    for each in found.pairs:
        assert problems(each) == faded("claimed twice", 0, 20)
    # Else it is the same face throughout.
    seen(released, info, both(elsewhere, gone(30, 200)), performer=STRANGER, track=1000)
    found = plate_timeline(released.project, info, pairs, GenerateConfig())
    assert problems(found.pairs[0]) == [("claimed twice", 0, 200)]
    assert problems(found.pairs[1]) == [("claimed twice", 0, 30), ("not found", 30, 200)]


def test_a_plate_that_was_not_looked_through_says_with_what_to(
    released: Production, info: MediaInfo, tmp_path: Path
) -> None:
    command = f"countenance faces review {PERFORMER} --plate {tmp_path / 'plate.mp4'}"
    found = plate_timeline(released.project, info, [pair(released)], GenerateConfig())
    assert (found.shots, found.pairs[0].is_scanned, found.pairs[0].scan_with) == ((), False, command)
    document = timeline_document(found)
    assert (document["shots"], document["bins"], document["pairs"][0]["track"]) == ([], [], None)
    # One that was read, but not for this performer, has shots.
    store_timeline(released.project, info, Timeline(frame_pts=np.arange(2), keyframes=(0,), shots=(0, 1)))
    found = plate_timeline(released.project, info, [pair(released)], GenerateConfig())
    assert ([shot.frames for shot in found.shots], found.pairs[0].is_scanned) == ([range(1), range(1, 2)], False)


def test_a_scan_tells_the_same_as_its_faces_and_no_frame_is_read(
    trained: Production, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grey = np.full((256, 256, 3), 110, np.uint8)
    plate = write_video(tmp_path / "plate.mp4", [*frames_of("performance.mp4", 8), *[grey] * 4])
    project, info = trained.project, probe(plate)
    assert known_overview(project, PERFORMER, templates(project), info) is None
    review_plate(project, PERFORMER, grant_prepare(project, PERFORMER), plate, [], forget=False, progress=Silent())

    def never(*_: object, **__: object) -> None:
        raise AssertionError("a frame is read")

    monkeypatch.setattr(reader, "opened_video", never)
    overview = known_overview(project, PERFORMER, templates(project), info)
    assert overview is not None
    faces = stored_faces(project, PERFORMER, purpose="generate", sha256=info.sha256)
    assert len(overview) == len(faces) == 8
    for row, face in zip(overview, faces, strict=True):
        assert (row["frame"], row["track"]) == (face.frame, face.track)
        assert row["score"] == pytest.approx(face.score)
        assert row["yaw_deg"] == pytest.approx(face.quality.yaw_pitch_roll_deg[0], abs=1e-4)
        assert row["box_xyxy"][0] == face.landmarks_xyz[:, 0].min()
        assert row["box_xyxy"][3] == face.landmarks_xyz[:, 1].max()
    assert ("not found", 8, 12) in problems(told(trained, info))


def test_consent_is_asked(released: Production, info: MediaInfo) -> None:
    info = seen(released, info)
    late = pair(released)
    released.revoke(released.release_of(LIKENESS))
    with pytest.raises(ConsentError):
        plate_timeline(released.project, info, [late], GenerateConfig())
    released.add(released.sign(LIKENESS, plates=["ef" * 32]))
    with pytest.raises(ConsentError, match="names the plates that may be used"):
        plate_timeline(released.project, info, [pair(released)], GenerateConfig())


def test_a_setting_that_is_not_allowed_is_told(released: Production, info: MediaInfo) -> None:
    info = seen(released, info)
    with pytest.raises(UsageError, match="nora"):
        told(released, info, "shot.who=nora")


@pytest.fixture
def long(released: Production, info: MediaInfo) -> tuple[Production, MediaInfo]:
    """Two hours with 1,800 shots, a face that turns away again and again, noise, and gaps."""
    rng = np.random.default_rng(0)
    shots = (0, *sorted(rng.choice(np.arange(1, TWO_HOURS), 1799, replace=False).tolist()))

    def change(faces: Faces) -> None:
        faces["yaw_deg"] = 70 * np.sin(np.arange(TWO_HOURS) / 40)
        faces["score"] = np.where(np.abs(faces["yaw_deg"]) > 60, 0.5, 1)
        faces["sharpness"] = rng.uniform(10, 100, TWO_HOURS)
        faces["size_px"][rng.random(TWO_HOURS) < 0.01] = 0
        faces["is_unsure"] = faces["track"] % 10 == 0

    return released, seen(released, info, change, num_frames=TWO_HOURS, shots=shots)


def cpu_s(of: Callable[[], object]) -> float:
    begun = time.process_time()
    of()
    return time.process_time() - begun


def test_two_hours_are_told_at_once(long: tuple[Production, MediaInfo]) -> None:
    production, info = long
    pairs = [pair(production)]

    def answer() -> PlateTimeline:
        return plate_timeline(production.project, info, pairs, GenerateConfig())

    assert min(cpu_s(answer) for _ in range(5)) < MAX_CPU_S
    found = answer()
    (only,) = found.pairs
    assert len(found.shots) == 1800
    assert {"soft", "fades", "turned away", "lost", "in doubt"} <= {each.kind for each in only.problems}
    assert only.track is not None
    assert len(found.bins) == len(only.track.presence) == MAX_BINS
    assert np.all(np.diff(found.bins) >= TWO_HOURS // MAX_BINS)
    covered = np.zeros(TWO_HOURS, int)
    for each in only.problems:
        if not each.is_replaced:
            covered[each.frames.start : each.frames.stop] += 1
    # Each frame is replaced, or has one reason why it isn't.
    assert covered.max() == 1
    assert only.num_replaced_frames == TWO_HOURS - covered.sum()


def test_bins_are_means_and_lowest_values(
    released: Production, info: MediaInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timeline_module, "MAX_BINS", 4)
    change = both(gone(0, 50), gone(50, 60), changed(100, 150, yaw_deg=20), changed(150, 151, score=0.5))
    found = told(released, seen(released, info, change), fade=False)
    assert found.track is not None
    assert found.track.presence.tolist() == pytest.approx([0, 0.8, 1, 1])
    assert found.track.confidence.tolist() == pytest.approx([np.nan, 1, 1, 0.5], nan_ok=True)
    assert found.track.yaw_deg.tolist() == pytest.approx([np.nan, 0, 20, 0], nan_ok=True)


def test_the_document_is_json_with_a_sentence_for_each_kind(released: Production, info: MediaInfo) -> None:
    info = seen(released, info, both(gone(0, 20), changed(50, 60, sharpness=3)), shots=(0, 80))
    found = plate_timeline(released.project, info, [pair(released)], GenerateConfig(), ["shot.grow=0.05"])
    document = timeline_document(found)
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert set(document) == {"plate", "sha256", "frames", "duration_s", "frame_rate", "shots", "bins", "pairs"}
    assert document["shots"][1] == {
        "shot": 2,
        "frames": [80, 199],
        "begins_s": 3.2,
        "ends_s": 8.0,
        "changed": {"grow": "0.05"},
        "held_frames": [],
    }
    (only,) = document["pairs"]
    assert only["problems"][0] == {
        "kind": "not found",
        "frames": [0, 19],
        "begins_s": 0.0,
        "ends_s": 0.8,
        "is_replaced": False,
    }
    assert set(only["sentences"]) == {"not found", "fades", "soft"}
    assert only["track"]["confidence"][:21] == [None] * 20 + [1.0]
