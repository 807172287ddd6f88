"""Draft, sign, counter-sign and revoke: what people do with a release, each with a key of their own."""

import uuid
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import ValidationError

from countenance.consent.keys import public_key_of
from countenance.consent.release import (
    EXPLICIT,
    ROLES,
    LabelTerms,
    Release,
    Revocation,
    canonical_bytes,
    check_channel,
    check_person,
    check_signature,
    check_use,
    countersigned_bytes,
    digest_of,
    first_problem,
    sha256_of,
)
from countenance.consent.summary import summary_of
from countenance.consent.upgrade import RELEASE_VERSION
from countenance.errors import ConsentError, UsageError

USES_TO_APPROVE = frozenset({"film", "advertising"})
"""Uses for which a new release asks that the person sees and approves each result, where nothing else is said."""
HOW_TO_REVOKE = (
    "Run `countenance release revoke` with the key that signed this release, and send the result. "
    "Once it is added, nothing more is prepared, trained or generated with this face; "
    "files that were published before can't be called back."
)


def new_release(
    person: str,
    *,
    role: str,
    references: Sequence[Path],
    uses: Sequence[str],
    project: str,
    expires: date,
    folder: Path,
    licensee: str | None = None,
    licensee_contact: str | None = None,
    licensee_key: str | None = None,
    valid_from: date | None = None,
    synthetic: bool = False,
    representation: str | None = None,
    explicit: Sequence[str] = (),
    prohibited: str | None = None,
    plates: Sequence[str] = (),
    channels: Sequence[str] = (),
    territory: str | None = None,
    remarks: str | None = None,
    num_outputs: int | None = None,
    footage: Sequence[str] = (),
    kept_until: date | None = None,
    label: LabelTerms = "shown, or left out for a recorded reason",
    approval: bool | None = None,
    contact: str | None = None,
) -> Release:
    """Draft a release for its owner to sign.

    `folder` is where the document will be; the reference pictures must be there or below. Without `valid_from` it
    begins today, without `licensee` it is for the production of that title, and without `approval` the person is asked
    about each result in film and advertising, unless they are synthetic.

    Raises:
        UsageError: a value that a release can't have, or a picture that isn't there.
    """
    check_person(person)
    for use in uses:
        check_use(use)
        if use in EXPLICIT and use not in explicit:
            raise UsageError(f"{use} use needs a line of its own in the release; add `--line {use}`")
    for channel in channels:
        check_channel(channel)
    if role not in ROLES:
        raise UsageError(f"expected the role {' or '.join(ROLES)}, got {role!r}")
    if approval is None:
        approval = not synthetic and not USES_TO_APPROVE.isdisjoint(uses)
    fields = {
        "kind": "release",
        "version": RELEASE_VERSION,
        "language": "en",
        "summary": ("not made yet",),
        "id": str(uuid.uuid4()),
        "role": role,
        "subject": {
            "person": person,
            "adult_attested": True,
            "synthetic": synthetic,
            "representation": representation,
        },
        "licensee": {
            "name": licensee or f'the production of "{project}"',
            "contact": licensee_contact,
            "public_key": licensee_key,
        },
        "references": [_reference(path, folder) for path in references],
        "scope": {
            "project": project,
            "uses": tuple(uses),
            "explicit": tuple(explicit),
            "prohibited": prohibited,
            "plates": tuple(plates),
            "channels": tuple(channels),
            "territory": territory,
            "remarks": remarks,
        },
        "term": {
            "valid_from": valid_from or datetime.now(UTC).date(),
            "expires": expires,
            "num_outputs": num_outputs,
        },
        "data": {
            "biometric_processing": True,
            "third_party_training": False,
            "transferable": False,
            "footage": tuple(footage),
            "kept_until": kept_until,
        },
        "disclosure": {"label": label, "credentials": True, "watermark": True},
        "approval": {"needed": approval},
        "revocation": {"how": HOW_TO_REVOKE, "contact": contact},
    }
    try:
        draft = Release.model_validate(fields)
        return Release.model_validate(fields | {"summary": summary_of(draft)})
    except ValidationError as error:
        raise UsageError(f"this can't be a release: {first_problem(error)}; change that") from None


def new_revocation(release: Release, key: Ed25519PrivateKey, *, reason: str | None = None) -> Revocation:
    """End a release, signed by the key that signed it.

    Raises:
        UsageError: the reason isn't one line.
        ConsentError: the release isn't signed as it stands, or by another key.
    """
    check_signature(release)
    if public_key_of(key) != release.subject.public_key:
        raise ConsentError(
            f"the release of {release.subject.person} was signed with another key; "
            "revoke it with the one that signed it"
        )
    fields = {
        "kind": "revocation",
        "version": 1,
        "release": digest_of(release),
        "person": release.subject.person,
        "revoked_on": datetime.now(UTC).date(),
        "reason": reason,
    }
    try:
        revocation = Revocation.model_validate(fields)
    except ValidationError as error:
        raise UsageError(f"this can't be a revocation: {first_problem(error)}; change that") from None
    return revocation.model_copy(update={"signature": key.sign(canonical_bytes(revocation)).hex()})


def sign(release: Release, key: Ed25519PrivateKey) -> Release:
    """Sign a release with its owner's key, which is named in it from then on.

    A draft of an earlier version is signed in the present form, with the summary that goes with it.

    Raises:
        ConsentError: it was signed with another key, or its plain words don't say what its fields say.
    """
    public_key = public_key_of(key)
    if release.subject.public_key not in (None, public_key):
        raise ConsentError(
            f"this release of {release.subject.person} was signed with another key; "
            "sign it with that one, or draft a new release"
        )
    if release.first_version < RELEASE_VERSION:
        release = Release.model_validate(release.model_dump() | {"summary": summary_of(release)})
    check_summary(release)
    subject = release.subject.model_copy(update={"public_key": public_key})
    named = release.model_copy(update={"subject": subject, "countersignature": None})
    return named.model_copy(update={"signature": key.sign(canonical_bytes(named)).hex()})


def check_summary(release: Release) -> None:
    """Check that the plain words of a draft are what its fields say.

    Raises:
        ConsentError: they aren't.
    """
    if release.first_version == RELEASE_VERSION and release.summary != summary_of(release):
        raise ConsentError(
            f"the plain words in the release of {release.subject.person} aren't what its fields say: one of them was "
            "changed; draft it again with `countenance release new`"
        )


def countersign(release: Release, key: Ed25519PrivateKey) -> Release:
    """Sign a release as the licensee that it names, after the person has.

    Raises:
        ConsentError: it isn't signed as it stands, or names no licensee's key, or another one.
    """
    check_signature(release)
    if public_key_of(key) != release.licensee.public_key:
        named = "no licensee's key" if release.licensee.public_key is None else "another licensee's key"
        raise ConsentError(
            f"the release of {release.subject.person} names {named}; draft it with the licensee's key, or leave it as "
            "it is: a release that names none needs no second signature"
        )
    return release.model_copy(update={"countersignature": key.sign(countersigned_bytes(release)).hex()})


def _reference(path: Path, folder: Path) -> dict[str, str]:
    try:
        name = (path.parent.resolve() / path.name).relative_to(folder.resolve()).as_posix()
    except ValueError:
        raise UsageError(
            f"the reference picture {path} should be in the folder of the release, {folder}; copy it there"
        ) from None
    try:
        return {"file": name, "sha256": sha256_of(path)}
    except OSError as error:
        raise UsageError(f"can't read the reference picture {path}: {error.strerror}; check the name") from error
