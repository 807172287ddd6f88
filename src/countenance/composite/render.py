"""Makes renders: frames that aren't published yet, under a name that changes with anything that changes them."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from importlib.metadata import version
from itertools import dropwhile, takewhile
from pathlib import Path
from types import MappingProxyType

import cv2
import numpy as np
from jaxtyping import Bool, Float32

import countenance
from countenance.composite.blend import PastedFace
from countenance.composite.cover import NO_COVERS, Covers, covered, facts_of
from countenance.composite.disguise import UNMARKED, Disguise, disguised
from countenance.composite.held import (
    Held,
    Painted,
    PaintedByTrack,
    carry_painted,
    painted_faces,
    show_painted,
)
from countenance.composite.kept import FaceStore
from countenance.composite.place import PlacedFace
from countenance.composite.shot import AS_DRAWN, ShotConfig
from countenance.composite.swap import (
    NO_LOOKS,
    NO_TINT,
    NO_TINTS,
    SMOOTHING_RADIUS,
    Finish,
    HiddenAt,
    end_needed,
    first_needed,
    swap_faces,
)
from countenance.drawing import Drawer
from countenance.media.reader import read_frames
from countenance.media.timeline import Timeline
from countenance.pixels import Pixels
from countenance.project import private_file
from countenance.types import Excerpt, Frame, MediaInfo, Render
from countenance.vision.segment import Segmenter
from countenance.watermark.embed import MIN_WIDTH_HEIGHT

ROOM = "renders"
"""Folder of the project for work in progress."""
VERSION = 10
"""Increment when compositing changes its output: existing fragments are then rendered again."""
LIBRARIES = ("av", "numpy", "opencv-python-headless", "torch")
HIDDEN_NAME = "hidden.jsonl"
PREVIEW_HEIGHT = 540
"""A preview's frames have at most so many lines."""


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
    excerpt: Excerpt | None = None,
    preview_wh: tuple[int, int] | None = None,
    looks: Mapping[int, ShotConfig] = NO_LOOKS,
    store: FaceStore | None = None,
    covers_at: Covers = NO_COVERS,
    held: Held | None = None,
) -> SwapRender:
    """The plate with drawn faces in place of `faces_at`, by frame index.

    `renders` is the project's folder for work in progress; `tints`, `threads`, `grain` and `looks` are as in
    `swap_faces`; `seed` goes into the credentials. What artists painted in `held` frames is carried to those beside;
    `covers_at` come over the faces, and `disguise` is drawn last. Frames of an excerpt are those of the whole; in a
    preview they are made smaller. With a `store` drawn faces are kept for the next render.
    """
    shown = excerpt.frames if excerpt else range(len(timeline.frame_pts))

    def frames_from(first: int) -> Iterator[Frame]:
        done = made(first, shown.stop)
        return done if preview_wh is None else (_resized(frame, preview_wh) for frame in done)

    render = frames_render(
        plate,
        frames_from,
        tuple(index in faces_at or index in covers_at for index in shown),
        renders=renders,
        digest=drawer.digest,
        seed=seed,
        facts={
            **_swap_facts(faces_at, drawer, segmenter, tints, grain, looks),
            "halo and sentence": disguise.facts,
            "covers": facts_of(covers_at),
            "held frames": held.facts if held else b"",
        },
        excerpt=excerpt,
        preview_wh=preview_wh,
    )
    times_s = tuple((timeline.frame_pts[shown.start : shown.stop] * float(plate.time_base)).tolist())
    render = replace(render, times_s=times_s)
    hidden = HiddenFaces(render.work_folder / HIDDEN_NAME)
    made = swapped_frames(
        plate,
        timeline,
        faces_at,
        drawer,
        segmenter,
        tints=tints,
        threads=threads,
        grain=grain,
        disguise=disguise,
        first_shown=shown.start,
        looks=looks,
        store=store,
        covers_at=covers_at,
        held=held,
        report_hidden=hidden,
    )
    return SwapRender(render=render, hidden=hidden)


