"""Content credentials (C2PA): what a file says about how it was made, signed.

Signed is everything that is seen and heard. Not signed are the empty space that C2PA keeps inside the credentials
themselves and, in videos, the boxes that name the kind of file and its random access; a byte changed there goes
unnoticed by the signature.
"""

import base64
import hashlib
import io
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Literal

import c2pa  # type: ignore[import-untyped]
from pydantic import Field, TypeAdapter, ValidationError

from countenance import __version__
from countenance.errors import MediaError, ProvenanceError
from countenance.project import SHARED
from countenance.provenance.keys import SigningIdentity, Trust
from countenance.types import Corner, DrawnWith, Role

MEDIA_TYPES = {
    ".mp4": "video/mp4",
    ".mov": "video/quicktime",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
}
"""Of the files that can be signed, by suffix."""

UNKNOWN_TYPE = "application/octet-stream"
"""Of files that carry no credentials."""

ONE_PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR42mNoAAAAggCB2kUIOwAAAABJRU5ErkJggg=="
"""A grey one, as PNG, to rehearse on."""

JUMBF, JUMBF_BYTES = re.compile(rb"jumb.{4}jumd", re.DOTALL), 12
CHUNK_BYTES = 2**20

SPEC_VERSION = "2.4.0"
"""Of the C2PA specification that the credentials follow."""
REPLACEMENT = "org.countenance.replacement"
SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
COMPOSITE = f"{SOURCE_TYPES}compositeWithTrainedAlgorithmicMedia"
MAX_INGREDIENTS = 32
"""Of one file; beyond, they aren't told."""
MAX_GENERATIONS = 16
"""Of plates that were themselves published; beyond, they aren't told any more."""
MINING = ("cawg.ai_inference", "cawg.ai_training", "cawg.ai_generative_training", "cawg.data_mining")

ALTERED = (
    "the picture or the sound was altered after it was signed, or these credentials were made for another file and "
    "put here"
)
SLIPPED_IN = "something was put among the pieces of the credentials, where the signature doesn't reach"
UNREADABLE = "what it states of the replacement is in a form that this version can't read"
OUT_OF_TERM = (
    "the signer's certificate isn't valid by this computer's clock: it has ended, or the clock of this computer, "
    "or of the one that signed, is wrong"
)
SIDECAR_TYPE = "application/c2pa"
TRUSTED, UNTRUSTED = "signingCredential.trusted", "signingCredential.untrusted"
CONTENT_MISMATCHES = frozenset({"assertion.dataHash.mismatch", "assertion.bmffHash.mismatch"})
"""C2PA's codes for a file that isn't the one that was signed."""
UNKNOWN_SIGNER = "the signer is unknown here"
REASONS = {
    "assertion.dataHash.mismatch": ALTERED,
    "assertion.bmffHash.mismatch": ALTERED,
    "assertion.hashedURI.mismatch": "a statement in the credentials was altered after it was signed",
    "assertion.missing": "a statement was taken out of the credentials",
    "claimSignature.mismatch": "the signature doesn't fit what it signs",
    "claimSignature.missing": "the signature is gone",
    "claim.malformed": "the credentials are damaged",
    "signingCredential.expired": OUT_OF_TERM,
    "signingCredential.invalid": "the signer's certificate is not fit for signing media",
    "signingCredential.untrusted": UNKNOWN_SIGNER,
    "timeStamp.mismatch": "the time stamp belongs to something else",
    "timeStamp.malformed": "the time stamp is damaged",
    "timeStamp.outsideValidity": "the time-stamp authority's certificate wasn't valid at the time that it states",
}
"""C2PA's failure codes in words."""


