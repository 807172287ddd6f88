import io
import itertools
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from countenance.errors import MediaError
from countenance.media.excerpt import excerpt_of
from countenance.media.probe import probe
from countenance.media.reader import read_frames
from countenance.media.timeline import read_timeline
from countenance.media.writer import FRAGMENT_FRAMES, join_fragments, rehearse, write_fragments, write_picture
from countenance.pixels import to_16_bit
from countenance.progress import Silent
from countenance.types import Frame, MediaInfo
from tests.support.disk import FullDisk
from tests.support.leave import never_ends
from tests.support.videos import TIME_BASE, MakeVideo, quadrants

UNEVEN_PTS = tuple(itertools.accumulate([7, *(300 + 91 * (index % 9) for index in range(69))]))


def render(plate: MediaInfo, output: Path, *, quality: int = 16) -> list[str]:
    """The plate's own frames through the whole way out; gives the rehearsal's lines."""
    notes = rehearse(plate, output.suffix, Silent())
    fragments = write_fragments(
        lambda index: read_frames(plate, first_index=index),
        plate,
        output.parent / f"fragments of {output.name}",
        quality=quality,
        check_leave=never_ends,
        progress=Silent(),
    )
    join_fragments(fragments, plate, output)
    return notes


def sound_of(path: Path) -> list[tuple[Fraction, bytes]]:
    """Times and bytes of the packets of the first audio stream."""
    with av.open(path) as container:
        packets = container.demux(container.streams.audio[0])
        return [(packet.pts * packet.time_base, bytes(packet)) for packet in packets if packet.pts is not None]


