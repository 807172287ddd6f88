"""Decide whose face each one is, keep the good ones, and hand them out."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from countenance.errors import FaceError
from countenance.faces.align import frame_to_crop, head_pose
from countenance.faces.config import PrepareConfig
from countenance.faces.identity import Embedding
from countenance.faces.mask import hull_in_crop
from countenance.faces.quality import judge
from countenance.faces.selection import most_varied
from countenance.faces.store import (
    CROP_SIZE,
    Answer,
    Purpose,
    StoredFace,
    answers,
    decode_crop,
    decode_mask,
    landmarks_of,
    says,
    stored_faces,
)
from countenance.project import Project, now
from countenance.types import AlignedFace, FaceSet, Permit, Rejection, Verdict


@dataclass(frozen=True, kw_only=True, slots=True)
class ClipCounts:
    """What became of the faces of one clip."""

    found: int
    """Of the person, or of somebody who may be."""
    kept: int
    others: int
    """Faces of other people, of which nothing is stored."""
    rejections: Counter[Rejection]


def choose_faces(
    project: Project, person: str, config: PrepareConfig, sha256s: Sequence[str], purpose: Purpose
) -> None:
    """Decide for every stored face of some clips whether it is kept, and if not, why. Pictures aren't looked at again.

    A track is the person's when its mean embedding lies near their template and everybody else's in the project lies
    clearly further away, or when the user said so. What turns out to be another's is deleted.
    """
    templates = _templates(project)
    with project.transaction():
        kept: list[StoredFace] = []
        for sha256 in sha256s:
            said = answers(project, person, sha256) if purpose == "prepare" else []
            _measure_tracks(project, person, sha256, purpose, templates)
            faces = stored_faces(project, person, purpose=purpose, sha256=sha256)
            verdicts = _verdicts(faces, said, config)
            _forget_others(project, faces, verdicts)
            for face in faces:
                if verdicts[face.track] == "another":
                    continue
                against = _reasons(face, verdicts[face.track], said, config, purpose)
                _reject(project, face, against)
                if not against:
                    kept.append(face)
        if purpose == "prepare" and config.max_faces and len(kept) > config.max_faces:
            chosen = set(most_varied([face.quality for face in kept], config.max_faces))
            for position, face in enumerate(kept):
                if position not in chosen:
                    _reject(project, face, ("spare",))


def count_faces(project: Project, person: str, sha256: str, purpose: Purpose) -> ClipCounts:
    """Of a clip that was chosen from."""
    faces = stored_faces(project, person, purpose=purpose, sha256=sha256)
    (others,) = project.database.execute(
        "SELECT coalesce(sum(num_others), 0) FROM stretches JOIN scans ON scans.id = stretches.scan"
        " WHERE person = ? AND sha256 = ? AND purpose = ?",
        (person, sha256, purpose),
    ).fetchone()
    return ClipCounts(
        found=len(faces),
        kept=sum(not face.rejections for face in faces),
        others=others,
        rejections=Counter(reason for face in faces for reason in face.rejections),
    )


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
    for landmarks, crop, mask in project.database.execute(
        "SELECT landmarks, crop, mask" + _KEPT_FACES, (face_set.person,)
    ):
        yield _aligned(landmarks, crop, mask)


def template(project: Project, person: str) -> Embedding:
    """The mean embedding of a person's reference pictures, from their release."""
    return _templates(project)[person]


# Whose face.


def _templates(project: Project) -> dict[str, Embedding]:
    rows = project.database.execute("SELECT name, template FROM people")
    return {name: np.frombuffer(content, np.float32) for name, content in rows}


def _measure_tracks(
    project: Project, person: str, sha256: str, purpose: Purpose, templates: Mapping[str, Embedding]
) -> None:
    """Store how far each track is from the person, and how much further anybody else of the project."""
    rows = project.database.execute(
        "SELECT tracks.id, embedding FROM tracks JOIN scans ON scans.id = tracks.scan"
        " WHERE person = ? AND sha256 = ? AND purpose = ?",
        (person, sha256, purpose),
    ).fetchall()
    for number, content in rows:
        embedding = np.frombuffer(content, np.float32)
        distances = {name: float(np.linalg.norm(embedding - mean)) for name, mean in templates.items()}
        own = distances.pop(person)
        margin = min(distances.values(), default=2.0) - own
        project.database.execute("UPDATE tracks SET distance = ?, margin = ? WHERE id = ?", (own, margin, number))


