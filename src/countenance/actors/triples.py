"""Rendering of a corpus of triples. It can be stopped at any moment, or killed, and goes on where it was.

References come first, so that whatever is there can be trained on. Then all takes of one performer after another, as
they share a figure; the two skins of a ground truth share the geometry, its rays and its shadows.
"""

import json
import logging
import multiprocessing
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import dataclass, replace
from itertools import groupby
from multiprocessing.synchronize import Event
from pathlib import Path

import numpy as np

from countenance.actors.actor import draw_actor
from countenance.actors.caster import Caster
from countenance.actors.figure import Figure, build_figure, build_truth, pose_figure, toned
from countenance.actors.head import BONES, Matrix, bone_matrices, load_head
from countenance.actors.landmarks import landmark_points
from countenance.actors.materials import Look
from countenance.actors.performance import Performance, draw_performance
from countenance.actors.props import draw_props
from countenance.actors.render import FROM_IMAGE_AXES, detail_of
from countenance.actors.scene import Camera, Scene
from countenance.actors.staging import draw_scene
from countenance.actors.triples_files import (
    MANIFEST_NAME,
    Frames,
    Motion,
    References,
    Triple,
    person_path,
    read_plan,
    rendered_takes,
    take_path,
    write_references,
    write_triple,
)
from countenance.actors.triples_plan import (
    FRAMES,
    NUM_REFERENCES,
    REFERENCE_LENGTH,
    REFERENCE_SHOTS,
    Plan,
    Take,
    TriplesSpec,
    plan_triples,
    reference_performance,
)
from countenance.errors import ActorError, UsageError
from countenance.progress import Progress
from countenance.project import write_whole
from countenance.vision.align import angles_of

logger = logging.getLogger(__name__)

CLOSER = 0.88
"""Of what a scene's camera sees. A face is then 115 to 155 pixels high in an image of 256, brow to chin, and in all but
one of a hundred frames whole; frames aren't cropped, as any crop can be cut from them, and only once."""
BYTES_A_PIXEL = 1.1
"""Of an image with its labels, mask and points: the most of what was measured; 0.8 is usual."""
IMAGES_A_FRAME = 3
SPARE_BYTES = 1e9
LENGTH = FRAMES[-1] + 1
TOLD_EVERY_S = 60.0


@dataclass(frozen=True, kw_only=True, slots=True)
class TriplesState:
    """Progress of a corpus, or of a part of it."""

    takes_done: int
    takes: int
    cpu_s_a_take: float | None
    """Of this call, references not included; None if no take was left to do."""


Render = Callable[[Path, Plan, int, Callable[[], bool]], Iterator[None]]
"""Renders what a person lacks, a file at a time."""


def make_triples(
    folder: Path,
    spec: TriplesSpec,
    *,
    part: tuple[int, int] = (1, 1),
    processes: int = 1,
    progress: Progress,
    should_stop: Callable[[], bool],
) -> TriplesState:
    """Render what is missing of a part, `(2, 8)` the second of eight.

    Raises:
        UsageError: the folder holds something else, there is no such part, or the people are too few.
        ActorError: packages are missing, or the disk is too small.
    """
    number, of = part
    if not 1 <= number <= of:
        raise UsageError(f"there is no part {number} of {of}; parts are 1/{of} to {of}/{of}")
    plan = _begin(folder, spec)
    # In an order of its own, so that all parts get their share of large images, and the time left is a fair guess.
    order = np.random.default_rng([spec.seed, 5]).permutation(len(plan.people)).tolist()[number - 1 :: of]
    chosen = set(order)
    takes = [take for take in plan.takes if take.performer in chosen]
    _check_disk(folder, plan, order, takes)
    if not should_stop():
        missing = [each for each in order if not person_path(folder, each).exists()]
        work = _rendered(_render_references, folder, plan, missing, processes, should_stop)
        for _ in progress.track(
            work, what="references", unit="actors", total=len(order), done=len(order) - len(missing)
        ):
            pass
    done = sum(take_path(folder, take.number).exists() for take in takes)
    begun, before, told = time.monotonic(), done, time.monotonic()
    cpu_s = 0.0
    if not should_stop():
        performers = [each for each in order if _missing_takes(folder, plan, each)]
        work = _rendered(_render_takes, folder, plan, performers, processes, should_stop)
        for spent_s in progress.track(work, what="takes", unit="takes", total=len(takes), done=done):
            done, cpu_s = done + 1, cpu_s + spent_s
            if time.monotonic() - told > TOLD_EVERY_S:
                told = time.monotonic()
                hours = (told - begun) / (done - before) * (len(takes) - done) / 3600
                logger.info(
                    "%d of %d takes, %.1f CPU-s each, %.1f h left", done, len(takes), cpu_s / (done - before), hours
                )
    return TriplesState(
        takes_done=done, takes=len(takes), cpu_s_a_take=cpu_s / (done - before) if done > before else None
    )


