"""Numbered pictures in a folder that are the frames of one clip.

Names alone don't tell: the photos of a camera are numbered, too. A run is a clip if its pictures have one size and most
of them look like the one before.
"""

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import UnidentifiedImageError

from countenance.errors import MediaError
from countenance.media.pictures import PICTURE_ERRORS, opened_picture
from countenance.media.probe import probe, take_fingerprint
from countenance.media.shots import Thumbnail, change_between, thumbnail
from countenance.types import MediaInfo

MIN_MEMBERS = 12
FRAME_RATE = Fraction(25)
"""Pictures tell none; only displays and encoders ask."""
MAX_PAIRS = 24
"""So many pairs of neighbours are compared."""
MAX_CHANGE = 0.3
"""Of neighbours, their median, in units of contrast. In measured clips it is below 0.2 unless the camera whips around,
where single pictures do as well; photos of different things differ by 0.9."""

NAME = re.compile(r"(.*?)(\d+)(\D*)", re.DOTALL)


def numbered_runs(files: Iterable[Path]) -> list[tuple[Path, ...]]:
    """Files whose names differ by a number only that goes up by one, and that are enough for a clip, in order."""
    groups: dict[tuple[Path, str, str], dict[int, Path]] = defaultdict(dict)
    for file in files:
        match = NAME.fullmatch(file.stem)
        if match is not None:
            prefix, digits, rest = match.groups()
            groups[file.parent, prefix, rest + file.suffix].setdefault(int(digits), file)
    runs = []
    for numbered in groups.values():
        for number, file in sorted(numbered.items()):
            if number - 1 not in numbered or next_name(numbered[number - 1]) != file:
                runs.append([file])
            else:
                runs[-1].append(file)
    return [tuple(run) for run in runs if len(run) >= MIN_MEMBERS]


def next_name(file: Path) -> Path:
    """The file whose number is one higher."""
    match = NAME.fullmatch(file.stem)
    assert match is not None
    prefix, digits, rest = match.groups()
    return file.with_name(f"{prefix}{int(digits) + 1:0{len(digits)}}{rest}{file.suffix}")


def is_clip(run: Sequence[Path]) -> bool:
    """Whether numbered files are pictures of one size of which most look like the one before."""
    firsts = np.unique(np.linspace(0, len(run) - 2, MAX_PAIRS).astype(int)).tolist()
    try:
        if len({_size(file) for file in run}) > 1:
            return False
        changes = [change_between(_thumbnail(run[first]), _thumbnail(run[first + 1])) for first in firsts]
    except (MediaError, *PICTURE_ERRORS):
        return False
    return float(np.median(changes)) < MAX_CHANGE


def members_of(first: Path, num_frames: int) -> tuple[Path, ...]:
    """The files of a clip of numbered pictures, from its first one and their number."""
    members = [first]
    while len(members) < num_frames:
        members.append(next_name(members[-1]))
    return tuple(members)


def probe_sequence(first: Path, num_frames: int) -> MediaInfo:
    """What a clip of numbered pictures is, from its first one and their number.

    Raises:
        MediaError: a picture is gone, or the first can't be read; that all others can is known once all were read.
    """
    members, digest = members_of(first, num_frames), hashlib.sha256(b"sequence")
    for member in members:
        digest.update(take_fingerprint(member).sha256.encode())
    info = probe(first)
    if info.kind != "picture":
        raise MediaError(f"expected a numbered picture, but {first} is a video; collect it again")
    return replace(
        info,
        kind="sequence",
        sha256=digest.hexdigest(),
        num_frames=num_frames,
        frame_rate=FRAME_RATE,
        time_base=1 / FRAME_RATE,
        duration=num_frames / FRAME_RATE,
        members=members,
        notes=(f"{first} to {members[-1].name} are read as one clip, {FRAME_RATE} frames a second",),
    )


def _size(file: Path) -> tuple[int, int]:
    if file.is_symlink() or not file.is_file():
        raise UnidentifiedImageError
    with opened_picture(file) as picture:
        return picture.size


def _thumbnail(file: Path) -> Thumbnail:
    with opened_picture(file) as picture:
        return thumbnail(np.array(picture.convert("RGB")))
