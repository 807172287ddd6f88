"""What `verify` says of a file's time, of what it was made from, and in C2PA's own form."""

import json
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from countenance.cli import verify as cli
from countenance.errors import ProvenanceError, UsageError
from countenance.project import Project, create, opened
from countenance.provenance.credentials import Credentials, Timestamp, read_credentials
from countenance.provenance.keys import TIMESTAMP_NAME, Trust
from countenance.provenance.publish import PublishConfig
from countenance.steps import verify as step
from countenance.steps.verify import verify
from tests.support.authorities import timestamp_authority
from tests.support.commands import called
from tests.support.publishing import publish_grey


@pytest.fixture(autouse=True)
def config_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COUNTENANCE_CONFIG", str(tmp_path / "config"))
    return tmp_path / "config"


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
def shot(project: Project, plate: Path, tmp_path: Path) -> Path:
    return publish_grey(project, plate, tmp_path / "shot.png").path


def told(path: Path, about: str = "credentials") -> str:
    (finding,) = [finding for finding in verify(path, None).report.findings if finding.about == about]
    return " ".join((finding.summary, *finding.reasons))


def test_without_a_stamp_nobody_else_vouches_for_the_time(shot: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "The time of signing is this computer's own; nobody else vouches for it." in told(shot)
    monkeypatch.setenv("COUNTENANCE_CONFIG", str(shot.parent / "elsewhere"))
    assert "The time of signing is the signer's own; nobody else vouches for it." in told(shot)


def test_with_a_stamp_it_says_who_vouches_for_which_time(
    project: Project, plate: Path, tmp_path: Path, config_folder: Path
) -> None:
    with timestamp_authority() as authority:
        config = PublishConfig(timestamp_authority=authority.url)
        path = publish_grey(project, plate, tmp_path / "shot.png", config).path
    words = told(path)
    assert "A time-stamp authority that is unknown here, Test clock, states that it was signed by " in words
    assert "anybody can make such an authority" in words
    (config_folder / TIMESTAMP_NAME).write_text(authority.root.pem)
    words = told(path)
    assert "A time-stamp authority that you trust, Test clock, vouches that it was signed by " in words
    assert "UTC" in words
    assert "nobody" not in words


@pytest.mark.parametrize(
    ("stamp", "words"),
    [
        (
            Timestamp(state="invalid", problems=("the time stamp is damaged",)),
            "Its time stamp doesn't hold (the time stamp is damaged), so nobody but the signer vouches for its time.",
        ),
        (None, "it states that a time-stamp authority vouched for its time, but the stamp isn't in the file any more"),
        (Timestamp(state="trusted", time="soon", authority="x"), "signed by a time that can't be read"),
    ],
)
def test_a_stamp_that_fails_or_was_taken_away_is_told(
    shot: Path, monkeypatch: pytest.MonkeyPatch, stamp: Timestamp | None, words: str
) -> None:
    def with_stamp(path: Path, trust: Trust | None) -> Credentials:
        credentials = read_credentials(path, trust)
        assert credentials.claim is not None
        return replace(credentials, timestamp=stamp, claim=replace(credentials.claim, trusted_timestamp=True))

    monkeypatch.setattr(step, "read_credentials", with_stamp)
    assert words in told(shot)


def test_all_that_a_chain_of_published_files_states_is_told(project: Project, shot: Path, tmp_path: Path) -> None:
    second = publish_grey(project, shot, tmp_path / "second.png").path
    third = publish_grey(project, second, tmp_path / "third.png").path
    (finding,) = [finding for finding in verify(third, None).report.findings if finding.about == "edits"]
    assert finding.state == "trusted"
    assert finding.reasons[-3:] == (
        "it was made from a plate whose own credentials are kept inside: "
        "of that plate they state that a face was replaced by a generated one in it",
        "that plate was made itself from a plate whose own credentials are kept inside: "
        "of that plate they state that a face was replaced by a generated one in it",
        "that plate was made itself from a plate without credentials",
    )
    parent = read_credentials(third, None).ingredients[0]
    assert parent.claim is not None
    assert parent.ingredients[0].claim is not None
    assert parent.claim.salted_permit_digest != parent.ingredients[0].claim.salted_permit_digest


def test_a_plate_of_an_unknown_signer_is_told_with_what_it_states(
    project: Project, shot: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COUNTENANCE_CONFIG", str(tmp_path / "elsewhere"))
    words = told(publish_grey(project, shot, tmp_path / "second.png").path, "edits")
    assert "own credentials are kept inside (the signer is unknown here): of that plate they state that a face" in words


def test_a_plate_that_was_altered_after_signing_states_nothing(project: Project, shot: Path, tmp_path: Path) -> None:
    content = bytearray(shot.read_bytes())
    # In the chunk of the pixels' size, with the sum that PNG keeps of it.
    pixels = content.index(b"pHYs") if b"pHYs" in content else content.index(b"IDAT")
    content[pixels - 4 : pixels - 4] = b"\0\0\0\x03tEXtA\0B" + crc(b"tEXtA\0B")
    shot.write_bytes(content)
    words = told(publish_grey(project, shot, tmp_path / "second.png").path, "edits")
    assert "made from a plate whose own credentials did not hold: the picture or the sound was altered" in words
    assert "of that plate they state" not in words


def crc(content: bytes) -> bytes:
    return zlib.crc32(content).to_bytes(4)


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str]]:
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str]:
        result = called(cli.verify, *arguments)
        assert result.stderr == ""
        return result.exit_code, result.stdout

    return run


