import re
from pathlib import Path

import pytest

from countenance.consent.permit import grant
from countenance.errors import ConsentError, ModelError, UsageError
from countenance.model.page import TrainingReport
from countenance.steps.pages import check_page
from countenance.steps.report import report_training
from tests.support.production import LIKENESS, PERFORMER, Production


def report(production: Production, page: Path) -> TrainingReport:
    permit = grant(production.project, "train", likeness=LIKENESS, performer=PERFORMER)
    return report_training(production.project, LIKENESS, PERFORMER, permit, page)


def test_a_training_is_reported_with_pictures_and_nothing_from_elsewhere(trained: Production, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    gathered = report(trained, page)
    html = page.read_text()
    assert f"<h1>{LIKENESS} onto {PERFORMER}</h1>" in html
    assert "What to shoot next" in html
    assert gathered.num_faces == int(re.search(r"<b>([\d,]+)</b><span>faces of", html)[1])  # type: ignore[index]
    # The base, what came of it, and the faces that are drawn worst, as far as they were looked at.
    assert 2 <= len(gathered.worst) <= 4
    assert html.count("data:image/jpeg") == 2 + len(gathered.worst)
    assert all(face.name in html for face in gathered.worst)
    assert not re.search(r"https?://|<script|src=\"(?!data:)", html)
    assert page.stat().st_mode & 0o777 == 0o600


def test_what_was_never_trained_has_no_report(released: Production, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="nothing was trained for zuri onto kofi; run `countenance train` first"):
        report(released, tmp_path / "page.html")
    assert not list(tmp_path.glob("page*"))


def test_a_revoked_release_ends_the_report(trained: Production, tmp_path: Path) -> None:
    permit = grant(trained.project, "train", likeness=LIKENESS, performer=PERFORMER)
    trained.revoke(trained.release_of(LIKENESS))
    with pytest.raises(ConsentError):
        report_training(trained.project, LIKENESS, PERFORMER, permit, tmp_path / "page.html")
    assert not list(tmp_path.glob("page*"))


def test_a_page_is_never_written_over_something_else(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    check_page(page, overwrite=False)
    page.write_text("mine")
    with pytest.raises(UsageError, match="exists already"):
        check_page(page, overwrite=False)
    check_page(page, overwrite=True)
    with pytest.raises(UsageError, match=r"ends in \.html"):
        check_page(tmp_path / "page.txt", overwrite=True)
    (tmp_path / "folder.html").mkdir()
    with pytest.raises(UsageError, match="is a folder"):
        check_page(tmp_path / "folder.html", overwrite=True)
