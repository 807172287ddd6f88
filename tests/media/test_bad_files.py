"""At least forty kinds of bad file, made on the spot: each gets its own line, nothing hangs, and the rest goes in."""

import gzip
import io
import os
import pickle
import re
import signal
import socket
import sqlite3
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import FrameType

import av
import numpy as np
import pillow_heif
import pytest
from av.stream import Disposition
from PIL import Image

from countenance.errors import MediaError
from countenance.media.probe import take_fingerprint
from countenance.progress import Silent
from countenance.project import Project
from countenance.steps.collect import collect
from tests.support.videos import MakeVideo, quadrants

Make = Callable[[Path, MakeVideo], object]

LONGEST_S = 20
"""Whatever takes longer hangs."""

TABLE = Path(__file__).parents[2] / "docs" / "collect.md"


@dataclass(frozen=True, kw_only=True)
class BadFile:
    """A file that is to be refused."""

    kind: str
    name: str
    make: Make
    """Makes the file at a path."""
    says: str
    """The line; FILE stands for the path and … for what depends on a library or the file's content."""

    def pattern(self, path: Path) -> str:
        return re.escape(self.says).replace("FILE", re.escape(str(path))).replace("…", ".*")


def text(words: str) -> Make:
    return lambda path, _: path.write_text(words)


def content(data: bytes) -> Make:
    return lambda path, _: path.write_bytes(data)


def video(name: str = "made.mp4", **facts: object) -> Make:
    def make(path: Path, make_video: MakeVideo) -> None:
        clock = {} if name.endswith(".mp4") else {"time_base": Fraction(1, 25)}
        make_video(name, **{"pts": range(0, 512 * 10, 512) if not clock else range(10), **clock, **facts}).rename(path)

    return make


def cut(make: Make, kept: float) -> Make:
    def make_part(path: Path, make_video: MakeVideo) -> None:
        make(path, make_video)
        whole = path.read_bytes()
        path.write_bytes(whole[: int(len(whole) * kept)])

    return make_part


def patched(make: Make, mark: bytes, offset: int, new: bytes) -> Make:
    """The file with other bytes at a distance from where a mark begins."""

    def make_other(path: Path, make_video: MakeVideo) -> None:
        make(path, make_video)
        whole = path.read_bytes()
        at = whole.index(mark) + offset
        path.write_bytes(whole[:at] + new + whole[at + len(new) :])

    return make_other


def picture(picture_format: str, mode: str = "RGB", size_wh: tuple[int, int] = (80, 80)) -> Make:
    def make(path: Path, _: MakeVideo) -> None:
        noise = np.random.default_rng(0).integers(0, 255, (size_wh[1], size_wh[0], 3), np.uint8)
        Image.fromarray(noise).convert(mode).save(path, picture_format)

    return make


def tiff(tags: dict[int, bytes]) -> Make:
    def make(path: Path, _: MakeVideo) -> None:
        Image.fromarray(quadrants(60, 40)).save(path, "TIFF", tiffinfo=tags)

    return make


def heic(path: Path, _: MakeVideo) -> None:
    pillow_heif.from_pillow(Image.fromarray(quadrants(60, 40))).save(path)


def moving_picture(picture_format: str) -> Make:
    def make(path: Path, _: MakeVideo) -> None:
        pictures = [Image.fromarray(quadrants(60, 40, shade)) for shade in (0, 90)]
        pictures[0].save(path, picture_format, save_all=True, append_images=pictures[1:])

    return make


