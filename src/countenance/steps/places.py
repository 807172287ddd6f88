"""Which frames of a plate are asked for, what is set for its shots, and which faces in it are to be replaced."""

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from countenance.composite.check import CheckedFaces, check_faces
from countenance.composite.contested import Uncontested, uncontested
from countenance.composite.cover import Cover, Covers, covers_of
from countenance.composite.heads import Head, Heads, follow_heads, head_of
from countenance.composite.held import HeldFaces, HeldFrame, is_reached
from countenance.composite.place import PlacedFace, frames_of_fade, placed_faces
from countenance.composite.shot import AS_DRAWN, ShotConfig
from countenance.composite.shotfile import Shot, check_names, looks_of, read_shots
from countenance.consent.register import templates
from countenance.errors import FaceError, UsageError
from countenance.faces.plate import require_performer, review_command
from countenance.faces.store import StoredFace, stored_faces
from countenance.media.excerpt import Wanted, shot_ranges, wanted_frames
from countenance.media.spans import in_words
from countenance.media.timeline import Timeline
from countenance.progress import Progress
from countenance.steps.guards import Guard, joint_check
from countenance.types import MediaInfo
from countenance.vision.segment import Segmenter

PREVIEW_S = 4
"""A preview of a plate without a range shows so many seconds, from the first frame that shows the performer on."""
DRAWN_AROUND = 64
"""Frames beside an excerpt whose faces decide how it looks, in a batch or in a colour's mean; rather more."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What of a plate is asked for, and how."""

    wanted: Wanted
    preview: bool
    shot_changes: tuple[str, ...]
    fades: bool
    disguised: frozenset[str] = frozenset()
    """The performers whose heads are covered wherever no face is drawn onto them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Places:
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
    in_whole_shots: Mapping[int, Sequence[PlacedFace]]
    """The same throughout the shots of which something is asked for."""
    covers: Mapping[str, Covers]
    """By performer who is disguised."""
    held: HeldFaces
    """What an artist painted or approved, in all shots of which something is asked for."""
    reached: frozenset[int]
    """The frames in which a face is held, or follows a held one."""

    @property
    def covers_at(self) -> Covers:
        """By frame, those of all performers."""
        joint: dict[int, list[Cover]] = defaultdict(list)
        for covers in self.covers.values():
            for index, several in covers.items():
                joint[index] += several
        return joint

    def faces_to_draw_from(self, performer: str) -> Sequence[StoredFace]:
        """A performer's faces that may serve as references, the same for all parts of a plate."""
        own = self.faces[performer]
        return [face for face in own if face.id in self.steady] or own

    @property
    def decided_tracks(self) -> set[int]:
        """Those that are a performer's by a user's decision."""
        return {face.track for several in self.faces.values() for face in several if face.is_decided}


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """Performers' faces in a plate or in some of its shots, whatever is set for these."""

    checked: Mapping[str, CheckedFaces]
    """By performer, those whose meshes lie on them."""
    faces: Mapping[str, tuple[StoredFace, ...]]
    """By performer, those of nobody else."""
    placed: Mapping[int, Sequence[PlacedFace]]
    """The same by frame, smoothed, as far as they show."""
    performer_of: Mapping[int, str]
    """By track."""


def find_places(
    guards: Sequence[Guard],
    info: MediaInfo,
    timeline: Timeline,
    asked: Asked,
    segmenter: Segmenter,
    progress: Progress,
) -> Places:
    """Find the performers whom the guards' permits name in the plate, and what of it is asked for.

    Raises:
        UsageError: the plate has no such part, or a shot's file holds something that isn't allowed.
        FaceError: a performer isn't in the plate, or nothing of them can be replaced in what is asked for.
    """
    project, performers = guards[0].project, [guard.permit.people[-1] for guard in guards]
    people, check_leave = templates(project), joint_check(guards)
    shown = wanted_frames(info, timeline, asked.wanted)
    shots = set_shots(guards, info, timeline, asked.shot_changes, people)
    looks = looks_of(shots, info, timeline)
    check_wholly_replaced(shots, looks, shown, asked.disguised)
    seen = {
        performer: require_performer(project, performer, people, info, progress, check_leave=check_leave)
        for performer in performers
    }
    if asked.preview and shown is None and info.kind == "video":
        shown = _first_seconds(info, timeline, min(several[0].frame for several in seen.values()))
    # Whether a face is lost, and whose it is, is judged over all of its track, which ends with the shot.
    within = None if shown is None else whole_shots(timeline, shown)
    found = find_faces(seen, info, timeline, asked, segmenter, within, progress)
    _check_found(found, info)
    places = places_of(guards, info, timeline, asked, found, shots, looks, shown, progress)
    altered = {index for several in (places.faces_at, *places.covers.values()) for index in several}
    _check_shown(found.placed, altered, shown, performers, asked.disguised, info)
    _check_replaced(altered, shown, shots, performers)
    return places


