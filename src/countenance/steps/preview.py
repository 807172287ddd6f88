"""Show single frames of a plate as `generate` would draw them, while the settings of its shots are tried.

What takes long is opened once: the pairs' drawers for the whole plate, and where faces lie for each shot that is looked
at. A change of a shot's settings asks for neither. No frame leaves unmarked, and none is written; drawn faces are kept
as `generate` keeps them, and taken from there.
"""

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from jaxtyping import Float32, UInt8

from countenance.composite.check import doubtful_frames
from countenance.composite.contested import uncontested
from countenance.composite.cover import Covers
from countenance.composite.disguise import Disguise, check_sentence
from countenance.composite.held import HeldFaces
from countenance.composite.kept import FaceStore, open_store
from countenance.composite.render import FramesIn, swapped_frames
from countenance.composite.shot import AS_DRAWN, ShotConfig
from countenance.composite.shotfile import Shot, looks_of
from countenance.consent.register import templates
from countenance.errors import ConsentError, MediaError, UsageError
from countenance.faces.plate import require_known
from countenance.faces.store import StoredFace, stored_faces
from countenance.footage import timeline_of
from countenance.gates import check_shown, opened_net
from countenance.media.excerpt import Wanted, shot_at, shot_ranges
from countenance.media.near import NearFrames
from countenance.media.probe import probe
from countenance.media.timeline import Timeline
from countenance.pixels import to_8_bit
from countenance.progress import Progress, Silent
from countenance.project import Project
from countenance.provenance.label import Box
from countenance.provenance.marks import mark_id_of
from countenance.provenance.preview import shown_as_preview
from countenance.provenance.publish import check_publishable, joint_digest
from countenance.steps.drawings import (
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
from countenance.steps.labelled import corner_in, everybody_in, plates_labels
from countenance.steps.places import (
    DRAWN_AROUND,
    Asked,
    Found,
    Places,
    check_wholly_replaced,
    find_faces,
    held_faces,
    places_of,
    set_shots,
)
from countenance.threads import MOST_THREADS, num_threads, one_thread_per_net
from countenance.types import Corner, Frame, LabelledShot, MediaInfo
from countenance.vision.detect import FaceDetector
from countenance.vision.segment import Segmenter

MAX_SHOTS = 4
"""Of so many shots, those looked at last, it is remembered where faces lie: some 6 kB for each face."""


_State = tuple[int, int, int]
"""What changes with a file: inode, size, time."""
_Who = tuple[tuple[bool, ...], ...]
"""For each frame near a shot and each performer, whether their face is replaced."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _ShotPlaces:
    """Where faces are replaced in a shot, and its label, whatever else is set for it."""

    places: Places
    covers_at: Covers
    corner: Corner | None
    """None where nothing in the shot is altered."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _OpenShot:
    """What is known of a shot that was looked at."""

    frames: range
    near: range
    """The frames of all shots on which its own depend, or their batches."""
    found: Found
    others: tuple[Box, ...]
    """What its label keeps clear of beside replaced faces."""
    by_who: dict[_Who, _ShotPlaces] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Made:
    """What makes the frames of a shot with certain settings."""

    at: _ShotPlaces
    looks: Mapping[int, ShotConfig]
    held: HeldFaces
    frames_in: FramesIn


def open_preview(
    project: Project, plate: Path, pairs: Sequence[Pair], config: GenerateConfig, *, progress: Progress
) -> "Preview":
    """Open a plate to look at single frames of what `generate` would make of it with these pairs and settings.

    The plate must have been looked through for each performer, by `countenance faces review PERSON --plate PLATE` or an
    earlier `generate`: nothing is scanned here. Whose face is whose is what was decided there. The project's lock isn't
    needed; the log says that the preview was allowed.

    Raises:
        UsageError: the pairs can't be replaced together.
        ConsentError: a permit doesn't hold, or a face set or model was made under a release that was revoked since.
        ModelError: a trained model is asked for, and there is no usable one for a pair.
        MediaError: the plate can't be read.
        FaceError: there is no face set of a likeness, or a performer isn't in the plate, or it must be looked through
            for them first.
    """
    check_pairs([(pair.likeness, pair.performer) for pair in pairs])
    check_sentence(config.sentence)
    guards = [Guard(project, pair.permit, "generate", people=(pair.likeness, pair.performer)) for pair in pairs]
    # Before it is read: what changes while it is read isn't what was read.
    state = _state_of(plate)
    info = probe(plate)
    check_publishable(info)
    for guard in guards:
        guard.allow_preview(info)
    people = templates(project)
    for pair in pairs:
        require_known(project, pair.performer, people, info)
    opened_net()
    with one_thread_per_net():
        open_drawings = [opened_drawing(guard, config, progress) for guard in guards]
        timeline = timeline_of(project, info, progress)
        faces: Mapping[str, Sequence[StoredFace]] = {pair.performer: () for pair in pairs}
        if config.preset == "fine" or not all(guard.has_face_set(guard.permit.people[-1]) for guard in guards):
            faces = _faces_to_draw_from(guards, info, timeline)
        size = drawn_size(config.preset, [face for several in faces.values() for face in several])
        drawings = [
            open_drawing(info, timeline, faces[pair.performer], size)
            for open_drawing, pair in zip(open_drawings, pairs, strict=True)
        ]
        tints = tints_of(guards, config)
    return Preview(
        guards=guards,
        info=info,
        state=state,
        timeline=timeline,
        config=config,
        asked=Asked(
            wanted=Wanted(),
            preview=False,
            shot_changes=(),
            fades=config.fade,
            disguised=disguised_performers(pairs, config),
        ),
        drawings=drawings,
        tints=tints,
    )


class Preview:
    """Single frames of a plate as they would be drawn: a held resource, to be closed, for the thread that opened it."""

    def __init__(
        self,
        *,
        guards: Sequence[Guard],
        info: MediaInfo,
        state: _State,
        timeline: Timeline,
        config: GenerateConfig,
        asked: Asked,
        drawings: Sequence[Drawing],
        tints: Sequence[Float32[np.ndarray, "3"]],
    ) -> None:
        """`open_preview` makes one."""
        self.info, self.timeline = info, timeline
        self._guards, self._project = guards, guards[0].project
        self._check_leave = joint_check(guards)
        self._config, self._asked, self._drawings, self._tints = config, asked, drawings, tints
        self._segmenter, self._detector = Segmenter(), FaceDetector()
        self._disguise = Disguise(halo=config.halo, sentence=config.sentence, sentence_s=config.sentence_s)
        self._store: FaceStore | None = None
        if len(guards) == 1:
            self._store = open_store(self._project, guards[0].permit.people, round(config.keep_faces_gb * 1e9))
        permits = [guard.permit for guard in guards]
        # By this number the project knows a copy of the screen; it leads to no manifest.
        self.mark_id = mark_id_of(
            {"project": self._project.id, "preview": info.sha256, "permits": joint_digest(permits)}
        )
        self._is_approval_needed = any(permit.approvers for permit in permits)
        self._labels = plates_labels(info)
        self._read = NearFrames(info, timeline)
        self._state = state
        self._passed: set[int] = set()
        self._people = sorted(templates(self._project))
        self._shots: OrderedDict[int, _OpenShot] = OrderedDict()
        self._made: _Made | None = None

    def frame(self, index: int, shot_changes: Sequence[str] = ()) -> UInt8[np.ndarray, "h w 3"]:
        """A frame as `generate` would draw it with what is set for its shot now, and with watermark, label and the word
        PREVIEW along its left edge.

        `shot_changes` such as `shot.sharpness=0.2` count above the shots' files. Where a release asks for its owner's
        approval it is as small as a proxy, and marked NOT APPROVED.

        Raises:
            ConsentError: consent has ended; then nothing is shown, and no drawn face is kept.
            UsageError: the plate has no such frame, or a setting isn't allowed.
            IntimateError: the frame looks intimate.
            MediaError: the plate changed, or can't be read.
        """
        with self._allowed(index):
            self._checked(index)
            made = self._made_of(self._opened(shot_at(self.timeline, index)), shot_changes)
            at = made.at
            is_altered = index in at.places.faces_at or index in at.covers_at
            shown = shown_as_preview(
                next(made.frames_in(index, index + 1)),
                self.info.path.name,
                self.mark_id if is_altered else None,
                at.corner,
                is_approval_needed=self._is_approval_needed,
            )
            self._check_leave()
        return shown

    def plate(self, index: int) -> UInt8[np.ndarray, "H W 3"]:
        """The plate's own frame.

        Raises:
            ConsentError: consent has ended.
            UsageError: the plate has no such frame.
            IntimateError: the frame looks intimate.
            MediaError: the plate changed, or can't be read.
        """
        with self._allowed(index):
            return to_8_bit(self._checked(index).pixels)

    def close(self) -> None:
        """Close the plate, and forget what was found in it."""
        self._read.close()
        self._shots.clear()
        self._made = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def _allowed(self, index: int) -> Iterator[None]:
        """Where a frame may be shown; once consent has ended nothing stays open, and no drawn face is kept."""
        num_frames = len(self.timeline.frame_pts)
        if not 0 <= index < num_frames:
            raise UsageError(
                f"expected a frame from 0 to {num_frames - 1}, got {index}: {self.info.path.name} ends there"
            )
        if _state_of(self.info.path) != self._state:
            raise MediaError(
                f"{self.info.path} changed since its preview was opened; open it again to use it as it is now"
            )
        kept = nullcontext() if self._store is None else self._store.while_consent_lasts()
        try:
            with kept, one_thread_per_net():
                self._check_leave()
                yield
        except ConsentError:
            self.close()
            raise

    def _checked(self, index: int) -> Frame:
        """A frame of the plate that passed the gate."""
        (frame,) = self._read(index, index + 1)
        if index not in self._passed:
            check_shown(self._project, self.info, frame)
            self._passed.add(index)
        return frame

    def _opened(self, number: int) -> _OpenShot:
        """A shot, counted from 1, in which faces were found and checked."""
        if number not in self._shots:
            self._shots[number] = self._open(number)
            if len(self._shots) > MAX_SHOTS:
                self._shots.popitem(last=False)
        self._shots.move_to_end(number)
        return self._shots[number]

    def _open(self, number: int) -> _OpenShot:
        shots = shot_ranges(self.timeline)
        frames = shots[number - 1]
        # As where `generate` is asked for this shot.
        within = range(frames.start - DRAWN_AROUND, frames.stop + DRAWN_AROUND)
        touched = [each for each in shots if each.start < within.stop and within.start < each.stop]
        near = range(touched[0].start, touched[-1].stop)
        seen = {
            performer: stored_faces(
                self._project, performer, purpose="generate", sha256=self.info.sha256, kept_only=True, frames=near
            )
            for performer in self._performers
        }
        found = find_faces(seen, self.info, self.timeline, self._asked, self._segmenter, within, Silent())
        everybody = everybody_in(self.info, self.timeline, frames, self._detector)
        return _OpenShot(frames=frames, near=near, found=found, others=(*self._labels, *everybody))

    def _made_of(self, shot: _OpenShot, shot_changes: Sequence[str]) -> _Made:
        """What makes a shot's frames with what is set for it now; the last one where nothing changed."""
        near = [
            each
            for each in set_shots(self._guards, self.info, self.timeline, shot_changes, self._people)
            if each.frames.start in shot.near
        ]
        looks = looks_of(near, self.info, self.timeline)
        check_wholly_replaced(near, looks, shot.frames, self._asked.disguised)
        at = self._placed(shot, near, looks)
        frames = [frame for each in near if each.frames == shot.frames for frame in each.held]
        held = held_faces(frames, at.places.in_whole_shots, at.places.performer_of, Silent())
        made = self._made
        if made is None or (made.at, made.looks, made.held) != (at, looks, held):
            made = _Made(at=at, looks=looks, held=held, frames_in=self._frames_in(shot, at, looks, held))
        self._made = made
        return made

    def _placed(self, shot: _OpenShot, near: Sequence[Shot], looks: Mapping[int, ShotConfig]) -> _ShotPlaces:
        """Where faces are replaced; known already unless `who` they are changed."""
        who = tuple(
            tuple(looks.get(index, AS_DRAWN).replaces(each) for each in self._performers) for index in shot.near
        )
        if who not in shot.by_who:
            places = places_of(
                self._guards,
                self.info,
                self.timeline,
                self._asked,
                shot.found,
                near,
                looks,
                shot.frames,
                Silent(),
            )
            places, covers_at = replace(places, shown=None), places.covers_at
            corner: Corner | None = None
            if any(index in places.in_whole_shots or index in covers_at for index in shot.frames):
                corner = corner_in(
                    self.info, self.timeline, places, covers_at, self._disguise, shot.frames, shot.others
                )
            shot.by_who[who] = _ShotPlaces(places=places, covers_at=covers_at, corner=corner)
        return shot.by_who[who]

    def _frames_in(
        self, shot: _OpenShot, at: _ShotPlaces, looks: Mapping[int, ShotConfig], held: HeldFaces
    ) -> FramesIn:
        performers = self._performers
        pair_at = {track: performers.index(performer) for track, performer in shot.found.performer_of.items()}
        labelled = () if at.corner is None else (LabelledShot(frames=shot.frames, corner=at.corner),)
        return swapped_frames(
            self.info,
            self.timeline,
            at.places.faces_at,
            joint_drawer(self._drawings, pair_at),
            self._segmenter,
            tints={track: self._tints[number] for track, number in pair_at.items()},
            threads=num_threads(self._config.threads, MOST_THREADS),
            grain=self._config.grain,
            disguise=self._disguise,
            looks=looks,
            store=self._store,
            covers_at=at.covers_at,
            held=holding(self._project, held, self.info, self._config.sentence, labelled, self._check_leave),
            read=self._read,
            are_finished=True,
        )

    @property
    def _performers(self) -> list[str]:
        return [guard.permit.people[-1] for guard in self._guards]


def _faces_to_draw_from(guards: Sequence[Guard], info: MediaInfo, timeline: Timeline) -> dict[str, list[StoredFace]]:
    """By performer the faces of the whole plate that may serve as references, as `generate` takes them."""
    seen = {
        performer: stored_faces(guards[0].project, performer, purpose="generate", sha256=info.sha256, kept_only=True)
        for performer in (guard.permit.people[-1] for guard in guards)
    }
    own = uncontested(seen).faces
    doubtful = {performer: doubtful_frames(faces, timeline) for performer, faces in seen.items()}
    return {
        performer: [face for face in faces if face.frame not in doubtful[performer]] or list(faces)
        for performer, faces in own.items()
    }


def _state_of(plate: Path) -> _State:
    """What changes with a file, without reading it."""
    try:
        facts = plate.stat()
    except OSError as error:
        raise MediaError(f"{plate} can't be read ({error.strerror}); put it back, then open it again") from error
    return facts.st_ino, facts.st_size, facts.st_mtime_ns