def png(width: int, height: int, *more: tuple[bytes, bytes]) -> bytes:
    """A PNG of one grey row, whatever size it claims."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), *more, (b"IDAT", zlib.compress(bytes(9))), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("plate.mp4", bytes(100))
    return buffer.getvalue()


def tarred() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("plate.mp4"))
    return buffer.getvalue()


def array_file() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(3))
    return buffer.getvalue()


def database(path: Path, _: MakeVideo) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE a (b)")
    connection.close()


def wave(path: Path, _: MakeVideo) -> None:
    samples = bytes(2000)
    head = struct.pack(
        "<4sI4s4sIHHIIHH4sI", b"RIFF", 2036, b"WAVE", b"fmt ", 16, 1, 1, 8000, 16000, 2, 16, b"data", 2000
    )
    path.write_bytes(head + samples)


def sound(*, with_cover: bool = False, num_streams: int = 1) -> Make:
    def make(path: Path, _: MakeVideo) -> None:
        with av.open(path, "w", format="mp4") as container:
            streams = [container.add_stream("aac", rate=44100, layout="mono") for _ in range(num_streams)]
            if with_cover:
                cover = container.add_stream("mjpeg", rate=1, width=64, height=64)
                cover.pix_fmt, cover.disposition = "yuvj420p", Disposition.attached_pic
                shown = av.VideoFrame.from_ndarray(quadrants(64, 64), format="rgb24").reformat(format="yuvj420p")
                container.mux(cover.encode(shown))
                container.mux(cover.encode(None))
            for stream in streams:
                samples = av.AudioFrame.from_ndarray(np.zeros((1, 2048), np.float32), format="flt", layout="mono")
                samples.sample_rate = 44100
                container.mux(stream.encode(samples))
                container.mux(stream.encode(None))

    return make


def led_elsewhere(path: Path, make_video: MakeVideo) -> None:
    """A MOV whose frames lie in another file, as editors of old wrote them."""
    other = make_video("elsewhere.mov")
    whole = bytearray(other.read_bytes())
    name = b"elsewhere.mov"
    # An alias record: 150 bytes with volume and file names, the last directory's depth, then tagged paths.
    alias = bytearray(150)
    alias[10] = 4
    alias[130:134] = struct.pack(">HH", 1, 1)
    alias[11:15] = b"disk"
    alias[50] = len(name)
    alias[51 : 51 + len(name)] = name
    record = (
        bytes(alias) + struct.pack(">HH", 2, len(name)) + name + bytes(len(name) % 2) + struct.pack(">HH", 0xFFFF, 0)
    )
    entry = struct.pack(">I4sI", 12 + len(record), b"alis", 0) + record
    at = whole.index(b"dref")
    (old,) = struct.unpack_from(">I", whole, at + 12)
    whole[at + 12 : at + 12 + old] = entry
    for box in (b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref"):
        start = whole.index(box) - 4
        (size,) = struct.unpack_from(">I", whole, start)
        struct.pack_into(">I", whole, start, size + len(entry) - old)
    path.write_bytes(whole)


def hollow(path: Path, _: MakeVideo) -> None:
    with path.open("wb") as file:
        file.truncate(50 * 1000**3)


def a_pipe(path: Path, _: MakeVideo) -> None:
    os.mkfifo(path)


def a_socket(path: Path, _: MakeVideo) -> None:
    # The path of a socket may be only some hundred letters long.
    with tempfile.TemporaryDirectory() as short, socket.socket(socket.AF_UNIX) as listening:
        listening.bind(f"{short}/s")
        Path(f"{short}/s").rename(path)


def linked(to: str) -> Make:
    def make(path: Path, make_video: MakeVideo) -> None:
        made = make_video("outside.mp4", pts=(0, 512))
        (made.parent / "other folder").mkdir()
        made.rename(made.parent / "other folder" / "outside.mp4")
        path.symlink_to(made.parent / to if to else path)

    return make


LINES = "words and no pictures\n" * 9
HTML = "<!DOCTYPE html>\n<html><body>404</body></html>\n"
FOLLOW = "no file is followed to another one; give the videos that it names"
LIKE_MP4 = (
    "FILE is not a video or picture that can be read, or it is truncated; "
    "expected MP4, MOV, MKV, WebM, AVI and the like, or JPEG, PNG, WebP, TIFF, HEIC"
)


def is_no_footage(what: str) -> str:
    return f"expected a video or picture, but FILE is {what}"


UNPACK = "unpack it, and give the videos or pictures in it"
SAVE = "save it as PNG, or as JPEG of high quality"
FOOTAGE = "give the footage itself"

BAD_FILES = (
    # Nothing, or anything.
    BadFile(kind="empty", name="a.mp4", make=content(b""), says="FILE is empty; copy it anew"),
    BadFile(
        kind="zeros, as of a copy that failed",
        name="a.mp4",
        make=content(bytes(5000)),
        says="expected a video or picture, but FILE begins with nothing but zeros; copy it anew",
    ),
    BadFile(
        kind="hollow file that claims 50 GB",
        name="a.mp4",
        make=hollow,
        says="expected a video or picture, but FILE begins with nothing but zeros; copy it anew",
    ),
    BadFile(kind="words", name="a.mp4", make=text(LINES), says=LIKE_MP4),
    BadFile(kind="noise", name="a.jpg", make=content(np.random.default_rng(1).bytes(5000)), says=LIKE_MP4),
    # What leads elsewhere.
    BadFile(
        kind="M3U playlist",
        name="a.mp4",
        make=text("#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:2.4,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"),
        says=is_no_footage(f"an M3U playlist; {FOLLOW}"),
    ),
    BadFile(
        kind="list to join",
        name="a.mp4",
        make=text("ffconcat version 1.0\nfile /etc/passwd\n"),
        says=is_no_footage(f"a list of files to join; {FOLLOW}"),
    ),
    BadFile(
        kind="list to join, without its first line",
        name="a.txt",
        make=text("file 'one.mp4'\nfile 'two.mp4'\n"),
        says=is_no_footage(f"a list of files to join; {FOLLOW}"),
    ),
    BadFile(
        kind="DASH playlist",
        name="a.mpd",
        make=text('<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period/></MPD>'),
        says=is_no_footage(f"a DASH playlist (MPD); {FOLLOW}"),
    ),
    BadFile(
        kind="PLS playlist",
        name="a.pls",
        make=text("[playlist]\nFile1=/etc/passwd\nNumberOfEntries=1\n"),
        says=is_no_footage(f"a PLS playlist; {FOLLOW}"),
    ),
    BadFile(
        kind="XSPF playlist",
        name="a.xspf",
        make=text('<?xml version="1.0"?><playlist version="1"><trackList/></playlist>'),
        says=is_no_footage(f"an XSPF playlist; {FOLLOW}"),
    ),
    BadFile(
        kind="ASX playlist",
        name="a.wmv",
        make=text('<ASX version="3.0"><Entry><Ref href="http://127.0.0.1/a.wmv"/></Entry></ASX>'),
        says=is_no_footage(f"an ASX or WPL playlist; {FOLLOW}"),
    ),
    BadFile(
        kind="edit list",
        name="a.edl",
        make=text("# mpv EDL v0\n/etc/passwd,0,1\n"),
        says=is_no_footage(f"an edit list; {FOLLOW}"),
    ),
    BadFile(
        kind="description of a stream",
        name="a.sdp",
        make=text("v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n"),
        says=is_no_footage(f"a description of a stream (SDP); {FOLLOW}"),
    ),
    BadFile(
        kind="address on a network",
        name="a.strm",
        make=text("rtsp://127.0.0.1/camera\n"),
        says=is_no_footage("an address on a network; download the video, and give that"),
    ),
    BadFile(
        kind="shortcut",
        name="a.url",
        make=text("[InternetShortcut]\r\nURL=http://127.0.0.1/a.mp4\r\n"),
        says=is_no_footage(f"a shortcut; {FOLLOW}"),
    ),
    BadFile(
        kind="MOV whose frames lie in another file",
        name="a.mov",
        make=led_elsewhere,
        says="FILE announces a video, but not one frame is in it; copy it anew, or save it with its frames inside",
    ),
    # Documents, archives, programs.
    BadFile(kind="web page", name="a.jpg", make=text(HTML), says=is_no_footage(f"a web page (HTML); {FOOTAGE}")),
    BadFile(
        kind="drawing",
        name="a.png",
        make=text('<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>'),
        says=is_no_footage(f"a drawing (SVG); {SAVE}"),
    ),
    BadFile(
        kind="XML that unfolds without end",
        name="a.mp4",
        make=text('<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;">]><a>&c;</a>'),
        says=is_no_footage(f"an XML document; {FOOTAGE}"),
    ),
    BadFile(
        kind="PDF",
        name="a.jpg",
        make=content(b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n"),
        says=is_no_footage("a PDF document; export its pictures as PNG"),
    ),
    BadFile(
        kind="PostScript",
        name="a.jpg",
        make=content(b"%!PS-Adobe-3.0 EPSF-3.0\nshowpage\n"),
        says=is_no_footage("a PostScript document; export its pictures as PNG"),
    ),
    BadFile(kind="ZIP", name="a.mp4", make=content(zipped()), says=is_no_footage(f"a ZIP archive; {UNPACK}")),
    BadFile(
        kind="gzip",
        name="a.mp4",
        make=content(gzip.compress(bytes(100))),
        says=is_no_footage(f"a compressed archive; {UNPACK}"),
    ),
    BadFile(kind="TAR", name="a.mov", make=content(tarred()), says=is_no_footage(f"a TAR archive; {UNPACK}")),
    BadFile(
        kind="pickle",
        name="a.mp4",
        make=content(pickle.dumps({"frames": [1, 2]})),
        says=is_no_footage(f"a Python pickle; {FOOTAGE}"),
    ),
    BadFile(
        kind="NumPy array",
        name="a.png",
        make=content(array_file()),
        says=is_no_footage("a NumPy array; save it as PNG"),
    ),
    BadFile(kind="database", name="a.mp4", make=database, says=is_no_footage(f"a database; {FOOTAGE}")),
    BadFile(
        kind="program",
        name="a.mp4",
        make=content(b"\x7fELF\x02\x01\x01" + bytes(60)),
        says=is_no_footage(f"a program; {FOOTAGE}"),
    ),
    BadFile(
        kind="script",
        name="a.mp4",
        make=text("#!/bin/sh\nexit 1\n"),
        says=is_no_footage(f"a script; {FOOTAGE}"),
    ),
    # Pictures of other kinds.
    BadFile(
        kind="GIF",
        name="a.mp4",
        make=picture("GIF"),
        says=is_no_footage("a GIF picture; save it as PNG, or as .mp4 where it moves"),
    ),
    BadFile(
        kind="raw picture of a camera",
        name="a.dng",
        make=tiff({50706: bytes((1, 4, 0, 0))}),
        says="expected a TIFF with one picture, but FILE is raw or has several; save it as PNG",
    ),
    BadFile(
        kind="TIFF with several pages",
        name="a.tif",
        make=moving_picture("TIFF"),
        says="expected a TIFF with one page, but FILE has several; save each as a file",
    ),
    BadFile(kind="BMP", name="a.jpg", make=picture("BMP"), says=is_no_footage(f"a BMP picture; {SAVE}")),
    BadFile(
        kind="JPEG 2000",
        name="a.jpg",
        make=picture("JPEG2000"),
        says=is_no_footage(f"a JPEG 2000 picture; {SAVE}"),
    ),
    BadFile(kind="AVIF", name="a.jpg", make=picture("AVIF"), says=is_no_footage(f"an AVIF picture; {SAVE}")),
    BadFile(
        kind="Photoshop",
        name="a.jpg",
        make=content(b"8BPS\x00\x01" + bytes(20)),
        says=is_no_footage(f"a Photoshop picture; {SAVE}"),
    ),
    # Pictures that are damaged, or made to do damage.
    BadFile(
        kind="JPEG cut off",
        name="a.jpg",
        make=cut(picture("JPEG"), 0.5),
        says="the picture FILE is truncated or damaged (…); copy it anew",
    ),
    BadFile(
        kind="PNG cut off",
        name="a.png",
        make=cut(picture("PNG"), 0.5),
        says="the picture FILE is truncated or damaged (…); copy it anew",
    ),
    BadFile(
        kind="WebP cut off",
        name="a.webp",
        make=cut(picture("WEBP"), 0.5),
        says="the picture FILE can't be read (…); open and save it in a picture editor",
    ),
    BadFile(
        kind="TIFF cut off",
        name="a.tif",
        make=cut(picture("TIFF"), 0.5),
        says="the picture FILE is truncated or damaged (…); copy it anew",
    ),
    BadFile(
        kind="TIFF, only its head",
        name="a.tif",
        make=content(b"II*\x00\x08\x00\x00\x00"),
        says=is_no_footage(f"a raw or damaged TIFF picture; {SAVE}"),
    ),
    BadFile(
        kind="HEIC cut off",
        name="a.heic",
        make=cut(heic, 0.5),
        says=is_no_footage("a damaged HEIC picture; copy it anew"),
    ),
    BadFile(
        kind="JPEG, only its head",
        name="a.jpg",
        make=cut(picture("JPEG"), 0.005),
        says=is_no_footage("a damaged JPEG picture; copy it anew"),
    ),
    BadFile(
        kind="PNG with a damaged head",
        name="a.png",
        make=patched(content(png(8, 8)), b"IHDR", 4, b"\xff"),
        says=is_no_footage("a damaged PNG picture; copy it anew"),
    ),
    BadFile(
        kind="PNG bomb, 2 billion by 2 billion pixels",
        name="a.png",
        make=content(png(2**31 - 1, 2**31 - 1)),
        says="FILE has far more than 67108864 pixels, the most there may be; shrink it",
    ),
    BadFile(
        kind="JPEG bomb, 65 500 by 65 500 pixels",
        name="a.jpg",
        make=patched(picture("JPEG"), b"\xff\xc0", 5, struct.pack(">HH", 65500, 65500)),
        says="FILE has far more than 67108864 pixels, the most there may be; shrink it",
    ),
    BadFile(
        kind="WebP bomb, 16 383 by 16 383 pixels",
        name="a.webp",
        make=patched(picture("WEBP"), b"\x9d\x01\x2a", 3, struct.pack("<HH", 16383, 16383)),
        says="FILE has far more than 67108864 pixels, the most there may be; shrink it",
    ),
    BadFile(
        kind="picture with too many pixels",
        name="a.png",
        make=content(png(9000, 9000)),
        says="expected at most 67108864 pixels, but FILE is 9000×9000; shrink it",
    ),
    BadFile(
        kind="picture too long",
        name="a.png",
        make=content(png(40000, 1)),
        says="expected at most 32766 pixels a side, but FILE is 40000×1; shrink it",
    ),
    BadFile(
        kind="PNG whose words unfold to 200 MB",
        name="a.png",
        make=content(png(8, 8, (b"zTXt", b"a\x00\x00" + zlib.compress(bytes(200_000_000), 1)))),
        says="the picture FILE can't be read (…); open and save it in a picture editor",
    ),
    BadFile(
        kind="PNG that moves",
        name="a.png",
        make=moving_picture("PNG"),
        says="expected a still picture, but FILE moves; save it as a video (.mp4)",
    ),
    BadFile(
        kind="WebP that moves",
        name="a.webp",
        make=moving_picture("WEBP"),
        says="expected a still picture, but FILE moves; save it as a video (.mp4)",
    ),
    BadFile(
        kind="picture for print",
        name="a.jpg",
        make=picture("JPEG", "CMYK"),
        says="expected a picture in RGB or grey, but FILE is CMYK; save it as RGB",
    ),
    # Videos that are damaged.
    BadFile(
        kind="MP4 cut off, its index at the end",
        name="a.mp4",
        make=cut(video(), 0.5),
        says=is_no_footage("an MP4 or MOV without its index, so truncated or damaged; copy it anew"),
    ),
    BadFile(
        kind="MP4 cut off, its index at the start",
        name="a.mp4",
        make=cut(video(container_options={"movflags": "+faststart"}, is_noisy=True), 0.5),
        says="FILE is truncated: … of 10 frames are there; copy it anew",
    ),
    BadFile(
        kind="MKV cut off",
        name="a.mkv",
        make=cut(video("made.mkv", pts=range(60), is_noisy=True), 0.5),
        says="FILE is truncated: … of about … frames are there; copy it anew",
    ),
    BadFile(
        kind="AVI cut off",
        name="a.avi",
        make=cut(video("made.avi", is_noisy=True), 0.5),
        says="FILE is truncated: … of … frames are there; copy it anew",
    ),
    BadFile(
        kind="MP4 that holds no frames",
        name="a.mp4",
        make=patched(video(), b"stsz", 8, bytes(8)),
        says="FILE announces a video, but not one frame is in it; copy it anew, or save it with its frames inside",
    ),
    BadFile(
        kind="video without a container",
        name="a.mp4",
        make=video("made.h264"),
        says=is_no_footage("video without a container; convert it to H.264 in .mp4"),
    ),
    # Videos that aren't footage, or go beyond the limits.
    BadFile(
        kind="sound only, in MP4",
        name="a.mp4",
        make=sound(),
        says="FILE holds no video; give a video file or a picture (JPEG, PNG, WebP)",
    ),
    BadFile(kind="sound only, WAV", name="a.avi", make=wave, says=is_no_footage(f"sound only (WAV); {FOOTAGE}")),
    BadFile(
        kind="song with a cover",
        name="a.mp4",
        make=sound(with_cover=True),
        says="FILE holds no video; give a video file or a picture (JPEG, PNG, WebP)",
    ),
    BadFile(
        kind="too many streams",
        name="a.mp4",
        make=sound(num_streams=65),
        says="expected at most 64 streams, FILE has 65; keep only one",
    ),
    BadFile(
        kind="encrypted",
        name="a.mp4",
        make=video(
            container_options={
                "encryption_scheme": "cenc-aes-ctr",
                "encryption_key": "00" * 16,
                "encryption_kid": "11" * 16,
            }
        ),
        says="FILE is encrypted; give a copy without encryption",
    ),
    BadFile(
        kind="decoder that isn't on the list",
        name="a.avi",
        make=video("made.avi", codec="cinepak", pixel_format="rgb24"),
        says="expected H.264, HEVC, AV1, VP9, ProRes or the like, but FILE is cinepak; convert it to H.264",
    ),
    BadFile(
        kind="frames with too many pixels",
        name="a.avi",
        make=patched(video("made.avi", codec="ffv1"), b"strf", 12, struct.pack("<ii", 20000, 20000)),
        says="expected frames of at most 67108864 pixels, but FILE has larger ones, or doesn't tell their size; "
        "convert it to H.264 in .mp4",
    ),
    BadFile(
        kind="MP4 that announces 80 million frames in 20 bytes",
        name="a.mp4",
        make=patched(video(), b"stsz", 8, struct.pack(">II", 1, 80_000_000)),
        says="expected at most 5184000 frames, but FILE announces 80000000; cut it",
    ),
    BadFile(
        kind="fragment that announces 40 million frames",
        name="a.mp4",
        make=patched(
            video(container_options={"movflags": "empty_moov+default_base_moof"}),
            b"trun",
            4,
            struct.pack(">II", 0, 40_000_000),
        ),
        says="expected at most 5184000 frames, but FILE announces 40000000; cut it",
    ),
    BadFile(
        kind="longer than twelve hours",
        name="a.mp4",
        make=video(pts=(0, 12800 * 3600 * 13)),
        says="expected at most 12 hours, but FILE has 13.0; cut it",
    ),
    BadFile(
        kind="turned by 30 degrees",
        name="a.mp4",
        make=video(rotation_deg=30),
        says="FILE: expected a video turned by 90, 180 or 270 degrees, got another angle; turn it upright first",
    ),
    # What is no file.
    BadFile(
        kind="pipe",
        name="a.mp4",
        make=a_pipe,
        says="expected a regular file, but FILE is a pipe; save its content as a file",
    ),
    BadFile(
        kind="socket",
        name="a.mp4",
        make=a_socket,
        says="expected a regular file, but FILE is a socket; save its content as a file",
    ),
    BadFile(
        kind="link out of the folder",
        name="a.mp4",
        make=linked("other folder/outside.mp4"),
        says="FILE is a symbolic link; give the file that it points to: …outside.mp4",
    ),
    BadFile(
        kind="link to another folder",
        name="a",
        make=linked("other folder"),
        says="FILE is a symbolic link; give the file that it points to: …other folder",
    ),
    BadFile(
        kind="link to nothing",
        name="a.mp4",
        make=linked("nothing.mp4"),
        says="FILE is a symbolic link; give the file that it points to: …nothing.mp4",
    ),
    BadFile(
        kind="link to itself",
        name="a.mp4",
        make=linked(""),
        says="FILE is a symbolic link; give the file that it points to: …a.mp4",
    ),
    BadFile(
        kind="folder named like a video",
        name="a.mp4",
        make=lambda path, _: path.mkdir(),
        says="expected a video or picture, but FILE is an empty folder; copy it again",
    ),
    BadFile(
        kind="name that is not UTF-8",
        name=os.fsdecode(b"a\xff.mp4"),
        make=video(),
        says="the name of … is not valid UTF-8; rename it",
    ),
)


@pytest.fixture(autouse=True)
def nothing_hangs() -> Iterator[None]:
    def stop(_number: int, _frame: FrameType | None) -> None:
        raise TimeoutError(f"still busy after {LONGEST_S} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(LONGEST_S)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("bad", BAD_FILES, ids=lambda bad: bad.kind)
def test_each_bad_file_gets_its_line(bad: BadFile, project: Project, tmp_path: Path, make_video: MakeVideo) -> None:
    folder = tmp_path / "footage"
    folder.mkdir()
    bad.make(folder / bad.name, make_video)
    with pytest.raises(MediaError) as caught:
        collect(project, "dana", [folder], progress=Silent())
    line = str(caught.value)
    assert re.fullmatch(
        f"no video or picture that can be used in {re.escape(str(folder))}; {bad.pattern(folder / bad.name)}", line
    ), line
    assert line.isprintable()


def test_of_a_folder_with_all_of_them_the_good_ones_go_in(
    project: Project, tmp_path: Path, make_video: MakeVideo
) -> None:
    folder = tmp_path / "footage"
    folder.mkdir()
    good = [make_video("first.mp4", pts=range(0, 5120, 512)), make_video("second.mkv", time_base=Fraction(1, 25))]
    good = [path.rename(folder / path.name) for path in good]
    (folder / ".hidden.mp4").write_text(LINES)
    paths = []
    for number, bad in enumerate(BAD_FILES):
        within = folder / f"{number:02}"
        within.mkdir()
        # Each is made beside the others, so that what one leaves behind isn't in the way of the next.
        (tmp_path / f"{number}").mkdir()
        bad.make(within / bad.name, lambda name, **facts: make_video(f"{number}/{name}", **facts))  # noqa: B023
        paths.append(within / bad.name)
    result = collect(project, "dana", [folder], progress=Silent())
    assert [info.path for info in result.clips] == good
    assert result.known == ()
    reasons = dict(result.left_out)
    assert len(result.left_out) == len(reasons) == len(BAD_FILES) >= 40
    for bad, path in zip(BAD_FILES, paths, strict=True):
        assert re.fullmatch(bad.pattern(path), reasons[path]), (bad.kind, reasons[path])
        assert str(path.parent) in reasons[path]


def test_a_pipe_that_took_the_place_of_a_file_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "plate.mp4").write_bytes(b"x")
    before = (tmp_path / "plate.mp4").lstat()
    monkeypatch.setattr(Path, "lstat", lambda _: before)
    with pytest.raises(MediaError, match="is a pipe; save"):
        take_fingerprint(tmp_path / "pipe.mp4")


def test_ffmpeg_by_itself_would_read_frames_from_another_file(tmp_path: Path, make_video: MakeVideo) -> None:
    path = tmp_path / "a.mov"
    led_elsewhere(path, make_video)
    with av.open(path, container_options={"enable_drefs": "1"}) as container:
        assert sum(packet.size > 0 for packet in container.demux()) == 60


def test_the_table_in_the_documentation_is_this_one() -> None:
    told = re.findall(r"^\| (.+) \| `(.+)` \|$", TABLE.read_text(), re.MULTILINE)
    assert told == [(bad.kind, bad.says) for bad in BAD_FILES]
