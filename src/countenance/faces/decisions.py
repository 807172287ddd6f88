"""A user's decisions on whose face a track is: within what the release leaves open, logged, and in effect at once."""

from collections.abc import Mapping, Sequence

from countenance import ledger
from countenance.errors import FaceError
from countenance.faces.answers import Word, answer, answers, says
from countenance.faces.config import PrepareConfig
from countenance.faces.recognise import released_distances
from countenance.faces.store import Purpose, StoredFace, drop_scan, iterate_faces
from countenance.project import Project
from countenance.types import Permit
from countenance.vision.identity import Embedding


def decide(
    project: Project,
    person: str,
    templates: Mapping[str, Embedding],
    words: Mapping[Word, Sequence[StoredFace]],
    config: PrepareConfig,
    purpose: Purpose,
    permit: Permit,
) -> None:
    """Store decisions on faces; those about whose face a track is go into the log, each with the track's distance.

    Raises:
        FaceError: a yes about a track that the release rules out; nothing is stored then.
    """
    clips = {face.clip_sha256 for word in ("yes", "no") for face in words.get(word, ())}
    distances = {
        track: distance
        for sha256 in sorted(clips)
        for track, distance in released_distances(project, person, templates, config, sha256, purpose).items()
    }
    for face in words.get("yes", ()):
        if distances[face.track] > config.max_unsure_distance:
            raise FaceError(
                f"{face.name} can't be confirmed as {person}: it lies at distance {distances[face.track]:.2f} from the "
                f"release's reference pictures, and a decision counts up to {config.max_unsure_distance:g} only; if it "
                f"is {person}, have a release signed with a picture that shows them as they look here",
                code="face.ruled_out",
                person=person,
                distance=distances[face.track],
                limit=config.max_unsure_distance,
            )
    with project.transaction():
        for word, faces in words.items():
            answer(project, person, faces, word)
            if word in ("yes", "no"):
                for face in faces:
                    facts = {"decision": word, "distance": round(distances[face.track], 3), "permit": permit.digest}
                    ledger.append(project, "faces.decided", facts)
        if purpose == "prepare":
            for face in words.get("yes", ()):
                _reopen_plate(project, person, face)


def _reopen_plate(project: Project, person: str, face: StoredFace) -> None:
    """Have a file scanned again as a plate where the face that was confirmed in it was deleted there."""
    said = answers(project, person, face.clip_sha256)
    plate_faces = iterate_faces(project, person, purpose="generate", sha256=face.clip_sha256)
    if not any(says(said, each, ("yes", "no")) == "yes" for each in plate_faces if each.frame == face.frame):
        drop_scan(project, person, face.clip_sha256, "generate")
