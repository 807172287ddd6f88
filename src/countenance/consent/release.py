"""The release: a document by which a person lets their face be used, and the revocation that ends it.

Both are TOML on disk. What is signed is not that text but the canonical JSON of its fields, so that spaces and
comments don't matter, and every field does.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, get_args

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    StrictBool,
    StringConstraints,
    ValidationError,
    model_validator,
)

from countenance.errors import ConsentError, UsageError
from countenance.ledger import canonical_json
from countenance.media.files import open_regular
from countenance.types import Role

Use = Literal["film", "documentary", "research", "teaching", "advertising", "political"]
"""Intimate use is not among them and never will be."""
USES: tuple[str, ...] = get_args(Use)
Explicit = Literal["political", "advertising", "words"]
"""What is allowed only where it has a line of its own: political use, paid advertising, and words that the person
never said, coming out of what looks like their mouth."""
EXPLICIT: tuple[str, ...] = get_args(Explicit)
LabelTerms = Literal["always shown", "shown, or left out for a recorded reason"]
ROLES: tuple[str, ...] = get_args(Role)
PERSON_PATTERN = r"[a-z0-9][a-z0-9_-]{0,63}"
CHANNEL_PATTERN = r"[a-z0-9][a-z0-9-]{0,39}"


def _one_line(text: str) -> str:
    if not text.isprintable():
        raise ValueError("expected one line without control characters")
    return text


def beside(name: str) -> str:
    """No file outside of the document's folder can be meant."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or str(path) != name:
        raise ValueError("expected a plain path within the document's own folder")
    return name


Line = Annotated[str, StringConstraints(min_length=1, max_length=400), AfterValidator(_one_line)]
Sentence = Annotated[str, StringConstraints(min_length=1, max_length=1200), AfterValidator(_one_line)]
Person = Annotated[str, StringConstraints(pattern=f"^{PERSON_PATTERN}$")]
Channel = Annotated[str, StringConstraints(pattern=f"^{CHANNEL_PATTERN}$")]
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
    representation: Line | None = None
    """Who spoke for the person when this was agreed: a union, an agent, a lawyer."""
    public_key: Hex256 | None = None
    """Ed25519; set by signing."""


class Reference(_Fields):
    """A picture of the person; it is what finds them in footage."""

    file: Annotated[Line, AfterValidator(beside)]
    """Beside the document, or in a folder there."""
    sha256: Hex256


class Licensee(_Fields):
    """Who may use the face: the production."""

    name: Line
    contact: Line | None = None
    public_key: Hex256 | None = None
    """Ed25519; the one that counter-signs. Without it nobody does."""


class Scope(_Fields):
    """What the face may be used for."""

    project: Line
    """Title of the production."""
    uses: Annotated[tuple[Use, ...], Field(min_length=1)]
    explicit: tuple[Explicit, ...]
    """What is allowed beyond that, each by its own line."""
    prohibited: Line | None = None
    """What it may not be used for, in words; nothing here can check them."""
    plates: Annotated[tuple[Hex256, ...], Field(max_length=1000)]
    """SHA-256 of the only plates that may be used; empty for any."""
    channels: tuple[Channel, ...]
    """Where it may be shown, such as cinema or web; empty for anywhere."""
    territory: Line | None = None
    """In which countries, in words; nothing here can check them."""
    remarks: Line | None = None

    @model_validator(mode="after")
    def _each_once(self) -> "Scope":
        for what, values in (("use", self.uses), ("line", self.explicit), ("channel", self.channels)):
            if len(set(values)) != len(values):
                raise ValueError(f"expected each {what} once")
        return self


class Term(_Fields):
    """From the first moment of the first day to the last of the last, UTC."""

    valid_from: date
    expires: date
    num_outputs: Annotated[int, Field(ge=1, strict=True)] | None = None
    """How many files may be published with the face; previews and proxies don't count. None for any number."""

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
    transferable: Literal[False]
    """Whether what was learned of the face may be given to somebody else."""
    footage: Annotated[tuple[Hex256, ...], Field(max_length=10_000)]
    """SHA-256 of the only footage from which the face may be learned; empty for any."""
    kept_until: date | None = None
    """Last day on which data about the face may be kept; None for as long as the production wants."""


class Disclosure(_Fields):
    """How the audience is informed."""

    label: LabelTerms
    credentials: Literal[True]
    watermark: Literal[True]


class Approval(_Fields):
    """Whether the person decides on each result."""

    needed: StrictBool
    """They see it first, and nothing is published without their yes."""


class RevocationTerms(_Fields):
    """How the person ends it."""

    how: Line
    contact: Line | None = None


