"""Rendered frames as files: folders of pictures with their facts, clips, and whole cases for the benchmark.

A frame's picture is written last and whole, so that a rendering that was killed goes on at the first frame it lacks.
"""

import json
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import av
import cv2
import numpy as np
from av.video.frame import VideoFrame
from jaxtyping import UInt8

from countenance.actors.actor import Actor, draw_actor
from countenance.actors.caster import Caster
from countenance.actors.figure import Figure, build_figure, build_truth, pose_figure
from countenance.actors.filming import (
    filmed_landmarks,
    filmed_masks,
    filmed_pictures,
    pictures_in,
    write_motion,
)
from countenance.actors.performance import FRAME_RATE, Performance, draw_performance, still
from countenance.actors.props import draw_props
from countenance.actors.render import (
    RENDERING,
    ActorFrame,
    DrawFigure,
    RendererName,
    detail_of,
    opened_renderer,
    render_figure,
)
from countenance.actors.scene import Camera, Lamp, Light, Scene, Shot
from countenance.actors.staging import draw_scene
from countenance.capture.presets import draw_capture
from countenance.capture.settings import KINDS, Capture, CaptureKind
from countenance.errors import UsageError
from countenance.progress import Progress
from countenance.project import write_whole

REFERENCE_SHOT = Shot(
    num_frames=1,
    light=Light(
        environment="studio",
        turn_deg=0.0,
        strength=0.9,
        lamps=(Lamp(azimuth_deg=-25.0, elevation_deg=30.0, power_w=6.0, size_m=0.6, rgb=(1.0, 1.0, 1.0)),),
    ),
    camera=Camera(),
)
TRAINING_SHOTS = 4
SCREEN_TEST_FRAMES, SCREEN_TEST_STEP, SCREEN_TEST_SHOTS, SCREEN_TEST_SIZE = 64, 8, 6, 320
FACTS_NAME = "rendering.json"
CRF = 14
Rgb = UInt8[np.ndarray, "S S 3"]


@dataclass(frozen=True, kw_only=True, slots=True)
class CaseSpec:
    """A case of the benchmark; numbers are seeds."""

    name: str
    likeness: int
    performer: int
    performance: int
    scene: int
    renderer: RendererName = "caster"
    size: int = 256
    training_frames: int = 240
    plate_frames: int = 48
    capture: CaptureKind | None = None
    """The camera of plate and ground truth, the same for both; training clips are then filmed with others. None leaves
    everything as rendered."""
    props: int | None = None
    """Seed of what the performer wears and holds in plate and ground truth; None: nothing. Training clips have none."""

    def plate_capture(self) -> Capture | None:
        """The camera of plate and ground truth."""
        return None if self.capture is None else draw_capture(self.scene, self.capture)

    def training_capture(self, number: int) -> Capture | None:
        """The camera of a person's training clip: of another kind than the plate's, and than the other person's."""
        if self.capture is None:
            return None
        kind = KINDS[(KINDS.index(self.capture) + number) % len(KINDS)]
        return draw_capture(1_000_000 + 10 * self.scene + number, kind)


def draw_portrait(caster: Caster, size: int) -> Rgb:
    """An actor's portrait for their release: frontal and neutral, in studio light; drawn by the caster."""
    posed = pose_figure(caster.figure, still(), 0)
    return caster.draw(posed, REFERENCE_SHOT.camera, REFERENCE_SHOT.light, size).rgb


def claim_folder(folder: Path, facts: Mapping[str, object]) -> None:
    """Record in a folder what is rendered into it, so that two renderings are never mixed.

    Raises:
        UsageError: it holds another rendering, or something that is none.
    """
    path = folder / FACTS_NAME
    told = json.dumps({**facts, "rendering": RENDERING}, indent=1, sort_keys=True)
    if path.exists():
        if path.read_text() != told:
            raise UsageError(f"{folder} holds another rendering, see {path}; choose another folder")
        return
    if folder.is_dir() and any(folder.iterdir()):
        raise UsageError(f"{folder} holds files that are not a rendering; choose another folder")
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(path, told.encode())


