"""The whole job on two synthetic actors, in a fresh project, and a check of the result."""

import json
import resource
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from countenance.consent.permit import grant, grant_prepare
from countenance.consent.register import add_release
from countenance.demo import data_folder
from countenance.demo.compare import compare, write_comparison
from countenance.errors import UsageError
from countenance.faces.config import PrepareConfig
from countenance.faces.portrait import template_of
from countenance.media.probe import probe
from countenance.model.checkpoint import model_folder
from countenance.model.config import TrainConfig
from countenance.model.record import PREVIEW_NAME
from countenance.progress import Progress
from countenance.project import Project, create, opened, write_whole
from countenance.steps.collect import collect
from countenance.steps.generate import GenerateConfig, Generated, Pair, generate
from countenance.steps.guards import Guard
from countenance.steps.prepare import prepare
from countenance.steps.train import train
from countenance.steps.verify import verify

LIKENESS, PERFORMER = "zuri", "kofi"
MADE = ("project", "published.mp4", "trained.mp4", "comparison.png", "preview.png", "report.json")
DRAWING = GenerateConfig()
QUICK_DRAWING = replace(DRAWING, preset="draft")
TRAINING = TrainConfig(images=1_200, faces=120, threads=1)
"""One thread: at such small batches a second one gains little, and on a busy machine costs far more."""


def run_demo(
    output: Path,
    *,
    overwrite: bool,
    progress: Progress,
    should_stop: Callable[[], bool],
    drawing: GenerateConfig = DRAWING,
    training: TrainConfig | None = None,
) -> None:
    """Leave `published.mp4`, `comparison.png` and `report.json` in the output folder.

    With a training, the two are learned as well, and `trained.mp4` and `preview.png` show what came of it.

    Raises:
        UsageError: the folder holds something and `overwrite` isn't set.
    """
    _make_room(output, overwrite=overwrite)
    data, begun, seconds = data_folder(), time.monotonic(), {}

    def begin(verb: str, what: str) -> None:
        if should_stop():
            raise KeyboardInterrupt
        seconds[verb] = round(time.monotonic() - begun, 1)
        progress.note(f"\n{what}")

    begin("new", "Making a project. Both people in it are rendered; they exist nowhere else.")
    create(output / "project", use="research", title="Countenance demo")
    with opened(output / "project") as project, project.writing():
        begin("release", f"Adding both releases: {LIKENESS} lends her face, {PERFORMER} the performance.")
        for person in (LIKENESS, PERFORMER):
            add_release(project, data / f"{person}.release.toml", template_of)

        begin("collect", "Collecting a training clip of each: four shots, four lights, ten seconds.")
        for person in (LIKENESS, PERFORMER):
            collect(project, person, [data / f"{person}_training.mp4"], progress=progress)

        begin("prepare", "Preparing their faces: find, align, recognise, judge.")
        prepared = {
            person: prepare(project, person, grant_prepare(project, person), PrepareConfig(), progress=progress)
            for person in (LIKENESS, PERFORMER)
        }

        begin("generate", f"Putting {LIKENESS}'s face onto a performance of {PERFORMER}, from her pictures alone.")
        plate, truth = data / "performance.mp4", data / "truth_zuri"
        published_path, trained_path = output / "published.mp4", output / "trained.mp4"
        permit = grant(project, "generate", likeness=LIKENESS, performer=PERFORMER)
        pair = Pair(likeness=LIKENESS, performer=PERFORMER, permit=permit, is_disguise=False)

        def generated(path: Path, config: GenerateConfig) -> Generated:
            return generate(project, plate, [pair], path, config, overwrite=False, progress=progress)

        result = generated(published_path, drawing)
        shown, trained_facts = {"plate": plate, "result": published_path}, dict[str, Any]()
        if training is not None:
            begin("train", f"Learning the two from {training.images:,} images, to compare with.")
            trained_facts = _train(project, training, progress, should_stop)
            trained_facts["drawn_with"] = generated(trained_path, replace(drawing, model="trained")).drawn_with
            shutil.copyfile(model_folder(project, LIKENESS, PERFORMER) / PREVIEW_NAME, output / "preview.png")
            shown["trained"] = trained_path

        begin("verify", "Verifying the published file, as anybody can.")
        report = verify(published_path, project)
        for finding in report.findings:
            progress.note(f"  {finding.about}: {finding.summary}")

        begin("compare", "Comparing with the truth: the same frames rendered with her face on his head.")
        guard = Guard(project, permit, "generate", people=(LIKENESS, PERFORMER))
        likenesses = compare(guard, LIKENESS, plate, published_path, truth, progress=progress)
        if training is not None:
            trained_facts["identity"] = compare(guard, LIKENESS, plate, trained_path, truth, progress=progress)
        guard.check()
        write_comparison(output / "comparison.png", {**shown, "truth": truth})
        begin("end", f"Look at {output / 'comparison.png'} and {published_path}.")

    info = probe(published_path)
    facts = {
        "published": {**asdict(result.published), "frames": info.num_frames, "has_audio": info.has_audio},
        "identity": likenesses,
        "faces": {person: asdict(each.face_set) for person, each in prepared.items()},
        "drawing": {"with": result.drawn_with, "references": result.num_references, "preset": drawing.preset},
        "training": trained_facts or None,
        "findings": [asdict(finding) for finding in report.findings],
        "begun_after_s": seconds,
        "peak_memory_mb": _peak_memory_mb(),
    }
    write_whole(output / "report.json", json.dumps(facts, indent=1, default=str).encode())
    progress.note(
        f"Distance to {LIKENESS}, by the recogniser: plate {likenesses['plate_distance']:.3f}, "
        f"result {likenesses['result_distance']:.3f}, truth {likenesses['truth_distance']:.3f}; "
        f"nearer than the plate in {likenesses['nearer_fraction']:.0%} of frames. {seconds['end']:.0f} s in all."
    )


def _train(
    project: Project, training: TrainConfig, progress: Progress, should_stop: Callable[[], bool]
) -> dict[str, Any]:
    permit = grant(project, "train", likeness=LIKENESS, performer=PERFORMER)
    begun = time.process_time()
    checkpoint = train(project, LIKENESS, PERFORMER, permit, training, progress=progress, should_stop=should_stop)
    cpu_s = time.process_time() - begun
    return {
        **asdict(training),
        "images_seen": checkpoint.images_seen,
        "cpu_s": round(cpu_s, 1),
        "images_per_cpu_s": round(checkpoint.images_seen / cpu_s, 1),
    }


def _make_room(output: Path, *, overwrite: bool) -> None:
    """Only what a demo made is ever removed."""
    if output.exists() and not output.is_dir():
        raise UsageError(f"expected a folder, but {output} is a file; choose another --output")
    if output.is_dir() and any(output.iterdir()):
        if not overwrite:
            raise UsageError(
                f"{output} holds something already; choose another --output, or add --overwrite",
                code="usage.exists",
                path=output,
            )
        for name in MADE:
            path = output / name
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
    output.mkdir(parents=True, exist_ok=True)


def _peak_memory_mb() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1024 if sys.platform != "darwin" else 1024**2))
