"""Frames of a clip for somebody who looks at one of them again and again, or at the next one, or at any other."""

from collections import OrderedDict
from collections.abc import Generator, Iterator

from countenance.media.reader import read_frames
from countenance.media.timeline import Timeline, is_seeking_better
from countenance.types import Frame, MediaInfo

MAX_BYTES = 128 * 2**20
"""Of frames that are remembered: some 45 of 1280 × 720 in 8 bits."""


class NearFrames:
    """Reads any frames of a clip, at its own depth; the latest are remembered, and decoding goes on where it was.

    A held resource, for one thread; close it.
    """

    def __init__(self, info: MediaInfo, timeline: Timeline, max_bytes: int = MAX_BYTES) -> None:
        self._info, self._timeline, self._max_bytes = info, timeline, max_bytes
        self._kept: OrderedDict[int, Frame] = OrderedDict()
        self._num_bytes = 0
        self._wanted: set[int] = set()
        self._reading: Generator[Frame] | None = None
        self._latest = -1

    def __call__(self, first: int, stop: int) -> Iterator[Frame]:
        """The frames from `first` to the one before `stop`.

        Raises:
            MediaError: damaged.
        """
        for index in range(first, stop):
            frame = self._kept.get(index)
            if frame is None:
                frame = self._read(index)
                self._keep(frame)
            self._kept.move_to_end(index)
            yield frame

    def close(self) -> None:
        """Close the clip, and forget its frames."""
        if self._reading is not None:
            self._reading.close()
        self._reading, self._latest, self._num_bytes = None, -1, 0
        self._kept.clear()

    def _read(self, index: int) -> Frame:
        if self._reading is None or index <= self._latest or is_seeking_better(self._timeline, self._latest, index):
            if self._reading is not None:
                self._reading.close()
            self._wanted = {index}
            first_pts = int(self._timeline.frame_pts[index]) if index else None
            self._reading = read_frames(
                self._info, first_index=index, first_pts=first_pts, native_depth=True, wanted=self._wanted
            )
        # The reader asks for each frame whether it is wanted.
        self._wanted.add(index)
        frame = next(self._reading)
        self._wanted.discard(index)
        self._latest = index
        return frame

    def _keep(self, frame: Frame) -> None:
        self._kept[frame.index] = frame
        self._num_bytes += frame.pixels.nbytes
        while self._num_bytes > self._max_bytes and len(self._kept) > 1:
            _, oldest = self._kept.popitem(last=False)
            self._num_bytes -= oldest.pixels.nbytes
