import itertools
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition

from countenance.errors import MediaError
from countenance.media import writer as writer_module
from countenance.media.probe import probe
from countenance.media.reader import read_frames
from countenance.media.writer import join_fragments, rehearse, write_fragments
from countenance.progress import Silent
from tests.support.leave import never_ends
from tests.support.videos import FRAME_TICKS, MakeVideo, noise, write_video

HOURS = 36000
"""Seconds that a recorder's clock has run for."""


def render(path: Path, output: Path) -> list[str]:
    """The plate's own frames through the whole way out; gives the rehearsal's lines."""
    plate = probe(path)
    notes = rehearse(plate, output.suffix, Silent())
    folder = output.parent / f"fragments of {output.name}"
    fragments = write_fragments(
        lambda index: read_frames(plate, first_index=index),
        plate,
        folder,
        quality=30,
        check_leave=never_ends,
        progress=Silent(),
    )
    join_fragments(fragments, plate, output)
    return notes


def channels(layout: str, *, seconds: float = 0.5) -> av.AudioFrame:
    """Sound with another pitch in each channel: 400 Hz, 500 Hz and so on."""
    samples = np.arange(int(48000 * seconds)) / 48000
    number = av.AudioLayout(layout).nb_channels
    waves = np.stack([8000 * np.sin(2 * np.pi * (400 + 100 * each) * samples) for each in range(number)], axis=1)
    frame = av.AudioFrame.from_ndarray(waves.astype(np.int16).reshape(1, -1).copy(), format="s16", layout=layout)
    frame.sample_rate, frame.pts, frame.time_base = 48000, 0, Fraction(1, 48000)
    return frame


