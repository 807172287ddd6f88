"""Put the likeness onto a plate and publish the result."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from jaxtyping import Float32
from pydantic import Field

from countenance.composite.check import check_faces
from countenance.composite.kept import open_store
from countenance.composite.place import placed_faces
from countenance.composite.render import preview_size, swap_render
from countenance.composite.shot import AS_DRAWN, ShotSettings
from countenance.composite.shotfile import check_names, looks_of, read_shots
from countenance.composite.swap import NO_TINT
from countenance.config import Number, Threads, section
from countenance.consent.register import templates
from countenance.coverage.aspects import CoverageConfig
from countenance.coverage.measure import measure_coverage
from countenance.drawing import Drawer
from countenance.errors import FaceError, ModelError, UsageError
from countenance.faces.plate import require_performer
from countenance.faces.store import StoredFace, stored_faces
from countenance.footage import is_collected, known_clips, timeline_of
from countenance.media.excerpt import Wanted, begins_s, excerpt_of, wanted_frames
from countenance.media.probe import probe
from countenance.media.timeline import Timeline
from countenance.model.checkpoint import Checkpoint
from countenance.model.guided.drawer import DrawnSize, GuidedDrawer
from countenance.model.guided.sources import sources_of
from countenance.model.references import choose_references, references_in
from countenance.model.state import load_generator
from countenance.progress import Progress
from countenance.project import Project
from countenance.provenance.keys import load_or_make_identity
from countenance.provenance.publish import PublishConfig, check_output, publish, rehearse_publishing
from countenance.runs import recorded_run
from countenance.steps.guards import Guard
from countenance.threads import MOST_THREADS, num_threads, one_thread_per_net
from countenance.types import FaceSet, MediaInfo, Permit, Published
from countenance.vision.light import mean_colour
from countenance.vision.segment import Segmenter

Preset = Literal["draft", "standard", "fine"]
DRAWN_SIZES: Mapping[Preset, DrawnSize] = {"draft": 128, "standard": 256, "fine": 512}
"""Side in pixels at which faces are put together, by preset."""
FEW_FACES = 12
"""Below this number a note says what a face set lacks."""
PREVIEW_S = 4
"""A preview of a plate without a range shows so many seconds, from the first frame that shows the performer on."""
CHECKED_AROUND = 32
"""Frames beside an excerpt whose faces decide how it looks, as neighbours in time or in a batch; rather more."""
EVERYTHING = Wanted()
MUCH_HIDDEN = 0.2
"""Hidden fraction of a face, as by a microphone held to the mouth, from which on a note reports it."""


@section
@dataclass(frozen=True, kw_only=True, slots=True)
class GenerateConfig(PublishConfig):
    """The section `generate` of the settings: how the face is drawn and put in, and how the file leaves."""

    model: Literal["auto", "base", "trained"] = "auto"
    """What draws the face, from the likeness's own pictures: the base, without any training; or what `train` made of it
    for this pair (docs/train.md). auto takes what was trained where there is."""
    preset: Preset = "standard"
    """At which size a face is put together: 128, 256 or 512 px. All is decided at 128 px, and the fine detail
    taken from the plate: fine takes half again as long as standard, and shows more only in faces that are larger than
    256 px in the plate."""
    skin: Literal["performer", "likeness"] = "performer"
    """Whose skin tone the face gets. The performer's matches neck and hands; the likeness's own is right where those
    aren't visible, or were made up to match."""
    threads: Threads = 0
    """CPU threads on which faces are drawn; 0 for one on each core, at most 8: each holds some frames in memory. The
    result is the same."""
    keep_faces_gb: Annotated[Number, Field(ge=0, le=10_000)] = 4.0
    """Disk space in which each pair's drawn faces are kept, so that a shot that is rendered again with other settings
    takes seconds: 4 GB hold some 10,000 faces of 256 px. Those unused for longest go first; 0 keeps none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Generated:
    """The published file, and what could not be done in it."""

    published: Published
    unaltered_spans: tuple[tuple[float, float], ...]
    """From and to, in seconds of the plate, where the performer was not found, or a mesh covered no face."""
    shown: range | None
    """The plate's frames of the file; None for all of them."""
    drawn_with: Literal["base", "trained"]
    num_references: int
    """The likeness's faces that were drawn from."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Drawing:
    """What draws the face, and what the records say of it."""

    drawer: Drawer
    drawn_with: Literal["base", "trained"]
    num_references: int
    facts: Mapping[str, object]


_OpenDrawing = Callable[[MediaInfo, Timeline, Sequence[StoredFace]], _Drawing]
"""From the performer's faces in the plate to what draws there."""


