"""Whose face each track of a clip is: the person's, another's, or not sure.

A track is compared with a reference: the mean of the release's pictures and of all tracks that are the person's beyond
doubt, in any of their clips. It must lie near it, and anybody else clearly further: the other people of the project,
and everybody in the same frames. A person may be in a frame twice, in a mirror, a split screen or a photo: two tracks
that are both near enough don't rule each other out. They are both the person's where they resemble each other as only
images of one face do, and else one that isn't clearly nearer waits for a review.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, groupby
from operator import itemgetter

import numpy as np

from countenance.faces.answers import Word, answers, says
from countenance.faces.config import PrepareConfig
from countenance.faces.store import (
    OthersTrack,
    Purpose,
    iterate_faces,
    scanned_clips,
    store_distance,
    track_embeddings,
    tracks_by_frame,
    tracks_of_others,
)
from countenance.project import Project
from countenance.types import Verdict
from countenance.vision.identity import Embedding

NOBODY_ELSE = 2.0
"""Margin where there is nobody to be taken for: further than any two faces lie apart."""
MAX_IMAGE_DISTANCE = 0.2
"""Between two tracks in the same frames that are images of one face. Measured on the demo's actors: a face and its
mirror image lie 0.06–0.16 apart, the same person at other times 0.27 (median), different people at least 0.36."""
MIN_MARGIN_BESIDE = 0.05
"""How much further away everybody in the same frames must be in any case; PLATE_CONFIG itself asks for no margin."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Track:
    id: int
    embedding: Embedding
    word: Word | None
    """The user's decision: `yes` or `no`."""
    beside: frozenset[int]
    """Tracks with which it shares a frame."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Measured:
    track: _Track
    distance: float
    margin: float
    """How much further away the nearest of the project's other people is."""
    margin_beside: float
    """The same for everybody in the same frames, but for images of the same face and those whom the user ruled out."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Reference:
    """What is known of a person's looks."""

    embedding: Embedding
    limit: float
    """A track that lies nearer is the person."""
    num_tracks: int = 0
    """Beside the release's pictures."""

    def distance(self, embedding: Embedding) -> float:
        """How far a face is from it, or the mean of several."""
        return float(np.linalg.norm(embedding - self.embedding))


def recognise(
    project: Project,
    person: str,
    templates: Mapping[str, Embedding],
    config: PrepareConfig,
    sha256s: Sequence[str],
    purpose: Purpose,
) -> dict[int, Verdict]:
    """The verdict for each track of some clips; what it rests on is stored beside them.

    `templates` are those of everybody in the project, by name.
    """
    portrait = templates[person]
    others = [template for name, template in templates.items() if name != person]
    clips = {sha256: _tracks(project, person, sha256, purpose) for sha256 in sha256s}
    footage = clips if purpose == "prepare" else {**_collected(project, person), **clips}
    released = _reference(_without_decisions(footage), portrait, others, config)
    decided = _reference(
        {sha256: _within_reach(tracks, released, config) for sha256, tracks in footage.items()},
        portrait,
        others,
        config,
    )
    verdicts: dict[int, Verdict] = {}
    for sha256, tracks in clips.items():
        alone = {
            each.track.id: _verdict(each, released.limit, config)
            for each in _measure(_without_decisions({sha256: tracks})[sha256], released, others)
        }
        for each in _measure(_within_reach(tracks, released, config), decided, others):
            verdict = _verdict(each, decided.limit, config)
            is_decided = verdict == "person" and alone[each.track.id] != "person"
            margin = min(each.margin, each.margin_beside)
            store_distance(project, each.track.id, each.distance, margin, is_decided=is_decided)
            verdicts[each.track.id] = verdict
    return verdicts


def released_distances(
    project: Project,
    person: str,
    templates: Mapping[str, Embedding],
    config: PrepareConfig,
    sha256: str,
    purpose: Purpose,
) -> dict[int, float]:
    """For each track of a clip the distance to what the release says of the person, whatever the user has decided."""
    clips = {sha256: _tracks(project, person, sha256, purpose)}
    others = [template for name, template in templates.items() if name != person]
    footage = {**_collected(project, person), **clips}
    released = _reference(_without_decisions(footage), templates[person], others, config)
    return {track.id: _distance(track, released) for track in clips[sha256]}


def reference_of(project: Project, person: str, templates: Mapping[str, Embedding], config: PrepareConfig) -> Reference:
    """What is known of a person without any plate: their release's pictures, and the tracks of their own footage that
    are theirs beyond doubt, whatever the user has decided.
    """
    others = [template for name, template in templates.items() if name != person]
    return _reference(_without_decisions(_collected(project, person)), templates[person], others, config)


def tracks_that_may_be(
    project: Project, person: str, templates: Mapping[str, Embedding], config: PrepareConfig
) -> list[OthersTrack]:
    """Tracks stored for others, or for whoever they may be, that this person is nearer to, or about as near.

    `templates` are those of everybody in the project, by name.
    """
    reference = reference_of(project, person, templates, config)
    found = []
    for track in tracks_of_others(project, person):
        distance, own = reference.distance(track.embedding), track.distance
        if not track.is_decided_on and track.person in templates:
            own = float(np.linalg.norm(track.embedding - templates[track.person]))
        # Who may be either isn't clearly the other, as long as they aren't nearer by so much.
        margin = max(config.min_margin, MIN_MARGIN_BESIDE) if track.is_unsure else 0.0
        if distance <= config.max_unsure_distance and distance < own + margin:
            found.append(track)
    return found


