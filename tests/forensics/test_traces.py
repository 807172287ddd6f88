"""What is noticed in videos, and that hostile files are lines, never tracebacks."""

import struct
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countenance.forensics.boxes import ZERO, seen_in_boxes
from countenance.forensics.traces import Traces, traces_of
from tests.support.videos import FRAME_TICKS, Rgb, noise, tone, write_video

NOW = datetime(2026, 11, 1, tzinfo=UTC)
EARLY = datetime(2026, 3, 1, 12, tzinfo=UTC)


def frames(num_frames: int = 50) -> list[Rgb]:
    return [np.full((64, 96, 3), 60 + index % 100, np.uint8) for index in range(num_frames)]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds in MPEG-4 Part 2, as no program of today names itself in; the container's texts are blotted out."""
    path = tmp_path_factory.mktemp("traces") / "clip.mp4"
    write_video(path, frames(), frame_rate=25, codec="mpeg4", encoder={"sc_threshold": "1000000000"}, gop_size=10)
    content = path.read_bytes().replace(b"Lav", b"cam")
    path.write_bytes(content)
    return path


def seconds(time: datetime) -> int:
    return int((time - ZERO).total_seconds())


def with_times(content: bytes, box: bytes, created: datetime | None, changed: datetime | None) -> bytes:
    at = content.index(box) + 8
    numbers = [0 if time is None else seconds(time) for time in (created, changed)]
    return content[:at] + struct.pack(">II", *numbers) + content[at + 8 :]


def traces(path: Path) -> Traces:
    return traces_of(path, now=NOW)