def set_shots(
    guards: Sequence[Guard], info: MediaInfo, timeline: Timeline, shot_changes: Sequence[str], people: Iterable[str]
) -> list[Shot]:
    """A plate's shots with what is set for them, and what artists held of the guards' pairs; `people` are the
    project's.

    Raises:
        UsageError: a shot's file holds something that isn't allowed.
        MediaError: a held frame can't be read.
    """
    shots = read_shots(guards[0].project, info, timeline, shot_changes, [_pair_of(guard) for guard in guards])
    check_names(shots, sorted(people))
    return shots


def find_faces(
    seen: Mapping[str, Sequence[StoredFace]],
    info: MediaInfo,
    timeline: Timeline,
    asked: Asked,
    segmenter: Segmenter,
    within: range | None,
    progress: Progress,
) -> Found:
    """Check the performers' faces and place them; only frames `within` a range are looked at, None for all."""
    checked = {
        performer: _checked(performer, several, info, timeline, segmenter, within, progress)
        for performer, several in seen.items()
    }
    found = _of_one_performer_each(checked, info, timeline, progress)
    return Found(
        checked=checked,
        faces=found.faces,
        placed=_placed(found.faces, asked, info, timeline),
        performer_of={face.track: performer for performer, several in found.faces.items() for face in several},
    )


def places_of(
    guards: Sequence[Guard],
    info: MediaInfo,
    timeline: Timeline,
    asked: Asked,
    found: Found,
    shots: Sequence[Shot],
    looks: Mapping[int, ShotConfig],
    shown: range | None,
    progress: Progress,
) -> Places:
    """Which of the found faces are replaced, by what is set for the shots, and which heads are covered."""
    around = None if shown is None else range(shown.start - DRAWN_AROUND, shown.stop + DRAWN_AROUND)
    replaced = _replaced(found.placed, looks, found.performer_of, asked.disguised)
    in_shots = [each for each in shot_ranges(timeline) if shown is None or _touch(each, shown)]
    frames = [frame for shot in shots if shot.frames in in_shots for frame in shot.held]
    held = held_faces(frames, replaced, found.performer_of, progress)
    faces_at = {
        at: several
        for at, several in replaced.items()
        if around is None or at in around or any(abs(at - index) <= DRAWN_AROUND for index in held)
    }
    return Places(
        shown=shown,
        shots=shots,
        looks=looks,
        faces=found.faces,
        steady=frozenset(face.id for each in found.checked.values() for face in each.steady),
        performer_of=found.performer_of,
        faces_at=faces_at,
        in_whole_shots=replaced,
        covers={
            performer: _covers(guard, found, replaced, looks, info, timeline, in_shots, progress)
            for guard, performer in ((guard, guard.permit.people[-1]) for guard in guards)
            if performer in asked.disguised
        },
        held=held,
        reached=_reached(held, replaced, looks, info, timeline),
    )


def _pair_of(guard: Guard) -> tuple[str, str]:
    likeness, performer = guard.permit.people
    return likeness, performer


def held_faces(
    frames: Iterable[HeldFrame],
    replaced: Mapping[int, Sequence[PlacedFace]],
    performer_of: Mapping[int, str],
    progress: Progress,
) -> dict[int, dict[int, HeldFrame]]:
    """What artists gave of the faces that are replaced; what else they gave is left out, with a note."""
    held: dict[int, dict[int, HeldFrame]] = defaultdict(dict)
    for frame in frames:
        _, performer = frame.pair
        tracks = [face.track for face in replaced.get(frame.index, ()) if performer_of[face.track] == performer]
        for track in tracks:
            held[frame.index][track] = frame
        if not tracks:
            progress.note(f"{frame.path} isn't used: {performer}'s face isn't replaced in frame {frame.index}")
    return dict(held)


