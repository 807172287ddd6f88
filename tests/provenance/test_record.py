import json
from pathlib import Path

import pytest

from countenance.errors import ProvenanceError
from countenance.provenance.record import read_record, signed_record

FACTS = {"kind": "forgotten", "releases": ["ab" * 32], "deleted": {"faces": 24}}


def test_a_record_says_what_was_signed(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    path.write_bytes(signed_record(FACTS))
    assert read_record(path) == FACTS


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        ("24", "25", "was altered since it was signed"),
        ("BEGIN CERTIFICATE", "BEGIN", "is no signed record"),
        ("signature", "signed", "is no signed record"),
        ("{", "[", "is no signed record"),
    ],
)
def test_what_was_altered_or_is_none_is_refused(tmp_path: Path, before: str, after: str, problem: str) -> None:
    path = tmp_path / "record.json"
    path.write_text(signed_record(FACTS).decode().replace(before, after))
    with pytest.raises(ProvenanceError, match=problem):
        read_record(path)


def test_another_s_certificate_does_not_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path, own = tmp_path / "record.json", json.loads(signed_record(FACTS))
    monkeypatch.setenv("COUNTENANCE_CONFIG", str(tmp_path_factory.mktemp("elsewhere")))
    other = json.loads(signed_record(FACTS))
    path.write_text(json.dumps({**own, "certificate": other["certificate"]}))
    with pytest.raises(ProvenanceError, match="was altered since it was signed"):
        read_record(path)
