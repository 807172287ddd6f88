import math
import weakref
from collections.abc import Iterator

import cv2
import numpy as np
import pytest
from jaxtyping import UInt8

from countenance.watermark import read as read_module
from countenance.watermark.code import ID_BITS
from countenance.watermark.embed import mark
from countenance.watermark.read import FALSE_READINGS, MAX_TRIES, THRESHOLD, certainty, read
from countenance.watermark.search import Place, fold
from countenance.watermark.whiten import luminance, whitened
from tests.support.marked import MARK_ID, picture
from tools.watermark.attacks import crop, decoded, encoded, jpeg, resize, rotate

Frame = UInt8[np.ndarray, "H W 3"]


@pytest.fixture(scope="module")
def marked() -> Frame:
    return mark(picture(), MARK_ID)


def test_a_picture_is_read_and_says_where_its_tiles_lie(marked: Frame) -> None:
    reading = read([jpeg(marked, 50)])
    assert reading is not None
    assert (reading.mark_id, reading.num_frames) == (MARK_ID, 1)
    assert reading.sigma > THRESHOLD
    assert reading.scale == pytest.approx(1, abs=0.005)
    assert reading.tile_px == pytest.approx(540 / 5, abs=0.5)


def test_a_film_is_read_after_h264_at_half_size(marked: Frame) -> None:
    film = encoded([resize(marked, 480, 270)] * 3, crf=28, preset="veryfast")
    reading = read(decoded(film))
    assert reading is not None
    assert reading.mark_id == MARK_ID


def test_a_crop_is_read_and_its_place_found(marked: Frame) -> None:
    reading = read([crop(marked, 0.7, (0.5, 0.5))])
    assert reading is not None
    assert reading.mark_id == MARK_ID
    assert reading.scale == pytest.approx(1 / 0.7, abs=0.01)
    # 144 and 81 pixels were cut off; a tile has 108.
    assert reading.crop_xy == pytest.approx((2 * 108 - 144, 108 - 81), abs=2)


def test_a_turned_picture_is_read_and_its_angle_found(marked: Frame) -> None:
    reading = read([rotate(marked, 5)])
    assert reading is not None
    assert reading.mark_id == MARK_ID
    assert reading.rotation_deg == pytest.approx(-5, abs=0.2)


def test_nothing_is_read_where_nothing_is() -> None:
    assert read([picture()]) is None
    assert read([np.zeros((300, 400, 3), np.uint8)]) is None
    assert read([]) is None


def test_other_bits_than_the_mark_are_refused(marked: Frame) -> None:
    found = fold(whitened(luminance(marked)), Place(period=72, turn_deg=0))
    assert certainty(found, MARK_ID) > THRESHOLD
    others = [certainty(found, MARK_ID ^ 1 << place) for place in range(ID_BITS)]
    assert max(others) < THRESHOLD


def test_no_more_frames_are_taken_than_needed_and_none_is_kept(marked: Frame) -> None:
    taken: list[weakref.ref[Frame]] = []

    def frames(plain: Frame) -> Iterator[Frame]:
        while len(taken) < 6:
            frame = plain.copy()
            taken.append(weakref.ref(frame))
            yield frame
            del frame

    small = resize(picture(), 320, 180)
    assert read(frames(small)) is None
    assert [each() for each in taken[:-1]] == [None] * 5
    taken.clear()
    assert read(frames(marked)) is not None
    assert len(taken) == 1


def test_frames_of_another_size_are_left_out(marked: Frame) -> None:
    reading = read([resize(picture(), 320, 180), marked])
    assert reading is None
    reading = read([marked, resize(picture(), 320, 180)])
    assert reading is not None


def test_false_readings_are_rarer_than_one_in_a_billion_by_construction(monkeypatch: pytest.MonkeyPatch) -> None:
    assert 2**ID_BITS * MAX_TRIES * math.exp(-(THRESHOLD**2) / 2) <= FALSE_READINGS * (1 + 1e-9)
    decoded_places: list[int] = []
    monkeypatch.setattr(read_module, "MIN_PILOT_SIGMA", 0)
    monkeypatch.setattr(read_module, "decode", lambda _soft: decoded_places.append(1))
    small = resize(picture(), 320, 180)
    assert read([small] * 5) is None
    looks = 3  # After 1 and 4 frames, and at the end.
    assert len(decoded_places) == looks * MAX_TRIES / (len(read_module.LOOKS) + 1)


def test_random_words_are_as_certain_as_coins() -> None:
    """The bound holds for any picture, also for one with strong textures."""
    rows, columns = np.mgrid[:360, :640]
    stripes = np.asarray(127 + 100 * np.sin(rows / 3) * np.sin(columns / 5), np.uint8)
    found = fold(whitened(luminance(cv2.merge([stripes] * 3))), Place(period=72, turn_deg=0))
    words = np.array(
        [certainty(found, int(word)) for word in np.random.default_rng(0).integers(1 << ID_BITS, size=500)]
    )
    assert np.sqrt(np.mean(words**2)) == pytest.approx(1, abs=0.1)
    assert np.abs(words).max() < 5
