import numpy as np
import pytest
from jaxtyping import Float32

from countenance.consent.register import templates
from countenance.faces.answers import answer
from countenance.faces.config import PLATE_CONFIG, PrepareConfig
from countenance.faces.recognise import NOBODY_ELSE, recognise, released_distances, tracks_that_may_be
from countenance.faces.store import StoredFace, stored_faces
from countenance.project import Project, now
from countenance.types import Rejection
from tests.support.made_up import CLIP, add_track

CONFIG = PrepareConfig()
ANOTHER_CLIP = "cd" * 32


def at(*coordinates: float) -> Float32[np.ndarray, "128"]:
    """An embedding; dana's portrait lies at zero."""
    return np.array([*coordinates, *[0.0] * (128 - len(coordinates))], np.float32)


@pytest.fixture
def production(project: Project) -> Project:
    """A project that knows nobody but dana."""
    add_person(project, "dana", at(0))
    return project


def add_person(project: Project, name: str, template: Float32[np.ndarray, "128"]) -> None:
    project.database.execute(
        "INSERT INTO people (name, template, created_at) VALUES (?, ?, ?)", (name, template.tobytes(), now())
    )


def track(project: Project, embedding: Float32[np.ndarray, "128"], first: int = 0, sha256: str = CLIP) -> int:
    """A track of three frames, beside all others."""
    (count,) = project.database.execute("SELECT count(*) FROM tracks").fetchone()
    x = 100.0 + 200 * count
    return add_track(project, range(first, first + 3), x=x, embedding=embedding, sha256=sha256)[0].track


def faces_of(project: Project, number: int) -> list[StoredFace]:
    return [face for face in stored_faces(project, "dana") if face.track == number]


def released(project: Project) -> dict[int, float]:
    return released_distances(project, "dana", templates(project), CONFIG, CLIP, "prepare")


def verdicts(project: Project, *sha256s: str) -> dict[int, str]:
    return dict(recognise(project, "dana", templates(project), CONFIG, sha256s or (CLIP,), "prepare"))


@pytest.mark.parametrize(
    ("distance", "verdict"), [(0.2, "person"), (0.39, "person"), (0.41, "unsure"), (0.49, "unsure"), (0.51, "another")]
)
def test_alone_the_portrait_decides(production: Project, distance: float, verdict: str) -> None:
    number = track(production, at(distance))
    assert verdicts(production) == {number: verdict}
    (face, *_) = stored_faces(production, "dana")
    known = distance / 2 if distance < CONFIG.max_sure_distance else distance
    assert (face.distance, face.margin) == pytest.approx((known, NOBODY_ELSE - known))


def test_beyond_the_limit_beside_a_nearer_one_it_is_another(production: Project) -> None:
    own, stranger = track(production, at(0.22)), track(production, at(0, 0.38))
    assert verdicts(production) == {own: "person", stranger: "another"}


def test_within_the_limit_beside_a_nearer_one_it_waits(production: Project) -> None:
    own, second = track(production, at(0.1)), track(production, at(0, 0.3))
    assert verdicts(production) == {own: "person", second: "unsure"}


def test_images_of_one_face_in_the_same_frames_are_the_person(production: Project) -> None:
    own, mirrored = track(production, at(0.25)), track(production, at(0.2, 0.15))
    assert verdicts(production) == {own: "person", mirrored: "person"}
    assert {face.is_decided for face in stored_faces(production, "dana")} == {False}


def test_in_a_plate_a_tie_is_no_choice(production: Project) -> None:
    one, other = track(production, at(0.25)), track(production, at(0, 0.26))
    assert recognise(production, "dana", templates(production), PLATE_CONFIG, (CLIP,), "prepare") == {
        one: "unsure",
        other: "unsure",
    }


def test_in_other_frames_they_are_no_rivals(production: Project) -> None:
    own, later = track(production, at(0.3)), track(production, at(0.35), first=3)
    assert verdicts(production) == {own: "person", later: "person"}


def test_two_who_are_as_near_wait_both(production: Project) -> None:
    one, other = track(production, at(0.25)), track(production, at(0, 0.28))
    assert verdicts(production) == {one: "unsure", other: "unsure"}


def test_a_confirmed_track_leaves_another_within_the_limit_undecided(production: Project) -> None:
    one, other = track(production, at(0.25)), track(production, at(0, 0.28))
    faces = stored_faces(production, "dana")
    answer(production, "dana", [face for face in faces if face.track == other], "yes")
    assert verdicts(production) == {one: "unsure", other: "person"}


