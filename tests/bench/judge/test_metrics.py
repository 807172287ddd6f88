"""Each measure answers to what it names, and to nothing else that a neighbour measures."""

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from jaxtyping import Float32

from countenance.bench.judge.measure import (
    ClipMeasures,
    FrameMeasures,
    Judge,
    References,
    TruthLook,
    farthest_frames,
    gains,
    measure_clip,
    measure_frames,
    summarise,
)
from countenance.bench.judge.metrics import (
    Mask,
    MeshTally,
    Rgb,
    colour_difference,
    error_change,
    in_head,
    landmark_distance_pct,
    light_difference,
    mesh_difference_pct,
    psnr_in_face_db,
    rotation_between_deg,
    seam_excess,
    sharpness_ratio,
    ssim_in_face,
)
from countenance.errors import FaceError
from countenance.vision.align import canonical_mesh
from countenance.vision.gaze import (
    EYE_CORNERS,
    EyeFinder,
    head_rotation,
)
from countenance.vision.identity import Recogniser


@pytest.fixture(scope="module")
def look(judge: Judge, truths: list[Rgb], masks: list[Mask]) -> TruthLook:
    found = judge.look_at_truth(truths[0], masks[0])
    assert found is not None
    return found


@pytest.fixture(scope="module")
def plate_measures(
    judge: Judge, plates: list[Rgb], truths: list[Rgb], masks: list[Mask], references: References
) -> ClipMeasures:
    return measure_clip(plates[::7], truths[::7], masks[::7], references, judge)


@pytest.fixture(scope="module")
def truth_measures(judge: Judge, truths: list[Rgb], masks: list[Mask], references: References) -> ClipMeasures:
    return measure_clip(truths[::7], truths[::7], masks[::7], references, judge)


@pytest.fixture
def disc() -> Float32[np.ndarray, "128 128"]:
    mask = np.zeros((128, 128), np.float32)
    cv2.circle(mask, (64, 64), 40, 1.0, -1)
    return mask


@pytest.fixture
def picture() -> Rgb:
    noise = np.random.default_rng(1).normal(128, 60, (128, 128, 3)).astype(np.float32)
    return np.asarray(np.clip(cv2.GaussianBlur(noise, (0, 0), 2) * 2 - 128, 0, 255), np.uint8)


@pytest.mark.parametrize("measure", [ssim_in_face, psnr_in_face_db, sharpness_ratio])
def test_what_is_outside_of_the_face_does_not_count(
    measure: Callable[[Rgb, Rgb, Mask], float], picture: Rgb, disc: Mask
) -> None:
    elsewhere = picture.copy()
    elsewhere[:15] = 0
    assert measure(elsewhere, picture, disc) == pytest.approx(measure(picture, picture, disc))
    inside = picture.copy()
    inside[50:70, 50:70] = 0
    assert measure(inside, picture, disc) != pytest.approx(measure(picture, picture, disc), rel=0.01)


def test_psnr_is_that_of_the_known_difference(picture: Rgb, disc: Mask) -> None:
    truth = np.clip(picture, 0, 245)
    assert psnr_in_face_db(truth + np.uint8(10), truth, disc) == pytest.approx(28.13, abs=0.01)
    assert psnr_in_face_db(truth, truth, disc) == 60


def test_ssim_follows_its_definition(disc: Mask) -> None:
    flat = np.full((128, 128, 3), 100, np.uint8)
    brighter = flat + np.uint8(20)
    # Without structure only the term of luminance is left, with C1 = (.01 × 255)².
    constant = (0.01 * 255) ** 2
    expected = (2 * 100 * 120 + constant) / (100**2 + 120**2 + constant)
    assert ssim_in_face(brighter, flat, disc) == pytest.approx(expected, abs=1e-6)


def test_sharpness_falls_with_blur_and_rises_with_noise(picture: Rgb, disc: Mask) -> None:
    noise = np.random.default_rng(0).normal(0, 8, picture.shape)
    noisy = np.asarray(np.clip(picture + noise, 0, 255), np.uint8)
    blurred = np.asarray(cv2.GaussianBlur(picture, (0, 0), 2), np.uint8)
    assert sharpness_ratio(blurred, picture, disc) < 0.5
    assert sharpness_ratio(noisy, picture, disc) > 2


