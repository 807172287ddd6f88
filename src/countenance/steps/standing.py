"""What stands of each pair that a project's releases allow, for who looks at it; nothing is written, nor logged."""

from collections.abc import Sequence
from dataclasses import dataclass

from countenance.consent.permit import grant
from countenance.consent.register import known_releases
from countenance.errors import ConsentError
from countenance.faces.faceset import size_of_face_set
from countenance.faces.store import kept_clips
from countenance.model.checkpoint import Checkpoint, has_checkpoint, kept_images, model_folder
from countenance.project import Project
from countenance.steps.guards import Guard
from countenance.types import Particulars, Role


@dataclass(frozen=True, kw_only=True, slots=True)
class Person:
    """Somebody with a release for a role."""

    name: str
    lacks: str
    """Why nothing may be made with them in this role, and what to do; empty where it may."""
    num_faces: int
    """Of their face set; 0 where there is none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PairInList:
    """A likeness, and a performer whose face it could replace."""

    likeness: Person
    performer: Person
    is_trained: bool
    """Whether something was learned; it may not be usable any more."""

    @property
    def is_allowed(self) -> bool:
        """Whether both releases hold."""
        return not (self.likeness.lacks or self.performer.lacks)

    @property
    def is_ready(self) -> bool:
        """Whether it can be trained."""
        return self.is_allowed and bool(self.likeness.num_faces and self.performer.num_faces)


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """What was learned of a pair, let in by a guard."""

    guard: Guard
    checkpoint: Checkpoint | None
    """None where nothing was saved yet: the base draws."""
    kept: Sequence[int]
    """After how many images the states were saved that can be gone back to, ascending."""


def list_pairs(project: Project) -> list[PairInList]:
    """Each likeness with each performer who ever released their face to this project; those that are ready first.

    Raises:
        ConsentError: a release in the project isn't what its owner signed.
    """
    likenesses, performers = (_people(project, role) for role in ("likeness", "performer"))
    pairs = [
        PairInList(
            likeness=likeness,
            performer=performer,
            is_trained=has_checkpoint(model_folder(project, likeness.name, performer.name)),
        )
        for likeness in likenesses
        for performer in performers
        if likeness.name != performer.name
    ]
    return sorted(pairs, key=lambda pair: (not pair.is_ready, not pair.is_trained, not pair.is_allowed))


def standing_of(project: Project, likeness: str, performer: str) -> Standing:
    """What was learned of a pair, for as long as consent for it holds: whoever shows anything of it asks here first.

    Raises:
        ConsentError: a release doesn't allow it, or what was learned was learned under one that was revoked since.
        ModelError: what was learned can't be read, or the log doesn't know it.
    """
    footage = frozenset((person, sha256) for person in (likeness, performer) for sha256 in kept_clips(project, person))
    # Asked for everything at once, so that the guard has nothing to ask and to log.
    permit = grant(project, "train", likeness=likeness, performer=performer, particulars=Particulars(footage=footage))
    guard = Guard(project, permit, "train", people=(likeness, performer))
    return Standing(guard=guard, checkpoint=guard.checkpoint(), kept=kept_images(guard.model_folder))


def _people(project: Project, role: Role) -> list[Person]:
    names = sorted({each.release.subject.person for each in known_releases(project) if each.release.role == role})
    return [
        Person(name=name, lacks=_lacks(project, name, role), num_faces=size_of_face_set(project, name))
        for name in names
    ]


def _lacks(project: Project, name: str, role: Role) -> str:
    try:
        if role == "likeness":
            grant(project, "prepare", likeness=name)
        else:
            grant(project, "prepare", performer=name)
    except ConsentError as error:
        return str(error)
    return ""
