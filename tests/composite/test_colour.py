import cv2
import numpy as np
import pytest

from countenance.composite.colour import MAX_GAIN, apply_shift, colour_shift, mean_shift


def face(seed: int, tint: tuple[float, float, float]) -> np.ndarray:
    noise = cv2.GaussianBlur(np.random.default_rng(seed).random((64, 64, 1), np.float32), (0, 0), 3)[..., None]
    return np.asarray(np.clip((0.2 + 0.8 * (noise - noise.min())) * np.array(tint, np.float32), 0, 1), np.float32)


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


def test_mean_shift_lies_between() -> None:
    generated, mask = face(1, (0.5, 0.5, 0.6)), np.ones((64, 64), np.float32)
    dark, bright = (colour_shift(generated, face(2, (v, v, v)), mask) for v in (0.3, 0.9))
    middle = mean_shift([dark, bright]).offset
    assert middle == pytest.approx((dark.offset + bright.offset) / 2)


def test_a_tint_that_lies_on_one_side_of_the_plate_lies_there_on_the_face() -> None:
    generated = face(1, (0.5, 0.5, 0.5))
    plate = face(2, (0.5, 0.5, 0.5))
    plate[:, 32:, 0] = np.clip(plate[:, 32:, 0] * 1.5, 0, 1)
    matched = apply_shift(generated, colour_shift(generated, plate, np.ones((64, 64), np.float32)))
    redness = (matched[..., 0] - matched[..., 2]).mean(axis=0)
    assert redness[48:].mean() > redness[:16].mean() + 0.05