def _reached(
    held: HeldFaces,
    replaced: Mapping[int, Sequence[PlacedFace]],
    looks: Mapping[int, ShotConfig],
    info: MediaInfo,
    timeline: Timeline,
) -> frozenset[int]:
    def time_s(index: int) -> float:
        return float(int(timeline.frame_pts[index]) * info.time_base)

    times_s: dict[int, list[float]] = defaultdict(list)
    for index in sorted(held):
        for track in held[index]:
            times_s[track].append(time_s(index))
    followed = {
        index
        for index, faces in replaced.items()
        for face in faces
        if face.track in times_s and is_reached(times_s[face.track], time_s(index), looks.get(index, AS_DRAWN).held_s)
    }
    return frozenset(followed | held.keys())


def _covers(
    guard: Guard,
    found: Found,
    faces_at: Mapping[int, Sequence[PlacedFace]],
    looks: Mapping[int, ShotConfig],
    info: MediaInfo,
    timeline: Timeline,
    shots: Sequence[range],
    progress: Progress,
) -> Covers:
    """Where a performer's head is, or what may be their head, and no face is drawn onto it."""
    _, performer = guard.permit.people
    known, drawn, others = (defaultdict[int, list[Head]](list) for _ in range(3))
    for face in found.checked[performer].faces:
        known[face.frame].append(head_of(face.landmarks_xyz))
    for index, several in faces_at.items():
        for placed in several:
            whose = drawn if found.performer_of[placed.track] == performer else others
            whose[index].append(head_of(placed.landmarks_xyz))
    # A mesh that is about to be lost has shrunk already, so heads are followed from those that a drawn face has.
    sure = {index: heads for shot in shots for index, heads in (_in_shot(drawn, shot) or _in_shot(known, shot)).items()}
    followed = {}
    if info.kind == "video":
        followed = follow_heads(info, timeline, sure, shots, check_leave=guard.check, progress=progress)
    heads = {index: [*known.get(index, ()), *followed.get(index, ())] for index in {*known, *followed}}
    # Nobody but a user can say that an unsure face isn't the witness's.
    for face in stored_faces(guard.project, performer, purpose="generate", sha256=info.sha256):
        head = head_of(face.landmarks_xyz)
        if face.rejections and not any(head.is_same_as(other) for other in others[face.frame]):
            heads.setdefault(face.frame, []).append(head)
    wanted = {
        index: heads[index]
        for shot in shots
        for index in shot
        if index in heads and looks.get(index, AS_DRAWN).replaces(performer)
    }
    return covers_of(wanted, drawn, shots, frames_of_fade(float(info.frame_rate)))


def _in_shot(heads: Heads, shot: range) -> Heads:
    return {index: heads[index] for index in shot if index in heads}


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
            f"{in_words(info, timeline, checked.frames_beside)}; nothing is replaced there"
        )
    return checked


def _of_one_performer_each(
    checked: Mapping[str, CheckedFaces], info: MediaInfo, timeline: Timeline, progress: Progress
) -> Uncontested:
    """The faces by performer, without those that may be two performers'."""
    found = uncontested({performer: each.faces for performer, each in checked.items()})
    for (one, other), frames in found.frames_left_out.items():
        progress.note(
            f"a face in {in_words(info, timeline, frames)} may be {one}'s or {other}'s, and stays as it is; "
            f"decide with `{review_command(one, info)} --no TRACK`, or with the same for {other}"
        )
    return found


