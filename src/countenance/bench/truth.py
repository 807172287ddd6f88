"""The truth benchmark: every method on every case, in two processes, measured against the ground truth."""

import hashlib
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

from countenance.bench.cases import Case, case_files
from countenance.bench.extra import require_extra
from countenance.errors import UsageError
from countenance.progress import Progress, Silent
from countenance.project import write_whole
from countenance.vision.runtime import runs_by

NOT_DECIDING = (
    "cli",
    "actors",
    "capture",
    "bench/truth.py",
    "bench/table.py",
    "bench/pictures.py",
    "bench/speed.py",
    "bench/judge/graded.py",
    "bench/finding",
    "coverage",
    "review",
)
"""Don't decide a result: actors and camera count by the files of a case; the rest only shows what was measured."""
PACKAGES = ("countenance", "torch", "numpy", "opencv-python-headless", "av", "scikit-image")
PLATE, UNTRAINED = "plate", ("plate", "truth", "composite limit", "classical", "base")
NOT_DRAWN = ("plate", "truth", "composite limit")
"""Rows that are no attempt to draw somebody."""
RESULT_NAME = "result.json"
CHANGED_CODE = 20
"""How a process ends that found other code than the benchmark began with."""
BUDGET_S, QUICK_BUDGET_S = 60.0, 12.0
POINTS, QUICK_POINTS = (0.25, 0.5, 1.0), (1.0,)
POLL_S = 0.1


@dataclass(frozen=True, kw_only=True, slots=True)
class TruthConfig:
    """What to compare.

    Raises:
        UsageError: a value is out of range.
    """

    cases: tuple[Case, ...]
    methods: tuple[str, ...]
    budget_s: float = BUDGET_S
    """Processor time for training, of one thread."""
    points: tuple[float, ...] = POINTS
    """Intermediate points at which results are rendered too, as fractions of the budget."""
    workers: int = 2

    def __post_init__(self) -> None:
        if not 0 < self.budget_s < float("inf"):
            raise UsageError(f"expected a budget of more than 0 seconds, got {self.budget_s}")

    @property
    def stops_s(self) -> tuple[float, ...]:
        return tuple(point * self.budget_s for point in self.points)


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """Work for one process."""

    case: Case
    method: str | None
    """None for making the case itself, on which its methods wait."""

    @property
    def name(self) -> str:
        return f"{self.case.name}-{self.method or 'case'}"


def run_truth(config: TruthConfig, output: Path, progress: Progress) -> dict[str, Any]:
    """All results, including those of earlier runs with the same inputs; an interrupted run resumes.

    A method that fails, or all methods of a case that can't be made, are rows with an `error` and without stages;
    the next run tries them again.

    Raises:
        UsageError: the extra `bench` isn't installed, or the code was changed meanwhile.
    """
    require_extra()
    begun = time.monotonic()
    output.mkdir(parents=True, exist_ok=True)
    code = code_digest()
    # The plate is what all gains are counted from.
    methods = (PLATE, *(method for method in config.methods if method != PLATE))
    # Long work first, so that two processes end together: cases, then methods in turn over the cases.
    tasks = [Task(case=case, method=None) for case in config.cases]
    tasks += [Task(case=case, method=method) for method in reversed(methods) for case in config.cases]
    errors: dict[Task, str] = {}
    finished = _run(tasks, config, output, code, errors)
    for _ in progress.track(finished, what="benchmark", unit="tasks", total=len(tasks)):
        pass
    rows = [_row(Task(case=case, method=method), output, errors) for case in config.cases for method in methods]
    return {
        "machine": machine(),
        "budget_s": config.budget_s,
        "stops_s": list(config.stops_s),
        "wall_s": round(time.monotonic() - begun, 1),
        "code": code,
        "cases": [asdict(case) for case in config.cases],
        "rows": rows,
    }


def published_video(output: Path, case: Case, method: str, stage: int) -> Path:
    """What a method made of a case's plate at one of its stages."""
    if method == PLATE:
        return case_files(case, Silent()).plate
    return _folder(output, case, method) / f"stage-{stage}.mp4"


def code_digest() -> str:
    """Digest of all source files that influence a result, so that results of other code are not reused."""
    package, digest = Path(str(files("countenance"))), hashlib.sha256()
    unseen = sorted((package / "bench" / "judge" / "weights").glob("*.safetensors"))
    for path in [*sorted(package.rglob("*.py")), package / "weights" / "SHA256SUMS", *unseen]:
        name = path.relative_to(package).as_posix()
        if not name.startswith(NOT_DECIDING):
            digest.update(name.encode() + hashlib.sha256(path.read_bytes()).digest())
    for name in PACKAGES:
        digest.update(f"{name} {version(name)}".encode())
    return digest.hexdigest()[:16]


