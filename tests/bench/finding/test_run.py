import json
from dataclasses import asdict, replace

import cv2
import numpy as np
import pytest

from countenance.bench.finding.footage import Footage, footage_of, is_face
from countenance.bench.finding.measure import (
    MaskMeasures,
    count_wrong,
    five_points_error_pct,
    is_found,
    jitter_pct,
    measure_mask,
    mesh_error_pct,
    whose,
)
from countenance.bench.finding.run import measure_clip
from countenance.bench.finding.script import CLIPS, CONDITIONS, ClipSpec, Plan, quick_clips, write_script
from countenance.bench.finding.stage import OWNER, THING, FaceTruth, FrameTruth, degraded, draw_frames
from countenance.bench.finding.tables import document
from countenance.capture.tone import film_curve, scene_light
from countenance.faces.store import StoredFace
from countenance.progress import Silent
from countenance.types import Rejection
from countenance.vision.align import canonical_mesh, head_pose
from countenance.vision.crops import CROP_SIZE
from countenance.vision.mask import face_mask
from countenance.vision.parts import Part
from countenance.vision.quality import measure_quality

pytestmark = pytest.mark.slow

PX = 40.0
"""Of the canonical mesh's unit."""


def face_at(x: float, y: float) -> FaceTruth:
    """The canonical face somewhere in a frame."""
    mesh = canonical_mesh()
    eyes_px = PX * float(np.linalg.norm(mesh[33] - mesh[263]))
    points = (mesh[:, :2] * PX + [x, y]).astype(np.float32)
    return FaceTruth(landmarks_xy=points, is_seen=np.ones(468, bool), yaw_deg=0.0, eyes_px=eyes_px, face_px=1000)


def clip(condition: str, number: int = 1) -> ClipSpec:
    return next(spec for spec in CLIPS if (spec.condition, spec.number) == (condition, number))


# What happens in the clips.


def test_every_condition_has_a_clip_and_nobody_is_from_elsewhere() -> None:
    assert {spec.condition for spec in CLIPS} == set(CONDITIONS)
    assert {seed for spec in CLIPS for seed in spec.people} <= set(range(950, 970))
    assert len({spec.name for spec in CLIPS}) == len(CLIPS)
    assert [spec.condition for spec in quick_clips()] == list(CONDITIONS)


@pytest.mark.parametrize("spec", CLIPS, ids=lambda spec: spec.name)
def test_a_script_fits_its_clip(spec: ClipSpec) -> None:
    script = write_script(spec)
    assert len(script.frames) == script.scene.num_frames == spec.num_frames
    assert all(performance.num_frames == spec.num_frames for performance in script.performances)
    assert all(standing.who < len(script.performances) for plan in script.frames for standing in plan.standing)


def test_heads_turn_as_far_as_asked() -> None:
    yaw = write_script(clip("turning")).performances[0].yaw_pitch_roll_deg[:, 0]
    assert (yaw.min(), yaw.max()) == (-75, 75)
    assert np.abs(np.diff(yaw)).max() < 8
    assert np.abs(write_script(clip("frontal")).performances[0].yaw_pitch_roll_deg[:, 0]).max() <= 20


def test_people_who_cross_meet_in_the_middle_and_one_of_each_is_in_front() -> None:
    for number, front in ((1, 1), (2, 0)):
        frames = write_script(clip("crossing", number)).frames
        gaps = []
        for plan in frames:
            at = {standing.who: standing.middle_xy[0] for standing in plan.standing}
            gaps.append(at[1] - at[0])
            assert plan.standing[-1].who == front
        assert gaps[0] > 300
        assert gaps[-1] < -300


def test_a_worse_camera_keeps_things_where_they_are() -> None:
    rgb = np.zeros((81, 81, 3), np.uint8)
    rgb[40, 40] = 128
    for plan in (Plan(defocus_px=2.0), Plan(moved_xy=(9.0, 4.0))):
        seen = degraded(rgb, plan, np.random.default_rng(1))[..., 0].astype(float)
        rows, columns = np.indices(seen.shape)
        assert seen.max() < 60
        middle = (rows * seen).sum() / seen.sum(), (columns * seen).sum() / seen.sum()
        assert middle == pytest.approx((40, 40), abs=0.15)


def test_three_stops_leave_an_eighth_of_the_light() -> None:
    grey = np.full((64, 64, 3), 188, np.uint8)
    dark = degraded(grey, Plan(stops=3.0), np.random.default_rng(1))
    wanted = 255 * float(film_curve(scene_light(grey) / 8).mean())
    assert 60 < wanted < 100
    assert dark.mean() == pytest.approx(wanted, abs=1)
    assert 1 < dark.std() < 5


# Rendered frames.


