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

from countenance.composite.cover import NO_COVERS, Covers, is_covered
from countenance.composite.disguise import Disguise, check_sentence
from countenance.composite.kept import open_store
from countenance.composite.place import PlacedFace
from countenance.composite.render import ROOM as RENDERS
from countenance.composite.render import preview_size, swap_render
from countenance.composite.shot import ShotSettings
from countenance.composite.swap import NO_TINT
from countenance.config import Boolean, Number, Text, Threads, section
from countenance.coverage.aspects import CoverageConfig
from countenance.coverage.measure import measure_coverage
from countenance.drawing import NO_REFERENCES, Drawer, DrawerByTrack
from countenance.errors import ModelError, UsageError
from countenance.faces.store import StoredFace, stored_faces
from countenance.footage import is_collected, known_clips, timeline_of
from countenance.gates import check_plate
from countenance.media.excerpt import Wanted, excerpt_of, wanted_frames
from countenance.media.probe import probe
from countenance.media.spans import in_words, spans_s
from countenance.media.timeline import Timeline
from countenance.model.checkpoint import Checkpoint
from countenance.model.guided.drawer import GuidedDrawer
from countenance.model.guided.sources import sources_of
from countenance.model.references import choose_references, references_in
from countenance.model.state import load_generator
from countenance.progress import Progress
from countenance.project import Project
from countenance.provenance.publish import PublishConfig, check_output, joint_digest, publish, rehearse_publishing
from countenance.runs import recorded_run
from countenance.steps.approval import exit_of, write_requests
from countenance.steps.guards import Guard, joint_check
from countenance.steps.holding import holding
from countenance.steps.labelled import labelled_shots
from countenance.steps.places import Asked, find_places
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
    back in. Without, it is drawn as long as there is a mesh, which is worse to look at. Of performers whose heads are
    covered, faces count as lost there in any case."""
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
    cover: Literal["disguises", "all"] = "disguises"
    """Whose heads are covered by a few blurred cells where no face can be drawn onto them, or it would fade: those
    that a cast actor disguises, or those of all performers, as where a person lends a face to hide another. There the
    performer would show. A shot's `who` leaves a face as it is, uncovered."""
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
    is_disguise: bool
    """Whether the performer must not be seen: where no face can be drawn, their head is covered."""


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
    covered_spans: tuple[tuple[float, float], ...]
    """Where a disguise covers the performer's head, because no face can be drawn."""
    drawn_with: Literal["base", "trained"]
    num_references: int
    """The likeness's faces that were drawn from."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Generated:
    """The published file, and what could not be done in it."""

    published: Published
    unaltered_spans: tuple[tuple[float, float], ...]
    """From and to, in seconds of the plate, where no face was replaced or covered."""
    faded_spans: tuple[tuple[float, float], ...]
    """Where a face comes or goes."""
    covered_spans: tuple[tuple[float, float], ...]
    """Where a disguise covers a head."""
    shown: range | None
    """The plate's frames of the file; None for all of them."""
    drawn_with: DrawnWith
    num_references: int
    """The likenesses' faces that were drawn from."""
    pairs: tuple[GeneratedPair, ...]
    """The same for each, in the order in which they were given."""
    awaited: tuple[str, ...] = ()
    """Who must approve the result first; then the file is a proxy."""
    requests: tuple[Path, ...] = ()
    """Beside the proxy, a file for each of them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Drawing:
    """What draws the face, and what the records say of it."""

    drawer: Drawer
    drawn_with: Literal["base", "trained"]
    num_references: int
    facts: Mapping[str, object]


_OpenDrawing = Callable[[MediaInfo, Timeline, Sequence[StoredFace], int], _Drawing]
"""From the performer's faces in the plate, and the size at which faces are put together, to what draws there."""


