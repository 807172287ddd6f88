"""Where large things lie that can be made again."""

import os
from pathlib import Path

import platformdirs


def cache_folder() -> Path:
    """For renders, corpora and Blender of one user, made if need be; COUNTENANCE_CACHE overrides it."""
    path = Path(os.environ.get("COUNTENANCE_CACHE") or platformdirs.user_cache_path("countenance"))
    path.mkdir(parents=True, exist_ok=True)
    return path
