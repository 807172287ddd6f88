"""Look for a person's faces in all of a clip, several stretches at once, so that a stopped scan goes on.

A stretch is looked at by itself, without anything remembered from the one before it: that makes it the unit of storing,
of going on and of working side by side, and the result the same however often a scan was cut or on how many threads it
ran. Threads, not processes: decoder, nets and OpenCV let go of Python's lock while they work.
"""

import hashlib
import json
import logging
import queue
import threading
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import accumulate, islice

import numpy as np
from jaxtyping import Float32

from countenance.faces.config import PrepareConfig
from countenance.faces.look import Looker, largest_crop
from countenance.faces.store import (
    FoundTrack,
    Others,
    Purpose,
    Scan,
    close_scan,
    join_tracks,
    open_scan,
    scan_state,
    store_stretch,
    stored_stretches,
    track_places,
)
from countenance.geometry import overlap
from countenance.media.reader import read_frames
from countenance.media.timeline import Timeline
from countenance.progress import Progress, if_many
from countenance.project import Project
from countenance.threads import one_thread_per_net
from countenance.types import Frame, MediaInfo
from countenance.vision.identity import Embedding, Recogniser
from countenance.vision.segment import Segmenter
from countenance.vision.track import MAX_GAP_FRAMES, MIN_CONTINUITY

_log = logging.getLogger(__name__)

STRETCH_FRAMES = 96
VERSION = 4
"""Raised when faces are looked for or cut differently: what was stored before is looked for again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Stretch:
    first: int
    end: int
    """Frame after the last."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Looked:
    stretch: _Stretch
    tracks: tuple[FoundTrack, ...]
    others: Others


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Task:
    """What every stretch of a scan has in common."""

    info: MediaInfo
    timeline: Timeline
    template: Embedding
    config: PrepareConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class Nets:
    """The nets that run in torch and are shared by all threads."""

    recogniser: Recogniser
    segmenter: Segmenter | None
    """None where only the faces' places are wanted, as in a plate: then neither masks nor pictures are stored."""


def scan_clip(
    project: Project,
    person: str,
    purpose: Purpose,
    info: MediaInfo,
    timeline: Timeline,
    template: Embedding,
    nets: Nets,
    config: PrepareConfig,
    *,
    threads: int,
    check_leave: Callable[[], None],
    progress: Progress,
) -> Scan:
    """Look at every stretch that wasn't looked at yet.

    `check_leave` is called before each stretch is stored; what it raises ends the scan, and the stretch is dropped.

    A scan made for another template, or that told near duplicates or other people otherwise, is dropped and made anew.

    Raises:
        MediaError: the clip can't be read to its end.
    """
    scan, state = open_scan(project, person, purpose, info.sha256, _settings(template, config))
    if state == "found":
        return scan
    done = stored_stretches(project, scan)
    stretches = plan_stretches(timeline)
    _log.info("scanning %s: %d of %d stretches are done", info.path, len(done), len(stretches))
    missing = [stretch for stretch in stretches if stretch.first not in done]
    task = _Task(info=info, timeline=timeline, template=template, config=config)
    with one_thread_per_net(), closing(_look_at_all(task, missing, nets, threads)) as looked:
        frames = if_many(progress, len(timeline.frame_pts)).track(
            _stored(project, scan, looked, check_leave),
            what=f"looking for faces in {info.path.name}",
            unit="frames",
            total=len(timeline.frame_pts),
            done=sum(stretch.end - stretch.first for stretch in stretches if stretch.first in done),
        )
        for _ in frames:
            pass
    _join_tracks(project, scan)
    return scan


def is_scanned(
    project: Project, person: str, purpose: Purpose, info: MediaInfo, template: Embedding, config: PrepareConfig
) -> bool:
    """Whether all of a clip was looked at, as it would be looked at today."""
    return scan_state(project, person, purpose, info.sha256, _settings(template, config)) == "found"


