"""Choose which of a person's faces are kept, close them into a face set, and read them."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from countenance import ledger
from countenance.errors import ConsentError, FaceError
from countenance.faces.answers import Word, answers, says
from countenance.faces.config import PrepareConfig
from countenance.faces.overview import packed
from countenance.faces.recognise import recognise, reference_of
from countenance.faces.selection import judge, most_varied
from countenance.faces.store import (
    KeptFace,
    Others,
    Purpose,
    StoredFace,
    count_others,
    count_rejections,
    delete_track,
    iterate_faces,
    kept_faces,
    landmarks_of,
    nearest_track,
    store_overview,
    store_rejections,
    track_embeddings,
)
from countenance.footage import known_clips
from countenance.progress import Progress
from countenance.project import Project, now
from countenance.types import AlignedFace, FaceQuality, FaceSet, MediaInfo, Permit, Rejection, Verdict
from countenance.vision.align import frame_to_crop, head_pose
from countenance.vision.crops import CROP_SIZE, decode_crop, decode_mask, fitting_size, resized_crop, resized_mask
from countenance.vision.identity import Embedding
from countenance.vision.mask import hull_in_crop


@dataclass(frozen=True, kw_only=True, slots=True)
class ClipCounts:
    """What became of the faces of one clip, or of several."""

    found: int
    """Of the person, or of somebody who may be."""
    kept: int
    others: Others
    nearest: float | None
    """Smallest distance of those found; None where there are none."""
    rejections: Counter[Rejection]

    def __add__(self, more: "ClipCounts") -> "ClipCounts":
        return ClipCounts(
            found=self.found + more.found,
            kept=self.kept + more.kept,
            others=self.others + more.others,
            nearest=min((each for each in (self.nearest, more.nearest) if each is not None), default=None),
            rejections=self.rejections + more.rejections,
        )


NOTHING = ClipCounts(found=0, kept=0, others=Others(), nearest=None, rejections=Counter())


def choose_faces(
    project: Project,
    person: str,
    templates: Mapping[str, Embedding],
    config: PrepareConfig,
    sha256s: Sequence[str],
    purpose: Purpose,
) -> None:
    """Decide for every stored face of some clips whether it is kept, and if not, why. No frame is read again.

    What turns out to be another's is deleted.
    """
    with project.transaction():
        verdicts = recognise(project, person, templates, config, sha256s, purpose)
        for track, verdict in verdicts.items():
            if verdict == "another":
                delete_track(project, track)
    # Between two transactions, because with thousands of faces it takes long, and a revocation should not have to wait.
    kept: list[_Kept] = []
    reasons: dict[int, tuple[Rejection, ...]] = {}
    overviews: dict[str, bytes] = {}
    for sha256 in sha256s:
        said = answers(project, person, sha256) if purpose == "prepare" else []
        for face in iterate_faces(project, person, purpose=purpose, sha256=sha256):
            word = says(said, face, ("keep", "drop"))
            reasons[face.id] = _reasons(face, verdicts[face.track], word, config, purpose)
            if not reasons[face.id]:
                kept.append(_Kept(id=face.id, quality=face.quality, is_wanted=word == "keep"))
        if purpose == "generate":
            faces = iterate_faces(project, person, purpose=purpose, sha256=sha256)
            overviews[sha256] = packed((face, bool(reasons[face.id])) for face in faces)
    if purpose == "prepare" and config.max_faces and len(kept) > config.max_faces:
        reasons |= dict.fromkeys(_spare(kept, config.max_faces), ("spare",))
    with project.transaction():
        store_rejections(project, reasons.items())
        for sha256, content in overviews.items():
            store_overview(project, person, sha256, content)


def count_faces(project: Project, person: str, sha256: str, purpose: Purpose) -> ClipCounts:
    """Of a clip that was chosen from."""
    counts = count_rejections(project, person, sha256, purpose)
    rejections = Counter[Rejection]()
    for reasons, count in counts:
        rejections.update(dict.fromkeys(reasons, count))
    return ClipCounts(
        found=sum(count for _, count in counts),
        kept=sum(count for reasons, count in counts if not reasons),
        others=count_others(project, person, sha256, purpose),
        nearest=nearest_track(project, person, sha256, purpose),
        rejections=rejections,
    )


def make_face_set(
    project: Project, person: str, permit: Permit, config: PrepareConfig, check_leave: Callable[[], None]
) -> FaceSet:
    """Close a person's face set over all kept faces of their clips, and record it, also in the log.

    `check_leave` is called in the transaction that records it; what it raises leaves the last face set as it was.

    Raises:
        FaceError: not one face was kept.
    """
    # Before the transaction, because it reads every crop, and a revocation should not have to wait for that.
    crop_size = _crop_size(project, person, config)
    digest, count = _digest_kept(project, person, permit.digest, crop_size)
    if count == 0:
        raise FaceError(f"no usable face of {person} was found; see the reasons above, and collect other footage")
    face_set = FaceSet(
        person=person,
        num_faces=count,
        digest=digest,
        permit_digest=permit.digest,
        release_digests=permit.release_digests,
        crop_size=crop_size,
    )
    num_decided = sum(face.is_decided for face in iterate_faces(project, person, kept_only=True))
    with project.transaction() as database:
        check_leave()
        database.execute(
            "INSERT OR REPLACE INTO face_sets"
            " (person, digest, permit_digest, release_digests, num_faces, made_at, crop_size)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (person, digest, permit.digest, json.dumps(permit.release_digests), count, now(), crop_size),
        )
        ledger.append(project, "prepared", {**_logged_facts(face_set), "num_decided": num_decided})
    return face_set


def has_face_set(project: Project, person: str) -> bool:
    """Whether a face set of them was ever made; it may be one that can't be used."""
    return project.database.execute("SELECT 1 FROM face_sets WHERE person = ?", (person,)).fetchone() is not None