def first_click_s(path: Path) -> Fraction:
    """When the first click of the sound is heard."""
    with av.open(path) as container:
        for frame in container.decode(container.streams.audio[0]):
            loud = np.flatnonzero(np.abs(frame.to_ndarray().astype(float)).reshape(-1) > loudness(frame))
            if len(loud):
                channels = 1 if frame.format.is_planar else frame.layout.nb_channels
                assert frame.pts is not None
                assert frame.time_base is not None
                return frame.pts * frame.time_base + Fraction(int(loud[0] // channels), frame.sample_rate)
    raise AssertionError("no click")


def loudness(frame: av.AudioFrame) -> float:
    return 0.15 if frame.format.name.startswith("flt") else 5000


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
@pytest.mark.parametrize("pts", [tuple(range(0, 70 * 512, 512)), UNEVEN_PTS, tuple(range(6411, 66411, 1000))])
def test_times_frames_and_sound_are_the_plates(
    make_video: MakeVideo, tmp_path: Path, pts: tuple[int, ...], suffix: str
) -> None:
    plate = probe(make_video(pts=pts, audio="aac", bframes=2))
    output = tmp_path / f"output{suffix}"
    assert render(plate, output) == []
    written = probe(output)
    assert (written.num_frames, written.time_base, written.duration) == (len(pts), TIME_BASE, plate.duration)
    assert [frame.pts for frame in read_frames(written)] == list(pts)
    assert sound_of(output) == sound_of(plate.path)
    for before, after in zip(read_frames(plate), read_frames(written), strict=True):
        assert np.abs(before.rgb[8::16, 8::16].astype(int) - after.rgb[8::16, 8::16]).max() < 12


@pytest.mark.parametrize("time_base", [Fraction(1, 25), Fraction(1, 30000), Fraction(1, 1000), Fraction(1, 90000)])
def test_any_clock_is_kept(make_video: MakeVideo, tmp_path: Path, time_base: Fraction) -> None:
    plate = probe(make_video(pts=(3, 5, 10, 11, 16), time_base=time_base))
    render(plate, tmp_path / "output.mp4")
    written = probe(tmp_path / "output.mp4")
    assert written.time_base == time_base
    # Nothing begins earlier, so that it is the new file's zero.
    assert [frame.pts for frame in read_frames(written)] == [0, 2, 7, 8, 13]


@pytest.mark.parametrize("name", ["plate.mkv", "plate.ts"])
def test_plates_in_other_containers_keep_their_times(make_video: MakeVideo, tmp_path: Path, name: str) -> None:
    plate = probe(make_video(name, pts=UNEVEN_PTS, audio="aac"))
    render(plate, tmp_path / "output.mp4")
    frames = zip(read_frames(plate), read_frames(probe(tmp_path / "output.mp4")), strict=True)
    assert all(before.time == after.time for before, after in frames)
    packets = zip(sound_of(plate.path), sound_of(tmp_path / "output.mp4"), strict=True)
    assert max(abs(before - after) for (before, _), (after, _) in packets) < Fraction(1, 44100)


@pytest.mark.parametrize("starts_s", [Fraction(1, 2), Fraction(3, 100)])
def test_sound_that_starts_late_stays_late(make_video: MakeVideo, tmp_path: Path, starts_s: Fraction) -> None:
    plate = probe(make_video(audio="aac", audio_starts_s=starts_s))
    render(plate, tmp_path / "output.mp4")
    assert abs(first_click_s(tmp_path / "output.mp4") - starts_s) < Fraction(1, 1000)
    assert sound_of(tmp_path / "output.mp4") == sound_of(plate.path)


def test_sound_that_the_file_cannot_hold_is_encoded_in_time(make_video: MakeVideo, tmp_path: Path) -> None:
    plate = probe(make_video("plate.mkv", audio="pcm_s16le", audio_starts_s=Fraction(1, 5)))
    (note,) = render(plate, tmp_path / "output.mp4")
    assert note == "the sound is encoded again as AAC: .mp4 doesn't take pcm_s16le as it is"
    assert abs(first_click_s(tmp_path / "output.mp4") - Fraction(1, 5)) < Fraction(1, 500)
    assert render(plate, tmp_path / "output.mov") == []
    assert b"".join(data for _, data in sound_of(tmp_path / "output.mov")) == b"".join(
        data for _, data in sound_of(plate.path)
    )


@pytest.mark.parametrize(("codec", "rate"), [("flac", 44100), ("alac", 44100), ("ac3", 48000), ("libopus", 48000)])
def test_sound_is_copied_bit_for_bit(make_video: MakeVideo, tmp_path: Path, codec: str, rate: int) -> None:
    plate = probe(make_video("plate.mkv", audio=codec, audio_rate=rate))
    assert render(plate, tmp_path / "output.mp4") == []
    assert [data for _, data in sound_of(tmp_path / "output.mp4")] == [data for _, data in sound_of(plate.path)]


def test_other_streams_are_left_out_and_told(make_video: MakeVideo, tmp_path: Path) -> None:
    video = make_video(pts=range(0, 5 * 512, 512))
    words = tmp_path / "words.srt"
    words.write_text("1\n00:00:00,000 --> 00:00:00,100\nHello\n")
    path = tmp_path / "titled.mkv"
    with av.open(path, "w") as container, av.open(video) as source, av.open(words) as titles:
        pairs = [(source, source.streams.video[0]), (titles, titles.streams[0])]
        streams = [container.add_stream_from_template(stream, opaque=True) for _, stream in pairs]
        for (opened, stream), copy in zip(pairs, streams, strict=True):
            for packet in opened.demux(stream):
                if packet.pts is not None:
                    packet.stream = copy
                    container.mux(packet)
    assert render(probe(path), tmp_path / "output.mp4") == [
        "the subtitles of titled.mkv are left out; add them to the result with your editor"
    ]


def test_a_rotated_plate_comes_out_upright(make_video: MakeVideo, tmp_path: Path) -> None:
    plate = probe(make_video(pts=(0, 512), rotation_deg=90))
    render(plate, tmp_path / "output.mp4")
    written = probe(tmp_path / "output.mp4")
    assert (written.resolution_wh, written.rotation_deg) == ((64, 96), 0)
    frame = next(read_frames(written))
    expected = np.rot90(quadrants(96, 64), -1)
    assert np.abs(frame.rgb[8::16, 8::16].astype(int) - expected[8::16, 8::16]).max() < 12


def test_an_odd_side_becomes_one_pixel_longer(tmp_path: Path) -> None:
    path = tmp_path / "odd.mkv"
    with av.open(path, "w") as container:
        stream = container.add_stream("ffv1", rate=25, width=97, height=65)
        stream.pix_fmt = "bgr0"
        frame = av.VideoFrame.from_ndarray(quadrants(97, 65), format="rgb24")
        container.mux(stream.encode(frame.reformat(format="bgr0")))
        container.mux(stream.encode(None))
    plate = probe(path)
    assert plate.resolution_wh == (97, 65)
    render(plate, tmp_path / "output.mp4")
    written = probe(tmp_path / "output.mp4")
    assert written.resolution_wh == (98, 66)
    assert np.abs(next(read_frames(written)).rgb[-8:, -8:].astype(int) - 235).max() < 12


@pytest.mark.parametrize("tags", [(1, 1, 1), (1, 6, 1), (1, 1, 2), (1, 9, 1)])
def test_colours_are_written_in_the_plates_matrix_and_range(
    make_video: MakeVideo, tmp_path: Path, tags: tuple[int, int, int]
) -> None:
    plate = probe(make_video(pts=(0,), colour_tags=tags))
    red = np.full((64, 96, 3), (180, 40, 60), np.uint8)
    fragments = write_fragments(
        lambda _: iter([Frame(pixels=red, index=0, pts=0, time_base=TIME_BASE)]),
        plate,
        tmp_path / "fragments",
        quality=4,
        check_leave=never_ends,
        progress=Silent(),
    )
    join_fragments(fragments, plate, tmp_path / "output.mp4")
    with av.open(tmp_path / "output.mp4") as container:
        (frame,) = container.decode(video=0)
        assert (frame.color_trc, frame.colorspace, frame.color_range) == tags
        luma = frame.to_ndarray()[32, 48]
    r, b = {1: (0.2126, 0.0722), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}[tags[1]]
    y = (r * 180 + (1 - r - b) * 40 + b * 60) / 255
    assert abs(luma - (255 * y if tags[2] == 2 else 16 + 219 * y)) <= 1.5


def test_fine_colours_survive_the_way_in_and_out(tmp_path: Path) -> None:
    small = np.random.default_rng(0).integers(60, 190, (16, 24, 3), np.uint8)
    rgb = np.asarray(Image.fromarray(small).resize((192, 128), Image.Resampling.BICUBIC))
    with av.open(tmp_path / "plate.mkv", "w") as container:
        stream = container.add_stream("ffv1", rate=25, width=192, height=128)
        stream.pix_fmt = "bgr0"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format="bgr0")))
        container.mux(stream.encode(None))
    render(probe(tmp_path / "plate.mkv"), tmp_path / "output.mp4", quality=4)
    (frame,) = read_frames(probe(tmp_path / "output.mp4"))
    error = np.mean((frame.rgb.astype(float) - rgb) ** 2)
    assert 10 * np.log10(255**2 / error) > 43


