"""Make a lesson: publish a result as anybody would, make the exhibition, and have the verifier judge each exhibit."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from countenance import __version__
from countenance.demo.run import DRAWING, make_room, produce
from countenance.forensics.detector import Detector
from countenance.lesson.exhibits import Exhibit, make_exhibits
from countenance.lesson.page import lesson_page
from countenance.progress import Progress
from countenance.project import create, opened, write_whole
from countenance.steps.generate import GenerateConfig
from countenance.steps.verify import report_page, verify
from countenance.types import Report

PAGE, EXHIBITS, REPORTS = "index.html", "exhibits", "reports"
"""What a class gets."""
TEACHER = "teacher"
"""Folder with the project in which the result was published, and what led to it."""
MADE = (PAGE, EXHIBITS, REPORTS, TEACHER)


@dataclass(frozen=True, kw_only=True, slots=True)
class Lesson:
    """What was made."""

    page: Path
    seed: int
    examined: Sequence[tuple[Exhibit, Report]]
    """The exhibits in their order, and what the verifier found."""


def make_lesson(
    output: Path,
    *,
    seed: int,
    overwrite: bool,
    progress: Progress,
    should_stop: Callable[[], bool],
    drawing: GenerateConfig = DRAWING,
) -> Lesson:
    """Leave `index.html` and the folder `exhibits` for a class, and `teacher` with the project behind them.

    Raises:
        UsageError: the folder holds something and `overwrite` isn't set, or it holds what is no lesson.
    """
    make_room(output, MADE, project=f"{TEACHER}/project", overwrite=overwrite)

    def begin(_: str, what: str) -> None:
        if should_stop():
            raise KeyboardInterrupt
        progress.note(f"\n{what}")

    kept = output / TEACHER
    kept.mkdir()
    create(kept / "project", use="research", title="Countenance demo")
    with opened(kept / "project") as project, project.writing():
        published = produce(project, kept / "published.mp4", drawing, progress, begin).result.published.path
    begin("exhibits", "Making the exhibits from it, and verifying each, as anybody can.")
    folder = output / EXHIBITS
    folder.mkdir()
    exhibits = make_exhibits(published, folder, seed)
    # Without the project: so the findings are those that somebody has who was only given the files.
    (output / REPORTS).mkdir()
    detector, examined, reports = Detector(), list[tuple[Exhibit, Report]](), dict[int, str]()
    for each in progress.track(exhibits, what="verifying", unit="exhibits", total=len(exhibits)):
        examination = verify(each.path, None, with_pictures=True, detector=detector)
        reports[each.number] = f"{REPORTS}/{each.path.stem}.html"
        write_whole(output / reports[each.number], report_page(examination, made_at=datetime.now(UTC)).encode())
        examined.append((each, examination.report))
    page = output / PAGE
    write_whole(page, lesson_page(examined, reports, version=__version__).encode())
    progress.note(f"Open {page} in a browser. The folder {TEACHER} stays with you; a class needs the rest.")
    return Lesson(page=page, seed=seed, examined=examined)


def lesson_document(lesson: Lesson) -> dict[str, Any]:
    """For programs: the exhibits with what they are and what was found."""
    return {
        "page": str(lesson.page),
        "seed": lesson.seed,
        "exhibits": [
            {
                "number": exhibit.number,
                "file": str(exhibit.path),
                "what": exhibit.kind.name,
                "sha256": report.sha256,
                "findings": [asdict(finding) for finding in report.findings],
            }
            for exhibit, report in lesson.examined
        ],
    }