UNSTATED: Mapping[str, object] = {
    "num_performers": 1,
    "halo": 0.0,
    "sentence": "",
    "num_covered_frames": 0,
    "num_held_frames": 0,
    "watermark": None,
    "fingerprint_sha256": "",
    "log_number": 0,
    "log_digest": "",
    "label_corners": (),
    "is_proxy": False,
    "approval": "",
    "result_digest": "",
    "salted_decision_digests": (),
    "synthetic": (),
}
"""Facts of a claim, and the values at which they aren't stated."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Watermark:
    """An invisible watermark in the pixels, which binds them to their credentials (C2PA: a soft binding)."""

    id: Annotated[str, Field(pattern=r"^[0-9a-f]{12}$")]
    """What it carries: 12 hexadecimal digits."""
    algorithm: Annotated[str, Field(pattern=r"^[a-z0-9]+(\.[a-zA-Z0-9]+){2,}$")]
    """Whose, and which version, dotted; C2PA's list of algorithms doesn't have ours, so no other tool looks it up."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """What the credentials say of the replacement; no name, no template, no digest of a person's that could be looked
    up.
    """

    num_frames: int
    num_altered_frames: int
    label: Literal["shown", "credits", "left out"]
    """`credits`: only where altered pictures begin, in a work of art."""
    label_reason: str
    """Why the label was left out, or isn't shown throughout; empty where it is."""
    model_digest: str
    salted_release_digests: Annotated[tuple[Annotated[str, Field(pattern="^[0-9a-f]{64}$")], ...], Field(max_length=64)]
    """See `salted`."""
    salted_permit_digest: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    signed_at: Annotated[str, Field(pattern=r"^[0-9T:.+Z-]{10,40}$")]
    """By the clock of the machine that signed."""
    trusted_timestamp: bool = False
    """Whether a time-stamp authority vouches for the time of signing; without one nobody else vouches for it."""
    product: str = f"Countenance {__version__}"
    num_decided_frames: int = 0
    """Altered frames in which a user confirmed whose face it is; older files don't say."""
    drawn_with: DrawnWith = ""
    """Older files don't say."""
    num_performers: int = 1
    """Whose faces were replaced. Of one it isn't stated."""
    halo: float = 0.0
    """How strong a ring in the picture marks each replaced face, 0–1."""
    sentence: str = ""
    """Words that were put into the picture's beginning."""
    num_covered_frames: int = 0
    """Altered frames in which a head is covered, because no face could be drawn."""
    num_held_frames: int = 0
    """The file's frames in which a face is as an artist painted or approved it, or follows one beside that is."""
    label_corners: tuple[Corner, ...] = ()
    """Where in the picture labels lie, those that its plate had already among them; older files don't say."""
    first_frame: int = 0
    """Of the plate's frames, counted from 0, the first that the file shows; it shows `num_frames` in a row."""
    num_plate_frames: int = 0
    """Frames of the whole plate; older files, which show all of it, don't say."""
    is_preview: bool = False
    """Whether the frames are a preview's: smaller, and drawn in haste."""
    watermark: Watermark | None = None
    """The invisible watermark in the pixels; None states none."""
    fingerprint_sha256: Annotated[str, Field(pattern="^([0-9a-f]{64})?$")] = ""
    """Of what the file looks like (`provenance/fingerprint.py`), so that nobody can exchange it in a shared store."""
    log_number: int = 0
    """Where the project's log ended when the file was signed: number of the last entry; older files don't say."""
    log_digest: str = ""
    """Of that entry. It reveals nothing of the log, and any copy of the log can be held against it."""
    is_proxy: bool = False
    """Whether it is a smaller copy by which people decide on a result, or a preview of one on which they must."""
    approval: Literal["", "awaited", "given"] = ""
    """Of the people whose releases ask for it; empty where none does."""
    result_digest: str = ""
    """Of a proxy: for everything that decides the result of which it is one, as the request for approval names it."""
    salted_decision_digests: tuple[str, ...] = ()
    """The decisions by which it was given."""
    synthetic: tuple[Role, ...] = ()
    """Roles in which somebody is, by their release, a synthetic person: one who exists nowhere."""

    @property
    def what_of_the_plate(self) -> str:
        """What the file shows of the plate, in words; empty where that is all of it, at its own size."""
        words = []
        if self.num_frames < self.num_plate_frames:
            last = self.first_frame + self.num_frames - 1
            frames = f"frame {last}" if self.num_frames == 1 else f"frames {self.first_frame} to {last}"
            words.append(f"{frames} of {self.num_plate_frames}, counted from 0")
        if self.is_preview:
            words += ["a preview"] if words else ["all frames", "a preview"]
        return "; ".join(words)