def face_set_digest(project: Project, person: str) -> str | None:
    """Digest of the face set that was made last, without a look at its faces; None where there is none."""
    row = project.database.execute("SELECT digest FROM face_sets WHERE person = ?", (person,)).fetchone()
    return None if row is None else str(row[0])


def size_of_face_set(project: Project, person: str) -> int:
    """How many faces it had when it was prepared last; 0 where there is none. It may be one that can't be used."""
    row = project.database.execute("SELECT num_faces FROM face_sets WHERE person = ?", (person,)).fetchone()
    return 0 if row is None else int(row[0])


def erase_face_set(project: Project, person: str) -> None:
    """Delete, within the caller's transaction, the record of a person's face set."""
    project.database.execute("DELETE FROM face_sets WHERE person = ?", (person,))


def open_face_set(project: Project, person: str) -> FaceSet:
    """The face set as it was prepared last.

    Raises:
        FaceError: there is none, its faces are no longer those, as when preparing was cut short since, or it isn't the
            one that the log says was prepared last.
    """
    row = project.database.execute(
        "SELECT digest, permit_digest, release_digests, num_faces, crop_size FROM face_sets WHERE person = ?", (person,)
    ).fetchone()
    if row is None:
        raise FaceError(
            f"no face set of {person} here; run `countenance prepare {person}` first",
            code="face.set_missing",
            person=person,
        )
    digest, permit_digest, release_digests, num_faces, crop_size = row
    if _digest_kept(project, person, permit_digest, crop_size) != (digest, num_faces):
        raise FaceError(
            f"the faces of {person} changed since their face set was made; run `countenance prepare {person}` again"
        )
    face_set = FaceSet(
        person=person,
        num_faces=num_faces,
        digest=digest,
        permit_digest=permit_digest,
        release_digests=tuple(json.loads(release_digests)),
        crop_size=crop_size,
    )
    expected = _logged_facts(face_set)
    prepared = [entry.facts for entry in ledger.entries(project) if entry.event == "prepared"]
    # Older entries don't say how many faces rest on a decision.
    logged = [{name: facts.get(name) for name in expected} for facts in prepared if facts.get("person") == person]
    if logged[-1:] != [expected]:
        raise FaceError(
            f"the face set of {person} isn't the one that the log says was prepared last; "
            f"run `countenance prepare {person}` again"
        )
    return face_set


def read_faces(project: Project, face_set: FaceSet) -> Iterator[AlignedFace]:
    """The kept faces of a person at the face set's crop size, one at a time, in a fixed order."""
    for face in kept_faces(project, face_set.person):
        yield _aligned(face, face_set.crop_size)


