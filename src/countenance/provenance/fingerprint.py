"""What pictures look like, in numbers that hardly change when they are encoded again, made smaller or cropped.

A published file's own fingerprint is kept beside its credentials. A mark says from which file footage comes; only the
fingerprint says whether this is that file's footage, or another onto which the mark was moved.

Hashes are PDQ's (256 bits). Of a whole picture, one such hash wouldn't outlive a crop. So each picture is cut into
windows of two of the mark's tiles, half a tile apart: whoever has read the mark knows where its tiles lie, and so finds
the same windows in a part of the picture, at any size and angle.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
import pdqhash
from jaxtyping import Bool, Float32, Float64, UInt8, UInt64

TILE_PX = 64
"""Side of one of the mark's tiles in the small pictures of which windows are cut."""
WINDOW_PX, STEP_PX = 2 * TILE_PX, TILE_PX // 2
MIN_QUALITY = 40
"""Of PDQ's own measure, 0–100: below, a window is too flat to say anything."""
MAX_DISTANCE = 60
"""Bits by which two hashes of the same window may differ; of two windows that have nothing to do with each other about
128 do, and fewer than 80 hardly ever."""
MAX_BYTES = 32 * 10**6
MAX_WINDOWS = 4096
"""Of one picture; a wide one has about 200."""

