"""What shows that a log was cut or changed on a computer that knows nothing of it."""

import json
import shutil
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from countenance import ledger
from countenance.errors import MediaError, ProvenanceError, UsageError
from countenance.project import Project, create, opened
from countenance.provenance.anchor import MAX_BYTES, Anchor, check_anchor, export_log, read_anchor
from countenance.provenance.credentials import Claim, sign
from countenance.provenance.keys import load_or_make_identity
from tests.support.timestamp import CONTENT, DIGEST, ROOT_PEM, TOKEN
from tests.support.unsigned import write_as_before


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """A project with four log entries."""
    create(tmp_path / "film", use="film", title=None)
    with opened(tmp_path / "film") as project:
        for number in range(1, 5):
            add(project, f"event {number}")
        yield project


@pytest.fixture
def move_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Brings the project to a computer that knows nothing of it."""
    return lambda: monkeypatch.setenv("COUNTENANCE_CONFIG", str(tmp_path / "elsewhere"))


def add(project: Project, event: str) -> ledger.LogEntry:
    with project.transaction():
        return ledger.append(project, event, {"person": "dana"})


def exported(project: Project, path: Path, *, head_only: bool = False) -> Anchor:
    export_log(project, path, head_only=head_only, overwrite=False)
    return read_anchor(path, None)


@pytest.mark.parametrize("head_only", [False, True])
def test_a_log_goes_on_from_its_export(
    project: Project, tmp_path: Path, head_only: bool, move_away: Callable[[], None]
) -> None:
    anchor = exported(project, tmp_path / "log.jsonl", head_only=head_only)
    add(project, "event 5")
    move_away()
    assert check_anchor(project, anchor) == anchor.number == 4


@pytest.mark.parametrize("head_only", [False, True])
@pytest.mark.parametrize("first_cut", [1, 4])
def test_a_cut_end_is_found_on_any_computer(
    project: Project, tmp_path: Path, head_only: bool, first_cut: int, move_away: Callable[[], None]
) -> None:
    anchor = exported(project, tmp_path / "log.jsonl", head_only=head_only)
    move_away()
    project.database.execute("DELETE FROM log WHERE number >= ?", (first_cut,))
    assert ledger.check(project) == first_cut - 1
    with pytest.raises(ProvenanceError, match=r"doesn't go on from .*: entry 4 isn't in it; its end was cut off"):
        check_anchor(project, anchor)
    # Also where somebody goes on from there with a key of their own.
    while add(project, "another").number < 6:
        pass
    assert ledger.check(project, every_signature=True) >= 6
    with pytest.raises(ProvenanceError, match="entry 4 isn't in it; it was changed since"):
        check_anchor(project, anchor)


def test_a_log_that_was_written_anew_with_the_true_key_is_found(project: Project, tmp_path: Path) -> None:
    anchor = exported(project, tmp_path / "head.json", head_only=True)
    project.database.execute("DELETE FROM log")
    (tmp_path / "config" / "heads" / f"{project.id}.json").unlink()
    for number in range(1, 8):
        add(project, f"another event {number}")
    assert ledger.check(project) == ledger.vouched_until(project) == 7
    with pytest.raises(ProvenanceError, match="entry 4 isn't in it"):
        check_anchor(project, anchor)


def test_an_older_copy_is_found(project: Project, tmp_path: Path, move_away: Callable[[], None]) -> None:
    project.database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copytree(project.folder, tmp_path / "copy")
    add(project, "release.revoked")
    anchor = exported(project, tmp_path / "log.jsonl")
    move_away()
    with opened(tmp_path / "copy") as copy:
        assert ledger.check(copy) == 4
        with pytest.raises(ProvenanceError, match="an older or another copy"):
            check_anchor(copy, anchor)


def test_an_export_is_the_whole_log_and_can_be_checked_by_itself(project: Project, tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    written = export_log(project, path, head_only=False, overwrite=False)
    *lines, last = map(json.loads, path.read_text().splitlines())
    assert [line["entry"]["number"] for line in lines] == [1, 2, 3, 4]
    assert all(
        ledger.LogEntry(**line["entry"], digest=line["digest"]) == entry
        for line, entry in zip(lines, ledger.entries(project), strict=True)
    )
    assert last["head"]["digest"] == lines[-1]["digest"] == written.head.digest
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_head_names_nobody(project: Project, tmp_path: Path) -> None:
    exported(project, tmp_path / "head.json", head_only=True)
    assert "dana" not in (tmp_path / "head.json").read_text()


def test_an_export_overwrites_only_what_it_is_told_to(project: Project, tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text("mine")
    with pytest.raises(UsageError, match="is there already"):
        export_log(project, path, head_only=False, overwrite=False)
    assert path.read_text() == "mine"
    assert export_log(project, path, head_only=False, overwrite=True).head.number == 4


def test_a_log_that_does_not_hold_or_ends_unsigned_is_not_exported(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.database.execute("UPDATE log SET entry = replace(entry, 'dana', 'kim') WHERE number = 2")
    with pytest.raises(ProvenanceError, match="log entry 2 was altered"):
        export_log(project, tmp_path / "log.jsonl", head_only=False, overwrite=False)
    create(tmp_path / "old", use="film", title=None)
    with opened(tmp_path / "old") as old:
        write_as_before(monkeypatch)
        add(old, "prepared")
        with pytest.raises(ProvenanceError, match="ends without a signature"):
            export_log(old, tmp_path / "log.jsonl", head_only=False, overwrite=False)
    assert not (tmp_path / "log.jsonl").exists()


def test_an_altered_head_and_one_of_another_project_are_told(project: Project, tmp_path: Path) -> None:
    path = tmp_path / "head.json"
    anchor = exported(project, path, head_only=True)
    create(tmp_path / "other", use="film", title=None)
    with opened(tmp_path / "other") as other, pytest.raises(UsageError, match="is of the project with the id"):
        check_anchor(other, anchor)
    content = path.read_text()
    path.write_text(content.replace('"number":4', '"number":3'))
    with pytest.raises(ProvenanceError, match="altered since it was signed"):
        read_anchor(path, None)
    numbers = [content.replace('"number":4', f'"number":{wrong}') for wrong in ("1e999", "4.0", '"4"', "null")]
    for wrong in ("{}", '{"head": 7}', "{" * 9, content.replace('"key"', '"kay"'), *numbers):
        path.write_text(wrong)
        with pytest.raises(ProvenanceError, match="expected the head of a log"):
            read_anchor(path, None)
    with pytest.raises(UsageError, match="can't read"):
        read_anchor(tmp_path / "none", None)


def test_of_a_long_file_only_the_end_is_read(project: Project, tmp_path: Path) -> None:
    path = tmp_path / "head.json"
    exported(project, path, head_only=True)
    content = path.read_bytes()
    with path.open("wb") as file:
        file.write(b"{")
        # Of it the disk has nothing.
        file.seek(2**34)
        file.write(b"\n" + content)
    tracemalloc.start()
    try:
        assert check_anchor(project, read_anchor(path, None)) == 4
        path.write_bytes(content.rstrip() + b" " * 2 * MAX_BYTES)
        with pytest.raises(ProvenanceError, match="expected the head of a log"):
            read_anchor(path, None)
        assert tracemalloc.get_traced_memory()[1] < 8 * MAX_BYTES
    finally:
        tracemalloc.stop()


# A published file.


@pytest.fixture
def publish(project: Project, claim: Claim, tmp_path: Path) -> Callable[..., Path]:
    """Signs a picture whose credentials name the log's head."""

    def run(**changes: object) -> Path:
        plate, output = tmp_path / "plate.png", tmp_path / "shot.png"
        Image.fromarray(np.full((32, 32, 3), 90, np.uint8)).save(plate)
        head = ledger.stored_head(project)
        assert head is not None
        fields = {"log_number": head.number, "log_digest": head.digest} | changes
        values = {name: getattr(claim, name) for name in claim.__dataclass_fields__} | fields
        sign(plate, plate, output, Claim(**values), load_or_make_identity())
        return output

    return run