@dataclass(frozen=True, kw_only=True, slots=True)
class Ingredient:
    """What a file was made from, and what that file's own credentials were when it was used."""

    relationship: str
    has_credentials: bool
    problems: tuple[str, ...]
    generator: str = ""
    claim: Claim | None = None
    """What Countenance states of it, where it comes from it."""
    ingredients: tuple["Ingredient", ...] = ()
    """What it was made from itself."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Timestamp:
    """When a file was signed, as a time-stamp authority (RFC 3161) says."""

    state: Literal["trusted", "unknown", "invalid"]
    """Trusted: by an authority that the user trusts. Unknown: by one that is unknown here. Invalid: it doesn't hold."""
    time: str = ""
    """ISO 8601; empty where it can't be read."""
    authority: str = ""
    """The name in its certificate."""
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Credentials:
    """The credentials that were read, and how far they can be trusted."""

    state: Literal["trusted", "valid", "invalid", "missing"]
    """Trusted: signed by our authority, or with a certificate of the user's own. Valid: unaltered, but the signer is
    unknown here."""
    reasons: tuple[str, ...] = ()
    signer: str = ""
    generator: str = ""
    actions: tuple[str, ...] = ()
    """C2PA's labels, such as `c2pa.edited`, in order."""
    ingredients: tuple[Ingredient, ...] = ()
    claim: Claim | None = None
    """What Countenance states, where the file comes from it."""
    timestamp: Timestamp | None = None
    """None where nobody but the signer vouches for the time of signing."""


class CarriesNoneError(MediaError):
    """Files of this kind carry no credentials that can be read here; a video of it, such as an MKV, may be whole."""


def salted(digest: str, salt: bytes) -> str:
    """A salted digest for publication: anyone who holds the salt can show that it belongs to the digest."""
    return hashlib.sha256(salt + digest.encode()).hexdigest()


def statement(claim: Claim) -> dict[str, Any]:
    """What is written of a claim: what doesn't apply isn't stated."""
    facts = asdict(claim)
    return {name: value for name, value in facts.items() if name not in UNSTATED or value != UNSTATED[name]}


def check_plate(plate: Path) -> None:
    """Check that a plate's own credentials, if it has any, can be carried along.

    Raises:
        ProvenanceError: they are damaged beyond reading.
    """
    try:
        with c2pa.Context(_settings(None)) as context, c2pa.Builder({}, context=context) as builder:
            _add_plate(builder, plate)
    except c2pa.C2paError as error:
        raise ProvenanceError(
            f"the credentials in {plate} are damaged and can't be carried along ({error}); use an undamaged copy"
        ) from error


def sign(
    media: Path, plate: Path, output: Path, claim: Claim, identity: SigningIdentity, *, timestamp_authority: str = ""
) -> bytes:
    """Write `media` to `output` with signed credentials in it, and return these (C2PA's manifest store).

    The plate becomes the parent ingredient and keeps its own credentials. Files are streamed. Only where there is an
    address of a time-stamp authority (RFC 3161), it is asked for a stamp: it gets a digest of the signature.

    Raises:
        ProvenanceError: it can't be signed, or not stamped.
    """
    assert claim.trusted_timestamp == bool(timestamp_authority)
    media_type = MEDIA_TYPES[media.suffix.lower()]
    try:
        with plate.open("rb") as file:
            is_converted = _media_type(file) != media_type
        with (
            c2pa.Context(_settings(identity.trust)) as context,
            c2pa.Builder(_manifest(claim, is_converted=is_converted), context=context) as builder,
            _signer(identity, timestamp_authority) as signer,
        ):
            builder.set_intent(c2pa.C2paBuilderIntent.EDIT)
            _add_plate(builder, plate)
            with media.open("rb") as unsigned, open(output, "w+b", opener=_shared) as signed:
                manifest: bytes = builder.sign(signer, media_type, unsigned, signed)
    except (c2pa.C2paError, OSError, ProvenanceError) as error:
        why = _why_unsigned(error, media, output, timestamp_authority)
        raise ProvenanceError(f"{media.name} can't be signed: {why}") from error
    return manifest