@one_thread_per_net()
def generate(
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

    Where releases ask for approval and it isn't there for exactly this result, only a proxy is published, with a
    request to each person beside it.

    Raises:
        UsageError: the pairs can't be replaced together, the plate has no such part, a shot's file holds something that
            isn't allowed, or the output can't have that name.
        IntimateError: a frame of the plate, or of what is made of it, looks intimate.
        ConsentError: a permit doesn't hold, a release doesn't let the label be left out, or a face set or the model
            that is used was made under a release revoked since, or one of them ends while this goes on; then there is
            no file, and what was rendered so far is removed. Or somebody declined this result, or was asked about it
            already.
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
    check_output(output, info, overwrite=overwrite, is_one_frame=wanted.is_one_frame)
    if is_collected(project, output):
        raise UsageError(f"{output} is a clip of this project, which is never written to; choose another name")
    for guard in guards:
        guard.allow_output(info, output, is_labelled=config.is_label_throughout, is_preview=preview)
    # Before any work: publishing signs after all frames are rendered.
    rehearse_publishing(info, output, config, progress)
    tints = [own_tint(guard) if config.skin == "likeness" else NO_TINT for guard in guards]

    check_leave = joint_check(guards)
    timeline, segmenter = timeline_of(project, info, progress), Segmenter()
    performers = [pair.performer for pair in pairs]
    disguised = frozenset(pair.performer for pair in pairs if pair.is_disguise or config.cover == "all")
    asked = Asked(
        wanted=wanted, preview=preview, shot_changes=tuple(shot_changes), fades=config.fade, disguised=disguised
    )
    check_plate(project, info, timeline, wanted_frames(info, timeline, wanted), progress)
    places = find_places(guards, info, timeline, asked, segmenter, progress)
    shown, shots, faces_at, covers_at = places.shown, places.shots, places.faces_at, places.covers_at
    size = drawn_size(config.preset, [face for each in performers for face in places.faces_to_draw_from(each)])
    drawings = [
        open_drawing(info, timeline, places.faces_to_draw_from(performer), size)
        for open_drawing, performer in zip(open_drawings, performers, strict=True)
    ]
    disguise = Disguise(halo=config.halo, sentence=config.sentence, sentence_s=config.sentence_s)
    # Also where the file is to have no label: its shots are looked at, an artist's frame or a proxy may have one.
    labelled = labelled_shots(info, timeline, places, disguise)
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
        renders=project.room(RENDERS),
        seed=0,
        tints={track: tints[number] for track, number in pair_at.items()},
        threads=num_threads(config.threads, MOST_THREADS),
        grain=config.grain,
        disguise=disguise,
        excerpt=None if shown is None else excerpt_of(info, timeline, shown),
        preview_wh=preview_size(info) if preview else None,
        looks=places.looks,
        store=store,
        covers_at=covers_at,
        held=holding(project, places.held, info, config.sentence, labelled, check_leave),
    )
    render = replace(
        swap.render,
        num_decided_frames=sum(
            any(face.track in places.decided_tracks for face in faces_at.get(at, ())) for at in swap.render.frames
        ),
        drawn_with=_drawn_with(drawings),
        # A part in which all are covered is still one of a replacement.
        num_performers=max(1, len({pair_at[face.track] for at in swap.render.frames for face in faces_at.get(at, ())})),
        halo=config.halo,
        sentence=config.sentence,
        num_covered_frames=sum(is_covered(covers_at, at) for at in swap.render.frames),
        num_held_frames=sum(at in places.reached for at in swap.render.frames),
        labelled_shots=labelled,
    )
    leaving = exit_of(guards, render, output, config, overwrite=overwrite, progress=progress)
    permits = [guard.permit for guard in guards]
    facts = {
        "config": asdict(config),
        "plate": info.sha256,
        "frames": None if shown is None else [shown.start, shown.stop - 1],
        "preview": preview,
        "held": [
            {"frame": index, "track": track, "pair": frame.pair, "sha256": frame.sha256}
            for index, by_track in sorted(places.held.items())
            for track, frame in by_track.items()
        ],
        "shots": {shot.number: asdict(shot.settings) for shot in shots if shot.settings != ShotSettings()},
        "model": drawer.digest,
        **_facts(pairs, drawings),
    }
    kept = nullcontext() if store is None else store.while_consent_lasts()
    with recorded_run(project, "generate", joint_digest(permits), facts), kept:
        published = publish(
            project,
            permits,
            leaving.render,
            leaving.output,
            config=config,
            overwrite=overwrite,
            check_leave=check_leave,
            progress=progress,
            approval=leaving.approval,
        )
    requests = write_requests(project, output, published.path, leaving.awaited) if leaving.awaited else ()
    fractions = swap.hidden.fraction_at.items()
    much_hidden = [at for at, hidden in sorted(fractions) if hidden > MUCH_HIDDEN and at in render.frames]
    if much_hidden:
        whose = " or ".join(f"{performer}'s" for performer in performers)
        progress.note(
            f"something in front of {whose} face hides more than {MUCH_HIDDEN:.0%} of it in "
            f"{in_words(info, timeline, much_hidden)}; it stays in front"
        )
    return Generated(
        published=published,
        unaltered_spans=spans_s(
            info, timeline, [at for at in render.frames if at not in faces_at and at not in covers_at]
        ),
        faded_spans=spans_s(info, timeline, [at for at in render.frames if _is_fading(faces_at.get(at, ()))]),
        covered_spans=spans_s(info, timeline, [at for at in render.frames if is_covered(covers_at, at)]),
        shown=shown,
        drawn_with=render.drawn_with,
        num_references=sum(drawing.num_references for drawing in drawings),
        pairs=tuple(
            _generated_pair(
                pair,
                _faces_of(number, faces_at, pair_at),
                places.covers.get(pair.performer, NO_COVERS),
                drawing,
                info,
                timeline,
                render.frames,
            )
            for number, (pair, drawing) in enumerate(zip(pairs, drawings, strict=True))
        ),
        awaited=leaving.awaited,
        requests=requests,
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


def _facts(pairs: Sequence[Pair], drawings: Sequence[_Drawing]) -> Mapping[str, object]:
    """What the record of a run holds of what drew."""
    if len(drawings) == 1:
        return drawings[0].facts
    named = zip(pairs, drawings, strict=True)
    return {"pairs": [{"likeness": pair.likeness, "performer": pair.performer, **each.facts} for pair, each in named]}


def _drawn_with(drawings: Sequence[_Drawing]) -> DrawnWith:
    with_what = {drawing.drawn_with for drawing in drawings}
    return with_what.pop() if len(with_what) == 1 else "mixed"


def _faces_of(
    number: int, faces_at: Mapping[int, Sequence[PlacedFace]], pair_at: Mapping[int, int]
) -> dict[int, list[PlacedFace]]:
    """The placed faces of one pair, by frame."""
    own = {frame: [face for face in several if pair_at[face.track] == number] for frame, several in faces_at.items()}
    return {frame: several for frame, several in own.items() if several}


def _generated_pair(
    pair: Pair,
    faces_at: Mapping[int, Sequence[PlacedFace]],
    covers_at: Covers,
    drawing: _Drawing,
    info: MediaInfo,
    timeline: Timeline,
    frames: range,
) -> GeneratedPair:
    return GeneratedPair(
        likeness=pair.likeness,
        performer=pair.performer,
        num_altered_frames=sum(at in faces_at or at in covers_at for at in frames),
        unaltered_spans=spans_s(info, timeline, [at for at in frames if at not in faces_at and at not in covers_at]),
        faded_spans=spans_s(info, timeline, [at for at in frames if _is_fading(faces_at.get(at, ()))]),
        covered_spans=spans_s(info, timeline, [at for at in frames if is_covered(covers_at, at)]),
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


def _is_fading(faces: Sequence[PlacedFace]) -> bool:
    return any(face.presence < 1 for face in faces)
