import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from countenance.consent.permit import grant, grant_prepare
from countenance.coverage.aspects import CoverageConfig
from countenance.coverage.measure import Coverage, coverage_document
from countenance.errors import ConsentError, FaceError, MediaError, UsageError
from countenance.faces.faceset import open_face_set
from countenance.progress import Silent
from countenance.steps.collect import collect
from countenance.steps.cover import Plate, cover, write_report
from tests.support.production import LIKENESS, PERFORMER, STRANGER, Production, copied
from tests.support.recorder import Recorder
from tests.support.videos import clip_of, frames_of, write_video

VARYING_PTS = [0, 512, 1024, 3072, 3584, 4096]


@pytest.fixture(scope="module")
def prepared_folder(released_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both people with footage and face sets."""
    folder = tmp_path_factory.mktemp("prepared") / "production"
    with copied(released_folder, folder) as production:
        for person in (LIKENESS, PERFORMER):
            clip = write_video(folder / f"{person}.mp4", clip_of(person, 12))
            collect(production.project, person, [clip], progress=Silent())
            production.prepare(person)
    return folder


@pytest.fixture
def prepared(prepared_folder: Path, tmp_path: Path) -> Iterator[Production]:
    with copied(prepared_folder, tmp_path / "production") as production:
        yield production


def covered(production: Production, plate: Path | None = None, progress: Recorder | Silent | None = None) -> Coverage:
    project = production.project
    wanted = Plate(path=plate, performer=PERFORMER, permit=grant_prepare(project, PERFORMER)) if plate else None
    return cover(
        project,
        LIKENESS,
        grant_prepare(project, LIKENESS),
        plate=wanted,
        config=CoverageConfig(),
        progress=progress or Silent(),
    )


def num_scans(production: Production, purpose: str) -> int:
    query = "SELECT count(*) FROM scans WHERE purpose = ?"
    return int(production.project.database.execute(query, (purpose,)).fetchone()[0])


def test_report_of_a_set_is_left_for_its_owner_only(prepared: Production, tmp_path: Path) -> None:
    coverage = covered(prepared)
    face_set = open_face_set(prepared.project, LIKENESS)
    assert (coverage.num_kept, coverage.face_set) == (face_set.num_faces, face_set.digest)
    assert [clip.name for clip in coverage.clips] == [f"{LIKENESS}.mp4"]
    permit, folder = grant_prepare(prepared.project, LIKENESS), tmp_path / "deep" / "report"
    page = write_report(prepared.project, permit, coverage, folder, overwrite=False)
    assert json.loads((folder / "coverage.json").read_bytes()) == coverage_document(coverage)
    assert page.read_text().count("data:image/jpeg;base64,") >= 5
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()} == {
        "coverage.html": 0o600,
        "coverage.json": 0o600,
    }


def test_plate_with_its_own_times(prepared: Production, tmp_path: Path) -> None:
    shown = frames_of("performance.mp4", 6, first=60)
    plate = write_video(tmp_path / "plate.mp4", shown, pts=VARYING_PTS)
    recorder = Recorder()
    coverage = covered(prepared, plate, recorder)
    assert coverage.plate is not None
    assert (coverage.plate.num_frames, coverage.plate.num_seen_frames, coverage.plate.performer) == (6, 6, PERFORMER)
    assert coverage.plate.runs["overall"][0].from_s == 0
    assert coverage.plate.runs["overall"][-1].to_s == pytest.approx(4608 / 12288, abs=0.001)
    for aspect in ("pose", "mouth", "eyes", "light"):
        assert coverage.plate.overall <= getattr(coverage.plate, aspect) <= 1
    assert any(recorder.done_now.values())
    # What was found serves again, and later `generate`.
    again = Recorder()
    assert covered(prepared, plate, again) == coverage
    assert not any(done for what, done in again.done_now.items() if "looking" in what)


def test_set_covers_its_own_footage(prepared: Production) -> None:
    """The performer's set against the performer's own clip: nothing may be missing."""
    project = prepared.project
    permit = grant_prepare(project, PERFORMER)
    plate = Plate(path=prepared.folder / f"{PERFORMER}.mp4", performer=PERFORMER, permit=permit)
    config = CoverageConfig(min_near=1)
    coverage = cover(project, PERFORMER, permit, plate=plate, config=config, progress=Silent())
    assert coverage.plate is not None
    assert (coverage.plate.overall, coverage.plate.stretches) == (1, ())


def test_performer_who_is_not_in_the_plate(prepared: Production, tmp_path: Path) -> None:
    plate = write_video(tmp_path / "plate.mp4", clip_of(STRANGER, 4))
    with pytest.raises(
        FaceError, match=r"4 faces were found in plate\.mp4, and none is kofi's: the nearest lies at distance 0\.\d\d"
    ):
        covered(prepared, plate)


def test_no_face_set(released: Production) -> None:
    with pytest.raises(FaceError, match="countenance prepare zuri"):
        covered(released)


def test_plate_that_is_no_video(prepared: Production, tmp_path: Path) -> None:
    (tmp_path / "plate.mp4").write_text("words")
    with pytest.raises(MediaError, match=r"plate\.mp4 is not a video"):
        covered(prepared, tmp_path / "plate.mp4")


def test_nothing_without_a_release(prepared: Production, tmp_path: Path) -> None:
    project, silent, config = prepared.project, Silent(), CoverageConfig()
    permits = {person: grant_prepare(project, person) for person in (LIKENESS, PERFORMER)}
    plate = write_video(tmp_path / "plate.mp4", clip_of(PERFORMER, 4))
    coverage = covered(prepared)
    for wrong in (permits[PERFORMER], grant(project, "train", likeness=LIKENESS, performer=PERFORMER)):
        with pytest.raises(ConsentError):
            cover(project, LIKENESS, wrong, plate=None, config=config, progress=silent)
        with pytest.raises(ConsentError):
            write_report(project, wrong, coverage, tmp_path / "report", overwrite=False)
        wanted = Plate(path=plate, performer=STRANGER, permit=wrong)
        with pytest.raises(ConsentError):
            cover(project, LIKENESS, permits[LIKENESS], plate=wanted, config=config, progress=silent)
    # The performer takes it back: no face is looked for in the plate, though the likeness's release holds.
    prepared.revoke(prepared.release_of(PERFORMER))
    wanted = Plate(path=plate, performer=PERFORMER, permit=permits[PERFORMER])
    with pytest.raises(ConsentError, match="revoked"):
        cover(project, LIKENESS, permits[LIKENESS], plate=wanted, config=config, progress=silent)
    assert num_scans(prepared, "generate") == 0
    # And the likeness does: no report, not even of what was measured before.
    prepared.revoke(prepared.release_of(LIKENESS))
    with pytest.raises(ConsentError, match="revoked"):
        write_report(project, permits[LIKENESS], coverage, tmp_path / "report", overwrite=False)
    assert not (tmp_path / "report").exists()


def test_folder_with_something_in_it(prepared: Production, tmp_path: Path) -> None:
    coverage, permit = covered(prepared), grant_prepare(prepared.project, LIKENESS)
    folder = tmp_path / "report"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="holds something already"):
        write_report(prepared.project, permit, coverage, folder, overwrite=False)
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]
    for _ in range(2):
        write_report(prepared.project, permit, coverage, folder, overwrite=True)
    assert (folder / "notes.txt").read_text() == "mine"
    assert len(list(folder.iterdir())) == 3
    shutil.rmtree(folder)
    folder.write_text("a file")
    with pytest.raises(UsageError, match="is a file"):
        write_report(prepared.project, permit, coverage, folder, overwrite=True)


def test_faces_that_changed_since_they_were_measured(prepared: Production, tmp_path: Path) -> None:
    coverage, permit = covered(prepared), grant_prepare(prepared.project, LIKENESS)
    prepared.project.database.execute("UPDATE faces SET rejections = '[\"dropped\"]' WHERE frame = 3")
    with pytest.raises(FaceError, match="changed"):
        write_report(prepared.project, permit, coverage, tmp_path / "report", overwrite=False)
