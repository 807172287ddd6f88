"""Covers over heads: what they hide, and when they come and go."""

import numpy as np
import pytest

from countenance.composite.cover import Cover, covers_of, draw_cover, facts_of, is_covered
from countenance.composite.heads import Head
from countenance.pixels import to_16_bit

HEAD = Head(centre_xy=np.array([80, 60], np.float32), side_px=80.0)
NEAR = Head(centre_xy=np.array([84, 61], np.float32), side_px=76.0)
FAR = Head(centre_xy=np.array([300, 60], np.float32), side_px=80.0)
SHOTS = [range(20), range(20, 40)]
FADE = 4


def noisy(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(40, 200, (120, 160, 3), np.uint8)


def distance() -> np.ndarray:
    """From the head's centre, in its side."""
    x, y = np.meshgrid(np.arange(160), np.arange(120))
    return np.asarray(np.hypot(x - 80, y - 60) / 80)


def test_nothing_finer_than_a_cell_is_left_and_nothing_beyond_the_border_changes() -> None:
    """Two pictures that differ in every pixel, but not in their means, look alike below a cover."""
    fine = 60 * (np.indices((120, 160)).sum(axis=0) % 2 * 2 - 1)[..., None]
    one, other = ((np.full((120, 160, 3), 120) + sign * fine).astype(np.uint8) for sign in (1, -1))
    after, after_other = draw_cover(one, Cover(head=HEAD)), draw_cover(other, Cover(head=HEAD))
    inside, outside = distance() < 0.5, distance() > 0.61
    assert np.abs(after.astype(int) - after_other)[inside].max() <= 2
    assert np.array_equal(after[outside], one[outside])
    assert draw_cover(noisy(), Cover(head=HEAD))[inside].std() < 0.15 * noisy()[inside].std()


def test_half_a_cover_is_half_way_at_any_depth_and_the_frame_stays_as_it_was() -> None:
    before = noisy()
    whole, half = (draw_cover(before, Cover(head=HEAD, strength=strength)).astype(float) for strength in (1.0, 0.5))
    assert np.abs(half - (before + whole) / 2).max() <= 1
    deep = draw_cover(to_16_bit(before), Cover(head=HEAD))
    assert deep.dtype == np.uint16
    assert np.abs(deep / 257 - whole).max() <= 1
    assert np.array_equal(before, noisy())


def test_a_head_at_the_edge_gets_what_fits_and_one_beyond_it_nothing() -> None:
    edge = Head(centre_xy=np.array([2, 118], np.float32), side_px=80.0)
    assert draw_cover(noisy(), Cover(head=edge)).shape == (120, 160, 3)
    assert np.array_equal(draw_cover(noisy(), Cover(head=FAR)), noisy())


def test_only_heads_without_a_drawn_face_are_covered() -> None:
    covers = covers_of({3: [HEAD], 4: [HEAD, FAR], 5: [HEAD]}, {4: [NEAR], 5: [NEAR]}, [range(3, 6)], FADE)
    assert [cover.head for cover in covers[3]] == [HEAD]
    assert [cover.head for cover in covers[4] if cover.strength == 1] == [FAR]
    assert is_covered(covers, 3)
    assert is_covered(covers, 4)
    assert not is_covered(covers, 5)


def test_a_cover_comes_before_the_face_is_lost_and_never_across_a_cut() -> None:
    """Where it isn't whole yet, it lies over a face that is drawn as a whole."""
    heads = {index: [HEAD] for index in range(40)}
    drawn = {index: [NEAR] for index in range(40) if not 10 <= index < 20}
    covers = covers_of(heads, drawn, SHOTS, FADE)
    assert sorted(covers) == list(range(10 - FADE, 20))
    strengths = [covers[index][0].strength for index in range(10 - FADE, 11)]
    assert strengths == sorted(strengths)
    assert strengths[-1] == 1
    assert all(0 < strength < 1 for strength in strengths[:-1])
    assert all(cover.head is NEAR for index in range(10 - FADE, 10) for cover in covers[index])


def test_another_head_that_is_bare_changes_nothing_over_a_drawn_face() -> None:
    """Kofi's is drawn; beside it, a face that may be the witness's comes and goes."""
    heads = {index: [HEAD, FAR] if index in (5, 9) else [HEAD] for index in range(20)}
    covers = covers_of(heads, {index: [NEAR] for index in range(20)}, SHOTS, FADE)
    assert sorted(covers) == [5, 9]
    assert all([cover.head for cover in covers[index]] == [FAR] for index in (5, 9))


def test_a_cover_comes_in_a_frame_in_which_another_head_is_bare_as_well() -> None:
    heads = {index: [HEAD, FAR] for index in range(20)}
    covers = covers_of(heads, {index: [NEAR] for index in range(20) if index != 10}, SHOTS, FADE)
    strengths = [next((each.strength for each in covers[index] if each.head is not FAR), 0.0) for index in range(5, 16)]
    assert strengths[5] == 1
    assert strengths == strengths[::-1]
    assert strengths[0] == 0 < strengths[1] < strengths[2] < strengths[3] < strengths[4] < 1
    assert all(sum(each.head is FAR and each.strength == 1 for each in covers[index]) == 1 for index in range(20))


@pytest.mark.parametrize(
    "other", [{3: [Cover(head=NEAR)]}, {4: [Cover(head=HEAD)]}, {3: [Cover(head=HEAD, strength=0.5)]}]
)
def test_the_facts_change_with_all_that_is_covered(other: dict[int, list[Cover]]) -> None:
    assert facts_of({}) == b""
    assert facts_of(other) != facts_of({3: [Cover(head=HEAD)]}) == facts_of({3: [Cover(head=HEAD)]})