def pitches_hz(path: Path) -> list[int]:
    """The loudest frequency of each channel, to 20 Hz."""
    with av.open(path) as container:
        frames = [frame.to_ndarray() for frame in container.decode(audio=0)]
    heard = np.concatenate(frames, axis=1)[:, 4800:14400]
    return [int(np.abs(np.fft.rfft(channel)).argmax()) * 5 // 20 * 20 for channel in heard]


def with_channels(path: Path, layout: str) -> Path:
    return write_video(path, noise(12, (96, 64)), sound=channels(layout), sound_codec="pcm_s16le")


def restamped(source: Path, path: Path, stamps: Iterable[int]) -> Path:
    """The same packets; those of the sound have other times, in samples."""
    with av.open(source) as opened, av.open(path, "w") as container:
        copies = {stream.index: container.add_stream_from_template(stream) for stream in opened.streams}
        times = iter(stamps)
        for packet in opened.demux():
            if packet.size == 0:
                continue
            if packet.stream.type == "audio":
                packet.pts = packet.dts = next(times)
                packet.time_base = Fraction(1, 44100)
            packet.stream = copies[packet.stream_index]
            container.mux_one(packet)
    return path


def sound_times_s(path: Path) -> list[float]:
    with av.open(path) as container:
        packets = container.demux(container.streams.audio[0])
        return [float(packet.pts * packet.time_base) for packet in packets if packet.pts is not None]


def test_a_stamp_that_comes_twice_is_pushed_on_by_counted_samples(make_video: MakeVideo, tmp_path: Path) -> None:
    source = make_video("source.mkv", audio="aac")
    # The same millisecond as the one before, as web remuxes have it.
    stamps = (19 * 1024 + 1 if number == 20 else number * 1024 for number in itertools.count())
    assert render(restamped(source, tmp_path / "plate.mkv", stamps), tmp_path / "output.mp4") == []
    times = sound_times_s(tmp_path / "output.mp4")
    assert len(times) > 100
    assert np.diff(times) == pytest.approx(1024 / 44100, abs=0.0011)


@pytest.mark.parametrize(("codec", "told"), [("mp2", 1), ("adpcm_ms", 1), ("libmp3lame", 0)])
def test_old_sound_comes_along(make_video: MakeVideo, tmp_path: Path, codec: str, told: int) -> None:
    plate = make_video("plate.avi", audio=codec, pts=range(50), time_base=Fraction(1, 25), codec="mpeg4")
    notes = render(plate, tmp_path / "output.mp4")
    assert len([note for note in notes if "encoded again as AAC" in note]) == told
    with av.open(tmp_path / "output.mp4") as container:
        (stream,) = container.streams.audio
        assert float((stream.duration or 0) * (stream.time_base or 0)) == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize("name", ["plate.mkv", "plate.ts", "plate.mp4"])
def test_a_clock_that_has_run_for_hours_begins_at_zero(make_video: MakeVideo, tmp_path: Path, name: str) -> None:
    pts = [HOURS * 12800 + number * FRAME_TICKS for number in range(25)]
    plate = make_video(name, pts=pts, audio="aac", audio_starts_s=HOURS + Fraction(1, 5))
    render(plate, tmp_path / "output.mp4")
    with av.open(tmp_path / "output.mp4") as container:
        assert (container.duration or 0) / av.time_base == pytest.approx(1.2, abs=0.1)
    frames = list(read_frames(probe(tmp_path / "output.mp4")))
    assert [float(frame.time) for frame in frames] == pytest.approx([number / 25 for number in range(25)], abs=0.002)
    (plate_sound, *_), (sound, *_) = sound_times_s(plate), sound_times_s(tmp_path / "output.mp4")
    first = next(read_frames(probe(plate)))
    assert sound - float(frames[0].time) == pytest.approx(plate_sound - float(first.time), abs=0.002)


@pytest.mark.parametrize("layout", ["mono", "4.0", "quad", "5.1", "5.1(side)"])
def test_every_channel_is_kept_where_sound_is_encoded(tmp_path: Path, layout: str) -> None:
    plate = with_channels(tmp_path / "plate.mkv", layout)
    render(plate, tmp_path / "output.mp4")
    expected, heard = pitches_hz_of(layout), pitches_hz(tmp_path / "output.mp4")
    # AAC cuts off the high notes of the channel for effects.
    kept = [name != "LFE" for name in (channel.name for channel in av.AudioLayout(layout).channels)]
    assert list(itertools.compress(heard, kept)) == list(itertools.compress(expected, kept))


def pitches_hz_of(layout: str) -> list[int]:
    return [400 + 100 * number for number in range(av.AudioLayout(layout).nb_channels)]


def test_more_channels_than_mp4_holds_are_refused_before_rendering_and_go_into_mov(tmp_path: Path) -> None:
    plate = with_channels(tmp_path / "plate.mov", "hexadecagonal")
    with pytest.raises(MediaError, match=r"has 16 channels .* choose an output name with \.mov$"):
        rehearse(probe(plate), ".mp4", Silent())
    assert render(plate, tmp_path / "output.mov") == []
    with av.open(tmp_path / "output.mov") as container:
        assert container.streams.audio[0].codec_context.layout.nb_channels == 16


def test_chapters_titles_languages_and_the_default_track_are_kept(make_video: MakeVideo, tmp_path: Path) -> None:
    source, plate = make_video("source.mkv", audio="aac", pts=range(0, 25 * 512, 512)), tmp_path / "plate.mkv"
    with av.open(source) as opened, av.open(plate, "w") as container:
        video = container.add_stream_from_template(opened.streams.video[0])
        tracks = [container.add_stream_from_template(opened.streams.audio[0]) for _ in range(2)]
        for track, language, title in zip(tracks, ("eng", "fra"), ("Main", "Description"), strict=True):
            track.metadata.update(language=language, title=title)
        tracks[0].disposition, tracks[1].disposition = Disposition(0), Disposition.default
        clock = Fraction(1, 1000)
        container.set_chapters(
            [
                {"id": 1, "start": 0, "end": 400, "time_base": clock, "metadata": {"title": "one"}},
                {"id": 2, "start": 400, "end": 1000, "time_base": clock, "metadata": {"title": "two"}},
            ]
        )
        for packet in opened.demux():
            if packet.size:
                for copy in [video] if packet.stream.type == "video" else tracks:
                    packet.stream = copy
                    container.mux_one(packet)
    assert render(plate, tmp_path / "output.mp4") == []
    with av.open(tmp_path / "output.mp4") as container:
        chapters = [
            (each["metadata"]["title"], each["start"] * (each["time_base"] or 0)) for each in container.chapters()
        ]
        assert chapters == [("one", 0), ("two", Fraction(2, 5))]
        heard = container.streams.audio
        assert [track.language for track in heard] == ["eng", "fra"]
        assert [track.metadata["handler_name"] for track in heard] == ["Main", "Description"]
        assert [bool(track.disposition & Disposition.default) for track in heard] == [False, True]


def test_tags_and_timecode_that_are_left_out_are_reported(make_video: MakeVideo, tmp_path: Path) -> None:
    source, plate = make_video(pts=range(0, 25 * 512, 512)), tmp_path / "plate.mkv"
    with av.open(source) as opened, av.open(plate, "w") as container:
        video = container.add_stream_from_template(opened.streams.video[0])
        video.metadata["timecode"] = "01:00:00:00"
        container.metadata["title"] = "Take 3"
        for packet in opened.demux(video=0):
            if packet.size:
                packet.stream = video
                container.mux_one(packet)
    assert rehearse(probe(plate), ".mp4", Silent()) == [
        "the timecode 01:00:00:00 of plate.mkv is left out; note it for the edit",
        "tags of plate.mkv are left out: title",
    ]


def test_a_refusal_of_the_muxer_is_no_full_disk(
    make_video: MakeVideo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_: object, **__: object) -> None:
        raise av.error.ArgumentError(22, "Invalid argument")

    plate = make_video(audio="aac", pts=range(0, 5 * 512, 512))
    info = probe(plate)
    fragments = write_fragments(
        lambda _: read_frames(info), info, tmp_path / "f", quality=30, check_leave=never_ends, progress=Silent()
    )
    monkeypatch.setattr(writer_module, "add_track", refuses)
    with pytest.raises(MediaError, match=r"invalid argument; FFmpeg refused") as caught:
        join_fragments(fragments, info, tmp_path / "output.mp4")
    assert "disk" not in str(caught.value)
    with pytest.raises(MediaError, match=r"can't be put into \.mp4 .* ffmpeg -i plate\.mp4"):
        rehearse(info, ".mp4", Silent())


def test_the_rehearsal_leaves_nothing_on_disk(make_video: MakeVideo, tmp_path: Path) -> None:
    plate = probe(make_video(audio="aac"))
    before = sorted(tmp_path.rglob("*"))
    assert rehearse(plate, ".mp4", Silent()) == []
    assert sorted(tmp_path.rglob("*")) == before
