"""Decide whose face each one is, keep the good ones, and hand them out."""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from jaxtyping import Float32

from countenance.errors import FaceError
from countenance.faces.align import frame_to_crop, head_pose
from countenance.faces.identity import Embedding, Recogniser, cut_chip, embed
from countenance.faces.mask import face_mask
from countenance.faces.quality import QualityLimits, judge
from countenance.faces.scan import CROP_SIZE, Scan, decode_crop
from countenance.faces.track import link_tracks
from countenance.geometry import transform_points
from countenance.progress import Progress
from countenance.project import Project, now
from countenance.types import AlignedFace, FaceQuality, FaceSet, Permit

FACES_PER_EMBEDDING = 5
"""Best faces of a track whose mean embedding stands for it: the mean halves the spread of single frames."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundFace:
    """A face in one frame of a scanned clip."""

    id: int
    frame: int
    shot: int
    track: int | None
    landmarks_xyz: Float32[np.ndarray, "468 3"]
    score: float
    quality: FaceQuality


def scan_settings(project: Project, person: str, limits: QualityLimits) -> dict[str, object]:
    """All that decides which faces are kept, for `scan_clip`."""
    digest = hashlib.sha256(template(project, person).tobytes()).hexdigest()
    return {"limits": asdict(limits), "template": digest}


def choose_faces(
    project: Project, scan: Scan, recogniser: Recogniser, limits: QualityLimits, *, progress: Progress
) -> None:
    """Decide for every face of a scan whether it is kept, and if not, why.

    A face belongs to the person when its track's embedding lies near their template and that of nobody else in the
    project lies nearer. Pictures that nothing will be learned from are deleted.
    """
    if scan.state == "decided":
        return
    faces = found_faces(project, scan)
    numbers = link_tracks((face.frame, face.shot, _box_xyxy(face)) for face in faces)
    tracks: dict[int, list[FoundFace]] = defaultdict(list)
    for number, face in zip(numbers, faces, strict=True):
        tracks[number].append(face)
    embeddings = {
        number: _track_embedding(project, tracks[number], recogniser)
        for number in progress.track(tracks, what="recognising faces", unit="tracks", total=len(tracks))
    }
    rows = []
    for number, face in zip(numbers, faces, strict=True):
        distance, nearest = _distance(project, scan.person, embeddings[number])
        against = judge(face.quality, face.score, limits, is_person=nearest and distance <= limits.max_distance)
        drop_crop = bool(against) or scan.purpose == "generate"
        rows.append((number, distance, json.dumps(against), drop_crop, face.id))
    with project.transaction() as database:
        database.executemany(
            "UPDATE faces SET track = ?, distance = ?, rejections = ?, crop = iif(?, NULL, crop) WHERE id = ?", rows
        )
        database.execute("UPDATE scans SET state = 'decided' WHERE id = ?", (scan.id,))


def found_faces(project: Project, scan: Scan, *, kept_only: bool = False) -> list[FoundFace]:
    """The faces of a scan in the order of frames."""
    rows = project.database.execute(
        "SELECT id, frame, shot, track, landmarks, score, quality FROM faces WHERE scan = ?"
        " AND (NOT ? OR rejections = '[]') ORDER BY frame, id",
        (scan.id, kept_only),
    )
    return [
        FoundFace(
            id=number,
            frame=frame,
            shot=shot,
            track=track,
            landmarks_xyz=_landmarks(landmarks),
            score=score,
            quality=_quality(quality),
        )
        for number, frame, shot, track, landmarks, score, quality in rows
    ]


def count_rejections(project: Project, scan: Scan) -> tuple[int, int, Counter[str]]:
    """How many faces were found and kept, and how often each reason spoke against one."""
    rows = project.database.execute("SELECT rejections FROM faces WHERE scan = ?", (scan.id,)).fetchall()
    reasons = [json.loads(text) for (text,) in rows]
    return len(rows), sum(not against for against in reasons), Counter(reason for r in reasons for reason in r)


def make_face_set(project: Project, person: str, permit: Permit) -> FaceSet:
    """Close a person's face set over all kept faces of their clips, and record it.

    Raises:
        FaceError: not one face was kept.
    """
    digest, count = _digest_kept(project, person, permit.digest)
    if count == 0:
        raise FaceError(f"no usable face of {person} was found; see the reasons above, and collect other footage")
    project.database.execute(
        "INSERT OR REPLACE INTO face_sets (person, digest, permit_digest, release_digests, num_faces, made_at)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (person, digest, permit.digest, json.dumps(permit.release_digests), count, now()),
    )
    return FaceSet(
        person=person,
        num_faces=count,
        digest=digest,
        permit_digest=permit.digest,
        release_digests=permit.release_digests,
    )


def open_face_set(project: Project, person: str) -> FaceSet:
    """The face set as it was prepared last.

    Raises:
        FaceError: there is none, or its faces are no longer those, as when preparing was cut short since.
    """
    row = project.database.execute(
        "SELECT digest, permit_digest, release_digests, num_faces FROM face_sets WHERE person = ?", (person,)
    ).fetchone()
    if row is None:
        raise FaceError(f"no face set of {person} here; run `countenance prepare {person}` first")
    digest, permit_digest, release_digests, num_faces = row
    if _digest_kept(project, person, permit_digest) != (digest, num_faces):
        raise FaceError(
            f"the faces of {person} changed since their face set was made; run `countenance prepare {person}` again"
        )
    return FaceSet(
        person=person,
        num_faces=num_faces,
        digest=digest,
        permit_digest=permit_digest,
        release_digests=tuple(json.loads(release_digests)),
    )


def read_faces(project: Project, face_set: FaceSet) -> Iterator[AlignedFace]:
    """The kept faces of a person, one at a time, in a fixed order."""
    for landmarks, crop in project.database.execute("SELECT landmarks, crop" + _KEPT_FACES, (face_set.person,)):
        yield _aligned(_landmarks(landmarks), crop)


def template(project: Project, person: str) -> Embedding:
    """The mean embedding of a person's reference pictures, from their release."""
    return _templates(project)[person]


