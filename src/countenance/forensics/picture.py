"""What a picture file says of itself, and what its coding tells."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

from countenance.forensics.clock import TOLERANCE, apart, day, oddly_dated
from countenance.forensics.jpeg import earlier_jpeg, standard_quality
from countenance.forensics.programs import seen_programs
from countenance.forensics.seen import Seen, joined, quoted, seen_part
from countenance.forensics.segments import seen_after_the_end
from countenance.forensics.thumbnail import seen_in_thumbnail, thumbnail_in
from countenance.media.container import MAX_PIXELS
from countenance.media.pictures import PICTURE_ERRORS

MAKE, MODEL, SOFTWARE, CHANGED, HOST = 0x010F, 0x0110, 0x0131, 0x0132, 0x013C
TAKEN, WIDE, HIGH, MAKER_NOTE = 0x9003, 0xA002, 0xA003, 0x927C
GPS_DAY = 0x001D
MAX_XMP = 1024 * 1024
MODEL_KEYS = {"parameters", "prompt", "workflow", "sd-metadata", "dream", "invokeai_metadata", "generation_data"}
"""Under which programs that make pictures by a model keep their settings in a PNG."""
WRITTEN_KEYS = {"software", "creator", "program"}
FREE_KEYS = {"comment", "source"}
"""What people write into as well."""
OWN_MARK = re.compile(
    r"(?:created|made|edited|generated) (?:with|using) |creator: |software: |Lav[cf]\d|(?:novelai|stable) diffusion\b",
    re.IGNORECASE,
)
"""How a text under one of these keys begins that a program wrote by itself."""
SOURCES = {
    "trainedalgorithmicmedia": "was made by a model that learned from other pictures",
    "compositewithtrainedalgorithmicmedia": "has parts that were made by a model that learned from other pictures",
    "algorithmicmedia": "was computed, not photographed",
    "compositesynthetic": "has computed parts",
}
"""By IPTC's names of how a picture came to be."""
LOSSLESS = {"PNG", "TIFF"}
PLAIN = 1.0
"""Spread in grey levels below which there is only grain, or a watermark, whose waves look like borders of blocks."""
FLAT_COMPRESSIONS = {"jpeg", "tiff_jpeg", "webp"}
"""Of a TIFF, those that lose something themselves."""