FramesIn = Callable[[int, int], Iterator[Frame]]
"""From a first frame and the one after the last to the frames between them, in order."""


def swapped_frames(
    plate: MediaInfo,
    timeline: Timeline,
    faces_at: Mapping[int, Sequence[PlacedFace]],
    drawer: Drawer,
    segmenter: Segmenter,
    *,
    tints: Mapping[int, Float32[np.ndarray, "3"]] = NO_TINTS,
    threads: int = 1,
    grain: float = 0.0,
    disguise: Disguise = UNMARKED,
    first_shown: int = 0,
    looks: Mapping[int, ShotConfig] = NO_LOOKS,
    store: FaceStore | None = None,
    covers_at: Covers = NO_COVERS,
    held: Held | None = None,
    report_hidden: HiddenAt | None = None,
    read: FramesIn | None = None,
    are_finished: bool = False,
) -> FramesIn:
    """Makes any frames of the plate with drawn faces in place of `faces_at`, the same whichever are asked for together.

    Arguments are as in `swap_render`; `first_shown` is the frame with which a sentence begins. `read` gives the plate's
    frames, by default from its file. Where all that the drawer draws `are_finished`, fewer frames need be drawn.
    """
    scope = json.dumps([VERSION, _versions(), plate.sha256, drawer.digest, drawer.size, drawer.batch, segmenter.ran_by])
    keep = None if store is None else partial(store.keep, scope)
    num_frames = len(timeline.frame_pts)

    def read_plate(first: int, stop: int) -> Iterator[Frame]:
        first_pts = int(timeline.frame_pts[first]) if first else None
        frames: Iterator[Frame] = read_frames(plate, first_index=first, first_pts=first_pts, native_depth=True)
        # A plate is read to its end, where it may be damaged.
        return frames if stop >= num_frames else takewhile(lambda frame: frame.index < stop, frames)

    def swapped(first: int, stop: int, finish: Finish | None) -> Iterator[Frame]:
        # The frames on which a frame's colours and its batch depend are computed again.
        is_matched = not are_finished or any(looks.get(at, AS_DRAWN).colour > 0 for at in range(first, stop))
        radius = SMOOTHING_RADIUS if is_matched else 0
        begin, end = first_needed(first, drawer.batch, radius), end_needed(stop, drawer.batch, radius)
        return swap_faces(
            (read or read_plate)(begin, min(end, num_frames)),
            faces_at,
            drawer,
            segmenter,
            tints,
            report_hidden=report_hidden,
            threads=threads,
            grain=grain,
            looks=looks,
            keep=keep,
            finish=finish,
        )

    def marked(frame: Frame) -> tuple[Frame, Bool[np.ndarray, "H W"]]:
        under_covers = next(covered([frame], covers_at))
        is_covered = (under_covers.pixels != frame.pixels).any(axis=2)
        return next(disguised([under_covers], faces_at, replace(disguise, sentence=""), 0.0)), is_covered

    finish = None if held is None else _holding(replace(held, marked=marked), swapped)
    first_s = float(timeline.frame_pts[first_shown] * plate.time_base)

    def frames_in(first: int, stop: int) -> Iterator[Frame]:
        wanted: Iterator[Frame] = dropwhile(lambda frame: frame.index < first, swapped(first, stop, finish))
        if stop < num_frames:
            wanted = takewhile(lambda frame: frame.index < stop, wanted)
        return disguised(covered(wanted, covers_at), faces_at, disguise, first_s)

    return frames_in


