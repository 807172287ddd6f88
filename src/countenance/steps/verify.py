"""Findings about a file: its credentials, this project's log, what was altered, the watermark, what is seen in it."""

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from countenance import __version__, ledger
from countenance.ed25519 import fingerprint_of
from countenance.errors import MediaError, ProvenanceError, one_line
from countenance.forensics.card import Card
from countenance.forensics.detector import Detector, find_signs
from countenance.forensics.overview import Overview, overview_of
from countenance.forensics.page import verification_page
from countenance.forensics.signal import Signal
from countenance.forensics.signalled import signal_finding
from countenance.forensics.traced import traces_finding
from countenance.forensics.traces import traces_of
from countenance.forensics.words import with_limits
from countenance.media.files import open_regular
from countenance.media.probe import probe, take_fingerprint
from countenance.project import Project
from countenance.provenance.credentials import (
    UNKNOWN_SIGNER,
    UNREADABLE,
    CarriesNoneError,
    Claim,
    Credentials,
    Ingredient,
    Timestamp,
    read_credentials,
    read_crjson,
)
from countenance.provenance.keys import Trust, find_trust
from countenance.steps.origin import find_origin, not_looked_for
from countenance.types import Finding, MediaInfo, Report

NUM_RELEASES_OF_A_PAIR = 2


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Examination:
    """All that was found out about a file: the findings, and what a page shows beside them."""

    report: Report
    signal: Signal | None = None
    """What the detector saw; None where it wasn't asked."""
    card: Card | None = None
    """How well the detector does, where it was asked."""
    facts: tuple[tuple[str, str], ...] = ()
    """What the file says of itself, name and value: who signed it, with what it was made."""
    overview: Overview | None = None
    """A few frames, where pictures were asked for and the file can be opened."""
    why_unopened: str | None = None
    """Why it can't be opened as a video or picture, where it can't."""


def verify(
    path: Path,
    project: Project | None,
    *,
    why_no_log: str | None = None,
    thorough: bool = False,
    with_pictures: bool = False,
    detector: Detector | None = None,
) -> Examination:
    """Check a file without changing anything; needs no network, and for most findings no project.

    `why_no_log` says why the log of the project here can't be read. With `thorough` every frame is searched for a
    watermark, instead of some hundred. `with_pictures` takes what a page shows of the file. Without a `detector` faces
    aren't judged.

    Raises:
        MediaError: the file can't be read, or changed while it was.
        ProvenanceError: this machine's own key is open to others.
    """
    # Before it is read: else what is written while it is hashed goes unnoticed.
    stamp = _stamp(path)
    sha256, info, why_unopened = _opened(path)
    trust = find_trust()
    credentials = _read_credentials(path, trust, why_unopened)
    if info is None:
        origin = not_looked_for(why_unopened or "")
    else:
        origin = find_origin(info, credentials, trust, project, thorough=thorough)
    traces = traces_of(path)
    signal = None if detector is None else _signal(info, why_unopened, detector)
    findings = (
        _credentials(credentials, why_unopened),
        _log(sha256, credentials, project, why_no_log),
        _edits(credentials, origin.credentials),
        origin.finding,
        traces_finding(traces),
        *(() if signal is None or detector is None else (signal_finding(signal, detector.card),)),
    )
    overview = _overview(info) if with_pictures and info is not None else None
    if _stamp(path) != stamp:
        raise MediaError(
            f"{path} changed while it was checked; wait until it is whole, then run this again",
            code="media.unreadable",
            path=path,
        )
    return Examination(
        report=Report(path=path, sha256=sha256, findings=tuple(with_limits(finding) for finding in findings)),
        signal=signal,
        card=None if detector is None else detector.card,
        facts=(*_facts(credentials), *traces.facts),
        overview=overview,
        why_unopened=why_unopened,
    )


def _read_credentials(path: Path, trust: Trust, why_unopened: str | None) -> Credentials:
    """A file's credentials; of a video or picture of a kind that holds none, that it has none.

    Raises:
        MediaError: it holds none, and isn't read as a video or picture either: the line says what it is instead.
    """
    try:
        return read_credentials(path, trust)
    except CarriesNoneError:
        if why_unopened is not None:
            raise MediaError(why_unopened, code="media.unreadable", path=path) from None
        return Credentials(state="missing", reasons=("files of this kind carry none that can be read here",))


