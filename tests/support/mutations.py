"""Published files, changed in every way that happens to files or that somebody could think of: named kinds, by a seed.

Each kind takes a file and its twin, which the same project published of other footage in the same format, and gives the
bytes of a mutant. Nothing here knows a key.
"""

import io
import struct
import tempfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random

import av
from PIL import Image

from countenance.media.probe import probe
from countenance.media.reader import read_frames
from tests.support.videos import write_video

VIDEOS, PICTURES = ("mp4", "mov"), ("jpg", "png", "webp")
C2PA_UUID = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
HEAD_PARTS = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"udta"}
"""Boxes that hold others."""
XMP = (
    b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/"
    b"22-rdf-syntax-ns#'><rdf:Description xmlns:dcterms='http://purl.org/dc/terms/' "
    b"dcterms:provenance='https://example.org/store.c2pa'/></rdf:RDF></x:xmpmeta>"
)
"""By which a picture says that its credentials are kept on the network."""


@dataclass(frozen=True, kw_only=True)
class Original:
    """A published file, and what its mutants are made from."""

    kind: str
    """Suffix, without its dot."""
    content: bytes
    twin: bytes
    """Published by the same project, of other footage."""

    @property
    def is_video(self) -> bool:
        return self.kind in VIDEOS


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """A changed file."""

    number: int
    how: str
    """A name in `MUTATIONS`."""
    original: Original
    content: bytes
    suffix: str


# Parts: boxes of MP4 and MOV, segments of JPEG, chunks of PNG and WebP. The first has what stands before all of them.


def parts_of(content: bytes, kind: str) -> list[bytes]:
    """A file cut where its parts begin; joined they are the file."""
    if kind == "jpg":
        return _segments(content)
    start = {"png": 8, "webp": 12}.get(kind, 0)
    parts = [content[:start]] if start else []
    while start < len(content):
        if kind == "png":
            length = 12 + int.from_bytes(content[start : start + 4])
        elif kind == "webp":
            size = int.from_bytes(content[start + 4 : start + 8], "little")
            length = 8 + size + size % 2
        else:
            length = int.from_bytes(content[start : start + 4]) or len(content) - start
        parts.append(content[start : start + max(8, length)])
        start += max(8, length)
    return parts


def _segments(content: bytes) -> list[bytes]:
    parts, start = [content[:2]], 2
    while content[start + 1] != 0xDA:
        length = 2 + int.from_bytes(content[start + 2 : start + 4])
        parts.append(content[start : start + length])
        start += length
    return [*parts, content[start:]]


def joined(parts: list[bytes], kind: str) -> bytes:
    """A file of parts; a WebP says how long it is."""
    content = b"".join(parts)
    if kind == "webp":
        content = content[:4] + (len(content) - 8).to_bytes(4, "little") + content[8:]
    return content


def is_store(part: bytes, kind: str) -> bool:
    """Whether a part holds credentials."""
    begins = {"jpg": part[:2] == b"\xff\xeb", "png": part[4:8] == b"caBX", "webp": part[:4] == b"C2PA"}
    return begins.get(kind, part[4:8] == b"uuid" and part[8:24] == C2PA_UUID)


def jumbf_of(part: bytes, kind: str) -> tuple[bytes, bytes, bytes]:
    """What stands around the credentials in their part, before and after, and themselves between."""
    start = {"jpg": 12, "png": 8, "webp": 8}.get(kind, 45)
    end = start + int.from_bytes(part[start : start + 4])
    return part[:start], part[start:end], part[end:]


def in_part(jumbf: bytes, kind: str, number: int = 1) -> bytes:
    """Credentials, or in JPEG one of several pieces of them, as a part of a file."""
    if kind == "jpg":
        return b"\xff\xeb" + struct.pack(">H", 10 + len(jumbf)) + b"JP\x02\x11" + struct.pack(">I", number) + jumbf
    if kind == "png":
        return _chunk(b"caBX", jumbf)
    if kind == "webp":
        return _riff(b"C2PA", jumbf)
    head = C2PA_UUID + bytes(4) + b"manifest\0" + bytes(8)
    return struct.pack(">I", 8 + len(head) + len(jumbf)) + b"uuid" + head + jumbf


