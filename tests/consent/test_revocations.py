"""What a revocation ends beyond the project in which it was added."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from countenance import ledger
from countenance.consent.document import read_release, write_document
from countenance.consent.drafting import new_revocation, sign
from countenance.consent.leave import grant_leave
from countenance.consent.permit import grant, grant_prepare
from countenance.consent.register import add_release, add_revocation, known_releases, state_of
from countenance.consent.release import Release, digest_of
from countenance.errors import ConsentError
from countenance.project import SETTINGS_NAME, Project, create, opened
from tests.support.policy import ask_for_no_statements
from tests.support.signing import NOON, Production, template_of

REVOKED = "the release of dana was revoked on"


@pytest.fixture
def open_project(tmp_path: Path) -> Iterator[Callable[..., Project]]:
    """Opens a folder as a project; makes it if need be."""
    with ExitStack() as stack:

        def open_or_make(name: str) -> Project:
            if not (tmp_path / name).exists():
                create(tmp_path / name, use="film", title=None)
                ask_for_no_statements(tmp_path / name)
            return stack.enter_context(opened(tmp_path / name))

        yield open_or_make


@pytest.fixture
def released(production: Production) -> Path:
    return production.add(production.draft("dana"))


def revocation_of(production: Production, release: Path, *, by: str = "dana") -> Path:
    """The document, not added anywhere; `by` somebody else it is a forgery."""
    signed = read_release(release)
    path = production.folder / f"by-{by}.toml"
    if by == "dana":
        write_document(path, new_revocation(signed, production.key("dana")), overwrite=True)
    else:
        theirs = new_revocation(sign(production.draft(by), production.key(by)), production.key(by))
        changed = {"release": digest_of(signed), "person": "dana"}
        write_document(path, theirs.model_copy(update=changed), overwrite=True)
    return path


def name_list(project: Project, value: str) -> None:
    path = project.folder / SETTINGS_NAME
    path.write_text(f"revocations = {value}\n{path.read_text()}")


def list_of(*documents: Path) -> str:
    return "".join(f"[[revocation]]\n{path.read_text()}\n" for path in documents)


def wipe_out_revocation(project: Project) -> None:
    """As somebody does who can write to the project and to the note of the log's head."""
    project.database.execute("DELETE FROM log WHERE number >= 2")
    project.database.execute("UPDATE releases SET revocation = NULL")


def test_a_revoked_release_is_refused_in_a_new_project(
    production: Production, released: Path, open_project: Callable[..., Project]
) -> None:
    production.revoke(released)
    other = open_project("other")
    with pytest.raises(ConsentError, match=REVOKED):
        add_release(other, released, template_of, at=NOON)
    assert ledger.check(other) == 0


def test_another_project_that_has_the_release_stops_as_well(
    production: Production, released: Path, open_project: Callable[..., Project]
) -> None:
    other = open_project("other")
    add_release(other, released, template_of, at=NOON)
    permit = grant(other, "prepare", likeness="dana", at=NOON)
    leave = grant_leave(other, permit, "prepare", people=("dana",), clock=lambda: NOON)
    leave.check()
    production.revoke(released)
    with pytest.raises(ConsentError, match=REVOKED):
        leave.check()
    (known,) = known_releases(other)
    assert state_of(known, NOON) == "revoked"
    # It can still be added there, and is in that project's log from then on.
    added = add_revocation(other, revocation_of(production, released))
    assert (added.new, added.in_project) == (True, True)
    assert [entry.event for entry in ledger.entries(other)] == ["release.added", "release.revoked"]


def test_a_revocation_that_was_deleted_from_project_and_log_still_holds(
    production: Production, released: Path, config_folder: Path
) -> None:
    production.revoke(released)
    wipe_out_revocation(production.project)
    (config_folder / "heads" / f"{production.project.id}.json").unlink()
    assert ledger.check(production.project) == 1
    with pytest.raises(ConsentError, match=REVOKED):
        grant_prepare(production.project, "dana", at=NOON)


def test_an_older_copy_of_the_project_under_a_new_id_does_not_have_it_back(
    production: Production, released: Path, tmp_path: Path, open_project: Callable[..., Project]
) -> None:
    production.project.database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copytree(production.project.folder, tmp_path / "copy")
    production.revoke(released)
    path = tmp_path / "copy" / SETTINGS_NAME
    path.write_text(path.read_text().replace(production.project.id, "0b8e5f4c-0000-4000-8000-000000000000"))
    copy = open_project("copy")
    # Its log isn't that of this id; even where somebody empties it and begins anew:
    copy.database.execute("DELETE FROM log")
    copy.database.execute("DELETE FROM releases")
    with pytest.raises(ConsentError, match=REVOKED):
        add_release(copy, released, template_of, at=NOON)


def test_a_list_reaches_a_computer_that_has_not_seen_the_revocation(
    production: Production, released: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    open_project: Callable[..., Project],
) -> None:  # fmt: skip
    revocation = revocation_of(production, released)
    monkeypatch.setenv("COUNTENANCE_CONFIG", str(tmp_path / "elsewhere"))
    (tmp_path / "revoked.toml").write_text(list_of(revocation))
    create(tmp_path / "other", use="film", title=None)
    other = open_project("other")
    add_release(other, released, template_of, at=NOON)
    assert state_of(known_releases(other)[0], NOON) == "valid"
    name_list(other, '"../revoked.toml"')
    other = open_project("other")
    with pytest.raises(ConsentError, match=REVOKED):
        grant_prepare(other, "dana", at=NOON)


