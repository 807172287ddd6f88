"""The manifest store, with entries that are made up; real ones are in tests/steps/test_origin.py."""

import json
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from countenance.errors import ProvenanceError
from countenance.provenance import store
from countenance.provenance.credentials import Credentials
from countenance.provenance.store import Entry

NUM_ENTRIES, MANIFEST_BYTES = 2000, 4096
MARK_ID = "00000000abcd"
ONE_FLAT_PICTURE = struct.pack("<3I", 1, 1, 1) + bytes(33)


def entry(number: int) -> Entry:
    return Entry(mark_id=MARK_ID, manifest=number.to_bytes(4) + bytes(MANIFEST_BYTES - 4), fingerprint=ONE_FLAT_PICTURE)


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with many entries, all of which hold."""
    monkeypatch.setattr(store, "held", lambda *_: Credentials(state="valid"))
    path = tmp_path / "shared.jsonl"
    with path.open("w") as file:
        file.write(json.dumps(store.FORMAT) + "\n")
        file.writelines(store._line(entry(number)) + "\n" for number in range(NUM_ENTRIES))
    return path


def most_held(work: Callable[[], object]) -> int:
    """The most bytes that Python held while it worked."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_entries_are_never_all_in_memory(shared: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.jsonl"
    few = NUM_ENTRIES * MANIFEST_BYTES / 8
    assert most_held(lambda: store.add_entries(shared, None)) < few
    assert most_held(lambda: store.export_entries(again, overwrite=False)) < few
    assert most_held(lambda: [each.digest for each in store.find(MARK_ID)]) < few
    assert again.read_bytes() == shared.read_bytes()
    assert [each.manifest[:4] for each in store.find(MARK_ID)] == [
        number.to_bytes(4) for number in reversed(range(NUM_ENTRIES))
    ]


def test_nobody_who_writes_waits_while_entries_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "BUSY_TIMEOUT_S", 0.05)
    store.add(entry(number) for number in range(200))
    found = store.find(MARK_ID)
    assert next(found) == entry(199)
    store.add([entry(200)])
    store.take_back(entry(198).digest)
    # What was removed meanwhile is gone; what is new is for the next search.
    assert [each.manifest[:4] for each in found] == [number.to_bytes(4) for number in reversed(range(198))]


def test_a_file_that_changes_between_the_check_and_the_adding_adds_nothing(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = shared.read_text().splitlines(keepends=True)

    def exchange(checked: Entry, _trust: object) -> None:
        if checked == entry(NUM_ENTRIES - 1):
            shared.write_text("".join([*lines[:-1], store._line(entry(NUM_ENTRIES)) + "\n"]))

    monkeypatch.setattr(store, "held", exchange)
    with pytest.raises(ProvenanceError, match="changed while it was read; nothing was added"):
        store.add_entries(shared, None)
    assert list(store.find(MARK_ID)) == []
