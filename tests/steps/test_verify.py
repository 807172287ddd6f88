import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from io import BufferedReader
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from countenance import ledger
from countenance.cli import verify as cli
from countenance.errors import MediaError
from countenance.media.probe import Fingerprint, take_fingerprint
from countenance.project import Project, create, opened
from countenance.provenance.credentials import Claim, Credentials, read_credentials
from countenance.provenance.keys import Trust
from countenance.provenance.publish import PublishConfig
from countenance.steps import verify as step
from countenance.steps.verify import Examination, report_page, verify
from countenance.types import Finding, Published, Report, Role
from tests.support.commands import called
from tests.support.publishing import publish_grey
from tests.support.unsigned import write_as_before
from tests.support.videos import grey


@pytest.fixture(autouse=True)
def config_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTENANCE_CONFIG", str(tmp_path / "config"))


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    create(tmp_path / "film", use="film", title=None)
    with opened(tmp_path / "film") as project:
        yield project


@pytest.fixture
def plate(tmp_path: Path) -> Path:
    path = tmp_path / "plate.png"
    Image.fromarray(np.full((256, 320, 3), 90, np.uint8)).save(path)
    return path


@pytest.fixture
def published(project: Project, plate: Path, tmp_path: Path) -> Published:
    config = PublishConfig(label=False, unlabelled_reason="credits name it")
    return publish_grey(project, plate, tmp_path / "shot.png", config)


def findings(report: Report) -> dict[str, Finding]:
    return {finding.about: finding for finding in report.findings}


def alter(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-40] ^= 1
    path.write_bytes(content)


def test_published_file_is_trusted_and_known(published: Published, project: Project) -> None:
    report = verify(published.path, project).report
    assert [finding.about for finding in report.findings] == ["credentials", "log", "edits", "watermark", "traces"]
    assert [finding.state for finding in report.findings] == ["trusted", "valid", "trusted", "trusted", "unnoticed"]
    found = findings(report)
    assert found["edits"].summary == "A face was replaced by a generated one in this picture."
    assert any("credits name it" in reason for reason in found["edits"].reasons)
    assert f"log entry {published.log_index}" in found["log"].summary
    assert report.sha256 == published.sha256


@pytest.mark.parametrize(
    ("synthetic", "num_releases", "words"),
    [
        ((), 2, []),
        (("likeness",), 2, ["by its release the likeness is a synthetic person, who exists nowhere"]),
        (("performer",), 3, ["by a release a performer is a synthetic person, who exists nowhere"]),
    ],
)
def test_who_is_synthetic_by_their_release_is_told(
    plate: Path,
    monkeypatch: pytest.MonkeyPatch,
    synthetic: tuple[Role, ...],
    num_releases: int,
    words: list[str],
) -> None:
    claim = Claim(
        num_frames=1,
        num_altered_frames=1,
        label="shown",
        label_reason="",
        model_digest="ab" * 32,
        salted_release_digests=("cd" * 32,) * num_releases,
        salted_permit_digest="ef" * 32,
        signed_at="2027-06-01T12:00:00+00:00",
        synthetic=synthetic,
    )
    monkeypatch.setattr(step, "read_credentials", lambda *_: Credentials(state="trusted", claim=claim))
    reasons = findings(verify(plate, None).report)["edits"].reasons
    assert [reason for reason in reasons if "synthetic" in reason] == words


def test_altered_file_is_invalid_and_unknown_to_the_log(published: Published, project: Project) -> None:
    alter(published.path)
    found = findings(verify(published.path, project).report)
    assert found["credentials"].state == "invalid"
    assert any("altered" in reason for reason in found["credentials"].reasons)
    assert found["log"].state == "unknown"
    assert found["edits"].state == "unknown"
    assert "don't hold" in found["edits"].summary


