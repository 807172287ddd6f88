from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from countenance.consent.permit import grant_prepare
from countenance.consent.register import known_releases, templates
from countenance.consent.statement import accept, ask
from countenance.errors import ConsentError, FaceError
from countenance.faces.answers import answer
from countenance.faces.config import PrepareConfig
from countenance.faces.faceset import open_face_set, read_faces
from countenance.faces.store import stored_faces
from countenance.progress import Silent
from countenance.steps.collect import collect
from countenance.steps.prepare import prepare
from countenance.vision.identity import Embedding
from tests.support.production import EVERY_FACE, LIKENESS, PERFORMER, STRANGER, Production, copied
from tests.support.recorder import Recorder
from tests.support.videos import Rgb, clip_of, frames_of, write_video

GREY = np.full((256, 256, 3), 110, np.uint8)


def collect_frames(production: Production, person: str, name: str, frames: list[Rgb]) -> None:
    clip = write_video(production.folder / name, frames)
    collect(production.project, person, [clip], progress=Silent())


def middles(production: Production, person: str) -> list[float]:
    """Of every stored face, where its middle is, in pixels from the left."""
    return [float(face.landmarks_xyz[:, 0].mean()) for face in stored_faces(production.project, person)]


def test_only_the_right_person_is_kept_out_of_mixed_footage(released: Production) -> None:
    beside = [np.hstack(pair) for pair in zip(clip_of(STRANGER, 10), clip_of(PERFORMER, 10), strict=True)]
    alone = [np.hstack([GREY, rgb]) for rgb in clip_of(STRANGER, 10)]
    collect_frames(released, PERFORMER, "mixed.mp4", beside + alone)
    prepared = released.prepare(PERFORMER)
    # The performer is in the right half of the first ten frames, and the stranger in 20 other places.
    assert (prepared.num_found, prepared.num_others, prepared.face_set.num_faces) == (10, 20, 10)
    # Nothing at all is kept of the stranger.
    assert all(x > 256 for x in middles(released, PERFORMER))
    assert released.project.database.execute("SELECT count(*) FROM tracks").fetchone() == (1,)


def test_wrong_person_only(released: Production) -> None:
    collect_frames(released, PERFORMER, "stranger.mp4", clip_of(STRANGER, 6))
    with pytest.raises(
        FaceError, match=r"6 faces were found in .*, and none is kofi's: the nearest lies at distance 0\.\d\d"
    ):
        released.prepare(PERFORMER)
    assert middles(released, PERFORMER) == []
    with pytest.raises(FaceError, match="no face set of kofi"):
        open_face_set(released.project, PERFORMER)


def test_the_other_person_of_the_project_is_the_wrong_person_too(released: Production) -> None:
    collect_frames(released, PERFORMER, "likeness.mp4", clip_of(LIKENESS, 6))
    with pytest.raises(FaceError, match="none is kofi's"):
        released.prepare(PERFORMER, PrepareConfig(max_distance=2.0, max_unsure_distance=2.0))
    assert middles(released, PERFORMER) == []


def test_release_with_another_person_s_picture_finds_nothing(released: Production) -> None:
    """The picture in the release is what finds a person: with a wrong one, the right footage is of no use."""
    released.add(released.sign("nia", role="performer", picture_of=STRANGER))
    collect_frames(released, "nia", "kofi.mp4", clip_of(PERFORMER, 6))
    with pytest.raises(FaceError, match="have a release with a better reference picture signed"):
        released.prepare("nia")


def test_release_with_the_picture_of_somebody_known_is_refused(released: Production) -> None:
    with pytest.raises(
        ConsentError, match=f"the release of {STRANGER} is known here as {LIKENESS}: the pictures are 0"
    ):
        released.add(released.sign(STRANGER, picture_of=LIKENESS))


# Whoever gave a statement.


def state(production: Production, face: Embedding) -> None:
    """The performer gave a statement in which this face is seen."""
    known = next(each for each in known_releases(production.project) if each.release.subject.person == PERFORMER)
    challenge = ask(production.project, known)
    accept(production.project, known, challenge, video=challenge.nonce, template=face, distance=0.2, facts={})


def apart(production: Production, distance: float) -> Embedding:
    """A face that far from the picture of the performer's release."""
    offset = np.eye(1, 128, dtype=np.float32)[0] * np.float32(distance)
    return np.asarray(templates(production.project)[PERFORMER] + offset)


