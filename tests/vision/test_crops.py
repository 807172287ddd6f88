import cv2
import numpy as np
import pytest

from countenance.vision.crops import (
    CROP_SIZES,
    decode_crop,
    decode_mask,
    encode_crop,
    encode_mask,
    fitting_size,
    resized_crop,
    resized_mask,
)


@pytest.mark.parametrize(
    ("size_px", "expected"),
    [(20, 256), (256, 256), (361, 256), (363, 512), (512, 512), (723, 512), (725, 1024), (3000, 1024)],
)
def test_a_crop_is_as_large_as_its_face_in_the_frame(size_px: float, expected: int) -> None:
    assert fitting_size(size_px) == expected


@pytest.mark.parametrize("size", CROP_SIZES)
def test_crops_come_back_exactly_and_masks_at_their_size(size: int) -> None:
    rgb = np.random.default_rng(1).integers(0, 256, (size, size, 3), np.uint8)
    assert np.array_equal(decode_crop(encode_crop(rgb)), rgb)
    mask = np.zeros((size, size), np.float32)
    cv2.circle(mask, (size // 2, size // 2), size // 3, 1.0, -1, cv2.LINE_AA)
    png = encode_mask(mask)
    small = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert small is not None
    assert small.shape == (size // 2, size // 2)
    assert decode_mask(png).shape == (size, size)
    assert np.abs(decode_mask(png) - mask).mean() < 0.01


def test_another_size_shows_the_same_and_the_own_size_is_untouched() -> None:
    rows, columns = np.mgrid[:512, :512]
    rgb = np.dstack([rows // 2, columns // 2, (rows + columns) // 4]).astype(np.uint8)
    mask = (np.hypot(rows - 256, columns - 256) < 200).astype(np.float32)
    assert resized_crop(rgb, 512) is rgb
    assert resized_mask(mask, 512) is mask
    there_and_back = resized_crop(resized_crop(rgb, 1024), 512)
    assert np.abs(there_and_back.astype(int) - rgb).max() <= 3
    assert resized_mask(mask, 256).mean() == pytest.approx(float(mask.mean()), abs=1e-3)