@one_thread_per_net()
def generate(
    project: Project,
    plate: Path,
    likeness: str,
    performer: str,
    permit: Permit,
    output: Path,
    config: GenerateConfig,
    *,
    wanted: Wanted = EVERYTHING,
    preview: bool = False,
    shot_changes: Sequence[str] = (),
    overwrite: bool,
    progress: Progress,
) -> Generated:
    """Replace the performer's face throughout a plate; a run that was interrupted continues where it stopped.

    `wanted` is what of the plate becomes a file of its own. A `preview` is small, and of some seconds where nothing is
    asked for; `config.preset` isn't changed by it. `shot_changes` such as `shot.sharpness=0.2` count for
    all shots, above their files.

    Raises:
        UsageError: the plate has no such part, or a shot's file holds something that isn't allowed.
        ConsentError: the permit doesn't hold, or a face set or the model that is used was made under a release revoked
            since, or one of them ends while this goes on; then there is no file, and what was rendered so far is
            removed.
        ModelError: a trained model is asked for, and there is no usable one for this pair.
        MediaError: the plate can't be read, or the output can't be written.
        FaceError: there is no face set of the likeness, or the performer isn't in the plate.
        ProvenanceError: the file can't be signed or logged; then there is no file.
    """
    guard = Guard(project, permit, "generate", people=(likeness, performer))
    open_drawing = _opened(guard, config, progress)
    info = probe(plate)
    for note in info.notes:
        progress.note(note)
    check_output(output, info, overwrite=overwrite)
    if is_collected(project, output):
        raise UsageError(f"{output} is a clip of this project, which is never written to; choose another name")
    rehearse_publishing(info, output, progress)
    tint = own_tint(guard) if config.skin == "likeness" else NO_TINT
    # Before any work: publishing signs with the same identity, after all frames are rendered.
    for note in load_or_make_identity().notes:
        progress.note(note)

    timeline = timeline_of(project, info, progress)
    shown = wanted_frames(info, timeline, wanted)
    shots = read_shots(project, info, timeline, shot_changes)
    check_names(shots, sorted(templates(project)))
    looks = looks_of(shots, info, timeline)
    found = require_performer(project, performer, templates(project), info, progress, check_leave=guard.check)
    if preview and shown is None and info.kind == "video":
        shown = _first_seconds(info, timeline, found[0].frame)
    excerpt = None if shown is None else excerpt_of(info, timeline, shown)
    around = None if shown is None else range(shown.start - CHECKED_AROUND, shown.stop + CHECKED_AROUND)
    checked = check_faces(info, timeline, found, Segmenter(), around)
    if checked.frames_beside:
        progress.note(
            f"the mesh tracked as {performer}'s face doesn't lie on a face in "
            f"{_frames(checked.frames_beside, info, timeline)}; nothing is replaced there"
        )
    faces_at = placed_faces(checked.faces)
    if shown is not None and around is not None:
        if faces_at and not any(index in shown for index in faces_at):
            raise FaceError(
                f"{performer} isn't in frames {shown.start} to {shown.stop - 1} of {info.path.name}, so there is "
                f"nothing to replace; {performer} is first seen in frame {min(faces_at)}",
                code="face.not_found",
                person=performer,
                path=plate,
            )
        faces_at = {index: faces for index, faces in faces_at.items() if index in around}
    faces_at = {at: faces for at, faces in faces_at.items() if looks.get(at, AS_DRAWN).replaces(performer)}
    if not any(index in faces_at for index in shown or range(info.num_frames)) and checked.faces:
        raise UsageError(
            f"the settings of the shots leave {performer} as in the plate throughout, so there is nothing to publish; "
            f"change who or likeness in {shots[0].path.parent}",
            code="usage.setting",
            setting="shot.who",
        )
    if not faces_at:
        raise FaceError(
            f"the mesh tracked as {performer}'s face in {info.path.name} doesn't lie on a face in any frame; "
            "choose another plate, or check --performer",
            code="face.not_found",
            person=performer,
            path=plate,
        )

    decided = {face.frame for face in checked.faces if face.is_decided}
    num_decided_frames = len(decided & faces_at.keys() & set(shown or faces_at))

    drawing = open_drawing(info, timeline, checked.steady or checked.faces)
    store = open_store(project, permit.people, round(config.keep_faces_gb * 1e9))
    swap = swap_render(
        info,
        timeline,
        faces_at,
        drawing.drawer,
        renders=project.room("renders"),
        seed=0,
        tint=tint,
        threads=num_threads(config.threads, MOST_THREADS),
        excerpt=excerpt,
        preview_wh=preview_size(info) if preview else None,
        looks=looks,
        store=store,
    )
    facts = {
        "config": asdict(config),
        "plate": info.sha256,
        "frames": None if shown is None else [shown.start, shown.stop - 1],
        "preview": preview,
        "shots": {shot.number: asdict(shot.settings) for shot in shots if shot.settings != ShotSettings()},
        "model": drawing.drawer.digest,
        **drawing.facts,
    }
    with recorded_run(project, "generate", permit.digest, facts), store.while_consent_lasts():
        published = publish(
            project,
            permit,
            replace(swap.render, num_decided_frames=num_decided_frames, drawn_with=drawing.drawn_with),
            output,
            config=config,
            overwrite=overwrite,
            check_leave=guard.check,
            progress=progress,
        )
    fractions = swap.hidden.fraction_at.items()
    covered = [at for at, hidden in sorted(fractions) if hidden > MUCH_HIDDEN and at in swap.render.frames]
    if covered:
        progress.note(
            f"something in front of {performer}'s face hides more than {MUCH_HIDDEN:.0%} of it in "
            f"{_frames(covered, info, timeline)}; it stays in front"
        )
    return Generated(
        published=published,
        unaltered_spans=_unaltered_spans(info, timeline, swap.render.frames, swap.render.altered),
        shown=shown,
        drawn_with=drawing.drawn_with,
        num_references=drawing.num_references,
    )