def _signal(info: MediaInfo | None, why_unopened: str | None, detector: Detector) -> Signal:
    return Signal(tracks=(), num_frames=0, why_not=why_unopened) if info is None else find_signs(info, detector)


def report_page(examination: Examination, *, made_at: datetime) -> str:
    """The report as a page, which is handed on: of where the file lay it says nothing.

    It shows faces: a caller that writes it to a disk keeps it private.
    """
    report = examination.report

    def told(text: str) -> str:
        return without_place(text, report.path, report.path.name)

    findings = tuple(
        replace(
            each,
            summary=told(each.summary),
            reasons=tuple(map(told, each.reasons)),
            limits=tuple(map(told, each.limits)),
        )
        for each in report.findings
    )
    return verification_page(
        replace(report, findings=findings),
        overview=examination.overview,
        signal=examination.signal,
        card=examination.card,
        facts=examination.facts,
        why_unopened=None if examination.why_unopened is None else told(examination.why_unopened),
        made_at=made_at,
        version=__version__,
    )


def without_place(text: str, path: Path, shown: str) -> str:
    """A text for a page that is handed on: a file is named as `shown`, and no folder of this computer is told."""
    for whole in (path.absolute(), path):
        text = text.replace(str(whole), shown).replace(one_line(str(whole)), shown)
    for folder, instead in ((path.absolute().parent, ""), (Path.home(), "~/")):
        if folder != Path(folder.anchor):
            text = text.replace(f"{folder}/", instead).replace(str(folder), instead.rstrip("/") or "its folder")
    return text


def crjson(path: Path) -> tuple[dict[str, Any], bool]:
    """A file's credentials and their check as C2PA's crJSON, and whether nothing in it is invalid.

    A file without credentials has no manifest in it.

    Raises:
        MediaError: the file can't be read.
        ProvenanceError: the credentials are damaged beyond reading, or this machine's own key is open to others.
    """
    _sha256(path)  # refuses what is no regular file
    document = read_crjson(path, find_trust())
    active = document["manifests"][:1]
    failures = {failure["code"] for manifest in active for failure in manifest["validationResults"]["failure"]}
    return document, failures <= {"signingCredential.untrusted"}


