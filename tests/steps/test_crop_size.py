"""The size of a face set's crops follows the footage, and bounds what is stored."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from countenance.faces.faceset import open_face_set, read_faces
from countenance.faces.store import read_crop, read_visible, stored_faces
from countenance.progress import Silent
from countenance.project import opened
from countenance.steps.collect import collect
from tests.support.production import EVERY_FACE, PERFORMER, Production, copied
from tests.support.videos import clip_of, write_video

NUM_FRAMES = 6
LARGER = 3
"""The demo's faces are some 155 px large."""


@pytest.fixture(scope="module")
def close_up_folder(released_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a close-up of the performer: each pixel of the demo's clip three by three."""
    folder = tmp_path_factory.mktemp("close-up") / "production"
    with copied(released_folder, folder) as production:
        size = (256 * LARGER, 256 * LARGER)
        frames = [cv2.resize(rgb, size, interpolation=cv2.INTER_CUBIC) for rgb in clip_of(PERFORMER, NUM_FRAMES)]
        clip = write_video(folder / "close-up.mp4", [np.asarray(rgb, np.uint8) for rgb in frames])
        collect(production.project, PERFORMER, [clip], progress=Silent())
        production.prepare(PERFORMER)
    return folder


@pytest.fixture
def close_up(close_up_folder: Path, tmp_path: Path) -> Iterator[Production]:
    with copied(close_up_folder, tmp_path / "close-up") as production:
        yield production


def crop_sizes(production: Production) -> set[int]:
    faces = stored_faces(production.project, PERFORMER, kept_only=True)
    return {len(read_crop(production.project, face.id)) for face in faces}


def test_a_close_up_is_kept_in_large_crops_and_a_wide_shot_in_small_ones(
    close_up: Production, trained: Production
) -> None:
    face_set = open_face_set(close_up.project, PERFORMER)
    assert (face_set.num_faces, face_set.crop_size) == (NUM_FRAMES, 512)
    assert crop_sizes(close_up) == {512}
    face = next(read_faces(close_up.project, face_set))
    assert face.rgb.shape == (512, 512, 3)
    assert face.mask.shape == face.visible.shape == (512, 512)
    assert open_face_set(trained.project, PERFORMER).crop_size == 256
    assert crop_sizes(trained) == {256}


def test_large_faces_are_measured_as_small_ones_are(close_up: Production, trained: Production) -> None:
    large, small = (
        stored_faces(production.project, PERFORMER, kept_only=True)[0].quality for production in (close_up, trained)
    )
    assert large.size_px == pytest.approx(LARGER * small.size_px, rel=0.03)
    assert large.sharpness == pytest.approx(small.sharpness, rel=0.25)
    assert large.occluded_fraction == pytest.approx(small.occluded_fraction, abs=0.05)
    assert large.gaze_deg is not None
    assert small.gaze_deg is not None
    assert large.gaze_deg == pytest.approx(small.gaze_deg, abs=6)


def test_the_mask_of_a_large_crop_is_as_fine_as_half_of_it(close_up: Production) -> None:
    face = stored_faces(close_up.project, PERFORMER, kept_only=True)[0]
    crop, visible = read_crop(close_up.project, face.id), read_visible(close_up.project, face.id)
    assert crop.shape[:2] == visible.shape == (512, 512)
    assert 0.2 < visible.mean() < 0.6


def test_a_few_close_ups_among_wide_shots_enlarge_nothing(close_up: Production) -> None:
    wide = write_video(close_up.folder / "wide.mp4", clip_of(PERFORMER, NUM_FRAMES + 1))
    collect(close_up.project, PERFORMER, [wide], progress=Silent())
    prepared = close_up.prepare(PERFORMER)
    assert prepared.face_set.num_faces == 2 * NUM_FRAMES + 1
    assert prepared.face_set.crop_size == 256
    assert crop_sizes(close_up) == {256, 512}
    assert {face.rgb.shape for face in read_faces(close_up.project, prepared.face_set)} == {(256, 256, 3)}


def test_a_size_can_be_set_and_bounds_what_is_stored(close_up: Production) -> None:
    automatic = open_face_set(close_up.project, PERFORMER)
    small = close_up.prepare(PERFORMER, replace(EVERY_FACE, crop_size=256)).face_set
    assert (small.crop_size, crop_sizes(close_up)) == (256, {256})
    large = close_up.prepare(PERFORMER, replace(EVERY_FACE, crop_size=1024)).face_set
    # Enlarged when it is read: no pixel is stored that the frame doesn't have.
    assert (large.crop_size, crop_sizes(close_up)) == (1024, {512})
    assert next(read_faces(close_up.project, large)).rgb.shape == (1024, 1024, 3)
    assert close_up.prepare(PERFORMER).face_set == automatic
    assert len({automatic.digest, small.digest, large.digest}) == 3


@pytest.mark.parametrize("kind", ["close_up", "trained"])
def test_faces_of_an_older_project_are_cut_again_only_where_that_makes_them_larger(
    kind: str, request: pytest.FixtureRequest
) -> None:
    production: Production = request.getfixturevalue(kind)
    database = production.project.database
    ids = database.execute("SELECT id FROM faces ORDER BY id").fetchall()
    # What later schemas added.
    database.execute("DROP INDEX faces_listed")
    database.execute("CREATE INDEX faces_by_scan ON faces (scan, frame)")
    database.execute("ALTER TABLE face_sets DROP COLUMN crop_size")
    database.execute("ALTER TABLE stretches DROP COLUMN nearest_other")
    database.execute("ALTER TABLE tracks DROP COLUMN is_decided")
    signatures = database.execute("SELECT signature, number FROM log").fetchall()
    database.execute("ALTER TABLE log DROP COLUMN signature")
    for table in ("approvals", "hidden_faces", "overviews", "passed_footage", "statements"):
        database.execute(f"DROP TABLE {table}")
    database.execute("UPDATE scans SET settings = replace(settings, '\"crop_size\": 1024', '\"crop_size\": 256')")
    # That scans are made again shows in the ids, if none is given twice.
    database.execute("UPDATE faces SET id = id + 1000")
    database.execute("PRAGMA user_version = 2")
    with opened(production.project.folder) as project:
        project.database.executemany("UPDATE log SET signature = ? WHERE number = ?", signatures)
        replace(production, project=project).prepare(PERFORMER)
        again = project.database.execute("SELECT id FROM faces ORDER BY id").fetchall()
    assert (again == [(number + 1000,) for (number,) in ids]) == (kind == "trained")
