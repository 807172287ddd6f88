from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from countenance.composite.stabilise import centred_windows, smooth_track


@pytest.mark.parametrize("count", [0, 1, 3, 5, 12])
def test_windows_are_centred_and_cover_every_item_once(count: int) -> None:
    windows = list(centred_windows(iter(range(count)), 2))
    assert [item for item, _ in windows] == list(range(count))
    for item, neighbours in windows:
        assert neighbours == [n for n in range(count) if abs(n - item) <= 2]


def test_jitter_is_lowered_and_even_motion_isnt_held_back() -> None:
    frames = list(range(60))
    motion = [np.full((468, 3), 3.0 * frame, np.float32) for frame in frames]
    assert np.array(smooth_track(frames, motion)) == pytest.approx(np.array(motion), abs=1e-3)
    noise = np.random.default_rng(4).normal(size=(60, 468, 3)).astype(np.float32)
    smoothed = np.array(smooth_track(frames, [m + n for m, n in zip(motion, noise, strict=True)]))
    assert np.diff(smoothed - np.array(motion), axis=0).std() < 0.55 * np.diff(noise, axis=0).std()


def test_nothing_is_smoothed_across_a_gap() -> None:
    frames = [0, 1, 2, 10, 11]
    landmarks = [np.full((468, 3), 100.0 * frame, np.float32) for frame in frames]
    assert np.array(smooth_track(frames, landmarks)) == pytest.approx(np.array(landmarks))


@given(st.integers(0, 40), st.integers(0, 8))
def test_windows_are_centred_at_any_length_and_wait_for_no_more_than_their_radius(count: int, radius: int) -> None:
    num_read = 0

    def items() -> Iterator[int]:
        nonlocal num_read
        for item in range(count):
            num_read += 1
            yield item

    centres = []
    for item, neighbours in centred_windows(items(), radius):
        assert num_read <= item + radius + 1
        assert neighbours == [n for n in range(count) if abs(n - item) <= radius]
        centres.append(item)
    assert centres == list(range(count))
