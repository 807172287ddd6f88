"""The boxes of an MP4 or MOV, and how many samples they announce, before FFmpeg sets memory aside for each of them.

Boxes as in ISO/IEC 14496-12. Where all samples have one size, twenty bytes can announce four billion of them, and every
one would take some sixty bytes of memory.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from countenance.errors import MediaError

HOLDERS = {b"moov", b"moof", b"trak", b"traf", b"mdia", b"minf", b"stbl", b"dinf", b"edts", b"mvex", b"tref", b"udta"}
"""Boxes that hold nothing but others."""

MAX_DEPTH = 16

MAX_BOXES = 4_000_000
"""A fragment has about ten, and is hardly shorter than a tenth of a second."""

TRUN_FIELDS = 0x100 | 0x200 | 0x400 | 0x800
"""Flags of a fragment that tells something of each sample, and so takes room for each."""

C2PA_UUID = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
"""With it begins the content of a box `uuid` in which content credentials lie."""

SOUND, VIDEO = int.from_bytes(b"soun"), int.from_bytes(b"vide")

Box = tuple[bytes, int, int]
"""Type, first byte of its content, and the byte after it."""


def check_announced(path: Path, size: int, max_samples: int) -> None:
    """Refuse an MP4 that announces more samples than there may be without giving a byte to each.

    Files of other kinds, read as boxes, end soon and announce nothing.

    Raises:
        MediaError: it does, or it is compressed so that nobody can tell.
    """
    with path.open("rb") as file:
        num_announced, sound_of_single_ticks = 0, False
        for number, (name, start, end) in enumerate(_boxes(file, 0, size, 0)):
            if number == MAX_BOXES:
                raise MediaError(f"expected at most {MAX_BOXES} boxes, but {path} has more; remux it")
            if name == b"cmov":
                raise MediaError(f"the index of {path} is compressed; remux it to .mp4 or .mkv")
            if name == b"trak":
                sound_of_single_ticks = False
            elif name == b"hdlr":
                # QuickTime adds another one, of the data's place.
                handler = numbers_at(file, start, end, ">8xI")
                sound_of_single_ticks = handler == (SOUND,) or (sound_of_single_ticks and handler != (VIDEO,))
            elif name == b"stts" and numbers_at(file, start, end, ">4xI4xI") != (1, 1):
                sound_of_single_ticks = False
            elif name == b"stsz":
                same_size, num_samples = numbers_at(file, start, end, ">4xII") or (1, 0)
                # Plain samples of sound aren't kept one by one.
                num_announced += num_samples if same_size and not sound_of_single_ticks else 0
            elif name == b"trun":
                flags, num_samples = numbers_at(file, start, end, ">II") or (0, 0)
                num_announced += 0 if flags & TRUN_FIELDS else num_samples
            if num_announced > max_samples:
                raise MediaError(f"expected at most {max_samples} frames, but {path} announces {num_announced}; cut it")


def boxes_in(file: BinaryIO, start: int, end: int) -> Iterator[Box]:
    """The boxes of one level in order, as far as they are boxes; the last may announce more than there is."""
    while start + 8 <= end:
        file.seek(start)
        size, name = struct.unpack(">I4s", file.read(8).ljust(8, b"\x00"))
        head = 8
        if size == 1:
            (size,) = struct.unpack(">Q", file.read(8).ljust(8, b"\x00"))
            head = 16
        stop = end if size == 0 else min(start + size, end)
        if stop < start + head:
            return
        yield name, start + head, stop
        start = stop


def _boxes(file: BinaryIO, start: int, end: int, depth: int) -> Iterator[Box]:
    """All boxes in order, those within others after what holds them."""
    for name, begin, stop in boxes_in(file, start, end):
        yield name, begin, stop
        if name in HOLDERS and depth < MAX_DEPTH:
            yield from _boxes(file, begin, stop, depth + 1)


def numbers_at(file: BinaryIO, start: int, end: int, layout: str) -> tuple[int, ...] | None:
    """Numbers at the beginning of a box; None where it is too short."""
    length = struct.calcsize(layout)
    file.seek(start)
    data = file.read(length)
    return struct.unpack(layout, data) if len(data) == length and start + length <= end else None
