"""What is known of a published file after it was trimmed, remuxed, saved anew or changed by a bit."""

from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import av
import pytest
from PIL import Image

from countenance.errors import MediaError
from countenance.media.probe import probe
from countenance.media.reader import read_frames
from countenance.project import Project, create, opened
from countenance.provenance.credentials import SLIPPED_IN, read_credentials
from countenance.provenance.keys import find_trust
from countenance.steps.verify import crjson
from tests.support.mutations import Original, is_store, parts_of, room_used_between
from tests.support.publishing import publish_grey

VIDEOS, PICTURES = ["mp4", "mov"], ["jpg", "png", "webp"]
MakePlate = Callable[..., Path]
NUM_FLIPS = 24


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    create(tmp_path / "film", use="film", title=None)
    with opened(tmp_path / "film") as project:
        yield project


@pytest.fixture
def publish_kind(project: Project, make_plate: MakePlate, tmp_path: Path) -> Callable[[str], Path]:
    return lambda kind: publish_grey(project, make_plate(f"plate.{kind}"), tmp_path / f"shot.{kind}").path


def state_of(path: Path) -> str:
    try:
        return read_credentials(path, find_trust()).state
    except MediaError:
        return "unreadable"


def seen_in(path: Path) -> list[bytes] | None:
    """The pixels, or None where no viewer opens the file."""
    try:
        return [frame.rgb.tobytes() for frame in read_frames(probe(path))]
    except MediaError:
        return None


def copy_packets(source: Path, target: Path, *, num_packets: int | None = None) -> None:
    """Remux without encoding, all of it or the beginning."""
    with av.open(str(source)) as given, av.open(str(target), "w") as written:
        stream = given.streams.video[0]
        copy = written.add_stream_from_template(stream)
        for number, packet in enumerate(given.demux(stream)):
            if packet.dts is not None and (num_packets is None or number < num_packets):
                packet.stream = copy
                written.mux(packet)


@pytest.mark.parametrize("kind", VIDEOS)
@pytest.mark.parametrize("num_packets", [None, 3], ids=["remuxed", "trimmed"])
def test_a_copy_of_the_packets_carries_no_credentials(
    publish_kind: Callable[[str], Path], tmp_path: Path, kind: str, num_packets: int | None
) -> None:
    copy_packets(publish_kind(kind), tmp_path / f"copy.{kind}", num_packets=num_packets)
    assert len(seen_in(tmp_path / f"copy.{kind}") or []) == (num_packets or 6)
    assert state_of(tmp_path / f"copy.{kind}") == "missing"


@pytest.mark.parametrize("kind", VIDEOS)
def test_credentials_pasted_into_a_trimmed_copy_do_not_hold(
    publish_kind: Callable[[str], Path], tmp_path: Path, kind: str
) -> None:
    path = publish_kind(kind)
    copy = tmp_path / f"copy.{kind}"
    copy_packets(path, copy, num_packets=3)
    content, credentials = copy.read_bytes(), box_of(path.read_bytes(), b"uuid")
    end = int.from_bytes(content[:4])
    copy.write_bytes(content[:end] + credentials + content[end:])
    assert state_of(copy) == "invalid"


def box_of(content: bytes, kind: bytes) -> bytes:
    """The first box of a kind at the top."""
    start = 0
    while content[start + 4 : start + 8] != kind:
        start += int.from_bytes(content[start : start + 4])
    return content[start : start + int.from_bytes(content[start : start + 4])]


@pytest.mark.parametrize("kind", PICTURES)
def test_a_picture_that_is_saved_anew_carries_no_credentials(
    publish_kind: Callable[[str], Path], tmp_path: Path, kind: str
) -> None:
    with Image.open(publish_kind(kind)) as picture:
        picture.save(tmp_path / f"copy.{kind}")
    assert state_of(tmp_path / f"copy.{kind}") == "missing"


@pytest.mark.parametrize("kind", VIDEOS + PICTURES)
def test_a_file_whose_end_is_cut_off_is_never_trusted(
    publish_kind: Callable[[str], Path], tmp_path: Path, kind: str
) -> None:
    content = publish_kind(kind).read_bytes()
    cut = tmp_path / f"cut.{kind}"
    for share in (0.3, 0.6, 0.9, 0.99):
        cut.write_bytes(content[: int(len(content) * share)])
        assert state_of(cut) in {"invalid", "missing", "unreadable"}


@pytest.mark.parametrize("kind", VIDEOS + PICTURES)
def test_a_bit_flipped_anywhere_is_found_or_changes_nothing_that_is_seen(
    publish_kind: Callable[[str], Path], tmp_path: Path, kind: str
) -> None:
    path = publish_kind(kind)
    content, before = path.read_bytes(), seen_in(path)
    flipped = tmp_path / f"flipped.{kind}"
    found = 0
    for position in range(7, len(content), max(1, len(content) // NUM_FLIPS)):
        flipped.write_bytes(content[:position] + bytes([content[position] ^ 0x10]) + content[position + 1 :])
        if state_of(flipped) == "trusted":
            # `verify` tells of a file that can't be opened.
            assert seen_in(flipped) in (before, None)
        else:
            found += 1
    # What goes unnoticed lies in the space that C2PA keeps free in the credentials.
    assert found >= NUM_FLIPS // 4


@pytest.mark.parametrize("kind", VIDEOS)
def test_nothing_can_be_hidden_in_a_box_without_content(publish_kind: Callable[[str], Path], kind: str) -> None:
    path = publish_kind(kind)
    with path.open("ab") as file:
        file.write(b"\0\0\0\x0efreesecret")
    assert seen_in(path) is not None
    assert state_of(path) == "invalid"


def test_nothing_can_be_put_between_the_pieces_of_a_jpeg_s_credentials(
    publish_kind: Callable[[str], Path], tmp_path: Path
) -> None:
    """Where the library looks only at where they begin and end: here, a word that the picture lies on its side."""
    content = publish_kind("jpg").read_bytes()
    turned = tmp_path / "turned.jpg"
    turned.write_bytes(room_used_between(Random(0), Original(kind="jpg", content=content, twin=content)))
    with Image.open(turned) as picture:
        assert picture.getexif()[0x0112] == 6
    credentials = read_credentials(turned, find_trust())
    assert (credentials.state, credentials.reasons[-1]) == ("invalid", SLIPPED_IN)
    assert not crjson(turned)[1]


def test_credentials_in_several_pieces_hold(
    project: Project, tmp_path: Path, publish_kind: Callable[[str], Path]
) -> None:
    """A segment of JPEG holds 64 kB, and credentials keep those of the plate, and of its plate."""
    path = publish_kind("jpg")
    for generation in range(4):
        path = publish_grey(project, path, tmp_path / f"{generation}.jpg").path
    assert sum(is_store(part, "jpg") for part in parts_of(path.read_bytes(), "jpg")) > 1
    assert state_of(path) == "trusted"
    assert crjson(path)[1]
