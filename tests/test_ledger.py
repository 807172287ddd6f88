import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from random import Random
from shutil import copytree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countenance import ledger
from countenance.errors import ProvenanceError, UsageError
from countenance.logkey import load_log_key
from countenance.project import SETTINGS_NAME, Project, create, opened
from tests.support.unsigned import write_as_before


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """A project with five log entries."""
    create(tmp_path / "film", use="film", title=None)
    with opened(tmp_path / "film") as project:
        for number in range(1, 6):
            add(project, f"event {number}", shot=number)
        yield project


@pytest.fixture
def move_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Brings the project to another computer."""
    return lambda: monkeypatch.setenv("COUNTENANCE_CONFIG", str(tmp_path / "elsewhere"))


def add(project: Project, event: str, **facts: object) -> ledger.LogEntry:
    with project.transaction():
        return ledger.append(project, event, facts)


def head_path(config_folder: Path, project: Project) -> Path:
    return config_folder / "heads" / f"{project.id}.json"


def test_entries_come_back_as_they_were_appended(project: Project) -> None:
    sixth = add(project, "prepared", faces=["ä", 2, None])
    entries = list(ledger.entries(project))
    assert entries[-1] == sixth
    assert [entry.number for entry in entries] == [1, 2, 3, 4, 5, 6]
    assert entries[0].previous == ledger.START
    assert all(after.previous == before.digest for before, after in pairwise(entries))
    assert ledger.check(project) == 6


def test_entries_of_some_events_are_those_of_all(project: Project) -> None:
    add(project, "prepared", faces=1)
    add(project, "trained", why="prepared")
    add(project, "prepared", faces=2)
    every = list(ledger.entries(project))
    for events in (("prepared",), ("trained", "event 3"), ("nothing",)):
        assert list(ledger.entries(project, *events)) == [entry for entry in every if entry.event in events]


def test_empty_log_holds(tmp_path: Path) -> None:
    create(tmp_path / "empty", use="film", title=None)
    with opened(tmp_path / "empty") as project:
        assert ledger.check(project) == 0


def test_entries_written_after_the_clock_was_set_back_are_named(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ledger.backward_steps(project) == ()
    for time in ("2199-01-01T10:00:00+00:00", "2198-01-01T10:00:00+00:00", "2200-01-01T10:00:00+00:00"):
        monkeypatch.setattr(ledger, "now", lambda time=time: time)
        add(project, "prepared")
    assert ledger.check(project) == 8
    assert ledger.backward_steps(project) == (7,)


def test_append_outside_of_a_transaction_is_our_bug(project: Project) -> None:
    with pytest.raises(AssertionError, match="transaction"):
        ledger.append(project, "prepared", {})


def test_what_is_rolled_back_was_never_logged(project: Project) -> None:
    def fail() -> None:
        with project.transaction():
            ledger.append(project, "prepared", {})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with project.transaction() as database:
        database.execute("UPDATE people SET created_at = ''")
    assert ledger.check(project) == 5
    head = ledger.remembered_head(project)
    assert head is not None
    assert head.number == 5
    assert add(project, "prepared").number == 6
    assert ledger.check(project) == 6


def test_two_entries_in_one_transaction(project: Project) -> None:
    with project.transaction():
        ledger.append(project, "one", {})
        ledger.append(project, "two", {})
    head = ledger.remembered_head(project)
    assert head is not None
    assert head.number == ledger.check(project) == 7


def test_the_note_of_the_head_never_goes_back(project: Project) -> None:
    """Of two processes the one that committed first may come to note its entry last."""
    with opened(project.folder) as other, project.transaction():
        project.after_commit.append(lambda: (add(other, "second"), None)[1])
        ledger.append(project, "first", {})
    head = ledger.remembered_head(project)
    assert head == ledger.stored_head(project)
    assert head is not None
    assert head.number == ledger.check(project) == 7


def test_two_processes_write_one_log(project: Project) -> None:
    def write() -> None:
        with opened(project.folder) as own:
            for _ in range(10):
                add(own, "shot")
                ledger.check(own)

    with ThreadPoolExecutor() as pool:
        for done in [pool.submit(write) for _ in range(4)]:
            done.result()
    assert ledger.check(project) == 45
    assert ledger.remembered_head(project) == ledger.stored_head(project)


@pytest.mark.parametrize("number", [1, 3, 5])
def test_flipped_byte_is_found_anywhere(project: Project, number: int) -> None:
    content = project.database.execute("SELECT entry FROM log WHERE number = ?", (number,)).fetchone()[0].encode()
    for position in range(len(content)):
        flipped = bytearray(content)
        flipped[position] ^= 1 << position % 8
        project.database.execute("UPDATE log SET entry = CAST(? AS TEXT) WHERE number = ?", (bytes(flipped), number))
        with pytest.raises(ProvenanceError, match=f"log entry {number} was altered"):
            ledger.check(project)


def test_flipped_byte_in_a_digest_is_found(project: Project) -> None:
    digest = list(ledger.entries(project))[1].digest
    flipped = ("e" if digest[0] == "f" else "f") + digest[1:]
    project.database.execute("UPDATE log SET digest = ? WHERE number = 2", (flipped,))
    with pytest.raises(ProvenanceError, match="log entry 2 was altered"):
        ledger.check(project)


@pytest.mark.parametrize("number", [1, 3])
def test_dropped_line_is_found(project: Project, number: int) -> None:
    project.database.execute("DELETE FROM log WHERE number = ?", (number,))
    with pytest.raises(ProvenanceError, match=f"log entry {number} is missing"):
        ledger.check(project)


def test_dropped_line_with_the_rest_moved_up_is_found(project: Project) -> None:
    project.database.execute("DELETE FROM log WHERE number = 3")
    project.database.execute("UPDATE log SET number = number - 1 WHERE number > 3")
    with pytest.raises(ProvenanceError, match="log entry 3 doesn't follow"):
        ledger.check(project)


def test_exchanged_lines_are_found(project: Project) -> None:
    for before, after in ((2, 99), (3, 2), (99, 3)):
        project.database.execute("UPDATE log SET number = ? WHERE number = ?", (after, before))
    with pytest.raises(ProvenanceError, match="log entry 2 doesn't follow"):
        ledger.check(project)


def rewrite(project: Project, number: int, **changes: object) -> None:
    """Change an entry and all after it, so that the chain holds."""
    entries = list(ledger.entries(project))
    previous = entries[number - 2].digest if number > 1 else ledger.START
    for entry in entries[number - 1 :]:
        fields = {"number": entry.number, "time": entry.time, "event": entry.event, "facts": entry.facts}
        fields |= {"previous": previous, "key": entry.key} | (changes if entry.number == number else {})
        content = ledger.canonical_json(fields)
        previous = hashlib.sha256(content).hexdigest()
        project.database.execute(
            "UPDATE log SET entry = ?, digest = ? WHERE number = ?", (content.decode(), previous, entry.number)
        )


def sign_again(project: Project) -> None:
    """As somebody does who has this computer's key."""
    key = load_log_key(project)
    assert key is not None
    for entry in list(ledger.entries(project)):
        head = ledger.Head(number=entry.number, digest=entry.digest)
        signature = key.sign(ledger.signed_bytes(project.id, head)).hex()
        project.database.execute("UPDATE log SET signature = ? WHERE number = ?", (signature, entry.number))


