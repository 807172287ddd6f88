"""The real server, killed in the middle of a job: the job goes on, and the next server shows it."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from countenance import jobs, ledger
from countenance.jobs import Job
from countenance.project import create, opened
from tests.support.production import LIKENESS, PERFORMER, TITLE, USE, open_production
from tests.support.videos import clip_of, write_video

pytestmark = pytest.mark.slow

PATIENCE_S = 240
QUICK = {"train.images": "8", "train.faces": "4", "train.batch_size": "1", "train.threads": "1", "train.device": "cpu"}
PUBLISHED = {"name": "shot.mp4", "generate.preset": "draft"}


def wait_for(is_there: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE_S
    while not is_there():
        assert time.monotonic() < until
        time.sleep(0.02)


@dataclass(frozen=True, kw_only=True)
class Server:
    """`countenance studio` as a process, and a browser that it let in."""

    process: "subprocess.Popen[str]"
    browser: httpx.Client

    def get(self, path: str) -> str:
        answer = self.browser.get(path, follow_redirects=True)
        assert answer.status_code == 200, answer.text
        return answer.text

    def send(self, address: str, **fields: str) -> httpx.Response:
        """Send a form with the page's token."""
        (csrf,) = re.findall(r'<meta name="csrf" content="([^"]+)"', self.get("/jobs"))
        answer = self.browser.post(address, data={"csrf": csrf, **fields}, headers={"accept": "application/json"})
        assert answer.status_code < 400, answer.text
        return answer

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        with pytest.raises(httpx.TransportError):
            self.browser.get("/jobs")


@contextmanager
def started(project: Path, *folders: Path) -> Iterator[Server]:
    words = ["studio", str(project), "--no-open", *(word for folder in folders for word in ("--folder", str(folder)))]
    with subprocess.Popen(
        [sys.executable, "-m", "countenance", *words], stderr=subprocess.PIPE, text=True, env=dict(os.environ)
    ) as process:
        try:
            assert process.stderr is not None
            first = process.stderr.readline()
            (address,) = re.findall(r"http://\S+", first)
            base = address.partition("/?")[0]
            with httpx.Client(base_url=base, headers={"origin": base}, timeout=60, trust_env=False) as browser:
                assert browser.get(address).status_code == 303
                yield Server(process=process, browser=browser)
        finally:
            process.kill()


def newest(project: Path) -> Job:
    return max(jobs.list_jobs(project), key=lambda job: job.number)


def test_each_kind_of_job_survives_the_server(tmp_path: Path) -> None:
    production_folder = tmp_path / "production"
    production_folder.mkdir()
    create(production_folder / "project", use=USE, title=TITLE)
    with open_production(production_folder) as production:
        for person in (LIKENESS, PERFORMER):
            production.add(production.sign(person))
            write_video(tmp_path / f"{person}.mp4", clip_of(person, 24))
    project, plate = production_folder / "project", write_video(tmp_path / "plate.mp4", clip_of(PERFORMER, 6))
    kinds: list[tuple[str, dict[str, str], str]] = [
        (f"/footage/{LIKENESS}/choose", {"path": str(tmp_path / f"{LIKENESS}.mp4")}, "collect"),
        (f"/footage/{PERFORMER}/choose", {"path": str(tmp_path / f"{PERFORMER}.mp4")}, "collect"),
        (f"/footage/{LIKENESS}/prepare", {}, "prepare"),
        (f"/footage/{PERFORMER}/prepare", {}, "prepare"),
        (f"/faces/{LIKENESS}/coverage/measure", {}, "coverage"),
        ("/train/start", {"likeness": LIKENESS, "performer": PERFORMER, **QUICK}, "train"),
        (
            "/publish",
            {"plate": str(plate), "pair": f"{LIKENESS}:{PERFORMER}", **PUBLISHED, "folder": str(tmp_path)},
            "generate",
        ),
        ("/verify/choose", {"path": str(tmp_path / PUBLISHED["name"])}, "verify"),
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COUNTENANCE_CONFIG", str(production_folder / "config"))
        for number, (address, fields, verb) in enumerate(kinds, start=1):
            with started(project, tmp_path) as server:
                server.send(address, once=f"once-{number}", **fields)
                if verb != "verify":
                    server.send(address, once=f"once-{number}", **fields)
                job = newest(project)
                assert (job.number, job.arguments[0]) == (number, verb), "once, though it was sent twice"
                wait_for(lambda: newest(project).state == "running")
                server.kill()
            wait_for(lambda: newest(project).state not in {"running", "waiting"})
            ended = newest(project)
            assert (ended.number, ended.state) == (number, "done"), jobs.log_of(project, number)
        with started(project, tmp_path) as server:
            html = server.get("/jobs")
            assert len(re.findall(r'<section[^>]* id="job-\d+"', html)) == len(kinds)
            assert html.count('<span class="chip good">done</span>') == len(kinds)
            assert "all images seen" in server.get(f"/train/{LIKENESS}/{PERFORMER}")
        with opened(project) as shown:
            ledger.check(shown)
            assert [entry.event for entry in ledger.entries(shown)].count("published") == 1


def test_two_servers_on_one_project_start_a_training_once(tmp_path: Path) -> None:
    """Two windows, each with a studio of its own: the queue belongs to the project."""
    folder = tmp_path / "project"
    create(folder, use=USE, title=TITLE)
    with started(folder) as one, started(folder) as other:
        added = jobs.add(folder, ["verify", "nothing.mp4"], once="x")
        assert jobs.add(folder, ["verify", "nothing.mp4"], once="x").number == added.number
        for server in (one, other):
            assert server.get("/jobs").count('id="job-1"') == 1
        one.send("/jobs/stop", number="1")
        other.send("/jobs/stop", number="1")
        assert [job.state for job in jobs.list_jobs(folder)] == ["stopped"]