def filler(kind: str, size: int, letter: bytes = b"x") -> bytes:
    """A part of this many bytes in which something can be hidden, and which no viewer shows."""
    if kind == "jpg":
        return b"\xff\xfe" + struct.pack(">H", size - 2) + letter * (size - 4)
    if kind == "png":
        return _chunk(b"teXt", letter * (size - 12))
    if kind == "webp":
        return _riff(b"JUNK", letter * (size - 8))
    return struct.pack(">I", size) + b"free" + letter * (size - 8)


def turned(kind: str) -> bytes:
    """A part that says that the picture lies on its side."""
    exif = Image.Exif()
    exif[0x0112] = 6
    written = exif.tobytes()
    if kind == "jpg":
        return b"\xff\xe1" + struct.pack(">H", 2 + len(written)) + written
    if kind == "png":
        return _chunk(b"eXIf", written[6:])
    if kind == "webp":
        return _riff(b"EXIF", written)
    return filler(kind, 40)


def shortened(jumbf: bytes) -> bytes:
    """The same credentials with less of the room that is kept free beside the signature."""
    at = jumbf.rindex(b"cpad") + 4
    assert jumbf[at] == 0x59, "expected a byte string of some thousand bytes"
    length, left = int.from_bytes(jumbf[at + 1 : at + 3]), 300
    short = bytearray(jumbf[: at + 1] + struct.pack(">H", left) + bytes(left) + jumbf[at + 3 + length :])

    def mend(start: int, end: int) -> None:
        while start + 8 <= end:
            size, name = struct.unpack(">I4s", jumbf[start : start + 8])
            if start < at < start + size:
                short[start : start + 4] = struct.pack(">I", size - (length - left))
                if name == b"jumb":
                    mend(start + 8, start + size)
                return
            start += size

    mend(0, len(jumbf))
    return bytes(short)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _riff(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)


def _crc_mended(part: bytes) -> bytes:
    """A chunk of PNG whose sum is right again, as whoever changes one on purpose leaves it."""
    return part[:-4] + struct.pack(">I", zlib.crc32(part[4:-4])) if len(part) >= 12 else part


# Bytes.