@pytest.fixture(scope="module")
def crossing() -> list[FrameTruth]:
    """Three frames of a crossing, small."""
    spec = replace(clip("crossing"), num_frames=3)
    script = write_script(spec)
    return list(draw_frames(spec, script))


def test_landmarks_lie_on_the_face_they_belong_to(crossing: list[FrameTruth]) -> None:
    frame = crossing[0]
    for who, face in frame.faces.items():
        columns, rows = np.round(face.landmarks_xy[face.is_seen]).astype(int).T
        owner = frame.owners[rows, columns] // OWNER
        assert (owner == who + 1).mean() > 0.99
        assert is_face(frame.owners, who)[rows, columns].mean() > 0.9
        assert face.is_seen.sum() > 300
        # What a face measures is about what is known of heads: eyes' outer corners some 9 cm apart.
        assert 0.06 < face.eyes_px / (560.0, 700.0)[who] < 0.11


def test_faces_stand_where_the_script_says(crossing: list[FrameTruth]) -> None:
    plan = write_script(replace(clip("crossing"), num_frames=3)).frames[0]
    for standing in plan.standing:
        # An upright face reaches as far above its middle as below, give or take three centimetres.
        low, high = (f(crossing[0].faces[standing.who].landmarks_xy, axis=0) for f in (np.min, np.max))
        assert (low + high) / 2 == pytest.approx(standing.middle_xy, abs=0.035 * standing.px_per_m)


def test_the_far_side_of_a_turned_head_is_not_seen() -> None:
    spec = replace(clip("turning"), num_frames=2)
    left, right = (frame.faces[0] for frame in draw_frames(spec, write_script(spec)))
    assert left.yaw_deg == pytest.approx(-75, abs=1)
    assert right.yaw_deg == pytest.approx(75, abs=1)
    # The outer corner of the eye to the left, then of the one to the right.
    assert left.is_seen[[33, 263]].tolist() == [False, True]
    assert right.is_seen[[33, 263]].tolist() == [True, False]
    assert 150 < left.is_seen.sum() < 350


def test_who_is_in_front_hides_the_other(crossing: list[FrameTruth]) -> None:
    apart, met = crossing[0], crossing[1]
    shown = [is_face(frame.owners, 0).sum() / frame.faces[0].face_px for frame in (apart, met)]
    assert shown[0] == pytest.approx(1, abs=0.01)
    assert shown[1] < 0.5
    assert is_face(met.owners, 1).sum() == met.faces[1].face_px


def test_a_turned_picture_turns_its_truth() -> None:
    spec = replace(clip("tilted"), num_frames=1)
    script = write_script(spec)
    upright, turned = (
        next(iter(draw_frames(spec, replace(script, frames=(replace(script.frames[0], turn_deg=angle),)))))
        for angle in (0.0, 90.0)
    )
    eyes = [frame.faces[0].landmarks_xy[263] - frame.faces[0].landmarks_xy[33] for frame in (upright, turned)]
    # Counter-clockwise: what pointed to the right points up.
    assert eyes[1] == pytest.approx([eyes[0][1], -eyes[0][0]], abs=0.01)
    shown = [is_face(frame.owners, 0).sum() for frame in (upright, turned)]
    assert shown[1] == pytest.approx(shown[0], rel=0.01)
    columns, rows = np.round(turned.faces[0].landmarks_xy[turned.faces[0].is_seen]).astype(int).T
    assert is_face(turned.owners, 0)[rows, columns].mean() > 0.9


def test_a_thing_in_front_is_marked() -> None:
    spec = replace(clip("hand"), num_frames=3)
    script = write_script(spec)
    frame = list(draw_frames(spec, script))[1]
    hand = frame.owners == THING * OWNER + Part.OCCLUDER
    assert hand.sum() > 5000
    assert is_face(frame.owners, 0).sum() < 0.9 * frame.faces[0].face_px


# Measures.


def test_a_mesh_belongs_to_the_nearest_face_or_to_nobody() -> None:
    faces = {0: face_at(200, 200), 1: face_at(230, 200)}
    assert whose(face_at(203, 201).landmarks_xy, faces) == 0
    assert whose(face_at(228, 201).landmarks_xy, faces) == 1
    assert whose(face_at(400, 200).landmarks_xy, faces) is None
    assert whose(face_at(200, 200).landmarks_xy, {}) is None
    assert is_found(face_at(203, 201).landmarks_xy, 0, faces)
    assert not is_found(face_at(228, 201).landmarks_xy, 0, faces)