def render_folder(
    figure: Callable[[], Figure],
    performance: Performance,
    scene: Scene,
    renderer: DrawFigure,
    folder: Path,
    *,
    size: int,
    num_frames: int,
    what: str,
    progress: Progress,
    with_motion: bool = False,
) -> None:
    """Frames, labels, masks, depth and facts into a folder, and motion if asked for; what is there is kept."""
    for name in ("rgb", "labels", "mask", "depth", "facts", *(("motion",) if with_motion else ())):
        (folder / name).mkdir(parents=True, exist_ok=True)
    missing = [index for index in range(num_frames) if not (folder / "rgb" / f"{index:04}.png").exists()]
    if not missing:
        return
    frames = render_figure(figure(), performance, scene, renderer, size=size, frames=missing, with_motion=with_motion)
    for frame in progress.track(frames, what=what, unit="frames", total=num_frames, done=num_frames - len(missing)):
        write_frame(folder, frame)


def write_frame(folder: Path, frame: ActorFrame) -> None:
    """One frame's files; the picture is the last."""
    name = f"{frame.index:04}"
    facts: dict[str, object] = {
        "landmarks_xy": np.round(frame.landmarks_xy, 2).tolist(),
        "yaw_pitch_roll_deg": [round(angle, 3) for angle in frame.yaw_pitch_roll_deg],
        "gaze_deg": [round(angle, 3) for angle in frame.gaze_deg],
    }
    if frame.motion_xy is not None and frame.landmarks_motion_xy is not None:
        facts["landmarks_motion_xy"] = np.round(frame.landmarks_motion_xy, 3).tolist()
        write_motion(folder / "motion" / f"{name}.npz", frame.motion_xy)
    write_whole(folder / "facts" / f"{name}.json", json.dumps(facts).encode())
    write_whole(folder / "labels" / f"{name}.png", png(frame.labels))
    write_whole(folder / "mask" / f"{name}.png", png(np.round(frame.face_mask * 255).astype(np.uint8)))
    tenths_of_mm = np.round(frame.depth * 10_000).clip(0, 65535).astype(np.uint16)
    write_whole(folder / "depth" / f"{name}.png", png(tenths_of_mm))
    write_whole(folder / "rgb" / f"{name}.png", png(frame.rgb))


def png(picture: np.ndarray) -> bytes:
    """A grey or RGB picture as PNG; depth is in tenths of a millimetre."""
    if picture.ndim == 3:
        picture = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    return bytes(cv2.imencode(".png", picture)[1])


