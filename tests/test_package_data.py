"""What an installed package needs beside its code is packed with it."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "countenance"


def test_every_file_beside_the_code_is_packed() -> None:
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["countenance"]
    packed = {path for pattern in patterns for path in SOURCE.glob(pattern) if path.is_file()}
    there = {
        path
        for path in SOURCE.rglob("*")
        if path.is_file() and path.suffix != ".py" and "__pycache__" not in path.parts
    }
    assert there
    assert there - packed == set()