@pytest.mark.parametrize("changes", [{"time": 7}, {"facts": [1]}, {"event": None}])
def test_an_entry_of_other_types_is_refused(project: Project, changes: dict[str, object]) -> None:
    rewrite(project, 5, **changes)
    with pytest.raises(ProvenanceError, match="log entry 5 was altered"):
        list(ledger.entries(project))


@pytest.mark.parametrize("content", ["{}", "[" * 100_000, '{"number": 5, "time": "t", "event": "e"}'])
def test_an_entry_without_its_fields_is_refused(project: Project, content: str) -> None:
    digest = hashlib.sha256(content.encode()).hexdigest()
    project.database.execute("UPDATE log SET entry = ?, digest = ? WHERE number = 5", (content, digest))
    for read in (lambda: list(ledger.entries(project)), lambda: ledger.check(project)):
        with pytest.raises(ProvenanceError, match="log entry 5 was altered"):
            read()


@pytest.mark.parametrize("facts", [{}, {"release": 7}])
def test_a_fact_that_is_missing_or_of_another_type_is_refused(project: Project, facts: dict[str, object]) -> None:
    entry = add(project, "release.added", **facts)
    with pytest.raises(ProvenanceError, match=r"log entry 6 \(release.added\) should hold release as str, got"):
        entry.fact("release", str)
    assert add(project, "release.added", release="r").fact("release", str) == "r"


