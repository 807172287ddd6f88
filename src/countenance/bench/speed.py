"""The speed benchmark: what training, preparing and generating cost, as ratios to the rebuilt peers in the same run.

Every figure is taken in a process of its own, on one thread, so that memory is each one's own too.
"""

import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import cycle, islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar, get_args

import av
import cv2
import numpy as np
import torch

from countenance.bench.cases import DEMO, ROLES, Case, CaseFiles, case_files
from countenance.bench.extra import require_extra
from countenance.bench.finding.profile import Cost, profile
from countenance.bench.methods import OURS, images_per_cpu_s
from countenance.bench.peers import BATCH_SIZE, PEERS, RESOLUTION, PeerDrawer, PeerName, PeerTraining
from countenance.bench.production import (
    LIKENESS,
    PERFORMER,
    PUBLISHING,
    make_production,
    opened_production,
    publish_swap,
    references_for,
)
from countenance.bench.table import markdown
from countenance.bench.truth import machine
from countenance.consent.permit import grant, grant_prepare
from countenance.demo import data_folder
from countenance.demo.compare import pictures
from countenance.faces.config import PrepareConfig
from countenance.faces.portrait import template_of
from countenance.media.probe import probe
from countenance.media.reader import read_frames
from countenance.media.timeline import read_timeline
from countenance.model.config import TrainConfig
from countenance.model.guided.pairs import material_of
from countenance.model.guided.sources import CONTROL_SIZE, sources_of
from countenance.model.step import lesson_of
from countenance.progress import Progress, Silent
from countenance.steps.drawings import DRAWN_SIZES, Preset
from countenance.steps.generate import GenerateConfig, Pair, generate
from countenance.steps.prepare import prepare

FRAME_WH = (1280, 720)
NUM_FRAMES, NUM_FRAMES_TO_PREPARE = 48, 480
FILE_TO_FILE = {FRAME_WH: 240, (1920, 1080): 96}
"""Sizes of frames that are drawn from file to file, and how many of them."""
CLOSE_UP_WH, CLOSE_UP, NUM_FRAMES_CLOSE_UP = (1920, 1080), 1.8, 12
ANOTHER_ZOOM = 1.1
FRAME_RATE = 24
THREADS = 2
STEPS = 4
ANOTHER_DIFFERENCE, YET_ANOTHER_DIFFERENCE = 0.0301, 0.0302
"""Settings slightly off the default, so that the scan runs again."""

Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """One measured thing."""

    what: str
    method: str
    value: float
    unit: str
    peak_memory_mb: int


DECODING, PREPARING = "decoding alone, 720p", "preparing, 720p"
ALONE, TOGETHER = "one thread", f"{THREADS} threads"


def run_speed(progress: Progress) -> dict[str, Any]:
    """Measure everything; some minutes.

    Raises:
        UsageError: the extra `bench` isn't installed.
    """
    require_extra()
    with tempfile.TemporaryDirectory() as folder:
        production = Path(folder) / "production"
        files = _large_case(Path(folder) / "case")
        works: list[Callable[[], Figure]] = [
            _startup,
            *(partial(_peer_training, name) for name in get_args(PeerName)),
            partial(_decoding, files),
            partial(_preparing, files, production),
            partial(_our_training, production),
            partial(_decoding_together, files),
            partial(_preparing_together, production),
            *(partial(_peer_generating, files, production, name) for name in get_args(PeerName)),
            *(partial(_base_generating, files, production, preset) for preset in get_args(Preset)),
            *(partial(_base_from_file_to_file, files, production, wh, count) for wh, count in FILE_TO_FILE.items()),
            partial(_base_in_close_up, files, production),
        ]
        figures = list(progress.track(_each_alone(works), what="measuring", unit="figures", total=len(works)))
        with _one_process() as pool:
            parts = pool.submit(_alone, partial(_profile, files)).result()
    return {
        "machine": machine(),
        "figures": [asdict(figure) for figure in figures],
        "prepare_ms_a_frame": [asdict(part) for part in parts],
    }


def speed_table(results: dict[str, Any]) -> str:
    """Markdown: all figures, and where preparing spends its time.

    The ratio is to the fastest of the peers in the same work; of preparing, to decoding alone on as many threads.
    """
    figures = results["figures"]
    best = {
        what: max(f["value"] for f in figures if f["what"] == what and f["method"] in PEERS)
        for what in {f["what"] for f in figures if f["method"] in PEERS}
    }
    decoding = {f["method"]: f["value"] for f in figures if f["what"] == DECODING}

    def ratio(figure: dict[str, Any]) -> str:
        if figure["what"] == PREPARING and figure["method"] in decoding:
            return f"{figure['value'] / decoding[figure['method']]:.2f}"
        return f"{figure['value'] / best[figure['what']]:.1f}" if figure["what"] in best else "–"

    lines = [
        (
            figure["what"],
            figure["method"],
            f"{figure['value']:.1f}" if figure["value"] >= 10 else f"{figure['value']:.2f}",
            figure["unit"],
            ratio(figure),
            f"{figure['peak_memory_mb']:,}",
        )
        for figure in figures
    ]
    parts = results["prepare_ms_a_frame"]
    total_ms = sum(part["ms"] for part in parts)
    spent = [(part["what"], f"{part['ms']:.1f}", f"{part['ms'] / total_ms:.0%}") for part in parts]
    return "\n".join(
        [
            markdown(("what", "method", "value", "unit", "ratio", "peak MB"), lines),
            "",
            markdown(
                (f"part of {PREPARING}", "ms a frame, one thread", "share"),
                [*spent, ("all", f"{total_ms:.1f}", "100%")],
            ),
        ]
    )


