"""The command line as processes, in the project of somebody who works with it."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from countenance import ledger
from countenance.database import DATABASE_NAME
from countenance.project import opened

TRAINING = ("train.images=4", "train.faces=4", "train.batch_size=1", "train.threads=1", "train.device=cpu")
TRAIN = ("train", "dana", "--onto", "kim", *(word for setting in TRAINING for word in ("--set", setting)))


@dataclass(frozen=True, kw_only=True)
class Ended:
    """What a command left."""

    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The one line that says what went wrong."""
        assert "Traceback" not in self.err, self.err
        (line,) = [line for line in self.err.splitlines() if line.startswith("error: ")]
        assert self.err.endswith(f"{line}\n")
        return line


@dataclass(frozen=True, kw_only=True)
class Running:
    """A command that goes on by itself."""

    process: int
    err: Path
    end: Callable[[], Ended]

    def interrupt(self) -> None:
        """Ctrl-C; one that has ended by itself doesn't notice."""
        os.kill(self.process, signal.SIGINT)

    def pause(self) -> None:
        """Stop it where it is, with all that it holds."""
        os.kill(self.process, signal.SIGSTOP)

    def go_on(self) -> None:
        os.kill(self.process, signal.SIGCONT)

    def wait_for(self, is_there: Callable[[], bool]) -> None:
        """Wait until something has happened; a command that ends before it is a failed test."""
        until = time.monotonic() + 60
        while not is_there():
            assert time.monotonic() < until
            assert "(zombie)" not in Path(f"/proc/{self.process}/status").read_text()
            time.sleep(0.005)


@dataclass(frozen=True, kw_only=True)
class Desk:
    """Where somebody works: a project, footage and documents beside it, and their config folder."""

    folder: Path
    forker: "subprocess.Popen[str]"

    @property
    def project(self) -> Path:
        return self.folder / "film"

    @property
    def model(self) -> Path:
        return self.project / "models" / "dana-onto-kim"

    def start(
        self, *words: str | Path, cwd: Path | None = None, file_limit: int | None = None, user: int | None = None
    ) -> Running:
        """Begin `countenance WORDS` in the project, as its user would."""
        assert self.forker.stdin is not None
        assert self.forker.stdout is not None
        out, err = self.folder / "out.txt", self.folder / "err.txt"
        for path in (out, err):
            path.unlink(missing_ok=True)
        order = {
            "words": [str(word) for word in words],
            "cwd": str(cwd or self.project),
            "env": {"COUNTENANCE_CONFIG": str(self.folder / "config")},
            "out": str(out),
            "err": str(err),
            "file_limit": file_limit,
            "user": user,
        }
        orders, answers = self.forker.stdin, self.forker.stdout

        def ask(line: str) -> int:
            orders.write(f"{line}\n")
            orders.flush()
            return int(answers.readline())

        def end() -> Ended:
            return Ended(code=ask("end"), out=out.read_text(), err=err.read_text())

        return Running(process=ask(json.dumps(order)), err=err, end=end)

    def run(
        self, *words: str | Path, cwd: Path | None = None, file_limit: int | None = None, user: int | None = None
    ) -> Ended:
        return self.start(*words, cwd=cwd, file_limit=file_limit, user=user).end()

    def do(self, *words: str | Path) -> Ended:
        """Run what has to succeed."""
        ended = self.run(*words)
        assert ended.code == 0, ended.err
        return ended

    def release(self, person: str, role: str, *more: str, uses: tuple[str, ...] = ("film",), sign: bool = True) -> Path:
        """Draft a release in the documents' folder and have it signed."""
        path, key = self.folder / f"{person}-{role}.release.toml", self.folder / f"{person}.key"
        named = [word for use in uses for word in ("--use", use)]
        draft = ("--reference", self.folder / f"{person}.png", "--project", "Winter", "--output", path, "--overwrite")
        expires = () if "--expires" in more else ("--expires", "2090-12-31")
        # For film it would ask for approval of each result; what is said in `more` comes later and counts.
        self.do("release", "new", person, "--role", role, "--no-approval", *draft, *named, *expires, *more)
        if sign:
            if not key.exists():
                self.do("release", "key", key)
            self.do("release", "sign", path, "--key", key)
        return path

    def generate(self, *more: str | Path, output: str = "../shot.mp4") -> tuple[str | Path, ...]:
        """The words that put dana onto kim's performance, by what was trained where there is any."""
        words = ("generate", self.folder / "plate.mp4", "--likeness", "dana", "--performer", "kim", "--output", output)
        return (*words, *more)

    def traces(self) -> set[str]:
        """Every file of the project and around it that a command could leave, but for the database's own."""
        found = {str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file()}
        return {name for name in found if not name.startswith(("film/countenance.db", "out.txt", "err.txt"))}

    def check(self) -> None:
        """The log and the database hold."""
        with pytest.MonkeyPatch.context() as patch, opened(self.project) as project:
            patch.setenv("COUNTENANCE_CONFIG", str(self.folder / "config"))
            ledger.check(project)
        with closing(sqlite3.connect(self.project / DATABASE_NAME)) as database:
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)

    def copy(self, folder: Path) -> "Desk":
        """The same desk elsewhere; clips stay where they were collected."""
        return replace(self, folder=Path(shutil.copytree(self.folder, folder)))


@contextmanager
def started_forker() -> Iterator["subprocess.Popen[str]"]:
    """The process that starts commands, for as long as a session of tests lasts."""
    script = Path(__file__).with_name("forker.py")
    with subprocess.Popen(
        [sys.executable, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()