def rehearse_signing(identity: SigningIdentity, timestamp_authority: str) -> None:
    """Sign and stamp a picture of one pixel, so that what can't be signed is told before anything is rendered.

    Raises:
        ProvenanceError: it can't be signed, or not stamped, or the signature wouldn't be known here.
    """
    picture, signed = io.BytesIO(base64.b64decode(ONE_PIXEL)), io.BytesIO()
    try:
        with (
            c2pa.Context(_settings(identity.trust)) as context,
            c2pa.Builder({"claim_generator_info": [_generator_info()]}, context=context) as builder,
            _signer(identity, timestamp_authority) as signer,
        ):
            builder.set_intent(c2pa.C2paBuilderIntent.CREATE, c2pa.C2paDigitalSourceType.ALGORITHMIC_MEDIA)
            builder.sign(signer, "image/png", picture, signed)
            signed.seek(0)
            with c2pa.Reader("image/png", signed, context=context) as reader:
                store: dict[str, Any] = json.loads(reader.json())
    except (c2pa.C2paError, ProvenanceError) as error:
        raise ProvenanceError(f"nothing can be signed: {_plain_why(error, timestamp_authority)}") from error
    if store.get("validation_state") != "Trusted":
        reasons = _reasons(store.get("validation_results", {})) or (f"state {store.get('validation_state')}",)
        raise ProvenanceError(f"nothing can be signed: the signature wouldn't hold ({'; '.join(reasons)})")


@contextmanager
def _signer(identity: SigningIdentity, timestamp_authority: str) -> Iterator[c2pa.Signer]:
    failures: list[ProvenanceError] = []

    def sign_bytes(data: bytes) -> bytes:
        try:
            return identity.sign_bytes(data)
        except ProvenanceError as error:
            # The library passes no exception on; it takes an empty signature for a failure.
            failures.append(error)
            return b""

    try:
        with c2pa.Signer.from_callback(
            sign_bytes,
            c2pa.C2paSigningAlg[identity.algorithm.upper()],
            identity.chain_pem,
            timestamp_authority or None,
        ) as signer:
            yield signer
    except c2pa.C2paError:
        if failures:
            raise failures[0] from None
        raise


def _shared(path: str, flags: int) -> int:
    return os.open(path, flags, SHARED)


def _why_unsigned(error: Exception, media: Path, output: Path, timestamp_authority: str) -> str:
    """The cause and the remedy; c2pa reports a full disk only in its own terms."""
    if not isinstance(error, ProvenanceError) and shutil.disk_usage(output.parent).free < 2 * media.stat().st_size:
        return f"the disk that holds {output.parent} is full; free some space, then run this again"
    return _plain_why(error, timestamp_authority)


def _plain_why(error: Exception, timestamp_authority: str) -> str:
    if isinstance(error, ProvenanceError):
        return str(error)
    if "not valid at time of signing" in str(error):
        return "its certificate isn't valid by this computer's clock; check the clock, then run this again"
    if timestamp_authority:
        return (
            f"most likely the time-stamp authority {timestamp_authority} gave no stamp that holds ({_plain(error)}); "
            "check the network and the address, then run this again, or empty the setting timestamp_authority"
        )
    return f"{error}; run this again, and report it if it happens twice"


def read_credentials(path: Path, trust: Trust | None) -> Credentials:
    """Read and check a file's credentials; needs no network. Without `trust` no signer is known.

    Raises:
        CarriesNoneError: it is no kind of file that can carry credentials.
        MediaError: the file can't be read.
    """
    try:
        with _opened(path, trust) as reader:
            if reader is None:
                return Credentials(state="missing")
            store: dict[str, Any] = json.loads(reader.json())
            active: dict[str, Any] = _crjson(reader, path)["manifests"][0]
    except c2pa.C2paError as error:
        if str(error).startswith("Remote"):  # the library has no class of its own for this one
            return Credentials(
                state="missing", reasons=("they are kept on the network, and nothing is fetched from there",)
            )
        with path.open("rb") as file:
            if not _holds_credentials(file):
                return Credentials(state="missing", reasons=(f"the file's structure is unusual ({_plain(error)})",))
        return Credentials(state="invalid", reasons=(f"the credentials are damaged ({_plain(error)})",))
    read = replace(_judge(store), timestamp=_timestamp(active))
    if any(failure.get("explanation") == SLIPPED_IN for failure in active["validationResults"]["failure"]):
        return replace(read, state="invalid", reasons=(*read.reasons, SLIPPED_IN))
    return read


