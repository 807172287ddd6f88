"""Put the likeness onto a plate and publish the result."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from jaxtyping import Float32
from pydantic import Field

from countenance.composite.check import CheckedFaces, check_faces
from countenance.composite.contested import Uncontested, uncontested
from countenance.composite.disguise import Disguise, check_sentence
from countenance.composite.kept import open_store
from countenance.composite.place import PlacedFace, placed_faces
from countenance.composite.render import preview_size, swap_render
from countenance.composite.shot import AS_DRAWN, ShotConfig, ShotSettings
from countenance.composite.shotfile import Shot, check_names, looks_of, read_shots
from countenance.composite.swap import NO_TINT
from countenance.config import Boolean, Number, Text, Threads, section
from countenance.consent.register import templates
from countenance.coverage.aspects import CoverageConfig
from countenance.coverage.measure import measure_coverage
from countenance.drawing import NO_REFERENCES, Drawer, DrawerByTrack
from countenance.errors import FaceError, ModelError, UsageError
from countenance.faces.plate import require_performer, review_command
from countenance.faces.store import StoredFace, stored_faces
from countenance.footage import is_collected, known_clips, timeline_of
from countenance.media.excerpt import Wanted, begins_s, excerpt_of, shot_ranges, wanted_frames
from countenance.media.probe import probe
from countenance.media.timeline import Timeline
from countenance.model.checkpoint import Checkpoint
from countenance.model.guided.drawer import GuidedDrawer
from countenance.model.guided.sources import sources_of
from countenance.model.references import choose_references, references_in
from countenance.model.state import load_generator
from countenance.progress import Progress
from countenance.project import Project
from countenance.provenance.keys import load_or_make_identity
from countenance.provenance.publish import PublishConfig, check_output, joint_digest, publish, rehearse_publishing
from countenance.runs import recorded_run
from countenance.steps.guards import Guard
from countenance.threads import MOST_THREADS, num_threads, one_thread_per_net
from countenance.types import DrawnWith, FaceSet, MediaInfo, Permit, Published
from countenance.vision.align import head_pose
from countenance.vision.light import mean_colour
from countenance.vision.segment import Segmenter

Fraction = Annotated[Number, Field(ge=0, le=1)]
Preset = Literal["draft", "standard", "fine"]
DRAWN_SIZES: Mapping[Preset, int] = {"draft": 128, "standard": 256, "fine": 512}
"""Side in pixels at which faces are put together, by preset; fine follows faces that are larger in the plate."""
SIZE_STEP, LARGEST_SIZE = 128, 1024
FEW_FACES = 12
"""Below this number a note says what a face set lacks."""
PREVIEW_S = 4
"""A preview of a plate without a range shows so many seconds, from the first frame that shows the performer on."""
DRAWN_AROUND = 64
"""Frames beside an excerpt whose faces decide how it looks, in a batch or in a colour's mean; rather more."""
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
    """At which size a face is put together: 128 px, 256 px, or for close-ups 512 px and, where the plate's largest face
    is larger, up to 1,024 px. All is decided at 128 px. What is finer comes from the plate, with fine from the
    likeness's own pictures as far as they show it (docs/fine.md)."""
    skin: Literal["performer", "likeness"] = "performer"
    """Whose skin tone the face gets. The performer's matches neck and hands; the likeness's own is right where those
    aren't visible, or were made up to match."""
    fade: Boolean = True
    """Whether a drawn face fades out over a fifth of a second where the mesh loses it, as when it turns to profile, and
    back in. Without, it is drawn as long as there is a mesh: what a disguise needs, and worse to look at."""
    grain: Fraction = 1.0
    """How grainy a face is beside its plate: 1 as grainy, 0 as it was drawn, which is cleaner than what surrounds it. A
    plate without grain stays without."""
    halo: Fraction = 0.0
    """How strong a soft, light ring round each replaced face is, 0 to 1; 0 for none. By it documentaries say that a
    face is a disguise."""
    sentence: Annotated[Text, Field(max_length=160)] = ""
    """A sentence at the foot of the picture, in English letters, such as 'The face of this witness was replaced.'; the
    label is shown as well."""
    sentence_s: Annotated[Number, Field(gt=0, le=3600)] = 6.0
    """So many seconds of the sentence, from the first frame on."""
    threads: Threads = 0
    """CPU threads on which faces are drawn; 0 for one on each core, at most 8: each holds some frames in memory. The
    result is the same."""
    keep_faces_gb: Annotated[Number, Field(ge=0, le=10_000)] = 4.0
    """Disk space in which each pair's drawn faces are kept, so that a shot that is rendered again with other settings
    takes seconds: 4 GB hold some 10,000 faces of 256 px. Those unused for longest go first; 0 keeps none. Of several
    pairs in one pass none are kept."""

    def __post_init__(self) -> None:
        PublishConfig.__post_init__(self)
        if not self.sentence.isprintable():
            raise ValueError("sentence must be one line without control characters")


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """A likeness, the performer whose face it replaces, and the permit for that."""

    likeness: str
    performer: str
    permit: Permit