def plan_stretches(timeline: Timeline) -> list[_Stretch]:
    """Cut a clip into stretches that end where a shot does, or else before a keyframe, or else anywhere."""
    shots, keyframes = set(timeline.shots), set(timeline.keyframes)
    num_frames = len(timeline.frame_pts)
    stretches, first = [], 0
    while first < num_frames:
        last_choice = min(first + STRETCH_FRAMES, num_frames)
        choices = range(last_choice, first + STRETCH_FRAMES // 2, -1)
        end = last_choice
        if last_choice < num_frames:
            end = next((at for good in (shots, keyframes) for at in choices if at in good), last_choice)
        stretches.append(_Stretch(first=first, end=end))
        first = end
    return stretches


def _settings(template: Embedding, config: PrepareConfig) -> str:
    """All that decides what is stored."""
    return json.dumps(
        {
            "version": VERSION,
            "crop_size": largest_crop(config),
            "template": hashlib.sha256(template.tobytes()).hexdigest(),
            "max_unsure_distance": config.max_unsure_distance,
            "min_difference": config.min_difference,
        },
        sort_keys=True,
    )


# Looking, on several threads.


def _look_at_all(task: _Task, stretches: Sequence[_Stretch], nets: Nets, threads: int) -> Generator[_Looked]:
    """Every stretch as soon as it was looked at; each thread reads on through a part of the clip of its own."""
    finished: queue.Queue[_Looked | BaseException | None] = queue.Queue(maxsize=threads)
    stop = threading.Event()

    def work(part: Sequence[_Stretch]) -> None:
        try:
            looker = Looker(nets.recogniser, nets.segmenter)
            for looked in _look_at_part(task, part, looker):
                if not _put(finished, looked, stop):
                    return
            _put(finished, None, stop)
        except BaseException as error:
            _put(finished, error, stop)

    workers = [
        threading.Thread(target=work, args=(part,), daemon=True, name="looking for faces")
        for part in shared_out(stretches, threads)
    ]
    for worker in workers:
        worker.start()
    try:
        num_working = len(workers)
        while num_working:
            result = finished.get()
            if isinstance(result, BaseException):
                raise result
            if result is None:
                num_working -= 1
            else:
                yield result
    finally:
        stop.set()
        for worker in workers:
            worker.join()


def shared_out(stretches: Sequence[_Stretch], threads: int) -> list[list[_Stretch]]:
    """Successive stretches for each thread, of about as many frames; none where there are fewer stretches."""
    lengths = [stretch.end - stretch.first for stretch in stretches]
    parts: dict[int, list[_Stretch]] = defaultdict(list)
    for stretch, length, until in zip(stretches, lengths, accumulate(lengths), strict=True):
        # The middle decides.
        parts[(2 * until - length) * threads // (2 * sum(lengths))].append(stretch)
    return list(parts.values())


def _put(
    finished: "queue.Queue[_Looked | BaseException | None]",
    result: _Looked | BaseException | None,
    stop: threading.Event,
) -> bool:
    """Hand a result over as soon as there is room; false once nobody waits for it."""
    while not stop.is_set():
        try:
            finished.put(result, timeout=0.2)
        except queue.Full:
            continue
        return True
    return False


def _look_at_part(task: _Task, stretches: Sequence[_Stretch], looker: Looker) -> Iterator[_Looked]:
    """Successive stretches with one reader, as long as nothing that is done already lies between them."""
    frames: Iterator[Frame] = iter(())
    at = -1
    for stretch in stretches:
        if stretch.first != at:
            frames = _frames_from(task, stretch.first)
        num_frames = stretch.end - stretch.first
        tracks, others = looker(islice(frames, num_frames), task.timeline.shots, task.template, task.config)
        yield _Looked(stretch=stretch, tracks=tracks, others=others)
        at = stretch.end


def _frames_from(task: _Task, first: int) -> Iterator[Frame]:
    if first == 0:
        return read_frames(task.info)
    return read_frames(task.info, first_index=first, first_pts=int(task.timeline.frame_pts[first]))


# Storing.


def _stored(project: Project, scan: Scan, looked: Iterable[_Looked], check_leave: Callable[[], None]) -> Iterator[int]:
    """Store each stretch whole, then tell its frames."""
    for each in looked:
        store_stretch(project, scan, each.stretch.first, each.tracks, each.others, check_leave)
        yield from range(each.stretch.first, each.stretch.end)


@dataclass(kw_only=True, slots=True)
class _Ends:
    """Where a track begins and ends."""

    number: int
    shot: int
    first_frame: int
    first_xyxy: Float32[np.ndarray, "4"]
    last_frame: int
    last_xyxy: Float32[np.ndarray, "4"]


def _join_tracks(project: Project, scan: Scan) -> None:
    """Make one of tracks that go on from one stretch into the next, and close the scan."""
    ends: dict[int, _Ends] = {}
    for place in track_places(project, scan):
        if place.track in ends:
            ends[place.track].last_frame, ends[place.track].last_xyxy = place.frame, place.box_xyxy
        else:
            ends[place.track] = _Ends(
                number=place.track,
                shot=place.shot,
                first_frame=place.frame,
                first_xyxy=place.box_xyxy,
                last_frame=place.frame,
                last_xyxy=place.box_xyxy,
            )
    with project.transaction():
        joined: list[_Ends] = []
        for track in sorted(ends.values(), key=lambda each: (each.first_frame, each.number)):
            before = _goes_on_with(track, joined)
            if before is None:
                joined.append(track)
                continue
            before.last_frame, before.last_xyxy = track.last_frame, track.last_xyxy
            join_tracks(project, before.number, track.number)
        close_scan(project, scan)


def _goes_on_with(track: _Ends, earlier: Sequence[_Ends]) -> _Ends | None:
    near = [
        (overlap(each.last_xyxy, track.first_xyxy), each)
        for each in earlier
        if each.shot == track.shot and 0 < track.first_frame - each.last_frame <= MAX_GAP_FRAMES
    ]
    shared, best = max(near, key=lambda each: each[0], default=(0.0, None))
    return best if shared >= MIN_CONTINUITY else None
