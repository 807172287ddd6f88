"""Remove what is kept of people who no longer consent."""

from countenance.composite.kept import forget, kept_pairs
from countenance.consent.permit import grant
from countenance.errors import ConsentError
from countenance.project import Project


def forget_drawn(project: Project, person: str) -> None:
    """Remove all drawn faces of a person in either role: whatever is still allowed is drawn again."""
    for likeness, performer in kept_pairs(project):
        if person in (likeness, performer):
            forget(project, likeness, performer)


def forget_without_consent(project: Project) -> list[tuple[str, str]]:
    """Remove the drawn faces of likenesses and performers whose releases don't allow to generate now; gives whose."""
    gone = []
    for likeness, performer in kept_pairs(project):
        try:
            grant(project, "generate", likeness=likeness, performer=performer)
        except ConsentError:
            forget(project, likeness, performer)
            gone.append((likeness, performer))
    return gone
