"""The cache folder: large files that can be regenerated."""

import os
from pathlib import Path

import platformdirs


def cache_folder() -> Path:
    """One user's folder for renders, corpora and Blender, created if missing; COUNTENANCE_CACHE overrides it."""
    path = Path(os.environ.get("COUNTENANCE_CACHE") or platformdirs.user_cache_path("countenance"))
    path.mkdir(parents=True, exist_ok=True)
    return path