def test_colour_is_coarse_and_local(picture: Rgb, disc: Mask) -> None:
    grey = np.full_like(picture, 128)
    lighter = np.full_like(picture, 140)
    checked = grey.copy()
    checked[::2, ::2] += 30
    checked[1::2, 1::2] -= 30
    halves = grey.copy()
    halves[:, :64, 0] += 20
    halves[:, 64:, 0] -= 20
    assert colour_difference(grey, grey, disc) == 0
    assert colour_difference(lighter, grey, disc) == pytest.approx(4.5, abs=0.5)
    assert colour_difference(checked, grey, disc) < 1
    # The mean colour is the same, but the eye sees two.
    assert colour_difference(halves, grey, disc) > 5


def test_light_is_how_it_plays_and_no_pattern_nor_lightness_as_a_whole(disc: Mask) -> None:
    grey = np.full((128, 128, 3), 128, np.uint8)
    ramp = np.linspace(-30, 30, 128, dtype=np.float32)[None, :, None]
    shaded = np.asarray(grey + ramp, np.uint8)
    lighter = np.full_like(grey, 150)
    checked = grey.copy()
    checked[::4] += 30
    assert light_difference(grey, grey, disc) == 0
    assert light_difference(lighter, grey, disc) == pytest.approx(0, abs=1e-3)
    assert light_difference(checked, grey, disc) < 0.3
    assert light_difference(shaded, grey, disc) > 2.5
    beside = grey.copy()
    beside[disc == 0] = 0
    assert light_difference(beside, grey, disc) == pytest.approx(0, abs=1e-3)


def test_the_spread_of_the_likeness_is_what_comes_and_goes(
    judge: Judge, plates: list[Rgb], truths: list[Rgb], masks: list[Mask], references: References
) -> None:
    looks = [judge.look_at_truth(*each) for each in zip(truths[:4], masks[:4], strict=True)]
    steady, unsteady = plates[:4], [plates[0], truths[1], plates[2], truths[3]]
    steady_spread, unsteady_spread = (
        summarise(measure_frames(frames, looks, references, judge)).likeness_spread for frames in (steady, unsteady)
    )
    assert steady_spread is not None
    assert unsteady_spread is not None
    assert unsteady_spread > 2 * steady_spread


def test_seam_is_an_edge_at_the_border_that_the_truth_does_not_have(picture: Rgb, disc: Mask) -> None:
    grey = np.full_like(picture, 128)
    pasted = np.where(disc[..., None] > 0.5, 150, grey).astype(np.uint8)
    within = grey.copy()
    within[50:78, 50:78] = 150
    assert seam_excess(pasted, grey, disc) > 1
    assert seam_excess(within, grey, disc) == pytest.approx(0, abs=1e-3)
    assert seam_excess(pasted, pasted, disc) == 0
    assert seam_excess(grey, pasted, disc) == pytest.approx(0, abs=1e-3)


def test_holes_in_the_mask_are_no_border(picture: Rgb, disc: Mask) -> None:
    grey = np.full_like(picture, 128)
    eye = grey.copy()
    cv2.circle(eye, (64, 64), 3, (255, 255, 255), -1)
    with_hole = disc.copy()
    cv2.circle(with_hole, (64, 64), 3, 0.0, -1)
    assert seam_excess(eye, grey, with_hole) < 0.05


def test_flicker_ignores_a_steady_error(disc: Mask) -> None:
    steady = np.full((128, 128, 3), 20, np.float32)
    assert error_change(steady, steady, disc, disc) == 0
    assert error_change(steady + 5, steady, disc, disc) == pytest.approx(5)
    outside = steady + 100 * (1 - disc[..., None])
    assert error_change(outside, steady, disc, np.ones_like(disc)) == pytest.approx(0, abs=1e-6)
    assert error_change(outside, steady, np.ones_like(disc), disc) == pytest.approx(0, abs=1e-6)


def test_meshes_lose_their_pose_but_not_their_shape() -> None:
    mesh = canonical_mesh()
    turned = (50 * mesh @ head_rotation(20.0, 10.0, 5.0).T.astype(np.float32) + 100).astype(np.float32)
    np.testing.assert_allclose(in_head(turned), mesh, atol=1e-4)
    chin = turned.copy()
    chin[152] += 10
    difference = mesh_difference_pct(chin, turned)
    assert np.linalg.norm(difference[152]) > 5
    assert np.abs(np.delete(difference, 152, axis=0)).max() < 1e-2
    np.testing.assert_allclose(mesh_difference_pct(2 * turned + 7, turned), 0, atol=1e-2)


