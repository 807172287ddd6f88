"""A plate's sound: copied bit for bit where the new file's format takes it, otherwise encoded again."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, cast

import av
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.stream import Discard, Disposition

from countenance.errors import MediaError
from countenance.media.container import AnyPacket, opened_video
from countenance.types import MediaInfo

PCM = frozenset(f"pcm_{form}" for form in ("s16le", "s16be", "s24le", "s24be", "s32le", "s32be", "f32le", "f32be"))
COPIED = {
    ".mp4": frozenset({"aac", "mp3", "ac3", "eac3", "alac", "flac", "opus"}),
    ".mov": frozenset({"aac", "mp3", "ac3", "eac3", "alac"}) | PCM,
}
"""What players expect in such a file; FFmpeg would put more into it."""

AAC_RATES_HZ = frozenset({8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000})
AAC_LAYOUTS = {
    "mono": "mono",
    "stereo": "stereo",
    "downmix": "stereo",
    "2.1": "2.1",
    "3.0": "3.0",
    "3.1": "3.1",
    "4.0": "4.0",
    "quad": "quad",
    "quad(side)": "quad",
    "5.0": "5.0",
    "5.0(side)": "5.0",
    "5.1": "5.1",
    "5.1(side)": "5.1",
    "6.0": "6.0",
    "6.1": "6.1",
    "7.0": "7.0",
    "7.1": "7.1",
    "7.1(wide)": "7.1(wide)",
    "1 channels": "mono",
    "2 channels": "stereo",
    "3 channels": "3.0",
    "4 channels": "4.0",
    "5 channels": "5.0",
    "6 channels": "5.1",
    "7 channels": "6.1",
    "8 channels": "7.1",
}
"""FFmpeg's name of a layout -> that in which AAC keeps each of its channels."""
AAC_BITS_PER_CHANNEL = 96_000

FIXED_FRAMES = frozenset({"aac", "mp3", "ac3", "eac3"})
"""Codecs whose packets all hold the same number of samples."""