def _one_process() -> ProcessPoolExecutor:
    """A new one for each work, so that memory is each one's own."""
    return ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1)


def _each_alone(works: list[Callable[[], Figure]]) -> Iterator[Figure]:
    with _one_process() as pool:
        for work in works:
            yield pool.submit(_measured, work).result()


def _alone(work: Callable[[], Result]) -> Result:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    return work()


def _measured(work: Callable[[], Figure]) -> Figure:
    figure = _alone(work)
    who = resource.RUSAGE_SELF if figure.what != "start" else resource.RUSAGE_CHILDREN
    peak = resource.getrusage(who).ru_maxrss
    return replace(figure, peak_memory_mb=round(peak / (1024 if sys.platform != "darwin" else 1024**2)))


def _figure(what: str, method: str, value: float, unit: str) -> Figure:
    return Figure(what=what, method=method, value=value, unit=unit, peak_memory_mb=0)


def _startup() -> Figure:
    begun = time.monotonic()
    for _ in range(STEPS):
        command = [sys.executable, "-m", "countenance", "train", "--help"]
        subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - this Python and our own command
    return _figure("start", "countenance train --help", (time.monotonic() - begun) / STEPS, "s")


def _faces(resolution: int) -> list[torch.Tensor]:
    """Two people of noise: speed doesn't depend on image content."""
    random = torch.Generator().manual_seed(1)
    side = 2 * resolution
    return [torch.randint(0, 256, (16, 4, side, side), generator=random, dtype=torch.uint8) for _ in range(2)]


def _our_training(production: Path) -> Figure:
    with opened_production(production) as project:
        sources = sources_of(*(references_for(project, role) for role in ROLES))
        faces = (iter(references_for(project, role, STEPS).faces) for role in ROLES)
    config = TrainConfig(threads=1, device="cpu")
    lesson = lesson_of(material_of(sources, *faces), torch.device("cpu"))
    speed = images_per_cpu_s(config, lesson, STEPS)
    what = f"learning from the base, {CONTROL_SIZE} px"
    return _figure(what, f"{OURS}, batch {config.batch_size}", speed, "images per CPU-s")


def _peer_training(name: PeerName) -> Figure:
    training = PeerTraining(PEERS[name], _faces(RESOLUTION))
    training.step()
    begun = time.process_time()
    for _ in range(STEPS):
        training.step()
    speed = STEPS * BATCH_SIZE / (time.process_time() - begun)
    return _figure(_training(RESOLUTION), name, speed, "images per CPU-s")


def _training(resolution: int) -> str:
    return f"training, {resolution} px"


def _decoding(files: CaseFiles) -> Figure:
    begun = time.process_time()
    count = sum(1 for _ in read_frames(probe(files.training(PERFORMER))))
    return _figure(DECODING, ALONE, count / (time.process_time() - begun), "frames per CPU-s")


def _decoding_together(files: CaseFiles) -> Figure:
    """The clip in as many parts as there are threads."""
    info = probe(files.training(PERFORMER))
    timeline = read_timeline(info, Silent())
    firsts = [round(part * NUM_FRAMES_TO_PREPARE / THREADS) for part in range(THREADS)]

    def decode(first: int) -> None:
        frames = read_frames(info, first_index=first, first_pts=int(timeline.frame_pts[first]))
        for _ in islice(frames, NUM_FRAMES_TO_PREPARE // THREADS):
            pass

    begun = time.monotonic()
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(decode, firsts))
    return _figure(DECODING, TOGETHER, NUM_FRAMES_TO_PREPARE / (time.monotonic() - begun), "frames per s")


def _preparing(files: CaseFiles, production: Path) -> Figure:
    make_production(files, production, Silent())
    spent_s = _prepared(production, ANOTHER_DIFFERENCE, 1, time.process_time)
    return _figure(PREPARING, ALONE, NUM_FRAMES_TO_PREPARE / spent_s, "frames per CPU-s")


def _preparing_together(production: Path) -> Figure:
    spent_s = _prepared(production, YET_ANOTHER_DIFFERENCE, THREADS, time.monotonic)
    return _figure(PREPARING, TOGETHER, NUM_FRAMES_TO_PREPARE / spent_s, "frames per s")


