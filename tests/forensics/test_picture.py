"""What is noticed in pictures."""

import struct
from collections.abc import Mapping
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from countenance.forensics.traces import Traces, traces_of
from countenance.watermark.embed import mark
from tests.forensics.test_jpeg import as_jpeg, photograph

NOW = datetime(2026, 11, 1, tzinfo=UTC)
TAKEN = "2026:03:01 12:00:00"
XMP = '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description {}/></x:xmpmeta>'


def traces(path: Path) -> Traces:
    return traces_of(path, now=NOW)


def save(path: Path, *, root: Mapping[int, object] = {}, camera: Mapping[int, object] = {}, xmp: str = "") -> Path:
    """A JPEG with tags in EXIF's two parts."""
    exif = Image.Exif()
    exif.update(root)
    exif.get_ifd(0x8769).update(camera)
    photograph().save(path, quality=90, exif=exif, xmp=xmp.encode())
    return path


def said(path: Path) -> str:
    found = traces(path)
    assert found.why_not is None
    return " ".join(found.noticed)


def test_a_picture_without_metadata_gives_facts_and_nothing_noticed(tmp_path: Path) -> None:
    path = tmp_path / "picture.jpg"
    photograph().save(path, quality=90)
    found = traces(path)
    assert found.noticed == ()
    facts = dict(found.facts)
    assert facts["camera"] == facts["taken"] == facts["place"] == "not noted"
    assert facts["JPEG tables"].startswith("standard, quality 90,")
    assert any("251 of 255 JPEGs" in limit for limit in found.limits)


def test_a_camera_s_own_tags_are_facts(tmp_path: Path) -> None:
    path = save(tmp_path / "camera.jpg", root={0x010F: "Acme", 0x0110: "One", 0x0132: TAKEN}, camera={0x9003: TAKEN})
    assert said(path) == ""
    assert ("camera", "Acme One") in traces(path).facts
    assert ("taken", "01 March 2026, 12:00:00") in traces(path).facts


@pytest.mark.parametrize(
    ("root", "camera", "words"),
    [
        (
            {0x0131: "Adobe Photoshop 25.1 (Windows)"},
            {},
            "“Adobe Photoshop 25.1 (Windows)”: a program to edit pictures.",
        ),
        ({0x0131: "Snapseed 2.0"}, {}, "Most people crop, turn or correct colours with it"),
        ({0x0132: "2026:03:04 12:00:00"}, {0x9003: TAKEN}, "It was last changed 3 days after it was taken"),
        ({}, {0x9003: "2031:01:01 00:00:00"}, "later than now by this computer's clock"),
        ({}, {0x9003: "1980:01:01 00:00:00"}, "before there were files of its kind"),
        (
            {},
            {0xA002: 4000, 0xA003: 3000},
            "It notes a size of 4000 × 3000 pixels and has 192 × 192: it was made smaller",
        ),
        ({}, {0xA002: 160, 0xA003: 120}, "has 192 × 192: it was made larger, or got a border,"),
        ({}, {0xA002: 400, 0xA003: 120}, "has 192 × 192: it was brought into another shape"),
    ],
)
def test_what_tags_tell(tmp_path: Path, root: Mapping[int, object], camera: Mapping[int, object], words: str) -> None:
    path = save(tmp_path / "picture.jpg", root=root, camera=camera)
    assert words in said(path)
    assert len(traces(path).noticed) == 1


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ('xmp:CreatorTool="GIMP 2.10"', "“GIMP 2.10”: a program to edit pictures."),
        ('stEvt:action="saved" stEvt:softwareAgent="x"', "Its history names 1 step in an editing program: saved."),
        (
            'Iptc4xmpExt:DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"',
            "It says of itself that it was made by a model that learned from other pictures",
        ),
    ],
)
def test_what_xmp_tells(tmp_path: Path, attributes: str, words: str) -> None:
    assert words in said(save(tmp_path / "picture.jpg", xmp=XMP.format(attributes)))


