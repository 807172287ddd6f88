"""Several files at once, and pages, through the command."""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from countenance.cli import verify as cli
from countenance.errors import UsageError
from countenance.forensics.traces import traces_of
from countenance.forensics.words import QUESTIONS
from countenance.project import create, opened
from countenance.types import FindingState
from tests.support.commands import called
from tests.support.publishing import publish_grey

Command = Callable[..., tuple[int, str]]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.setenv("COUNTENANCE_CONFIG", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str]:
        result = called(cli.verify, *arguments)
        return result.exit_code, result.stdout

    return run


@pytest.fixture
def files(tmp_path: Path, command: Command) -> Path:  # noqa: ARG001
    """A folder with a picture, one below it, a text, and what only its name makes a picture."""
    folder = tmp_path / "files"
    (folder / "below").mkdir(parents=True)
    for name, shade in (("plain.png", 90), ("below/other.png", 20)):
        Image.fromarray(np.full((256, 320, 3), shade, np.uint8)).save(folder / name)
    (folder / "notes.txt").write_text("no picture")
    return folder


def publish(folder: Path, *, is_altered: bool) -> None:
    create(folder / "film", use="film", title=None)
    with opened(folder / "film") as project:
        published = publish_grey(project, folder / "files" / "plain.png", folder / "files" / "shot.png")
    if is_altered:
        content = bytearray(published.path.read_bytes())
        content[-40] ^= 1
        published.path.write_bytes(content)


@pytest.mark.usefixtures("files")
def test_a_folder_becomes_one_table(command: Command) -> None:
    code, text = command("files")
    assert code == 0
    table = text[text.rindex("File ") :]
    for title in ("Credentials", "Edits", "Watermark"):
        assert title in table
    assert "Log" not in table
    rows = [line for line in table.splitlines() if ".png" in line]
    assert [row.split()[0] for row in rows] == ["files/plain.png", "files/below/other.png"]
    assert "notes.txt" not in text
    assert "– none" in rows[0]
    assert "2 files, 0 of them not opened or not read." in text
    assert text.count("No report can show that a file is genuine.") == 1


