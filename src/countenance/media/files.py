"""How files from others are opened for reading: never a pipe, device or socket, on which a command would wait."""

import os
import stat
from io import BufferedReader
from pathlib import Path

from countenance.errors import MediaError

KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
    stat.S_IFLNK: "a symbolic link",
}


def open_regular(path: Path, *, follow_links: bool = True) -> BufferedReader:
    """Open a regular file; opening never waits for anybody.

    Raises:
        MediaError: it is something else.
        OSError: it can't be opened.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    # A socket can't even be opened, and opening some devices has effects; what takes their place is caught below.
    check_regular(path, (path.stat() if follow_links else path.lstat()).st_mode)
    handle = os.open(path, flags | (0 if follow_links else getattr(os, "O_NOFOLLOW", 0)))
    try:
        check_regular(path, os.fstat(handle).st_mode)
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def check_regular(path: Path, mode: int) -> None:
    """Refuse by a file's mode all that is no regular file.

    Raises:
        MediaError: it is none.
    """
    if not stat.S_ISREG(mode):
        name = KINDS.get(stat.S_IFMT(mode), "something else")
        remedy = "give a file in it" if stat.S_ISDIR(mode) else "save its content as a file"
        raise MediaError(
            f"expected a regular file, but {path} is {name}; {remedy}",
            code="media.unreadable",
            path=path,
        )
