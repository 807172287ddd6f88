"""What a job is: the arguments of a command, what is kept of it in a file, and the state that follows from that."""

import json
import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from countenance.errors import UsageError
from countenance.progress import Shown, read_shown
from countenance.project import PRIVATE, write_whole

State = Literal["waiting", "running", "done", "failed", "stopped", "interrupted"]
"""`stopped` by somebody, `interrupted` by a kill or a power cut: the worker takes it up again by itself."""
ENDED: frozenset[State] = frozenset({"done", "failed", "stopped"})
OPEN: frozenset[State] = frozenset({"waiting", "running", "interrupted"})
VERBS = (
    *("collect", "prepare", "coverage", "train", "train report", "shots", "generate", "recognise", "verify"),
    *("faces show", "faces keep", "faces drop", "faces reset", "faces review", "faces export", "faces import"),
    "release statement",
)
"""What can be a job: the commands that may take long."""
OVERWRITING: frozenset[str] = frozenset({"coverage", "train report", "recognise", "verify", "faces show"})
"""Of these, those that write pages anew with `--overwrite`. What `generate` published is never replaced by itself."""
MOST_INTERRUPTIONS = 3
"""So often a job is taken up again by itself."""
LOCKED, STOPPED, KILLED = "usage.project_locked", "stopped", "job.killed"
"""Codes of a command that found the project in use, of one that was stopped, of a job that was killed again and
again."""
STOPPED_EXIT = 130
"""Exit code of a command that was stopped."""
RECORD, LOCK, LOG, RESULT, PROGRESS = "job.json", "lock", "log.txt", "result.json", "progress.json"
"""Files of a job's folder."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """A job as it stands now."""

    number: int
    """From 1 on; never given twice in a project."""
    arguments: tuple[str, ...]
    """Of `countenance`, as they were added."""
    working_folder: str
    """From which paths among them are read."""
    state: State
    is_stopping: bool
    """It was asked to stop, and saves."""
    added_at: str
    begun_at: str | None
    ended_at: str | None
    exit_code: int | None
    """What the command ended with; below 0, the signal that killed it."""
    interruptions: int
    """So often it was taken up again after a kill."""
    progress: Shown | None
    """Of a running job, as soon as it shows something."""
    message: str | None
    """Why it failed, or waits, and what to do: the error line of the command."""
    code: str | None
    """The error's code (docs/errors.md)."""

    @property
    def command(self) -> str:
        """The line that does the same in a terminal."""
        return f"countenance {shlex.join(self.arguments)}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """What is kept of a job, in one file that is written whole, so that each change is made or isn't."""

    number: int
    arguments: tuple[str, ...]
    working_folder: str
    """From which paths among the arguments are read."""
    added_at: str
    once: str | None = None
    """What the sender called it, so that it isn't added twice."""
    begun_at: str | None = None
    """When it was begun for the first time since it was added or put back."""
    interruptions: int = 0
    overwrites: bool = False
    """What lies where its output goes it left there itself before it was killed, so that it is replaced."""
    process: int | None = None
    """Of the command that was started last, until it ended."""
    stop_asked_at: str | None = None
    ended_at: str | None = None
    exit_code: int | None = None
    error: dict[str, Any] | None = None
    """What `--json` says where it failed: `code`, `message`, `facts`."""


def check_arguments(arguments: Sequence[str]) -> tuple[str, ...]:
    """The arguments, where they are those of a command that can be a job.

    Raises:
        UsageError: they aren't.
    """
    verb_of(arguments)
    return tuple(arguments)


def with_options(arguments: Sequence[str], *options: str) -> list[str]:
    """The same command with more options."""
    num_words = len(verb_of(arguments).split())
    # Not at the end, where they might follow `--`.
    return [*arguments[:num_words], *options, *arguments[num_words:]]


def verb_of(arguments: Sequence[str]) -> str:
    """The words of the command, such as `faces show`.

    Raises:
        UsageError: it can't be a job.
    """
    for num_words in (2, 1):
        verb = " ".join(arguments[:num_words])
        if len(arguments) >= num_words and verb in VERBS:
            return verb
    raise UsageError(
        f"expected a command that may take long ({', '.join(VERBS)}), got {shlex.join(arguments[:2]) or 'nothing'}; "
        "run others by themselves",
        code="usage.job",
    )


def read_record(folder: Path) -> Record | None:
    """What is kept of the job in a folder; None where it was removed, or never quite added.

    Raises:
        UsageError: the file was changed by something else.
    """
    path = folder / RECORD
    try:
        fields = json.loads(path.read_bytes())
        return Record(**{**fields, "arguments": tuple(fields["arguments"])})
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, TypeError, KeyError) as error:
        raise UsageError(f"{path} should describe a job, but can't be read ({error}); remove {folder}") from error


def write_record(folder: Path, record: Record) -> None:
    write_whole(folder / RECORD, json.dumps(asdict(record), indent=1).encode(), mode=PRIVATE)


def state_of(record: Record, *, is_alive: bool) -> State:
    """What follows from what is kept, and from whether a process of the job lives."""
    code = record.error["code"] if record.error else None
    has_said_how = code == KILLED or (record.exit_code is not None and record.exit_code >= 0)
    if record.begun_at is None or code == LOCKED:
        return "stopped" if record.stop_asked_at else "waiting"
    if not has_said_how and is_alive:
        return "running"
    if not has_said_how:
        return "stopped" if record.stop_asked_at else "interrupted"
    if record.exit_code == STOPPED_EXIT or code == STOPPED:
        return "stopped"
    return "failed" if record.error else "done"


def job_of(record: Record, folder: Path, *, is_alive: bool) -> Job:
    state = state_of(record, is_alive=is_alive)
    error = record.error if state in ("failed", "waiting") else None
    return Job(
        number=record.number,
        arguments=record.arguments,
        working_folder=record.working_folder,
        state=state,
        is_stopping=state == "running" and record.stop_asked_at is not None,
        added_at=record.added_at,
        begun_at=record.begun_at,
        ended_at=record.ended_at if state in ENDED else None,
        exit_code=record.exit_code,
        interruptions=record.interruptions,
        progress=read_shown(folder / PROGRESS) if state == "running" else None,
        message=error["message"] if error else None,
        code=error["code"] if error else None,
    )


def put_back(record: Record) -> Record:
    """The record of a job that begins anew."""
    return Record(
        number=record.number,
        arguments=record.arguments,
        working_folder=record.working_folder,
        added_at=record.added_at,
        once=record.once,
    )
