from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from countenance.consent.permit import grant_prepare
from countenance.errors import ConsentError, UsageError
from countenance.progress import Silent
from countenance.project import Project, opened_to_read
from countenance.review.query import FaceQuery
from countenance.steps.browse import Gallery
from countenance.steps.review import (
    correct_face,
    export_faces,
    exported_since,
    found_faces,
    import_faces,
    say,
    show_faces,
    show_waiting,
)
from countenance.types import Permit
from tests.support.production import LIKENESS, PERFORMER, Production

QUERY = FaceQuery()
DOORS: dict[str, Callable[[Project, Permit, Path], object]] = {
    "list": lambda project, permit, _: found_faces(project, LIKENESS, permit),
    "show": lambda project, permit, path: show_faces(
        project, LIKENESS, permit, QUERY, path / "sheet.png", overwrite=False, progress=Silent()
    ),
    "review": lambda project, permit, path: show_waiting(
        project, LIKENESS, permit, path / "sheet.png", overwrite=False, progress=Silent()
    ),
    "say": lambda project, permit, _: say(project, LIKENESS, permit, {"drop": []}, progress=Silent()),
    "export": lambda project, permit, path: export_faces(
        project, LIKENESS, permit, QUERY, path / "out", progress=Silent()
    ),
    "import": lambda project, permit, path: import_faces(
        project, LIKENESS, permit, path, drop_deleted=True, progress=Silent()
    ),
    "correct": lambda project, permit, _: correct_face(
        project, LIKENESS, permit, "0123456789ab-000001-1-1", landmarks_xyz=[], progress=Silent()
    ),
    "browse": lambda project, permit, _: Gallery(project, LIKENESS, permit),
}


def test_the_settings_of_an_earlier_version_are_used_for_a_decision(trained: Production) -> None:
    project, permit = trained.project, grant_prepare(trained.project, LIKENESS)
    face = found_faces(project, LIKENESS, permit).faces[0]

    def remember(path: str, value: object) -> None:
        project.database.execute("UPDATE runs SET facts = json_set(facts, ?, ?) WHERE verb = 'prepare'", (path, value))

    remember("$.config.foo", 1)
    assert say(project, LIKENESS, permit, {"drop": [face]}, progress=Silent()).rejections["dropped"] == 1
    remember("$.config.max_distance", 3)
    with pytest.raises(UsageError, match=r"prepare\.max_distance: expected .*, got 3; run `countenance prepare"):
        say(project, LIKENESS, permit, {"keep": [face]}, progress=Silent())


@pytest.mark.parametrize("door", DOORS)
def test_no_door_opens_with_a_permit_that_is_not_the_right_one(released: Production, tmp_path: Path, door: str) -> None:
    project = released.project
    own = grant_prepare(project, LIKENESS)
    for wrong in (grant_prepare(project, PERFORMER), replace(own, use="film"), replace(own, action="train")):
        with pytest.raises(ConsentError):
            DOORS[door](project, wrong, tmp_path)
    released.revoke(released.release_of(LIKENESS))
    with pytest.raises(ConsentError, match="was revoked"):
        DOORS[door](project, own, tmp_path)
    assert not (tmp_path / "sheet.png").exists()
    assert not (tmp_path / "out").exists()


def test_an_export_that_was_killed_is_found_whole_or_made_again(trained: Production, tmp_path: Path) -> None:
    project, permit, folder = trained.project, grant_prepare(trained.project, LIKENESS), tmp_path / "faces"
    since = datetime.now(UTC) - timedelta(seconds=1)
    assert exported_since(project, LIKENESS, folder, since) is None

    number = export_faces(project, LIKENESS, permit, QUERY, folder, progress=Silent())
    assert exported_since(project, LIKENESS, folder, since) == number > 1
    assert exported_since(project, LIKENESS, folder, datetime.now(UTC) + timedelta(minutes=1)) is None

    (folder / "faces.json").unlink()
    (folder / "notes.txt").write_text("of the user")
    assert exported_since(project, LIKENESS, folder, since) is None
    assert len(list(folder.iterdir())) == 2 * number + 1
    (folder / "notes.txt").unlink()
    assert exported_since(project, LIKENESS, folder, since) is None
    assert list(folder.iterdir()) == []
    assert export_faces(project, LIKENESS, permit, QUERY, folder, progress=Silent()) == number


def test_a_gallery_closes_with_the_consent(trained: Production) -> None:
    project = trained.project
    gallery = Gallery(project, LIKENESS, grant_prepare(project, LIKENESS))
    name = gallery.rows(project, QUERY, 0, 1)[0].face.name
    questions: dict[str, Callable[[], object]] = {
        "listing": lambda: gallery.listing(project),
        "rows": lambda: gallery.rows(project, QUERY, 0, 1),
        "summary": lambda: gallery.summary(project, QUERY),
        "face": lambda: gallery.face(project, name),
        "thumbnail": lambda: gallery.thumbnail(project, name, 96),
        "mask": lambda: gallery.mask(project, name),
        "waiting": lambda: gallery.waiting(project),
        "known": lambda: gallery.known(project),
    }
    for ask in questions.values():
        ask()
    trained.revoke(trained.release_of(LIKENESS))
    for ask in questions.values():
        with pytest.raises(ConsentError, match="was revoked"):
            ask()


def test_a_gallery_outlives_the_connection_that_it_was_made_with(trained: Production) -> None:
    with opened_to_read(trained.project.folder) as project:
        gallery = Gallery(project, LIKENESS, grant_prepare(project, LIKENESS))
    gallery.check()
    trained.revoke(trained.release_of(LIKENESS))
    with pytest.raises(ConsentError, match="was revoked"):
        gallery.check()
