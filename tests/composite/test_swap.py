from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest

from countenance.composite.kept import FaceStore, Keep
from countenance.composite.place import PlacedFace
from countenance.composite.shot import AS_DRAWN, ShotConfig
from countenance.composite.swap import first_needed, swap_faces
from countenance.demo import data_folder
from countenance.drawing import ReferenceFace, references_of
from countenance.media.probe import probe
from countenance.media.reader import read_frames
from countenance.types import Frame
from countenance.vision.align import cut, head_pose
from countenance.vision.landmarks import FaceFinder
from countenance.vision.light import even_light
from countenance.vision.mask import face_mask
from countenance.vision.segment import Segmenter
from tests.support.drawers import Finished, Guided, Negative, face_input
from tests.support.made_up import mesh_at

SEGMENTER = Segmenter()


@pytest.fixture(scope="module")
def plate() -> tuple[list[Frame], dict[int, list[PlacedFace]]]:
    find_faces = FaceFinder()
    frames = [f for f in read_frames(probe(data_folder() / "performance.mp4")) if f.index < 20]
    faces = {f.index: [PlacedFace(track=0, landmarks_xyz=find_faces(f.rgb)[0].landmarks_xyz)] for f in frames}
    del faces[7], faces[8]
    return frames, faces


def swapped(frames: list[Frame], faces: dict[int, list[PlacedFace]], batch: int = 1) -> Iterator[Frame]:
    return swap_faces(frames, faces, Negative(batch=batch), SEGMENTER)


def test_only_the_face_is_replaced_and_only_where_there_is_one(
    plate: tuple[list[Frame], dict[int, list[PlacedFace]]],
) -> None:
    frames, faces = plate
    results = list(swapped(frames, faces))
    assert [r.pts for r in results] == [f.pts for f in frames]
    for frame, result in zip(frames, results, strict=True):
        changed = np.abs(frame.rgb.astype(int) - result.rgb).max(axis=2) > 2
        if frame.index not in faces:
            assert not changed.any()
            continue
        outline = face_mask(faces[frame.index][0].landmarks_xyz[:, :2], (256, 256))
        assert changed[outline > 0.5].mean() > 0.5
        # Its mask has 64 px, a pixel is four of the frame's.
        assert changed[outline == 0].mean() < 0.04


@pytest.mark.parametrize(("first", "batch"), [(1, 1), (5, 1), (11, 1), (11, 4), (9, 3)])
def test_frames_are_the_same_wherever_one_starts(
    plate: tuple[list[Frame], dict[int, list[PlacedFace]]], first: int, batch: int
) -> None:
    frames, faces = plate
    whole, resumed = Negative(batch=batch), Negative(batch=batch)
    expected = list(swap_faces(frames, faces, whole, SEGMENTER, grain=1.0))
    begin = first_needed(first, batch)
    later = [
        frame for frame in swap_faces(frames[begin:], faces, resumed, SEGMENTER, grain=1.0) if frame.index >= first
    ]
    assert len(later) == len(frames) - first
    for one, other in zip(expected[first:], later, strict=True):
        assert np.array_equal(one.rgb, other.rgb)
    # Batches too: a network need not draw a face the same in other company.
    assert [len(call) for call in resumed.calls] == [len(call) for call in whole.calls][-len(resumed.calls) :]


def test_faces_are_drawn_in_batches_of_the_drawers_size(
    plate: tuple[list[Frame], dict[int, list[PlacedFace]]],
) -> None:
    frames, faces = plate
    drawer = Negative(batch=5)
    batched = list(swap_faces(frames, faces, drawer, SEGMENTER))
    assert [len(call) for call in drawer.calls] == [5, 3, 5, 5]
    for one, other in zip(swapped(frames, faces), batched, strict=True):
        assert np.array_equal(one.rgb, other.rgb)


