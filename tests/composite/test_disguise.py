"""What tells an audience that a face is a disguise: a ring round it, and a sentence at the beginning."""

from fractions import Fraction

import cv2
import numpy as np
import pytest

from countenance.composite.disguise import (
    Disguise,
    box_of_sentence,
    check_sentence,
    disguised,
    draw_halo,
    draw_sentence,
)
from countenance.composite.place import PlacedFace
from countenance.errors import UsageError
from countenance.pixels import to_16_bit
from countenance.provenance.label import CORNERS, draw_label
from countenance.types import Corner, Frame
from countenance.vision.align import head_pose
from tests.support.made_up import mesh_at

SENTENCE = "The face of this witness was replaced to protect them."
MESH = mesh_at(160, 120)
UNIT = head_pose(MESH).unit_px


def noisy(height: int = 240, width: int = 320) -> np.ndarray:
    return np.random.default_rng(0).integers(20, 160, (height, width, 3), np.uint8)


def distance_outside() -> np.ndarray:
    """From the face's outline, in units of the head; 0 inside."""
    outside = np.ones((240, 320), np.uint8)
    cv2.fillConvexPoly(outside, cv2.convexHull(np.round(MESH[:, :2]).astype(np.int32)), 0)
    return np.asarray(cv2.distanceTransform(outside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE) / UNIT)


def test_the_halo_is_a_soft_lighter_ring_round_the_face_and_nothing_else() -> None:
    before = noisy()
    after = draw_halo(before, MESH, 1.0)
    far = distance_outside()
    assert np.array_equal(after[far == 0], before[far == 0])
    assert np.array_equal(after[far > 1], before[far > 1])
    ring = (far > 0.25) & (far < 0.4)
    assert after[ring].std() < 0.4 * before[ring].std()
    assert after[ring].mean() > before[ring].mean() + 10
    assert np.array_equal(before, noisy())


def test_a_stronger_halo_changes_more_and_depth_changes_nothing() -> None:
    before = noisy()
    weak, strong = (np.abs(draw_halo(before, MESH, strength).astype(float) - before).mean() for strength in (0.3, 0.9))
    assert strong == pytest.approx(3 * weak, rel=0.05)
    deep = draw_halo(to_16_bit(before), MESH, 0.7)
    assert deep.dtype == np.uint16
    assert np.abs(deep / 257 - draw_halo(before, MESH, 0.7)).max() < 2


def test_a_face_at_the_frame_s_edge_or_beyond_it_gets_what_fits() -> None:
    assert draw_halo(noisy(), mesh_at(4, 236), 1.0).shape == (240, 320, 3)
    assert np.array_equal(draw_halo(noisy(), mesh_at(2000, 120), 1.0), noisy())


@pytest.mark.parametrize("corner", CORNERS)
def test_the_sentence_stands_at_the_foot_clear_of_the_label(corner: Corner) -> None:
    before = np.full((360, 640, 3), 128, np.uint8)
    written, labelled = draw_sentence(before, SENTENCE), draw_label(before, corner)
    changed, label = (np.any(picture != before, axis=2) for picture in (written, labelled))
    assert (written[changed].max(), written[changed].min()) > (240, 0)
    assert not (changed & label).any()
    assert not changed[: 360 // 2].any()


def test_the_sentence_s_box_holds_all_of_it() -> None:
    before = np.full((360, 640, 3), 128, np.uint8)
    rows, columns = np.nonzero(np.any(draw_sentence(before, SENTENCE) != before, axis=2))
    left, top, right, bottom = np.array(box_of_sentence((640, 360), SENTENCE)) * [640, 360, 640, 360]
    assert columns.min() >= left
    assert columns.max() < right
    assert rows.min() >= top
    assert rows.max() < bottom
    assert bottom - top < 100


@pytest.mark.parametrize("shape", [(120, 90), (240, 320), (90, 640)])
def test_a_long_sentence_is_broken_and_fits_any_picture(shape: tuple[int, int]) -> None:
    long = "word " * 32
    before = np.full((*shape, 3), 128, np.uint8)
    written = draw_sentence(before, long)
    assert written.shape == before.shape
    white = np.min(written, axis=2) > 230
    assert white.any()
    assert not white[:, :2].any()
    assert not white[:, -2:].any()


def test_letters_that_the_font_lacks_are_refused() -> None:
    check_sentence("The witness’s face isn't theirs: “replaced”, 2026 (all of it)!")
    with pytest.raises(UsageError, match="can't write '言 証'"):
        check_sentence("証言")


def test_frames_get_what_is_asked_for_where_and_as_long_as_it_is() -> None:
    frames = [Frame(pixels=noisy(), index=index, pts=100 + index, time_base=Fraction(1, 2)) for index in range(6)]
    faces = {1: [PlacedFace(track=0, landmarks_xyz=MESH)], 4: [PlacedFace(track=0, landmarks_xyz=MESH)]}
    shown = list(disguised(frames, faces, Disguise(halo=0.5, sentence=SENTENCE, sentence_s=1.5), 50.0))
    foot, face = np.s_[190:], np.s_[:150]
    assert [not np.array_equal(each.pixels[face], noisy()[face]) for each in shown] == [False, True, False] * 2
    assert [not np.array_equal(each.pixels[foot], noisy()[foot]) for each in shown] == [True] * 3 + [False, True, False]
    for each, before in zip(disguised(frames, faces, Disguise(), 0.0), frames, strict=True):
        assert each.pixels is before.pixels
