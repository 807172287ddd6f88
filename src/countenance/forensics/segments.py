"""Where a picture's file ends by its own format, and what lies after that."""

import mmap
import re
from collections.abc import Iterator
from pathlib import Path

from countenance.forensics.seen import Seen

MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
"""Of a JPEG, within coded pixels: anything but a stuffed byte, a filling byte or a restart."""
MAX_SEGMENTS = 100_000
PICTURES = "more pictures, as cameras keep for depth or as a preview; they weren't looked at"
FILLING = re.compile(rb"[\x00\n\r ]*+")
MAX_PICTURES = 1000
"""Further ones that are passed over."""


def seen_after_the_end(path: Path, format_name: str) -> Seen:
    """What is appended to a picture; a file that breaks off has nothing."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        end = {"JPEG": _end_of_jpeg, "MPO": _end_of_jpeg, "PNG": _end_of_png, "WEBP": _end_of_webp}.get(format_name)
        at = end(data) if end else None
        if at is None or at >= len(data):
            return Seen()
        rest = _after_pictures(data, at)
        pictures = (("after the picture", f"{rest - at:,} bytes: {PICTURES}"),) if rest > at else ()
        number, known = len(data) - rest, _known(data, rest)
    if not number:
        return Seen(facts=pictures)
    if known:
        return Seen(facts=(*pictures, ("after the picture", f"{number:,} bytes: {known}")))
    return Seen(
        facts=pictures,
        noticed=(
            f"{number:,} bytes after the picture's end belong to nothing that a viewer shows. Phones keep data of "
            "their own there, and broken copies leave remains; anything can be hidden there.",
        ),
    )


def _known(data: mmap.mmap, at: int) -> str:
    if _past_filling(data, at) == len(data):
        return "nothing but filling"
    if data[at + 4 : at + 8] == b"ftyp":
        return "it begins as a short film does, as phones keep one beside a picture; it wasn't looked into"
    if data[-4:] == b"SEFT":
        return "it ends as data of a Samsung phone do; it wasn't looked into"
    return ""


def _past_filling(data: mmap.mmap, at: int) -> int:
    match = FILLING.match(data, at)
    return match.end() if match else at


def _after_pictures(data: mmap.mmap, at: int) -> int:
    """Where the JPEGs that begin here end, with filling before each."""
    for _ in range(MAX_PICTURES):
        start = _past_filling(data, at)
        end = _end_of_jpeg(data, start) if data[start : start + 3] == b"\xff\xd8\xff" else None
        if end is None:
            break
        at = end
    return at


def _end_of_jpeg(data: mmap.mmap, start: int = 0) -> int | None:
    at = start + 2
    for _ in range(MAX_SEGMENTS):
        match = MARKER.search(data, at)
        if match is None:
            return None
        marker, at = data[match.start() + 1], match.end()
        if marker == 0xD9:
            return at
        if marker not in {0x01, 0xD8}:
            if at + 2 > len(data):
                return None
            at += max(2, int.from_bytes(data[at : at + 2]))
    return None


def _png_chunks(data: mmap.mmap) -> Iterator[tuple[bytes, int, int]]:
    """Type, first byte of the content and the byte after it, of each chunk."""
    at = 8
    for _ in range(MAX_SEGMENTS):
        if at + 12 > len(data):
            return
        length = int.from_bytes(data[at : at + 4])
        yield data[at + 4 : at + 8], at + 8, at + 8 + length
        at += 12 + length


def _end_of_png(data: mmap.mmap) -> int | None:
    return next((end + 4 for name, _, end in _png_chunks(data) if name == b"IEND"), None)


def _end_of_webp(data: mmap.mmap) -> int | None:
    length = int.from_bytes(data[4:8], "little")
    return 8 + length + length % 2
