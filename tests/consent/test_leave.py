import ast
import threading
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

import countenance
from countenance import ledger
from countenance.consent import leave as leave_module
from countenance.consent import register
from countenance.consent.document import read_release, write_document
from countenance.consent.drafting import new_revocation
from countenance.consent.leave import Leave, grant_leave
from countenance.consent.permit import grant, require
from countenance.consent.register import add_revocation, known_releases
from countenance.errors import ConsentError, UsageError
from countenance.project import Project, opened
from tests.support.signing import NOON, Production


def revocation_of(production: Production, release: Path) -> Path:
    document = read_release(release)
    written = release.with_suffix(".revocation.toml")
    write_document(written, new_revocation(document, production.key(document.subject.person)), overwrite=True)
    return written


def elsewhere(production: Production, release: Path) -> Callable[[], None]:
    """Revokes a release as another process does: on another connection, whatever this one has open."""
    written = revocation_of(production, release)

    def revoke() -> None:
        with opened(production.project.folder) as project:
            add_revocation(project, written)

    return revoke


@pytest.fixture
def releases(production: Production) -> dict[str, Path]:
    """Of dana as likeness and kim as performer."""
    return {
        "dana": production.add(production.draft("dana")),
        "kim": production.add(production.draft("kim", role="performer", shade=50)),
    }


def leave_for(production: Production, clock: Callable[[], datetime] = lambda: NOON) -> Leave:
    permit = grant(production.project, "generate", likeness="dana", performer="kim", at=NOON)
    return grant_leave(production.project, permit, "generate", people=("dana", "kim"), clock=clock)


@pytest.mark.parametrize("person", ["dana", "kim"])
def test_a_leave_ends_with_a_revocation_from_elsewhere(
    production: Production, releases: dict[str, Path], person: str
) -> None:
    leave = leave_for(production)
    leave.check()
    elsewhere(production, releases[person])()
    today = datetime.now(UTC)
    with pytest.raises(ConsentError, match=f"the release of {person} was revoked on {today.day} {today:%B %Y}; "):
        leave.check()


def test_a_query_that_is_not_read_to_its_end_does_not_hold_the_leave_in_the_past(
    production: Production, releases: dict[str, Path]
) -> None:
    leave, revoke = leave_for(production), elsewhere(production, releases["kim"])
    rows = production.project.database.execute("SELECT digest FROM log")
    next(rows)
    revoke()
    # What the project's own connection sees is old as long as this query is open.
    assert ledger.stored_head(production.project) == ledger.Head(number=2, digest=list(rows)[-1][0])
    with pytest.raises(ConsentError, match="the release of kim was revoked"):
        leave.check()


def test_no_revocation_comes_between_a_check_and_the_commit(production: Production, releases: dict[str, Path]) -> None:
    leave = leave_for(production)
    other = threading.Thread(target=elsewhere(production, releases["dana"]))
    with production.project.transaction():
        leave.check()
        other.start()
        time.sleep(0.3)
        ledger.append(production.project, "published", {})
    other.join()
    assert [entry.event for entry in ledger.entries(production.project)][2:] == ["published", "release.revoked"]
    with pytest.raises(ConsentError, match="revoked"):
        leave.check()
    ledger.check(production.project)


def test_a_leave_ends_with_the_term(production: Production, releases: dict[str, Path]) -> None:
    assert releases
    times = iter([NOON, datetime(2027, 12, 31, 23, 59, tzinfo=UTC), datetime(2028, 1, 1, tzinfo=UTC)])
    leave = leave_for(production, clock=lambda: next(times))
    leave.check()
    with pytest.raises(ConsentError, match=r"the release of (dana|kim) expired on 31 December 2027"):
        leave.check()


def test_a_newer_release_does_not_carry_on_what_began_under_one_that_ended(
    production: Production, releases: dict[str, Path]
) -> None:
    now = [NOON]
    revoke = elsewhere(production, releases["dana"])
    leave, late = leave_for(production), leave_for(production, clock=lambda: now[-1])
    production.add(production.draft("dana", uses=("film", "teaching")))
    production.add(production.draft("kim", role="performer", expires=date(2029, 1, 1)))
    leave.check()
    late.check()
    now.append(datetime(2028, 6, 1, tzinfo=UTC))
    with pytest.raises(ConsentError, match="expired on 31 December 2027"):
        late.check()
    revoke()
    with pytest.raises(ConsentError, match="the release of dana was revoked"):
        leave.check()


