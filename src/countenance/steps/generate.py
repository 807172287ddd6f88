"""Put the likeness onto a plate and publish the result."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from countenance.composite.cover import NO_COVERS, Covers, is_covered
from countenance.composite.disguise import Disguise, check_sentence
from countenance.composite.kept import open_store
from countenance.composite.place import PlacedFace
from countenance.composite.render import ROOM as RENDERS
from countenance.composite.render import preview_size, swap_render
from countenance.composite.shot import ShotSettings
from countenance.errors import UsageError
from countenance.faces.plate import note_hidden
from countenance.footage import is_collected, timeline_of
from countenance.gates import check_plate
from countenance.media.excerpt import Wanted, excerpt_of, wanted_frames
from countenance.media.probe import probe
from countenance.media.spans import in_words, spans_s
from countenance.media.timeline import Timeline
from countenance.progress import Progress
from countenance.project import Project
from countenance.provenance.publish import check_output, joint_digest, publish, rehearse_publishing
from countenance.runs import recorded_run
from countenance.steps.approval import exit_of, write_requests
from countenance.steps.drawings import (
    MUCH_HIDDEN,
    Drawing,
    GenerateConfig,
    Pair,
    check_pairs,
    disguised_performers,
    drawn_size,
    joint_drawer,
    opened_drawing,
    tints_of,
)
from countenance.steps.guards import Guard, joint_check
from countenance.steps.holding import holding
from countenance.steps.labelled import labelled_shots
from countenance.steps.places import Asked, find_places
from countenance.threads import MOST_THREADS, num_threads, one_thread_per_net
from countenance.types import DrawnWith, MediaInfo, Published
from countenance.vision.segment import Segmenter

__all__ = ["EVERYTHING", "GenerateConfig", "Generated", "GeneratedPair", "Pair", "check_pairs", "generate"]

EVERYTHING = Wanted()


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
    open_drawings = [opened_drawing(guard, config, progress) for guard in guards]
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
    tints = tints_of(guards, config)

    check_leave = joint_check(guards)
    timeline, segmenter = timeline_of(project, info, progress), Segmenter()
    performers = [pair.performer for pair in pairs]
    disguised = disguised_performers(pairs, config)
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
    drawer, store = joint_drawer(drawings, pair_at), None
    if len(pairs) == 1:
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
    fraction_at = swap.hidden.fraction_at
    if len(pairs) == 1:
        note_hidden(project, performers[0], info, fraction_at)
    much_hidden = [at for at, hidden in sorted(fraction_at.items()) if hidden > MUCH_HIDDEN and at in render.frames]
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


def _facts(pairs: Sequence[Pair], drawings: Sequence[Drawing]) -> Mapping[str, object]:
    """What the record of a run holds of what drew."""
    if len(drawings) == 1:
        return drawings[0].facts
    named = zip(pairs, drawings, strict=True)
    return {"pairs": [{"likeness": pair.likeness, "performer": pair.performer, **each.facts} for pair, each in named]}


def _drawn_with(drawings: Sequence[Drawing]) -> DrawnWith:
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
    drawing: Drawing,
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


def _is_fading(faces: Sequence[PlacedFace]) -> bool:
    return any(face.presence < 1 for face in faces)
