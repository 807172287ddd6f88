"""Content credentials (C2PA): what a file says about how it was made, signed.

Signed is everything that is seen and heard. Not signed are the empty space that C2PA keeps inside the credentials
themselves and, in videos, boxes without content; a byte changed there goes unnoticed by the signature.
"""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Literal

import c2pa  # type: ignore[import-untyped]
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from pydantic import TypeAdapter, ValidationError

from countenance import __version__
from countenance.errors import MediaError, ProvenanceError
from countenance.project import SHARED
from countenance.provenance.keys import SigningIdentity
from countenance.types import DrawnWith

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

JUMBF, JUMBF_BYTES = re.compile(rb"jumb.{4}jumd", re.DOTALL), 12
CHUNK_BYTES = 2**20

REPLACEMENT = "org.countenance.replacement"
COMPOSITE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
MINING = ("cawg.ai_inference", "cawg.ai_training", "cawg.ai_generative_training", "cawg.data_mining")

ALTERED = "the picture or the sound was altered after it was signed"
OUT_OF_TERM = (
    "the signer's certificate isn't valid by this computer's clock: it has ended, or the clock of this computer, "
    "or of the one that signed, is wrong"
)
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
    "signingCredential.untrusted": "the signer is unknown here",
}
"""C2PA's failure codes in words."""


UNSTATED: Mapping[str, object] = {
    "num_performers": 1,
    "halo": 0.0,
    "sentence": "",
    "num_covered_frames": 0,
    "num_held_frames": 0,
    "is_proxy": False,
    "approval": "",
    "result_digest": "",
    "salted_decision_digests": (),
}
"""Facts of a claim, and the values at which they aren't stated."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """What the credentials say of the replacement; no name, no template, no digest that could be looked up."""

    num_frames: int
    num_altered_frames: int
    label: Literal["shown", "left out"]
    label_reason: str
    """Why the label was left out; empty where it is shown."""
    model_digest: str
    salted_release_digests: tuple[str, ...]
    """See `salted`."""
    salted_permit_digest: str
    signed_at: str
    """By the clock of the machine that signed."""
    trusted_timestamp: bool = False
    """Nobody else vouches for `signed_at`."""
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
    first_frame: int = 0
    """Of the plate's frames, counted from 0, the first that the file shows; it shows `num_frames` in a row."""
    num_plate_frames: int = 0
    """Frames of the whole plate; older files, which show all of it, don't say."""
    is_preview: bool = False
    """Whether the frames are a preview's: smaller, and drawn in haste."""
    is_proxy: bool = False
    """Whether it is a smaller copy by which people decide on a result, or a preview of one on which they must."""
    approval: Literal["", "awaited", "given"] = ""
    """Of the people whose releases ask for it; empty where none does."""
    result_digest: str = ""
    """Of a proxy: for everything that decides the result of which it is one, as the request for approval names it."""
    salted_decision_digests: tuple[str, ...] = ()
    """The decisions by which it was given."""

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


@dataclass(frozen=True, kw_only=True, slots=True)
class Credentials:
    """The credentials that were read, and how far they can be trusted."""

    state: Literal["trusted", "valid", "invalid", "missing"]
    """Trusted: signed by our authority. Valid: unaltered, but the signer is unknown here."""
    reasons: tuple[str, ...] = ()
    signer: str = ""
    generator: str = ""
    actions: tuple[str, ...] = ()
    """C2PA's labels, such as `c2pa.edited`, in order."""
    ingredients: tuple[Ingredient, ...] = ()
    claim: Claim | None = None
    """What Countenance states, where the file comes from it."""


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


def sign(media: Path, plate: Path, output: Path, claim: Claim, identity: SigningIdentity) -> str:
    """Write `media` to `output` with signed credentials in it, and return the digest of these.

    The plate becomes the parent ingredient and keeps its own credentials. Files are streamed.

    Raises:
        ProvenanceError: it can't be signed.
    """
    media_type = MEDIA_TYPES[media.suffix.lower()]
    try:
        with (
            c2pa.Context(_settings(identity.anchor_pem)) as context,
            c2pa.Builder(_manifest(claim), context=context) as builder,
            c2pa.Signer.from_callback(
                _signature_by(identity.key), c2pa.C2paSigningAlg.ES256, identity.chain_pem
            ) as signer,
        ):
            builder.set_intent(c2pa.C2paBuilderIntent.EDIT)
            _add_plate(builder, plate)
            with media.open("rb") as unsigned, open(output, "w+b", opener=_shared) as signed:
                manifest: bytes = builder.sign(signer, media_type, unsigned, signed)
    except (c2pa.C2paError, OSError) as error:
        raise ProvenanceError(f"{media.name} can't be signed: {_why_unsigned(error, media, output)}") from error
    return hashlib.sha256(manifest).hexdigest()


