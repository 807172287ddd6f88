"""A person's decision on a result, on their own machine: needs the proxy, the request and their key, and no project."""

from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from countenance.consent.decision import REQUEST_SUFFIX, Decision, Request, Verdict, new_decision
from countenance.consent.document import read_document, write_document
from countenance.consent.release import sha256_of
from countenance.errors import ConsentError, UsageError
from countenance.provenance.credentials import read_credentials
from countenance.provenance.keys import find_trust


def read_request(path: Path) -> Request:
    """Read a request for approval.

    Raises:
        UsageError: the file does not exist.
        ConsentError: it isn't one.
    """
    request = read_document(path)
    if not isinstance(request, Request):
        raise ConsentError(f"{path} is a {request.kind}; expected a request such as shot.dana{REQUEST_SUFFIX}")
    return request


def check_proxy(request: Request, folder: Path) -> Path:
    """Check that the proxy beside a request is the one that it names, and says so itself; return its path.

    Raises:
        ConsentError: it is missing, another file, or its credentials speak of something else.
    """
    path = folder / request.proxy.file
    send = "ask the production for both files again"
    try:
        found = sha256_of(path)
    except OSError as error:
        raise ConsentError(f"can't read the proxy {path} ({error.strerror}); put it beside the request") from None
    if found != request.proxy.sha256:
        raise ConsentError(f"{path} is not the proxy about which you are asked: it is another file; {send}")
    credentials = read_credentials(path, find_trust())
    claim = credentials.claim
    if credentials.state not in {"trusted", "valid"} or claim is None:
        reasons = "; ".join(credentials.reasons) or "there are none"
        raise ConsentError(f"the credentials of {path} don't hold ({reasons}); {send}")
    stated = (claim.is_proxy, claim.result_digest, claim.num_frames, claim.first_frame, claim.num_plate_frames)
    asked = (True, request.result, request.num_frames, request.first_frame, request.num_plate_frames)
    if stated != asked:
        raise ConsentError(f"{path} says itself that it is of another result than the request; {send}")
    return path


def decide(
    path: Path,
    key: Ed25519PrivateKey,
    verdict: Verdict,
    *,
    reason: str | None = None,
    output: Path | None = None,
    overwrite: bool = False,
    at: datetime | None = None,
) -> tuple[Path, Decision]:
    """Answer the request in a file; without `output` the answer lies beside it, as shot.dana.decision.toml.

    Raises:
        UsageError: something is there already, or who declines gives no reason.
        ConsentError: the proxy isn't the one of the request, or the request asks somebody with another key.
    """
    request = read_request(path)
    if verdict == "declined" and not reason:
        raise UsageError("say why, so that it can be changed: add --reason")
    check_proxy(request, path.parent)
    decision = new_decision(request, key, verdict, reason=reason, at=at)
    written = output or path.with_name(f"{path.name.removesuffix(REQUEST_SUFFIX).removesuffix('.toml')}.decision.toml")
    write_document(written, decision, overwrite=overwrite)
    return written, decision