def _holding(held: Held, swapped: Callable[[int, int, Finish | None], Iterator[Frame]]) -> Finish:
    """Holds to some frames; what was painted in them is found when the first frame is asked for."""

    def painted_at(index: int) -> dict[int, Painted]:
        found: dict[int, Painted] = {}

        def look(frame: Frame, faces: Sequence[PastedFace]) -> Pixels:
            if frame.index == index:
                found.update(painted_faces(frame, faces, held))
            return frame.pixels

        for frame in swapped(index, index + 1, look):
            if frame.index == index:
                break
        return found

    @cache
    def painted() -> PaintedByTrack:
        by_track: dict[int, list[Painted]] = defaultdict(list)
        for index in sorted(held.faces):
            for track, each in painted_at(index).items():
                by_track[track].append(each)
        return by_track

    def finish(frame: Frame, faces: Sequence[PastedFace]) -> Pixels:
        carried = painted()
        here = held.faces.get(frame.index, {})
        beside = {track: each for track, each in carried.items() if track not in here}
        shown = show_painted(frame, faces, held) if here else frame.pixels
        return carry_painted(replace(frame, pixels=shown), faces, beside)

    return finish


def frames_render(
    plate: MediaInfo,
    frames_from: Callable[[int], Iterator[Frame]],
    altered: tuple[bool, ...],
    *,
    renders: Path,
    digest: str,
    seed: int,
    facts: Mapping[str, bytes] = MappingProxyType({}),
    excerpt: Excerpt | None = None,
    preview_wh: tuple[int, int] | None = None,
) -> Render:
    """A render of any frames; `digest` stands for what drew them, `facts` for everything else that decides them, each
    under a name for people.
    """
    shown = {
        "plate": plate.sha256,
        "frames": [excerpt.first if excerpt else None, altered],
        "size": preview_wh,
        "model and references": digest,
        "program": [VERSION, _versions()],
    }
    parts = {name: hashlib.sha256(json.dumps(each).encode()).hexdigest() for name, each in shown.items()}
    parts |= {name: hashlib.sha256(each).hexdigest() for name, each in facts.items()}
    name = hashlib.sha256(json.dumps(parts).encode())
    return Render(
        plate=plate,
        frames_from=frames_from,
        altered=altered,
        work_folder=renders / name.hexdigest()[:16],
        model_digest=digest,
        seed=seed,
        excerpt=excerpt,
        preview_wh=preview_wh,
        parts=parts,
    )


def preview_size(plate: MediaInfo) -> tuple[int, int]:
    """Width and height of a preview, both even: those of the plate, or smaller ones that still carry a watermark."""
    least = MIN_WIDTH_HEIGHT / min(plate.resolution_wh)
    scale = min(1.0, max(PREVIEW_HEIGHT / plate.resolution_wh[1], least))
    width, height = (max(2, 2 * round(side * scale / 2)) for side in plate.resolution_wh)
    return width, height


def _resized(frame: Frame, size_wh: tuple[int, int]) -> Frame:
    return replace(frame, pixels=cv2.resize(frame.pixels, size_wh, interpolation=cv2.INTER_AREA))


def _versions() -> dict[str, str]:
    return {"countenance": countenance.__version__, **{name: version(name) for name in LIBRARIES}}


def _swap_facts(
    faces_at: Mapping[int, Sequence[PlacedFace]],
    drawer: Drawer,
    segmenter: Segmenter,
    tints: Mapping[int, Float32[np.ndarray, "3"]],
    grain: float,
    looks: Mapping[int, ShotConfig],
) -> dict[str, bytes]:
    faces, skin, shots = hashlib.sha256(), hashlib.sha256(), hashlib.sha256()
    for index in sorted(faces_at):
        for face in faces_at[index]:
            faces.update(f"{index} {face.track} {face.presence} ".encode() + face.landmarks_xyz.tobytes())
            skin.update(f"{index} {face.track} ".encode() + tints.get(face.track, NO_TINT).tobytes())
        if faces_at[index] and index in looks:
            shots.update(f"{index} {looks[index]!r}".encode())
    return {
        "preset": f"{drawer.size} {drawer.batch} {segmenter.ran_by}".encode(),
        "grain": str(grain).encode(),
        "places of the faces": faces.digest(),
        "skin": skin.digest(),
        "shots": shots.digest(),
    }
