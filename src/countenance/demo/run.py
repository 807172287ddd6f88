"""The whole job on two synthetic actors, in a fresh project, and a check of the result."""

import json
import resource
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from countenance import ledger
from countenance.consent.approvals import add_decision
from countenance.consent.challenge import Challenge
from countenance.consent.document import read_release
from countenance.consent.keys import load_key
from countenance.consent.permit import grant, grant_prepare
from countenance.consent.register import add_release
from countenance.consent.release import Release, digest_of
from countenance.demo import data_folder
from countenance.demo.compare import compare, write_comparison
from countenance.demo.journey import JOURNEY
from countenance.errors import UsageError
from countenance.faces.config import PrepareConfig
from countenance.faces.faceset import Prepared
from countenance.faces.portrait import template_of
from countenance.media.probe import probe
from countenance.model.checkpoint import model_folder
from countenance.model.config import TrainConfig
from countenance.model.record import PREVIEW_NAME
from countenance.progress import Progress
from countenance.project import PRIVATE, SETTINGS_NAME, Project, create, opened, write_whole
from countenance.steps.collect import collect
from countenance.steps.decide import decide
from countenance.steps.generate import GenerateConfig, Generated, Pair, generate
from countenance.steps.guards import Guard
from countenance.steps.prepare import prepare
from countenance.steps.statement import ask_for_statement, take_statement
from countenance.steps.train import train
from countenance.steps.verify import verify
from countenance.types import Permit, Report