@dataclass(frozen=True, kw_only=True, slots=True)
class GeneratedPair:
    """What was done for one pair."""

    likeness: str
    performer: str
    num_altered_frames: int
    unaltered_spans: tuple[tuple[float, float], ...]
    """From and to, in seconds of the plate, where the performer was not found or turned away, or a mesh covered no
    face."""
    faded_spans: tuple[tuple[float, float], ...]
    """Where the face comes or goes, and both people show through each other."""
    drawn_with: Literal["base", "trained"]
    num_references: int
    """The likeness's faces that were drawn from."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Generated:
    """The published file, and what could not be done in it."""

    published: Published
    unaltered_spans: tuple[tuple[float, float], ...]
    """From and to, in seconds of the plate, where no face was replaced."""
    faded_spans: tuple[tuple[float, float], ...]
    """Where a face comes or goes."""
    shown: range | None
    """The plate's frames of the file; None for all of them."""
    drawn_with: DrawnWith
    num_references: int
    """The likenesses' faces that were drawn from."""
    pairs: tuple[GeneratedPair, ...]
    """The same for each, in the order in which they were given."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Drawing:
    """What draws the face, and what the records say of it."""

    drawer: Drawer
    drawn_with: Literal["base", "trained"]
    num_references: int
    facts: Mapping[str, object]


_OpenDrawing = Callable[[MediaInfo, Timeline, Sequence[StoredFace], int], _Drawing]
"""From the performer's faces in the plate, and the size at which faces are put together, to what draws there."""


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
    """Replace the performer's face throughout a plate: `generate_pairs` for a single one."""
    return generate_pairs(
        project,
        plate,
        [Pair(likeness=likeness, performer=performer, permit=permit)],
        output,
        config,
        wanted=wanted,
        preview=preview,
        shot_changes=shot_changes,
        overwrite=overwrite,
        progress=progress,
    )


