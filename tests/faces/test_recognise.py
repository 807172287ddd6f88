import numpy as np
import pytest
from jaxtyping import Float32

from countenance.consent.register import templates
from countenance.faces.answers import answer
from countenance.faces.config import PrepareConfig
from countenance.faces.recognise import NOBODY_ELSE, recognise
from countenance.faces.store import stored_faces
from countenance.project import Project, now
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


def test_whoever_is_in_the_same_frames_as_a_nearer_one_is_another(production: Project) -> None:
    own, stranger = track(production, at(0.22)), track(production, at(0, 0.38))
    assert verdicts(production) == {own: "person", stranger: "another"}


def test_in_other_frames_they_are_no_rivals(production: Project) -> None:
    own, later = track(production, at(0.3)), track(production, at(0.35), first=3)
    assert verdicts(production) == {own: "person", later: "person"}


def test_two_who_are_as_near_wait_both(production: Project) -> None:
    one, other = track(production, at(0.25)), track(production, at(0, 0.28))
    assert verdicts(production) == {one: "unsure", other: "unsure"}


def test_the_users_word_settles_it_for_both(production: Project) -> None:
    one, other = track(production, at(0.25)), track(production, at(0, 0.28))
    faces = stored_faces(production, "dana")
    answer(production, "dana", [face for face in faces if face.track == other], "yes")
    assert verdicts(production) == {one: "another", other: "person"}


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