def test_a_render_cut_short_goes_on_and_gives_the_same_bytes(make_video: MakeVideo, tmp_path: Path) -> None:
    plate = probe(make_video(pts=range(0, 230 * 512, 512)))
    starts: list[int] = []

    def frames_from(index: int) -> Iterator[Frame]:
        starts.append(index)
        return read_frames(plate, first_index=index)

    def write() -> list[Path]:
        return write_fragments(
            frames_from, plate, tmp_path / "fragments", quality=16, check_leave=never_ends, progress=Silent()
        )

    fragments = write()
    whole = [fragment.read_bytes() for fragment in fragments]
    assert len(whole) == 5
    kept_at = fragments[2].stat().st_mtime_ns
    for number in (0, 1, 3):
        fragments[number].unlink()
    (tmp_path / "fragments" / ".00003.nut.part").write_bytes(b"cut short by kill -9")
    assert write() == fragments
    assert [fragment.read_bytes() for fragment in fragments] == whole
    assert fragments[2].stat().st_mtime_ns == kept_at
    assert starts == [0, 0, 3 * FRAGMENT_FRAMES]
    assert sorted(path.name for path in (tmp_path / "fragments").iterdir()) == [path.name for path in fragments]


def test_a_plate_that_breaks_off_leaves_no_half_fragment(make_video: MakeVideo, tmp_path: Path) -> None:
    plate = probe(make_video(pts=range(0, 100 * 512, 512)))
    make_video(pts=range(0, 70 * 512, 512))
    with pytest.raises(MediaError, match="damaged after"):
        render(plate, tmp_path / "output.mp4")
    assert [path.name for path in (tmp_path / "fragments of output.mp4").iterdir()] == ["00000.nut"]


def test_the_end_of_the_plate_is_checked_too(make_video: MakeVideo, tmp_path: Path) -> None:
    plate = probe(make_video())
    make_video(pts=range(0, 70 * 512, 512))
    with pytest.raises(MediaError, match="damaged after"):
        render(plate, tmp_path / "output.mp4")