def _opened(guard: Guard, config: GenerateConfig, progress: Progress) -> _OpenDrawing:
    """What draws, with faces of both; the performer's are those of the plate where there is no face set of them.

    All that can fail fails at once.
    """
    likeness, performer = guard.permit.people
    checkpoint = _checkpoint(guard, config.model, progress)
    learned = None
    if checkpoint is not None:
        learned = load_generator(guard.model_folder, checkpoint), checkpoint.weights_sha256
    face_sets = [guard.face_set(likeness)]
    if guard.has_face_set(performer):
        face_sets.append(guard.face_set(performer))
    references = {each.person: choose_references(guard.project, each) for each in face_sets}
    if face_sets[0].num_faces < FEW_FACES:
        progress.note(_lacks(guard.project, face_sets[0]))

    def open_drawing(plate: MediaInfo, timeline: Timeline, faces: Sequence[StoredFace]) -> _Drawing:
        own = references.get(performer) or references_in(plate, timeline, faces)
        sources = sources_of(references[likeness], own)
        return _Drawing(
            drawer=GuidedDrawer(sources, size=DRAWN_SIZES[config.preset], learned=learned),
            drawn_with="base" if checkpoint is None else "trained",
            num_references=len(references[likeness].faces),
            facts={
                "checkpoint": checkpoint.digest if checkpoint else None,
                "face_sets": {each.person: each.digest for each in face_sets},
                "references": {likeness: references[likeness].digest, performer: own.digest},
            },
        )

    return open_drawing


def _checkpoint(guard: Guard, model: Literal["auto", "base", "trained"], progress: Progress) -> Checkpoint | None:
    """What was trained for the two, if it is to draw."""
    if model == "base" or (model == "auto" and not guard.has_model):
        return None
    likeness, performer = guard.permit.people
    checkpoint = guard.checkpoint()
    if checkpoint is None:
        raise ModelError(
            f"no model here; run `countenance train {likeness} --onto {performer}` first, or leave out "
            "generate.model=trained: the base needs no training",
            code="model.missing",
            likeness=likeness,
            performer=performer,
        )
    if checkpoint.best_images == 0:
        report_it = f"`countenance train report {likeness} --onto {performer}`"
        progress.note(f"{checkpoint.what_draws}; {report_it} shows how {likeness} onto {performer} was learned")
        return None
    return checkpoint


def _lacks(project: Project, face_set: FaceSet) -> str:
    """What would help a small face set."""
    person = face_set.person
    names = {sha256: clip.name for sha256, clip in known_clips(project, person).items()}
    coverage = measure_coverage(person, face_set.digest, stored_faces(project, person), names, CoverageConfig())
    return f"{coverage.verdict} What none of them shows is guessed; `countenance coverage {person}` says what to shoot"


def own_tint(guard: Guard) -> Float32[np.ndarray, "3"]:
    """How the likeness's skin differs from the performer's, CIELAB: between the means of their face sets, whose many
    lights are taken to be alike on average.
    """
    means = [
        mean_colour((face.rgb, face.mask) for face in guard.faces(guard.face_set(person)))
        for person in guard.permit.people
    ]
    return np.asarray(means[0] - means[1], np.float32)


def _frames(indices: Sequence[int], info: MediaInfo, timeline: Timeline) -> str:
    """The number of frames and their time range, as text."""
    first_s, last_s = (float(timeline.frame_pts[index] * info.time_base) for index in (indices[0], indices[-1]))
    if len(indices) == 1:
        return f"the frame at {first_s:.2f} s"
    return f"{len(indices)} frames between {first_s:.2f} s and {last_s:.2f} s"


def _first_seconds(info: MediaInfo, timeline: Timeline, first: int) -> range:
    """The frames of some seconds from one of them on."""
    pts = timeline.frame_pts
    end = int(np.searchsorted(pts, int(pts[first]) + int(PREVIEW_S / info.time_base)))
    return range(first, max(end, first + 1))


def _unaltered_spans(
    info: MediaInfo, timeline: Timeline, frames: range, altered: tuple[bool, ...]
) -> tuple[tuple[float, float], ...]:
    """Runs of frames without the performer, in seconds of the plate."""
    spans: list[tuple[float, float]] = []
    was_altered = True
    for index, done in zip(frames, altered, strict=True):
        if not done:
            begin, until = (float(begins_s(info, timeline, each)) for each in (index, index + 1))
            spans.append((begin, until) if was_altered else (spans.pop()[0], until))
        was_altered = done
    return tuple(spans)