@pytest.fixture
def any_portrait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Statements aren't compared with the release's pictures, so that footage alone is."""
    monkeypatch.setattr("countenance.consent.statement.MAX_STATED_DISTANCE", 9.0)


@pytest.mark.usefixtures("any_portrait")
def test_footage_must_show_the_face_of_the_statement(released: Production) -> None:
    collect_frames(released, PERFORMER, "kofi.mp4", clip_of(PERFORMER, 6))
    state(released, apart(released, 0.05))
    assert released.prepare(PERFORMER).face_set.num_faces == 6
    state(released, templates(released.project)[LIKENESS])
    with pytest.raises(ConsentError, match="kofi shows another face than their statement: 0") as caught:
        released.prepare(PERFORMER)
    assert caught.value.code == "consent.statement_differs"
    with pytest.raises(ConsentError, match="another face"):
        released.choose_again(PERFORMER)


@pytest.mark.usefixtures("any_portrait")
def test_a_yes_brings_nobody_in_but_who_gave_the_statement(released: Production) -> None:
    """No track is theirs beyond doubt, so that the set rests on the user's word alone."""
    collect_two(released)
    with pytest.raises(FaceError, match="countenance faces review kofi"):
        released.prepare(PERFORMER, UNSURE)
    answer(released.project, PERFORMER, stored_faces(released.project, PERFORMER)[:1], "yes")
    state(released, apart(released, 0.9))
    with pytest.raises(ConsentError, match="another face than their statement: 0"):
        released.choose_again(PERFORMER, UNSURE)
    with pytest.raises(FaceError, match="no face set of kofi"):
        open_face_set(released.project, PERFORMER)
    state(released, apart(released, 0.05))
    assert released.choose_again(PERFORMER, UNSURE).face_set.num_faces == 10


# Whoever isn't surely the person.

UNSURE = PrepareConfig(max_distance=0.01, min_difference=0.0)
"""So near to the portrait no track is."""


def collect_two(production: Production) -> None:
    """Two clips of the performer, ten frames each."""
    for name, first in (("one.mp4", 0), ("two.mp4", 20)):
        collect_frames(production, PERFORMER, name, clip_of(PERFORMER, 30)[first : first + 10])


def test_unsure_tracks_wait_for_an_answer(released: Production) -> None:
    collect_two(released)
    with pytest.raises(FaceError, match="countenance faces review kofi"):
        released.prepare(PERFORMER, UNSURE)
    faces = stored_faces(released.project, PERFORMER)
    assert {face.rejections for face in faces} == {("unsure who",)}

    first_clip = faces[0].clip_sha256
    yes, no = ([face for face in faces if (face.clip_sha256 == first_clip) is is_first] for is_first in (True, False))
    answer(released.project, PERFORMER, yes[:1], "yes")
    answer(released.project, PERFORMER, no[-1:], "no")
    prepared = released.choose_again(PERFORMER, UNSURE)
    assert prepared.face_set.num_faces == len(yes) == 10
    # Of the track that isn't them nothing is left.
    assert {face.clip_sha256 for face in stored_faces(released.project, PERFORMER)} == {first_clip}
    assert prepared.num_others == 10


def test_answers_hold_when_faces_are_looked_for_anew(released: Production) -> None:
    collect_two(released)
    every = PrepareConfig(min_difference=0.0)
    released.prepare(PERFORMER, every)
    faces = stored_faces(released.project, PERFORMER)
    answer(released.project, PERFORMER, faces[:3], "drop")
    answer(released.project, PERFORMER, faces[-1:], "no")
    released.project.database.execute("DELETE FROM scans")
    prepared = released.prepare(PERFORMER, every)
    assert (prepared.num_others, prepared.rejections["dropped"], prepared.face_set.num_faces) == (10, 3, 7)


def test_the_last_word_counts(released: Production) -> None:
    collect_two(released)
    small = PrepareConfig(min_size_px=1000.0, min_difference=0.0)
    with pytest.raises(FaceError, match="no usable face"):
        released.prepare(PERFORMER, small)
    faces = stored_faces(released.project, PERFORMER)
    for word in ("keep", "drop", "keep"):
        answer(released.project, PERFORMER, faces[:2], word)
    answer(released.project, PERFORMER, faces[1:2], "drop")
    assert released.choose_again(PERFORMER, small).face_set.num_faces == 1


def test_no_faces(released: Production) -> None:
    collect_frames(released, PERFORMER, "grey.mp4", [GREY] * 6)
    with pytest.raises(FaceError, match="no face was found in "):
        released.prepare(PERFORMER)


def test_faces_that_are_all_too_poor(released: Production) -> None:
    collect_frames(released, PERFORMER, "small.mp4", clip_of(PERFORMER, 6))
    with pytest.raises(FaceError, match="no usable face of kofi"):
        released.prepare(PERFORMER, PrepareConfig(min_size_px=1000.0))


def test_again_does_nothing_again(trained: Production) -> None:
    before = open_face_set(trained.project, PERFORMER)
    progress = Recorder()
    again = trained.prepare(PERFORMER, progress=progress)
    assert again.face_set == before
    assert progress.done_now == {}
    assert progress.notes == ["kofi.mp4: 24 of 24 faces kept for kofi"]


