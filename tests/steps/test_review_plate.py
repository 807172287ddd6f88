"""The performer twice in a frame, and what decisions on a plate change."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from countenance import ledger
from countenance.consent.permit import grant_prepare
from countenance.consent.register import templates
from countenance.errors import FaceError, UsageError
from countenance.faces.answers import Word
from countenance.faces.config import PLATE_CONFIG
from countenance.faces.decisions import decide
from countenance.faces.plate import find_performer
from countenance.faces.store import StoredFace
from countenance.media.probe import probe
from countenance.progress import Silent
from countenance.review.query import WaitingTrack
from countenance.steps.collect import collect
from countenance.steps.review import found_faces, say
from countenance.steps.review_plate import review_plate
from countenance.steps.verify import verify
from tests.support.leave import never_ends
from tests.support.production import PERFORMER, STRANGER, Production
from tests.support.recorder import Recorder
from tests.support.videos import Rgb, clip_of, frames_of, write_video

NUM_FRAMES = 4
LEFT, RIGHT = False, True


def beside(left: Sequence[Rgb], right: Sequence[Rgb]) -> list[Rgb]:
    return [np.hstack(both) for both in zip(left, right, strict=True)]


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    """The performer at the left, and their mirror image."""
    frames = frames_of("performance.mp4", NUM_FRAMES)
    return write_video(tmp_path / "mirror.mp4", beside(frames, [frame[:, ::-1] for frame in frames]))


@pytest.fixture
def split_screen(tmp_path: Path) -> Path:
    """The performer at two moments."""
    late = frames_of("performance.mp4", NUM_FRAMES, first=60)
    return write_video(tmp_path / "split.mp4", beside(frames_of("performance.mp4", NUM_FRAMES), late))


@pytest.fixture
def with_stranger(tmp_path: Path) -> Path:
    """The performer at the left, somebody else at the right."""
    frames = beside(frames_of("performance.mp4", NUM_FRAMES), clip_of(STRANGER, NUM_FRAMES))
    return write_video(tmp_path / "two.mp4", frames)


def replaced(production: Production, plate: Path, progress: Recorder | None = None) -> list[tuple[int, bool]]:
    """Frame and side of each face that would be replaced."""
    known = templates(production.project)
    faces = find_performer(
        production.project, PERFORMER, known, probe(plate), progress or Recorder(), check_leave=never_ends
    )
    return sorted((face.frame, bool(face.landmarks_xyz[:, 0].mean() > 256)) for face in faces)


def everywhere(*sides: bool) -> list[tuple[int, bool]]:
    return [(frame, side) for frame in range(NUM_FRAMES) for side in sides]


def review(
    production: Production, plate: Path, *decisions: tuple[WaitingTrack, Word], forget: bool = False
) -> dict[bool, WaitingTrack]:
    """The tracks by their side of the frame, after some decisions."""
    permit = grant_prepare(production.project, PERFORMER)
    named = [(track.name, word) for track, word in decisions]
    done = review_plate(production.project, PERFORMER, permit, plate, named, forget=forget, progress=Silent())
    return {bool(track.faces[0].landmarks_xyz[:, 0].mean() > 256): track for track in done.tracks}


def test_the_performer_and_their_reflection_are_both_replaced_and_reported(trained: Production, mirror: Path) -> None:
    progress = Recorder()
    assert replaced(trained, mirror, progress) == everywhere(LEFT, RIGHT)
    (note,) = progress.notes
    assert f"in {NUM_FRAMES} frames of mirror.mp4 more than one face is {PERFORMER}'s" in note
    assert f"countenance faces review {PERFORMER} --plate {mirror} --no TRACK" in note


def test_of_a_split_screen_no_face_is_lost(trained: Production, split_screen: Path) -> None:
    progress = Recorder()
    done = replaced(trained, split_screen, progress)
    tracks = review(trained, split_screen)
    assert set(tracks) == {LEFT, RIGHT}
    unsure = [side for side, track in tracks.items() if track.faces[0].rejections]
    assert done == everywhere(*(side for side in (LEFT, RIGHT) if side not in unsure))
    assert any("a second face beside kofi's" in note or "more than one face" in note for note in progress.notes)
    review(trained, split_screen, *((tracks[side], "yes") for side in (LEFT, RIGHT)))
    assert replaced(trained, split_screen) == everywhere(LEFT, RIGHT)


def test_a_published_file_carries_how_many_frames_rest_on_a_decision(
    trained: Production, split_screen: Path, tmp_path: Path
) -> None:
    tracks = review(trained, split_screen)
    review(trained, split_screen, *((track, "yes") for track in tracks.values()))
    trained.generate(split_screen, tmp_path / "shot.mp4")
    published = [entry.facts for entry in ledger.entries(trained.project) if entry.event == "published"]
    assert published[-1]["num_decided_frames"] == NUM_FRAMES
    (edits,) = (each for each in verify(tmp_path / "shot.mp4", None).report.findings if each.about == "edits")
    assert f"(in {NUM_FRAMES} of them a user confirmed whose face it is)" in edits.summary


def test_a_stranger_beside_the_performer_stays_as_they_are(trained: Production, with_stranger: Path) -> None:
    progress = Recorder()
    assert replaced(trained, with_stranger, progress) == everywhere(LEFT)
    assert progress.notes == []


def test_a_no_counts_after_the_first_scan_is_logged_and_can_be_withdrawn(trained: Production, mirror: Path) -> None:
    assert replaced(trained, mirror) == everywhere(LEFT, RIGHT)
    reflection = review(trained, mirror)[RIGHT]
    assert set(review(trained, mirror, (reflection, "no"))) == {LEFT}
    assert replaced(trained, mirror) == everywhere(LEFT)
    *_, entry = ledger.entries(trained.project)
    assert (entry.event, entry.facts["decision"]) == ("faces.decided", "no")
    assert entry.facts["distance"] == pytest.approx(reflection.distance, abs=0.05)
    review(trained, mirror, forget=True)
    assert replaced(trained, mirror) == everywhere(LEFT, RIGHT)


def test_a_yes_on_footage_brings_back_what_was_deleted_from_the_plate(trained: Production, mirror: Path) -> None:
    project, permit = trained.project, grant_prepare(trained.project, PERFORMER)
    review(trained, mirror, (review(trained, mirror)[RIGHT], "no"))
    # As an older version left it: the track is gone, and no decision says so.
    project.database.execute("DELETE FROM answers")
    assert replaced(trained, mirror) == everywhere(LEFT)
    collect(project, PERFORMER, [mirror], progress=Silent())
    trained.prepare(PERFORMER)
    found = found_faces(project, PERFORMER, permit).faces
    own = [face for face in found if face.clip_sha256 == probe(mirror).sha256]
    right = [face for face in own if face.landmarks_xyz[:, 0].mean() > 256]
    say(project, PERFORMER, permit, {"yes": right[:1]}, progress=Silent())
    assert replaced(trained, mirror) == everywhere(LEFT, RIGHT)


def test_a_yes_does_not_outweigh_the_release(trained: Production, mirror: Path) -> None:
    project = trained.project
    reflection = review(trained, mirror)[RIGHT]
    far = np.asarray(templates(project)[PERFORMER] + 0.06, np.float32)
    project.database.execute("UPDATE tracks SET embedding = ? WHERE id = ?", (far.tobytes(), reflection.faces[0].track))
    before = list(ledger.entries(project))
    words: dict[Word, Sequence[StoredFace]] = {"yes": reflection.faces[:1]}
    with pytest.raises(FaceError, match=r"can't be confirmed as kofi: it lies at distance 0\.\d\d .* up to 0\.5 only"):
        decide(
            project,
            PERFORMER,
            templates(project),
            words,
            PLATE_CONFIG,
            "generate",
            grant_prepare(project, PERFORMER),
        )
    assert list(ledger.entries(project)) == before
    assert project.database.execute("SELECT count(*) FROM answers").fetchone() == (0,)


def test_both_decisions_about_one_track_are_refused(trained: Production, mirror: Path) -> None:
    track = review(trained, mirror)[LEFT]
    with pytest.raises(UsageError, match="got both yes and no"):
        review(trained, mirror, (track, "yes"), (track, "no"))