def test_a_confirmed_track_confirms_its_mirror_image(production: Project) -> None:
    confirmed, image, rival = (track(production, each) for each in (at(0.25), at(0.25, 0.1), at(0, 0.28)))
    assert set(verdicts(production).values()) == {"unsure"}
    answer(production, "dana", faces_of(production, confirmed), "yes")
    assert verdicts(production) == {confirmed: "person", image: "person", rival: "unsure"}
    decided = {face.track for face in stored_faces(production, "dana") if face.is_decided}
    assert decided == {confirmed, image}


def test_a_yes_beyond_what_the_release_leaves_open_does_not_count(production: Project) -> None:
    far = track(production, at(0.52))
    answer(production, "dana", faces_of(production, far), "yes")
    assert verdicts(production) == {far: "another"}


def test_decisions_do_not_pull_each_other_away_from_the_release(production: Project) -> None:
    near, far = track(production, at(0.49)), track(production, at(0.6), first=3)
    for number in (near, far):
        answer(production, "dana", faces_of(production, number), "yes")
    # The mean with the confirmed one lies at .245, from where .6 would be near enough.
    assert recognise(production, "dana", templates(production), CONFIG, (CLIP,), "prepare")[near] == "person"
    (refused,) = (distance for track, distance in released(production).items() if track == far)
    assert refused == pytest.approx(0.6)


def test_whom_the_user_ruled_out_is_no_rival(production: Project) -> None:
    one, other = track(production, at(0.25)), track(production, at(0, 0.28), first=1)
    faces = stored_faces(production, "dana")
    answer(production, "dana", [face for face in faces if face.track == other][-1:], "no")
    assert verdicts(production) == {one: "person", other: "another"}


def test_sure_tracks_of_any_clip_stand_beside_the_portrait(production: Project) -> None:
    track(production, at(0.3), sha256=ANOTHER_CLIP)
    alike, unlike = track(production, at(0.44, 0.1)), track(production, at(0, 0.38), first=3)
    found = verdicts(production, CLIP, ANOTHER_CLIP)
    # The mean lies at .15: what was too far from the portrait is near enough now, and the other way round.
    assert (found[alike], found[unlike]) == ("person", "unsure")
    (distance, *_) = (face.distance for face in stored_faces(production, "dana") if face.track == alike)
    assert distance == pytest.approx(np.hypot(0.29, 0.1))


def test_a_confirmed_track_stands_there_too(production: Project) -> None:
    far, farther = track(production, at(0.45)), track(production, at(0.49), first=3)
    assert set(verdicts(production).values()) == {"unsure"}
    answer(production, "dana", stored_faces(production, "dana")[:1], "yes")
    assert verdicts(production) == {far: "person", farther: "person"}


def test_another_person_of_the_project(production: Project) -> None:
    add_person(production, "erik", at(0.4))
    near_both, nearer_to_erik = track(production, at(0.19)), track(production, at(0.3), first=3)
    assert verdicts(production) == {near_both: "unsure", nearer_to_erik: "another"}


def test_stricter_limits_hold_for_sure_tracks_too(production: Project) -> None:
    number = track(production, at(0.2))
    strict = PrepareConfig(max_distance=0.1)
    assert recognise(production, "dana", templates(production), strict, (CLIP,), "prepare") == {number: "unsure"}


@pytest.mark.parametrize(
    ("place", "is_unsure", "may_be"),
    [
        # Kim's portrait lies at 0.6; dana's track is at so much of the way.
        (0.20, False, False),
        (0.29, False, False),
        (0.31, False, True),
        (0.29, True, True),
        (0.27, True, False),
        (0.60, False, True),
        # Beyond what leaves anything open.
        (1.11, True, False),
    ],
)
def test_whose_rows_go_with_somebody_who_is_forgotten(
    production: Project, place: float, is_unsure: bool, may_be: bool
) -> None:
    add_person(production, "kim", at(0.6))
    reasons: tuple[Rejection, ...] = ("unsure who",) if is_unsure else ()
    (face,) = add_track(production, [0], embedding=at(place), distance=place, rejections=reasons)
    found = tracks_that_may_be(production, "kim", templates(production), PLATE_CONFIG)
    assert [each.track for each in [face] if may_be] == [each.id for each in found]


def test_of_rows_that_nobody_decided_on_the_portraits_decide(production: Project) -> None:
    add_person(production, "kim", at(0.6))
    near, far = (add_track(production, [0], embedding=at(place), distance=0.0)[0].track for place in (0.5, 0.1))
    production.database.execute("UPDATE faces SET rejections = NULL")
    found = tracks_that_may_be(production, "kim", templates(production), PLATE_CONFIG)
    assert near != far
    assert [each.id for each in found] == [near]
