"""A whole lesson, by the product's own steps."""

from pathlib import Path

import pytest

from countenance.demo.run import QUICK_DRAWING
from countenance.lesson.run import make_lesson
from countenance.progress import Silent
from countenance.project import opened_to_read

pytestmark = pytest.mark.slow
NOTHING = ("missing", "missing", "missing")
COPY = ("missing", "unknown", "trusted")
FOUND = {
    "plate": NOTHING,
    "result": ("trusted", "trusted", "trusted"),
    "truth": NOTHING,
    "stripped": COPY,
    "re-encoded": COPY,
    "transplanted": ("invalid", "unknown", "missing"),
    "untouched": NOTHING,
}
"""Of each exhibit, the state of its credentials, edits and watermark."""


def test_a_lesson_is_found_out_as_its_answers_say(tmp_path: Path) -> None:
    made = make_lesson(
        tmp_path, seed=3, overwrite=False, progress=Silent(), should_stop=lambda: False, drawing=QUICK_DRAWING
    )
    assert {path.name for path in tmp_path.iterdir()} == {"index.html", "exhibits", "reports", "teacher"}
    found = {}
    for exhibit, report in made.examined:
        states = {finding.about: finding.state for finding in report.findings}
        found[exhibit.kind.name] = tuple(states[about] for about in ("credentials", "edits", "watermark"))
        assert list(states)[-2:] == ["traces", "signal"]
        page = (tmp_path / "reports" / f"{exhibit.path.stem}.html").read_text()
        assert report.sha256 in page.replace("<wbr>", "")
    assert found == FOUND
    with opened_to_read(tmp_path / "teacher" / "project") as project:
        shas = {row[0] for row in project.database.execute("SELECT sha256 FROM published")}
    assert next(report.sha256 for exhibit, report in made.examined if exhibit.kind.name == "result") in shas