def _flipped(rng: Random, content: bytes, start: int = 0, end: int | None = None) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 8))):
        changed[rng.randrange(start, end or len(content))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _span(rng: Random, content: bytes, most: int = 4000) -> tuple[int, int]:
    start = rng.randrange(len(content) - 1)
    return start, min(len(content), start + rng.randint(1, rng.choice((2, 16, 256, most))))


def bit_flipped(rng: Random, file: Original) -> bytes:
    return _flipped(rng, file.content)


def head_flipped(rng: Random, file: Original) -> bytes:
    return _flipped(rng, file.content, end=40)


def bytes_overwritten(rng: Random, file: Original) -> bytes:
    start, end = _span(rng, file.content)
    new = rng.choice((rng.randbytes(end - start), bytes(end - start), b"\xff" * (end - start)))
    return file.content[:start] + new + file.content[end:]


def bytes_inserted(rng: Random, file: Original) -> bytes:
    start, end = _span(rng, file.content)
    return file.content[:start] + rng.randbytes(end - start) + file.content[start:]


def bytes_removed(rng: Random, file: Original) -> bytes:
    start, end = _span(rng, file.content)
    return file.content[:start] + file.content[end:]


def truncated(rng: Random, file: Original) -> bytes:
    return file.content[: rng.choice((rng.randrange(len(file.content)), len(file.content) - rng.randint(1, 200)))]


def appended(rng: Random, file: Original) -> bytes:
    more = (
        rng.randbytes(rng.randint(1, 3000)),
        bytes(rng.randint(1, 3000)),
        file.content,
        file.twin,
        filler(file.kind, 60),
        struct.pack(">I4s", 30, b"mfra") + b"hidden here, unsigned!",
        struct.pack(">I4s", 24, b"ftyp") + b"isom hidden here",
        b"PK\x05\x06" + bytes(18),
    )
    return file.content + rng.choice(more)


def prepended(rng: Random, file: Original) -> bytes:
    more = (bytes(16), b"#!/bin/sh\n", filler("mp4", 40), file.twin[: rng.randint(8, 400)], b"\xef\xbb\xbf", b"GIF89a")
    return rng.choice(more) + file.content


def blocks_swapped(rng: Random, file: Original) -> bytes:
    (a, b), (c, d) = sorted((_span(rng, file.content, 3000), _span(rng, file.content, 3000)))
    b, text = min(b, c), file.content
    return text[:a] + text[c:d] + text[b:c] + text[a:b] + text[d:]


# Parts.


def _place(rng: Random, file: Original, parts: list[bytes], *, store: bool | None = None) -> int:
    """The index of a part, but for what stands before all."""
    first = 0 if file.is_video else 1
    wanted = [n for n in range(first, len(parts)) if store is None or is_store(parts[n], file.kind) == store]
    return rng.choice(wanted)


def parts_shuffled(rng: Random, file: Original) -> bytes:
    parts = parts_of(file.content, file.kind)
    first, last = (0 if file.is_video else 1), (len(parts) - 1 if file.kind == "jpg" else len(parts))
    middle = parts[first:last]
    while len(set(middle)) > 1 and middle == parts[first:last]:
        rng.shuffle(middle)
    return joined([*parts[:first], *middle, *parts[last:]], file.kind)


def part_removed(rng: Random, file: Original) -> bytes:
    parts = parts_of(file.content, file.kind)
    del parts[_place(rng, file, parts)]
    return joined(parts, file.kind)


def part_doubled(rng: Random, file: Original) -> bytes:
    parts = parts_of(file.content, file.kind)
    chosen = parts[_place(rng, file, parts)]
    parts.insert(_place(rng, file, parts), chosen)
    return joined(parts, file.kind)


def part_inserted(rng: Random, file: Original) -> bytes:
    parts = parts_of(file.content, file.kind)
    more = filler(file.kind, rng.randrange(40, 400, 2)) if rng.random() < 0.6 else turned(file.kind)
    parts.insert(_place(rng, file, parts), more)
    return joined(parts, file.kind)


def part_changed(rng: Random, file: Original) -> bytes:
    """A bit anywhere in one part but that of the credentials, with its sum mended."""
    parts = parts_of(file.content, file.kind)
    place = _place(rng, file, parts, store=False)
    changed = _flipped(rng, parts[place])
    parts[place] = _crc_mended(changed) if file.kind == "png" else changed
    return b"".join(parts)


def part_of_the_twin(rng: Random, file: Original) -> bytes:
    """Another file's picture, sound or index in the place of its own."""
    parts, others = (parts_of(each, file.kind) for each in (file.content, file.twin))
    place = min(_place(rng, file, parts, store=False), len(others) - 1)
    parts[place] = others[place]
    return joined(parts, file.kind)


def size_changed(rng: Random, file: Original) -> bytes:
    """A part that says another length than it has."""
    parts = parts_of(file.content, file.kind)
    place = _place(rng, file, parts)
    at = {"jpg": 2, "webp": 4}.get(file.kind, 0)
    width = 2 if file.kind == "jpg" else 4
    wrong = rng.choice((0, 1, 7, 8, len(parts[place]) + rng.choice((-9, -1, 1, 8)), 2**16 - 1, 2**31))
    order = "little" if file.kind == "webp" else "big"
    number = (max(0, wrong) % 256**width).to_bytes(width, order)
    parts[place] = parts[place][:at] + number + parts[place][at + width :]
    return b"".join(parts)


def index_changed(rng: Random, file: Original) -> bytes:
    """What says where and when pictures are shown, as an editor of edit lists or times would change it."""
    parts = parts_of(file.content, file.kind)
    if not file.is_video:
        return part_changed(rng, file)
    place = next(n for n, part in enumerate(parts) if part[4:8] == b"moov")
    inner = _boxes_within(parts[place], 8, len(parts[place]))
    start, end = rng.choice([(start, end) for name, start, end in inner if name not in HEAD_PARTS and end - start > 16])
    changed = bytearray(parts[place])
    if rng.random() < 0.3:
        changed[start + 4 : start + 8] = b"free"
    else:
        at = rng.randrange(start + 8, end - 3)
        changed[at : at + 4] = struct.pack(">I", rng.choice((0, 1, 2, 0xFFFFFFFF, rng.randrange(2**16))))
    parts[place] = bytes(changed)
    return b"".join(parts)


def _boxes_within(content: bytes, start: int, end: int) -> list[tuple[bytes, int, int]]:
    found = []
    while start + 8 <= end:
        size, name = struct.unpack(">I4s", content[start : start + 8])
        if size < 8:
            break
        found.append((name, start, start + size))
        if name in HEAD_PARTS:
            found += _boxes_within(content, start + 8, start + size)
        start += size
    return found


# Credentials.


def _store_at(parts: list[bytes], kind: str) -> int:
    return next(number for number, part in enumerate(parts) if is_store(part, kind))


def _with_store(file: Original, change: Callable[[bytes], bytes]) -> bytes:
    """The file with other credentials, which have their own length."""
    parts = parts_of(file.content, file.kind)
    place = _store_at(parts, file.kind)
    _, jumbf, _ = jumbf_of(parts[place], file.kind)
    parts[place] = in_part(change(jumbf), file.kind)
    return joined(parts, file.kind)


def stripped(_: Random, file: Original) -> bytes:
    """Without credentials, all else byte for byte; in a video an empty box stands in their place."""
    parts = parts_of(file.content, file.kind)
    place = _store_at(parts, file.kind)
    parts[place] = filler(file.kind, len(parts[place]), b"\0") if file.is_video else b""
    return joined(parts, file.kind)


def stripped_and_pointed_elsewhere(rng: Random, file: Original) -> bytes:
    """Without credentials, but with a word that they are kept on the network."""
    if file.kind != "jpg":
        return stripped(rng, file)
    parts = parts_of(stripped(rng, file), file.kind)
    parts.insert(1, b"\xff\xe1" + struct.pack(">H", 2 + len(XMP)) + XMP)
    return joined(parts, file.kind)


def credentials_changed(rng: Random, file: Original) -> bytes:
    return _with_store(file, lambda jumbf: _flipped(rng, jumbf))


def statement_changed(rng: Random, file: Original) -> bytes:
    """A word of what is stated is another one, of the same length."""
    words = [
        b"num_altered_frames",
        b"shown",
        b"org.countenance",
        b"c2pa.edited",
        b"Countenance",
        b"parentOf",
        b"sha256",
    ]

    def change(jumbf: bytes) -> bytes:
        word: bytes = rng.choice([each for each in words if each in jumbf])
        at = jumbf.index(word) + rng.randrange(len(word) + 1)
        return jumbf[:at] + bytes([jumbf[at] ^ 1]) + jumbf[at + 1 :]

    return _with_store(file, change)


def transplanted(_rng: Random, file: Original) -> bytes:
    """The twin's credentials in the place of the file's own."""
    others = parts_of(file.twin, file.kind)
    other = jumbf_of(others[_store_at(others, file.kind)], file.kind)[1]
    return _with_store(file, lambda _: other)


def twin_added(rng: Random, file: Original) -> bytes:
    """The twin's credentials beside the file's own."""
    parts, others = (parts_of(each, file.kind) for each in (file.content, file.twin))
    parts.insert(_store_at(parts, file.kind) + rng.randrange(2), others[_store_at(others, file.kind)])
    return joined(parts, file.kind)


def padding_filled(rng: Random, file: Original) -> bytes:
    """Something hidden in the room that is kept free beside the signature."""

    def change(jumbf: bytes) -> bytes:
        at = jumbf.rindex(b"cpad") + 10
        return jumbf[:at] + rng.randbytes(2000) + jumbf[at + 2000 :]

    return _with_store(file, change)


def room_used_behind(rng: Random, file: Original) -> bytes:
    """Credentials made shorter, and a part in the bytes that the signature leaves out, behind them."""
    return _room_used(rng, file, in_pieces=False)


def room_used_between(rng: Random, file: Original) -> bytes:
    """The same between two pieces of the credentials."""
    return _room_used(rng, file, in_pieces=True)


def _room_used(rng: Random, file: Original, *, in_pieces: bool) -> bytes:
    parts = parts_of(file.content, file.kind)
    place = _store_at(parts, file.kind)
    jumbf = shortened(jumbf_of(parts[place], file.kind)[1])
    pieces = [in_part(jumbf, file.kind)]
    if in_pieces:
        at = rng.randrange(200, len(jumbf) - 200)
        # In JPEG each piece begins with the box's own head.
        again = jumbf[:8] if file.kind == "jpg" else b""
        pieces = [in_part(jumbf[:at], file.kind), in_part(again + jumbf[at:], file.kind, 2)]
    hidden = turned(file.kind)
    room = len(parts[place]) - sum(map(len, pieces)) - len(hidden)
    if file.kind == "webp" and room % 2:
        room -= 1
    parts[place] = pieces[0] + hidden + filler(file.kind, room) + b"".join(pieces[1:])
    return joined(parts, file.kind)


def another_kind_named(rng: Random, file: Original) -> bytes:
    """A video that says that it is of another kind, where the signature doesn't reach; a picture with wrong letters."""
    if not file.is_video:
        return _flipped(rng, file.content, end=8)
    brand = rng.choice((b"qt  ", b"isom", b"heic", b"avif", b"M4A ", b"3gp4", b"mp42", b"dash", b"\0\0\0\0"))
    return file.content[:8] + brand + file.content[12:]


# What programs do.


def _written(change: Callable[[Path, Path], None], content: bytes, kind: str, to: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        old, new = Path(folder, f"old.{kind}"), Path(folder, f"new.{to}")
        old.write_bytes(content)
        change(old, new)
        return new.read_bytes()


def _copied_packets(old: Path, new: Path) -> None:
    with av.open(old) as given, av.open(new, "w") as written:
        streams = {stream.index: written.add_stream_from_template(stream) for stream in given.streams}
        for packet in given.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                written.mux(packet)


def remuxed(rng: Random, file: Original) -> bytes:
    """The same packets in a new file, as many sites make it; a picture's pixels saved without loss."""
    if file.is_video:
        return _written(_copied_packets, file.content, file.kind, rng.choice((*VIDEOS, "mkv")))
    return _saved(file.content, "png")


def encoded_again(rng: Random, file: Original) -> bytes:
    """Encoded again with loss, in any format."""
    if not file.is_video:
        return _saved(file.content, rng.choice(("jpeg", "webp")), quality=rng.choice((80, 90)))
    to = rng.choice((*VIDEOS, "mkv"))

    def encode(old: Path, new: Path) -> None:
        encoder = {"crf": str(rng.choice((16, 20, 23))), "preset": "veryfast"}
        write_video(new, (frame.rgb for frame in read_frames(probe(old))), frame_rate=25, encoder=encoder)

    return _written(encode, file.content, file.kind, to)


def _saved(content: bytes, to: str, **options: int) -> bytes:
    written = io.BytesIO()
    with Image.open(io.BytesIO(content)) as picture:
        picture.save(written, to, **options)
    return written.getvalue()


def wrongly_named(_: Random, file: Original) -> bytes:
    """Not one byte is another, only the name's ending."""
    return file.content


MUTATIONS: Mapping[str, Callable[[Random, Original], bytes]] = {
    each.__name__.replace("_", " "): each
    for each in (
        *(bit_flipped, head_flipped, bytes_overwritten, bytes_inserted, bytes_removed, truncated),
        *(appended, prepended, blocks_swapped),
        *(parts_shuffled, part_removed, part_doubled, part_inserted, part_changed, part_of_the_twin),
        *(size_changed, index_changed),
        *(stripped, stripped_and_pointed_elsewhere, credentials_changed, statement_changed, transplanted, twin_added),
        *(padding_filled, room_used_behind, room_used_between, another_kind_named),
        *(remuxed, encoded_again, wrongly_named),
    )
}
SUFFIXES = (".mp4", ".mov", ".jpg", ".png", ".webp", ".mkv", ".txt", "")


def mutant(number: int, originals: Mapping[str, Original]) -> Mutant:
    """The mutant of a number: each kind of change of each kind of file comes in turn, its details by the number."""
    names, kinds = list(MUTATIONS), list(originals)
    how, original = names[number % len(names)], originals[kinds[number // len(names) % len(kinds)]]
    rng = Random(number)
    content = MUTATIONS[how](rng, original)
    suffix = rng.choice(SUFFIXES) if how == "wrongly named" or rng.random() < 0.1 else f".{original.kind}"
    return Mutant(number=number, how=how, original=original, content=content, suffix=suffix)