@pytest.mark.parametrize("threads", [2, 4])
def test_frames_are_the_same_on_any_number_of_threads(
    plate: tuple[list[Frame], dict[int, list[PlacedFace]]], threads: int
) -> None:
    frames, faces = plate
    hidden: dict[int, dict[int, float]] = {1: {}, threads: {}}
    results = [
        list(
            swap_faces(
                frames, faces, Negative(batch=3), SEGMENTER, report_hidden=hidden[count].__setitem__, threads=count
            )
        )
        for count in (1, threads)
    ]
    assert len(results[1]) == len(frames)
    for one, other in zip(*results, strict=True):
        assert one.index == other.index
        assert np.array_equal(one.rgb, other.rgb)
    assert hidden[1] == hidden[threads]
    assert list(hidden[threads]) == sorted(faces)


def test_a_face_in_a_grainy_plate_gets_its_grain_and_nothing_else_does(
    plate: tuple[list[Frame], dict[int, list[PlacedFace]]],
) -> None:
    frames, faces = plate
    noise = np.random.default_rng(0).normal(0, 8, frames[0].pixels.shape)
    grainy = [replace(frames[0], pixels=np.clip(frames[0].pixels + noise, 0, 255).astype(np.uint8))]
    without, with_it = (
        next(swap_faces(grainy, {0: faces[0]}, Finished(), SEGMENTER, grain=grain)).pixels.astype(float)
        for grain in (0.0, 1.0)
    )
    change = np.abs(with_it - without).mean(axis=2)
    inside = cv2.erode(face_mask(faces[0][0].landmarks_xyz[:, :2], (256, 256)), np.ones((25, 25))) > 0.5
    assert 3 < change[inside].mean() < 12
    assert (change[:20] == 0).all()
    (clean,) = swap_faces(frames[:1], {0: faces[0]}, Finished(), SEGMENTER, grain=1.0)
    (same,) = swap_faces(frames[:1], {0: faces[0]}, Finished(), SEGMENTER)
    assert np.abs(clean.pixels.astype(int) - same.pixels).mean() < 0.1


def test_a_face_that_fades_lies_between_the_plate_and_the_drawn_face(
    plate: tuple[list[Frame], dict[int, list[PlacedFace]]],
) -> None:
    frames, faces = plate
    half = {0: [replace(faces[0][0], presence=0.5)]}
    (whole,), (faded,) = (list(swapped(frames[:1], shown)) for shown in ({0: faces[0]}, half))
    middle = (frames[0].rgb.astype(float) + whole.rgb) / 2
    assert np.abs(faded.rgb - middle).max() <= 1
    assert np.abs(whole.rgb - middle).max() > 20


def test_a_drawer_is_shown_crop_mesh_pose_and_track_at_its_size(
    plate: tuple[list[Frame], dict[int, list[PlacedFace]]],
) -> None:
    frames, faces = plate
    drawer = Negative(size=96)
    mesh = faces[0][0].landmarks_xyz
    list(swap_faces(frames[:1], {0: [PlacedFace(track=7, landmarks_xyz=mesh)]}, drawer, SEGMENTER))
    ((shown,),) = drawer.calls
    assert shown.rgb.shape == (96, 96, 3)
    assert shown.track == 7
    pose = head_pose(mesh)
    assert shown.yaw_pitch_deg == (pose.yaw_deg, pose.pitch_deg)
    assert head_pose(shown.landmarks_xyz).crop_side_px == pytest.approx(96, rel=1e-3)
    outline = face_mask(shown.landmarks_xyz[:, :2], (96, 96))
    assert np.abs(outline - shown.mask).mean() < 0.02


