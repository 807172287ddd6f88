"""What the index of an MP4 or MOV tells, box by box (ISO/IEC 14496-12)."""

import struct
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from pathlib import Path
from typing import BinaryIO

from countenance.forensics.clock import created_and_changed, parts_disagree
from countenance.forensics.seen import Seen, quoted
from countenance.media.boxes import C2PA_UUID, Box, boxes_in, numbers_at
from countenance.media.container import MAX_STREAMS

ZERO = datetime(1904, 1, 1, tzinfo=UTC)
"""From which these files count seconds."""
MAX_OUTER, MAX_INNER = 20_000, 1000
"""Boxes that are looked at, of the outermost level and within each other one."""
MAX_EDITS = 10_000
NEGLIGIBLE_S = 0.5
"""What a camera's or encoder's own edit lists leave out is shorter."""
LARGE_GAP = 1024 * 1024
"""Bytes; less is the room that writers leave for their index."""

OUTER = {b"ftyp", b"moov", b"mdat", b"moof", b"mfra", b"sidx", b"styp", b"free", b"skip", b"wide", b"uuid", b"meta"} | {
    *(b"pdin", b"udta", b"pnot", b"PICT", b"emsg", b"prft", b"ssix", b"imda", b"sefd", b"mvex", b"pict", b"junk"),
}
"""Known at the outermost level; `sefd` is Samsung's."""
WRITERS = {
    "Google Inc.": "YouTube or another service of Google",
    "Twitter": "Twitter (X)",
    "Mainconcept": "a program of Adobe or another with MainConcept's encoder",
    "Core Media": "software of Apple",
    "VideoHandle\0": "Android",
    "GPAC": "GPAC (MP4Box)",
    "L-SMASH": "L-SMASH",
    "Bento4": "Bento4",
    "Mediatek": "a phone with MediaTek's chip",
    "GoPro": "GoPro",
    "DJI": "DJI",
}
"""How the name of a track's handler gives its writer away."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Stretch:
    """A part of an edit list: what of a track is shown, and for how long."""

    begins_s: float | None
    """In the track; None: nothing is shown."""
    length_s: float
    rate: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Track:
    kind: str
    """`vide`, `soun` or another handler's four letters."""
    handler: str
    created: datetime | None
    length_s: float
    stretches: tuple[Stretch, ...]
    num_formats: int
    """Descriptions of how its samples are coded."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Index:
    """What an MP4 or MOV says of itself."""

    outer: tuple[tuple[bytes, int], ...]
    """Type and length in bytes of the outermost boxes."""
    num_after: int
    """Bytes after the last box."""
    created: datetime | None
    changed: datetime | None
    length_s: float
    tracks: tuple[Track, ...]
    has_credentials: bool


def seen_in_boxes(path: Path, size: int, now: datetime) -> Seen:
    """What the index of an MP4 or MOV tells; of other files nothing."""
    index = read_index(path, size)
    if index is None:
        return Seen()
    times = [track.created for track in index.tracks if track.created is not None]
    stated = created_and_changed(index.created, index.changed, index.length_s, now)
    order = _order(index)
    return Seen(
        noticed=(
            *stated.noticed,
            *parts_disagree([*times, *([index.created] if index.created else [])], index.length_s, "Its tracks"),
            *(words for track in index.tracks if track.kind == "vide" for words in _edited(track)),
            *(words for track in index.tracks for words in _joined(track)),
            *order.noticed,
        ),
        facts=(
            *stated.facts,
            *order.facts,
            *(
                ("edit list", _listed(track.stretches))
                for track in index.tracks
                if track.kind == "vide" and track.stretches
            ),
            *(("written by", words) for words in _writers(index)),
            *((("credentials", "a box for C2PA's credentials is there"),) if index.has_credentials else ()),
        ),
    )


def read_index(path: Path, size: int) -> Index | None:
    """The boxes of a file, read without trust in what they announce; None where it has none of a film's."""
    with path.open("rb") as file:
        outer = list(islice(boxes_in(file, 0, size), MAX_OUTER))
        if not outer or outer[0][0] not in OUTER or b"moov" not in {name for name, *_ in outer}:
            return None
        num_after = _num_after(file, outer, size)
        movie = next(box for box in outer if box[0] == b"moov")
        inner = _inner(file, movie)
        created, changed, length_s, _ = _times(file, _first(inner, b"mvhd"))
        scale = _scale(file, _first(inner, b"mvhd"))
        tracks = (box for box in inner if box[0] == b"trak")
        return Index(
            outer=tuple((name, end - start) for name, start, end in outer if end <= size - num_after),
            num_after=num_after,
            created=created,
            changed=changed,
            length_s=length_s,
            tracks=tuple(_track(file, box, scale) for box in islice(tracks, MAX_STREAMS)),
            has_credentials=any(_is_c2pa(file, box) for box in outer if box[0] == b"uuid"),
        )


