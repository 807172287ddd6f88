"""The guards that every step passes before it touches a face, a face set or a model."""

from pathlib import Path

from countenance.consent.permit import require, require_unrevoked
from countenance.errors import ConsentError
from countenance.faces.faceset import open_face_set
from countenance.model.checkpoint import Checkpoint
from countenance.project import Project
from countenance.types import FaceSet, Permit


def permitted_face_set(project: Project, person: str, permit: Permit) -> FaceSet:
    """The closed face set of a person whom the permit names, if it may still be used.

    Raises:
        ConsentError: the permit doesn't hold or doesn't name this person, or a release under which the face set was
            made was revoked since.
        FaceError: there is no face set.
    """
    require(project, permit, permit.action, people=permit.people)
    if person not in permit.people:
        raise ConsentError(
            f"expected a permit that names {person}, got one for {' and '.join(permit.people)}; ask for the right one"
        )
    face_set = open_face_set(project, person)
    what, again = f"the face set of {person}", f"run `countenance prepare {person}` again"
    require_unrevoked(project, face_set.release_digests, what=what, again=again)
    return face_set


def require_unrevoked_model(project: Project, folder: Path, checkpoint: Checkpoint) -> None:
    """Refuse a model that may no longer be used.

    Raises:
        ConsentError: a release that it was trained under was revoked since.
    """
    what, again = f"the model in {folder}", "move that folder away and train a new one"
    require_unrevoked(project, checkpoint.release_digests, what=what, again=again)
