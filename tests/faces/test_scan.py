from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from countenance.faces.scan import STRETCH_FRAMES, plan_stretches, shared_out
from countenance.media.timeline import Timeline

NUM_FRAMES = st.integers(0, 6 * STRETCH_FRAMES)
BEGINS = st.lists(st.integers(1, 6 * STRETCH_FRAMES), max_size=12)
"""Of shots, or keyframes, after the first."""


def timeline_of(num_frames: int, keyframes: list[int], shots: list[int]) -> Timeline:
    begins = [tuple(sorted({0, *(at for at in some if at < num_frames)})) for some in (keyframes, shots)]
    return Timeline(frame_pts=np.arange(num_frames, dtype=np.int64), keyframes=begins[0], shots=begins[1])


@given(NUM_FRAMES, BEGINS, BEGINS)
def test_stretches_cover_every_frame_once(num_frames: int, keyframes: list[int], shots: list[int]) -> None:
    stretches = plan_stretches(timeline_of(num_frames, keyframes, shots))
    covered = [frame for stretch in stretches for frame in range(stretch.first, stretch.end)]
    assert covered == list(range(num_frames))


@given(NUM_FRAMES, BEGINS, BEGINS)
def test_stretches_are_short_and_no_shorter_than_they_must_be(
    num_frames: int, keyframes: list[int], shots: list[int]
) -> None:
    lengths = [stretch.end - stretch.first for stretch in plan_stretches(timeline_of(num_frames, keyframes, shots))]
    assert all(length <= STRETCH_FRAMES for length in lengths)
    assert all(length > STRETCH_FRAMES // 2 for length in lengths[:-1])


@given(NUM_FRAMES, BEGINS, BEGINS)
def test_a_stretch_ends_with_a_shot_or_else_before_a_keyframe(
    num_frames: int, keyframes: list[int], shots: list[int]
) -> None:
    for stretch, _ in pairwise(plan_stretches(timeline_of(num_frames, keyframes, shots))):
        choices = range(stretch.first + STRETCH_FRAMES // 2 + 1, stretch.first + STRETCH_FRAMES + 1)
        good = [at for at in choices if at in shots] or [at for at in choices if at in keyframes]
        assert stretch.end == (good[-1] if good else choices[-1])


@given(NUM_FRAMES, BEGINS, BEGINS, st.integers(1, 5))
def test_threads_get_about_as_many_frames_each(
    num_frames: int, keyframes: list[int], shots: list[int], threads: int
) -> None:
    stretches = plan_stretches(timeline_of(num_frames, keyframes, shots))
    parts = shared_out(stretches, threads)
    assert [stretch for part in parts for stretch in part] == stretches
    assert len(parts) <= threads
    assert all(part[-1].end - part[0].first <= num_frames / threads + STRETCH_FRAMES for part in parts)
