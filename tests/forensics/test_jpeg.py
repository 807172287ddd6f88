from io import BytesIO

import cv2
import numpy as np
import pytest
from jaxtyping import UInt8
from PIL import Image

from countenance.forensics.jpeg import earlier_jpeg, grid, standard_quality, standard_table


def photograph(side: int = 192) -> Image.Image:
    """Something with areas, edges and grain, as a camera sees it."""
    random = np.random.default_rng(4)
    picture = np.full((side, side, 3), 110, np.float32)
    for size, strength in ((6, 12), (24, 25), (64, 30)):
        part = random.normal(0, strength, (side // size + 2, side // size + 2, 3)).astype(np.float32)
        picture += cv2.resize(part, (side, side), interpolation=cv2.INTER_CUBIC)
    cv2.circle(picture, (side // 2, side // 2), side // 4, (200, 170, 140), -1, cv2.LINE_AA)
    picture += random.normal(0, 1.5, picture.shape)
    return Image.fromarray(np.asarray(np.clip(picture, 0, 255), np.uint8))


def as_jpeg(picture: Image.Image, quality: int) -> Image.Image:
    data = BytesIO()
    picture.save(data, "JPEG", quality=quality)
    return Image.open(data)


def table_of(picture: Image.Image) -> np.ndarray:
    return np.array(picture.quantization[0], np.int64).reshape(8, 8)  # type: ignore[attr-defined]


def luma(picture: Image.Image) -> UInt8[np.ndarray, "H W"]:
    picture.draft("L", picture.size)
    return np.asarray(picture.convert("L"))


@pytest.mark.parametrize("quality", [1, 10, 50, 75, 92, 100])
def test_the_standard_s_tables_are_those_that_pillow_writes(quality: int) -> None:
    table = table_of(as_jpeg(photograph(64), quality))
    assert np.array_equal(standard_table(quality), table)
    assert standard_quality(table) == quality


def test_another_table_has_no_quality() -> None:
    table = standard_table(80).copy()
    table[3, 4] += 1
    assert standard_quality(table) is None


@pytest.mark.parametrize(("first", "then"), [(60, 75), (75, 90), (85, 95), (90, 95)])
def test_a_coarser_jpeg_before_is_found_with_its_quality(first: int, then: int) -> None:
    twice = as_jpeg(as_jpeg(photograph(), first).convert("RGB"), then)
    found = earlier_jpeg(luma(twice), table_of(twice))
    assert found is not None
    assert abs(found.quality - first) <= 1
    assert found.offset_xy == (0, 0)


@pytest.mark.parametrize("quality", [50, 60, 75, 85, 90, 95, 98])
def test_a_jpeg_that_was_saved_once_shows_nothing(quality: int) -> None:
    once = as_jpeg(photograph(), quality)
    assert earlier_jpeg(luma(once), table_of(once)) is None


def test_the_same_quality_twice_cannot_be_seen() -> None:
    twice = as_jpeg(as_jpeg(photograph(), 80).convert("RGB"), 80)
    assert earlier_jpeg(luma(twice), table_of(twice)) is None


@pytest.mark.parametrize("cut_xy", [(0, 0), (3, 5)])
def test_a_lossless_picture_that_was_a_jpeg_is_found_though_cropped(cut_xy: tuple[int, int]) -> None:
    once = as_jpeg(photograph(), 80).convert("RGB")
    cropped = np.asarray(once.crop((*cut_xy, once.width, once.height)).convert("L"))
    found = earlier_jpeg(cropped, None)
    assert found is not None
    assert abs(found.quality - 80) <= 1
    assert found.offset_xy == tuple((8 - each) % 8 for each in cut_xy)
    assert grid(cropped) == found.offset_xy


def test_a_lossless_picture_that_never_was_one_shows_nothing() -> None:
    assert earlier_jpeg(np.asarray(photograph().convert("L")), None) is None


@pytest.mark.parametrize("shape", [(8, 8), (64, 9), (100, 100), (700, 2100)])
def test_flat_pictures_of_any_size_show_nothing(shape: tuple[int, int]) -> None:
    flat = np.full(shape, 128, np.uint8)
    assert earlier_jpeg(flat, standard_table(75)) is None
    assert earlier_jpeg(flat, None) is None