@one_thread_per_net()
def generate_pairs(
    project: Project,
    plate: Path,
    pairs: Sequence[Pair],
    output: Path,
    config: GenerateConfig,
    *,
    wanted: Wanted = EVERYTHING,
    preview: bool = False,
    shot_changes: Sequence[str] = (),
    overwrite: bool,
    progress: Progress,
) -> Generated:
    """Replace the faces of all performers throughout a plate, each by that of its likeness, and of nobody else.

    A run that was interrupted continues where it stopped. A face that two performers' scans both claim stays as it is.

    `wanted` is what of the plate becomes a file of its own. A `preview` is small, and of some seconds where nothing is
    asked for; `config.preset` isn't changed by it. `shot_changes` such as `shot.sharpness=0.2` count for all shots,
    above their files.

    Raises:
        UsageError: the pairs can't be replaced together, the plate has no such part, a shot's file holds something that
            isn't allowed, or the output can't have that name.
        ConsentError: a permit doesn't hold, or a face set or the model that is used was made under a release revoked
            since, or one of them ends while this goes on; then there is no file, and what was rendered so far is
            removed.
        ModelError: a trained model is asked for, and there is no usable one for a pair.
        MediaError: the plate can't be read, or the output can't be written.
        FaceError: there is no face set of a likeness, or a performer isn't in the plate.
        ProvenanceError: the file can't be signed or logged; then there is no file.
    """
    check_pairs([(pair.likeness, pair.performer) for pair in pairs])
    check_sentence(config.sentence)
    guards = [Guard(project, pair.permit, "generate", people=(pair.likeness, pair.performer)) for pair in pairs]
    open_drawings = [_opened(guard, config, progress) for guard in guards]
    info = probe(plate)
    for note in info.notes:
        progress.note(note)
    check_output(output, info, overwrite=overwrite)
    if is_collected(project, output):
        raise UsageError(f"{output} is a clip of this project, which is never written to; choose another name")
    rehearse_publishing(info, output, progress)
    tints = [own_tint(guard) if config.skin == "likeness" else NO_TINT for guard in guards]
    # Before any work: publishing signs with the same identity, after all frames are rendered.
    for note in load_or_make_identity().notes:
        progress.note(note)

    def check_leave() -> None:
        for guard in guards:
            guard.check()

    timeline, segmenter = timeline_of(project, info, progress), Segmenter()
    performers = [pair.performer for pair in pairs]
    asked = _Asked(wanted=wanted, preview=preview, shot_changes=tuple(shot_changes), fades=config.fade)
    places = _places(project, performers, info, timeline, asked, segmenter, progress, check_leave)
    shown, shots, faces_at = places.shown, places.shots, places.faces_at
    size = drawn_size(config.preset, [face for each in performers for face in places.faces_to_draw_from(each)])
    drawings = [
        open_drawing(info, timeline, places.faces_to_draw_from(performer), size)
        for open_drawing, performer in zip(open_drawings, performers, strict=True)
    ]
    pair_at = {track: performers.index(performer) for track, performer in places.performer_of.items()}
    drawer, store = drawings[0].drawer, None
    if len(pairs) > 1:
        drawer = DrawerByTrack([drawing.drawer for drawing in drawings], pair_at)
    else:
        store = open_store(project, pairs[0].permit.people, round(config.keep_faces_gb * 1e9))
    swap = swap_render(
        info,
        timeline,
        faces_at,
        drawer,
        segmenter,
        renders=project.room("renders"),
        seed=0,
        tints={track: tints[number] for track, number in pair_at.items()},
        threads=num_threads(config.threads, MOST_THREADS),
        grain=config.grain,
        disguise=Disguise(halo=config.halo, sentence=config.sentence, sentence_s=config.sentence_s),
        excerpt=None if shown is None else excerpt_of(info, timeline, shown),
        preview_wh=preview_size(info) if preview else None,
        looks=places.looks,
        store=store,
    )
    render = replace(
        swap.render,
        num_decided_frames=sum(
            any(face.track in places.decided_tracks for face in faces_at.get(at, ())) for at in swap.render.frames
        ),
        drawn_with=_drawn_with(drawings),
        num_performers=len({pair_at[face.track] for at in swap.render.frames for face in faces_at.get(at, ())}),
        halo=config.halo,
        sentence=config.sentence,
    )
    permits = [pair.permit for pair in pairs]
    facts = {
        "config": asdict(config),
        "plate": info.sha256,
        "frames": None if shown is None else [shown.start, shown.stop - 1],
        "preview": preview,
        "shots": {shot.number: asdict(shot.settings) for shot in shots if shot.settings != ShotSettings()},
        "model": drawer.digest,
        **_facts(pairs, drawings),
    }
    kept = nullcontext() if store is None else store.while_consent_lasts()
    with recorded_run(project, "generate", joint_digest(permits), facts), kept:
        published = publish(
            project,
            permits,
            render,
            output,
            config=config,
            overwrite=overwrite,
            check_leave=check_leave,
            progress=progress,
        )
    fractions = swap.hidden.fraction_at.items()
    covered = [at for at, hidden in sorted(fractions) if hidden > MUCH_HIDDEN and at in render.frames]
    if covered:
        whose = " or ".join(f"{performer}'s" for performer in performers)
        progress.note(
            f"something in front of {whose} face hides more than {MUCH_HIDDEN:.0%} of it in "
            f"{_frames(covered, info, timeline)}; it stays in front"
        )
    return Generated(
        published=published,
        unaltered_spans=_spans(info, timeline, [at for at in render.frames if not faces_at.get(at)]),
        faded_spans=_spans(info, timeline, [at for at in render.frames if _is_fading(faces_at.get(at, ()))]),
        shown=shown,
        drawn_with=render.drawn_with,
        num_references=sum(drawing.num_references for drawing in drawings),
        pairs=tuple(
            _generated_pair(pair, _faces_of(number, faces_at, pair_at), drawing, info, timeline, render.frames)
            for number, (pair, drawing) in enumerate(zip(pairs, drawings, strict=True))
        ),
    )


