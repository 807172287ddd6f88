"""What happens to marked clips and pictures before the mark is read."""

import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import cast

import av
import cv2
import numpy as np
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from jaxtyping import UInt8
from PIL import Image

from tools.watermark.clips import FPS, HEIGHT, WIDTH

Frame = UInt8[np.ndarray, "H W 3"]


@dataclass(frozen=True, kw_only=True)
class Attack:
    """A change to each frame, one to their times, and an encoding."""

    name: str
    target: float
    """Fraction of clips that must still be read."""
    change: Callable[[Frame], Frame] = lambda frame: frame
    retime: Callable[[Sequence[Frame]], Sequence[Frame]] = lambda frames: frames
    codec: str = "libx264"
    crf: int = 23
    preset: str = "veryfast"
    num_frames: int = 48
    """Of the clip's 96, from the first on; what doesn't depend on the encoding is tried on half of them."""


def crop(frame: Frame, part: float = 0.7, at: tuple[float, float] = (0.37, 0.61)) -> Frame:
    """A part of each side."""
    height, width = frame.shape[:2]
    new_height, new_width = (int(length * part) // 2 * 2 for length in (height, width))
    y, x = int(at[1] * (height - new_height)), int(at[0] * (width - new_width))
    return np.ascontiguousarray(frame[y : y + new_height, x : x + new_width])


def resize(frame: Frame, width: int, height: int, interpolation: int = cv2.INTER_AREA) -> Frame:
    return cv2.resize(frame, (width, height), interpolation=interpolation)


def enlarged(frame: Frame) -> Frame:
    """To the clips' size again."""
    return resize(frame, WIDTH, HEIGHT, cv2.INTER_CUBIC)


def rotate(frame: Frame, angle_deg: float) -> Frame:
    """Turned about its centre; black where nothing is."""
    height, width = frame.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), angle_deg, 1)
    return cv2.warpAffine(frame, matrix, (width, height), flags=cv2.INTER_LINEAR)


def brighten(frame: Frame, factor: float, more: float) -> Frame:
    return np.asarray(np.clip(frame * np.float32(factor) + np.float32(more), 0, 255), np.uint8)


def gamma(frame: Frame, exponent: float) -> Frame:
    table = np.rint(255 * (np.arange(256) / 255) ** exponent).astype(np.uint8)
    return cv2.LUT(frame, table)


def at_rate(frames: Sequence[Frame], fps: int) -> Sequence[Frame]:
    """The nearest frames at another rate."""
    count = len(frames) * fps // FPS
    return [frames[min(len(frames) - 1, round(index * FPS / fps))] for index in range(count)]


ATTACKS = (
    Attack(name="H.264 CRF 23", target=0.99, num_frames=96),
    Attack(name="H.264 CRF 28", target=0.99, num_frames=96, crf=28, preset="medium"),
    Attack(name="H.265 CRF 28", target=0.99, num_frames=96, crf=28, codec="libx265", preset="fast"),
    Attack(name="crop to 70%", target=0.99, change=crop),
    Attack(name="crop to 70%, enlarged", target=0.99, change=lambda frame: enlarged(crop(frame))),
    Attack(name="half size", target=0.99, change=lambda frame: resize(frame, 640, 360)),
    Attack(name="turned by 5°", target=0.99, change=lambda frame: rotate(frame, 5)),
    Attack(name="turned by −5°", target=0.99, change=lambda frame: rotate(frame, -5)),
    Attack(name="brighter", target=0.99, change=lambda frame: brighten(frame, 1.15, 15)),
    Attack(name="darker", target=0.99, change=lambda frame: brighten(frame, 0.7, 0)),
    Attack(name="gamma 0.7", target=0.99, change=lambda frame: gamma(frame, 0.7)),
    Attack(name="gamma 1.4", target=0.99, change=lambda frame: gamma(frame, 1.4)),
    Attack(name="24 → 30 frames a second", target=0.99, retime=lambda frames: at_rate(frames, 30)),
    Attack(name="24 → 10 frames a second", target=0.99, num_frames=96, retime=lambda frames: at_rate(frames, 10)),
    Attack(name="H.264 CRF 33", target=0.9, num_frames=96, crf=33, preset="medium"),
    Attack(name="360p, H.264 CRF 28", target=0.9, num_frames=96, change=lambda frame: resize(frame, 640, 360), crf=28),
)
"""Those whose name tells no encoding are encoded again as H.264 at CRF 23."""


def encoded(frames: Iterable[Frame], *, codec: str = "libx264", crf: int, preset: str, fps: int = FPS) -> bytes:
    """An MP4 file."""
    file = io.BytesIO()
    options = {"crf": str(crf), "preset": preset}
    if codec == "libx265":
        options["x265-params"] = "log-level=none:pools=1:frame-threads=1"
    with av.open(file, "w", format="mp4") as container:
        stream: VideoStream | None = None
        for frame in frames:
            if stream is None:
                stream = cast("VideoStream", container.add_stream(codec, rate=Fraction(fps), options=options))
                stream.height, stream.width = frame.shape[:2]
                stream.pix_fmt = "yuv420p"
                stream.codec_context.thread_count = 1
            container.mux(stream.encode(VideoFrame.from_ndarray(frame, format="rgb24")))
        assert stream is not None, "a clip has frames"
        container.mux(stream.encode(None))
    return file.getvalue()


def decoded(film: bytes) -> Iterable[Frame]:
    """The frames of a file."""
    with av.open(io.BytesIO(film), "r") as container:
        container.streams.video[0].codec_context.thread_count = 1
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="rgb24")


def attacked(frames: Sequence[Frame], attack: Attack) -> bytes:
    """The file that is left."""
    taken = frames[: attack.num_frames]
    kept = attack.retime(taken)
    fps = round(FPS * len(kept) / len(taken))
    return encoded(
        (attack.change(frame) for frame in kept), codec=attack.codec, crf=attack.crf, preset=attack.preset, fps=fps
    )


def jpeg(picture: Frame, quality: int) -> Frame:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def screenshot(picture: Frame) -> Frame:
    """Shown at 83% in a window on a grey screen."""
    height, width = picture.shape[:2]
    small = resize(picture, round(width * 0.83), round(height * 0.83), cv2.INTER_LINEAR)
    screen = np.full((round(height * 1.1), round(width * 1.1), 3), 60, np.uint8)
    screen[:40] = 210
    screen[60 : 60 + small.shape[0], 90 : 90 + small.shape[1]] = small
    return screen


PICTURE_ATTACKS: dict[str, Callable[[Frame], Frame]] = {
    "JPEG quality 75": lambda picture: jpeg(picture, 75),
    "JPEG quality 50": lambda picture: jpeg(picture, 50),
    "half size, JPEG quality 90": lambda picture: jpeg(
        resize(picture, picture.shape[1] // 2, picture.shape[0] // 2), 90
    ),
    "crop to 70%, JPEG quality 90": lambda picture: jpeg(crop(picture), 90),
    "screenshot at 83%": screenshot,
}
