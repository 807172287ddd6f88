"""A studio whose project has a release of dana, for tests of footage and files."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from countenance import jobs
from countenance.gates import RULE
from countenance.jobs import Job
from countenance.jobs.job import RESULT, read_record, write_record
from countenance.jobs.queue import ROOM, job_folder
from countenance.media.timeline import Timeline
from countenance.progress import Silent
from countenance.project import Project, create, now, opened
from countenance.steps.collect import collect
from countenance.types import MediaInfo
from tests.support.policy import ask_for_no_statements
from tests.support.signing import Production
from tests.support.studio import Browser, studio_on
from tests.support.videos import write_video

TODAY = datetime.now(UTC).date()
NUM_FRAMES = 9


@dataclass(frozen=True, kw_only=True)
class FootageDesk:
    """A production for film with the browser of its studio, and a folder on this machine that the studio may use."""

    production: Production
    browser: Browser
    chosen: Path

    @property
    def project(self) -> Project:
        return self.production.project

    @property
    def folder(self) -> Path:
        return self.project.folder

    def release(self, person: str = "dana", **more: Any) -> Path:
        terms = {"valid_from": TODAY - timedelta(days=9), "expires": TODAY + timedelta(days=200)}
        return self.production.add(self.production.draft(person, **{**terms, **more}), at=datetime.now(UTC))

    def clip(self, name: str = "walk.mp4", *, person: str = "dana", shade: int = 0) -> MediaInfo:
        """Collect a clip that gets brighter, frame by frame."""
        path = write_video(self.chosen / name, graded(shade))
        (info,) = collect(self.project, person, [path], progress=Silent()).clips
        return info

    def page(self, person: str = "dana") -> str:
        answer = self.browser.get(f"/footage/{person}")
        assert answer.status_code == 200, answer.text
        return str(answer.text)

    def picture(self, info: MediaInfo, person: str = "dana") -> Any:
        return self.browser.get(f"/footage/{person}/clips/{info.sha256}", headers={"accept": "application/json"})

    def jobs(self) -> list[tuple[str, ...]]:
        return [job.arguments for job in jobs.list_jobs(self.folder)]

    def end(self, result: Any, *, number: int = 1, exit_code: int = 0, error: dict[str, str] | None = None) -> Job:
        """Have a job ended, with what its command printed."""
        room = self.folder / ROOM
        record = read_record(job_folder(room, number))
        assert record is not None
        (job_folder(room, number) / RESULT).write_text(json.dumps(result))
        ended = replace(record, begun_at=now(), ended_at=now(), exit_code=exit_code, error=error)
        write_record(job_folder(room, number), ended)
        return jobs.find_job(self.folder, number)


def graded(shade: int) -> list[np.ndarray]:
    return [np.full((64, 96, 3), 20 + shade + 20 * index, np.uint8) for index in range(NUM_FRAMES)]


@contextmanager
def footage_desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FootageDesk]:
    """No job is begun, and footage passes its gate without the net, as if it had been looked through."""
    monkeypatch.setattr(jobs, "start_worker", lambda _: False)
    monkeypatch.setattr("countenance.steps.collect.check_footage", passes)
    for name in ("documents", "chosen"):
        (tmp_path / name).mkdir()
    create(tmp_path / "film", use="film", title="Winter")
    ask_for_no_statements(tmp_path / "film")
    with opened(tmp_path / "film") as project:
        production = Production(project=project, folder=tmp_path / "documents")
        browser = Browser(studio_on(tmp_path / "film", tmp_path / "chosen"))
        yield FootageDesk(production=production, browser=browser, chosen=tmp_path / "chosen")


def passes(project: Project, info: MediaInfo, timeline: Timeline, progress: object) -> None:
    """The gate without its net."""
    del timeline, progress
    with project.transaction() as database:
        database.execute("INSERT OR REPLACE INTO passed_footage VALUES (?, ?, 1, 0.0)", (info.sha256, RULE))


def names(paths: Sequence[Path]) -> list[str]:
    return [path.name for path in paths]
