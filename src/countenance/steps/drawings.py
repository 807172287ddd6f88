"""What draws the likenesses of a job's pairs: its settings, the pairs with their permits, and their drawers."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from jaxtyping import Float32
from pydantic import Field

from countenance.composite.swap import NO_TINT
from countenance.config import Boolean, Number, Text, Threads, section
from countenance.coverage.aspects import CoverageConfig
from countenance.coverage.measure import measure_coverage
from countenance.drawing import NO_REFERENCES, Drawer, DrawerByTrack
from countenance.errors import ModelError, UsageError
from countenance.faces.store import StoredFace, stored_faces
from countenance.footage import known_clips
from countenance.media.timeline import Timeline
from countenance.model.checkpoint import Checkpoint
from countenance.model.guided.drawer import GuidedDrawer
from countenance.model.guided.sources import sources_of
from countenance.model.references import choose_references, references_in
from countenance.model.state import load_generator
from countenance.progress import Progress
from countenance.project import Project
from countenance.provenance.publish import PublishConfig
from countenance.steps.guards import Guard
from countenance.types import FaceSet, MediaInfo, Permit
from countenance.vision.align import head_pose
from countenance.vision.light import mean_colour

Fraction = Annotated[Number, Field(ge=0, le=1)]
Preset = Literal["draft", "standard", "fine"]
DRAWN_SIZES: Mapping[Preset, int] = {"draft": 128, "standard": 256, "fine": 512}
"""Side in pixels at which faces are put together, by preset; fine follows faces that are larger in the plate."""
SIZE_STEP, LARGEST_SIZE = 128, 1024
MUCH_HIDDEN = 0.2
"""Hidden fraction of a face, as by a microphone held to the mouth, from which on it is reported."""
FEW_FACES = 12
"""Below this number a note says what a face set lacks."""


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
class Drawing:
    """What draws the face, and what the records say of it."""

    drawer: Drawer
    drawn_with: Literal["base", "trained"]
    num_references: int
    facts: Mapping[str, object]


OpenDrawing = Callable[[MediaInfo, Timeline, Sequence[StoredFace], int], Drawing]
"""From the performer's faces in the plate, and the size at which faces are put together, to what draws there."""


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


def joint_drawer(drawings: Sequence[Drawing], pair_at: Mapping[int, int]) -> Drawer:
    """What draws all pairs; `pair_at` says for each track of which pair it is."""
    if len(drawings) == 1:
        return drawings[0].drawer
    return DrawerByTrack([drawing.drawer for drawing in drawings], pair_at)


def disguised_performers(pairs: Sequence[Pair], config: GenerateConfig) -> frozenset[str]:
    """Those whose heads are covered wherever no face is drawn onto them."""
    return frozenset(pair.performer for pair in pairs if pair.is_disguise or config.cover == "all")


def tints_of(guards: Sequence[Guard], config: GenerateConfig) -> list[Float32[np.ndarray, "3"]]:
    """For each pair what is added to its faces' colours, CIELAB."""
    return [own_tint(guard) if config.skin == "likeness" else NO_TINT for guard in guards]


def opened_drawing(guard: Guard, config: GenerateConfig, progress: Progress) -> OpenDrawing:
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

    def open_drawing(plate: MediaInfo, timeline: Timeline, faces: Sequence[StoredFace], size: int) -> Drawing:
        own = references.get(performer) or references_in(plate, timeline, faces)
        drawer = GuidedDrawer(
            sources_of(references[likeness], own),
            size=size,
            learned=learned,
            detail=references[likeness] if config.preset == "fine" else NO_REFERENCES,
        )
        return Drawing(
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
