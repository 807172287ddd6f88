"""The workflow, the templates and the parts of `.ci/run` name each other rightly."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
RUN = ROOT / ".ci/run"


def parts_of_ci() -> set[str]:
    """Parts that the head of `.ci/run` documents."""
    return set(re.findall(r"^#   (\w+)  ", RUN.read_text(), re.MULTILINE))


def test_the_workflow_runs_every_part_and_no_other() -> None:
    (matrix,) = re.findall(r"part: \[(.+)\]", (ROOT / ".github/workflows/ci.yml").read_text())
    assert set(re.findall(r"\w+", matrix)) == parts_of_ci()


def test_each_part_that_is_documented_is_a_function_and_part_of_all() -> None:
    script = RUN.read_text()
    (all_of_it,) = re.findall(r"all\) (.+) ;;", script)
    for part in parts_of_ci():
        assert re.search(rf"^{part}\(\) {{", script, re.MULTILINE)
        assert f"{part};" in f"{all_of_it};"


def test_a_part_that_isnt_there_is_refused() -> None:
    ended = subprocess.run([RUN, "nonsense"], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (2, "expected checks, tests, demo or wheel, got nonsense\n")


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", ".github/pull_request_template.md", "README.md"])
def test_commands_of_the_documents_are_targets_of_the_makefile(name: str) -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make (\w+)", (ROOT / name).read_text(), re.MULTILINE))
    assert named
    assert named <= targets
