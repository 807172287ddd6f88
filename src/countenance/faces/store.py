"""Scans, stretches, tracks and faces in the project's database: how they go in, and how they come out."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from jaxtyping import Float16, Float32, UInt8
from pydantic_core import from_json

from countenance.errors import FaceError
from countenance.footage import known_clips
from countenance.geometry import box_around
from countenance.project import Project
from countenance.types import FaceQuality, MaskOrigin, Rejection
from countenance.vision.crops import decode_crop, decode_mask, encode_crop, encode_mask
from countenance.vision.identity import Embedding

Purpose = Literal["prepare", "generate"]
ScanState = Literal["looking", "found"]
ALL_FRAMES = range(2**31)


@dataclass(frozen=True, kw_only=True, slots=True)
class Scan:
    """A person's faces in a clip or plate, scanned as far as it was stored."""

    id: int
    person: str
    purpose: Purpose
    sha256: str


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class FaceRow:
    """A face as the database takes it."""

    frame: int
    landmarks: bytes
    score: float
    quality: str
    crop: bytes | None
    mask: bytes | None
    mask_origin: str | None


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class FoundTrack:
    """One face through a stretch, that is the person's or may be."""

    shot: int
    embedding: Embedding
    num_embedded: int
    faces: tuple[FaceRow, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Others:
    """Faces of other people, of which nothing else is stored."""

    num_faces: int = 0
    nearest: float | None = None
    """Smallest distance to what is known of the person; None where there are none, or an older version scanned."""

    def __add__(self, more: "Others") -> "Others":
        known = [each.nearest for each in (self, more) if each.nearest is not None]
        return Others(num_faces=self.num_faces + more.num_faces, nearest=min(known, default=None))


@dataclass(frozen=True, kw_only=True, slots=True)
class TrackPlace:
    """Where a track is seen."""

    track: int
    shot: int
    """Frame at which its shot begins."""
    frame: int
    box_xyxy: Float32[np.ndarray, "4"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class OthersTrack:
    """A track that was stored as another person's, or as one that may be theirs."""

    id: int
    person: str
    sha256: str
    purpose: Purpose
    embedding: Embedding
    distance: float
    """To what is known of that person, once it was decided on."""
    is_decided_on: bool
    is_unsure: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class KeptFace:
    """A face to learn from, as the database holds it."""

    clip_sha256: str
    frame: int
    landmarks: bytes
    crop: bytes
    mask: bytes


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class StoredFace:
    """A face of a person, or one that may be theirs, in one frame of a clip."""

    id: int
    """Of the database; another one when faces are looked for anew."""
    clip_sha256: str
    frame: int
    track: int
    shot: int
    """Frame at which its shot begins."""
    landmarks_xyz: Float32[np.ndarray, "468 3"]
    """In pixels of the frame."""
    score: float
    """0–1, how sure the mesh net is."""
    quality: FaceQuality
    distance: float
    """Of the track's mean embedding to what is known of the person; see `faces.recognise`, also for the next one."""
    margin: float
    """How much further away the nearest other is."""
    mask_origin: MaskOrigin | None
    has_crop: bool
    rejections: tuple[Rejection, ...]
    """Why it isn't kept; none for a kept face."""
    is_decided: bool = False
    """Whether its track is the person's by a user's decision: about it, or about another that it resembles."""

    @property
    def name(self) -> str:
        """The same however often faces are looked for: clip, frame and place of the face's middle in the frame."""
        x, y = middle_xy(self.landmarks_xyz)
        return f"{self.clip_sha256[:12]}-{self.frame:06}-{x:.0f}-{y:.0f}"


class Qualities(dict[str, FaceQuality]):
    """What was measured, by how the database holds it: parsed when it is asked for, and once."""

    def __missing__(self, text: str) -> FaceQuality:
        self[text] = quality = quality_of(text)
        return quality


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ListedFace:
    """What lists of faces need of a `StoredFace`, so that tens of thousands are read in a moment."""

    id: int
    clip_sha256: str
    frame: int
    track: int
    score: float
    quality_text: str
    distance: float
    rejections: tuple[Rejection, ...] | None
    """None where it isn't decided yet."""
    has_crop: bool
    qualities: Qualities

    @property
    def quality(self) -> FaceQuality:
        return self.qualities[self.quality_text]


# Scans, while faces are looked for.


def open_scan(project: Project, person: str, purpose: Purpose, sha256: str, settings: str) -> tuple[Scan, ScanState]:
    """The scan of a clip as far as it came; one made with other settings is dropped."""
    key = (person, sha256, purpose)
    with project.transaction() as database:
        database.execute(
            "DELETE FROM scans WHERE person = ? AND sha256 = ? AND purpose = ? AND settings != ?", (*key, settings)
        )
        database.execute(
            "INSERT OR IGNORE INTO scans (person, sha256, purpose, settings) VALUES (?, ?, ?, ?)", (*key, settings)
        )
        number, state = database.execute(
            "SELECT id, state FROM scans WHERE person = ? AND sha256 = ? AND purpose = ?", key
        ).fetchone()
    return Scan(id=number, person=person, purpose=purpose, sha256=sha256), state


def scan_state(project: Project, person: str, purpose: Purpose, sha256: str, settings: str) -> ScanState | None:
    """How far a clip was scanned with these settings; None where it wasn't."""
    row = project.database.execute(
        "SELECT state FROM scans WHERE person = ? AND sha256 = ? AND purpose = ? AND settings = ?",
        (person, sha256, purpose, settings),
    ).fetchone()
    return None if row is None else row[0]


def close_scan(project: Project, scan: Scan) -> None:
    """Note, within the caller's transaction, that all of the clip was scanned."""
    project.database.execute("UPDATE scans SET state = 'found' WHERE id = ?", (scan.id,))


def drop_scan(project: Project, person: str, sha256: str, purpose: Purpose) -> None:
    """Forget what was found in a clip, within the caller's transaction, so that it is scanned again."""
    project.database.execute(
        "DELETE FROM scans WHERE person = ? AND sha256 = ? AND purpose = ?", (person, sha256, purpose)
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundInClip:
    """What preparing found in a clip so far."""

    is_searched: bool
    """To its end."""
    num_faces: int
    """Of the person, or of somebody who may be."""
    num_kept: int


def found_in_clips(project: Project, person: str) -> dict[str, FoundInClip]:
    """Of each clip in which a person's faces were looked for, by its digest."""
    rows = project.database.execute(
        """
        SELECT sha256, state, count(faces.id), total(rejections = '[]')
        FROM scans LEFT JOIN faces ON faces.scan = scans.id
        WHERE person = ? AND purpose = 'prepare' GROUP BY scans.id
        """,
        (person,),
    )
    return {
        sha256: FoundInClip(is_searched=state == "found", num_faces=num_faces, num_kept=int(num_kept))
        for sha256, state, num_faces, num_kept in rows
    }


def scanned_clips(project: Project, person: str) -> list[str]:
    """Digests of the person's collected clips in which their faces were looked for, in a fixed order."""
    rows = project.database.execute(
        "SELECT sha256 FROM scans WHERE person = ? AND purpose = 'prepare' ORDER BY sha256", (person,)
    ).fetchall()
    clips = known_clips(project, person)
    return [sha256 for (sha256,) in rows if sha256 in clips]


def kept_clips(project: Project, person: str) -> list[str]:
    """Digests of the person's collected clips of which a face is kept, in a fixed order."""
    rows = project.database.execute(
        """
        SELECT DISTINCT sha256 FROM faces JOIN scans ON scans.id = faces.scan
        WHERE scans.person = ? AND scans.purpose = 'prepare' AND rejections = '[]' ORDER BY sha256
        """,
        (person,),
    ).fetchall()
    clips = known_clips(project, person)
    return [sha256 for (sha256,) in rows if sha256 in clips]


def stored_stretches(project: Project, scan: Scan) -> set[int]:
    """First frames of the stretches that are stored already."""
    return {first for (first,) in project.database.execute("SELECT first FROM stretches WHERE scan = ?", (scan.id,))}


def store_stretch(
    project: Project,
    scan: Scan,
    first: int,
    tracks: Iterable[FoundTrack],
    others: Others,
    check_leave: Callable[[], None],
) -> None:
    """Store a stretch whole: its tracks, their faces, and how many faces of other people it has.

    `check_leave` is called in the transaction; where it raises, nothing is stored.
    """
    with project.transaction() as database:
        check_leave()
        for track in tracks:
            (number,) = database.execute(
                "INSERT INTO tracks (scan, shot, distance, margin, num_embedded, embedding)"
                " VALUES (?, ?, 0, 0, ?, ?) RETURNING id",
                (scan.id, track.shot, track.num_embedded, track.embedding.tobytes()),
            ).fetchone()
            database.executemany(
                "INSERT INTO faces (scan, track, frame, landmarks, score, quality, crop, mask, mask_origin)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        scan.id,
                        number,
                        face.frame,
                        face.landmarks,
                        face.score,
                        face.quality,
                        face.crop,
                        face.mask,
                        face.mask_origin,
                    )
                    for face in track.faces
                ],
            )
        database.execute(
            "INSERT INTO stretches (scan, first, num_others, nearest_other) VALUES (?, ?, ?, ?)",
            (scan.id, first, others.num_faces, others.nearest),
        )


def track_places(project: Project, scan: Scan) -> Iterator[TrackPlace]:
    """Where the tracks of a scan are seen, frame by frame."""
    rows = project.database.execute(
        "SELECT faces.track, tracks.shot, frame, landmarks FROM faces JOIN tracks ON tracks.id = faces.track"
        " WHERE faces.scan = ? ORDER BY frame, faces.id",
        (scan.id,),
    )
    for track, shot, frame, landmarks in rows:
        yield TrackPlace(track=track, shot=shot, frame=frame, box_xyxy=box_around(landmarks_of(landmarks)[:, :2]))


def join_tracks(project: Project, into: int, other: int) -> None:
    """Make one track of two, with one mean embedding, within the caller's transaction."""
    database = project.database
    means = {
        number: (count, np.frombuffer(embedding, np.float32))
        for number, count, embedding in database.execute(
            "SELECT id, num_embedded, embedding FROM tracks WHERE id IN (?, ?)", (into, other)
        )
    }
    total = sum(count for count, _ in means.values())
    mean = sum(count * embedding for count, embedding in means.values()) / total
    database.execute(
        "UPDATE tracks SET num_embedded = ?, embedding = ? WHERE id = ?",
        (total, np.asarray(mean, np.float32).tobytes(), into),
    )
    database.execute("UPDATE faces SET track = ? WHERE track = ?", (into, other))
    database.execute("DELETE FROM tracks WHERE id = ?", (other,))


# Tracks, while it is decided whose they are.


def track_embeddings(project: Project, person: str, sha256: str, purpose: Purpose) -> list[tuple[int, Embedding]]:
    """The tracks of a scan with their mean embeddings."""
    rows = project.database.execute(
        "SELECT tracks.id, embedding FROM tracks JOIN scans ON scans.id = tracks.scan"
        # Not by number: which track is stored first is a matter of threads.
        " WHERE person = ? AND sha256 = ? AND purpose = ? ORDER BY embedding",
        (person, sha256, purpose),
    )
    return [(number, np.frombuffer(content, np.float32)) for number, content in rows]


def store_overview(project: Project, person: str, sha256: str, content: bytes) -> None:
    """Store, within the caller's transaction, what was found in a plate and decided on, in one piece."""
    project.database.execute(
        "INSERT OR REPLACE INTO overviews (scan, faces)"
        " SELECT id, ? FROM scans WHERE person = ? AND sha256 = ? AND purpose = 'generate'",
        (content, person, sha256),
    )


def read_overview(project: Project, person: str, sha256: str) -> bytes | None:
    """The same; None where nothing was decided on yet, or not by this version."""
    row = project.database.execute(
        "SELECT faces FROM overviews JOIN scans ON scans.id = overviews.scan"
        " WHERE person = ? AND sha256 = ? AND purpose = 'generate'",
        (person, sha256),
    ).fetchone()
    return None if row is None else bytes(row[0])


def store_hidden(project: Project, person: str, sha256: str, fractions: Float16[np.ndarray, " N"]) -> None:
    """Store, for each frame of a plate, how much of a performer's face something in front hides, as `read_hidden` has
    it.
    """
    with project.transaction() as database:
        database.execute(
            "INSERT OR REPLACE INTO hidden_faces (scan, fractions)"
            " SELECT id, ? FROM scans WHERE person = ? AND sha256 = ? AND purpose = 'generate'",
            (fractions.tobytes(), person, sha256),
        )


def read_hidden(project: Project, person: str, sha256: str) -> Float16[np.ndarray, " N"] | None:
    """The same, 0–1, NaN where no face was drawn; None where no frame was rendered yet."""
    row = project.database.execute(
        "SELECT fractions FROM hidden_faces JOIN scans ON scans.id = hidden_faces.scan"
        " WHERE person = ? AND sha256 = ? AND purpose = 'generate'",
        (person, sha256),
    ).fetchone()
    return None if row is None else np.frombuffer(row[0], np.float16)


def tracks_by_frame(project: Project, person: str, sha256: str, purpose: Purpose) -> Iterator[tuple[int, int]]:
    """Frame and track of every face of a scan, in the order of frames."""
    yield from project.database.execute(
        "SELECT frame, track FROM faces JOIN scans ON scans.id = faces.scan"
        " WHERE person = ? AND sha256 = ? AND purpose = ? ORDER BY frame",
        (person, sha256, purpose),
    )


def nearest_track(project: Project, person: str, sha256: str, purpose: Purpose) -> float | None:
    """Distance of the nearest track of a scan, None where it has none."""
    (distance,) = project.database.execute(
        "SELECT min(distance) FROM tracks JOIN scans ON scans.id = tracks.scan"
        " WHERE person = ? AND sha256 = ? AND purpose = ?",
        (person, sha256, purpose),
    ).fetchone()
    return None if distance is None else float(distance)


def store_distance(project: Project, track: int, distance: float, margin: float, *, is_decided: bool) -> None:
    """How far a track is from the person, how much further away the nearest other is, and what that rests on."""
    project.database.execute(
        "UPDATE tracks SET distance = ?, margin = ?, is_decided = ? WHERE id = ?", (distance, margin, is_decided, track)
    )


def delete_track(project: Project, track: int) -> None:
    """Delete what turned out to be another's; its faces are counted as theirs."""
    database = project.database
    scan, distance, count, frame = database.execute(
        "SELECT faces.scan, distance, count(*), min(frame) FROM faces JOIN tracks ON tracks.id = faces.track"
        " WHERE track = ?",
        (track,),
    ).fetchone()
    database.execute(
        "UPDATE stretches SET num_others = num_others + ?1, nearest_other = min(coalesce(nearest_other, ?4), ?4)"
        " WHERE scan = ?2 AND first = (SELECT max(first) FROM stretches WHERE scan = ?2 AND first <= ?3)",
        (count, scan, frame, distance),
    )
    database.execute("DELETE FROM tracks WHERE id = ?", (track,))
    database.execute("DELETE FROM overviews WHERE scan = ?", (scan,))


# People, when they are forgotten.


def erase_scans(project: Project, person: str) -> None:
    """Delete, within the caller's transaction, all that was seen of a person, in clips and plates."""
    project.database.execute("DELETE FROM scans WHERE person = ?", (person,))


def count_stored(project: Project, person: str) -> int:
    """How many faces are stored as a person's, or as such that may be theirs, in clips and plates."""
    (count,) = project.database.execute(
        "SELECT count(*) FROM faces JOIN scans ON scans.id = faces.scan WHERE person = ?", (person,)
    ).fetchone()
    return int(count)


def scanned_plates(project: Project, person: str) -> set[str]:
    """SHA-256 of the plates in which a person was looked for."""
    rows = project.database.execute("SELECT sha256 FROM scans WHERE person = ? AND purpose = 'generate'", (person,))
    return {sha256 for (sha256,) in rows}


def tracks_of_others(project: Project, person: str) -> list[OthersTrack]:
    """All tracks that are stored for anybody else."""
    rows = project.database.execute(
        """
        SELECT tracks.id, person, sha256, purpose, embedding, distance,
            (SELECT min(rejections IS NOT NULL) FROM faces WHERE faces.track = tracks.id),
            (SELECT max(coalesce(rejections LIKE '%"unsure who"%', 0)) FROM faces WHERE faces.track = tracks.id)
        FROM tracks JOIN scans ON scans.id = tracks.scan WHERE person != ? ORDER BY tracks.id
        """,
        (person,),
    )
    return [
        OthersTrack(
            id=number,
            person=name,
            sha256=sha256,
            purpose=purpose,
            embedding=np.frombuffer(embedding, np.float32),
            distance=distance,
            is_decided_on=bool(is_decided_on),
            is_unsure=bool(is_unsure),
        )
        for number, name, sha256, purpose, embedding, distance, is_decided_on, is_unsure in rows
    ]


# Faces, while it is decided which are kept.


def store_rejections(project: Project, reasons: Iterable[tuple[int, tuple[Rejection, ...]]]) -> None:
    """By the face's id, why it isn't kept; no reason for a kept face."""
    # Only where they changed: with the row, its picture is written again.
    project.database.executemany(
        "UPDATE faces SET rejections = ?1 WHERE id = ?2 AND rejections IS NOT ?1",
        [(json.dumps(against), number) for number, against in reasons],
    )


def count_rejections(
    project: Project, person: str, sha256: str, purpose: Purpose
) -> list[tuple[tuple[Rejection, ...], int]]:
    """How many faces of a scan there are with the same reasons against them."""
    rows = project.database.execute(
        "SELECT rejections, count(*) FROM faces JOIN scans ON scans.id = faces.scan"
        " WHERE person = ? AND sha256 = ? AND purpose = ? GROUP BY rejections",
        (person, sha256, purpose),
    )
    return [(tuple(json.loads(reasons)), count) for reasons, count in rows]


def count_others(project: Project, person: str, sha256: str, purpose: Purpose) -> Others:
    """Faces of other people in a scan."""
    count, nearest = project.database.execute(
        "SELECT coalesce(sum(num_others), 0), min(nearest_other) FROM stretches JOIN scans ON scans.id = stretches.scan"
        " WHERE person = ? AND sha256 = ? AND purpose = ?",
        (person, sha256, purpose),
    ).fetchone()
    return Others(num_faces=count, nearest=nearest)


def count_undecided(project: Project, person: str) -> int:
    """Faces that were found, but not yet decided about, because preparing was stopped."""
    (count,) = project.database.execute(
        "SELECT count(*) FROM faces JOIN scans ON scans.id = faces.scan"
        " WHERE person = ? AND purpose = 'prepare' AND rejections IS NULL",
        (person,),
    ).fetchone()
    return int(count)


# Faces as they come out.


def kept_faces(project: Project, person: str) -> Iterator[KeptFace]:
    """All faces to learn from of a person's collected clips, in a fixed order."""
    rows = project.database.execute(
        """
        SELECT sha256, frame, landmarks, crop, mask FROM faces JOIN scans ON scans.id = faces.scan
        WHERE scans.person = ? AND scans.purpose = 'prepare' AND scans.state = 'found' AND rejections = '[]'
        AND scans.sha256 IN (SELECT value FROM json_each(?))
        ORDER BY scans.sha256, frame, faces.id
        """,
        (person, json.dumps(list(known_clips(project, person)))),
    )
    for sha256, frame, landmarks, crop, mask in rows:
        yield KeptFace(clip_sha256=sha256, frame=frame, landmarks=landmarks, crop=crop, mask=mask)


def stored_faces(
    project: Project,
    person: str,
    *,
    purpose: Purpose = "prepare",
    sha256: str | None = None,
    kept_only: bool = False,
    frames: range = ALL_FRAMES,
) -> list[StoredFace]:
    """A person's faces in the order of clips and frames: of one clip, if it is named, else of all collected ones."""
    return list(iterate_faces(project, person, purpose=purpose, sha256=sha256, kept_only=kept_only, frames=frames))


def iterate_faces(
    project: Project,
    person: str,
    *,
    purpose: Purpose = "prepare",
    sha256: str | None = None,
    kept_only: bool = False,
    frames: range = ALL_FRAMES,
) -> Iterator[StoredFace]:
    """The same, one at a time; nothing may be changed meanwhile."""
    clips = list(known_clips(project, person)) if sha256 is None else [sha256]
    yield from _stored(
        project,
        """
        WHERE scans.person = ? AND scans.purpose = ? AND scans.sha256 IN (SELECT value FROM json_each(?))
        AND (NOT ? OR rejections = '[]') AND frame >= ? AND frame < ?
        ORDER BY scans.sha256, frame, faces.id
        """,
        (person, purpose, json.dumps(clips), kept_only, frames.start, frames.stop),
    )


def faces_in_frame(project: Project, person: str, sha256: str, frame: int) -> list[StoredFace]:
    """A person's faces in one frame of a clip of theirs; `sha256` may be how its digest begins."""
    clips = [each for each in known_clips(project, person) if each.startswith(sha256)]
    return list(
        _stored(
            project,
            """
            WHERE scans.person = ? AND scans.purpose = 'prepare' AND scans.sha256 IN (SELECT value FROM json_each(?))
            AND frame = ? ORDER BY scans.sha256, faces.id
            """,
            (person, json.dumps(clips), frame),
        )
    )


def faces_with_ids(project: Project, numbers: Sequence[int]) -> list[StoredFace]:
    """The faces of these ids, in the order of clips and frames."""
    where = "WHERE faces.id IN (SELECT value FROM json_each(?)) ORDER BY scans.sha256, frame, faces.id"
    return list(_stored(project, where, (json.dumps(list(numbers)),)))


def listed_faces(project: Project, person: str, qualities: Qualities) -> list[ListedFace]:
    """A person's faces in the order of clips and frames, of all collected clips; an index is read, and no row.

    `qualities` are those that are known from before.
    """
    rows = project.database.execute(
        """
        SELECT faces.id, scans.sha256, frame, track, score, quality, distance, mask_origin IS NOT NULL, rejections
        FROM scans JOIN faces INDEXED BY faces_listed ON scans.id = faces.scan JOIN tracks ON tracks.id = faces.track
        WHERE scans.person = ? AND scans.purpose = 'prepare' AND scans.sha256 IN (SELECT value FROM json_each(?))
        ORDER BY scans.sha256, frame, faces.id
        """,
        (person, json.dumps(list(known_clips(project, person)))),
    )
    return [
        ListedFace(
            id=number,
            clip_sha256=clip,
            frame=frame,
            track=track,
            score=score,
            quality_text=quality,
            distance=distance,
            rejections=None if rejections is None else _rejections_of(rejections),
            # A mask is stored with a picture, and with nothing else.
            has_crop=bool(has_mask),
            qualities=qualities,
        )
        for number, clip, frame, track, score, quality, distance, has_mask, rejections in rows
    ]


def read_stored_crop(project: Project, face_id: int) -> bytes:
    """A face's aligned crop as it is stored, a PNG.

    Raises:
        FaceError: it isn't stored, because nothing is learned from it.
    """
    return _blob(project, face_id, "crop")


def _stored(project: Project, where: str, values: tuple[object, ...]) -> Iterator[StoredFace]:
    rows = project.database.execute(
        f"""
        SELECT faces.id, scans.sha256, frame, track, tracks.shot, landmarks, score, quality, distance, margin,
            mask_origin, crop IS NOT NULL, rejections, is_decided
        FROM faces JOIN scans ON scans.id = faces.scan JOIN tracks ON tracks.id = faces.track
        {where}
        """,  # noqa: S608
        values,
    )
    for (
        number,
        clip,
        frame,
        track,
        shot,
        landmarks,
        score,
        quality,
        distance,
        margin,
        origin,
        has_crop,
        rejections,
        is_decided,
    ) in rows:
        yield StoredFace(
            id=number,
            clip_sha256=clip,
            frame=frame,
            track=track,
            shot=shot,
            landmarks_xyz=landmarks_of(landmarks),
            score=score,
            quality=quality_of(quality),
            distance=distance,
            margin=margin,
            mask_origin=origin,
            has_crop=bool(has_crop),
            rejections=_rejections_of(rejections or "[]"),
            is_decided=bool(is_decided),
        )


def read_crop(project: Project, face_id: int) -> UInt8[np.ndarray, "S S 3"]:
    """A face's aligned crop.

    Raises:
        FaceError: it isn't stored, because nothing is learned from it.
    """
    return decode_crop(_blob(project, face_id, "crop"))


def read_visible(project: Project, face_id: int) -> Float32[np.ndarray, "S S"]:
    """Where a face is seen in its crop, 0–1, at the crop's size.

    Raises:
        FaceError: it isn't stored, because nothing is learned from it.
    """
    return decode_mask(_blob(project, face_id, "mask"))


def write_face(
    project: Project,
    face_id: int,
    *,
    landmarks_xyz: Float32[np.ndarray, "468 3"],
    quality: FaceQuality,
    crop: UInt8[np.ndarray, "S S 3"],
    visible: Float32[np.ndarray, "S S"],
    mask_origin: MaskOrigin,
) -> None:
    """Store a face anew, as after its landmarks or its mask were corrected."""
    with project.transaction() as database:
        database.execute(
            "UPDATE faces SET landmarks = ?, quality = ?, crop = ?, mask = ?, mask_origin = ? WHERE id = ?",
            (
                landmarks_xyz.astype(np.float32).tobytes(),
                json.dumps(asdict(quality)),
                encode_crop(crop),
                encode_mask(visible),
                mask_origin,
                face_id,
            ),
        )


def middle_xy(landmarks_xyz: Float32[np.ndarray, "468 3"]) -> tuple[float, float]:
    """Of the face's box."""
    left, top, right, bottom = box_around(landmarks_xyz[:, :2])
    return float((left + right) / 2), float((top + bottom) / 2)


@lru_cache(maxsize=1000)
def _rejections_of(text: str) -> tuple[Rejection, ...]:
    """As the database holds them; a few combinations stand in thousands of rows."""
    return tuple(json.loads(text))


def landmarks_of(content: bytes) -> Float32[np.ndarray, "468 3"]:
    """As the database holds them."""
    return np.frombuffer(content, np.float32).reshape(468, 3)


def quality_of(text: str) -> FaceQuality:
    """As the database holds it."""
    values = from_json(text)
    tuples = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
    return FaceQuality(**{**values, **tuples})


def _blob(project: Project, face_id: int, column: Literal["crop", "mask"]) -> bytes:
    row = project.database.execute(f"SELECT {column} FROM faces WHERE id = ?", (face_id,)).fetchone()  # noqa: S608
    if row is None or row[0] is None:
        raise FaceError(f"face {face_id} has no {column} here; only faces to learn from have one")
    return bytes(row[0])
