"""Makes renders: frames that aren't published yet, under a name that changes with anything that changes them."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import dropwhile
from pathlib import Path

import numpy as np
from jaxtyping import Float32

import countenance
from countenance.composite.disguise import UNMARKED, Disguise, disguised
from countenance.composite.place import PlacedFace
from countenance.composite.swap import NO_TINT, NO_TINTS, first_needed, swap_faces
from countenance.drawing import Drawer
from countenance.media.reader import read_frames
from countenance.media.timeline import Timeline
from countenance.project import private_file
from countenance.types import Frame, MediaInfo, Render
from countenance.vision.segment import Segmenter

VERSION = 9
"""Increment when compositing changes its output: existing fragments are then rendered again."""
LIBRARIES = ("numpy", "opencv-python-headless", "torch")
HIDDEN_NAME = "hidden.jsonl"


class HiddenFaces:
    """The largest hidden fraction of a face in each frame; kept beside the fragments, for renders that go on."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.fraction_at: dict[int, float] = {}
        """By frame index, of all frames rendered so far that had a face replaced."""
        if path.exists():
            # A line that a killed process left unfinished has no end.
            lines = [line for line in path.read_text().splitlines() if line.endswith("]")]
            self.fraction_at = dict(json.loads(line) for line in lines)

    def __call__(self, index: int, fraction: float) -> None:
        """Record it for one frame."""
        if index in self.fraction_at:
            return
        self.fraction_at[index] = fraction
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(self._path, "a", opener=private_file) as file:
            file.write(json.dumps([index, round(fraction, 4)]) + "\n")


@dataclass(frozen=True, kw_only=True, slots=True)
class SwapRender:
    """A render of replaced faces, and what was noticed while it was made."""

    render: Render
    hidden: HiddenFaces
    """Complete once all frames were taken."""


def swap_render(
    plate: MediaInfo,
    timeline: Timeline,
    faces_at: Mapping[int, Sequence[PlacedFace]],
    drawer: Drawer,
    segmenter: Segmenter,
    *,
    renders: Path,
    seed: int,
    tints: Mapping[int, Float32[np.ndarray, "3"]] = NO_TINTS,
    threads: int = 1,
    grain: float = 0.0,
    disguise: Disguise = UNMARKED,
) -> SwapRender:
    """The plate with drawn faces in place of `faces_at`, by frame index.

    `renders` is the project's folder for work in progress; `tints`, `threads` and `grain` are as in `swap_faces`;
    `seed` goes into the credentials; `disguise` is drawn last.
    """

    def frames_from(first: int) -> Iterator[Frame]:
        # The frames on which a frame's colours and its batch depend are computed again.
        begin = first_needed(first, drawer.batch)
        begin_pts = int(timeline.frame_pts[begin])
        place = {"first_index": begin, "first_pts": begin_pts} if begin else {}
        frames = read_frames(plate, **place, native_depth=True)
        swapped = swap_faces(
            frames, faces_at, drawer, segmenter, tints, report_hidden=hidden, threads=threads, grain=grain
        )
        shown = dropwhile(lambda frame: frame.index < first, swapped)
        return disguised(shown, faces_at, disguise, float(timeline.frame_pts[0] * plate.time_base))

    render = frames_render(
        plate,
        frames_from,
        tuple(index in faces_at for index in range(len(timeline.frame_pts))),
        renders=renders,
        digest=drawer.digest,
        seed=seed,
        facts=_swap_facts(faces_at, drawer, segmenter, tints, grain) + disguise.facts,
    )
    hidden = HiddenFaces(render.work_folder / HIDDEN_NAME)
    return SwapRender(render=render, hidden=hidden)


def frames_render(
    plate: MediaInfo,
    frames_from: Callable[[int], Iterator[Frame]],
    altered: tuple[bool, ...],
    *,
    renders: Path,
    digest: str,
    seed: int,
    facts: bytes = b"",
) -> Render:
    """A render of any frames; `digest` stands for what drew them, `facts` for everything else that decides them."""
    versions = {"countenance": countenance.__version__, **{name: version(name) for name in LIBRARIES}}
    name = hashlib.sha256(json.dumps([VERSION, versions, plate.sha256, digest, altered]).encode() + facts)
    return Render(
        plate=plate,
        frames_from=frames_from,
        altered=altered,
        work_folder=renders / name.hexdigest()[:16],
        model_digest=digest,
        seed=seed,
    )


def _swap_facts(
    faces_at: Mapping[int, Sequence[PlacedFace]],
    drawer: Drawer,
    segmenter: Segmenter,
    tints: Mapping[int, Float32[np.ndarray, "3"]],
    grain: float,
) -> bytes:
    digest = hashlib.sha256(f"{drawer.size} {drawer.batch} {segmenter.ran_by} {grain} ".encode())
    for index in sorted(faces_at):
        for face in faces_at[index]:
            digest.update(f"{index} {face.track} {face.presence} ".encode() + face.landmarks_xyz.tobytes())
            digest.update(tints.get(face.track, NO_TINT).tobytes())
    return digest.digest()
