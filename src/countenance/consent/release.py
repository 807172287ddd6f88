"""The release: a document by which a person lets their face be used, and the revocation that ends it.

Both are TOML on disk. What is signed is not that text but the canonical JSON of its fields, so that spaces and
comments don't matter, and every field does.
"""

import hashlib
import re
import uuid
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal, get_args

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StringConstraints,
    ValidationError,
    model_validator,
)

from countenance.consent.keys import public_key_of
from countenance.errors import ConsentError, UsageError
from countenance.ledger import canonical_json
from countenance.media.files import open_regular
from countenance.types import Role

Use = Literal["film", "documentary", "research", "teaching", "advertising", "political"]
"""Intimate use is not among them and never will be."""
USES: tuple[str, ...] = get_args(Use)
ROLES: tuple[str, ...] = get_args(Role)
PERSON_PATTERN = r"[a-z0-9][a-z0-9_-]{0,63}"
LABEL_MAY_BE_LEFT_OUT = frozenset({"shown, or left out for a recorded reason"})
"""What a release says of the label where that needs not be shown throughout."""
HOW_TO_REVOKE = (
    "Run `countenance release revoke` with the key that signed this release, and send the result. "
    "Once it is added, nothing more is prepared, trained or generated with this face; "
    "files that were published before can't be called back."
)


def _one_line(text: str) -> str:
    if not text.isprintable():
        raise ValueError("expected one line without control characters")
    return text