def test_work_stops_as_its_release_comes_onto_the_list(
    production: Production, released: Path, open_project: Callable[..., Project]
) -> None:
    listed = production.project.folder / "revoked.toml"
    listed.write_text("")
    name_list(production.project, '"revoked.toml"')
    project = open_project("film")
    permit = grant(project, "prepare", likeness="dana", at=NOON)
    leave = grant_leave(project, permit, "prepare", people=("dana",), clock=lambda: NOON)
    leave.check()
    listed.write_text(list_of(revocation_of(production, released)))
    with pytest.raises(ConsentError, match=REVOKED):
        leave.check()


@pytest.mark.parametrize(
    ("value", "content", "words"),
    [
        ('"none.toml"', "", "can't be read"),
        ('"revoked.toml"', "[[revocation", "can't be read"),
        ('"revoked.toml"', '[[revocation]]\nkind = "release"', "can't be read"),
        ('"revoked.toml"', 'release = "ab"', r"expected a table \[\[revocation\]\] for each"),
        ('"revoked.toml"', "revocation = 7", "can't be read"),
        ("7", "", "should name a file, got 7"),
    ],
)
def test_nothing_is_made_while_the_list_cannot_be_read(
    production: Production, released: Path, open_project: Callable[..., Project], value: str, content: str, words: str
) -> None:
    (production.project.folder / "revoked.toml").write_text(content)
    name_list(production.project, value)
    with pytest.raises(ConsentError, match=words):
        grant_prepare(open_project("film"), "dana", at=NOON)
    assert released.exists()


def test_a_revocation_may_come_before_its_release(production: Production, open_project: Callable[..., Project]) -> None:
    release = production.signed(production.draft("dana"))
    added = add_revocation(production.project, revocation_of(production, release))
    assert (added.new, added.in_project) == (True, False)
    assert ledger.check(production.project) == 0
    for project in (production.project, open_project("other")):
        with pytest.raises(ConsentError, match=REVOKED):
            add_release(project, release, template_of, at=NOON)


def test_a_forged_revocation_ends_nothing_and_is_in_nobody_s_way(production: Production) -> None:
    release = production.signed(production.draft("dana"))
    add_revocation(production.project, revocation_of(production, release, by="kim"))
    assert add_release(production.project, release, template_of, at=NOON).new
    assert grant_prepare(production.project, "dana", at=NOON).likeness == "dana"
    with pytest.raises(ConsentError, match="altered since it was signed, or signed with another key"):
        add_revocation(production.project, revocation_of(production, release, by="kim"))
    add_revocation(production.project, revocation_of(production, release))
    with pytest.raises(ConsentError, match=REVOKED):
        grant_prepare(production.project, "dana", at=NOON)


def test_an_unsigned_revocation_is_not_kept(production: Production, config_folder: Path) -> None:
    release = production.signed(production.draft("dana"))
    document = new_revocation(read_release(release), production.key("dana")).model_copy(update={"signature": None})
    write_document(production.folder / "unsigned.toml", document, overwrite=False)
    with pytest.raises(ConsentError, match="is unsigned"):
        add_revocation(production.project, production.folder / "unsigned.toml")
    assert not (config_folder / "revocations").exists()


def test_the_store_is_private_and_a_damaged_one_says_no(
    production: Production, released: Path, config_folder: Path
) -> None:
    production.revoke(released)
    folder = config_folder / "revocations"
    (path,) = folder.iterdir()
    assert (folder.stat().st_mode & 0o777, path.stat().st_mode & 0o777) == (0o700, 0o600)
    wipe_out_revocation(production.project)
    (config_folder / "heads" / f"{production.project.id}.json").unlink()
    for content in (b"\xff", b"no = toml ="):
        path.write_bytes(content)
        with pytest.raises(ConsentError):
            known_releases(production.project)


def test_adding_again_repairs_the_store(production: Production, released: Path, config_folder: Path) -> None:
    production.revoke(released)
    (path,) = (config_folder / "revocations").iterdir()
    path.unlink()
    assert not add_revocation(production.project, revocation_of(production, released)).new
    assert path.exists()


# A clock that is set back.


def expired(production: Production) -> Release:
    today = datetime.now(UTC).date()
    return production.draft("dana", valid_from=today - timedelta(days=9), expires=today - timedelta(days=2))


def test_an_expired_release_does_not_work_again_when_the_clock_is_set_back(
    production: Production, monkeypatch: pytest.MonkeyPatch
) -> None:
    within = datetime.now(UTC) - timedelta(days=5)
    production.add(expired(production), at=within)
    # The log's own entry is of today, which is after the end of the term.
    monkeypatch.setattr(ledger, "now", lambda: within.isoformat(timespec="seconds"))
    with pytest.raises(ConsentError, match="the release of dana expired on"):
        grant_prepare(production.project, "dana")
    production.project.database.execute("DELETE FROM releases")
    production.project.database.execute("DELETE FROM log")
    assert ledger.time_now(production.project) < within + timedelta(seconds=1), "by the clock alone it is valid"


def test_a_clock_that_is_set_back_during_the_work_does_not_prolong_it(production: Production) -> None:
    production.add(production.draft("dana"))
    times = [NOON, datetime(2028, 1, 1, tzinfo=UTC), NOON]
    permit = grant(production.project, "prepare", likeness="dana", at=NOON)
    leave = grant_leave(production.project, permit, "prepare", people=("dana",), clock=lambda: times.pop(0))
    for _ in range(2):
        with pytest.raises(ConsentError, match="expired on 31 December 2027"):
            leave.check()
    assert times == []
