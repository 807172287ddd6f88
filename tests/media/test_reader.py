import gc
import itertools
import os
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import cast

import av
import cv2
import numpy as np
import pillow_heif
import pytest
from PIL import Image

import countenance.media.kinds
import countenance.media.pictures
from countenance.errors import MediaError
from countenance.media.container import AnyPacket, decoded_in_time, opened_video
from countenance.media.probe import probe
from countenance.media.reader import read_frames
from countenance.types import Frame
from tests.support.videos import MakeVideo, quadrants

UNEVEN_PTS = (100, 612, 700, 1900, 1901, 4000, *range(5000, 12000, 333))


def test_times_are_exact(make_video: MakeVideo) -> None:
    frames = list(read_frames(probe(make_video(pts=UNEVEN_PTS, bframes=2))))
    assert [frame.pts for frame in frames] == list(UNEVEN_PTS)
    assert [frame.index for frame in frames] == list(range(len(UNEVEN_PTS)))
    assert frames[3].time == Fraction(1900, 12800)


@pytest.mark.parametrize("is_mirrored", [False, True])
@pytest.mark.parametrize("rotation_deg", [0, 90, 180, 270])
def test_pictures_are_turned_upright(make_video: MakeVideo, rotation_deg: int, is_mirrored: bool) -> None:
    info = probe(make_video(pts=(0, 512), rotation_deg=rotation_deg, is_mirrored=is_mirrored))
    (rgb, _) = (frame.rgb for frame in read_frames(info))
    expected = np.rot90(quadrants(96, 64), -rotation_deg // 90)
    # FFmpeg turns before it mirrors.
    expected = expected[:, ::-1] if is_mirrored else expected
    assert rgb.shape == expected.shape == (*reversed(info.resolution_wh), 3)
    assert rgb.flags.c_contiguous
    corners = np.s_[8::16, 8::16]
    assert np.abs(rgb[corners].astype(int) - expected[corners]).max() < 12


def test_a_picture_with_wide_pixels_is_as_wide_as_shown(make_video: MakeVideo) -> None:
    (frame,) = read_frames(probe(make_video(pts=(0,), pixel_aspect=Fraction(4, 3))))
    assert frame.rgb.shape == (64, 128, 3)
    assert np.abs(frame.rgb[40:, 80:].astype(int) - 235).max() < 12


LUMA = {"bt709": (1, 0.2126, 0.0722), "smpte170m": (6, 0.299, 0.114), "bt2020nc": (9, 0.2627, 0.0593)}
COLOURS = np.array([(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (201, 150, 119)])


def write_colours(path: Path, matrix: str | None, tag: int, *, is_full: bool, bits: int, height: int = 32) -> None:
    """A video of the colours in columns, its samples made by the standards' own formula."""
    _, red, blue = LUMA[matrix or "smpte170m"]
    rgb = COLOURS / 255
    y = rgb @ (red, 1 - red - blue, blue)
    cb, cr = (rgb[:, 2] - y) / (2 - 2 * blue), (rgb[:, 0] - y) / (2 - 2 * red)
    step = 2 ** (bits - 8)
    full = 2**bits - 1
    planes = (
        (y * full, cb * full + 128 * step, cr * full + 128 * step)
        if is_full
        else ((16 + 219 * y) * step, (128 + 224 * cb) * step, (128 + 224 * cr) * step)
    )
    luma, *chroma = (np.repeat(np.clip(np.rint(plane), 0, full), 16)[None].repeat(height, 0) for plane in planes)
    width = luma.shape[1]
    samples = np.concatenate([luma, *(plane[::2, ::2].reshape(-1, width) for plane in chroma)])
    pixel_format = "yuv420p" if bits == 8 else "yuv420p10le"
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=25, width=width, height=height)
        stream.pix_fmt = pixel_format
        stream.codec_context.options = {"qp": "0"}
        stream.codec_context.colorspace, stream.codec_context.color_range = tag, (2 if is_full else 1)
        frame = av.VideoFrame.from_ndarray(
            samples.astype(np.uint8) if bits == 8 else samples.astype(np.uint16), format=pixel_format
        )
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@pytest.mark.parametrize("bits", [8, 10])
@pytest.mark.parametrize("is_full", [False, True])
@pytest.mark.parametrize("matrix", LUMA)
def test_colours_follow_the_videos_own_matrix_and_range(tmp_path: Path, matrix: str, is_full: bool, bits: int) -> None:
    path = tmp_path / "colours.mp4"
    write_colours(path, matrix, LUMA[matrix][0], is_full=is_full, bits=bits)
    (frame,) = read_frames(probe(path))
    assert np.abs(frame.rgb[16, 8::16].astype(int) - COLOURS).max() <= 2


@pytest.mark.parametrize(("height", "matrix"), [(32, "smpte170m"), (720, "bt709")])
def test_untagged_colours_are_read_by_size(tmp_path: Path, height: int, matrix: str) -> None:
    path = tmp_path / "colours.mp4"
    write_colours(path, matrix, 2, is_full=False, bits=8, height=height)
    (frame,) = read_frames(probe(path))
    assert np.abs(frame.rgb[16, 8::16].astype(int) - COLOURS).max() <= 2


@pytest.mark.parametrize(("name", "bframes"), [("a.mp4", 2), ("a.mkv", 2), ("a.ts", 2), ("a.avi", 0)])
@pytest.mark.parametrize("start", [1, 11, 12, 13, 37, 59])
def test_starts_anywhere_with_the_same_frames(make_video: MakeVideo, name: str, bframes: int, start: int) -> None:
    info = probe(make_video(name, time_base=Fraction(1, 25), pts=range(60), bframes=bframes))
    frames = list(read_frames(info))
    by_time = list(read_frames(info, first_index=start, first_pts=frames[start].pts))
    by_index = list(read_frames(info, first_index=start))
    for some in (by_time, by_index):
        assert [(frame.index, frame.pts) for frame in some] == [(frame.index, frame.pts) for frame in frames[start:]]
        assert all((one.rgb == other.rgb).all() for one, other in zip(some, frames[start:], strict=True))


def test_a_start_is_found_without_decoding_all_before(make_video: MakeVideo) -> None:
    path = make_video(pts=range(0, 600 * 512, 512), gop_size=12)
    info = probe(path)
    whole = bytearray(path.read_bytes())
    with av.open(path) as container:
        keyframes = [entry.pos for entry in container.streams.video[0].index_entries if entry.is_keyframe]
    whole[keyframes[1] : keyframes[20]] = bytes(keyframes[20] - keyframes[1])
    path.write_bytes(whole)
    assert next(read_frames(info, first_index=590, first_pts=590 * 512)).index == 590
    with pytest.raises(MediaError, match="damaged"):
        list(read_frames(info))


def test_a_start_between_two_frames_is_refused(make_video: MakeVideo) -> None:
    info = probe(make_video())
    with pytest.raises(MediaError, match="frame 7 of 60"):
        next(read_frames(info, first_index=7, first_pts=7 * 512 - 1))


def test_times_that_a_container_guesses_wrong_are_refused(make_video: MakeVideo) -> None:
    # AVI stores no times, and FFmpeg can't guess those of pictures stored far out of order.
    info = probe(make_video("a.avi", time_base=Fraction(1, 25), pts=range(60), bframes=2))
    with pytest.raises(MediaError, match=r"times out of order after 0\.\d\d s; convert it"):
        list(read_frames(info))


@pytest.mark.parametrize("is_slight", [False, True])
def test_damage_is_told_with_its_time(make_video: MakeVideo, is_slight: bool) -> None:
    path = make_video(is_noisy=True)
    info = probe(path)
    whole = bytearray(path.read_bytes())
    with av.open(path) as container:
        entries = [(entry.pos, entry.size) for entry in container.streams.video[0].index_entries]
    at, size = entries[30]
    if is_slight:
        # The decoder mends such a frame as well as it can and goes on.
        whole[at + size // 2 : at + size // 2 + 8] = bytes(8)
    else:
        whole[at + 5 : at + size] = bytes(size - 5)
    path.write_bytes(whole)
    frames: list[Frame] = []
    with pytest.raises(MediaError, match=r"damaged after 1\.\d\d s"):
        frames.extend(read_frames(info))
    assert 25 <= len(frames) <= 31


def test_a_video_that_lost_frames_since_it_was_counted_is_refused(make_video: MakeVideo) -> None:
    info = probe(make_video())
    make_video(pts=range(0, 50 * 512, 512))
    with pytest.raises(MediaError, match=r"damaged after 1\.96 s \(frame 50 of 60\)"):
        list(read_frames(info))


def test_a_change_of_size_is_refused(make_video: MakeVideo) -> None:
    first, second = (
        make_video("a.ts", pts=range(5), time_base=Fraction(1, 25)),
        make_video("b.ts", size_wh=(128, 96), pts=range(5, 10), time_base=Fraction(1, 25)),
    )
    both = first.with_name("both.ts")
    both.write_bytes(first.read_bytes() + second.read_bytes())
    with pytest.raises(MediaError, match="it changes at"):
        list(read_frames(probe(both)))


def open_descriptors(path: Path) -> int:
    links = list(Path("/proc/self/fd").iterdir())
    return sum(link.exists() and link.resolve() == path for link in links)


def test_an_abandoned_reader_closes_the_file(make_video: MakeVideo) -> None:
    path = make_video()
    frames = read_frames(probe(path))
    next(frames)
    assert open_descriptors(path) == 1
    del frames
    gc.collect()
    assert open_descriptors(path) == 0


def test_memory_does_not_grow_with_the_clip(make_video: MakeVideo) -> None:
    info = probe(make_video(pts=range(0, 600 * 512, 512), size_wh=(320, 240)))
    frames = read_frames(info)

    def resident_bytes() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    for _ in islice(frames, 100):
        pass
    before = resident_bytes()
    for _ in frames:
        pass
    # 500 frames are 115 MB.
    assert resident_bytes() - before < 8_000_000


def test_a_picture_is_one_frame(tmp_path: Path) -> None:
    Image.fromarray(quadrants(60, 40)).save(tmp_path / "a.png")
    info = probe(tmp_path / "a.png")
    (frame,) = read_frames(info)
    assert (frame.index, frame.pts, frame.time_base) == (0, 0, Fraction(1))
    assert (frame.rgb == quadrants(60, 40)).all()
    assert list(read_frames(info, first_index=1)) == []


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_a_picture_is_turned_as_its_exif_says(tmp_path: Path, orientation: int, suffix: str) -> None:
    shown = quadrants(64, 32)
    stored = {
        1: shown,
        2: shown[:, ::-1],
        3: shown[::-1, ::-1],
        4: shown[::-1],
        5: shown.swapaxes(0, 1),
        6: np.rot90(shown, 1),
        7: np.rot90(shown, 2).swapaxes(0, 1),
        8: np.rot90(shown, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(np.ascontiguousarray(stored)).save(path, exif=exif, quality=95)
    (frame,) = read_frames(probe(path))
    assert frame.rgb.shape == shown.shape
    corners = np.s_[8::16, 8::16]
    assert np.abs(frame.rgb[corners].astype(int) - shown[corners]).max() < 12


def test_sixteen_bits_become_eight(tmp_path: Path) -> None:
    Image.fromarray(np.full((8, 8), 40000, np.uint16)).save(tmp_path / "a.png")
    (frame,) = read_frames(probe(tmp_path / "a.png"))
    assert (frame.rgb == 40000 >> 8).all()


def test_transparency_is_shown_on_white(tmp_path: Path) -> None:
    Image.new("RGBA", (8, 8), (200, 0, 0, 0)).save(tmp_path / "a.png")
    (frame,) = read_frames(probe(tmp_path / "a.png"))
    assert (frame.rgb == 255).all()


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "jpeg"])
def test_tiff_is_read(tmp_path: Path, compression: str) -> None:
    Image.fromarray(quadrants(60, 40)).save(tmp_path / "a.tif", compression=compression)
    (frame,) = read_frames(probe(tmp_path / "a.tif"))
    assert np.abs(frame.rgb[8::16, 8::16].astype(int) - quadrants(60, 40)[8::16, 8::16]).max() <= 12


def test_tiff_of_16_bits_is_read(tmp_path: Path) -> None:
    shades = np.arange(0, 65536, 1024).astype(np.uint16).reshape(8, 8)
    Image.fromarray(shades).save(tmp_path / "grey.tif")
    cv2.imwrite(str(tmp_path / "rgb.tif"), np.stack([shades, shades[::-1], shades.T], axis=-1)[..., ::-1])
    (grey,) = read_frames(probe(tmp_path / "grey.tif"))
    (rgb,) = read_frames(probe(tmp_path / "rgb.tif"))
    assert np.array_equal(grey.rgb, np.repeat(shades[..., None] >> 8, 3, axis=2))
    assert np.array_equal(rgb.rgb, np.stack([shades, shades[::-1], shades.T], axis=-1) >> 8)


@pytest.mark.parametrize("orientation", [1, 6])
def test_heic_is_read_upright(tmp_path: Path, orientation: int) -> None:
    stored = Image.fromarray(quadrants(96, 64))
    exif = Image.Exif()
    exif[0x0112] = orientation
    pillow_heif.from_pillow(stored).save(tmp_path / "a.heic", exif=exif.tobytes(), quality=95)
    info = probe(tmp_path / "a.heic")
    assert info.resolution_wh == ((96, 64) if orientation == 1 else (64, 96))
    (frame,) = read_frames(info)
    expected = quadrants(96, 64) if orientation == 1 else np.rot90(quadrants(96, 64), -1)
    assert np.abs(frame.rgb[8::16, 8::16].astype(int) - expected[8::16, 8::16]).max() <= 12


def test_without_its_library_heic_is_refused_with_the_name_of_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pillow_heif.from_pillow(Image.fromarray(quadrants(96, 64))).save(tmp_path / "a.heic")
    monkeypatch.setattr(countenance.media.pictures, "reads_heic", lambda: False)
    monkeypatch.setattr(countenance.media.kinds, "reads_heic", lambda: False)
    with pytest.raises(MediaError, match=r"a\.heic is a HEIC picture; `pip install 'countenance\[heic\]'` to read it"):
        probe(tmp_path / "a.heic")


def test_ten_bits_are_read_with_all_their_levels_when_asked(tmp_path: Path) -> None:
    path = tmp_path / "ramp.mkv"
    ramp = np.tile(np.linspace(300, 700, 256).astype(np.uint16), (64, 1))
    planes = np.concatenate([ramp.reshape(-1), np.full(2 * 32 * 128, 512, np.uint16)]).reshape(96, 256)
    with av.open(path, "w") as container:
        stream = container.add_stream("ffv1", rate=24, width=256, height=64)
        stream.pix_fmt = "yuv420p10le"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(planes, format="yuv420p10le")))
        container.mux(stream.encode(None))
    info = probe(path)
    (deep,), (shallow,) = list(read_frames(info, native_depth=True)), list(read_frames(info))
    assert str(deep.pixels.dtype) == "uint16"
    assert str(shallow.pixels.dtype) == "uint8"
    assert len(np.unique(deep.pixels[..., 1])) > 240
    assert len(np.unique(shallow.pixels[..., 1])) < 130
    assert np.abs(deep.rgb.astype(int) - shallow.rgb).max() <= 1


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_colour_of_sixteen_bits_is_read_upright_when_asked(tmp_path: Path, orientation: int, suffix: str) -> None:
    path = tmp_path / f"deep{suffix}"
    rgb = np.random.default_rng(4).integers(0, 65536, (30, 50, 3), np.uint16)
    bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    exif = Image.Exif()
    exif[0x0112] = orientation
    tag = np.frombuffer(exif.tobytes(), np.uint8)
    if suffix == ".tif":
        if orientation > 1:
            pytest.skip("OpenCV writes no EXIF into TIFF")
        cv2.imwrite(str(path), bgr)
    else:
        written, png = cv2.imencodeWithMetadata(".png", bgr, [cv2.IMAGE_METADATA_EXIF], [tag])
        assert written
        path.write_bytes(png.tobytes())
    info = probe(path)
    assert info.bit_depth == 16
    (deep,), (shallow,) = list(read_frames(info, native_depth=True)), list(read_frames(info))
    assert deep.pixels.dtype == np.uint16
    assert deep.pixels.shape == shallow.pixels.shape
    # Pillow cuts the lower eight bits off.
    assert np.array_equal(deep.pixels >> 8, shallow.pixels)


def test_a_video_that_gives_no_frame_in_time_is_refused(make_video: MakeVideo) -> None:
    path = make_video(pts=range(0, 10 * 512, 512))
    times = list[int | None]()
    hours = itertools.count(0, 7200)
    with opened_video(path) as (container, stream):
        # The clock goes on by hours while a frame is used, and stands while it is decoded.
        now = [0]
        for frame in decoded_in_time(path, container.demux(stream), clock=lambda: now[0]):
            now[0] = next(hours)
            times.append(frame.pts)
    assert len(times) == 10
    seconds = itertools.count(0, 50)
    with pytest.raises(MediaError, match="gave no frame within 150 s of decoding"):
        list(decoded_in_time(path, itertools.repeat(cast(AnyPacket, _Silent())), clock=lambda: next(seconds)))


class _Silent:
    """A packet from which nothing comes."""

    def decode(self) -> list[object]:
        return []