def _beside(name: str) -> str:
    """No file outside of the document's folder can be meant."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or str(path) != name:
        raise ValueError("expected a plain path within the document's own folder")
    return name


Line = Annotated[str, StringConstraints(min_length=1, max_length=400), AfterValidator(_one_line)]
Person = Annotated[str, StringConstraints(pattern=f"^{PERSON_PATTERN}$")]
Hex256 = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
Signature = Annotated[str, StringConstraints(pattern="^[0-9a-f]{128}$")]


class _Fields(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Subject(_Fields):
    """Whose face it is: a pseudonym, and the key that only this person holds."""

    person: Person
    adult_attested: Literal[True]
    synthetic: StrictBool
    """A rendered actor, no real person; signed by the person who made it."""
    public_key: Hex256 | None = None
    """Ed25519; set by signing."""


class Reference(_Fields):
    """A picture of the person; it is what finds them in footage."""

    file: Annotated[Line, AfterValidator(_beside)]
    """Beside the document, or in a folder there."""
    sha256: Hex256


class Scope(_Fields):
    """What the face may be used for."""

    project: Line
    """Title of the production."""
    uses: Annotated[tuple[Use, ...], Field(min_length=1)]
    channels: Line | None = None
    territory: Line | None = None

    @model_validator(mode="after")
    def _each_use_once(self) -> "Scope":
        if len(set(self.uses)) != len(self.uses):
            raise ValueError("expected each use once")
        return self


class Term(_Fields):
    """From the first moment of the first day to the last of the last, UTC."""

    valid_from: date
    expires: date

    @model_validator(mode="after")
    def _in_order(self) -> "Term":
        if self.expires < self.valid_from:
            raise ValueError(f"ends on {self.expires}, before it begins on {self.valid_from}")
        return self

    @property
    def first_moment(self) -> datetime:
        return datetime.combine(self.valid_from, time.min, UTC)

    @property
    def last_moment(self) -> datetime:
        return datetime.combine(self.expires, time.max, UTC)


class DataUse(_Fields):
    """What may be done with data about the face."""

    biometric_processing: Literal[True]
    third_party_training: Literal[False]


class Disclosure(_Fields):
    """How the audience is informed."""

    label: Literal["shown, or left out for a recorded reason"]
    credentials: Literal[True]


class RevocationTerms(_Fields):
    """How the person ends it."""

    how: Line
    contact: Line | None = None


class Release(_Fields):
    """By which a person lets their face be used."""

    kind: Literal["release"]
    version: Literal[1]
    """Of this form: what the fields are and mean."""
    id: Annotated[str, StringConstraints(pattern="^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
    role: Role
    subject: Subject
    references: Annotated[tuple[Reference, ...], Field(min_length=1, max_length=32)]
    scope: Scope
    term: Term
    data: DataUse
    disclosure: Disclosure
    revocation: RevocationTerms
    signature: Signature | None = None


class Revocation(_Fields):
    """By which the person who signed a release ends it."""

    kind: Literal["revocation"]
    version: Literal[1]
    """Of this form: what the fields are and mean."""
    release: Hex256
    """Digest of the release."""
    person: Person
    revoked_on: date
    reason: Line | None = None
    signature: Signature | None = None


Document = Release | Revocation


def check_person(name: str) -> None:
    """Check that a name is allowed for a person.

    Raises:
        UsageError: it can't.
    """
    if not re.fullmatch(PERSON_PATTERN, name):
        raise UsageError(
            f"expected a person's short name of lower-case letters, digits, - and _ (at most 64), got {name!r}; "
            "use a pseudonym such as dana"
        )


def check_use(use: str) -> None:
    """Check that a release can name a use.

    Raises:
        UsageError: it isn't.
    """
    if use not in USES:
        raise UsageError(f"expected one of the uses {', '.join(USES)}, got {use!r}")


def new_release(
    person: str,
    *,
    role: str,
    references: Sequence[Path],
    uses: Sequence[str],
    project: str,
    expires: date,
    folder: Path,
    valid_from: date | None = None,
    synthetic: bool = False,
    channels: str | None = None,
    territory: str | None = None,
    contact: str | None = None,
) -> Release:
    """Draft a release for its owner to sign.

    `folder` is where the document will be; the reference pictures must be there or below. Without `valid_from` it
    begins today.

    Raises:
        UsageError: a value that a release can't have, or a picture that isn't there.
    """
    check_person(person)
    for use in uses:
        check_use(use)
    if role not in ROLES:
        raise UsageError(f"expected the role {' or '.join(ROLES)}, got {role!r}")
    fields = {
        "kind": "release",
        "version": 1,
        "id": str(uuid.uuid4()),
        "role": role,
        "subject": {"person": person, "adult_attested": True, "synthetic": synthetic},
        "references": [_reference(path, folder) for path in references],
        "scope": {"project": project, "uses": tuple(uses), "channels": channels, "territory": territory},
        "term": {"valid_from": valid_from or datetime.now(UTC).date(), "expires": expires},
        "data": {"biometric_processing": True, "third_party_training": False},
        "disclosure": {"label": "shown, or left out for a recorded reason", "credentials": True},
        "revocation": {"how": HOW_TO_REVOKE, "contact": contact},
    }
    try:
        return Release.model_validate(fields)
    except ValidationError as error:
        raise UsageError(f"this can't be a release: {first_problem(error)}; change that") from None


def label_may_be_left_out(releases: Iterable[Release]) -> bool:
    """Whether all of some releases allow that a file doesn't show its label wherever something is altered."""
    return all(release.disclosure.label in LABEL_MAY_BE_LEFT_OUT for release in releases)


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


def canonical_bytes(document: Document) -> bytes:
    """The bytes that are signed: the canonical JSON of all fields that are set, except the signature."""
    return canonical_json(document.model_dump(mode="json", exclude={"signature"}, exclude_none=True))


def digest_of(document: Document) -> str:
    """SHA-256 of the canonical bytes, hex; the name by which the project knows a document."""
    return hashlib.sha256(canonical_bytes(document)).hexdigest()


def sign(release: Release, key: Ed25519PrivateKey) -> Release:
    """Sign a release with its owner's key, which is named in it from then on.

    Raises:
        ConsentError: it was signed with another key.
    """
    public_key = public_key_of(key)
    if release.subject.public_key not in (None, public_key):
        raise ConsentError(
            f"this release of {release.subject.person} was signed with another key; "
            "sign it with that one, or draft a new release"
        )
    subject = release.subject.model_copy(update={"public_key": public_key})
    named = release.model_copy(update={"subject": subject})
    return named.model_copy(update={"signature": key.sign(canonical_bytes(named)).hex()})


