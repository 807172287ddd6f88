import numpy as np

from countenance.faces.track import MAX_GAP_FRAMES, link_tracks


def box(left: float, size: float = 100) -> np.ndarray:
    return np.array([left, 0, left + size, size], np.float32)


def test_two_people_side_by_side_stay_apart() -> None:
    faces = [(frame, 0, box(left + 2 * frame)) for frame in range(10) for left in (0, 300)]
    assert link_tracks(faces) == [0, 1] * 10


def test_a_cut_ends_every_track() -> None:
    faces = [(0, 0, box(0)), (1, 0, box(1)), (2, 2, box(1)), (3, 2, box(2))]
    assert link_tracks(faces) == [0, 0, 1, 1]


def test_a_short_gap_is_bridged_and_a_long_one_isnt() -> None:
    assert link_tracks([(0, 0, box(0)), (MAX_GAP_FRAMES, 0, box(3))]) == [0, 0]
    assert link_tracks([(0, 0, box(0)), (MAX_GAP_FRAMES + 1, 0, box(3))]) == [0, 1]


def test_two_overlapping_faces_of_one_frame_are_two_tracks() -> None:
    assert link_tracks([(0, 0, box(0)), (1, 0, box(2)), (1, 0, box(10))]) == [0, 0, 1]