LIKENESS, PERFORMER, PLATE = "zuri", "kofi", "performance.mp4"
NONCE = "005eed0000000002"
"""Of the challenge that the likeness's clip answers: it was rendered with the code in her hand."""
MADE = (
    "project",
    "journey",
    *(
        f"{name}{ending}"
        for name in ("published", "trained")
        for ending in (
            ".mp4",
            ".not-approved.mp4",
            f".{LIKENESS}.approval.toml",
            f".{LIKENESS}.decision.toml",
        )
    ),
    f"{LIKENESS}.challenge.html",
    f"{LIKENESS}.key",
    "comparison.png",
    "preview.png",
    "report.json",
)
DRAWING = GenerateConfig()
QUICK_DRAWING = replace(DRAWING, preset="draft")
TRAINING = TrainConfig(images=1_200, faces=120, threads=1)
"""One thread: at such small batches a second one gains little, and on a busy machine costs far more."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Produced:
    """The published file, and what led to it."""

    statement: dict[str, Any]
    prepared: Mapping[str, Prepared]
    permit: Permit
    result: Generated
    approval: dict[str, Any]


def run_demo(
    output: Path,
    *,
    overwrite: bool,
    progress: Progress,
    should_stop: Callable[[], bool],
    drawing: GenerateConfig = DRAWING,
    training: TrainConfig | None = None,
) -> None:
    """Leave `published.mp4`, what led to it and became of it, `comparison.png` and `report.json` in the output folder.

    With a training, the two are learned as well, and `trained.mp4` and `preview.png` show what came of it.

    Raises:
        UsageError: the folder holds something and `overwrite` isn't set.
    """
    make_room(output, MADE, project="project", overwrite=overwrite)
    data, begun, seconds = data_folder(), time.monotonic(), {}
    plate, truth = data / PLATE, data / "truth_zuri"

    def begin(verb: str, what: str) -> None:
        if should_stop():
            raise KeyboardInterrupt
        seconds[verb] = round(time.monotonic() - begun, 1)
        progress.note(f"\n{what}")

    begin("new", "Making a project. Both people in it are rendered; they exist nowhere else.")
    create(output / "project", use="research", title="Countenance demo")
    with opened(output / "project") as project, project.writing():
        published_path, trained_path = output / "published.mp4", output / "trained.mp4"
        made = produce(project, published_path, drawing, progress, begin)
        permit, result = made.permit, made.result
        shown, trained_facts = {"plate": plate, "result": published_path}, dict[str, Any]()
        if training is not None:
            begin("train", f"Learning the two from {training.images:,} images, to compare with.")
            trained_facts = _train(project, training, progress, should_stop)
            learned, _ = _publish(project, permit, trained_path, replace(drawing, model="trained"), progress)
            trained_facts["drawn_with"] = learned.drawn_with
            shutil.copyfile(model_folder(project, LIKENESS, PERFORMER) / PREVIEW_NAME, output / "preview.png")
            shown["trained"] = trained_path

        begin("verify", "Verifying the published file, as anybody can.")
        report = verify(published_path, project).report
        _tell(report, progress)

        begin("journey", "Sending copies of it on their way, and asking of each what it is.")
        journey = _send_on(project, published_path, output / "journey", progress)

        begin("compare", "Comparing with the truth: the same frames rendered with her face on his head.")
        guard = Guard(project, permit, "generate", people=(LIKENESS, PERFORMER))
        likenesses = compare(guard, LIKENESS, plate, published_path, truth, progress=progress)
        if training is not None:
            trained_facts["identity"] = compare(guard, LIKENESS, plate, trained_path, truth, progress=progress)
        guard.check()
        write_comparison(output / "comparison.png", {**shown, "truth": truth})

        begin("log", "Checking the project's log: each entry, its signature, and that it follows the one before.")
        log = _check_log(project, progress)
        begin("end", f"Look at {output / 'comparison.png'} and {published_path}.")

    facts = {
        "published": _about_published(result),
        "statement": made.statement,
        "approval": made.approval,
        "journey": journey,
        "log": log,
        "identity": likenesses,
        "faces": {person: asdict(each.face_set) for person, each in made.prepared.items()},
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


def produce(
    project: Project, output: Path, drawing: GenerateConfig, progress: Progress, begin: Callable[[str, str], None]
) -> Produced:
    """Everything from the releases to the published file, in a new project; other files for people lie beside it.

    `begin` is called with each verb and what it does, before it.
    """
    begin("release", f"Adding both releases: {LIKENESS} lends her face, {PERFORMER} the performance.")
    _add_releases(project, progress)

    begin("statement", f"Asking {LIKENESS} to show that it is her: her release's code beside her face, four turns.")
    statement = _take_statement(project, output.parent, progress)

    begin("collect", "Collecting a training clip of each: four shots, four lights, ten seconds.")
    for person in (LIKENESS, PERFORMER):
        collect(project, person, [data_folder() / f"{person}_training.mp4"], progress=progress)

    begin("prepare", "Preparing their faces: find, align, recognise, judge.")
    prepared = {
        person: prepare(project, person, grant_prepare(project, person), PrepareConfig(), progress=progress)
        for person in (LIKENESS, PERFORMER)
    }

    begin("generate", f"Putting {LIKENESS}'s face onto a performance of {PERFORMER}, from her pictures alone.")
    permit = grant(project, "generate", likeness=LIKENESS, performer=PERFORMER)
    result, approval = _publish(project, permit, output, drawing, progress)
    return Produced(statement=statement, prepared=prepared, permit=permit, result=result, approval=approval)


def _about_published(result: Generated) -> dict[str, Any]:
    info = probe(result.published.path)
    return {**asdict(result.published), "frames": info.num_frames, "has_audio": info.has_audio}


def _add_releases(project: Project, progress: Progress) -> None:
    for person in (LIKENESS, PERFORMER):
        release = add_release(project, data_folder() / f"{person}.release.toml", template_of).document
        assert isinstance(release, Release)
        form = "first" if release.first_version == 1 else "second"
        approval = "must see each result first" if release.approval.needed else "isn't asked about results"
        progress.note(f"  {person}: rendered, {release.role}; a release of the {form} form; {approval}.")


def _take_statement(project: Project, output: Path, progress: Progress) -> dict[str, Any]:
    """Ask the likeness for her statement, and take the clip that was rendered to answer it."""
    document = data_folder() / f"{LIKENESS}.release.toml"
    known = Challenge(release=digest_of(read_release(document)), nonce=NONCE)
    page = output / f"{LIKENESS}.challenge.html"
    asked = ask_for_statement(project, document, page, overwrite=False, challenge=known)
    progress.note(f"  {asked.page} asks her to turn {', '.join(asked.challenge.turns)}.")
    stated = take_statement(project, document, data_folder() / f"{LIKENESS}_statement.mp4", progress=progress)
    facts = next(entry.facts for entry in ledger.entries(project) if entry.event == "statement.accepted")
    turned = ", ".join(f"{turn} by {most_deg:.0f}°" for turn, most_deg in facts["turns"])
    progress.note(f"  Accepted: her face is {stated.distance:.2f} from her release's picture; she turned {turned}.")
    figures = ", ".join(f"{name} {value:g}" for name, value in facts["figures"].items())
    progress.note(f"  The code in her hand: {figures}.")
    return {**asdict(stated), "nonce": known.nonce, "turned": facts["turns"], "figures": facts["figures"]}


def _publish(
    project: Project, permit: Permit, path: Path, config: GenerateConfig, progress: Progress
) -> tuple[Generated, dict[str, Any]]:
    """Generate, let the likeness see and approve what came of it, and generate again, which publishes it."""
    pair = Pair(likeness=LIKENESS, performer=PERFORMER, permit=permit, is_disguise=False)

    def generated() -> Generated:
        return generate(project, data_folder() / PLATE, [pair], path, config, overwrite=False, progress=progress)

    proxy = generated()
    (request,) = proxy.requests
    progress.note(
        f"  Not published: {' and '.join(proxy.awaited)} must see it first. She gets {proxy.published.path.name}, "
        f"marked NOT APPROVED, and {request.name}."
    )
    key = path.with_name(f"{LIKENESS}.key")
    if not key.exists():
        write_whole(key, (data_folder() / key.name).read_bytes(), mode=PRIVATE)
    answer, decision = decide(request, load_key(key), "approved")
    add_decision(project, answer)
    progress.note(f"  {decision.person} {decision.verdict} it with her key: {answer.name}. Now it is published.")
    result = generated()
    return result, {
        "proxy": proxy.published.path.name,
        "request": request.name,
        "decision": answer.name,
        "person": decision.person,
        "verdict": decision.verdict,
        "result": decision.result,
        "was_proxy": proxy.published.is_proxy,
        "is_proxy": result.published.is_proxy,
    }


def _send_on(project: Project, published: Path, folder: Path, progress: Progress) -> list[dict[str, Any]]:
    """What `verify` says of copies to which happened what happens to files."""
    folder.mkdir()
    journey = []
    for station in JOURNEY:
        copy = folder / station.name
        station.make(published, copy)
        report = verify(copy, project).report
        progress.note(f"  {station.what}:")
        _tell(report, progress, about=("watermark", "edits"), indent=4)
        findings = [asdict(finding) for finding in report.findings]
        journey.append({"file": station.name, "what": station.what, "findings": findings})
    return journey


def _tell(report: Report, progress: Progress, *, about: Sequence[str] = (), indent: int = 2) -> None:
    for finding in report.findings:
        if not about or finding.about in about:
            progress.note(f"{' ' * indent}{finding.about}: {finding.summary}")


def _check_log(project: Project, progress: Progress) -> dict[str, Any]:
    num_entries = ledger.check(project, every_signature=True)
    progress.note(f"  Entries: {num_entries}. None is altered, missing or out of order.")
    return {"entries": num_entries, "events": [entry.event for entry in ledger.entries(project)]}


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


def make_room(output: Path, made: Sequence[str], *, project: str, overwrite: bool) -> None:
    """Make a folder for files of these names; of an earlier run only these are ever removed.

    `project` is where in it an earlier run left its project, by which such a run is known.

    Raises:
        UsageError: it holds something and `overwrite` isn't set, or something of these names that no run made.
    """
    if output.exists() and not output.is_dir():
        raise UsageError(f"expected a folder, but {output} is a file; choose another --output")
    if output.is_dir() and any(output.iterdir()):
        if not overwrite:
            raise UsageError(
                f"{output} holds something already; choose another --output, or add --overwrite",
                code="usage.exists",
                path=output,
            )
        foreign = next((name for name in made if (output / name).exists()), None)
        if foreign is not None and not (output / project / SETTINGS_NAME).is_file():
            raise UsageError(
                f"{output / foreign} would be replaced, but no project of an earlier run is in {output}, so it may be "
                "something else; choose another --output, or move it away",
                code="usage.exists",
                path=output / foreign,
            )
        for name in made:
            path = output / name
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
    output.mkdir(parents=True, exist_ok=True)


def _peak_memory_mb() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1024 if sys.platform != "darwin" else 1024**2))