def read_crjson(path: Path, trust: Trust | None) -> dict[str, Any]:
    """All that a file's credentials hold and how they were checked, in C2PA's own form for programs (crJSON).

    A file without credentials has no manifests in it.

    Raises:
        MediaError: as for `read_credentials`.
        ProvenanceError: the credentials are damaged beyond reading, or kept elsewhere.
    """
    try:
        with _opened(path, trust) as reader:
            if reader is not None:
                return _crjson(reader, path)
    except c2pa.C2paError as error:
        read = read_credentials(path, trust)
        if read.state == "invalid" or str(error).startswith("Remote"):
            raise ProvenanceError(f"the credentials of {path} can't be shown: {'; '.join(read.reasons)}") from error
    return {
        "@context": {"@vocab": "https://c2pa.org/crjson", "extras": "https://c2pa.org/crjson/extras"},
        "manifests": [],
        "jsonGenerator": {"name": "Countenance", "version": __version__},
    }


def _crjson(reader: c2pa.Reader, path: Path) -> dict[str, Any]:
    """A file's crJSON, with what the library doesn't check itself.

    It checks that the bytes which the signature leaves out begin and end with the pieces of a JPEG's credentials. What
    stands between two pieces, such as a word that the picture lies on its side, goes unnoticed by it.
    """
    document: dict[str, Any] = json.loads(reader.crjson())
    active: dict[str, Any] = document["manifests"][0]
    with path.open("rb") as file:
        if _media_type(file) != "image/jpeg":
            return document
        left_out = [
            (each.get("start", -1), each.get("start", -1) + each.get("length", 0))
            for label, data in active.get("assertions", {}).items()
            if label.startswith("c2pa.hash.data")
            for each in data.get("exclusions", [])
        ]
        size = path.stat().st_size
        # Whoever made the file chose these numbers.
        if any(not (0 <= start <= end <= size and _is_in_pieces(file, start, end)) for start, end in left_out):
            active["validationResults"]["failure"].append(
                {"code": "assertion.dataHash.mismatch", "explanation": SLIPPED_IN}
            )
    return document


def _is_in_pieces(file: BinaryIO, start: int, end: int) -> bool:
    """Whether a stretch of a JPEG is nothing but pieces of credentials: segments APP11 with JUMBF in them."""
    while start < end:
        file.seek(start)
        head = file.read(6)
        if head[:2] != b"\xff\xeb" or head[4:] != b"JP":
            return False
        start += 2 + int.from_bytes(head[2:4])
    return start == end


@contextmanager
def _opened(path: Path, trust: Trust | None) -> Iterator[c2pa.Reader | None]:
    """A reader that has checked the file, or None where it holds no credentials."""
    try:
        with path.open("rb") as file, c2pa.Context(_settings(_usable(file, trust or Trust()))) as context:
            reader = c2pa.Reader.try_create(file, context=context)
            if reader is None:
                yield None
                return
            with reader:
                yield reader
    except OSError as error:
        raise MediaError(f"can't read {path}: {error.strerror}; check the name and its permissions") from error
    except (c2pa.C2paError.NotSupported, c2pa.C2paError.Io) as error:
        kind = CarriesNoneError if isinstance(error, c2pa.C2paError.NotSupported) else MediaError
        raise kind(
            f"expected a whole video or picture (MP4, MOV, JPEG, PNG, WebP), but {path} can't be read as one "
            f"({_plain(error)})"
        ) from error


