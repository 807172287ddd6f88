"""A face set is what the log says was prepared for this person: rows that were moved to somebody else don't pass."""

import pytest

from countenance import ledger
from countenance.consent.permit import grant_prepare
from countenance.errors import FaceError
from countenance.faces import faceset
from countenance.faces.config import PrepareConfig
from countenance.faces.faceset import make_face_set, open_face_set
from countenance.project import Project
from tests.support.leave import never_ends
from tests.support.production import LIKENESS, PERFORMER, Production

OTHER = "isn't the one that the log says was prepared last; run `countenance prepare kofi` again"


def last_prepared(project: Project) -> ledger.LogEntry:
    """The performer's."""
    entries = ledger.entries(project)
    return [each for each in entries if each.event == "prepared" and each.facts["person"] == PERFORMER][-1]


def give_faces_away(production: Production) -> None:
    """Put the likeness's scans and clips under the performer's name."""
    for table in ("scans", "clips"):
        production.project.database.execute(f"DELETE FROM {table} WHERE person = ?", (PERFORMER,))
        production.project.database.execute(f"UPDATE {table} SET person = ? WHERE person = ?", (PERFORMER, LIKENESS))


def test_faces_under_another_name_with_the_digest_made_to_fit(trained: Production) -> None:
    own = open_face_set(trained.project, PERFORMER)
    give_faces_away(trained)
    with pytest.raises(FaceError, match="changed since"):
        open_face_set(trained.project, PERFORMER)
    digest, count = faceset._digest_kept(trained.project, PERFORMER, own.permit_digest, own.crop_size)
    trained.project.database.execute(
        "UPDATE face_sets SET digest = ?, num_faces = ? WHERE person = ?", (digest, count, PERFORMER)
    )
    with pytest.raises(FaceError, match=OTHER):
        open_face_set(trained.project, PERFORMER)


def test_a_whole_face_set_under_another_name(trained: Production) -> None:
    give_faces_away(trained)
    trained.project.database.execute("DELETE FROM face_sets WHERE person = ?", (PERFORMER,))
    trained.project.database.execute("UPDATE face_sets SET person = ? WHERE person = ?", (PERFORMER, LIKENESS))
    with pytest.raises(FaceError, match=OTHER):
        open_face_set(trained.project, PERFORMER)


def test_other_releases_beside_the_same_faces(trained: Production) -> None:
    trained.project.database.execute("UPDATE face_sets SET release_digests = '[\"00\"]' WHERE person = ?", (PERFORMER,))
    with pytest.raises(FaceError, match=OTHER):
        open_face_set(trained.project, PERFORMER)


def test_an_older_log_that_names_nobody_asks_for_preparing_again(trained: Production) -> None:
    before = open_face_set(trained.project, PERFORMER)
    rows = trained.project.database.execute("SELECT number, entry FROM log").fetchall()
    for number, entry in rows:
        nameless = entry.replace(f'"person":"{PERFORMER}",', "") if '"event":"prepared"' in entry else entry
        trained.project.database.execute("UPDATE log SET entry = ? WHERE number = ?", (nameless, number))
    with pytest.raises(FaceError, match=OTHER):
        open_face_set(trained.project, PERFORMER)
    trained.project.database.executemany("UPDATE log SET entry = ? WHERE number = ?", [(e, n) for n, e in rows])
    assert trained.prepare(PERFORMER).face_set == before == open_face_set(trained.project, PERFORMER)
    assert [entry.event for entry in ledger.entries(trained.project)][-1] == "prepared"


def test_the_log_says_how_many_faces_rest_on_a_decision_and_is_read_where_it_does_not(trained: Production) -> None:
    project = trained.project
    before = open_face_set(project, PERFORMER)
    assert last_prepared(project).facts["num_decided"] == 0

    project.database.execute("UPDATE tracks SET is_decided = 1")
    permit = grant_prepare(project, PERFORMER)
    face_set = make_face_set(project, PERFORMER, permit, PrepareConfig(), never_ends)
    assert last_prepared(project).facts["num_decided"] == face_set.num_faces == before.num_faces > 0

    project.database.execute("UPDATE log SET entry = replace(entry, ?, '')", (f'"num_decided":{face_set.num_faces},',))
    assert "num_decided" not in last_prepared(project).facts
    assert open_face_set(project, PERFORMER) == face_set
