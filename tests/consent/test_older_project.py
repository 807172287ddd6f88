"""A project that the first version made, opened by today's."""

import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from countenance import ledger
from countenance.consent.document import read_release
from countenance.consent.permit import grant
from countenance.consent.register import known_releases, templates
from countenance.consent.release import digest_of
from countenance.database import DATABASE_NAME, migrations
from countenance.faces.store import stored_faces
from countenance.footage import known_clips
from countenance.project import Project, config_folder, opened
from countenance.types import Particulars
from tests.support.signing import Production
from tests.support.unsigned import write_as_before

SHA256 = "ab" * 32
DATA = Path(__file__).parents[1] / "data"


@pytest.fixture
def old(production: Production, monkeypatch: pytest.MonkeyPatch) -> Iterator[Production]:
    """Two people with releases, one revoked; a clip of one, its faces and their face set; all in schema 1."""
    production.project.database.close()
    path = production.project.folder / DATABASE_NAME
    path.unlink()
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.executescript(next(script for number, script in migrations() if number == 1))
    database.execute("PRAGMA user_version = 1")
    project = replace(production.project, database=database, after_commit=[])
    old = replace(production, project=project)
    with monkeypatch.context() as patch:
        write_as_before(patch)
        old.add(old.draft("dana"))
        old.revoke(old.add(old.draft("kim", role="performer", shade=200)))
        with project.transaction():
            ledger.append(project, "prepared", {"face_set": "cd" * 32, "num_faces": 2, "permit": "ef" * 32})
    database.execute(
        "INSERT INTO clips VALUES (1, 'dana', ?, '/footage/walk.mp4', 2, '{\"duration_s\": 0.08}', '2026-01-01')",
        (SHA256,),
    )
    database.execute("INSERT INTO scans VALUES (1, 'dana', ?, 'prepare', '{}', ?, 'decided')", (SHA256, bytes(16)))
    for frame in (0, 1):
        database.execute(
            "INSERT INTO faces VALUES (?, 1, ?, 0, ?, 0.99, '{}', ?, 1, 0.2, '[]')",
            (frame + 1, frame, bytes(468 * 12), b"a picture"),
        )
    database.execute("INSERT INTO face_sets VALUES ('dana', ?, ?, '[]', 2, '2026-01-01')", ("cd" * 32, "ef" * 32))
    yield old
    database.close()


def rows(project: Project, table: str) -> list[tuple[object, ...]]:
    return project.database.execute(f"SELECT * FROM {table} ORDER BY rowid").fetchall()


def test_what_was_agreed_logged_and_collected_stays(old: Production) -> None:
    kept = ("people", "releases", "clips")
    log = list(ledger.entries(old.project))
    before = {table: rows(old.project, table) for table in kept}
    old.project.database.close()
    with opened(old.project.folder) as project:
        assert {table: rows(project, table) for table in kept} == before
        assert list(ledger.entries(project)) == log
        assert ledger.check(project) == 4
        assert [(each.release.subject.person, each.revocation is None) for each in known_releases(project)] == [
            ("dana", True),
            ("kim", False),
        ]
        assert templates(project)["dana"].tolist() == [100.0] * 128
        assert known_clips(project, "dana")[SHA256].name == "walk.mp4"


def test_a_release_of_the_first_form_gives_permits_as_it_did(old: Production) -> None:
    """A whole old project whose people signed the first form, which is stored as they signed it."""
    project, path = old.project, DATA / "release-1" / "dana.release.toml"
    release, text = read_release(path), path.read_text()
    digest = digest_of(release)
    with project.transaction() as database:
        database.execute("DELETE FROM releases")
        database.execute("DELETE FROM log")
        database.execute(
            "INSERT INTO releases (digest, person, role, document, added_at) VALUES (?, 'dana', 'likeness', ?, ?)",
            (digest, text, "2026-01-01"),
        )
    shutil.rmtree(config_folder() / "heads")
    with pytest.MonkeyPatch.context() as patch, project.transaction():
        write_as_before(patch)
        ledger.append(project, "release.added", {"release": digest, "role": "likeness", "person": "dana"})
    project.database.close()
    with opened(project.folder) as reopened:
        (known,) = known_releases(reopened)
        assert (known.digest, known.release.first_version) == (digest, 1)
        assert rows(reopened, "releases")[0][3] == text
        sounding = Particulars(plate=SHA256, has_sound=True, is_unlabelled=True, is_counted=True)
        permit = grant(reopened, "prepare", likeness="dana", particulars=sounding)
        assert permit.release_digests == (digest,)


def test_what_was_found_by_other_means_is_dropped(old: Production) -> None:
    """Faces of the first version were found otherwise; `prepare` scans for them again."""
    assert len(rows(old.project, "faces")) == 2
    old.project.database.close()
    with opened(old.project.folder) as project:
        assert stored_faces(project, "dana") == []
        assert rows(project, "scans") == rows(project, "face_sets") == []
        assert project.database.execute("PRAGMA foreign_key_check").fetchall() == []
    assert b"a picture" not in (old.project.folder / DATABASE_NAME).read_bytes()