def _usable(file: BinaryIO, trust: Trust) -> Trust:
    """The trust to check a file with: time-stamp authorities count only where the signer is known without them.

    The library takes every certificate below any root that it is given for a known signer.
    """
    if not trust.timestamp_anchors_pem:
        return trust
    signers = replace(trust, timestamp_anchors_pem="")
    try:
        # With any stamp accepted, as the certificate's term may have ended since.
        with c2pa.Context(_settings(signers, checks_timestamps=False)) as context:
            reader = c2pa.Reader.try_create(file, context=context)
            if reader is None:
                return signers
            with reader:
                is_known = reader.get_validation_state() == "Trusted"
    finally:
        file.seek(0)
    return trust if is_known else signers


def _timestamp(active: Mapping[str, Any]) -> Timestamp | None:
    """What a time-stamp authority says of the active manifest (crJSON)."""
    results = active.get("validationResults", {})
    codes = [each["code"] for kind in ("success", "informational", "failure") for each in results.get(kind, [])]
    info = active.get("signature", {}).get("timeStampInfo") or {}
    if not info and not any(code.startswith("timeStamp.") for code in codes):
        return None
    problems = tuple(
        REASONS[code] for code in dict.fromkeys(codes) if code.startswith("timeStamp.") and code in REASONS
    )
    if problems or "timeStamp.validated" not in codes:
        return Timestamp(state="invalid", problems=problems or ("it doesn't pass the check",))
    return Timestamp(
        state="trusted" if "timeStamp.trusted" in codes else "unknown",
        time=_plain(info.get("timestamp", "")),
        authority=_plain(info.get("certificateInfo", {}).get("subject", {}).get("CN", "")),
    )


def read_manifest(manifest: bytes, trust: Trust | None) -> Credentials:
    """Read and check credentials that lie apart from their file: everything but time and whether that is unaltered."""
    try:
        with (
            c2pa.Context(_settings(replace(trust or Trust(), timestamp_anchors_pem=""))) as context,
            c2pa.Reader(SIDECAR_TYPE, io.BytesIO(manifest), context=context) as reader,
        ):
            store: dict[str, Any] = json.loads(reader.json())
    except c2pa.C2paError as error:
        return Credentials(state="invalid", reasons=(f"the credentials are damaged ({_plain(error)})",))
    own = store.get("validation_results", {}).get("activeManifest", {})
    own["failure"] = [failure for failure in own.get("failure", []) if failure["code"] not in CONTENT_MISMATCHES]
    failed = {failure["code"] for failure in own["failure"]}
    passed = {success["code"] for success in own.get("success", [])}
    if failed <= {UNTRUSTED}:
        store["validation_state"] = "Trusted" if TRUSTED in passed and not failed else "Valid"
    return _judge(store)


def _judge(store: Mapping[str, Any]) -> Credentials:
    states: dict[str, Literal["trusted", "valid", "invalid"]] = {"Trusted": "trusted", "Valid": "valid"}
    state = states.get(store.get("validation_state", ""), "invalid")
    manifests = store.get("manifests", {})
    manifest = manifests.get(store.get("active_manifest"), {})
    assertions = manifest.get("assertions", [])
    claim, broken = _claim(assertions)
    reasons = _reasons(store.get("validation_results", {})) + broken
    if OUT_OF_TERM in reasons and claim is not None:
        reasons += _ahead_of_the_clock(claim.signed_at)
    if state == "invalid" and not reasons:
        reasons = ("the credentials don't pass the check",)
    return Credentials(
        state=state,
        reasons=() if state == "trusted" and not broken else reasons,
        signer=_plain(manifest.get("signature_info", {}).get("common_name", "")),
        generator=_generator(manifest),
        actions=tuple(
            _plain(action.get("action", ""))
            for assertion in assertions
            if assertion["label"].startswith("c2pa.actions")
            for action in assertion["data"].get("actions", [])
        ),
        ingredients=_ingredients(manifest, manifests),
        claim=claim,
    )