def check_signature(release: Release) -> None:
    """Check that a release is unaltered since its owner signed it.

    Raises:
        ConsentError: it is unsigned, or was altered since.
    """
    _check_signed(release, release.subject.public_key, f"the release of {release.subject.person}")


def check_revocation(revocation: Revocation, release: Release) -> None:
    """Check that a revocation is for this release and signed by its owner.

    Raises:
        ConsentError: it is for another release, unsigned, altered, or signed with another key.
    """
    if revocation.release != digest_of(release):
        raise ConsentError(f"this revocation is for another release than this one of {release.subject.person}")
    _check_signed(revocation, release.subject.public_key, f"the revocation by {release.subject.person}")


def check_term(release: Release, at: datetime) -> None:
    """Check that a moment lies within a release's term.

    Raises:
        ConsentError: it doesn't.
    """
    person, term = release.subject.person, release.term
    if at < term.first_moment:
        raise ConsentError(
            f"the release of {person} is not valid before {in_words(term.valid_from)}; wait until then",
            code="consent.release_not_yet_valid",
            person=person,
            valid_from=term.valid_from,
        )
    if at > term.last_moment:
        raise ConsentError(
            f"the release of {person} expired on {in_words(term.expires)}; ask its owner for a new one",
            code="consent.release_expired",
            person=person,
            expires=term.expires,
        )


def check_references(release: Release, folder: Path) -> list[Path]:
    """Check that the reference images are those that the release names, and return their paths.

    Raises:
        ConsentError: one is missing, or its content differs.
    """
    paths = []
    for reference in release.references:
        path = folder / reference.file
        try:
            found = _sha256(path)
        except OSError as error:
            raise ConsentError(
                f"can't read the reference picture {path} ({error.strerror}); put it beside the release"
            ) from None
        if found != reference.sha256:
            raise ConsentError(
                f"{path} is not the picture that the release of {release.subject.person} names; put the original there"
            )
        paths.append(path)
    return paths


def first_problem(error: ValidationError) -> str:
    """The first problem that a user should correct, in a few words."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"]) or "the whole"
    # Names of unknown fields come from the file and may hold terminal control codes.
    where = where if where.isprintable() else repr(where)
    if first["type"] == "missing":
        return f"{where} is missing"
    if first["type"] == "extra_forbidden":
        return f"{where} is unknown"
    return f"{where}: {first['msg'].removeprefix('Value error, ').lower()}, got {first['input']!r:.200}"


def _check_signed(document: Document, public_key: str | None, what: str) -> None:
    if document.signature is None or public_key is None:
        verb = "sign" if isinstance(document, Release) else "revoke"
        raise ConsentError(f"{what} is unsigned; its owner runs `countenance release {verb}`")
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key))
        key.verify(bytes.fromhex(document.signature), canonical_bytes(document))
    except (InvalidSignature, ValueError):
        raise ConsentError(
            f"{what} was altered since it was signed, or signed with another key; ask its owner for the original"
        ) from None


def _reference(path: Path, folder: Path) -> dict[str, str]:
    try:
        name = (path.parent.resolve() / path.name).relative_to(folder.resolve()).as_posix()
    except ValueError:
        raise UsageError(
            f"the reference picture {path} should be in the folder of the release, {folder}; copy it there"
        ) from None
    try:
        return {"file": name, "sha256": _sha256(path)}
    except OSError as error:
        raise UsageError(f"can't read the reference picture {path}: {error.strerror}; check the name") from error


def _sha256(path: Path) -> str:
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def in_words(day: date) -> str:
    """A day as people write it."""
    return f"{day.day} {day:%B %Y}"
