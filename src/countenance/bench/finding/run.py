"""Measure `prepare` on clips with exact ground truth: detection, identity, accuracy of mesh and mask.

For comparison: every frame analysed on its own, and the mesh's hull as the mask.
"""

import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from itertools import accumulate
from pathlib import Path
from typing import Any, TypeVar

from countenance.bench.finding.footage import Footage, footage_of
from countenance.bench.finding.measure import ClipMeasures, count_wrong, measure_faces, num_false_finds
from countenance.bench.finding.script import ClipSpec, write_script
from countenance.bench.finding.sheet import draw_tiles, write_sheet
from countenance.bench.finding.stage import Rgb
from countenance.bench.production import TITLE, USE, opened_production
from countenance.bench.truth import machine
from countenance.consent.permit import grant_prepare
from countenance.consent.register import add_release
from countenance.consent.synthetic import issue_release
from countenance.errors import FaceError
from countenance.faces.config import PrepareConfig
from countenance.faces.portrait import template_of
from countenance.faces.store import StoredFace, stored_faces
from countenance.media.probe import probe
from countenance.media.reader import read_frames
from countenance.progress import Progress, Silent
from countenance.project import Project, create
from countenance.steps.collect import collect
from countenance.steps.prepare import prepare
from countenance.vision.landmarks import FaceFinder
from countenance.vision.track import FaceFollower

PERSON = "person"

Result = TypeVar("Result")


def measure_clip(footage: Footage) -> tuple[ClipMeasures, list[Rgb]]:
    """Prepare a clip in a project of its own and compare with its truth; tiles of some faces to look at."""
    frames = list(read_frames(probe(footage.clip)))
    shots = frozenset([0, *accumulate(shot.num_frames for shot in write_script(footage.spec).scene.shots)])
    followed, following_s = _timed(lambda: [list(faces.values()) for _, faces in FaceFollower()(frames, shots)])
    find_alone = FaceFinder()
    alone, alone_s = _timed(lambda: [find_alone(frame.rgb) for frame in frames])
    with tempfile.TemporaryDirectory() as folder:
        create(Path(folder) / "project", use=USE, title=TITLE)
        with opened_production(Path(folder)) as project:
            add_release(
                project,
                issue_release(PERSON, "likeness", footage.reference, Path(folder) / "documents", use=USE, title=TITLE),
                template_of,
            )
            collect(project, PERSON, [footage.clip], progress=Silent())
            _, prepare_s = _timed(lambda: _prepare(project))
            stored: list[list[StoredFace]] = [[] for _ in frames]
            for row in stored_faces(project, PERSON):
                stored[row.frame].append(row)
            truth = footage.faces()
            faces = measure_faces(project, footage, truth, stored, alone, shots)
            tiles = draw_tiles(project, footage, truth, stored, frames)
    num_wrong_kept, num_wrong_unsure, num_wrong_left_out = count_wrong(stored, truth)
    return ClipMeasures(
        name=footage.spec.name,
        condition=footage.spec.condition,
        num_frames=len(frames),
        faces=faces,
        num_wrong_kept=num_wrong_kept,
        num_wrong_unsure=num_wrong_unsure,
        num_wrong_left_out=num_wrong_left_out,
        num_false=num_false_finds(followed, truth),
        num_false_alone=num_false_finds(alone, truth),
        prepare_s=prepare_s,
        following_s=following_s,
        alone_s=alone_s,
    ), tiles


def _timed(work: Callable[[], Result]) -> tuple[Result, float]:
    begun = time.process_time()
    result = work()
    return result, time.process_time() - begun


def _prepare(project: Project) -> None:
    # Nothing may be kept, as in a clip without anybody: what was stored nevertheless is measured.
    with suppress(FaceError):
        prepare(project, PERSON, grant_prepare(project, PERSON), PrepareConfig(threads=1), progress=Silent())


def run_prepare(clips: Sequence[ClipSpec], output: Path, progress: Progress) -> dict[str, Any]:
    """Measure all clips, and leave a contact sheet for each condition in `output`; clips are rendered once."""
    output.mkdir(parents=True, exist_ok=True)
    footages = [footage_of(spec, progress) for spec in clips]
    measured, tiles = [], dict[str, list[Rgb]]()
    for footage in progress.track(footages, what="preparing and comparing", unit="clips", total=len(footages)):
        measures, shown = measure_clip(footage)
        measured.append(measures)
        tiles.setdefault(footage.spec.condition, []).extend(shown)
        write_sheet(output / f"sheet-{footage.spec.condition}.jpg", tiles[footage.spec.condition])
    return {"machine": machine(), "clips": [asdict(each) for each in measured]}
