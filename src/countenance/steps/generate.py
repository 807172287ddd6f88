"""Put the likeness onto a plate and publish the result."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from jaxtyping import Float32
from pydantic import Field

from countenance.composite.check import CheckedFaces, check_faces
from countenance.composite.contested import Uncontested, uncontested
from countenance.composite.disguise import Disguise, check_sentence
from countenance.composite.place import PlacedFace, placed_faces
from countenance.composite.render import swap_render
from countenance.composite.swap import NO_TINT
from countenance.config import Boolean, Number, Text, Threads, section
from countenance.consent.register import templates
from countenance.coverage.aspects import CoverageConfig
from countenance.coverage.measure import measure_coverage
from countenance.drawing import Drawer, DrawerByTrack
from countenance.errors import FaceError, ModelError, UsageError
from countenance.faces.plate import require_performer, review_command
from countenance.faces.store import StoredFace, stored_faces
from countenance.footage import is_collected, known_clips, timeline_of
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
from countenance.provenance.publish import PublishConfig, check_output, joint_digest, publish, rehearse_publishing
from countenance.runs import recorded_run
from countenance.steps.guards import Guard
from countenance.threads import MOST_THREADS, num_threads, one_thread_per_net
from countenance.types import DrawnWith, FaceSet, MediaInfo, Permit, Published
from countenance.vision.identity import Embedding
from countenance.vision.light import mean_colour
from countenance.vision.segment import Segmenter

Fraction = Annotated[Number, Field(ge=0, le=1)]
Preset = Literal["draft", "standard", "fine"]
DRAWN_SIZES: Mapping[Preset, DrawnSize] = {"draft": 128, "standard": 256, "fine": 512}
"""Side in pixels at which faces are put together, by preset."""
FEW_FACES = 12
"""Below this number a note says what a face set lacks."""
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
    fade: Boolean = True
    """Whether a drawn face fades out over a fifth of a second where the mesh loses it, as when it turns to profile, and
    back in. Without, it is drawn as long as there is a mesh: what a disguise needs, and worse to look at."""
    grain: Fraction = 1.0
    """How much of the plate's grain, which drawing takes away, a face gets back: at 0 it is cleaner than what surrounds
    it. A plate without grain stays without."""
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


_OpenDrawing = Callable[[MediaInfo, Timeline, Sequence[StoredFace]], _Drawing]
"""From the performer's faces in the plate to what draws there."""


def generate(
    project: Project,
    plate: Path,
    likeness: str,
    performer: str,
    permit: Permit,
    output: Path,
    config: GenerateConfig,
    *,
    overwrite: bool,
    progress: Progress,
) -> Generated:
    """Replace the performer's face throughout a plate: `generate_pairs` for a single one."""
    pair = Pair(likeness=likeness, performer=performer, permit=permit)
    return generate_pairs(project, plate, [pair], output, config, overwrite=overwrite, progress=progress)