def test_other_limits_choose_anew_without_looking_again(trained: Production) -> None:
    sizes = [face.quality.size_px for face in stored_faces(trained.project, PERFORMER)]
    limit = float(np.median(sizes))
    progress = Recorder()
    prepared = trained.prepare(PERFORMER, replace(EVERY_FACE, min_size_px=limit), progress)
    assert progress.done_now == {}
    assert prepared.face_set.num_faces == sum(size >= limit for size in sizes) < 24
    assert prepared.rejections["small"] == 24 - prepared.face_set.num_faces
    assert trained.prepare(PERFORMER).face_set.num_faces == 24


def test_near_duplicates_are_dropped_and_the_better_one_stays(released: Production) -> None:
    portrait = clip_of(PERFORMER, 1)[0]
    blurred = np.asarray(cv2.GaussianBlur(portrait, (0, 0), 1.2), np.uint8)
    collect_frames(released, PERFORMER, "still.mp4", [blurred] * 3 + [portrait] + [blurred] * 4)
    prepared = released.prepare(PERFORMER, PrepareConfig(max_distance=0.5, min_difference=0.12))
    faces = stored_faces(released.project, PERFORMER)
    kept = [face.frame for face in faces if not face.rejections]
    # Only faces with a picture are looked at more closely.
    assert all((face.quality.gaze_deg is not None) == face.has_crop for face in faces)
    assert kept == [3]
    assert prepared.rejections == {"alike": 7}


def test_pictures_are_told_of_together(released: Production) -> None:
    folder = released.folder / "pictures"
    folder.mkdir()
    for number, rgb in enumerate([*clip_of(PERFORMER, 14)[:12:4], GREY]):
        Image.fromarray(rgb).save(folder / f"{'abcd'[number]}.png")
    collect(released.project, PERFORMER, [folder], progress=Silent())
    progress = Recorder()
    prepare(released.project, PERFORMER, grant_prepare(released.project, PERFORMER), EVERY_FACE, progress=progress)
    assert [note for note in progress.notes if "faces kept" in note] == ["4 pictures: 3 of 3 faces kept for kofi"]
    # One bar for all of them, and none for each.
    assert progress.done_now == {"preparing footage of kofi": 4}


def test_no_more_faces_than_asked_for(trained: Production) -> None:
    prepared = trained.prepare(PERFORMER, replace(EVERY_FACE, max_faces=7))
    assert (prepared.face_set.num_faces, prepared.rejections["spare"]) == (7, 17)
    assert len(list(read_faces(trained.project, prepared.face_set))) == 7


def test_what_the_user_keeps_is_never_spare(trained: Production) -> None:
    few = replace(EVERY_FACE, max_faces=3)
    trained.prepare(PERFORMER, few)
    spare = [face for face in stored_faces(trained.project, PERFORMER) if face.rejections == ("spare",)]
    answer(trained.project, PERFORMER, spare[4:6], "keep")
    assert trained.choose_again(PERFORMER, few).face_set.num_faces == 3
    kept = {face.name for face in stored_faces(trained.project, PERFORMER, kept_only=True)}
    assert {face.name for face in spare[4:6]} <= kept


@pytest.mark.slow
def test_the_result_is_the_same_on_any_number_of_threads(released: Production, tmp_path: Path) -> None:
    frames = [*clip_of(PERFORMER, 50), *clip_of(STRANGER, 30), *frames_of("performance.mp4", 90)] * 2
    sets, distances = [], []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            with copied(released.folder, tmp_path / f"on {threads}") as production:
                collect_frames(production, PERFORMER, "long.mp4", frames)
                sets.append(production.prepare(PERFORMER, PrepareConfig(threads=threads)).face_set)
                assert torch.get_num_threads() == threads
                query = "SELECT distance, margin FROM tracks ORDER BY id"
                distances.append(production.project.database.execute(query).fetchall())
    finally:
        torch.set_num_threads(1)
    assert sets[0] == sets[1]
    assert sorted(distances[0]) == sorted(distances[1])


def test_new_clip_is_added(trained: Production) -> None:
    before = open_face_set(trained.project, PERFORMER)
    collect_frames(trained, PERFORMER, "more.mp4", frames_of("performance.mp4", 8))
    progress = Recorder()
    prepared = trained.prepare(PERFORMER, progress=progress)
    assert prepared.face_set.num_faces == before.num_faces + 8
    assert prepared.face_set.digest != before.digest
    looked = {what: count for what, count in progress.done_now.items() if what.startswith("looking")}
    assert looked == {"looking for faces in more.mp4": 8}


def test_face_set_is_of_no_use_once_its_faces_changed(trained: Production) -> None:
    """As after a `prepare` with other limits that was cut short: training on half a face set would go unnoticed."""
    trained.project.database.execute(
        "DELETE FROM faces WHERE id = (SELECT max(faces.id) FROM faces JOIN scans ON scans.id = scan WHERE person = ?)",
        (PERFORMER,),
    )
    with pytest.raises(FaceError, match="countenance prepare kofi"):
        open_face_set(trained.project, PERFORMER)