def test_chain_that_was_rewritten_is_found_by_its_signature_on_any_computer(
    project: Project, move_away: Callable[[], None]
) -> None:
    move_away()
    assert ledger.check(project) == 5
    rewrite(project, 2, event="something else")
    with pytest.raises(ProvenanceError, match="log entry 5 isn't signed by the key that it names"):
        ledger.check(project)


def test_chain_that_was_rewritten_with_the_key_is_found_by_the_remembered_head(project: Project) -> None:
    rewrite(project, 2, event="something else")
    sign_again(project)
    with pytest.raises(ProvenanceError, match="log entry 5, which this computer wrote, is another one"):
        ledger.check(project)


def test_cut_tail_is_found(project: Project) -> None:
    project.database.execute("DELETE FROM log WHERE number = 5")
    with pytest.raises(ProvenanceError, match="log entry 5, which this computer wrote, is no longer there"):
        ledger.check(project)


def test_cut_tail_is_not_written_over(project: Project) -> None:
    project.database.execute("DELETE FROM log WHERE number >= 3")
    with pytest.raises(ProvenanceError, match="no longer there"):
        add(project, "prepared")
    assert len(list(ledger.entries(project))) == 2


def test_emptied_log_is_found(project: Project) -> None:
    project.database.execute("DELETE FROM log")
    with pytest.raises(ProvenanceError, match="no longer there"):
        ledger.check(project)


def test_older_copy_of_the_project_is_told(project: Project, tmp_path: Path) -> None:
    project.database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    copytree(project.folder, tmp_path / "copy")
    add(project, "prepared")
    with opened(tmp_path / "copy") as copy, pytest.raises(ProvenanceError, match="older or another copy"):
        ledger.check(copy)


def test_on_another_computer_a_cut_end_is_not_found(project: Project, move_away: Callable[[], None]) -> None:
    """What it can be found by is an anchor: tests/provenance/test_anchor.py."""
    move_away()
    project.database.execute("DELETE FROM log WHERE number = 5")
    assert ledger.check(project) == 4
    assert ledger.remembered_head(project) is None


def test_head_is_behind_after_a_crash_between_commit_and_note(project: Project, config_folder: Path) -> None:
    path = head_path(config_folder, project)
    before = path.read_bytes()
    add(project, "prepared")
    path.write_bytes(before)
    assert ledger.check(project) == 6
    assert add(project, "trained").number == 7


def test_head_is_private(project: Project, config_folder: Path) -> None:
    path = head_path(config_folder, project)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert json.loads(path.read_bytes())["number"] == 5


@pytest.mark.parametrize("number", [1, 3, 5])
def test_a_flipped_signature_is_found(project: Project, number: int) -> None:
    (signature,) = project.database.execute("SELECT signature FROM log WHERE number = ?", (number,)).fetchone()
    flipped = ("e" if signature[0] == "f" else "f") + signature[1:]
    project.database.execute("UPDATE log SET signature = ? WHERE number = ?", (flipped, number))
    with pytest.raises(ProvenanceError, match=f"log entry {number} isn't signed by the key"):
        ledger.check(project, every_signature=True)


