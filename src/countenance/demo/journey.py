"""What happens to a published file on its way: its credentials are taken away, it is encoded again, made smaller, cut.

Only the demo's own file, of people who exist nowhere, goes through this. Nothing here touches its watermark on purpose.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from av.video.frame import VideoFrame

from countenance.demo.compare import Rgb, pictures
from countenance.media.probe import probe

CRF = 28
CUT_TO = 0.95
"""Of each side. The clip has 256 px: of more, what is left is too little to compare with what was published."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Station:
    """A copy of a published file, and what was done to it."""

    name: str
    """Of the file."""
    what: str
    """In words."""
    make: Callable[[Path, Path], None]
    """From the published file and the copy's path."""


def without_credentials(source: Path, copy: Path) -> None:
    """The same pictures and sound in a new file, as many a site and messenger makes it."""
    with av.open(source) as old, av.open(copy, "w", format="mp4") as new:
        streams = {stream.index: new.add_stream_from_template(stream) for stream in old.streams}
        for packet in old.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                new.mux(packet)


def encoded_again(source: Path, copy: Path) -> None:
    """Encoded as H.264 at a CRF of 28, without its sound."""
    _encode(source, copy, lambda rgb: rgb)


def smaller(source: Path, copy: Path) -> None:
    """Half as wide and high, then encoded again."""
    _encode(source, copy, lambda rgb: cv2.resize(rgb, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))


def cut(source: Path, copy: Path) -> None:
    """A little less on all sides, off the middle, then encoded again."""
    _encode(source, copy, _cut)


JOURNEY: Sequence[Station] = (
    Station(name="stripped.mp4", what="Its credentials taken away", make=without_credentials),
    Station(name="crf28.mp4", what=f"Encoded again at CRF {CRF}", make=encoded_again),
    Station(name="cut.mp4", what=f"Cut to {CUT_TO:.0%} of each side, encoded again at CRF {CRF}", make=cut),
    Station(name="half.mp4", what=f"Half the size, which here is too small for a mark, and CRF {CRF}", make=smaller),
)


def _cut(rgb: Rgb) -> Rgb:
    height, width = (2 * int(side * CUT_TO / 2) for side in rgb.shape[:2])
    top, left = (rgb.shape[0] - height) // 3, (rgb.shape[1] - width) // 3
    return rgb[top : top + height, left : left + width]


def _encode(source: Path, copy: Path, change: Callable[[Rgb], Rgb]) -> None:
    rate = probe(source).frame_rate or Fraction(24)
    with av.open(copy, "w", format="mp4") as container:
        stream = None
        for rgb in pictures(source):
            picture = np.ascontiguousarray(change(rgb))
            if stream is None:
                stream = container.add_stream("libx264", rate=rate, options={"crf": str(CRF), "preset": "medium"})
                stream.height, stream.width = picture.shape[:2]
                stream.pix_fmt = "yuv420p"
                stream.codec_context.thread_count = 1
            container.mux(stream.encode(VideoFrame.from_ndarray(picture, format="rgb24")))
        if stream is not None:
            container.mux(stream.encode(None))