def _check_stated(
    project: Project,
    person: str,
    templates: Mapping[str, Embedding],
    config: PrepareConfig,
    stated: Sequence[Embedding],
) -> None:
    """Check that what is known of a person's looks, and the mean of the tracks in their face set, are near enough to
    each statement. Decisions put tracks into a set that nothing but a user calls the person's.
    """
    kept = {face.track for face in iterate_faces(project, person, kept_only=True)}
    if not stated or not kept:
        return
    reference = reference_of(project, person, templates, config)
    tracks = dict(
        pair for sha256 in known_clips(project, person) for pair in track_embeddings(project, person, sha256, "prepare")
    )
    mean = np.mean([tracks[track] for track in sorted(kept)], axis=0)
    for face in stated:
        found = [(float(np.linalg.norm(mean - face)), config.max_unsure_distance)]
        if reference.num_tracks:
            found.append((reference.distance(face), reference.limit))
        for distance, limit in found:
            if distance > limit:
                raise ConsentError(
                    f"the footage of {person} shows another face than their statement: {distance:.2f} apart, at most "
                    f"{limit:.2f} expected; collect footage of the person who gave it, and drop faces of others",
                    code="consent.statement_differs",
                    person=person,
                )


# Which faces.


@dataclass(frozen=True, kw_only=True, slots=True)
class _Kept:
    id: int
    quality: FaceQuality
    is_wanted: bool
    """By the user's decision."""


def _reasons(
    face: StoredFace, verdict: Verdict, word: Word | None, config: PrepareConfig, purpose: Purpose
) -> tuple[Rejection, ...]:
    unsure: tuple[Rejection, ...] = ("unsure who",) if verdict == "unsure" else ()
    if purpose == "generate":
        return unsure
    if not face.has_crop:
        return ("alike", *unsure)
    if word is not None:
        # To keep a face says nothing of whose it is.
        return unsure if word == "keep" else ("dropped",)
    return (*unsure, *judge(face.quality, face.score, config))


def _spare(kept: Sequence[_Kept], num_wanted: int) -> list[int]:
    """The ids of those that are too many: all but the faces that the user wants, and the most varied."""
    wanted = [position for position, face in enumerate(kept) if face.is_wanted]
    chosen = set(most_varied([face.quality for face in kept], num_wanted, wanted))
    return [face.id for position, face in enumerate(kept) if position not in chosen]


# The set.


def _crop_size(project: Project, person: str, config: PrepareConfig) -> int:
    """As set, or the one that fits half of the kept faces: a few close-ups don't enlarge all others to no gain."""
    if config.crop_size != "auto":
        return config.crop_size
    sizes_px = [face.quality.size_px for face in iterate_faces(project, person, kept_only=True)]
    return fitting_size(float(np.median(sizes_px))) if sizes_px else CROP_SIZE


def _digest_kept(project: Project, person: str, permit_digest: str, crop_size: int) -> tuple[str, int]:
    """Digest of all kept faces of a person, their size and the permit, and how many there are."""
    digest, count = hashlib.sha256(permit_digest.encode()), 0
    if crop_size != CROP_SIZE:
        # Face sets of that size are older than the others, and keep the digests that they have.
        digest.update(f"{crop_size} ".encode())
    for face in kept_faces(project, person):
        content = hashlib.sha256(face.landmarks + face.crop + face.mask).digest()
        digest.update(f"{face.clip_sha256} {face.frame} ".encode() + content)
        count += 1
    return digest.hexdigest(), count


def _logged_facts(face_set: FaceSet) -> dict[str, Any]:
    """What the log holds of a face set; it must say whose faces these are, which the digest doesn't."""
    return {
        "person": face_set.person,
        "face_set": face_set.digest,
        "num_faces": face_set.num_faces,
        "permit": face_set.permit_digest,
        "releases": list(face_set.release_digests),
    }


