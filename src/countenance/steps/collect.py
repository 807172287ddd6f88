"""Bring footage into a project: look at each file, remember it, leave it where it is."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from countenance.errors import MediaError, one_line
from countenance.media.container import DamagedError, reason
from countenance.media.probe import Fingerprint, probe, take_fingerprint
from countenance.media.sequence import is_clip, numbered_runs, probe_sequence
from countenance.media.timeline import Timeline, read_timeline
from countenance.progress import Progress
from countenance.project import Project, now
from countenance.types import MediaInfo

MIN_GOOD_S = 2
"""A clip with a damaged end goes in with at least so much before the damage."""

OTHER_NAMES = (".DS_Store", "Thumbs.db", "desktop.ini")


@dataclass(frozen=True, kw_only=True, slots=True)
class Collected:
    """What became of the files that were offered."""

    clips: tuple[MediaInfo, ...]
    """New in the project."""
    known: tuple[Path, ...]
    """There already, by content."""
    left_out: tuple[tuple[Path, str], ...]
    """What is no usable footage, with the reason in one line; hidden files aren't even mentioned."""


def collect(project: Project, person: str, paths: Sequence[Path], *, progress: Progress) -> Collected:
    """Register videos, pictures and numbered sequences of pictures of a person; folders are searched to their bottom.

    Nothing is copied: a clip is remembered by its place and its digest, and checked when it is used. Each file stands
    for itself: what can't be used is left out, and the rest goes in.

    Raises:
        MediaError: a path that was named isn't there, or nothing usable was found at all.
    """
    for path in paths:
        _check_there(path)
    clips: list[MediaInfo] = []
    known: list[Path] = []
    left_out: list[tuple[Path, str]] = []
    files = [file for path in paths for file in _files_of(path, left_out)]
    offers = _offers(files)
    for offer in progress.track(offers, what=f"collecting footage of {person}", unit="clips", total=len(offers)):
        try:
            info = _look_at_new(project, person, offer, progress)
        except MediaError as error:
            left_out.append((offer[0], one_line(str(error))))
            continue
        if info is None:
            known.append(offer[0])
        else:
            clips.append(info)
    if not clips and not known:
        raise MediaError(_nothing_usable(paths, left_out))
    return Collected(clips=tuple(clips), known=tuple(known), left_out=tuple(left_out))


def collected_clips(project: Project, person: str) -> list[MediaInfo]:
    """A person's clips, probed anew.

    Raises:
        MediaError: there are none, or one was moved or changed since.
    """
    rows = project.database.execute(
        "SELECT path, sha256, num_frames, description FROM clips WHERE person = ? ORDER BY id", (person,)
    ).fetchall()
    if not rows:
        raise MediaError(f"no footage of {person} here; bring some with `countenance collect {person} PATH`")
    clips = []
    for path, sha256, num_frames, description in rows:
        if not Path(path).exists():
            raise MediaError(f"{path} is gone; put it back, or collect it again where it is now")
        facts = json.loads(description)
        is_whole = facts.get("is_whole", True)
        if facts["kind"] == "sequence":
            info = probe_sequence(Path(path), num_frames)
        else:
            info = probe(Path(path), damaged_end=not is_whole)
        if info.sha256 != sha256:
            raise MediaError(f"{path} was changed since it was collected; collect it again to use it as it is now")
        clips.append(info if is_whole else replace(info, num_frames=num_frames))
    return clips


def timeline_of(project: Project, info: MediaInfo, progress: Progress) -> Timeline:
    """When each frame of a clip or plate is shown and where shots begin: read once, then known by its content.

    Raises:
        MediaError: the clip can't be decoded to its end.
    """
    row = project.database.execute(
        "SELECT frame_pts, keyframes, shots FROM timelines WHERE sha256 = ?", (info.sha256,)
    ).fetchone()
    if row is not None:
        frame_pts, keyframes, shots = row
        timeline = Timeline(
            frame_pts=np.frombuffer(frame_pts, np.int64),
            keyframes=tuple(json.loads(keyframes)),
            shots=tuple(json.loads(shots)),
        )
        # Of a clip with a damaged end, all good frames are stored, which is less than the file announces.
        if len(timeline.frame_pts) == info.num_frames:
            return timeline
    timeline = read_timeline(info, progress)
    _store_timeline(project, info, timeline)
    return timeline


def _store_timeline(project: Project, info: MediaInfo, timeline: Timeline) -> None:
    with project.transaction() as database:
        database.execute(
            "INSERT OR REPLACE INTO timelines (sha256, frame_pts, keyframes, shots) VALUES (?, ?, ?, ?)",
            (
                info.sha256,
                timeline.frame_pts.tobytes(),
                json.dumps(timeline.keyframes),
                json.dumps(timeline.shots),
            ),
        )


