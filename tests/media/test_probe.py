import os
import struct
import tempfile
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition
from av.video.stream import VideoStream
from PIL import Image

import countenance.media.container
import countenance.media.probe
from countenance.errors import MediaError
from countenance.media.container import opened_video
from countenance.media.probe import probe
from countenance.media.reader import read_frames
from tests.support.videos import TIME_BASE, MakeVideo, noise, quadrants, write_video


def test_tells_what_a_video_is(make_video: MakeVideo) -> None:
    info = probe(make_video(audio="aac", colour_tags=(1, 1, 1)))
    assert (info.kind, info.resolution_wh, info.rotation_deg) == ("video", (96, 64), 0)
    assert (info.num_frames, info.frame_rate, info.time_base) == (60, Fraction(25), TIME_BASE)
    assert info.duration == Fraction(60, 25)
    assert (info.bit_depth, info.colour_space, info.colour_range) == (8, "bt709", "limited")
    assert info.has_audio
    assert len(info.sha256) == 64


def test_the_duration_of_uneven_frames_is_exact(make_video: MakeVideo) -> None:
    # The last frame is as long as the encoder's nominal rate says.
    assert probe(make_video(pts=(1000, 1300, 5000, 5100))).duration == (4100 + 512) * TIME_BASE


@pytest.mark.parametrize("name", ["a.mkv", "a.avi", "a.ts", "a.mov", "a.mp4"])
def test_content_counts_and_not_the_suffix(make_video: MakeVideo, name: str) -> None:
    path = make_video(name, time_base=Fraction(1, 25), pts=range(10))
    assert probe(path.rename(path.with_name("clip.jpg"))).num_frames == 10


@pytest.mark.parametrize(("size_wh", "name"), [((64, 32), "smpte170m"), ((64, 720), "bt709"), ((1280, 534), "bt709")])
def test_untagged_colours_go_by_size(make_video: MakeVideo, size_wh: tuple[int, int], name: str) -> None:
    assert probe(make_video(size_wh=size_wh, pts=(0, 512))).colour_space == name


def test_tags_win_over_size(make_video: MakeVideo) -> None:
    info = probe(make_video(colour_tags=(2, 9, 2)))
    assert (info.colour_space, info.colour_range) == ("bt2020nc", "full")


def test_ten_bits_are_told(make_video: MakeVideo) -> None:
    assert probe(make_video(pixel_format="yuv420p10le", pts=(0, 512))).bit_depth == 10


@pytest.mark.parametrize(("tag", "transfer"), [(16, "pq"), (18, "hlg"), (1, "sdr")])
def test_hdr_is_told(make_video: MakeVideo, tag: int, transfer: str) -> None:
    info = probe(make_video(colour_tags=(tag, 9, 1), pixel_format="yuv420p10le", pts=(0, 512)))
    assert info.transfer == transfer
    assert [f"is HDR ({transfer.upper()})" in note for note in info.notes] == ([] if transfer == "sdr" else [True])


def test_of_several_video_streams_the_largest_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "two.mkv"
    with av.open(path, "w") as container:
        for width, height in ((64, 48), (96, 64)):
            stream = container.add_stream("libx264", rate=25, width=width, height=height)
            assert isinstance(stream, VideoStream)
            stream.pix_fmt = "yuv420p"
        for stream in container.streams.video:
            frame = av.VideoFrame.from_ndarray(quadrants(stream.width, stream.height), format="rgb24")
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    info = probe(path)
    assert info.resolution_wh == (96, 64)
    assert info.notes == (f"{path} has 2 video streams; took the largest, number 2",)
    assert [frame.rgb.shape for frame in read_frames(info)] == [(64, 96, 3)]


def test_an_image_larger_than_the_film_is_not_the_film(tmp_path: Path) -> None:
    path = tmp_path / "chapters.mkv"
    with av.open(path, "w") as container:
        film = container.add_stream("libx264", rate=25, width=64, height=48)
        card = container.add_stream("mjpeg", rate=25, width=640, height=480)
        film.pix_fmt, card.pix_fmt = "yuv420p", "yuvj420p"
        for stream, count in ((card, 1), (film, 30)):
            for _ in range(count):
                frame = av.VideoFrame.from_ndarray(quadrants(stream.width, stream.height), format="rgb24")
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    info = probe(path)
    assert (info.resolution_wh, info.num_frames) == ((64, 48), 30)


def test_an_avi_whose_head_counts_a_frame_too_many_is_taken(make_video: MakeVideo) -> None:
    path = make_video("plate.avi", time_base=Fraction(1, 25), pts=range(60))
    content = bytearray(path.read_bytes())
    for name, at in ((b"avih", 24), (b"strh", 40)):
        begin = content.index(name) + at
        assert int.from_bytes(content[begin : begin + 4], "little") == 60
        content[begin : begin + 4] = (61).to_bytes(4, "little")
    path.write_bytes(content)
    info = probe(path)
    assert (info.num_frames, len(list(read_frames(info)))) == (60, 60)