def _aligned(face: KeptFace, size: int) -> AlignedFace:
    landmarks_xyz = landmarks_of(face.landmarks)
    to_crop = frame_to_crop(head_pose(landmarks_xyz), size)
    return AlignedFace(
        rgb=resized_crop(decode_crop(face.crop), size),
        mask=hull_in_crop(landmarks_xyz, to_crop, size),
        visible=resized_mask(decode_mask(face.mask), size),
        frame_to_crop=to_crop,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Prepared:
    """The face set, and what was left out of it."""

    face_set: FaceSet
    num_clips: int
    num_found: int
    """Faces of the person, and of those who may be."""
    num_others: int
    """Faces of other people, of which nothing is stored."""
    rejections: Counter[Rejection]


def close_face_set(
    project: Project,
    person: str,
    templates: Mapping[str, Embedding],
    clips: list[MediaInfo],
    permit: Permit,
    config: PrepareConfig,
    progress: Progress,
    *,
    stated: Sequence[Embedding],
    check_leave: Callable[[], None],
) -> Prepared:
    """Choose from all faces that were found in a person's clips, and make the face set of those that are kept.

    `stated` are the faces in the statements that were given under the permit's releases.

    Raises:
        ConsentError: the faces are of somebody else than a statement.
        FaceError: no face, or none of this person.
    """
    check_leave()
    choose_faces(project, person, templates, config, [info.sha256 for info in clips], "prepare")
    counts = {info: count_faces(project, person, info.sha256, "prepare") for info in clips}
    pictures = [info for info in clips if info.kind == "picture"]
    for info in clips:
        if info.kind != "picture":
            progress.note(_summary(info.path.name, person, counts[info]))
    if pictures:
        name = pictures[0].path.name if len(pictures) == 1 else f"{len(pictures)} pictures"
        progress.note(_summary(name, person, sum((counts[info] for info in pictures), NOTHING)))
    total = sum(counts.values(), NOTHING)
    if total.kept == 0 and (total.found == 0 or total.rejections["unsure who"]):
        where = clips[0].path.name if len(clips) == 1 else f"the {len(clips)} clips of {person}"
        raise not_found(person, where, total, config, f"countenance faces review {person}")
    _check_stated(project, person, templates, config, stated)
    face_set = make_face_set(project, person, permit, config, check_leave)
    return Prepared(
        face_set=face_set,
        num_clips=len(clips),
        num_found=total.found,
        num_others=total.others.num_faces,
        rejections=total.rejections,
    )


def not_found(person: str, where: str, counts: ClipCounts, config: PrepareConfig, review: str) -> FaceError:
    """Why none of the faces in some footage is the person's; `review` is the command that decides on unsure ones."""
    squeezed = "footage that looks squeezed or stretched must be brought to its true proportions first"
    others, limit = counts.others, config.max_unsure_distance
    facts = {"person": person, "num_faces": counts.found + others.num_faces, "limit": limit}
    if counts.found:
        return FaceError(
            f"{counts.found} faces in {where} may be {person}'s or not: the nearest lies at distance "
            f"{counts.nearest or 0.0:.2f} from what is known of them, and up to {limit:g} nobody is ruled out; "
            f"decide with `{review}`",
            code="face.unsure",
            nearest=counts.nearest,
            **facts,
        )
    if not others.num_faces:
        return FaceError(
            f"no face was found in {where}; choose footage in which {person}'s face is visible ({squeezed})",
            code="face.not_found",
            **facts,
        )
    how_far = (
        ""
        if others.nearest is None
        else f": the nearest lies at distance {others.nearest:.2f} from what is known of them, the limit is {limit:g}"
        if others.nearest > limit
        else f": the nearest, at distance {others.nearest:.2f}, is nearer to somebody else or was ruled out by you"
    )
    return FaceError(
        f"{others.num_faces} faces were found in {where}, and none is {person}'s{how_far}; choose other footage, or "
        f"have a release with a better reference picture signed ({squeezed})",
        code="face.not_found",
        nearest=others.nearest,
        **facts,
    )


def _summary(clip: str, person: str, counts: ClipCounts) -> str:
    left_out = [f"{count} {reason}" for reason, count in counts.rejections.most_common()]
    if counts.others.num_faces:
        left_out.append(f"{counts.others.num_faces} of other people")
    why = f" (left out: {', '.join(left_out)})" if left_out else ""
    return f"{clip}: {counts.kept} of {counts.found} faces kept for {person}{why}"
