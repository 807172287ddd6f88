"""Remove what is kept of people who no longer consent: drawn faces, and frames that an artist painted or approved."""

from countenance.composite.kept import forget, kept_pairs
from countenance.composite.shotfile import forget_held, held_pairs
from countenance.consent.permit import grant
from countenance.errors import ConsentError
from countenance.project import Project


def forget_drawn(project: Project, person: str) -> None:
    """Remove all drawn faces, and artists' frames, of a person in either role: whatever is still allowed is drawn
    again.
    """
    for likeness, performer in _pairs(project):
        if person in (likeness, performer):
            _forget(project, likeness, performer)


def forget_without_consent(project: Project) -> list[tuple[str, str]]:
    """Remove those of likenesses and performers whose releases don't allow to generate now; gives whose."""
    gone = []
    for likeness, performer in _pairs(project):
        try:
            grant(project, "generate", likeness=likeness, performer=performer)
        except ConsentError:
            _forget(project, likeness, performer)
            gone.append((likeness, performer))
    return gone


def _pairs(project: Project) -> list[tuple[str, str]]:
    return sorted({*kept_pairs(project), *held_pairs(project)})


def _forget(project: Project, likeness: str, performer: str) -> None:
    forget(project, likeness, performer)
    forget_held(project, likeness, performer)