PICTURE_LIMIT = (
    "That a picture was a JPEG before is seen where it was saved more coarsely then than now: measured in 251 of 255 "
    "JPEGs and 97 of 102 PNGs, and in none of 680 that were saved once. It was seen in 52 of 255 that were saved "
    "more coarsely since, and can't be seen once it was made smaller or, as a JPEG, cropped."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Notes:
    """What EXIF and XMP hold, as texts."""

    tags: Mapping[int, str]
    times: Mapping[int, datetime]
    gps_day: datetime | None
    has_place: bool
    has_maker_note: bool
    xmp: str


def seen_in_picture(path: Path, picture: Image.Image, now: datetime) -> Seen:
    """What metadata, coding and the rest of the file tell of an opened picture.

    Raises:
        OSError, ValueError and others of `PICTURE_ERRORS`: it is damaged.
    """
    notes = _notes(picture)
    texts = _texts(picture, notes)
    facts: list[tuple[str, str]] = [("format", f"{picture.format}, {picture.width} × {picture.height}")]
    facts += _told(notes, texts)
    return joined(
        (
            Seen(
                noticed=(
                    *seen_programs(texts),
                    *_model_texts(picture),
                    *_source(notes.xmp),
                    *_history(notes.xmp),
                    *_times(notes, now),
                    *_resized(picture, notes),
                ),
                facts=tuple(facts),
            ),
            seen_part("coding and pixels", lambda: _coded(picture)),
            seen_after_the_end(path, picture.format or ""),
        )
    )


def _notes(picture: Image.Image) -> Notes:
    exif = picture.getexif()
    parts = [dict(exif.items())]
    for part in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
        try:
            parts.append(dict(exif.get_ifd(part).items()))
        except PICTURE_ERRORS:
            parts.append({})
    tags = {**parts[0], **parts[1]}
    gps = parts[2]
    times = {tag: time for tag in (CHANGED, TAKEN) if (time := _time(tags.get(tag))) is not None}
    return Notes(
        tags={
            tag: quoted(str(tags[tag]))
            for tag in (MAKE, MODEL, SOFTWARE, HOST, WIDE, HIGH)
            if str(tags.get(tag, "")).strip()
        },
        times=times,
        gps_day=_time(f"{gps.get(GPS_DAY, '')} 12:00:00"),
        has_place=2 in gps and 4 in gps,
        has_maker_note=MAKER_NOTE in tags,
        xmp=_xmp(picture),
    )


def _time(value: object) -> datetime | None:
    try:
        return datetime.strptime(str(value).strip("\x00 ")[:19], "%Y:%m:%d %H:%M:%S")
    except ValueError:
        return None


def _xmp(picture: Image.Image) -> str:
    for key in ("xmp", "XML:com.adobe.xmp"):
        value = picture.info.get(key)
        if isinstance(value, bytes):
            return value[:MAX_XMP].decode("utf-8", "replace")
        if isinstance(value, str):
            return value[:MAX_XMP]
    return ""


def _texts(picture: Image.Image, notes: Notes) -> list[str]:
    """What may name the program that wrote the file."""
    texts = [notes.tags[tag] for tag in (SOFTWARE, HOST) if tag in notes.tags]
    for key, value in picture.info.items():
        name = str(key).lower()
        if name in WRITTEN_KEYS | FREE_KEYS:
            text = (value.decode("latin-1") if isinstance(value, bytes) else str(value)).strip()
            if text and (name in WRITTEN_KEYS or OWN_MARK.match(text)):
                texts.append(quoted(text))
    for name in ("CreatorTool", "softwareAgent"):
        texts += [quoted(text) for text in _values(notes.xmp, name)]
    return list(dict.fromkeys(texts))


def _values(xmp: str, name: str) -> list[str]:
    """Values of a property, written as attribute or as element."""
    pattern = rf"\b[A-Za-z]\w{{0,20}}:{name}(?:\s*=\s*[\"']([^\"'<]{{1,300}})[\"']|>([^<]{{1,300}})<)"
    return [one or other for one, other in re.findall(pattern, xmp)]


def _told(notes: Notes, texts: list[str]) -> Iterator[tuple[str, str]]:
    camera = " ".join(notes.tags[tag] for tag in (MAKE, MODEL) if tag in notes.tags)
    yield "camera", camera or "not noted"
    for tag, name in ((TAKEN, "taken"), (CHANGED, "last changed")):
        if tag in notes.times:
            yield name, day(notes.times[tag])
    if TAKEN not in notes.times:
        yield "taken", "not noted"
    yield "place", "noted in the file" if notes.has_place else "not noted"
    if notes.has_maker_note:
        yield "camera's own notes", "are there"
    for text in texts[:4]:
        yield "written by", text


def _model_texts(picture: Image.Image) -> tuple[str, ...]:
    for key, value in picture.info.items():
        if str(key).lower() in MODEL_KEYS and isinstance(value, str):
            return (
                f"It holds a text under the name “{quoted(str(key))}”, where programs that make pictures by a model "
                f"keep their settings. It begins: “{quoted(value[:100])}”. Anybody can write such a text.",
            )
    return ()


def _source(xmp: str) -> tuple[str, ...]:
    for value in _values(xmp, "DigitalSourceType"):
        words = SOURCES.get(value.rstrip("/").rpartition("/")[2].lower())
        if words:
            return (f"It says of itself that it {words} (IPTC's digital source type). Anybody can write this.",)
    return ()


def _history(xmp: str) -> tuple[str, ...]:
    steps = _values(xmp, "action")
    if not steps:
        return ()
    counted = ", ".join(dict.fromkeys(quoted(step) for step in steps[:20]))
    return (
        f"Its history names {len(steps):,} step{'' if len(steps) == 1 else 's'} in an editing program: {counted}. "
        "Saving and converting count as steps, too; what was changed it doesn't say.",
    )


def _times(notes: Notes, now: datetime) -> Iterator[str]:
    taken, changed = notes.times.get(TAKEN), notes.times.get(CHANGED)
    first = taken or changed
    if first is not None:
        yield from oddly_dated(first, now)
    if taken is not None and changed is not None and abs(changed - taken) > TOLERANCE:
        yield (
            f"It was last changed {apart(changed, taken)} {'after' if changed > taken else 'before'} it was taken, "
            "by what it notes. Turning, developing or editing it does this, and clocks that were set anew."
        )
    if taken is not None and notes.gps_day is not None and abs(notes.gps_day - taken) > timedelta(hours=38):
        yield (
            f"Its satellite position is from {notes.gps_day:%d %B %Y}, and the picture by the camera's clock from "
            f"{taken:%d %B %Y}. Cameras' clocks are often wrong; positions are also added later."
        )


def _resized(picture: Image.Image, notes: Notes) -> tuple[str, ...]:
    try:
        noted = sorted((int(notes.tags[WIDE]), int(notes.tags[HIGH])))
    except (KeyError, ValueError):
        return ()
    has = sorted(picture.size)
    if 0 in noted or noted == has:
        return ()
    # Turned pictures often keep the note as it was.
    if has[0] <= noted[0] and has[1] <= noted[1]:
        what = "made smaller or cropped by a program that left the note alone. Messengers and web sites make pictures "
        what += "smaller."
    elif has[0] >= noted[0] and has[1] >= noted[1]:
        what = "made larger, or got a border, by a program that left the note alone. Programs that enlarge pictures "
        what += "or put frames around them do this."
    else:
        what = "brought into another shape by a program that left the note alone. Web sites and collages do this."
    wide, high = notes.tags[WIDE], notes.tags[HIGH]
    return (f"It notes a size of {wide} × {high} pixels and has {picture.width} × {picture.height}: it was {what}",)


def _coded(picture: Image.Image) -> Seen:
    """What quantisation and pixels tell; decodes the picture."""
    if picture.width * picture.height > MAX_PIXELS or picture.mode in {"I", "F", "I;16", "LAB", "HSV", "CMYK"}:
        return Seen()
    small = thumbnail_in(picture)
    preview = (("preview", f"{small.width} × {small.height}"),) if small else ()
    is_jpeg = picture.format in {"JPEG", "MPO"}
    tables: Mapping[int, list[int]] = getattr(picture, "quantization", None) or {}
    table = np.array(tables[0], np.int64).reshape(8, 8) if is_jpeg and len(tables.get(0, ())) == 64 else None
    facts = [*preview, *_tables(picture, table)]
    if is_jpeg:
        picture.draft("L", picture.size)
    luma = np.asarray(picture.convert("L"))
    noticed = list(seen_in_thumbnail(luma, small)) if small else []
    # Of RGB in a JPEG, brightness has no steps of its own.
    is_readable = table is not None if is_jpeg else picture.format in LOSSLESS and not _is_lossy(picture)
    if not is_readable or picture.info.get("adobe_transform") == 0 or min(luma.shape) < 64 or luma.std() < PLAIN:
        return Seen(noticed=tuple(noticed), facts=tuple(facts))
    earlier = earlier_jpeg(luma, table)
    if earlier is not None:
        cut = any(earlier.offset_xy)
        where = "; since then it was cropped at the left or the top" if cut else ""
        noticed.append(
            f"Its pixels were a JPEG of quality about {earlier.quality} before, and were saved again{where}. "
            "Messengers, web sites and screenshots save pictures again, and so does every editor."
        )
    return Seen(noticed=tuple(noticed), facts=tuple(facts), limits=(PICTURE_LIMIT,))


def _tables(picture: Image.Image, table: np.ndarray | None) -> Iterator[tuple[str, str]]:
    if table is None:
        return
    quality = standard_quality(table)
    yield (
        "JPEG tables",
        "of its own, as cameras, Photoshop and some web sites use"
        if quality is None
        else f"standard, quality {quality}, as most programs, web sites and many phones use",
    )
    if picture.info.get("progressive"):
        yield "JPEG kind", "progressive, as web sites write and hardly any camera"


def _is_lossy(picture: Image.Image) -> bool:
    return str(picture.info.get("compression", "")).lower() in FLAT_COMPRESSIONS