def _check_there(path: Path) -> None:
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        raise MediaError(f"there is no file {path}; check its name") from None
    except OSError:
        # Told when the file is looked at.
        return


def _files_of(path: Path, left_out: list[tuple[Path, str]]) -> list[Path]:
    """The file itself, or all that a folder holds, in order of their names; links are listed and never followed.

    Folders that are no use are left out: those that can't be read, and empty ones with the name of a file.
    """
    if not _is_folder(path):
        return [path]

    def leave_out(error: OSError) -> None:
        line = f"the folder {error.filename} can't be read: {reason(error)}; check its permissions"
        left_out.append((Path(error.filename), one_line(line)))

    found: list[Path] = []
    for folder, folders, files in os.walk(path, onerror=leave_out):
        if Path(folder).suffix and not folders and not files:
            line = f"expected a video or picture, but {folder} is an empty folder; copy it anew"
            left_out.append((Path(folder), one_line(line)))
        linked = [name for name in folders if Path(folder, name).is_symlink()]
        # Changed in place, `os.walk` doesn't enter what is hidden.
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(folder, name) for name in (*files, *linked) if not _is_hidden(name)]
    return sorted(found)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name in OTHER_NAMES


def _nothing_usable(paths: Sequence[Path], left_out: Sequence[tuple[Path, str]]) -> str:
    if len(left_out) == 1 and left_out[0][0] in paths:
        return left_out[0][1]
    where = ", ".join(str(path) for path in paths)
    first = f"; {left_out[0][1]}" if left_out else ""
    more = f" (and {len(left_out) - 1} more)" if len(left_out) > 1 else ""
    return f"no video or picture that can be used in {where}{first}{more}"


def _offers(files: Sequence[Path]) -> list[tuple[Path, ...]]:
    """Files one by one, but pictures that make a sequence together, in the place of their first."""
    run_of = {run[0]: run for run in numbered_runs(files) if is_clip(run)}
    taken = {file for run in run_of.values() for file in run}
    return [run_of.get(file, (file,)) for file in files if file in run_of or file not in taken]


def _look_at_new(project: Project, person: str, offer: tuple[Path, ...], progress: Progress) -> MediaInfo | None:
    """A clip that is new in the project, or none where its content is known: that isn't looked at again."""
    file = offer[0]
    found = probe_sequence(file, len(offer)) if len(offer) > 1 else take_fingerprint(file)
    place = str(file.resolve())
    try:
        place.encode()
    except UnicodeEncodeError:
        raise MediaError(f"the name of {file} is no text in UTF-8; rename it") from None
    with project.transaction() as database:
        moved = database.execute(
            "UPDATE clips SET path = ? WHERE person = ? AND sha256 = ?", (place, person, found.sha256)
        )
    if moved.rowcount:
        return None
    if isinstance(found, Fingerprint):
        info = _read_through(project, file, found, progress)
    else:
        info = found
        timeline_of(project, info, progress)
    _remember(project, person, info)
    return replace(info, notes=tuple(one_line(note) for note in info.notes))


def _read_through(project: Project, file: Path, fingerprint: Fingerprint, progress: Progress) -> MediaInfo:
    """What a file is once all of it was decoded; where its end is damaged, the good frames before that, if enough."""
    try:
        info = probe(file, fingerprint)
        timeline_of(project, info, progress)
    except DamagedError as damage:
        try:
            info = probe(file, fingerprint, damaged_end=True)
            timeline = read_timeline(info, progress)
        except MediaError:
            raise damage from None
        num_good = len(timeline.frame_pts)
        if num_good < MIN_GOOD_S * info.frame_rate:
            raise
        _store_timeline(project, info, timeline)
        note = f"{file} is damaged after {num_good} frames, which are good and go in; the rest is left out"
        return replace(info, num_frames=num_good, notes=(*info.notes, note))
    return info


def _remember(project: Project, person: str, info: MediaInfo) -> None:
    description = {
        "kind": info.kind,
        "resolution_wh": info.resolution_wh,
        "duration_s": float(info.duration),
        "bit_depth": info.bit_depth,
        "has_audio": info.has_audio,
        "is_whole": info.is_whole,
    }
    with project.transaction() as database:
        database.execute(
            "INSERT INTO clips (person, sha256, path, num_frames, description, collected_at) VALUES (?, ?, ?, ?, ?, ?)",
            (person, info.sha256, str(info.path.resolve()), info.num_frames, json.dumps(description), now()),
        )
