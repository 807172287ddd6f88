"""Bring footage into a project: probe each file and register it; the file stays where it is."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from countenance.consent.permit import log_refused
from countenance.consent.register import KnownRelease, known_releases
from countenance.consent.scope import check_collected, refused_footage
from countenance.errors import ConsentError, IntimateError, MediaError, one_line
from countenance.footage import move_clip, remember_clip, stamp_of, store_timeline, timeline_of
from countenance.gates import check_footage
from countenance.media.container import DamagedError, reason
from countenance.media.probe import Fingerprint, probe, take_fingerprint
from countenance.media.sequence import is_clip, numbered_runs, probe_sequence
from countenance.media.timeline import read_timeline
from countenance.progress import Progress
from countenance.project import Project
from countenance.types import MediaInfo

MIN_GOOD_S = 2
"""A clip with a damaged end goes in with at least so much before the damage."""

OTHER_NAMES = (".DS_Store", "Thumbs.db", "desktop.ini")


@dataclass(frozen=True, kw_only=True, slots=True)
class Collected:
    """The result of collecting files."""

    clips: tuple[MediaInfo, ...]
    """New in the project."""
    known: tuple[Path, ...]
    """In the project already, by content."""
    left_out: tuple[tuple[Path, str], ...]
    """Files that can't be used, with the reason in one line; hidden files aren't listed."""


def collect(project: Project, person: str, paths: Sequence[Path], *, progress: Progress) -> Collected:
    """Register videos, pictures and numbered sequences of pictures of a person; folders are searched to their bottom.

    Nothing is copied: a clip is remembered by its place and its digest, and checked when it is used. Each file stands
    for itself: what can't be used is left out, and the rest goes in.

    Raises:
        MediaError: a path that was named isn't there, or nothing usable was found at all.
        IntimateError: nothing usable was found, and a clip looks intimate.
        ModelError: the net that looks for intimate content is missing or fails.
        ConsentError: nothing but footage that the person's releases don't name; the log says so.
    """
    for path in paths:
        _check_there(path)
    releases, refusals = known_releases(project), list[ConsentError]()
    clips: list[MediaInfo] = []
    known: list[Path] = []
    left_out: list[tuple[Path, str]] = []
    intimate: list[IntimateError] = []
    files = [file for path in paths for file in _files_of(path, left_out)]
    offers = _offers(files)
    for offer in progress.track(offers, what=f"collecting footage of {person}", unit="clips", total=len(offers)):
        try:
            info = _look_at_new(project, person, offer, releases, progress)
        except MediaError as error:
            left_out.append((offer[0], one_line(str(error))))
            if isinstance(error, IntimateError):
                intimate.append(error)
            continue
        except ConsentError as error:
            left_out.append((offer[0], one_line(f"{offer[0]}: {error}")))
            refusals.append(error)
            continue
        if info is None:
            known.append(offer[0])
        else:
            clips.append(info)
    if refusals:
        log_refused(
            project,
            "collect",
            refusals[0],
            person=person,
            footage=[sha256 for each in refusals for sha256 in refused_footage(each)],
        )
        if not clips and not known:
            raise refusals[0]
    if not clips and not known:
        if intimate:
            raise intimate[0]
        raise MediaError(_nothing_usable(paths, left_out), code="media.unreadable")
    return Collected(clips=tuple(clips), known=tuple(known), left_out=tuple(left_out))


def _check_there(path: Path) -> None:
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        raise MediaError(f"there is no file {path}; check its name", code="media.missing", path=path) from None
    except OSError:
        # Reported when the file is probed.
        return


def _files_of(path: Path, left_out: list[tuple[Path, str]]) -> list[Path]:
    """The file itself, or all that a folder holds, in order of their names; links are listed and never followed.

    Unusable folders are left out: those that can't be read, and empty ones with the name of a file.
    """
    if not _is_folder(path):
        return [path]

    def leave_out(error: OSError) -> None:
        line = f"the folder {error.filename} can't be read: {reason(error)}; check its permissions"
        left_out.append((Path(error.filename), one_line(line)))

    found: list[Path] = []
    for folder, folders, files in os.walk(path, onerror=leave_out):
        if Path(folder).suffix and not folders and not files:
            line = f"expected a video or picture, but {folder} is an empty folder; copy it again"
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


def _look_at_new(
    project: Project, person: str, offer: tuple[Path, ...], releases: Sequence[KnownRelease], progress: Progress
) -> MediaInfo | None:
    """A clip that is new in the project, or none where its content is known: such a file isn't probed again."""
    # Before anything is read: what is written meanwhile then counts as another file.
    file, stamp = offer[0], stamp_of(offer)
    found = probe_sequence(file, len(offer)) if len(offer) > 1 else take_fingerprint(file)
    place = str(file.resolve())
    try:
        place.encode()
    except UnicodeEncodeError:
        raise MediaError(f"the name of {file} is not valid UTF-8; rename it") from None
    check_collected(releases, person, found.sha256)
    if move_clip(project, person, found.sha256, place, stamp):
        return None
    if isinstance(found, Fingerprint):
        info = _read_through(project, file, found, progress)
    else:
        info = found
        timeline_of(project, info, progress)
    check_footage(project, info, timeline_of(project, info, progress), progress)
    told = replace(info, notes=tuple(one_line(note) for note in info.notes))
    remember_clip(project, person, told, stamp)
    return told


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
        store_timeline(project, info, timeline)
        note = f"{file} is damaged after {num_good} frames, which are good and go in; the rest is left out"
        return replace(info, num_frames=num_good, notes=(*info.notes, note))
    return info