def test_elsewhere_the_signer_is_unknown_and_nothing_is_made(
    published: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COUNTENANCE_CONFIG", str(tmp_path / "elsewhere"))
    found = findings(verify(published.path, None).report)
    assert found["credentials"].state == "valid"
    assert "signer is unknown" in found["credentials"].summary
    assert found["log"].state == "missing"
    assert found["edits"].summary.startswith("An unknown signer states")
    assert not any((tmp_path / "elsewhere").rglob("*"))


def test_plain_file_proves_nothing_either_way(plate: Path, project: Project) -> None:
    found = findings(verify(plate, project).report)
    assert found["credentials"].state == found["edits"].state == "missing"
    assert "proves nothing either way" in found["credentials"].summary
    assert found["log"].state == "unknown"


def test_plate_is_told(published: Published, plate: Path, project: Project) -> None:
    assert published.path.exists()
    assert "plate" in findings(verify(plate, project).report)["log"].summary


def test_withdrawn_file_is_unknown(published: Published, project: Project) -> None:
    with project.transaction():
        ledger.append(project, "withdrawn", {"sha256": published.sha256, "published_entry": published.log_index})
    assert findings(verify(published.path, project).report)["log"].state == "unknown"


def test_a_log_that_was_changed_is_told(published: Published, project: Project) -> None:
    project.database.execute("UPDATE log SET entry = replace(entry, ?, ?)", (published.sha256, "0" * 64))
    finding = findings(verify(published.path, project).report)["log"]
    assert finding.state == "invalid"
    assert finding.reasons


@pytest.mark.parametrize("event", ["published", "withdrawn"])
def test_a_log_entry_without_its_facts_is_told(published: Published, project: Project, event: str) -> None:
    with project.transaction():
        ledger.append(project, event, {})
    finding = findings(verify(published.path, project).report)["log"]
    assert finding.state == "invalid"
    assert f"({event}) should hold" in finding.reasons[0]


def test_a_log_that_ends_where_the_file_was_signed_was_cut(published: Published, project: Project) -> None:
    """Found also where nobody remembers the log's end."""
    remembered = Path(os.environ["COUNTENANCE_CONFIG"], "heads", f"{project.id}.json")
    remembered.unlink()
    project.database.execute("DELETE FROM log WHERE number = ?", (published.log_index,))
    assert ledger.check(project) == published.log_index - 1
    finding = findings(verify(published.path, project).report)["log"]
    assert finding.state == "invalid"
    assert "and the log ends there: the entry of the file itself" in finding.reasons[0]


def test_a_log_that_was_another_one_before_the_file_is_told(
    published: Published, project: Project, tmp_path: Path
) -> None:
    """Somebody writes a log, with this computer's key even, in which a real file stands after other entries."""
    facts = list(ledger.entries(project))[-1].facts
    create(tmp_path / "forged", use="film", title=None)
    with opened(tmp_path / "forged") as forged:
        for event in ("prepared", "trained", "published"):
            with forged.transaction():
                ledger.append(forged, event, facts)
        finding = findings(verify(published.path, forged).report)["log"]
    assert finding.state == "invalid"
    assert "what came before the file was changed" in finding.reasons[0]


@pytest.mark.parametrize("is_signed", [True, False])
def test_of_a_forged_project_verify_says_that_its_log_is_unknown_here(
    published: Published, plate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_signed: bool
) -> None:
    create(tmp_path / "forged", use="film", title=None)
    with opened(tmp_path / "forged") as forged:
        with monkeypatch.context() as patch:
            patch.setenv("COUNTENANCE_CONFIG", str(tmp_path / "forger"))
            if not is_signed:
                write_as_before(patch)
            sha256 = hashlib.sha256(plate.read_bytes()).hexdigest()
            with forged.transaction():
                ledger.append(forged, "published", {"sha256": sha256, "plate_sha256": "ab" * 32})
        finding = findings(verify(plate, forged).report)["log"]
        (signer,) = ledger.signers(forged)
    assert published.path.exists()
    assert finding.state == "unknown"
    assert "this computer doesn't know that log: anybody can write one" in finding.summary
    assert (f"signed with the key {signer.name};" if is_signed else "isn't signed") in finding.reasons[0]


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_a_pipe_or_device_is_not_waited_for(tmp_path: Path, kind: str) -> None:
    path = Path("/dev/zero") if kind == "device" else tmp_path / "pipe.jpg"
    if kind == "pipe":
        os.mkfifo(path)
    with pytest.raises(MediaError, match=f"is a {kind}; save its content as a file"):
        verify(path, None)


def test_a_signed_file_that_can_no_longer_be_opened_is_told(
    published: Published, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(path: Path, _known: Fingerprint) -> None:
        raise MediaError(f"the picture {path} is truncated or damaged")

    assert findings(verify(published.path, project).report)["credentials"].reasons == ()
    monkeypatch.setattr(step, "probe", damaged)
    found = findings(verify(published.path, project).report)["credentials"]
    assert found.state == "trusted"
    (reason,) = found.reasons
    assert reason.startswith("the signature holds, but the file can't be opened: the picture")


@pytest.mark.parametrize("how", ["grown", "exchanged", "removed"])
def test_a_file_that_changes_while_it_is_checked_is_an_error(
    published: Published, plate: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """Else what is said of its log entry and of its credentials would be of two files."""
    real = read_credentials

    def read(path: Path, trust: Trust | None) -> Credentials:
        found = real(path, trust)
        if how == "grown":
            with path.open("ab") as file:
                file.write(b"more")
        else:
            plate.replace(path) if how == "exchanged" else path.unlink()
        return found

    monkeypatch.setattr(step, "read_credentials", read)
    with pytest.raises(MediaError, match="changed while it was checked; wait until it is whole") as caught:
        verify(published.path, None)
    assert caught.value.code == "media.unreadable"


def test_what_is_written_while_the_file_is_hashed_is_noticed(
    published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hashed(path: Path) -> Fingerprint:
        known = take_fingerprint(path)
        with path.open("ab") as file:
            file.write(b"more")
        return known

    monkeypatch.setattr(step, "take_fingerprint", hashed)
    with pytest.raises(MediaError, match="changed while it was checked"):
        verify(published.path, None)


def test_a_file_is_hashed_once(plate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    num_hashed = 0
    real = hashlib.file_digest

    def digest(file: BufferedReader, name: str) -> object:
        nonlocal num_hashed
        num_hashed += 1
        return real(file, name)

    monkeypatch.setattr(hashlib, "file_digest", digest)
    report = verify(plate, None).report
    assert num_hashed == 1
    assert report.sha256 == hashlib.sha256(plate.read_bytes()).hexdigest()


def test_of_what_is_not_read_it_is_told_what_it_is(plate: Path, tmp_path: Path) -> None:
    Image.open(plate).save(tmp_path / "plate.bmp")
    with pytest.raises(MediaError, match=r"plate\.bmp is a BMP picture; save it as PNG") as caught:
        verify(tmp_path / "plate.bmp", None)
    assert caught.value.code == "media.unreadable"
    (tmp_path / "empty.mp4").touch()
    with pytest.raises(MediaError, match="is empty; copy it anew"):
        verify(tmp_path / "empty.mp4", None)


@pytest.mark.parametrize("name", ["clip.mkv", "clip.ts"])
def test_files_of_kinds_that_carry_no_credentials_are_judged_by_the_rest(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    examination = verify(grey(path), None)
    found = findings(examination.report)
    assert examination.why_unopened is None
    assert found["credentials"].state == "missing"
    assert found["credentials"].reasons == ("files of this kind carry none that can be read here",)
    assert found["watermark"].state == "missing"
    assert "traces" in found


def test_a_page_does_not_tell_where_the_file_lay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home" / "ann"))
    path = tmp_path / "home" / "ann" / "clips" / "shot.mp4"
    finding = Finding(
        about="credentials",
        state="invalid",
        summary=f"{path} is damaged.",
        reasons=(f"can't read {path}", f"see {path.parent}/other", f"{path.parents[1]}/film: no access"),
        limits=(f"nothing in {path.parent}",),
    )
    examination = Examination(
        report=Report(path=path, sha256="ab" * 32, findings=(finding,)),
        facts=(("camera", "A"),),
        why_unopened=f"the video {path} is cut off",
    )
    page = report_page(examination, made_at=datetime.now(UTC))
    assert "the video shot.mp4 is cut off" in page
    assert "can&#39;t read shot.mp4" in page
    assert "~/film: no access" in page
    assert "home/ann" not in page
    assert str(tmp_path) not in page


def test_what_is_no_media_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(MediaError):
        verify(tmp_path / "notes.txt", None)
    with pytest.raises(MediaError, match="No such file"):
        verify(tmp_path / "none.mp4", None)
    with pytest.raises(MediaError, match="is a folder; give a file in it"):
        verify(tmp_path, None)


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str]]:
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str]:
        result = called(cli.verify, *arguments)
        return result.exit_code, result.stdout

    return run


def test_command_prints_words(published: Published, command: Callable[..., tuple[int, str]]) -> None:
    code, text = command(str(published.path))
    words = " ".join(text.split())
    assert code == 0
    assert "Credentials: trusted" in words
    assert "A face was replaced by a generated one in this picture." in words
    assert "No report can show that a file is genuine." in words


def test_command_prints_json(published: Published, command: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    os.chdir(tmp_path / "film")
    code, text = command(str(published.path), "--json")
    report = json.loads(text)
    assert code == 0
    assert report["sha256"] == published.sha256
    states = [finding["state"] for finding in report["findings"]]
    assert states == ["trusted", "valid", "trusted", "trusted", "unnoticed", "inconclusive"]


def test_command_ends_with_6_where_credentials_do_not_hold(
    published: Published, command: Callable[..., tuple[int, str]]
) -> None:
    alter(published.path)
    code, text = command(str(published.path))
    assert code == 6
    assert "does not hold" in text


def test_brackets_in_names_are_no_markup(
    published: Published, command: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    path = published.path.rename(tmp_path / "[red]shot[blue].png")
    assert "[red]shot[blue].png" in "".join(command(str(path))[1].split("\n"))


def test_the_command_s_module_imports_nothing_heavy() -> None:
    heavy = "{'torch', 'cv2', 'av', 'c2pa', 'cryptography', 'pydantic', 'numpy'}"
    script = f"import sys, countenance.cli.verify; print(sorted({heavy} & set(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_report_says_so_for_a_video(published: Published, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    real, num_decided = read_credentials, 0

    def as_video(path: Path, trust: Trust | None) -> Credentials:
        credentials = real(path, trust)
        assert credentials.claim is not None
        return replace(
            credentials,
            claim=replace(credentials.claim, num_frames=1200, num_altered_frames=93, num_decided_frames=num_decided),
        )

    monkeypatch.setattr(step, "read_credentials", as_video)
    summary = findings(verify(published.path, project).report)["edits"].summary
    assert summary == "A face was replaced by a generated one in 93 of 1,200 frames."
    num_decided = 12
    assert findings(verify(published.path, project).report)["edits"].summary == (
        "A face was replaced by a generated one in 93 of 1,200 frames "
        "(in 12 of them a user confirmed whose face it is)."
    )