def _digest_kept(project: Project, person: str, permit_digest: str) -> tuple[str, int]:
    """Digest of all kept faces of a person and the permit, and how many there are."""
    digest, count = hashlib.sha256(permit_digest.encode()), 0
    for sha256, frame, landmarks, crop in project.database.execute(
        "SELECT sha256, frame, landmarks, crop" + _KEPT_FACES, (person,)
    ):
        digest.update(f"{sha256} {frame} ".encode() + hashlib.sha256(landmarks + crop).digest())
        count += 1
    return digest.hexdigest(), count


_KEPT_FACES = """
    FROM faces JOIN scans ON scans.id = faces.scan
    WHERE scans.person = ? AND scans.purpose = 'prepare' AND scans.state = 'decided' AND rejections = '[]'
    AND EXISTS (SELECT 1 FROM clips WHERE clips.person = scans.person AND clips.sha256 = scans.sha256)
    ORDER BY scans.sha256, frame, faces.id
"""


def _templates(project: Project) -> dict[str, Embedding]:
    rows = project.database.execute("SELECT name, template FROM people")
    return {name: np.frombuffer(content, np.float32) for name, content in rows}


def _distance(project: Project, person: str, embedding: Embedding) -> tuple[float, bool]:
    """How far an embedding is from a person's template, and whether no other person's is nearer."""
    distances = {name: float(np.linalg.norm(embedding - mean)) for name, mean in _templates(project).items()}
    return distances[person], distances[person] == min(distances.values())


def _track_embedding(project: Project, members: Sequence[FoundFace], recogniser: Recogniser) -> Embedding:
    best = sorted(members, key=_worth, reverse=True)[:FACES_PER_EMBEDDING]
    chips = []
    for face in best:
        (crop,) = project.database.execute("SELECT crop FROM faces WHERE id = ?", (face.id,)).fetchone()
        chips.append(cut_chip(decode_crop(crop), _landmarks_in_crop(face.landmarks_xyz)))
    return np.asarray(embed(recogniser, chips).mean(axis=0))


def _worth(face: FoundFace) -> float:
    """How much a face tells of who it is: sharp, large, and looking at the camera."""
    yaw, pitch, _ = face.quality.yaw_pitch_roll_deg
    return float(np.sqrt(face.quality.sharpness) * face.quality.size_px * np.cos(np.deg2rad(max(abs(yaw), abs(pitch)))))


def _aligned(landmarks_xyz: Float32[np.ndarray, "468 3"], crop: bytes) -> AlignedFace:
    return AlignedFace(
        rgb=decode_crop(crop),
        mask=face_mask(_landmarks_in_crop(landmarks_xyz), (CROP_SIZE, CROP_SIZE)),
        frame_to_crop=frame_to_crop(head_pose(landmarks_xyz), CROP_SIZE),
    )


def _landmarks_in_crop(landmarks_xyz: Float32[np.ndarray, "468 3"]) -> Float32[np.ndarray, "468 2"]:
    return transform_points(frame_to_crop(head_pose(landmarks_xyz), CROP_SIZE), landmarks_xyz[:, :2])


def _box_xyxy(face: FoundFace) -> Float32[np.ndarray, "4"]:
    landmarks_xy = face.landmarks_xyz[:, :2]
    return np.concatenate([landmarks_xy.min(axis=0), landmarks_xy.max(axis=0)])


def _landmarks(content: bytes) -> Float32[np.ndarray, "468 3"]:
    return np.frombuffer(content, np.float32).reshape(468, 3)


def _quality(text: str) -> FaceQuality:
    values = json.loads(text)
    return FaceQuality(**{**values, "yaw_pitch_roll_deg": tuple(values["yaw_pitch_roll_deg"])})
