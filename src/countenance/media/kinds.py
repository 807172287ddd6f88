"""What a file is that is neither a video nor a picture, told by how it begins, for the line that refuses it."""

from dataclasses import dataclass
from pathlib import Path

from countenance.media.container import EXPECTED
from countenance.media.pictures import reads_heic

NUM_BYTES = 4096
"""Of a file's head are looked at."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """A kind of file that is refused."""

    name: str
    remedy: str
    begins: tuple[bytes, ...]
    """Any of these; words in lower case."""
    at: int = 0
    """Byte at which it begins so."""
    is_text: bool = False
    """White space before the first word and capitals don't count."""


UNPACK = "unpack it, and give the videos or pictures in it"
FOLLOW = "no file is followed to another one; give the videos that it names"
SAVE = "save it as PNG, or as JPEG of high quality"
CONVERT = "convert it to H.264 in .mp4"
FOOTAGE = "give the footage itself"

KINDS = (
    Kind(name="an M3U playlist", remedy=FOLLOW, begins=(b"#extm3u", b"#ext-x-"), is_text=True),
    Kind(name="a list of files to join", remedy=FOLLOW, begins=(b"ffconcat", b"file '", b'file "'), is_text=True),
    Kind(name="a PLS playlist", remedy=FOLLOW, begins=(b"[playlist]", b"[reference]"), is_text=True),
    Kind(name="an edit list", remedy=FOLLOW, begins=(b"# mpv edl", b"title:", b"mplayer edl"), is_text=True),
    Kind(name="a description of a stream (SDP)", remedy=FOLLOW, begins=(b"v=0\r", b"v=0\n"), is_text=True),
    Kind(name="a shortcut", remedy=FOLLOW, begins=(b"[internetshortcut]", b"[desktop entry]"), is_text=True),
    Kind(
        name="an address on a network",
        remedy="download the video, and give that",
        begins=(b"http://", b"https://", b"rtsp://", b"rtmp://", b"rtp://", b"udp://", b"ftp://", b"mms://"),
        is_text=True,
    ),
    Kind(name="a web page (HTML)", remedy=FOOTAGE, begins=(b"<!doctype html",), is_text=True),
    Kind(name="a script", remedy=FOOTAGE, begins=(b"#!",)),
    Kind(name="a PDF document", remedy="export its pictures as PNG", begins=(b"%pdf-",), is_text=True),
    Kind(name="a PostScript document", remedy="export its pictures as PNG", begins=(b"%!ps",), is_text=True),
    Kind(name="a ZIP archive", remedy=UNPACK, begins=(b"PK\x03\x04", b"PK\x05\x06")),
    Kind(
        name="a compressed archive",
        remedy=UNPACK,
        begins=(b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07", b"\x28\xb5\x2f\xfd"),
    ),
    Kind(name="a TAR archive", remedy=UNPACK, begins=(b"ustar",), at=257),
    Kind(name="a Python pickle", remedy=FOOTAGE, begins=tuple(bytes((0x80, number)) for number in range(2, 6))),
    Kind(name="a NumPy array", remedy="save it as PNG", begins=(b"\x93NUMPY",)),
    Kind(name="a database", remedy=FOOTAGE, begins=(b"SQLite format 3\x00",)),
    Kind(name="a program", remedy=FOOTAGE, begins=(b"\x7fELF", b"MZ", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe")),
    Kind(name="a GIF picture", remedy="save it as PNG, or as .mp4 where it moves", begins=(b"GIF87a", b"GIF89a")),
    Kind(name="a raw or damaged TIFF picture", remedy=SAVE, begins=(b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")),
    Kind(name="a BMP picture", remedy=SAVE, begins=(b"BM",)),
    Kind(name="a Photoshop picture", remedy=SAVE, begins=(b"8BPS",)),
    Kind(name="an OpenEXR picture", remedy=SAVE, begins=(b"v/1\x01",)),
    Kind(name="a JPEG 2000 picture", remedy=SAVE, begins=(b"\x00\x00\x00\x0cjP  ", b"\xff\x4f\xff\x51")),
    Kind(name="a JPEG XL picture", remedy=SAVE, begins=(b"\x00\x00\x00\x0cJXL ", b"\xff\x0a")),
    Kind(name="an AVIF picture", remedy=SAVE, begins=(b"ftypavi",), at=4),
    Kind(name="a damaged JPEG picture", remedy="copy it anew", begins=(b"\xff\xd8\xff",)),
    Kind(name="a damaged PNG picture", remedy="copy it anew", begins=(b"\x89PNG",)),
    Kind(name="a damaged WebP picture", remedy="copy it anew", begins=(b"WEBP",), at=8),
    Kind(
        name="an MP4 or MOV without its index, so truncated or damaged",
        remedy="copy it anew",
        begins=(b"ftyp", b"moov", b"mdat", b"wide", b"free"),
        at=4,
    ),
    Kind(name="an MKV or WebM that is truncated or damaged", remedy="copy it anew", begins=(b"\x1a\x45\xdf\xa3",)),
    Kind(name="an AVI that is truncated or damaged", remedy="copy it anew", begins=(b"AVI ",), at=8),
    Kind(name="sound only (WAV)", remedy=FOOTAGE, begins=(b"WAVE",), at=8),
    Kind(
        name="sound only (MP3, AAC or FLAC)",
        remedy=FOOTAGE,
        begins=(b"ID3", b"fLaC", b"\xff\xfb", b"\xff\xf3", b"\xff\xf2", b"\xff\xf1", b"\xff\xf9"),
    ),
    Kind(name="a RealMedia video", remedy=CONVERT, begins=(b".RMF",)),
    Kind(name="video without a container", remedy=CONVERT, begins=(b"\x00\x00\x00\x01", b"\x00\x00\x01\x67", b"DKIF")),
    Kind(name="video without a container", remedy=CONVERT, begins=(b"YUV4MPEG2",)),
)
"""What people, or others, put among footage; the first that fits counts."""

HEIC = (b"ftyphei", b"ftyphev", b"ftypmif1", b"ftypmsf1")
"""How a HEIC picture goes on after its first four bytes."""

XML_ROOTS = {
    b"<?wpl": ("an ASX or WPL playlist", FOLLOW),
    b"<mpd": ("a DASH playlist (MPD)", FOLLOW),
    b"<smil": ("a SMIL playlist", FOLLOW),
    b"<asx": ("an ASX or WPL playlist", FOLLOW),
    b"<playlist": ("an XSPF playlist", FOLLOW),
    b"<xmeml": ("an edit list", FOLLOW),
    b"<fcpxml": ("an edit list", FOLLOW),
    b"<svg": ("a drawing (SVG)", SAVE),
    b"<html": ("a web page (HTML)", FOOTAGE),
}
"""What an XML document is by its outermost element, and what to do."""


def why_not(path: Path) -> str:
    """The line that refuses a file which is no footage: what it is instead, and what to do."""
    with path.open("rb") as file:
        head = file.read(NUM_BYTES)
    words = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if words.startswith((b"<?xml", *XML_ROOTS)):
        for root, (name, remedy) in XML_ROOTS.items():
            if root in words:
                return f"expected a video or picture, but {path} is {name}; {remedy}"
        return f"expected a video or picture, but {path} is an XML document; {FOOTAGE}"
    if head[4:].startswith(HEIC):
        if reads_heic():
            return f"expected a video or picture, but {path} is a damaged HEIC picture; copy it anew"
        return f"{path} is a HEIC picture; `pip install 'countenance[heic]'` to read it, or save it as JPEG"
    for kind in KINDS:
        if (words if kind.is_text else head[kind.at :]).startswith(kind.begins):
            return f"expected a video or picture, but {path} is {kind.name}; {kind.remedy}"
    return f"{path} is not a video or picture that can be read, or it is truncated; expected {EXPECTED}"