def _ingredients(
    manifest: Mapping[str, Any], manifests: Mapping[str, Any], *, generation: int = 1
) -> tuple[Ingredient, ...]:
    """What a manifest's file was made from, and what its parent was made from."""
    found = []
    parents = [each.get("relationship") == "parentOf" for each in manifest.get("ingredients", [])]
    parent = parents.index(True) if True in parents else -1
    for number, ingredient in enumerate(manifest.get("ingredients", [])[:MAX_INGREDIENTS]):
        below = manifests.get(ingredient.get("active_manifest"), {})
        claim, broken = _claim(below.get("assertions", []))
        found.append(
            Ingredient(
                relationship=_plain(ingredient.get("relationship", "")),
                has_credentials="active_manifest" in ingredient,
                problems=_reasons(ingredient.get("validation_results", {})) + broken,
                generator=_generator(below),
                claim=claim,
                # Anybody can write credentials that go round in a circle, or double with each generation.
                ingredients=_ingredients(below, manifests, generation=generation + 1)
                if generation < MAX_GENERATIONS and number == parent
                else (),
            )
        )
    return tuple(found)


def _claim(assertions: list[dict[str, Any]]) -> tuple[Claim | None, tuple[str, ...]]:
    """Countenance's own statement, or what is wrong with it."""
    data = next((assertion["data"] for assertion in assertions if assertion["label"] == REPLACEMENT), None)
    if data is None:
        return None, ()
    try:
        claim = TypeAdapter(Claim).validate_python(data)
    except ValidationError:
        return None, (UNREADABLE,)
    texts = {name: _plain(getattr(claim, name)) for name in ("label_reason", "product", "sentence")}
    return replace(claim, **texts), ()  # type: ignore[arg-type]


def _ahead_of_the_clock(signed_at: str) -> tuple[str, ...]:
    """The problem with a time of signing that lies in the future."""
    try:
        moment, at = datetime.fromisoformat(signed_at), datetime.now(UTC)
    except ValueError:
        return ()
    if moment.tzinfo is None or moment <= at:
        return ()
    return (f"by the signer's clock it was signed on {moment:%d %B %Y}, by this computer's it is {at:%d %B %Y}",)


def _generator(manifest: Mapping[str, Any]) -> str:
    infos = manifest.get("claim_generator_info") or [{}]
    return "/".join(_plain(infos[0][key]) for key in ("name", "version") if key in infos[0])


def _reasons(results: Mapping[str, Any]) -> tuple[str, ...]:
    """What a check found wrong, in words, each once."""
    codes = [failure["code"] for failure in results.get("activeManifest", {}).get("failure", [])]
    for delta in results.get("ingredientDeltas", []):
        codes += [failure["code"] for failure in delta.get("validationDeltas", {}).get("failure", [])]
    return tuple(dict.fromkeys(REASONS.get(code, f"the check {code} failed") for code in codes))


def _plain(text: object) -> str:
    """Anybody can write credentials, so their text must not control a terminal or flood it."""
    return "".join(letter for letter in str(text) if letter.isprintable())[:200]


def _settings(trust: Trust | None, *, checks_timestamps: bool = True) -> c2pa.Settings:
    trust = trust or Trust()
    settings: dict[str, Any] = {
        # By default files of up to 512 MB are held in memory, twice.
        "core": {"backing_store_memory_threshold_in_mb": 32},
        # Boxes without content are signed, too: bytes can be hidden in them.
        "builder": {"thumbnail": {"enabled": False}, "bmff_hash_exclude_free_and_skip_boxes": False},
        # Signing and checking a file here use no network, but to ask a time-stamp authority that the user names.
        "verify": {
            "verify_trust": True,
            "verify_timestamp_trust": checks_timestamps,
            "remote_manifest_fetch": False,
            "ocsp_fetch": False,
        },
        "trust": {
            "anchors": [
                {"trust_kind": "manifest", "trust_anchors": trust.anchor_pem, "allowed_list": trust.signers_pem},
                {"trust_kind": "tsa", "trust_anchors": trust.timestamp_anchors_pem},
            ]
        },
    }
    return c2pa.Settings.from_dict(settings)


def _generator_info() -> dict[str, str]:
    return {"name": "Countenance", "version": __version__, "specVersion": SPEC_VERSION}