def test_missing_and_foreign_fragments_are_refused(make_video: MakeVideo, tmp_path: Path) -> None:
    plate = probe(make_video())
    render(plate, tmp_path / "output.mp4")
    folder, output = tmp_path / "fragments of output.mp4", tmp_path / "again.mp4"
    fragments = sorted(folder.iterdir())
    with pytest.raises(MediaError, match=r"expected 60 frames in .*, found 48"):
        join_fragments(fragments[:1], plate, output)
    other = probe(make_video("other.mp4", size_wh=(128, 64)))
    render(other, tmp_path / "b.mp4")
    foreign = sorted((tmp_path / "fragments of b.mp4").iterdir())
    with pytest.raises(MediaError, match="other settings"):
        join_fragments([fragments[0], foreign[1]], plate, output)
    assert not output.exists()
    assert not list(tmp_path.glob(".*"))


def test_a_full_disk_leaves_nothing_half_written(make_video: MakeVideo, tmp_path: Path, full_disk: FullDisk) -> None:
    plate = probe(make_video(audio="flac", container_options={"strict": "-2"}))
    output = tmp_path / "output.mp4"
    with full_disk(2000), pytest.raises(MediaError, match=r"00000\.nut can't be written: file too large"):
        render(plate, output)
    assert list((tmp_path / "fragments of output.mp4").iterdir()) == []
    render(plate, output)
    size = output.stat().st_size
    output.unlink()
    fragments = sorted((tmp_path / "fragments of output.mp4").iterdir())
    # The last bytes are written when the file is closed, after its index moved to the front.
    for limit in (100, size // 2, size - 1):
        with full_disk(limit), pytest.raises(MediaError, match=r"output\.mp4 can't be written: file too large"):
            join_fragments(fragments, plate, output)
        assert not output.exists()
        assert not list(tmp_path.glob(".*"))
    join_fragments(fragments, plate, output)
    assert probe(output).num_frames == 60


def test_the_same_input_gives_the_same_bytes(make_video: MakeVideo, tmp_path: Path) -> None:
    plate = probe(make_video(audio="aac"))
    for name in ("a.mp4", "b.mp4"):
        render(plate, tmp_path / name)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_a_picture_keeps_its_profile_and_loses_its_exif(tmp_path: Path, suffix: str) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[0x0112] = 6
    exif.get_ifd(0x8825)[1] = "N"
    path, output = tmp_path / f"plate.{suffix}", tmp_path / f"output.{suffix}"
    Image.fromarray(quadrants(64, 48)).save(path, exif=exif, icc_profile=profile)
    plate = probe(path)
    (frame,) = read_frames(plate)
    write_picture(frame, plate, output)
    with Image.open(output) as picture:
        assert picture.info["icc_profile"] == profile
        assert len(picture.getexif()) == 0
        assert picture.size == (48, 64)
        difference = np.abs(np.asarray(picture.convert("RGB")).astype(int) - frame.rgb)
        assert np.median(difference) <= 1


def test_a_profile_for_grey_is_not_put_on_colour(tmp_path: Path) -> None:
    grey = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    grey[16:20] = b"GRAY"
    Image.new("L", (8, 8), 90).save(tmp_path / "plate.png", icc_profile=bytes(grey))
    plate = probe(tmp_path / "plate.png")
    write_picture(next(read_frames(plate)), plate, tmp_path / "output.png")
    assert "icc_profile" not in Image.open(io.BytesIO((tmp_path / "output.png").read_bytes())).info


def test_a_picture_on_a_full_disk_leaves_nothing(tmp_path: Path, full_disk: FullDisk) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "plate.png")
    plate = probe(tmp_path / "plate.png")
    (frame,) = read_frames(plate)
    with full_disk(1000), pytest.raises(MediaError, match="can't be written: file too large"):
        write_picture(frame, plate, tmp_path / "output.png")
    assert [path.name for path in tmp_path.iterdir()] == ["plate.png"]


def test_a_picture_of_sixteen_bits_keeps_every_level_and_its_profile(tmp_path: Path) -> None:
    plate, output = tmp_path / "plate.png", tmp_path / "result.png"
    rgb = np.random.default_rng(5).integers(0, 65536, (40, 60, 3), np.uint16)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    written, png = cv2.imencodeWithMetadata(
        ".png", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMAGE_METADATA_ICCP], [np.frombuffer(profile, np.uint8)]
    )
    assert written
    plate.write_bytes(png.tobytes())
    info = probe(plate)
    (frame,) = read_frames(info, native_depth=True)
    write_picture(frame, info, output)
    (again,) = read_frames(probe(output), native_depth=True)
    assert np.array_equal(again.pixels, rgb)
    with Image.open(output) as picture:
        assert picture.info["icc_profile"] == profile


