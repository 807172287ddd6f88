import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import countenance
from countenance.cli import app as cli
from countenance.cli.shell import count

COMMANDS = (
    *("new", "collect", "prepare", "coverage", "train", "shots", "generate", "recognise", "verify", "settings", "demo"),
    "lesson",
    "studio",
    "forget",
    "train report",
    *("faces list", "faces show", "faces keep", "faces drop", "faces review", "faces export", "faces import"),
    *("release key", "release new", "release page", "release sign", "release countersign"),
    *("release add", "release revoke", "release list", "release approve", "release decline"),
    *("log check", "log show", "log export"),
    *("jobs add", "jobs list", "jobs show", "jobs stop", "jobs retry", "jobs move", "jobs run", "jobs clear"),
    *("marks export", "marks add"),
    *(
        "actors setup",
        "actors render",
        "actors truth",
        "actors sheet",
        "actors triples",
        "actors corpus",
        "actors pack",
    ),
    *("bench truth", "bench speed", "bench judge", "bench prepare"),
)
HEAVY = {
    "torch",
    "cv2",
    "av",
    "numpy",
    "pydantic",
    "cryptography",
    "c2pa",
    "ai_edge_litert",
    "PIL",
    "scipy",
    "embreex",
    "matplotlib",
    "skimage",
}


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_explains_itself_with_an_example(command: str) -> None:
    result = CliRunner().invoke(cli.app, [*command.split(), "--help"])
    assert result.exit_code == 0
    assert f"Example: countenance {command}" in " ".join(result.output.split())


def test_the_overview_tells_all_commands_in_the_order_of_work_and_the_exit_codes() -> None:
    result = CliRunner().invoke(cli.app, ["--help"])
    listed = [line.split()[0] for line in result.output.split("Commands:")[1].splitlines() if line.strip()]
    assert tuple(listed) == cli.ORDER
    assert set(listed) == {command.split()[0] for command in COMMANDS}
    assert "130 stopped by Ctrl-C" in " ".join(result.output.split())
    # A description that doesn't fit into its line ends in dots.
    assert "..." not in result.output.split("Commands:")[1]


@pytest.mark.parametrize("command", sorted(set(COMMANDS) - {"demo", "actors setup", "studio"}))
def test_each_command_with_a_result_gives_it_to_programs_as_well(command: str) -> None:
    """The demo leaves its report as a file; installing Blender and the studio have no result."""
    shown = CliRunner().invoke(cli.app, [*command.split(), "--help"]).output
    assert "--json" in shown


def test_settings_are_listed_for_people_and_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    told = CliRunner().invoke(cli.app, ["settings", "train"]).output
    assert "train.learning_rate = 0.0002   a number above 0, at most 1\n    At its highest" in told
    assert "prepare." not in told
    listed = json.loads(CliRunner().invoke(cli.app, ["settings", "--json"]).output)["settings"]
    by_name = {setting["name"]: setting for setting in listed}
    assert by_name["train.learning_rate"]["default"] == 2e-4
    assert by_name["train.learning_rate"]["schema"] == {"exclusiveMinimum": 0, "maximum": 1, "type": "number"}
    unknown = CliRunner().invoke(cli.app, ["settings", "trian"])
    assert (unknown.exit_code, "choose one of consent, prepare, coverage, train, generate" in unknown.stderr) == (
        2,
        True,
    )


def test_help_loads_nothing_heavy() -> None:
    shown = subprocess.run(
        [sys.executable, "-c", "import countenance.cli.app, sys, json; print(json.dumps(list(sys.modules)))"],
        capture_output=True,
        check=True,
    )
    modules = json.loads(shown.stdout)
    assert not HEAVY & {name.split(".")[0] for name in modules}
    rooms = {name.split(".")[1] for name in modules if name.startswith("countenance.")}
    assert rooms == {"cli", "errors"}


def test_counts_have_their_unit_in_the_right_number() -> None:
    assert [count(number, "frame") for number in (0, 1, 2400)] == ["0 frames", "1 frame", "2,400 frames"]


def test_version_is_printed_outside_of_any_project() -> None:
    result = CliRunner().invoke(cli.app, ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"countenance {countenance.__version__}\n")