@pytest.mark.usefixtures("files")
def test_all_findings_are_shown_of_a_few_files_only(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "What this can't tell:" in command("files")[1]
    monkeypatch.setattr(cli, "FEW", 1)
    assert "What this can't tell:" not in command("files")[1]


def test_what_cannot_be_read_is_a_line_and_the_others_go_on(files: Path, command: Command) -> None:
    (files / "broken.jpg").write_text("no picture")
    (files / "half.png").write_bytes((files / "plain.png").read_bytes()[:-30])
    code, text = command("files", "files/notes.txt", "lost.mp4")
    words = " ".join(text.split())
    assert code == 4
    for name in ("broken.jpg", "notes.txt", "lost.mp4"):
        assert any(line.startswith("Not read: ") and name in line for line in text.splitlines())
    assert any(line.startswith("Not opened: ") and "half.png" in line for line in text.splitlines())
    assert "6 files, 4 of them not opened or not read." in words
    assert "files/below/other.png" in words


@pytest.mark.usefixtures("files")
def test_what_does_not_hold_counts_before_what_cannot_be_read(command: Command, tmp_path: Path) -> None:
    publish(tmp_path, is_altered=True)
    code, text = command("files", "lost.mp4")
    assert code == 6
    (row,) = [line for line in text[text.rindex("File ") :].splitlines() if line.startswith("files/shot.png")]
    assert "✗ does not" in row


@pytest.mark.usefixtures("files")
def test_a_table_in_a_project_has_its_log(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(tmp_path, is_altered=False)
    monkeypatch.chdir(tmp_path / "film")
    code, text = command("../files")
    assert code == 0
    table = text[text.rindex("File ") :]
    assert "Log" in table
    (row,) = [line for line in table.splitlines() if "shot.png" in line]
    assert "✓ holds" in row


@pytest.mark.usefixtures("files")
def test_several_files_are_one_document_and_one_file_is_as_before(command: Command) -> None:
    code, text = command("files", "lost.mp4", "--json")
    document = json.loads(text)
    assert code == 4
    assert set(document) == {"files", "complete"}
    assert document["complete"] is True
    plain, other, lost = document["files"]
    assert (plain["path"], other["path"]) == ("files/plain.png", "files/below/other.png")
    assert lost["path"] == "lost.mp4"
    assert lost["error"]["code"] == "media.missing"
    code, text = command("files/plain.png", "--json")
    assert code == 0
    assert json.loads(text) == plain


def test_an_empty_folder_is_told(files: Path, command: Command) -> None:
    (files / "below" / "other.png").unlink()
    code, text = command("files/below")
    assert code == 4
    assert "no video or picture is in the folder files/below" in text


@pytest.mark.usefixtures("files")
def test_one_file_s_page(command: Command, tmp_path: Path) -> None:
    code, text = command("files/plain.png", "--html", "report.html")
    page = (tmp_path / "report.html").read_text()
    assert code == 0
    assert "Credentials: none" in text
    assert "data:image/jpeg;base64," in page
    assert QUESTIONS["credentials"][1] in page
    assert (tmp_path / "report.html").stat().st_mode & 0o777 == 0o600
    with pytest.raises(UsageError, match=r"report\.html exists already"):
        command("files/plain.png", "--html", "report.html")
    assert command("files/plain.png", "--html", "report.html", "--overwrite")[0] == 0


def test_several_files_have_a_list_and_a_page_each(files: Path, command: Command, tmp_path: Path) -> None:
    (files / "a <b>&.png").write_bytes((files / "plain.png").read_bytes())
    code, _ = command("files", "lost.mp4", "--html", "report.html")
    assert code == 4
    page = (tmp_path / "report.html").read_text()
    names = sorted(path.name for path in (tmp_path / "report-files").iterdir())
    assert names == ["0001-a--b---png.html", "0002-plain-png.html", "0003-other-png.html"]
    assert all(f'href="report-files/{name}"' in page for name in names)
    assert "lost.mp4" in page
    with pytest.raises(UsageError, match="exists already"):
        command("files", "--html", "report.html")


@pytest.mark.parametrize("page", ["report.pdf", "nowhere/report.html"])
def test_where_no_page_can_be_nothing_is_begun(files: Path, command: Command, page: str) -> None:
    with pytest.raises(UsageError):
        command("files", "--html", page)
    assert not (files.parent / "report-files").exists()


def test_a_name_that_is_no_text_is_no_reason_to_fail(files: Path, command: Command) -> None:
    path = files / "odd\udcff.png"
    path.write_bytes((files / "plain.png").read_bytes())
    code, text = command("files", "--html", "report.html")
    assert code == 0
    assert "odd" in text
    assert len(json.loads(command("files", "--json")[1])["files"]) == 3


def test_in_a_narrow_terminal_no_word_is_cut(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("countenance.cli.tables.WIDE", 80)
    states: tuple[FindingState, ...] = ("invalid", "unknown", "trusted", "trusted", "unnoticed", "inconclusive")
    widest = dict(zip(QUESTIONS, states, strict=True))
    cli._show_table([cli._Row(path=Path("downloads/a_very_long_name_of_a_file.mp4"), states=widest)])
    shown = capsys.readouterr().out
    assert max(len(line) for line in shown.splitlines()) <= 80
    assert set(re.findall(r"[a-z]+", shown)) >= {
        *("does", "not", "hold", "unknown", "face", "replaced", "found", "nothing", "noticed", "inconclusive")
    }
    assert "Signal" in shown


@pytest.mark.usefixtures("files")
def test_a_batch_that_is_stopped_shows_what_was_done(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = iter([False, True])
    monkeypatch.setattr(cli, "stops_on_interrupt", lambda: nullcontext(lambda: next(asked)))
    code, text = command("files", "--json")
    assert code == 130
    document = json.loads(text)
    assert (len(document["files"]), document["complete"]) == (1, False)


def test_a_file_that_arrives_meanwhile_is_no_stop(
    files: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = cli._files_of
    asked: list[int] = []

    def found(paths: Sequence[Path]) -> Iterator[tuple[Path, str | None]]:
        if asked:
            (files / "late.png").write_bytes((files / "plain.png").read_bytes())
        asked.append(1)
        return real(paths)

    monkeypatch.setattr(cli, "_files_of", found)
    code, text = command("files", "--json")
    document = json.loads(text)
    assert (code, len(document["files"]), document["complete"]) == (0, 3, True)


@pytest.mark.usefixtures("files")
def test_a_bug_at_one_file_does_not_lose_the_others(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    real = traces_of

    def failing(path: Path) -> object:
        if path.name == "plain.png":
            raise ZeroDivisionError("by nothing")
        return real(path)

    monkeypatch.setattr("countenance.steps.verify.traces_of", failing)
    code, text = command("files")
    words = " ".join(text.split())
    assert code == 4
    assert "Not read: files/plain.png can't be judged: a bug in Countenance (ZeroDivisionError: by nothing)" in words
    assert "files/below/other.png" in words


@pytest.mark.usefixtures("files")
def test_what_is_wrong_with_a_file_is_not_taken_for_the_project_s_fault(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(tmp_path, is_altered=False)
    monkeypatch.chdir(tmp_path / "film")
    asked = []

    def failing(path: Path) -> object:
        asked.append(path)
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("countenance.steps.verify.traces_of", failing)
    code, text = command("../files/plain.png", "../files/shot.png")
    assert code == 4
    assert "can't be read: Input/output error" in " ".join(text.split())
    assert len(asked) == 2


def test_a_list_does_not_tell_where_the_files_lay(files: Path, command: Command, tmp_path: Path) -> None:
    (files / "broken.jpg").write_text("no picture")
    assert command(str(files), str(tmp_path / "lost.mp4"), "--html", "report.html")[0] == 4
    page = (tmp_path / "report.html").read_text()
    for shown in (
        "files/below/other.png",
        "files/broken.jpg is not a video or picture that can be read",
        "can&#39;t read lost.mp4",
    ):
        assert shown in page
    assert str(tmp_path) not in page


def test_pages_of_an_earlier_list_are_removed(files: Path, command: Command, tmp_path: Path) -> None:
    command("files", "--html", "report.html")
    (tmp_path / "report-files" / "notes.html").write_text("mine")
    (files / "below" / "other.png").unlink()
    command("files", "--html", "report.html", "--overwrite")
    names = sorted(path.name for path in (tmp_path / "report-files").iterdir())
    assert names == ["0001-plain-png.html", "notes.html"]


@pytest.mark.usefixtures("files")
def test_what_is_wrong_with_a_page_names_its_option(command: Command, tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("mine")
    with pytest.raises(UsageError, match="choose another --html"):
        command("files/plain.png", "--html", "report.html")