MAX_DRIFT_S = Fraction(1, 20)
"""A decoded frame whose stamp differs from the count by less follows the one before without a gap."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Track:
    """One audio stream of a plate, and what becomes of it."""

    index: int
    codec: str
    becomes: Literal["copy", "aac", "pcm_s24le"]
    rate_hz: int
    """In the new file."""
    layout: str
    """In the new file, as FFmpeg names it."""
    language: str | None
    title: str | None
    disposition: Disposition
    """Whether players choose it by default, and what it is for."""


def tracks_for(plate: MediaInfo, suffix: str) -> tuple[list[Track], list[str]]:
    """The tracks that a new file of this kind gets, and a line for each that isn't copied.

    Raises:
        MediaError: a track has more channels than such a file can hold.
    """
    tracks, notes = [], []
    with opened_video(plate.path) as (container, _):
        for stream in container.streams:
            if not isinstance(stream, AudioStream):
                continue
            # Mypy doesn't know that a stream without a decoder has no context.
            context = cast(object, stream.codec_context)
            if context is None or not stream.rate:
                notes.append(f"sound track {stream.index} of {plate.path.name} is in an unknown format and is left out")
                continue
            track = _plan(plate, stream, suffix)
            tracks.append(track)
            if track.becomes != "copy":
                name = track.becomes.partition("_")[0].upper()
                notes.append(f"the sound is encoded again as {name}: {suffix} doesn't take {track.codec} as it is")
    return tracks, notes


def add_track(
    output: OutputContainer,
    plate: MediaInfo,
    track: Track,
    *,
    offset_s: Fraction,
    length_s: Fraction | None = None,
    notes: list[str],
) -> Iterator[AnyPacket]:
    """Add a track to a file being written, and give its packets in order of time, earlier by `offset_s`.

    With `length_s` only those that are heard from then on, for so long: whole packets, and one more before them, which
    decoders of most codecs need. What lies before zero isn't heard.

    `notes` gets a line where sound can't be decoded.
    """
    stream: AudioStream
    if track.becomes == "copy":
        with opened_video(plate.path) as (container, _):
            stream = output.add_stream_from_template(cast(AudioStream, container.streams[track.index]), opaque=True)
        packets = _copied_packets(plate, track, stream, offset_s, length_s)
    else:
        stream = output.add_stream(track.becomes, rate=track.rate_hz, layout=track.layout)
        if track.becomes == "aac":
            stream.codec_context.bit_rate = AAC_BITS_PER_CHANNEL * stream.codec_context.layout.nb_channels
        packets = _encoded_packets(plate, track, stream, offset_s, length_s, notes)
    if track.language is not None:
        stream.metadata["language"] = track.language
    if track.title is not None:
        # MP4 has no other place for it; players show it as the track's name.
        stream.metadata["title"] = stream.metadata["handler_name"] = track.title
    stream.disposition = track.disposition
    return packets


def first_time(plate: MediaInfo, track: Track) -> Fraction | None:
    """When a track begins, in seconds; negative where a codec's first samples aren't heard."""
    with opened_video(plate.path) as (container, _):
        for packet in container.demux(_only_track(container, track)):
            if packet.size and packet.pts is not None:
                return packet.pts * packet.time_base
    return None


def _plan(plate: MediaInfo, stream: AudioStream, suffix: str) -> Track:
    context = stream.codec_context
    # A decoder may have another name than what it decodes, such as `mp3float`.
    codec = context.codec.canonical_name
    becomes: Literal["copy", "aac", "pcm_s24le"] = "copy" if codec in COPIED[suffix] else "aac"
    layout = context.layout.name
    if becomes == "aac":
        if layout not in AAC_LAYOUTS and suffix != ".mov":
            raise MediaError(
                f"the sound of {plate.path} has {context.layout.nb_channels} channels ({layout}), more than {suffix} "
                "can hold without mixing them; choose an output name with .mov"
            )
        becomes = "aac" if layout in AAC_LAYOUTS else "pcm_s24le"
    is_kept = becomes != "aac"
    return Track(
        index=stream.index,
        codec=codec,
        becomes=becomes,
        rate_hz=context.rate if is_kept or context.rate in AAC_RATES_HZ else 48000,
        layout=layout if is_kept else AAC_LAYOUTS[layout],
        language=stream.language,
        title=stream.metadata.get("title"),
        disposition=stream.disposition,
    )


def _copied_packets(
    plate: MediaInfo, track: Track, stream: AudioStream, offset_s: Fraction, length_s: Fraction | None
) -> Iterator[AnyPacket]:
    clock = Fraction(1, track.rate_hz)
    before: int | None = None
    length = 0
    # Each track has the file to itself, so that no packets pile up where a plate keeps its streams far apart.
    with opened_video(plate.path) as (container, _):
        source = _only_track(container, track)
        fixed = source.codec_context.frame_size if track.codec in FIXED_FRAMES else 0
        for packet in container.demux(source):
            if packet.size == 0:
                continue
            at = before + length if before is not None else 0
            if packet.pts is not None:
                stamped = round((packet.pts * packet.time_base - offset_s) / clock)
                # A stamp that doesn't go on is replaced by the count; MP4 takes none twice.
                at = stamped if before is None or stamped > before else max(at, before + 1)
            # Matroska doesn't tell how long each packet is, but without it MP4 would lose the last one.
            gap = at - before if before is not None else 0
            told = round(packet.duration * packet.time_base / clock) if packet.duration else 0
            before, length = at, fixed or told or gap
            if length_s is not None:
                if at + 2 * length <= 0:
                    continue
                if at * clock >= length_s:
                    return
            packet.time_base = clock
            packet.pts = packet.dts = at
            packet.duration = told or length
            packet.stream = stream
            yield packet


def _encoded_packets(
    plate: MediaInfo,
    track: Track,
    stream: AudioStream,
    offset_s: Fraction,
    length_s: Fraction | None,
    notes: list[str],
) -> Iterator[AnyPacket]:
    num_damaged = 0
    counted: int | None = None
    with opened_video(plate.path) as (container, _):
        for packet in container.demux(_only_track(container, track)):
            try:
                frames = packet.decode()
            except av.error.InvalidDataError:
                num_damaged += 1
                continue
            for frame in frames:
                clock = Fraction(1, frame.sample_rate)
                at = counted or 0
                if frame.pts is not None and frame.time_base is not None:
                    stamped = round((frame.pts * frame.time_base - offset_s) / clock)
                    # Stamps of milliseconds jitter, and none may go back: the count decides, but for true gaps.
                    at = stamped if counted is None or (stamped - counted) * clock > MAX_DRIFT_S else counted
                frame.pts, frame.time_base = at, clock
                counted = at + frame.samples
                if length_s is None or (counted > 0 and at * clock < length_s):
                    yield from stream.encode(frame)
            if length_s is not None and counted is not None and counted * clock >= length_s:
                break
    yield from stream.encode(None)
    if num_damaged:
        notes.append(f"{num_damaged} packets of the sound of {plate.path.name} are damaged and become silent")


def _only_track(container: InputContainer, track: Track) -> AudioStream:
    """A track's stream; the bytes of all others are skipped where the format allows."""
    for stream in container.streams:
        if stream.index != track.index:
            stream.discard = Discard.all
    return cast(AudioStream, container.streams[track.index])
