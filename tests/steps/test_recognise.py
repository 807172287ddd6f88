"""Could the performer still be recognised? Measured before and after, behind the guard, and written for its owner."""

from pathlib import Path

import pytest

from countenance.consent.permit import grant_prepare
from countenance.errors import ConsentError, MediaError
from countenance.faces.config import PLATE_CONFIG
from countenance.faces.recognise import reference_of
from countenance.progress import Silent
from countenance.recognition.report import Recognition
from countenance.steps import recognise as recognise_module
from countenance.steps.recognise import recognise_performer
from tests.support.production import LIKENESS, PERFORMER, STRANGER, Production
from tests.support.videos import clip_of, frames_of, write_video

NUM_FRAMES, NUM_SAME = 12, 4


@pytest.fixture
def plate(tmp_path: Path) -> Path:
    return write_video(tmp_path / "plate.mp4", frames_of("performance.mp4", NUM_FRAMES))


@pytest.fixture
def shot(tmp_path: Path) -> Path:
    """At first the performer as they are, then somebody else's face in the same place."""
    frames = [*frames_of("performance.mp4", NUM_SAME), *clip_of(STRANGER, NUM_FRAMES - NUM_SAME)]
    return write_video(tmp_path / "shot.mp4", frames)


def recognised(production: Production, shot: Path, plate: Path) -> Recognition:
    permit = grant_prepare(production.project, PERFORMER)
    page = shot.with_suffix(".html")
    return recognise_performer(production.project, shot, plate, PERFORMER, permit, page, progress=Silent())


def test_faces_that_were_left_are_recognised_and_shown_first_and_replaced_ones_are_not(
    trained: Production, plate: Path, shot: Path
) -> None:
    result = recognised(trained, shot, plate)
    faces = result.looks.faces
    assert [face.frame for face in faces] == list(range(NUM_FRAMES))
    assert [face.is_replaced for face in faces] == [False] * NUM_SAME + [True] * (NUM_FRAMES - NUM_SAME)
    for face in faces[:NUM_SAME]:
        assert face.after == pytest.approx(face.before, abs=0.06)
    assert min(face.after for face in faces[NUM_SAME:]) > max(face.before for face in faces) + 0.1
    rates = result.within(result.limit)
    assert (rates.before, rates.after) == (1.0, NUM_SAME / NUM_FRAMES)
    assert result.num_unreplaced == NUM_SAME
    assert result.looks.nearest[0].look.frame < NUM_SAME
    (track,) = result.looks.tracks
    assert track.before < result.limit < track.after
    # Their footage is known, so the limit is the stricter one.
    assert result.num_known_tracks > 0
    assert result.limit == PLATE_CONFIG.max_known_distance

    page = shot.with_suffix(".html")
    assert page.stat().st_mode & 0o777 == 0o600
    assert page.read_text().count("<img") == 2 * len(result.looks.nearest)


def test_without_footage_the_release_s_picture_is_all_that_is_known(
    released: Production, plate: Path, shot: Path
) -> None:
    result = recognised(released, shot, plate)
    assert (result.num_known_tracks, result.limit) == (0, PLATE_CONFIG.max_distance)


def test_it_needs_a_permit_for_this_person(trained: Production, plate: Path, shot: Path) -> None:
    permit = grant_prepare(trained.project, LIKENESS)
    with pytest.raises(ConsentError, match="expected a permit for kofi, got one for zuri"):
        recognise_performer(
            trained.project, shot, plate, PERFORMER, permit, shot.with_suffix(".html"), progress=Silent()
        )


def test_a_release_that_is_revoked_meanwhile_leaves_no_page(
    trained: Production, plate: Path, shot: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = reference_of

    def revoked_meanwhile(*args: object) -> object:
        trained.revoke(trained.release_of(PERFORMER))
        return real(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(recognise_module, "reference_of", revoked_meanwhile)
    with pytest.raises(ConsentError, match=f"the release of {PERFORMER} was revoked"):
        recognised(trained, shot, plate)
    assert not shot.with_suffix(".html").exists()


def test_what_was_not_made_from_the_plate_is_refused(trained: Production, plate: Path, tmp_path: Path) -> None:
    shorter = write_video(tmp_path / "shorter.mp4", frames_of("performance.mp4", NUM_FRAMES - 1))
    with pytest.raises(MediaError, match="they have 11 and 12 frames"):
        recognised(trained, shorter, plate)
    with pytest.raises(MediaError, match="is the plate itself"):
        recognised(trained, plate, plate)
