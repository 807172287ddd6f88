"""Review of the faces that were found: show them, decide on them, export them, and import corrections."""

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from countenance import ledger
from countenance.config import stored_config
from countenance.consent.register import templates
from countenance.consent.statement import stated_faces
from countenance.errors import ConsentError, CountenanceError, FaceError, UsageError
from countenance.faces.answers import Word, withdraw
from countenance.faces.config import PrepareConfig
from countenance.faces.decisions import decide
from countenance.faces.faceset import Prepared, close_face_set
from countenance.faces.look import Description, describe_face, largest_crop
from countenance.faces.selection import most_varied
from countenance.faces.store import (
    StoredFace,
    count_stored,
    count_undecided,
    faces_in_frame,
    read_crop,
    read_visible,
    stored_faces,
    write_face,
)
from countenance.footage import Clip, clip_paths, collected_clips, known_clips, timeline_of
from countenance.media.reader import read_frames
from countenance.progress import Progress
from countenance.project import Project, erase
from countenance.review.exchange import (
    MAX_FACES,
    Change,
    check_folder,
    checked_landmarks,
    checked_mask,
    exported_files,
    hidden_by_hand,
    num_exported,
    read_folder,
    write_folder,
)
from countenance.review.query import NAME, FaceQuery, WaitingTrack, choose, faces_named, waiting_tracks
from countenance.review.sheet import (
    FACES_PER_PAGE,
    TRACK_PICTURES,
    TRACKS_PER_PAGE,
    Rgb,
    TrackRow,
    face_pages,
    page_paths,
    review_pages,
    tile_of,
    write_pages,
)
from countenance.runs import last_facts, recorded_run
from countenance.steps.guards import Guard
from countenance.types import Permit
from countenance.vision.gaze import EyeFinder
from countenance.vision.quality import worth
from countenance.vision.segment import Segmenter

