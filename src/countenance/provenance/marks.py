"""The watermark of a file: which number it carries, and what that number and the fingerprint say of other footage."""

import hashlib
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import Literal

from countenance.ledger import canonical_json
from countenance.media.reader import read_frames, spread_frames
from countenance.provenance.fingerprint import Lattice, Windows, likeness_of, mean_of_best, packed, windows_of
from countenance.types import Frame, MediaInfo
from countenance.watermark.read import Reading, read
from countenance.watermark.tile import tile_px

ALGORITHM = "org.countenance.mark.1"
"""Name and version of the watermark in credentials."""
NUM_PLACES, RUN = 48, 6
"""Where a long video is looked into for a mark, and how many frames at each place."""
PART = 48
"""Frames that are looked at together where all are."""
KNOWN_STEP, MIN_KNOWN = 24, 16
"""From one picture of a fingerprint to the next, in frames, and about how many a short file has at least."""
NUM_COMPARED_PLACES, COMPARED_RUN, COMPARED_STEP = 3, 60, 4
"""Where it is compared with a fingerprint: long enough for one of the known pictures to be among a run."""
SAME, OTHER = 0.5, 0.2
"""How much of a picture must be known for it to be the same footage, and below what it is other footage."""

Footage = Literal["same", "other", "unclear"]


def mark_id_of(facts: dict[str, object]) -> int:
    """The number for a file, of 48 bits: it follows from what decides the frames, so that a render goes on with it."""
    return int.from_bytes(hashlib.sha256(canonical_json(facts)).digest()[:6])


def in_hex(mark_id: int) -> str:
    """As credentials and the store write it: 12 hexadecimal digits."""
    return f"{mark_id:012x}"


def find_mark(info: MediaInfo, *, every_frame: bool = False) -> Reading | None:
    """Look for a mark: all over a file together, then in each of its parts, since only altered frames carry one.

    Of a long video a few hundred frames are looked at; with `every_frame` all of them are.

    Raises:
        MediaError: it can't be read.
    """
    found = read(frame.rgb for frame in chain.from_iterable(_looked_at(info)))
    if found is not None:
        return found
    parts = _all_in_parts(info) if every_frame else _looked_at(info) if _is_long(info) else iter(())
    readings = (read(frame.rgb for frame in part) for part in parts)
    return next((reading for reading in readings if reading is not None), None)


def num_looked_at(info: MediaInfo) -> int:
    """How many frames `find_mark` looks at where it finds nothing, unless it looks at every one."""
    return NUM_PLACES * RUN if _is_long(info) else info.num_frames


def _is_long(info: MediaInfo) -> bool:
    return info.num_frames > NUM_PLACES * RUN


def _looked_at(info: MediaInfo) -> Iterator[Iterator[Frame]]:
    return spread_frames(info, num_places=NUM_PLACES, run=RUN)


def _all_in_parts(info: MediaInfo) -> Iterator[Iterator[Frame]]:
    frames = read_frames(info)
    while (first := next(frames, None)) is not None:
        yield chain([first], islice(frames, PART - 1))


def fingerprint_of(info: MediaInfo) -> bytes:
    """The fingerprint of a published file: about one picture a second, and some of a short one."""
    step = min(max(1, info.num_frames // MIN_KNOWN), KNOWN_STEP)
    return packed(_windows(frame, None) for frame in read_frames(info) if frame.index % step == 0)


def compare(info: MediaInfo, reading: Reading, known: Sequence[Windows]) -> Footage:
    """Whether footage in which a mark was read is that from which a fingerprint was taken.

    Raises:
        MediaError: it can't be read.
    """
    runs = spread_frames(info, num_places=NUM_COMPARED_PLACES, run=COMPARED_RUN)
    frames = chain.from_iterable(islice(run, 0, None, COMPARED_STEP) for run in runs)
    found = [likeness_of(_windows(frame, reading), known) for frame in frames]
    known_part = [value for value in found if value is not None]
    if not known_part or not any(each.is_usable.any() for each in known):
        return "unclear"
    likeness = mean_of_best(known_part)
    return "same" if likeness >= SAME else "other" if likeness < OTHER else "unclear"


def _windows(frame: Frame, reading: Reading | None) -> Windows:
    height, width = frame.rgb.shape[:2]
    if reading is None:
        return windows_of(frame.rgb, Lattice(tile_px=tile_px(width, height)))
    lattice = Lattice(tile_px=reading.tile_px, begin_xy=reading.crop_xy, rotation_deg=reading.rotation_deg)
    return windows_of(frame.rgb, lattice)
