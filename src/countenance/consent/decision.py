"""The request by which a person is asked about a result, and the decision by which they answer, signed with their key.

A result is what will be published: its digest stands for everything that decides the pixels, so that a yes counts for
exactly this and for nothing that is changed afterwards.
"""

from datetime import UTC, datetime
from typing import Annotated, Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from countenance.consent.keys import public_key_of
from countenance.consent.release import (
    Hex256,
    Line,
    Person,
    Release,
    Signature,
    beside,
    canonical_bytes,
    check_signed,
    digest_of,
    first_problem,
)
from countenance.errors import ConsentError, UsageError

REQUEST_SUFFIX = ".approval.toml"
Verdict = Literal["approved", "declined"]
Moment = Annotated[str, StringConstraints(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$")]
"""UTC, ISO 8601, to the second."""
Count = Annotated[int, Field(ge=0, strict=True)]


class _Fields(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ProxyFile(_Fields):
    """The smaller copy of the result that the person looks at."""

    file: Annotated[Line, AfterValidator(beside)]
    """Beside the request."""
    sha256: Hex256


class Request(_Fields):
    """By which a production asks one person about one result; made again from the log at any time."""

    kind: Literal["request"]
    version: Literal[1]
    """Of this form: what the fields are and mean."""
    person: Person
    public_key: Hex256
    """Of the release: only the key that signed it can answer."""
    release: Hex256
    """Digest of the release under which they are asked."""
    project: Line
    """Title of the production."""
    result: Hex256
    """Digest of everything that decides what would be published."""
    proxy: ProxyFile
    plate: Hex256
    first_frame: Count
    """Of the plate's frames, counted from 0, the first that the result shows; it shows `num_frames` in a row."""
    num_frames: Count
    num_plate_frames: Count
    label: Literal["shown", "credits", "left out"]
    """In the result; the proxy has it in any case."""
    label_reason: Line | None = None
    asked_at: Moment


class Decision(_Fields):
    """A person's yes or no to one result."""

    kind: Literal["decision"]
    version: Literal[1]
    """Of this form: what the fields are and mean."""
    verdict: Verdict
    person: Person
    release: Hex256
    """Digest of the release whose key signs this."""
    request: Hex256
    """Digest of the request that is answered."""
    result: Hex256
    proxy: Hex256
    """SHA-256 of the proxy that they looked at."""
    decided_at: Moment
    """By the clock of the person's own machine; of several decisions on a result the latest counts."""
    reason: Line | None = None
    signature: Signature | None = None

    @model_validator(mode="after")
    def _says_why_not(self) -> "Decision":
        if self.verdict == "declined" and self.reason is None:
            raise ValueError("whoever declines says why")
        return self


def new_decision(
    request: Request, key: Ed25519PrivateKey, verdict: Verdict, *, reason: str | None = None, at: datetime | None = None
) -> Decision:
    """Answer a request, signed by the key that signed the release under which it was made.

    Raises:
        UsageError: the reason isn't one line, or it is missing where something is declined.
        ConsentError: the request asks somebody with another key.
    """
    if public_key_of(key) != request.public_key:
        raise ConsentError(
            f"this request asks {request.person}, whose release was signed with another key; "
            "answer with the key that signed it"
        )
    fields = {
        "kind": "decision",
        "version": 1,
        "verdict": verdict,
        "person": request.person,
        "release": request.release,
        "request": digest_of(request),
        "result": request.result,
        "proxy": request.proxy.sha256,
        "decided_at": (at or datetime.now(UTC)).isoformat(timespec="seconds"),
        "reason": reason,
    }
    try:
        decision = Decision.model_validate(fields)
    except ValidationError as error:
        raise UsageError(f"this can't be a decision: {first_problem(error)}; change that") from None
    return decision.model_copy(update={"signature": key.sign(canonical_bytes(decision)).hex()})


def check_decision(decision: Decision, release: Release) -> None:
    """Check that a decision was made under this release and signed by its owner.

    Raises:
        ConsentError: it is under another release, unsigned, altered, or signed with another key.
    """
    person = release.subject.person
    if (decision.release, decision.person) != (digest_of(release), person):
        raise ConsentError(f"this decision was made under another release than this one of {person}")
    check_signed(
        decision.signature,
        release.subject.public_key,
        canonical_bytes(decision),
        f"the decision of {person}",
        verb="approve",
    )