def _num_after(file: BinaryIO, outer: Sequence[Box], size: int) -> int:
    """Bytes at the end that belong to no box."""
    if len(outer) == MAX_OUTER:
        return 0
    end = outer[-1][2]
    # What was appended may look like boxes, but hardly like those of a film.
    for name, start, _ in reversed(outer):
        if name in OUTER:
            break
        if not name.isalnum() or not name.isascii() or _overruns(file, start, size):
            end = start - 8
    return size - end


def _overruns(file: BinaryIO, start: int, size: int) -> bool:
    file.seek(start - 8)
    length = int.from_bytes(file.read(4))
    return length > 1 and start - 8 + length > size


def _inner(file: BinaryIO, box: Box | None) -> list[Box]:
    return [] if box is None else list(islice(boxes_in(file, box[1], box[2]), MAX_INNER))


def _first(boxes: Sequence[Box], name: bytes) -> Box | None:
    return next((box for box in boxes if box[0] == name), None)


def _below(file: BinaryIO, boxes: Sequence[Box], *names: bytes) -> Box | None:
    """The first box of each name, each within the one before."""
    found: Box | None = None
    for name in names:
        found = _first(boxes, name)
        boxes = _inner(file, found)
    return found


def _times(file: BinaryIO, box: Box | None) -> tuple[datetime | None, datetime | None, float, bool]:
    """Created, changed and length in seconds from `mvhd` or `mdhd`, and whether it is there."""
    if box is None:
        return None, None, 0.0, False
    _, start, end = box
    (version,) = numbers_at(file, start, end, ">B") or (0,)
    numbers = numbers_at(file, start, end, ">4xQQIQ" if version == 1 else ">4xIIII")
    if numbers is None:
        return None, None, 0.0, False
    created, changed, scale, length = numbers
    # All ones: not known.
    unknown = 2**64 - 1 if version == 1 else 2**32 - 1
    return _time(created), _time(changed), (length / scale if scale and length != unknown else 0.0), True


def _scale(file: BinaryIO, box: Box | None) -> int:
    if box is None:
        return 0
    _, start, end = box
    (version,) = numbers_at(file, start, end, ">B") or (0,)
    (scale,) = numbers_at(file, start, end, ">20xI" if version == 1 else ">12xI") or (0,)
    return scale


def _time(seconds: int) -> datetime | None:
    if seconds == 0:
        return None
    with suppress(OverflowError):
        return ZERO + timedelta(seconds=seconds)
    return None


def _track(file: BinaryIO, box: Box, movie_scale: int) -> Track:
    inner = _inner(file, box)
    media = _inner(file, _first(inner, b"mdia"))
    handler = _first(media, b"hdlr")
    kind, name = _handler(file, handler)
    header = _first(media, b"mdhd")
    created, _, length_s, _ = _times(file, header)
    formats = _below(file, media, b"minf", b"stbl", b"stsd")
    (num_formats,) = (numbers_at(file, formats[1], formats[2], ">4xI") if formats else None) or (0,)
    return Track(
        kind=kind,
        handler=name,
        created=created,
        length_s=length_s,
        stretches=tuple(_stretches(file, _below(file, inner, b"edts", b"elst"), movie_scale, _scale(file, header))),
        num_formats=num_formats,
    )


def _handler(file: BinaryIO, box: Box | None) -> tuple[str, str]:
    if box is None:
        return "", ""
    _, start, end = box
    file.seek(start)
    content = file.read(min(end - start, 256))
    return content[8:12].decode("latin-1"), content[24:].decode("latin-1")


