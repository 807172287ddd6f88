"""Bring footage into a project: look at each file, remember it, leave it where it is."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from countenance.errors import MediaError
from countenance.media.probe import probe
from countenance.progress import Progress
from countenance.project import Project, now
from countenance.types import MediaInfo

OTHER_NAMES = (".DS_Store", "Thumbs.db", "desktop.ini")


@dataclass(frozen=True, kw_only=True, slots=True)
class Collected:
    """What became of the files that were offered."""

    clips: tuple[MediaInfo, ...]
    """New in the project."""
    known: tuple[Path, ...]
    """There already, by content."""
    left_out: tuple[tuple[Path, str], ...]
    """Files in folders that are no usable footage, with the reason."""


def collect(project: Project, person: str, paths: Sequence[Path], *, progress: Progress) -> Collected:
    """Register videos and pictures of a person; folders are searched to their bottom.

    Nothing is copied: a clip is remembered by its place and its digest, and checked when it is used.

    Raises:
        MediaError: a file that was named can't be used, or nothing usable was found at all.
    """
    clips: list[MediaInfo] = []
    known: list[Path] = []
    left_out: list[tuple[Path, str]] = []
    files = [(file, path) for path in paths for file in _files_of(path)]
    for file, named in progress.track(files, what=f"collecting footage of {person}", unit="files", total=len(files)):
        try:
            info = probe(file)
        except MediaError as error:
            if file == named:
                raise
            left_out.append((file, str(error)))
            continue
        if _remember(project, person, info):
            clips.append(info)
        else:
            known.append(file)
    if not clips and not known:
        where = ", ".join(str(path) for path in paths)
        first = f"; {left_out[0][1]}" if left_out else ""
        raise MediaError(f"no video or picture that can be used in {where}{first}")
    return Collected(clips=tuple(clips), known=tuple(known), left_out=tuple(left_out))


def collected_clips(project: Project, person: str) -> list[MediaInfo]:
    """A person's clips, probed anew.

    Raises:
        MediaError: there are none, or one was moved or changed since.
    """
    rows = project.database.execute("SELECT path, sha256 FROM clips WHERE person = ? ORDER BY id", (person,)).fetchall()
    if not rows:
        raise MediaError(f"no footage of {person} here; bring some with `countenance collect {person} PATH`")
    clips = []
    for path, sha256 in rows:
        if not Path(path).exists():
            raise MediaError(f"{path} is gone; put it back, or collect it again where it is now")
        info = probe(Path(path))
        if info.sha256 != sha256:
            raise MediaError(f"{path} was changed since it was collected; collect it again to use it as it is now")
        clips.append(info)
    return clips


def _files_of(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    for file in sorted(path.rglob("*")):
        if file.is_file() and not file.name.startswith(".") and file.name not in OTHER_NAMES:
            yield file


def _remember(project: Project, person: str, info: MediaInfo) -> bool:
    """Whether the clip is new; one that only moved gets its new place."""
    description = {
        "kind": info.kind,
        "resolution_wh": info.resolution_wh,
        "duration_s": float(info.duration),
        "bit_depth": info.bit_depth,
        "has_audio": info.has_audio,
    }
    with project.transaction() as database:
        (before,) = database.execute("SELECT count(*) FROM clips").fetchone()
        database.execute(
            "INSERT INTO clips (person, sha256, path, num_frames, description, collected_at) VALUES (?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (person, sha256) DO UPDATE SET path = excluded.path",
            (person, info.sha256, str(info.path.resolve()), info.num_frames, json.dumps(description), now()),
        )
        (after,) = database.execute("SELECT count(*) FROM clips").fetchone()
    return bool(after > before)
