"""Whose face each track of a clip is: the person's, another's, or not sure.

A track is compared with a reference: the mean of the release's pictures and of all tracks that are the person's beyond
doubt, in any of their clips. It must lie near it, and anybody else clearly further: the other people of the project,
and whoever is in the same frames, because a person is in a frame once.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, groupby
from operator import itemgetter

import numpy as np

from countenance.faces.answers import Word, answers, says
from countenance.faces.config import PrepareConfig
from countenance.faces.store import (
    Purpose,
    iterate_faces,
    scanned_clips,
    store_distance,
    track_embeddings,
    tracks_by_frame,
)
from countenance.project import Project
from countenance.types import Verdict
from countenance.vision.identity import Embedding

NOBODY_ELSE = 2.0
"""Margin where there is nobody to be taken for: further than any two faces lie apart."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Track:
    id: int
    embedding: Embedding
    word: Word | None
    """What the user said: `yes` or `no`."""
    rivals: frozenset[int]
    """Tracks with which it shares a frame."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Measured:
    track: _Track
    distance: float
    margin: float


def recognise(
    project: Project,
    person: str,
    templates: Mapping[str, Embedding],
    config: PrepareConfig,
    sha256s: Sequence[str],
    purpose: Purpose,
) -> dict[int, Verdict]:
    """The verdict for each track of some clips; distances and margins are stored beside them.

    `templates` are those of everybody in the project, by name.
    """
    portrait = templates[person]
    others = {name: template for name, template in templates.items() if name != person}
    clips = {sha256: _tracks(project, person, sha256, purpose) for sha256 in sha256s}
    footage = clips if purpose == "prepare" else {**_collected(project, person), **clips}
    sure = [
        each.track.embedding
        for tracks in footage.values()
        for each in _measure(tracks, portrait, others)
        if _is_sure(each, config)
    ]
    reference = np.mean([portrait, *sure], axis=0)
    limit = min(config.max_known_distance, config.max_distance) if sure else config.max_distance
    verdicts: dict[int, Verdict] = {}
    for tracks in clips.values():
        for each in _measure(tracks, reference, others):
            store_distance(project, each.track.id, each.distance, each.margin)
            verdicts[each.track.id] = _verdict(each, limit, config)
    return verdicts


def _is_sure(measured: _Measured, config: PrepareConfig) -> bool:
    if measured.track.word is not None:
        return measured.track.word == "yes"
    limit = min(config.max_sure_distance, config.max_distance)
    return measured.distance <= limit and measured.margin >= config.min_margin


def _verdict(measured: _Measured, limit: float, config: PrepareConfig) -> Verdict:
    if measured.track.word is not None:
        return "person" if measured.track.word == "yes" else "another"
    if measured.distance > config.max_unsure_distance or measured.margin < -config.min_margin:
        return "another"
    return "person" if measured.distance <= limit and measured.margin >= config.min_margin else "unsure"


def _measure(tracks: Sequence[_Track], reference: Embedding, others: Mapping[str, Embedding]) -> list[_Measured]:
    """The tracks of a clip, each with its distance to the reference, and how much further away the nearest other is."""
    distances = {track.id: float(np.linalg.norm(track.embedding - reference)) for track in tracks}
    # Whom the user confirmed is nearer than any number says, and whom they ruled out is no rival.
    rivals = {track.id: 0.0 if track.word == "yes" else distances[track.id] for track in tracks if track.word != "no"}
    measured = []
    for track in tracks:
        beside = [rivals[other] for other in track.rivals if other in rivals]
        beside += [float(np.linalg.norm(track.embedding - other)) for other in others.values()]
        margin = min(beside, default=NOBODY_ELSE) - distances[track.id]
        measured.append(_Measured(track=track, distance=distances[track.id], margin=margin))
    return measured


def _collected(project: Project, person: str) -> dict[str, list[_Track]]:
    """The tracks of all the person's clips."""
    return {sha256: _tracks(project, person, sha256, "prepare") for sha256 in scanned_clips(project, person)}


def _tracks(project: Project, person: str, sha256: str, purpose: Purpose) -> list[_Track]:
    words = _words(project, person, sha256, purpose)
    together = _together(project, person, sha256, purpose)
    return [
        _Track(id=number, embedding=embedding, word=words.get(number), rivals=frozenset(together[number]))
        for number, embedding in track_embeddings(project, person, sha256, purpose)
    ]


def _words(project: Project, person: str, sha256: str, purpose: Purpose) -> dict[int, Word]:
    """What the user said of tracks, be the file footage or plate; a word about any face counts for all of its track."""
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
