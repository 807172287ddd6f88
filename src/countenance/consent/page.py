"""A release as a page for people: what its owner reads before signing, and what both sides keep."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from jaxtyping import UInt8

from countenance.consent.drafting import check_summary
from countenance.consent.keys import fingerprint_of
from countenance.consent.release import (
    Release,
    Revocation,
    check_references,
    check_revocation,
    check_signature,
    digest_of,
    written_fields,
)
from countenance.consent.summary import summary_of
from countenance.media.probe import probe
from countenance.media.reader import read_frames
from countenance.pages import data_address, environment_of

PICTURE_PX = 360
"""Longer side of a reference picture on the page."""
NOT_SAID = "–"

LABELS: Mapping[str, Mapping[str, str]] = {
    "Whose face": {
        "subject.person": "Person",
        "role": "Role",
        "subject.adult_attested": "An adult",
        "subject.synthetic": "Rendered, no human being",
        "subject.representation": "Spoke for the person",
    },
    "For whom": {
        "licensee.name": "Licensee",
        "licensee.contact": "Their contact",
        "licensee.public_key": "Key of the licensee",
    },
    "For what": {
        "scope.project": "Production",
        "scope.uses": "Uses",
        "scope.explicit": "Lines of their own",
        "scope.prohibited": "Not for",
        "scope.plates": "Only these plates",
        "scope.channels": "Only these channels",
        "scope.territory": "Only these countries",
        "scope.remarks": "Remarks",
    },
    "How long, how often": {
        "term.valid_from": "From",
        "term.expires": "To the end of",
        "term.num_outputs": "Published files at most",
    },
    "Data about the face": {
        "data.biometric_processing": "The face is measured",
        "data.third_party_training": "Others may train with it",
        "data.transferable": "What was learned may be given away",
        "data.footage": "Learned only from this footage",
        "data.kept_until": "Kept until",
    },
    "The audience": {
        "disclosure.label": "Label in the picture",
        "disclosure.credentials": "Signed credentials in the file",
        "disclosure.watermark": "Watermark in the picture",
    },
    "Deciding and ending": {
        "approval.needed": "The person approves each result",
        "revocation.how": "How to revoke",
        "revocation.contact": "Where to send it",
    },
    "This document": {
        "kind": "Kind",
        "version": "Version of the form",
        "language": "Language",
        "id": "Number",
        "references": "Reference pictures",
    },
    "Keys and signatures": {
        "subject.public_key": "Key of the person",
        "signature": "Signature of the person",
        "countersignature": "Signature of the licensee",
    },
}
"""What each field is called, in the order of the page; one that isn't here is shown under its own name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """A field as it is shown."""

    label: str
    lines: tuple[str, ...]
    is_code: bool
    """Digests, keys and signatures: to be compared, not to be read."""


def release_page(
    release: Release,
    document: Path,
    *,
    revocation: Revocation | None,
    made_on: date,
    version: str,
    has_pictures: bool = True,
) -> str:
    """Draw the page of a release that lies at `document`, beside its pictures, if it still `has_pictures`.

    It shows a face: a caller that writes it to a disk keeps it private.

    Raises:
        ConsentError: the release was altered since it was signed, its plain words aren't what its fields say, its
            pictures aren't those that it names, or the revocation isn't its own.
        MediaError: a picture can't be read.
    """
    if release.signature is None:
        check_summary(release)
    else:
        check_signature(release)
    if revocation is not None:
        check_revocation(revocation, release)
    key, licensee_key = release.subject.public_key, release.licensee.public_key
    return (
        environment_of("countenance.consent")
        .get_template("release.html")
        .render(
            release=release,
            name=document.name,
            person=release.subject.person,
            state=_state(release, revocation),
            revocation=revocation,
            sentences=release.summary if release.first_version == release.version else summary_of(release),
            has_own_words=release.first_version == release.version,
            pictures=[_picture(path) for path in check_references(release, document.parent)] if has_pictures else [],
            sections=sections_of(release),
            digest=None if release.signature is None else digest_of(release),
            fingerprint=None if key is None else fingerprint_of(key),
            licensee_fingerprint=None if licensee_key is None else fingerprint_of(licensee_key),
            made_on=_day(made_on),
            version=version,
        )
    )


def sections_of(release: Release) -> list[tuple[str, list[Row]]]:
    """All fields as they were written, in sections; those that are empty say so."""
    fields = dict(_leaves(written_fields(release)))
    # The sentences have a place of their own.
    fields.pop("summary", None)
    sections = []
    for title, labels in LABELS.items():
        # An earlier form may not have such a field, which is not the same as an empty one.
        named = [path for path in labels if path in fields or release.first_version == release.version]
        sections.append((title, [_row(labels[path], fields.pop(path, None), path) for path in named]))
    if fields:
        sections.append(("More", [_row(path, value, path) for path, value in fields.items()]))
    return [(title, rows) for title, rows in sections if rows]


def _leaves(table: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{path}{name}.")
        else:
            yield f"{path}{name}", value


def _row(label: str, value: Any, path: str) -> Row:
    several = value if isinstance(value, (list, tuple)) else [value]
    lines = tuple(_words(each) for each in several if each is not None)
    is_code = path in ("id", "references") or any(len(line) >= 64 and line.isalnum() for line in lines)
    nothing = "none" if path == "scope.explicit" else NOT_SAID
    return Row(label=label, lines=lines or (nothing,), is_code=is_code)


def _words(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, date):
        return _day(value)
    if isinstance(value, Mapping):
        return ", ".join(_words(each) for each in value.values())
    return str(value)


def _state(release: Release, revocation: Revocation | None) -> Literal["draft", "half signed", "signed", "revoked"]:
    if revocation is not None:
        return "revoked"
    if release.signature is None:
        return "draft"
    return "half signed" if release.licensee.public_key and not release.countersignature else "signed"


def _picture(path: Path) -> str:
    rgb: UInt8[np.ndarray, "H W 3"] = next(iter(read_frames(probe(path)))).rgb
    factor = min(1.0, PICTURE_PX / max(rgb.shape[:2]))
    size = (max(1, round(rgb.shape[1] * factor)), max(1, round(rgb.shape[0] * factor)))
    return data_address(np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8))


def _day(day: date) -> str:
    return f"{day.day} {day:%B %Y}"