@pytest.mark.parametrize("signature", [None, "", "no hex", "ab"])
def test_the_last_signature_is_always_looked_at(project: Project, signature: str | None) -> None:
    project.database.execute("UPDATE log SET signature = ? WHERE number = 5", (signature,))
    with pytest.raises(ProvenanceError, match="log entry 5 isn't signed by the key"):
        ledger.check(project)


def test_a_log_under_another_project_s_id_is_found(project: Project) -> None:
    """A new id would otherwise leave behind what this computer remembers."""
    path = project.folder / SETTINGS_NAME
    path.write_text(path.read_text().replace(project.id, "0b8e5f4c-0000-4000-8000-000000000000"))
    with opened(project.folder) as renamed, pytest.raises(ProvenanceError, match="for a project with another id"):
        ledger.check(renamed)


def test_an_unsigned_entry_after_signed_ones_is_found(
    project: Project, monkeypatch: pytest.MonkeyPatch, move_away: Callable[[], None]
) -> None:
    move_away()
    write_as_before(monkeypatch)
    add(project, "prepared")
    with pytest.raises(ProvenanceError, match="log entry 6 isn't signed, but earlier ones are"):
        ledger.check(project)


def test_the_key_is_private_and_outside_of_the_project(project: Project, config_folder: Path) -> None:
    path = config_folder / "log-keys" / f"{project.id}.pem"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    path.chmod(0o640)
    with pytest.raises(ProvenanceError, match="can be read by others; run `chmod 600"):
        add(project, "prepared")
    path.chmod(0o600)
    path.write_bytes(b"none")
    with pytest.raises(ProvenanceError, match="no key can be read from"):
        add(project, "prepared")


def test_another_computer_says_so_and_signs_with_its_own_key(project: Project, move_away: Callable[[], None]) -> None:
    move_away()
    assert ledger.vouched_until(project) == 0
    assert [signer.is_known for signer in ledger.signers(project)] == [False]
    assert add(project, "prepared").number == 7
    last = list(ledger.entries(project))[5]
    first, second = ledger.signers(project)
    assert (last.event, last.key, last.facts) == ("key.added", second.key, {"fingerprint": second.name})
    assert (first.first, first.last, first.is_known) == (1, 5, False)
    assert (second.first, second.last, second.num_entries, second.is_known) == (6, 7, 2, True)
    assert add(project, "prepared").number == 8
    assert ledger.check(project, every_signature=True) == ledger.vouched_until(project) == 8


