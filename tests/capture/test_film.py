"""A clip as filmed: streaming, repeatable, and equal where two scenes are."""

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

import cv2
import numpy as np
import pytest
from jaxtyping import UInt8

from countenance.capture.film import develop_frames, film_frames, film_image, reach_px
from countenance.capture.presets import draw_capture
from countenance.capture.settings import KINDS, CaptureKind
from countenance.capture.shutter import Motion

RATE = Fraction(24)
Rgb = UInt8[np.ndarray, "H W 3"]


def scene(height: int = 64, width: int = 80) -> Rgb:
    """Something with edges, dark and bright places."""
    rng = np.random.default_rng(5)
    coarse = rng.uniform(10, 245, (8, 10, 3)).astype(np.float32)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_NEAREST).astype(np.uint8)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_capture_gives_the_same_pixels_and_another_seed_others(kind: CaptureKind) -> None:
    capture = draw_capture(4, kind)
    assert capture.kind == kind
    assert draw_capture(4, kind) == capture
    one, same = (list(film_frames([scene()] * 4, capture, frame_rate=RATE)) for _ in range(2))
    assert len(one) == 4
    assert one[0].shape == (64, 80, 3)
    assert all(np.array_equal(a, b) for a, b in zip(one, same, strict=True))
    other = list(film_frames([scene()] * 4, replace(capture, seed=5), frame_rate=RATE))
    # So small a frame may be coded as a few flat blocks at first.
    assert not np.array_equal(one[-1], other[-1])
    # Noise of one frame isn't that of the next.
    first, second, *_ = develop_frames([scene()] * 4, capture, frame_rate=RATE)
    assert not np.array_equal(first, second)
    assert film_image(scene(63, 79), capture).shape == (63, 79, 3)


@pytest.mark.parametrize("kind", KINDS)
def test_filmed_frames_still_show_the_scene(kind: CaptureKind) -> None:
    frames = list(film_frames([scene(128, 160)] * 6, draw_capture(4, kind), frame_rate=RATE))
    one, other = (cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).ravel() for rgb in (scene(128, 160), frames[-1]))
    assert np.corrcoef(one, other)[0, 1] > 0.88


def test_every_kind_is_drawn() -> None:
    kinds = [draw_capture(seed).kind for seed in range(100)]
    assert min(kinds.count(kind) for kind in KINDS) >= 10


@pytest.mark.parametrize("kind", KINDS)
def test_two_scenes_are_filmed_alike_where_they_are_alike(kind: CaptureKind) -> None:
    capture = draw_capture(11, kind)
    plate = [scene(160, 160)] * 3
    face = np.zeros((160, 160), bool)
    face[60:92, 70:95] = True
    truth = [np.where(face[..., None], 255 - rgb, rgb).astype(np.uint8) for rgb in plate]
    moves = np.where(face[..., None], np.array([5, -2], np.float32), np.float32(0)).astype(np.float32)
    # Another face moves a little otherwise.
    others = moves * np.float32(0.8)
    one = list(develop_frames(plate, capture, frame_rate=RATE, motion=[moves] * 3))
    other = list(develop_frames(truth, capture, frame_rate=RATE, motion=[others] * 3))
    # Five pixels a frame, exposed for at most one frame, and the rows' delay.
    side = 2 * (reach_px(capture) + 7) + 1
    near = cv2.dilate(face.astype(np.uint8), np.ones((side, side), np.uint8)) > 0
    assert near.mean() < 0.6
    for a, b in zip(one, other, strict=True):
        assert np.array_equal(a[~near], b[~near])
        assert not np.array_equal(a[face], b[face])


@pytest.mark.parametrize("kind", KINDS)
def test_no_more_frames_are_kept_of_a_long_clip_than_of_a_short_one(kind: CaptureKind) -> None:
    taken = 0

    def endless() -> Iterator[Rgb]:
        nonlocal taken
        while True:
            taken += 1
            yield scene(32, 32)

    kept = []
    filmed = film_frames(endless(), draw_capture(4, kind), frame_rate=RATE)
    for number in range(1, 161):
        next(filmed)
        kept.append(taken - number)
    assert max(kept[80:]) <= max(kept[:80]) <= 80


def test_motion_is_asked_for_every_frame() -> None:
    still: Motion = np.zeros((64, 80, 2), np.float32)
    with pytest.raises(ValueError, match="shorter"):
        list(develop_frames([scene()] * 2, draw_capture(4), frame_rate=RATE, motion=[still]))