def test_crjson_is_all_that_is_printed(
    shot: Path, command: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    code, text = command(str(shot), "--crjson")
    document = json.loads(text)
    assert code == 0
    assert list(document) == ["@context", "manifests", "jsonGenerator"]
    (manifest,) = document["manifests"]
    assert manifest["claim.v2"]["claim_generator_info"]["name"] == "Countenance"
    assert manifest["validationResults"]["failure"] == []
    monkeypatch.setenv("COUNTENANCE_CONFIG", str(tmp_path / "elsewhere"))
    code, text = command(str(shot), "--crjson")
    assert code == 0
    failures = json.loads(text)["manifests"][0]["validationResults"]["failure"]
    assert [failure["code"] for failure in failures] == ["signingCredential.untrusted"]


def test_crjson_of_an_altered_file_ends_with_6(shot: Path, command: Callable[..., tuple[int, str]]) -> None:
    content = bytearray(shot.read_bytes())
    content[-40] ^= 1
    shot.write_bytes(content)
    code, text = command(str(shot), "--crjson")
    assert code == 6
    failures = json.loads(text)["manifests"][0]["validationResults"]["failure"]
    assert [failure["code"] for failure in failures] == ["assertion.dataHash.mismatch"]


def test_crjson_of_a_file_without_credentials_has_no_manifest(
    plate: Path, command: Callable[..., tuple[int, str]]
) -> None:
    code, text = command(str(plate), "--crjson")
    assert (code, json.loads(text)["manifests"]) == (0, [])


def test_crjson_of_damaged_credentials_is_an_error(shot: Path, command: Callable[..., tuple[int, str]]) -> None:
    content = shot.read_bytes().replace(b"claim_generator_info", b"klaim_generator_info")
    start = content.index(b"caBX")
    length = int.from_bytes(content[start - 4 : start])
    end = start + 4 + length
    shot.write_bytes(content[:end] + crc(content[start:end]) + content[end + 4 :])
    with pytest.raises(ProvenanceError, match=r"the credentials of .*shot\.png can't be shown: .*damaged"):
        command(str(shot), "--crjson")


def test_one_form_at_a_time(shot: Path, command: Callable[..., tuple[int, str]]) -> None:
    with pytest.raises(UsageError, match="prints the credentials of one file"):
        command(str(shot), "--crjson", "--json")
    with pytest.raises(UsageError, match="prints the credentials of one file"):
        command(str(shot), str(shot), "--crjson")


def test_a_statement_that_can_t_be_read_is_told_of_a_valid_signer_too(
    shot: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of a file that a later version published."""
    monkeypatch.setattr("countenance.provenance.credentials.REPLACEMENT", "c2pa.soft-binding")
    words = "what it states of the replacement is in a form that this version can't read"
    assert words in told(shot)
    monkeypatch.setenv("COUNTENANCE_CONFIG", str(tmp_path / "elsewhere"))
    assert "the signer is unknown here" in told(shot)
    assert words in told(shot)
    assert "in a form that this version can't read" in told(shot, "edits")
