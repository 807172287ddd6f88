"""Contact sheets: many faces on one image, for review."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from countenance.errors import UsageError, one_line
from countenance.faces.store import StoredFace
from countenance.progress import Progress
from countenance.project import write_whole
from countenance.review.query import FaceQuery, State, measured_text, state_of

PICTURE_SIZE = 192
GAP = 16
COLUMNS = 7
FACES_PER_PAGE = 5 * COLUMNS
LINE = 17
CAPTION_HEIGHT = 3 * LINE + 6
HEADER_HEIGHT = 64
LABEL_WIDTH = 260
TRACK_PICTURES = 6
"""Of a track in a review, beside its label."""
TRACKS_PER_PAGE = 8
MARK_HEIGHT = 4
OUTLINE_STRENGTH = 0.55
HEAD_BYTES = 4096
"""A sheet says within so many bytes whose faces it shows."""
UPSCALED = 4
"""Outlines are drawn larger and shrunk, so that they come out thin and smooth."""

PAGE, TEXT, DIM = (23, 24, 27), (236, 236, 232), (154, 156, 162)
COLOURS: dict[State, tuple[int, int, int]] = {
    "kept": (122, 196, 140),
    "unsure": (240, 196, 92),
    "left-out": (232, 122, 104),
}

Rgb = UInt8[np.ndarray, "H W 3"]
Crop = UInt8[np.ndarray, "S S 3"]
Mask = Float32[np.ndarray, "S S"]
PicturesOf = Callable[[int], tuple[Crop, Mask]]
"""From a tile's position to its crop and to where the face is seen in it, 0–1."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tile:
    """What is written below one face."""

    name: str
    value: str
    """Empty where faces aren't sorted by a measure."""
    words: str
    """Its state, or the reasons against it."""
    state: State


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TrackRow:
    """One track in a review, or what to compare with."""

    name: str
    lines: tuple[str, ...]
    pictures: tuple[Crop, ...]
    """At most `TRACK_PICTURES`."""
    state: State


