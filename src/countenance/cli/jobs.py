"""`countenance jobs`: the queue of long work, the same for page and command line."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from countenance.cli.options import Json
from countenance.cli.shell import console, count, print_json
from countenance.errors import UsageError

if TYPE_CHECKING:
    from countenance.jobs import Job

app = typer.Typer(no_args_is_help=True, add_completion=False)

Number = Annotated[int, typer.Argument(metavar="N", help="The job's number.", min=1, show_default=False)]


@app.command("add", short_help="Put a command at the end of the queue.")
def add_job(
    words: Annotated[
        list[str], typer.Argument(metavar="-- VERB...", help="The command, as after `countenance`.", show_default=False)
    ],
    json: Json = False,
) -> None:
    """Put a command at the end of the queue; it is run in the background, one after another.

    Commands that may take long can be jobs: collect, prepare, coverage, train, shots, generate, recognise, verify, and
    faces show, export and import. Closing the terminal stops nothing.

    Example: countenance jobs add -- prepare dana --set prepare.min_size_px=96
    """
    from countenance.jobs import add, start_worker, verb_of
    from countenance.project import folder_of

    folder = folder_of(Path.cwd())
    verb_of(words)
    parsed(words)
    job = add(folder, words, working_folder=Path.cwd())
    start_worker(folder)
    console.print(f"Job {job.number}: {job.command}. `countenance jobs list` shows how far it is.", markup=False)
    if json:
        print_json(asdict(job))


@app.command("list", short_help="List the jobs and how far they are.")
def list_all(json: Json = False) -> None:
    """List the jobs: those that ended, and those that wait in the order in which they are taken.

    Example: countenance jobs list
    """
    from countenance.jobs import list_jobs
    from countenance.project import folder_of

    jobs = list_jobs(folder_of(Path.cwd()))
    if json:
        print_json({"jobs": [asdict(job) for job in jobs]})
        return
    from rich.table import Table

    table = Table("job", "state", "how far", "command", box=None)
    for job in jobs:
        table.add_row(str(job.number), _state(job), _how_far(job), job.command)
    console.print(table if jobs else "There are no jobs.")


@app.command(short_help="Show a job with its log.")
def show(number: Number, json: Json = False) -> None:
    """Show a job: its state, what the command printed, and its result.

    Example: countenance jobs show 3
    """
    from countenance.jobs import find_job, log_of, result_of
    from countenance.project import folder_of

    folder = folder_of(Path.cwd())
    job, log = find_job(folder, number), log_of(folder, number)
    _tell(job)
    console.print(log.rstrip(), markup=False)
    if json:
        print_json({**asdict(job), "log": log, "result": result_of(folder, number)})


@app.command("stop", short_help="Stop a job; what it did so far is kept.")
def stop_job(number: Number, json: Json = False) -> None:
    """Stop a job: one that waits isn't begun, one that runs saves and ends, as at Ctrl-C.

    Asked again after ten seconds, one that still runs is killed. `countenance jobs retry N` goes on.

    Example: countenance jobs stop 3
    """
    from countenance.jobs import stop
    from countenance.project import folder_of

    _tell(stop(folder_of(Path.cwd()), number), json=json)


@app.command("retry", short_help="Put a job that ended back into the queue.")
def retry_job(number: Number, json: Json = False) -> None:
    """Put a job that failed, was stopped or is done back at the end of the queue. It goes on where it was.

    Example: countenance jobs retry 3
    """
    from countenance.jobs import retry, start_worker
    from countenance.project import folder_of

    folder = folder_of(Path.cwd())
    job = retry(folder, number)
    start_worker(folder)
    _tell(job, json=json)


@app.command("move", short_help="Change the order of jobs that wait.")
def move_job(
    number: Number,
    first: Annotated[bool, typer.Option("--first", help="Take it next.")] = False,
    before: Annotated[
        int | None, typer.Option("--before", metavar="M", help="Take it before job M.", show_default=False)
    ] = None,
    json: Json = False,
) -> None:
    """Change when a waiting job is taken.

    Example: countenance jobs move 5 --first
    """
    from countenance.jobs import move
    from countenance.project import folder_of

    if first == (before is not None):
        raise UsageError("expected one of --first and --before M, which say where the job goes")
    _tell(move(folder_of(Path.cwd()), number, to="first" if before is None else before), json=json)


@app.command(short_help="Work through the queue here, in the foreground.")
def run(json: Json = False) -> None:
    """Work through the queue until nothing waits. It isn't needed: adding a job starts a worker in the background.

    Ctrl-C ends this, not the job that runs; `countenance jobs stop N` does.

    Example: countenance jobs run
    """
    from countenance.jobs import list_jobs, work
    from countenance.project import folder_of

    folder = folder_of(Path.cwd())
    if not work(folder, take_up=take_up, told=_tell):
        console.print("Somebody works through this queue already; `countenance jobs list` shows how far.")
    if json:
        print_json({"jobs": [asdict(job) for job in list_jobs(folder)]})


@app.command("clear", short_help="Remove the jobs that ended, with their logs.")
def clear_ended(json: Json = False) -> None:
    """Remove the jobs that ended, with their logs and results. What they made stays.

    Example: countenance jobs clear
    """
    from countenance.jobs import clear
    from countenance.project import folder_of

    number = clear(folder_of(Path.cwd()))
    console.print(f"Removed {count(number, 'job')}.")
    if json:
        print_json({"removed": number})


def parsed(words: Sequence[str]) -> Mapping[str, Any]:
    """The parameters of a command, read as the command line reads them; it isn't run.

    Raises:
        TyperException: it can't be read.
    """
    from countenance.cli.app import app as root

    command = typer.main.get_command(root)
    context = command.make_context("countenance", list(words))
    while isinstance(command, TyperGroup):
        name, found, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        assert found is not None, "a name that isn't known is refused"
        command, context = found, found.make_context(name, rest, parent=context)
    return context.params


def take_up(folder: Path, job: "Job") -> Sequence[str] | Mapping[str, Any]:
    """With which arguments an interrupted job goes on, or, where it was done but for saying so, its result."""
    try:
        parameters = parsed(job.arguments)
    except TyperException:
        # The command itself says what is wrong.
        return job.arguments
    from datetime import datetime

    from countenance.jobs import verb_of
    from countenance.project import opened_to_read
    from countenance.steps.approval import finished_since
    from countenance.steps.documents import exported_document, finished_document
    from countenance.steps.review import exported_since

    verb, place, since = verb_of(job.arguments), Path(job.working_folder), job.begun_at or job.added_at
    if verb == "generate":
        output = place / parameters["output"]
        with opened_to_read(folder) as project:
            finished = finished_since(project, output, since)
        return job.arguments if finished is None else finished_document(finished)
    if verb == "faces export":
        person, exported = parameters["person"], place / parameters["folder"]
        with opened_to_read(folder) as project:
            number = exported_since(project, person, exported, datetime.fromisoformat(since))
        return job.arguments if number is None else exported_document(person, exported, number)
    return job.arguments


def _tell(job: "Job", *, json: bool = False) -> None:
    more = "".join(f"; {text}" for text in (_how_far(job), job.message) if text)
    console.print(f"Job {job.number} {_state(job)}: {job.command}{more}", markup=False)
    if json:
        print_json(asdict(job))


def _state(job: "Job") -> str:
    return "stopping" if job.is_stopping else job.state


def _how_far(job: "Job") -> str:
    if job.progress is None or not job.progress.tasks:
        return ""
    task = job.progress.tasks[-1]
    return f"{task.what}: {task.done:,} of {task.total:,} {task.unit}"