@pytest.mark.parametrize("name", ["picture.jpg", "picture.png", "picture.webp"])
def test_bytes_after_the_end_are_noticed(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    photograph().save(path)
    assert "after the picture's end" not in said(path)
    path.write_bytes(path.read_bytes() + b"hidden words")
    assert "12 bytes after the picture's end belong to nothing" in said(path)


def test_a_phone_s_film_after_a_picture_is_a_fact(tmp_path: Path) -> None:
    path = tmp_path / "picture.jpg"
    photograph().save(path)
    path.write_bytes(path.read_bytes() + struct.pack(">I4s", 24, b"ftypmp42"[:4]) + bytes(90) + b"x")
    assert said(path) == ""
    assert any("a short film" in value for _, value in traces(path).facts)


def appended(path: Path, more: bytes) -> tuple[str, str]:
    """What is noticed in a JPEG with more after it, and the facts about that."""
    photograph().save(path)
    path.write_bytes(path.read_bytes() + more)
    return said(path), " ".join(value for name, value in traces(path).facts if name == "after the picture")


def test_what_lies_after_a_second_picture_is_looked_at(tmp_path: Path) -> None:
    data = BytesIO()
    photograph(64).save(data, "JPEG")
    second = data.getvalue()
    path = tmp_path / "picture.jpg"
    assert appended(path, second + bytes(8) + second) == (
        "",
        f"{2 * len(second) + 8:,} bytes: more pictures, as cameras keep for depth or as a preview; they weren't "
        "looked at",
    )
    words, facts = appended(path, second + b"hidden words")
    assert words.startswith("12 bytes after the picture's end")
    assert "more pictures" in facts
    words, _ = appended(path, b"\xff\xd8\xff hidden words without an end")
    assert words.startswith("31 bytes after the picture's end")
    words, facts = appended(path, second + struct.pack(">I4s", 24, b"ftyp") + bytes(16))
    assert words == ""
    assert "a short film" in facts
    assert appended(path, bytes(200) + b"hidden" + bytes(200))[0].startswith("406 bytes")
    assert appended(path, bytes(200)) == ("", "200 bytes: nothing but filling")


@pytest.mark.parametrize(
    ("key", "text", "is_program"),
    [
        ("Comment", "Printed from Photoshop", False),
        ("Source", "Midjourney, the town", False),
        ("Comment", "Created with GIMP", True),
        ("Source", "Stable Diffusion XL C1E1DE52", True),
        ("Software", "Photoshop", True),
    ],
)
def test_what_people_write_names_no_program(tmp_path: Path, key: str, text: str, *, is_program: bool) -> None:
    texts = PngInfo()
    texts.add_text(key, text)
    photograph().save(tmp_path / "picture.png", pnginfo=texts)
    assert (text in said(tmp_path / "picture.png")) == is_program


def test_settings_of_a_model_in_a_png(tmp_path: Path) -> None:
    texts = PngInfo()
    texts.add_text("parameters", "a portrait\nSteps: 20, Sampler: Euler")
    photograph().save(tmp_path / "picture.png", pnginfo=texts)
    assert "under the name “parameters”" in said(tmp_path / "picture.png")
    assert "a portrait Steps: 20" in said(tmp_path / "picture.png")


def test_a_picture_that_was_a_jpeg_before_is_noticed(tmp_path: Path) -> None:
    once = as_jpeg(photograph(), 74).convert("RGB")
    once.save(tmp_path / "twice.jpg", quality=92)
    once.crop((3, 0, 192, 192)).save(tmp_path / "cropped.png")
    assert "were a JPEG of quality about 74 before, and were saved again. Messengers" in said(tmp_path / "twice.jpg")
    assert "since then it was cropped at the left or the top" in said(tmp_path / "cropped.png")


def with_preview(path: Path, picture: Image.Image, preview: Image.Image) -> Path:
    """A JPEG whose EXIF has a small picture, written byte by byte as cameras do."""
    data = BytesIO()
    preview.save(data, "JPEG", quality=75)
    small = data.getvalue()
    # The first part is empty and leads to the second, which says where the small picture lies.
    head = b"II*\x00" + struct.pack("<I", 8) + struct.pack("<HI", 0, 14)
    entries = struct.pack("<HHIIHHIII", 0x0201, 4, 1, 44, 0x0202, 4, 1, len(small), 0)
    tiff = head + struct.pack("<H", 2) + entries
    tiff += bytes(44 - len(tiff)) + small
    picture.save(path, quality=90, exif=b"Exif\x00\x00" + tiff)
    return path


def test_a_preview_of_the_same_picture_is_a_fact(tmp_path: Path) -> None:
    picture = photograph()
    path = with_preview(tmp_path / "picture.jpg", picture, picture.resize((120, 120)))
    assert said(path) == ""
    assert ("preview", "120 × 120") in traces(path).facts
    # Cameras fill it up with bars where its shape is another.
    barred = Image.new("RGB", (160, 120))
    barred.paste(picture.resize((120, 120)), (20, 0))
    assert said(with_preview(tmp_path / "barred.jpg", picture, barred)) == ""


def test_a_preview_that_differs_is_noticed(tmp_path: Path) -> None:
    picture = photograph()
    other = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT).rotate(90).resize((120, 120))
    part = picture.resize((120, 120))
    part.paste((255, 255, 255), (5, 5, 30, 30))
    cropped = picture.resize((120, 90))
    words = {
        "other.jpg": (other, "doesn't show the same picture"),
        "part.jpg": (part, "differs from the picture in a part"),
        "cropped.jpg": (cropped, "not in the same framing"),
    }
    for name, (preview, expected) in words.items():
        assert expected in said(with_preview(tmp_path / name, picture, preview))