def check_pairs(pairs: Sequence[tuple[str, str]]) -> None:
    """Check that likenesses and performers can be put together in one pass; one likeness may serve several.

    Raises:
        UsageError: there are none, somebody is to get their own face, or two for one.
    """
    if not pairs:
        raise UsageError("expected a likeness and a performer, got none; name them with --likeness and --performer")
    for likeness, performer in pairs:
        if likeness == performer:
            raise UsageError(f"expected two people, but {performer} is to get their own face; name another --likeness")
    performers = [performer for _, performer in pairs]
    for performer in performers:
        if performers.count(performer) > 1:
            raise UsageError(
                f"expected one likeness for each performer, but {performer} is named more than once; "
                "leave out all but one, or make a file for each"
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Asked:
    """What of a plate is asked for, and how."""

    wanted: Wanted
    preview: bool
    shot_changes: tuple[str, ...]
    fades: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class _Places:
    """Where faces are to be replaced, and what is set for them."""

    shown: range | None
    """The plate's frames that are asked for; None for all."""
    shots: Sequence[Shot]
    looks: Mapping[int, ShotConfig]
    faces: Mapping[str, tuple[StoredFace, ...]]
    """By performer, all that are found of them and of nobody else."""
    steady: frozenset[int]
    """Their ids, of faces that are the same whatever part of the plate is asked for."""
    performer_of: Mapping[int, str]
    """By track."""
    faces_at: Mapping[int, list[PlacedFace]]
    """By frame, those that are replaced."""

    def faces_to_draw_from(self, performer: str) -> Sequence[StoredFace]:
        """A performer's faces that may serve as references, the same for all parts of a plate."""
        own = self.faces[performer]
        return [face for face in own if face.id in self.steady] or own

    @property
    def decided_tracks(self) -> set[int]:
        """Those that are a performer's by a user's decision."""
        return {face.track for several in self.faces.values() for face in several if face.is_decided}


def _places(
    project: Project,
    performers: Sequence[str],
    info: MediaInfo,
    timeline: Timeline,
    asked: _Asked,
    segmenter: Segmenter,
    progress: Progress,
    check_leave: Callable[[], None],
) -> _Places:
    """Find the performers in the plate, and what of it is asked for."""
    people = templates(project)
    shown = wanted_frames(info, timeline, asked.wanted)
    shots = read_shots(project, info, timeline, asked.shot_changes)
    check_names(shots, sorted(people))
    looks = looks_of(shots, info, timeline)
    seen = {
        performer: require_performer(project, performer, people, info, progress, check_leave=check_leave)
        for performer in performers
    }
    if asked.preview and shown is None and info.kind == "video":
        shown = _first_seconds(info, timeline, min(several[0].frame for several in seen.values()))
    # Whether a face is lost, and whose it is, is judged over all of its track, which ends with the shot.
    within = None if shown is None else _whole_shots(timeline, shown)
    around = None if shown is None else range(shown.start - DRAWN_AROUND, shown.stop + DRAWN_AROUND)
    checked = {
        performer: _checked(performer, several, info, timeline, segmenter, within, progress)
        for performer, several in seen.items()
    }
    found = _of_one_performer_each(checked, info, timeline, progress)
    placed = placed_faces(
        [face for several in found.faces.values() for face in several],
        timeline,
        frame_rate=float(info.frame_rate),
        fades=asked.fades and info.kind == "video",
    )
    _check_shown(placed, shown, performers, info)
    performer_of = {face.track: performer for performer, several in found.faces.items() for face in several}
    faces_at = _replaced(placed, around, looks, performer_of)
    _check_replaced(faces_at, shown, shots, performers)
    return _Places(
        shown=shown,
        shots=shots,
        looks=looks,
        faces=found.faces,
        steady=frozenset(face.id for each in checked.values() for face in each.steady),
        performer_of=performer_of,
        faces_at=faces_at,
    )


def _checked(
    performer: str,
    found: Sequence[StoredFace],
    info: MediaInfo,
    timeline: Timeline,
    segmenter: Segmenter,
    within: range | None,
    progress: Progress,
) -> CheckedFaces:
    """A performer's faces in the plate, their meshes checked."""
    checked = check_faces(info, timeline, found, segmenter, within)
    if checked.frames_beside:
        progress.note(
            f"the mesh tracked as {performer}'s face doesn't lie on a face in "
            f"{_frames(checked.frames_beside, info, timeline)}; nothing is replaced there"
        )
    if not checked.faces:
        raise FaceError(
            f"the mesh tracked as {performer}'s face in {info.path.name} doesn't lie on a face in any frame; "
            "choose another plate, or check --performer",
            code="face.not_found",
            person=performer,
            path=info.path,
        )
    return checked


def _of_one_performer_each(
    checked: Mapping[str, CheckedFaces], info: MediaInfo, timeline: Timeline, progress: Progress
) -> Uncontested:
    """The faces by performer, without those that may be two performers'."""
    found = uncontested({performer: each.faces for performer, each in checked.items()})
    for (one, other), frames in found.frames_left_out.items():
        progress.note(
            f"a face in {_frames(frames, info, timeline)} may be {one}'s or {other}'s, and stays as it is; "
            f"decide with `{review_command(one, info)} --no TRACK`, or with the same for {other}"
        )
    for performer, faces in found.faces.items():
        if not faces:
            raise FaceError(
                f"every face in {info.path.name} that may be {performer}'s may be another performer's as well; "
                f"decide with `{review_command(performer, info)}`",
                code="face.unsure",
                person=performer,
                path=info.path,
            )
    return found


def _facts(pairs: Sequence[Pair], drawings: Sequence[_Drawing]) -> Mapping[str, object]:
    """What the record of a run holds of what drew."""
    if len(drawings) == 1:
        return drawings[0].facts
    named = zip(pairs, drawings, strict=True)
    return {"pairs": [{"likeness": pair.likeness, "performer": pair.performer, **each.facts} for pair, each in named]}


def _drawn_with(drawings: Sequence[_Drawing]) -> DrawnWith:
    with_what = {drawing.drawn_with for drawing in drawings}
    return with_what.pop() if len(with_what) == 1 else "mixed"


def _check_shown(
    placed: Mapping[int, Sequence[PlacedFace]], shown: range | None, performers: Sequence[str], info: MediaInfo
) -> None:
    """Check that a face is to be seen in the part of the plate that is asked for."""
    whose = " or ".join(performers)
    if not placed:
        raise FaceError(
            f"{whose} is turned away wherever they are in {info.path.name}, so there is nothing to replace; "
            "choose another plate, or add --set generate.fade=false",
            code="face.not_found",
            person=whose,
            path=info.path,
        )
    if shown is not None and not any(index in shown for index in placed):
        raise FaceError(
            f"{whose} isn't in frames {shown.start} to {shown.stop - 1} of {info.path.name}, or turned away there; the "
            f"first frame with something to replace is {min(placed)}, choose --frames from there",
            code="face.not_found",
            person=whose,
            path=info.path,
        )


def _replaced(
    placed: Mapping[int, Sequence[PlacedFace]],
    around: range | None,
    looks: Mapping[int, ShotConfig],
    performer_of: Mapping[int, str],
) -> dict[int, list[PlacedFace]]:
    """The faces of a part of the plate that the shots' settings ask for, by frame."""
    replaced = {
        at: [face for face in several if looks.get(at, AS_DRAWN).replaces(performer_of[face.track])]
        for at, several in placed.items()
        if around is None or at in around
    }
    return {at: several for at, several in replaced.items() if several}


def _check_replaced(
    faces_at: Mapping[int, Sequence[PlacedFace]], shown: range | None, shots: Sequence[Shot], performers: Sequence[str]
) -> None:
    """Check that the shots' settings leave something to replace."""
    if not any(shown is None or index in shown for index in faces_at):
        raise UsageError(
            f"the settings of the shots leave {' and '.join(performers)} as in the plate "
            f"{f'in frames {shown.start} to {shown.stop - 1}' if shown else 'throughout'}, so there is nothing to "
            f"publish; change who or likeness in {shots[0].path.parent}, or choose other --frames",
            code="usage.setting",
            setting="shot.who",
        )


def _faces_of(
    number: int, faces_at: Mapping[int, Sequence[PlacedFace]], pair_at: Mapping[int, int]
) -> dict[int, list[PlacedFace]]:
    """The placed faces of one pair, by frame."""
    own = {frame: [face for face in several if pair_at[face.track] == number] for frame, several in faces_at.items()}
    return {frame: several for frame, several in own.items() if several}


def _generated_pair(
    pair: Pair,
    faces_at: Mapping[int, Sequence[PlacedFace]],
    drawing: _Drawing,
    info: MediaInfo,
    timeline: Timeline,
    frames: range,
) -> GeneratedPair:
    return GeneratedPair(
        likeness=pair.likeness,
        performer=pair.performer,
        num_altered_frames=sum(at in faces_at for at in frames),
        unaltered_spans=_spans(info, timeline, [at for at in frames if at not in faces_at]),
        faded_spans=_spans(info, timeline, [at for at in frames if _is_fading(faces_at.get(at, ()))]),
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

    def open_drawing(plate: MediaInfo, timeline: Timeline, faces: Sequence[StoredFace], size: int) -> _Drawing:
        own = references.get(performer) or references_in(plate, timeline, faces)
        drawer = GuidedDrawer(
            sources_of(references[likeness], own),
            size=size,
            learned=learned,
            detail=references[likeness] if config.preset == "fine" else NO_REFERENCES,
        )
        return _Drawing(
            drawer=drawer,
            drawn_with="base" if checkpoint is None else "trained",
            num_references=len(references[likeness].faces),
            facts={
                "checkpoint": checkpoint.digest if checkpoint else None,
                "face_sets": {each.person: each.digest for each in face_sets},
                "references": {likeness: references[likeness].digest, performer: own.digest},
                "drawn_by": drawer.ran_by,
            },
        )

    return open_drawing


def drawn_size(preset: Preset, faces: Iterable[StoredFace]) -> int:
    """Side in pixels at which faces are put together: one for all of a plate; of `fine` that of its largest crop."""
    size = DRAWN_SIZES[preset]
    if preset != "fine":
        return size
    largest_px = max(head_pose(face.landmarks_xyz).crop_side_px for face in faces)
    return min(max(size, SIZE_STEP * math.ceil(largest_px / SIZE_STEP)), LARGEST_SIZE)


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


def _is_fading(faces: Sequence[PlacedFace]) -> bool:
    return any(face.presence < 1 for face in faces)


def _whole_shots(timeline: Timeline, frames: range) -> range:
    """The frames of the shots that some frames touch, and enough beside them for what is drawn together."""
    touched = [each for each in shot_ranges(timeline) if each.start < frames.stop and frames.start < each.stop]
    return range(touched[0].start - DRAWN_AROUND, touched[-1].stop + DRAWN_AROUND)


def _first_seconds(info: MediaInfo, timeline: Timeline, first: int) -> range:
    """The frames of some seconds from one of them on."""
    pts = timeline.frame_pts
    end = int(np.searchsorted(pts, int(pts[first]) + int(PREVIEW_S / info.time_base)))
    return range(first, max(end, first + 1))


def _spans(info: MediaInfo, timeline: Timeline, frames: Sequence[int]) -> tuple[tuple[float, float], ...]:
    """Runs of frames, ascending, in seconds of the plate."""
    spans: list[tuple[float, float]] = []
    before = None
    for index in frames:
        begin, until = (float(begins_s(info, timeline, each)) for each in (index, index + 1))
        spans.append((spans.pop()[0] if before == index - 1 else begin, until))
        before = index
    return tuple(spans)
