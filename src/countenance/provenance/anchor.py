"""The log as a file, and what shows later that the log still goes on from where it stood.

An anchor is kept where nobody who can write to the project reaches it: an export, its last line alone (the signed
head), a published file, whose credentials name the head, or an authority's timestamp of the head's digest (RFC 3161).
"""

import json
import operator
import os
from collections.abc import Mapping
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any

from cryptography import x509
from rfc3161_client import TimeStampResponse, VerificationError, VerifierBuilder, decode_timestamp_response
from rfc3161_client.verify import SHA256_OID

from countenance import ledger
from countenance.ed25519 import is_signed_by
from countenance.errors import ProvenanceError, UsageError
from countenance.media.files import open_regular
from countenance.project import PRIVATE, SHARED, Project, write_whole
from countenance.provenance.credentials import read_credentials
from countenance.provenance.keys import find_trust

DER_SEQUENCE = b"\x30"
"""With which every timestamp begins."""
MAX_BYTES = 2**20
"""Of a timestamp, a certificate, or the last line of an export: all have a few thousand at most."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Anchor:
    """Where the log once stood, by something that was kept outside of the project."""

    path: Path
    digest: str
    number: int | None
    """Of the entry; None where only its digest is known."""
    project: str | None
    """Id of the log's project; None where the anchor doesn't say."""
    what: str
    """What it is, in words, with the time that an authority vouches for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportedLog:
    """What was written of a log."""

    path: Path
    head: ledger.Head
    is_whole: bool


def export_log(project: Project, output: Path, *, head_only: bool, overwrite: bool) -> ExportedLog:
    """Write the log as JSON lines, one an entry and the signed head as the last; or that line alone.

    The head names nobody and can be given to anybody. Entries name people as their releases do, so their file is
    readable by the user alone.

    Raises:
        UsageError: the path exists already, and `overwrite` isn't set.
        ProvenanceError: the log doesn't hold, or ends without a signature.
    """
    if (output.exists() or output.is_symlink()) and not overwrite:
        raise UsageError(
            f"{output} is there already; choose another name with --output, or add --overwrite",
            code="usage.exists",
            path=output,
        )
    with project.snapshot():
        ledger.check(project, every_signature=True)
        rows = list(ledger.stored_rows(project))
    if not rows or not rows[-1][3]:
        raise ProvenanceError(
            "the log ends without a signature, so there is no head to keep; any command that adds to the log, such as "
            "`countenance release add`, signs it"
        )
    number, content, digest, signature = rows[-1]
    head = {"project": project.id, "number": number, "digest": digest, "key": json.loads(content)["key"]}
    lines = [ledger.canonical_json({"head": {**head, "signature": signature}})]
    if not head_only:
        lines[:0] = (
            ledger.canonical_json({"entry": json.loads(content), "digest": digest, "signature": signature})
            for _, content, digest, signature in rows
        )
    write_whole(output, b"".join(line + b"\n" for line in lines), mode=SHARED if head_only else PRIVATE)
    return ExportedLog(path=output, head=ledger.Head(number=number, digest=digest), is_whole=not head_only)


def read_anchor(path: Path, certificate: Path | None) -> Anchor:
    """Read an anchor of any kind; `certificate` is the authority's, for a timestamp.

    Raises:
        UsageError: the file doesn't exist, or a timestamp comes without a certificate.
        MediaError: it is none of these.
        ProvenanceError: what it says is not signed as it should be.
    """
    try:
        with open_regular(path) as file:
            start = file.read(1)
            content = _last_line(file) if start == b"{" else start + file.read(MAX_BYTES)
    except OSError as error:
        raise UsageError(f"can't read {path}: {error.strerror}; check the name and its permissions") from error
    if start == b"{":
        return _signed_head(path, content)
    if start == DER_SEQUENCE:
        return _timestamp(path, content, certificate)
    return _published_file(path)