QUICK_FACES, QUICK_BYTES = 1_500, 250 * 2**20
"""Up to so many faces, from clips of so many bytes, a face set is made again in about a second: all pictures and all
clips are read for it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """All faces of a person that are stored, and the clips they are from."""

    faces: list[StoredFace]
    clips: dict[str, Clip]
    """By their SHA-256."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sheets:
    """Contact sheets that were written."""

    paths: tuple[Path, ...]
    num_shown: int
    num_without: int
    """Near duplicates, of which no picture is stored."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Imported:
    """What an import changed."""

    num_kept: int
    num_dropped: int
    num_masks: int
    num_nudged: int
    num_deleted: int
    """Faces whose picture was deleted; they count as dropped only where that was asked for."""
    prepared: Prepared | None
    """None where nothing was changed."""


def found_faces(project: Project, person: str, permit: Permit) -> Found:
    """The faces that were found in a person's clips.

    Raises:
        ConsentError: the permit doesn't hold.
        FaceError: there are none, or preparing was stopped before its end.
    """
    return _found(Guard(project, permit, "prepare", people=(person,)), person)


def _found(guard: Guard, person: str) -> Found:
    project = guard.project
    num_undecided = count_undecided(project, person)
    faces = stored_faces(project, person)
    if num_undecided or not faces:
        why = "preparing was stopped before its end" if num_undecided else f"no faces of {person} here"
        raise FaceError(f"{why}; run `countenance prepare {person}` first", code="face.set_missing", person=person)
    return Found(faces=faces, clips=known_clips(project, person))


def show_faces(
    project: Project,
    person: str,
    permit: Permit,
    query: FaceQuery,
    output: Path,
    *,
    overwrite: bool,
    progress: Progress,
) -> Sheets:
    """Write contact sheets of the faces that a query asks for; of several, their numbers go into the names.

    Raises:
        ConsentError: the permit doesn't hold.
        FaceError: there are no such faces with pictures.
        UsageError: no clip has that name, or a file is there already.
    """
    guard = Guard(project, permit, "prepare", people=(person,))
    found = _found(guard, person)
    shown, num_without = _with_pictures(person, found, query)
    order = "in order of frames" if query.sort == "frame" else f"by {query.sort}"
    which = f"{query.where} " if query.where else ""
    pages = face_pages(
        f"{person}: {len(shown):,} {which}faces {order}{', backwards' if query.reverse else ''}",
        [tile_of(face, query) for face in shown],
        lambda position: (read_crop(project, shown[position].id), read_visible(project, shown[position].id)),
    )
    paths = page_paths(output, -(-len(shown) // FACES_PER_PAGE), overwrite=overwrite)
    write_pages(paths, _while_permitted(guard, paths, pages), person, progress)
    return Sheets(paths=tuple(paths), num_shown=len(shown), num_without=num_without)


def show_waiting(
    project: Project,
    person: str,
    permit: Permit,
    output: Path,
    *,
    overwrite: bool,
    progress: Progress,
) -> Sheets:
    """Write contact sheets of the undecided tracks, one a row, below faces identified as the person's.

    Raises:
        ConsentError: the permit doesn't hold.
        FaceError: none is undecided.
        UsageError: a file is there already.
    """
    guard = Guard(project, permit, "prepare", people=(person,))
    found = _found(guard, person)
    tracks = waiting_tracks(found.faces)
    if not tracks:
        raise FaceError(f"no track of {person} waits for a review; there is nothing to draw")
    config = _last_config(project, person)
    rows = [_track_row(project, track, found.clips, config) for track in tracks]
    kept = [face for face in found.faces if not face.rejections]
    known = None
    if kept:
        varied = [kept[position] for position in most_varied([face.quality for face in kept], TRACK_PICTURES)]
        lines = (f"kept already: {len(kept):,} faces,", "of which these differ most")
        pictures = tuple(read_crop(project, face.id) for face in varied)
        known = TrackRow(name=f"identified as {person}", lines=lines, pictures=pictures, state="kept")
    pages = review_pages(
        f"Is this {person}?",
        f"countenance faces review {person} --yes {tracks[0].name}, or --no",
        rows,
        known,
    )
    paths = page_paths(output, -(-len(rows) // TRACKS_PER_PAGE), overwrite=overwrite)
    write_pages(paths, _while_permitted(guard, paths, pages), person, progress)
    return Sheets(paths=tuple(paths), num_shown=len(rows), num_without=sum(not row.pictures for row in rows))


def say(
    project: Project,
    person: str,
    permit: Permit,
    words: Mapping[Word, Sequence[StoredFace]],
    *,
    withdrawn: Sequence[StoredFace] = (),
    progress: Progress,
) -> Prepared:
    """Store the user's decisions on some faces, and make the face set again; of those `withdrawn`, earlier decisions to
    keep or drop them end.

    Raises:
        ConsentError: the permit doesn't hold.
        UsageError: a face is to be kept of which no image is stored, or whose track is undecided; nothing is changed.
        FaceError: a track is to be the person's that the release rules out; nothing is changed then.
        CountenanceError: the face set can't be made, as where no face is left; the decisions hold all the same.
    """
    Guard(project, permit, "prepare", people=(person,))
    _check_keepable(words.get("keep", ()))
    config = _last_config(project, person)
    withdraw(project, person, withdrawn)
    decide(project, person, templates(project), words, config, "prepare", permit)
    try:
        return choose_again(project, person, permit, config, progress=progress)
    except CountenanceError as error:
        raise error.rephrased(f"{error} (your decisions were saved and will be applied next time)") from error


def chooses_quickly(project: Project, person: str) -> bool:
    """Whether `say` takes about a second at most, so that somebody can wait for it."""
    num_bytes = sum(path.stat().st_size for path in clip_paths(project, person) if path.is_file())
    return count_stored(project, person) <= QUICK_FACES and num_bytes <= QUICK_BYTES


def export_faces(
    project: Project, person: str, permit: Permit, query: FaceQuery, folder: Path, *, progress: Progress
) -> int:
    """Export the faces that a query asks for, note it in the log, and return how many there were.

    Near duplicates, of which no picture is stored, are left out.

    Raises:
        ConsentError: the permit doesn't hold.
        MediaError: a clip was moved or changed.
        FaceError: there are no such faces with pictures.
        UsageError: the folder holds something, no clip has that name, or there are too many faces.
    """
    guard = Guard(project, permit, "prepare", people=(person,))
    check_folder(folder)
    found = _found(guard, person)
    chosen, _ = _with_pictures(person, found, query)
    if len(chosen) > MAX_FACES:
        raise UsageError(f"expected at most {MAX_FACES:,} faces, got {len(chosen):,}; choose fewer, as with --limit")
    times_s = _times_s(project, person, chosen, progress)
    with project.transaction():
        guard.check()
        # Before the first image is written, so that every image has an entry.
        ledger.append(project, "faces.exported", {"num_faces": len(chosen), "permit": permit.digest})
    written = write_folder(project, person, chosen, times_s, folder)
    try:
        for _ in progress.track(written, what="exporting faces", unit="faces", total=len(chosen)):
            guard.check()
    except ConsentError:
        # It was new or empty before, so it holds nothing else.
        shutil.rmtree(folder)
        raise
    return len(chosen)


def exported_since(project: Project, person: str, folder: Path, since: datetime) -> int | None:
    """How many faces an export that was begun since a time left in a folder, where it is whole.

    One that was cut short is removed, so that it can be made again, and None is given.
    """
    files = [*folder.iterdir()] if folder.is_dir() else []
    if not files or any(path.stat().st_mtime < since.timestamp() for path in files):
        return None
    own = exported_files(folder, person, tuple(known_clips(project, person)))
    if (number := num_exported(folder)) is not None:
        return number
    for path in own if len(own) == len(files) else ():
        erase(path)
    return None


def import_faces(
    project: Project,
    person: str,
    permit: Permit,
    folder: Path,
    *,
    drop_deleted: bool,
    progress: Progress,
) -> Imported:
    """Import decisions, masks and landmarks changed in an exported folder; nothing, if any of it can't be imported.

    Raises:
        ConsentError: the permit doesn't hold.
        UsageError: it is not an exported folder, or holds something that can't be imported.
        MediaError: a clip was moved or changed, or no face is left.
    """
    guard = Guard(project, permit, "prepare", people=(person,))
    found = _found(guard, person)
    changes = read_folder(project, person, found.faces, folder, progress=progress)
    kept = [change.face for change in changes if change.word == "keep"]
    dropped = [change.face for change in changes if change.word == "drop" or (change.is_deleted and drop_deleted)]
    _check_keepable(kept)
    painted = [change for change in changes if change.mask is not None]
    nudged = [change for change in changes if change.landmarks_xyz is not None]
    _write_changes(project, person, nudged, painted, progress)
    prepared = None
    if kept or dropped or painted or nudged:
        words: dict[Word, Sequence[StoredFace]] = {"keep": kept, "drop": dropped}
        prepared = say(project, person, permit, words, progress=progress)
    return Imported(
        num_kept=len(kept),
        num_dropped=len(dropped),
        num_masks=len(painted),
        num_nudged=len(nudged),
        num_deleted=sum(change.is_deleted for change in changes),
        prepared=prepared,
    )


def correct_face(
    project: Project,
    person: str,
    permit: Permit,
    name: str,
    *,
    landmarks_xyz: Sequence[Sequence[float]] | None = None,
    mask: UInt8[np.ndarray, "S S"] | None = None,
    is_last: bool = True,
    progress: Progress,
) -> Prepared | None:
    """Store new landmarks, in pixels of the frame, or a new mask of a face, 0–255 at its crop's size.

    The face set is made again, unless more follows (`is_last`); until then it can't be used.

    Raises:
        ConsentError: the permit doesn't hold.
        UsageError: no face is called so, both or neither are given, or what is given isn't of this face.
        MediaError: the clip was moved or changed.
        FaceError: the face has no picture, or no face is left.
    """
    Guard(project, permit, "prepare", people=(person,))
    (face,) = faces_named(_in_frame_of(project, person, name), [name])
    if landmarks_xyz is not None and mask is None:
        nudged = [Change(face=face, landmarks_xyz=checked_landmarks(face, landmarks_xyz))]
        _write_changes(project, person, nudged, [], progress)
    elif mask is not None and landmarks_xyz is None:
        side = len(read_crop(project, face.id))
        if mask.shape != (side, side):
            raise UsageError(f"expected a mask of {side}×{side} pixels, got {mask.shape}; load the face again")
        painted = [Change(face=face, mask=checked_mask(face, mask, remedy="drop it"))]
        _write_changes(project, person, [], painted, progress)
    else:
        raise UsageError(
            "expected new landmarks or a new mask, which is painted on the crop that landmarks cut; save one first"
        )
    return say(project, person, permit, {}, progress=progress) if is_last else None


def _in_frame_of(project: Project, person: str, name: str) -> list[StoredFace]:
    """The faces of the frame that a whole name tells."""
    told = NAME.fullmatch(name)
    return faces_in_frame(project, person, told["clip"], int(told["frame"])) if told else []


def _write_changes(
    project: Project, person: str, nudged: Sequence[Change], painted: Sequence[Change], progress: Progress
) -> None:
    """Store faces with new landmarks, cut again, and faces with new masks; before the first, all are at hand."""
    described = _describe_anew(project, person, nudged, progress)
    for change, new in zip(nudged, described, strict=True):
        assert change.landmarks_xyz is not None
        write_face(
            project,
            change.face.id,
            landmarks_xyz=change.landmarks_xyz,
            quality=new.quality,
            crop=new.crop,
            visible=new.visible.mask,
            mask_origin=new.visible.origin,
        )
    for change in painted:
        assert change.mask is not None
        face, hidden = change.face, hidden_by_hand(change.face.landmarks_xyz, change.mask)
        write_face(
            project,
            face.id,
            landmarks_xyz=face.landmarks_xyz,
            quality=replace(face.quality, occluded_fraction=hidden),
            crop=read_crop(project, face.id),
            visible=change.mask,
            mask_origin="hand",
        )


def _with_pictures(person: str, found: Found, query: FaceQuery) -> tuple[list[StoredFace], int]:
    """The faces that a query asks for, as far as their images are stored, and how many were left out."""
    chosen = choose(found.faces, found.clips, replace(query, limit=None))
    shown = [face for face in chosen if face.has_crop]
    if not shown:
        raise FaceError(f"no stored face of {person} matches this selection; widen --where or --range")
    return shown[: query.limit], len(chosen) - len(shown)


def _while_permitted(guard: Guard, paths: Sequence[Path], pages: Iterable[Rgb]) -> Iterator[Rgb]:
    """The pages, as long as consent holds; where it ends, those that were written before are removed."""
    written: list[Path] = []
    for path, page in zip(paths, pages, strict=True):
        try:
            guard.check()
        except ConsentError:
            for each in written:
                each.unlink()
            raise
        yield page
        written.append(path)


def _last_config(project: Project, person: str) -> PrepareConfig:
    """The config of the last prepare run: a decision on some faces must not change how the others are judged."""
    facts = last_facts(project, "prepare", person)
    assert facts is not None, "faces are only there after a run of prepare"
    return stored_config(
        PrepareConfig,
        "prepare",
        facts.get("config"),
        where=f"the last run of prepare for {person}",
        remedy=f"run `countenance prepare {person}` again",
        error=UsageError,
    )


def _describe_anew(project: Project, person: str, nudged: Sequence[Change], progress: Progress) -> list[Description]:
    """Crop, mask and quality of faces whose landmarks were nudged, from their clips' frames."""
    if not nudged:
        return []
    wanted = {change.face.clip_sha256 for change in nudged}
    clips = {info.sha256: info for info in collected_clips(project, person, only=wanted)}
    segmenter, find_eyes, largest = Segmenter(), EyeFinder(), largest_crop(_last_config(project, person))
    described = []
    for change in progress.track(nudged, what="cutting faces again", unit="faces", total=len(nudged)):
        assert change.landmarks_xyz is not None
        info, frame = clips[change.face.clip_sha256], change.face.frame
        pts = int(timeline_of(project, info, progress).frame_pts[frame])
        frame_rgb = next(read_frames(info, first_index=frame, first_pts=pts)).rgb
        described.append(describe_face(frame_rgb, change.landmarks_xyz, segmenter, find_eyes, largest))
    return described