def test_a_published_file_is_an_anchor(
    project: Project, publish: Callable[..., Path], move_away: Callable[[], None]
) -> None:
    path = publish()
    add(project, "published")
    move_away()
    # Its signer is unknown here; what counts is that the file was kept.
    assert check_anchor(project, read_anchor(path, None)) == 4
    project.database.execute("DELETE FROM log WHERE number >= 4")
    with pytest.raises(ProvenanceError, match=r"\(a file that was published\): entry 4 isn't in it"):
        check_anchor(project, read_anchor(path, None))


def test_a_file_that_names_no_head_or_was_altered_is_none(publish: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(ProvenanceError, match="no credentials that hold and name a log's head"):
        read_anchor(publish(log_number=0, log_digest=""), None)
    path = publish()
    content = bytearray(path.read_bytes())
    content[-40] ^= 1
    path.write_bytes(content)
    with pytest.raises(ProvenanceError, match="no credentials that hold"):
        read_anchor(path, None)
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(MediaError):
        read_anchor(tmp_path / "notes.txt", None)


# An authority's timestamp.


@pytest.fixture
def stamped(tmp_path: Path) -> Iterator[Project]:
    """A project whose log's only entry was stamped."""
    create(tmp_path / "stamped", use="film", title=None)
    with opened(tmp_path / "stamped") as project:
        project.database.execute("INSERT INTO log (number, entry, digest) VALUES (1, ?, ?)", (CONTENT, DIGEST))
        yield project


@pytest.fixture
def token(tmp_path: Path) -> tuple[Path, Path]:
    """The timestamp and the authority's certificate."""
    (tmp_path / "head.tsr").write_bytes(TOKEN)
    (tmp_path / "root.pem").write_text(ROOT_PEM)
    return tmp_path / "head.tsr", tmp_path / "root.pem"


def test_a_log_goes_on_from_a_timestamp(stamped: Project, token: tuple[Path, Path]) -> None:
    assert ledger.check(stamped) == 1
    add(stamped, "prepared")
    anchor = read_anchor(*token)
    assert anchor.what.startswith("a timestamp of 20")
    assert check_anchor(stamped, anchor) == 1


def test_a_log_that_is_not_the_one_that_was_stamped_is_found(project: Project, token: tuple[Path, Path]) -> None:
    with pytest.raises(ProvenanceError, match="its entry isn't in it"):
        check_anchor(project, read_anchor(*token))


def test_a_timestamp_needs_its_authority(token: tuple[Path, Path], tmp_path: Path) -> None:
    path, root = token
    with pytest.raises(UsageError, match="add --certificate"):
        read_anchor(path, None)
    with pytest.raises(UsageError, match="can't read"):
        read_anchor(path, tmp_path / "none.pem")
    with pytest.raises(UsageError, match="expected a certificate"):
        read_anchor(path, path)
    (tmp_path / "long").write_bytes(TOKEN + bytes(MAX_BYTES))
    with pytest.raises(ProvenanceError, match="is no timestamp, of which none is that large"):
        read_anchor(tmp_path / "long", root)
    with pytest.raises(UsageError, match="expected a certificate"):
        read_anchor(path, tmp_path / "long")
    other = tmp_path / "other.pem"
    other.write_text(load_or_make_identity().trust.anchor_pem)
    with pytest.raises(ProvenanceError, match="is no timestamp by the authority of"):
        read_anchor(path, other)
    for position in (len(TOKEN) // 3, len(TOKEN) - 9):
        flipped = bytearray(TOKEN)
        flipped[position] ^= 1
        path.write_bytes(flipped)
        with pytest.raises(ProvenanceError, match="is no timestamp by the authority of"):
            read_anchor(path, root)
