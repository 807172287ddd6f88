"""Clips and timelines of a project: where footage lies, what it is, and when each frame is shown."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from countenance.errors import MediaError
from countenance.media.probe import probe
from countenance.media.sequence import members_of, probe_sequence
from countenance.media.timeline import Timeline, read_timeline
from countenance.progress import Progress
from countenance.project import Project, now, refuse_link
from countenance.types import MediaInfo

ROOM = "dropped"
"""Folder of the project for files that were dropped onto a page: they belong to it, and go with their person."""
Stamp = tuple[int, int]
"""Size of a clip's files together in bytes, and when one of them was written last, in nanoseconds: while these are the
same, so are the files.
"""
INFO: TypeAdapter[MediaInfo] = TypeAdapter(MediaInfo)
OTHERWISE_KEPT = ("path", "sha256", "num_frames", "members")
"""Fields of `MediaInfo` that aren't in a clip's description, but in columns of their own or named by them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Clip:
    """A person's clip, as it was collected."""

    sha256: str
    name: str
    """Of its file."""
    num_frames: int
    duration_s: float

    def about_s(self, frame: int) -> float:
        """A frame's time in a player; exact only where the frame rate is constant."""
        return frame / max(self.num_frames, 1) * self.duration_s


@dataclass(frozen=True, kw_only=True, slots=True)
class ListedClip:
    """A clip as a list shows it: by what is stored, and without reading its file."""

    clip: Clip
    path: Path
    """Where it was when it was collected last; of a sequence the first picture."""
    kind: str
    """As `MediaInfo` has it."""
    resolution_wh: tuple[int, int]
    num_bytes: int | None
    """None where an earlier version collected it."""
    has_audio: bool
    num_shots: int
    notes: tuple[str, ...]
    """On how it is read, a line each."""
    collected_at: str

    @property
    def frame_rate(self) -> float | None:
        """Frames a second, on average; of a picture there is none."""
        return None if self.kind == "picture" else self.clip.num_frames / max(self.clip.duration_s, 1e-9)


def collected_clips(project: Project, person: str, *, only: Collection[str] | None = None) -> list[MediaInfo]:
    """A person's clips, probed again; of all, or of those with these digests.

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
        if only is None or sha256 in only:
            clips.append(_probed_again(Path(path), sha256, num_frames, json.loads(description)))
    return clips


def collected_clip(project: Project, person: str, sha256: str) -> MediaInfo:
    """One of a person's clips as it was probed when it was collected; probed again only where its file isn't as then.

    Raises:
        MediaError: there is no such clip, or it was moved or changed since.
    """
    row = project.database.execute(
        "SELECT path, num_frames, description FROM clips WHERE person = ? AND sha256 = ?", (person, sha256)
    ).fetchone()
    if row is None:
        raise MediaError(f"there is no clip {sha256[:12]} of {person} here; collect it", code="media.missing")
    path, num_frames, facts = Path(row[0]), row[1], json.loads(row[2])
    members = members_of(path, num_frames) if facts["kind"] == "sequence" else ()
    stamp = stamp_of(members or (path,))
    if stamp is None or facts.get("stamp") != list(stamp):
        return _probed_again(path, sha256, num_frames, facts)
    kept = {"path": path, "sha256": sha256, "num_frames": num_frames, "members": members}
    return INFO.validate_python({**facts, **kept})


def _probed_again(path: Path, sha256: str, num_frames: int, facts: dict[str, Any]) -> MediaInfo:
    if not path.exists():
        raise MediaError(
            f"{path} is gone; put it back, or collect it again where it is now", code="media.missing", path=path
        )
    is_whole = facts.get("is_whole", True)
    is_sequence = facts["kind"] == "sequence"
    info = probe_sequence(path, num_frames) if is_sequence else probe(path, damaged_end=not is_whole)
    if info.sha256 != sha256:
        raise MediaError(f"{path} was changed since it was collected; collect it again to use it as it is now")
    return info if is_whole else replace(info, num_frames=num_frames)


def timeline_of(project: Project, info: MediaInfo, progress: Progress) -> Timeline:
    """When each frame of a clip or plate is shown and where shots begin: read once, then known by its content.

    Raises:
        MediaError: the clip can't be decoded to its end.
    """
    timeline = known_timeline(project, info)
    if timeline is None:
        timeline = read_timeline(info, progress)
        store_timeline(project, info, timeline)
    return timeline


def known_timeline(project: Project, info: MediaInfo) -> Timeline | None:
    """The same, where it was read before."""
    row = project.database.execute(
        "SELECT frame_pts, keyframes, shots FROM timelines WHERE sha256 = ?", (info.sha256,)
    ).fetchone()
    if row is None:
        return None
    frame_pts, keyframes, shots = row
    timeline = Timeline(
        frame_pts=np.frombuffer(frame_pts, np.int64),
        keyframes=tuple(json.loads(keyframes)),
        shots=tuple(json.loads(shots)),
    )
    # Of a clip with a damaged end, all good frames are stored, which is less than the file announces.
    return timeline if len(timeline.frame_pts) == info.num_frames else None


def store_timeline(project: Project, info: MediaInfo, timeline: Timeline) -> None:
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


def remember_clip(project: Project, person: str, info: MediaInfo, stamp: Stamp | None) -> None:
    """Store a clip that is new; `stamp` is that of its files before they were read."""
    description = {
        **INFO.dump_python(info, mode="json", exclude=set(OTHERWISE_KEPT)),
        "duration_s": float(info.duration),
        **({} if stamp is None else {"stamp": stamp}),
    }
    with project.transaction() as database:
        database.execute(
            "INSERT INTO clips (person, sha256, path, num_frames, description, collected_at) VALUES (?, ?, ?, ?, ?, ?)",
            (person, info.sha256, str(info.path.resolve()), info.num_frames, json.dumps(description), now()),
        )


def stamp_of(files: Sequence[Path]) -> Stamp | None:
    """The stamp of a clip's files; None where one can't be asked."""
    try:
        facts = [file.stat() for file in files]
    except OSError:
        return None
    return sum(each.st_size for each in facts), max(each.st_mtime_ns for each in facts)


def move_clip(project: Project, person: str, sha256: str, place: str, stamp: Stamp | None) -> bool:
    """Store a clip's current path; False where the person doesn't have this clip."""
    with project.transaction() as database:
        moved = database.execute(
            "UPDATE clips SET path = ?, description = iif(json_type(description, '$.stamp') IS NULL, description,"
            " json_set(description, '$.stamp', json(?))) WHERE person = ? AND sha256 = ?",
            (place, json.dumps(stamp), person, sha256),
        )
    return moved.rowcount > 0


def clip_paths(project: Project, person: str) -> list[Path]:
    """Where a person's clips lie, in the order in which they were collected; of a sequence its first picture."""
    rows = project.database.execute("SELECT path FROM clips WHERE person = ? ORDER BY id", (person,))
    return [Path(path) for (path,) in rows]


