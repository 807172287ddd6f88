"""Bring what people signed into a project, whichever it is: a release, a revocation, or a decision on a result."""

from pathlib import Path

from countenance.consent.approvals import add_decision
from countenance.consent.decision import Decision, Request
from countenance.consent.document import Document
from countenance.consent.register import Added, add_release, add_revocation, project_title
from countenance.consent.release import Release, Revocation
from countenance.consent.scope import check_production
from countenance.errors import ConsentError, UsageError
from countenance.project import Project


def waits_for_others(document: Document) -> bool:
    """Whether the project's lock is needed to bring a document in.

    A revocation or a decision waits for no other command: whatever must not go on stops by itself.
    """
    return isinstance(document, Release)


def add_signed(project: Project, path: Path, document: Document) -> Added:
    """Bring in the document that was read from `path`; a release's pictures lie beside it.

    With a revocation all that was drawn of its owner goes.

    Raises:
        UsageError: it is a request, which is the person's.
        ConsentError: it isn't signed by whom it should be, or doesn't fit this project; the message says why.
        FaceError: a reference picture doesn't show exactly one face.
    """
    if isinstance(document, Request):
        raise UsageError(
            f"{path.name} asks {document.person} about a result; send it to them with its proxy, and add what they "
            "answer, such as shot.dana.decision.toml"
        )
    if isinstance(document, Release):
        # The nets take seconds to load.
        from countenance.faces.portrait import template_of  # noqa: PLC0415

        return add_release(project, path, template_of)
    if isinstance(document, Decision):
        return add_decision(project, path)
    from countenance.steps.forget import forget_drawn  # noqa: PLC0415

    added = add_revocation(project, path)
    assert isinstance(added.document, Revocation)
    if added.in_project:
        forget_drawn(project, added.document.person)
    return added


def why_not_for(project: Project, document: Document) -> str:
    """Why a release that was added doesn't serve this production; nothing where it does."""
    if not isinstance(document, Release):
        return ""
    try:
        check_production(document, use=project.use, channels=project.channels, title=project_title(project, []))
    except ConsentError as error:
        return str(error)
    return ""
