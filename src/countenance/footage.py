"""Clips and timelines of a project: where footage lies, what it is, and when each frame is shown."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from countenance.errors import MediaError
from countenance.media.probe import probe
from countenance.media.sequence import probe_sequence
from countenance.media.timeline import Timeline, read_timeline
from countenance.progress import Progress
from countenance.project import Project, now
from countenance.types import MediaInfo


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


def collected_clips(project: Project, person: str) -> list[MediaInfo]:
    """A person's clips, probed again.

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
    known = known_timeline(project, info)
    if known is not None:
        return known
    timeline = read_timeline(info, progress)
    store_timeline(project, info, timeline)
    return timeline


def known_timeline(project: Project, info: MediaInfo) -> Timeline | None:
    """The same without reading the clip; None where that wasn't done yet."""
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
    return None


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


def remember_clip(project: Project, person: str, info: MediaInfo) -> None:
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


def move_clip(project: Project, person: str, sha256: str, place: str) -> bool:
    """Store a clip's current path; False where the person doesn't have this clip."""
    with project.transaction() as database:
        moved = database.execute("UPDATE clips SET path = ? WHERE person = ? AND sha256 = ?", (place, person, sha256))
    return moved.rowcount > 0


def clip_paths(project: Project, person: str) -> list[Path]:
    """Where a person's clips lie, in the order in which they were collected; of a sequence its first picture."""
    rows = project.database.execute("SELECT path FROM clips WHERE person = ? ORDER BY id", (person,))
    return [Path(path) for (path,) in rows]


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