def face_pages(title: str, tiles: Sequence[Tile], pictures_of: PicturesOf) -> Iterator[Rgb]:
    """Contact sheets of faces: under each picture name, value and reasons, and in it the outline of its mask."""
    for first in range(0, len(tiles), FACES_PER_PAGE):
        shown = tiles[first : first + FACES_PER_PAGE]
        columns = min(COLUMNS, max(4, len(shown)))
        rows = -(-len(shown) // columns)
        width = columns * (PICTURE_SIZE + GAP) + GAP
        page = _page(width, HEADER_HEIGHT + rows * (PICTURE_SIZE + CAPTION_HEIGHT + GAP))
        _header(page, title, f"{first + 1} to {first + len(shown)} of {len(tiles)}")
        for position, tile in enumerate(shown):
            row, column = divmod(position, columns)
            x = GAP + column * (PICTURE_SIZE + GAP)
            y = HEADER_HEIGHT + row * (PICTURE_SIZE + CAPTION_HEIGHT + GAP)
            crop, mask = pictures_of(first + position)
            _picture(page, x, y, _outlined(crop, mask), tile.state)
            draw, below = ImageDraw.Draw(page), y + PICTURE_SIZE + 6
            _write(draw, x, below, tile.name, PICTURE_SIZE, size=12, fill=TEXT)
            at = below + LINE
            if tile.value:
                _write(draw, x, at, tile.value, PICTURE_SIZE, size=13, fill=TEXT)
                at += LINE
            _write(draw, x, at, tile.words, PICTURE_SIZE, size=13, fill=COLOURS[tile.state])
        yield np.asarray(page)


def review_pages(title: str, how: str, rows: Sequence[TrackRow], known: TrackRow | None) -> Iterator[Rgb]:
    """Contact sheets of tracks, one a row, with the faces identified as the person's above them on every page.

    `how` is shown at the top and explains how to decide.
    """
    width = GAP + LABEL_WIDTH + TRACK_PICTURES * (PICTURE_SIZE + GAP)
    for first in range(0, len(rows), TRACKS_PER_PAGE):
        shown = rows[first : first + TRACKS_PER_PAGE]
        all_rows = [*([known] if known else []), *shown]
        page = _page(width, HEADER_HEIGHT + len(all_rows) * (PICTURE_SIZE + GAP))
        _header(page, title, how)
        for position, row in enumerate(all_rows):
            y = HEADER_HEIGHT + position * (PICTURE_SIZE + GAP)
            draw = ImageDraw.Draw(page)
            _write(draw, GAP, y + 8, row.name, LABEL_WIDTH - GAP, size=28, fill=COLOURS[row.state])
            for number, line in enumerate(row.lines):
                _write(draw, GAP, y + 54 + number * 22, line, LABEL_WIDTH - GAP, size=15, fill=TEXT)
            for number, crop in enumerate(row.pictures):
                _picture(page, GAP + LABEL_WIDTH + number * (PICTURE_SIZE + GAP), y, _sized(crop), row.state)
        yield np.asarray(page)


def write_page(path: Path, page: Rgb, person: str) -> None:
    """Write a PNG atomically, readable by its owner only, because it shows faces; it says whose."""
    content, text = BytesIO(), PngInfo()
    text.add_text("Title", f"Faces of {person}.")
    Image.fromarray(page).save(content, "PNG", pnginfo=text)
    write_whole(path, content.getvalue(), mode=0o600)


def _page(width: int, height: int) -> Image.Image:
    return Image.new("RGB", (width, height + GAP), PAGE)


def _header(page: Image.Image, title: str, right: str) -> None:
    draw = ImageDraw.Draw(page)
    _write(draw, GAP, 18, title, page.width * 2 // 3, size=22, fill=TEXT)
    font = ImageFont.load_default(size=15)
    draw.text((page.width - GAP, 23), right, font=font, fill=DIM, anchor="ra")


def _picture(page: Image.Image, x: int, y: int, rgb: Rgb, state: State) -> None:
    page.paste(Image.fromarray(rgb), (x, y))
    box = (x, y + PICTURE_SIZE - MARK_HEIGHT, x + PICTURE_SIZE - 1, y + PICTURE_SIZE - 1)
    ImageDraw.Draw(page).rectangle(box, fill=COLOURS[state])


def _outlined(crop: Crop, mask: Mask) -> Rgb:
    """The crop with a faint, thin line around where the face is seen."""
    large = (PICTURE_SIZE * UPSCALED, PICTURE_SIZE * UPSCALED)
    inside = (cv2.resize(mask, large, interpolation=cv2.INTER_LINEAR) > 0.5).astype(np.uint8)
    contours, _ = cv2.findContours(inside, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    lines = cv2.drawContours(np.zeros(large, np.uint8), contours, -1, 255, thickness=UPSCALED + 1)
    line = cv2.resize(lines, (PICTURE_SIZE, PICTURE_SIZE), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    strength = OUTLINE_STRENGTH * line[:, :, None]
    return np.round(_sized(crop) * (1 - strength) + 255 * strength).astype(np.uint8)


def _sized(crop: Crop) -> Rgb:
    return np.asarray(cv2.resize(crop, (PICTURE_SIZE, PICTURE_SIZE), interpolation=cv2.INTER_AREA), np.uint8)


def _write(
    draw: ImageDraw.ImageDraw, x: int, y: int, text: str, width: int, *, size: int, fill: tuple[int, int, int]
) -> None:
    """One line; where it is too long it gets a little smaller, then loses its end."""
    text = one_line(text)
    font = ImageFont.load_default(size=size)
    if draw.textlength(text, font=font) > width:
        font = ImageFont.load_default(size=size - 2)
    while draw.textlength(text, font=font) > width:
        text = f"{text[:-2]}…"
    draw.text((x, y), text, font=font, fill=fill)


def tile_of(face: StoredFace, query: FaceQuery) -> Tile:
    value = "" if query.sort == "frame" else measured_text(face, query.sort)
    state = state_of(face)
    return Tile(name=face.name, value=value, words=", ".join(face.rejections) or state, state=state)


def is_sheet_of(path: Path, person: str) -> bool:
    """Whether a file is a contact sheet with faces of a person."""
    with path.open("rb") as file:
        return f"tEXtTitle\0Faces of {person}.".encode() in file.read(HEAD_BYTES)


def write_pages(paths: Sequence[Path], pages: Iterator[Rgb], person: str, progress: Progress) -> None:
    tracked = progress.track(pages, what="drawing contact sheets", unit="sheets", total=len(paths))
    for path, page in zip(paths, tracked, strict=True):
        write_page(path, page, person)


def page_paths(output: Path, num_pages: int, *, overwrite: bool) -> list[Path]:
    """The name itself for one page, numbered names for several."""
    if output.suffix.lower() != ".png":
        raise UsageError(f"expected --output with a name that ends in .png, got {output}")
    digits = len(str(num_pages))
    paths = [output.with_stem(f"{output.stem}-{page:0{digits}}") for page in range(1, num_pages + 1)]
    paths = paths if num_pages > 1 else [output]
    for path in paths:
        if path.exists() and not overwrite:
            raise UsageError(
                f"{path} is there already; choose another --output, or add --overwrite", code="usage.exists", path=path
            )
    return paths