def triples_state(folder: Path) -> TriplesState:
    """What a folder holds.

    Raises:
        ActorError: no corpus.
    """
    plan = read_plan(folder)
    return TriplesState(takes_done=len(rendered_takes(folder, plan)), takes=len(plan.takes), cpu_s_a_take=None)


def bytes_needed(plan: Plan, people: Sequence[int], takes: Sequence[Take]) -> float:
    """Of disk, for some people's references and some takes."""
    images = sum(NUM_REFERENCES * plan.people[person].size ** 2 for person in people)
    images += sum(IMAGES_A_FRAME * len(FRAMES) * plan.people[take.performer].size ** 2 for take in takes)
    return BYTES_A_PIXEL * images


def _begin(folder: Path, spec: TriplesSpec) -> Plan:
    plan, path = plan_triples(spec), folder / MANIFEST_NAME
    if path.exists():
        read_plan(folder)
        there = json.loads(path.read_text())
        if {**there, "countenance": None} != {**plan.facts, "countenance": None}:
            raise UsageError(f"{folder} holds another corpus, see {path}; choose another folder")
    else:
        if folder.is_dir() and any(folder.iterdir()):
            raise UsageError(f"{folder} holds files that are no corpus; choose another folder")
        for name in ("people", "takes"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps(plan.facts, indent=1).encode())
    return plan


def _check_disk(folder: Path, plan: Plan, people: Sequence[int], takes: Sequence[Take]) -> None:
    lacking = [person for person in people if not person_path(folder, person).exists()]
    missing = [take for take in takes if not take_path(folder, take.number).exists()]
    needed, free = bytes_needed(plan, lacking, missing), shutil.disk_usage(folder).free
    logger.info("%d takes to render, about %.1f GB", len(missing), needed / 1e9)
    if needed + SPARE_BYTES > free:
        raise ActorError(
            f"{len(missing)} takes need about {needed / 1e9:.1f} GB in {folder} and {free / 1e9:.1f} GB are free, of "
            f"which {SPARE_BYTES / 1e9:.0f} GB are left alone; make space or choose another --output"
        )


def _rendered(
    render: Render, folder: Path, plan: Plan, people: Sequence[int], processes: int, should_stop: Callable[[], bool]
) -> Iterator[float]:
    """CPU-seconds of each file that was rendered."""
    if processes == 1:
        for person in people:
            yield from _timed(render(folder, plan, person, should_stop))
            if should_stop():
                return
        return
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    with ProcessPoolExecutor(processes, context, initializer=_begin_worker, initargs=(stop,)) as pool:
        running = {pool.submit(_render_all, render, folder, plan, person) for person in people}
        try:
            while running and not should_stop():
                done, running = wait(running, timeout=1, return_when=FIRST_COMPLETED)
                for future in done:
                    yield from future.result()
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)


def _timed(work: Iterator[None]) -> Iterator[float]:
    begun = time.process_time()
    for _ in work:
        yield time.process_time() - begun
        begun = time.process_time()


class _Worker:
    """What a process of a pool was given when it began."""

    stop: Event


def _begin_worker(stop: Event) -> None:
    # Ctrl-C reaches all processes; the one that began the others decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _Worker.stop = stop


def _render_all(render: Render, folder: Path, plan: Plan, person: int) -> list[float]:
    return list(_timed(render(folder, plan, person, _Worker.stop.is_set)))


def _render_references(folder: Path, plan: Plan, number: int, should_stop: Callable[[], bool]) -> Iterator[None]:
    person = plan.people[number]
    if should_stop() or person_path(folder, number).exists():
        return
    caster = Caster(build_figure(draw_actor(person.seed), detail_of("caster", person.size)))
    performance = reference_performance(person)
    scene = _closer(draw_scene(person.references_seed, REFERENCE_LENGTH, REFERENCE_SHOTS))
    frames, *_ = _draw(caster, [caster.look], performance, scene, person.reference_frames, person.size)
    motion = _motion(caster.figure, performance, scene, person.reference_frames)
    write_references(folder, References(person=person, frames=frames, motion=motion))
    yield