def _verdicts(faces: Sequence[StoredFace], said: Sequence[Answer], config: PrepareConfig) -> dict[int, Verdict]:
    verdicts: dict[int, Verdict] = {}
    for face in faces:
        verdicts.setdefault(face.track, _verdict(face.distance, face.margin, config))
    # A word about any face of a track counts for all of it.
    for face in faces:
        word = says(said, face, ("yes", "no"))
        if word is not None:
            verdicts[face.track] = "person" if word == "yes" else "another"
    return verdicts


def _verdict(distance: float, margin: float, config: PrepareConfig) -> Verdict:
    if distance > config.max_unsure_distance or margin < -config.min_margin:
        return "another"
    return "person" if distance <= config.max_distance and margin >= config.min_margin else "unsure"


def _forget_others(project: Project, faces: Sequence[StoredFace], verdicts: Mapping[int, Verdict]) -> None:
    for track, count in Counter(face.track for face in faces).items():
        if verdicts[track] == "another":
            project.database.execute(
                "UPDATE stretches SET num_others = num_others + ?1"
                " WHERE scan = (SELECT scan FROM tracks WHERE id = ?2)"
                " AND first = (SELECT max(first) FROM stretches WHERE scan = (SELECT scan FROM tracks WHERE id = ?2)"
                " AND first <= (SELECT min(frame) FROM faces WHERE track = ?2))",
                (count, track),
            )
            project.database.execute("DELETE FROM tracks WHERE id = ?", (track,))


def _reasons(
    face: StoredFace, verdict: Verdict, said: Sequence[Answer], config: PrepareConfig, purpose: Purpose
) -> tuple[Rejection, ...]:
    unsure: tuple[Rejection, ...] = ("unsure who",) if verdict == "unsure" else ()
    if purpose == "generate":
        return unsure
    if not face.has_crop:
        return ("alike", *unsure)
    word = says(said, face, ("keep", "drop"))
    if word is not None:
        return () if word == "keep" else ("dropped",)
    return (*unsure, *judge(face.quality, face.score, config))


def _reject(project: Project, face: StoredFace, against: tuple[Rejection, ...]) -> None:
    project.database.execute("UPDATE faces SET rejections = ? WHERE id = ?", (json.dumps(against), face.id))


# The set.


def _digest_kept(project: Project, person: str, permit_digest: str) -> tuple[str, int]:
    """Digest of all kept faces of a person and the permit, and how many there are."""
    digest, count = hashlib.sha256(permit_digest.encode()), 0
    for sha256, frame, landmarks, crop, mask in project.database.execute(
        "SELECT sha256, frame, landmarks, crop, mask" + _KEPT_FACES, (person,)
    ):
        digest.update(f"{sha256} {frame} ".encode() + hashlib.sha256(landmarks + crop + mask).digest())
        count += 1
    return digest.hexdigest(), count


_KEPT_FACES = """
    FROM faces JOIN scans ON scans.id = faces.scan
    WHERE scans.person = ? AND scans.purpose = 'prepare' AND scans.state = 'found' AND rejections = '[]'
    AND EXISTS (SELECT 1 FROM clips WHERE clips.person = scans.person AND clips.sha256 = scans.sha256)
    ORDER BY scans.sha256, frame, faces.id
"""


def _aligned(landmarks: bytes, crop: bytes, mask: bytes) -> AlignedFace:
    landmarks_xyz = landmarks_of(landmarks)
    to_crop = frame_to_crop(head_pose(landmarks_xyz), CROP_SIZE)
    outline = hull_in_crop(landmarks_xyz, to_crop, CROP_SIZE)
    return AlignedFace(rgb=decode_crop(crop), mask=outline, visible=decode_mask(mask), frame_to_crop=to_crop)