@one_thread_per_net()
def generate_pairs(
    project: Project,
    plate: Path,
    pairs: Sequence[Pair],
    output: Path,
    config: GenerateConfig,
    *,
    overwrite: bool,
    progress: Progress,
) -> Generated:
    """Replace the faces of all performers throughout a plate, each by that of its likeness, and of nobody else.

    A run that was interrupted continues where it stopped. A face that two performers' scans both claim stays as it is.

    Raises:
        UsageError: the pairs can't be replaced together, or the output can't have that name.
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
    tints = [_own_tint(guard) if config.skin == "likeness" else NO_TINT for guard in guards]
    # Before any work: publishing signs with the same identity, after all frames are rendered.
    for note in load_or_make_identity().notes:
        progress.note(note)

    def check_leave() -> None:
        for guard in guards:
            guard.check()

    timeline, people, segmenter = timeline_of(project, info, progress), templates(project), Segmenter()
    checked = {
        pair.performer: _faces_in(project, pair.performer, people, info, timeline, segmenter, progress, check_leave)
        for pair in pairs
    }
    found = _of_one_performer_each(checked, info, timeline, progress)
    faces = found.faces
    left_out = [*found.frames_left_out.values(), *(each.frames_beside for each in checked.values())]
    faces_at = placed_faces(
        [face for several in faces.values() for face in several],
        timeline,
        frame_rate=float(info.frame_rate),
        fades=config.fade and info.kind == "video",
        closed=frozenset(chain.from_iterable(left_out)),
    )
    drawings = [
        open_drawing(info, timeline, faces[pair.performer])
        for open_drawing, pair in zip(open_drawings, pairs, strict=True)
    ]
    pair_at = {face.track: number for number, several in enumerate(faces.values()) for face in several}
    drawer = drawings[0].drawer
    if len(pairs) > 1:
        drawer = DrawerByTrack([drawing.drawer for drawing in drawings], pair_at)
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
    )
    render = replace(
        swap.render,
        num_decided_frames=len({face.frame for several in faces.values() for face in several if face.is_decided}),
        drawn_with=_drawn_with(drawings),
        num_performers=len(pairs),
        halo=config.halo,
        sentence=config.sentence,
    )
    permits = [pair.permit for pair in pairs]
    facts = {"config": asdict(config), "plate": info.sha256, "model": drawer.digest, **_facts(pairs, drawings)}
    with recorded_run(project, "generate", joint_digest(permits), facts):
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
    covered = [index for index, hidden in sorted(swap.hidden.fraction_at.items()) if hidden > MUCH_HIDDEN]
    if covered:
        whose = " or ".join(f"{performer}'s" for performer in faces)
        progress.note(
            f"something in front of {whose} face hides more than {MUCH_HIDDEN:.0%} of it in "
            f"{_frames(covered, info, timeline)}; it stays in front"
        )
    return Generated(
        published=published,
        unaltered_spans=_spans(info, timeline, [not altered for altered in render.altered]),
        faded_spans=_spans(info, timeline, [_is_fading(faces_at.get(i, ())) for i in range(len(render.altered))]),
        drawn_with=render.drawn_with,
        num_references=sum(drawing.num_references for drawing in drawings),
        pairs=tuple(
            _generated_pair(pair, _faces_of(number, faces_at, pair_at), drawing, info, timeline)
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


def _faces_in(
    project: Project,
    performer: str,
    people: Mapping[str, Embedding],
    info: MediaInfo,
    timeline: Timeline,
    segmenter: Segmenter,
    progress: Progress,
    check_leave: Callable[[], None],
) -> CheckedFaces:
    """A performer's faces in the plate, their meshes checked."""
    found = require_performer(project, performer, people, info, progress, check_leave=check_leave)
    checked = check_faces(info, timeline, found, segmenter)
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
) -> GeneratedPair:
    frames = range(len(timeline.frame_pts))
    return GeneratedPair(
        likeness=pair.likeness,
        performer=pair.performer,
        num_altered_frames=len(faces_at),
        unaltered_spans=_spans(info, timeline, [frame not in faces_at for frame in frames]),
        faded_spans=_spans(info, timeline, [_is_fading(faces_at.get(frame, ())) for frame in frames]),
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
        drawer = GuidedDrawer(sources_of(references[likeness], own), size=DRAWN_SIZES[config.preset], learned=learned)
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


def _own_tint(guard: Guard) -> Float32[np.ndarray, "3"]:
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


def _spans(info: MediaInfo, timeline: Timeline, chosen: Sequence[bool]) -> tuple[tuple[float, float], ...]:
    """Runs of some frames, in seconds."""
    spans: list[tuple[float, float]] = []
    times = [float(pts * info.time_base) for pts in timeline.frame_pts.tolist()]
    last = len(times) - 1
    for index, (time, is_chosen) in enumerate(zip(times, chosen, strict=True)):
        if not is_chosen:
            continue
        until = times[index + 1] if index < last else times[0] + float(info.duration)
        if spans and index and chosen[index - 1]:
            spans[-1] = (spans[-1][0], until)
        else:
            spans.append((time, until))
    return tuple(spans)
