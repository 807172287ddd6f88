"""Frames of an actor's performance, and ground-truth face swaps, with labels, mask, depth, landmarks, pose and gaze."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, Protocol, runtime_checkable

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from countenance.actors.actor import Actor
from countenance.actors.caster import Caster
from countenance.actors.cycles import BlenderWorker
from countenance.actors.figure import Detail, Figure, Posed, Tone, build_figure, build_truth
from countenance.actors.landmarks import points_68
from countenance.actors.motion import Poses, points_motion
from countenance.actors.performance import Performance
from countenance.actors.scene import Scene, Shot
from countenance.errors import ActorError
from countenance.vision.align import angles_of

RendererName = Literal["caster", "cycles"]
SIZE_OF_DETAIL: tuple[tuple[int, Detail], ...] = ((176, "fast"), (352, "fine"))
"""Up to which size of image the caster needs no more; beyond, skin and hair would show how coarse they are."""
FROM_IMAGE_AXES = np.diag([1.0, -1.0, -1.0])
"""A face's axes have y up and z towards the camera, a picture's y down and z away from it."""
RENDERING = 4
"""Raised when the same seeds give other pixels, so that no folder mixes two renderings."""
SAMPLES = 8
"""Of Cycles, a pixel, before its denoiser."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ActorFrame:
    """One frame and its ground truth."""

    index: int
    rgb: UInt8[np.ndarray, "S S 3"]
    labels: UInt8[np.ndarray, "S S"]
    """`parts.Part` at each pixel's middle."""
    face_mask: Float32[np.ndarray, "S S"]
    """0–1: how much of a pixel shows the face that is replaced."""
    depth: Float32[np.ndarray, "S S"]
    """Metres along the view, 0 where nothing is."""
    landmarks_xy: Float32[np.ndarray, "468 2"]
    """Hidden points too."""
    yaw_pitch_roll_deg: tuple[float, float, float]
    """Of the head as the camera sees it, in `types.FaceQuality`'s sense."""
    gaze_deg: tuple[float, float]
    """Yaw and pitch relative to the head; yaw > 0 to the subject's left, pitch > 0 up."""
    motion_xy: Float32[np.ndarray, "S S 2"] | None = None
    """Pixels a frame of what each pixel shows, for `capture.shutter`; where it was asked for, as the next."""
    landmarks_motion_xy: Float32[np.ndarray, "468 2"] | None = None

    @property
    def landmarks_68_xy(self) -> Float32[np.ndarray, "68 2"]:
        """The same in the older convention."""
        return np.asarray(self.landmarks_xy[points_68()])


@runtime_checkable
class DrawFigure(Protocol):
    """Draws one figure after another."""

    name: RendererName
    cpu_s: float
    """Processor time spent so far in other processes than this one."""

    def load(self, figure: Figure) -> None: ...

    def draw(self, posed: Posed, shot: Shot, size: int) -> UInt8[np.ndarray, "S S 3"] | None:
        """The picture; nothing where the caster, which makes the labels anyway, draws it on the way."""
        ...


class _WithCaster:
    name: RendererName = "caster"
    cpu_s = 0.0

    def load(self, figure: Figure) -> None:
        """Nothing to prepare."""

    def draw(self, posed: Posed, shot: Shot, size: int) -> None:  # noqa: ARG002
        return None


class _WithCycles:
    name: RendererName = "cycles"

    def __init__(self, worker: BlenderWorker, folder: Path, samples: int) -> None:
        self._worker, self._folder, self._samples = worker, folder, samples
        self.cpu_s = 0.0

    def load(self, figure: Figure) -> None:
        self.cpu_s += self._worker.load(figure)

    def draw(self, posed: Posed, shot: Shot, size: int) -> UInt8[np.ndarray, "S S 3"]:
        path = self._folder / "frame.png"
        self.cpu_s += self._worker.draw(posed, shot.camera, shot.light, path, size=size, samples=self._samples)
        picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if picture is None:
            raise ActorError(f"Blender wrote {path}, but it can't be read; check free disk space and try again")
        return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)


@contextmanager
def opened_renderer(name: RendererName, *, samples: int = SAMPLES) -> Iterator[DrawFigure]:
    """A renderer, closed at the end.

    Raises:
        ActorError: Blender isn't set up.
    """
    if name == "caster":
        yield _WithCaster()
        return
    with TemporaryDirectory(prefix="countenance-") as folder, BlenderWorker() as worker:
        yield _WithCycles(worker, Path(folder), samples)


def detail_of(renderer: RendererName, size: int) -> Detail:
    """How finely a figure is built for images of a size."""
    if renderer == "cycles":
        return "full"
    return next((detail for largest, detail in SIZE_OF_DETAIL if size <= largest), "close")


def render(
    actor: Actor, performance: Performance, scene: Scene, renderer: DrawFigure, *, size: int, frames: Iterable[int]
) -> Iterator[ActorFrame]:
    """An actor's performance in a scene, the frames that are asked for."""
    figure = build_figure(actor, detail_of(renderer.name, size))
    return render_figure(figure, performance, scene, renderer, size=size, frames=frames)


def truth(
    likeness: Actor,
    performer: Actor,
    performance: Performance,
    scene: Scene,
    renderer: DrawFigure,
    *,
    tone: Tone,
    size: int,
    frames: Iterable[int],
) -> Iterator[ActorFrame]:
    """The ground truth: what `render` gives for the performer, with the likeness's face; see `build_truth`."""
    figure = build_truth(likeness, performer, tone, detail_of(renderer.name, size))
    return render_figure(figure, performance, scene, renderer, size=size, frames=frames)


def render_figure(
    figure: Figure,
    performance: Performance,
    scene: Scene,
    renderer: DrawFigure,
    *,
    size: int,
    frames: Iterable[int],
    with_motion: bool = False,
) -> Iterator[ActorFrame]:
    """A figure that is built already."""
    renderer.load(figure)
    caster = Caster(figure)
    return render_loaded(caster, performance, scene, renderer, size=size, frames=frames, with_motion=with_motion)


def render_loaded(
    caster: Caster,
    performance: Performance,
    scene: Scene,
    renderer: DrawFigure,
    *,
    size: int,
    frames: Iterable[int],
    with_motion: bool = False,
) -> Iterator[ActorFrame]:
    """The caster's figure, which the renderer has loaded already."""
    poses = Poses(caster.figure, performance, scene)
    for index in frames:
        shot, posed = scene.shot_at(index), poses.at(index)
        around = poses.around(index) if with_motion else None
        drawn = renderer.draw(posed, shot, size)
        picture = caster.draw(posed, shot.camera, shot.light, size, colour=drawn is None, around=around)
        yaw, pitch, roll = angles_of(shot.camera.rotation @ posed.head_matrix[:3, :3] @ FROM_IMAGE_AXES)
        gaze_yaw, gaze_pitch = performance.gaze_deg[index].tolist()
        yield ActorFrame(
            index=index,
            rgb=picture.rgb if drawn is None else drawn,
            labels=picture.labels,
            face_mask=picture.face_mask,
            depth=picture.depth,
            landmarks_xy=shot.camera.project(posed.landmarks, size)[0].astype(np.float32),
            yaw_pitch_roll_deg=(yaw, pitch, roll),
            gaze_deg=(gaze_yaw, gaze_pitch),
            motion_xy=picture.motion_xy,
            landmarks_motion_xy=None
            if around is None
            else points_motion(around.before.landmarks, around.after.landmarks, around.num_frames, shot.camera, size),
        )
