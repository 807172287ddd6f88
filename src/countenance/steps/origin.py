"""Where footage comes from, by the watermark in it."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from countenance.consent.register import stored_releases
from countenance.errors import MediaError, ProvenanceError
from countenance.project import Project
from countenance.provenance.credentials import Claim, Credentials, salted
from countenance.provenance.fingerprint import unpacked
from countenance.provenance.keys import Trust
from countenance.provenance.marks import Footage, compare, find_mark, in_hex, num_looked_at
from countenance.provenance.publish import salt_of
from countenance.provenance.store import Entry, find, held, mark_in
from countenance.types import Finding, FindingState, MediaInfo
from countenance.watermark.read import Reading

MOST_COMPARED = 8
"""Entries of one number; one render that was published several times has the same pictures."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """What the watermark in a file leads to."""

    finding: Finding
    credentials: Credentials | None = None
    """Those of the published file from which this one was made, where they hold and the footage is the same."""


def find_origin(info: MediaInfo, own: Credentials, trust: Trust, project: Project | None, *, thorough: bool) -> Origin:
    """Look for a watermark, and for the credentials that it leads to where the file's own don't hold.

    `own` are the file's credentials. With `thorough` every frame is looked at.
    """
    try:
        reading = find_mark(info, every_frame=thorough)
    except MediaError as error:
        return not_looked_for(str(error))
    if reading is None:
        return Origin(finding=_no_mark(info, own, thorough=thorough))
    number = in_hex(reading.mark_id)
    named = mark_in(own.claim) if own.state in {"trusted", "valid"} else None
    agreed = _mark(own.state, f"The invisible watermark {number} is in the picture, and the credentials name it.")
    if own.state == "trusted" and named == number:
        return Origin(finding=agreed)
    if named not in (None, number):
        said = (
            f"The picture carries the watermark {number}, but its credentials name {named}: one of them was moved here."
        )
        return Origin(finding=_mark("invalid", said))
    # Anybody can sign anew what carries the mark, and name its number: what is known here counts more.
    return _looked_up(info, reading, agreed if named else None, trust, project)


def not_looked_for(why: str) -> Origin:
    """Of a file that can't be opened, or not be read to its end."""
    return Origin(finding=_mark("unknown", "The file can't be opened to look for a watermark.", why))


def _looked_up(
    info: MediaInfo, reading: Reading, agreed: Finding | None, trust: Trust, project: Project | None
) -> Origin:
    """What the manifest store knows of a number; where it knows nothing, what the file's own credentials say.

    Files that were signed here count before others.
    """
    number = in_hex(reading.mark_id)
    own: list[tuple[Entry, Credentials]] = []
    others: list[tuple[Entry, Credentials]] = []
    try:
        for entry in find(number):
            with suppress(ProvenanceError):
                credentials = held(entry, trust)
                kept = own if credentials.state == "trusted" else others
                if len(kept) < MOST_COMPARED:
                    kept.append((entry, credentials))
    except ProvenanceError as error:
        return Origin(finding=_mark("unknown", f"The picture carries the watermark {number}.", str(error)))
    known = own or others
    if not known:
        return Origin(
            finding=agreed
            or _mark(
                "unknown",
                f"The picture carries Countenance's watermark {number}: it comes from a published file in which a face "
                "was replaced, or the mark was moved here. No credentials are known for it on this computer.",
                "whoever published it can share them with `countenance marks export`; `countenance marks add` brings "
                "them in",
            )
        )
    return _origin(info, reading, known, project)


def _origin(
    info: MediaInfo, reading: Reading, known: Sequence[tuple[Entry, Credentials]], project: Project | None
) -> Origin:
    """What one of the files with this number says: the first that shows this footage, if one does."""
    number = in_hex(reading.mark_id)
    seen = [_compared(info, reading, entry) for entry, _ in known]
    order: dict[Footage, int] = {"same": 0, "unclear": 1, "other": 2}
    footage = min(seen, key=lambda each: order[each])
    entry, credentials = known[seen.index(footage)]
    assert credentials.claim is not None
    claim = credentials.claim
    whose = "this computer" if credentials.state == "trusted" else "a signer who is unknown here"
    releases = ", ".join(f"{digest[:16]}…" for digest in claim.salted_release_digests)
    facts = (
        f"the number leads to a file that {whose} signed on {claim.signed_at.partition('T')[0]}",
        f"it was made under releases with the salted digests {releases}",
        *_own_releases(project, entry, claim),
    )
    if footage == "other":
        said = (
            f"The picture carries the watermark {number}, but it shows other footage than the file that was published "
            "with it: the mark was moved here, and says nothing about this footage."
        )
        return Origin(finding=_mark("invalid", said, *facts[:1]))
    if footage == "unclear":
        said = (
            f"The picture carries the watermark {number}, but too little, too plain or too damaged a part of it is "
            "here to tell whether it shows the footage that was published with it."
        )
        return Origin(finding=_mark("unknown", said, *facts))
    said = (
        f"The invisible watermark {number} leads to the credentials of a published file, and this is the same footage: "
        "a copy of it, or of a part of it, that was changed since."
    )
    return Origin(finding=_mark(credentials.state, said, *facts), credentials=credentials)


def _compared(info: MediaInfo, reading: Reading, entry: Entry) -> Footage:
    """Whether it is the footage of an entry; where the file is damaged further on, that can't be told."""
    try:
        return compare(info, reading, unpacked(entry.fingerprint))
    except MediaError:
        return "unclear"


def _own_releases(project: Project | None, entry: Entry, claim: Claim) -> tuple[str, ...]:
    """Which releases of the project here the salted digests are."""
    if project is None:
        return ()
    salt = salt_of(project, entry.digest)
    if salt is None:
        return ()
    return tuple(
        f"here that is the release {digest[:12]}… of {person} as {role}"
        for digest, person, role, *_ in stored_releases(project)
        if salted(digest, salt) in claim.salted_release_digests
    )


def _no_mark(info: MediaInfo, own: Credentials, *, thorough: bool) -> Finding:
    looked = info.num_frames if thorough else num_looked_at(info)
    where = "" if looked >= info.num_frames else f" in {looked:,} of {info.num_frames:,} frames that were looked at"
    reasons = [] if looked >= info.num_frames else ["`countenance verify --thorough` looks at every frame"]
    if own.state in {"trusted", "valid"} and (named := mark_in(own.claim)):
        reasons.append(f"the credentials name the watermark {named}")
    return _mark("missing", f"No watermark of Countenance was found{where}; that proves nothing either way.", *reasons)


def _mark(state: FindingState, summary: str, *reasons: str) -> Finding:
    return Finding(about="watermark", state=state, summary=summary, reasons=reasons)