def test_deep_frames_are_encoded_as_shallow_ones_are(make_video: MakeVideo, tmp_path: Path) -> None:
    info = probe(make_video(pts=(0, 512, 1024)))
    fragments = []
    for kind in (np.uint8, np.uint16, np.float32):

        def frames(index: int, kind: type = kind) -> Iterator[Frame]:
            for frame in read_frames(info, first_index=index):
                values = frame.pixels if kind is np.uint8 else to_16_bit(frame.pixels)
                values = (values / np.float32(65535)).astype(np.float32) if kind is np.float32 else values
                yield replace(frame, pixels=values)

        fragments += write_fragments(
            frames, info, tmp_path / kind.__name__, quality=4, check_leave=never_ends, progress=Silent()
        )
    shown = []
    for fragment in fragments:
        with av.open(fragment) as container:
            shown.append(
                np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]).astype(int)
            )
    assert np.array_equal(shown[1], shown[2])
    # FFmpeg dithers what it reduces from 16 bits, so that soft ramps show no steps.
    assert np.abs(shown[1] - shown[0]).mean() < 1.5


@pytest.mark.parametrize(("name", "audio"), [("plate.mp4", "aac"), ("plate.mkv", "pcm_s16le"), ("plate.mkv", "flac")])
@pytest.mark.parametrize("frames", [range(11, 64), range(69, 70), range(1, 4)])
def test_an_excerpt_begins_at_zero_with_its_own_sound(
    make_video: MakeVideo, tmp_path: Path, name: str, audio: str, frames: range
) -> None:
    plate = probe(make_video(name, pts=UNEVEN_PTS, audio=audio))
    timeline = read_timeline(plate, Silent())
    excerpt = excerpt_of(plate, timeline, frames)
    asked: list[int] = []

    def frames_from(index: int) -> Iterator[Frame]:
        asked.append(index)
        return read_frames(plate, first_index=index)

    fragments = write_fragments(
        frames_from,
        plate,
        tmp_path / "fragments",
        quality=8,
        excerpt=excerpt,
        check_leave=never_ends,
        progress=Silent(),
    )
    join_fragments(fragments, plate, tmp_path / "output.mp4", excerpt=excerpt)
    assert asked == [frames.start]
    assert len(fragments) == -(-len(frames) // FRAGMENT_FRAMES)

    written = probe(tmp_path / "output.mp4")
    assert written.duration == excerpt.ends_s - excerpt.begins_s
    begun = read_frames(plate, first_index=frames.start)
    for before, after in zip(begun, read_frames(written), strict=False):
        assert after.time == before.time - excerpt.begins_s
        assert np.abs(before.rgb[8::16, 8::16].astype(int) - after.rgb[8::16, 8::16]).max() < 12
    assert written.num_frames == len(frames)

    # A click every tenth of a second: those of the excerpt are heard when their frames are shown, and no others.
    heard = clicks_s(tmp_path / "output.mp4", written.duration)
    expected = [
        click - excerpt.begins_s
        for click in clicks_s(plate.path, plate.duration + 1)
        if excerpt.begins_s <= click < excerpt.ends_s
    ]
    assert len(heard) == len(expected)
    assert all(abs(one - other) < Fraction(1, 300) for one, other in zip(heard, expected, strict=True))


def clicks_s(path: Path, until_s: Fraction) -> list[Fraction]:
    """When clicks begin that are heard from zero on."""
    found: list[Fraction] = []
    with av.open(path) as container:
        for frame in container.decode(container.streams.audio[0]):
            assert frame.pts is not None
            assert frame.time_base is not None
            channels = 1 if frame.format.is_planar else frame.layout.nb_channels
            for sample in np.flatnonzero(np.abs(frame.to_ndarray().astype(float)).reshape(-1) > loudness(frame)):
                time = frame.pts * frame.time_base + Fraction(
                    int(sample) // channels % frame.samples, frame.sample_rate
                )
                if 0 <= time < until_s and (not found or time - found[-1] > Fraction(1, 20)):
                    found.append(time)
    return found
