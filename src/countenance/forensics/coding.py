"""How the frames of a video are coded: when each is shown, where keyframes lie, and what encoders wrote into them."""

import re
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from statistics import median

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from countenance.forensics.programs import seen_programs
from countenance.forensics.seen import Seen, quoted
from countenance.media.container import AnyPacket

MAX_FRAMES = 3000
MAX_BYTES = 256 * 1024 * 1024
"""Of a long or large file no more is looked at."""
MAX_HEAD = 4096
"""Bytes of a keyframe in which encoders leave a text."""
MAX_TEXT = 1200
GAP_S = Fraction(1, 2)
"""A pause between two frames that is worth a word."""
MIN_GROUPS, MAX_BREAKS = 4, 2
"""Keyframes count as even with so many groups of one length, and at most so many others."""

ENCODERS = {
    "x264": re.compile(rb"x264 - core [ -~]{1,%d}" % MAX_TEXT),
    "x265": re.compile(rb"x265 \(build [ -~]{1,%d}" % MAX_TEXT),
    "FFmpeg": re.compile(rb"Lavc\d[ -~]{1,40}"),
    "Xvid": re.compile(rb"XviD\d{4}"),
    "DivX": re.compile(rb"DivX\d[ -~]{1,20}"),
}
SOUND_ENCODER = re.compile(rb"(?:Lavc|libfdk|LAME)\d?[ -~]{0,30}")
SETTINGS = re.compile(r"\b(crf|bitrate|qp|keyint|bframes|ref)=([\d.]+)")
"""Of x264's and x265's texts, what tells people most."""


@dataclass(kw_only=True, slots=True)
class Stretch:
    """What was read of a video's packets from its beginning."""

    times: "array[int]" = field(default_factory=lambda: array("q"))
    """When each frame is shown, in decoding order."""
    keys: list[int] = field(default_factory=list)
    """Which of them are keyframes."""
    texts: list[tuple[int, str]] = field(default_factory=list)
    """What encoders wrote, and into which frame."""
    sound_text: str = ""
    changed_at: list[int] = field(default_factory=list)
    """Frames before which the decoder is set up anew."""
    num_bytes: int = 0
    is_all: bool = False
    broke: bool = False
    """Whether reading failed on the way."""


def read_stretch(container: InputContainer, stream: VideoStream) -> Stretch:
    """Read packets from a video's beginning, bounded in number and bytes."""
    stretch = Stretch()
    if found := _text_in(stream.codec_context.extradata or b""):
        stretch.texts.append((0, found))
    sounds = {each.index for each in container.streams.audio}
    try:
        for packet in container.demux():
            if packet.size == 0:
                continue
            stretch.num_bytes += packet.size
            if packet.stream_index in sounds and not stretch.sound_text:
                sounds.discard(packet.stream_index)
                match = SOUND_ENCODER.search(bytes(packet)[:MAX_HEAD])
                stretch.sound_text = match.group().decode("ascii") if match else ""
            if packet.stream_index == stream.index and packet.pts is not None and not packet.is_discard:
                _take(stretch, packet)
            if len(stretch.times) == MAX_FRAMES or stretch.num_bytes > MAX_BYTES:
                return stretch
    except av.FFmpegError:
        stretch.broke = True
        return stretch
    stretch.is_all = True
    return stretch


def _take(stretch: Stretch, packet: AnyPacket) -> None:
    number = len(stretch.times)
    assert packet.pts is not None
    stretch.times.append(packet.pts)
    if packet.is_keyframe:
        stretch.keys.append(number)
        if found := _text_in(bytes(packet)[:MAX_HEAD]):
            stretch.texts.append((number, found))
    if number and packet.has_sidedata("new_extradata"):
        stretch.changed_at.append(number)


def _text_in(data: bytes) -> str:
    for pattern in ENCODERS.values():
        if match := pattern.search(data):
            return match.group().decode("ascii")
    return ""


def seen_in_coding(stretch: Stretch, time_base: Fraction) -> Seen:
    """What times, keyframes and encoders' texts tell."""
    texts = [text for _, text in stretch.texts]
    ordered = sorted(stretch.times)
    much = () if stretch.is_all else (f"the first {len(stretch.times):,} frames",)
    return Seen(
        noticed=(
            *seen_programs([_short(text) for text in texts[:1]]),
            *_joined(stretch, ordered, time_base),
            *_uneven_keys(stretch, time_base),
            *_gaps(ordered, time_base),
            *(("Reading broke off before its end: the file is damaged or cut off.",) if stretch.broke else ()),
        ),
        facts=(
            *(("looked at", words) for words in much),
            *(("encoder", quoted(text)) for text in texts[:1]),
            *((("sound encoder", quoted(stretch.sound_text)),) if stretch.sound_text else ()),
            *_frame_times(ordered, time_base),
            *_keyframes(stretch),
        ),
    )