def check_anchor(project: Project, anchor: Anchor) -> int:
    """Check that the log, which `ledger.check` holds for whole, goes on from an anchor.

    Returns:
        The number of the anchor's entry.

    Raises:
        UsageError: the anchor is of another project.
        ProvenanceError: that entry is missing, or another one.
    """
    if anchor.project not in (None, project.id):
        raise UsageError(f"{anchor.path} is of the project with the id {anchor.project}, not of {project.folder}")
    numbers = {entry.digest: entry.number for entry in ledger.entries(project)}
    number = numbers.get(anchor.digest)
    if number is None or anchor.number not in (None, number):
        which = "its entry" if anchor.number is None else f"entry {anchor.number}"
        end = "; its end was cut off" if anchor.number is not None and anchor.number > len(numbers) else ""
        raise ProvenanceError(
            f"the log doesn't go on from {anchor.path} ({anchor.what}): {which} isn't in it{end}; it was changed since "
            f"then, or this is an older or another copy of the project; restore the newest {project.folder}"
        )
    return number


def _last_line(file: BufferedReader) -> bytes:
    """Of a file of any length, of which only the end is read."""
    file.seek(max(0, file.seek(0, os.SEEK_END) - MAX_BYTES))
    return file.read(MAX_BYTES).rstrip(b"\n").rpartition(b"\n")[2]


def _signed_head(path: Path, line: bytes) -> Anchor:
    try:
        fields: Mapping[str, Any] = json.loads(line)["head"]
        head = ledger.Head(number=operator.index(fields["number"]), digest=str(fields["digest"]))
        key, signature, project = (str(fields[name]) for name in ("key", "signature", "project"))
    except (ValueError, TypeError, KeyError, RecursionError):
        raise ProvenanceError(
            f"expected the head of a log in the last line of {path}, as `countenance log export` writes it; "
            "choose another file"
        ) from None
    if not is_signed_by(key, signature, ledger.signed_bytes(project, head)):
        raise ProvenanceError(f"the head in {path} was altered since it was signed; take an unaltered copy")
    return Anchor(path=path, digest=head.digest, number=head.number, project=project, what="a head that was exported")


def _timestamp(path: Path, content: bytes, certificate: Path | None) -> Anchor:
    if certificate is None:
        raise UsageError(f"{path} is a timestamp; add --certificate with the authority's root certificate (PEM)")
    if len(content) > MAX_BYTES:
        raise ProvenanceError(f"{path} is no timestamp, of which none is that large; choose another file")
    try:
        with open_regular(certificate) as file:
            root = x509.load_pem_x509_certificate(file.read(MAX_BYTES))
    except OSError as error:
        raise UsageError(f"can't read {certificate}: {error.strerror}; check the name") from error
    except ValueError as error:
        raise UsageError(f"expected a certificate (PEM) in {certificate}, got something else ({error})") from error
    try:
        response: TimeStampResponse = decode_timestamp_response(content)
        imprint = response.tst_info.message_imprint
        VerifierBuilder().add_root_certificate(root).build().verify(response, imprint.message)
    except (VerificationError, ValueError) as error:
        raise ProvenanceError(
            f"{path} is no timestamp by the authority of {certificate} ({error}); take an unaltered copy, "
            "or that authority's certificate"
        ) from error
    if imprint.hash_algorithm.dotted_string != SHA256_OID:
        raise ProvenanceError(f"{path} is a timestamp of something else than a log's head, whose digest is SHA-256")
    when = f"{response.tst_info.gen_time:%Y-%m-%d %H:%M:%S} UTC"
    return Anchor(path=path, digest=imprint.message.hex(), number=None, project=None, what=f"a timestamp of {when}")


def _published_file(path: Path) -> Anchor:
    credentials = read_credentials(path, find_trust())
    claim = credentials.claim
    if credentials.state not in {"trusted", "valid"} or claim is None or not claim.log_digest:
        raise ProvenanceError(
            f"{path} has no credentials that hold and name a log's head; "
            "choose an export of the log, a timestamp, or an unaltered file that this project published"
        )
    return Anchor(
        path=path, digest=claim.log_digest, number=claim.log_number, project=None, what="a file that was published"
    )
