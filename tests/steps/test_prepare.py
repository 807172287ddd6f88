import json

import numpy as np
import pytest

from countenance.errors import FaceError
from countenance.faces.faceset import open_face_set
from countenance.faces.quality import QualityLimits
from countenance.progress import Silent
from countenance.project import Project
from countenance.steps.collect import collect

from .conftest import LIKENESS, PERFORMER, STRANGER, Production, Recorder, Rgb, clip_of, frames_of, write_video

GREY = np.full((256, 256, 3), 110, np.uint8)


def collect_frames(production: Production, person: str, name: str, frames: list[Rgb]) -> None:
    clip = write_video(production.folder / name, frames)
    collect(production.project, person, [clip], progress=Silent())


def found_faces(project: Project) -> list[tuple[float, list[str], bytes | None]]:
    """Of every face that was found: where its middle is, in pixels from the left, why it is left out, its picture."""
    rows = project.database.execute("SELECT landmarks, rejections, crop FROM faces ORDER BY id").fetchall()
    return [
        (float(np.frombuffer(landmarks, np.float32).reshape(468, 3)[:, 0].mean()), json.loads(reasons), crop)
        for landmarks, reasons, crop in rows
    ]


def test_only_the_right_person_is_kept_out_of_mixed_footage(released: Production) -> None:
    beside = [np.hstack(pair) for pair in zip(clip_of(STRANGER, 10), clip_of(PERFORMER, 10), strict=True)]
    alone = [np.hstack([GREY, rgb]) for rgb in clip_of(STRANGER, 10)]
    collect_frames(released, PERFORMER, "mixed.mp4", beside + alone)
    prepared = released.prepare(PERFORMER)
    faces = found_faces(released.project)
    # The performer is in the right half of the first ten frames, and the stranger in 20 other places.
    assert (prepared.num_found, prepared.face_set.num_faces) == (30, 10)
    assert prepared.rejections["another person"] == 20
    assert sorted(x > 256 for x, reasons, _ in faces if not reasons) == [True] * 10
    # Nothing is kept of how others look.
    assert [crop is None for _, _, crop in faces] == [bool(reasons) for _, reasons, _ in faces]


def test_wrong_person_only(released: Production) -> None:
    collect_frames(released, PERFORMER, "stranger.mp4", clip_of(STRANGER, 6))
    with pytest.raises(FaceError, match="all 6 faces in the clips of kofi are other people's"):
        released.prepare(PERFORMER)
    assert all(crop is None for _, _, crop in found_faces(released.project))
    with pytest.raises(FaceError, match="no face set of kofi"):
        open_face_set(released.project, PERFORMER)


def test_the_other_person_of_the_project_is_the_wrong_person_too(released: Production) -> None:
    collect_frames(released, PERFORMER, "likeness.mp4", clip_of(LIKENESS, 6))
    with pytest.raises(FaceError, match="other people's"):
        released.prepare(PERFORMER)


def test_release_with_another_person_s_picture_finds_nothing(released: Production) -> None:
    """The picture in the release is what finds a person: with a wrong one, the right footage is of no use."""
    released.add(released.sign(STRANGER, picture_of=LIKENESS))
    collect_frames(released, STRANGER, "stranger.mp4", clip_of(STRANGER, 6))
    with pytest.raises(FaceError, match="have a release with a better picture signed"):
        released.prepare(STRANGER)


def test_no_faces(released: Production) -> None:
    collect_frames(released, PERFORMER, "grey.mp4", [GREY] * 6)
    with pytest.raises(FaceError, match="no face in any of the 1 clips of kofi"):
        released.prepare(PERFORMER)


def test_faces_that_are_all_too_poor(released: Production) -> None:
    collect_frames(released, PERFORMER, "small.mp4", clip_of(PERFORMER, 6))
    with pytest.raises(FaceError, match="no usable face of kofi"):
        released.prepare(PERFORMER, QualityLimits(min_size_px=1000.0))


def test_again_does_nothing_again(trained: Production) -> None:
    before = open_face_set(trained.project, PERFORMER)
    progress = Recorder()
    again = trained.prepare(PERFORMER, progress=progress)
    assert again.face_set == before
    assert progress.done_now == {}
    assert progress.notes == ["kofi.mp4: 24 of 24 faces kept for kofi"]


def test_other_limits_look_again(trained: Production) -> None:
    sizes = [
        json.loads(quality)["size_px"]
        for (quality,) in trained.project.database.execute(
            "SELECT quality FROM faces JOIN scans ON scans.id = scan WHERE person = ?", (PERFORMER,)
        )
    ]
    limit = float(np.median(sizes))
    progress = Recorder()
    prepared = trained.prepare(PERFORMER, QualityLimits(min_size_px=limit), progress)
    assert progress.done_now["looking for faces in kofi.mp4"] == 24
    assert prepared.face_set.num_faces == sum(size >= limit for size in sizes) < 24
    assert prepared.rejections["small"] == 24 - prepared.face_set.num_faces


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