def noticed(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    found = traces(path)
    assert found.why_not is None
    return " ".join(found.noticed)


def test_a_plain_clip_gives_facts_and_nothing_noticed(clip: Path) -> None:
    found = traces(clip)
    assert found.noticed == ()
    facts = dict(found.facts)
    assert facts["container"] == "MP4 (brand isom)"
    assert facts["keyframes"] == "every 10 frames"
    assert facts["frame times"] == "even, 25 a second"
    assert facts["created"] == facts["camera"] == facts["place"] == "not noted"
    assert facts["index"].startswith("after the frames")
    assert found.why_not is None


@pytest.mark.parametrize(
    ("created", "changed", "words"),
    [
        (EARLY, EARLY, ""),
        (EARLY, EARLY + timedelta(seconds=30), ""),
        (None, None, ""),
        (EARLY, EARLY + timedelta(days=3), "It was written again 3 days after the creation that it notes"),
        (EARLY, EARLY - timedelta(days=1), "It was last changed 1 day before it was created"),
        (datetime(1970, 1, 1, tzinfo=UTC), None, "before there were files of its kind"),
        (NOW + timedelta(days=9), None, "later than now by this computer's clock"),
    ],
)
def test_times_of_making(
    clip: Path, tmp_path: Path, created: datetime | None, changed: datetime | None, words: str
) -> None:
    content = with_times(clip.read_bytes(), b"mvhd", created, changed or created)
    found = noticed(tmp_path / "clip.mp4", content)
    assert words in found
    assert bool(found) == bool(words)


def test_tracks_that_disagree_are_noticed(clip: Path, tmp_path: Path) -> None:
    content = with_times(clip.read_bytes(), b"mvhd", EARLY, EARLY)
    content = with_times(content, b"mdhd", EARLY + timedelta(days=40), EARLY)
    assert "Its tracks note times of creation that are 40 days apart" in noticed(tmp_path / "clip.mp4", content)


def with_edits(content: bytes, *edits: tuple[int, int]) -> bytes:
    """The edit list put in the place of the one that is there, in thousandths of the movie's and the track's clocks."""
    scale = struct.unpack_from(">I", content, content.index(b"mvhd") + 16)[0]
    ticks = struct.unpack_from(">I", content, content.index(b"mdhd") + 16)[0]
    at = content.index(b"elst") + 4
    rows = b"".join(
        struct.pack(">IiI", length * scale // 1000, begins * ticks // 1000, 65536) for length, begins in edits
    )
    grown = len(rows) - 12
    changed = content[:at] + struct.pack(">II", 0, len(edits)) + rows + content[at + 20 :]
    for name in (b"elst", b"edts", b"trak", b"moov"):
        where = changed.index(name) - 4
        length = struct.unpack_from(">I", changed, where)[0]
        changed = changed[:where] + struct.pack(">I", length + grown) + changed[where + 4 :]
    return changed


@pytest.mark.parametrize(
    ("edits", "words"),
    [
        (((2000, 0),), ""),
        (((1900, 100),), ""),
        (((1000, 1000),), "hides 1.0 s at the beginning:"),
        (((800, 0),), "hides 1.2 s at the end:"),
        (((500, 700),), "hides 0.7 s at the beginning and 0.8 s at the end:"),
        (((500, 0), (600, 1400)), "2 stretches of the recording that don't follow on each other"),
    ],
)
def test_edit_lists(clip: Path, tmp_path: Path, edits: tuple[tuple[int, int], ...], words: str) -> None:
    content = with_edits(clip.read_bytes(), *edits)
    # Frames lie before the index, so their places hold.
    assert content.index(b"mdat") < content.index(b"moov")
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    found = " ".join(seen_in_boxes(path, len(content), NOW).noticed)
    assert words in found
    assert bool(found) == bool(words)
    assert traces(path).why_not is None


@pytest.mark.parametrize(
    "more",
    [
        b"secret words and more of them",
        b"\x00\x00\x01\x00j\x01nk" + b"x" * 40,
        b"\x00\x00\x01\x00tags" + b"x" * 40,
        b"\xff" * 99,
    ],
)
def test_bytes_after_the_last_box_are_noticed(clip: Path, tmp_path: Path, more: bytes) -> None:
    found = noticed(tmp_path / "clip.mp4", clip.read_bytes() + more)
    assert found.startswith(f"{len(more)} bytes after its last part")


def test_a_large_gap_and_unknown_boxes(clip: Path, tmp_path: Path) -> None:
    gap = struct.pack(">I4s", 2 * 1024 * 1024, b"free") + bytes(2 * 1024 * 1024 - 8)
    other = struct.pack(">I4s", 12, b"abcd") + bytes(4)
    path = tmp_path / "clip.mp4"
    assert "2,097,144 bytes in it are marked as unused" in noticed(path, clip.read_bytes() + other + gap)
    assert ("unknown boxes", "abcd") in traces(path).facts


def test_programs_that_name_themselves(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", frames())
    found = traces(path)
    said = " ".join(found.noticed)
    assert "“Lavf" in said
    assert "x264 - core" in said
    assert "crf 8" in said
    assert "a library inside most web sites, messengers" in said
    assert any(name == "encoder" and value.startswith("x264 - core") for name, value in found.facts)


def test_a_codec_that_no_camera_writes(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.webm", frames(8), codec="libvpx-vp9", encoder={"deadline": "realtime"})
    (words,) = [words for words in traces(path).noticed if "Web sites such as YouTube write VP9" in words]
    assert "most likely this was encoded after it was recorded. Browsers also record webcams so." in words


def test_clips_that_were_joined_without_encoding_are_noticed(tmp_path: Path) -> None:
    single = write_video(tmp_path / "single.mp4", frames(30), gop_size=10)
    with av.open(str(tmp_path / "joined.mp4"), "w") as joined:
        with av.open(str(single)) as first:
            stream = joined.add_stream_from_template(first.streams.video[0])
            base = first.streams.video[0].time_base
        assert base is not None
        length = round(Fraction(30, 24) / base)
        for shift in (0, length):
            with av.open(str(single)) as part:
                for packet in part.demux(video=0):
                    if packet.pts is not None and packet.dts is not None:
                        packet.pts, packet.dts, packet.stream = packet.pts + shift, packet.dts + shift, stream
                        joined.mux(packet)
    assert not any("began anew" in words for words in traces(single).noticed)
    (words,) = [words for words in traces(tmp_path / "joined.mp4").noticed if "began anew" in words]
    assert "at 1.2 s:" in words


def test_a_keyframe_that_comes_early_is_noticed(tmp_path: Path) -> None:
    before, after = noise(2, (96, 64))
    encoder = {"crf": "20", "preset": "ultrafast", "sc_threshold": "40", "keyint_min": "1"}
    cut = write_video(tmp_path / "cut.mp4", [*[before] * 43, *[after] * 20], encoder=encoder, gop_size=10)
    even = write_video(tmp_path / "even.mp4", [before] * 63, encoder=encoder, gop_size=10)
    assert not any("A keyframe comes" in words for words in traces(even).noticed)
    (words,) = [words for words in traces(cut).noticed if "A keyframe comes" in words]
    assert words.startswith("A keyframe comes every 10 frames, but not at 1.8 s (after 3 frames)")


def test_gaps_and_uneven_times(tmp_path: Path) -> None:
    ticks = [index * FRAME_TICKS + (14 * FRAME_TICKS if index > 20 else 0) for index in range(40)]
    gap = write_video(tmp_path / "gap.mp4", frames(40), pts=ticks)
    (words,) = [words for words in traces(gap).noticed if "stands still" in words]
    assert "after 0.8 s" in words
    jitter = write_video(tmp_path / "jitter.mp4", frames(40), pts=[index * 512 + index % 3 * 90 for index in range(40)])
    assert not any("stands still" in words for words in traces(jitter).noticed)
    assert dict(traces(jitter).facts)["frame times"].startswith("uneven, ")


def test_sound_that_ends_long_before_the_pictures(tmp_path: Path) -> None:
    short = write_video(tmp_path / "short.mp4", frames(72), sound=tone(1.0))
    whole = write_video(tmp_path / "whole.mp4", frames(72), sound=tone(3.0))
    assert any("The sound ends 2.0 s before the pictures" in words for words in traces(short).noticed)
    assert not any("The sound" in words for words in traces(whole).noticed)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.mp4", b""),
        ("words.mp4", b"no video at all"),
        ("head.mp4", b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2"),
        ("head.png", b"\x89PNG\r\n\x1a\n"),
        ("head.jpg", b"\xff\xd8\xff\xe0"),
        ("list.m3u8", b"#EXTM3U\nhttp://127.0.0.1/a.ts\n"),
    ],
)
def test_what_is_no_video_is_told(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    found = traces(path)
    assert found.why_not
    assert (found.noticed, found.facts) == ((), ())


def test_what_is_no_file_is_told(tmp_path: Path) -> None:
    assert "a folder" in (traces(tmp_path).why_not or "")
    assert traces(tmp_path / "missing.mp4").why_not


def test_a_huge_length_leaves_all_else(clip: Path, tmp_path: Path) -> None:
    content = with_times(clip.read_bytes(), b"mvhd", EARLY, EARLY + timedelta(days=3))
    at = content.index(b"mvhd") + 4
    # The longer form, which is read where the box has room for it: a scale of 1, and a length beyond a timedelta.
    times = struct.pack(">QQIQ", seconds(EARLY), seconds(EARLY) + 9, 1, 2**63)
    path = tmp_path / "clip.mp4"
    path.write_bytes(content[:at] + b"\x01\x00\x00\x00" + times + content[at + 4 + len(times) :])
    found = traces(path)
    assert found.why_not is None
    assert ("created", "01 March 2026, 12:00:00 UTC") in found.facts
    assert dict(found.facts)["keyframes"] == "every 10 frames"


def test_one_part_s_failure_leaves_the_others(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OverflowError("too large")

    monkeypatch.setattr("countenance.forensics.traces.seen_in_boxes", fail)
    found = traces(clip)
    assert found.why_not is None
    assert dict(found.facts)["keyframes"] == "every 10 frames"
    assert any(limit.startswith("Its index couldn't be looked at") for limit in found.limits)


@settings(max_examples=30)
@given(data=st.data())
def test_a_mutated_file_never_raises(clip: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    content = bytearray(clip.read_bytes())
    index = content.index(b"moov")
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.one_of(st.integers(0, len(content) - 5), st.integers(index - 4, len(content) - 5)))
        content[at : at + 4] = data.draw(st.one_of(st.binary(min_size=4, max_size=4), st.just(b"\xff" * 4)))
    end = data.draw(st.integers(len(content) // 2, len(content)))
    path = tmp_path_factory.getbasetemp() / "mutated.mp4"
    path.write_bytes(bytes(content[:end]))
    found = traces(path)
    assert found.why_not is None or not found.facts
    seen_in_boxes(path, end, NOW)


NAMES = (b"moov", b"mvhd", b"trak", b"mdia", b"mdhd", b"hdlr", b"edts", b"elst", b"stbl", b"stsd", b"minf", b"uuid")


def box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), name) + content


@given(
    st.recursive(
        st.builds(box, st.sampled_from(NAMES), st.binary(max_size=40)),
        lambda inner: st.builds(box, st.sampled_from(NAMES), st.lists(inner, max_size=4).map(b"".join)),
        max_leaves=14,
    )
)
def test_boxes_of_any_content_are_read(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "boxes.mp4"
    path.write_bytes(box(b"ftyp", b"isom") + box(b"moov", content))
    seen_in_boxes(path, path.stat().st_size, NOW)


def test_huge_counts_cost_nothing(tmp_path: Path) -> None:
    edits = box(b"edts", box(b"elst", struct.pack(">II", 0, 2**32 - 1) + bytes(24)))
    track = box(b"trak", edits + box(b"mdia", box(b"mdhd", struct.pack(">IIIII", 0, 0, 0, 1000, 2000))))
    movie = box(b"moov", box(b"mvhd", struct.pack(">IIIII", 0, 2**32 - 1, 2**32 - 1, 0, 2**32 - 1)) + track * 2000)
    path = tmp_path / "huge.mp4"
    path.write_bytes(box(b"ftyp", b"isom") + movie)
    assert seen_in_boxes(path, path.stat().st_size, NOW).noticed
