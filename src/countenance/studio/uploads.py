"""Files that are dropped onto a page: streamed to the disk, whole or not at all."""

import os
import shutil
from pathlib import Path
from urllib.parse import unquote

import anyio
import anyio.to_thread
from starlette.requests import Request

from countenance.errors import MediaError, UsageError
from countenance.project import PRIVATE, writing_whole
from countenance.studio.answers import pieces_of, studio_of
from countenance.studio.safety import CSRF_HEADER, same

LEFT_FREE_BYTES = 2 * 2**30
"""An upload leaves at least so much of the disk free."""
SILENT_S = 30.0
"""A sender that sends nothing for so long has gone."""
MAX_NAME_BYTES = 200


def name_of(request: Request) -> str:
    """The file's name, as its owner knows it; without folders.

    Raises:
        UsageError: it is none.
    """
    name = unquote(request.headers.get("x-file-name", ""))
    if (
        not name
        or name != Path(name).name
        or name.startswith(".")
        or "\\" in name
        or not name.isprintable()
        or len(name.encode()) > MAX_NAME_BYTES
    ):
        raise UsageError(f"expected a plain file name of at most {MAX_NAME_BYTES} bytes, got {name[:80]!r}; rename it")
    return name


def check_sent_by_page(request: Request) -> None:
    """Uploads have no form: the token of the page comes as a header.

    Raises:
        UsageError: it is missing or wrong.
    """
    if not same(request.headers.get(CSRF_HEADER, ""), studio_of(request).csrf):
        raise UsageError("the page is too old; load it again", code="usage.page_too_old")


async def received(request: Request, folder: Path, *, most_bytes: int | None = None) -> Path:
    """Write what is sent into a folder, under a name that is free there; nothing is held in memory.

    Raises:
        UsageError: the name is none, or more comes than `most_bytes`.
        MediaError: the disk hasn't the space, or the sender stopped.
    """
    check_sent_by_page(request)
    name = name_of(request)
    declared = request.headers.get("content-length", "")
    most = _most_bytes(folder, most_bytes)
    _check_size(int(declared) if declared.isdecimal() else 0, most, is_limit=most_bytes is not None)
    path = await anyio.to_thread.run_sync(_free_name, folder, name)
    num_bytes = 0
    with writing_whole(path, mode=PRIVATE) as file:
        pieces = pieces_of(request)
        while True:
            try:
                with anyio.fail_after(SILENT_S):
                    piece = await anext(pieces, None)
            except TimeoutError:
                raise MediaError(f"nothing of {name} came for {SILENT_S:.0f} s; send it again") from None
            if piece is None:
                break
            num_bytes += len(piece)
            _check_size(num_bytes, most, is_limit=most_bytes is not None)
            await anyio.to_thread.run_sync(file.write, piece)
    return path


def _most_bytes(folder: Path, most_bytes: int | None) -> int:
    free = max(shutil.disk_usage(folder).free - LEFT_FREE_BYTES, 0)
    return free if most_bytes is None else min(free, most_bytes)


def _check_size(num_bytes: int, most: int, *, is_limit: bool) -> None:
    if num_bytes <= most:
        return
    if is_limit:
        raise UsageError(
            f"expected a file of at most {most / 2**20:.0f} MB; choose another one", code="usage.too_large"
        )
    raise UsageError(
        f"the disk has {most / 2**30:.1f} GB left for files; free some, or use the file from where it lies",
        code="usage.too_large",
    )


def _free_name(folder: Path, name: str) -> Path:
    """A name that nothing has there; a second file of the same name gets a number."""
    stem, ending = os.path.splitext(name)
    path, number = folder / name, 1
    while os.path.lexists(path):
        number += 1
        path = folder / f"{stem}-{number}{ending}"
    return path