def _render_takes(folder: Path, plan: Plan, number: int, should_stop: Callable[[], bool]) -> Iterator[None]:
    performer, missing = plan.people[number], _missing_takes(folder, plan, number)
    if should_stop() or not missing:
        return
    body, detail = draw_actor(performer.seed), detail_of("caster", performer.size)
    bare = Caster(build_figure(body, detail))
    for (likeness, props_seed), takes in groupby(missing, key=_cast_of):
        face = draw_actor(plan.people[likeness].seed)
        props = () if props_seed is None else draw_props(props_seed)
        plate_caster = Caster(build_figure(body, detail, props)) if props else bare
        truth_caster = Caster(build_truth(face, body, "likeness", detail, props))
        looks = [truth_caster.look, truth_caster.look_of(toned(truth_caster.figure))]
        for take in takes:
            if should_stop():
                return
            performance = draw_performance(take.seed, LENGTH)
            scene = _closer(draw_scene(take.seed, LENGTH))
            (plate,) = _draw(plate_caster, [plate_caster.look], performance, scene, FRAMES, performer.size)
            truth, in_tone = _draw(truth_caster, looks, performance, scene, FRAMES, performer.size)
            motion = _motion(plate_caster.figure, performance, scene, FRAMES)
            write_triple(
                folder, Triple(take=take, plate=plate, truth=truth, truth_toned_rgb=in_tone.rgb, motion=motion)
            )
            yield


def _missing_takes(folder: Path, plan: Plan, performer: int) -> list[Take]:
    """Those that share their figures next to each other."""
    missing = [
        take for take in plan.takes if take.performer == performer and not take_path(folder, take.number).exists()
    ]
    return sorted(missing, key=lambda take: (take.likeness, take.number))


def _cast_of(take: Take) -> tuple[int, int | None]:
    """What a ground truth's figure is built from, but for the performer."""
    return take.likeness, take.props_seed


def _draw(
    caster: Caster,
    looks: Sequence[Look],
    performance: Performance,
    scene: Scene,
    indexes: Sequence[int],
    size: int,
) -> list[Frames]:
    """The frames in each look."""
    rendered, points, depths, matrices = [], [], [], []
    for index in indexes:
        shot, posed = scene.shot_at(index), pose_figure(caster.figure, performance, index)
        rendered.append(caster.draw_as(looks, posed, shot.camera, shot.light, size))
        xy, depth = shot.camera.project(posed.landmarks, size)
        points.append(xy)
        depths.append(depth)
        matrices.append(_world_to_camera(shot.camera) @ posed.head_matrix)
    known = [pictures[0] for pictures in rendered]
    neutral = load_head().skin_levels[1].matrix @ caster.figure.points
    return [
        Frames(
            rgb=np.stack([pictures[number].rgb for pictures in rendered]),
            labels=np.stack([picture.labels for picture in known]),
            face_mask=np.stack([np.round(picture.face_mask * 255).astype(np.uint8) for picture in known]),
            landmarks_xy=np.stack(points).astype(np.float32),
            landmarks_depth_m=np.stack(depths).astype(np.float32),
            head_to_camera=np.stack(matrices).astype(np.float32),
            neutral_xyz_m=landmark_points(neutral).astype(np.float32),
        )
        for number in range(len(looks))
    ]


def _motion(figure: Figure, performance: Performance, scene: Scene, indexes: Sequence[int]) -> Motion:
    angles = []
    for index in indexes:
        yaw, pitch, roll = performance.yaw_pitch_roll_deg[index]
        head = bone_matrices(figure.points, yaw, pitch, roll)[BONES[-1]][:3, :3]
        angles.append(angles_of(scene.shot_at(index).camera.rotation @ head @ FROM_IMAGE_AXES))
    rows = list(indexes)
    return Motion(
        yaw_pitch_roll_deg=np.array(angles, np.float32),
        gaze_deg=performance.gaze_deg[rows].astype(np.float32),
        units={name: curve[rows].astype(np.float32) for name, curve in performance.units.items()},
        focal=np.array([scene.shot_at(index).camera.focal for index in indexes], np.float32),
    )


def _world_to_camera(camera: Camera) -> Matrix:
    matrix = np.eye(4)
    matrix[:3, :3] = camera.rotation
    matrix[:3, 3] = -camera.rotation @ camera.position
    return matrix


def _closer(scene: Scene) -> Scene:
    shots = tuple(
        replace(shot, camera=replace(shot.camera, frame_m=CLOSER * shot.camera.frame_m)) for shot in scene.shots
    )
    return replace(scene, shots=shots)
