"""`countenance actors`, as its users run it, small."""

import json
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from countenance.cli import app as cli

SMALL = ("--size", "32", "--frames", "2")


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(cli.app, ["actors", *map(str, words)])


def test_a_truth_is_rendered_and_nothing_is_rendered_over_it(tmp_path: Path) -> None:
    words = ("truth", "1", "2", "--output", tmp_path / "case", *SMALL)
    assert run(*words).exit_code == 0
    for name in ("plate", "truth", "truth_toned"):
        assert len(list((tmp_path / "case" / name / "rgb").glob("*.png"))) == 2
    before = (tmp_path / "case/truth/rgb/0001.png").stat().st_mtime_ns
    assert run(*words).exit_code == 0
    assert (tmp_path / "case/truth/rgb/0001.png").stat().st_mtime_ns == before
    other = run("truth", "1", "3", "--output", tmp_path / "case", *SMALL)
    assert other.exit_code == 2
    assert "holds another rendering" in " ".join(other.output.split())


def test_a_performance_and_a_sheet(tmp_path: Path) -> None:
    assert run("render", "4", "--output", tmp_path / "take", *SMALL).exit_code == 0
    facts = json.loads((tmp_path / "take/facts/0001.json").read_text())
    assert set(facts) == {"landmarks_xy", "yaw_pitch_roll_deg", "gaze_deg"}
    sheet = tmp_path / "sheet.png"
    assert run("sheet", "--number", "2", "--size", "32", "--output", sheet).exit_code == 0
    with Image.open(sheet) as picture:
        assert picture.size == (64, 52)


def test_a_corpus_and_its_pack(tmp_path: Path) -> None:
    words = ("corpus", "--people", "2", "--performances", "1", "--frames", "1", "--size", "32")
    made = run(*words, "--output", tmp_path / "corpus", "--json")
    assert made.exit_code == 0
    told = json.loads(made.stdout)
    assert (told["pairs_done"], told["pairs"]) == (2, 2)
    assert told["frames_per_cpu_hour"] > 0
    packed = tmp_path / "corpus.zip"
    assert run("pack", tmp_path / "corpus", "--size", "32", "--output", packed).exit_code == 0
    assert packed.stat().st_size > 1000
    assert run("pack", tmp_path, "--output", packed).exit_code == 7


def test_without_blender_it_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTENANCE_CACHE", str(tmp_path / "cache"))
    done = run("render", "4", "--renderer", "cycles", "--output", tmp_path / "take", *SMALL)
    assert done.exit_code == 7
    assert "countenance actors setup" in " ".join(done.output.split())