def stored_at(truth: FaceTruth, *rejections: Rejection) -> StoredFace:
    """A stored face that lies exactly on a true one."""
    landmarks_xyz = np.column_stack([truth.landmarks_xy, canonical_mesh()[:, 2] * PX]).astype(np.float32)
    pose = head_pose(landmarks_xyz)
    crop = np.full((CROP_SIZE, CROP_SIZE, 3), 128, np.uint8)
    inside = np.ones((CROP_SIZE, CROP_SIZE), np.float32)
    return StoredFace(
        id=1,
        clip_sha256="0" * 64,
        frame=0,
        track=1,
        shot=0,
        landmarks_xyz=landmarks_xyz,
        score=1.0,
        quality=measure_quality(crop, inside, pose, landmarks_xyz, (640, 480), occluded_fraction=0.0),
        distance=0.2,
        margin=1.0,
        mask_origin=None,
        has_crop=False,
        rejections=rejections,
    )


def test_faces_on_somebody_else_are_counted_by_what_became_of_them() -> None:
    person, other, nobody = face_at(200, 200), face_at(400, 200), face_at(300, 380)
    rows = [
        stored_at(person),
        stored_at(other),
        stored_at(other),
        stored_at(other, "unsure who", "dark"),
        stored_at(other, "dark"),
        stored_at(nobody),
    ]
    known = {0: person, 1: other}
    assert count_wrong([rows, []], [known, {}]) == (2, 1, 1)


def test_errors_are_parts_of_the_distance_between_the_eyes() -> None:
    face = face_at(200, 200)
    moved = face.landmarks_xy + np.array([0.03 * face.eyes_px, 0], np.float32)
    assert mesh_error_pct(moved, face) == pytest.approx(3, abs=1e-3)
    assert five_points_error_pct(moved, face) == pytest.approx(3, abs=1e-3)
    half = replace(face, is_seen=np.arange(468) < 234)
    only_hidden = np.where(half.is_seen[:, None], face.landmarks_xy, face.landmarks_xy + 50).astype(np.float32)
    assert mesh_error_pct(only_hidden, half) == 0


def test_a_steady_error_is_no_jitter() -> None:
    face = face_at(200, 200)
    steady, shaken = np.full((468, 2), 3, np.float32), np.zeros((468, 2), np.float32)
    shaken[:, 0] = 0.02 * face.eyes_px
    assert jitter_pct([steady, steady, steady], face) == 0
    assert jitter_pct([0 * shaken, shaken, 2 * shaken], face) == pytest.approx(0, abs=1e-4)
    assert jitter_pct([0 * shaken, shaken, 0 * shaken], face) == pytest.approx(4, abs=1e-3)


def _owners(truth: FaceTruth) -> np.ndarray:
    """A face as large as its hull, of skin with an eye, with hair before its top, glasses and somebody's arm."""
    hull = face_mask(truth.landmarks_xy, (CROP_SIZE, CROP_SIZE)) > 0.5
    owners = np.where(hull, OWNER + Part.SKIN, 0).astype(np.uint8)
    rows, columns = np.indices(owners.shape)
    owners[hull & (rows < 70)] = OWNER + Part.HAIR
    owners[hull & (rows > 90) & (rows < 100)] = OWNER + Part.GLASSES
    owners[hull & (rows > 100) & (rows < 110)] = OWNER + Part.EYE
    owners[(columns > 150) & (rows > 120)] = 2 * OWNER + Part.CLOTH
    return owners


def test_masks_are_compared_with_what_is_seen() -> None:
    truth = face_at(128, 128)
    owners = _owners(truth)
    same = np.eye(2, 3, dtype=np.float32)
    exact, hull = is_face(owners, 0), face_mask(truth.landmarks_xy, (CROP_SIZE, CROP_SIZE)) > 0.5
    right = measure_mask(exact, owners, 0, truth.landmarks_xy, same)
    assert (right.iou, right.skin_iou) == (1, 1)
    assert all(pixels > 100 and out == pixels for pixels, out in right.covering_px.values())
    plain = measure_mask(hull, owners, 0, truth.landmarks_xy, same)
    assert plain.iou == pytest.approx(exact.sum() / hull.sum(), abs=1e-3)
    assert plain.skin_iou < plain.iou
    assert all(out == 0 for _, out in plain.covering_px.values())
    assert plain.covering_px["hair"][0] == (hull & (owners == OWNER + Part.HAIR)).sum()
    # Eyes count neither way for the skin.
    without_eyes = measure_mask(exact & (owners % OWNER != Part.EYE), owners, 0, truth.landmarks_xy, same)
    assert without_eyes.skin_iou == 1
    assert without_eyes.iou < 1


def test_a_mask_is_compared_in_the_crop() -> None:
    truth = face_at(300, 250)
    frame = np.zeros((480, 640), np.uint8)
    hull = face_mask(truth.landmarks_xy, (640, 480)) > 0.5
    frame[hull] = OWNER + Part.SKIN
    to_crop = np.array([[0.9, 0, -140], [0, 0.9, -100]], np.float32)
    mask = cv2.warpAffine(hull.astype(np.float32), to_crop, (CROP_SIZE, CROP_SIZE)) > 0.5
    assert measure_mask(mask, frame, 0, truth.landmarks_xy, to_crop).iou == 1
    assert measure_mask(np.roll(mask, 20, axis=1), frame, 0, truth.landmarks_xy, to_crop).iou < 0.8


