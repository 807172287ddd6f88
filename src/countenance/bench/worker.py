"""One piece of the benchmark's work, in a process of its own: a crash costs one result, and memory is each method's.

python -m countenance.bench.worker TASK.json
"""

import json
import resource
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from countenance.bench.cases import Case, CaseFiles, case_files
from countenance.bench.judge.measure import (
    FrameMeasures,
    Judge,
    References,
    farthest_frames,
    measured_frames,
    summarise,
)
from countenance.bench.judge.metrics import Mask
from countenance.bench.methods import PLATE, Job, stages
from countenance.bench.production import make_production, opened_production, read_references
from countenance.bench.truth import CHANGED_CODE, RESULT_NAME, code_digest
from countenance.demo.compare import pictures
from countenance.errors import CountenanceError
from countenance.progress import Silent
from countenance.project import write_whole

DIGEST_NAME = "digest"


class ChangedCodeError(CountenanceError):
    """Nothing that is measured from here on would belong together."""

    exit_code = CHANGED_CODE


def make_case(case: Case, production: Path, code: str) -> None:
    """Render a case if it is missing, and remake its project if files or code have changed."""
    files = case_files(case, Silent())
    digest = f"{files.digest()} {code}"
    marker = production / DIGEST_NAME
    if not marker.exists() or marker.read_text() != digest:
        make_production(files, production, Silent())
        write_whole(marker, digest.encode())


def run_method(case: Case, method: str, stops_s: tuple[float, ...], production: Path, output: Path) -> dict[str, Any]:
    """Train, draw, measure; leaves a video for each stage in `output`."""
    files, references = case_files(case, Silent()), read_references(production)
    if method == PLATE:
        measures = summarise(_measured(files.plate, files, Judge(), references))
        return {"stages": [{"cpu_s": 0.0, "images": 0, "measures": asdict(measures)}], "peak_memory_mb": None}

    # A copy, so that methods of one case can run side by side.
    own = output / "production"
    if own.exists():
        shutil.rmtree(own)
    shutil.copytree(production, own)
    found: list[dict[str, Any]] = []
    trained_mb = 0
    videos: list[Path] = []
    with opened_production(own) as project:
        for number, stage in enumerate(
            stages(method, Job(project=project, files=files, stops_s=stops_s, progress=Silent()))
        ):
            # Before anything is drawn: the peak memory of a process never falls.
            trained_mb = trained_mb or _peak_memory_mb()
            begun = time.process_time()
            video = output / f"stage-{number}.mp4"
            stage.publish(video)
            videos.append(video)
            found.append(
                {
                    "cpu_s": round(stage.cpu_s, 2),
                    "images": stage.images,
                    "generate_cpu_s": round(time.process_time() - begun, 2),
                }
            )
    peak_memory_mb = {"train": trained_mb, "generate": _peak_memory_mb()}
    shutil.rmtree(own)
    judge = Judge()
    for stage_facts, video in zip(found, videos, strict=True):
        frames = _measured(video, files, judge, references)
        stage_facts["measures"] = asdict(summarise(frames))
        stage_facts["farthest"] = [asdict(frame) for frame in farthest_frames(frames)]
    return {"stages": found, "peak_memory_mb": peak_memory_mb}


def _measured(result: Path, files: CaseFiles, judge: Judge, references: References) -> list[FrameMeasures | None]:
    return list(measured_frames(pictures(result), pictures(files.truth), masks_of(files), references, judge))


def masks_of(files: CaseFiles) -> Iterator[Mask]:
    """The ground truth's face masks, 0–1."""
    return masks_in(files.masks)


def masks_in(folder: Path) -> Iterator[Mask]:
    """Face masks that lie in a folder, 0–1."""
    for path in sorted(folder.glob("*.png")):
        picture = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        assert picture is not None
        yield picture.astype(np.float32) / 255


def _peak_memory_mb() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1024 if sys.platform != "darwin" else 1024**2))


def work(task: Mapping[str, Any]) -> None:
    """Do one task, as `truth` describes it.

    Raises:
        ChangedCodeError: the code is no longer the one that the benchmark began with.
        CountenanceError: it failed.
    """
    if code_digest() != task["code"]:
        raise ChangedCodeError(
            "the code was changed while the benchmark ran; run it again; results that still hold are kept"
        )
    case, production = Case(**task["case"]), Path(task["production"])
    if task["method"] is None:
        make_case(case, production, task["code"])
        return
    output = Path(task["output"])
    output.mkdir(parents=True, exist_ok=True)
    result = run_method(case, task["method"], tuple(task["stops_s"]), production, output)
    write_whole(output / RESULT_NAME, json.dumps({"digest": task["digest"], **result}, indent=1).encode())


def main() -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    try:
        work(json.loads(Path(sys.argv[1]).read_text()))
    except CountenanceError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