def _prepared(production: Path, min_difference: float, threads: int, clock: Callable[[], float]) -> float:
    """Seconds from the file to its stored faces, nets loaded and all."""
    with opened_production(production) as project:
        permit = grant_prepare(project, PERFORMER)
        limits = PrepareConfig(min_difference=min_difference, threads=threads)
        begun = clock()
        prepare(project, PERFORMER, permit, limits, progress=Silent())
        return clock() - begun


def _profile(files: CaseFiles) -> list[Cost]:
    return profile(files.training(PERFORMER), template_of([files.reference(PERFORMER)]))


def _base_generating(files: CaseFiles, production: Path, preset: Preset) -> Figure:
    """The default of `generate`: nothing is trained."""
    spent_s = _generated(production, files.plate, _untrained(preset), time.process_time)
    return _figure(_generating(DRAWN_SIZES[preset]), f"base, {preset}", NUM_FRAMES / spent_s, "frames per CPU-s")


def _base_from_file_to_file(files: CaseFiles, production: Path, frame_wh: tuple[int, int], num_frames: int) -> Figure:
    """A plate that was never looked at, its faces found, drawn and published as a user does it, on two threads."""
    width, height = frame_wh
    plate = files.folder / f"another_{height}.mp4"
    _write_large(data_folder() / "performance.mp4", plate, num_frames, (width, height), zoom=ANOTHER_ZOOM)
    config = GenerateConfig(model="base", threads=THREADS)
    spent_s = _generated(production, plate, config, time.monotonic)
    what = f"finding and generating, {height}p, {DRAWN_SIZES['standard']} px"
    return _figure(what, f"base, standard, {THREADS} threads", num_frames / spent_s, "frames per s")


def _base_in_close_up(files: CaseFiles, production: Path) -> Figure:
    """A face that fills the frame, found, drawn and published."""
    plate = files.folder / "close_up.mp4"
    _write_large(data_folder() / "performance.mp4", plate, NUM_FRAMES_CLOSE_UP, CLOSE_UP_WH, zoom=CLOSE_UP)
    spent_s = _generated(production, plate, _untrained("fine"), time.process_time)
    what = "finding and generating, close-up, 1080p"
    return _figure(what, "base, fine", NUM_FRAMES_CLOSE_UP / spent_s, "frames per CPU-s")


def _untrained(preset: Preset) -> GenerateConfig:
    return replace(PUBLISHING, model="base", preset=preset)


def _generated(production: Path, plate: Path, config: GenerateConfig, clock: Callable[[], float]) -> float:
    """Seconds from one file to the other, nets loaded and all; faces that are known already aren't found again."""
    with opened_production(production) as project:
        permit = grant(project, "generate", likeness=LIKENESS, performer=PERFORMER)
        pair = Pair(likeness=LIKENESS, performer=PERFORMER, permit=permit, is_disguise=False)
        output = production / "generated.mp4"
        begun = clock()
        generate(project, plate, [pair], output, config, overwrite=True, progress=Silent())
        return clock() - begun


def _peer_generating(files: CaseFiles, production: Path, name: PeerName) -> Figure:
    drawer = PeerDrawer(PEERS[name].build().eval())
    with opened_production(production) as project:
        output = production / "generated.mp4"
        begun = time.process_time()
        publish_swap(project, files.plate, drawer, output, Silent())
        spent_s = time.process_time() - begun
    return _figure(_generating(RESOLUTION), name, NUM_FRAMES / spent_s, "frames per CPU-s")


def _generating(resolution: int) -> str:
    return f"generating, 720p, {resolution} px"


def _large_case(folder: Path) -> CaseFiles:
    """The demo's case with the performer's clips at 720p."""
    demo = case_files(Case(name=DEMO), Silent())
    folder.mkdir()
    large = CaseFiles(case=demo.case, folder=folder)
    for role in ROLES:
        for path in (demo.reference(role), demo.training(role)):
            shutil.copyfile(path, folder / path.name)
    plate = demo.plate
    _write_large(plate, large.plate, NUM_FRAMES)
    _write_large(plate, large.training(PERFORMER), NUM_FRAMES_TO_PREPARE)
    return large


def _write_large(
    small: Path, large: Path, num_frames: int, frame_wh: tuple[int, int] = FRAME_WH, *, zoom: float = 1.0
) -> None:
    """Square frames, or with a zoom their middles, in the middle of larger ones, forth and back; never published."""
    width, height = frame_wh
    frames = list(pictures(small))
    with av.open(large, "w") as container:
        stream = container.add_stream("libx264", rate=FRAME_RATE, width=width, height=height)
        stream.pix_fmt = "yuv420p"
        for rgb in islice(cycle([*frames, *frames[-2:0:-1]]), num_frames):
            canvas = np.full((height, width, 3), 96, np.uint8)
            left = (width - height) // 2
            margin = round(len(rgb) * (1 - 1 / zoom) / 2)
            part = rgb[margin : len(rgb) - margin, margin : len(rgb) - margin]
            canvas[:, left : left + height] = cv2.resize(part, (height, height), interpolation=cv2.INTER_CUBIC)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(canvas, format="rgb24")))
        container.mux(stream.encode(None))
