"""The script that changes a shot's settings: quick changes don't undo each other."""

import json
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node.js to run the page's script")
def test_quick_changes_are_all_kept_and_undone_one_by_one(tmp_path: Path) -> None:
    script = tmp_path / "shot-settings.mjs"
    script.write_bytes((files("countenance.studio") / "static" / "shot-settings.js").read_bytes())
    command = ["node", str(Path(__file__).with_name("shot_settings.mjs")), str(script)]
    told = json.loads(subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout)
    assert told == {
        # The key was set after the value, and the shot was left after both.
        "changed": {"likeness": {"5": 0.4}, "sharpness": {"5": 0}},
        "undone": {"likeness": 0.4},
        "of_another_plate": {"likeness": 0.4},
        "other": {},
    }