def _reference(
    footage: Mapping[str, Sequence[_Track]], portrait: Embedding, others: Sequence[Embedding], config: PrepareConfig
) -> Reference:
    """The release's pictures and the tracks that are the person's beyond doubt."""
    by_portrait = Reference(embedding=portrait, limit=min(config.max_sure_distance, config.max_distance))
    sure = [
        each.track.embedding
        for tracks in footage.values()
        for each in _measure(tracks, by_portrait, others)
        if _verdict(each, by_portrait.limit, config) == "person"
    ]
    return Reference(
        embedding=np.asarray(np.mean([portrait, *sure], axis=0), np.float32),
        limit=min(config.max_known_distance, config.max_distance) if sure else config.max_distance,
        num_tracks=len(sure),
    )


def _without_decisions(footage: Mapping[str, Sequence[_Track]]) -> dict[str, list[_Track]]:
    return {sha256: [replace(track, word=None) for track in tracks] for sha256, tracks in footage.items()}


def _within_reach(tracks: Sequence[_Track], released: Reference, config: PrepareConfig) -> list[_Track]:
    """The tracks without a yes about one that the release itself rules out: a decision doesn't outweigh the release."""
    return [
        replace(track, word=None)
        if track.word == "yes" and _distance(track, released) > config.max_unsure_distance
        else track
        for track in tracks
    ]


def _verdict(measured: _Measured, limit: float, config: PrepareConfig) -> Verdict:
    if measured.track.word is not None:
        return "person" if measured.track.word == "yes" else "another"
    if measured.distance > config.max_unsure_distance or measured.margin < -config.min_margin:
        return "another"
    is_near = measured.distance <= limit
    if not is_near and measured.margin_beside < -config.min_margin:
        return "another"
    is_clear = measured.margin >= config.min_margin and measured.margin_beside >= MIN_MARGIN_BESIDE
    return "person" if is_near and is_clear else "unsure"


def _measure(tracks: Sequence[_Track], reference: Reference, others: Sequence[Embedding]) -> list[_Measured]:
    """The tracks of a clip, each with its distance to the reference, and how much further away the nearest other is."""
    distances = {track.id: _distance(track, reference) for track in tracks}
    by_id = {track.id: track for track in tracks}
    measured = []
    for track in tracks:
        distance = distances[track.id]
        rivals = [
            # Whom the user confirmed is nearer than any distance says.
            0.0 if by_id[other].word == "yes" else distances[other]
            for other in track.beside & by_id.keys()
            if by_id[other].word != "no" and not _are_images_of_one_face(track, by_id[other], distances, reference)
        ]
        known = [float(np.linalg.norm(track.embedding - other)) for other in others]
        measured.append(
            _Measured(
                track=track,
                distance=distance,
                margin=min(known, default=NOBODY_ELSE) - distance,
                margin_beside=min(rivals, default=NOBODY_ELSE) - distance,
            )
        )
    return measured


def _are_images_of_one_face(one: _Track, other: _Track, distances: Mapping[int, float], reference: Reference) -> bool:
    is_near = max(distances[one.id], distances[other.id]) <= reference.limit
    return is_near and float(np.linalg.norm(one.embedding - other.embedding)) <= MAX_IMAGE_DISTANCE


def _distance(track: _Track, reference: Reference) -> float:
    return reference.distance(track.embedding)


def _collected(project: Project, person: str) -> dict[str, list[_Track]]:
    """The tracks of all the person's clips."""
    return {sha256: _tracks(project, person, sha256, "prepare") for sha256 in scanned_clips(project, person)}


def _tracks(project: Project, person: str, sha256: str, purpose: Purpose) -> list[_Track]:
    words = _words(project, person, sha256, purpose)
    together = _together(project, person, sha256, purpose)
    return [
        _Track(id=number, embedding=embedding, word=words.get(number), beside=frozenset(together[number]))
        for number, embedding in track_embeddings(project, person, sha256, purpose)
    ]


def _words(project: Project, person: str, sha256: str, purpose: Purpose) -> dict[int, Word]:
    """The user's decisions on tracks, be the file footage or plate; one about any face counts for all of its track."""
    said = answers(project, person, sha256)
    if not said:
        return {}
    faces = iterate_faces(project, person, purpose=purpose, sha256=sha256)
    words = ((face.track, says(said, face, ("yes", "no"))) for face in faces)
    return {track: word for track, word in words if word is not None}


def _together(project: Project, person: str, sha256: str, purpose: Purpose) -> defaultdict[int, set[int]]:
    """For each track those with which it shares a frame."""
    rows = tracks_by_frame(project, person, sha256, purpose)
    together: defaultdict[int, set[int]] = defaultdict(set)
    for _, faces in groupby(rows, key=itemgetter(0)):
        for one, other in combinations((track for _, track in faces), 2):
            together[one].add(other)
            together[other].add(one)
    return together