def dropped_files(project: Project, person: str) -> list[Path]:
    """Files of a person that were dropped onto a page, also those that were cut short, in order of their names.

    Raises:
        UsageError: the folder is a link.
    """
    folder = refuse_link(refuse_link(project.folder / ROOM) / person)
    return sorted(folder.iterdir()) if folder.is_dir() else []


def erase_clips(project: Project, person: str) -> None:
    """Delete, within the caller's transaction, the records of a person's clips, and timelines that are only theirs."""
    database = project.database
    database.execute(
        "DELETE FROM timelines WHERE sha256 IN (SELECT sha256 FROM clips WHERE person = ?1)"
        " AND sha256 NOT IN (SELECT sha256 FROM clips WHERE person != ?1)",
        (person,),
    )
    database.execute("DELETE FROM clips WHERE person = ?", (person,))


def is_collected(project: Project, path: Path) -> bool:
    """Whether a file is one of the project's clips, by its place."""
    place = str(path.resolve())
    return project.database.execute("SELECT 1 FROM clips WHERE path = ? LIMIT 1", (place,)).fetchone() is not None


def known_clips(project: Project, person: str) -> dict[str, Clip]:
    """A person's clips by their digest, in the order in which they were collected; no file is read."""
    rows = project.database.execute(
        "SELECT sha256, path, num_frames, description FROM clips WHERE person = ? ORDER BY id", (person,)
    )
    return {
        sha256: Clip(
            sha256=sha256,
            name=Path(path).name,
            num_frames=num_frames,
            duration_s=json.loads(description)["duration_s"],
        )
        for sha256, path, num_frames, description in rows
    }


def listed_clips(project: Project, person: str) -> list[ListedClip]:
    """A person's clips in the order in which they were collected, with what a list shows of them; no file is read."""
    rows = project.database.execute(
        "SELECT clips.sha256, path, num_frames, description, collected_at, coalesce(json_array_length(shots), 1)"
        " FROM clips LEFT JOIN timelines ON timelines.sha256 = clips.sha256 WHERE person = ? ORDER BY id",
        (person,),
    )
    listed = []
    for sha256, path, num_frames, description, collected_at, num_shots in rows:
        facts = json.loads(description)
        clip = Clip(sha256=sha256, name=Path(path).name, num_frames=num_frames, duration_s=facts["duration_s"])
        width, height = facts["resolution_wh"]
        listed.append(
            ListedClip(
                clip=clip,
                path=Path(path),
                kind=facts["kind"],
                resolution_wh=(width, height),
                num_bytes=facts["stamp"][0] if facts.get("stamp") else None,
                has_audio=facts["has_audio"],
                num_shots=num_shots,
                notes=tuple(facts.get("notes", ())),
                collected_at=collected_at,
            )
        )
    return listed


def people_with_clips(project: Project) -> list[str]:
    """Everybody of whom there are clips, in order of their names."""
    return [person for (person,) in project.database.execute("SELECT DISTINCT person FROM clips ORDER BY person")]