def test_a_plain_picture_with_a_watermark_is_not_taken_for_an_earlier_jpeg(tmp_path: Path) -> None:
    """It was in one of ten marks, which follow from a project's random name."""
    numbers = np.random.default_rng(0)
    marks = [int(numbers.integers(1 << 48)) for _ in range(11)]
    for number in (marks[3], marks[9], marks[10]):
        marked = mark(np.full((256, 320, 3), 90, np.uint8), number)
        Image.fromarray(marked).save(tmp_path / "a.png")
        assert traces(tmp_path / "a.png").noticed == ()


def test_a_picture_that_cannot_be_decoded_keeps_what_it_says_of_itself(tmp_path: Path) -> None:
    path = save(tmp_path / "a.jpg", root={0x0131: "GIMP 2.10"}, camera={0x9003: TAKEN})
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    found = traces(path)
    assert found.why_not is None
    assert ("written by", "GIMP 2.10") in found.facts
    assert any("GIMP" in words for words in found.noticed)
    assert any(limit.startswith("Its coding and pixels couldn't be looked at") for limit in found.limits)


@settings(max_examples=40)
@given(data=st.data())
def test_a_mutated_picture_never_raises(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(["jpg", "png", "webp", "tiff"]))
    path = tmp_path_factory.getbasetemp() / f"mutated.{kind}"
    picture = photograph(64)
    if kind == "jpg":
        with_preview(path, picture, picture.resize((32, 32)))
    else:
        exif = Image.Exif()
        exif[0x0131] = "GIMP"
        picture.save(path, exif=exif)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.one_of(st.integers(0, 120), st.integers(0, len(content) - 4)))
        content[at : at + 4] = data.draw(st.one_of(st.binary(min_size=4, max_size=4), st.just(b"\xff" * 4)))
    path.write_bytes(bytes(content[: data.draw(st.integers(40, len(content)))]))
    found = traces(path)
    assert found.why_not is None or not found.facts