def test_landmark_distance_is_a_part_of_the_distance_between_the_eyes() -> None:
    mesh = (100 * canonical_mesh()).astype(np.float32)
    eyes_px = float(np.linalg.norm(mesh[33] - mesh[263]))
    shift = np.array([0.05 * eyes_px, 0, 0], np.float32)
    assert landmark_distance_pct((mesh + shift).astype(np.float32), mesh) == pytest.approx(5, abs=1e-3)


def test_shape_is_what_stays_and_expression_what_moves() -> None:
    steady = np.zeros((468, 3), np.float32)
    steady[:, 0] = 3
    moving = np.zeros((468, 3), np.float32)
    moving[:, 1] = 4
    tally = MeshTally()
    assert tally.shape_and_expression is None
    for sign in (1, -1, 1, -1):
        tally.add(steady + sign * moving)
    assert tally.shape_and_expression == pytest.approx((3, 4))


def test_the_angle_between_two_rotations() -> None:
    assert rotation_between_deg(head_rotation(10.0, 0.0, 0.0), head_rotation(25.0, 0.0, 0.0)) == pytest.approx(15)


def test_eyes_are_found_alike_in_a_mirrored_picture(look: TruthLook) -> None:
    width = look.rgb.shape[1]
    landmarks = look.face.landmarks_xyz.copy()
    landmarks[:, 0] = width - 1 - landmarks[:, 0]
    left, right = EYE_CORNERS
    landmarks[[*left, *right]] = landmarks[[*right, *left]]
    mirrored = EyeFinder()(np.ascontiguousarray(look.rgb[:, ::-1]), landmarks, -look.face.pose.roll_deg)
    for eye, other in zip(look.face.eyes, reversed(mirrored), strict=True):
        assert other.iris_xy[0] == pytest.approx(width - 1 - eye.iris_xy[0], abs=0.5)
        assert other.iris_xy[1] == pytest.approx(eye.iris_xy[1], abs=0.5)
        assert other.openness == pytest.approx(eye.openness, abs=0.05)


def test_inner_features_lie_on_the_way_to_the_same_embedding() -> None:
    rgb = torch.rand(1, 3, 150, 150) * 255
    stages, embedding = Recogniser().look(rgb)
    torch.testing.assert_close(embedding, Recogniser()(rgb))
    assert [tuple(stage.shape[1:]) for stage in stages] == [(32, 35, 35), (64, 17, 17), (128, 8, 8)]
    for stage in stages:
        # Of a place where nothing answers no length can be one.
        assert torch.linalg.vector_norm(stage, dim=1).amax() == pytest.approx(1, abs=1e-5)


def test_the_truth_is_perfect(truth_measures: ClipMeasures) -> None:
    assert truth_measures.num_missed == truth_measures.num_without_truth == 0
    assert truth_measures.ssim == pytest.approx(1)
    assert truth_measures.sharpness == pytest.approx(1)
    assert truth_measures.likeness_distance == pytest.approx(truth_measures.truth_likeness_distance, abs=1e-5)
    of_nets = ("perceptual", "unseen_perceptual", "landmarks_pct", "shape_pct", "expression_pct", "gaze_deg")
    for name in (*of_nets, "colour_de", "light", "seam", "flicker", "likeness_spread"):
        assert getattr(truth_measures, name) == pytest.approx(0, abs=1e-4), name


def test_the_plate_is_another_person(plate_measures: ClipMeasures) -> None:
    measured = plate_measures
    assert measured.likeness_distance is not None
    assert measured.truth_likeness_distance is not None
    assert measured.performer_distance is not None
    assert measured.likeness_distance > measured.truth_likeness_distance + 0.04
    assert measured.performer_distance < measured.likeness_distance
    assert measured.unseen_likeness_distance is not None
    assert measured.truth_unseen_likeness_distance is not None
    assert measured.unseen_likeness_distance > measured.truth_unseen_likeness_distance + 0.06
    assert measured.nearer == measured.unseen_nearer == 0


def test_the_truth_is_nearer_to_the_likeness_by_both_nets(truth_measures: ClipMeasures) -> None:
    assert truth_measures.nearer == truth_measures.unseen_nearer == 1


def test_gains_are_0_for_the_plate_1_for_the_truth_and_negative_for_worse(
    plate_measures: ClipMeasures, truth_measures: ClipMeasures
) -> None:
    of_plate, of_truth = gains(plate_measures, plate_measures), gains(truth_measures, plate_measures)
    assert plate_measures.ssim is not None
    for name in ("identity", "unseen_identity", "perceptual", "unseen_perceptual", "ssim", "shape"):
        assert getattr(of_plate, name) == 0
        assert getattr(of_truth, name) == pytest.approx(1, abs=1e-3)
    worse = gains(replace(plate_measures, ssim=2 * plate_measures.ssim - 1), plate_measures)
    assert worse.ssim == pytest.approx(-1)


