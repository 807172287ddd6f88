from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from countenance.composite.stabilise import STEADY, centred_windows, smooth_track, unbroken
from tests.support.made_up import mesh_at


@pytest.mark.parametrize("count", [0, 1, 3, 5, 12])
def test_windows_are_centred_and_cover_every_item_once(count: int) -> None:
    windows = list(centred_windows(iter(range(count)), 2))
    assert [item for item, _ in windows] == list(range(count))
    for item, neighbours in windows:
        assert neighbours == [n for n in range(count) if abs(n - item) <= 2]


def test_jitter_is_lowered_and_even_motion_isnt_held_back() -> None:
    frames = list(range(60))
    motion = [mesh_at(100 + 3.0 * frame, 100) for frame in frames]
    assert np.array(smooth_track(frames, motion)) == pytest.approx(np.array(motion), abs=1e-3)
    # As much as the mesh of a steady face is off: 0.01 of the head's 40 px.
    noise = np.random.default_rng(4).normal(size=(60, 468, 3)).astype(np.float32) * 0.4
    smoothed = np.array(smooth_track(frames, [m + n for m, n in zip(motion, noise, strict=True)]))
    assert np.diff(smoothed - np.array(motion), axis=0).std() < 0.55 * np.diff(noise, axis=0).std()


def test_nothing_is_smoothed_across_a_gap() -> None:
    frames = [0, 1, 2, 10, 11]
    landmarks = [mesh_at(100 + 0.5 * frame**2, 100) for frame in frames]
    smoothed = smooth_track(frames, landmarks)
    for position in (0, 2, 3, 4):
        assert np.array_equal(smoothed[position], landmarks[position])


@pytest.mark.parametrize("px_a_frame", [1.0, 2.0, 4.0, 8.0, 60.0])
def test_a_pan_that_starts_and_stops_leaves_every_mesh_on_its_face(px_a_frame: float) -> None:
    """Whatever the speed, no point is moved by more than 0.6 of what counts as steady."""
    places = [0.0] * 6 + [px_a_frame * step for step in range(1, 11)] + [10 * px_a_frame] * 6
    motion = [mesh_at(100 + x, 100) for x in places]
    off = np.abs(np.array(smooth_track(range(len(places)), motion)) - np.array(motion)).max()
    assert off <= 0.61 * STEADY * 40


def test_items_are_taken_as_far_as_none_is_missing() -> None:
    at_frame = {1: "a", 2: "b", 4: "d", 5: "e", 6: "f"}
    assert unbroken(at_frame, 5) == ["d", "e", "f"]
    assert unbroken(at_frame, 2) == ["a", "b"]


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
