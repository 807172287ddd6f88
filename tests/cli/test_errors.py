"""What the command line makes of errors: a line for people, a document for programs, an exit code for both."""

import json
import logging
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock
from typer.testing import CliRunner, Result

from countenance import ledger
from countenance.bugs import BUG_REPORT_NAME
from countenance.cli.app import app
from countenance.cli.shell import show_log
from countenance.errors import ProvenanceError
from countenance.project import create


@pytest.fixture
def film(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project, in which commands run."""
    create(tmp_path / "film", use="film", title=None)
    monkeypatch.chdir(tmp_path / "film")
    return tmp_path / "film"


@pytest.fixture(autouse=True)
def quiet_again() -> Iterator[None]:
    yield
    show_log(verbose=False)


def run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def failing(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """Checking the log raises this."""

    def fail(*_: object, **__: object) -> int:
        raise error

    monkeypatch.setattr(ledger, "check", fail)


@pytest.mark.parametrize(
    ("words", "code", "exit_code", "facts"),
    [
        ("prepare dana", "consent.release_missing", 3, {"person": "dana"}),
        ("prepare dana --set prepare.max_faces=-5", "usage.setting", 2, {"setting": "prepare.max_faces"}),
        ("prepare dana --set prepare.foo=1", "usage.setting", 2, {"setting": "prepare.foo"}),
        ("collect dana lost.mp4", "media.missing", 4, {"path": "lost.mp4"}),
        ("collect dana countenance.toml", "media.unreadable", 4, {}),
        ("verify lost.mp4", "media.missing", 4, {"path": "lost.mp4"}),
        ("verify --foo", "usage.command_line", 2, {}),
        ("nonsense", "usage.command_line", 2, {}),
    ],
)
@pytest.mark.usefixtures("film")
def test_with_json_an_error_is_a_document(words: str, code: str, exit_code: int, facts: dict[str, str]) -> None:
    plain, told = run(*words.split()), run(*words.split(), "--json")
    document = json.loads(told.stdout)["error"]
    assert (document["code"], document["exit_code"], document["facts"]) == (code, exit_code, facts)
    assert plain.exit_code == told.exit_code == exit_code
    # People get the same line either way, and without --json nothing stands where the result would.
    assert (plain.stdout, plain.stderr) == ("", told.stderr)
    assert document["message"].lower() in " ".join(told.stderr.split()).lower()


def test_outside_of_a_project_and_while_another_command_writes(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with FileLock(film / ".countenance.lock"):
        document = json.loads(run("prepare", "dana", "--json").stdout)["error"]
    assert (document["code"], document["facts"]) == ("usage.project_locked", {"project": str(film)})
    monkeypatch.chdir(film.parent)
    document = json.loads(run("prepare", "dana", "--json").stdout)["error"]
    assert (document["code"], document["facts"]) == ("usage.no_project", {"folder": str(film.parent)})


@pytest.mark.usefixtures("film")
@pytest.mark.parametrize(
    ("error", "code", "exit_code"),
    [
        (ProvenanceError("log entry 2 was altered"), "provenance", 6),
        (sqlite3.OperationalError("disk I/O error"), "system.database", 4),
        (OSError(28, "No space left on device", "film.db"), "system.file", 4),
        (KeyboardInterrupt(), "stopped", 130),
    ],
)
def test_what_the_system_does_has_its_code(
    error: Exception, code: str, exit_code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(error, monkeypatch)
    ended = run("log", "check", "--json")
    document = json.loads(ended.stdout)["error"]
    assert (ended.exit_code, document["code"], document["exit_code"]) == (exit_code, code, exit_code)


@pytest.mark.usefixtures("film")
def test_a_bug_is_one_line_with_the_way_to_report_it(config_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(TypeError("'NoneType' object\nis not subscriptable"), monkeypatch)
    ended = run("log", "check", "--json")
    report = config_folder / BUG_REPORT_NAME
    assert ended.exit_code == 70
    (line,) = ended.stderr.splitlines()
    assert line.startswith("error: this is a bug in Countenance")
    assert "TypeError: 'NoneType' object is not subscriptable; please report it" in line
    assert str(report) in line
    assert json.loads(ended.stdout)["error"]["code"] == "bug"
    assert report.stat().st_mode & 0o777 == 0o600
    content = report.read_text()
    assert "Traceback" in content
    assert "in fail" in content
    assert content.startswith("countenance 0.")
    # With --verbose it is on the console as well.
    assert "Traceback" not in ended.stderr
    assert "Traceback" in run("--verbose", "log", "check").stderr


@pytest.mark.usefixtures("film")
def test_a_bug_that_cannot_be_noted_is_reported_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    failing(TypeError("oh"), monkeypatch)
    monkeypatch.setenv("COUNTENANCE_CONFIG", "/proc/nowhere")
    ended = run("log", "check")
    assert ended.exit_code == 70
    assert "with what `countenance --verbose` prints" in ended.stderr


def test_verbose_shows_what_is_opened_and_notes_are_shown_once(film: Path) -> None:
    assert run("log", "check").stderr.count("project") == 0
    told = run("-v", "log", "check").stderr
    assert f"project: project {film}" in told
    show_log(verbose=False)
    logger = logging.getLogger("countenance.test")
    with CliRunner().isolation() as (_, errors, _):
        for _ in range(2):
            logger.warning("a \x1b[31mred\nname")
        logger.info("silent")
        assert errors.getvalue().decode() == "note: a  [31mred name\n"