def test_the_first_computer_finds_what_another_one_added_and_no_change_of_its_own_part(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("COUNTENANCE_CONFIG", str(tmp_path / "elsewhere"))
        add(project, "prepared")
    assert ledger.check(project) == 7
    assert ledger.vouched_until(project) == 5
    assert [signer.is_known for signer in ledger.signers(project)] == [True, False]
    # It signs with its own key again, without another word on it.
    assert add(project, "prepared").number == 8
    assert ledger.vouched_until(project) == 8
    # The other's last signature covers this, but not the first computer's.
    rewrite(project, 3, event="something else")
    with pytest.raises(ProvenanceError, match="log entry 8 isn't signed by the key"):
        ledger.check(project)


def test_an_earlier_versions_log_gets_a_key_that_is_logged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    create(tmp_path / "old", use="film", title=None)
    with opened(tmp_path / "old") as project:
        with monkeypatch.context() as patch:
            write_as_before(patch)
            add(project, "prepared")
        assert ledger.check(project, every_signature=True) == ledger.vouched_until(project) == 1
        add(project, "trained")
        assert [entry.event for entry in ledger.entries(project)] == ["prepared", "key.added", "trained"]
        unsigned, own = ledger.signers(project)
        assert (unsigned.key, unsigned.name, unsigned.last, unsigned.is_known) == ("", "no key", 1, False)
        assert (own.first, own.last, own.is_known) == (2, 3, True)
        assert ledger.check(project, every_signature=True) == ledger.vouched_until(project) == 3


def test_time_is_the_later_of_the_clock_and_the_log(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    for time in ("2031-01-01T10:00:00+00:00", "2030-01-01T10:00:00+00:00"):
        monkeypatch.setattr(ledger, "now", lambda time=time: time)
        add(project, "prepared")
    assert ledger.time_now(project).isoformat() == "2031-01-01T10:00:00+00:00"
    monkeypatch.setattr(ledger, "now", lambda: "2032-01-01T10:00:00+00:00")
    assert ledger.time_now(project).isoformat() == "2032-01-01T10:00:00+00:00"


def test_a_time_that_is_none_is_told(project: Project) -> None:
    rewrite(project, 5, time="noon")
    with pytest.raises(ProvenanceError, match="log entry 5 should name a time, got 'noon'"):
        ledger.time_now(project)


def test_a_clock_that_was_set_back_is_told_when_the_next_entry_is_written(
    project: Project, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    add(project, "prepared")
    assert not caplog.messages
    monkeypatch.setattr(ledger, "now", lambda: "2020-01-01T10:00:00+00:00")
    add(project, "prepared")
    (note,) = caplog.messages
    assert "this computer's clock says less: consent is judged by the log's time" in note
    ledger.time_now(project)
    assert caplog.messages == [note, note]


def test_damaged_head_is_told(project: Project, config_folder: Path) -> None:
    head_path(config_folder, project).write_bytes(b"{")
    with pytest.raises(ProvenanceError, match="should say where the log ends"):
        ledger.check(project)


def test_head_that_cannot_be_written_is_told(project: Project, config_folder: Path) -> None:
    (config_folder / "heads").rename(config_folder / "away")
    (config_folder / "heads").write_bytes(b"")
    with pytest.raises(ProvenanceError, match="should say where the log ends"):
        add(project, "prepared")
    assert len(list(ledger.entries(project))) == 5


def test_id_that_leads_elsewhere_is_refused(project: Project) -> None:
    path = project.folder / SETTINGS_NAME
    path.write_text(path.read_text().replace(project.id, "../../elsewhere"))
    with opened(project.folder) as strange, pytest.raises(UsageError, match="should be a UUID"):
        add(strange, "prepared")


def test_damaged_database_is_told(project: Project) -> None:
    path = project.folder / "countenance.db"
    project.database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    root = project.database.execute("SELECT rootpage FROM sqlite_master WHERE name = 'log'").fetchone()[0]
    size = project.database.execute("PRAGMA page_size").fetchone()[0]
    project.database.close()
    with path.open("r+b") as file:
        file.seek((root - 1) * size)
        file.write(b"\xff" * size)
    with opened(project.folder) as damaged, pytest.raises(ProvenanceError, match="can't be read"):
        ledger.check(damaged)


def test_canonical_json_is_one_and_the_same() -> None:
    assert ledger.canonical_json({"b": [1, "ä"], "a": None}) == '{"a":null,"b":[1,"ä"]}'.encode()
    with pytest.raises(ValueError, match="JSON compliant"):
        ledger.canonical_json(float("nan"))


def test_full_disk_at_commit_leaves_a_usable_project(project: Project) -> None:
    pages = project.database.execute("PRAGMA page_count").fetchone()[0]
    project.database.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(sqlite3.OperationalError, match="full"):
        add(project, "prepared", much="x" * 1_000_000)
    project.database.execute("PRAGMA max_page_count = 1000000")
    assert add(project, "prepared").number == 6
    assert ledger.check(project) == 6


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_canonical_json_says_the_same_and_is_its_own_canonical_form(value: object) -> None:
    written = ledger.canonical_json(value)
    assert json.loads(written) == value
    assert ledger.canonical_json(json.loads(written)) == written


@given(st.dictionaries(st.text(), JSON, max_size=6), st.randoms())
def test_canonical_json_doesnt_depend_on_the_order_of_keys(value: dict[str, object], random: Random) -> None:
    names = list(value)
    random.shuffle(names)
    assert ledger.canonical_json({name: value[name] for name in names}) == ledger.canonical_json(value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_numbers_that_json_lacks_have_no_canonical_form(value: float) -> None:
    with pytest.raises(ValueError, match="Out of range"):
        ledger.canonical_json({"value": value})