def _sha256(path: Path) -> str:
    try:
        with open_regular(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        code = "media.missing" if isinstance(error, FileNotFoundError) else "media.unreadable"
        raise MediaError(
            f"can't read {path}: {error.strerror}; check the name and its permissions", code=code, path=path
        ) from error


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """By which it is seen that a file was written meanwhile, or another put in its place."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def _opened(path: Path) -> tuple[str, MediaInfo | None, str | None]:
    """The file's SHA-256, and what it is or why it can't be opened; it is hashed once."""
    try:
        known = take_fingerprint(path)
    except MediaError as error:
        # Of a link or a hollow file, too, it is told whether the log knows it.
        return _sha256(path), None, str(error)
    try:
        return known.sha256, probe(path, known), None
    except MediaError as error:
        return known.sha256, None, str(error)


def _overview(info: MediaInfo) -> Overview | None:
    try:
        return overview_of(info)
    except MediaError:
        return None


def _facts(credentials: Credentials) -> tuple[tuple[str, str], ...]:
    """Whom and what credentials name that hold: anybody can write any name into a certificate."""
    if credentials.state not in {"trusted", "valid"}:
        return ()
    named = {"signer, by the credentials": credentials.signer, "made with, by the credentials": credentials.generator}
    return tuple((name, value) for name, value in named.items() if value)


def _credentials(credentials: Credentials, why_unopened: str | None) -> Finding:
    made_with = f" It was made with {credentials.generator}." if credentials.generator else ""
    summaries = {
        "trusted": f"Signed on this computer and unaltered since.{made_with} {_time(credentials)}",
        "valid": "The file is unaltered since it was signed, but the signer is unknown here: "
        "anybody can make such a certificate, so this says nothing about who it was. "
        f"{_time(credentials)}",
        "invalid": "The file carries credentials that don't hold: don't rely on what they say.",
        "missing": "The file carries no credentials; that proves nothing either way.",
    }
    return Finding(
        about="credentials",
        state=credentials.state,
        summary=summaries[credentials.state],
        reasons=(
            *(each for each in credentials.reasons if credentials.state != "valid" or each == UNREADABLE),
            *_lost_stamp(credentials),
            *_unopened(credentials, why_unopened),
        ),
    )


def _unopened(credentials: Credentials, why_unopened: str | None) -> tuple[str, ...]:
    """A signature holds only what it covers; the file may be damaged elsewhere."""
    if why_unopened is None or credentials.state not in {"trusted", "valid"}:
        return ()
    return (f"the signature holds, but the file can't be opened: {why_unopened}",)


def _time(credentials: Credentials) -> str:
    """Who vouches for the time of signing."""
    stamp = credentials.timestamp
    if stamp is None:
        if credentials.state == "trusted":
            return "The time of signing is this computer's own; nobody else vouches for it."
        return "The time of signing is the signer's own; nobody else vouches for it."
    if stamp.state == "invalid":
        return (
            f"Its time stamp doesn't hold ({'; '.join(stamp.problems)}), so nobody but the signer vouches for its time."
        )
    signed = f"it was signed by {_moment(stamp)}"
    if stamp.state == "trusted":
        return f"A time-stamp authority that you trust, {stamp.authority}, vouches that {signed}."
    return (
        f"A time-stamp authority that is unknown here, {stamp.authority}, states that {signed}; "
        "anybody can make such an authority."
    )


def _moment(stamp: Timestamp) -> str:
    try:
        return f"{datetime.fromisoformat(stamp.time):%d %B %Y, %H:%M:%S %Z}"
    except ValueError:
        return "a time that can't be read"


def _lost_stamp(credentials: Credentials) -> tuple[str, ...]:
    """A stamp stands outside of what is signed, so it can be taken away; the claim still says that there was one."""
    claim = credentials.claim
    if claim is None or not claim.trusted_timestamp or credentials.timestamp is not None:
        return ()
    return ("it states that a time-stamp authority vouched for its time, but the stamp isn't in the file any more",)


def _log(sha256: str, credentials: Credentials, project: Project | None, why_no_log: str | None) -> Finding:
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
        ledger.check(project, every_signature=True)
        published, plates = _published(project)
        _check_head_in(project, credentials, is_published=sha256 in published)
    except ProvenanceError as error:
        return Finding(
            about="log",
            state="invalid",
            summary="This project's log was changed, so it proves nothing about the file.",
            reasons=(str(error),),
        )
    if sha256 in published:
        return _published_here(published[sha256], project)
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


def _published_here(entry: ledger.LogEntry, project: Project) -> Finding:
    """What an entry says of the file, and whose log it is in: anybody can write one."""
    day = entry.time.partition("T")[0]
    if entry.number <= ledger.vouched_until(project):
        return Finding(
            about="log",
            state="valid",
            summary=f"This project published exactly this file on {day} (log entry {entry.number}); "
            "this computer knows its log.",
        )
    return Finding(
        about="log",
        state="unknown",
        summary=f"The log here says that its project published exactly this file on {day} (log entry {entry.number}), "
        "but this computer doesn't know that log: anybody can write one.",
        reasons=(
            f"the entry is signed with the key {fingerprint_of(entry.key)}; ask whoever keeps the project for theirs"
            if entry.key
            else "the entry isn't signed",
        ),
    )


def _check_head_in(project: Project, credentials: Credentials, *, is_published: bool) -> None:
    """Check that the log goes on from where a file's credentials say that it stood, if the file is from here.

    Raises:
        ProvenanceError: it doesn't.
    """
    claim = credentials.claim
    if claim is None or not claim.log_digest or credentials.state != "trusted":
        return
    last, digest = 0, ""
    for entry in ledger.entries(project):
        last = entry.number
        if entry.number == claim.log_number:
            digest = entry.digest
    if digest == claim.log_digest and last == claim.log_number:
        raise ProvenanceError(
            f"the file was signed when the log stood at entry {last}, and the log ends there: the entry of the file "
            "itself, and what came after it, was cut off"
        )
    if is_published and digest != claim.log_digest:
        raise ProvenanceError(
            f"the file was signed when the log stood at entry {claim.log_number}, but with another one than is there "
            "now: what came before the file was changed"
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


def _edits(own: Credentials, recovered: Credentials | None) -> Finding:
    """What was altered, by the file's own credentials or by those that its watermark leads to."""
    is_own = recovered is None or own.state == "trusted" or (own.state == "valid" and own.claim == recovered.claim)
    credentials = own if is_own or recovered is None else recovered
    claim = credentials.claim
    if claim is None:
        return _unstated(credentials)
    replaced = f"{_replaced(claim)}{_decided(claim)}"
    details = (
        _label(claim),
        *_approval(claim),
        *_synthetic(claim),
        *_drawn(claim),
        *_signs(claim),
        *((f"of the plate it shows this: {claim.what_of_the_plate}",) if claim.what_of_the_plate else ()),
        *(
            words
            for parent in credentials.ingredients
            if parent.relationship == "parentOf"
            for words in _parent(parent)
        ),
    )
    if not is_own:
        return Finding(
            about="edits",
            # They hold for what was published, not for this copy of it.
            state="unknown",
            summary=f"Of the published file the credentials say that {replaced}. "
            "What was changed since, they can't say.",
            reasons=details,
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


def _unstated(credentials: Credentials) -> Finding:
    """Where nothing is known of a replacement."""
    if credentials.state == "missing":
        return Finding(about="edits", state="missing", summary="Nothing in the file says what was altered.")
    said = (
        "The credentials state something of a replaced face, in a form that this version can't read."
        if UNREADABLE in credentials.reasons
        else "The credentials don't say that Countenance replaced a face."
    )
    return Finding(
        about="edits",
        state="unknown",
        summary=said,
        reasons=tuple(f"they name the step {action}" for action in credentials.actions),
    )


def _replaced(claim: Claim) -> str:
    where = (
        "in this picture"
        if claim.num_frames == 1
        else f"in {claim.num_altered_frames:,} of {claim.num_frames:,} frames"
    )
    if claim.num_performers > 1:
        return f"the faces of {claim.num_performers} people were replaced by generated ones {where}"
    return f"a face was replaced by a generated one {where}"


def _label(claim: Claim) -> str:
    """Whether the picture says it, too."""
    if claim.label == "left out":
        return f"the label was left out, with the reason: {claim.label_reason}"
    where = f" ({', '.join(claim.label_corners)})" if claim.label_corners else ""
    if claim.label == "credits":
        begins = f"the label in the picture says so where altered pictures begin{where}"
        return f"{begins}, with the reason: {claim.label_reason}"
    return f"the label in the picture says so{where}"


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


def _synthetic(claim: Claim) -> tuple[str, ...]:
    """Who exists nowhere, by what their own release says: whoever signed it answers for that."""
    is_pair = len(claim.salted_release_digests) <= NUM_RELEASES_OF_A_PAIR
    return tuple(
        f"by {'its' if is_pair else 'a'} release {'the' if is_pair else 'a'} {role} is a synthetic person, who exists "
        "nowhere"
        for role in claim.synthetic
    )


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


def _parent(parent: Ingredient, whose: str = "it was made") -> tuple[str, ...]:
    """What a file was made from, and what the credentials of that say, back to the first."""
    if not parent.has_credentials:
        return (f"{whose} from a plate without credentials",)
    broken = tuple(problem for problem in parent.problems if problem != UNKNOWN_SIGNER)
    if broken:
        return (f"{whose} from a plate whose own credentials did not hold: {'; '.join(broken)}",)
    made = f"{whose} from a plate whose own credentials are kept inside"
    if parent.problems:
        made += f" ({UNKNOWN_SIGNER})"
    if parent.claim is None:
        by = f" (made with {parent.generator})" if parent.generator else ""
        return (f"{made}{by}",)
    return (
        f"{made}: of that plate they state that {_replaced(parent.claim).replace('this picture', 'it')}",
        *(
            words
            for each in parent.ingredients
            if each.relationship == "parentOf"
            for words in _parent(each, "that plate was made itself")
        ),
    )
