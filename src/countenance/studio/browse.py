"""Files on this machine: looking through the folders that the user chose."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from countenance.errors import UsageError
from countenance.media.container import reason
from countenance.media.folders import SUFFIXES
from countenance.studio.answers import document, studio_of
from countenance.studio.session import KEPT_ROOMS, Studio

MOST_LISTED = 5_000
"""Of a folder's files and folders each."""
PICTURES: Final = frozenset(
    {".avif", ".bmp", ".gif", ".heic", ".heif", ".jfif", ".jpe", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
)
KINDS: Final[Mapping[str, Callable[[str], bool]]] = {
    "any": lambda _: True,
    "media": lambda suffix: SUFFIXES.fullmatch(suffix) is not None,
    "video": lambda suffix: SUFFIXES.fullmatch(suffix) is not None and suffix not in PICTURES,
    "document": lambda suffix: suffix in {".toml", ".json"},
    "folder": lambda _: False,
}
"""Which files can be chosen, by their suffix in lower case."""


def _browse(request: Request) -> Response:
    """What a folder holds, as JSON."""
    studio, kind = studio_of(request), request.query_params.get("kind", "any")
    if kind not in KINDS:
        raise UsageError(f"expected one of the kinds {', '.join(KINDS)}, got {kind[:40]!r}; load the page again")
    # The first that the user named, where there is one.
    asked = request.query_params.get("folder") or str(studio.folders[min(1, len(studio.folders) - 1)])
    folder = studio.allowed(asked)
    if not folder.is_dir():
        raise UsageError(f"expected a folder, got the file {folder.name}; choose the folder that it lies in")
    folders, files, num_left_out = _held_by(folder, studio, KINDS[kind])
    return document(
        {
            "folder": str(folder),
            "name": folder.name or str(folder),
            "parent": str(folder.parent) if folder not in studio.folders else None,
            "places": [{"name": each.name or str(each), "path": str(each)} for each in dict.fromkeys(studio.folders)],
            "folders": folders[:MOST_LISTED],
            "files": files[:MOST_LISTED],
            "left_out": num_left_out + sum(max(len(each) - MOST_LISTED, 0) for each in (folders, files)),
        }
    )


def _held_by(
    folder: Path, studio: Studio, is_wanted: Callable[[str], bool]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], int]:
    """Folders and files of a folder, in order of their names, and how many entries can't be shown.

    What is hidden, the project's own rooms, and links that lead outside are left out.
    """
    folders, files, num_left_out = [], [], 0
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: (entry.name.casefold(), entry.name))
    except OSError as error:
        raise UsageError(f"the folder {folder} can't be read: {reason(error)}; check its permissions") from error
    for entry in entries:
        if entry.name.startswith(".") or (folder == studio.project and entry.name in KEPT_ROOMS):
            continue
        try:
            entry.name.encode()
            facts = entry.stat()
            if entry.is_symlink():
                studio.allowed(entry.path)
        except (UnicodeEncodeError, OSError, UsageError):
            num_left_out += 1
            continue
        if entry.is_dir():
            folders.append({"name": entry.name, "path": entry.path})
        elif entry.is_file() and is_wanted(Path(entry.name).suffix.lower()):
            files.append(
                {"name": entry.name, "path": entry.path, "bytes": facts.st_size, "modified": int(facts.st_mtime)}
            )
    return folders, files, num_left_out


routes = [Route("/browse", _browse)]