def test_frames_that_need_what_was_cut_off_are_none(tmp_path: Path) -> None:
    options = {"x264-params": "open-gop=1:keyint=16:min-keyint=16:bframes=3:scenecut=0:b-adapt=0"}
    source = write_video(
        tmp_path / "whole.mkv", noise(60, (64, 48)), encoder={**options, "crf": "30", "preset": "ultrafast"}, bframes=3
    )
    path = tmp_path / "cut.mkv"
    with av.open(source) as opened, av.open(path, "w") as container:
        copy, is_begun = container.add_stream_from_template(opened.streams.video[0]), False
        for packet in opened.demux(video=0):
            is_begun = is_begun or (packet.is_keyframe and packet.pts is not None and packet.pts > 300)
            if is_begun and packet.size:
                packet.stream = copy
                container.mux_one(packet)
    info = probe(path)
    with av.open(path) as container:
        num_packets = sum(packet.size > 0 for packet in container.demux(video=0))
    assert info.num_frames == num_packets - 3
    assert len(list(read_frames(info))) == info.num_frames
    assert [note for note in info.notes if "its first 3 frames need what was cut off" in note]


@pytest.mark.parametrize("rotation_deg", [90, 180, 270])
def test_tells_rotation_and_the_size_as_shown(make_video: MakeVideo, rotation_deg: int) -> None:
    info = probe(make_video(rotation_deg=rotation_deg, pts=(0, 512)))
    assert info.rotation_deg == rotation_deg
    assert info.resolution_wh == ((96, 64) if rotation_deg == 180 else (64, 96))


def test_a_crooked_rotation_is_refused(make_video: MakeVideo) -> None:
    with pytest.raises(MediaError, match="another angle"):
        probe(make_video(rotation_deg=30, pts=(0, 512)))


def test_pixels_that_are_not_square_widen_the_picture(make_video: MakeVideo) -> None:
    assert probe(make_video(pixel_aspect=Fraction(4, 3), pts=(0, 512))).resolution_wh == (128, 64)


def test_a_cover_does_not_make_a_song_a_video(tmp_path: Path) -> None:
    path = tmp_path / "song.mp4"
    with av.open(path, "w") as container:
        sound = container.add_stream("aac", rate=44100)
        cover = container.add_stream("mjpeg", rate=1, width=64, height=64)
        cover.pix_fmt, cover.disposition = "yuvj420p", Disposition.attached_pic
        picture = av.VideoFrame.from_ndarray(quadrants(64, 64), format="rgb24").reformat(format="yuvj420p")
        container.mux(cover.encode(picture))
        container.mux(cover.encode(None))
        samples = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), format="flt", layout="mono")
        samples.sample_rate = 44100
        container.mux(sound.encode(samples))
        container.mux(sound.encode(None))
    with pytest.raises(MediaError, match="holds no video"):
        probe(path)


@pytest.mark.parametrize("options", [{}, {"movflags": "+faststart"}])
@pytest.mark.parametrize("kept", [0.3, 0.9])
def test_a_truncated_mp4_is_refused(make_video: MakeVideo, options: dict[str, str], kept: float) -> None:
    path = make_video(audio="aac", container_options=options)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises(MediaError, match=r"truncated: \d+ of 60 frames are there" if options else "truncated"):
        probe(path)


@pytest.mark.parametrize("name", ["plate.mkv", "plate.avi"])
def test_other_truncated_containers_are_refused(make_video: MakeVideo, name: str) -> None:
    path = make_video(name, time_base=Fraction(1, 25), pts=range(60))
    assert probe(path).num_frames == 60
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(MediaError, match=r"truncated: \d+ of (about )?6\d frames are there"):
        probe(path)


def test_an_avi_cut_between_two_frames_is_refused(make_video: MakeVideo) -> None:
    path = make_video("plate.avi", time_base=Fraction(1, 25), pts=range(60))
    with av.open(path) as container:
        end = container.streams.video[0].index_entries[30].pos
    path.write_bytes(path.read_bytes()[:end])
    with pytest.raises(MediaError, match="truncated: 30 of 60 frames are there"):
        probe(path)


