import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from countenance.errors import ProvenanceError
from countenance.project import Project, create, opened
from countenance.provenance.record import read_record, signed_record

FACTS = {"kind": "forgotten", "releases": ["ab" * 32], "deleted": {"faces": 24}}


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    create(tmp_path / "film", use="film", title="Winter")
    with opened(tmp_path / "film") as project:
        yield project


def test_a_record_says_what_was_signed(project: Project, tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    path.write_bytes(signed_record(project, FACTS))
    assert read_record(path) == FACTS


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        ("24", "25", "was altered since it was signed"),
        ('"signature": "', '"signature": "00', "was altered since it was signed"),
        ('"key": "', '"key": "z', "was altered since it was signed"),
        ("signature", "signed", "is no signed record"),
        ("{", "[", "is no signed record"),
    ],
)
def test_what_was_altered_or_is_none_is_refused(
    project: Project, tmp_path: Path, before: str, after: str, problem: str
) -> None:
    path = tmp_path / "record.json"
    path.write_text(signed_record(project, FACTS).decode().replace(before, after))
    with pytest.raises(ProvenanceError, match=problem):
        read_record(path)


def test_another_s_key_does_not_fit(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path, own = tmp_path / "record.json", json.loads(signed_record(project, FACTS))
    monkeypatch.setenv("COUNTENANCE_CONFIG", str(tmp_path_factory.mktemp("elsewhere")))
    other = json.loads(signed_record(project, FACTS))
    path.write_text(json.dumps({**own, "key": other["key"]}))
    with pytest.raises(ProvenanceError, match="was altered since it was signed"):
        read_record(path)
