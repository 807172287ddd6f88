"""Covers over heads onto which no face can be drawn: where a disguise would show the witness, it shows nobody.

A cover is a picture of a few cells over head and hair, so blurred that their borders don't show. What is finer than a
cell is gone: a mean over a quarter of a head can't be turned back into a face.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import cv2
import numpy as np
from jaxtyping import Float32

from countenance.composite.heads import Head, Heads
from countenance.pixels import Pixels, white_of
from countenance.types import Frame

CELLS_A_HEAD = 5
"""Cells in a row across head and hair; a face is about two of them wide."""
FEATHER = 0.1
"""Width of a cover's soft border, outside of the head's circle, in the head's side."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cover:
    """A head that is covered."""

    head: Head
    strength: float = 1.0
    """0–1; less where it comes and goes over a face that is drawn."""


Covers = Mapping[int, Sequence[Cover]]
"""By frame index."""
NO_COVERS: Covers = MappingProxyType({})


def covers_of(heads: Heads, drawn: Heads, shots: Iterable[range], fade_frames: int) -> dict[int, list[Cover]]:
    """Covers for heads onto which no face is drawn.

    Over a drawn face a cover comes before the face is lost, and goes after it is found: nothing of who is below shows.
    """
    bare = {
        index: [head for head in several if not any(head.is_same_as(one) for one in drawn.get(index, ()))]
        for index, several in heads.items()
    }
    covers = {index: [Cover(head=head) for head in several] for index, several in bare.items() if several}
    for shot in shots:
        for index in shot:
            around = [other for other in _around(index, fade_frames, shot) if bare.get(other)]
            for head in drawn.get(index, ()):
                near = [abs(index - other) for other in around if any(head.is_same_as(one) for one in bare[other])]
                if near:
                    part = 1 - min(near) / (fade_frames + 1)
                    fading = Cover(head=head, strength=part * part * (3 - 2 * part))
                    covers.setdefault(index, []).append(fading)
    return covers


def is_covered(covers_at: Covers, index: int) -> bool:
    """Whether a head in a frame is covered entirely, and not just on the way to it."""
    return any(cover.strength == 1 for cover in covers_at.get(index, ()))


def facts_of(covers_at: Covers) -> bytes:
    """All that steers pixels; empty where nothing is covered."""
    digest = hashlib.sha256()
    for index in sorted(covers_at):
        for cover in covers_at[index]:
            digest.update(f"{index} {cover.strength} {cover.head.side_px} ".encode() + cover.head.centre_xy.tobytes())
    return digest.digest() if covers_at else b""


def _around(index: int, reach: int, shot: range) -> range:
    return range(max(index - reach, shot.start), min(index + reach + 1, shot.stop))


def covered(frames: Iterable[Frame], covers_at: Covers) -> Iterator[Frame]:
    """Frames with their covers; a frame without one passes unchanged."""
    for frame in frames:
        pixels = frame.pixels
        for cover in covers_at.get(frame.index, ()):
            pixels = draw_cover(pixels, cover)
        yield replace(frame, pixels=pixels)


def draw_cover(pixels: Pixels, cover: Cover) -> Pixels:
    """A frame with one head covered; all beyond the soft border stays."""
    height, width = pixels.shape[:2]
    reach = (0.5 + FEATHER) * cover.head.side_px
    left, top = np.clip(np.floor(cover.head.centre_xy - reach).astype(int), 0, [width, height])
    right, bottom = np.clip(np.ceil(cover.head.centre_xy + reach).astype(int) + 1, 0, [width, height])
    if left >= right or top >= bottom:
        return pixels
    region = pixels[top:bottom, left:right]
    cell_px = cover.head.side_px / CELLS_A_HEAD
    size_wh = (max(1, round((right - left) / cell_px)), max(1, round((bottom - top) / cell_px)))
    cells = cv2.resize(region.astype(np.float32), size_wh, interpolation=cv2.INTER_AREA)
    soft = cv2.resize(cells, (int(right - left), int(bottom - top)), interpolation=cv2.INTER_LINEAR)
    weight = np.float32(cover.strength) * _disc(cover.head, int(left), int(top), region.shape[:2])[..., None]
    mixed = region + weight * (soft - region)
    result = pixels.copy()
    result[top:bottom, left:right] = (
        mixed if pixels.dtype == np.float32 else np.clip(np.rint(mixed), 0, white_of(pixels))
    )
    return result


def _disc(head: Head, left: int, top: int, shape: tuple[int, int]) -> Float32[np.ndarray, "H W"]:
    """1 over the head, falling to 0 over the border."""
    x, y = np.meshgrid(np.arange(shape[1]) + left, np.arange(shape[0]) + top)
    far = np.hypot(x - head.centre_xy[0], y - head.centre_xy[1]) / head.side_px
    rise = np.clip((0.5 + FEATHER - far) / FEATHER, 0, 1)
    return np.asarray(rise * rise * (3 - 2 * rise), np.float32)