def _manifest(claim: Claim, *, is_converted: bool = False) -> dict[str, Any]:
    """The statements to be signed; opening the plate is added by the intent."""
    watermark = claim.watermark
    return {
        "claim_generator_info": [_generator_info()],
        "assertions": [
            {
                "label": "c2pa.actions.v2",
                "created": True,
                "data": {"actions": _actions(claim, is_converted=is_converted), "allActionsIncluded": True},
            },
            *([] if watermark is None else [_soft_binding(watermark)]),
            {
                "label": "cawg.training-mining",
                "created": True,
                "data": {"entries": {use: {"use": "notAllowed"} for use in MINING}},
            },
            {"label": REPLACEMENT, "created": True, "data": statement(claim)},
        ],
    }


def _actions(claim: Claim, *, is_converted: bool) -> list[dict[str, Any]]:
    """All that was done to the plate after it was opened."""
    actions: list[dict[str, Any]] = [
        {
            "action": "c2pa.edited",
            "digitalSourceType": COMPOSITE,
            "softwareAgent": {"name": "Countenance", "version": __version__},
            "description": _description(claim),
        }
    ]
    if claim.num_frames < claim.num_plate_frames:
        actions.append(
            {
                "action": "c2pa.trimmed",
                "digitalSourceType": f"{SOURCE_TYPES}humanEdits",
                "description": f"Of the plate: {claim.what_of_the_plate}.",
            }
        )
    if claim.is_preview:
        actions.append({"action": "c2pa.resized.proportional"})
    if claim.label != "left out" or claim.sentence:
        actions.append(
            {
                "action": "c2pa.addedText",
                "digitalSourceType": f"{SOURCE_TYPES}algorithmicMedia",
                "description": "Words in the picture say that it was altered.",
            }
        )
    if claim.watermark is not None:
        actions.append({"action": "c2pa.watermarked.bound"})
    if is_converted:
        actions.append({"action": "c2pa.converted"})
    return [*actions, {"action": "c2pa.transcoded", "description": "Encoded anew."}]


def _soft_binding(watermark: Watermark) -> dict[str, Any]:
    """For the whole file.

    C2PA asks for bytes; a builder takes JSON, which has none, so they are written as a list of numbers. The library
    reads that as the same bytes.
    """
    return {
        "label": "c2pa.soft-binding",
        "created": True,
        "data": {
            "alg": watermark.algorithm,
            "name": "invisible watermark",
            "blocks": [{"scope": {}, "value": list(bytes.fromhex(watermark.id))}],
            "pad": [],
        },
    }


def _description(claim: Claim) -> str:
    where = f"in {claim.num_altered_frames} of {claim.num_frames} frames"
    covered = f" In {claim.num_covered_frames} of these a head is covered." if claim.num_covered_frames else ""
    if claim.num_performers == 1:
        return f"A face was replaced by a generated one {where}, under signed releases of both people.{covered}"
    return (
        f"The faces of {claim.num_performers} people were replaced by generated ones {where}, "
        f"under signed releases of everybody.{covered}"
    )


def _add_plate(builder: c2pa.Builder, plate: Path) -> None:
    # Not the plate's file name, which may hold a person's.
    described = {"title": "Plate", "relationship": "parentOf"}
    with plate.open("rb") as file:
        try:
            builder.add_ingredient(described, _media_type(file), file)
        except c2pa.C2paError:
            # Cameras and apps append blocks that no reader of C2PA understands: no damage where there is none to read.
            if _holds_credentials(file):
                raise
            file.seek(0)
            builder.add_ingredient(described, UNKNOWN_TYPE, file)


def _holds_credentials(file: BinaryIO) -> bool:
    """Whether a file holds the beginning of a JUMBF box, in which all credentials lie."""
    file.seek(0)
    rest = b""
    while chunk := file.read(CHUNK_BYTES):
        if JUMBF.search(rest + chunk):
            return True
        rest = chunk[-JUMBF_BYTES:]
    return False


def _media_type(file: BinaryIO) -> str:
    """By content, because under a wrong type a plate's credentials would be lost silently."""
    start = file.read(12)
    file.seek(0)
    if start.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if start.startswith(b"\x89PNG"):
        return "image/png"
    if start[:4] == b"RIFF":
        return "image/webp" if start[8:] == b"WEBP" else "video/avi"
    if start[4:8] == b"ftyp":
        return "video/quicktime" if start[8:] == b"qt  " else "video/mp4"
    return UNKNOWN_TYPE