def write_pictures(folder: Path, pictures: Iterable[np.ndarray]) -> None:
    """Pictures as numbered PNG files, each whole."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, picture in enumerate(pictures):
        write_whole(folder / f"{number:04}.png", png(picture))


def write_clip(path: Path, pictures: Iterable[UInt8[np.ndarray, "H W 3"]], size_wh: tuple[int, int]) -> None:
    """An H.264 clip of rendered pictures."""
    part = path.with_name(f".{path.name}")
    with av.open(str(part), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=FRAME_RATE, options={"crf": str(CRF), "preset": "fast"})
        stream.width, stream.height = size_wh
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1
        for picture in pictures:
            container.mux(stream.encode(VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    part.rename(path)


def render_screen_test(actor: Actor, portrait: Path, clip: Path, progress: Progress) -> None:
    """What a face set of an actor needs: a portrait, and a clip of varied poses, expressions and lights.

    The clip's frames are `SCREEN_TEST_STEP` frames of a performance apart, so that few show much. Drawn by the caster.

    Raises:
        ActorError: packages are missing, or a render failed.
    """
    # Far from the seeds that people give to plates, as for a case's training clip.
    seed, length = 1_000_000 + 10 * actor.seed + 1, SCREEN_TEST_FRAMES * SCREEN_TEST_STEP
    figure = build_figure(actor, detail_of("caster", SCREEN_TEST_SIZE))
    with opened_renderer("caster") as renderer:
        scene = Scene(seed=0, shots=(REFERENCE_SHOT,))
        frame = next(render_figure(figure, still(), scene, renderer, size=SCREEN_TEST_SIZE, frames=[0]))
        write_whole(portrait, png(frame.rgb))
        frames = render_figure(
            figure,
            draw_performance(seed, length),
            draw_scene(seed, length, SCREEN_TEST_SHOTS),
            renderer,
            size=SCREEN_TEST_SIZE,
            frames=range(0, length, SCREEN_TEST_STEP),
        )
        what = f"rendering actor {actor.seed}"
        shown = progress.track(frames, what=what, unit="frames", total=SCREEN_TEST_FRAMES)
        write_clip(clip, (frame.rgb for frame in shown), (SCREEN_TEST_SIZE, SCREEN_TEST_SIZE))


def render_case(case: CaseSpec, folder: Path, progress: Progress) -> None:
    """All files of a case: both people's training clips and reference pictures, the plate, and both truths.

    Raises:
        ActorError: packages or Blender are missing, or a render failed.
        UsageError: the folder holds another rendering.
    """
    likeness, performer = draw_actor(case.likeness), draw_actor(case.performer)
    claim_folder(folder, asdict(case))
    with opened_renderer(case.renderer) as renderer:
        for role, actor, number in (("likeness", likeness, 1), ("performer", performer, 2)):
            _render_training(case, role, actor, number, renderer, folder, progress)
        performance = draw_performance(case.performance, case.plate_frames)
        scene = draw_scene(case.scene, case.plate_frames)
        detail = detail_of(case.renderer, case.size)
        props = () if case.props is None else draw_props(case.props)
        made: Sequence[tuple[str, Callable[[], Figure]]] = (
            ("plate", lambda: build_figure(performer, detail, props)),
            ("truth", lambda: build_truth(likeness, performer, "likeness", detail, props)),
            ("truth_toned", lambda: build_truth(likeness, performer, "performer", detail, props)),
        )
        for name, figure in made:
            render_folder(
                figure,
                performance,
                scene,
                renderer,
                folder / "frames" / name,
                size=case.size,
                num_frames=case.plate_frames,
                what=f"{case.name}: {name.replace('_', ' ')}",
                progress=progress,
                with_motion=case.capture is not None,
            )
    frames, capture = folder / "frames", case.plate_capture()
    for name, _ in made:
        if capture is None:
            shutil.copytree(frames / name / "rgb", folder / name, dirs_exist_ok=True)
        else:
            write_pictures(folder / name, filmed_pictures(frames / name, capture))
    if capture is None:
        shutil.copytree(frames / "truth" / "mask", folder / "mask", dirs_exist_ok=True)
    else:
        write_pictures(folder / "mask", filmed_masks(frames / "truth", capture))
    write_clip(folder / "plate.mp4", pictures_in(folder / "plate"), (case.size, case.size))
    facts = _facts(frames / "plate" / "facts")
    known = {
        **{name: _landmarks(frames / name, capture, case.size) for name in ("truth", "plate")},
        "yaw_pitch_roll_deg": [each["yaw_pitch_roll_deg"] for each in facts],
        "gaze_deg": [each["gaze_deg"] for each in facts],
    }
    write_whole(folder / "landmarks.json", json.dumps(known).encode())


def _render_training(
    case: CaseSpec, role: str, actor: Actor, number: int, renderer: DrawFigure, folder: Path, progress: Progress
) -> None:
    clip, reference = folder / f"{role}_training.mp4", folder / f"{role}.png"
    if clip.exists() and reference.exists():
        return
    built: list[Figure] = []

    def figure() -> Figure:
        if not built:
            built.append(build_figure(actor, detail_of(case.renderer, case.size)))
        return built[0]

    scene = Scene(seed=0, shots=(REFERENCE_SHOT,))
    frame = next(render_figure(figure(), still(), scene, renderer, size=case.size, frames=[0]))
    write_whole(reference, png(frame.rgb))
    # Far from the seeds that people give to plates.
    seed = 1_000_000 + 10 * actor.seed + number
    work = folder / "frames" / f"{role}_training"
    render_folder(
        figure,
        draw_performance(seed, case.training_frames),
        draw_scene(seed, case.training_frames, TRAINING_SHOTS),
        renderer,
        work,
        size=case.size,
        num_frames=case.training_frames,
        what=f"{case.name}: training clip of the {role}",
        progress=progress,
        with_motion=case.capture is not None,
    )
    capture = case.training_capture(number)
    pictures = pictures_in(work / "rgb") if capture is None else filmed_pictures(work, capture)
    write_clip(clip, pictures, (case.size, case.size))
    shutil.rmtree(work)


def _landmarks(folder: Path, capture: Capture | None, size: int) -> list[object]:
    if capture is None:
        return [each["landmarks_xy"] for each in _facts(folder / "facts")]
    return [np.round(points, 2).tolist() for points in filmed_landmarks(folder, capture, size)]


def _facts(folder: Path) -> list[dict[str, object]]:
    return [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