def test_an_enlarged_face_is_shown_as_face_sets_hold_it(
    plate: tuple[list[Frame], dict[int, list[PlacedFace]]],
) -> None:
    frames, faces = plate
    mesh = faces[0][0].landmarks_xyz
    drawer = Negative(size=384)
    assert head_pose(mesh).crop_side_px < drawer.size
    list(swap_faces(frames[:1], faces, drawer, SEGMENTER))
    ((shown,),) = drawer.calls
    held = even_light(cut(frames[0].rgb, head_pose(mesh), drawer.size), shown.mask)
    fine, fine_held = (
        (rgb - cv2.GaussianBlur(rgb, (0, 0), 2))[shown.mask == 1]
        for rgb in (shown.rgb.astype(np.float32), held.astype(np.float32))
    )
    # But for a gain: light is measured at another size.
    gain = (fine * fine_held).sum() / np.square(fine_held).sum()
    left = float(np.linalg.norm(fine - gain * fine_held) / np.linalg.norm(fine))
    assert left < 0.18


def test_a_finished_face_is_put_in_as_it_is(plate: tuple[list[Frame], dict[int, list[PlacedFace]]]) -> None:
    frames, faces = plate
    for frame, result in zip(frames[::5], swap_faces(frames[::5], faces, Finished(256), SEGMENTER), strict=True):
        difference = np.abs(frame.rgb.astype(int) - result.rgb)
        # A crop that is enlarged and shrunk again; no light is taken out and put back.
        assert difference.mean() < 0.2
        assert difference.max() < 40
    whole = [Finished(256, level=level) for level in (0.25, 0.75)]
    dark, bright = (next(swap_faces(frames[:1], faces, drawer, SEGMENTER)).rgb for drawer in whole)
    x, y = np.round(faces[0][0].landmarks_xyz[4, :2]).astype(int)
    assert np.abs(dark[y, x] - 63.75).max() < 2
    assert np.abs(bright[y, x] - 191.25).max() < 2


def test_a_finished_face_covers_the_outline_and_another_does_not(
    plate: tuple[list[Frame], dict[int, list[PlacedFace]]],
) -> None:
    frames, faces = plate
    outline = face_mask(faces[0][0].landmarks_xyz[:, :2], (256, 256))
    border = (cv2.dilate(outline, np.ones((3, 3))) > 0.5) & (outline < 0.5)
    # Hair over the forehead stays in front.
    border[: int(faces[0][0].landmarks_xyz[4, 1])] = False
    white, own = (
        next(swap_faces(frames[:1], faces, drawer, SEGMENTER)).rgb for drawer in (Finished(256, level=1.0), Negative())
    )
    assert np.median(white[border].min(axis=1)) > 250
    assert np.median(np.abs(own[border].astype(int) - frames[0].rgb[border])) < 60


def test_each_setting_changes_what_it_is_for(plate: tuple[list[Frame], dict[int, list[PlacedFace]]]) -> None:
    frames, faces = plate
    frame, (x, y) = frames[0], np.round(faces[0][0].landmarks_xyz[4, :2]).astype(int)

    def put_in(drawer: Finished, look: ShotConfig) -> np.ndarray:
        return next(swap_faces([frame], faces, drawer, SEGMENTER, looks={0: look})).rgb.astype(np.float32)

    white = Finished(256, level=1.0)
    as_drawn = put_in(white, AS_DRAWN)
    assert np.array_equal(as_drawn, next(swap_faces([frame], faces, white, SEGMENTER)).rgb)
    half = put_in(white, ShotConfig(likeness=0.5))
    assert half[y, x] == pytest.approx((frame.rgb[y, x] + as_drawn[y, x]) / 2, abs=3)
    changed = [
        int((np.abs(put_in(white, look) - frame.rgb).max(axis=2) > 60).sum())
        for look in (ShotConfig(grow=-0.05), AS_DRAWN, ShotConfig(grow=0.05))
    ]
    assert changed[0] < 0.9 * changed[1] < 0.9 * 0.95 * changed[2]
    steepest = [
        np.abs(np.diff(put_in(white, look)[y].mean(axis=1))).max() for look in (AS_DRAWN, ShotConfig(feather=0.05))
    ]
    assert steepest[1] < 0.6 * steepest[0]
    dark = Finished(256, level=0.2)
    area = np.s_[y - 10 : y + 10, x - 10 : x + 10]
    own, none, some, all_of_it = (
        float(rgb[area].mean())
        for rgb in (
            frame.rgb,
            put_in(dark, AS_DRAWN),
            put_in(dark, ShotConfig(colour=0.5)),
            put_in(dark, ShotConfig(colour=1)),
        )
    )
    assert none < some < all_of_it
    assert abs(all_of_it - own) < 0.35 * abs(none - own)