class Release(_Fields):
    """By which a person lets their face be used."""

    kind: Literal["release"]
    version: Literal[2]
    """Of this form: what the fields are and mean. Earlier ones are read too: `consent/upgrade.py`."""
    language: Literal["en"]
    summary: Annotated[tuple[Sentence, ...], Field(min_length=1, max_length=40)]
    """What it says in plain words, as its owner reads it before signing; made by `consent/summary.py`."""
    id: Annotated[str, StringConstraints(pattern="^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
    role: Role
    subject: Subject
    licensee: Licensee
    references: Annotated[tuple[Reference, ...], Field(min_length=1, max_length=32)]
    scope: Scope
    term: Term
    data: DataUse
    disclosure: Disclosure
    approval: Approval
    revocation: RevocationTerms
    signature: Signature | None = None
    """Of the person, over everything but the signatures."""
    countersignature: Signature | None = None
    """Of the licensee, over everything with the person's signature."""
    _as_written: dict[str, Any] | None = PrivateAttr(default=None)
    """The document's own fields, where it is of an earlier version: these are what was signed."""

    @classmethod
    def upgraded(cls, fields: dict[str, Any], as_written: dict[str, Any]) -> "Release":
        """A release of an earlier version, in this one's form; it stays what it was, to sign, store and digest."""
        release = cls.model_validate(fields)
        release._as_written = as_written
        return release

    @property
    def first_version(self) -> int:
        """The version in which it was written."""
        return self.version if self._as_written is None else int(self._as_written["version"])


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


def check_channel(channel: str) -> None:
    """Check that a release can name a channel.

    Raises:
        UsageError: it can't.
    """
    if not re.fullmatch(CHANNEL_PATTERN, channel):
        raise UsageError(
            f"expected a channel of lower-case letters, digits and - (at most 40), such as cinema, got {channel!r}"
        )


def canonical_bytes(document: BaseModel) -> bytes:
    """The bytes that are signed: the canonical JSON of all fields that are set, except the signature."""
    return canonical_json(_for_json(written_fields(document), leave_out=("signature", "countersignature")))


def written_fields(document: BaseModel) -> dict[str, Any]:
    """The fields as they stand in the file, those of an earlier version in its own form."""
    if isinstance(document, Release) and document._as_written is not None:
        return document._as_written
    return document.model_dump(exclude_none=True)


def _for_json(fields: dict[str, Any], *, leave_out: Sequence[str]) -> dict[str, Any]:
    kept = {name: value for name, value in fields.items() if name not in leave_out}
    plain: dict[str, Any] = json.loads(json.dumps(kept, default=date.isoformat))
    return plain


def digest_of(document: BaseModel) -> str:
    """SHA-256 of the canonical bytes, hex; the name by which the project knows a document."""
    return hashlib.sha256(canonical_bytes(document)).hexdigest()


def check_signature(release: Release) -> None:
    """Check that a release is unaltered since its owner signed it.

    Raises:
        ConsentError: it is unsigned, or was altered since.
    """
    what = f"the release of {release.subject.person}"
    check_signed(release.signature, release.subject.public_key, canonical_bytes(release), what, verb="sign")
    if release.licensee.public_key is not None and release.countersignature is not None:
        by = f"{what}, as the licensee's second signature covers it,"
        check_signed(
            release.countersignature, release.licensee.public_key, countersigned_bytes(release), by, verb="countersign"
        )


def check_countersigned(release: Release) -> None:
    """Check that the licensee, where a release names their key, has signed it too.

    Raises:
        ConsentError: it is missing, or `check_signature` fails.
    """
    check_signature(release)
    if release.licensee.public_key is not None and release.countersignature is None:
        raise ConsentError(
            f"the release of {release.subject.person} names a licensee's key and isn't signed with it yet; "
            f"{release.licensee.name} runs `countenance release countersign`"
        )


def countersigned_bytes(release: Release) -> bytes:
    """What the licensee signs: the release and the person's signature."""
    return canonical_json({"release": digest_of(release), "signature": release.signature})


def check_revocation(revocation: Revocation, release: Release) -> None:
    """Check that a revocation is for this release and signed by its owner.

    Raises:
        ConsentError: it is for another release, unsigned, altered, or signed with another key.
    """
    if revocation.release != digest_of(release):
        raise ConsentError(f"this revocation is for another release than this one of {release.subject.person}")
    check_signed(
        revocation.signature,
        release.subject.public_key,
        canonical_bytes(revocation),
        f"the revocation by {release.subject.person}",
        verb="revoke",
    )


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
            found = sha256_of(path)
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


def check_signed(signature: str | None, public_key: str | None, content: bytes, what: str, *, verb: str) -> None:
    """Check that an Ed25519 signature of this key holds; `verb` is the command by which `what` is signed.

    Raises:
        ConsentError: it is missing, or doesn't hold.
    """
    if signature is None or public_key is None:
        raise ConsentError(f"{what} is unsigned; its owner runs `countenance release {verb}`")
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key)).verify(bytes.fromhex(signature), content)
    except (InvalidSignature, ValueError):
        raise ConsentError(
            f"{what} was altered since it was signed, or signed with another key; ask its owner for the original"
        ) from None


def sha256_of(path: Path) -> str:
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def in_words(day: date) -> str:
    """A day as people write it."""
    return f"{day.day} {day:%B %Y}"