def test_frames_cut_off_by_an_edit_list_are_not_counted(make_video: MakeVideo) -> None:
    path = make_video(container_options={"use_editlist": "1"})
    whole = path.read_bytes()
    # The edit's length is in the movie's clock, its start in the track's: show frames 20 to 29.
    at = whole.index(b"elst") + 12
    assert int.from_bytes(whole[at - 4 : at]) == 1
    edit = (10 * 512 * 5644800 // 12800).to_bytes(4) + (20 * 512).to_bytes(4)
    path.write_bytes(whole[:at] + edit + whole[at + 8 :])
    assert probe(path).num_frames == 10


PLAYLISTS = {
    "list.ffconcat": "ffconcat version 1.0\nfile plate.mp4\n",
    "list.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:2.4,\nplate.mp4\n#EXT-X-ENDLIST\n",
    "list.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
    "list.mpd": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period/></MPD>',
}


@pytest.mark.parametrize("name", PLAYLISTS)
@pytest.mark.parametrize("disguise", ["", ".mp4"])
def test_files_that_lead_to_others_are_refused(make_video: MakeVideo, name: str, disguise: str) -> None:
    path = make_video().with_name(name + disguise)
    path.write_text(PLAYLISTS[name])
    with pytest.raises(MediaError, match="no file is followed to another one"):
        probe(path)


def test_words_are_no_video(tmp_path: Path) -> None:
    (tmp_path / "notes.mp4").write_text("No video, only words.\n")
    with pytest.raises(MediaError, match="not a video or picture that can be read"):
        probe(tmp_path / "notes.mp4")


def test_ffmpeg_by_itself_would_follow_a_playlist(make_video: MakeVideo) -> None:
    path = make_video().with_name("list.ffconcat")
    path.write_text(PLAYLISTS["list.ffconcat"])
    with av.open(path) as container:
        assert container.streams.video


def test_a_name_is_never_an_address(make_video: MakeVideo, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_video()
    monkeypatch.chdir(path.parent)
    with pytest.raises(MediaError, match="there is no file"):
        probe(Path("concat:plate.mp4|plate.mp4"))
    path.rename(path.with_name("file:a.mp4"))
    assert probe(Path("file:a.mp4")).num_frames == 60


def test_a_symbolic_link_is_refused(make_video: MakeVideo) -> None:
    path = make_video()
    link = path.with_name("link.mp4")
    link.symlink_to(path)
    with pytest.raises(MediaError, match=r"symbolic link; give the file .*plate\.mp4"):
        probe(link)


def test_no_file_a_folder_an_empty_file_and_a_pipe_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="there is no file"):
        probe(tmp_path / "nothing.mp4")
    with pytest.raises(MediaError, match="is a folder"):
        probe(tmp_path)
    (tmp_path / "empty.mp4").touch()
    with pytest.raises(MediaError, match="is empty"):
        probe(tmp_path / "empty.mp4")
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(MediaError, match="is a pipe; save"):
        probe(tmp_path / "pipe.mp4")


def test_a_file_without_read_permission_is_refused() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder, path = Path(name), Path(name) / "plate.mp4"
        folder.chmod(0o755)
        path.write_bytes(b"x")
        path.chmod(0o000)
        was_root = os.geteuid() == 0
        if was_root:
            os.seteuid(65534)
        try:
            with pytest.raises(MediaError, match="permission denied; check its permissions"):
                probe(path)
        finally:
            if was_root:
                os.seteuid(0)


def test_absurd_sizes_are_refused(tmp_path: Path) -> None:
    Image.new("1", (10000, 7000)).save(tmp_path / "large.png")
    with pytest.raises(MediaError, match="10000×7000"):
        probe(tmp_path / "large.png")
    Image.new("1", (20000, 10000)).save(tmp_path / "larger.png")
    with pytest.raises(MediaError, match="pixels"):
        probe(tmp_path / "larger.png")


def test_an_absurd_length_in_bytes_is_refused(make_video: MakeVideo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(countenance.media.probe, "MAX_BYTES", 1000)
    with pytest.raises(MediaError, match="expected at most 1000 bytes"):
        probe(make_video())


def test_an_absurd_duration_is_refused(make_video: MakeVideo) -> None:
    with pytest.raises(MediaError, match="at most 12 hours"):
        probe(make_video(pts=(0, 12800 * 3600 * 13)))


def test_too_many_frames_are_refused(make_video: MakeVideo, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_video()
    monkeypatch.setattr(countenance.media.probe, "MAX_FRAMES", 60)
    assert probe(path).num_frames == 60
    monkeypatch.setattr(countenance.media.probe, "MAX_FRAMES", 59)
    with pytest.raises(MediaError, match=r"expected at most 59 frames, but .* has more; cut it"):
        probe(path)


def test_frames_that_grow_too_large_are_never_decoded(make_video: MakeVideo, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = {"time_base": Fraction(1, 25), "pts": range(5)}
    small, large = (
        make_video("small.ts", size_wh=(64, 32), **facts),
        make_video("large.ts", size_wh=(256, 128), **facts),
    )
    both = small.with_name("both.ts")
    both.write_bytes(small.read_bytes() + large.read_bytes())
    assert _widths(both) == {64, 256}
    monkeypatch.setattr(countenance.media.container, "MAX_PIXELS", 100 * 100)
    assert _widths(both) <= {64}


def _widths(path: Path) -> set[int]:
    widths = set()
    with suppress(MediaError), opened_video(path) as (container, stream):
        for packet in container.demux(stream):
            with suppress(av.error.InvalidDataError):
                widths |= {frame.width for frame in packet.decode()}
    return widths


def test_a_lone_frame_takes_a_tick_at_least(make_video: MakeVideo) -> None:
    info = probe(make_video("a.mkv", time_base=Fraction(1, 25), pts=(0,)))
    assert (info.num_frames, info.duration > 0) == (1, True)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0, 1e300])
def test_a_duration_that_is_no_number_does_not_matter(make_video: MakeVideo, value: float) -> None:
    path = make_video("a.mkv", time_base=Fraction(1, 25), pts=range(10))
    whole = path.read_bytes()
    at = whole.index(b"\x44\x89\x88") + 3
    path.write_bytes(whole[:at] + struct.pack(">d", value) + whole[at + 8 :])
    try:
        assert probe(path).num_frames == 10
    except MediaError as error:
        assert "truncated" in str(error)  # noqa: PT017


def test_a_clock_of_zero_does_not_matter(make_video: MakeVideo) -> None:
    path = make_video("a.avi", time_base=Fraction(1, 25), pts=range(10))
    whole = path.read_bytes()
    at = whole.index(b"strh") + 8 + 20
    path.write_bytes(whole[:at] + bytes(8) + whole[at + 8 :])
    assert probe(path).num_frames == 10


def test_what_a_file_says_of_itself_may_be_in_another_encoding(make_video: MakeVideo) -> None:
    path = make_video(container_options={"movflags": "use_metadata_tags"})
    whole = path.read_bytes()
    assert whole.count(b"Lavf") == 1
    path.write_bytes(whole.replace(b"Lavf", b"La\xff\xfe"))
    assert probe(path).num_frames == 60


def test_plain_sound_of_many_samples_is_no_bomb(make_video: MakeVideo, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_video("a.mov", audio="pcm_s16le")
    monkeypatch.setattr(countenance.media.probe, "MAX_FRAMES", 1000)
    assert probe(path).has_audio
    # Two ticks long, each sample would be kept by itself.
    whole = path.read_bytes()
    at = whole.rindex(b"stts") + 12
    path.write_bytes(whole[:at] + struct.pack(">II", 105840, 2) + whole[at + 8 :])
    with pytest.raises(MediaError, match="announces 105840; cut it"):
        probe(path)


def test_damage_anywhere_ends_in_a_line(make_video: MakeVideo, tmp_path: Path) -> None:
    chance = np.random.default_rng(5)
    facts = {"time_base": Fraction(1, 25), "pts": range(6)}
    paths = [make_video(), make_video("a.mkv", **facts), make_video("a.avi", **facts), make_video("a.ts", **facts)]
    for suffix in ("png", "jpg", "webp"):
        paths.append(tmp_path / f"a.{suffix}")
        Image.fromarray(quadrants(60, 40)).save(paths[-1])
    for path in paths:
        whole = np.frombuffer(path.read_bytes(), np.uint8)
        for _ in range(25):
            damaged = whole.copy()
            places = chance.integers(0, len(whole), 6)
            damaged[places] = chance.integers(0, 256, 6)
            path.write_bytes(damaged.tobytes())
            with suppress(MediaError):
                probe(path)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_tells_what_a_picture_is(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(quadrants(60, 40)).save(path, exif=exif)
    info = probe(path)
    assert (info.kind, info.resolution_wh, info.num_frames, info.rotation_deg) == ("picture", (40, 60), 1, 0)
    assert not info.has_audio


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_a_truncated_picture_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    noise = np.random.default_rng(0).integers(0, 255, (80, 80, 3), np.uint8)
    Image.fromarray(noise).save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(MediaError, match="truncated"):
        probe(path)


@pytest.mark.parametrize("suffix", ["png", "webp"])
def test_a_moving_picture_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    pictures = [Image.fromarray(quadrants(60, 40, shade)) for shade in (0, 90)]
    pictures[0].save(path, save_all=True, append_images=pictures[1:])
    with pytest.raises(MediaError, match="expected a still picture"):
        probe(path)


def test_a_picture_for_print_is_refused(tmp_path: Path) -> None:
    Image.new("CMYK", (20, 20)).save(tmp_path / "a.jpg")
    with pytest.raises(MediaError, match="save it as RGB"):
        probe(tmp_path / "a.jpg")


def test_sixteen_bits_are_told(tmp_path: Path) -> None:
    Image.fromarray(np.full((8, 8), 40000, np.uint16)).save(tmp_path / "a.png")
    assert probe(tmp_path / "a.png").bit_depth == 16
