"""Look for faces in every frame of a clip, and remember what was found, so that a stopped scan goes on."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Literal

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from countenance.faces.align import cut, frame_to_crop, head_pose
from countenance.faces.landmarks import FaceFinder
from countenance.faces.mask import face_mask
from countenance.faces.quality import measure_quality
from countenance.faces.track import MAX_GAP_FRAMES
from countenance.geometry import transform_points
from countenance.media.reader import read_frames
from countenance.media.shots import is_cut, thumbnail
from countenance.progress import Progress
from countenance.project import Project
from countenance.types import DetectedFace, Frame, MediaInfo

CROP_SIZE = 256
FRAMES_PER_SAVE = 32
VERSION = 1
"""Raised when faces are looked for or cut differently: what was stored before is looked for again."""

Purpose = Literal["prepare", "generate"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Scan:
    """What is known of a person's faces in a clip."""

    id: int
    person: str
    purpose: Purpose
    frame_pts: tuple[int, ...]
    """Of every frame looked at so far."""
    state: Literal["looking", "found", "decided"]


def scan_clip(
    project: Project,
    person: str,
    purpose: Purpose,
    info: MediaInfo,
    find_faces: FaceFinder,
    *,
    settings: Mapping[str, object],
    progress: Progress,
) -> Scan:
    """Look at every frame that wasn't looked at yet.

    `settings` are those by which the faces will be judged; a scan made for others is dropped and made anew.

    Raises:
        MediaError: the clip can't be read to its end.
    """
    stored_settings = json.dumps({"version": VERSION, "crop_size": CROP_SIZE, **settings}, sort_keys=True)
    scan = _open_scan(project, person, purpose, info, stored_settings)
    if scan.state != "looking":
        return scan
    frames = progress.track(
        _frames_with_shots(project, scan, info),
        what=f"looking for faces in {info.path.name}",
        unit="frames",
        total=info.num_frames,
        done=len(scan.frame_pts),
    )
    # Only what was found waits to be saved: a batch of large frames would fill the memory.
    found = (
        (frame.pts, [_face_row(scan.id, frame, shot, face) for face in find_faces(frame.rgb)]) for frame, shot in frames
    )
    while batch := list(islice(found, FRAMES_PER_SAVE)):
        rows = [row for _, rows_of_frame in batch for row in rows_of_frame]
        seen = np.array([pts for pts, _ in batch], np.int64).tobytes()
        with project.transaction() as database:
            database.executemany(
                "INSERT INTO faces (scan, frame, shot, landmarks, score, quality, crop) VALUES (?, ?, ?, ?, ?, ?, ?)",
                rows,
            )
            database.execute("UPDATE scans SET frame_pts = CAST(frame_pts || ? AS BLOB) WHERE id = ?", (seen, scan.id))
    project.database.execute("UPDATE scans SET state = 'found' WHERE id = ?", (scan.id,))
    return _open_scan(project, person, purpose, info, stored_settings)


def _open_scan(project: Project, person: str, purpose: Purpose, info: MediaInfo, settings: str) -> Scan:
    """The scan as far as it came; one made with other settings is dropped."""
    key = (person, info.sha256, purpose)
    with project.transaction() as database:
        database.execute(
            "DELETE FROM scans WHERE person = ? AND sha256 = ? AND purpose = ? AND settings != ?", (*key, settings)
        )
        database.execute(
            "INSERT OR IGNORE INTO scans (person, sha256, purpose, settings, frame_pts) VALUES (?, ?, ?, ?, x'')",
            (*key, settings),
        )
        number, frame_pts, state = database.execute(
            "SELECT id, frame_pts, state FROM scans WHERE person = ? AND sha256 = ? AND purpose = ?", key
        ).fetchone()
    pts = tuple(np.frombuffer(frame_pts, np.int64).tolist())
    return Scan(id=number, person=person, purpose=purpose, frame_pts=pts, state=state)


def _frames_with_shots(project: Project, scan: Scan, info: MediaInfo) -> Iterator[tuple[Frame, int]]:
    """The frames not yet looked at, each with the frame at which its shot begins."""
    num_done = len(scan.frame_pts)
    # Some frames are read again, only for their cuts: since the last face there may have been one. A cut further back
    # is missed, but no track reaches that far back either.
    begin = max(0, num_done - 1 - MAX_GAP_FRAMES)
    frames = read_frames(info, first_index=begin, first_pts=scan.frame_pts[begin]) if begin else read_frames(info)
    before: Float32[np.ndarray, "32 32 3"] | None = None
    shot = _last_shot(project, scan)
    for frame in frames:
        after = thumbnail(frame.rgb)
        if before is not None and is_cut(before, after):
            shot = frame.index
        before = after
        if frame.index >= num_done:
            yield frame, shot


def _last_shot(project: Project, scan: Scan) -> int:
    (shot,) = project.database.execute("SELECT max(shot) FROM faces WHERE scan = ?", (scan.id,)).fetchone()
    return shot or 0


def _face_row(scan_id: int, frame: Frame, shot: int, face: DetectedFace) -> Sequence[object]:
    pose = head_pose(face.landmarks_xyz)
    height, width = frame.rgb.shape[:2]
    crop = cut(frame.rgb, pose, CROP_SIZE)
    landmarks_xy = face.landmarks_xyz[:, :2]
    mask = face_mask(transform_points(frame_to_crop(pose, CROP_SIZE), landmarks_xy), (CROP_SIZE, CROP_SIZE))
    quality = measure_quality(crop, mask, pose, landmarks_xy, (width, height))
    return (
        scan_id,
        frame.index,
        shot,
        face.landmarks_xyz.tobytes(),
        face.score,
        json.dumps(asdict(quality)),
        encode_crop(crop),
    )


def encode_crop(rgb: UInt8[np.ndarray, "S S 3"]) -> bytes:
    """A crop as PNG, packed quickly rather than tightly."""
    written, png = cv2.imencode(".png", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_PNG_COMPRESSION, 1])
    assert written
    return png.tobytes()


def decode_crop(png: bytes) -> UInt8[np.ndarray, "S S 3"]:
    """The crop back from its PNG."""
    picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))