def _check_keepable(faces: Sequence[StoredFace]) -> None:
    for face in faces:
        if not face.has_crop:
            raise UsageError(
                f"{face.name} can't be kept: it is a near duplicate of a better one, and its picture isn't stored; "
                "leave it out of the names"
            )
        if "unsure who" in face.rejections:
            raise UsageError(
                f"{face.name} can't be kept: it isn't decided yet whose face it is; decide on its track with "
                f"`countenance faces review`, or leave it out of the names"
            )


def _times_s(project: Project, person: str, faces: Sequence[StoredFace], progress: Progress) -> dict[int, float]:
    """The exact time of each face's frame, by the face's id."""
    times: dict[str, list[float]] = {}
    wanted = {face.clip_sha256 for face in faces}
    for info in collected_clips(project, person):
        if info.sha256 in wanted:
            timeline = timeline_of(project, info, progress)
            times[info.sha256] = [float(pts * info.time_base) for pts in timeline.frame_pts.tolist()]
    return {face.id: times[face.clip_sha256][face.frame] for face in faces}


def _track_row(project: Project, track: WaitingTrack, clips: Mapping[str, Clip], config: PrepareConfig) -> TrackRow:
    """The best pictures of a track, in the order of their frames."""
    first, last = track.faces[0], track.faces[-1]
    clip = clips[first.clip_sha256]
    with_crop = [face for face in track.faces if face.has_crop]
    best = sorted(with_crop, key=lambda face: -worth(face.quality))[:TRACK_PICTURES]
    begin, end = (clip.about_s(face.frame) for face in (first, last))
    return TrackRow(
        name=track.name,
        lines=(
            clip.name,
            f"{begin:.1f} to {end:.1f} s, {len(track.faces):,} faces",
            f"distance {track.distance:.3f}: sure up to {config.max_known_distance:g}–{config.max_distance:g}",
            f"margin {track.margin:.3f}: sure from {config.min_margin:g}",
        ),
        pictures=tuple(read_crop(project, face.id) for face in sorted(best, key=lambda face: face.frame)),
        state="unsure",
    )


def choose_again(
    project: Project, person: str, permit: Permit, config: PrepareConfig, *, progress: Progress
) -> Prepared:
    """Make the face set again from the faces found before, as after a user's decision on some of them.

    Raises:
        ConsentError: the permit doesn't hold, or the faces are of somebody else than the statement.
        MediaError: a clip was moved or changed.
        FaceError: no face is left.
    """
    guard = Guard(project, permit, "prepare", people=(person,))
    clips = guard.clips_to_learn(person, collected_clips(project, person), progress)
    permit = guard.permit
    facts = {"config": asdict(config), "person": person, "clips": [info.sha256 for info in clips]}
    with recorded_run(project, "prepare", permit.digest, facts):
        return close_face_set(
            project,
            person,
            templates(project),
            clips,
            permit,
            config,
            progress,
            stated=stated_faces(project, permit.release_digests),
            check_leave=guard.check,
        )