def test_a_leave_covers_what_the_work_uses(production: Production, releases: dict[str, Path]) -> None:
    assert releases
    old = production.add(production.draft("lee", shade=20))
    (digest,) = (known.digest for known in known_releases(production.project) if known.release.subject.person == "lee")
    leave = leave_for(production).covering([digest], what="this model", again="train a new one")
    leave.check()
    elsewhere(production, old)()
    with pytest.raises(ConsentError, match="the release of lee was revoked"):
        leave.check()
    leave_for(production).check()
    for digests in ([digest], ["ab" * 32], []):
        with pytest.raises(ConsentError, match=r"the release of lee was revoked|this model .* train a new one"):
            leave_for(production).covering(digests, what="this model", again="train a new one")


def test_everything_is_verified_again_only_where_something_changed(
    production: Production, releases: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert releases
    leave = leave_for(production)
    times: list[int] = []

    def counted(*args: Any, **options: Any) -> None:
        times.append(1)
        require(*args, **options)

    monkeypatch.setattr(leave_module, "require", counted)
    for _ in range(5):
        leave.check()
    assert times == []
    with production.project.transaction():
        ledger.append(production.project, "prepared", {})
    leave.check()
    leave.check()
    assert times == [1]
    production.project.database.execute("UPDATE releases SET document = document || ' ' WHERE person = 'dana'")
    leave.check()
    assert times == [1, 1]
    production.project.database.execute("UPDATE releases SET document = replace(document, 'film', 'research')")
    with pytest.raises(ConsentError, match="altered"):
        leave.check()


def test_a_revocation_that_arrives_while_releases_are_read_is_no_disagreement(
    production: Production, releases: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    revoke, real = elsewhere(production, releases["dana"]), register.stored_releases
    with monkeypatch.context() as patch:

        def stored(project: Project) -> list[tuple[str, str, str, str, str | None]]:
            patch.undo()
            # The log has been read by now.
            revoke()
            return real(project)

        patch.setattr(register, "stored_releases", stored)
        assert len(known_releases(production.project)) == 2
    assert any(known.revocation is not None for known in known_releases(production.project))


def test_a_revocation_that_arrives_while_the_log_is_checked_is_no_cut(
    production: Production, releases: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    revoke, real = elsewhere(production, releases["dana"]), ledger.stored_rows
    with monkeypatch.context() as patch:

        def rows(project: Project) -> list[tuple[int, bytes, str, str]]:
            patch.undo()
            found = list(real(project))
            revoke()
            return found

        patch.setattr(ledger, "stored_rows", rows)
        assert len(known_releases(production.project)) == 2


def test_two_processes_that_add_the_same_revocation_make_one_entry(
    production: Production, releases: dict[str, Path]
) -> None:
    written = revocation_of(production, releases["dana"])
    begin, added = threading.Barrier(4), []

    def add() -> None:
        with opened(production.project.folder) as project:
            begin.wait()
            added.append(add_revocation(project, written).new)

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(added) == [False, False, False, True]
    assert [entry.event for entry in ledger.entries(production.project)].count("release.revoked") == 1


def test_leaves_are_made_in_one_place() -> None:
    source = Path(countenance.__file__).parent
    makers = {
        path.relative_to(source).as_posix()
        for path in source.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and "Leave" in (getattr(node.func, "id", None), getattr(node.func, "attr", None))
    }
    assert makers == {"consent/leave.py"}


def test_a_revocation_waits_for_a_long_transaction(
    production: Production, releases: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    written = revocation_of(production, releases["dana"])
    with opened(production.project.folder) as other:
        monkeypatch.setattr(register, "PATIENCE_S", 0.1)
        with (
            production.project.transaction(),
            pytest.raises(UsageError, match=r"kept the database of .* busy for 0 s; add it again"),
        ):
            add_revocation(other, written)
        monkeypatch.setattr(register, "PATIENCE_S", 30.0)
        # Shorter than the revocation waits, longer than anything else does.
        other.database.execute("PRAGMA busy_timeout = 1")
        begun = threading.Event()

        def write() -> None:
            with opened(production.project.folder) as third, third.transaction():
                begun.set()
                time.sleep(0.5)

        writer = threading.Thread(target=write)
        writer.start()
        begun.wait()
        assert add_revocation(other, written).new
        writer.join()
        assert other.database.execute("PRAGMA busy_timeout").fetchone() == (10_000,)
