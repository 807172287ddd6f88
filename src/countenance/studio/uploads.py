"""Files that are dropped onto a page: streamed to the disk, whole or not at all."""

import secrets
import shutil
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from itertools import count
from pathlib import Path
from urllib.parse import unquote

import anyio
import anyio.to_thread
from starlette.requests import Request

from countenance.errors import MediaError, UsageError
from countenance.project import PRIVATE, erase, move_whole, private_file, writing_whole
from countenance.studio.answers import SILENT_S, declared_bytes, pieces_of, studio_of
from countenance.studio.safety import CSRF_HEADER, same

LEFT_FREE_BYTES = 2 * 2**30
"""An upload leaves at least so much of the disk free."""
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

    A file that is refused is read to its end all the same, as a browser shows no answer before it has sent all.

    Raises:
        UsageError: the name is none, or more comes than `most_bytes`, or than the disk has room for.
        MediaError: the sender stopped.
    """
    check_sent_by_page(request)
    pieces, most = _pieces_in_time(request), _most_bytes(folder, most_bytes)

    def check_size(num_bytes: int) -> None:
        _check_size(num_bytes, most, is_limit=most_bytes is not None)

    try:
        name, part = name_of(request), folder / f".{secrets.token_hex(8)}"
        check_size(declared_bytes(request) or 0)
        await _write(pieces, part, check_size)
    except (UsageError, OSError):
        with suppress(MediaError):
            async for _ in pieces:
                pass
        raise
    return await anyio.to_thread.run_sync(_named, part, name)


async def _write(pieces: AsyncIterator[bytes], path: Path, check_size: Callable[[int], None]) -> None:
    """Write pieces as they come. All that may wait for the disk does so in a thread, and other pages don't."""
    writer, num_bytes = writing_whole(path, mode=PRIVATE), 0
    file = await anyio.to_thread.run_sync(writer.__enter__)
    try:
        async for piece in pieces:
            num_bytes += len(piece)
            check_size(num_bytes)
            await anyio.to_thread.run_sync(file.write, piece)
    except BaseException:
        # Also where the studio is stopped meanwhile.
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(writer.__exit__, *sys.exc_info())
        raise
    await anyio.to_thread.run_sync(writer.__exit__, None, None, None)


async def _pieces_in_time(request: Request) -> AsyncIterator[bytes]:
    """A request's body as it comes, as long as it comes.

    Raises:
        MediaError: nothing came for too long.
    """
    pieces = pieces_of(request)
    while True:
        try:
            with anyio.fail_after(SILENT_S):
                piece = await anext(pieces, None)
        except TimeoutError:
            raise MediaError(f"nothing of the file came for {SILENT_S:.0f} s; send it again") from None
        if piece is None:
            return
        yield piece


def sweep_parts(folder: Path) -> None:
    """Remove what uploads left that were killed with the studio; one that still goes on is never silent for so long."""
    if not folder.is_dir():
        return
    for part in folder.glob(".*"):
        # One that goes on may end meanwhile.
        with suppress(FileNotFoundError):
            if time.time() - part.stat().st_mtime > 10 * SILENT_S:
                erase(part)


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


def _named(part: Path, name: str) -> Path:
    """Give a whole file a name that nothing has there; a second file of the same name gets a number."""
    plain = Path(name)
    for number in count(1):
        path = part.with_name(name if number == 1 else f"{plain.stem}-{number}{plain.suffix}")
        try:
            # Two that arrive at once must not take the same name.
            with open(path, "xb", opener=private_file):
                move_whole(part, path)
        except FileExistsError:
            continue
        break
    return path