def _stretches(file: BinaryIO, box: Box | None, movie_scale: int, media_scale: int) -> Iterator[Stretch]:
    if box is None or not movie_scale or not media_scale:
        return
    _, start, end = box
    version, num_announced = numbers_at(file, start, end, ">B3xI") or (0, 0)
    layout = ">Qqi" if version == 1 else ">Iii"
    width = struct.calcsize(layout)
    for at in range(start + 8, min(end, start + 8 + width * min(num_announced, MAX_EDITS)), width):
        numbers = numbers_at(file, at, end, layout)
        if numbers is None:
            return
        length, begins, rate = numbers
        yield Stretch(
            begins_s=None if begins < 0 else begins / media_scale, length_s=length / movie_scale, rate=rate / 65536
        )


def _is_c2pa(file: BinaryIO, box: Box) -> bool:
    file.seek(box[1])
    found: bytes = file.read(16)
    return found == C2PA_UUID


def _edited(track: Track) -> tuple[str, ...]:
    """What an edit list leaves out of a track."""
    shown = [(each.begins_s, each.length_s) for each in track.stretches if each.begins_s is not None]
    # In a file of fragments the index knows no lengths.
    if not shown or not track.length_s or not all(length for _, length in shown):
        return ()
    noticed = []
    first, last = shown[0], shown[-1]
    hidden = {"beginning": first[0], "end": track.length_s - last[0] - last[1]}
    at = [f"{seconds:.1f} s at the {place}" for place, seconds in hidden.items() if seconds > NEGLIGIBLE_S]
    if at:
        noticed.append(
            f"An edit list hides {' and '.join(at)}: these frames are still in the file, but players don't show them. "
            "Trimming on a phone does this; it can be undone, and what is hidden can be looked at."
        )
    if len(shown) > 1 and any(
        abs(after[0] - before[0] - before[1]) > NEGLIGIBLE_S for before, after in pairwise(shown)
    ):
        noticed.append(
            f"An edit list shows {len(shown):,} stretches of the recording that don't follow on each other: something "
            "between them is left out, or their order was changed. Phones and editors that cut without encoding do "
            "this."
        )
    if any(each.begins_s is not None and each.rate != 1 for each in track.stretches):
        noticed.append(
            "An edit list plays parts faster, slower, or as a still. Phones' slow motion does this, and editors."
        )
    return tuple(noticed)


def _listed(stretches: Sequence[Stretch]) -> str:
    shown = [
        f"{each.length_s:.2f} s {'of nothing' if each.begins_s is None else f'from {each.begins_s:.2f} s'}"
        for each in stretches[:4]
    ]
    return ", then ".join(shown) + (f", and {len(stretches) - 4:,} more" if len(stretches) > 4 else "")


def _joined(track: Track) -> tuple[str, ...]:
    if track.num_formats < 2 or track.kind not in {"vide", "soun"}:
        return ()
    what = "pictures are" if track.kind == "vide" else "sound is"
    return (
        f"Its {what} coded in {track.num_formats:,} ways, one after the other: parts that were coded apart were joined "
        "without encoding them again. Some cameras do this when a setting changes while they record.",
    )


def _order(index: Index) -> Seen:
    """Order of the outermost boxes, gaps, and what is no box."""
    names = [name for name, _ in index.outer]
    noticed = []
    if index.num_after:
        noticed.append(
            f"{index.num_after:,} bytes after its last part belong to nothing that a player reads. Phones keep data of "
            "their own there, and broken copies leave remains; anything can be hidden there."
        )
    gap = sum(length for name, length in index.outer if name in {b"free", b"skip"})
    if gap > LARGE_GAP:
        noticed.append(
            f"{gap:,} bytes in it are marked as unused. Programs that take something out of a file in place leave such "
            "gaps, and cameras that keep room for their index."
        )
    unknown = sorted({quoted(name.decode("latin-1")) for name in names if name not in OUTER})
    facts = []
    if b"moov" in names and b"mdat" in names:
        first = names.index(b"moov") < names.index(b"mdat")
        facts.append(
            (
                "index",
                "before the frames, as programs and web sites write it"
                if first
                else "after the frames, as cameras and many programs write it",
            )
        )
    if b"moof" in names:
        facts.append(("fragments", "it is written in fragments, as for streaming"))
    if unknown:
        facts.append(("unknown boxes", ", ".join(unknown[:8])))
    return Seen(noticed=tuple(noticed), facts=tuple(facts))


def _writers(index: Index) -> tuple[str, ...]:
    found = {writer for track in index.tracks for mark, writer in WRITERS.items() if mark in track.handler}
    return tuple(sorted(found))
