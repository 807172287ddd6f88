"""The whole job on two synthetic actors."""

from importlib.resources import files
from pathlib import Path


def data_folder() -> Path:
    """Clips, releases and ground truth that ship with the package."""
    return Path(str(files("countenance"))) / "demo" / "data"