def _check_found(found: Found, info: MediaInfo) -> None:
    """Check that each performer has a face that is theirs and nobody else's."""
    for performer, checked in found.checked.items():
        if not checked.faces:
            raise FaceError(
                f"the mesh tracked as {performer}'s face in {info.path.name} doesn't lie on a face in any frame; "
                "choose another plate, or check --performer",
                code="face.not_found",
                person=performer,
                path=info.path,
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


def _check_shown(
    placed: Mapping[int, Sequence[PlacedFace]],
    altered: Container[int],
    shown: range | None,
    performers: Sequence[str],
    disguised: Container[str],
    info: MediaInfo,
) -> None:
    """Check that a face is to be seen in the part of the plate that is asked for."""
    whose = " or ".join(performers)
    if not placed:
        or_without = "" if all(each in disguised for each in performers) else ", or add --set generate.fade=false"
        raise FaceError(
            f"{whose} is turned away wherever they are in {info.path.name}, so there is nothing to replace; "
            f"choose another plate{or_without}",
            code="face.not_found",
            person=whose,
            path=info.path,
        )
    if shown is not None and not any(index in placed or index in altered for index in shown):
        raise FaceError(
            f"{whose} isn't in frames {shown.start} to {shown.stop - 1} of {info.path.name}, or turned away there; the "
            f"first frame with something to replace is {min(placed)}, choose --frames from there",
            code="face.not_found",
            person=whose,
            path=info.path,
        )


def _placed(
    faces: Mapping[str, Sequence[StoredFace]], asked: Asked, info: MediaInfo, timeline: Timeline
) -> dict[int, list[PlacedFace]]:
    """All performers' faces by frame; of a disguise what is about to be lost always fades, so that it is covered."""
    placed: dict[int, list[PlacedFace]] = defaultdict(list)
    for performer, several in faces.items():
        fades = performer in asked.disguised or (asked.fades and info.kind == "video")
        for index, own in placed_faces(several, timeline, frame_rate=float(info.frame_rate), fades=fades).items():
            placed[index] += own
    return dict(placed)


def check_wholly_replaced(
    shots: Sequence[Shot], looks: Mapping[int, ShotConfig], shown: range | None, disguised: Iterable[str]
) -> None:
    """Check that no disguise is to show a part of who is below."""
    for shot in shots:
        for index in shot.frames:
            look = looks.get(index, AS_DRAWN)
            seen = [each for each in sorted(disguised) if look.replaces(each)]
            if look.likeness < 1 and seen and (shown is None or index in shown):
                where = shot.path if shot.path.exists() else "countenance.toml or --set"
                raise UsageError(
                    f"setting shot.likeness of shot {shot.number}: {seen[0]} would show through at {look.likeness:g} "
                    f"in frame {index}, and is not to be seen; expected 1, or 0 where {seen[0]} may be seen as they "
                    f"are; correct it in {where}",
                    code="usage.setting",
                    setting="shot.likeness",
                )


def _replaced(
    placed: Mapping[int, Sequence[PlacedFace]],
    looks: Mapping[int, ShotConfig],
    performer_of: Mapping[int, str],
    disguised: Container[str],
) -> dict[int, list[PlacedFace]]:
    """The faces that the shots' settings ask for, by frame; of a disguise, whole ones only."""

    def is_replaced(at: int, face: PlacedFace) -> bool:
        performer = performer_of[face.track]
        return looks.get(at, AS_DRAWN).replaces(performer) and not (performer in disguised and face.presence < 1)

    replaced = {at: [face for face in several if is_replaced(at, face)] for at, several in placed.items()}
    return {at: several for at, several in replaced.items() if several}


def _check_replaced(
    altered: Iterable[int], shown: range | None, shots: Sequence[Shot], performers: Sequence[str]
) -> None:
    """Check that the shots' settings leave something to replace."""
    if not any(shown is None or index in shown for index in altered):
        raise UsageError(
            f"the settings of the shots leave {' and '.join(performers)} as in the plate "
            f"{f'in frames {shown.start} to {shown.stop - 1}' if shown else 'throughout'}, so there is nothing to "
            f"publish; change who or likeness in {shots[0].path.parent}, or choose other --frames",
            code="usage.setting",
            setting="shot.who",
        )


def _touch(one: range, other: range) -> bool:
    return one.start < other.stop and other.start < one.stop


def whole_shots(timeline: Timeline, frames: range) -> range:
    """The frames of the shots that some frames touch, and enough beside them for what is drawn together."""
    touched = [each for each in shot_ranges(timeline) if _touch(each, frames)]
    return range(touched[0].start - DRAWN_AROUND, touched[-1].stop + DRAWN_AROUND)


def _first_seconds(info: MediaInfo, timeline: Timeline, first: int) -> range:
    """The frames of some seconds from one of them on."""
    pts = timeline.frame_pts
    end = int(np.searchsorted(pts, int(pts[first]) + int(PREVIEW_S / info.time_base)))
    return range(first, max(end, first + 1))