def _shared(path: str, flags: int) -> int:
    return os.open(path, flags, SHARED)


def _why_unsigned(error: Exception, media: Path, output: Path) -> str:
    """The cause and the remedy; c2pa reports a full disk only in its own terms."""
    if shutil.disk_usage(output.parent).free < 2 * media.stat().st_size:
        return f"the disk that holds {output.parent} is full; free some space, then run this again"
    if "not valid at time of signing" in str(error):
        return "its certificate isn't valid by this computer's clock; check the clock, then run this again"
    return f"{error}; run this again, and report it if it happens twice"


def read_credentials(path: Path, anchor_pem: str | None) -> Credentials:
    """Read and check a file's credentials; needs no network.

    Raises:
        MediaError: the file can't be read, or is no kind of file that can carry credentials.
    """
    try:
        with path.open("rb") as file, c2pa.Context(_settings(anchor_pem)) as context:
            reader = c2pa.Reader.try_create(file, context=context)
            if reader is None:
                return Credentials(state="missing")
            with reader:
                store: dict[str, Any] = json.loads(reader.json())
    except OSError as error:
        raise MediaError(f"can't read {path}: {error.strerror}; check the name and its permissions") from error
    except (c2pa.C2paError.NotSupported, c2pa.C2paError.Io) as error:
        raise MediaError(
            f"expected a whole video or picture (MP4, MOV, JPEG, PNG, WebP), but {path} can't be read as one "
            f"({_plain(error)})"
        ) from error
    except c2pa.C2paError as error:
        if str(error).startswith("Remote"):  # the library has no class of its own for this one
            return Credentials(
                state="missing", reasons=("they are kept on the network, and nothing is fetched from there",)
            )
        with path.open("rb") as file:
            if not _holds_credentials(file):
                return Credentials(state="missing", reasons=(f"the file's structure is unusual ({_plain(error)})",))
        return Credentials(state="invalid", reasons=(f"the credentials are damaged ({_plain(error)})",))
    return _judge(store)


def _judge(store: Mapping[str, Any]) -> Credentials:
    states: dict[str, Literal["trusted", "valid", "invalid"]] = {"Trusted": "trusted", "Valid": "valid"}
    state = states.get(store.get("validation_state", ""), "invalid")
    manifest = store.get("manifests", {}).get(store.get("active_manifest"), {})
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
        ingredients=tuple(
            Ingredient(
                relationship=_plain(ingredient.get("relationship", "")),
                has_credentials="active_manifest" in ingredient,
                problems=_reasons(ingredient.get("validation_results", {})),
            )
            for ingredient in manifest.get("ingredients", [])
        ),
        claim=claim,
    )


def _claim(assertions: list[dict[str, Any]]) -> tuple[Claim | None, tuple[str, ...]]:
    """Countenance's own statement, or what is wrong with it."""
    data = next((assertion["data"] for assertion in assertions if assertion["label"] == REPLACEMENT), None)
    if data is None:
        return None, ()
    try:
        claim = TypeAdapter(Claim).validate_python(data)
    except ValidationError:
        return None, ("what it states of the replacement is in a form that this version can't read",)
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


def _settings(anchor_pem: str | None) -> c2pa.Settings:
    settings: dict[str, Any] = {
        # By default files of up to 512 MB are held in memory, twice.
        "core": {"backing_store_memory_threshold_in_mb": 32},
        "builder": {"thumbnail": {"enabled": False}},
        # Signing and checking a file here use no network.
        "verify": {"verify_trust": True, "remote_manifest_fetch": False, "ocsp_fetch": False},
    }
    if anchor_pem is not None:
        settings["trust"] = {"trust_anchors": anchor_pem}
    return c2pa.Settings.from_dict(settings)


def _manifest(claim: Claim) -> dict[str, Any]:
    """The statements to be signed; opening the plate is added by the intent."""
    edited = {
        "action": "c2pa.edited",
        "digitalSourceType": COMPOSITE,
        "softwareAgent": {"name": "Countenance", "version": __version__},
        "description": _description(claim),
    }
    return {
        "claim_generator_info": [{"name": "Countenance", "version": __version__}],
        "assertions": [
            {"label": "c2pa.actions.v2", "created": True, "data": {"actions": [edited]}},
            {
                "label": "cawg.training-mining",
                "created": True,
                "data": {"entries": {use: {"use": "notAllowed"} for use in MINING}},
            },
            {"label": REPLACEMENT, "created": True, "data": statement(claim)},
        ],
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


def _signature_by(key: ec.EllipticCurvePrivateKey) -> Callable[[bytes], bytes]:
    def sign_bytes(data: bytes) -> bytes:
        # COSE wants r and s side by side, not DER.
        return b"".join(part.to_bytes(32) for part in decode_dss_signature(key.sign(data, ec.ECDSA(hashes.SHA256()))))

    return sign_bytes
