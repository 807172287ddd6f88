import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from countenance import ledger
from countenance.cli import app as cli
from countenance.consent.document import read_release, write_document
from countenance.consent.drafting import new_revocation
from countenance.project import create, opened
from tests.support.signing import Production
from tests.support.unsigned import write_as_before

Command = Callable[..., Any]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with three log entries, and where the user is."""
    create(tmp_path / "film", use="film", title=None)
    monkeypatch.chdir(tmp_path / "film")
    log("prepared", "trained", "published")
    return tmp_path / "film"


@pytest.fixture
def production(tmp_path: Path) -> Iterator[Production]:
    (tmp_path / "documents").mkdir()
    create(tmp_path / "winter", use="film", title=None)
    with opened(tmp_path / "winter") as project:
        yield Production(project=project, folder=tmp_path / "documents")


@pytest.fixture
def run() -> Command:
    return lambda *words: CliRunner().invoke(cli.app, words)


def log(*events: str) -> None:
    with opened(Path.cwd()) as project:
        for event in events:
            with project.transaction():
                ledger.append(project, event, {"person": "dana"})


def test_check_says_whose_keys_signed(
    folder: Path, run: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert folder.exists()
    told = run("log", "check").stderr
    assert "Entries: 3. None is altered, missing or out of order." in told
    assert "this computer: entries 1 to 3." in told
    monkeypatch.setenv("COUNTENANCE_CONFIG", str(tmp_path / "elsewhere"))
    told = run("log", "check").stderr
    assert "another computer, whose key is unknown here: entries 1 to 3." in told
    assert "This computer never wrote to this log, so it is unknown who did, and whether the end is missing." in told
    log("prepared")
    told = run("log", "check").stderr
    assert "unknown here: entries 1 to 3." in told
    assert "this computer: entries 4 to 5." in told
    assert "never wrote" not in told


def test_the_first_computer_sees_what_others_added(
    folder: Path, run: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("COUNTENANCE_CONFIG", str(tmp_path / "elsewhere"))
        log("prepared")
    told = run("log", "check").stderr
    assert "This computer knows the log up to entry 3; others added the rest." in told
    log("prepared")
    ended = run("log", "check", "--json")
    own, other = json.loads(ended.stdout)["signers"]
    assert (own["is_this_computer"], own["entries"], own["first"], own["last"]) == (True, 4, 1, 6)
    assert (other["is_this_computer"], other["entries"], other["first"], other["last"]) == (False, 2, 4, 5)
    assert "entries 1 to 6 (4 of them)." in ended.stderr
    assert folder.exists()


def test_an_earlier_versions_entries_are_not_signed(
    tmp_path: Path, run: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(tmp_path / "old", use="film", title=None)
    monkeypatch.chdir(tmp_path / "old")
    with monkeypatch.context() as patch:
        write_as_before(patch)
        log("prepared")
    log("trained")
    ended = run("log", "check", "--json")
    assert "Not signed, by an earlier version: entry 1." in ended.stderr
    assert json.loads(ended.stdout)["signers"][0]["key"] is None
    assert "key.added" in run("log", "show").stdout


def test_an_exported_log_is_an_anchor(folder: Path, run: Command, tmp_path: Path) -> None:
    head = tmp_path / "head.json"
    ended = run("log", "export", "--head-only", "--output", str(head), "--json")
    written = json.loads(ended.stdout)
    assert (written["entries"], written["whole"]) == (3, False)
    assert written["digest"] in ended.stderr
    whole = run("log", "export", "--output", str(tmp_path / "log.jsonl"))
    assert "Wrote the log with 3 lines and its head to" in whole.stderr
    log("prepared")
    ended = run("log", "check", "--anchor", str(head), "--anchor", str(tmp_path / "log.jsonl"), "--json")
    assert [anchor["entry"] for anchor in json.loads(ended.stdout)["anchors"]] == [3, 3]
    assert f"The log goes on from {head} (a head that was exported): entry 3." in ended.stderr
    again = run("log", "export", "--output", str(head))
    assert (again.exit_code, "is there already" in again.stderr) == (2, True)
    with opened(folder) as project:
        project.database.execute("DELETE FROM log WHERE number >= 3")
        ledger._head_path(project).unlink()
    assert run("log", "check").exit_code == 0
    cut = run("log", "check", "--anchor", str(head))
    assert cut.exit_code == 6
    assert "doesn't go on from" in cut.stderr


def test_a_revocation_of_a_release_that_is_not_here_is_kept(
    production: Production, run: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = production.signed(production.draft("dana"))
    path = production.folder / "dana.revocation.toml"
    write_document(path, new_revocation(read_release(release), production.key("dana")), overwrite=False)
    monkeypatch.chdir(production.project.folder)
    ended = run("release", "add", str(path), "--json")
    assert ended.exit_code == 0
    assert "Kept: this project doesn't have that release." in ended.stderr
    assert (json.loads(ended.stdout)["new"], json.loads(ended.stdout)["in_project"]) == (True, False)
    refused = run("release", "add", str(release))
    assert refused.exit_code == 3
    assert "was revoked on" in refused.stderr