def test_kept_faces_give_the_same_frames_to_the_bit(
    plate: tuple[list[Frame], dict[int, list[PlacedFace]]], tmp_path: Path
) -> None:
    frames, faces = plate
    store = FaceStore(tmp_path / "kept", 10**9)
    look = {3: ShotConfig(likeness=0.7, grow=0.02, colour=0.5, sharpness=0.3)}

    def swapped_with(drawer: Negative, keep: Keep | None, threads: int = 1) -> list[Frame]:
        return list(swap_faces(frames, faces, drawer, SEGMENTER, threads=threads, looks=look, keep=keep))

    expected = swapped_with(Negative(batch=3), None)
    first, again = Negative(batch=3), Negative(batch=3)
    for drawer, threads in ((first, 2), (again, 3)):
        frames_now = swapped_with(drawer, partial(store.keep, "scope"), threads)
        assert all(np.array_equal(one.rgb, other.rgb) for one, other in zip(expected, frames_now, strict=True))
    assert len(first.calls) == 7
    assert again.calls == []


def test_references_landmarks_pose_and_track_reach_the_frame(
    plate: tuple[list[Frame], dict[int, list[PlacedFace]]],
) -> None:
    frames, _ = plate
    mesh = mesh_at(128, 128, 60)

    def reference(level: int, yaw: float) -> ReferenceFace:
        shown = face_input(np.full((64, 64, 3), level, np.uint8), np.ones((64, 64), np.float32))
        return ReferenceFace(
            rgb=shown.rgb,
            mask=shown.mask,
            visible=shown.mask,
            landmarks_xyz=shown.landmarks_xyz,
            yaw_pitch_deg=(yaw, 0.0),
        )

    ahead, aside = reference(140, 0.0), reference(60, 60.0)
    drawer = Guided(references_of([ahead, aside]), size=64)
    (drawn,) = drawer([replace(face_input(ahead.rgb, ahead.mask), track=1)])
    assert drawn.rgb[5, 5] == pytest.approx(70 / 255, abs=0.01)
    faces = {0: [PlacedFace(track=0, landmarks_xyz=mesh)]}
    grey = replace(frames[0], pixels=np.full((256, 256, 3), 110, np.uint8))
    (result,) = swap_faces([grey], faces, drawer, SEGMENTER)
    level = result.rgb.astype(np.float32).mean(axis=2)
    rows, columns = np.nonzero(level > level.max() - 20)
    assert len(rows) < 400
    assert (columns.mean(), rows.mean()) == pytest.approx(tuple(mesh[Guided.NOSE, :2]), abs=2)


def test_two_faces_of_a_frame_are_both_replaced_each_in_its_own_light(demo_data: Path) -> None:
    find_faces = FaceFinder()
    kofi, mira = (next(read_frames(probe(demo_data / f"{name}_training.mp4"))) for name in ("kofi", "mira"))
    both = Frame(pixels=np.hstack([kofi.rgb, mira.rgb]), index=0, pts=0, time_base=kofi.time_base)
    found = sorted(find_faces(both.rgb), key=lambda face: face.box_xyxy[0])
    faces = [PlacedFace(track=number, landmarks_xyz=face.landmarks_xyz) for number, face in enumerate(found)]
    (together,) = swapped([both], {0: faces})
    (alone,) = swapped([both], {0: faces[:1]})
    assert np.array_equal(together.rgb[:, :256], alone.rgb[:, :256])
    assert np.array_equal(alone.rgb[:, 256:], mira.rgb)
    assert (together.rgb[:, 256:] != mira.rgb).any()
