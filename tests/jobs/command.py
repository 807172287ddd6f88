"""A command for the tests of jobs: it does what its words say, and notes in `ran.txt` that it did.

As `jobs run` it is a worker whose jobs are this command.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

from filelock import FileLock, Timeout

RAN = Path("ran.txt")
PATIENCE_S = 60


def wait(name: str) -> None:
    """Until there is a file of this name; Ctrl-C stops it."""
    Path(f"{name}.begun").write_text(str(os.getpid()))
    try:
        _wait_for(Path(name))
    except KeyboardInterrupt:
        _error("stopped", "stopped", 130)


def ignore(name: str) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    wait(name)


def show(name: str) -> None:
    """Halfway, wait for a file of this name."""
    from countenance.cli.display import Bars  # noqa: PLC0415 - it takes time to load

    with Bars() as progress:
        progress.note("dark footage")
        for number in progress.track(range(8), what="looking", unit="faces", total=10, done=2):
            if number == 3:
                time.sleep(0.3)
            if number == 4:
                wait(name)


def startle(name: str) -> None:
    """Be stopped before anything can be said."""
    Path(f"{name}.begun").write_text(str(os.getpid()))
    try:
        time.sleep(PATIENCE_S)
    except KeyboardInterrupt:
        sys.exit(1)


def forget(person: str) -> None:
    from countenance.jobs.naming import forget_jobs  # noqa: PLC0415 - it takes time to load

    forget_jobs(Path.cwd(), person)
    Path(f"forgot {person}").touch()


def fail() -> None:
    _error("face.not_found", "no face is there; look elsewhere", 4)


def silent() -> None:
    sys.exit(1)


def write() -> None:
    try:
        FileLock(".countenance.lock", timeout=0, mode=0o600).acquire()
    except Timeout:
        _error("usage.project_locked", "another command is writing; wait", 2)


def crash() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def page(name: str, *how: str) -> None:
    """Write a page, and be killed in the middle; or before anything was looked at, where it is to be `early`."""
    path = Path(name)
    if "early" in how and len(RAN.read_text().splitlines()) == 1:
        crash()
    if path.exists() and "--overwrite" not in sys.argv:
        _error("usage.exists", f"{path} exists already; add --overwrite", 2, path=str(path))
    if not path.exists():
        path.write_text("half")
        crash()
    path.write_text("whole")


def say(*_: str) -> None:
    pass


COMMANDS = {
    each.__name__: each for each in (wait, ignore, show, startle, forget, fail, silent, write, crash, page, say)
}


def _end(code: int, document: dict[str, Any]) -> NoReturn:
    print(json.dumps(document))
    sys.exit(code)


def _error(code: str, message: str, exit_code: int, **facts: str) -> NoReturn:
    _end(exit_code, {"error": {"code": code, "message": message, "exit_code": exit_code, "facts": facts}})


def _wait_for(path: Path) -> None:
    until = time.monotonic() + PATIENCE_S
    while not path.exists():
        assert time.monotonic() < until
        time.sleep(0.01)


def main() -> None:
    if sys.argv[1:3] == ["jobs", "run"]:
        from countenance.jobs import work  # noqa: PLC0415 - only the worker needs it

        work(Path.cwd(), command=[sys.executable, __file__])
        return
    assert sys.argv[1:3] == ["verify", "--json"], sys.argv
    what, *more = [word for word in sys.argv[3:] if not word.startswith("--")]
    with RAN.open("a") as file:
        file.write(f"{' '.join([what, *more])}\n")
    print(f"on {what}", file=sys.stderr)
    COMMANDS[what](*more)
    _end(0, {"did": what})


if __name__ == "__main__":
    main()
