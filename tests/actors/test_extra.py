"""Without the extra everything else works, and the message says how to get it."""

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import sys
for name in ("embreex", "scipy", "matplotlib", "skimage"):
    sys.modules[name] = None
sys.argv = ["countenance", *ARGUMENTS]
from countenance.cli.start import main
main()
"""


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    program = PROGRAM.replace("ARGUMENTS", repr(list(arguments)))
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)


def test_actors_and_benchmark_say_what_they_need(tmp_path: Path) -> None:
    done = run("actors", "sheet", "--number", "1", "--output", f"{tmp_path}/sheet.png")
    assert done.returncode == 7
    assert done.stderr.strip().endswith("install them with `pip install 'countenance[actors]'`")
    assert "Traceback" not in done.stderr
    done = run("bench", "truth", "--output", f"{tmp_path}/bench")
    assert done.returncode != 0
    assert "pip install 'countenance[bench" in done.stderr
    assert "Traceback" not in done.stderr


def test_everything_else_works(tmp_path: Path) -> None:
    done = run("new", f"{tmp_path}/film")
    assert done.returncode == 0
    imports = "; ".join(
        f"import countenance.{room}"
        for room in ("steps.prepare", "steps.train", "steps.generate", "steps.verify", "demo.run", "consent.register")
    )
    program = PROGRAM.split("sys.argv", maxsplit=1)[0] + imports
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
