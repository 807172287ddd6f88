"""`countenance jobs` as a user runs it."""

import json
import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import countenance.jobs
from countenance import ledger
from countenance.cli import app as cli
from countenance.jobs import Job, add, find_job, list_jobs, result_of
from countenance.jobs.job import read_record, write_record
from countenance.jobs.queue import ROOM, is_free, job_folder
from countenance.project import create, now, opened
from tests.support.desk import Desk

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Commands in a new project, in which nobody works through the queue."""
    create(tmp_path / "film", use="film", title=None)
    monkeypatch.chdir(tmp_path / "film")
    monkeypatch.setattr(countenance.jobs, "start_worker", lambda _: False)
    return lambda *words: CliRunner().invoke(cli.app, ["jobs", *words])


def wait_until(is_so: Callable[[], bool]) -> None:
    until = time.monotonic() + 120
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_the_queue_is_shown_and_changed(run: Run) -> None:
    assert "There are no jobs." in run("list").output
    for person in ("dana", "kim", "lee"):
        assert run("add", "--", "prepare", person).exit_code == 0
    assert "Job 3 waiting: countenance prepare lee" in run("move", "3", "--first").output
    assert run("move", "2", "--before", "1").exit_code == 0
    numbers = [job["number"] for job in json.loads(run("list", "--json").stdout)["jobs"]]
    assert numbers == [3, 2, 1]
    assert "Job 2 stopped" in run("stop", "2").output
    assert json.loads(run("retry", "2", "--json").stdout)["state"] == "waiting"
    assert [line.split()[:2] for line in run("list").output.splitlines()[1:]] == [
        ["3", "waiting"],
        ["1", "waiting"],
        ["2", "waiting"],
    ]
    run("stop", "1")
    assert "Removed 1 job." in run("clear").output
    shown = json.loads(run("show", "2", "--json").stdout)
    assert (shown["arguments"], shown["log"], shown["result"]) == (["prepare", "kim"], "", None)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("add", "--", "demo"), "expected a command that may take long"),
        (("add", "--", "prepare"), "Missing argument 'PERSON'"),
        (("add", "--", "prepare", "dana", "--sets", "x"), "No such option: --sets"),
        (("add", "--", "train", "report", "dana"), "Missing option '--onto'"),
        (("move", "1"), "expected one of --first and --before M"),
        (("move", "1", "--first", "--before", "2"), "expected one of --first and --before M"),
        (("show", "7"), "there is no job 7 here"),
    ],
)
def test_wrong_use_is_said_before_anything_is_queued(run: Run, words: tuple[str, ...], said: str) -> None:
    result = run(*words)
    assert result.exit_code == 2
    assert said in result.output
    assert list_jobs(Path.cwd()) == []


def test_outside_of_a_project_there_is_no_queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(cli.app, ["jobs", "list"])
    assert (result.exit_code, "no countenance.toml in" in result.output) == (2, True)


@pytest.mark.slow
def test_a_command_is_done_in_the_background_as_it_would_be_by_hand(released: Desk) -> None:
    inner = released.project / "inner"
    inner.mkdir()
    added = released.run("jobs", "add", "--json", "--", "collect", "dana", "../../dana.mp4", cwd=inner)
    assert json.loads(added.out)["number"] == 1
    refused = json.loads(released.do("jobs", "add", "--json", "--", "prepare", "lee").out)["number"]
    wait_until(lambda: all(job.state in ("done", "failed") for job in list_jobs(released.project)))
    shown = json.loads(released.do("jobs", "show", "1", "--json").out)
    assert (shown["state"], shown["exit_code"]) == ("done", 0)
    assert [Path(clip["path"]).name for clip in shown["result"]["clips"]] == ["dana.mp4"]
    assert "1 new clip of dana" in shown["log"]
    job = find_job(released.project, refused)
    assert (job.state, job.code, job.exit_code) == ("failed", "consent.release_missing", 3)
    assert "add one with `countenance release add`" in str(job.message)
    released.check()


def begun(desk: Desk, *words: str | Path) -> Job:
    """A job whose processes were killed, all of them."""
    job = add(desk.project, [str(word) for word in words])
    folder = job_folder(desk.project / ROOM, job.number)
    record = read_record(folder)
    assert record is not None
    write_record(folder, replace(record, begun_at=now()))
    return job


def num_published(desk: Desk) -> int:
    with opened(desk.project) as project:
        return [entry.event for entry in ledger.entries(project)].count("published")


@pytest.mark.slow
def test_what_a_killed_generate_published_isnt_published_again(trained: Desk) -> None:
    words = trained.generate("--set", "generate.preset=draft", "--frames", "0:3")
    job = begun(trained, *words)
    done = json.loads(trained.do(*words, "--json").out)
    trained.do("jobs", "run")
    assert find_job(trained.project, job.number).state == "done"
    result = result_of(trained.project, job.number)
    assert result is not None
    assert Path(result.pop("output")).samefile(trained.folder / "shot.mp4")
    assert result == {key: value for key, value in done.items() if key in result}
    assert {"sha256", "log_index", "frames", "altered_frames"} <= result.keys()
    assert num_published(trained) == 1


@pytest.mark.slow
def test_what_a_killed_export_left_is_made_whole(trained: Desk) -> None:
    words = ("faces", "export", "dana", "faces")
    job = begun(trained, *words)
    number = json.loads(trained.do(*words, "--json").out)["faces"]
    (trained.project / "faces" / "faces.json").unlink()
    trained.do("jobs", "run")
    assert find_job(trained.project, job.number).state == "done"
    assert result_of(trained.project, job.number) == {"person": "dana", "folder": "faces", "faces": number}
    for path in (trained.project / "faces").iterdir():
        os.utime(path, (0, 0))
    again = begun(trained, "faces", "export", "dana", "faces")
    trained.do("jobs", "run")
    assert find_job(trained.project, again.number).code == "usage"


@pytest.mark.slow
def test_a_render_in_which_all_is_killed_goes_on_and_is_published_once(trained: Desk) -> None:
    words = [str(word) for word in trained.generate("--set", "generate.preset=draft")]
    job = add(trained.project, words)
    folder = job_folder(trained.project / ROOM, job.number)
    worker = trained.start("jobs", "run")
    wait_until(lambda: any((trained.project / "renders").rglob("*.nut")))
    record = read_record(folder)
    assert record is not None
    assert record.process is not None
    attendant = int(Path(f"/proc/{record.process}/stat").read_text().rsplit(")", 1)[1].split()[1])
    for process in (worker.process, attendant, record.process):
        os.kill(process, signal.SIGKILL)
    worker.end()
    wait_until(lambda: is_free(folder / "lock"))
    assert find_job(trained.project, job.number).state == "interrupted"
    trained.do("jobs", "run")
    assert find_job(trained.project, job.number).state == "done"
    assert num_published(trained) == 1
    assert (trained.folder / "shot.mp4").exists()
    trained.check()


def test_forgetting_stops_a_job_about_the_person_and_removes_it(released: Desk) -> None:
    words = ("collect", "dana", released.folder / "dana.mp4")
    add(released.project, [str(word) for word in words])
    add(released.project, ["collect", "kim", "no-such-file.mp4"])
    shown = released.do("forget", "dana")
    assert "1 job that names them" in shown.err
    released.do("forget", "dana", "--yes")
    assert [job.arguments[1] for job in list_jobs(released.project)] == ["kim"]
