"""Findings about a file: its credentials, this project's log, what was altered, the watermark."""

import hashlib
from pathlib import Path

from countenance import ledger
from countenance.errors import MediaError, ProvenanceError
from countenance.media.files import open_regular
from countenance.media.probe import probe
from countenance.project import Project
from countenance.provenance.credentials import Claim, Credentials, Ingredient, read_credentials
from countenance.provenance.keys import find_anchor
from countenance.types import Finding, Report


def verify(path: Path, project: Project | None, *, why_no_log: str | None = None) -> Report:
    """Check a file without changing anything; needs no network, and for most findings no project.

    `why_no_log` says why the log of the project here can't be read.

    Raises:
        MediaError: the file can't be read.
        ProvenanceError: this machine's own key is open to others.
    """
    sha256 = _sha256(path)
    credentials = read_credentials(path, find_anchor())
    # A signature holds only what it covers; the file may be damaged elsewhere.
    is_signed = credentials.state in {"trusted", "valid"}
    why_unopened = _why_unopened(path) if is_signed else None
    return Report(
        path=path,
        sha256=sha256,
        findings=(
            _credentials(credentials, why_unopened),
            _log(sha256, project, why_no_log),
            _edits(credentials),
            _watermark(),
        ),
    )


def _sha256(path: Path) -> str:
    try:
        with open_regular(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        code = "media.missing" if isinstance(error, FileNotFoundError) else "media.unreadable"
        raise MediaError(
            f"can't read {path}: {error.strerror}; check the name and its permissions", code=code, path=path
        ) from error


def _why_unopened(path: Path) -> str | None:
    try:
        probe(path)
    except MediaError as error:
        return str(error)
    return None


def _credentials(credentials: Credentials, why_unopened: str | None) -> Finding:
    made_with = f" It was made with {credentials.generator}." if credentials.generator else ""
    summaries = {
        "trusted": f"Signed on this computer and unaltered since.{made_with} "
        "The time of signing is this computer's own; nobody else vouches for it.",
        "valid": "The file is unaltered since it was signed, but the signer is unknown here: "
        "anybody can make such a certificate, so this says nothing about who it was.",
        "invalid": "The file carries credentials that don't hold: don't rely on what they say.",
        "missing": "The file carries no credentials; that proves nothing either way.",
    }
    return Finding(
        about="credentials",
        state=credentials.state,
        summary=summaries[credentials.state],
        reasons=(
            *(() if credentials.state == "valid" else credentials.reasons),
            *(() if why_unopened is None else (f"the signature holds, but the file can't be opened: {why_unopened}",)),
        ),
    )


def _log(sha256: str, project: Project | None, why_no_log: str | None) -> Finding:
    if why_no_log is not None:
        return Finding(
            about="log",
            state="unknown",
            summary="The log of the project here can't be read, so it wasn't checked.",
            reasons=(why_no_log,),
        )
    if project is None:
        return Finding(about="log", state="missing", summary="No project log was checked (not inside a project).")
    try:
        ledger.check(project)
        published, plates = _published(project)
    except ProvenanceError as error:
        return Finding(
            about="log",
            state="invalid",
            summary="This project's log was changed, so it proves nothing about the file.",
            reasons=(str(error),),
        )
    if sha256 in published:
        entry = published[sha256]
        day = entry.time.partition("T")[0]
        return Finding(
            about="log",
            state="valid",
            summary=f"This project published exactly this file on {day} (log entry {entry.number}).",
        )
    if sha256 in plates:
        return Finding(
            about="log",
            state="unknown",
            summary="This project did not publish this file; it is a plate from which the project made others.",
        )
    return Finding(
        about="log",
        state="unknown",
        summary="This project's log doesn't know this file; it may still be a changed copy of one that it knows.",
    )


def _published(project: Project) -> tuple[dict[str, ledger.LogEntry], set[str]]:
    """The first entry of each published file that wasn't withdrawn, by SHA-256, and the SHA-256s of their plates."""
    known: dict[int, ledger.LogEntry] = {}
    for entry in ledger.entries(project):
        if entry.event == "published":
            known[entry.number] = entry
        elif entry.event == "withdrawn":
            known.pop(entry.fact("published_entry", int), None)
    by_file: dict[str, ledger.LogEntry] = {}
    for entry in known.values():
        by_file.setdefault(entry.fact("sha256", str), entry)
    return by_file, {entry.fact("plate_sha256", str) for entry in known.values()}


def _edits(credentials: Credentials) -> Finding:
    claim = credentials.claim
    if claim is None:
        if credentials.state == "missing":
            return Finding(about="edits", state="missing", summary="Nothing in the file says what was altered.")
        return Finding(
            about="edits",
            state="unknown",
            summary="The credentials don't say that Countenance replaced a face.",
            reasons=tuple(f"they name the step {action}" for action in credentials.actions),
        )
    where = (
        "in this picture"
        if claim.num_frames == 1
        else f"in {claim.num_altered_frames:,} of {claim.num_frames:,} frames"
    )
    who = "a face was replaced by a generated one"
    if claim.num_performers > 1:
        who = f"the faces of {claim.num_performers} people were replaced by generated ones"
    replaced = f"{who} {where}{_decided(claim)}"
    label = (
        "the label in the picture says so"
        if claim.label == "shown"
        else f"the label was left out, with the reason: {claim.label_reason}"
    )
    details = (
        label,
        *_approval(claim),
        *_drawn(claim),
        *_signs(claim),
        *((f"of the plate it shows this: {claim.what_of_the_plate}",) if claim.what_of_the_plate else ()),
        *(_parent(parent) for parent in credentials.ingredients if parent.relationship == "parentOf"),
    )
    if credentials.state == "trusted":
        return Finding(about="edits", state="trusted", summary=f"{replaced[0].upper()}{replaced[1:]}.", reasons=details)
    if credentials.state == "valid":
        return Finding(
            about="edits", state="valid", summary=f"An unknown signer states that {replaced}.", reasons=details
        )
    return Finding(
        about="edits",
        state="unknown",
        summary=f"The credentials say that {replaced}, but they don't hold: "
        "more, or something else, may have been altered.",
    )


def _decided(claim: Claim) -> str:
    if claim.num_decided_frames == 0:
        return ""
    of_them = "" if claim.num_frames == 1 else f"in {claim.num_decided_frames:,} of them "
    return f" ({of_them}a user confirmed whose face it is)"


def _drawn(claim: Claim) -> tuple[str, ...]:
    one, two = ("it was", "the two people") if claim.num_performers == 1 else ("they were", "the people")
    words = {
        "base": f"{one} drawn from pictures of {two}; no model was trained on them",
        "trained": f"{one} drawn by a model that was trained on {two}'s faces",
        "mixed": f"some were drawn from pictures of {two}, others by a model that was trained on their faces",
    }
    return (words[claim.drawn_with],) if claim.drawn_with else ()


def _approval(claim: Claim) -> tuple[str, ...]:
    """Whether the people whose releases ask for it have seen and approved what the file shows."""
    if claim.is_proxy and claim.is_preview:
        return ("it is a preview of what some of these people must approve first; they hadn't approved it",)
    if claim.is_proxy:
        return ("it is a proxy, made to ask for approval; those whose releases ask for it hadn't all approved it",)
    return ("it was approved by the people whose releases ask for it",) if claim.approval == "given" else ()


def _signs(claim: Claim) -> tuple[str, ...]:
    """What in the picture, beside the label, tells that a face was replaced, and what else was done to it."""
    covered = f"in {claim.num_covered_frames:,} of these frames a head is covered, because no face could be drawn"
    held = (
        f"in {claim.num_held_frames:,} of these frames a face is as an artist painted or approved it, or follows one "
        "beside that is"
    )
    signs = {
        "a soft ring in the picture marks each replaced face": claim.halo,
        f"the picture begins with the words: {claim.sentence}": claim.sentence,
        covered: claim.num_covered_frames,
        held: claim.num_held_frames,
    }
    return tuple(words for words, applies in signs.items() if applies)


def _parent(parent: Ingredient) -> str:
    if not parent.has_credentials:
        return "it was made from a plate without credentials"
    if parent.problems:
        return f"it was made from a plate whose own credentials did not hold: {'; '.join(parent.problems)}"
    return "it was made from a plate whose own credentials are kept inside"


def _watermark() -> Finding:
    return Finding(
        about="watermark",
        state="unknown",
        summary="This version does not look for an invisible watermark yet.",
    )