Rgb = UInt8[np.ndarray, "h w 3"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Windows:
    """The hashes of one picture's windows, in rows and columns half a tile apart."""

    hashes: UInt8[np.ndarray, "r c 32"]
    is_usable: Bool[np.ndarray, "r c"]
    """Inside the picture, and not flat."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Lattice:
    """Where the mark's tiles lie in a picture."""

    tile_px: float
    """Side of a tile."""
    begin_xy: tuple[float, float] = (0.0, 0.0)
    """Where a tile begins, from the picture's upper left corner along the tiles' own axes."""
    rotation_deg: float = 0.0
    """By which they are turned, clockwise."""


def windows_of(rgb: Rgb, lattice: Lattice) -> Windows:
    """The windows of a picture; the first begins where a tile does, or before it by half tiles."""
    small, to_small = _laid_upright(rgb, lattice)
    height, width = rgb.shape[:2]
    rows, columns = ((side - WINDOW_PX) // STEP_PX + 1 for side in small.shape[:2])
    rows, columns = max(0, rows), max(0, columns)
    hashes = np.zeros((rows, columns, 32), np.uint8)
    is_usable = np.zeros((rows, columns), bool)
    to_picture = cv2.invertAffineTransform(to_small)
    corners = np.array([(0, 0), (1, 0), (0, 1), (1, 1)], np.float64) * (WINDOW_PX - 1)
    for row in range(rows):
        for column in range(columns):
            x, y = STEP_PX * column, STEP_PX * row
            seen = (corners + np.array([x, y])) @ to_picture[:, :2].T + to_picture[:, 2]
            if (seen < -1).any() or (seen > (width, height)).any():
                continue
            bits, quality = pdqhash.compute(np.ascontiguousarray(small[y : y + WINDOW_PX, x : x + WINDOW_PX]))
            hashes[row, column] = np.packbits(bits.astype(bool))
            is_usable[row, column] = quality >= MIN_QUALITY
    return Windows(hashes=hashes, is_usable=is_usable)


def packed(pictures: Iterable[Windows]) -> bytes:
    """The fingerprint of a file, of pictures of it in order; all have one size.

    Its form: numbers of pictures, rows and columns (32 bits each, little-endian), then which windows are usable (a byte
    each), then their hashes (32 bytes each). What would make it larger than `MAX_BYTES` is left out.
    """
    usable, hashes, shape = bytearray(), bytearray(), (0, 0)
    count = 0
    for each in pictures:
        if len(usable) + len(hashes) > MAX_BYTES:
            break
        shape = each.is_usable.shape
        usable += each.is_usable.astype(np.uint8).tobytes()
        hashes += each.hashes.tobytes()
        count += 1
    return np.array([count, *shape], "<u4").tobytes() + bytes(usable) + bytes(hashes)


def unpacked(fingerprint: bytes) -> list[Windows]:
    """The pictures' windows.

    Raises:
        ValueError: that's no fingerprint.
    """
    if len(fingerprint) < 12:
        raise ValueError("expected a fingerprint")
    count, rows, columns = (int(each) for each in np.frombuffer(fingerprint[:12], "<u4"))
    is_sane = 1 <= rows * columns <= MAX_WINDOWS and count >= 1
    if not is_sane or len(fingerprint) != 12 + 33 * count * rows * columns or len(fingerprint) > MAX_BYTES + 12:
        raise ValueError("expected a fingerprint of as many windows as it says")
    end = 12 + count * rows * columns
    usable = np.frombuffer(fingerprint[12:end], np.uint8).reshape(count, rows, columns)
    hashes = np.frombuffer(fingerprint[end:], np.uint8).reshape(count, rows, columns, 32)
    return [Windows(hashes=each, is_usable=mask.astype(bool)) for each, mask in zip(hashes, usable, strict=True)]


def likeness_of(seen: Windows, known: Iterable[Windows]) -> float | None:
    """How much of a picture is in one of the known ones, at one place: 0–1; None where it is too flat to tell."""
    num_usable = int(seen.is_usable.sum())
    if num_usable == 0:
        return None
    return max((_most_at_one_place(seen, each) for each in known), default=0) / num_usable


def _most_at_one_place(seen: Windows, known: Windows) -> int:
    """How many windows agree where one picture lies best on the other."""
    at_seen, at_known = np.argwhere(seen.is_usable), np.argwhere(known.is_usable)
    if not len(at_known):
        return 0
    distance = np.bitwise_count(
        _words(seen.hashes[seen.is_usable])[:, None] ^ _words(known.hashes[known.is_usable])[None]
    ).sum(axis=2)
    moves = (at_known[None] - at_seen[:, None])[distance <= MAX_DISTANCE]
    if not len(moves):
        return 0
    # A mark tells the tiles' places but for whole tiles, which are two steps.
    moves = moves[(moves % 2 == 0).all(axis=1)]
    return int(np.unique(moves, axis=0, return_counts=True)[1].max()) if len(moves) else 0


def _words(hashes: UInt8[np.ndarray, "n 32"]) -> UInt64[np.ndarray, "n 4"]:
    return np.ascontiguousarray(hashes).view("<u8")


def _laid_upright(rgb: Rgb, lattice: Lattice) -> tuple[Rgb, Float64[np.ndarray, "2 3"]]:
    """The picture at `TILE_PX` a tile, tiles upright and beginning at its corner, and the map that leads there."""
    height, width = rgb.shape[:2]
    scale = TILE_PX / lattice.tile_px
    # Made smaller first, because a warp only looks at the nearest pixels.
    shrunk = min(1.0, scale)
    small_wh = (max(1, round(width * shrunk)), max(1, round(height * shrunk)))
    picture = cv2.resize(rgb, small_wh, interpolation=cv2.INTER_AREA) if shrunk < 1 else rgb
    turn = np.deg2rad(lattice.rotation_deg)
    along = scale * np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    begin = np.array(lattice.begin_xy) * scale % TILE_PX
    corners = np.array([(0, 0), (width, 0), (0, height), (width, height)]) @ along.T - begin
    # By whole tiles, so that every corner of the picture comes inside.
    first = np.floor(corners.min(axis=0) / TILE_PX) * TILE_PX
    to_small = np.column_stack([along, -begin - first])
    size = np.ceil(corners.max(axis=0) - first).astype(int)
    from_shrunk = to_small.copy()
    from_shrunk[:, :2] /= np.array([small_wh[0] / width, small_wh[1] / height])
    laid = cv2.warpAffine(picture, from_shrunk, (int(size[0]), int(size[1])), flags=cv2.INTER_LINEAR)
    return np.asarray(laid), to_small


def mean_of_best(values: Iterable[float], fraction: float = 0.25) -> float:
    """The mean of the highest values: what footage shows at best, where most of it may lie between known pictures."""
    ordered: Float32[np.ndarray, " n"] = np.sort(np.fromiter(values, np.float32))[::-1]
    return float(ordered[: max(1, round(len(ordered) * fraction))].mean()) if len(ordered) else 0.0