def test_gains_are_undefined_where_plate_and_truth_are_alike(truth_measures: ClipMeasures) -> None:
    undefined = gains(truth_measures, truth_measures)
    assert undefined.identity is undefined.perceptual is undefined.ssim is undefined.shape is None


def test_a_gain_of_shape_needs_the_mesh_in_most_frames(
    plate_measures: ClipMeasures, truth_measures: ClipMeasures
) -> None:
    seldom = replace(truth_measures, num_missed=2)
    assert gains(seldom, plate_measures).shape is None
    assert gains(seldom, plate_measures).identity == pytest.approx(1, abs=1e-3)


def test_a_shift_is_seen_but_does_not_change_who_it_is(judge: Judge, look: TruthLook, references: References) -> None:
    shifted = np.roll(look.rgb, 30, axis=1)
    measured, _ = judge.measure_frame(shifted, look, references)
    assert measured.likeness_distance == pytest.approx(measured.truth_likeness_distance, abs=0.02)
    assert measured.perceptual > 0.4
    moved_xyz = look.face.landmarks_xyz + np.array([30, 0, 0], np.float32)
    assert measured.landmarks_pct == pytest.approx(landmark_distance_pct(moved_xyz, look.face.landmarks_xyz), rel=0.05)
    assert measured.mesh_difference_pct is not None
    assert np.abs(measured.mesh_difference_pct).mean() < 1


def test_a_face_elsewhere_is_not_taken_for_the_result(judge: Judge, look: TruthLook, references: References) -> None:
    measured, _ = judge.measure_frame(np.roll(look.rgb, 100, axis=1), look, references)
    assert not measured.is_found


def test_a_missed_face_is_counted_and_still_recognised(
    judge: Judge, truths: list[Rgb], masks: list[Mask], references: References
) -> None:
    blank = np.full_like(truths[1], 128)
    measured = measure_clip([truths[0], blank], truths[:2], masks[:2], references, judge)
    assert (measured.num_frames, measured.num_missed, measured.num_without_truth) == (2, 1, 0)
    assert measured.landmarks_pct == pytest.approx(0, abs=1e-4)
    assert measured.likeness_distance is not None
    assert measured.truth_likeness_distance is not None
    assert measured.likeness_distance > measured.truth_likeness_distance + 0.1


def test_the_frames_furthest_from_the_truth_come_first(
    judge: Judge, truths: list[Rgb], masks: list[Mask], references: References
) -> None:
    looks = [judge.look_at_truth(rgb, mask) for rgb, mask in zip(truths[:3], masks[:3], strict=True)]
    shown = [truths[0], np.full_like(truths[1], 128), cv2.GaussianBlur(truths[2], (0, 0), 2)]
    frames = list(measure_frames(shown, [looks[0], looks[1], looks[2]], references, judge))
    far = farthest_frames([*frames, None])
    assert [(frame.index, frame.landmarks_pct is None) for frame in far] == [(1, True), (2, False), (0, False)]


def test_a_frame_without_a_true_face_is_left_out_and_ends_flicker(
    judge: Judge, truths: list[Rgb], masks: list[Mask], references: References
) -> None:
    empty = np.zeros_like(masks[1])
    looks = [judge.look_at_truth(*each) for each in zip(truths[:3], [masks[0], empty, masks[2]], strict=True)]
    first, second, third = list(measure_frames(truths[:3], looks, references, judge))
    assert second is None
    assert first is not None
    assert third is not None
    assert first.flicker is third.flicker is None
    assert summarise([first, second, third]).num_without_truth == 1


def test_frames_stream(judge: Judge, look: TruthLook, references: References) -> None:
    measured = measure_frames(iter([look.rgb, look.rgb]), iter([look, look]), references, judge)
    first = next(measured)
    assert isinstance(first, FrameMeasures)


def test_a_result_of_another_size_is_refused(judge: Judge, look: TruthLook, references: References) -> None:
    with pytest.raises(FaceError, match="expected frames of 256 × 256"):
        judge.measure_frame(look.rgb[:128], look, references)


def test_a_mean_face_needs_a_face(judge: Judge) -> None:
    with pytest.raises(FaceError, match="no face is found in any"):
        judge.mean_face([np.zeros((64, 64, 3), np.uint8)])