# A whole clip.


@pytest.fixture(scope="module")
def short_footage(tmp_path_factory: pytest.TempPathFactory) -> Footage:
    """Five frames of a clip without a difficulty."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COUNTENANCE_CACHE", str(tmp_path_factory.mktemp("cache")))
        return footage_of(replace(clip("frontal", 2), num_frames=5), Silent())


def test_footage_is_kept_and_read_back(short_footage: Footage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTENANCE_CACHE", str(short_footage.folder.parents[2]))
    made = short_footage.clip.stat().st_mtime_ns
    again = footage_of(short_footage.spec, Silent())
    assert again.clip.stat().st_mtime_ns == made
    drawn = next(draw_frames(again.spec, write_script(again.spec)))
    read = again.faces()
    assert len(read) == 5
    assert np.array_equal(read[0][0].landmarks_xy, drawn.faces[0].landmarks_xy)
    assert np.array_equal(again.owners(0), drawn.owners)
    height = np.ptp(read[0][0].landmarks_xy[:, 1])
    assert 110 < height < 160


def test_a_clip_is_measured_against_its_truth(short_footage: Footage) -> None:
    measures, tiles = measure_clip(short_footage)
    assert [face.frame for face in measures.faces] == list(range(5))
    assert all(face.is_stored and face.is_found_alone for face in measures.faces)
    assert (measures.num_false, measures.num_wrong_kept, measures.num_wrong_unsure) == (0, 0, 0)
    first = measures.faces[0]
    assert first.shown == pytest.approx(1, abs=0.02)
    assert first.mesh_pct is not None
    assert first.mesh_pct < 12
    assert len(tiles) == 5
    results = {"machine": {"processor": "P", "torch": "T"}, "clips": [asdict(measures)]}
    text = document(json.loads(json.dumps(results)), "countenance bench prepare")
    assert "| recall to 60° of yaw" in text
    assert "100.0%" in text


def test_results_are_told_as_they_are() -> None:
    mask = MaskMeasures(iou=0.9, skin_iou=0.8, covering_px={"in front": (100, 90), "glasses": (0, 0), "hair": (10, 5)})
    hull = replace(mask, iou=0.5, covering_px={"in front": (100, 0), "glasses": (0, 0), "hair": (10, 0)})
    face = {
        "frame": 0,
        "yaw_deg": 10.0,
        "shown": 1.0,
        "is_stored": True,
        "is_kept": True,
        "is_found_alone": False,
        "mesh_pct": 2.5,
        "five_pct": 2.0,
        "mesh_alone_pct": None,
        "jitter_pct": None,
        "jitter_alone_pct": None,
        "mask": asdict(mask),
        "hull": asdict(hull),
        "mask_origin": "segmenter",
    }
    missed = {
        **face,
        "is_stored": False,
        "is_kept": False,
        "mesh_pct": None,
        "five_pct": None,
        "mask": None,
        "hull": None,
    }
    hidden, turned = {**missed, "shown": 0.3}, {**missed, "yaw_deg": -70.0}
    counts = {f"num_{what}": 0 for what in ("wrong_kept", "wrong_unsure", "wrong_left_out", "false", "false_alone")}
    seconds = {"prepare_s": 3.0, "following_s": 1.0, "alone_s": 2.0}
    made = {"name": "hand-1", "condition": "hand", "num_frames": 10, "faces": [face, missed, hidden, turned]}
    results = {
        "machine": {"processor": "P", "torch": "T"},
        "clips": [{**made, **counts, **seconds, "num_wrong_kept": 7}],
    }
    cells = [[cell.strip() for cell in line.split("|")] for line in document(results, "c").splitlines()]
    reached = {line[1]: line[3] for line in cells if len(line) == 5}
    assert reached["recall to 60° of yaw"] == "50.0%"
    assert reached["somebody else's face stored"] == "7 kept, 0 unsure, 0 left out"
    assert reached["mean landmark error"] == "2.50%"
    assert reached["mask IoU, face skin"] == "0.800"
    assert reached["found of what hides a face"] == "0.864"
    assert reached["· in front"] == "0.900"
    (by_condition, beside) = (line for line in cells if len(line) > 5 and line[1] == "hand")
    assert by_condition[3:5] == ["50.0%", "33.3%"]
    assert beside[2] == "50.0% · 0.0%"
    assert "100 · 200" in beside
    assert "0.900 · 0.000" in beside
