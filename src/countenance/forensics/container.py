"""What the container of a video says of itself: its texts, its streams, and who wrote it."""

from collections.abc import Iterator
from datetime import datetime
from fractions import Fraction

from av.audio.codeccontext import AudioCodecContext
from av.container import InputContainer
from av.video.stream import VideoStream

from countenance.forensics.clock import TOLERANCE, apart, day
from countenance.forensics.programs import seen_programs
from countenance.forensics.seen import Seen, quoted

FORMATS = {
    "matroska": "Matroska or WebM",
    "mpegts": "MPEG transport stream",
    "asf": "Windows Media",
    "avi": "AVI",
    "flv": "Flash video",
}
TEXTS = {
    "encoder": "written by",
    "encoded_by": "written by",
    "software": "written by",
    "com.apple.quicktime.software": "written by",
    "writing_application": "written by",
    "make": "camera",
    "com.apple.quicktime.make": "camera",
    "com.android.manufacturer": "camera",
    "model": "camera model",
    "com.apple.quicktime.model": "camera model",
    "com.android.model": "camera model",
    "com.android.version": "Android",
    "com.android.capture.fps": "frames a second as captured",
    "title": "title",
    "comment": "comment",
    "description": "description",
    "artist": "author",
    "com.apple.quicktime.author": "author",
    "copyright": "copyright",
    "com.apple.quicktime.creationdate": "recorded",
    "timecode": "timecode",
    "reel_name": "reel",
}
"""Keys of FFmpeg's metadata, and what they are called here."""
PLACES = {"location", "location-eng", "com.apple.quicktime.location.iso6709", "xyz"}
PROGRAM_KEYS = {key for key, name in TEXTS.items() if name == "written by"}
CAMERA_KEYS = {key for key, name in TEXTS.items() if name in {"camera", "camera model", "Android"}}
NO_CAMERAS = {
    "vp8": "Web sites and browsers write VP8",
    "vp9": "Web sites such as YouTube write VP9",
    "av1": "Web sites, and some programs and graphics cards, write AV1",
    "theora": "Programs write Theora",
    "ffv1": "Archives and programs write FFV1",
    "huffyuv": "Programs write HuffYUV",
    "utvideo": "Programs write Ut Video",
    "qtrle": "Programs write QuickTime Animation",
    "png": "Programs write PNG as video",
    "flv1": "Web sites wrote Flash video",
}
WEBCAM_CODECS = {"vp8", "vp9", "av1"}
MAX_APART_S = Fraction(1, 2)


def seen_in_container(container: InputContainer, stream: VideoStream) -> Seen:
    """What metadata and streams tell, without reading a frame."""
    texts = {**{key.lower(): value for key, value in container.metadata.items()}}
    for each in container.streams:
        for key in ("encoder", "timecode"):
            if key in each.metadata:
                texts.setdefault(f"{each.type} {key}", each.metadata[key])
    written = [value for key, value in texts.items() if key in PROGRAM_KEYS or key.endswith(" encoder")]
    codec = stream.codec_context.codec.canonical_name
    names = container.format.name
    return Seen(
        noticed=(*seen_programs(written), *_no_camera(codec), *_recorded(texts), *_lengths(container, stream)),
        facts=(
            ("container", _container(names, texts)),
            *_told(texts),
            *_camera(texts),
            ("coded as", _coded(stream)),
            *_sound(container),
            *_turned(stream),
        ),
    )


def _container(names: str, texts: dict[str, str]) -> str:
    if "mov" not in names:
        return next((words for name, words in FORMATS.items() if name in names), names)
    brand = texts.get("major_brand", "").strip()
    if brand == "qt":
        return "MOV (QuickTime)"
    return f"MP4 (brand {quoted(brand)})" if brand else "MP4 or MOV without a brand"


def _told(texts: dict[str, str]) -> Iterator[tuple[str, str]]:
    for key, value in texts.items():
        name = TEXTS.get(key) or ("encoder" if key.endswith(" encoder") else None)
        if name is not None and value.strip():
            yield name, quoted(value)


def _camera(texts: dict[str, str]) -> tuple[tuple[str, str], ...]:
    place = ("place", "noted in the file" if PLACES & texts.keys() else "not noted")
    return (place,) if CAMERA_KEYS & texts.keys() else (("camera", "not noted"), place)


def _coded(stream: VideoStream) -> str:
    context = stream.codec_context
    profile = f", profile {context.profile}" if context.profile else ""
    return (
        f"{context.codec.canonical_name}{profile}, {context.width} × {context.height}, {context.pix_fmt or 'unknown'}"
    )


def _sound(container: InputContainer) -> Iterator[tuple[str, str]]:
    if not container.streams.audio:
        yield "sound", "none"
    for each in container.streams.audio[:4]:
        # Mypy doesn't know that a stream without a decoder has no context.
        context: AudioCodecContext | None = each.codec_context
        codec = "unknown" if context is None else context.codec.canonical_name
        yield "sound", f"{codec}, {each.rate or 0} Hz"


def _turned(stream: VideoStream) -> tuple[tuple[str, str], ...]:
    turn = stream.metadata.get("rotate")
    return (("turned", f"by {quoted(turn)}° as it is shown"),) if turn else ()


def _no_camera(codec: str) -> tuple[str, ...]:
    if codec not in NO_CAMERAS:
        return ()
    webcam = " Browsers also record webcams so." if codec in WEBCAM_CODECS else ""
    return (
        f"{NO_CAMERAS[codec]}, and hardly any camera does: most likely this was encoded after it was recorded.{webcam}",
    )


def _recorded(texts: dict[str, str]) -> tuple[str, ...]:
    """That the camera's own note of the time and the container's are apart."""
    recorded = _time(texts.get("com.apple.quicktime.creationdate", ""))
    created = _time(texts.get("creation_time", ""))
    if recorded is None or created is None or abs(recorded - created) <= TOLERANCE * 5:
        return ()
    return (
        f"It was recorded on {day(recorded)} by the camera's note, and this file was made {apart(created, recorded)} "
        f"{'later' if created > recorded else 'earlier'}. Sharing or trimming a clip on a phone makes a new file.",
    )


def _time(text: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time if time.tzinfo else None


def _lengths(container: InputContainer, stream: VideoStream) -> tuple[str, ...]:
    """That pictures and sound don't begin or end together."""
    pictures = _span(stream)
    for sound in container.streams.audio:
        heard = _span(sound)
        if pictures is None or heard is None:
            continue
        begin, end = heard[0] - pictures[0], heard[1] - pictures[1]
        if abs(begin) > MAX_APART_S or abs(end) > MAX_APART_S:
            parts = [
                f"{verb} {abs(float(off)):.1f} s {'after' if off > 0 else 'before'} the pictures"
                for verb, off in (("begins", begin), ("ends", end))
                if abs(off) > MAX_APART_S
            ]
            return (
                f"The sound {' and '.join(parts)}. Some cameras and live streams do this, and programs that cut one "
                "without the other or put other sound below.",
            )
    return ()


def _span(stream: object) -> tuple[Fraction, Fraction] | None:
    start = getattr(stream, "start_time", None)
    length = getattr(stream, "duration", None)
    base = getattr(stream, "time_base", None)
    if length is None or not base:
        return None
    return (start or 0) * base, ((start or 0) + length) * base
