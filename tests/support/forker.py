"""Loads what commands load, then forks a process for each command it is told: real processes, two seconds sooner.

Reads one JSON order a line: words, cwd, env, out, err, file_limit, user. Answers with the process id. Reads "end", and
answers with the exit code. Until then the process keeps its id, also when it has ended long since, so that a signal
never reaches another one.
"""

import gc
import importlib
import json
import os
import resource
import signal
import sys
from typing import Any

ROOMS = ("cli.app", "cli.display", "steps.generate", "steps.verify", "consent.document", "cli.start")
LOADED = [importlib.import_module(f"countenance.{room}") for room in ROOMS]


def become(order: dict[str, Any]) -> None:
    """Turn this process into one that a shell would have started."""
    os.chdir(order["cwd"])
    os.environ.update(order["env"])
    for number, name, flags in (
        (0, os.devnull, os.O_RDONLY),
        (1, order["out"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
        (2, order["err"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
    ):
        handle = os.open(name, flags)
        os.dup2(handle, number)
        os.close(handle)
    if order["file_limit"] is not None:
        # Without the signal, a write beyond the limit fails as it does on a full disk.
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (order["file_limit"], order["file_limit"]))
    if order["user"] is not None:
        os.setgroups([])
        os.setgid(order["user"])
        os.setuid(order["user"])
    sys.argv = ["countenance", *order["words"]]


def main() -> None:
    # As `cli.start` has it until the command is there to catch it: a child may be stopped before it comes so far.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # Otherwise each child copies all of memory as it collects its garbage.
    gc.freeze()
    process = None
    for line in sys.stdin:
        if line == "end\n":
            assert process is not None
            print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)
            process = None
            continue
        if process is not None:
            # The test that began it has failed before its end.
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
        process = os.fork()
        if process == 0:
            become(json.loads(line))
            LOADED[-1].main()
        print(process, flush=True)


main()
