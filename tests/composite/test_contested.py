"""A face that two performers' scans claim is nobody's."""

from collections.abc import Sequence

from countenance.composite.contested import uncontested
from countenance.faces.store import StoredFace
from tests.support.made_up import mesh_at, stored_face


def faces_at(x: float, track: int, frames: Sequence[int], *, first_id: int) -> list[StoredFace]:
    """A track of a head that stands still; its box is about 85 px wide."""
    return [stored_face(mesh_at(x, 128), id=first_id + frame, frame=frame, track=track) for frame in frames]


def test_people_beside_each_other_keep_all_their_faces() -> None:
    kim, bo = faces_at(100, 1, range(6), first_id=0), faces_at(160, 2, range(6), first_id=100)
    found = uncontested({"kim": kim, "bo": bo})
    assert found.frames_left_out == {}
    assert found.faces == {"kim": tuple(kim), "bo": tuple(bo)}


def test_a_track_that_both_claim_is_left_out_as_a_whole_and_others_of_theirs_stay() -> None:
    kim = [*faces_at(100, 1, range(10), first_id=0), *faces_at(300, 2, range(10), first_id=100)]
    bo = faces_at(104, 3, range(3, 9), first_id=200)
    found = uncontested({"kim": kim, "bo": bo})
    assert found.faces["bo"] == ()
    # In frames 0 to 2 and 9 nobody else claims it, but it is the same face as in the others.
    assert {face.track for face in found.faces["kim"]} == {2}
    assert found.frames_left_out == {("kim", "bo"): tuple(range(10))}


def test_where_two_only_cross_no_more_than_these_frames_are_left_out() -> None:
    kim = faces_at(100, 1, range(20), first_id=0)
    bo = [
        *faces_at(300, 2, range(12), first_id=100),
        *faces_at(110, 2, range(12, 15), first_id=100),
        *faces_at(300, 2, range(15, 20), first_id=100),
    ]
    found = uncontested({"kim": kim, "bo": bo})
    assert found.frames_left_out == {("kim", "bo"): (12, 13, 14)}
    for person in ("kim", "bo"):
        assert [face.frame for face in found.faces[person]] == [*range(12), *range(15, 20)]


def test_of_three_only_those_who_claim_the_same_face_lose_it() -> None:
    several = {
        "kim": faces_at(100, 1, range(4), first_id=0),
        "bo": faces_at(101, 2, range(4), first_id=100),
        "ana": faces_at(300, 3, range(4), first_id=200),
    }
    found = uncontested(several)
    assert list(found.frames_left_out) == [("kim", "bo")]
    assert found.faces["ana"] == tuple(several["ana"])
