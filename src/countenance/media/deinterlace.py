"""Whole frames from interlaced ones: bwdif, which looks at the frame before and the one after."""

from collections import deque
from collections.abc import Iterator

import av
from av.filter import Graph
from av.video.frame import VideoFrame

NUM_NEIGHBOURS = 2
"""So many frames before one must be decoded for it to be the same whatever frame one began with."""


def deinterlaced(frames: Iterator[VideoFrame]) -> Iterator[VideoFrame]:
    """One whole frame for each frame, at its own time; frames that aren't marked as interlaced stay as they are."""
    graph, times = None, deque[int | None]()
    for frame in frames:
        graph = graph or _graph(frame)
        times.append(frame.pts)
        graph.vpush(frame)
        yield from _finished(graph, times)
    if graph is not None:
        graph.vpush(None)
        yield from _finished(graph, times)


def _graph(frame: VideoFrame) -> Graph:
    graph = Graph()
    graph.threads = 1
    entry = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base)
    graph.link_nodes(entry, graph.add("bwdif", "mode=send_frame:parity=auto:deint=interlaced"), graph.add("buffersink"))
    graph.configure()
    return graph


def _finished(graph: Graph, times: "deque[int | None]") -> Iterator[VideoFrame]:
    """What is ready by now; the filter gives frames late and in another time base, but in order and one for each."""
    while True:
        try:
            frame = graph.vpull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return
        frame.pts = times.popleft()
        yield frame