def machine() -> dict[str, Any]:
    """On what the figures were measured."""
    model = platform.processor() or platform.machine()
    cpus = Path("/proc/cpuinfo")
    if cpus.exists():
        names = [line.partition(":")[2].strip() for line in cpus.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
    }


def _row(task: Task, output: Path, errors: Mapping[Task, str]) -> dict[str, Any]:
    named = {"case": task.case.name, "method": task.method}
    for failed in (Task(case=task.case, method=None), task):
        if failed in errors:
            return {**named, "error": errors[failed], "stages": [], "peak_memory_mb": None}
    assert task.method is not None
    return {**named, **json.loads((_folder(output, task.case, task.method) / RESULT_NAME).read_text())}


def _run(
    tasks: Sequence[Task], config: TruthConfig, output: Path, code: str, errors: dict[Task, str]
) -> Iterator[Task]:
    """Each task once it is done or has failed, in two processes of one thread each; `errors` says what failed."""
    waiting, running, made = list(tasks), dict[Task, subprocess.Popen[bytes]](), set[str]()
    digests: dict[str, str] = {}
    try:
        while waiting or running:
            for task in [task for task, process in running.items() if process.poll() is not None]:
                error = _error(running.pop(task), task, output)
                if error is not None:
                    errors[task] = error
                elif task.method is None:
                    made.add(task.case.name)
                yield task
            hopeless = [task for task in waiting if Task(case=task.case, method=None) in errors]
            waiting = [task for task in waiting if task not in hopeless]
            yield from hopeless
            ready = next((task for task in waiting if task.method is None or task.case.name in made), None)
            if ready is None or len(running) == config.workers:
                time.sleep(POLL_S)
                continue
            waiting.remove(ready)
            facts = _facts(ready, config, output, code, digests)
            if ready.method is not None and _is_done(facts):
                yield ready
                continue
            running[ready] = _start(ready, facts, output)
    finally:
        for process in running.values():
            process.terminate()
        for process in running.values():
            process.wait()


def _facts(task: Task, config: TruthConfig, output: Path, code: str, digests: dict[str, str]) -> dict[str, Any]:
    """The task of a process, with the digest of everything that influences its result."""
    facts: dict[str, Any] = {
        "case": asdict(task.case),
        "method": task.method,
        "production": str(output / "cases" / task.case.name / "production"),
        "code": code,
    }
    if task.method is None:
        return facts
    if task.case.name not in digests:
        digests[task.case.name] = case_files(task.case, Silent()).digest()
    # What needs no training doesn't change with the budget.
    stops_s = config.stops_s if task.method not in UNTRAINED else (0.0,)
    inputs = [digests[task.case.name], task.method, stops_s, code, version("torch"), runs_by()]
    return {
        **facts,
        "output": str(_folder(output, task.case, task.method)),
        "stops_s": stops_s,
        "digest": hashlib.sha256(json.dumps(inputs).encode()).hexdigest(),
    }


def _is_done(facts: Mapping[str, Any]) -> bool:
    path = Path(facts["output"]) / RESULT_NAME
    try:
        return bool(json.loads(path.read_text())["digest"] == facts["digest"])
    except (OSError, ValueError, KeyError):
        return False


def _start(task: Task, facts: Mapping[str, Any], output: Path) -> subprocess.Popen[bytes]:
    logs = output / "logs"
    logs.mkdir(exist_ok=True)
    told = logs / f"{task.name}.json"
    write_whole(told, json.dumps(facts).encode())
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    with (logs / f"{task.name}.log").open("wb") as log:
        return subprocess.Popen(  # noqa: S603 - this Python and a module of ours
            [sys.executable, "-m", "countenance.bench.worker", str(told)], stdout=log, stderr=log, env=environment
        )


def _error(process: subprocess.Popen[bytes], task: Task, output: Path) -> str | None:
    """Why a process failed; none if it didn't.

    Raises:
        UsageError: the code was changed: no other task could be done either.
    """
    if process.returncode == 0:
        return None
    log = output / "logs" / f"{task.name}.log"
    said = log.read_text(errors="replace").strip().splitlines()
    error = said[-1] if said else f"it was killed by signal {-process.returncode}"
    if process.returncode == CHANGED_CODE:
        raise UsageError(error)
    return f"{'' if task.method else 'the case could not be made: '}{error} (see {log})"


def _folder(output: Path, case: Case, method: str) -> Path:
    return output / "cases" / case.name / method
