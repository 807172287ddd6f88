from dataclasses import replace

import cv2
import numpy as np
import pytest

from countenance.composite.colour import (
    JUST_NOTICEABLE,
    MAX_GAIN,
    ColourShift,
    apply_shift,
    faded,
    in_light,
    match_colour,
    steady_shift,
    unchanged,
    within_light,
)
from countenance.vision.light import measure_light, out_of_light


def face(seed: int, tint: tuple[float, float, float]) -> np.ndarray:
    noise = cv2.GaussianBlur(np.random.default_rng(seed).random((64, 64, 1), np.float32), (0, 0), 3)[..., None]
    return np.asarray(np.clip((0.2 + 0.8 * (noise - noise.min())) * np.array(tint, np.float32), 0, 1), np.float32)


def colour_shift(generated: np.ndarray, plate: np.ndarray, mask: np.ndarray) -> ColourShift:
    return match_colour(generated, plate, mask).shift


def test_a_shifted_face_has_the_plates_colour_inside_the_mask() -> None:
    generated, plate = face(1, (0.5, 0.5, 0.6)), face(2, (0.7, 0.5, 0.4))
    mask = np.zeros((64, 64), np.float32)
    mask[10:50, 10:50] = 1
    matched = apply_shift(generated, colour_shift(generated, plate, mask))
    inside = mask > 0
    assert matched[inside].mean(axis=0) == pytest.approx(plate[inside].mean(axis=0), abs=0.03)
    assert abs(generated[inside].mean(axis=0) - plate[inside].mean(axis=0)).max() > 0.05


def test_what_lies_outside_of_the_mask_has_no_say() -> None:
    generated, plate = face(1, (0.5, 0.5, 0.6)), face(2, (0.7, 0.5, 0.4))
    mask = np.zeros((64, 64), np.float32)
    mask[10:50, 10:50] = 1
    other_plate = plate.copy()
    other_plate[mask == 0] = 1
    one, other = (colour_shift(generated, p, mask) for p in (plate, other_plate))
    assert one.offset[16, 16] == pytest.approx(other.offset[16, 16], abs=0.5)
    assert one.gain == pytest.approx(other.gain)


def test_contrast_isnt_blown_up() -> None:
    flat = np.full((64, 64, 3), 0.5, np.float32)
    shift = colour_shift(flat, face(2, (1.0, 1.0, 1.0)), np.ones((64, 64), np.float32))
    assert shift.gain <= MAX_GAIN


def test_frames_in_the_same_light_are_averaged_and_others_are_left_out() -> None:
    mask = np.ones((64, 64), np.float32)
    plate = face(2, (0.5, 0.5, 0.5))
    own, alike = (match_colour(face(seed, (0.5, 0.5, 0.5)), plate, mask) for seed in (1, 3))
    middle = steady_shift(own, [own, alike])
    assert middle.offset == pytest.approx((own.shift.offset + alike.shift.offset) / 2, abs=1e-3)
    assert middle.gain == pytest.approx((own.shift.gain + alike.shift.gain) / 2)
    red_from_the_left = plate.copy()
    red_from_the_left[:, :24] *= np.array([1.6, 0.7, 0.7], np.float32)
    lit = match_colour(face(1, (0.5, 0.5, 0.5)), np.clip(red_from_the_left, 0, 1), mask)
    kept = steady_shift(lit, [own, own, own, own, lit, own, own, own, own])
    assert np.abs(kept.offset - lit.shift.offset).max() < 1.5
    assert np.abs(own.shift.offset - lit.shift.offset).max() > 15


@pytest.mark.parametrize("step", [0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 40.0])
def test_averaging_never_shifts_a_face_visibly_whatever_its_light_does(step: float) -> None:
    mask = np.ones((64, 64), np.float32)
    own = match_colour(face(1, (0.5, 0.5, 0.5)), face(2, (0.5, 0.5, 0.5)), mask)
    offset, plate_lab = own.shift.offset.copy(), own.plate_lab.copy()
    offset[..., 1] += step
    plate_lab[..., 1] += step
    other = replace(own, shift=replace(own.shift, offset=offset), plate_lab=plate_lab)
    kept = steady_shift(own, [*[other] * 8, own])
    assert np.abs(kept.offset - own.shift.offset).max() <= 0.61 * JUST_NOTICEABLE


def test_the_light_that_was_taken_out_is_put_back_exactly() -> None:
    mask = np.zeros((64, 64), np.float32)
    mask[10:50, 10:50] = 1
    for tint in ((0.3, 0.2, 0.2), (0.6, 0.6, 0.8), (0.9, 0.8, 0.7)):
        plate = face(2, tint)
        light = measure_light(plate, mask)
        evened = out_of_light(plate, light)
        back = apply_shift(evened, in_light(match_colour(evened, evened, mask).shift, light))
        assert np.abs(back - plate)[mask > 0].max() < 0.01


def test_a_tint_that_lies_on_one_side_of_the_plate_lies_there_on_the_face() -> None:
    generated = face(1, (0.5, 0.5, 0.5))
    plate = face(2, (0.5, 0.5, 0.5))
    plate[:, 32:, 0] = np.clip(plate[:, 32:, 0] * 1.5, 0, 1)
    matched = apply_shift(generated, colour_shift(generated, plate, np.ones((64, 64), np.float32)))
    redness = (matched[..., 0] - matched[..., 2]).mean(axis=0)
    assert redness[48:].mean() > redness[:16].mean() + 0.05


def test_a_shift_within_a_light_is_that_of_even_light_with_the_light_put_back() -> None:
    generated, plate = face(1, (0.5, 0.5, 0.6)), face(2, (0.55, 0.5, 0.45)) * np.float32(0.6) + np.float32(0.1)
    mask = np.ones((64, 64), np.float32)
    light = measure_light(plate, mask)
    shift = match_colour(out_of_light(generated, light), out_of_light(plate, light), mask).shift
    by_way_of_even_light = apply_shift(out_of_light(generated, light), in_light(shift, light))
    assert np.abs(apply_shift(generated, within_light(shift, light)) - by_way_of_even_light).mean() < 0.004
    kept = within_light(unchanged(), light)
    assert kept.gain == pytest.approx(1)
    assert np.abs(kept.offset).max() < 1e-4


def test_a_part_of_a_shift_lies_on_the_way() -> None:
    shift = ColourShift(gain=1.4, offset=np.full((32, 32, 3), 8, np.float32))
    half, none = faded(shift, 0.5), faded(shift, 0)
    assert half.gain == pytest.approx(1.2)
    assert np.abs(half.offset - 4).max() == 0
    assert none.gain == 1
    assert np.abs(none.offset).max() == 0