def _short(text: str) -> str:
    """An encoder's text with what tells most of its settings."""
    name = text.partition(" - H.264")[0].partition(" - [")[0].partition(":[")[0][:60]
    settings = dict(SETTINGS.findall(text))
    return f"{name} ({', '.join(f'{key} {value}' for key, value in settings.items())})" if settings else name


def _joined(stretch: Stretch, ordered: Sequence[int], time_base: Fraction) -> tuple[str, ...]:
    """Where an encoder began anew in the middle of the file."""
    later = sorted({number for number, _ in stretch.texts if number} | set(stretch.changed_at))
    # Some encoders repeat their text at each keyframe.
    if not later or len(later) > max(1, len(stretch.keys) // 2):
        return ()
    at = ", ".join(f"{float((stretch.times[number] - ordered[0]) * time_base):.1f} s" for number in later[:4])
    return (
        f"An encoder began anew at {at}: what was encoded apart was joined there without encoding it again. Programs "
        "that put clips together do this, and live streams after a break.",
    )


def _groups(stretch: Stretch) -> list[int]:
    return [after - before for before, after in pairwise(stretch.keys)]


def _uneven_keys(stretch: Stretch, time_base: Fraction) -> tuple[str, ...]:
    """One or two keyframes that come early where all others come evenly."""
    groups = _groups(stretch)
    if not groups:
        return ()
    usual, number = Counter(groups).most_common(1)[0]
    breaks = [index for index, length in enumerate(groups) if length != usual]
    if usual < 2 or number < MIN_GROUPS or not 0 < len(breaks) <= MAX_BREAKS:
        return ()
    first = min(stretch.times)
    at = " and ".join(
        f"{float((stretch.times[stretch.keys[index + 1]] - first) * time_base):.1f} s (after {groups[index]:,} frames)"
        for index in breaks
    )
    return (
        f"A keyframe comes every {usual:,} frames, but not at {at}. Encoders set one where a new shot begins; where "
        "clips are joined without encoding them again there is one, too.",
    )


def _keyframes(stretch: Stretch) -> Iterator[tuple[str, str]]:
    groups = _groups(stretch)
    if len(stretch.keys) == len(stretch.times):
        yield "keyframes", "every frame is one"
        return
    if not groups:
        yield "keyframes", f"one in {len(stretch.times):,} frames" if stretch.keys else "none"
        return
    usual, number = Counter(groups).most_common(1)[0]
    if number == len(groups):
        yield "keyframes", f"every {usual:,} frames"
    else:
        yield "keyframes", f"at uneven distances, {min(groups):,} to {max(groups):,} frames, mostly {usual:,}"
    leading = sum(
        any(time < stretch.times[key] for time in stretch.times[key + 1 : key + 8]) for key in stretch.keys[1:]
    )
    if leading:
        yield "groups of frames", "open: some frames lean on the group after them"


def _frame_times(ordered: Sequence[int], time_base: Fraction) -> Iterator[tuple[str, str]]:
    steps = [after - before for before, after in pairwise(ordered)]
    if not steps:
        return
    usual = median(steps)
    if usual <= 0:
        yield "frame times", "most frames are shown at the same time as another"
        return
    rate = f"{float(1 / (Fraction(usual) * time_base)):.3f}".rstrip("0").rstrip(".")
    # A clock of thousandths rounds each frame's time.
    tolerance = max(Fraction(1), Fraction(1, 1000) / time_base)
    if all(abs(step - usual) <= tolerance for step in steps):
        yield "frame times", f"even, {rate} a second"
        return
    low, high = (float(step * time_base * 1000) for step in (min(steps), max(steps)))
    yield (
        "frame times",
        f"uneven, {low:.0f} to {high:.0f} ms apart, mostly {rate} a second; phones and screens record so",
    )


def _gaps(ordered: Sequence[int], time_base: Fraction) -> tuple[str, ...]:
    steps = [after - before for before, after in pairwise(ordered)]
    if not steps:
        return ()
    noticed = []
    usual = median(steps)
    gaps = [index for index, step in enumerate(steps) if step * time_base >= GAP_S and step > 3 * usual]
    if gaps:
        at = ", ".join(f"{float((ordered[index] - ordered[0]) * time_base):.1f} s" for index in gaps[:4])
        many = f", and {len(gaps) - 4:,} more" if len(gaps) > 4 else ""
        noticed.append(
            f"The picture stands still for half a second or longer after {at}{many}, because no frame is there. Busy "
            "phones, screen recordings and broken connections leave such gaps, and so does cutting frames out."
        )
    if repeated := sum(step == 0 for step in steps):
        noticed.append(
            f"{repeated:,} frames are to be shown at the same time as another. Faulty converters write this, and "
            "joining."
        )
    return tuple(noticed)
