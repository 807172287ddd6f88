"""People who decide on results: what a project asked them, and their answers."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from countenance.consent.approvals import add_decision
from countenance.consent.decision import Decision, Request, Verdict, new_decision
from countenance.consent.document import write_document
from countenance.project import Project

EARLY, LATE = datetime(2026, 1, 1, 12, tzinfo=UTC), datetime(2026, 1, 2, 12, tzinfo=UTC)


def answer(
    project: Project,
    folder: Path,
    request: Request,
    key: Ed25519PrivateKey,
    verdict: Verdict = "approved",
    *,
    at: datetime = EARLY,
    reason: str | None = None,
    edited: Mapping[str, str | None] = MappingProxyType({}),
) -> Decision:
    """Decide, change what is signed if asked to, and bring the decision in."""
    decision = new_decision(request, key, verdict, reason=reason, at=at).model_copy(update=dict(edited))
    write_document(folder / "decision.toml", decision, overwrite=True)
    add_decision(project, folder / "decision.toml")
    return decision
