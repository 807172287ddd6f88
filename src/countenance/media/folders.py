"""Which files in a folder are videos or pictures, by their names: it may hold other things, too."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from countenance.errors import one_line
from countenance.media.container import reason

SUFFIXES = re.compile(
    r"\.(3g2|3gp|avi|avif|bmp|dv|flv|gif|heic|heif|jfif|jpe|jpeg|jpg|m2ts|m2v|m4v|mkv|mov|mp4|mpeg|mpg|mts|mxf|ogv|png|tif"
    r"|tiff|ts|vob|webm|webp|wmv)",
    re.IGNORECASE,
)
"""Of videos and pictures; some can't be read, and a reader says so."""


def footage_in(folder: Path) -> Iterator[tuple[Path, str | None]]:
    """Videos and pictures in a folder and those below it, in order of their names, and why some can't be looked into.

    Hidden files and folders are left out, and links to folders aren't followed. Nothing is kept: one file is in memory
    at a time.
    """
    closed: list[OSError] = []
    for each, folders, files in os.walk(folder, onerror=closed.append):
        # Changed in place, `os.walk` goes on so.
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(each, name)
            if not name.startswith(".") and SUFFIXES.fullmatch(path.suffix):
                yield path, None
        yield from _told(closed)
    yield from _told(closed)


def _told(closed: list[OSError]) -> Iterator[tuple[Path, str]]:
    while closed:
        error = closed.pop(0)
        line = f"the folder {error.filename} can't be read: {reason(error)}; check its permissions"
        yield Path(error.filename), one_line(line)
