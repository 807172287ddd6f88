"""The plate's sound: copied bit for bit where the new file's kind takes it, else encoded anew."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.stream import Discard

from countenance.media.container import AnyPacket, opened_video
from countenance.types import MediaInfo

COPIED = {
    ".mp4": frozenset({"aac", "mp3", "ac3", "eac3", "alac", "flac", "opus"}),
    ".mov": frozenset({"aac", "mp3", "ac3", "eac3", "alac", "pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be"}),
}
"""What players expect in such a file; FFmpeg would put more into it."""

AAC_RATES_HZ = frozenset({8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000})
AAC_LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}
AAC_BITS_PER_CHANNEL = 96_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Track:
    """One audio stream of a plate, and what becomes of it."""

    index: int
    codec: str
    is_copied: bool
    rate_hz: int
    """In the new file."""
    layout: str
    language: str | None


def tracks_for(plate: MediaInfo, suffix: str) -> tuple[list[Track], list[str]]:
    """The tracks that a new file of this kind gets, and what a user should know about them."""
    tracks, notes = [], []
    with opened_video(plate.path) as (container, _):
        for stream in container.streams:
            # Mypy doesn't know that a stream without a decoder has no context.
            context = cast(object, stream.codec_context)
            if isinstance(stream, AudioStream) and context is not None and stream.rate:
                track = _plan(stream, suffix)
                tracks.append(track)
                if not track.is_copied:
                    notes.append(f"the sound is encoded anew as AAC: {suffix} doesn't take {track.codec} as it is")
            elif stream.type != "video":
                notes.append(f"a stream of {stream.type} in {plate.path.name} is left out")
    return tracks, notes


def add_track(output: OutputContainer, plate: MediaInfo, track: Track) -> Iterator[AnyPacket]:
    """Add a track to a file being written, and give its packets in order of time."""
    stream: AudioStream
    if track.is_copied:
        with opened_video(plate.path) as (container, _):
            stream = output.add_stream_from_template(cast(AudioStream, container.streams[track.index]), opaque=True)
        packets = _copied_packets(plate, track, stream)
    else:
        stream = output.add_stream("aac", rate=track.rate_hz, layout=track.layout)
        stream.codec_context.bit_rate = AAC_BITS_PER_CHANNEL * stream.codec_context.layout.nb_channels
        packets = _encoded_packets(plate, track, stream)
    if track.language is not None:
        stream.metadata["language"] = track.language
    return packets


def _plan(stream: AudioStream, suffix: str) -> Track:
    context = stream.codec_context
    is_copied = context.name in COPIED[suffix]
    return Track(
        index=stream.index,
        codec=context.name,
        is_copied=is_copied,
        rate_hz=context.rate if is_copied or context.rate in AAC_RATES_HZ else 48000,
        layout=context.layout.name if is_copied else AAC_LAYOUTS.get(context.layout.nb_channels, "stereo"),
        language=stream.language,
    )


def _copied_packets(plate: MediaInfo, track: Track, stream: AudioStream) -> Iterator[AnyPacket]:
    before: int | None = None
    gap = 0
    # Each track has the file to itself, so that no packets pile up where a plate keeps its streams far apart.
    with opened_video(plate.path) as (container, _):
        for packet in container.demux(_only_track(container, track)):
            if packet.size == 0:
                continue
            assert packet.pts is not None
            gap, before = packet.pts - before if before is not None else gap, packet.pts
            # Matroska doesn't tell how long each packet is, but without it MP4 would lose the last one.
            packet.duration = packet.duration or gap
            packet.stream = stream
            yield packet


def _encoded_packets(plate: MediaInfo, track: Track, stream: AudioStream) -> Iterator[AnyPacket]:
    with opened_video(plate.path) as (container, _):
        for frame in container.decode(_only_track(container, track)):
            yield from stream.encode(frame)
    yield from stream.encode(None)


def _only_track(container: InputContainer, track: Track) -> AudioStream:
    """A track's stream; the bytes of all others are skipped where the format allows."""
    for stream in container.streams:
        if stream.index != track.index:
            stream.discard = Discard.all
    return cast(AudioStream, container.streams[track.index])
